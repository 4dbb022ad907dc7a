// SPDX-License-Identifier: GPL-2.0

//! Entering the guest: the safe side of `vmenter.S`.

use super::{
    exit::ExitReason,
    field::{
        Field,
        Host,
        Natural,
        EXIT_REASON,
        HOST_RIP,
        HOST_RSP,
        VM_INSTRUCTION_ERROR, //
    },
    vmcs::CurrentVmcs, //
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
pub(crate) fn write_host_rip(vmcs: &CurrentVmcs<'_>) {
    let field: Field<Natural, Host> = HOST_RIP;
    vmcs.write(field, minivmx_vmexit as usize as u64);
}

/// Enters the guest and returns after its VM exit.
///
/// The caller loaded all of the guest's state that the CPU does not, and saves it afterwards.
#[inline]
pub(crate) fn enter(
    vmcs: &CurrentVmcs<'_>,
    registers: &mut Registers,
) -> Result<ExitReason, EntryFailure> {
    let resume = vmcs.launched();
    // SAFETY: `vmcs` proves that this driver's VMCS is current, with interrupts off. Its host state
    // is this CPU's, with RIP as `write_host_rip` set it; RSP is set here.
    match unsafe { minivmx_vmenter(registers, resume, u64::from(HOST_RSP.encoding())) } {
        0 => {
            vmcs.set_launched();
            Ok(ExitReason::from_raw(vmcs.read(EXIT_REASON)))
        }
        1 => Err(EntryFailure::Error(vmcs.read(VM_INSTRUCTION_ERROR))),
        _ => Err(EntryFailure::Fault),
    }
}
