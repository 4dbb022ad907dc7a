// SPDX-License-Identifier: GPL-2.0
/*
 * Guest states that a CPU may have and others: a valid one of any mode, and some fields of it
 * changed, by MINIVMX_VMWRITE and MINIVMX_SET_SREGS. The call is refused, or the entry fails
 * and says why, or the guest runs; the host goes on in any case, and so does the next guest.
 * MINIVMX_CHECK says beforehand whether the CPU will make the entry, and is right.
 */
#include <stdio.h>
#include <termios.h>
#include <unistd.h>

#include "../alarm.h"
#include "world.h"

#define STATES		60	/* in a round */
#define TICK		2000	/* microseconds */

#define GUEST_ACTIVITY		0x4826
#define GUEST_INTERRUPTIBILITY	0x4824
#define GUEST_PENDING_DEBUG	0x6822
#define GUEST_RFLAGS		0x6820

/* Those that a program can write, and their neighbours. */
static u32 some_field(struct dice *dice)
{
	static const u32 others[] = {
		GUEST_ACTIVITY, GUEST_INTERRUPTIBILITY, GUEST_PENDING_DEBUG, GUEST_RFLAGS,
		0x2804, 0x280a, 0x280c, 0x280e, 0x2810,
	};

	switch (below(dice, 6)) {
	case 0:
		return 0x0800 + 2 * below(dice, 8);	/* selectors */
	case 1:
		return 0x4800 + 2 * below(dice, 10);	/* limits */
	case 2:
		return 0x4814 + 2 * below(dice, 8);	/* access rights */
	case 3:
		return 0x6800 + 2 * below(dice, 20);	/* CR0 to SYSENTER_EIP */
	default:
		return pick(dice, others);
	}
}

/* What is there with a bit changed, a number at an edge, or one beyond the field's width. */
static u64 some_value(struct dice *dice, u64 value)
{
	switch (below(dice, 4)) {
	case 0:
		return odd_value(dice);
	case 1:
		return below(dice, 5) | BIT(32 + below(dice, 32));
	case 2:
		return below(dice, 8);
	default:
		return value ^ BIT(below(dice, one_in(dice, 4) ? 64 : 20));
	}
}

static void write_field(struct dice *dice, const struct guest *guest)
{
	struct minivmx_vmcs_field field = {
		.size = sizeof(field), .encoding = some_field(dice),
	};

	if (ioctl(guest->vcpu, MINIVMX_VMREAD, &field))
		return;
	field.value = some_value(dice, field.value);
	count(COUNT_CALLS);
	if (ioctl(guest->vcpu, MINIVMX_VMWRITE, &field)) {
		require(errno == EPERM || errno == EINVAL, "VMWRITE of %#x: %s", field.encoding,
			strerrorname_np(errno));
		count(COUNT_REFUSED);
	}
}

static void change_sregs(struct dice *dice, const struct guest *guest)
{
	struct minivmx_sregs sregs = { .size = sizeof(sregs) };
	u32 bit = 64 + below(dice, sizeof(sregs) * 8 - 64);

	test_cmd(guest->vcpu, MINIVMX_GET_SREGS, &sregs);
	((u8 *)&sregs)[bit / 8] ^= BIT(bit % 8);
	count(COUNT_CALLS);
	if (ioctl(guest->vcpu, MINIVMX_SET_SREGS, &sregs)) {
		require(errno == EINVAL, "SET_SREGS: %s", strerrorname_np(errno));
		count(COUNT_REFUSED);
	}
}

/* Whatever it is, what is read can be written back. */
static void take_back_sregs(const struct guest *guest)
{
	struct minivmx_sregs sregs = { .size = sizeof(sregs) };

	test_cmd(guest->vcpu, MINIVMX_GET_SREGS, &sregs);
	test_cmd(guest->vcpu, MINIVMX_SET_SREGS, &sregs);
}

/* @sregs is from power-up. */
static void begin(struct dice *dice, const struct guest *guest, struct minivmx_sregs sregs)
{
	const bool ept = chosen_mmu() == MINIVMX_MMU_EPT;
	const struct world world = {
		.mode = ept ? below(dice, MODES) : 1 + below(dice, MODES - 1),
		.user = one_in(dice, 3),
	};

	world_build(dice, &world, guest->memory);
	memset(guest->run, 0, sizeof(*guest->run));
	world_registers(dice, &world, &sregs, &guest->run->regs);
	test_cmd(guest->vcpu, MINIVMX_SET_SREGS, &sregs);
	count(COUNT_GUESTS);
}

/* Nothing waits any more that comes before the entry, and changes what is entered with. */
static bool forget_exit(const struct guest *guest)
{
	struct minivmx_sregs sregs = { .size = sizeof(sregs) };

	test_cmd(guest->vcpu, MINIVMX_GET_SREGS, &sregs);
	sregs.flags &= ~MINIVMX_SREGS_KEEP;
	return !ioctl(guest->vcpu, MINIVMX_SET_SREGS, &sregs);
}

static void put_event(struct dice *dice, const struct guest *guest)
{
	/* An interrupt, an NMI, #DB, #UD, #GP. */
	static const u32 events[] = {
		0x80000020, 0x80000202, 0x80000301, 0x80000306, 0x80000b0d,
	};

	guest->run->event = (struct minivmx_event) { .info = pick(dice, events) };
}

/* ---------------------------------------------------------------- the checker's word */

/*
 * Rules that Bochs 3.0 does not check, as in the table of selftests/check_test.c, or not if
 * bits of the field are set that it does not look at.
 */
static const struct {
	const char *rule;
	u64 unseen;
} not_checked[] = {
	{ "rip_is_in_range_in_64_bit_mode", -1 },
	{ "virtual_8086_mode_needs_protected_mode", -1 },
	{ "event_wakes_the_guest", -1 },
	{ "nmi_is_not_blocked_by_nmi", -1 },
	{ "blocked_guest_that_steps_has_a_step_pending", -1 },
	{ "blocked_guest_has_no_other_step_pending", -1 },
	{ "pending_debug_has_no_reserved_bits", ~0UL << 32 },
};

/*
 * With shadow paging the VMCS has these as the shadow needs them, and the driver itself looks
 * at the guest's.
 */
static const char *const told_by_driver[] = {
	"invalid guest state: CR0.PG, CR4.PAE, IA32_EFER.LME and LMA",
	"invalid guest state: CR3",
	"invalid guest state: PDPTEs",
};

static bool may_be_unchecked(const struct minivmx_violation *found)
{
	for (size_t i = 0; i < ARRAY_SIZE(not_checked); i++) {
		u64 unseen = not_checked[i].unseen;

		if (!strcmp(found->rule, not_checked[i].rule))
			return unseen == -1UL || found->value & unseen;
	}
	return false;
}

static bool is_told_by_driver(const struct minivmx_run *run)
{
	if (chosen_mmu() == MINIVMX_MMU_EPT || !run->entry_failure || run->violation.rule[0])
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(told_by_driver); i++) {
		if (!strcmp(run->cause, told_by_driver[i]))
			return true;
	}
	return false;
}

/* @found is what MINIVMX_CHECK has, if anything. */
static void judge(const struct minivmx_violation *found, const struct minivmx_run *run)
{
	const char *rule = found->rule;

	if (may_be_unchecked(found) || is_told_by_driver(run)) {
		count(COUNT_EXEMPT);
		return;
	}
	count(COUNT_JUDGED);
	if (rule[0])
		count(COUNT_BROKEN);
	require(!run->entry_failure == !rule[0],
		"the rule broken is '%s' (field %#x: %#llx), and the guest is %s: exit %u, %s",
		rule, found->field, found->value, run->entry_failure ? "refused" : "entered",
		run->reason, run->cause);
	require(!run->entry_failure || !strcmp(rule, run->violation.rule),
		"the rule broken is '%s' at first, then '%s'", rule, run->violation.rule);
}

static void check(const struct minivmx_run *run)
{
	require(run->reason != MINIVMX_EXIT_ENTRY_FAILED, "VM entry: %s", run->cause);
	if (!run->entry_failure)
		return;
	count(COUNT_FAILED_ENTRIES);
	require(run->cause[0] && memchr(run->cause, 0, sizeof(run->cause)),
		"a failed entry without a cause");
}

/* Bochs keeps the last 4 KiB of its output until it ends, so one that dies may tell less. */
static void tell(const struct guest *guest)
{
	const struct minivmx_regs *regs = &guest->run->regs;
	struct minivmx_sregs sregs = { .size = sizeof(sregs) };

	test_cmd(guest->vcpu, MINIVMX_GET_SREGS, &sregs);
	printf("# CS %#x:%#llx %#x, RIP %#llx, RFLAGS %#llx, CR0 %#llx, EFER %#llx, event %#x\n",
	       sregs.cs.selector, sregs.cs.base, sregs.cs.access_rights, regs->rip, regs->rflags,
	       sregs.cr0, sregs.efer, guest->run->event.info);
	fflush(stdout);
	tcdrain(STDOUT_FILENO);
}

/* @alone: no answer to an exit comes before the entry. */
static void enter(const struct guest *guest, bool alone)
{
	struct minivmx_check asked = { .size = sizeof(asked) };
	int refused = ioctl(guest->vcpu, MINIVMX_CHECK, &asked) ? errno : 0;
	int error;

	if (fuzz_replays)
		tell(guest);
	error = checked_run(guest->vcpu, 0);
	require(!refused || (refused == EINVAL && error == EINVAL),
		"MINIVMX_CHECK: %s, then MINIVMX_RUN: %s", strerrorname_np(refused),
		strerrorname_np(error));
	require(!error || error == EINTR || error == EINVAL, "MINIVMX_RUN: %s",
		strerrorname_np(error));
	if (error)
		return;
	count(COUNT_EXITS);
	check(guest->run);
	if (alone)
		judge(&asked.out_violation, guest->run);
}

static void entry_round(struct dice *dice)
{
	struct minivmx_sregs sregs = { .size = sizeof(sregs) };
	struct guest guest;

	guest_make(&guest, chosen_mmu());
	test_cmd(guest.vcpu, MINIVMX_GET_SREGS, &sregs);
	catch_signal(SIGALRM, no_action);
	set_ticks(TICK);
	for (int i = 0; i < STATES; i++) {
		bool alone = true;

		if (i % 3 == 0)
			begin(dice, &guest, sregs);
		else
			alone = one_in(dice, 2) && forget_exit(&guest);
		for (u32 changes = 1 + below(dice, 2); changes; changes--) {
			if (one_in(dice, 3))
				change_sregs(dice, &guest);
			else
				write_field(dice, &guest);
		}
		take_back_sregs(&guest);
		if (one_in(dice, 4))
			put_event(dice, &guest);
		enter(&guest, alone);
		take_back_sregs(&guest);
	}
}

const struct fuzzer entry_fuzzer = { "entry", entry_round, COUNT_JUDGED };
