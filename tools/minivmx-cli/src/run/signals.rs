// SPDX-License-Identifier: GPL-2.0

//! What ends a run from outside: Ctrl-C, SIGTERM, and a time limit.

use std::{
    io,
    sync::{
        atomic::{
            AtomicI32,
            Ordering, //
        },
        OnceLock, //
    },
    time::Duration,
};

use crate::signal;

/// Why the run is to end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stop {
    /// The user wants it.
    Interrupted,
    /// The time is over.
    Timeout,
}

/// Makes a vCPU that runs return to the program. It may interrupt anything, so that it does nothing
/// but atomic stores.
pub type Kick = Box<dyn Fn() + Send + Sync>;

static SIGNAL: AtomicI32 = AtomicI32::new(0);
static VCPU: OnceLock<Kick> = OnceLock::new();

/// Makes the signals end the run of this vCPU, the only one of the process.
pub fn stop_on_signals(kick: Kick) -> io::Result<()> {
    // A second run of the process would be stopped by the flag alone.
    let _ = VCPU.set(kick);
    for ending in [libc::SIGINT, libc::SIGTERM, libc::SIGALRM] {
        signal::handle(ending, handler)?;
    }
    Ok(())
}

/// Ends the run after so much time.
pub fn stop_after(limit: Duration) -> io::Result<()> {
    let once = libc::itimerval {
        it_interval: libc::timeval {
            tv_sec: 0,
            tv_usec: 0,
        },
        it_value: libc::timeval {
            tv_sec: libc::time_t::try_from(limit.as_secs()).unwrap_or(libc::time_t::MAX),
            tv_usec: limit.subsec_micros().into(),
        },
    };
    // SAFETY: The structure is only read; the old value is not asked for.
    match unsafe { libc::setitimer(libc::ITIMER_REAL, &once, std::ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Whether a signal wants the run to end.
pub fn stopped() -> Option<Stop> {
    match SIGNAL.load(Ordering::Acquire) {
        0 => None,
        libc::SIGALRM => Some(Stop::Timeout),
        _ => Some(Stop::Interrupted),
    }
}

/// Does nothing but atomic stores, as [`Kick`].
extern "C" fn handler(signal: i32, _info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    SIGNAL.store(signal, Ordering::Release);
    if let Some(kick) = VCPU.get() {
        kick();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signal_says_why() {
        for (signal, stop) in [
            (0, None),
            (libc::SIGALRM, Some(Stop::Timeout)),
            (libc::SIGINT, Some(Stop::Interrupted)),
        ] {
            SIGNAL.store(signal, Ordering::Release);
            assert_eq!(stopped(), stop);
        }
        SIGNAL.store(0, Ordering::Release);
    }
}
