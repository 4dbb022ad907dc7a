// SPDX-License-Identifier: GPL-2.0
/*
 * Guests that would harm: random instructions in all modes, with page tables that lead
 * anywhere, and a program that answers exits with whatever comes to its mind.
 *
 * The host survives, and whatever the guest does, MINIVMX_RUN ends by an exit or a signal.
 */
#include <stdio.h>

#include "../alarm.h"
#include "world.h"

#define GUESTS		6	/* in a round */
#define EXITS		60	/* of a guest */
#define SIGNALS		4	/* that end a MINIVMX_RUN of a guest */
#define TICK		3000	/* microseconds */

/* ---------------------------------------------------------------------- a guest */

static enum mode some_mode(struct dice *dice)
{
	/* With shadow paging there is no real mode: let it be tried now and then. */
	enum mode mode = below(dice, MODES);

	if (mode == MODE_REAL && chosen_mmu() != MINIVMX_MMU_EPT && !one_in(dice, 4))
		mode = MODE_LONG;
	return mode;
}

static void set_traps_at_random(struct dice *dice, const struct guest *guest)
{
	struct minivmx_info info = get_info(guest->device);
	struct minivmx_traps traps = { .size = sizeof(traps) };

	if (one_in(dice, 2)) {
		traps.exceptions = roll(dice) & roll(dice);
		traps.exits[0] = info.out_traps[0] & roll(dice) & roll(dice);
	}
	test_cmd(guest->vcpu, MINIVMX_SET_TRAPS, &traps);
}

/* A bit of state that perhaps no CPU can have; the call may be refused. */
static void spoil_sregs(struct dice *dice, struct minivmx_sregs *sregs)
{
	u32 bit = 64 + below(dice, sizeof(*sregs) * 8 - 64);

	((u8 *)sregs)[bit / 8] ^= BIT(bit % 8);
}

static void begin(struct dice *dice, const struct guest *guest)
{
	struct minivmx_sregs sregs = { .size = sizeof(sregs) };
	const struct world world = { .mode = some_mode(dice), .user = one_in(dice, 3) };

	test_cmd(guest->vcpu, MINIVMX_GET_SREGS, &sregs);
	world_build(dice, &world, guest->memory);
	memset(guest->run, 0, sizeof(*guest->run));
	world_registers(dice, &world, &sregs, &guest->run->regs);
	if (one_in(dice, 16))
		spoil_sregs(dice, &sregs);
	ioctl(guest->vcpu, MINIVMX_SET_SREGS, &sregs);
	set_traps_at_random(dice, guest);
	count(COUNT_GUESTS);
}

/* -------------------------------------------------------------------- the exits */

/* Gives the guest memory there, or pretends that it was a device. */
static void answer_memory(struct dice *dice, const struct guest *guest)
{
	u64 gpa = guest->run->memory.gpa & -PAGE_4K;

	if (one_in(dice, 4))
		ioctl(guest->vm, MINIVMX_MAP_MEMORY,
		      ARG(map_memory, .gpa = gpa, .length = PAGE_4K));
	else
		guest->run->regs.rip += 1 + below(dice, 4);
}

static void leave_event(struct dice *dice, struct minivmx_run *run)
{
	static const u32 kinds[] = { 0, 2, 3, 4, 5, 6 };
	u32 kind = pick(dice, kinds);

	run->event.info = (kind == 2 ? 2 : roll(dice) & 0xff) | kind << 8 | BIT(31);
	if (kind == 3) {
		run->event.info &= ~0xe0;
		if (0x227d00 >> (run->event.info & 31) & 1)
			run->event.info |= BIT(11);
	}
	run->event.error = roll(dice) & 0xffff;
	run->event.length = below(dice, 16);
}

static void change_anything(struct dice *dice, const struct guest *guest)
{
	struct minivmx_run *run = guest->run;
	u64 *registers = &run->regs.rax;

	switch (below(dice, 12)) {
	case 0:
		leave_event(dice, run);
		break;
	case 1:
		registers[below(dice, 16)] = odd_value(dice);
		break;
	case 2:
		run->regs.rflags = odd_value(dice) | 2;
		break;
	case 3:
		set_traps_at_random(dice, guest);
		break;
	case 4:
		ioctl(guest->vm, MINIVMX_UNMAP_MEMORY,
		      ARG(unmap_memory, .gpa = WORLD_DATA + below(dice, 16) * PAGE_4K,
			  .length = PAGE_4K));
		break;
	case 5:
		ioctl(guest->vm, MINIVMX_MAP_MEMORY,
		      ARG(map_memory, .gpa = WORLD_DATA + below(dice, 16) * PAGE_4K,
			  .length = PAGE_4K));
		break;
	}
}

/* Goes on after what ended the guest: mostly somewhere else. */
static void go_on(struct dice *dice, const struct guest *guest)
{
	struct minivmx_run *run = guest->run;

	run->answer = below(dice, 3);
	run->io.data = roll(dice);
	run->msr.value = odd_value(dice);
	run->msr.fault = one_in(dice, 2);
	if (run->reason == MINIVMX_EXIT_MEMORY)
		answer_memory(dice, guest);
	else if (run->reason == EXIT_TRIPLE_FAULT)
		run->regs.rip = WORLD_CODE + below(dice, WORLD_CODE_SIZE);
	if (one_in(dice, 4))
		change_anything(dice, guest);
}

static void check_error(int error)
{
	/* EINVAL, EOPNOTSUPP: an event that no CPU can deliver. */
	require(error == EINTR || error == EINVAL || error == EOPNOTSUPP, "MINIVMX_RUN: %s",
		strerrorname_np(error));
}

/* A code for each exit and a text that ends. */
static void check_exit(const struct minivmx_run *run)
{
	require(run->reason < 80 || (run->reason >= MINIVMX_EXIT_MEMORY &&
				     run->reason <= MINIVMX_EXIT_INTERNAL),
		"exit reason %#x", run->reason);
	require(memchr(run->cause, 0, sizeof(run->cause)), "a cause without an end");
	require(run->reason != MINIVMX_EXIT_ENTRY_FAILED, "VM entry: %s", run->cause);
	require(run->reason != EXIT_INVALID_GUEST || run->entry_failure, "exit reason 33");
}

/* With a round that is replayed: what the guest goes on with, and what it ended by. */
static void show_entry(const struct guest *guest)
{
	struct minivmx_sregs sregs = { .size = sizeof(sregs) };
	const struct minivmx_run *run = guest->run;
	u64 linear;

	if (!fuzz_replays)
		return;
	ioctl(guest->vcpu, MINIVMX_GET_SREGS, &sregs);
	linear = sregs.cs.base + run->regs.rip;
	printf("# enters at %#llx:%#llx, RSP %#llx, RFLAGS %#llx, CS %#x, SS %#x,",
	       sregs.cs.base, run->regs.rip, run->regs.rsp, run->regs.rflags,
	       sregs.cs.access_rights, sregs.ss.access_rights);
	printf(" CR0 %#llx, CR3 %#llx, CR4 %#llx, EFER %#llx, DR7 %#llx, event %#x, code",
	       sregs.cr0, sregs.cr3, sregs.cr4, sregs.efer, sregs.dr[5], run->event.info);
	for (u64 i = 0; i < 12 && linear + i < WORLD_DATA; i++)
		printf(" %02x", guest->memory[linear + i]);
	printf("\n");
	fflush(stdout);
}

static void show_exit(const struct guest *guest, int error)
{
	const struct minivmx_run *run = guest->run;

	if (!fuzz_replays)
		return;
	printf("# %s: reason %#x, qualification %#llx, cause '%s', event %#x\n",
	       error ? strerrorname_np(error) : "exit", run->reason, run->qualification,
	       run->cause, run->event.info);
	fflush(stdout);
}

static void let_it_run(struct dice *dice, const struct guest *guest)
{
	int signals = 0;

	for (int exits = 0; exits < EXITS && signals < SIGNALS; exits++) {
		int error;

		show_entry(guest);
		error = checked_run(guest->vcpu, 0);
		show_exit(guest, error);
		if (error) {
			check_error(error);
			signals++;
			guest->run->event.info = 0;
			guest->run->answer = 0;
			guest->run->regs.rip = WORLD_CODE + below(dice, WORLD_CODE_SIZE);
			continue;
		}
		count(COUNT_EXITS);
		check_exit(guest->run);
		if (guest->run->entry_failure) {
			count(COUNT_FAILED_ENTRIES);
			return;
		}
		go_on(dice, guest);
	}
}

static void guest_round(struct dice *dice)
{
	struct guest guest;

	guest_make(&guest, chosen_mmu());
	guest_fill_rom(dice, &guest);
	catch_signal(SIGALRM, no_action);
	set_ticks(TICK);
	for (int i = 0; i < GUESTS; i++) {
		begin(dice, &guest);
		let_it_run(dice, &guest);
	}
}

const struct fuzzer guest_fuzzer = { "guest", guest_round, COUNT_EXITS };
