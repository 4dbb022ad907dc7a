// SPDX-License-Identifier: GPL-2.0

//! Debug registers of this CPU, saved and put back around a burst.
//!
//! A VM exit turns DR7 off (SDM Vol. 3C, "Loading Host Control Registers, Debug Registers, MSRs").
//! The others are a guest's only once it needs them in the CPU.

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
        // SAFETY: DR7 is off, or gets the value that the host had with the addresses that the host
        // had; the high half of DR6 is 0.
        unsafe {
            asm!(concat!("mov {}, ", $register);
                 in(reg) $value, options(nostack, preserves_flags))
        }
    };
}

/// Guard: the drop puts the host's DR7 back.
///
/// # Invariants
///
/// `dr7` is what DR7 held on this CPU, where interrupts have been off since.
#[must_use = "the host's breakpoints are put back when the guard is dropped"]
pub(crate) struct SavedDebugControl<'a> {
    dr7: u64,
    _irqs: PhantomData<&'a IrqsDisabled>,
}

impl<'a> SavedDebugControl<'a> {
    /// Reads DR7.
    #[inline]
    pub(crate) fn save(_irqs: &'a IrqsDisabled) -> Self {
        // INVARIANT: This is the value now; interrupts stay off for as long as `'a` lasts.
        Self {
            dr7: read!("%dr7"),
            _irqs: PhantomData,
        }
    }
}

impl Drop for SavedDebugControl<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        if self.dr7 != DR7_OFF {
            write!("%dr7", self.dr7);
        }
    }
}

/// DR0 to DR3 and DR6.
#[derive(Clone, Copy)]
pub(crate) struct DebugRegisters {
    /// Addresses of breakpoints. They do nothing by themselves: DR7 enables them.
    pub(crate) address: [u64; 4],
    /// Debug status; its high half counts for 0.
    pub(crate) dr6: u64,
}

impl DebugRegisters {
    /// Reads those of this CPU.
    fn read() -> Self {
        Self {
            address: [read!("%dr0"), read!("%dr1"), read!("%dr2"), read!("%dr3")],
            dr6: read!("%dr6"),
        }
    }

    /// Makes them those of this CPU. To be called while DR7 is off.
    fn write(&self) {
        write!("%dr0", self.address[0]);
        write!("%dr1", self.address[1]);
        write!("%dr2", self.address[2]);
        write!("%dr3", self.address[3]);
        write!("%dr6", self.dr6 & 0xffff_ffff);
    }
}

/// The debug registers of a guest, which the CPU has only while the guest needs them there.
pub(crate) struct SwitchedDebugRegisters {
    /// The guest's; not up to date while they are in the CPU.
    guest: Cell<DebugRegisters>,
    /// The host's while the guest's are in the CPU.
    host: Cell<DebugRegisters>,
    /// Are the guest's in the CPU?
    lent: Cell<bool>,
}

impl SwitchedDebugRegisters {
    /// Those of a guest that has not run yet.
    pub(crate) fn new(guest: DebugRegisters) -> Self {
        Self {
            guest: Cell::new(guest),
            host: Cell::new(guest),
            lent: Cell::new(false),
        }
    }

    /// For a burst; the CPU gets them when they are lent. They are put back before `_control`,
    /// which enables them.
    #[inline]
    pub(crate) fn load<'a>(
        &'a mut self,
        _control: &'a SavedDebugControl<'_>,
    ) -> LentDebugRegisters<'a> {
        LentDebugRegisters(self)
    }
}

/// Guard: the CPU may have a guest's debug registers; the drop puts the host's back.
///
/// # Invariants
///
/// If they are `lent`, `host` is what the CPU held when interrupts went off, and DR7 is off
/// whenever the host runs.
#[must_use = "the host's debug registers are put back when the guard is dropped"]
pub(crate) struct LentDebugRegisters<'a>(&'a SwitchedDebugRegisters);

/// Proof that the CPU has the guest's debug registers, as long as the guard lives.
pub(crate) struct InCpu<'a>(PhantomData<&'a ()>);

impl LentDebugRegisters<'_> {
    /// Gives the CPU the guest's registers for the rest of the burst, if it has not got them yet.
    #[cold]
    pub(crate) fn lend(&self) -> InCpu<'_> {
        if !self.0.lent.replace(true) {
            // INVARIANT: These are the host's values, and a VM exit leaves DR7 off.
            self.0.host.set(DebugRegisters::read());
            write!("%dr7", DR7_OFF);
            self.0.guest.get().write();
        }
        InCpu(PhantomData)
    }

    /// The guest's registers.
    pub(crate) fn get(&self) -> DebugRegisters {
        if self.0.lent.get() {
            return DebugRegisters::read();
        }
        self.0.guest.get()
    }

    /// Changes the guest's registers.
    pub(crate) fn set(&self, registers: DebugRegisters) {
        self.0.guest.set(registers);
        if self.0.lent.get() {
            registers.write();
        }
    }

    #[cold]
    fn take_back(&self) {
        self.0.guest.set(DebugRegisters::read());
        self.0.host.get().write();
        self.0.lent.set(false);
    }
}

impl Drop for LentDebugRegisters<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        if self.0.lent.get() {
            self.take_back();
        }
    }
}
