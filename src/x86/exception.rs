// SPDX-License-Identifier: GPL-2.0

//! Exceptions that an instruction raises (SDM Vol. 3A, "Exception and Interrupt Reference").

use super::event::{
    kind,
    vector,
    Interruption, //
};

/// An exception for the guest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Exception {
    /// Of [`vector`].
    pub(crate) vector: u8,
    /// The error code, if it has one in protected mode.
    pub(crate) error_code: Option<u32>,
    /// What goes with it: the address of #PF, the causes of #DB. An exit for the exception has it
    /// as its exit qualification.
    pub(crate) detail: u64,
}

impl Exception {
    /// #UD.
    pub(crate) const INVALID_OPCODE: Self = Self::new(vector::INVALID_OPCODE, None);
    /// #DF.
    pub(crate) const DOUBLE_FAULT: Self = Self::new(vector::DOUBLE_FAULT, Some(0));
    /// #SS(0).
    pub(crate) const STACK_FAULT: Self = Self::new(vector::STACK_FAULT, Some(0));
    /// #GP(0).
    pub(crate) const GENERAL_PROTECTION: Self = Self::new(vector::GENERAL_PROTECTION, Some(0));
    /// #AC(0).
    pub(crate) const ALIGNMENT_CHECK: Self = Self::new(vector::ALIGNMENT_CHECK, Some(0));

    const fn new(vector: u8, error_code: Option<u32>) -> Self {
        Self {
            vector,
            error_code,
            detail: 0,
        }
    }

    /// #DB with these causes, as in DR6.
    pub(crate) fn debug(causes: u64) -> Self {
        Self {
            detail: causes,
            ..Self::new(vector::DEBUG, None)
        }
    }

    /// #PF with this error code, for this linear address.
    pub(crate) fn page_fault(error_code: u32, address: u64) -> Self {
        Self {
            detail: address,
            ..Self::new(vector::PAGE_FAULT, Some(error_code))
        }
    }

    /// As interruption information; outside protected mode there are no error codes.
    pub(crate) fn interruption(self, protected: bool) -> Interruption {
        Interruption::NOTHING
            .with_valid(true)
            .with_kind(kernel::num::Bounded::<u32, 3>::new::<
                { kind::HARDWARE_EXCEPTION },
            >())
            .with_error_code(protected && self.error_code.is_some())
            .with_vector(self.vector)
    }
}
