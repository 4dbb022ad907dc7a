// SPDX-License-Identifier: GPL-2.0

//! The fields of a VMCS: encoding, width and access (SDM Vol. 3D, "Field Encoding in VMCS").
//!
//! The value that is read or written follows from the field's width. A field whose encoding
//! disagrees with the width or the access that it is listed under does not compile, nor does a
//! write to a read-only field, or one to a control or host-state field outside of the files that
//! know what it means for the host:
//!
//! ```ignore
//! current.write(GUEST_CS_SELECTOR, 0u64);        // expected `u16`
//! current.write(EXIT_REASON, 0u32);              // `ReadOnly` is not `Writable`
//! current.write(EPT_POINTER, 0u64);              // nor is `Control`
//! Field::<u32, Guest>::new(0x681e);              // GUEST_RIP: encoding disagrees with the width
//! ```

use core::marker::PhantomData;

/// Width of a field, as bits 14:13 of the encoding say it.
pub(crate) trait Width {
    /// Type of the values.
    type Value: Copy;
    /// The width in the encoding.
    const CODE: u32;
    /// What VMREAD gives.
    fn from_u64(raw: u64) -> Self::Value;
    /// What VMWRITE takes.
    fn to_u64(value: Self::Value) -> u64;
}

macro_rules! width {
    ($name:ty, $value:ty, $code:literal) => {
        impl Width for $name {
            type Value = $value;
            const CODE: u32 = $code;
            #[inline(always)]
            fn from_u64(raw: u64) -> $value {
                // CAST: VMREAD clears the bits beyond the field's width.
                raw as $value
            }
            #[inline(always)]
            fn to_u64(value: $value) -> u64 {
                u64::from(value)
            }
        }
    };
}

/// Marker of natural-width fields: 64 bits on all CPUs that this driver runs on.
pub(crate) enum Natural {}

width!(u16, u16, 0);
width!(u64, u64, 1);
width!(u32, u32, 2);
width!(Natural, u64, 3);

/// Type of a field, as bits 11:10 of the encoding say it.
pub(crate) trait Access {
    /// The type in the encoding.
    const CODE: u32;
}

/// Types of fields that can be written without harm to the host.
pub(crate) trait Writable: Access {}

macro_rules! access {
    ($(#[$doc:meta])* $name:ident, $code:literal) => {
        $(#[$doc])*
        pub(crate) enum $name {}
        impl Access for $name {
            const CODE: u32 = $code;
        }
    };
}

access!(
    /// Marker of control fields: `vmx/control_fields.rs` writes them; what has
    /// IA32_PERF_GLOBAL_CTRL loaded, and that itself, `vmx/look_away.rs`.
    Control,
    0
);
access!(
    /// Marker of control fields that concern the guest alone: its time, its events, what it reads.
    GuestControl,
    0
);
access!(
    /// Marker of VM-exit information fields.
    ReadOnly,
    1
);
access!(
    /// Marker of the guest-state area.
    Guest,
    2
);
access!(
    /// Marker of guest state that reaches beyond the guest: `vmx/guest_state.rs` writes it, and
    /// IA32_PERF_GLOBAL_CTRL `vmx/look_away.rs`.
    SharedGuest,
    2
);
access!(
    /// Marker of the host-state area: `vmx/host_area.rs` writes it.
    Host,
    3
);

impl Writable for GuestControl {}
impl Writable for Guest {}

/// A field of width `W` and type `A`.
pub(crate) struct Field<W, A>(u32, PhantomData<(W, A)>);

impl<W, A> Clone for Field<W, A> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<W, A> Copy for Field<W, A> {}

impl<W: Width, A: Access> Field<W, A> {
    /// Names a field; to be evaluated at build time.
    pub(crate) const fn new(encoding: u32) -> Self {
        assert!(
            (encoding >> 13) & 3 == W::CODE,
            "encoding disagrees with the width"
        );
        assert!(
            (encoding >> 10) & 3 == A::CODE,
            "encoding disagrees with the access"
        );
        Self(encoding, PhantomData)
    }

    /// The encoding, as VMREAD and VMWRITE take it.
    #[inline(always)]
    pub(crate) const fn encoding(self) -> u32 {
        self.0
    }
}

/// Name of a field, if it is one of those below.
#[allow(dead_code)] // For who has encodings only.
pub(crate) fn name(encoding: u32) -> &'static str {
    let field = ALL.iter().find(|(_, known)| *known == encoding);
    field.map_or("a field without a name here", |(name, _)| name)
}

/// Greatest value that fits into a field. VMWRITE would ignore what goes beyond (SDM Vol. 3D,
/// "VMWRITE - Write Field to Virtual-Machine Control Structure").
pub(crate) fn greatest(encoding: u32) -> u64 {
    match (encoding >> 13) & 3 {
        <u16 as Width>::CODE => u64::from(u16::MAX),
        <u32 as Width>::CODE => u64::from(u32::MAX),
        _ => u64::MAX,
    }
}

/// Is this the encoding of a host-state field?
pub(crate) fn is_host_state(encoding: u32) -> bool {
    (encoding >> 10) & 3 == Host::CODE
}

/// Is this the encoding of a 64-bit control field? Nearly all of them are physical addresses.
pub(crate) fn is_wide_control(encoding: u32) -> bool {
    (encoding >> 13) & 3 == <u64 as Width>::CODE && (encoding >> 10) & 3 == Control::CODE
}

/// Can this be an encoding at all? The reserved bits are 31:15 and 12; bit 0 is for high halves.
pub(crate) fn is_well_formed(encoding: u32) -> bool {
    encoding & !0x6ffe == 0
}

macro_rules! fields {
    ($($width:ty, $access:ty { $($(#[$doc:meta])* $name:ident = $encoding:literal;)* })*) => {
        $($($(#[$doc])*
            #[allow(dead_code)] // The list is complete, whoever needs what of it.
            pub(crate) const $name: Field<$width, $access> = Field::new($encoding);
        )*)*

        /// All fields by name, in the order of their encodings.
        #[allow(dead_code)] // For who reads them in userspace.
        pub(crate) const ALL: &[(&str, u32)] = &[$($((stringify!($name), $encoding),)*)*];
    };
}

fields! {
    // 16-bit control fields.
    u16, Control {
        /// Virtual-processor identifier (VPID).
        VIRTUAL_PROCESSOR_ID = 0x0000;
        /// Posted-interrupt notification vector.
        POSTED_INTERRUPT_VECTOR = 0x0002;
        /// EPTP index.
        EPTP_INDEX = 0x0004;
        /// HLAT prefix size.
        HLAT_PREFIX_SIZE = 0x0006;
        /// Last PID-pointer index.
        LAST_PID_POINTER_INDEX = 0x0008;
    }
    // 16-bit guest-state fields.
    u16, Guest {
        /// ES selector.
        GUEST_ES_SELECTOR = 0x0800;
        /// CS selector.
        GUEST_CS_SELECTOR = 0x0802;
        /// SS selector.
        GUEST_SS_SELECTOR = 0x0804;
        /// DS selector.
        GUEST_DS_SELECTOR = 0x0806;
        /// FS selector.
        GUEST_FS_SELECTOR = 0x0808;
        /// GS selector.
        GUEST_GS_SELECTOR = 0x080a;
        /// LDTR selector.
        GUEST_LDTR_SELECTOR = 0x080c;
        /// TR selector.
        GUEST_TR_SELECTOR = 0x080e;
        /// Guest interrupt status.
        GUEST_INTERRUPT_STATUS = 0x0810;
        /// Page-modification log index.
        GUEST_PML_INDEX = 0x0812;
        /// User-interrupt notification vector.
        GUEST_UINV = 0x0814;
    }
    // 16-bit host-state fields.
    u16, Host {
        /// ES selector.
        HOST_ES_SELECTOR = 0x0c00;
        /// CS selector.
        HOST_CS_SELECTOR = 0x0c02;
        /// SS selector.
        HOST_SS_SELECTOR = 0x0c04;
        /// DS selector.
        HOST_DS_SELECTOR = 0x0c06;
        /// FS selector.
        HOST_FS_SELECTOR = 0x0c08;
        /// GS selector.
        HOST_GS_SELECTOR = 0x0c0a;
        /// TR selector.
        HOST_TR_SELECTOR = 0x0c0c;
    }
    // 64-bit control fields.
    u64, Control {
        /// Address of I/O bitmap A.
        IO_BITMAP_A = 0x2000;
        /// Address of I/O bitmap B.
        IO_BITMAP_B = 0x2002;
        /// Address of the MSR bitmaps.
        MSR_BITMAP = 0x2004;
        /// VM-exit MSR-store address.
        EXIT_MSR_STORE_ADDRESS = 0x2006;
        /// VM-exit MSR-load address.
        EXIT_MSR_LOAD_ADDRESS = 0x2008;
        /// VM-entry MSR-load address.
        ENTRY_MSR_LOAD_ADDRESS = 0x200a;
        /// Executive-VMCS pointer.
        EXECUTIVE_VMCS_POINTER = 0x200c;
        /// Page-modification log address.
        PML_ADDRESS = 0x200e;
    }
    u64, GuestControl {
        /// TSC offset.
        TSC_OFFSET = 0x2010;
    }
    u64, Control {
        /// Virtual-APIC address.
        VIRTUAL_APIC_ADDRESS = 0x2012;
        /// APIC-access address.
        APIC_ACCESS_ADDRESS = 0x2014;
        /// Posted-interrupt descriptor address.
        POSTED_INTERRUPT_DESCRIPTOR = 0x2016;
        /// VM-function controls.
        VM_FUNCTION_CONTROLS = 0x2018;
        /// EPT pointer.
        EPT_POINTER = 0x201a;
        /// EOI-exit bitmap 0.
        EOI_EXIT_BITMAP_0 = 0x201c;
        /// EOI-exit bitmap 1.
        EOI_EXIT_BITMAP_1 = 0x201e;
        /// EOI-exit bitmap 2.
        EOI_EXIT_BITMAP_2 = 0x2020;
        /// EOI-exit bitmap 3.
        EOI_EXIT_BITMAP_3 = 0x2022;
        /// EPTP-list address.
        EPTP_LIST_ADDRESS = 0x2024;
        /// VMREAD-bitmap address.
        VMREAD_BITMAP = 0x2026;
        /// VMWRITE-bitmap address.
        VMWRITE_BITMAP = 0x2028;
        /// Virtualization-exception information address.
        VE_INFORMATION_ADDRESS = 0x202a;
        /// XSS-exiting bitmap.
        XSS_EXITING_BITMAP = 0x202c;
        /// ENCLS-exiting bitmap.
        ENCLS_EXITING_BITMAP = 0x202e;
        /// Sub-page-permission-table pointer.
        SPP_TABLE_POINTER = 0x2030;
        /// TSC multiplier.
        TSC_MULTIPLIER = 0x2032;
        /// Tertiary processor-based VM-execution controls.
        TERTIARY_CONTROLS = 0x2034;
        /// ENCLV-exiting bitmap.
        ENCLV_EXITING_BITMAP = 0x2036;
        /// Low PASID directory address.
        LOW_PASID_DIRECTORY = 0x2038;
        /// High PASID directory address.
        HIGH_PASID_DIRECTORY = 0x203a;
        /// Shared EPT pointer.
        SHARED_EPT_POINTER = 0x203c;
        /// PCONFIG-exiting bitmap.
        PCONFIG_EXITING_BITMAP = 0x203e;
        /// Hypervisor-managed linear-address translation pointer.
        HLAT_POINTER = 0x2040;
        /// PID-pointer table address.
        PID_POINTER_TABLE = 0x2042;
        /// Secondary VM-exit controls.
        SECONDARY_EXIT_CONTROLS = 0x2044;
    }
    // 64-bit read-only data fields.
    u64, ReadOnly {
        /// Guest-physical address.
        GUEST_PHYSICAL_ADDRESS = 0x2400;
    }
    // 64-bit guest-state fields.
    u64, Guest {
        /// VMCS link pointer.
        VMCS_LINK_POINTER = 0x2800;
        /// IA32_PAT.
        GUEST_PAT = 0x2804;
        /// IA32_EFER.
        GUEST_EFER = 0x2806;
        /// PDPTE0.
        GUEST_PDPTE0 = 0x280a;
        /// PDPTE1.
        GUEST_PDPTE1 = 0x280c;
        /// PDPTE2.
        GUEST_PDPTE2 = 0x280e;
        /// PDPTE3.
        GUEST_PDPTE3 = 0x2810;
        /// IA32_BNDCFGS.
        GUEST_BNDCFGS = 0x2812;
        /// IA32_PKRS.
        GUEST_PKRS = 0x2818;
    }
    u64, SharedGuest {
        /// IA32_DEBUGCTL.
        GUEST_DEBUGCTL = 0x2802;
        /// IA32_PERF_GLOBAL_CTRL.
        GUEST_PERF_GLOBAL_CTRL = 0x2808;
        /// IA32_RTIT_CTL.
        GUEST_RTIT_CTL = 0x2814;
        /// IA32_LBR_CTL.
        GUEST_LBR_CTL = 0x2816;
    }
    // 64-bit host-state fields.
    u64, Host {
        /// IA32_PAT.
        HOST_PAT = 0x2c00;
        /// IA32_EFER.
        HOST_EFER = 0x2c02;
        /// IA32_PERF_GLOBAL_CTRL.
        HOST_PERF_GLOBAL_CTRL = 0x2c04;
        /// IA32_PKRS.
        HOST_PKRS = 0x2c06;
    }
    // 32-bit control fields.
    u32, Control {
        /// Pin-based VM-execution controls.
        PIN_BASED_CONTROLS = 0x4000;
        /// Primary processor-based VM-execution controls.
        PRIMARY_CONTROLS = 0x4002;
        /// Exception bitmap.
        EXCEPTION_BITMAP = 0x4004;
        /// Page-fault error-code mask.
        PAGE_FAULT_ERROR_MASK = 0x4006;
        /// Page-fault error-code match.
        PAGE_FAULT_ERROR_MATCH = 0x4008;
        /// CR3-target count.
        CR3_TARGET_COUNT = 0x400a;
        /// Primary VM-exit controls.
        EXIT_CONTROLS = 0x400c;
        /// VM-exit MSR-store count.
        EXIT_MSR_STORE_COUNT = 0x400e;
        /// VM-exit MSR-load count.
        EXIT_MSR_LOAD_COUNT = 0x4010;
        /// VM-entry controls.
        ENTRY_CONTROLS = 0x4012;
        /// VM-entry MSR-load count.
        ENTRY_MSR_LOAD_COUNT = 0x4014;
    }
    u32, GuestControl {
        /// VM-entry interruption-information field.
        ENTRY_INTERRUPTION_INFO = 0x4016;
        /// VM-entry exception error code.
        ENTRY_EXCEPTION_ERROR_CODE = 0x4018;
        /// VM-entry instruction length.
        ENTRY_INSTRUCTION_LENGTH = 0x401a;
    }
    u32, Control {
        /// TPR threshold.
        TPR_THRESHOLD = 0x401c;
        /// Secondary processor-based VM-execution controls.
        SECONDARY_CONTROLS = 0x401e;
        /// PLE_Gap.
        PLE_GAP = 0x4020;
        /// PLE_Window.
        PLE_WINDOW = 0x4022;
    }
    // 32-bit read-only data fields.
    u32, ReadOnly {
        /// VM-instruction error.
        VM_INSTRUCTION_ERROR = 0x4400;
        /// Exit reason.
        EXIT_REASON = 0x4402;
        /// VM-exit interruption information.
        EXIT_INTERRUPTION_INFO = 0x4404;
        /// VM-exit interruption error code.
        EXIT_INTERRUPTION_ERROR_CODE = 0x4406;
        /// IDT-vectoring information.
        IDT_VECTORING_INFO = 0x4408;
        /// IDT-vectoring error code.
        IDT_VECTORING_ERROR_CODE = 0x440a;
        /// VM-exit instruction length.
        EXIT_INSTRUCTION_LENGTH = 0x440c;
        /// VM-exit instruction information.
        EXIT_INSTRUCTION_INFO = 0x440e;
    }
    // 32-bit guest-state fields.
    u32, Guest {
        /// ES limit.
        GUEST_ES_LIMIT = 0x4800;
        /// CS limit.
        GUEST_CS_LIMIT = 0x4802;
        /// SS limit.
        GUEST_SS_LIMIT = 0x4804;
        /// DS limit.
        GUEST_DS_LIMIT = 0x4806;
        /// FS limit.
        GUEST_FS_LIMIT = 0x4808;
        /// GS limit.
        GUEST_GS_LIMIT = 0x480a;
        /// LDTR limit.
        GUEST_LDTR_LIMIT = 0x480c;
        /// TR limit.
        GUEST_TR_LIMIT = 0x480e;
        /// GDTR limit.
        GUEST_GDTR_LIMIT = 0x4810;
        /// IDTR limit.
        GUEST_IDTR_LIMIT = 0x4812;
        /// ES access rights.
        GUEST_ES_ACCESS_RIGHTS = 0x4814;
        /// CS access rights.
        GUEST_CS_ACCESS_RIGHTS = 0x4816;
        /// SS access rights.
        GUEST_SS_ACCESS_RIGHTS = 0x4818;
        /// DS access rights.
        GUEST_DS_ACCESS_RIGHTS = 0x481a;
        /// FS access rights.
        GUEST_FS_ACCESS_RIGHTS = 0x481c;
        /// GS access rights.
        GUEST_GS_ACCESS_RIGHTS = 0x481e;
        /// LDTR access rights.
        GUEST_LDTR_ACCESS_RIGHTS = 0x4820;
        /// TR access rights.
        GUEST_TR_ACCESS_RIGHTS = 0x4822;
    }
    u32, SharedGuest {
        /// Interruptibility state.
        GUEST_INTERRUPTIBILITY = 0x4824;
        /// Activity state.
        GUEST_ACTIVITY = 0x4826;
    }
    u32, Guest {
        /// SMBASE.
        GUEST_SMBASE = 0x4828;
        /// IA32_SYSENTER_CS.
        GUEST_SYSENTER_CS = 0x482a;
    }
    u32, SharedGuest {
        /// VMX-preemption timer value.
        PREEMPTION_TIMER_VALUE = 0x482e;
    }
    // 32-bit host-state fields.
    u32, Host {
        /// IA32_SYSENTER_CS.
        HOST_SYSENTER_CS = 0x4c00;
    }
    // natural-width control fields.
    Natural, Control {
        /// CR0 guest/host mask.
        CR0_MASK = 0x6000;
        /// CR4 guest/host mask.
        CR4_MASK = 0x6002;
    }
    Natural, GuestControl {
        /// CR0 read shadow.
        CR0_SHADOW = 0x6004;
        /// CR4 read shadow.
        CR4_SHADOW = 0x6006;
    }
    Natural, Control {
        /// CR3-target value 0.
        CR3_TARGET0 = 0x6008;
        /// CR3-target value 1.
        CR3_TARGET1 = 0x600a;
        /// CR3-target value 2.
        CR3_TARGET2 = 0x600c;
        /// CR3-target value 3.
        CR3_TARGET3 = 0x600e;
    }
    // natural-width read-only data fields.
    Natural, ReadOnly {
        /// Exit qualification.
        EXIT_QUALIFICATION = 0x6400;
        /// I/O RCX.
        IO_RCX = 0x6402;
        /// I/O RSI.
        IO_RSI = 0x6404;
        /// I/O RDI.
        IO_RDI = 0x6406;
        /// I/O RIP.
        IO_RIP = 0x6408;
        /// Guest-linear address.
        GUEST_LINEAR_ADDRESS = 0x640a;
    }
    // natural-width guest-state fields.
    Natural, Guest {
        /// CR0.
        GUEST_CR0 = 0x6800;
        /// CR3.
        GUEST_CR3 = 0x6802;
        /// CR4.
        GUEST_CR4 = 0x6804;
        /// ES base.
        GUEST_ES_BASE = 0x6806;
        /// CS base.
        GUEST_CS_BASE = 0x6808;
        /// SS base.
        GUEST_SS_BASE = 0x680a;
        /// DS base.
        GUEST_DS_BASE = 0x680c;
        /// FS base.
        GUEST_FS_BASE = 0x680e;
        /// GS base.
        GUEST_GS_BASE = 0x6810;
        /// LDTR base.
        GUEST_LDTR_BASE = 0x6812;
        /// TR base.
        GUEST_TR_BASE = 0x6814;
        /// GDTR base.
        GUEST_GDTR_BASE = 0x6816;
        /// IDTR base.
        GUEST_IDTR_BASE = 0x6818;
        /// DR7.
        GUEST_DR7 = 0x681a;
        /// RSP.
        GUEST_RSP = 0x681c;
        /// RIP.
        GUEST_RIP = 0x681e;
        /// RFLAGS.
        GUEST_RFLAGS = 0x6820;
        /// Pending debug exceptions.
        GUEST_PENDING_DEBUG_EXCEPTIONS = 0x6822;
        /// IA32_SYSENTER_ESP.
        GUEST_SYSENTER_ESP = 0x6824;
        /// IA32_SYSENTER_EIP.
        GUEST_SYSENTER_EIP = 0x6826;
        /// IA32_S_CET.
        GUEST_S_CET = 0x6828;
        /// SSP.
        GUEST_SSP = 0x682a;
        /// IA32_INTERRUPT_SSP_TABLE_ADDR.
        GUEST_INTERRUPT_SSP_TABLE = 0x682c;
    }
    // natural-width host-state fields.
    Natural, Host {
        /// CR0.
        HOST_CR0 = 0x6c00;
        /// CR3.
        HOST_CR3 = 0x6c02;
        /// CR4.
        HOST_CR4 = 0x6c04;
        /// FS base.
        HOST_FS_BASE = 0x6c06;
        /// GS base.
        HOST_GS_BASE = 0x6c08;
        /// TR base.
        HOST_TR_BASE = 0x6c0a;
        /// GDTR base.
        HOST_GDTR_BASE = 0x6c0c;
        /// IDTR base.
        HOST_IDTR_BASE = 0x6c0e;
        /// IA32_SYSENTER_ESP.
        HOST_SYSENTER_ESP = 0x6c10;
        /// IA32_SYSENTER_EIP.
        HOST_SYSENTER_EIP = 0x6c12;
        /// RSP.
        HOST_RSP = 0x6c14;
        /// RIP.
        HOST_RIP = 0x6c16;
        /// IA32_S_CET.
        HOST_S_CET = 0x6c18;
        /// SSP.
        HOST_SSP = 0x6c1a;
        /// IA32_INTERRUPT_SSP_TABLE_ADDR.
        HOST_INTERRUPT_SSP_TABLE = 0x6c1c;
    }
}

/// The four entries that a load of CR3 reads with PAE paging.
pub(crate) const GUEST_PDPTES: [Field<u64, Guest>; 4] =
    [GUEST_PDPTE0, GUEST_PDPTE1, GUEST_PDPTE2, GUEST_PDPTE3];
