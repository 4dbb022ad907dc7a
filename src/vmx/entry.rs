// SPDX-License-Identifier: GPL-2.0

//! Entering the guest: the safe side of `vmenter.S`.

use super::{
    exit::{
        basic,
        ExitReason, //
    },
    field::{
        EXIT_INTERRUPTION_INFO,
        EXIT_REASON,
        HOST_RIP,
        HOST_RSP,
        VM_INSTRUCTION_ERROR, //
    },
    look_away::LookAway,
    observers::Observers,
    vmcs::CurrentVmcs, //
};
use crate::{
    support::{
        cpu,
        debug_register::LentDebugRegisters,
        fpu::LoadedFpu,
        user_msr::LentMsrs, //
    },
    x86::event::{
        kind,
        vector,
        Interruption, //
    }, //
};
use core::ffi::c_void;

/// The guest's general registers that the CPU does not switch, by their numbers in instructions.
/// Number 4, RSP, is in the VMCS.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub(crate) struct Registers(pub(crate) [u64; 16]);

/// Numbers of registers that instructions use implicitly.
impl Registers {
    pub(crate) const RAX: usize = 0;
    pub(crate) const RCX: usize = 1;
    pub(crate) const RDX: usize = 2;
    pub(crate) const RBX: usize = 3;
    pub(crate) const RSP: usize = 4;
    pub(crate) const RSI: usize = 6;
    pub(crate) const RDI: usize = 7;

    /// Low half of a register.
    #[inline]
    pub(crate) fn low(&self, number: usize) -> u32 {
        // CAST: Takes the low half on purpose.
        self.0[number & 15] as u32
    }

    /// Sets a register to a 32-bit value, as instructions with 32-bit operands do: the high half
    /// becomes 0.
    #[inline]
    pub(crate) fn set_low(&mut self, number: usize, value: u32) {
        self.0[number & 15] = u64::from(value);
    }

    /// The 64-bit value in EDX:EAX.
    #[inline]
    pub(crate) fn edx_eax(&self) -> u64 {
        u64::from(self.low(Self::RDX)) << 32 | u64::from(self.low(Self::RAX))
    }
}

/// Why a guest was not entered.
pub(crate) enum EntryFailure {
    /// VMLAUNCH or VMRESUME failed with this VM-instruction error.
    Error(u32),
    /// VMLAUNCH or VMRESUME faulted: the CPU is not in VMX operation.
    Fault,
}

unsafe extern "C" {
    fn minivmx_vmenter(registers: *mut Registers, resume: bool, host_rsp: u64) -> u32;
    fn minivmx_vmexit() -> c_void;
}

/// Tells the CPU where a VM exit goes on.
pub(super) fn write_host_rip(vmcs: &CurrentVmcs<'_>) {
    let exit = minivmx_vmexit as usize as u64;
    // SAFETY: It goes on behind the entry, whose stack `minivmx_vmenter` makes the CPU remember.
    unsafe { vmcs.write_unchecked(HOST_RIP, exit) };
}

/// Enters the guest and returns after its VM exit.
///
/// The three guards are proofs that what the guest can change without an exit, and a VM exit does
/// not bring back, is the host's no more.
#[inline]
pub(crate) fn enter(
    vmcs: &CurrentVmcs<'_>,
    _fpu: &LoadedFpu<'_>,
    _msrs: &LentMsrs<'_>,
    _debug: &LentDebugRegisters<'_>,
    registers: &mut Registers,
) -> Result<ExitReason, EntryFailure> {
    match vmcs.host().observers() {
        None => enter_now(vmcs, registers),
        Some(observers) => enter_unwatched(observers, vmcs, registers),
    }
}

/// The same while somebody watches the host: out of the way of all other entries, which it would
/// make longer.
#[cold]
#[inline(never)]
fn enter_unwatched(
    observers: Observers,
    vmcs: &CurrentVmcs<'_>,
    registers: &mut Registers,
) -> Result<ExitReason, EntryFailure> {
    let _nobody_watches = LookAway::new(observers, vmcs);
    enter_now(vmcs, registers)
}

/// Two places need it, one of which is on the way of each exit.
#[inline(always)]
fn enter_now(
    vmcs: &CurrentVmcs<'_>,
    registers: &mut Registers,
) -> Result<ExitReason, EntryFailure> {
    let resume = vmcs.launched();
    // SAFETY: By its invariants `vmcs` is current, with interrupts off, its guest stays within its
    // controls, and its host state is this CPU's, with RIP as `write_host_rip` set it; RSP is set
    // here.
    match unsafe { minivmx_vmenter(registers, resume, u64::from(HOST_RSP.encoding())) } {
        0 => {
            let reason = ExitReason::from_raw(vmcs.read(EXIT_REASON));
            if !reason.entry_failure() {
                vmcs.set_launched();
            }
            vmcs.set_exited();
            Ok(reason)
        }
        1 => Err(EntryFailure::Error(vmcs.read(VM_INSTRUCTION_ERROR))),
        _ => Err(EntryFailure::Fault),
    }
}

/// An event of the host that a VM exit took.
enum HostEvent {
    /// A non-maskable interrupt.
    Nmi,
    /// A machine check, of the guest or of the VM entry.
    MachineCheck,
}

/// Hands the host what the last exit took from it, if it did, and if that was not done before.
#[cold]
pub(crate) fn deliver_host_event(vmcs: &CurrentVmcs<'_>) {
    let Some(event) = host_event(vmcs) else {
        return;
    };
    if !vmcs.take_exited() {
        return;
    }
    match event {
        // SAFETY: The exit says that it took one; it blocked NMIs, and nothing executed IRET since.
        HostEvent::Nmi => unsafe { cpu::deliver_nmi(vmcs.irqs()) },
        // SAFETY: The exit says that there was one, and this is the first that hears of it.
        HostEvent::MachineCheck => unsafe { cpu::deliver_machine_check(vmcs.irqs()) },
    }
}

/// What the last exit took from the host.
fn host_event(vmcs: &CurrentVmcs<'_>) -> Option<HostEvent> {
    let reason = ExitReason::from_raw(vmcs.read(EXIT_REASON));
    let info = Interruption::from_raw(vmcs.read(EXIT_INTERRUPTION_INFO));
    match reason.basic() {
        basic::ENTRY_MACHINE_CHECK => Some(HostEvent::MachineCheck),
        basic::EXCEPTION_OR_NMI if info.kind().get() == kind::NMI => Some(HostEvent::Nmi),
        basic::EXCEPTION_OR_NMI if info.is(vector::MACHINE_CHECK) => Some(HostEvent::MachineCheck),
        _ => None,
    }
}
