// SPDX-License-Identifier: GPL-2.0

//! `minivmx boot`: an unmodified Linux as the guest.
//!
//! The devices are the program's, and so are interrupts: what its interrupt
//! controllers hold is left in the run page when the guest can take it, or else the
//! driver is asked to say when. A guest that computes is stopped when its clock is
//! due; one that waits does so here. So it is with one CPU; with several see
//! [`processors`].

mod accelerator;
mod alarm;
mod arguments;
mod gdb;
mod kernel;
mod kvm;
mod processors;
mod snapshot;
mod tsc;

use std::{
    io,
    path::Path,
    process::ExitCode,
    time::Duration, //
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
use serde_json::json;

use crate::{
    bench::time_stamp,
    console::{
        escape::{
            self,
            Command,
            Commands,
            Escape, //
        },
        input::{
            Input,
            Standard, //
        },
        sink::Sink,
        terminal::{
            self,
            Keys, //
        },
    },
    pc::{
        bus::OneCpu,
        devices::{
            self,
            Devices, //
        },
        msrs::Msrs, //
    },
    run::{
        layout::Layout,
        machine::{
            self,
            Machine, //
        },
        outcome::Outcome,
        signals, //
    },
};
use accelerator::{
    Accel,
    Accelerator,
    Counts,
    Processor,
    Stop, //
};
use alarm::Alarm;
pub use arguments::Arguments;
use gdb::Debugger;
use kernel::Kernel;
use kvm::Kvm;
use snapshot::Snapshot;

/// A guest that waits is looked after so often, whatever happens: a signal may have come just before.
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// So often somebody looks for keys that are for the program, and for gdb, even if the guest does nothing.
const LOOK: Duration = Duration::from_millis(200);

/// Boots a guest as the command line says, and reports how it ended.
pub fn boot(arguments: &Arguments) -> Result<ExitCode> {
    match arguments.cpus {
        1 => boot_one(arguments),
        _ => boot_several(arguments),
    }
}

fn boot_one(arguments: &Arguments) -> Result<ExitCode> {
    let mut boot = Boot::new(arguments)?;
    let start = time_stamp();
    let outcome = boot.until_end()?;
    let ticks = time_stamp().wrapping_sub(start);
    let ended = Ended {
        outcome: &outcome,
        ticks,
        counts: boot.guest.counts()?,
        by: boot.guest.as_ref(),
    };
    report(arguments, &mut boot.devices, &ended)
}

fn boot_several(arguments: &Arguments) -> Result<ExitCode> {
    let cpuid = tsc::cpuid(tsc::frequency());
    let mut guests = load_several(arguments, &cpuid)?;
    // The one that keeps the time looks whether a signal has come.
    signals::stop_on_signals(Box::new(|| {}))?;
    let (input, commands) = input();
    if let Some(limit) = arguments.timeout() {
        signals::stop_after(limit)?;
    }
    let devices = devices(arguments.memory, arguments, input);
    let devices = devices.with_apics(arguments.cpus, tsc::crystal_frequency(&cpuid));
    let start = time_stamp();
    let (end, mut devices) = processors::run(&mut guests, devices, commands)?;
    let ticks = time_stamp().wrapping_sub(start);
    let ended = Ended {
        outcome: &end.outcome,
        ticks,
        counts: guests[0].counts()?,
        by: guests[end.cpu].as_ref(),
    };
    report(arguments, &mut devices, &ended)
}

struct Boot<'a> {
    arguments: &'a Arguments,
    guest: Box<dyn Accelerator>,
    devices: Devices,
    msrs: Msrs,
    /// Bytes of memory.
    memory: u64,
    /// What CPUID was made to answer.
    cpuid: Vec<CpuidEntry>,
    alarm: Alarm,
    /// What is typed for the program.
    commands: Commands,
    /// When somebody is to look for that, at a terminal, and for gdb.
    look_due: Option<Duration>,
}

impl<'a> Boot<'a> {
    fn new(arguments: &'a Arguments) -> Result<Self> {
        let (guest, start) = load(arguments)?;
        signals::stop_on_signals(guest.kick())?;
        if arguments.snapshot.is_some() {
            snapshot::request::by_signal(guest.kick())?;
        }
        let (input, commands) = input();
        if let Some(limit) = arguments.timeout() {
            signals::stop_after(limit)?;
        }
        let mut devices = devices(start.memory, arguments, input);
        if let Some(state) = &start.devices {
            devices.restore(state)?;
        }
        Ok(Self {
            devices,
            arguments,
            alarm: Alarm::new(guest.kick())?,
            guest,
            msrs: start.msrs,
            memory: start.memory,
            cpuid: start.cpuid,
            commands,
            look_due: (terminal::is_terminal() || arguments.gdb.is_some()).then_some(LOOK),
        })
    }

    fn until_end(&mut self) -> Result<Outcome> {
        loop {
            // In this order no kick is lost: what it was for is looked at afterwards.
            self.guest.clear_kick();
            if let Some(stop) = signals::stopped() {
                return Ok(stop.into());
            }
            self.look();
            self.devices.raise_lines();
            self.offer_interrupt()?;
            let due = earlier(self.devices.tick_due(), self.look_due);
            self.alarm.set(due, self.devices.now())?;
            let mut bus = OneCpu {
                devices: &mut self.devices,
                msrs: &mut self.msrs,
            };
            let outcome = match self.guest.run(&mut bus)? {
                Stop::Answered => None,
                Stop::Interrupted => {
                    self.alarm.rang();
                    self.devices.receive();
                    None
                }
                Stop::Halted => self.halt()?,
                Stop::Failed(outcome) => Some(outcome),
            };
            self.carry_out_command()?;
            if snapshot::request::take() {
                self.write_snapshot();
            }
            if let Some(outcome) = outcome.or_else(|| self.end_asked_for()) {
                return Ok(outcome);
            }
        }
    }

    /// Looks for what was typed, if that is due, whether or not the alarm has rung for it: it may have done
    /// so while the program waited in the guest's place.
    fn look(&mut self) {
        let now = self.devices.now();
        if self.look_due.is_some_and(|due| due <= now) {
            self.devices.receive();
            self.look_due = Some(now + LOOK);
        }
    }

    /// All but the end.
    fn carry_out_command(&mut self) -> Result<()> {
        match self.commands.get() {
            None | Some(Command::End) => return Ok(()),
            Some(Command::Help) => eprintln!("{}", escape::HELP),
            Some(Command::Counts) => eprintln!("\n{}", self.guest.counts()?.table),
            Some(Command::Snapshot) => self.write_snapshot(),
        }
        self.commands.set(None);
        Ok(())
    }

    /// The guest goes on, even if that fails.
    fn write_snapshot(&mut self) {
        let Some(path) = &self.arguments.snapshot else {
            return eprintln!("\nminivmx: there is no --snapshot FILE to write the guest into");
        };
        let written = self.state().and_then(|state| {
            let memory = snapshot::Memory {
                view: self.guest.memory(),
                has_page: &|gpa| self.guest.has_page(gpa),
            };
            snapshot::write(path, &state, &memory)
        });
        match written {
            Ok(()) => eprintln!("\nminivmx: the guest as it is now is in {}", path.display()),
            Err(error) => eprintln!("\nminivmx: {error:#}"),
        }
    }

    fn state(&mut self) -> Result<snapshot::State> {
        Ok(snapshot::State {
            memory: self.memory,
            cpuid: self.cpuid.clone(),
            vcpu: self.guest.vcpu_state()?,
            msrs: self.msrs.clone(),
            devices: self.devices.state(),
        })
    }

    /// Leaves the interrupt that comes first to the guest, or asks when it can be taken.
    fn offer_interrupt(&mut self) -> Result<()> {
        if self.guest.can_take_interrupt() {
            if let Some(vector) = self.devices.acknowledge() {
                self.guest.interrupt(vector)?;
            }
        }
        self.guest.ask_for_window(self.devices.has_interrupt());
        Ok(())
    }

    /// Waits in the guest's place, until an interrupt comes that it can take.
    fn halt(&mut self) -> Result<Option<Outcome>> {
        if !self.guest.has_interrupts_enabled() {
            return Ok(Some(Outcome::Halted));
        }
        self.devices.raise_lines();
        let longest = if self.look_due.is_some() {
            LOOK
        } else {
            LONGEST_WAIT
        };
        while !self.devices.has_interrupt() && !self.is_asked()? {
            let tick = self.devices.next_tick();
            self.devices.wait(tick.unwrap_or(longest).min(longest));
            self.devices.receive();
            self.devices.raise_lines();
        }
        Ok(None)
    }

    /// Whether a signal, a key or gdb wants something of the program.
    fn is_asked(&mut self) -> Result<bool> {
        Ok(signals::stopped().is_some()
            || self.commands.get().is_some()
            || snapshot::request::is_there()
            || self.guest.is_called()?)
    }

    fn end_asked_for(&self) -> Option<Outcome> {
        match self.commands.get() {
            Some(Command::End) => Some(Outcome::Ended),
            _ => end_asked_for(&self.devices),
        }
    }
}

/// What the guest itself has ended by.
fn end_asked_for(devices: &Devices) -> Option<Outcome> {
    match () {
        () if devices.serial().seen() => Some(Outcome::Seen),
        () if devices.reset_requested() => Some(Outcome::Reset),
        () => None,
    }
}

/// How a guest ended, and by which of its CPUs.
struct Ended<'a, G: ?Sized> {
    outcome: &'a Outcome,
    ticks: u64,
    counts: Counts,
    by: &'a G,
}

/// Says so.
fn report<G: Accelerator + ?Sized>(
    arguments: &Arguments,
    devices: &mut Devices,
    ended: &Ended<'_, G>,
) -> Result<ExitCode> {
    let Ended {
        outcome,
        ticks,
        counts,
        by,
    } = ended;
    devices.end_lines()?;
    if let Outcome::Failed(_) = outcome {
        eprint!("\n{}", by.state(arguments.verbose));
    }
    let (until, seen) = (arguments.until.as_deref(), devices.serial().seen());
    let sentence = outcome.sentence(until, seen);
    if arguments.json {
        let object = json!({
            "outcome": outcome.name(),
            "sentence": sentence,
            "serial": devices.serial().text(),
            "absent_ports": devices.absent_ports().collect::<Vec<_>>(),
            "ticks": ticks,
            "stats": counts.json,
        });
        println!("{object:#}");
    } else {
        println!("\n{}\nticks {ticks}", counts.table);
    }
    eprintln!("minivmx: {sentence}");
    Ok(outcome.status(until, seen))
}

/// What there is besides the machine when the guest begins, or goes on.
struct Start {
    memory: u64,
    cpuid: Vec<CpuidEntry>,
    msrs: Msrs,
    /// As they were, if the guest goes on.
    devices: Option<devices::State>,
}

/// A machine with a guest in its memory, about to begin or to go on.
fn load(arguments: &Arguments) -> Result<(Box<dyn Accelerator>, Start)> {
    match &arguments.restore {
        None => begin(arguments),
        Some(path) => go_on(path, arguments),
    }
}

fn begin(arguments: &Arguments) -> Result<(Box<dyn Accelerator>, Start)> {
    let mut guest = machine(arguments, arguments.memory)?;
    let kernel = Kernel::load(guest.memory(), arguments)?;
    let cpuid = tsc::cpuid(tsc::frequency()).to_vec();
    guest.begin(&kernel, &cpuid)?;
    let start = Start {
        memory: arguments.memory,
        cpuid,
        msrs: Msrs::default(),
        devices: None,
    };
    Ok((guest, start))
}

fn go_on(path: &Path, arguments: &Arguments) -> Result<(Box<dyn Accelerator>, Start)> {
    let snapshot = Snapshot::open(path)?;
    let mut guest = machine(arguments, snapshot.state.memory)?;
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
    };
    Ok((guest, start))
}

/// One with so many bytes of memory, which are zero.
fn machine(arguments: &Arguments, memory: u64) -> Result<Box<dyn Accelerator>> {
    Ok(match (arguments.accel, &arguments.gdb) {
        (Accel::Minivmx, None) => Box::new(of_minivmx(arguments, memory)?),
        (Accel::Minivmx, Some(place)) => {
            Box::new(Debugger::new(of_minivmx(arguments, memory)?, place)?)
        }
        (Accel::Kvm, _) => Box::new(of_kvm(arguments, memory)?),
    })
}

/// With several CPUs: the first is about to begin, the others wait for it.
fn load_several(arguments: &Arguments, cpuid: &[CpuidEntry]) -> Result<Vec<Box<dyn Processor>>> {
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
        mmu == Mmu::Ept,
        "shadow paging is for guests with one CPU only: --cpus {} needs --mmu ept, not {mmu}",
        arguments.cpus
    );
    let mut first: Box<dyn Processor> = match arguments.accel {
        Accel::Minivmx => Box::new(of_minivmx(arguments, arguments.memory)?),
        Accel::Kvm => Box::new(of_kvm(arguments, arguments.memory)?),
    };
    let kernel = Kernel::load(first.memory(), arguments)?;
    first.begin(&kernel, &processors::cpuid::with_apic(cpuid, 0))?;
    let others = (1..arguments.cpus).map(|number| first.another(number, cpuid));
    let others = others.collect::<Result<Vec<_>>>()?;
    Ok([first].into_iter().chain(others).collect())
}

fn of_minivmx(arguments: &Arguments, memory: u64) -> Result<Machine> {
    let layout = Layout::new(memory)?;
    let vm = machine::create_vm(&Device::open()?, arguments.mmu.unwrap_or(Mmu::Ept))?;
    let memory = layout.map(&vm)?;
    Machine::first(vm, memory)
}

fn of_kvm(arguments: &Arguments, memory: u64) -> Result<Kvm> {
    ensure!(
        arguments.mmu.is_none(),
        "how KVM translates is said when kvm_intel is loaded (ept=0), not by --mmu"
    );
    ensure!(
        arguments.gdb.is_none(),
        "--gdb is for guests of minivmx only, not for --accel kvm"
    );
    Kvm::new(&Layout::new(memory)?)
}

/// A terminal has keys for the program; what is not typed is all the guest's.
fn input() -> (Box<dyn Input>, Commands) {
    let input = Standard::new(Keys::All);
    if !terminal::is_terminal() {
        return (Box::new(input), Commands::default());
    }
    eprintln!("minivmx: {}", escape::HINT);
    let input = Escape::new(input);
    let commands = input.commands();
    (Box::new(input), commands)
}

/// The one that comes first.
fn earlier(one: Option<Duration>, other: Option<Duration>) -> Option<Duration> {
    one.into_iter().chain(other).min()
}

fn devices(memory: u64, arguments: &Arguments, input: Box<dyn Input>) -> Devices {
    let until = arguments.until.as_deref();
    let (serial, debug) = match arguments.json {
        true => (Sink::captured(until), Sink::captured(None)),
        false => (
            Sink::stream(io::stdout(), until),
            Sink::stream(io::stderr(), None),
        ),
    };
    Devices::new(memory, input, serial, debug)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arguments::tests::arguments;

    #[test]
    fn a_guest_of_kvm_is_not_for_gdb() {
        let error = load(&arguments("--kernel k --accel kvm --gdb 1234")).err();
        assert_eq!(
            error.expect("it is refused").to_string(),
            "--gdb is for guests of minivmx only, not for --accel kvm"
        );
    }
}
