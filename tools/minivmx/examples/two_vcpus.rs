// SPDX-License-Identifier: GPL-2.0

//! Two vCPUs, a thread each, that count in the same memory.

use std::{
    error::Error,
    thread, //
};

use minivmx::{
    Device,
    Exit,
    GuestMemory,
    LongMode,
    MapFlags,
    Mmu,
    Vcpu, //
};

const CODE: u64 = 0x1_0000;
const COUNTER: u64 = 0x1_1000;
const MEMORY: u64 = 0x2_0000;

const GUEST: &[u8] = &[
    0xb9, 0xe8, 0x03, 0x00, 0x00, // mov ecx, 1000
    0xf0, 0xff, 0x04, 0x25, 0x00, 0x10, 0x01, 0x00, // again: lock inc dword [COUNTER]
    0xe2, 0xf6, // loop again
    0xf4, // hlt
];

fn main() -> Result<(), Box<dyn Error>> {
    // Or Mmu::Vtlb: other policies of shadow paging have one vCPU.
    let vm = Device::open()?.create_vm(Mmu::Ept)?;
    vm.map_memory(0, MEMORY, MapFlags::default())?;
    let memory = GuestMemory::map(&vm, &[(0, MEMORY)])?;
    memory.write(CODE, GUEST)?;
    LongMode::write(&memory)?;
    let threads: Vec<_> = (0..2)
        .map(|id| {
            let mut vcpu = vm.create_vcpu(id)?;
            vcpu.set_sregs(&LongMode::sregs(&vcpu.sregs()?))?;
            *vcpu.regs_mut() = LongMode::regs(CODE);
            Ok(thread::spawn(|| run(vcpu)))
        })
        .collect::<minivmx::Result<_>>()?;
    for thread in threads {
        thread.join().map_err(|_| "a thread panicked")??;
    }
    let mut counter = [0; 4];
    memory.read(COUNTER, &mut counter)?;
    println!("two vCPUs counted to {}", u32::from_le_bytes(counter));
    Ok(())
}

fn run(mut vcpu: Vcpu) -> Result<(), String> {
    match vcpu.run() {
        Ok(Exit::Hlt) => Ok(()),
        Ok(other) => Err(format!("a vCPU stopped with {other:?}")),
        Err(error) => Err(error.to_string()),
    }
}
