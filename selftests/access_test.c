// SPDX-License-Identifier: GPL-2.0
/*
 * Every way of reaching a page × every state of its page tables, really tried by
 * a guest: against an oracle, and under every MMU that this machine offers, where
 * all must come out the same. See access.h.
 */
#include <stdio.h>

#include "access.h"
#include "guest.h"
#include "kselftest_harness.h"
#include "minivmx_util.h"

#define MOST_COMPLAINTS	3

static const char *const shape_names[ACCESS_SHAPES] = {
	"4-level paging, 4 KiB page", "4-level paging, 2 MiB page",
	"4-level paging, 1 GiB page", "PAE paging, 4 KiB page",
	"PAE paging, 2 MiB page", "32-bit paging, 4 KiB page",
	"32-bit paging, 4 MiB page",
};

static const char *const kind_names[ACCESS_KINDS] = {
	"supervisor read", "supervisor write", "supervisor fetch",
	"user read", "user write", "user fetch",
	"implicit supervisor read", "implicit supervisor write",
	"supervisor read with AC", "supervisor write with AC",
};

static const struct {
	u32 bit;
	const char *name;
} mode_names[] = {
	{ ACCESS_WP, "WP" }, { ACCESS_NXE, "NXE" }, { ACCESS_SMEP, "SMEP" },
	{ ACCESS_SMAP, "SMAP" }, { ACCESS_PSE, "PSE" },
};

static const struct {
	u64 bit;
	const char *name;
} flag_names[] = {
	{ PTE_P, "P" }, { PTE_W, "W" }, { PTE_U, "U" }, { PTE_A, "A" },
	{ PTE_D, "D" }, { PTE_PS, "PS" }, { PTE_NX, "NX" },
};

/* ---------------------------------------------------------- a case in words */

static void print_mode(char *text, size_t size, u32 mode)
{
	size_t length = 0;

	snprintf(text, size, "none");
	for (size_t i = 0; i < ARRAY_SIZE(mode_names); i++) {
		if (mode & mode_names[i].bit)
			length += snprintf(text + length, size - length, "%s%s",
					   length ? " " : "", mode_names[i].name);
	}
}

static void print_entry(char *text, size_t size, u64 entry)
{
	size_t length = snprintf(text, size, "%#llx", entry);

	for (size_t i = 0; i < ARRAY_SIZE(flag_names); i++) {
		if (entry & flag_names[i].bit)
			length += snprintf(text + length, size - length, " %s",
					   flag_names[i].name);
	}
}

static void describe_case(const struct access_case *c)
{
	char text[64];

	print_mode(text, sizeof(text), c->mode);
	ksft_print_msg("%s, %s; set: %s\n", kind_names[c->kind],
		       shape_names[c->shape], text);
	for (u32 i = c->levels; i--;) {
		print_entry(text, sizeof(text), c->entry[i]);
		ksft_print_msg("  entry of level %u: %s\n",
			       i + access_leaf_level(c->shape), text);
	}
}

static void describe_outcome(const char *what, const struct access_case *c,
			     const struct access_outcome *outcome)
{
	char text[64];

	if (outcome->vector == ACCESS_NO_FAULT)
		ksft_print_msg("  %s: success, data %#x\n", what, outcome->data);
	else
		ksft_print_msg("  %s: exception %u, error %#x, CR2 at %#x of the page, data %#x\n",
			       what, outcome->vector, outcome->error,
			       outcome->offset, outcome->data);
	for (u32 i = c->levels; i--;) {
		print_entry(text, sizeof(text), outcome->entry[i]);
		ksft_print_msg("    entry of level %u: %s\n",
			       i + access_leaf_level(c->shape), text);
	}
}

static void describe_failure(const struct access_report *report)
{
	describe_case(&report->failed);
	describe_outcome("expected", &report->failed, &report->expected);
	describe_outcome("seen", &report->failed, &report->seen);
}

/* --------------------------------------------------------------- one MMU */

static void start(const struct vm *vm, u32 shape)
{
	struct minivmx_regs *regs = &vm->vcpu.run->regs;

	if (shape <= ACCESS_LONG_1G) {
		start_guest(vm, (void (*)(void))access_main);
	} else {
		start_protected_mode(vm, &vm->vcpu, access_blob, access_blob);
		memcpy(vm->memory + ACCESS_BASE_32, access_blob,
		       access_blob_end - access_blob);
		regs->rip = ACCESS_BASE_32;
	}
	regs->rdi = shape;
}

static enum access_message next_message(const struct vm *vm)
{
	const struct minivmx_run *run = vm->vcpu.run;

	vcpu_run(&vm->vcpu);
	require(run->reason == EXIT_IO && run->io.port == ACCESS_PORT, "%s: %s",
		mmu_name(vm->mmu), describe_exit(&vm->vcpu));
	return run->io.data;
}

/* Returns how many cases went wrong (no more than MOST_COMPLAINTS). */
static int run_cases(const struct vm *vm, u32 shape,
		     struct access_report *report)
{
	int complaints = 0;

	start(vm, shape);
	report->cases = 0;
	while (complaints < MOST_COMPLAINTS) {
		enum access_message message = next_message(vm);

		if (message == ACCESS_NOT_OFFERED)
			break;
		memcpy(report, vm->memory + vm->vcpu.run->regs.rdi,
		       sizeof(*report));
		if (message == ACCESS_DONE)
			break;
		ksft_print_msg("with %s:\n", mmu_name(vm->mmu));
		describe_failure(report);
		complaints++;
	}
	return complaints;
}

static void print_report(const struct vm *vm, const struct access_report *report)
{
	u64 exits = 0;
	struct minivmx_stats stats = get_stats(vm);

	for (int i = 0; i < MINIVMX_STATS_EXITS; i++)
		exits += stats.out_exits[i];
	ksft_print_msg("  %-6s %016llx  %u cases, %u faults, %llu exits\n",
		       mmu_name(vm->mmu), report->digest, report->cases,
		       report->faults, exits);
	ksft_print_msg("         faults that set an accessed flag: %u\n",
		       report->accessed_by_faults);
}

/* ------------------------------------------------------------- all MMUs */

FIXTURE(oracle)
{
	u64 mmus;
};

FIXTURE_VARIANT(oracle)
{
	u32 shape;
};

FIXTURE_VARIANT_ADD(oracle, long_4k) { .shape = ACCESS_LONG_4K };
FIXTURE_VARIANT_ADD(oracle, long_2m) { .shape = ACCESS_LONG_2M };
FIXTURE_VARIANT_ADD(oracle, long_1g) { .shape = ACCESS_LONG_1G };
FIXTURE_VARIANT_ADD(oracle, pae_4k) { .shape = ACCESS_PAE_4K };
FIXTURE_VARIANT_ADD(oracle, pae_2m) { .shape = ACCESS_PAE_2M };
FIXTURE_VARIANT_ADD(oracle, legacy_4k) { .shape = ACCESS_LEGACY_4K };
FIXTURE_VARIANT_ADD(oracle, legacy_4m) { .shape = ACCESS_LEGACY_4M };

FIXTURE_SETUP(oracle)
{
	int device;
	const char *reason = open_device(&device);

	if (reason)
		SKIP(return, "%s", reason);
	self->mmus = get_info(device).out_mmus;
	close(device);
	if (!self->mmus)
		SKIP(return, "this driver has no MMU for this CPU");
}

FIXTURE_TEARDOWN(oracle)
{
}

static bool same_reports(const struct access_report *a,
			 const struct access_report *b)
{
	return a->digest == b->digest && a->cases == b->cases &&
	       a->faults == b->faults;
}

TEST_F_TIMEOUT(oracle, all_cases, 300)
{
	struct access_report first = { 0 }, report;
	u32 shape = variant->shape;
	char text[64];
	int mmus = 0;

	ksft_print_msg("%s:\n", shape_names[shape]);
	for (u32 mmu = MINIVMX_MMU_EPT; mmu < MMUS; mmu++) {
		struct vm vm;

		if (!(self->mmus & BIT(mmu)))
			continue;
		ASSERT_EQ(NULL, create_vm_with(&vm, mmu));
		EXPECT_EQ(0, run_cases(&vm, shape, &report));
		if (!report.cases)
			SKIP(return, "this CPU has no such pages");
		print_report(&vm, &report);
		if (!mmus++)
			first = report;
		EXPECT_TRUE(same_reports(&first, &report))
			TH_LOG("%s differs", mmu_name(mmu));
		close_vm(&vm);
	}
	print_mode(text, sizeof(text), report.modes);
	ksft_print_msg("  %d MMUs agree; what the CPU can set: %s\n", mmus, text);
}

TEST_HARNESS_MAIN
