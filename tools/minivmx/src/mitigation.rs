// SPDX-License-Identifier: GPL-2.0

//! Mitigations against speculative execution, bit by bit.

use crate::uapi;

/// One mitigation, of [`Mitigation::ALL`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Mitigation {
    pub(crate) mask: u64,
    /// Name as in `uapi/minivmx.h`, in small letters and without `MINIVMX_MITIGATION_`.
    pub name: &'static str,
    /// What it is, in half a sentence.
    pub description: &'static str,
}

/// What becomes of a mitigation on this machine.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mitigated {
    /// The machine needs it, and the driver does it.
    Done,
    /// This CPU does not need it, or the kernel was told to leave it out.
    NotNeeded,
    /// The machine needs it, and a module cannot do it.
    NotPossible,
}

impl Mitigated {
    /// In two words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::NotNeeded => "not needed",
            Self::NotPossible => "not possible",
        }
    }
}

macro_rules! mitigations {
    ($($bit:ident $name:literal $description:literal;)*) => {
        impl Mitigation {
            /// Every mitigation that the interface names.
            pub const ALL: &'static [Mitigation] = &[
                $(Mitigation {
                    mask: uapi::$bit as u64,
                    name: $name,
                    description: $description,
                },)*
            ];
        }
    };
}

mitigations! {
    MINIVMX_MITIGATION_CLEAR_BUFFERS "clear_buffers" "VERW before VM entries (MDS, TAA, RFDS)";
    MINIVMX_MITIGATION_RETURN_STACK "return_stack" "the return stack is filled after VM exits";
    MINIVMX_MITIGATION_IBRS "ibrs" "IBRS is set anew after VM exits";
    MINIVMX_MITIGATION_BRANCH_HISTORY "branch_history" "branch history is overwritten after VM exits (BHI)";
    MINIVMX_MITIGATION_IBPB_GUEST "ibpb_guest" "IBPB before another vCPU runs";
    MINIVMX_MITIGATION_IBPB_USER "ibpb_user" "IBPB before the program goes on (VMSCAPE)";
    MINIVMX_MITIGATION_FLUSH_L1D "flush_l1d" "an empty L1 data cache before a vCPU runs (L1TF)";
    MINIVMX_MITIGATION_ITLB_MULTIHIT "itlb_multihit" "no 2 MiB pages that a guest could execute";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bit_has_one_name() {
        let union = Mitigation::ALL.iter().fold(0, |union, mitigation| {
            assert!(mitigation.mask.is_power_of_two());
            assert_eq!(union & mitigation.mask, 0, "{}", mitigation.name);
            union | mitigation.mask
        });
        assert_eq!(union, (1 << Mitigation::ALL.len()) - 1);
    }
}
