// SPDX-License-Identifier: GPL-2.0

//! VMX controls, and what a CPU lets be set in them.

/// A set of controls: a 32-bit field of the VMCS whose bits have names.
pub(crate) trait Controls: Copy {
    /// The bits.
    fn bits(self) -> u32;
    /// The set with these bits, known ones or not.
    fn from_bits(bits: u32) -> Self;
    /// Names of the known bits.
    const NAMES: &'static [(u32, &'static str)];

    /// Name of the lowest known bit of the set.
    fn first_name(self) -> &'static str {
        Self::NAMES
            .iter()
            .find(|(bit, _)| self.bits() & bit != 0)
            .map_or("a control without a name here", |(_, name)| *name)
    }
}

/// What a capability MSR says of a set of controls: bits that must be 1, and bits that can be
/// (SDM Vol. 3D, "VM-Execution Controls").
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowed {
    /// Allowed 0-settings: a 1 means that the control must be 1.
    pub(crate) must: u32,
    /// Allowed 1-settings: a 1 means that the control can be 1.
    pub(crate) can: u32,
}

impl Allowed {
    /// Takes the two halves of a capability MSR apart.
    pub(crate) fn from_msr(value: u64) -> Self {
        Self {
            // CAST: Takes the low half on purpose.
            must: value as u32,
            can: (value >> 32) as u32,
        }
    }

    /// Can all these controls be 1?
    pub(crate) fn allows<C: Controls>(self, controls: C) -> bool {
        controls.bits() & !self.can == 0
    }

    /// Is this a setting that the CPU takes?
    pub(crate) fn takes(self, bits: u32) -> bool {
        bits & self.must == self.must && bits & !self.can == 0
    }

    /// The controls to set: all required ones, those optional ones that the CPU has, and what it
    /// insists on.
    ///
    /// # Errors
    ///
    /// The required ones that this CPU does not have.
    pub(crate) fn adjust<C: Controls>(self, required: C, optional: C) -> Result<C, C> {
        let missing = required.bits() & !self.can;
        if missing != 0 {
            return Err(C::from_bits(missing));
        }
        let wanted = required.bits() | optional.bits();
        Ok(C::from_bits(wanted & self.can | self.must))
    }
}

macro_rules! controls {
    ($($(#[$doc:meta])* $type:ident { $($name:ident = $bit:literal, $words:literal;)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub(crate) struct $type(u32);

        #[allow(dead_code)]
        impl $type {
            $(
                #[doc = concat!("\"", $words, "\".")]
                pub(crate) const $name: Self = Self(1 << $bit);
            )*

            /// No control.
            pub(crate) const NONE: Self = Self(0);

            /// The set of all controls of both.
            pub(crate) const fn with(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }

            /// The bits, as the VMCS has them.
            pub(crate) const fn raw(self) -> u32 {
                self.0
            }

            /// The same set with all controls of `other`, or without them.
            #[inline]
            pub(crate) const fn with_if(self, other: Self, set: bool) -> Self {
                if set {
                    Self(self.0 | other.0)
                } else {
                    Self(self.0 & !other.0)
                }
            }

            /// Are all controls of `other` in this set?
            #[inline]
            pub(crate) const fn contains(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }
        }

        impl Controls for $type {
            fn bits(self) -> u32 {
                self.0
            }
            fn from_bits(bits: u32) -> Self {
                Self(bits)
            }
            const NAMES: &'static [(u32, &'static str)] = &[$((1 << $bit, $words),)*];
        }
    )*};
}

controls! {
    /// Pin-based VM-execution controls (SDM Vol. 3C, "Pin-Based VM-Execution Controls").
    PinBased {
        EXTERNAL_INTERRUPT_EXITING = 0, "external-interrupt exiting";
        NMI_EXITING = 3, "NMI exiting";
        VIRTUAL_NMIS = 5, "virtual NMIs";
        PREEMPTION_TIMER = 6, "activate VMX-preemption timer";
        PROCESS_POSTED_INTERRUPTS = 7, "process posted interrupts";
    }

    /// Primary processor-based controls (SDM Vol. 3C, "Processor-Based VM-Execution Controls").
    Primary {
        INTERRUPT_WINDOW_EXITING = 2, "interrupt-window exiting";
        USE_TSC_OFFSETTING = 3, "use TSC offsetting";
        HLT_EXITING = 7, "HLT exiting";
        INVLPG_EXITING = 9, "INVLPG exiting";
        MWAIT_EXITING = 10, "MWAIT exiting";
        RDPMC_EXITING = 11, "RDPMC exiting";
        RDTSC_EXITING = 12, "RDTSC exiting";
        CR3_LOAD_EXITING = 15, "CR3-load exiting";
        CR3_STORE_EXITING = 16, "CR3-store exiting";
        TERTIARY = 17, "activate tertiary controls";
        CR8_LOAD_EXITING = 19, "CR8-load exiting";
        CR8_STORE_EXITING = 20, "CR8-store exiting";
        USE_TPR_SHADOW = 21, "use TPR shadow";
        NMI_WINDOW_EXITING = 22, "NMI-window exiting";
        MOV_DR_EXITING = 23, "MOV-DR exiting";
        UNCONDITIONAL_IO_EXITING = 24, "unconditional I/O exiting";
        USE_IO_BITMAPS = 25, "use I/O bitmaps";
        MONITOR_TRAP_FLAG = 27, "monitor trap flag";
        USE_MSR_BITMAPS = 28, "use MSR bitmaps";
        MONITOR_EXITING = 29, "MONITOR exiting";
        PAUSE_EXITING = 30, "PAUSE exiting";
        SECONDARY = 31, "activate secondary controls";
    }

    /// Secondary processor-based controls (SDM Vol. 3C, "Processor-Based VM-Execution Controls").
    Secondary {
        VIRTUALIZE_APIC_ACCESSES = 0, "virtualize APIC accesses";
        ENABLE_EPT = 1, "enable EPT";
        DESCRIPTOR_TABLE_EXITING = 2, "descriptor-table exiting";
        ENABLE_RDTSCP = 3, "enable RDTSCP";
        VIRTUALIZE_X2APIC_MODE = 4, "virtualize x2APIC mode";
        ENABLE_VPID = 5, "enable VPID";
        WBINVD_EXITING = 6, "WBINVD exiting";
        UNRESTRICTED_GUEST = 7, "unrestricted guest";
        APIC_REGISTER_VIRTUALIZATION = 8, "APIC-register virtualization";
        VIRTUAL_INTERRUPT_DELIVERY = 9, "virtual-interrupt delivery";
        RDRAND_EXITING = 11, "RDRAND exiting";
        ENABLE_INVPCID = 12, "enable INVPCID";
        ENABLE_VM_FUNCTIONS = 13, "enable VM functions";
        VMCS_SHADOWING = 14, "VMCS shadowing";
        ENCLS_EXITING = 15, "ENCLS exiting";
        RDSEED_EXITING = 16, "RDSEED exiting";
        ENABLE_PML = 17, "enable PML";
        EPT_VIOLATION_VE = 18, "EPT-violation #VE";
        ENABLE_XSAVES = 20, "enable XSAVES/XRSTORS";
        PASID_TRANSLATION = 21, "PASID translation";
        MODE_BASED_EXECUTE_CONTROL = 22, "mode-based execute control for EPT";
        SUB_PAGE_WRITE_PERMISSIONS = 23, "sub-page write permissions for EPT";
        PT_USES_GUEST_PHYSICAL = 24, "Intel PT uses guest physical addresses";
        USE_TSC_SCALING = 25, "use TSC scaling";
    }

    /// Tertiary processor-based controls, which are 64 bits; those that have names here are in the
    /// low half (SDM Vol. 3C, "Processor-Based VM-Execution Controls").
    Tertiary {
        ENABLE_HLAT = 1, "enable HLAT";
        EPT_PAGING_WRITE_CONTROL = 2, "EPT paging-write control";
        GUEST_PAGING_VERIFICATION = 3, "guest-paging verification";
        IPI_VIRTUALIZATION = 4, "IPI virtualization";
    }

    /// VM-exit controls (SDM Vol. 3C, "VM-Exit Controls").
    Exit {
        SAVE_DEBUG_CONTROLS = 2, "save debug controls";
        HOST_ADDRESS_SPACE_SIZE = 9, "host address-space size";
        LOAD_PERF_GLOBAL_CTRL = 12, "load IA32_PERF_GLOBAL_CTRL";
        ACKNOWLEDGE_INTERRUPT = 15, "acknowledge interrupt on exit";
        SAVE_PAT = 18, "save IA32_PAT";
        LOAD_PAT = 19, "load IA32_PAT";
        SAVE_EFER = 20, "save IA32_EFER";
        LOAD_EFER = 21, "load IA32_EFER";
        SAVE_PREEMPTION_TIMER = 22, "save VMX-preemption timer value";
        CLEAR_RTIT_CTL = 25, "clear IA32_RTIT_CTL";
        LOAD_CET_STATE = 28, "load CET state";
        LOAD_PKRS = 29, "load PKRS";
        SECONDARY = 31, "activate secondary controls";
    }

    /// VM-entry controls (SDM Vol. 3C, "VM-Entry Controls").
    Entry {
        LOAD_DEBUG_CONTROLS = 2, "load debug controls";
        IA32E_MODE_GUEST = 9, "IA-32e mode guest";
        ENTRY_TO_SMM = 10, "entry to SMM";
        DEACTIVATE_DUAL_MONITOR = 11, "deactivate dual-monitor treatment";
        LOAD_PERF_GLOBAL_CTRL = 13, "load IA32_PERF_GLOBAL_CTRL";
        LOAD_PAT = 14, "load IA32_PAT";
        LOAD_EFER = 15, "load IA32_EFER";
        LOAD_BNDCFGS = 16, "load IA32_BNDCFGS";
        LOAD_RTIT_CTL = 18, "load IA32_RTIT_CTL";
        LOAD_UINV = 19, "load UINV";
        LOAD_CET_STATE = 20, "load CET state";
        LOAD_LBR_CTL = 21, "load guest IA32_LBR_CTL";
        LOAD_PKRS = 22, "load PKRS";
    }
}
