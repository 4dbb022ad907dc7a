// SPDX-License-Identifier: GPL-2.0

//! What a CPU can do, bit by bit.

use crate::uapi;

/// One bit of [`Capabilities`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Capability {
    mask: u64,
    /// Name as in `uapi/minivmx.h`, in small letters and without `MINIVMX_CAP_`.
    pub name: &'static str,
    /// What it is, in half a sentence.
    pub description: &'static str,
}

/// A set of capabilities.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Capabilities(pub u64);

impl Capabilities {
    /// Whether the set has the capability.
    pub fn contains(self, capability: &Capability) -> bool {
        self.0 & capability.mask != 0
    }

    /// The members of the set, in the order of their bits.
    pub fn iter(self) -> impl Iterator<Item = &'static Capability> {
        Capability::ALL
            .iter()
            .filter(move |capability| self.contains(capability))
    }

    /// Names of the members.
    pub fn names(self) -> Vec<&'static str> {
        self.iter().map(|capability| capability.name).collect()
    }
}

macro_rules! capabilities {
    ($($bit:ident $name:literal $description:literal;)*) => {
        impl Capability {
            /// Every capability that the interface names.
            pub const ALL: &'static [Capability] = &[
                $(Capability {
                    mask: uapi::$bit as u64,
                    name: $name,
                    description: $description,
                },)*
            ];
        }
    };
}

capabilities! {
    MINIVMX_CAP_EPT "ept" "extended page tables, 4-level, write-back";
    MINIVMX_CAP_EPT_AD "ept_ad" "accessed and dirty flags in EPT entries";
    MINIVMX_CAP_EPT_EXEC_ONLY "ept_exec_only" "pages that can be executed but not read";
    MINIVMX_CAP_EPT_2M "ept_2m" "2 MiB pages in EPT";
    MINIVMX_CAP_EPT_1G "ept_1g" "1 GiB pages in EPT";
    MINIVMX_CAP_INVEPT_SINGLE "invept_single" "INVEPT of one EPT pointer";
    MINIVMX_CAP_INVEPT_GLOBAL "invept_global" "INVEPT of all EPT pointers";
    MINIVMX_CAP_VPID "vpid" "virtual-processor identifiers";
    MINIVMX_CAP_INVVPID_SINGLE "invvpid_single" "INVVPID of one VPID";
    MINIVMX_CAP_INVVPID_ALL "invvpid_all" "INVVPID of all VPIDs";
    MINIVMX_CAP_UNRESTRICTED_GUEST "unrestricted_guest" "guests in real mode and without paging";
    MINIVMX_CAP_MTF "mtf" "monitor trap flag";
    MINIVMX_CAP_PREEMPTION_TIMER "preemption_timer" "VMX-preemption timer";
    MINIVMX_CAP_VIRTUAL_NMIS "virtual_nmis" "virtual NMIs";
    MINIVMX_CAP_MSR_BITMAPS "msr_bitmaps" "MSR bitmaps";
    MINIVMX_CAP_LOAD_EFER "load_efer" "IA32_EFER is switched by VM entries and exits";
    MINIVMX_CAP_LOAD_PAT "load_pat" "IA32_PAT is switched by VM entries and exits";
    MINIVMX_CAP_TRUE_CONTROLS "true_controls" "the default-1 controls can be cleared";
    MINIVMX_CAP_XSAVE "xsave" "the guest can use XSAVE, as the host does";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bit_has_one_name() {
        let union = Capability::ALL.iter().fold(0, |union, capability| {
            assert!(capability.mask.is_power_of_two());
            assert_eq!(union & capability.mask, 0, "{}", capability.name);
            union | capability.mask
        });
        assert_eq!(union, (1 << Capability::ALL.len()) - 1);
    }

    #[test]
    fn names_follow_the_bits() {
        assert_eq!(Capabilities(0b1001).names(), ["ept", "ept_2m"]);
    }
}
