// SPDX-License-Identifier: GPL-2.0
/*
 * The rules of VM entries: each is broken by itself, and MINIVMX_CHECK, the CPU and
 * the failed entry's report have to say the same of it.
 */
#include <cpuid.h>

#include "alarm.h"
#include "minivmx_harness.h"

/* SDM Vol. 3D, "Field Encoding in VMCS". */
enum vmcs_field {
	GUEST_CS_SELECTOR	= 0x0802,
	GUEST_SS_SELECTOR	= 0x0804,
	GUEST_DS_SELECTOR	= 0x0806,
	GUEST_LDTR_SELECTOR	= 0x080c,
	GUEST_TR_SELECTOR	= 0x080e,
	GUEST_PAT		= 0x2804,
	GUEST_EFER		= 0x2806,
	GUEST_PDPTE2		= 0x280e,
	GUEST_ES_LIMIT		= 0x4800,
	GUEST_GDTR_LIMIT	= 0x4810,
	GUEST_IDTR_LIMIT	= 0x4812,
	GUEST_ES_AR		= 0x4814,
	GUEST_CS_AR		= 0x4816,
	GUEST_SS_AR		= 0x4818,
	GUEST_DS_AR		= 0x481a,
	GUEST_FS_AR		= 0x481c,
	GUEST_GS_AR		= 0x481e,
	GUEST_LDTR_AR		= 0x4820,
	GUEST_TR_AR		= 0x4822,
	GUEST_INTERRUPTIBILITY	= 0x4824,
	GUEST_ACTIVITY		= 0x4826,
	GUEST_CR0		= 0x6800,
	GUEST_CR3		= 0x6802,
	GUEST_CR4		= 0x6804,
	GUEST_CS_BASE		= 0x6808,
	GUEST_DS_BASE		= 0x680c,
	GUEST_GS_BASE		= 0x6810,
	GUEST_LDTR_BASE		= 0x6812,
	GUEST_IDTR_BASE		= 0x6818,
	GUEST_DR7		= 0x681a,
	GUEST_RIP		= 0x681e,
	GUEST_RFLAGS		= 0x6820,
	GUEST_PENDING_DEBUG	= 0x6822,
	GUEST_SYSENTER_ESP	= 0x6824,
};

#define NOT_CANONICAL	BIT(63)

/* Interruptibility and activity state, pending debug exceptions. */
#define STI		BIT(0)
#define MOV_SS		BIT(1)
#define SMI		BIT(2)
#define NMIS		BIT(3)
#define ENCLAVE		BIT(4)
#define HLT		1
#define BS		BIT(14)
#define RTM		BIT(16)

#define RFLAGS_TF	BIT(8)
#define RFLAGS_IF	BIT(9)
#define RFLAGS_IOPL	(3 << 12)
#define RFLAGS_VM	BIT(17)
#define CR0_PE		BIT(0)
#define CR0_PG		BIT(31)
#define CR4_PAE		BIT(5)
#define EFER_LME	BIT(8)

/* Interruption information (SDM Vol. 3C, "VM-Entry Controls for Event Injection"). */
#define EVENT(...)	.event = { __VA_ARGS__ }
#define INTERRUPT	EVENT(0x80000020)
#define NMI		EVENT(0x80000202)
#define PROTECTION	EVENT(0x80000b0d)

/* ------------------------------------------------------------------- the table */

/* A guest that obeys all rules. */
enum state { LONG, REAL, VIRTUAL_8086, PAE, STATES };

struct change {
	u32 field;
	u64 clear, set;
};

#define SET(field, value)	{ field, ~0UL, value }
#define ON(field, bits)		{ field, 0, bits }
#define OFF(field, bits)	{ field, bits, 0 }

#define MOST_CHANGES	3

struct flip {
	const char *rule;
	/* Why no program can break it. */
	const char *cannot;
	enum state state;
	/* The first is to the field that is to blame. */
	struct change changes[MOST_CHANGES];
	struct minivmx_event event;
	/* More changes, to what MINIVMX_SET_SREGS sets. */
	void (*sregs)(struct minivmx_sregs *sregs);
	u32 blame;
	/* Only with these MMUs, if any are named, these capabilities, and on such a CPU. */
	u32 mmus;
	u64 caps;
	bool (*cpu)(void);
	/* The driver refuses it, and the CPU never sees it. */
	bool by_driver;
	/* VMWRITE may drop the bits that break it, as some CPUs and KVM do. */
	bool dropped;
	/* Why Bochs 3.0, or KVM's nested VMX, enters the guest all the same. */
	const char *bochs, *kvm;
};

#define FLIP(name, guest, ...)						\
	{ .rule = #name, .state = guest, ##__VA_ARGS__ }
#define CANNOT(name, words)	{ .rule = #name, .cannot = words }
#define CHANGES(...)		.changes = { __VA_ARGS__ }

#define CONTROLS	"controls are the driver's"
#define HOST		"host state is the driver's"
#define NO_EVENT	"MINIVMX_RUN takes no such event"
#define NO_FEATURE	"guests do not have the feature"
#define NO_SUCH_BITS	"MINIVMX_SET_SREGS takes no such bits"
#define EPT_ONLY	BIT(MINIVMX_MMU_EPT)
#define SHADOW_ONLY	(BIT(MINIVMX_MMU_VTLB) | BIT(MINIVMX_MMU_WP) |	\
			 BIT(MINIVMX_MMU_UNSYNC) | BIT(MINIVMX_MMU_PV))
#define NOT_CHECKED	"Bochs 3.0 does not check it"
#define KVM_HALTS	"KVM halts the guest itself, and enters it active"

/* Bits of CPUID.7:EBX. */
static bool has_feature(int bit)
{
	unsigned int eax, ebx, ecx, edx;

	return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && ebx & BIT(bit);
}

static bool with_rtm(void)
{
	return has_feature(11);
}

static bool without_rtm(void)
{
	return !with_rtm();
}

static bool without_sgx(void)
{
	return !has_feature(2);
}

static void no_paging(struct minivmx_sregs *sregs)
{
	sregs->cr0 &= ~CR0_PG;
}

static void no_pae(struct minivmx_sregs *sregs)
{
	sregs->cr4 &= ~CR4_PAE;
}

static void only_lme(struct minivmx_sregs *sregs)
{
	sregs->efer = EFER_LME;
}

static void no_protection(struct minivmx_sregs *sregs)
{
	sregs->cr0 &= ~CR0_PE;
}

/* Segments as they are in virtual-8086 mode. */
static void virtual_8086_segments(struct minivmx_sregs *sregs)
{
	struct minivmx_segment *const segments[] = {
		&sregs->cs, &sregs->ss, &sregs->ds,
		&sregs->es, &sregs->fs, &sregs->gs,
	};

	for (size_t i = 0; i < ARRAY_SIZE(segments); i++)
		*segments[i] = (struct minivmx_segment) {
			.limit = 0xffff, .access_rights = 0xf3,
		};
}

/* The names are those of src/vmx/check/; the userspace tests hold both lists together. */
static const struct flip flips[] = {
	/* VM-Execution Control Fields */
	CANNOT(pin_based_controls_are_allowed, CONTROLS),
	CANNOT(primary_controls_are_allowed, CONTROLS),
	CANNOT(secondary_controls_are_allowed, CONTROLS),
	CANNOT(tertiary_controls_are_allowed, CONTROLS),
	CANNOT(at_most_four_cr3_targets, CONTROLS),
	CANNOT(io_bitmaps_are_pages, CONTROLS),
	CANNOT(msr_bitmaps_are_a_page, CONTROLS),
	CANNOT(virtual_apic_is_a_page, CONTROLS),
	CANNOT(tpr_threshold_has_four_bits, CONTROLS),
	CANNOT(virtual_nmis_need_nmi_exiting, CONTROLS),
	CANNOT(nmi_window_needs_virtual_nmis, CONTROLS),
	CANNOT(apic_access_is_a_page, CONTROLS),
	CANNOT(virtual_apic_needs_tpr_shadow, CONTROLS),
	CANNOT(x2apic_mode_excludes_apic_accesses, CONTROLS),
	CANNOT(virtual_interrupts_need_interrupt_exiting, CONTROLS),
	CANNOT(posted_interrupts_need_virtual_interrupts, CONTROLS),
	CANNOT(posted_interrupts_need_acknowledgement, CONTROLS),
	CANNOT(posted_interrupt_vector_has_eight_bits, CONTROLS),
	CANNOT(posted_interrupt_descriptor_is_aligned, CONTROLS),
	CANNOT(vpid_is_not_zero, CONTROLS),
	CANNOT(ept_memory_type_is_supported, CONTROLS),
	CANNOT(ept_walk_length_is_supported, CONTROLS),
	CANNOT(ept_accessed_dirty_is_supported, CONTROLS),
	CANNOT(ept_shadow_stacks_are_supported, CONTROLS),
	CANNOT(ept_pointer_has_no_reserved_bits, CONTROLS),
	CANNOT(page_modification_log_needs_ept, CONTROLS),
	CANNOT(page_modification_log_is_a_page, CONTROLS),
	CANNOT(unrestricted_guest_needs_ept, CONTROLS),
	CANNOT(mode_based_execution_needs_ept, CONTROLS),
	CANNOT(sub_page_permissions_need_ept, CONTROLS),
	CANNOT(sub_page_permission_table_is_a_page, CONTROLS),
	CANNOT(tracing_of_guest_memory_needs_its_controls, CONTROLS),
	CANNOT(vm_functions_are_supported, CONTROLS),
	CANNOT(eptp_switching_needs_ept, CONTROLS),
	CANNOT(eptp_list_is_a_page, CONTROLS),
	CANNOT(shadow_vmcs_bitmaps_are_pages, CONTROLS),
	CANNOT(virtualization_exception_area_is_a_page, CONTROLS),
	CANNOT(pasid_directories_are_pages, CONTROLS),
	CANNOT(tsc_multiplier_is_not_zero, CONTROLS),
	CANNOT(paging_controls_need_ept, CONTROLS),
	CANNOT(hlat_pointer_has_no_reserved_bits, CONTROLS),
	CANNOT(pid_pointer_table_is_memory, CONTROLS),

	/* VM-Exit Control Fields */
	CANNOT(exit_controls_are_allowed, CONTROLS),
	CANNOT(secondary_exit_controls_are_allowed, CONTROLS),
	CANNOT(saving_the_timer_needs_the_timer, CONTROLS),
	CANNOT(exit_msr_store_area_is_memory, CONTROLS),
	CANNOT(exit_msr_load_area_is_memory, CONTROLS),

	/* VM-Entry Control Fields */
	CANNOT(entry_controls_are_allowed, CONTROLS),
	CANNOT(event_kind_is_defined, NO_EVENT),
	CANNOT(event_vector_is_of_its_kind, NO_EVENT),
	CANNOT(event_error_code_is_due, NO_EVENT),
	CANNOT(event_has_no_reserved_bits, NO_EVENT),
	CANNOT(event_error_code_has_16_bits, NO_EVENT),
	CANNOT(event_instruction_length_is_possible, NO_EVENT),
	CANNOT(entry_msr_load_area_is_memory, CONTROLS),
	CANNOT(entry_is_not_to_smm, CONTROLS),

	/* Checks on Host Control Registers, MSRs, and SSP */
	CANNOT(host_cr0_fits_vmx, HOST),
	CANNOT(host_cr4_fits_vmx, HOST),
	CANNOT(host_cet_needs_wp, HOST),
	CANNOT(host_cr3_is_memory, HOST),
	CANNOT(host_sysenter_addresses_are_canonical, HOST),
	CANNOT(host_perf_global_ctrl_has_no_reserved_bits, HOST),
	CANNOT(host_pat_has_memory_types, HOST),
	CANNOT(host_efer_has_no_reserved_bits, HOST),
	CANNOT(host_efer_is_of_64_bit_mode, HOST),
	CANNOT(host_s_cet_is_valid, HOST),
	CANNOT(host_cet_addresses_are_canonical, HOST),
	CANNOT(host_ssp_is_aligned, HOST),
	CANNOT(host_pkrs_has_32_bits, HOST),

	/* Checks on Host Segment and Descriptor-Table Registers */
	CANNOT(host_selectors_are_global_and_of_ring_0, HOST),
	CANNOT(host_cs_and_tr_are_not_null, HOST),
	CANNOT(host_bases_are_canonical, HOST),

	/* Checks Related to Address-Space Size */
	CANNOT(host_stays_in_ia32e_mode, CONTROLS),
	CANNOT(host_cr4_has_pae, HOST),
	CANNOT(host_rip_is_canonical, HOST),

	/* Checks on Guest Control Registers, Debug Registers, and MSRs */
	CANNOT(guest_cr0_fits_vmx, "the driver keeps what VMX fixes"),
	CANNOT(guest_paging_needs_protection, NO_SUCH_BITS),
	CANNOT(guest_cr4_fits_vmx, "the driver keeps what VMX fixes"),
	CANNOT(guest_cet_needs_wp, NO_FEATURE),
	CANNOT(guest_debugctl_has_no_reserved_bits, NO_FEATURE),
	FLIP(guest_ia32e_mode_needs_paging, LONG, .sregs = no_paging,
	     .blame = GUEST_CR0, .mmus = EPT_ONLY, .by_driver = true),
	FLIP(guest_ia32e_mode_needs_pae, LONG, .sregs = no_pae,
	     .blame = GUEST_CR4, .mmus = EPT_ONLY, .by_driver = true),
	CANNOT(guest_pcide_needs_ia32e_mode, NO_FEATURE),
	FLIP(guest_cr3_is_memory, LONG, CHANGES(ON(GUEST_CR3, BIT(59))),
	     .mmus = EPT_ONLY),
	FLIP(guest_dr7_has_32_bits, LONG, CHANGES(ON(GUEST_DR7, BIT(32)))),
	FLIP(guest_sysenter_addresses_are_canonical, LONG,
	     CHANGES(SET(GUEST_SYSENTER_ESP, NOT_CANONICAL))),
	CANNOT(guest_s_cet_is_valid, NO_FEATURE),
	CANNOT(guest_cet_addresses_are_canonical, NO_FEATURE),
	CANNOT(guest_perf_global_ctrl_has_no_reserved_bits, NO_FEATURE),
	FLIP(guest_pat_has_memory_types, LONG, CHANGES(SET(GUEST_PAT, 2)),
	     .mmus = EPT_ONLY, .caps = MINIVMX_CAP_LOAD_PAT),
	CANNOT(guest_efer_has_no_reserved_bits, NO_SUCH_BITS),
	CANNOT(guest_lma_is_ia32e_mode, "the control follows LMA"),
	FLIP(guest_lme_with_paging_is_lma, LONG, .sregs = only_lme,
	     .blame = GUEST_EFER, .mmus = EPT_ONLY, .by_driver = true),
	CANNOT(guest_bndcfgs_is_valid, NO_FEATURE),
	CANNOT(guest_rtit_ctl_has_no_reserved_bits, NO_FEATURE),
	CANNOT(guest_lbr_ctl_has_no_reserved_bits, NO_FEATURE),
	CANNOT(guest_pkrs_has_32_bits, NO_FEATURE),
	CANNOT(guest_uinv_has_eight_bits, NO_FEATURE),

	/* Checks on Guest Segment Registers */
	FLIP(tr_is_in_the_gdt, LONG, CHANGES(ON(GUEST_TR_SELECTOR, 4))),
	FLIP(ldtr_is_in_the_gdt, LONG,
	     CHANGES(SET(GUEST_LDTR_SELECTOR, 4), SET(GUEST_LDTR_AR, 0x82))),
	FLIP(ss_rpl_is_that_of_cs, LONG, CHANGES(ON(GUEST_SS_SELECTOR, 3)),
	     .mmus = SHADOW_ONLY),
	FLIP(virtual_8086_bases_follow_selectors, VIRTUAL_8086,
	     CHANGES(SET(GUEST_DS_BASE, 1))),
	FLIP(tr_fs_gs_bases_are_canonical, LONG,
	     CHANGES(SET(GUEST_GS_BASE, NOT_CANONICAL))),
	FLIP(ldtr_base_is_canonical, LONG,
	     CHANGES(SET(GUEST_LDTR_BASE, NOT_CANONICAL),
		     SET(GUEST_LDTR_AR, 0x82))),
	FLIP(cs_base_has_32_bits, LONG, CHANGES(SET(GUEST_CS_BASE, BIT(32)))),
	FLIP(ss_ds_es_bases_have_32_bits, LONG,
	     CHANGES(SET(GUEST_DS_BASE, BIT(32)))),
	FLIP(virtual_8086_limits_are_64_kib, VIRTUAL_8086,
	     CHANGES(SET(GUEST_ES_LIMIT, 0xfffe))),
	FLIP(virtual_8086_segments_are_data_of_users, VIRTUAL_8086,
	     CHANGES(SET(GUEST_FS_AR, 0xf1))),
	FLIP(cs_is_accessed_code, LONG, CHANGES(OFF(GUEST_CS_AR, 1))),
	FLIP(ss_is_writable_data, LONG, CHANGES(OFF(GUEST_SS_AR, 2))),
	FLIP(data_segments_are_accessed, LONG, CHANGES(OFF(GUEST_DS_AR, 1))),
	FLIP(code_in_data_segments_is_readable, LONG,
	     CHANGES(SET(GUEST_ES_AR, 0xc099))),
	FLIP(segments_are_no_system_segments, LONG,
	     CHANGES(OFF(GUEST_CS_AR, 0x10))),
	FLIP(data_in_cs_is_of_ring_0, REAL, CHANGES(SET(GUEST_CS_AR, 0xf3))),
	FLIP(nonconforming_cs_is_of_the_ring_of_ss, LONG,
	     CHANGES(ON(GUEST_CS_AR, 0x60))),
	FLIP(conforming_cs_is_of_no_outer_ring, LONG,
	     CHANGES(ON(GUEST_CS_AR, 0x64))),
	FLIP(ss_dpl_is_its_rpl, LONG,
	     CHANGES(ON(GUEST_SS_AR, 0x60), ON(GUEST_CS_AR, 4)),
	     .mmus = SHADOW_ONLY),
	FLIP(ss_is_of_ring_0_without_protection, REAL,
	     CHANGES(ON(GUEST_SS_AR, 0x60), SET(GUEST_CS_AR, 0x93))),
	FLIP(data_segments_are_of_no_inner_ring, LONG,
	     CHANGES(ON(GUEST_DS_AR, 0), ON(GUEST_DS_SELECTOR, 3)),
	     .mmus = SHADOW_ONLY),
	FLIP(segments_are_present, LONG, CHANGES(OFF(GUEST_GS_AR, 0x80))),
	FLIP(access_rights_have_no_reserved_bits, LONG,
	     CHANGES(ON(GUEST_TR_AR, 0x100)), .dropped = true),
	FLIP(cs_is_not_of_two_sizes, LONG, CHANGES(ON(GUEST_CS_AR, 0x4000))),
	FLIP(granularity_fits_limit, LONG, CHANGES(OFF(GUEST_DS_AR, 0x8000))),
	FLIP(tr_is_a_busy_task, LONG, CHANGES(SET(GUEST_TR_AR, 0x83))),
	FLIP(ldtr_is_an_ldt, LONG, CHANGES(SET(GUEST_LDTR_AR, 0x8b))),
	FLIP(tr_and_ldtr_are_system_segments, LONG,
	     CHANGES(ON(GUEST_TR_AR, 0x10))),
	FLIP(tr_is_usable, LONG, CHANGES(ON(GUEST_TR_AR, 0x10000))),

	/* Checks on Guest Descriptor-Table Registers */
	FLIP(gdtr_and_idtr_bases_are_canonical, LONG,
	     CHANGES(SET(GUEST_IDTR_BASE, NOT_CANONICAL))),
	FLIP(gdtr_and_idtr_limits_have_16_bits, LONG,
	     CHANGES(SET(GUEST_GDTR_LIMIT, 0x10000))),

	/* Checks on Guest RIP, RFLAGS, and SSP */
	FLIP(rip_has_32_bits_outside_64_bit_mode, LONG,
	     CHANGES(SET(GUEST_RIP, BIT(32)), SET(GUEST_CS_AR, 0xc09b))),
	FLIP(rip_is_in_range_in_64_bit_mode, LONG,
	     CHANGES(SET(GUEST_RIP, BIT(62))), .bochs = NOT_CHECKED),
	FLIP(rflags_has_its_fixed_bits, LONG, CHANGES(ON(GUEST_RFLAGS, 8))),
	FLIP(virtual_8086_mode_needs_protected_mode, VIRTUAL_8086,
	     .sregs = no_protection, .blame = GUEST_RFLAGS,
	     .bochs = NOT_CHECKED),
	FLIP(virtual_8086_mode_is_not_in_ia32e_mode, LONG,
	     CHANGES(ON(GUEST_RFLAGS, RFLAGS_VM)),
	     .sregs = virtual_8086_segments),
	FLIP(external_interrupt_needs_if, LONG,
	     CHANGES(OFF(GUEST_RFLAGS, RFLAGS_IF)), INTERRUPT),
	CANNOT(ssp_is_aligned, NO_FEATURE),
	CANNOT(ssp_is_in_range, NO_FEATURE),

	/* Checks on Guest Non-Register State */
	CANNOT(activity_state_is_supported, "it is EPERM"),
	FLIP(halted_guest_is_of_ring_0, VIRTUAL_8086,
	     CHANGES(SET(GUEST_ACTIVITY, HLT)), .kvm = KVM_HALTS),
	FLIP(blocked_guest_is_active, LONG,
	     CHANGES(SET(GUEST_ACTIVITY, HLT),
		     SET(GUEST_INTERRUPTIBILITY, MOV_SS)), .kvm = KVM_HALTS),
	FLIP(event_wakes_the_guest, LONG, CHANGES(SET(GUEST_ACTIVITY, HLT)),
	     PROTECTION, .bochs = NOT_CHECKED, .kvm = KVM_HALTS),
	FLIP(interruptibility_has_no_reserved_bits, LONG,
	     CHANGES(SET(GUEST_INTERRUPTIBILITY, BIT(31)))),
	FLIP(blocking_is_not_by_sti_and_mov_ss, LONG,
	     CHANGES(SET(GUEST_INTERRUPTIBILITY, STI | MOV_SS))),
	FLIP(blocking_by_sti_needs_if, LONG,
	     CHANGES(SET(GUEST_INTERRUPTIBILITY, STI),
		     OFF(GUEST_RFLAGS, RFLAGS_IF))),
	FLIP(external_interrupt_is_not_blocked, LONG,
	     CHANGES(SET(GUEST_INTERRUPTIBILITY, STI)), INTERRUPT),
	FLIP(nmi_is_not_blocked_by_mov_ss, LONG,
	     CHANGES(SET(GUEST_INTERRUPTIBILITY, MOV_SS)), NMI,
	     .caps = MINIVMX_CAP_VIRTUAL_NMIS),
	FLIP(nmi_is_not_blocked_by_nmi, LONG,
	     CHANGES(SET(GUEST_INTERRUPTIBILITY, NMIS)), NMI,
	     .caps = MINIVMX_CAP_VIRTUAL_NMIS, .bochs = NOT_CHECKED),
	FLIP(blocking_by_smi_is_for_smm, LONG,
	     CHANGES(SET(GUEST_INTERRUPTIBILITY, SMI))),
	FLIP(enclave_is_not_interrupted_behind_mov_ss, LONG,
	     CHANGES(SET(GUEST_INTERRUPTIBILITY, ENCLAVE | MOV_SS))),
	FLIP(enclave_interruption_needs_sgx, LONG,
	     CHANGES(SET(GUEST_INTERRUPTIBILITY, ENCLAVE)), .cpu = without_sgx),
	FLIP(nmi_is_not_blocked_by_sti, LONG,
	     CHANGES(SET(GUEST_INTERRUPTIBILITY, STI)), NMI,
	     .caps = MINIVMX_CAP_VIRTUAL_NMIS),
	FLIP(pending_debug_has_no_reserved_bits, LONG,
	     CHANGES(SET(GUEST_PENDING_DEBUG, BIT(4)))),
	FLIP(blocked_guest_that_steps_has_a_step_pending, LONG,
	     CHANGES(ON(GUEST_PENDING_DEBUG, 0), SET(GUEST_ACTIVITY, HLT),
		     ON(GUEST_RFLAGS, RFLAGS_TF)), .bochs = NOT_CHECKED,
	     .kvm = KVM_HALTS),
	FLIP(blocked_guest_has_no_other_step_pending, LONG,
	     CHANGES(SET(GUEST_PENDING_DEBUG, BS),
		     SET(GUEST_INTERRUPTIBILITY, MOV_SS)),
	     .bochs = NOT_CHECKED),
	FLIP(pending_transaction_is_alone, LONG,
	     CHANGES(SET(GUEST_PENDING_DEBUG, RTM))),
	FLIP(pending_transaction_needs_rtm, LONG,
	     CHANGES(SET(GUEST_PENDING_DEBUG, RTM | BIT(12))), .cpu = without_rtm),
	FLIP(pending_transaction_is_not_behind_mov_ss, LONG,
	     CHANGES(SET(GUEST_PENDING_DEBUG, RTM | BIT(12)),
		     SET(GUEST_INTERRUPTIBILITY, MOV_SS)), .cpu = with_rtm),
	CANNOT(vmcs_link_pointer_is_a_page_or_none, CONTROLS),

	/* Checks on Guest Page-Directory-Pointer-Table Entries */
	FLIP(pdptes_have_no_reserved_bits, PAE,
	     CHANGES(SET(GUEST_PDPTE2, 3)), .mmus = EPT_ONLY),
};

/* ------------------------------------------------------------------ the guests */

static void guest_syncs(void)
{
	for (;;)
		GUEST_SYNC(7);
}

#define SYNCS								\
	"1:	movl $1, %eax\n"					\
	"	movl $7, %edi\n"					\
	"	outl %eax, $0xf0\n"					\
	"	jmp 1b\n"

GUEST_BLOB(syncs_16, 16, SYNCS);
GUEST_BLOB(syncs_32, 32, SYNCS);

static void start_virtual_8086(const struct vm *vm)
{
	struct minivmx_sregs sregs;

	start_protected(vm, syncs_16);
	sregs = get_sregs(&vm->vcpu);
	virtual_8086_segments(&sregs);
	set_sregs(&vm->vcpu, &sregs);
	vm->vcpu.run->regs.rflags = RFLAGS_VM | RFLAGS_IOPL | 2;
}

/* Four entries above pages of 2 MiB, which are where they are. */
static void start_pae(const struct vm *vm)
{
	const u64 pdpt = GUEST_PML4, directory = GUEST_PML4 + PAGE_4K;
	struct minivmx_sregs sregs;

	start_protected(vm, syncs_32);
	for (u64 i = 0; i < 4; i++) {
		((u64 *)(vm->memory + pdpt))[i] = directory | 1;
		((u64 *)(vm->memory + directory))[i] = i * PAGE_2M | 0x83;
	}
	sregs = get_sregs(&vm->vcpu);
	sregs.cr3 = pdpt;
	sregs.cr4 |= CR4_PAE;
	sregs.cr0 |= CR0_PG;
	set_sregs(&vm->vcpu, &sregs);
}

static void start(const struct vm *vm, enum state state)
{
	switch (state) {
	case LONG:
		start_guest(vm, guest_syncs);
		break;
	case REAL:
		start_real(vm, syncs_16);
		break;
	case VIRTUAL_8086:
		start_virtual_8086(vm);
		break;
	default:
		start_pae(vm);
		break;
	}
}

/* ------------------------------------------------------------------- the flips */

static struct minivmx_violation check(const struct vcpu *vcpu)
{
	struct minivmx_check check = { .size = sizeof(check) };

	test_cmd(vcpu->fd, MINIVMX_CHECK, &check);
	return check.out_violation;
}

static void vmwrite(const struct vcpu *vcpu, u32 field, u64 value)
{
	test_cmd(vcpu->fd, MINIVMX_VMWRITE,
		 ARG(vmcs_field, .encoding = field, .value = value));
}

/* What is to be put back after a flip. */
struct before {
	struct minivmx_sregs sregs;
	struct minivmx_regs regs;
	u64 values[MOST_CHANGES];
};

static void make_changes(const struct vcpu *vcpu, const struct flip *flip,
			 struct before *before)
{
	before->sregs = get_sregs(vcpu);
	before->regs = vcpu->run->regs;
	for (size_t i = 0; i < MOST_CHANGES; i++) {
		if (flip->changes[i].field)
			before->values[i] = vmread(vcpu, flip->changes[i].field);
	}
	if (flip->sregs) {
		struct minivmx_sregs sregs = before->sregs;

		flip->sregs(&sregs);
		set_sregs(vcpu, &sregs);
	}
	for (size_t i = 0; i < MOST_CHANGES; i++) {
		const struct change *change = &flip->changes[i];

		if (change->field)
			vmwrite(vcpu, change->field,
				(vmread(vcpu, change->field) & ~change->clear) |
				change->set);
	}
	vcpu->run->event = flip->event;
}

static void take_changes_back(const struct vcpu *vcpu, const struct flip *flip,
			      struct before *before)
{
	set_sregs(vcpu, &before->sregs);
	for (size_t i = 0; i < MOST_CHANGES; i++) {
		if (flip->changes[i].field)
			vmwrite(vcpu, flip->changes[i].field, before->values[i]);
	}
	vmwrite(vcpu, GUEST_ACTIVITY, 0);
	vmwrite(vcpu, GUEST_PENDING_DEBUG, 0);
	vcpu->run->event = (struct minivmx_event) { 0 };
	vcpu->run->regs = before->regs;
}

/* A guest that should not have been entered may halt for ever. */
static bool is_refused(const struct vcpu *vcpu)
{
	int error;

	catch_signal(SIGALRM, no_action);
	alarm(1);
	error = run_error(vcpu);
	alarm(0);
	require(!error || error == EINTR, "MINIVMX_RUN: %s",
		strerrorname_np(error));
	return !error && vcpu->run->entry_failure;
}

static bool has_word(const char *variable, const char *word)
{
	const char *value = getenv(variable);

	return value && strstr(value, word);
}

/* Whatever lies in between, Bochs makes the VM entries. */
static bool runs_in_bochs(void)
{
	return has_word("MINIVMX_ENGINE", "bochs") ||
	       has_word("MINIVMX_ENGINE", "nested");
}

/* Is the guest entered all the same, as is known of this machine? */
static const char *known_to_enter(const struct flip *flip)
{
	/* The driver is faster. */
	if (flip->by_driver || has_word("MINIVMX_PARAMETERS", "check_entries="))
		return NULL;
	if (flip->kvm && runs_in_kvm())
		return flip->kvm;
	return runs_in_bochs() ? flip->bochs : NULL;
}

static void expect_rule(struct __test_metadata *_metadata,
			const struct minivmx_violation *found,
			const struct flip *flip, u64 value)
{
	u32 blame = flip->blame ?: flip->changes[0].field;

	EXPECT_STREQ(flip->rule, found->rule);
	EXPECT_EQ(blame, found->field) TH_LOG("%s", flip->rule);
	EXPECT_EQ(value, found->value) TH_LOG("%s", flip->rule);
}

static void expect_refusal(struct __test_metadata *_metadata,
			   const struct vcpu *vcpu, const struct flip *flip,
			   u64 value)
{
	const struct minivmx_run *run = vcpu->run;
	char words[sizeof(run->cause)];

	EXPECT_EQ(EXIT_INVALID_GUEST, run->reason) TH_LOG("%s", flip->rule);
	expect_rule(_metadata, &run->violation, flip, value);
	snprintf(words, sizeof(words), "invalid guest state: %s: GUEST_",
		 flip->rule);
	EXPECT_EQ(0, strncmp(run->cause, words, strlen(words)))
		TH_LOG("%s: %s", flip->rule, run->cause);
}

static void flip_one(struct __test_metadata *_metadata, const struct vcpu *vcpu,
		     const struct flip *flip)
{
	u32 blame = flip->blame ?: flip->changes[0].field;
	const char *enters = known_to_enter(flip);
	struct minivmx_violation found;
	struct before before;
	bool refused;
	u64 value;

	make_changes(vcpu, flip, &before);
	value = vmread(vcpu, blame);
	if (flip->dropped && !(value & flip->changes[0].set)) {
		TH_LOG("%s: VMWRITE drops the bits", flip->rule);
		return take_changes_back(vcpu, flip, &before);
	}
	found = check(vcpu);
	expect_rule(_metadata, &found, flip, value);
	refused = is_refused(vcpu);
	EXPECT_EQ(!enters, refused)
		TH_LOG("%s: the guest is %s (known: %s)", flip->rule,
		       refused ? "refused" : "entered", enters ?: "nothing");
	if (refused)
		expect_refusal(_metadata, vcpu, flip, value);
	take_changes_back(vcpu, flip, &before);
	found = check(vcpu);
	EXPECT_STREQ("", found.rule) TH_LOG("after %s", flip->rule);
	require_exit(__FILE__, __LINE__, vcpu, EXIT_IO);
	/* Else the OUT is finished first, with its effects. */
	vcpu->run->regs = before.regs;
}

/* Is @flip for this machine? */
static bool applies(const struct vm *vm, const struct flip *flip)
{
	u64 caps = get_info(vm->device).out_capabilities;

	return !flip->cannot && (!flip->cpu || flip->cpu()) &&
	       (caps & flip->caps) == flip->caps &&
	       (!flip->mmus || flip->mmus & BIT(vm->mmu));
}

static void flip_all(struct __test_metadata *_metadata, const struct vm *vm,
		     enum state state)
{
	const struct vcpu *vcpu = &vm->vcpu;
	struct minivmx_regs regs;
	int flipped = 0;

	start(vm, state);
	regs = vcpu->run->regs;
	require_exit(__FILE__, __LINE__, vcpu, EXIT_IO);
	vcpu->run->regs = regs;
	for (size_t i = 0; i < ARRAY_SIZE(flips); i++) {
		if (flips[i].state != state || !applies(vm, &flips[i]))
			continue;
		flip_one(_metadata, vcpu, &flips[i]);
		flipped++;
	}
	TH_LOG("%d rules were broken", flipped);
	EXPECT_LT(0, flipped);
}

TEST_F(vm, flips_of_a_64_bit_guest)
{
	flip_all(_metadata, &self->vm, LONG);
}

TEST_F(vm, flips_of_a_guest_in_real_mode)
{
	if (!uses_ept(&self->vm))
		SKIP(return, NEEDS_REAL_MODE);
	flip_all(_metadata, &self->vm, REAL);
}

TEST_F(vm, flips_of_a_guest_in_virtual_8086_mode)
{
	if (!uses_ept(&self->vm))
		SKIP(return, "not with shadow paging: it has no guest without paging");
	flip_all(_metadata, &self->vm, VIRTUAL_8086);
}

TEST_F(vm, flips_of_a_guest_with_pae_paging)
{
	if (!uses_ept(&self->vm))
		SKIP(return, NEEDS_EPT);
	flip_all(_metadata, &self->vm, PAE);
}

/* ------------------------------------------------------------ MINIVMX_CHECK itself */

/* It is the run page that has the registers and the event. */
MINIVMX_TEST(check_looks_at_the_run_page, guest_syncs)
{
	run_to_sync(vcpu, 7);
	EXPECT_STREQ("", check(vcpu).rule);
	run->regs.rflags |= BIT(3);
	EXPECT_STREQ("rflags_has_its_fixed_bits", check(vcpu).rule);
	run->regs.rflags = 2;
	run->event.info = 0x80000020;
	EXPECT_STREQ("external_interrupt_needs_if", check(vcpu).rule);
	EXPECT_EQ(2, run->regs.rflags);
	EXPECT_EQ(0x80000020, run->event.info);
	run->event.info = 0;
	EXPECT_STREQ("", check(vcpu).rule);
	run_to_sync(vcpu, 7);
}

static volatile u64 answer;

static void guest_reads_a_port(void)
{
	u32 value;

	asm volatile("inl $0x70, %0" : "=a"(value));
	answer = value;
	GUEST_DONE();
}

/* An exit that waits for its answer waits on. */
MINIVMX_TEST(check_ends_no_exit, guest_reads_a_port)
{
	run_to_exit(vcpu, EXIT_IO);
	run->io.data = 0x12345678;
	EXPECT_STREQ("", check(vcpu).rule);
	EXPECT_EQ(EXIT_IO, run->reason);
	run_to_done(vcpu);
	EXPECT_EQ(0x12345678, *guest_copy(vm, answer));
}

/*
 * Behind MOV SS, a guest that the program begins to step would have to have a step
 * pending. MINIVMX_RUN ends the blocking first, and the check knows that; it leaves
 * the blocking where it is.
 */
MINIVMX_TEST(check_knows_what_a_run_does_first, guest_syncs)
{
	run_to_sync(vcpu, 7);
	vmwrite(vcpu, GUEST_INTERRUPTIBILITY, MOV_SS);
	run->regs.rflags |= RFLAGS_TF;
	EXPECT_STREQ("", check(vcpu).rule);
	EXPECT_EQ(MOV_SS, vmread(vcpu, GUEST_INTERRUPTIBILITY));
}

MINIVMX_TEST(check_refuses_events_as_a_run_does, guest_syncs)
{
	u64 caps = get_info(vm->device).out_capabilities;
	int nmi = caps & MINIVMX_CAP_VIRTUAL_NMIS ? 0 : EOPNOTSUPP;

	run_to_sync(vcpu, 7);
	run->event.info = 0x80000320;
	test_err(EINVAL, vcpu->fd, MINIVMX_CHECK, ARG(check));
	run->event.info = 0x80000202;
	test_err(nmi, vcpu->fd, MINIVMX_CHECK, ARG(check));
}

/* A guest that was repaired leaves nothing of the report. */
MINIVMX_TEST(report_is_of_the_last_entry, guest_syncs)
{
	struct minivmx_sregs sregs;

	run_to_sync(vcpu, 7);
	run->regs.rip = (uintptr_t)guest_syncs;
	vmwrite(vcpu, GUEST_GDTR_LIMIT, 0x12345);
	run_to_exit(vcpu, EXIT_INVALID_GUEST);
	EXPECT_STREQ("gdtr_and_idtr_limits_have_16_bits", run->violation.rule);
	EXPECT_NE(NULL, strstr(run->cause, ": GUEST_GDTR_LIMIT is 0x12345"));
	vmwrite(vcpu, GUEST_GDTR_LIMIT, 0x2f);
	run_to_sync(vcpu, 7);
	EXPECT_EQ('\0', run->cause[0]);
	if (!uses_ept(vm))
		return;
	/* The driver looks at CR3 before the CPU does, and names the rule as well. */
	sregs = get_sregs(vcpu);
	sregs.cr3 = BIT(59);
	set_sregs(vcpu, &sregs);
	run_to_exit(vcpu, EXIT_INVALID_GUEST);
	EXPECT_STREQ("guest_cr3_is_memory", run->violation.rule);
}

TEST_HARNESS_MAIN
