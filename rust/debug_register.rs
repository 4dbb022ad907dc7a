// SPDX-License-Identifier: GPL-2.0

//! Debug registers of this CPU, saved and put back around a VM exit, which turns DR7 off.
//!
//! DR6 is not among them: neither a VM exit nor a guest whose #DB exits changes it
//! (SDM Vol. 3C, "Loading Host Control Registers, Debug Registers, MSRs").

use super::irq::IrqsDisabled;
use core::{
    cell::Cell,
    marker::PhantomData, //
};
use kernel::asm;

/// DR7 without breakpoints, as a VM exit leaves it.
pub(crate) const DR7_OFF: u64 = 0x400;

macro_rules! read {
    ($register:literal) => {{
        let value: u64;
        // SAFETY: Reading the register has no side effect; this is the kernel's privilege level.
        unsafe {
            asm!(concat!("mov ", $register, ", {}");
                 out(reg) value, options(nomem, nostack, preserves_flags))
        };
        value
    }};
}

macro_rules! write {
    ($register:literal, $value:expr) => {
        // SAFETY: DR7 is off, or gets the value that the host had with the addresses that the host had.
        unsafe {
            asm!(concat!("mov {}, ", $register);
                 in(reg) $value, options(nostack, preserves_flags))
        }
    };
}

/// Guard: the drop puts the host's breakpoints back.
///
/// # Invariants
///
/// `dr7` is what DR7 held on this CPU, where interrupts have been off since, and `lent`, if there are
/// any, what DR0 to DR3 held.
#[must_use = "the host's breakpoints are put back when the guard is dropped"]
pub(crate) struct SavedDebugRegisters<'a> {
    dr7: u64,
    lent: Cell<Option<[u64; 4]>>,
    _irqs: PhantomData<&'a IrqsDisabled>,
}

impl<'a> SavedDebugRegisters<'a> {
    /// Reads DR7.
    #[inline]
    pub(crate) fn save(_irqs: &'a IrqsDisabled) -> Self {
        // INVARIANT: This is the value now; interrupts stay off for as long as `'a` lasts.
        Self {
            dr7: read!("%dr7"),
            lent: Cell::new(None),
            _irqs: PhantomData,
        }
    }

    /// Puts a guest's addresses into DR0 to DR3. They do nothing by themselves: DR7, which the VMCS
    /// switches, enables them.
    #[cold]
    pub(crate) fn lend(&self, guest: &[u64; 4]) {
        if self.lent.get().is_none() {
            let host = [read!("%dr0"), read!("%dr1"), read!("%dr2"), read!("%dr3")];
            // INVARIANT: These are the values now.
            self.lent.set(Some(host));
        }
        write!("%dr7", DR7_OFF);
        write_addresses(guest);
    }
}

impl Drop for SavedDebugRegisters<'_> {
    /// The addresses come first: DR7 enables them.
    #[inline(always)]
    fn drop(&mut self) {
        if let Some(host) = self.lent.get() {
            write_addresses(&host);
        }
        if self.dr7 != DR7_OFF {
            write!("%dr7", self.dr7);
        }
    }
}

/// To be called while DR7 is off.
#[cold]
fn write_addresses(addresses: &[u64; 4]) {
    write!("%dr0", addresses[0]);
    write!("%dr1", addresses[1]);
    write!("%dr2", addresses[2]);
    write!("%dr3", addresses[3]);
}
