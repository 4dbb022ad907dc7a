// SPDX-License-Identifier: GPL-2.0

//! A guest that adds two numbers.
//!
//! It reads them from one I/O port, writes the sum to another, keeps it in memory that it does not
//! have when it begins, and halts.

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

const INPUT: u16 = 0x10;
const OUTPUT: u16 = 0x11;
/// Address of the guest's code; what `LongMode` needs is below it.
const CODE: u64 = 0x1_0000;
/// Address of the sum, where there is no memory at first.
const SUM: u64 = 0x20_0000;
const PAGE: u64 = 0x1000;

const GUEST: &[u8] = &[
    0xe4, 0x10, // in al, INPUT
    0x88, 0xc3, // mov bl, al
    0xe4, 0x10, // in al, INPUT
    0x00, 0xd8, // add al, bl
    0xe6, 0x11, // out OUTPUT, al
    0x88, 0x04, 0x25, 0x00, 0x00, 0x20, 0x00, // mov [SUM], al
    0xf4, // hlt
];

fn main() -> Result<(), Box<dyn Error>> {
    let device = Device::open()?;
    let mmus = device.info()?.mmus();
    // EPT, or on a CPU without it shadow paging: to the guest it is all the same.
    let mmu = mmus.first().ok_or("this machine cannot run guests")?;
    let vm = device.create_vm(*mmu)?;
    let mut vcpu = load(&vm)?;
    run(&vm, &mut vcpu)?;
    println!("it halted, with {} in memory", sum(&vm)?);
    Ok(())
}

/// Makes a vCPU that is about to execute the guest's first instruction, in 64-bit mode.
fn load(vm: &Vm) -> minivmx::Result<Vcpu> {
    let length = CODE + PAGE;
    vm.map_memory(0, length, MapFlags::default())?;
    let memory = GuestMemory::map(vm, &[(0, length)])?;
    memory.write(CODE, GUEST)?;
    LongMode::write(&memory)?;
    let mut vcpu = vm.create_vcpu(0)?;
    vcpu.set_sregs(&LongMode::sregs(&vcpu.sregs()?))?;
    *vcpu.regs_mut() = LongMode::regs(CODE);
    Ok(vcpu)
}

/// Answers the guest's exits until it halts.
fn run(vm: &Vm, vcpu: &mut Vcpu) -> Result<(), Box<dyn Error>> {
    let mut number = 2;
    loop {
        match vcpu.run()? {
            // What is stored in `data` is what the guest reads, when it goes on.
            Exit::IoIn {
                port: INPUT, data, ..
            } => {
                *data = number;
                number += 1;
                println!("the guest reads {data}");
            }
            Exit::IoOut {
                port: OUTPUT, data, ..
            } => println!("the guest writes {data}"),
            // The guest repeats the access, and then there is memory.
            Exit::Memory { gpa, .. } => {
                println!("it touches {gpa:#x}, and gets memory there");
                vm.map_memory(gpa - gpa % PAGE, PAGE, MapFlags::default())?;
            }
            Exit::Hlt => return Ok(()),
            other => return Err(format!("the guest stopped with {other:?}").into()),
        }
    }
}

/// The sum that the guest keeps.
fn sum(vm: &Vm) -> minivmx::Result<u8> {
    let mut sum = [0];
    GuestMemory::map(vm, &[(SUM, PAGE)])?.read(SUM, &mut sum)?;
    Ok(sum[0])
}
