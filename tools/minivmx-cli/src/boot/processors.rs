// SPDX-License-Identifier: GPL-2.0

//! A guest with several CPUs: a thread for each, and one that keeps the time. The devices
//! are behind one lock, with all that a CPU may wait for, so that nothing is missed:
//!
//! - a CPU that waits does so with the lock given up, and is told of each change;
//! - a CPU that runs has looked at what there is for it under the lock, after it forgot of
//!   earlier kicks. Whoever changes that afterwards kicks it, which ends its run, or
//!   keeps it from beginning.

mod cpu;
pub mod cpuid;
pub mod startup;

use std::{
    os::fd::AsRawFd,
    panic::{
        self,
        AssertUnwindSafe, //
    },
    ptr,
    sync::{
        Condvar,
        Mutex,
        MutexGuard,
        PoisonError, //
    },
    thread,
    time::Duration,
};

use anyhow::{
    anyhow,
    Context,
    Result, //
};
use vm_memory::GuestMemoryMmap;
use vmm_sys_util::eventfd::{
    EventFd,
    EFD_NONBLOCK, //
};

use super::{
    accelerator::Processor,
    end,
    look::{
        Look,
        Period, //
    },
    meter::Meters,
    LOOK, //
};
use crate::{
    console::escape::{
        self,
        Command,
        Commands, //
    },
    pc::devices::Devices,
    run::{
        outcome::Outcome,
        signals::{
            self,
            Kick, //
        },
    },
    signal,
};
use cpu::Cpu;

/// What a CPU's thread does.
#[derive(Clone, Copy)]
enum Activity {
    /// It runs the guest, or is about to.
    Runs(libc::pthread_t),
    /// It waits for an interrupt.
    Sleeps,
    /// Only another CPU can start it.
    Off,
}

/// How it ended, and whose registers tell of it.
pub struct End {
    pub cpu: usize,
    pub outcome: Outcome,
}

/// What remains of a run.
pub struct Run {
    pub end: End,
    pub period: Period,
    pub devices: Devices,
}

struct State {
    devices: Devices,
    cpus: Vec<Activity>,
    end: Option<Result<End>>,
    /// The one that keeps the time looks then, at the latest.
    look_due: Duration,
    /// When what was counted was shown last, or else at the beginning.
    looked: Look,
}

/// What the threads have in common.
struct Board {
    state: Mutex<State>,
    /// The guest's.
    memory: GuestMemoryMmap,
    changed: Condvar,
    kicks: Vec<Kick>,
    /// Calls the one that keeps the time.
    bell: EventFd,
    commands: Commands,
    meters: Meters,
}

/// Runs the guest on these CPUs to its end.
pub fn run(guests: &mut [Box<dyn Processor>], devices: Devices, commands: Commands) -> Result<Run> {
    signal::handle(libc::SIGRTMIN(), interrupt)?;
    let meters = Meters::default();
    let begun = Look::new(guests[0].counts()?, meters.ticks());
    let state = State {
        devices,
        cpus: vec![Activity::Sleeps; guests.len()],
        end: None,
        look_due: Duration::ZERO,
        looked: begun.clone(),
    };
    let board = Board {
        state: Mutex::new(state),
        memory: guests[0].memory().clone(),
        changed: Condvar::new(),
        kicks: guests.iter().map(|guest| guest.kick()).collect(),
        bell: EventFd::new(EFD_NONBLOCK).context("eventfd")?,
        commands,
        meters,
    };
    thread::scope(|scope| {
        // Whatever happens here, the others end, and are waited for.
        let _last = Last(&board);
        for (number, guest) in guests.iter_mut().enumerate() {
            let (name, board) = (format!("cpu {number}"), &board);
            let cpu = Cpu::new(number, guest.as_mut(), board);
            thread::Builder::new()
                .name(name)
                .spawn_scoped(scope, move || board.run(number, cpu))?;
        }
        board.keep_time();
        Ok::<_, anyhow::Error>(())
    })?;
    let state = board.state.into_inner();
    let state = state.unwrap_or_else(PoisonError::into_inner);
    let end = state.end.context("the CPUs stopped without an end")??;
    let ended = Look::new(guests[0].counts()?, board.meters.ticks());
    Ok(Run {
        end,
        period: ended.since(&begun),
        devices: state.devices,
    })
}

/// Ends all CPUs.
struct Last<'a>(&'a Board);

impl Drop for Last<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.end(Err(anyhow!("the thread that keeps the time failed")));
        (0..state.cpus.len()).for_each(|cpu| self.0.kick(&state, cpu));
    }
}

impl State {
    /// It is the end; the first one counts.
    fn end(&mut self, end: Result<End>) {
        self.end.get_or_insert(end);
    }

    fn end_with(&mut self, cpu: usize, outcome: Outcome) {
        self.end(Ok(End { cpu, outcome }));
    }

    /// A CPU no longer runs. If none can any more, it is the end.
    fn rest(&mut self, cpu: usize, activity: Activity) {
        self.cpus[cpu] = activity;
        let mut cpus = self.cpus.iter();
        let all_off = cpus.all(|cpu| matches!(cpu, Activity::Off));
        if all_off && !self.devices.is_starting() {
            self.end_with(0, Outcome::Halted);
        }
    }
}

impl Board {
    /// A panic of another thread has ended the run, or will, and what it left is looked at no more.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A CPU's thread. If it fails, or panics, all others end as well.
    fn run(&self, number: usize, mut cpu: Cpu<'_>) {
        let ended = panic::catch_unwind(AssertUnwindSafe(|| cpu.run()));
        let mut state = self.lock();
        state.cpus[number] = Activity::Off;
        match ended {
            Ok(Ok(())) => {}
            Ok(Err(error)) => state.end(Err(error.context(format!("CPU {number}")))),
            Err(_) => state.end(Err(anyhow!("the thread of CPU {number} panicked"))),
        }
        self.ring();
    }

    /// Lets time pass for the devices, and looks what is typed, until the end.
    fn keep_time(&self) {
        while let Some((limit, awaits_input)) = self.tick() {
            wait(&self.bell, awaits_input, limit);
        }
    }

    /// Does what is due. Returns how long there is nothing to do, but for what may be typed.
    fn tick(&self) -> Option<(Duration, bool)> {
        let mut state = self.lock();
        state.devices.receive();
        state.devices.serve(&self.memory);
        state.devices.look_into_mailbox(&self.memory);
        state.devices.raise_lines();
        self.carry_out_command(&mut state);
        if let Some(stop) = signals::stopped() {
            state.end_with(0, stop.into());
        }
        if state.end.is_some() {
            return None;
        }
        let now = state.devices.now();
        let due = state.devices.due();
        state.look_due = due.unwrap_or(Duration::MAX).min(now + LOOK);
        self.wake(&mut state, None);
        let limit = state.look_due.saturating_sub(now);
        Some((limit, state.devices.awaits_input()))
    }

    /// Counts are known to the first CPU.
    fn carry_out_command(&self, state: &mut State) {
        match self.commands.get() {
            None => {}
            Some(Command::End) => state.end_with(0, Outcome::Ended),
            Some(Command::Counts) => self.kick(state, 0),
            Some(Command::Help) => {
                eprintln!("{}", escape::HELP);
                self.commands.set(None);
            }
            Some(Command::Snapshot) => {
                eprintln!("\nminivmx: snapshots are of guests with one CPU");
                self.commands.set(None);
            }
        }
    }

    /// Tells those of what has changed whom it concerns, but for the one who knows.
    fn wake(&self, state: &mut State, but: Option<usize>) {
        let woken = state.devices.take_woken();
        let cpus = (0..state.cpus.len()).filter(|cpu| woken & (1 << cpu) != 0);
        for cpu in cpus.filter(|cpu| Some(*cpu) != but) {
            self.kick(state, cpu);
        }
        if let Some(outcome) = end::asked_for(&state.devices) {
            state.end_with(0, outcome);
        }
        let due = state.devices.due().unwrap_or(Duration::MAX);
        if due < state.look_due || state.end.is_some() {
            state.look_due = due;
            self.ring();
        }
    }

    /// Lets a CPU look at what there is for it.
    fn kick(&self, state: &State, cpu: usize) {
        if let Activity::Runs(thread) = state.cpus[cpu] {
            self.kicks[cpu]();
            // SAFETY: It says under this lock that it runs, and takes that back before it ends.
            unsafe { libc::pthread_kill(thread, libc::SIGRTMIN()) };
        } else {
            self.changed.notify_all();
        }
    }

    fn ring(&self) {
        // It fails if it has been rung so often that it cannot count it: it rings.
        let _ = self.bell.write(1);
    }
}

/// Waits for the bell, or for somebody to type; no longer than this.
fn wait(bell: &EventFd, awaits_input: bool, limit: Duration) {
    let poll = |fd| libc::pollfd {
        fd,
        events: libc::POLLIN,
        revents: 0,
    };
    let input = if awaits_input { libc::STDIN_FILENO } else { -1 };
    let mut polls = [poll(bell.as_raw_fd()), poll(input)];
    let limit = libc::timespec {
        tv_sec: libc::time_t::try_from(limit.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: limit.subsec_nanos().into(),
    };
    // SAFETY: Two elements are lent, and two are said to be there; the time is only read.
    unsafe { libc::ppoll(polls.as_mut_ptr(), 2, &limit, ptr::null()) };
    // It fails if it was not rung.
    let _ = bell.read();
}

/// Does nothing: that it comes ends the run.
extern "C" fn interrupt(_signal: i32, _info: *mut libc::siginfo_t, _context: *mut libc::c_void) {}

#[cfg(test)]
mod tests;
