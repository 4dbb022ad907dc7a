// SPDX-License-Identifier: GPL-2.0

//! The terminal while a guest owns it.

use std::{
    io::IsTerminal,
    os::fd::AsRawFd, //
};

/// Keys reach the guest one by one and are not echoed; Ctrl-C still stops the
/// program. Dropping it puts the terminal back.
pub struct KeyByKey {
    before: libc::termios,
}

impl KeyByKey {
    /// Changes the terminal at standard input; `None` if there is none.
    pub fn new() -> Option<Self> {
        std::io::stdin().is_terminal().then_some(())?;
        // SAFETY: All bit patterns are values of this structure, and it is overwritten.
        let mut before: libc::termios = unsafe { std::mem::zeroed() };
        // SAFETY: The structure is lent exclusively.
        let read = unsafe { libc::tcgetattr(stdin(), &mut before) };
        (read == 0).then_some(())?;
        let mut changed = before;
        changed.c_lflag &= !(libc::ICANON | libc::ECHO);
        set(&changed);
        Some(Self { before })
    }
}

impl Drop for KeyByKey {
    fn drop(&mut self) {
        set(&self.before);
    }
}

fn stdin() -> i32 {
    std::io::stdin().as_raw_fd()
}

fn set(termios: &libc::termios) {
    // SAFETY: The structure is only read.
    unsafe { libc::tcsetattr(stdin(), libc::TCSANOW, termios) };
}
