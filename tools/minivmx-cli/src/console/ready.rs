// SPDX-License-Identifier: GPL-2.0

//! Waiting, for a file or for time to pass, which ends for a signal.

use std::{
    os::fd::{
        AsRawFd,
        BorrowedFd, //
    },
    ptr,
    time::Duration,
};

/// Unlike that of the library, it ends for a signal.
pub fn sleep(limit: Duration) {
    // SAFETY: No elements are said to be there, and the time is only read.
    unsafe { libc::ppoll(ptr::null_mut(), 0, &timespec(limit), ptr::null()) };
}

/// Whether one of these events is there, at the latest after this time.
pub fn is_ready(file: BorrowedFd<'_>, events: i16, limit: Duration) -> bool {
    let mut poll = libc::pollfd {
        fd: file.as_raw_fd(),
        events,
        revents: 0,
    };
    // SAFETY: One element is lent, and one is said to be there; the time is only read.
    unsafe { libc::ppoll(&mut poll, 1, &timespec(limit), ptr::null()) == 1 }
}

fn timespec(duration: Duration) -> libc::timespec {
    libc::timespec {
        tv_sec: libc::time_t::try_from(duration.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: duration.subsec_nanos().into(),
    }
}
