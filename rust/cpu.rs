// SPDX-License-Identifier: GPL-2.0

//! This CPU: its control and debug registers, CPUID, and its handlers of events that a VM exit took.

use super::{
    bindings,
    irq::IrqsDisabled,
    msr::Msr, //
};
use core::arch::x86_64::CpuidResult;
use kernel::{
    asm,
    prelude::*, //
};

/// CR4.VMXE: VMX operation can be entered.
pub(crate) const CR4_VMXE: u64 = 1 << 13;

/// What the kernel found out about the CPU at boot.
#[derive(Clone, Copy)]
pub(crate) enum Feature {
    /// Flexible return and event delivery.
    Fred = bindings::ext_X86_FEATURE_FRED as isize,
    /// XSAVE and XCR0.
    Xsave = bindings::ext_X86_FEATURE_XSAVE as isize,
    /// #AC for locked accesses that cross a cache line.
    SplitLockDetect = bindings::ext_X86_FEATURE_SPLIT_LOCK_DETECT as isize,
    /// IA32_FLUSH_CMD.
    FlushL1d = bindings::ext_X86_FEATURE_FLUSH_L1D as isize,
}

/// Does the kernel use this feature of the CPU?
pub(crate) fn has(feature: Feature) -> bool {
    // SAFETY: Reads a bit of the boot CPU's description; all variants are bits of it.
    unsafe { bindings::ext_cpu_has(feature as u32) }
}

/// Must the L1 data cache be empty when a guest is entered, and can it be emptied?
pub(crate) fn must_flush_l1d() -> bool {
    // SAFETY: As in `has`.
    let l1tf = unsafe { bindings::ext_cpu_has_bug(bindings::ext_X86_BUG_L1TF) };
    l1tf && has(Feature::FlushL1d)
}

/// Empties the L1 data cache: what is in it, a guest could find out on a CPU with L1 Terminal Fault.
pub(crate) fn flush_l1d(_irqs: &IrqsDisabled) {
    const FLUSH_CMD: Msr = Msr(0x10b);
    // SAFETY: The command changes no state.
    if unsafe { FLUSH_CMD.try_write(1) }.is_err() {
        pr_err!("the L1 data cache could not be flushed\n");
    }
}

/// Executes CPUID.
#[inline]
pub(crate) fn cpuid(leaf: u32, subleaf: u32) -> CpuidResult {
    // SAFETY: All CPUs that run a 64-bit kernel have CPUID.
    unsafe { core::arch::x86_64::__cpuid_count(leaf, subleaf) }
}

/// Does CPUID say that there is VMX?
pub(crate) fn has_vmx() -> bool {
    /// CPUID.1:ECX.VMX.
    const VMX: u32 = 1 << 5;
    cpuid(1, 0).ecx & VMX != 0
}

macro_rules! read_register {
    ($(#[$doc:meta])* $name:ident, $register:literal) => {
        $(#[$doc])*
        #[inline]
        pub(crate) fn $name(_irqs: &IrqsDisabled) -> u64 {
            let value: u64;
            // SAFETY: Reading the register has no side effect; this is the kernel's privilege level.
            unsafe {
                asm!(concat!("mov ", $register, ", {}");
                     out(reg) value, options(nomem, nostack, preserves_flags))
            };
            value
        }
    };
}

read_register!(
    /// Reads CR0.
    cr0, "%cr0"
);
read_register!(
    /// Reads CR2, the address of the last page fault.
    cr2, "%cr2"
);
read_register!(
    /// Reads CR3.
    cr3, "%cr3"
);
read_register!(
    /// Reads CR4.
    cr4, "%cr4"
);
read_register!(
    /// Reads DR0.
    dr0, "%dr0"
);
read_register!(
    /// Reads DR1.
    dr1, "%dr1"
);
read_register!(
    /// Reads DR2.
    dr2, "%dr2"
);
read_register!(
    /// Reads DR3.
    dr3, "%dr3"
);
read_register!(
    /// Reads DR7.
    dr7, "%dr7"
);

macro_rules! write_register {
    ($(#[$doc:meta])* $name:ident, $register:literal) => {
        $(#[$doc])*
        ///
        /// # Safety
        ///
        /// The kernel goes on correctly with this value, or it gets its own back before interrupts
        /// come back on.
        #[inline]
        pub(crate) unsafe fn $name(_irqs: &IrqsDisabled, value: u64) {
            // SAFETY: The caller answers for the value.
            unsafe {
                asm!(concat!("mov {}, ", $register);
                     in(reg) value, options(nostack, preserves_flags))
            };
        }
    };
}

write_register!(
    /// Writes CR4 behind the back of the kernel's copy of it.
    set_cr4, "%cr4"
);
write_register!(
    /// Writes DR0.
    set_dr0, "%dr0"
);
write_register!(
    /// Writes DR1.
    set_dr1, "%dr1"
);
write_register!(
    /// Writes DR2.
    set_dr2, "%dr2"
);
write_register!(
    /// Writes DR3.
    set_dr3, "%dr3"
);
write_register!(
    /// Writes DR7.
    set_dr7, "%dr7"
);

/// Runs the kernel's handler of a non-maskable interrupt that a VM exit took instead of it.
///
/// The IRET at the end of the handler also ends the blocking of NMIs that the VM exit began.
pub(crate) fn deliver_nmi(_irqs: &IrqsDisabled) {
    // SAFETY: The gate of vector 2 is the kernel's; its handler expects to come at any instruction.
    unsafe { asm!("int $2"; options(nostack)) };
}

/// Runs the kernel's handler of a machine check that a VM exit, or a VM entry that failed, took
/// instead of it.
///
/// The handler is told that the check came from userspace: what a guest was hit by is its program's
/// trouble, which the kernel kills if it has to, and not the kernel's own, which it could not survive.
pub(crate) fn deliver_machine_check(_irqs: &IrqsDisabled) {
    // SAFETY: The machine check is this CPU's, and nobody else has handled it; interrupts are off.
    unsafe { bindings::ext_machine_check() };
}

/// DR7 of the host with the value that it had.
///
/// # Invariants
///
/// The value is what DR7 held on this CPU when interrupts went off.
pub(crate) struct SavedDr7(u64);

impl SavedDr7 {
    /// Reads DR7.
    #[inline]
    pub(crate) fn save(irqs: &IrqsDisabled) -> Self {
        // INVARIANT: Interrupts are off, and this is the value now.
        Self(dr7(irqs))
    }

    /// What the host has in DR7.
    #[inline]
    pub(crate) fn value(&self) -> u64 {
        self.0
    }

    /// Puts the host's value back.
    pub(crate) fn restore(&self, irqs: &IrqsDisabled) {
        // SAFETY: By the type invariant this is the host's value.
        unsafe { set_dr7(irqs, self.0) };
    }
}

/// Writes CR2, which the kernel reads only where the CPU has just written it: in its handler of page
/// faults. Handlers that can interrupt that one save and restore it.
#[inline]
pub(crate) fn set_cr2(_irqs: &IrqsDisabled, value: u64) {
    // SAFETY: Nothing relies on the value.
    unsafe { asm!("mov {}, %cr2"; in(reg) value, options(nomem, nostack, preserves_flags)) };
}

/// DR7 without breakpoints, as a VM exit leaves it.
pub(crate) const DR7_OFF: u64 = 0x400;

/// Guard: DR0 to DR3 hold a guest's breakpoints.
#[must_use = "the host's breakpoints are put back when the guard is dropped"]
pub(crate) struct LentBreakpoints<'a> {
    irqs: &'a IrqsDisabled,
    host: [u64; 4],
}

impl<'a> LentBreakpoints<'a> {
    /// Puts the guest's addresses into the registers. They do nothing by themselves: DR7, which the
    /// VMCS switches, enables them. The host's DR7 is off until the owner of `_dr7` restores it.
    pub(crate) fn new(irqs: &'a IrqsDisabled, _dr7: &SavedDr7, guest: &[u64; 4]) -> Self {
        let host = [dr0(irqs), dr1(irqs), dr2(irqs), dr3(irqs)];
        // SAFETY: The owner of `_dr7` puts the host's value back.
        unsafe { set_dr7(irqs, DR7_OFF) };
        let lent = Self { irqs, host };
        lent.write(guest);
        lent
    }

    fn write(&self, addresses: &[u64; 4]) {
        // SAFETY: DR7 enables no breakpoint; the host's addresses come back in `drop`.
        unsafe { set_dr0(self.irqs, addresses[0]) };
        // SAFETY: As above.
        unsafe { set_dr1(self.irqs, addresses[1]) };
        // SAFETY: As above.
        unsafe { set_dr2(self.irqs, addresses[2]) };
        // SAFETY: As above.
        unsafe { set_dr3(self.irqs, addresses[3]) };
    }
}

impl Drop for LentBreakpoints<'_> {
    fn drop(&mut self) {
        let host = self.host;
        self.write(&host);
    }
}

/// Reads the time-stamp counter.
#[inline]
pub(crate) fn tsc() -> u64 {
    // SAFETY: All CPUs that run a 64-bit kernel have RDTSC.
    unsafe { core::arch::x86_64::_rdtsc() }
}
