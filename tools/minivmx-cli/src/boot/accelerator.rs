// SPDX-License-Identifier: GPL-2.0

//! What runs the guest: `/dev/minivmx`, or `/dev/kvm` with as much of it as there is in
//! minivmx. The guest and its devices are the same, so that nothing but the driver is
//! compared.

use anyhow::Result;
use clap::ValueEnum;
use minivmx::{
    Address,
    CpuidEntry,
    End,
    Event,
    Exit,
    Purpose,
    Question,
    Reason,
    VcpuState,
    Windows, //
};
use vm_memory::GuestMemoryMmap;

use super::{
    kernel::Kernel,
    look::Counts,
    meter::Meter,
    processors::{
        cpuid,
        startup, //
    },
};
use crate::{
    pc::{
        bus::Bus,
        devices::apics::Beginning,
        exits, //
    },
    run::{
        dump,
        machine::Machine,
        outcome::Outcome,
        signals::Kick, //
    },
    x86::rflags,
};

/// A driver, by its name on the command line.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Accel {
    /// The driver of this project
    Minivmx,
    /// KVM, without its own interrupt controllers and timer
    Kvm,
}

/// Why a guest no longer runs.
pub enum Stop {
    /// It goes on as it is.
    Answered,
    /// A signal came.
    Interrupted,
    /// HLT.
    Halted,
    /// It cannot go on.
    Failed(Outcome),
}

/// A guest, by one of its vCPUs, whose interrupt controllers are the program's.
pub trait Accelerator {
    /// The guest's memory.
    fn memory(&self) -> &GuestMemoryMmap;

    /// Lets it begin at the kernel's first instruction; these leaves of CPUID take the place of
    /// others.
    fn begin(&mut self, kernel: &Kernel, cpuid: &[CpuidEntry]) -> Result<()>;

    /// Its CPU as it is now, whose exit was answered.
    fn vcpu_state(&mut self) -> Result<VcpuState>;

    /// Lets it begin in that state, when its memory is there; these leaves of CPUID as in
    /// [`Self::begin`].
    fn restore(&mut self, state: &VcpuState, cpuid: &[CpuidEntry]) -> Result<()>;

    /// Whether the page of memory there was ever used; if not, it is zero.
    fn has_page(&self, _gpa: u64) -> Result<bool> {
        Ok(true)
    }

    /// What makes [`Self::run`] return at once, as long as [`Self::clear_kick`] is not called.
    fn kick(&self) -> Kick;

    fn clear_kick(&mut self);

    /// Runs the guest until something needs the program, and answers what is the PC's to answer.
    fn run(&mut self, bus: &mut dyn Bus, meter: &mut Meter<'_>) -> Result<Stop>;

    /// Whether it can take an interrupt before its next instruction.
    fn can_take_interrupt(&self) -> bool;

    /// Gives it one, when it can take it.
    fn interrupt(&mut self, vector: u8) -> Result<()>;

    /// [`Self::run`] is to end as soon as it can take one, or no longer.
    fn ask_for_window(&mut self, wanted: bool);

    /// Whether an interrupt could wake it from HLT.
    fn has_interrupts_enabled(&self) -> bool;

    /// Whether a debugger wants the guest to stand still, though it waits for an interrupt.
    fn is_called(&mut self) -> Result<bool> {
        Ok(false)
    }

    /// Of all CPUs.
    fn counts(&self) -> Result<Counts>;

    /// Registers, for a guest that ended badly; with all that the driver knows of it if so wanted.
    fn state(&self, verbose: bool) -> String;
}

/// A guest that may have several CPUs, each in a thread of its own.
pub trait Processor: Accelerator + Send {
    /// Another CPU of the guest, which knows of its local APIC.
    fn another(&mut self, number: u8, cpuid: &[CpuidEntry]) -> Result<Box<dyn Processor>>;

    /// Lets it begin as after a reset; these leaves of CPUID as in [`Accelerator::begin`].
    fn begin_at_reset(&mut self, cpuid: &[CpuidEntry]) -> Result<()>;

    /// Another CPU has started it: it begins there.
    fn begin_at(&mut self, beginning: Beginning) -> Result<()>;

    /// Gives it an NMI, if it can take one. Else [`Accelerator::run`] is to end as soon as it can,
    /// which comes before what [`Accelerator::ask_for_window`] has asked for.
    fn nmi(&mut self) -> Result<bool>;
}

impl Processor for Machine {
    fn another(&mut self, number: u8, cpuid: &[CpuidEntry]) -> Result<Box<dyn Processor>> {
        let other = Machine::another(self, number)?;
        other.vcpu.set_cpuid(&cpuid::with_apic(cpuid, number))?;
        Ok(Box::new(other))
    }

    /// As it was made.
    fn begin_at_reset(&mut self, cpuid: &[CpuidEntry]) -> Result<()> {
        Ok(self.vcpu.set_cpuid(cpuid)?)
    }

    fn begin_at(&mut self, beginning: Beginning) -> Result<()> {
        let sregs = startup::sregs(&self.vcpu.sregs()?, beginning);
        self.vcpu.set_sregs(&sregs)?;
        *self.vcpu.regs_mut() = startup::regs(beginning);
        // What it had not got yet goes.
        *self.vcpu.event_mut() = Event::default();
        Ok(())
    }

    fn nmi(&mut self) -> Result<bool> {
        let can_take = self.vcpu.ready().contains(Windows::NMI) && !self.vcpu.event().is_some();
        match can_take {
            true => *self.vcpu.event_mut() = Event::nmi(),
            false => self.vcpu.set_windows(Windows::NMI),
        }
        Ok(can_take)
    }
}

impl Machine {
    /// Runs the guest to an exit; `false` if a signal came before.
    pub fn enter(&mut self) -> Result<bool> {
        match self.vcpu.run() {
            Ok(_) => Ok(true),
            Err(error) if error.is_interrupted() => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Answers that exit.
    pub fn answer(&mut self, bus: &mut dyn Bus) -> Result<Stop> {
        Ok(match exits::answer(self.vcpu.exit(), bus) {
            None | Some(Exit::Other(Reason::INTERRUPT_WINDOW | Reason::NMI_WINDOW)) => {
                Stop::Answered
            }
            Some(Exit::Memory { .. }) => match exits::access_absent_memory(&mut self.vcpu, bus)? {
                None => Stop::Answered,
                Some(error) => Stop::Failed(Outcome::Failed(format!("{error:#}"))),
            },
            Some(Exit::Hlt) => Stop::Halted,
            Some(other) => Stop::Failed(failure(&other)),
        })
    }
}

impl Accelerator for Machine {
    fn memory(&self) -> &GuestMemoryMmap {
        self.memory.view()
    }

    fn begin(&mut self, kernel: &Kernel, cpuid: &[CpuidEntry]) -> Result<()> {
        self.vcpu.set_cpuid(cpuid)?;
        self.vcpu.set_sregs(&kernel.sregs(&self.vcpu.sregs()?))?;
        *self.vcpu.regs_mut() = kernel.regs();
        Ok(())
    }

    fn vcpu_state(&mut self) -> Result<VcpuState> {
        Ok(self.vcpu.state()?)
    }

    fn restore(&mut self, state: &VcpuState, cpuid: &[CpuidEntry]) -> Result<()> {
        self.vcpu.set_cpuid(cpuid)?;
        Ok(self.vcpu.set_state(state)?)
    }

    fn has_page(&self, gpa: u64) -> Result<bool> {
        let question = Question {
            address: Address::Physical(gpa),
            purpose: Purpose::Read,
            user: false,
        };
        Ok(self.vcpu.translate(&question)?.end != End::NotAllocated)
    }

    fn kick(&self) -> Kick {
        let kick = self.vcpu.immediate_exit();
        Box::new(move || kick.request())
    }

    fn clear_kick(&mut self) {
        self.vcpu.immediate_exit().clear();
    }

    fn run(&mut self, bus: &mut dyn Bus, meter: &mut Meter<'_>) -> Result<Stop> {
        match meter.run(|| self.enter())? {
            true => self.answer(bus),
            false => Ok(Stop::Interrupted),
        }
    }

    fn can_take_interrupt(&self) -> bool {
        // What it was ready for at its last exit does not hold if it was begun anew since.
        self.has_interrupts_enabled()
            && self.vcpu.ready().contains(Windows::INTERRUPT)
            && !self.vcpu.event().is_some()
    }

    fn interrupt(&mut self, vector: u8) -> Result<()> {
        *self.vcpu.event_mut() = Event::interrupt(vector);
        Ok(())
    }

    fn ask_for_window(&mut self, wanted: bool) {
        self.vcpu.set_windows(match wanted {
            true => Windows::INTERRUPT,
            false => Windows::NONE,
        });
    }

    fn has_interrupts_enabled(&self) -> bool {
        self.vcpu.regs().rflags & rflags::IF != 0
    }

    fn counts(&self) -> Result<Counts> {
        Ok(Counts::Minivmx(Box::new(self.vm.stats()?), self.vm.mmu()))
    }

    fn state(&self, verbose: bool) -> String {
        dump::state(self, verbose)
    }
}

/// What this guest cannot go on after.
fn failure(exit: &Exit<'_>) -> Outcome {
    Outcome::of_fatal(exit).unwrap_or_else(|| {
        Outcome::Failed(format!("{exit:?} is not something that this guest may do"))
    })
}
