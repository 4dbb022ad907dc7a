// SPDX-License-Identifier: GPL-2.0

//! Page tables that the program makes for its guest.
//!
//! They map one frame at two addresses: what the guest writes at one, it reads at the other. Then
//! the program looks at what the CPU has left in them.

use std::error::Error;

use minivmx::{
    Device,
    Exit,
    GuestMemory,
    LongMode,
    MapFlags,
    Vcpu,
    Vm, //
};

/// Linear addresses, in the same page table.
const CODE: u64 = 0x40_0000;
const HERE: u64 = 0x40_1000;
const THERE: u64 = 0x40_2000;

/// Guest-physical addresses of the tables, from the top, and of the frames.
const TABLES: [u64; 4] = [0x2_0000, 0x2_1000, 0x2_2000, 0x2_3000];
const CODE_FRAME: u64 = 0x3_0000;
const FRAME: u64 = 0x3_1000;
const MEMORY: u64 = 0x4_0000;

// SDM Vol. 3A, "4-Level Paging and 5-Level Paging".
const PRESENT: u64 = 1 << 0;
const WRITABLE: u64 = 1 << 1;
const ACCESSED: u64 = 1 << 5;
const DIRTY: u64 = 1 << 6;
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

const GUEST: &[u8] = &[
    0xc6, 0x04, 0x25, 0x00, 0x10, 0x40, 0x00, 0x2a, // mov byte [HERE], 42
    0x8a, 0x04, 0x25, 0x00, 0x20, 0x40, 0x00, // mov al, [THERE]
    0xe6, 0x10, // out 0x10, al
    0xf4, // hlt
];

fn main() -> Result<(), Box<dyn Error>> {
    let device = Device::open()?;
    let mmus = device.info()?.mmus();
    let vm = device.create_vm(*mmus.first().ok_or("this machine cannot run guests")?)?;
    vm.map_memory(0, MEMORY, MapFlags::default())?;
    let memory = GuestMemory::map(&vm, &[(0, MEMORY)])?;
    memory.write(CODE_FRAME, GUEST)?;
    map(&memory, CODE, CODE_FRAME)?;
    map(&memory, HERE, FRAME)?;
    map(&memory, THERE, FRAME)?;
    run(&mut load(&vm)?)?;
    for address in [CODE, HERE, THERE] {
        println!("{}", describe(&memory, address)?);
    }
    Ok(())
}

/// Leads from each table to the next, and in the last one to the frame.
fn map(memory: &GuestMemory, address: u64, frame: u64) -> minivmx::Result<()> {
    let next = TABLES.into_iter().skip(1).chain([frame]);
    for ((level, table), target) in (0..).zip(TABLES).zip(next) {
        let entry = target | PRESENT | WRITABLE;
        memory.write(table + offset(address, level), &entry.to_le_bytes())?;
    }
    Ok(())
}

/// Where the entry for the address is in a table of that level, counted from the top.
fn offset(address: u64, level: u32) -> u64 {
    ((address >> (39 - 9 * level)) % 512) * 8
}

/// 64-bit mode, but with the tables above.
fn load(vm: &Vm) -> minivmx::Result<Vcpu> {
    let mut vcpu = vm.create_vcpu(0)?;
    let mut sregs = LongMode::sregs(&vcpu.sregs()?);
    sregs.cr3 = TABLES[0];
    vcpu.set_sregs(&sregs)?;
    *vcpu.regs_mut() = LongMode::regs(CODE);
    Ok(vcpu)
}

fn run(vcpu: &mut Vcpu) -> Result<(), Box<dyn Error>> {
    loop {
        match vcpu.run()? {
            Exit::IoOut { data, .. } => println!("the guest reads {data}"),
            Exit::Hlt => return Ok(()),
            other => return Err(format!("the guest stopped with {other:?}").into()),
        }
    }
}

/// The entry for the address, in the last table.
fn describe(memory: &GuestMemory, address: u64) -> minivmx::Result<String> {
    let mut entry = [0; 8];
    memory.read(TABLES[3] + offset(address, 3), &mut entry)?;
    let entry = u64::from_le_bytes(entry);
    let flag = |mask, name| if entry & mask != 0 { name } else { "" };
    Ok(format!(
        "{address:#x} is at {:#x}{}{}",
        entry & ADDRESS,
        flag(ACCESSED, ", accessed"),
        flag(DIRTY, ", written")
    ))
}
