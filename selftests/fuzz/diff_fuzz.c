// SPDX-License-Identifier: GPL-2.0
/*
 * One guest under every MMU: it must come to the same exits, with the same registers, and
 * leave the same memory. Its tables are its own to change, as long as it drops what a CPU
 * may remember of them. Where a signal ends the guest under one MMU, only what was before
 * is compared.
 */
#include <stdio.h>
#include <stdlib.h>

#include "../alarm.h"
#include "world.h"

#define GUESTS		4	/* in a round */
#define EXITS		40	/* of a guest */
#define STACK_WORDS	8
#define CODE_BYTES	16
#define SECONDS		0.02	/* that a guest has between two exits */

/* An exit as a program sees it, as far as it does not tell of the MMU. */
struct exit {
	u32 reason;
	u32 error;		/* of MINIVMX_RUN */
	u64 qualification;
	struct minivmx_regs regs;
	struct minivmx_io io;
	struct minivmx_msr_exit msr;
	struct minivmx_memory_exit memory;
	struct minivmx_event event;
	u32 interruption[2];
	struct minivmx_sregs sregs;
	/* If they are where they were in the beginning. */
	u64 stack[STACK_WORDS];
	u8 code[CODE_BYTES];
};

struct trace {
	u32 mmu;
	u32 length;
	bool cut_short;
	struct exit exits[EXITS];
	u64 low_memory, tables, data;	/* digests, at the end */
};

/* ---------------------------------------------------------------- what is compared */

/* Has the SDM a qualification for it that is not about addresses of the host's tables? */
static bool has_qualification(u32 reason)
{
	return reason == EXIT_EXCEPTION || reason == EXIT_IO || reason == EXIT_CR_ACCESS ||
	       reason == EXIT_DR_ACCESS || reason == 9;
}

static void record(struct exit *exit, const struct guest *guest, int error)
{
	const struct minivmx_run *run = guest->run;

	memset(exit, 0, sizeof(*exit));
	exit->error = error;
	exit->sregs.size = sizeof(exit->sregs);
	test_cmd(guest->vcpu, MINIVMX_GET_SREGS, &exit->sregs);
	exit->regs = run->regs;
	exit->event = run->event;
	if (run->regs.rsp < WORLD_DATA)
		memcpy(exit->stack, guest->memory + run->regs.rsp, sizeof(exit->stack));
	if (run->regs.rip < WORLD_DATA)
		memcpy(exit->code, guest->memory + run->regs.rip, sizeof(exit->code));
	if (error)
		return;
	exit->reason = run->reason;
	if (has_qualification(run->reason))
		exit->qualification = run->qualification;
	if (run->reason == EXIT_IO)
		exit->io = run->io;
	if (run->reason == EXIT_RDMSR || run->reason == EXIT_WRMSR)
		exit->msr = run->msr;
	if (run->reason == MINIVMX_EXIT_MEMORY)
		exit->memory = run->memory;
	if (run->reason == EXIT_EXCEPTION) {
		exit->interruption[0] = run->interruption_info;
		exit->interruption[1] = run->interruption_error;
	}
}

static u64 digest(const u8 *memory, u64 size)
{
	const u64 *words = (const u64 *)memory;
	u64 sum = 0;

	for (u64 i = 0; i < size / 8; i++)
		sum = (sum ^ words[i]) * 0x9e3779b97f4a7c15 + (sum >> 29);
	return sum;
}

/* --------------------------------------------------------------------- one guest */

/* What the driver would answer by the host's CPU, the program answers. */
static void set_traps_for(struct dice *dice, const struct guest *guest)
{
	const u64 always = BIT(EXIT_CPUID) | BIT(EXIT_RDPMC);
	struct minivmx_info info = get_info(guest->device);
	struct minivmx_traps traps = { .size = sizeof(traps) };
	u64 more = roll(dice) & roll(dice) & roll(dice);

	traps.exits[0] = always | (info.out_traps[0] & more & ~BIT(EXIT_EPT_VIOLATION));
	if (one_in(dice, 2))
		traps.exceptions = roll(dice) & roll(dice);
	test_cmd(guest->vcpu, MINIVMX_SET_TRAPS, &traps);
}

static void begin(struct dice *dice, const struct guest *guest)
{
	struct minivmx_sregs sregs = { .size = sizeof(sregs) };
	const struct world world = {
		.mode = MODE_PROTECTED + below(dice, MODES - MODE_PROTECTED),
		.user = one_in(dice, 3), .tame = true,
	};

	guest_fill_rom(dice, guest);
	world_build(dice, &world, guest->memory);
	test_cmd(guest->vcpu, MINIVMX_GET_SREGS, &sregs);
	world_registers(dice, &world, &sregs, &guest->run->regs);
	test_cmd(guest->vcpu, MINIVMX_SET_SREGS, &sregs);
	set_traps_for(dice, guest);
}

static bool is_asked_for_an_answer(u32 reason)
{
	return reason == EXIT_CPUID || reason == EXIT_RDPMC;
}

/* False if the guest cannot go on. */
static bool go_on(struct dice *dice, const struct guest *guest)
{
	struct minivmx_run *run = guest->run;

	run->io.data = roll(dice);
	run->msr.value = roll(dice);
	run->msr.fault = one_in(dice, 2);
	run->answer = MINIVMX_ANSWER_DEFAULT;
	if (is_asked_for_an_answer(run->reason)) {
		run->regs.rax = below(dice, 256);
		run->answer = MINIVMX_ANSWER_SKIP;
	} else if (run->reason == MINIVMX_EXIT_MEMORY) {
		run->regs.rip += 1 + below(dice, 4);
	}
	return run->reason != EXIT_TRIPLE_FAULT && run->reason != 9 &&
	       run->reason != EXIT_INVALID_GUEST && run->reason != MINIVMX_EXIT_INTERNAL;
}

static int run_with_limit(const struct guest *guest)
{
	double start = now();
	int error;

	do {
		error = checked_run(guest->vcpu, 0);
	} while (error == EINTR && now() - start < SECONDS);
	return error;
}

static void trace(struct dice dice, u32 mmu, struct trace *trace)
{
	struct guest guest;

	guest_make(&guest, mmu);
	begin(&dice, &guest);
	*trace = (struct trace) { .mmu = mmu };
	while (trace->length < EXITS) {
		int error = run_with_limit(&guest);

		if (error == EINTR) {
			trace->cut_short = true;
			break;
		}
		count(COUNT_EXITS);
		record(&trace->exits[trace->length++], &guest, error);
		if (error || !go_on(&dice, &guest))
			break;
	}
	trace->low_memory = digest(guest.memory, WORLD_DATA);
	trace->data = digest(guest.memory + WORLD_DATA, WORLD_DATA_SIZE);
	trace->tables = digest(guest.memory + WORLD_TABLES, 8 * PAGE_4K);
	guest_close(&guest);
}

/* ----------------------------------------------------------------------- in words */

static void show_difference(const char *name, const void *a, const void *b, size_t size)
{
	const u64 *x = a, *y = b;

	for (size_t i = 0; i < size / 8; i++) {
		if (x[i] != y[i])
			printf("#   %s, word %zu: %#llx and %#llx\n", name, i, x[i], y[i]);
	}
}

static void show_exit(const struct trace *trace, u32 number)
{
	const struct exit *exit = &trace->exits[number];

	printf("#   %s, exit %u: reason %#x, error %u, qualification %#llx, RIP %#llx, event %#x,",
	       mmu_name(trace->mmu), number, exit->reason, exit->error, exit->qualification,
	       exit->regs.rip, exit->event.info);
	printf(" CS base %#llx, CR0 %#llx, CR3 %#llx, CR4 %#llx, EFER %#llx, memory %#llx, code",
	       exit->sregs.cs.base, exit->sregs.cr0, exit->sregs.cr3, exit->sregs.cr4,
	       exit->sregs.efer, exit->memory.gpa);
	for (u32 i = 0; i < CODE_BYTES; i++)
		printf(" %02x", exit->code[i]);
	printf("\n");
}

static void show(const struct trace *a, const struct trace *b, u32 number)
{
	const struct exit *x = &a->exits[number], *y = &b->exits[number];

	if (number)
		show_exit(a, number - 1);
	show_exit(a, number);
	show_exit(b, number);
	show_difference("registers", &x->regs, &y->regs, sizeof(x->regs));
	show_difference("system registers", &x->sregs, &y->sregs, sizeof(x->sregs));
	show_difference("stack", x->stack, y->stack, sizeof(x->stack));
	show_difference("event", &x->event, &y->event, sizeof(x->event));
	show_difference("memory exit", &x->memory, &y->memory, sizeof(x->memory));
}

static bool same(const struct trace *a, const struct trace *b)
{
	u32 length = a->length < b->length ? a->length : b->length;

	for (u32 i = 0; i < length; i++) {
		if (memcmp(&a->exits[i], &b->exits[i], sizeof(a->exits[i]))) {
			show(a, b, i);
			return false;
		}
	}
	if (a->cut_short || b->cut_short)
		return true;
	if (a->length == b->length && a->low_memory == b->low_memory && a->data == b->data &&
	    a->tables == b->tables)
		return true;
	printf("#   %s and %s: %u and %u exits; memory that differs:%s%s%s\n", mmu_name(a->mmu),
	       mmu_name(b->mmu), a->length, b->length,
	       a->low_memory == b->low_memory ? "" : " below the data",
	       a->data == b->data ? "" : " data", a->tables == b->tables ? "" : " page tables");
	return false;
}

static void diff_round(struct dice *dice)
{
	static struct trace first, other;
	int device = -1;
	u64 mmus;

	require(!open_device(&device), "no device");
	mmus = get_info(device).out_mmus;
	catch_signal(SIGALRM, no_action);
	set_ticks(5000);
	for (u32 i = 0; i < GUESTS; i++) {
		u32 mmu = __builtin_ctzll(mmus);

		count(COUNT_GUESTS);
		dice->state = roll(dice);
		trace(*dice, mmu, &first);
		while (++mmu < MMUS) {
			if (!(mmus & BIT(mmu)))
				continue;
			trace(*dice, mmu, &other);
			require(same(&first, &other), "guest %u differs", i);
		}
	}
}

const struct fuzzer diff_fuzzer = { "diff", diff_round, COUNT_GUESTS };
