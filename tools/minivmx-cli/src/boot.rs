// SPDX-License-Identifier: GPL-2.0

//! `minivmx boot`: an unmodified Linux as the guest, or firmware.
//!
//! The devices are the program's, and so are interrupts: what its interrupt
//! controllers hold is left in the run page when the guest can take it, or else the
//! driver is asked to say when. With one CPU the program is one thread, see
//! [`one_cpu`]; with several, or where firmware looks for an APIC, see [`processors`].

mod accelerator;
mod alarm;
mod arguments;
mod end;
mod gdb;
mod kernel;
mod kvm;
mod look;
mod meter;
mod one_cpu;
mod processors;
mod snapshot;
mod start;
mod tsc;

use std::{
    process::ExitCode,
    time::Duration, //
};

use anyhow::Result;

use crate::{
    bench::time_stamp,
    pc::acpi::Startup,
    run::signals, //
};
pub use arguments::Arguments;
use end::Ended;

/// So often somebody looks for keys that are for the program, and for gdb, even if the guest does
/// nothing.
const LOOK: Duration = Duration::from_millis(200);

/// Boots a guest as the command line says, and reports how it ended.
pub fn boot(arguments: &Arguments) -> Result<ExitCode> {
    match (arguments.cpus, &arguments.bios) {
        (1, None) => one_cpu::boot(arguments),
        _ => boot_several(arguments),
    }
}

fn boot_several(arguments: &Arguments) -> Result<ExitCode> {
    let cpuid = tsc::cpuid(tsc::frequency());
    let mut guests = start::load_several(arguments, &cpuid)?;
    // The one that keeps the time looks whether a signal has come.
    signals::stop_on_signals(Box::new(|| {}))?;
    let (input, commands) = start::input();
    if let Some(limit) = arguments.timeout() {
        signals::stop_after(limit)?;
    }
    let devices = start::devices(arguments.memory, arguments.console, arguments, input)?;
    let devices = match arguments.bios {
        Some(_) => devices.with_south_bridge(),
        None => devices,
    };
    let devices = devices.with_apics(arguments.cpus, tsc::crystal_frequency(&cpuid));
    let devices = match arguments.startup() {
        Startup::Mailbox => devices.with_mailbox(),
        Startup::Ipi => devices,
    };
    let start = time_stamp();
    let mut run = processors::run(&mut guests, devices, commands)?;
    let ticks = time_stamp().wrapping_sub(start);
    let ended = Ended {
        outcome: &run.end.outcome,
        ticks,
        period: run.period,
        by: guests[run.end.cpu].as_ref(),
    };
    end::report(arguments, &mut run.devices, &ended)
}
