// SPDX-License-Identifier: GPL-2.0

//! The list of VMCS fields. `make bindings` writes this file from the driver's `src/vmx/field.rs`.

use super::Field;

impl Field {
    /// Virtual-processor identifier (VPID).
    pub const VIRTUAL_PROCESSOR_ID: Self = Self(0x0000);
    /// Posted-interrupt notification vector.
    pub const POSTED_INTERRUPT_VECTOR: Self = Self(0x0002);
    /// EPTP index.
    pub const EPTP_INDEX: Self = Self(0x0004);
    /// HLAT prefix size.
    pub const HLAT_PREFIX_SIZE: Self = Self(0x0006);
    /// Last PID-pointer index.
    pub const LAST_PID_POINTER_INDEX: Self = Self(0x0008);
    /// ES selector.
    pub const GUEST_ES_SELECTOR: Self = Self(0x0800);
    /// CS selector.
    pub const GUEST_CS_SELECTOR: Self = Self(0x0802);
    /// SS selector.
    pub const GUEST_SS_SELECTOR: Self = Self(0x0804);
    /// DS selector.
    pub const GUEST_DS_SELECTOR: Self = Self(0x0806);
    /// FS selector.
    pub const GUEST_FS_SELECTOR: Self = Self(0x0808);
    /// GS selector.
    pub const GUEST_GS_SELECTOR: Self = Self(0x080a);
    /// LDTR selector.
    pub const GUEST_LDTR_SELECTOR: Self = Self(0x080c);
    /// TR selector.
    pub const GUEST_TR_SELECTOR: Self = Self(0x080e);
    /// Guest interrupt status.
    pub const GUEST_INTERRUPT_STATUS: Self = Self(0x0810);
    /// Page-modification log index.
    pub const GUEST_PML_INDEX: Self = Self(0x0812);
    /// User-interrupt notification vector.
    pub const GUEST_UINV: Self = Self(0x0814);
    /// ES selector.
    pub const HOST_ES_SELECTOR: Self = Self(0x0c00);
    /// CS selector.
    pub const HOST_CS_SELECTOR: Self = Self(0x0c02);
    /// SS selector.
    pub const HOST_SS_SELECTOR: Self = Self(0x0c04);
    /// DS selector.
    pub const HOST_DS_SELECTOR: Self = Self(0x0c06);
    /// FS selector.
    pub const HOST_FS_SELECTOR: Self = Self(0x0c08);
    /// GS selector.
    pub const HOST_GS_SELECTOR: Self = Self(0x0c0a);
    /// TR selector.
    pub const HOST_TR_SELECTOR: Self = Self(0x0c0c);
    /// Address of I/O bitmap A.
    pub const IO_BITMAP_A: Self = Self(0x2000);
    /// Address of I/O bitmap B.
    pub const IO_BITMAP_B: Self = Self(0x2002);
    /// Address of the MSR bitmaps.
    pub const MSR_BITMAP: Self = Self(0x2004);
    /// VM-exit MSR-store address.
    pub const EXIT_MSR_STORE_ADDRESS: Self = Self(0x2006);
    /// VM-exit MSR-load address.
    pub const EXIT_MSR_LOAD_ADDRESS: Self = Self(0x2008);
    /// VM-entry MSR-load address.
    pub const ENTRY_MSR_LOAD_ADDRESS: Self = Self(0x200a);
    /// Executive-VMCS pointer.
    pub const EXECUTIVE_VMCS_POINTER: Self = Self(0x200c);
    /// Page-modification log address.
    pub const PML_ADDRESS: Self = Self(0x200e);
    /// TSC offset.
    pub const TSC_OFFSET: Self = Self(0x2010);
    /// Virtual-APIC address.
    pub const VIRTUAL_APIC_ADDRESS: Self = Self(0x2012);
    /// APIC-access address.
    pub const APIC_ACCESS_ADDRESS: Self = Self(0x2014);
    /// Posted-interrupt descriptor address.
    pub const POSTED_INTERRUPT_DESCRIPTOR: Self = Self(0x2016);
    /// VM-function controls.
    pub const VM_FUNCTION_CONTROLS: Self = Self(0x2018);
    /// EPT pointer.
    pub const EPT_POINTER: Self = Self(0x201a);
    /// EOI-exit bitmap 0.
    pub const EOI_EXIT_BITMAP_0: Self = Self(0x201c);
    /// EOI-exit bitmap 1.
    pub const EOI_EXIT_BITMAP_1: Self = Self(0x201e);
    /// EOI-exit bitmap 2.
    pub const EOI_EXIT_BITMAP_2: Self = Self(0x2020);
    /// EOI-exit bitmap 3.
    pub const EOI_EXIT_BITMAP_3: Self = Self(0x2022);
    /// EPTP-list address.
    pub const EPTP_LIST_ADDRESS: Self = Self(0x2024);
    /// VMREAD-bitmap address.
    pub const VMREAD_BITMAP: Self = Self(0x2026);
    /// VMWRITE-bitmap address.
    pub const VMWRITE_BITMAP: Self = Self(0x2028);
    /// Virtualization-exception information address.
    pub const VE_INFORMATION_ADDRESS: Self = Self(0x202a);
    /// XSS-exiting bitmap.
    pub const XSS_EXITING_BITMAP: Self = Self(0x202c);
    /// ENCLS-exiting bitmap.
    pub const ENCLS_EXITING_BITMAP: Self = Self(0x202e);
    /// Sub-page-permission-table pointer.
    pub const SPP_TABLE_POINTER: Self = Self(0x2030);
    /// TSC multiplier.
    pub const TSC_MULTIPLIER: Self = Self(0x2032);
    /// Tertiary processor-based VM-execution controls.
    pub const TERTIARY_CONTROLS: Self = Self(0x2034);
    /// ENCLV-exiting bitmap.
    pub const ENCLV_EXITING_BITMAP: Self = Self(0x2036);
    /// Low PASID directory address.
    pub const LOW_PASID_DIRECTORY: Self = Self(0x2038);
    /// High PASID directory address.
    pub const HIGH_PASID_DIRECTORY: Self = Self(0x203a);
    /// Shared EPT pointer.
    pub const SHARED_EPT_POINTER: Self = Self(0x203c);
    /// PCONFIG-exiting bitmap.
    pub const PCONFIG_EXITING_BITMAP: Self = Self(0x203e);
    /// Hypervisor-managed linear-address translation pointer.
    pub const HLAT_POINTER: Self = Self(0x2040);
    /// PID-pointer table address.
    pub const PID_POINTER_TABLE: Self = Self(0x2042);
    /// Secondary VM-exit controls.
    pub const SECONDARY_EXIT_CONTROLS: Self = Self(0x2044);
    /// Guest-physical address.
    pub const GUEST_PHYSICAL_ADDRESS: Self = Self(0x2400);
    /// VMCS link pointer.
    pub const VMCS_LINK_POINTER: Self = Self(0x2800);
    /// IA32_PAT.
    pub const GUEST_PAT: Self = Self(0x2804);
    /// IA32_EFER.
    pub const GUEST_EFER: Self = Self(0x2806);
    /// PDPTE0.
    pub const GUEST_PDPTE0: Self = Self(0x280a);
    /// PDPTE1.
    pub const GUEST_PDPTE1: Self = Self(0x280c);
    /// PDPTE2.
    pub const GUEST_PDPTE2: Self = Self(0x280e);
    /// PDPTE3.
    pub const GUEST_PDPTE3: Self = Self(0x2810);
    /// IA32_BNDCFGS.
    pub const GUEST_BNDCFGS: Self = Self(0x2812);
    /// IA32_PKRS.
    pub const GUEST_PKRS: Self = Self(0x2818);
    /// IA32_DEBUGCTL.
    pub const GUEST_DEBUGCTL: Self = Self(0x2802);
    /// IA32_PERF_GLOBAL_CTRL.
    pub const GUEST_PERF_GLOBAL_CTRL: Self = Self(0x2808);
    /// IA32_RTIT_CTL.
    pub const GUEST_RTIT_CTL: Self = Self(0x2814);
    /// IA32_LBR_CTL.
    pub const GUEST_LBR_CTL: Self = Self(0x2816);
    /// IA32_PAT.
    pub const HOST_PAT: Self = Self(0x2c00);
    /// IA32_EFER.
    pub const HOST_EFER: Self = Self(0x2c02);
    /// IA32_PERF_GLOBAL_CTRL.
    pub const HOST_PERF_GLOBAL_CTRL: Self = Self(0x2c04);
    /// IA32_PKRS.
    pub const HOST_PKRS: Self = Self(0x2c06);
    /// Pin-based VM-execution controls.
    pub const PIN_BASED_CONTROLS: Self = Self(0x4000);
    /// Primary processor-based VM-execution controls.
    pub const PRIMARY_CONTROLS: Self = Self(0x4002);
    /// Exception bitmap.
    pub const EXCEPTION_BITMAP: Self = Self(0x4004);
    /// Page-fault error-code mask.
    pub const PAGE_FAULT_ERROR_MASK: Self = Self(0x4006);
    /// Page-fault error-code match.
    pub const PAGE_FAULT_ERROR_MATCH: Self = Self(0x4008);
    /// CR3-target count.
    pub const CR3_TARGET_COUNT: Self = Self(0x400a);
    /// Primary VM-exit controls.
    pub const EXIT_CONTROLS: Self = Self(0x400c);
    /// VM-exit MSR-store count.
    pub const EXIT_MSR_STORE_COUNT: Self = Self(0x400e);
    /// VM-exit MSR-load count.
    pub const EXIT_MSR_LOAD_COUNT: Self = Self(0x4010);
    /// VM-entry controls.
    pub const ENTRY_CONTROLS: Self = Self(0x4012);
    /// VM-entry MSR-load count.
    pub const ENTRY_MSR_LOAD_COUNT: Self = Self(0x4014);
    /// VM-entry interruption-information field.
    pub const ENTRY_INTERRUPTION_INFO: Self = Self(0x4016);
    /// VM-entry exception error code.
    pub const ENTRY_EXCEPTION_ERROR_CODE: Self = Self(0x4018);
    /// VM-entry instruction length.
    pub const ENTRY_INSTRUCTION_LENGTH: Self = Self(0x401a);
    /// TPR threshold.
    pub const TPR_THRESHOLD: Self = Self(0x401c);
    /// Secondary processor-based VM-execution controls.
    pub const SECONDARY_CONTROLS: Self = Self(0x401e);
    /// PLE_Gap.
    pub const PLE_GAP: Self = Self(0x4020);
    /// PLE_Window.
    pub const PLE_WINDOW: Self = Self(0x4022);
    /// VM-instruction error.
    pub const VM_INSTRUCTION_ERROR: Self = Self(0x4400);
    /// Exit reason.
    pub const EXIT_REASON: Self = Self(0x4402);
    /// VM-exit interruption information.
    pub const EXIT_INTERRUPTION_INFO: Self = Self(0x4404);
    /// VM-exit interruption error code.
    pub const EXIT_INTERRUPTION_ERROR_CODE: Self = Self(0x4406);
    /// IDT-vectoring information.
    pub const IDT_VECTORING_INFO: Self = Self(0x4408);
    /// IDT-vectoring error code.
    pub const IDT_VECTORING_ERROR_CODE: Self = Self(0x440a);
    /// VM-exit instruction length.
    pub const EXIT_INSTRUCTION_LENGTH: Self = Self(0x440c);
    /// VM-exit instruction information.
    pub const EXIT_INSTRUCTION_INFO: Self = Self(0x440e);
    /// ES limit.
    pub const GUEST_ES_LIMIT: Self = Self(0x4800);
    /// CS limit.
    pub const GUEST_CS_LIMIT: Self = Self(0x4802);
    /// SS limit.
    pub const GUEST_SS_LIMIT: Self = Self(0x4804);
    /// DS limit.
    pub const GUEST_DS_LIMIT: Self = Self(0x4806);
    /// FS limit.
    pub const GUEST_FS_LIMIT: Self = Self(0x4808);
    /// GS limit.
    pub const GUEST_GS_LIMIT: Self = Self(0x480a);
    /// LDTR limit.
    pub const GUEST_LDTR_LIMIT: Self = Self(0x480c);
    /// TR limit.
    pub const GUEST_TR_LIMIT: Self = Self(0x480e);
    /// GDTR limit.
    pub const GUEST_GDTR_LIMIT: Self = Self(0x4810);
    /// IDTR limit.
    pub const GUEST_IDTR_LIMIT: Self = Self(0x4812);
    /// ES access rights.
    pub const GUEST_ES_ACCESS_RIGHTS: Self = Self(0x4814);
    /// CS access rights.
    pub const GUEST_CS_ACCESS_RIGHTS: Self = Self(0x4816);
    /// SS access rights.
    pub const GUEST_SS_ACCESS_RIGHTS: Self = Self(0x4818);
    /// DS access rights.
    pub const GUEST_DS_ACCESS_RIGHTS: Self = Self(0x481a);
    /// FS access rights.
    pub const GUEST_FS_ACCESS_RIGHTS: Self = Self(0x481c);
    /// GS access rights.
    pub const GUEST_GS_ACCESS_RIGHTS: Self = Self(0x481e);
    /// LDTR access rights.
    pub const GUEST_LDTR_ACCESS_RIGHTS: Self = Self(0x4820);
    /// TR access rights.
    pub const GUEST_TR_ACCESS_RIGHTS: Self = Self(0x4822);
    /// Interruptibility state.
    pub const GUEST_INTERRUPTIBILITY: Self = Self(0x4824);
    /// Activity state.
    pub const GUEST_ACTIVITY: Self = Self(0x4826);
    /// SMBASE.
    pub const GUEST_SMBASE: Self = Self(0x4828);
    /// IA32_SYSENTER_CS.
    pub const GUEST_SYSENTER_CS: Self = Self(0x482a);
    /// VMX-preemption timer value.
    pub const PREEMPTION_TIMER_VALUE: Self = Self(0x482e);
    /// IA32_SYSENTER_CS.
    pub const HOST_SYSENTER_CS: Self = Self(0x4c00);
    /// CR0 guest/host mask.
    pub const CR0_MASK: Self = Self(0x6000);
    /// CR4 guest/host mask.
    pub const CR4_MASK: Self = Self(0x6002);
    /// CR0 read shadow.
    pub const CR0_SHADOW: Self = Self(0x6004);
    /// CR4 read shadow.
    pub const CR4_SHADOW: Self = Self(0x6006);
    /// CR3-target value 0.
    pub const CR3_TARGET0: Self = Self(0x6008);
    /// CR3-target value 1.
    pub const CR3_TARGET1: Self = Self(0x600a);
    /// CR3-target value 2.
    pub const CR3_TARGET2: Self = Self(0x600c);
    /// CR3-target value 3.
    pub const CR3_TARGET3: Self = Self(0x600e);
    /// Exit qualification.
    pub const EXIT_QUALIFICATION: Self = Self(0x6400);
    /// I/O RCX.
    pub const IO_RCX: Self = Self(0x6402);
    /// I/O RSI.
    pub const IO_RSI: Self = Self(0x6404);
    /// I/O RDI.
    pub const IO_RDI: Self = Self(0x6406);
    /// I/O RIP.
    pub const IO_RIP: Self = Self(0x6408);
    /// Guest-linear address.
    pub const GUEST_LINEAR_ADDRESS: Self = Self(0x640a);
    /// CR0.
    pub const GUEST_CR0: Self = Self(0x6800);
    /// CR3.
    pub const GUEST_CR3: Self = Self(0x6802);
    /// CR4.
    pub const GUEST_CR4: Self = Self(0x6804);
    /// ES base.
    pub const GUEST_ES_BASE: Self = Self(0x6806);
    /// CS base.
    pub const GUEST_CS_BASE: Self = Self(0x6808);
    /// SS base.
    pub const GUEST_SS_BASE: Self = Self(0x680a);
    /// DS base.
    pub const GUEST_DS_BASE: Self = Self(0x680c);
    /// FS base.
    pub const GUEST_FS_BASE: Self = Self(0x680e);
    /// GS base.
    pub const GUEST_GS_BASE: Self = Self(0x6810);
    /// LDTR base.
    pub const GUEST_LDTR_BASE: Self = Self(0x6812);
    /// TR base.
    pub const GUEST_TR_BASE: Self = Self(0x6814);
    /// GDTR base.
    pub const GUEST_GDTR_BASE: Self = Self(0x6816);
    /// IDTR base.
    pub const GUEST_IDTR_BASE: Self = Self(0x6818);
    /// DR7.
    pub const GUEST_DR7: Self = Self(0x681a);
    /// RSP.
    pub const GUEST_RSP: Self = Self(0x681c);
    /// RIP.
    pub const GUEST_RIP: Self = Self(0x681e);
    /// RFLAGS.
    pub const GUEST_RFLAGS: Self = Self(0x6820);
    /// Pending debug exceptions.
    pub const GUEST_PENDING_DEBUG_EXCEPTIONS: Self = Self(0x6822);
    /// IA32_SYSENTER_ESP.
    pub const GUEST_SYSENTER_ESP: Self = Self(0x6824);
    /// IA32_SYSENTER_EIP.
    pub const GUEST_SYSENTER_EIP: Self = Self(0x6826);
    /// IA32_S_CET.
    pub const GUEST_S_CET: Self = Self(0x6828);
    /// SSP.
    pub const GUEST_SSP: Self = Self(0x682a);
    /// IA32_INTERRUPT_SSP_TABLE_ADDR.
    pub const GUEST_INTERRUPT_SSP_TABLE: Self = Self(0x682c);
    /// CR0.
    pub const HOST_CR0: Self = Self(0x6c00);
    /// CR3.
    pub const HOST_CR3: Self = Self(0x6c02);
    /// CR4.
    pub const HOST_CR4: Self = Self(0x6c04);
    /// FS base.
    pub const HOST_FS_BASE: Self = Self(0x6c06);
    /// GS base.
    pub const HOST_GS_BASE: Self = Self(0x6c08);
    /// TR base.
    pub const HOST_TR_BASE: Self = Self(0x6c0a);
    /// GDTR base.
    pub const HOST_GDTR_BASE: Self = Self(0x6c0c);
    /// IDTR base.
    pub const HOST_IDTR_BASE: Self = Self(0x6c0e);
    /// IA32_SYSENTER_ESP.
    pub const HOST_SYSENTER_ESP: Self = Self(0x6c10);
    /// IA32_SYSENTER_EIP.
    pub const HOST_SYSENTER_EIP: Self = Self(0x6c12);
    /// RSP.
    pub const HOST_RSP: Self = Self(0x6c14);
    /// RIP.
    pub const HOST_RIP: Self = Self(0x6c16);
    /// IA32_S_CET.
    pub const HOST_S_CET: Self = Self(0x6c18);
    /// SSP.
    pub const HOST_SSP: Self = Self(0x6c1a);
    /// IA32_INTERRUPT_SSP_TABLE_ADDR.
    pub const HOST_INTERRUPT_SSP_TABLE: Self = Self(0x6c1c);
    /// Every field that has a name, with that, in the order of their encodings.
    pub const ALL: &'static [(&'static str, Self)] = &[
        ("VIRTUAL_PROCESSOR_ID", Self::VIRTUAL_PROCESSOR_ID),
        ("POSTED_INTERRUPT_VECTOR", Self::POSTED_INTERRUPT_VECTOR),
        ("EPTP_INDEX", Self::EPTP_INDEX),
        ("HLAT_PREFIX_SIZE", Self::HLAT_PREFIX_SIZE),
        ("LAST_PID_POINTER_INDEX", Self::LAST_PID_POINTER_INDEX),
        ("GUEST_ES_SELECTOR", Self::GUEST_ES_SELECTOR),
        ("GUEST_CS_SELECTOR", Self::GUEST_CS_SELECTOR),
        ("GUEST_SS_SELECTOR", Self::GUEST_SS_SELECTOR),
        ("GUEST_DS_SELECTOR", Self::GUEST_DS_SELECTOR),
        ("GUEST_FS_SELECTOR", Self::GUEST_FS_SELECTOR),
        ("GUEST_GS_SELECTOR", Self::GUEST_GS_SELECTOR),
        ("GUEST_LDTR_SELECTOR", Self::GUEST_LDTR_SELECTOR),
        ("GUEST_TR_SELECTOR", Self::GUEST_TR_SELECTOR),
        ("GUEST_INTERRUPT_STATUS", Self::GUEST_INTERRUPT_STATUS),
        ("GUEST_PML_INDEX", Self::GUEST_PML_INDEX),
        ("GUEST_UINV", Self::GUEST_UINV),
        ("HOST_ES_SELECTOR", Self::HOST_ES_SELECTOR),
        ("HOST_CS_SELECTOR", Self::HOST_CS_SELECTOR),
        ("HOST_SS_SELECTOR", Self::HOST_SS_SELECTOR),
        ("HOST_DS_SELECTOR", Self::HOST_DS_SELECTOR),
        ("HOST_FS_SELECTOR", Self::HOST_FS_SELECTOR),
        ("HOST_GS_SELECTOR", Self::HOST_GS_SELECTOR),
        ("HOST_TR_SELECTOR", Self::HOST_TR_SELECTOR),
        ("IO_BITMAP_A", Self::IO_BITMAP_A),
        ("IO_BITMAP_B", Self::IO_BITMAP_B),
        ("MSR_BITMAP", Self::MSR_BITMAP),
        ("EXIT_MSR_STORE_ADDRESS", Self::EXIT_MSR_STORE_ADDRESS),
        ("EXIT_MSR_LOAD_ADDRESS", Self::EXIT_MSR_LOAD_ADDRESS),
        ("ENTRY_MSR_LOAD_ADDRESS", Self::ENTRY_MSR_LOAD_ADDRESS),
        ("EXECUTIVE_VMCS_POINTER", Self::EXECUTIVE_VMCS_POINTER),
        ("PML_ADDRESS", Self::PML_ADDRESS),
        ("TSC_OFFSET", Self::TSC_OFFSET),
        ("VIRTUAL_APIC_ADDRESS", Self::VIRTUAL_APIC_ADDRESS),
        ("APIC_ACCESS_ADDRESS", Self::APIC_ACCESS_ADDRESS),
        (
            "POSTED_INTERRUPT_DESCRIPTOR",
            Self::POSTED_INTERRUPT_DESCRIPTOR,
        ),
        ("VM_FUNCTION_CONTROLS", Self::VM_FUNCTION_CONTROLS),
        ("EPT_POINTER", Self::EPT_POINTER),
        ("EOI_EXIT_BITMAP_0", Self::EOI_EXIT_BITMAP_0),
        ("EOI_EXIT_BITMAP_1", Self::EOI_EXIT_BITMAP_1),
        ("EOI_EXIT_BITMAP_2", Self::EOI_EXIT_BITMAP_2),
        ("EOI_EXIT_BITMAP_3", Self::EOI_EXIT_BITMAP_3),
        ("EPTP_LIST_ADDRESS", Self::EPTP_LIST_ADDRESS),
        ("VMREAD_BITMAP", Self::VMREAD_BITMAP),
        ("VMWRITE_BITMAP", Self::VMWRITE_BITMAP),
        ("VE_INFORMATION_ADDRESS", Self::VE_INFORMATION_ADDRESS),
        ("XSS_EXITING_BITMAP", Self::XSS_EXITING_BITMAP),
        ("ENCLS_EXITING_BITMAP", Self::ENCLS_EXITING_BITMAP),
        ("SPP_TABLE_POINTER", Self::SPP_TABLE_POINTER),
        ("TSC_MULTIPLIER", Self::TSC_MULTIPLIER),
        ("TERTIARY_CONTROLS", Self::TERTIARY_CONTROLS),
        ("ENCLV_EXITING_BITMAP", Self::ENCLV_EXITING_BITMAP),
        ("LOW_PASID_DIRECTORY", Self::LOW_PASID_DIRECTORY),
        ("HIGH_PASID_DIRECTORY", Self::HIGH_PASID_DIRECTORY),
        ("SHARED_EPT_POINTER", Self::SHARED_EPT_POINTER),
        ("PCONFIG_EXITING_BITMAP", Self::PCONFIG_EXITING_BITMAP),
        ("HLAT_POINTER", Self::HLAT_POINTER),
        ("PID_POINTER_TABLE", Self::PID_POINTER_TABLE),
        ("SECONDARY_EXIT_CONTROLS", Self::SECONDARY_EXIT_CONTROLS),
        ("GUEST_PHYSICAL_ADDRESS", Self::GUEST_PHYSICAL_ADDRESS),
        ("VMCS_LINK_POINTER", Self::VMCS_LINK_POINTER),
        ("GUEST_PAT", Self::GUEST_PAT),
        ("GUEST_EFER", Self::GUEST_EFER),
        ("GUEST_PDPTE0", Self::GUEST_PDPTE0),
        ("GUEST_PDPTE1", Self::GUEST_PDPTE1),
        ("GUEST_PDPTE2", Self::GUEST_PDPTE2),
        ("GUEST_PDPTE3", Self::GUEST_PDPTE3),
        ("GUEST_BNDCFGS", Self::GUEST_BNDCFGS),
        ("GUEST_PKRS", Self::GUEST_PKRS),
        ("GUEST_DEBUGCTL", Self::GUEST_DEBUGCTL),
        ("GUEST_PERF_GLOBAL_CTRL", Self::GUEST_PERF_GLOBAL_CTRL),
        ("GUEST_RTIT_CTL", Self::GUEST_RTIT_CTL),
        ("GUEST_LBR_CTL", Self::GUEST_LBR_CTL),
        ("HOST_PAT", Self::HOST_PAT),
        ("HOST_EFER", Self::HOST_EFER),
        ("HOST_PERF_GLOBAL_CTRL", Self::HOST_PERF_GLOBAL_CTRL),
        ("HOST_PKRS", Self::HOST_PKRS),
        ("PIN_BASED_CONTROLS", Self::PIN_BASED_CONTROLS),
        ("PRIMARY_CONTROLS", Self::PRIMARY_CONTROLS),
        ("EXCEPTION_BITMAP", Self::EXCEPTION_BITMAP),
        ("PAGE_FAULT_ERROR_MASK", Self::PAGE_FAULT_ERROR_MASK),
        ("PAGE_FAULT_ERROR_MATCH", Self::PAGE_FAULT_ERROR_MATCH),
        ("CR3_TARGET_COUNT", Self::CR3_TARGET_COUNT),
        ("EXIT_CONTROLS", Self::EXIT_CONTROLS),
        ("EXIT_MSR_STORE_COUNT", Self::EXIT_MSR_STORE_COUNT),
        ("EXIT_MSR_LOAD_COUNT", Self::EXIT_MSR_LOAD_COUNT),
        ("ENTRY_CONTROLS", Self::ENTRY_CONTROLS),
        ("ENTRY_MSR_LOAD_COUNT", Self::ENTRY_MSR_LOAD_COUNT),
        ("ENTRY_INTERRUPTION_INFO", Self::ENTRY_INTERRUPTION_INFO),
        (
            "ENTRY_EXCEPTION_ERROR_CODE",
            Self::ENTRY_EXCEPTION_ERROR_CODE,
        ),
        ("ENTRY_INSTRUCTION_LENGTH", Self::ENTRY_INSTRUCTION_LENGTH),
        ("TPR_THRESHOLD", Self::TPR_THRESHOLD),
        ("SECONDARY_CONTROLS", Self::SECONDARY_CONTROLS),
        ("PLE_GAP", Self::PLE_GAP),
        ("PLE_WINDOW", Self::PLE_WINDOW),
        ("VM_INSTRUCTION_ERROR", Self::VM_INSTRUCTION_ERROR),
        ("EXIT_REASON", Self::EXIT_REASON),
        ("EXIT_INTERRUPTION_INFO", Self::EXIT_INTERRUPTION_INFO),
        (
            "EXIT_INTERRUPTION_ERROR_CODE",
            Self::EXIT_INTERRUPTION_ERROR_CODE,
        ),
        ("IDT_VECTORING_INFO", Self::IDT_VECTORING_INFO),
        ("IDT_VECTORING_ERROR_CODE", Self::IDT_VECTORING_ERROR_CODE),
        ("EXIT_INSTRUCTION_LENGTH", Self::EXIT_INSTRUCTION_LENGTH),
        ("EXIT_INSTRUCTION_INFO", Self::EXIT_INSTRUCTION_INFO),
        ("GUEST_ES_LIMIT", Self::GUEST_ES_LIMIT),
        ("GUEST_CS_LIMIT", Self::GUEST_CS_LIMIT),
        ("GUEST_SS_LIMIT", Self::GUEST_SS_LIMIT),
        ("GUEST_DS_LIMIT", Self::GUEST_DS_LIMIT),
        ("GUEST_FS_LIMIT", Self::GUEST_FS_LIMIT),
        ("GUEST_GS_LIMIT", Self::GUEST_GS_LIMIT),
        ("GUEST_LDTR_LIMIT", Self::GUEST_LDTR_LIMIT),
        ("GUEST_TR_LIMIT", Self::GUEST_TR_LIMIT),
        ("GUEST_GDTR_LIMIT", Self::GUEST_GDTR_LIMIT),
        ("GUEST_IDTR_LIMIT", Self::GUEST_IDTR_LIMIT),
        ("GUEST_ES_ACCESS_RIGHTS", Self::GUEST_ES_ACCESS_RIGHTS),
        ("GUEST_CS_ACCESS_RIGHTS", Self::GUEST_CS_ACCESS_RIGHTS),
        ("GUEST_SS_ACCESS_RIGHTS", Self::GUEST_SS_ACCESS_RIGHTS),
        ("GUEST_DS_ACCESS_RIGHTS", Self::GUEST_DS_ACCESS_RIGHTS),
        ("GUEST_FS_ACCESS_RIGHTS", Self::GUEST_FS_ACCESS_RIGHTS),
        ("GUEST_GS_ACCESS_RIGHTS", Self::GUEST_GS_ACCESS_RIGHTS),
        ("GUEST_LDTR_ACCESS_RIGHTS", Self::GUEST_LDTR_ACCESS_RIGHTS),
        ("GUEST_TR_ACCESS_RIGHTS", Self::GUEST_TR_ACCESS_RIGHTS),
        ("GUEST_INTERRUPTIBILITY", Self::GUEST_INTERRUPTIBILITY),
        ("GUEST_ACTIVITY", Self::GUEST_ACTIVITY),
        ("GUEST_SMBASE", Self::GUEST_SMBASE),
        ("GUEST_SYSENTER_CS", Self::GUEST_SYSENTER_CS),
        ("PREEMPTION_TIMER_VALUE", Self::PREEMPTION_TIMER_VALUE),
        ("HOST_SYSENTER_CS", Self::HOST_SYSENTER_CS),
        ("CR0_MASK", Self::CR0_MASK),
        ("CR4_MASK", Self::CR4_MASK),
        ("CR0_SHADOW", Self::CR0_SHADOW),
        ("CR4_SHADOW", Self::CR4_SHADOW),
        ("CR3_TARGET0", Self::CR3_TARGET0),
        ("CR3_TARGET1", Self::CR3_TARGET1),
        ("CR3_TARGET2", Self::CR3_TARGET2),
        ("CR3_TARGET3", Self::CR3_TARGET3),
        ("EXIT_QUALIFICATION", Self::EXIT_QUALIFICATION),
        ("IO_RCX", Self::IO_RCX),
        ("IO_RSI", Self::IO_RSI),
        ("IO_RDI", Self::IO_RDI),
        ("IO_RIP", Self::IO_RIP),
        ("GUEST_LINEAR_ADDRESS", Self::GUEST_LINEAR_ADDRESS),
        ("GUEST_CR0", Self::GUEST_CR0),
        ("GUEST_CR3", Self::GUEST_CR3),
        ("GUEST_CR4", Self::GUEST_CR4),
        ("GUEST_ES_BASE", Self::GUEST_ES_BASE),
        ("GUEST_CS_BASE", Self::GUEST_CS_BASE),
        ("GUEST_SS_BASE", Self::GUEST_SS_BASE),
        ("GUEST_DS_BASE", Self::GUEST_DS_BASE),
        ("GUEST_FS_BASE", Self::GUEST_FS_BASE),
        ("GUEST_GS_BASE", Self::GUEST_GS_BASE),
        ("GUEST_LDTR_BASE", Self::GUEST_LDTR_BASE),
        ("GUEST_TR_BASE", Self::GUEST_TR_BASE),
        ("GUEST_GDTR_BASE", Self::GUEST_GDTR_BASE),
        ("GUEST_IDTR_BASE", Self::GUEST_IDTR_BASE),
        ("GUEST_DR7", Self::GUEST_DR7),
        ("GUEST_RSP", Self::GUEST_RSP),
        ("GUEST_RIP", Self::GUEST_RIP),
        ("GUEST_RFLAGS", Self::GUEST_RFLAGS),
        (
            "GUEST_PENDING_DEBUG_EXCEPTIONS",
            Self::GUEST_PENDING_DEBUG_EXCEPTIONS,
        ),
        ("GUEST_SYSENTER_ESP", Self::GUEST_SYSENTER_ESP),
        ("GUEST_SYSENTER_EIP", Self::GUEST_SYSENTER_EIP),
        ("GUEST_S_CET", Self::GUEST_S_CET),
        ("GUEST_SSP", Self::GUEST_SSP),
        ("GUEST_INTERRUPT_SSP_TABLE", Self::GUEST_INTERRUPT_SSP_TABLE),
        ("HOST_CR0", Self::HOST_CR0),
        ("HOST_CR3", Self::HOST_CR3),
        ("HOST_CR4", Self::HOST_CR4),
        ("HOST_FS_BASE", Self::HOST_FS_BASE),
        ("HOST_GS_BASE", Self::HOST_GS_BASE),
        ("HOST_TR_BASE", Self::HOST_TR_BASE),
        ("HOST_GDTR_BASE", Self::HOST_GDTR_BASE),
        ("HOST_IDTR_BASE", Self::HOST_IDTR_BASE),
        ("HOST_SYSENTER_ESP", Self::HOST_SYSENTER_ESP),
        ("HOST_SYSENTER_EIP", Self::HOST_SYSENTER_EIP),
        ("HOST_RSP", Self::HOST_RSP),
        ("HOST_RIP", Self::HOST_RIP),
        ("HOST_S_CET", Self::HOST_S_CET),
        ("HOST_SSP", Self::HOST_SSP),
        ("HOST_INTERRUPT_SSP_TABLE", Self::HOST_INTERRUPT_SSP_TABLE),
    ];
}
