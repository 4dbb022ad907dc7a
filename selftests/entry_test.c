// SPDX-License-Identifier: GPL-2.0
/*
 * VM entries that fail, and the fields of the VMCS: what can be read, what can
 * be written, and what the CPU says to nonsense.
 */
#include "minivmx_harness.h"

/* SDM Vol. 3D, "Field Encoding in VMCS". */
enum vmcs_field {
	GUEST_CS_SELECTOR	= 0x0802,
	GUEST_LDTR_SELECTOR	= 0x080c,
	GUEST_TR_SELECTOR	= 0x080e,
	MSR_BITMAP		= 0x2004,
	EPT_POINTER		= 0x201a,
	VMCS_LINK_POINTER	= 0x2800,
	GUEST_DEBUGCTL		= 0x2802,
	GUEST_EFER		= 0x2806,
	GUEST_PDPTE0		= 0x280a,
	GUEST_PDPTE3		= 0x2810,
	HOST_EFER		= 0x2c02,
	PIN_CONTROLS		= 0x4000,
	PROCESSOR_CONTROLS	= 0x4002,
	EXCEPTION_BITMAP	= 0x4004,
	EXIT_CONTROLS		= 0x400c,
	ENTRY_CONTROLS		= 0x4012,
	ENTRY_INTERRUPTION_INFO	= 0x4016,
	INSTRUCTION_ERROR	= 0x4400,
	EXIT_REASON		= 0x4402,
	GUEST_CS_LIMIT		= 0x4802,
	GUEST_TR_LIMIT		= 0x480e,
	GUEST_GDTR_LIMIT	= 0x4810,
	GUEST_IDTR_LIMIT	= 0x4812,
	GUEST_CS_AR		= 0x4816,
	GUEST_SS_AR		= 0x4818,
	GUEST_DS_AR		= 0x481a,
	GUEST_LDTR_AR		= 0x4820,
	GUEST_TR_AR		= 0x4822,
	GUEST_INTERRUPTIBILITY	= 0x4824,
	GUEST_ACTIVITY		= 0x4826,
	GUEST_SYSENTER_CS	= 0x482a,
	PREEMPTION_TIMER_VALUE	= 0x482e,
	HOST_SYSENTER_CS	= 0x4c00,
	EXIT_QUALIFICATION	= 0x6400,
	GUEST_CR0		= 0x6800,
	GUEST_CR3		= 0x6802,
	GUEST_CR4		= 0x6804,
	GUEST_FS_BASE		= 0x680e,
	GUEST_GS_BASE		= 0x6810,
	GUEST_TR_BASE		= 0x6814,
	GUEST_GDTR_BASE		= 0x6816,
	GUEST_IDTR_BASE		= 0x6818,
	GUEST_PENDING_DEBUG	= 0x6822,
	GUEST_SYSENTER_ESP	= 0x6824,
	GUEST_SYSENTER_EIP	= 0x6826,
	HOST_CR3		= 0x6c02,
	HOST_RIP		= 0x6c16,
};

#define NOT_CANONICAL	(1UL << 63)

static void guest_syncs(void)
{
	for (;;)
		GUEST_SYNC(7);
}

static int vmwrite_error(const struct vcpu *vcpu, u32 field, u64 value)
{
	return call_error(vcpu->fd, MINIVMX_VMWRITE,
			  ARG(vmcs_field, .encoding = field, .value = value));
}

static int vmread_error(const struct vcpu *vcpu, u32 field)
{
	return call_error(vcpu->fd, MINIVMX_VMREAD,
			  ARG(vmcs_field, .encoding = field));
}

#define INVALID(field, value)	{ #field " = " #value, field, value }

/* SDM Vol. 3C, "Checks on the Guest State Area", for a 64-bit guest. */
static const struct {
	const char *what;
	u32 field;
	u64 value;
} invalid[] = {
	INVALID(GUEST_TR_SELECTOR, 0x1c),		/* in the LDT */
	INVALID(GUEST_GDTR_LIMIT, 0x10000),
	INVALID(GUEST_IDTR_LIMIT, 0x10000),
	INVALID(GUEST_CS_AR, 0xa091),			/* read-only data */
	INVALID(GUEST_CS_AR, 0xa01b),			/* not present */
	INVALID(GUEST_CS_AR, 0xe09b),			/* L and D */
	INVALID(GUEST_CS_AR, 0xa08b),			/* system segment */
	INVALID(GUEST_SS_AR, 0xc0f3),			/* DPL unlike CS's */
	INVALID(GUEST_SS_AR, 0xc09b),			/* code */
	INVALID(GUEST_DS_AR, 0xc092),			/* not accessed */
	INVALID(GUEST_DS_AR, 0xc099),			/* execute-only code */
	INVALID(GUEST_LDTR_AR, 0x8b),			/* a task */
	INVALID(GUEST_TR_AR, 0x10000),			/* unusable */
	INVALID(GUEST_TR_AR, 0x89),			/* not busy */
	INVALID(GUEST_TR_AR, 0x83),			/* 16-bit */
	INVALID(GUEST_INTERRUPTIBILITY, 3),		/* STI and MOV SS */
	INVALID(GUEST_INTERRUPTIBILITY, 0x80000000),	/* reserved */
	INVALID(GUEST_CR3, 1UL << 60),			/* bits 62:61 are for LAM */
	INVALID(GUEST_FS_BASE, NOT_CANONICAL),
	INVALID(GUEST_GS_BASE, NOT_CANONICAL),
	INVALID(GUEST_TR_BASE, NOT_CANONICAL),
	INVALID(GUEST_GDTR_BASE, NOT_CANONICAL),
	INVALID(GUEST_IDTR_BASE, NOT_CANONICAL),
	INVALID(GUEST_PENDING_DEBUG, 0x10),		/* reserved */
	INVALID(GUEST_SYSENTER_ESP, NOT_CANONICAL),
	INVALID(GUEST_SYSENTER_EIP, NOT_CANONICAL),
};

/* Each is reported, and repaired by what was there before. */
MINIVMX_TEST(invalid_guest_state, guest_syncs)
{
	run_to_sync(vcpu, 7);
	for (size_t i = 0; i < ARRAY_SIZE(invalid); i++) {
		u64 before = vmread(vcpu, invalid[i].field);
		int error = vmwrite_error(vcpu, invalid[i].field,
					  invalid[i].value);

		/* With shadow paging, CR3 in the VMCS is the driver's. */
		if (invalid[i].field == GUEST_CR3 && !uses_ept(vm)) {
			EXPECT_EQ(EPERM, error);
			continue;
		}
		ASSERT_EQ(0, error) TH_LOG("%s", invalid[i].what);
		/* Or else the OUT is finished first, with its effects. */
		run->regs.rip = (uintptr_t)guest_syncs;
		expect_failed_entry(_metadata, vcpu, invalid[i].what);
		ASSERT_EQ(0, vmwrite_error(vcpu, invalid[i].field, before));
		run_to_sync(vcpu, 7);
	}
}

MINIVMX_TEST(invalid_registers, guest_syncs)
{
	struct minivmx_sregs good = get_sregs(vcpu), compatibility = good;

	/* Virtual-8086 mode does not exist in 64-bit mode. */
	run->regs.rflags |= BIT(17);
	expect_failed_entry(_metadata, vcpu, "RFLAGS");
	run->regs.rflags = 2;
	run_to_sync(vcpu, 7);

	/* No 32-bit code lies beyond 4 GiB. */
	compatibility.cs.access_rights = 0xc09b;
	set_sregs(vcpu, &compatibility);
	run->regs.rip = BIT(32);
	expect_failed_entry(_metadata, vcpu, "RIP");
	set_sregs(vcpu, &good);
	run->regs.rip = (uintptr_t)guest_syncs;
	run_to_sync(vcpu, 7);
}

/* Segments that no CPU can have come by MINIVMX_SET_SREGS as well. */
MINIVMX_TEST(invalid_segments, guest_syncs)
{
	struct minivmx_sregs good = get_sregs(vcpu), bad = good;

	bad.cs.access_rights = 0x93;
	set_sregs(vcpu, &bad);
	expect_failed_entry(_metadata, vcpu, "CS");
	bad = good;
	bad.tr.access_rights = 0x10000;
	set_sregs(vcpu, &bad);
	expect_failed_entry(_metadata, vcpu, "TR");
	set_sregs(vcpu, &good);
	run_to_sync(vcpu, 7);
}

MINIVMX_TEST(failed_entries_are_counted, guest_syncs)
{
	struct minivmx_stats before, after;

	run_to_sync(vcpu, 7);
	before = get_stats(vm);
	ASSERT_EQ(0, vmwrite_error(vcpu, GUEST_CS_AR, 0));
	expect_failed_entry(_metadata, vcpu, "CS");
	after = get_stats(vm);
	EXPECT_EQ(1, after.out_entries - before.out_entries);
	EXPECT_EQ(1, after.out_returns - before.out_returns);
	EXPECT_EQ(1, after.out_exits[EXIT_INVALID_GUEST] -
		     before.out_exits[EXIT_INVALID_GUEST]);
}

MINIVMX_TEST(fields_agree_with_registers, guest_syncs)
{
	struct minivmx_sregs sregs = get_sregs(vcpu);

	run_to_sync(vcpu, 7);
	EXPECT_EQ(sregs.cs.selector, vmread(vcpu, GUEST_CS_SELECTOR));
	EXPECT_EQ(sregs.cs.limit, vmread(vcpu, GUEST_CS_LIMIT));
	EXPECT_EQ(sregs.cs.access_rights, vmread(vcpu, GUEST_CS_AR));
	EXPECT_EQ(sregs.tr.base, vmread(vcpu, GUEST_TR_BASE));
	EXPECT_EQ(sregs.gdtr.limit, vmread(vcpu, GUEST_GDTR_LIMIT));
	EXPECT_EQ(sregs.idtr.base, vmread(vcpu, GUEST_IDTR_BASE));
	if (uses_ept(vm))
		EXPECT_EQ(sregs.cr3, vmread(vcpu, GUEST_CR3));
	EXPECT_EQ(EXIT_IO, vmread(vcpu, EXIT_REASON));
	EXPECT_EQ(run->qualification, vmread(vcpu, EXIT_QUALIFICATION));
	EXPECT_EQ(~0ULL, vmread(vcpu, VMCS_LINK_POINTER));

	ASSERT_EQ(0, vmwrite_error(vcpu, GUEST_FS_BASE, 0x123456789));
	ASSERT_EQ(0, vmwrite_error(vcpu, GUEST_SYSENTER_CS, 0x88));
	EXPECT_EQ(0x123456789, get_sregs(vcpu).fs.base);
	EXPECT_EQ(0x88, get_msr(vcpu, 0x174));
	run_to_sync(vcpu, 7);
	EXPECT_EQ(0x123456789, vmread(vcpu, GUEST_FS_BASE));
}

/* Every encoding there can be: each is read or is not there, and none kills. */
MINIVMX_TEST(all_fields, guest_syncs)
{
	int there = 0;

	run_to_sync(vcpu, 7);
	for (u32 width = 0; width < 4; width++) {
		for (u32 type = 0; type < 4; type++) {
			for (u32 index = 0; index < 64; index++) {
				u32 field = width << 13 | type << 10 | index << 1;
				int error = vmread_error(vcpu, field);

				EXPECT_TRUE(!error || error == ENOENT)
					TH_LOG("field %#x: %s", field,
					       strerrorname_np(error));
				there += !error;
			}
		}
	}
	/* A CPU has this many at the least, and with EPT some more. */
	EXPECT_LT(uses_ept(vm) ? 120 : 100, there);
	run_to_sync(vcpu, 7);
}

/* What holds addresses of the kernel is for CAP_SYS_ADMIN. */
MINIVMX_TEST(fields_of_the_kernel, guest_syncs)
{
	u64 caps = get_info(vm->device).out_capabilities;
	const u32 kernel[] = {
		HOST_RIP, HOST_CR3, HOST_SYSENTER_CS, MSR_BITMAP,
		caps & MINIVMX_CAP_LOAD_EFER ? HOST_EFER : HOST_RIP,
		/* With shadow paging, the guest's CR3 holds an address too. */
		uses_ept(vm) ? EPT_POINTER : GUEST_CR3,
	};
	const u32 harmless[] = {
		GUEST_CR0, GUEST_CS_AR, PIN_CONTROLS, EXCEPTION_BITMAP,
		EXIT_REASON,
	};

	run_to_sync(vcpu, 7);
	for (size_t i = 0; i < ARRAY_SIZE(kernel); i++)
		EXPECT_EQ(0, vmread_error(vcpu, kernel[i]));
	ASSERT_EQ(0, seteuid(65534));
	/* So can its PDPTEs; there may be no such fields on a CPU without EPT. */
	for (u32 field = GUEST_PDPTE0; field <= GUEST_PDPTE3; field += 2) {
		if (!uses_ept(vm))
			EXPECT_EQ(EPERM, vmread_error(vcpu, field));
	}
	for (size_t i = 0; i < ARRAY_SIZE(kernel); i++) {
		EXPECT_EQ(EPERM, vmread_error(vcpu, kernel[i]))
			TH_LOG("field %#x", kernel[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(harmless); i++) {
		EXPECT_EQ(0, vmread_error(vcpu, harmless[i]))
			TH_LOG("field %#x", harmless[i]);
	}
	ASSERT_EQ(0, seteuid(0));
}

/* A VMWRITE would drop what does not fit, and the CPU would see something else. */
MINIVMX_TEST(values_that_do_not_fit, guest_syncs)
{
	const struct {
		u32 field;
		u64 value;
	} wide[] = {
		{ GUEST_CS_SELECTOR, 0x10008 }, { GUEST_CS_SELECTOR, BIT(63) },
		{ GUEST_CS_LIMIT, 0x1ffffffff }, { GUEST_CS_AR, 0x10000a09b },
		{ GUEST_INTERRUPTIBILITY, BIT(32) },
		{ GUEST_ACTIVITY, BIT(32) | 2 }, { GUEST_ACTIVITY, BIT(32) | 3 },
		{ GUEST_SYSENTER_CS, BIT(32) },
	};

	run_to_sync(vcpu, 7);
	for (size_t i = 0; i < ARRAY_SIZE(wide); i++) {
		u64 before = vmread(vcpu, wide[i].field);

		EXPECT_EQ(EINVAL, vmwrite_error(vcpu, wide[i].field,
						wide[i].value))
			TH_LOG("field %#x", wide[i].field);
		EXPECT_EQ(before, vmread(vcpu, wide[i].field));
	}
	run_to_sync(vcpu, 7);
}

/* Where it is not virtual, blocking by NMI would keep out the host's. */
MINIVMX_TEST(blocking_by_nmi, guest_syncs)
{
	u64 caps = get_info(vm->device).out_capabilities;
	int expected = caps & MINIVMX_CAP_VIRTUAL_NMIS ? 0 : EINVAL;
	struct minivmx_sregs sregs = get_sregs(vcpu);

	EXPECT_EQ(expected, vmwrite_error(vcpu, GUEST_INTERRUPTIBILITY, 8));
	EXPECT_EQ(0, vmwrite_error(vcpu, GUEST_INTERRUPTIBILITY, 0));
	sregs.interruptibility = 8;
	test_err(expected, vcpu->fd, MINIVMX_SET_SREGS, &sregs);
	sregs.interruptibility = 0;
	set_sregs(vcpu, &sregs);
	run_to_sync(vcpu, 7);
}

/* Numbers of MSRs that the VMCS holds. */
static const u32 msrs_of_the_vmcs[] = {
	0x174, 0x175, 0x176,		/* SYSENTER */
	0x277,				/* IA32_PAT */
	0xc0000100, 0xc0000101,		/* bases of FS and GS */
};

/* What is read is taken back, by all calls, and changes nothing. */
static void expect_round_trip(struct __test_metadata *_metadata,
			      const struct vcpu *vcpu, u32 field)
{
	struct minivmx_sregs sregs = get_sregs(vcpu);
	/* Nested, KVM keeps those access rights only that there are. */
	const u64 value = vmread(vcpu, field);
	struct minivmx_regs_arg regs = { .size = sizeof(regs) };

	EXPECT_EQ(0, call_error(vcpu->fd, MINIVMX_SET_SREGS, &sregs))
		TH_LOG("SET_SREGS, field %#x = %#llx", field, value);
	for (size_t i = 0; i < ARRAY_SIZE(msrs_of_the_vmcs); i++) {
		struct minivmx_msr msr = { .index = msrs_of_the_vmcs[i] };
		struct minivmx_msrs msrs = {
			.size = sizeof(msrs), .count = 1,
			.entries = (uintptr_t)&msr,
		};

		/* A CPU may not switch IA32_PAT. */
		if (call_error(vcpu->fd, MINIVMX_GET_MSRS, &msrs))
			continue;
		msrs.out_done = 0;
		EXPECT_EQ(0, call_error(vcpu->fd, MINIVMX_SET_MSRS, &msrs))
			TH_LOG("SET_MSRS of %#x, field %#x = %#llx", msr.index,
			       field, value);
	}
	test_cmd(vcpu->fd, MINIVMX_GET_REGS, &regs);
	test_cmd(vcpu->fd, MINIVMX_SET_REGS, &regs);
	EXPECT_EQ(value, vmread(vcpu, field)) TH_LOG("field %#x", field);
}

/*
 * A program can write what no CPU can have into the fields that it may write at all. That
 * it reads, too, and whatever it reads it may write back.
 */
MINIVMX_TEST(what_was_written_is_taken_back, guest_syncs)
{
	u32 written = 0;

	run_to_sync(vcpu, 7);
	for (u32 width = 0; width < 4; width++) {
		const u32 bits[] = { 16, 64, 32, 64 };
		u64 most = ~0UL >> (64 - bits[width]);
		const u64 values[] = { most, BIT(bits[width] - 1), 0 };

		for (u32 i = 0; i < 3 * 64; i++) {
			u32 field = width << 13 | 2 << 10 | (i / 3) << 1;
			u64 before, value = values[i % 3];

			if (vmread_error(vcpu, field))
				continue;
			before = vmread(vcpu, field);
			if (vmwrite_error(vcpu, field, value))
				continue;
			written++;
			expect_round_trip(_metadata, vcpu, field);
			test_cmd(vcpu->fd, MINIVMX_VMWRITE,
				 ARG(vmcs_field, .encoding = field,
				     .value = before));
		}
	}
	/* Of 46 fields at least. */
	EXPECT_LT(3 * 46 - 8, written);
	run_to_sync(vcpu, 7);
}

MINIVMX_TEST(fields_that_cannot_be_written, guest_syncs)
{
	const u32 fields[] = {
		/* the driver's own, though guest state */
		GUEST_CR0, GUEST_CR4, GUEST_EFER, GUEST_DEBUGCTL,
		VMCS_LINK_POINTER, PREEMPTION_TIMER_VALUE,
		/* controls */
		PIN_CONTROLS, PROCESSOR_CONTROLS, EXCEPTION_BITMAP,
		EXIT_CONTROLS, ENTRY_CONTROLS, ENTRY_INTERRUPTION_INFO,
		MSR_BITMAP, EPT_POINTER,
		/* read-only data */
		INSTRUCTION_ERROR, EXIT_REASON, EXIT_QUALIFICATION,
		/* host state */
		HOST_RIP, HOST_CR3, HOST_EFER, HOST_SYSENTER_CS,
	};

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		EXPECT_EQ(EPERM, vmwrite_error(vcpu, fields[i], 0))
			TH_LOG("field %#x", fields[i]);
	}
	/* Shutdown and wait-for-SIPI: no interrupt would end them. */
	EXPECT_EQ(EPERM, vmwrite_error(vcpu, GUEST_ACTIVITY, 2));
	EXPECT_EQ(EPERM, vmwrite_error(vcpu, GUEST_ACTIVITY, 3));
	EXPECT_EQ(EPERM, vmwrite_error(vcpu, GUEST_ACTIVITY, 4));
	run_to_sync(vcpu, 7);
}

TEST_HARNESS_MAIN
