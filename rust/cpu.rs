// SPDX-License-Identifier: GPL-2.0

//! This CPU: its control registers, CPUID, and its handlers of events that a VM exit took.

use super::{
    bindings,
    irq::IrqsDisabled, //
};
use core::arch::x86_64::CpuidResult;
use kernel::asm;

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
    /// IA32_PRED_CMD.
    Ibpb = bindings::ext_X86_FEATURE_IBPB as isize,
    /// VERW empties the buffers of the CPU before a guest is entered.
    ClearBuffersForGuest = bindings::ext_X86_FEATURE_CLEAR_CPU_BUF_VM as isize,
    /// IA32_SPEC_CTRL.IBRS is set whenever the kernel is entered.
    KernelIbrs = bindings::ext_X86_FEATURE_KERNEL_IBRS as isize,
    /// The return stack is filled after VM exits.
    FillReturnStack = bindings::ext_X86_FEATURE_RSB_VMEXIT as isize,
    /// One entry of the return stack is filled after VM exits.
    FillReturnStackLite = bindings::ext_X86_FEATURE_RSB_VMEXIT_LITE as isize,
    /// The branch history is overwritten by software after VM exits.
    ClearBranchHistory = bindings::ext_X86_FEATURE_CLEAR_BHB_VMEXIT as isize,
    /// Branch prediction is emptied before userspace runs after a guest.
    IbpbBeforeUser = bindings::ext_X86_FEATURE_IBPB_EXIT_TO_USER as isize,
}

/// Vulnerabilities of the CPU that the kernel knows.
#[derive(Clone, Copy)]
pub(crate) enum Bug {
    /// L1 terminal fault.
    L1tf = bindings::ext_X86_BUG_L1TF as isize,
    /// Machine checks by instruction fetches while a guest changes the size of a page.
    ItlbMultihit = bindings::ext_X86_BUG_ITLB_MULTIHIT as isize,
    /// Branch target injection.
    SpectreV2 = bindings::ext_X86_BUG_SPECTRE_V2 as isize,
}

/// How far it counts in that time, as the kernel has measured; a guess where it has not.
#[inline]
pub(crate) fn tsc_ticks(microseconds: u32) -> u64 {
    const GUESS: u32 = 1_000_000;
    // SAFETY: Reads a variable.
    let khz = match unsafe { bindings::ext_tsc_khz() } {
        0 => GUESS,
        khz => khz,
    };
    u64::from(khz) * u64::from(microseconds) / 1000
}

/// Does the kernel use this feature of the CPU?
pub(crate) fn has(feature: Feature) -> bool {
    // SAFETY: Reads a bit of the boot CPU's description; all variants are bits of it.
    unsafe { bindings::ext_cpu_has(feature as u32) }
}

/// Does the CPU have this vulnerability?
pub(crate) fn has_bug(bug: Bug) -> bool {
    // SAFETY: As in `has`.
    unsafe { bindings::ext_cpu_has_bug(bug as u32) }
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
            // SAFETY: Reading the register has no side effect; this is the kernel's privilege
            // level.
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

/// Writes CR4 behind the back of the kernel's copy of it.
///
/// # Safety
///
/// The kernel goes on correctly with this value, or it gets its own back before interrupts come
/// back on.
#[inline]
pub(crate) unsafe fn set_cr4(_irqs: &IrqsDisabled, value: u64) {
    // SAFETY: The caller answers for the value.
    unsafe { asm!("mov {}, %cr4"; in(reg) value, options(nostack, preserves_flags)) };
}

/// Runs the kernel's handler of a non-maskable interrupt that a VM exit took instead of it.
///
/// The IRET at the end of the handler also ends the blocking of NMIs that the VM exit began.
///
/// # Safety
///
/// A VM exit took an NMI, and NMIs have been blocked since: else a second one could come while the
/// first is at the beginning of its stack.
pub(crate) unsafe fn deliver_nmi(_irqs: &IrqsDisabled) {
    // SAFETY: The gate of vector 2 is the kernel's; by the caller's word the handler is alone.
    unsafe { asm!("int $2"; options(nostack)) };
}

/// Runs the kernel's handler of a machine check that a VM exit, or a VM entry that failed, took
/// instead of it.
///
/// The handler is told that the check came from userspace: what a guest was hit by is its program's
/// trouble, which the kernel kills if it has to, and not the kernel's own, which it could not
/// survive.
///
/// # Safety
///
/// There was a machine check on this CPU, and nobody has handled it.
pub(crate) unsafe fn deliver_machine_check(_irqs: &IrqsDisabled) {
    // SAFETY: By the caller's word it waits for its handler; interrupts are off.
    unsafe { bindings::ext_machine_check() };
}

/// Writes CR2, which the kernel reads only where the CPU has just written it: in its handler of
/// page faults. Handlers that can interrupt that one save and restore it.
#[inline]
pub(crate) fn set_cr2(_irqs: &IrqsDisabled, value: u64) {
    // SAFETY: Nothing relies on the value.
    unsafe { asm!("mov {}, %cr2"; in(reg) value, options(nomem, nostack, preserves_flags)) };
}

/// Reads the time-stamp counter.
#[inline]
pub(crate) fn tsc() -> u64 {
    // SAFETY: All CPUs that run a 64-bit kernel have RDTSC.
    unsafe { core::arch::x86_64::_rdtsc() }
}
