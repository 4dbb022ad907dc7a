// SPDX-License-Identifier: GPL-2.0

//! The terminal while a guest owns it.

use std::{
    io::{
        self,
        IsTerminal, //
    },
    mem,
    sync::OnceLock, //
};

use crate::signal;

/// How the terminal was; in a place where a signal handler finds it.
static BEFORE: OnceLock<libc::termios> = OnceLock::new();

/// What a program dies of that does nothing about it.
const FATAL: [libc::c_int; 7] = [
    libc::SIGABRT,
    libc::SIGBUS,
    libc::SIGFPE,
    libc::SIGHUP,
    libc::SIGILL,
    libc::SIGQUIT,
    libc::SIGSEGV,
];

/// Which keys reach the guest, one by one and without an echo.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Keys {
    /// All but those that send signals: Ctrl-C still stops the program.
    Most,
    /// All of them.
    All,
}

/// The terminal at standard input, changed. Dropping it puts the terminal back, and so do the
/// signals that a program usually dies of.
pub struct KeyByKey(());

impl KeyByKey {
    /// Changes the terminal; `None` if there is none.
    pub fn new(keys: Keys) -> Option<Self> {
        let before = BEFORE.get_or_init(|| read().unwrap_or_else(zeroed));
        is_terminal().then_some(())?;
        put_back_when_dying().ok()?;
        set(&changed(before, keys));
        Some(Self(()))
    }
}

impl Drop for KeyByKey {
    fn drop(&mut self) {
        put_back();
    }
}

/// Whether there is one at standard input.
pub fn is_terminal() -> bool {
    io::stdin().is_terminal()
}

fn changed(before: &libc::termios, keys: Keys) -> libc::termios {
    let mut changed = *before;
    changed.c_lflag &= !(libc::ICANON | libc::ECHO);
    if keys == Keys::All {
        changed.c_lflag &= !(libc::ISIG | libc::IEXTEN);
        changed.c_iflag &= !(libc::ICRNL | libc::IXON | libc::BRKINT | libc::ISTRIP);
    }
    changed
}

fn put_back_when_dying() -> io::Result<()> {
    for fatal in FATAL {
        signal::handle(fatal, die)?;
    }
    Ok(())
}

/// Dies of that signal once more, with the terminal as it was: each call here is allowed in a
/// handler.
extern "C" fn die(signal: libc::c_int, _info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    put_back();
    // SAFETY: No handler takes its place, and so nothing runs that would have to be prepared for
    // it.
    unsafe { libc::signal(signal, libc::SIG_DFL) };
    // SAFETY: A process may signal itself; the signal is blocked until this handler is left.
    unsafe { libc::raise(signal) };
}

fn put_back() {
    if let Some(before) = BEFORE.get() {
        set(before);
    }
}

fn zeroed() -> libc::termios {
    // SAFETY: All bit patterns are values of this structure.
    unsafe { mem::zeroed() }
}

fn read() -> Option<libc::termios> {
    let mut termios = zeroed();
    // SAFETY: The structure is lent exclusively.
    (unsafe { libc::tcgetattr(libc::STDIN_FILENO, &mut termios) } == 0).then_some(termios)
}

fn set(termios: &libc::termios) {
    // SAFETY: The structure is only read.
    unsafe { libc::tcsetattr(libc::STDIN_FILENO, libc::TCSANOW, termios) };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usual() -> libc::termios {
        libc::termios {
            c_iflag: libc::ICRNL | libc::IXON,
            c_oflag: libc::OPOST,
            c_lflag: libc::ISIG | libc::ICANON | libc::ECHO | libc::IEXTEN,
            ..zeroed()
        }
    }

    #[test]
    fn a_guest_may_have_ctrl_c_or_not() {
        let most = changed(&usual(), Keys::Most);
        assert_eq!(most.c_lflag, libc::ISIG | libc::IEXTEN);
        assert_eq!(most.c_iflag, libc::ICRNL | libc::IXON);
        let all = changed(&usual(), Keys::All);
        assert_eq!((all.c_lflag, all.c_iflag), (0, 0));
    }

    /// The program's own lines are to begin on the left.
    #[test]
    fn output_stays_as_it_is() {
        assert_eq!(changed(&usual(), Keys::All).c_oflag, libc::OPOST);
    }
}
