// SPDX-License-Identifier: GPL-2.0

//! `--gdb`: a guest that gdb sees and stops, by gdb's remote protocol. The guest waits for gdb at
//! its first instruction. When gdb leaves it, or is gone, it goes on; gdb may come again.

mod breakpoints;
mod connection;
mod debuggee;
mod int3;
mod memory;
mod registers;
mod step;

use std::{
    mem, thread,
    time::{
        Duration,
        Instant, //
    },
};

use anyhow::{
    bail,
    Result, //
};
use gdbstub::{
    common::Signal,
    stub::{
        state_machine::GdbStubStateMachine,
        DisconnectReason,
        GdbStub,
        GdbStubError, //
    },
};
use minivmx::{
    CpuidEntry,
    VcpuState, //
};
use vm_memory::GuestMemoryMmap;

use super::{
    accelerator::{
        Accelerator,
        Stop, //
    },
    kernel::Kernel,
    look::Counts,
    meter::Meter,
    LOOK,
};
use crate::{
    pc::bus::Bus,
    run::{
        machine::Machine,
        outcome::Outcome,
        signals::Kick, //
    },
};
pub use connection::Place;
use connection::{
    Listener,
    Wire, //
};
use debuggee::{
    Debuggee,
    Ran,
    StopReason, //
};

/// So often somebody who waits for gdb looks whether it has come.
const PAUSE: Duration = Duration::from_millis(20);

type Session = GdbStubStateMachine<'static, Debuggee, Wire>;

enum State {
    /// The guest has not begun yet.
    Awaited,
    /// It goes on without gdb.
    Alone,
    /// gdb is there.
    Attached(Session),
    /// gdb wants its end.
    Killed,
}

/// A guest that runs when gdb lets it.
pub struct Debugger {
    debuggee: Debuggee,
    listener: Listener,
    state: State,
    /// When it is looked at next what gdb says while the guest runs.
    look_due: Instant,
}

impl Debugger {
    /// Gives gdb a machine, to be found at a place.
    pub fn new(machine: Machine, place: &Place) -> Result<Self> {
        let listener = Listener::new(place)?;
        eprintln!(
            "minivmx: the guest waits for gdb, target remote {}",
            listener.address()?
        );
        Ok(Self {
            debuggee: Debuggee::new(machine)?,
            listener,
            state: State::Awaited,
            look_due: Instant::now(),
        })
    }

    /// May the guest run?
    fn is_running(&self) -> bool {
        match &self.state {
            State::Alone | State::Attached(GdbStubStateMachine::Running(_)) => true,
            State::Awaited | State::Attached(_) | State::Killed => false,
        }
    }

    /// Hears what gdb says: at once, if the guest stands still, or else now and then. An interrupt
    /// that is on its way to the guest has to arrive before gdb may stop it.
    fn talk(&mut self) -> Result<()> {
        if !self.is_running() {
            return self.hear(LOOK);
        }
        let now = Instant::now();
        if now < self.look_due || self.debuggee.machine.vcpu.event().is_some() {
            return Ok(());
        }
        self.look_due = now + LOOK;
        self.hear(Duration::ZERO)
    }

    /// Takes what gdb says within this time.
    fn hear(&mut self, limit: Duration) -> Result<()> {
        let session = match mem::replace(&mut self.state, State::Alone) {
            State::Attached(session) => session,
            other => {
                self.state = other;
                return self.accept(limit);
            }
        };
        let (session, bytes) = read(session, limit);
        match bytes {
            Ok(bytes) => {
                let after = bytes.into_iter().try_fold(session, |session, byte| {
                    take(session, &mut self.debuggee, byte)
                });
                self.go_on(after)
            }
            Err(error) => self.lose(&error),
        }
    }

    /// Lets gdb in, if it has come.
    fn accept(&mut self, limit: Duration) -> Result<()> {
        if matches!(self.state, State::Killed) {
            return Ok(());
        }
        let Some(wire) = self.listener.accept()? else {
            thread::sleep(limit.min(PAUSE));
            return Ok(());
        };
        let session = GdbStub::new(wire).run_state_machine(&mut self.debuggee);
        self.go_on(session)
    }

    /// Tells gdb why the guest stopped.
    fn report(&mut self, reason: StopReason) -> Result<()> {
        match mem::replace(&mut self.state, State::Alone) {
            State::Attached(GdbStubStateMachine::Running(session)) => {
                let after = session.report_stop(&mut self.debuggee, reason);
                self.go_on(after)
            }
            other => {
                self.state = other;
                Ok(())
            }
        }
    }

    /// What a word of gdb's has led to.
    fn go_on(&mut self, session: Result<Session, Failure>) -> Result<()> {
        match session {
            Ok(GdbStubStateMachine::Disconnected(session)) => match session.get_reason() {
                DisconnectReason::Kill => self.state = State::Killed,
                _ => return self.let_go("gdb has left the guest, which goes on"),
            },
            Ok(session) => self.state = State::Attached(session),
            Err(error) if error.is_target_error() => {
                return Err(error.into_target_error().map_or_else(
                    || anyhow::anyhow!("gdb asked for what failed"),
                    |error| error.context("for gdb"),
                ));
            }
            Err(error) => return self.lose(&error),
        }
        Ok(())
    }

    fn lose(&mut self, error: &dyn std::fmt::Display) -> Result<()> {
        self.let_go(&format!("gdb is lost ({error}), the guest goes on"))
    }

    fn let_go(&mut self, sentence: &str) -> Result<()> {
        eprintln!("minivmx: {sentence}");
        self.state = State::Alone;
        self.debuggee.let_go()
    }
}

type Failure = GdbStubError<anyhow::Error, std::io::Error>;

/// What comes from gdb within this time.
fn read(session: Session, limit: Duration) -> (Session, std::io::Result<Vec<u8>>) {
    match session {
        GdbStubStateMachine::Idle(mut session) => {
            let bytes = session.borrow_conn().read(limit);
            (session.into(), bytes)
        }
        GdbStubStateMachine::Running(mut session) => {
            let bytes = session.borrow_conn().read(limit);
            (session.into(), bytes)
        }
        other => (other, Ok(Vec::new())),
    }
}

/// Takes a byte. Ctrl-C stops the guest at once; one that came before gdb let the guest run, before
/// it does.
fn take(session: Session, debuggee: &mut Debuggee, byte: u8) -> Result<Session, Failure> {
    let after = match session {
        GdbStubStateMachine::Idle(session) => session.incoming_data(debuggee, byte)?,
        GdbStubStateMachine::Running(session) => session.incoming_data(debuggee, byte)?,
        other => other,
    };
    match after {
        GdbStubStateMachine::CtrlCInterrupt(session) => {
            debuggee.interrupt();
            let reason = StopReason::Signal(Signal::SIGINT);
            session.interrupt_handled(debuggee, Some(reason))
        }
        GdbStubStateMachine::Idle(session) => {
            debuggee.interrupt();
            Ok(session.into())
        }
        other => Ok(other),
    }
}

/// As the machine, when gdb lets it run.
impl Accelerator for Debugger {
    fn memory(&self) -> &GuestMemoryMmap {
        self.debuggee.machine.memory()
    }

    fn begin(&mut self, kernel: &Kernel, cpuid: &[CpuidEntry]) -> Result<()> {
        self.debuggee.machine.begin(kernel, cpuid)
    }

    fn vcpu_state(&mut self) -> Result<VcpuState> {
        bail!("gdb has its breakpoints in this guest")
    }

    fn restore(&mut self, state: &VcpuState, cpuid: &[CpuidEntry]) -> Result<()> {
        self.debuggee.machine.restore(state, cpuid)
    }

    fn kick(&self) -> Kick {
        self.debuggee.machine.kick()
    }

    fn clear_kick(&mut self) {
        self.debuggee.machine.clear_kick();
    }

    fn run(&mut self, bus: &mut dyn Bus, meter: &mut Meter<'_>) -> Result<Stop> {
        self.talk()?;
        if let State::Killed = self.state {
            return Ok(Stop::Failed(Outcome::Killed));
        }
        if !self.is_running() {
            return Ok(Stop::Interrupted);
        }
        match self.debuggee.run(bus, meter)? {
            Ran::On(stop) => Ok(stop),
            Ran::Stopped(reason) => {
                self.report(reason)?;
                Ok(Stop::Answered)
            }
        }
    }

    fn is_called(&mut self) -> Result<bool> {
        self.talk()?;
        Ok(!self.is_running())
    }

    fn can_take_interrupt(&self) -> bool {
        self.is_running()
            && !self.debuggee.holds_interrupts()
            && self.debuggee.machine.can_take_interrupt()
    }

    fn interrupt(&mut self, vector: u8) -> Result<()> {
        self.debuggee.machine.interrupt(vector)
    }

    fn ask_for_window(&mut self, wanted: bool) {
        let wanted = wanted && !self.debuggee.holds_interrupts();
        self.debuggee.machine.ask_for_window(wanted);
    }

    fn has_interrupts_enabled(&self) -> bool {
        self.debuggee.machine.has_interrupts_enabled()
    }

    fn counts(&self) -> Result<Counts> {
        self.debuggee.machine.counts()
    }

    fn state(&self, verbose: bool) -> String {
        self.debuggee.machine.state(verbose)
    }
}
