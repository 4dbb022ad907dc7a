// SPDX-License-Identifier: GPL-2.0

//! For each rule a state that obeys all, and the changes after which this rule is broken and no
//! other.

use super::states::*;
use crate::{
    vmx::{controls::*, field::*},
    x86::{cr0, cr4, efer, rflags},
};

/// A change of a field.
pub(super) enum Change {
    Set(u32, u64),
    On(u32, u64),
    Off(u32, u64),
}

impl Change {
    pub(super) fn make(&self, vmcs: &mut Vmcs) {
        match *self {
            Self::Set(field, value) => vmcs.set(field, value),
            Self::On(field, bits) => vmcs.set(field, vmcs.get(field) | bits),
            Self::Off(field, bits) => vmcs.set(field, vmcs.get(field) & !bits),
        }
    }
}

/// How a rule is broken.
pub(super) struct Flip {
    pub(super) rule: &'static str,
    pub(super) state: fn() -> Vmcs,
    pub(super) changes: &'static [Change],
}

macro_rules! flips {
    ($($rule:ident: $state:ident, $($change:ident($field:ident, $value:expr)),+;)*) => {
        &[$(Flip {
            rule: stringify!($rule),
            state: $state,
            changes: &[$(Change::$change($field.encoding(), $value as u64)),+],
        },)*]
    };
}

const VALID: u64 = 1 << 31;
/// An external interrupt.
const INTERRUPT: u64 = VALID | 0x20;
const NMI: u64 = VALID | 0x202;
/// #GP, with the error code that it has.
const PROTECTION: u64 = VALID | 0xb0d;
const NOT_CANONICAL: u64 = 1 << 63;
const BEYOND_MEMORY: u64 = 1 << 50;

/// Interruptibility state.
const STI: u64 = 1 << 0;
const MOV_SS: u64 = 1 << 1;
const SMI: u64 = 1 << 2;
const NMIS: u64 = 1 << 3;
const ENCLAVE: u64 = 1 << 4;

/// Activity state.
const HLT: u64 = 1;

/// Pending debug exceptions.
const BS: u64 = 1 << 14;
const RTM: u64 = 1 << 16 | 1 << 12;

pub(super) const FLIPS: &[Flip] = flips! {
    // VM-Execution Control Fields
    pin_based_controls_are_allowed: long, On(PIN_BASED_CONTROLS, 1u64 << 31);
    primary_controls_are_allowed: long, On(PRIMARY_CONTROLS, 1);
    secondary_controls_are_allowed: long, On(SECONDARY_CONTROLS, 1u64 << 31);
    tertiary_controls_are_allowed: everything, On(TERTIARY_CONTROLS, 1u64 << 63);
    at_most_four_cr3_targets: long, Set(CR3_TARGET_COUNT, 5);
    io_bitmaps_are_pages: everything, On(IO_BITMAP_B, 1);
    msr_bitmaps_are_a_page: long, On(MSR_BITMAP, 0x800);
    virtual_apic_is_a_page: everything, On(VIRTUAL_APIC_ADDRESS, BEYOND_MEMORY);
    tpr_threshold_has_four_bits: long, On(PRIMARY_CONTROLS, Primary::USE_TPR_SHADOW.raw()),
        Set(TPR_THRESHOLD, 0x10);
    virtual_nmis_need_nmi_exiting: long, Off(PIN_BASED_CONTROLS, PinBased::NMI_EXITING.raw());
    nmi_window_needs_virtual_nmis: everything, Off(PIN_BASED_CONTROLS, PinBased::VIRTUAL_NMIS.raw());
    apic_access_is_a_page: everything, On(APIC_ACCESS_ADDRESS, 1);
    virtual_apic_needs_tpr_shadow: long,
        On(SECONDARY_CONTROLS, Secondary::APIC_REGISTER_VIRTUALIZATION.raw());
    x2apic_mode_excludes_apic_accesses: everything,
        On(SECONDARY_CONTROLS, Secondary::VIRTUALIZE_X2APIC_MODE.raw());
    virtual_interrupts_need_interrupt_exiting: everything,
        Off(PIN_BASED_CONTROLS, PinBased::EXTERNAL_INTERRUPT_EXITING.raw());
    posted_interrupts_need_virtual_interrupts: everything,
        Off(SECONDARY_CONTROLS, Secondary::VIRTUAL_INTERRUPT_DELIVERY.raw());
    posted_interrupts_need_acknowledgement: everything,
        Off(EXIT_CONTROLS, Exit::ACKNOWLEDGE_INTERRUPT.raw());
    posted_interrupt_vector_has_eight_bits: everything, Set(POSTED_INTERRUPT_VECTOR, 0x100);
    posted_interrupt_descriptor_is_aligned: everything, On(POSTED_INTERRUPT_DESCRIPTOR, 0x20);
    vpid_is_not_zero: long, Set(VIRTUAL_PROCESSOR_ID, 0);
    ept_memory_type_is_supported: long, On(EPT_POINTER, 1);
    ept_walk_length_is_supported: long, Off(EPT_POINTER, 8);
    ept_accessed_dirty_is_supported: poor, On(EPT_POINTER, 1 << 6);
    ept_shadow_stacks_are_supported: poor, On(EPT_POINTER, 1 << 7);
    ept_pointer_has_no_reserved_bits: long, On(EPT_POINTER, 1 << 8);
    page_modification_log_needs_ept: shadow, On(SECONDARY_CONTROLS, Secondary::ENABLE_PML.raw());
    page_modification_log_is_a_page: everything, On(PML_ADDRESS, 1);
    unrestricted_guest_needs_ept: shadow, On(SECONDARY_CONTROLS, Secondary::UNRESTRICTED_GUEST.raw());
    mode_based_execution_needs_ept: shadow,
        On(SECONDARY_CONTROLS, Secondary::MODE_BASED_EXECUTE_CONTROL.raw());
    sub_page_permissions_need_ept: shadow,
        On(SECONDARY_CONTROLS, Secondary::SUB_PAGE_WRITE_PERMISSIONS.raw());
    sub_page_permission_table_is_a_page: everything, On(SPP_TABLE_POINTER, 1);
    tracing_of_guest_memory_needs_its_controls: everything,
        Off(EXIT_CONTROLS, Exit::CLEAR_RTIT_CTL.raw());
    vm_functions_are_supported: everything, On(VM_FUNCTION_CONTROLS, 2);
    eptp_switching_needs_ept: shadow, On(SECONDARY_CONTROLS, Secondary::ENABLE_VM_FUNCTIONS.raw()),
        Set(VM_FUNCTION_CONTROLS, 1);
    eptp_list_is_a_page: everything, On(EPTP_LIST_ADDRESS, 1);
    shadow_vmcs_bitmaps_are_pages: everything, On(VMWRITE_BITMAP, 1);
    virtualization_exception_area_is_a_page: everything, On(VE_INFORMATION_ADDRESS, 1);
    pasid_directories_are_pages: everything, On(HIGH_PASID_DIRECTORY, 1);
    tsc_multiplier_is_not_zero: everything, Set(TSC_MULTIPLIER, 0);
    paging_controls_need_ept: shadow, On(PRIMARY_CONTROLS, Primary::TERTIARY.raw()),
        Set(TERTIARY_CONTROLS, Tertiary::ENABLE_HLAT.raw());
    hlat_pointer_has_no_reserved_bits: everything, On(HLAT_POINTER, 1);
    pid_pointer_table_is_memory: everything, Set(PID_POINTER_TABLE, (1u64 << 46) - 8);

    // VM-Exit Control Fields
    exit_controls_are_allowed: long, On(EXIT_CONTROLS, 1);
    secondary_exit_controls_are_allowed: everything, On(SECONDARY_EXIT_CONTROLS, 1u64 << 63);
    saving_the_timer_needs_the_timer: everything,
        Off(PIN_BASED_CONTROLS, PinBased::PREEMPTION_TIMER.raw());
    exit_msr_store_area_is_memory: long, Set(EXIT_MSR_STORE_COUNT, 1), Set(EXIT_MSR_STORE_ADDRESS, 8);
    exit_msr_load_area_is_memory: long, Set(EXIT_MSR_LOAD_COUNT, 2),
        Set(EXIT_MSR_LOAD_ADDRESS, (1u64 << 46) - 16);

    // VM-Entry Control Fields
    entry_controls_are_allowed: long, On(ENTRY_CONTROLS, 1);
    event_kind_is_defined: long, Set(ENTRY_INTERRUPTION_INFO, VALID | 0x100);
    event_vector_is_of_its_kind: long, Set(ENTRY_INTERRUPTION_INFO, NMI | 1);
    event_error_code_is_due: long, Set(ENTRY_INTERRUPTION_INFO, VALID | 0x30d);
    event_has_no_reserved_bits: long, Set(ENTRY_INTERRUPTION_INFO, NMI | 1 << 12);
    event_error_code_has_16_bits: long, Set(ENTRY_INTERRUPTION_INFO, PROTECTION),
        Set(ENTRY_EXCEPTION_ERROR_CODE, 0x10000);
    event_instruction_length_is_possible: poor, Set(ENTRY_INTERRUPTION_INFO, VALID | 0x403);
    entry_msr_load_area_is_memory: long, Set(ENTRY_MSR_LOAD_COUNT, 1),
        Set(ENTRY_MSR_LOAD_ADDRESS, u64::MAX & !0xf);
    entry_is_not_to_smm: long, On(ENTRY_CONTROLS, Entry::ENTRY_TO_SMM.raw());

    // Checks on Host Control Registers, MSRs, and SSP
    host_cr0_fits_vmx: long, Off(HOST_CR0, cr0::NE);
    host_cr4_fits_vmx: long, Off(HOST_CR4, 0x2000);
    host_cet_needs_wp: long, On(HOST_CR4, cr4::CET), Off(HOST_CR0, cr0::WP);
    host_cr3_is_memory: poor, On(HOST_CR3, 1u64 << 61);
    host_sysenter_addresses_are_canonical: long, Set(HOST_SYSENTER_EIP, NOT_CANONICAL);
    host_perf_global_ctrl_has_no_reserved_bits: everything, On(HOST_PERF_GLOBAL_CTRL, 1 << 8);
    host_pat_has_memory_types: long, Set(HOST_PAT, 2);
    host_efer_has_no_reserved_bits: long, On(HOST_EFER, 2);
    host_efer_is_of_64_bit_mode: long, Off(HOST_EFER, efer::LMA);
    host_s_cet_is_valid: everything, Set(HOST_S_CET, 1 << 10 | 1 << 11);
    host_cet_addresses_are_canonical: everything, Set(HOST_SSP, NOT_CANONICAL);
    host_ssp_is_aligned: everything, Set(HOST_SSP, 2);
    host_pkrs_has_32_bits: everything, Set(HOST_PKRS, 1u64 << 32);

    // Checks on Host Segment and Descriptor-Table Registers
    host_selectors_are_global_and_of_ring_0: long, Set(HOST_DS_SELECTOR, 4);
    host_cs_and_tr_are_not_null: long, Set(HOST_TR_SELECTOR, 0);
    host_bases_are_canonical: long, Set(HOST_GS_BASE, NOT_CANONICAL);

    // Checks Related to Address-Space Size
    host_stays_in_ia32e_mode: long, Off(EXIT_CONTROLS, Exit::HOST_ADDRESS_SPACE_SIZE.raw()),
        Set(HOST_EFER, 0);
    host_cr4_has_pae: long, Off(HOST_CR4, cr4::PAE);
    host_rip_is_canonical: long, Set(HOST_RIP, 1u64 << 47);

    // Checks on Guest Control Registers, Debug Registers, and MSRs
    guest_cr0_fits_vmx: long, Off(GUEST_CR0, cr0::NE);
    guest_paging_needs_protection: real, On(GUEST_CR0, cr0::PG);
    guest_cr4_fits_vmx: long, On(GUEST_CR4, 1u64 << 32);
    guest_cet_needs_wp: long, On(GUEST_CR4, cr4::CET), Off(GUEST_CR0, cr0::WP);
    guest_debugctl_has_no_reserved_bits: long, Set(GUEST_DEBUGCTL, 1 << 3);
    guest_ia32e_mode_needs_paging: long, Off(GUEST_CR0, cr0::PG);
    guest_ia32e_mode_needs_pae: long, Off(GUEST_CR4, cr4::PAE);
    guest_pcide_needs_ia32e_mode: protected, On(GUEST_CR4, cr4::PCIDE);
    guest_cr3_is_memory: long, On(GUEST_CR3, BEYOND_MEMORY);
    guest_dr7_has_32_bits: long, On(GUEST_DR7, 1u64 << 32);
    guest_sysenter_addresses_are_canonical: long, Set(GUEST_SYSENTER_ESP, NOT_CANONICAL);
    guest_s_cet_is_valid: everything, Set(GUEST_S_CET, 1 << 6);
    guest_cet_addresses_are_canonical: everything, Set(GUEST_INTERRUPT_SSP_TABLE, NOT_CANONICAL);
    guest_perf_global_ctrl_has_no_reserved_bits: everything, Set(GUEST_PERF_GLOBAL_CTRL, 1 << 8);
    guest_pat_has_memory_types: long, Set(GUEST_PAT, 3u64 << 56);
    guest_efer_has_no_reserved_bits: long, On(GUEST_EFER, 2);
    guest_lma_is_ia32e_mode: long, Set(GUEST_EFER, 0);
    guest_lme_with_paging_is_lma: long, Off(GUEST_EFER, efer::LME);
    guest_bndcfgs_is_valid: everything, On(GUEST_BNDCFGS, 4);
    guest_rtit_ctl_has_no_reserved_bits: everything, Set(GUEST_RTIT_CTL, 1 << 18);
    guest_lbr_ctl_has_no_reserved_bits: everything, Set(GUEST_LBR_CTL, 1 << 4);
    guest_pkrs_has_32_bits: everything, Set(GUEST_PKRS, 1u64 << 32);
    guest_uinv_has_eight_bits: everything, Set(GUEST_UINV, 0x100);

    // Checks on Guest Segment Registers
    tr_is_in_the_gdt: long, Set(GUEST_TR_SELECTOR, 4);
    ldtr_is_in_the_gdt: protected, Set(GUEST_LDTR_SELECTOR, 4);
    ss_rpl_is_that_of_cs: protected, Set(GUEST_CS_SELECTOR, 3);
    virtual_8086_bases_follow_selectors: virtual_8086, Set(GUEST_DS_BASE, 1);
    tr_fs_gs_bases_are_canonical: long, Set(GUEST_GS_BASE, NOT_CANONICAL);
    ldtr_base_is_canonical: protected, Set(GUEST_LDTR_BASE, NOT_CANONICAL);
    cs_base_has_32_bits: long, Set(GUEST_CS_BASE, 1u64 << 32);
    ss_ds_es_bases_have_32_bits: long, Set(GUEST_DS_BASE, 1u64 << 32);
    virtual_8086_limits_are_64_kib: virtual_8086, Set(GUEST_ES_LIMIT, 0xfffe);
    virtual_8086_segments_are_data_of_users: virtual_8086, Set(GUEST_FS_ACCESS_RIGHTS, 0xf1);
    cs_is_accessed_code: long, Off(GUEST_CS_ACCESS_RIGHTS, 1);
    ss_is_writable_data: long, Off(GUEST_SS_ACCESS_RIGHTS, 2);
    data_segments_are_accessed: long, Off(GUEST_DS_ACCESS_RIGHTS, 1);
    code_in_data_segments_is_readable: long, Set(GUEST_ES_ACCESS_RIGHTS, 0xc099);
    segments_are_no_system_segments: long, Off(GUEST_CS_ACCESS_RIGHTS, 0x10);
    data_in_cs_is_of_ring_0: real, Set(GUEST_CS_ACCESS_RIGHTS, 0xf3);
    nonconforming_cs_is_of_the_ring_of_ss: long, On(GUEST_CS_ACCESS_RIGHTS, 0x60);
    conforming_cs_is_of_no_outer_ring: long, On(GUEST_CS_ACCESS_RIGHTS, 0x64);
    ss_dpl_is_its_rpl: shadow, On(GUEST_CS_ACCESS_RIGHTS, 4), On(GUEST_SS_ACCESS_RIGHTS, 0x60);
    ss_is_of_ring_0_without_protection: real, On(GUEST_SS_ACCESS_RIGHTS, 0x60);
    data_segments_are_of_no_inner_ring: shadow, Set(GUEST_DS_SELECTOR, 3);
    segments_are_present: long, Off(GUEST_GS_ACCESS_RIGHTS, 0x80);
    access_rights_have_no_reserved_bits: long, On(GUEST_TR_ACCESS_RIGHTS, 0x100);
    cs_is_not_of_two_sizes: long, On(GUEST_CS_ACCESS_RIGHTS, 0x4000);
    granularity_fits_limit: long, Off(GUEST_SS_ACCESS_RIGHTS, 0x8000);
    tr_is_a_busy_task: long, Set(GUEST_TR_ACCESS_RIGHTS, 0x83);
    ldtr_is_an_ldt: protected, Set(GUEST_LDTR_ACCESS_RIGHTS, rights::TASK);
    tr_and_ldtr_are_system_segments: protected, On(GUEST_LDTR_ACCESS_RIGHTS, 0x10);
    tr_is_usable: long, On(GUEST_TR_ACCESS_RIGHTS, rights::UNUSABLE);

    // Checks on Guest Descriptor-Table Registers
    gdtr_and_idtr_bases_are_canonical: long, Set(GUEST_IDTR_BASE, NOT_CANONICAL);
    gdtr_and_idtr_limits_have_16_bits: long, Set(GUEST_GDTR_LIMIT, 0x10000);

    // Checks on Guest RIP, RFLAGS, and SSP
    rip_has_32_bits_outside_64_bit_mode: protected, Set(GUEST_RIP, 1u64 << 32);
    rip_is_in_range_in_64_bit_mode: long, Set(GUEST_RIP, 1u64 << 48);
    rflags_has_its_fixed_bits: long, On(GUEST_RFLAGS, 1 << 3);
    virtual_8086_mode_needs_protected_mode: virtual_8086, Off(GUEST_CR0, cr0::PG | cr0::PE);
    virtual_8086_mode_is_not_in_ia32e_mode: virtual_8086,
        On(ENTRY_CONTROLS, Entry::IA32E_MODE_GUEST.raw()), On(GUEST_CR4, cr4::PAE),
        Set(GUEST_EFER, efer::LMA | efer::LME);
    external_interrupt_needs_if: long, Set(ENTRY_INTERRUPTION_INFO, INTERRUPT);
    ssp_is_aligned: everything, Set(GUEST_SSP, 2);
    ssp_is_in_range: everything, Set(GUEST_SSP, 1u64 << 48);

    // Checks on Guest Non-Register State
    activity_state_is_supported: long, Set(GUEST_ACTIVITY, 4);
    halted_guest_is_of_ring_0: virtual_8086, Set(GUEST_ACTIVITY, HLT);
    blocked_guest_is_active: long, Set(GUEST_ACTIVITY, HLT), Set(GUEST_INTERRUPTIBILITY, MOV_SS);
    event_wakes_the_guest: long, Set(GUEST_ACTIVITY, HLT), Set(ENTRY_INTERRUPTION_INFO, PROTECTION);
    interruptibility_has_no_reserved_bits: long, Set(GUEST_INTERRUPTIBILITY, 1u64 << 31);
    blocking_is_not_by_sti_and_mov_ss: long, Set(GUEST_INTERRUPTIBILITY, STI | MOV_SS),
        On(GUEST_RFLAGS, rflags::IF);
    blocking_by_sti_needs_if: long, Set(GUEST_INTERRUPTIBILITY, STI);
    external_interrupt_is_not_blocked: long, Set(GUEST_INTERRUPTIBILITY, MOV_SS),
        On(GUEST_RFLAGS, rflags::IF), Set(ENTRY_INTERRUPTION_INFO, INTERRUPT);
    nmi_is_not_blocked_by_mov_ss: long, Set(GUEST_INTERRUPTIBILITY, MOV_SS),
        Set(ENTRY_INTERRUPTION_INFO, NMI);
    nmi_is_not_blocked_by_nmi: long, Set(GUEST_INTERRUPTIBILITY, NMIS),
        Set(ENTRY_INTERRUPTION_INFO, NMI);
    blocking_by_smi_is_for_smm: long, Set(GUEST_INTERRUPTIBILITY, SMI);
    enclave_is_not_interrupted_behind_mov_ss: long, Set(GUEST_INTERRUPTIBILITY, ENCLAVE | MOV_SS);
    enclave_interruption_needs_sgx: poor, Set(GUEST_INTERRUPTIBILITY, ENCLAVE);
    nmi_is_not_blocked_by_sti: long, Set(GUEST_INTERRUPTIBILITY, STI), On(GUEST_RFLAGS, rflags::IF),
        Set(ENTRY_INTERRUPTION_INFO, NMI);
    pending_debug_has_no_reserved_bits: poor, Set(GUEST_PENDING_DEBUG_EXCEPTIONS, 1 << 11);
    blocked_guest_that_steps_has_a_step_pending: long, Set(GUEST_INTERRUPTIBILITY, MOV_SS),
        On(GUEST_RFLAGS, rflags::TF);
    blocked_guest_has_no_other_step_pending: long, Set(GUEST_ACTIVITY, HLT),
        Set(GUEST_PENDING_DEBUG_EXCEPTIONS, BS);
    pending_transaction_is_alone: long, Set(GUEST_PENDING_DEBUG_EXCEPTIONS, RTM | 1);
    pending_transaction_needs_rtm: poor, Set(GUEST_PENDING_DEBUG_EXCEPTIONS, RTM);
    pending_transaction_is_not_behind_mov_ss: long, Set(GUEST_INTERRUPTIBILITY, MOV_SS),
        Set(GUEST_PENDING_DEBUG_EXCEPTIONS, RTM);
    vmcs_link_pointer_is_a_page_or_none: long, Set(VMCS_LINK_POINTER, 1);

    // Checks on Guest Page-Directory-Pointer-Table Entries
    pdptes_have_no_reserved_bits: pae, Set(GUEST_PDPTE2, 3);
};
