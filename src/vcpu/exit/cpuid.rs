// SPDX-License-Identifier: GPL-2.0

//! CPUID: what the program set, else what the machine tells guests.

use crate::{
    machine::cpuid,
    support::cpu,
    vcpu::context::{
        Context,
        Next, //
    },
    vmx::entry::Registers,
    x86::{
        cpuid::{
            version_ecx::OSXSAVE,
            VERSION, //
        },
        cr4, //
    }, //
};

/// Answers CPUID.
#[inline(never)]
pub(super) fn handle(cx: &mut Context<'_>) -> Next {
    let registers = &cx.guest.frame.general;
    let (leaf, subleaf) = (registers.low(Registers::RAX), registers.low(Registers::RCX));
    let set = cx.guest.cpuid.find(leaf, subleaf);
    let mut result = set.unwrap_or_else(|| {
        let xcr0 = cx.fpu.fpu().xcr0();
        cpuid::of_guests(cpu::cpuid, leaf, subleaf, xcr0, &cx.guest.identity)
    });
    if leaf == VERSION {
        // A copy of CR4's.
        let osxsave = cx.cr4() & cr4::OSXSAVE != 0;
        result.ecx = result.ecx & !OSXSAVE | if osxsave { OSXSAVE } else { 0 };
    }
    let registers = cx.registers();
    registers.set_low(Registers::RAX, result.eax);
    registers.set_low(Registers::RBX, result.ebx);
    registers.set_low(Registers::RCX, result.ecx);
    registers.set_low(Registers::RDX, result.edx);
    cx.skip()
}
