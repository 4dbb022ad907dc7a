// SPDX-License-Identifier: GPL-2.0

//! `minivmx run`: a guest from its first instruction to its end.

mod arguments;
mod breakpoint;
mod cpuid;
pub mod dump;
mod filter;
pub mod firmware;
mod histogram;
pub mod layout;
mod lost;
pub mod machine;
pub mod outcome;
pub mod signals;
mod steps;
mod trace;

use std::{
    io,
    process::ExitCode, //
};

use anyhow::Result;
use minivmx::{
    Answer,
    Device,
    Exit,
    Reason,
    Trap, //
};
use serde_json::json;

use crate::{
    bench::time_stamp,
    console::{
        input,
        output::{
            self,
            Output, //
        },
        sink::Sink,
        terminal::Keys, //
    },
    counts,
    pc::{
        bus::OneCpu,
        devices::Devices,
        exits,
        msrs::Msrs,
        tick, //
    },
    walk,
};
pub use arguments::Arguments;
use filter::Filter;
use histogram::Histogram;
use machine::Machine;
use outcome::Outcome;
use steps::Steps;

/// Runs a guest as the command line says, and reports how it ended.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let mut run = Run::new(arguments)?;
    let begin = time_stamp();
    let outcome = run.until_end()?;
    run.ticks = time_stamp().wrapping_sub(begin);
    run.report(&outcome)?;
    Ok(outcome.status(arguments.until.as_deref(), run.awaited_seen()))
}

struct Run<'a> {
    arguments: &'a Arguments,
    machine: Machine,
    devices: Devices,
    msrs: Msrs,
    /// The exits that are seen only because of `--trace` and others that want to see them.
    traced: Vec<Reason>,
    /// What `--step` has begun.
    steps: Option<Steps>,
    /// What `--histogram` counts.
    histogram: Option<Histogram>,
    exits: u64,
    /// Ticks of the time-stamp counter from the first instruction to the end.
    ticks: u64,
}

impl<'a> Run<'a> {
    fn new(arguments: &'a Arguments) -> Result<Self> {
        let device = Device::open()?;
        let machine = Machine::new(
            &device,
            arguments.mmu,
            arguments.memory(),
            &arguments.image(),
        )?;
        let info = device.info()?;
        let seen = match arguments.histogram {
            true => &[Filter::All],
            false => arguments.trace.as_slice(),
        };
        let mut traps = filter::traps(seen, &info);
        if let Some(address) = arguments.look.breakpoint {
            breakpoint::set(&machine.vcpu, address)?;
        }
        if arguments.look.breakpoint.is_some() || arguments.step.is_some() {
            traps = traps.with(Trap::DEBUG);
        }
        machine.vcpu.set_cpuid(&arguments.cpuid)?;
        let traced = filter::trapped(&traps, &info);
        machine.vcpu.set_traps(traps)?;
        let kick = machine.vcpu.immediate_exit();
        signals::stop_on_signals(Box::new(move || kick.request()))?;
        if let Some(limit) = arguments.timeout() {
            signals::stop_after(limit)?;
        }
        Ok(Self {
            devices: devices(arguments)?,
            arguments,
            machine,
            msrs: Msrs::default(),
            traced,
            steps: (arguments.step)
                .filter(|_| arguments.look.breakpoint.is_none())
                .map(Steps::new),
            histogram: arguments.histogram.then(Histogram::default),
            exits: 0,
            ticks: 0,
        })
    }

    fn until_end(&mut self) -> Result<Outcome> {
        loop {
            if let Some(stop) = signals::stopped() {
                return Ok(stop.into());
            }
            if let Some(steps) = &mut self.steps {
                if let Some(line) = steps.begin(&mut self.machine)? {
                    output::tell(line);
                }
            }
            self.devices.serve(self.machine.memory.view());
            match self.machine.vcpu.run() {
                Ok(_) => self.exits += 1,
                Err(error) if error.is_interrupted() => continue,
                Err(error) => return Err(error.into()),
            }
            if let Some(outcome) = self.step()? {
                return Ok(outcome);
            }
        }
    }

    /// Deals with one exit.
    fn step(&mut self) -> Result<Option<Outcome>> {
        if self.is_shown() {
            output::tell(trace::line(&mut self.machine, self.exits));
        }
        if let Some(histogram) = &mut self.histogram {
            histogram.count(&self.machine)?;
        }
        if self.steps.is_some() && Steps::is_end(&mut self.machine.vcpu) {
            return Ok(self.end_step());
        }
        if self.arguments.look.breakpoint.is_some() && breakpoint::is_hit(&mut self.machine.vcpu) {
            return self.at_breakpoint();
        }
        let reason = self.machine.vcpu.exit_information().reason();
        let outcome = self.answer()?;
        if self.traced.contains(&reason) {
            self.machine.vcpu.set_answer(Answer::Default);
        }
        Ok(outcome.or_else(|| self.limit()))
    }

    /// From the breakpoint on the guest is stepped, or it is the end.
    fn at_breakpoint(&mut self) -> Result<Option<Outcome>> {
        let Some(limit) = self.arguments.step else {
            return Ok(Some(Outcome::AtBreakpoint));
        };
        breakpoint::clear(&self.machine.vcpu)?;
        self.steps = Some(Steps::new(limit));
        Ok(None)
    }

    /// Counts an instruction that `--step` has shown, and says whether it was the last.
    fn end_step(&mut self) -> Option<Outcome> {
        let steps = self.steps.as_mut()?;
        steps.end();
        steps.all().map(Outcome::Stepped)
    }

    /// Does `--trace` show the last exit?
    fn is_shown(&mut self) -> bool {
        let reason = self.machine.vcpu.exit_information().reason();
        let exit = self.machine.vcpu.exit();
        let mut filters = self.arguments.trace.iter();
        filters.any(|filter| filter.shows(reason, &exit))
    }

    /// Whether enough has been seen.
    fn limit(&self) -> Option<Outcome> {
        let enough = self
            .arguments
            .stop_after
            .is_some_and(|limit| self.exits >= limit);
        if self.awaited_seen() {
            return Some(Outcome::Seen);
        }
        let asked_for = outcome::of_machine(&self.devices);
        asked_for.or_else(|| enough.then_some(Outcome::StoppedAfter(self.exits)))
    }

    fn awaited_seen(&self) -> bool {
        self.devices.serial().seen() || self.devices.debug().seen()
    }

    fn answer(&mut self) -> Result<Option<Outcome>> {
        let exit = self.machine.vcpu.exit();
        let mut bus = OneCpu {
            devices: &mut self.devices,
            msrs: &mut self.msrs,
        };
        let Some(exit) = exits::answer(exit, &mut bus) else {
            return Ok(None);
        };
        if let Some(outcome) = Outcome::of_fatal(&exit) {
            return Ok(Some(outcome));
        }
        match exit {
            Exit::Memory { .. } => self.absent_memory(),
            Exit::Hlt => self.halt(),
            // Nothing else comes but by a trap.
            _ => Ok(self.unexpected()),
        }
    }

    fn absent_memory(&mut self) -> Result<Option<Outcome>> {
        let mut bus = OneCpu {
            devices: &mut self.devices,
            msrs: &mut self.msrs,
        };
        let failed = exits::access_absent_memory(&mut self.machine.vcpu, &mut bus)?;
        Ok(failed.map(|error| Outcome::Failed(format!("{error:#}"))))
    }

    /// A halted guest goes on at the next clock tick, where it can be given one.
    fn halt(&mut self) -> Result<Option<Outcome>> {
        let sregs = self.machine.vcpu.sregs()?;
        if !tick::can_wake(self.machine.vcpu.regs(), &sregs) {
            return Ok(Some(Outcome::Halted));
        }
        let Some(wait) = self.devices.next_tick() else {
            return Ok(Some(Outcome::Halted));
        };
        std::thread::sleep(wait);
        if let Some(vector) = self.devices.take_tick() {
            tick::deliver(&mut self.machine.vcpu, &self.machine.memory, vector)?;
        }
        Ok(None)
    }

    /// An exit that only a trap should have brought here.
    fn unexpected(&self) -> Option<Outcome> {
        let information = self.machine.vcpu.exit_information();
        let reason = information.reason();
        (!self.traced.contains(&reason)).then(|| {
            Outcome::Failed(format!(
                "{reason}, qualification {:#x}, is not something that this guest may do",
                information.qualification
            ))
        })
    }

    fn report(&mut self, outcome: &Outcome) -> Result<()> {
        self.devices.end_lines()?;
        let (stats, mmu) = (self.machine.vm.stats()?, self.machine.vm.mmu());
        if let Outcome::Failed(_) = outcome {
            let state = dump::state(&self.machine, self.arguments.verbose);
            output::tell(format_args!("\n{}", state.trim_end()));
        }
        let sentence = outcome.sentence(self.arguments.until.as_deref(), self.awaited_seen());
        if self.arguments.json {
            let mut object = json!({
                "outcome": outcome.name(),
                "sentence": sentence,
                "serial": self.devices.serial().text(),
                "debug": self.devices.debug().text(),
                "absent_ports": self.devices.absent_ports().collect::<Vec<_>>(),
                "ticks": self.ticks,
                "stats": counts::json(&stats, mmu),
            });
            if let Some(histogram) = &self.histogram {
                object["histogram"] = histogram.json();
            }
            output::say(format_args!("{object:#}"))?;
        } else {
            let table = counts::Table {
                stats: &stats,
                mmu,
                time: None,
            };
            output::say(format_args!("\n{table}"))?;
            if let Some(histogram) = &self.histogram {
                output::say(format_args!("\n{histogram}"))?;
            }
            if let Some(lost) = lost::sentence(self.devices.absent_ports()) {
                output::say(lost)?;
            }
        }
        self.look()?;
        output::tell(format_args!("minivmx: {sentence}"));
        Ok(())
    }

    /// Shows how addresses are translated, as far as that is asked for.
    fn look(&self) -> Result<()> {
        let Machine { vcpu, memory, vm } = &self.machine;
        walk::show(&self.arguments.look, vm, vcpu, memory.view())
    }
}

fn devices(arguments: &Arguments) -> Result<Devices> {
    let until = arguments.until.as_deref();
    let is_told = !arguments.trace.is_empty() || arguments.step.is_some();
    let (serial, debug) = match (arguments.json, is_told) {
        (true, _) => (Sink::captured(until), Sink::captured(until)),
        (_, true) => (
            Sink::lines(Output::to(io::stdout())?, until),
            Sink::lines(Output::to(io::stderr())?, until),
        ),
        _ => (
            Sink::stream(Output::to(io::stdout())?, until),
            Sink::stream(Output::to(io::stderr())?, until),
        ),
    };
    let input = Box::new(input::Standard::new(Keys::Most));
    Devices::new(arguments.memory(), input, serial, debug).with_disk(arguments.disk.as_ref())
}
