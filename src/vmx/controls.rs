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
        CR8_LOAD_EXITING = 19, "CR8-load exiting";
        CR8_STORE_EXITING = 20, "CR8-store exiting";
        NMI_WINDOW_EXITING = 22, "NMI-window exiting";
        MOV_DR_EXITING = 23, "MOV-DR exiting";
        UNCONDITIONAL_IO_EXITING = 24, "unconditional I/O exiting";
        MONITOR_TRAP_FLAG = 27, "monitor trap flag";
        USE_MSR_BITMAPS = 28, "use MSR bitmaps";
        MONITOR_EXITING = 29, "MONITOR exiting";
        PAUSE_EXITING = 30, "PAUSE exiting";
        SECONDARY = 31, "activate secondary controls";
    }

    /// Secondary processor-based controls (SDM Vol. 3C, "Processor-Based VM-Execution Controls").
    Secondary {
        ENABLE_EPT = 1, "enable EPT";
        DESCRIPTOR_TABLE_EXITING = 2, "descriptor-table exiting";
        ENABLE_RDTSCP = 3, "enable RDTSCP";
        ENABLE_VPID = 5, "enable VPID";
        WBINVD_EXITING = 6, "WBINVD exiting";
        UNRESTRICTED_GUEST = 7, "unrestricted guest";
        RDRAND_EXITING = 11, "RDRAND exiting";
        ENABLE_INVPCID = 12, "enable INVPCID";
        ENCLS_EXITING = 15, "ENCLS exiting";
        RDSEED_EXITING = 16, "RDSEED exiting";
        ENABLE_XSAVES = 20, "enable XSAVES/XRSTORS";
    }

    /// VM-exit controls (SDM Vol. 3C, "VM-Exit Controls").
    Exit {
        SAVE_DEBUG_CONTROLS = 2, "save debug controls";
        HOST_ADDRESS_SPACE_SIZE = 9, "host address-space size";
        LOAD_PERF_GLOBAL_CTRL = 12, "load IA32_PERF_GLOBAL_CTRL";
        SAVE_PAT = 18, "save IA32_PAT";
        LOAD_PAT = 19, "load IA32_PAT";
        SAVE_EFER = 20, "save IA32_EFER";
        LOAD_EFER = 21, "load IA32_EFER";
    }

    /// VM-entry controls (SDM Vol. 3C, "VM-Entry Controls").
    Entry {
        LOAD_DEBUG_CONTROLS = 2, "load debug controls";
        IA32E_MODE_GUEST = 9, "IA-32e mode guest";
        LOAD_PERF_GLOBAL_CTRL = 13, "load IA32_PERF_GLOBAL_CTRL";
        LOAD_PAT = 14, "load IA32_PAT";
        LOAD_EFER = 15, "load IA32_EFER";
    }
}
