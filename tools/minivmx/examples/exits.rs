// SPDX-License-Identifier: GPL-2.0

//! Exits, counted by reason: also those that the driver would answer by itself.

use std::{
    collections::BTreeMap,
    error::Error, //
};

use minivmx::{
    Answer,
    Device,
    Exit,
    GuestMemory,
    LongMode,
    MapFlags,
    Reason,
    Trap,
    Traps,
    Vcpu,
    Vm, //
};

const CODE: u64 = 0x1_0000;
const MEMORY: u64 = 0x2_0000;

const GUEST: &[u8] = &[
    0xbe, 0x03, 0x00, 0x00, 0x00, // mov esi, 3
    0x31, 0xc0, // again: xor eax, eax
    0x0f, 0xa2, // cpuid
    0xff, 0xce, // dec esi
    0x75, 0xf8, // jnz again
    0xe6, 0x10, // out 0x10, al
    0xf4, // hlt
];

fn main() -> Result<(), Box<dyn Error>> {
    let device = Device::open()?;
    let mmus = device.info()?.mmus();
    let vm = device.create_vm(*mmus.first().ok_or("this machine cannot run guests")?)?;
    let mut vcpu = load(&vm)?;
    vcpu.set_traps(Traps::from([Trap::CPUID]))?;
    let mut counts = BTreeMap::new();
    loop {
        let halted = matches!(vcpu.run()?, Exit::Hlt);
        let reason = vcpu.exit_information().reason();
        *counts.entry(reason).or_insert(0) += 1;
        if halted {
            break;
        }
        if reason == Reason::CPUID {
            // As it would be answered without the trap.
            vcpu.set_answer(Answer::Default);
        }
    }
    for (reason, count) in counts {
        println!("{count} {reason}");
    }
    Ok(())
}

fn load(vm: &Vm) -> minivmx::Result<Vcpu> {
    vm.map_memory(0, MEMORY, MapFlags::default())?;
    let memory = GuestMemory::map(vm, &[(0, MEMORY)])?;
    memory.write(CODE, GUEST)?;
    LongMode::write(&memory)?;
    let mut vcpu = vm.create_vcpu(0)?;
    vcpu.set_sregs(&LongMode::sregs(&vcpu.sregs()?))?;
    *vcpu.regs_mut() = LongMode::regs(CODE);
    Ok(vcpu)
}
