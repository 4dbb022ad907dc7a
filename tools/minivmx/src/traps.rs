// SPDX-License-Identifier: GPL-2.0

//! Exits that a program asks to see.

use crate::reason::Reason;

/// An exit that a program can ask to see though the driver, or the CPU, could answer it.
///
/// [`Info::trappable`](crate::Info::trappable) says which exits the driver offers.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Trap {
    /// Exits of this basic exit reason.
    Exit(Reason),
    /// Exits for exceptions of this vector, 0 to 31.
    Exception(u8),
}

macro_rules! traps {
    ($($variant:ident { $($name:ident = $value:expr, $text:literal;)* })*) => {
        impl Trap {
            $($(#[doc = $text] pub const $name: Self = Self::$variant($value);)*)*
        }
    };
}

// SDM Vol. 3D, "VMX Basic Exit Reasons"; Vol. 3A, "Exceptions and Interrupts".
traps! {
    Exit {
        CPUID = Reason::CPUID, "CPUID.";
        INVD = Reason::INVD, "INVD.";
        RDPMC = Reason::RDPMC, "RDPMC.";
        VMCALL = Reason::VMCALL, "VMCALL.";
        CONTROL_REGISTER = Reason::CONTROL_REGISTER, "MOV to and from control registers, CLTS, LMSW.";
        MOV_DR = Reason::MOV_DR, "MOV to and from debug registers.";
        RDMSR = Reason::RDMSR, "RDMSR.";
        WRMSR = Reason::WRMSR, "WRMSR.";
        MWAIT = Reason::MWAIT, "MWAIT.";
        MONITOR = Reason::MONITOR, "MONITOR.";
        EPT_VIOLATION = Reason::EPT_VIOLATION, "EPT violations.";
        WBINVD = Reason::WBINVD, "WBINVD and WBNOINVD.";
        XSETBV = Reason::XSETBV, "XSETBV.";
    }
    Exception {
        DIVIDE_ERROR = 0, "#DE, divide error.";
        DEBUG = 1, "#DB, debug exception.";
        BREAKPOINT = 3, "#BP, breakpoint.";
        OVERFLOW = 4, "#OF, overflow.";
        INVALID_OPCODE = 6, "#UD, invalid opcode.";
        DOUBLE_FAULT = 8, "#DF, double fault.";
        STACK_FAULT = 12, "#SS, stack fault.";
        GENERAL_PROTECTION = 13, "#GP, general protection.";
        PAGE_FAULT = 14, "#PF, page fault; the guest's own, with shadow paging.";
        ALIGNMENT_CHECK = 17, "#AC, alignment check.";
    }
}

/// A set of traps, as [`Vcpu::set_traps`](crate::Vcpu::set_traps) takes it.
///
/// ```
/// use minivmx::{Trap, Traps};
///
/// let traps = Traps::from([Trap::CPUID, Trap::PAGE_FAULT]);
/// assert_eq!((traps.exits, traps.exceptions), ([1 << 10, 0], 1 << 14));
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Traps {
    /// Bit n: exceptions with vector n.
    pub exceptions: u32,
    /// Bit n of word w: exits with basic exit reason 64 w + n.
    pub exits: [u64; 2],
}

impl Traps {
    /// The set with one more. What no trap can be, such as an exception of vector 32, is not in it.
    pub fn with(mut self, trap: Trap) -> Self {
        match trap {
            Trap::Exit(Reason(number)) => {
                if let Some(word) = self.exits.get_mut(number as usize / 64) {
                    *word |= 1 << (number % 64);
                }
            }
            Trap::Exception(vector) => {
                self.exceptions |= 1_u32.checked_shl(vector.into()).unwrap_or(0);
            }
        }
        self
    }
}

impl FromIterator<Trap> for Traps {
    fn from_iter<I: IntoIterator<Item = Trap>>(traps: I) -> Self {
        traps.into_iter().fold(Self::default(), Self::with)
    }
}

impl<const N: usize> From<[Trap; N]> for Traps {
    fn from(traps: [Trap; N]) -> Self {
        traps.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_where_the_driver_looks() {
        let traps = Traps::from([Trap::Exit(Reason(65)), Trap::Exception(31), Trap::MOV_DR]);
        assert_eq!(traps.exits, [1 << 29, 1 << 1]);
        assert_eq!(traps.exceptions, 1 << 31);
    }

    #[test]
    fn what_cannot_be_is_not_in_the_set() {
        let traps = Traps::from([Trap::Exit(Reason(128)), Trap::Exception(32)]);
        assert_eq!(traps, Traps::default());
    }
}
