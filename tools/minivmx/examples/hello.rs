// SPDX-License-Identifier: GPL-2.0

//! A guest that says hello, in real mode.

use std::error::Error;

use minivmx::{
    Device,
    Exit,
    GuestMemory,
    MapFlags,
    Mmu,
    RealMode, //
};

/// The guest's segment, which begins at address 0x1000.
const SEGMENT: u16 = 0x100;
const PORT: u16 = 0xe9;

const GUEST: &[u8] = &[
    0xbe, 0x0d, 0x00, // mov si, text
    0xac, // next: lodsb
    0x84, 0xc0, // test al, al
    0x74, 0x04, // jz end
    0xe6, 0xe9, // out PORT, al
    0xeb, 0xf7, // jmp next
    0xf4, // end: hlt
];
const TEXT: &[u8] = b"hello from the guest\n\0";

fn main() -> Result<(), Box<dyn Error>> {
    let vm = Device::open()?.create_vm(Mmu::Ept)?;
    vm.map_memory(0, 0x1_0000, MapFlags::default())?;
    let memory = GuestMemory::map(&vm, &[(0, 0x1_0000)])?;
    memory.write(u64::from(SEGMENT) << 4, &[GUEST, TEXT].concat())?;
    let mut vcpu = vm.create_vcpu(0)?;
    vcpu.set_sregs(&RealMode::sregs(&vcpu.sregs()?, SEGMENT))?;
    *vcpu.regs_mut() = RealMode::regs(0);
    loop {
        match vcpu.run()? {
            Exit::IoOut {
                port: PORT, data, ..
            } => print!("{}", char::from(data as u8)),
            Exit::Hlt => return Ok(()),
            other => return Err(format!("the guest stopped with {other:?}").into()),
        }
    }
}
