// SPDX-License-Identifier: GPL-2.0

//! A guest in gdb's hands: what stops it, and what gdb does with it meanwhile.

use std::mem;

use anyhow::{
    Error,
    Result, //
};
use gdbstub::{
    common::Signal,
    stub::SingleThreadStopReason,
    target::{
        ext::{
            base::{
                singlethread::{
                    SingleThreadBase,
                    SingleThreadResume,
                    SingleThreadResumeOps,
                    SingleThreadSingleStep,
                    SingleThreadSingleStepOps, //
                },
                BaseOps,
            },
            breakpoints::{
                Breakpoints,
                BreakpointsOps,
                HwBreakpoint,
                HwBreakpointOps,
                HwWatchpoint,
                HwWatchpointOps,
                SwBreakpoint,
                SwBreakpointOps,
                WatchKind, //
            },
        },
        Target, TargetError, TargetResult,
    },
};
use minivmx::{
    Answer,
    Exit,
    Reason,
    Trap,
    Traps, //
};

use super::{
    breakpoints::{
        Access,
        Hardware,
        Watched, //
    },
    int3::Int3s,
    memory,
    registers::{
        Cpu,
        Registers, //
    },
    step::Step,
};
use crate::{
    boot::{
        accelerator::Stop,
        meter::Meter, //
    },
    pc::bus::Bus,
    run::machine::Machine,
    x86::rflags, //
};

const DEBUG: u8 = 1;
const BREAKPOINT: u8 = 3;
/// DR6, and the exit qualification: it was a step.
const DR6_STEP: u64 = 1 << 14;

/// Why the guest stopped, for gdb.
pub type StopReason = SingleThreadStopReason<u64>;

/// What came of running it.
pub enum Ran {
    /// Nothing that is for gdb.
    On(Stop),
    /// It stopped for gdb.
    Stopped(StopReason),
}

/// What another has while one of the two is the guest's: DR0 to DR3, and DR7.
type DebugRegisters = ([u64; 4], u64);

/// The guest.
pub struct Debuggee {
    pub machine: Machine,
    step: Option<Step>,
    hardware: Hardware,
    int3s: Int3s,
    /// The guest's own, while its CPU has gdb's.
    guests: Option<DebugRegisters>,
    /// A step was given up where the guest has kept TF, on a stack or in R11.
    leaves_trap: bool,
}

impl Debuggee {
    /// A guest whose #DB, #BP and MOV DR are seen here first.
    pub fn new(machine: Machine) -> Result<Self> {
        let traps = [Trap::DEBUG, Trap::BREAKPOINT, Trap::MOV_DR];
        machine.vcpu.set_traps(Traps::from(traps))?;
        Ok(Self {
            machine,
            step: None,
            hardware: Hardware::default(),
            int3s: Int3s::default(),
            guests: None,
            leaves_trap: false,
        })
    }

    /// Do interrupts wait until gdb's step is over?
    pub fn holds_interrupts(&self) -> bool {
        self.step.as_ref().is_some_and(|step| step.holds_interrupts)
    }

    /// Runs until something needs the program, or gdb, or until a signal.
    pub fn run(&mut self, bus: &mut dyn Bus, meter: &mut Meter<'_>) -> Result<Ran> {
        let has_exited = meter.run(|| self.machine.enter())?;
        self.let_interrupts_in();
        match has_exited {
            true => self.sort(bus),
            false => Ok(Ran::On(Stop::Interrupted)),
        }
    }

    /// Once it has left its instruction, as INT and SYSCALL do, a step may take as long as what it
    /// led to.
    fn let_interrupts_in(&mut self) {
        if let Some(step) = &mut self.step {
            step.holds_interrupts &= step.is_at_start(&self.machine);
        }
    }

    /// Whose an exit is.
    fn sort(&mut self, bus: &mut dyn Bus) -> Result<Ran> {
        match self.machine.vcpu.exit() {
            Exit::Exception {
                vector: DEBUG,
                qualification,
                ..
            } => self.debug(qualification),
            Exit::Exception {
                vector: BREAKPOINT, ..
            } => self.breakpoint(),
            Exit::Exception { .. } => self.give_back(),
            Exit::Other(Reason::MOV_DR) => self.move_debug_register(bus),
            _ => self.answer(bus),
        }
    }

    /// #DB is gdb's if gdb has asked for what it is of.
    fn debug(&mut self, qualification: u64) -> Result<Ran> {
        let is_step = qualification & DR6_STEP != 0;
        if let Some(watched) = self.hardware.met(qualification) {
            return Ok(self.stop(reason(watched), is_step));
        }
        if is_step && self.step.is_some() {
            return Ok(self.stop(StopReason::DoneStep, true));
        }
        if is_step && mem::take(&mut self.leaves_trap) {
            self.machine.vcpu.regs_mut().rflags &= !rflags::TF;
            return Ok(Ran::On(Stop::Answered));
        }
        self.give_back()
    }

    /// #BP is gdb's if the INT3 is.
    fn breakpoint(&mut self) -> Result<Ran> {
        let rip = self.machine.vcpu.regs().rip;
        match self.int3s.is_at(&self.machine, rip) {
            true => Ok(self.stop(StopReason::SwBreak(()), false)),
            false => self.give_back(),
        }
    }

    /// The guest is to have the exception, before anything else happens to it.
    fn give_back(&mut self) -> Result<Ran> {
        self.let_driver_answer()?;
        Ok(Ran::On(Stop::Interrupted))
    }

    /// Lets the driver end the exit. A kick without a signal keeps it from entering the guest.
    /// Returns whether that has led to another exit.
    fn let_driver_answer(&mut self) -> Result<bool> {
        self.machine.vcpu.set_answer(Answer::Default);
        self.machine.vcpu.immediate_exit().request();
        self.machine.enter()
    }

    /// The guest stops where it is, with a step that is over or is given up.
    fn stop(&mut self, reason: StopReason, is_done: bool) -> Ran {
        self.end_step(is_done);
        Ran::Stopped(reason)
    }

    fn end_step(&mut self, is_done: bool) {
        if let Some(step) = self.step.take() {
            self.leaves_trap |= !is_done && !step.is_at_start(&self.machine);
            step.end(&mut self.machine, is_done);
        }
    }

    /// Gives a step up that has not come to its end.
    pub fn interrupt(&mut self) {
        self.end_step(false);
    }

    /// What has nothing to do with gdb. What waits for an interrupt is no step any more.
    fn answer(&mut self, bus: &mut dyn Bus) -> Result<Ran> {
        let stop = self.machine.answer(bus)?;
        if let (Stop::Halted, Some(step)) = (&stop, &mut self.step) {
            step.holds_interrupts = false;
        }
        Ok(Ran::On(stop))
    }

    /// Lets the driver carry out MOV to or from a debug register: on the guest's own, wherever they
    /// are.
    fn move_debug_register(&mut self, bus: &mut dyn Bus) -> Result<Ran> {
        let Some(guests) = self.guests.take() else {
            self.machine.vcpu.set_answer(Answer::Default);
            return Ok(Ran::On(Stop::Answered));
        };
        self.exchange(guests)?;
        let has_exited = self.let_driver_answer()?;
        self.lend()?;
        match has_exited {
            true => self.sort(bus),
            false => Ok(Ran::On(Stop::Interrupted)),
        }
    }

    /// Gives the CPU gdb's breakpoints, or the guest its own again if gdb has none.
    fn lend(&mut self) -> Result<()> {
        match (self.guests.take(), self.hardware.is_empty()) {
            (None, true) => {}
            (Some(guests), true) => _ = self.exchange(guests)?,
            (guests, false) => {
                let before = self.exchange((self.hardware.addresses(), self.hardware.dr7()))?;
                self.guests = guests.or(Some(before));
            }
        }
        Ok(())
    }

    /// Writes these to the CPU, and returns what was there.
    fn exchange(&mut self, (addresses, dr7): DebugRegisters) -> Result<DebugRegisters> {
        let mut sregs = self.machine.vcpu.sregs()?;
        let [dr0, dr1, dr2, dr3, _, old_dr7] = &mut sregs.dr;
        let mut old = [0; 4];
        for ((register, new), old) in [dr0, dr1, dr2, dr3]
            .into_iter()
            .zip(addresses)
            .zip(&mut old)
        {
            *old = mem::replace(register, new);
        }
        let old_dr7 = mem::replace(old_dr7, dr7);
        self.machine.vcpu.set_sregs(&sregs)?;
        Ok((old, old_dr7))
    }

    /// gdb is gone: nothing of it stays.
    pub fn let_go(&mut self) -> Result<()> {
        self.interrupt();
        self.int3s.clear(&mut self.machine);
        self.hardware = Hardware::default();
        self.lend()
    }

    /// The guest goes on with the instruction at RIP, though there is a breakpoint for it.
    fn pass_breakpoint(&mut self) {
        let regs = self.machine.vcpu.regs_mut();
        if self.hardware.is_for_instruction(regs.rip) {
            regs.rflags |= rflags::RF;
        }
    }

    fn add(&mut self, watched: Watched) -> TargetResult<bool, Self> {
        let is_added = self.hardware.add(watched).is_some();
        self.lend().map_err(TargetError::Fatal)?;
        Ok(is_added)
    }

    fn remove(&mut self, watched: Watched) -> TargetResult<bool, Self> {
        let is_removed = self.hardware.remove(watched).is_some();
        self.lend().map_err(TargetError::Fatal)?;
        Ok(is_removed)
    }
}

/// What gdb is told when this is met.
fn reason(watched: Watched) -> StopReason {
    let kind = match watched.access {
        Access::Execute => return StopReason::HwBreak(()),
        Access::Write => WatchKind::Write,
        Access::ReadOrWrite => WatchKind::ReadWrite,
    };
    StopReason::Watch {
        tid: (),
        kind,
        addr: watched.address,
    }
}

/// What gdb asks for, if a CPU can watch for it: none can for reads only.
fn watched(address: u64, length: u64, kind: WatchKind) -> Option<Watched> {
    let access = match kind {
        WatchKind::Write => Access::Write,
        WatchKind::ReadWrite => Access::ReadOrWrite,
        WatchKind::Read => return None,
    };
    Some(Watched {
        address,
        length,
        access,
    })
}

impl Target for Debuggee {
    type Arch = Cpu;
    type Error = Error;

    fn base_ops(&mut self) -> BaseOps<'_, Cpu, Error> {
        BaseOps::SingleThread(self)
    }

    fn support_breakpoints(&mut self) -> Option<BreakpointsOps<'_, Self>> {
        Some(self)
    }
}

impl SingleThreadBase for Debuggee {
    fn read_registers(&mut self, registers: &mut Registers) -> TargetResult<(), Self> {
        let vcpu = &self.machine.vcpu;
        let sregs = vcpu.sregs().map_err(fatal)?;
        *registers = Registers::new(vcpu.regs(), &sregs);
        Ok(())
    }

    fn write_registers(&mut self, registers: &Registers) -> TargetResult<(), Self> {
        let sregs = self.machine.vcpu.sregs().map_err(fatal)?;
        let set = registers.set(self.machine.vcpu.regs_mut(), &sregs);
        set.ok_or(TargetError::NonFatal)
    }

    fn read_addrs(&mut self, start: u64, data: &mut [u8]) -> TargetResult<usize, Self> {
        match memory::read(&self.machine, start, data) {
            0 => Err(TargetError::NonFatal),
            count => Ok(count),
        }
    }

    fn write_addrs(&mut self, start: u64, data: &[u8]) -> TargetResult<(), Self> {
        memory::write(&self.machine, start, data).ok_or(TargetError::NonFatal)
    }

    fn support_resume(&mut self) -> Option<SingleThreadResumeOps<'_, Self>> {
        Some(self)
    }
}

fn fatal(error: minivmx::Error) -> TargetError<Error> {
    TargetError::Fatal(error.into())
}

/// A signal would be for a process.
impl SingleThreadResume for Debuggee {
    fn resume(&mut self, _signal: Option<Signal>) -> Result<()> {
        self.interrupt();
        self.pass_breakpoint();
        Ok(())
    }

    fn support_single_step(&mut self) -> Option<SingleThreadSingleStepOps<'_, Self>> {
        Some(self)
    }
}

impl SingleThreadSingleStep for Debuggee {
    fn step(&mut self, _signal: Option<Signal>) -> Result<()> {
        self.interrupt();
        self.pass_breakpoint();
        self.step = Some(Step::begin(&mut self.machine)?);
        Ok(())
    }
}

impl Breakpoints for Debuggee {
    fn support_sw_breakpoint(&mut self) -> Option<SwBreakpointOps<'_, Self>> {
        Some(self)
    }

    fn support_hw_breakpoint(&mut self) -> Option<HwBreakpointOps<'_, Self>> {
        Some(self)
    }

    fn support_hw_watchpoint(&mut self) -> Option<HwWatchpointOps<'_, Self>> {
        Some(self)
    }
}

impl SwBreakpoint for Debuggee {
    fn add_sw_breakpoint(&mut self, address: u64, _kind: usize) -> TargetResult<bool, Self> {
        Ok(self.int3s.add(&mut self.machine, address).is_some())
    }

    fn remove_sw_breakpoint(&mut self, address: u64, _kind: usize) -> TargetResult<bool, Self> {
        Ok(self.int3s.remove(&mut self.machine, address).is_some())
    }
}

impl HwBreakpoint for Debuggee {
    fn add_hw_breakpoint(&mut self, address: u64, _kind: usize) -> TargetResult<bool, Self> {
        self.add(Watched::instruction(address))
    }

    fn remove_hw_breakpoint(&mut self, address: u64, _kind: usize) -> TargetResult<bool, Self> {
        self.remove(Watched::instruction(address))
    }
}

impl HwWatchpoint for Debuggee {
    fn add_hw_watchpoint(
        &mut self,
        address: u64,
        length: u64,
        kind: WatchKind,
    ) -> TargetResult<bool, Self> {
        watched(address, length, kind).map_or(Ok(false), |watched| self.add(watched))
    }

    fn remove_hw_watchpoint(
        &mut self,
        address: u64,
        length: u64,
        kind: WatchKind,
    ) -> TargetResult<bool, Self> {
        watched(address, length, kind).map_or(Ok(false), |watched| self.remove(watched))
    }
}
