// SPDX-License-Identifier: GPL-2.0

//! How a guest begins, or goes on: its machine, its memory, its devices.

use std::{
    io,
    os::fd::AsFd,
    path::Path, //
};

use anyhow::{
    ensure,
    Context,
    Result, //
};
use minivmx::{
    CpuidEntry,
    Device,
    Mmu, //
};

use super::{
    accelerator::{
        Accel,
        Accelerator,
        Processor, //
    },
    arguments::{
        Arguments,
        Console, //
    },
    gdb::Debugger,
    kernel::Kernel,
    kvm::Kvm,
    processors,
    snapshot::Snapshot,
    tsc, //
};
use crate::{
    console::{
        escape::{
            self,
            Commands,
            Escape, //
        },
        input::{
            Input,
            Standard, //
        },
        output::Output,
        sink::Sink,
        terminal::{
            self,
            Keys, //
        },
    },
    pc::{
        devices::{
            self,
            Devices, //
        },
        msrs::Msrs, //
    },
    run::{
        firmware::Firmware,
        layout::Layout,
        machine::{
            self,
            Machine, //
        },
    },
};

/// What there is besides the machine when the guest begins, or goes on.
pub struct Start {
    /// Bytes of memory.
    pub memory: u64,
    /// What CPUID was made to answer.
    pub cpuid: Vec<CpuidEntry>,
    pub msrs: Msrs,
    /// As they were, if the guest goes on.
    pub devices: Option<devices::State>,
    /// Does it wait in HLT?
    pub waits: bool,
}

/// A machine with a guest in its memory, about to begin or to go on.
pub fn load(arguments: &Arguments) -> Result<(Box<dyn Accelerator>, Start)> {
    match &arguments.restore {
        None => begin(arguments),
        Some(path) => go_on(path, arguments),
    }
}

fn begin(arguments: &Arguments) -> Result<(Box<dyn Accelerator>, Start)> {
    let mut guest = machine(arguments, &Layout::new(arguments.memory)?)?;
    let kernel = Kernel::load(guest.memory(), arguments)?;
    let cpuid = tsc::cpuid(tsc::frequency()).to_vec();
    guest.begin(&kernel, &cpuid)?;
    let start = Start {
        memory: arguments.memory,
        cpuid,
        msrs: Msrs::default(),
        devices: None,
        waits: false,
    };
    Ok((guest, start))
}

fn go_on(path: &Path, arguments: &Arguments) -> Result<(Box<dyn Accelerator>, Start)> {
    let snapshot = Snapshot::open(path)?;
    let mut guest = machine(arguments, &Layout::new(snapshot.state.memory)?)?;
    let state = snapshot
        .fill(guest.memory())
        .with_context(|| path.display().to_string())?;
    guest
        .restore(&state.vcpu, &state.cpuid)
        .context("this machine cannot go on with the guest")?;
    let start = Start {
        memory: state.memory,
        cpuid: state.cpuid,
        msrs: state.msrs,
        devices: Some(state.devices),
        waits: state.waits,
    };
    Ok((guest, start))
}

/// One with memory there, which is zero.
fn machine(arguments: &Arguments, layout: &Layout) -> Result<Box<dyn Accelerator>> {
    Ok(match (arguments.accel, &arguments.gdb) {
        (Accel::Minivmx, None) => Box::new(of_minivmx(arguments, layout)?),
        (Accel::Minivmx, Some(place)) => {
            Box::new(Debugger::new(of_minivmx(arguments, layout)?, place)?)
        }
        (Accel::Kvm, _) => Box::new(of_kvm(arguments, layout)?),
    })
}

/// With APICs: the first CPU is about to begin, the others wait for it.
pub fn load_several(
    arguments: &Arguments,
    cpuid: &[CpuidEntry],
) -> Result<Vec<Box<dyn Processor>>> {
    ensure!(
        arguments.gdb.is_none(),
        "--gdb is for guests with one CPU only, not for --cpus {}",
        arguments.cpus
    );
    ensure!(
        arguments.snapshot.is_none() && arguments.restore.is_none(),
        "--snapshot and --restore are for guests with one CPU only, not for --cpus {}",
        arguments.cpus
    );
    let mmu = arguments.mmu.unwrap_or(Mmu::Ept);
    ensure!(
        mmu == Mmu::Ept || arguments.bios.is_none(),
        "firmware begins in real mode, which needs --mmu ept, not {mmu}"
    );
    ensure!(
        matches!(mmu, Mmu::Ept | Mmu::Vtlb),
        "--cpus {} needs --mmu ept or vtlb: {mmu} protects the guest's tables, for one CPU only",
        arguments.cpus
    );
    let mut first = first(arguments, &processors::cpuid::with_apic(cpuid, 0))?;
    let others = (1..arguments.cpus).map(|number| first.another(number, cpuid));
    let others = others.collect::<Result<Vec<_>>>()?;
    Ok([first].into_iter().chain(others).collect())
}

/// That of several which begins.
fn first(arguments: &Arguments, cpuid: &[CpuidEntry]) -> Result<Box<dyn Processor>> {
    let firmware = arguments.bios.as_deref().map(Firmware::read).transpose()?;
    let layout = Layout::new(arguments.memory)?.with_firmware(firmware.as_ref());
    let mut first: Box<dyn Processor> = match arguments.accel {
        Accel::Minivmx => Box::new(of_minivmx(arguments, &layout)?),
        Accel::Kvm => Box::new(of_kvm(arguments, &layout)?),
    };
    match firmware {
        Some(firmware) => {
            firmware.write(first.memory())?;
            first.begin_at_reset(cpuid)?;
        }
        None => {
            let kernel = Kernel::load(first.memory(), arguments)?;
            first.begin(&kernel, cpuid)?;
        }
    }
    Ok(first)
}

fn of_minivmx(arguments: &Arguments, layout: &Layout) -> Result<Machine> {
    let vm = machine::create_vm(&Device::open()?, arguments.mmu.unwrap_or(Mmu::Ept))?;
    let memory = layout.map(&vm)?;
    Machine::first(vm, memory)
}

fn of_kvm(arguments: &Arguments, layout: &Layout) -> Result<Kvm> {
    ensure!(
        arguments.mmu.is_none(),
        "how KVM translates is said when kvm_intel is loaded (ept=0), not by --mmu"
    );
    ensure!(
        arguments.gdb.is_none(),
        "--gdb is for guests of minivmx only, not for --accel kvm"
    );
    Kvm::new(layout)
}

/// A terminal has keys for the program; what is not typed is all the guest's.
pub fn input() -> (Box<dyn Input>, Commands) {
    let input = Standard::new(Keys::All);
    if !terminal::is_terminal() {
        return (Box::new(input), Commands::default());
    }
    eprintln!("minivmx: {}", escape::HINT);
    let input = Escape::new(input);
    let commands = input.commands();
    (Box::new(input), commands)
}

/// The serial port is there whatever the console is.
pub fn devices(
    memory: u64,
    console: Console,
    arguments: &Arguments,
    input: Box<dyn Input>,
) -> Result<Devices> {
    let until = arguments.until.as_deref();
    let printed = || sink(io::stdout(), until, arguments);
    let (serial, debug) = (printed()?, sink(io::stderr(), None, arguments)?);
    let devices = match console {
        Console::Serial => Devices::new(memory, input, serial, debug),
        Console::Virtio => Devices::new(memory, Box::new(io::empty()), serial, debug)
            .with_console(input, printed()?)?,
    };
    devices.with_disk(arguments.disk.as_ref())
}

fn sink(stream: impl AsFd, awaited: Option<&str>, arguments: &Arguments) -> io::Result<Sink> {
    Ok(match arguments.json {
        true => Sink::captured(awaited),
        false => Sink::stream(Output::to(stream)?, awaited),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::arguments::tests::arguments;

    #[test]
    fn a_guest_of_kvm_is_not_for_gdb() {
        let error = load(&arguments("--kernel k --accel kvm --gdb 1234")).err();
        assert_eq!(
            error.expect("it is refused").to_string(),
            "--gdb is for guests of minivmx only, not for --accel kvm"
        );
    }
}
