// SPDX-License-Identifier: GPL-2.0

//! A guest with one CPU, which is this thread: one that computes is stopped when its clock is
//! due; one that waits does so here.

use std::{
    process::ExitCode,
    time::Duration, //
};

use anyhow::Result;
use minivmx::CpuidEntry;

use super::{
    accelerator::{
        Accelerator,
        Stop, //
    },
    alarm::Alarm,
    arguments::{
        Arguments,
        Console, //
    },
    end::{
        self,
        Ended, //
    },
    look::Look,
    meter::{
        Meter,
        Meters, //
    },
    snapshot,
    start,
    LOOK, //
};
use crate::{
    bench::time_stamp,
    console::{
        escape::{
            self,
            Command,
            Commands, //
        },
        terminal, //
    },
    pc::{
        bus::OneCpu,
        devices::Devices,
        msrs::Msrs, //
    },
    run::{
        outcome::Outcome,
        signals, //
    },
};

/// A guest that waits is looked after so often, whatever happens: a signal may have come just
/// before.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// Boots it, and reports how it ended.
pub fn boot(arguments: &Arguments) -> Result<ExitCode> {
    let meters = Meters::default();
    let mut boot = Boot::new(arguments, &meters)?;
    let begun = boot.looked.clone();
    let start = time_stamp();
    let outcome = boot.until_end()?;
    let ticks = time_stamp().wrapping_sub(start);
    let ended = Ended {
        outcome: &outcome,
        ticks,
        period: boot.now()?.since(&begun),
        by: boot.guest.as_ref(),
    };
    end::report(arguments, &mut boot.devices, &ended)
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
    /// Does the guest wait in HLT? Only an interrupt ends that, whatever is asked of the program
    /// meanwhile.
    waits: bool,
    alarm: Alarm,
    meters: &'a Meters,
    meter: Meter<'a>,
    /// When what was counted was shown last, or else at the beginning.
    looked: Look,
    /// What is typed for the program.
    commands: Commands,
    /// When somebody is to look for that, at a terminal, and for gdb.
    look_due: Option<Duration>,
}

impl<'a> Boot<'a> {
    fn new(arguments: &'a Arguments, meters: &'a Meters) -> Result<Self> {
        let (guest, start) = start::load(arguments)?;
        signals::stop_on_signals(guest.kick())?;
        if arguments.snapshot.is_some() {
            snapshot::request::by_signal(guest.kick())?;
        }
        let (input, commands) = start::input();
        if let Some(limit) = arguments.timeout() {
            signals::stop_after(limit)?;
        }
        let state = start.devices.as_ref();
        let console = state.map_or(arguments.console, Console::of);
        let mut devices = start::devices(start.memory, console, arguments, input)?;
        if let Some(state) = state {
            devices.restore(state)?;
        }
        Ok(Self {
            devices,
            arguments,
            alarm: Alarm::new(guest.kick())?,
            meters,
            meter: Meter::new(meters),
            looked: Look::new(guest.counts()?, meters.ticks()),
            guest,
            msrs: start.msrs,
            memory: start.memory,
            cpuid: start.cpuid,
            waits: start.waits,
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
            self.waits &= !self.devices.has_interrupt();
            self.offer_interrupt()?;
            let due = earlier(self.devices.tick_due(), self.look_due);
            self.alarm.set(due, self.devices.now())?;
            let outcome = match self.waits {
                true => self.wait().map(|()| None)?,
                false => self.run()?,
            };
            // What the guest has printed by that may be what ends it.
            self.devices.serve(self.guest.memory());
            self.carry_out_command()?;
            if snapshot::request::take() {
                self.write_snapshot();
            }
            if let Some(outcome) = outcome.or_else(|| self.end_asked_for()) {
                return Ok(outcome);
            }
        }
    }

    /// Runs the guest until somebody else is to do something; says how it ended if it did.
    fn run(&mut self) -> Result<Option<Outcome>> {
        let mut bus = OneCpu {
            devices: &mut self.devices,
            msrs: &mut self.msrs,
        };
        Ok(match self.guest.run(&mut bus, &mut self.meter)? {
            Stop::Answered => None,
            Stop::Interrupted => {
                self.alarm.rang();
                self.devices.receive();
                None
            }
            Stop::Halted => self.halt()?,
            Stop::Failed(outcome) => Some(outcome),
        })
    }

    /// Looks for what was typed, if that is due, whether or not the alarm has rung for it: it may
    /// have done so while the program waited in the guest's place.
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
            Some(Command::Counts) => self.now()?.show(&mut self.looked),
            Some(Command::Snapshot) => self.write_snapshot(),
        }
        self.commands.set(None);
        Ok(())
    }

    /// What there was until now.
    fn now(&self) -> Result<Look> {
        Ok(Look::new(self.guest.counts()?, self.meters.ticks()))
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
            waits: self.waits,
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

    fn halt(&mut self) -> Result<Option<Outcome>> {
        if !self.guest.has_interrupts_enabled() {
            return Ok(Some(Outcome::Halted));
        }
        self.wait()?;
        Ok(None)
    }

    /// Waits in the guest's place, until an interrupt comes that it can take, or somebody asks
    /// something of the program. If that is gdb, it has the guest go on as it likes.
    fn wait(&mut self) -> Result<()> {
        self.devices.raise_lines();
        let longest = if self.look_due.is_some() {
            LOOK
        } else {
            LONGEST_WAIT
        };
        while !self.devices.has_interrupt() && !self.is_asked()? {
            let tick = self.devices.next_tick();
            let limit = tick.unwrap_or(longest).min(longest);
            self.meter.wait(|| self.devices.wait(limit));
            self.devices.receive();
            self.devices.serve(self.guest.memory());
            self.devices.raise_lines();
        }
        self.waits = !self.guest.is_called()?;
        Ok(())
    }

    /// Whether a signal, a key, gdb or the guest wants something of the program.
    fn is_asked(&mut self) -> Result<bool> {
        Ok(signals::stopped().is_some()
            || self.commands.get().is_some()
            || snapshot::request::is_there()
            || end::asked_for(&self.devices).is_some()
            || self.guest.is_called()?)
    }

    fn end_asked_for(&self) -> Option<Outcome> {
        match self.commands.get() {
            Some(Command::End) => Some(Outcome::Ended),
            _ => end::asked_for(&self.devices),
        }
    }
}

/// The one that comes first.
fn earlier(one: Option<Duration>, other: Option<Duration>) -> Option<Duration> {
    one.into_iter().chain(other).min()
}
