// SPDX-License-Identifier: GPL-2.0

//! The VMX instructions, one function each, and nothing else.
//!
//! None of them can oops: an instruction that faults because the CPU is not in VMX operation ends
//! as one that failed. They are safe where nothing that Rust relies on can break; the others state
//! what their caller owes.

use super::error::Failure;
use core::cell::Cell;
use kernel::asm;

/// An instruction with one operand in memory, a 64-bit physical address.
macro_rules! with_address {
    ($(#[$doc:meta])* $name:ident, $mnemonic:literal) => {
        $(#[$doc])*
        #[inline]
        pub(super) unsafe fn $name(address: &u64) -> Result<(), Failure> {
            // SAFETY: The caller answers for what the address leads to; a fault goes to a label.
            unsafe {
                asm!(
                    concat!("
                    1: ", $mnemonic, " ({operand})
                    jna {fail}
                    .pushsection __ex_table, \"a\"
                    .balign 4
                    .long 1b - .
                    .long {fault} - .
                    .long 1
                    .popsection
                    ");
                    operand = in(reg) address,
                    fail = label { return Err(Failure::Instruction) },
                    fault = label { return Err(Failure::Fault) },
                )
            };
            Ok(())
        }
    };
}

with_address!(
    /// VMXON: enters VMX root operation.
    ///
    /// # Safety
    ///
    /// `address` is that of a VMXON region, which stays as it is until VMXOFF.
    vmxon, "vmxon"
);
with_address!(
    /// VMCLEAR: writes the VMCS back to its region and makes its launch state clear.
    ///
    /// # Safety
    ///
    /// `address` is that of a VMCS region that is in no use on another CPU.
    vmclear, "vmclear"
);
with_address!(
    /// VMPTRLD: makes a VMCS the current one.
    ///
    /// # Safety
    ///
    /// `address` is that of a VMCS region that is in no use on another CPU, and stays one until
    /// VMCLEAR.
    vmptrld, "vmptrld"
);

/// VMXOFF: leaves VMX operation.
///
/// # Safety
///
/// It was this driver that entered it on this CPU.
#[inline]
pub(super) unsafe fn vmxoff() -> Result<(), Failure> {
    // SAFETY: By the caller's word nobody else relies on VMX operation; a fault goes to a label.
    unsafe {
        asm!(
            "
            1: vmxoff
            jna {fail}
            .pushsection __ex_table, \"a\"
            .balign 4
            .long 1b - .
            .long {fault} - .
            .long 1
            .popsection
            ";
            fail = label { return Err(Failure::Instruction) },
            fault = label { return Err(Failure::Fault) },
        )
    };
    Ok(())
}

/// What VMPTRST stores if there is no current VMCS.
pub(super) const NO_VMCS: u64 = u64::MAX;

/// VMPTRST: address of the current VMCS, or [`NO_VMCS`].
#[inline]
pub(super) fn vmptrst() -> Result<u64, Failure> {
    let mut address = 0u64;
    // SAFETY: Stores 8 bytes into `address`; a fault goes to a label.
    unsafe {
        asm!(
            "
            1: vmptrst ({operand})
            .pushsection __ex_table, \"a\"
            .balign 4
            .long 1b - .
            .long {fault} - .
            .long 1
            .popsection
            ";
            operand = in(reg) &raw mut address,
            fault = label { return Err(Failure::Fault) },
        )
    };
    Ok(address)
}

/// VMREAD: a field of the current VMCS; if that fails, 0, and `failed` becomes true.
///
/// Fields are read a dozen times an exit, and hardly ever fail to be: so a success costs one jump,
/// and what a failure means is for the caller to ask later.
#[inline(always)]
pub(super) fn vmread(encoding: u32, failed: &Cell<bool>) -> u64 {
    let value: u64;
    // SAFETY: Reads the current VMCS, whosever it is, and writes `failed`. A fault goes on where a
    // failure does.
    unsafe {
        asm!(
            "
            1: vmread {encoding}, {value}
            ja 3f
            2: movb $1, ({failed})
            xor {value:e}, {value:e}
            3:
            .pushsection __ex_table, \"a\"
            .balign 4
            .long 1b - .
            .long 2b - .
            .long 1
            .popsection
            ";
            encoding = in(reg) u64::from(encoding),
            failed = in(reg) failed.as_ptr(),
            value = out(reg) value,
            options(nostack),
        )
    };
    value
}

/// VMWRITE: a field of the current VMCS; if that fails, `failed` becomes true.
///
/// # Safety
///
/// The current VMCS is this driver's, and the value of the field keeps the host safe after the next
/// VM entry.
#[inline(always)]
pub(super) unsafe fn vmwrite(encoding: u32, value: u64, failed: &Cell<bool>) {
    // SAFETY: The caller answers for the value. Writes `failed`; a fault goes on where a failure
    // does.
    unsafe {
        asm!(
            "
            1: vmwrite {value}, {encoding}
            ja 3f
            2: movb $1, ({failed})
            3:
            .pushsection __ex_table, \"a\"
            .balign 4
            .long 1b - .
            .long 2b - .
            .long 1
            .popsection
            ";
            encoding = in(reg) u64::from(encoding),
            value = in(reg) value,
            failed = in(reg) failed.as_ptr(),
            options(nostack),
        )
    };
}

/// Which cached translations INVEPT and INVVPID drop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub(crate) enum Extent {
    /// Those of one EPT pointer, or one VPID.
    Single = 1,
    /// Those of all EPT pointers, or all VPIDs but 0.
    All = 2,
}

/// INVEPT and INVVPID: dropping translations never breaks anything, so these are safe.
macro_rules! invalidate {
    ($(#[$doc:meta])* $name:ident, $mnemonic:literal) => {
        $(#[$doc])*
        #[inline]
        pub(super) fn $name(extent: Extent, tag: u64) -> Result<(), Failure> {
            let descriptor = [tag, 0u64];
            // SAFETY: Reads 16 bytes of `descriptor`; a fault goes to a label.
            unsafe {
                asm!(
                    concat!("
                    1: ", $mnemonic, " ({operand}), {extent}
                    jna {fail}
                    .pushsection __ex_table, \"a\"
                    .balign 4
                    .long 1b - .
                    .long {fault} - .
                    .long 1
                    .popsection
                    ");
                    operand = in(reg) &raw const descriptor,
                    extent = in(reg) extent as u64,
                    fail = label { return Err(Failure::Instruction) },
                    fault = label { return Err(Failure::Fault) },
                )
            };
            Ok(())
        }
    };
}

invalidate!(
    /// INVEPT: `tag` is the EPT pointer.
    invept, "invept"
);
invalidate!(
    /// INVVPID: `tag` is the VPID.
    invvpid, "invvpid"
);
