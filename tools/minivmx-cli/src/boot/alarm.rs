// SPDX-License-Identifier: GPL-2.0

//! The clock of a guest that computes: a timer of the host, whose signal brings the
//! vCPU back to the program.

use std::{
    io,
    mem,
    ptr,
    sync::OnceLock,
    time::Duration, //
};

use crate::{
    run::signals::Kick,
    signal, //
};

static VCPU: OnceLock<Kick> = OnceLock::new();

/// A timer that rings once for each time it is set to.
pub struct Alarm {
    timer: libc::timer_t,
    set_to: Option<Duration>,
}

impl Alarm {
    /// One that stops this vCPU, the only one of the process.
    pub fn new(kick: Kick) -> io::Result<Self> {
        // A second guest of the process would be stopped by its own signal.
        let _ = VCPU.set(kick);
        let rings = libc::SIGRTMIN();
        signal::handle(rings, handler)?;
        Ok(Self {
            timer: create(rings)?,
            set_to: None,
        })
    }

    /// Rings at `due`, or not at all; both times are of the same clock. It costs nothing to be told
    /// the same again.
    pub fn set(&mut self, due: Option<Duration>, now: Duration) -> io::Result<()> {
        if due == self.set_to {
            return Ok(());
        }
        self.set_to = due;
        // A time of 0 would stop the timer.
        let wait = due.map(|due| due.saturating_sub(now).max(Duration::from_nanos(1)));
        start(self.timer, wait.unwrap_or_default())
    }

    /// It may have rung.
    pub fn rang(&mut self) {
        self.set_to = None;
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        // SAFETY: The timer is there, and nobody uses it any more.
        unsafe { libc::timer_delete(self.timer) };
    }
}

fn create(signal: i32) -> io::Result<libc::timer_t> {
    // SAFETY: All bit patterns are values of this structure.
    let mut event: libc::sigevent = unsafe { mem::zeroed() };
    event.sigev_notify = libc::SIGEV_SIGNAL;
    event.sigev_signo = signal;
    let mut timer = ptr::null_mut();
    // SAFETY: The event is only read, and the timer is lent exclusively.
    match unsafe { libc::timer_create(libc::CLOCK_MONOTONIC, &mut event, &mut timer) } {
        0 => Ok(timer),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Lets the timer ring once after so much time; with 0 it is stopped.
fn start(timer: libc::timer_t, wait: Duration) -> io::Result<()> {
    let once = libc::itimerspec {
        it_interval: libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        },
        it_value: libc::timespec {
            tv_sec: libc::time_t::try_from(wait.as_secs()).unwrap_or(libc::time_t::MAX),
            tv_nsec: wait.subsec_nanos().into(),
        },
    };
    // SAFETY: The timer is there; the time is only read, and the old one is not asked for.
    match unsafe { libc::timer_settime(timer, 0, &once, ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Does nothing but atomic stores, as [`Kick`].
extern "C" fn handler(_signal: i32, _info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    if let Some(kick) = VCPU.get() {
        kick();
    }
}
