// SPDX-License-Identifier: GPL-2.0

//! `minivmx boot`: an unmodified Linux as the guest.
//!
//! The devices are the program's, and so are interrupts: what its interrupt
//! controllers hold is left in the run page when the guest can take it, or else the
//! driver is asked to say when. A guest that computes is stopped when its clock is
//! due; one that waits does so here.

mod alarm;
mod arguments;
mod kernel;
mod tsc;

use std::{
    io,
    process::ExitCode,
    time::Duration, //
};

use anyhow::Result;
use minivmx::{
    Device,
    Event,
    Exit,
    ImmediateExit,
    Reason,
    Windows, //
};
use serde_json::json;

use crate::{
    bench::time_stamp,
    console::{
        input,
        sink::Sink, //
    },
    counts,
    pc::{
        devices::Devices,
        exits,
        msrs::Msrs, //
    },
    run::{
        dump,
        layout::Layout,
        machine::{
            self,
            Machine, //
        },
        outcome::Outcome,
        signals, //
    },
};
use alarm::Alarm;
pub use arguments::Arguments;
use kernel::Kernel;

/// Interrupts are enabled.
const IF: u64 = 1 << 9;
/// A guest that waits is looked after so often, whatever happens: a signal may have come just before.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// Boots a guest as the command line says, and reports how it ended.
pub fn boot(arguments: &Arguments) -> Result<ExitCode> {
    let mut boot = Boot::new(arguments)?;
    let start = time_stamp();
    let outcome = boot.until_end()?;
    let ticks = time_stamp().wrapping_sub(start);
    boot.report(&outcome, ticks)?;
    Ok(outcome.status(arguments.until.as_deref(), boot.awaited_seen()))
}

struct Boot<'a> {
    arguments: &'a Arguments,
    machine: Machine,
    devices: Devices,
    msrs: Msrs,
    kick: ImmediateExit,
    alarm: Alarm,
}

impl<'a> Boot<'a> {
    fn new(arguments: &'a Arguments) -> Result<Self> {
        let machine = load(arguments)?;
        let kick = machine.vcpu.immediate_exit();
        signals::stop_on_signals(kick.clone())?;
        if let Some(limit) = arguments.timeout() {
            signals::stop_after(limit)?;
        }
        Ok(Self {
            devices: devices(arguments),
            arguments,
            machine,
            msrs: Msrs::default(),
            alarm: Alarm::new(kick.clone())?,
            kick,
        })
    }

    fn until_end(&mut self) -> Result<Outcome> {
        loop {
            // In this order no kick is lost: what it was for is looked at afterwards.
            self.kick.clear();
            if let Some(stop) = signals::stopped() {
                return Ok(stop.into());
            }
            self.devices.raise_lines();
            self.offer_interrupt();
            self.alarm
                .set(self.devices.tick_due(), self.devices.now())?;
            match self.machine.vcpu.run() {
                Ok(_) => {}
                Err(error) if error.is_interrupted() => {
                    self.alarm.rang();
                    self.devices.receive();
                    continue;
                }
                Err(error) => return Err(error.into()),
            }
            if let Some(outcome) = self.answer()?.or_else(|| self.end_asked_for()) {
                return Ok(outcome);
            }
        }
    }

    /// Leaves the interrupt that comes first to the guest, or asks when it can be taken.
    fn offer_interrupt(&mut self) {
        let vcpu = &mut self.machine.vcpu;
        let can_take = vcpu.ready().contains(Windows::INTERRUPT) && !vcpu.event().is_some();
        if self.devices.has_interrupt() && can_take {
            *vcpu.event_mut() = self
                .devices
                .acknowledge()
                .map(Event::interrupt)
                .unwrap_or_default();
        }
        vcpu.set_windows(match self.devices.has_interrupt() {
            true => Windows::INTERRUPT,
            false => Windows::NONE,
        });
    }

    fn answer(&mut self) -> Result<Option<Outcome>> {
        let exit = self.machine.vcpu.exit();
        match exits::answer(exit, &mut self.devices, &mut self.msrs) {
            None | Some(Exit::Other(Reason::INTERRUPT_WINDOW)) => Ok(None),
            Some(Exit::Memory { .. }) => Ok(exits::access_absent_memory(&mut self.machine.vcpu)?
                .map(|error| Outcome::Failed(format!("{error:#}")))),
            Some(Exit::Hlt) => Ok(self.halt()),
            Some(other) => Ok(Some(failure(&other))),
        }
    }

    /// Waits in the guest's place, until an interrupt comes that it can take.
    fn halt(&mut self) -> Option<Outcome> {
        if self.machine.vcpu.regs().rflags & IF == 0 {
            return Some(Outcome::Halted);
        }
        self.devices.raise_lines();
        while !self.devices.has_interrupt() && signals::stopped().is_none() {
            let tick = self.devices.next_tick();
            self.devices
                .wait(tick.unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT));
            self.devices.receive();
            self.devices.raise_lines();
        }
        None
    }

    fn end_asked_for(&self) -> Option<Outcome> {
        match () {
            () if self.awaited_seen() => Some(Outcome::Seen),
            () if self.devices.reset_requested() => Some(Outcome::Reset),
            () => None,
        }
    }

    fn awaited_seen(&self) -> bool {
        self.devices.serial().seen()
    }

    fn report(&mut self, outcome: &Outcome, ticks: u64) -> Result<()> {
        self.devices.end_lines()?;
        let (stats, mmu) = (self.machine.vm.stats()?, self.machine.vm.mmu());
        if let Outcome::Failed(_) = outcome {
            eprint!("\n{}", dump::state(&self.machine, self.arguments.verbose));
        }
        let sentence = outcome.sentence(self.arguments.until.as_deref(), self.awaited_seen());
        if self.arguments.json {
            let object = json!({
                "outcome": outcome.name(),
                "sentence": sentence,
                "serial": self.devices.serial().text(),
                "absent_ports": self.devices.absent_ports().collect::<Vec<_>>(),
                "ticks": ticks,
                "stats": counts::json(&stats, mmu),
            });
            println!("{object:#}");
        } else {
            println!("\n{}\nticks {ticks}", counts::Table(&stats, mmu));
        }
        eprintln!("minivmx: {sentence}");
        Ok(())
    }
}

/// A machine with the kernel in its memory, about to begin.
fn load(arguments: &Arguments) -> Result<Machine> {
    let vm = machine::create_vm(&Device::open()?, arguments.mmu)?;
    let memory = Layout::new(arguments.memory)?.map(&vm)?;
    let kernel = Kernel::load(memory.view(), arguments)?;
    let mut vcpu = vm.create_vcpu(0)?;
    vcpu.set_cpuid(&tsc::cpuid(tsc::frequency()))?;
    vcpu.set_sregs(&kernel.sregs(&vcpu.sregs()?))?;
    *vcpu.regs_mut() = kernel.regs();
    Ok(Machine { vcpu, memory, vm })
}

fn devices(arguments: &Arguments) -> Devices {
    let until = arguments.until.as_deref();
    let (serial, debug) = match arguments.json {
        true => (Sink::captured(until), Sink::captured(None)),
        false => (
            Sink::stream(io::stdout(), until),
            Sink::stream(io::stderr(), None),
        ),
    };
    Devices::new(
        arguments.memory,
        Box::new(input::Standard::new()),
        serial,
        debug,
    )
}

/// What this guest cannot go on after.
fn failure(exit: &Exit<'_>) -> Outcome {
    Outcome::of_fatal(exit).unwrap_or_else(|| {
        Outcome::Failed(format!("{exit:?} is not something that this guest may do"))
    })
}
