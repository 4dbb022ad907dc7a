// SPDX-License-Identifier: GPL-2.0

//! SIGUSR1, which asks for a snapshot where nobody can type that.

use std::{
    io,
    sync::{
        atomic::{
            AtomicBool,
            Ordering, //
        },
        OnceLock, //
    },
};

use crate::{
    run::signals::Kick,
    signal, //
};

static ASKED: AtomicBool = AtomicBool::new(false);
static VCPU: OnceLock<Kick> = OnceLock::new();

/// Lets the signal ask, and stop this vCPU, the only one of the process.
pub fn by_signal(kick: Kick) -> io::Result<()> {
    let _ = VCPU.set(kick);
    signal::handle(libc::SIGUSR1, handler)
}

/// Whether it has come.
pub fn is_there() -> bool {
    ASKED.load(Ordering::Acquire)
}

/// The same, once.
pub fn take() -> bool {
    ASKED.swap(false, Ordering::AcqRel)
}

/// Does nothing but atomic stores, as [`Kick`].
extern "C" fn handler(_signal: i32, _info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    ASKED.store(true, Ordering::Release);
    if let Some(kick) = VCPU.get() {
        kick();
    }
}
