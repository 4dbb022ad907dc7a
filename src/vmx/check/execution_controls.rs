// SPDX-License-Identifier: GPL-2.0

//! SDM Vol. 3C, "VM-Execution Control Fields", of the checks on VMX controls.

use super::{
    rule::{
        rules,
        Failure,
        Section,
        Verdict, //
    },
    view::View, //
};
use crate::vmx::{
    controls::{
        Exit,
        PinBased,
        Primary,
        Secondary,
        Tertiary, //
    },
    field::*, //
};

pub(super) const SECTION: Section = Section {
    title: "VM-Execution Control Fields",
    failure: Failure::CONTROLS,
    rules: rules! {
        pin_based_controls_are_allowed,
        primary_controls_are_allowed,
        secondary_controls_are_allowed,
        tertiary_controls_are_allowed,
        at_most_four_cr3_targets,
        io_bitmaps_are_pages,
        msr_bitmaps_are_a_page,
        virtual_apic_is_a_page,
        tpr_threshold_has_four_bits,
        virtual_nmis_need_nmi_exiting,
        nmi_window_needs_virtual_nmis,
        apic_access_is_a_page,
        virtual_apic_needs_tpr_shadow,
        x2apic_mode_excludes_apic_accesses,
        virtual_interrupts_need_interrupt_exiting,
        posted_interrupts_need_virtual_interrupts,
        posted_interrupts_need_acknowledgement,
        posted_interrupt_vector_has_eight_bits,
        posted_interrupt_descriptor_is_aligned,
        vpid_is_not_zero,
        ept_memory_type_is_supported,
        ept_walk_length_is_supported,
        ept_accessed_dirty_is_supported,
        ept_shadow_stacks_are_supported,
        ept_pointer_has_no_reserved_bits,
        page_modification_log_needs_ept,
        page_modification_log_is_a_page,
        unrestricted_guest_needs_ept,
        mode_based_execution_needs_ept,
        sub_page_permissions_need_ept,
        sub_page_permission_table_is_a_page,
        tracing_of_guest_memory_needs_its_controls,
        vm_functions_are_supported,
        eptp_switching_needs_ept,
        eptp_list_is_a_page,
        shadow_vmcs_bitmaps_are_pages,
        virtualization_exception_area_is_a_page,
        pasid_directories_are_pages,
        tsc_multiplier_is_not_zero,
        paging_controls_need_ept,
        hlat_pointer_has_no_reserved_bits,
        pid_pointer_table_is_memory,
    },
};

/// Reserved bits of the pin-based controls are set properly.
fn pin_based_controls_are_allowed(v: &View<'_>) -> Verdict {
    let allowed = v.processor.pin_based;
    v.each(&[PIN_BASED_CONTROLS], |bits| allowed.takes(bits))
}

/// Reserved bits of the primary processor-based controls are set properly.
fn primary_controls_are_allowed(v: &View<'_>) -> Verdict {
    let allowed = v.processor.primary;
    v.each(&[PRIMARY_CONTROLS], |bits| allowed.takes(bits))
}

/// If there are secondary controls, their reserved bits are set properly.
fn secondary_controls_are_allowed(v: &View<'_>) -> Verdict {
    if !v.primary(Primary::SECONDARY) {
        return Ok(());
    }
    let allowed = v.processor.secondary;
    v.each(&[SECONDARY_CONTROLS], |bits| allowed.takes(bits))
}

/// If there are tertiary controls, their reserved bits are 0.
fn tertiary_controls_are_allowed(v: &View<'_>) -> Verdict {
    if !v.primary(Primary::TERTIARY) {
        return Ok(());
    }
    v.clear(!v.processor.tertiary, TERTIARY_CONTROLS)
}

/// There are at most four CR3-target values.
fn at_most_four_cr3_targets(v: &View<'_>) -> Verdict {
    v.each(&[CR3_TARGET_COUNT], |count| count <= 4)
}

/// "Use I/O bitmaps": each is a page.
fn io_bitmaps_are_pages(v: &View<'_>) -> Verdict {
    if !v.primary(Primary::USE_IO_BITMAPS) {
        return Ok(());
    }
    v.page(IO_BITMAP_A)?;
    v.page(IO_BITMAP_B)
}

/// "Use MSR bitmaps": they are a page.
fn msr_bitmaps_are_a_page(v: &View<'_>) -> Verdict {
    if !v.primary(Primary::USE_MSR_BITMAPS) {
        return Ok(());
    }
    v.page(MSR_BITMAP)
}

/// "Use TPR shadow": the virtual-APIC page is one.
fn virtual_apic_is_a_page(v: &View<'_>) -> Verdict {
    if !v.primary(Primary::USE_TPR_SHADOW) {
        return Ok(());
    }
    v.page(VIRTUAL_APIC_ADDRESS)
}

/// "Use TPR shadow" without "virtual-interrupt delivery": bits 31:4 of the TPR threshold are 0.
fn tpr_threshold_has_four_bits(v: &View<'_>) -> Verdict {
    let counts =
        v.primary(Primary::USE_TPR_SHADOW) && !v.secondary(Secondary::VIRTUAL_INTERRUPT_DELIVERY);
    v.each(&[TPR_THRESHOLD], |threshold| !counts || threshold <= 0xf)
}

/// "Virtual NMIs" needs "NMI exiting".
fn virtual_nmis_need_nmi_exiting(v: &View<'_>) -> Verdict {
    let virtual_nmis = v.pin_based(PinBased::VIRTUAL_NMIS);
    let exiting = v.pin_based(PinBased::NMI_EXITING);
    v.require(!virtual_nmis || exiting, PIN_BASED_CONTROLS)
}

/// "NMI-window exiting" needs "virtual NMIs".
fn nmi_window_needs_virtual_nmis(v: &View<'_>) -> Verdict {
    let window = v.primary(Primary::NMI_WINDOW_EXITING);
    let virtual_nmis = v.pin_based(PinBased::VIRTUAL_NMIS);
    v.require(!window || virtual_nmis, PRIMARY_CONTROLS)
}

/// "Virtualize APIC accesses": the APIC-access page is one.
fn apic_access_is_a_page(v: &View<'_>) -> Verdict {
    if !v.secondary(Secondary::VIRTUALIZE_APIC_ACCESSES) {
        return Ok(());
    }
    v.page(APIC_ACCESS_ADDRESS)
}

/// "Virtualize x2APIC mode", "APIC-register virtualization", "virtual-interrupt delivery" and "IPI
/// virtualization" need "use TPR shadow".
fn virtual_apic_needs_tpr_shadow(v: &View<'_>) -> Verdict {
    if v.primary(Primary::USE_TPR_SHADOW) {
        return Ok(());
    }
    let secondary = [
        Secondary::VIRTUALIZE_X2APIC_MODE,
        Secondary::APIC_REGISTER_VIRTUALIZATION,
        Secondary::VIRTUAL_INTERRUPT_DELIVERY,
    ];
    let any = secondary.iter().any(|&control| v.secondary(control));
    v.require(!any, SECONDARY_CONTROLS)?;
    v.require(!v.tertiary(Tertiary::IPI_VIRTUALIZATION), TERTIARY_CONTROLS)
}

/// "Virtualize x2APIC mode" excludes "virtualize APIC accesses".
fn x2apic_mode_excludes_apic_accesses(v: &View<'_>) -> Verdict {
    let x2apic = v.secondary(Secondary::VIRTUALIZE_X2APIC_MODE);
    let accesses = v.secondary(Secondary::VIRTUALIZE_APIC_ACCESSES);
    v.require(!(x2apic && accesses), SECONDARY_CONTROLS)
}

/// "Virtual-interrupt delivery" needs "external-interrupt exiting".
fn virtual_interrupts_need_interrupt_exiting(v: &View<'_>) -> Verdict {
    let delivery = v.secondary(Secondary::VIRTUAL_INTERRUPT_DELIVERY);
    let exiting = v.pin_based(PinBased::EXTERNAL_INTERRUPT_EXITING);
    v.require(!delivery || exiting, PIN_BASED_CONTROLS)
}

/// "Process posted interrupts" needs "virtual-interrupt delivery".
fn posted_interrupts_need_virtual_interrupts(v: &View<'_>) -> Verdict {
    let posted = v.pin_based(PinBased::PROCESS_POSTED_INTERRUPTS);
    let delivery = v.secondary(Secondary::VIRTUAL_INTERRUPT_DELIVERY);
    v.require(!posted || delivery, PIN_BASED_CONTROLS)
}

/// "Process posted interrupts" needs "acknowledge interrupt on exit".
fn posted_interrupts_need_acknowledgement(v: &View<'_>) -> Verdict {
    let posted = v.pin_based(PinBased::PROCESS_POSTED_INTERRUPTS);
    let acknowledged = v.exit(Exit::ACKNOWLEDGE_INTERRUPT);
    v.require(!posted || acknowledged, EXIT_CONTROLS)
}

/// "Process posted interrupts": the notification vector is one.
fn posted_interrupt_vector_has_eight_bits(v: &View<'_>) -> Verdict {
    if !v.pin_based(PinBased::PROCESS_POSTED_INTERRUPTS) {
        return Ok(());
    }
    v.each(&[POSTED_INTERRUPT_VECTOR], |vector| vector <= 0xff)
}

/// "Process posted interrupts": the descriptor is in memory, at a multiple of 64.
fn posted_interrupt_descriptor_is_aligned(v: &View<'_>) -> Verdict {
    if !v.pin_based(PinBased::PROCESS_POSTED_INTERRUPTS) {
        return Ok(());
    }
    v.clear(v.beyond_memory() | 0x3f, POSTED_INTERRUPT_DESCRIPTOR)
}

/// "Enable VPID": it is not that of the host.
fn vpid_is_not_zero(v: &View<'_>) -> Verdict {
    if !v.secondary(Secondary::ENABLE_VPID) {
        return Ok(());
    }
    v.each(&[VIRTUAL_PROCESSOR_ID], |vpid| vpid != 0)
}

/// Something holds of the EPT pointer, if there is EPT.
fn ept_pointer(v: &View<'_>, holds: impl Fn(u64) -> bool) -> Verdict {
    if !v.secondary(Secondary::ENABLE_EPT) {
        return Ok(());
    }
    v.each(&[EPT_POINTER], holds)
}

/// "Enable EPT": bits 2:0 of the EPT pointer are a memory type that the tables can have.
fn ept_memory_type_is_supported(v: &View<'_>) -> Verdict {
    let supported = v.processor.ept_vpid;
    ept_pointer(v, |pointer| match pointer & 7 {
        0 => supported.uncacheable(),
        6 => supported.write_back(),
        _ => false,
    })
}

/// "Enable EPT": bits 5:3 are one less than a number of levels that there can be.
fn ept_walk_length_is_supported(v: &View<'_>) -> Verdict {
    let supported = v.processor.ept_vpid;
    ept_pointer(v, |pointer| match pointer >> 3 & 7 {
        3 => supported.four_levels(),
        4 => supported.five_levels(),
        _ => false,
    })
}

/// "Enable EPT": bit 6 turns accessed and dirty flags on only where there are some.
fn ept_accessed_dirty_is_supported(v: &View<'_>) -> Verdict {
    let supported = v.processor.ept_vpid.accessed_dirty();
    ept_pointer(v, |pointer| supported || pointer & 1 << 6 == 0)
}

/// "Enable EPT": bit 7 protects supervisor shadow stacks only where that is possible.
fn ept_shadow_stacks_are_supported(v: &View<'_>) -> Verdict {
    let supported = v.processor.ept_vpid.shadow_stacks();
    ept_pointer(v, |pointer| supported || pointer & 1 << 7 == 0)
}

/// "Enable EPT": bits 11:8, and those beyond physical addresses, are 0.
fn ept_pointer_has_no_reserved_bits(v: &View<'_>) -> Verdict {
    ept_pointer(v, |pointer| pointer & (v.beyond_memory() | 0xf00) == 0)
}

/// A secondary control needs "enable EPT".
fn needs_ept(v: &View<'_>, control: Secondary) -> Verdict {
    let fits = !v.secondary(control) || v.secondary(Secondary::ENABLE_EPT);
    v.require(fits, SECONDARY_CONTROLS)
}

/// "Enable PML" needs "enable EPT".
fn page_modification_log_needs_ept(v: &View<'_>) -> Verdict {
    needs_ept(v, Secondary::ENABLE_PML)
}

/// "Enable PML": the log is a page.
fn page_modification_log_is_a_page(v: &View<'_>) -> Verdict {
    if !v.secondary(Secondary::ENABLE_PML) {
        return Ok(());
    }
    v.page(PML_ADDRESS)
}

/// "Unrestricted guest" needs "enable EPT".
fn unrestricted_guest_needs_ept(v: &View<'_>) -> Verdict {
    needs_ept(v, Secondary::UNRESTRICTED_GUEST)
}

/// "Mode-based execute control for EPT" needs "enable EPT".
fn mode_based_execution_needs_ept(v: &View<'_>) -> Verdict {
    needs_ept(v, Secondary::MODE_BASED_EXECUTE_CONTROL)
}

/// "Sub-page write permissions for EPT" needs "enable EPT".
fn sub_page_permissions_need_ept(v: &View<'_>) -> Verdict {
    needs_ept(v, Secondary::SUB_PAGE_WRITE_PERMISSIONS)
}

/// "Sub-page write permissions for EPT": their table is a page.
fn sub_page_permission_table_is_a_page(v: &View<'_>) -> Verdict {
    if !v.secondary(Secondary::SUB_PAGE_WRITE_PERMISSIONS) {
        return Ok(());
    }
    v.page(SPP_TABLE_POINTER)
}

/// "Intel PT uses guest physical addresses" needs "enable EPT", "load IA32_RTIT_CTL" and "clear
/// IA32_RTIT_CTL".
fn tracing_of_guest_memory_needs_its_controls(v: &View<'_>) -> Verdict {
    use crate::vmx::controls::Entry;
    if !v.secondary(Secondary::PT_USES_GUEST_PHYSICAL) {
        return Ok(());
    }
    needs_ept(v, Secondary::PT_USES_GUEST_PHYSICAL)?;
    v.require(v.entry(Entry::LOAD_RTIT_CTL), ENTRY_CONTROLS)?;
    v.require(v.exit(Exit::CLEAR_RTIT_CTL), EXIT_CONTROLS)
}

/// "Enable VM functions": those that are on exist.
fn vm_functions_are_supported(v: &View<'_>) -> Verdict {
    if !v.secondary(Secondary::ENABLE_VM_FUNCTIONS) {
        return Ok(());
    }
    v.clear(!v.processor.vm_functions, VM_FUNCTION_CONTROLS)
}

/// Is the VM function "EPTP switching" on?
fn switches_eptp(v: &View<'_>) -> bool {
    v.secondary(Secondary::ENABLE_VM_FUNCTIONS) && v.read(VM_FUNCTION_CONTROLS) & 1 != 0
}

/// "EPTP switching" needs "enable EPT".
fn eptp_switching_needs_ept(v: &View<'_>) -> Verdict {
    let fits = !switches_eptp(v) || v.secondary(Secondary::ENABLE_EPT);
    v.require(fits, SECONDARY_CONTROLS)
}

/// "EPTP switching": the list is a page.
fn eptp_list_is_a_page(v: &View<'_>) -> Verdict {
    if !switches_eptp(v) {
        return Ok(());
    }
    v.page(EPTP_LIST_ADDRESS)
}

/// "VMCS shadowing": each bitmap is a page.
fn shadow_vmcs_bitmaps_are_pages(v: &View<'_>) -> Verdict {
    if !v.secondary(Secondary::VMCS_SHADOWING) {
        return Ok(());
    }
    v.page(VMREAD_BITMAP)?;
    v.page(VMWRITE_BITMAP)
}

/// "EPT-violation #VE": the virtualization-exception information area is a page.
fn virtualization_exception_area_is_a_page(v: &View<'_>) -> Verdict {
    if !v.secondary(Secondary::EPT_VIOLATION_VE) {
        return Ok(());
    }
    v.page(VE_INFORMATION_ADDRESS)
}

/// "PASID translation": each directory is a page.
fn pasid_directories_are_pages(v: &View<'_>) -> Verdict {
    if !v.secondary(Secondary::PASID_TRANSLATION) {
        return Ok(());
    }
    v.page(LOW_PASID_DIRECTORY)?;
    v.page(HIGH_PASID_DIRECTORY)
}

/// "Use TSC scaling": time does not stand still.
fn tsc_multiplier_is_not_zero(v: &View<'_>) -> Verdict {
    if !v.secondary(Secondary::USE_TSC_SCALING) {
        return Ok(());
    }
    v.each(&[TSC_MULTIPLIER], |multiplier| multiplier != 0)
}

/// "Enable HLAT", "EPT paging-write control" and "guest-paging verification" need "enable EPT".
fn paging_controls_need_ept(v: &View<'_>) -> Verdict {
    let controls = [
        Tertiary::ENABLE_HLAT,
        Tertiary::EPT_PAGING_WRITE_CONTROL,
        Tertiary::GUEST_PAGING_VERIFICATION,
    ];
    let any = controls.iter().any(|&control| v.tertiary(control));
    v.require(
        !any || v.secondary(Secondary::ENABLE_EPT),
        TERTIARY_CONTROLS,
    )
}

/// "Enable HLAT": bits 2:0 and 11:5 of the pointer, and those beyond physical addresses, are 0.
fn hlat_pointer_has_no_reserved_bits(v: &View<'_>) -> Verdict {
    if !v.tertiary(Tertiary::ENABLE_HLAT) {
        return Ok(());
    }
    v.clear(v.beyond_memory() | 0xfe7, HLAT_POINTER)
}

/// "IPI virtualization": the table of PID pointers is in memory up to its last entry, at a multiple
/// of 8.
fn pid_pointer_table_is_memory(v: &View<'_>) -> Verdict {
    if !v.tertiary(Tertiary::IPI_VIRTUALIZATION) {
        return Ok(());
    }
    let last = u64::from(v.read(LAST_PID_POINTER_INDEX)) << 3;
    v.clear(v.beyond_memory() | 7, PID_POINTER_TABLE)?;
    let end = v.read(PID_POINTER_TABLE) | 7;
    let fits = end
        .checked_add(last)
        .is_some_and(|end| end & v.beyond_memory() == 0);
    v.require(fits, PID_POINTER_TABLE)
}
