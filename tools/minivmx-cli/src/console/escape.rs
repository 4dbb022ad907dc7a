// SPDX-License-Identifier: GPL-2.0

//! Keys for the program, at a terminal whose keys are all the guest's: Ctrl-A, and
//! another one.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        Mutex,
        MutexGuard,
        PoisonError, //
    },
    time::Duration,
};

use super::input::Input;

/// Said at the beginning.
pub const HINT: &str = "Ctrl-A x ends the guest, Ctrl-A ? says what other keys there are";

/// What the keys do.
pub const HELP: &str = "
Ctrl-A x       ends the guest
Ctrl-A s       shows what was counted since the last time
Ctrl-A w       writes the guest into the file of --snapshot
Ctrl-A Ctrl-A  is Ctrl-A for the guest
Ctrl-A ?       shows this
All other keys are the guest's, Ctrl-C among them.";

const CTRL_A: u8 = 1;
/// Most that is kept for a guest that does not look. What is typed beyond waits in the terminal.
const KEPT: usize = 4096;

/// What is asked of the program.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Command {
    End,
    Counts,
    Snapshot,
    Help,
}

/// The command that was typed last and is not carried out yet.
#[derive(Clone, Default)]
pub struct Commands(Arc<Mutex<Option<Command>>>);

impl Commands {
    pub fn get(&self) -> Option<Command> {
        *self.lock()
    }

    pub fn set(&self, command: Option<Command>) {
        *self.lock() = command;
    }

    fn lock(&self) -> MutexGuard<'_, Option<Command>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Input without what is typed for the program. It is read even if the guest does not look.
pub struct Escape<I> {
    input: I,
    /// For the guest.
    kept: VecDeque<u8>,
    /// Ctrl-A was typed last.
    begun: bool,
    commands: Commands,
}

impl<I: Input> Escape<I> {
    pub fn new(input: I) -> Self {
        Self {
            input,
            kept: VecDeque::new(),
            begun: false,
            commands: Commands::default(),
        }
    }

    /// Where commands come out.
    pub fn commands(&self) -> Commands {
        self.commands.clone()
    }

    fn take(&mut self, key: u8) {
        if !std::mem::take(&mut self.begun) {
            self.begun = key == CTRL_A;
            return if !self.begun {
                self.kept.push_back(key)
            };
        }
        match key {
            CTRL_A => self.kept.push_back(key),
            b'x' => self.ask(Command::End),
            b's' => self.ask(Command::Counts),
            b'w' => self.ask(Command::Snapshot),
            b'?' | b'h' => self.ask(Command::Help),
            _ => {}
        }
    }

    /// After the end nothing else counts.
    fn ask(&self, command: Command) {
        if self.commands.get() != Some(Command::End) {
            self.commands.set(Some(command));
        }
    }

    fn look(&mut self) {
        let mut keys = [0; 64];
        let room = keys.len().min(KEPT.saturating_sub(self.kept.len()));
        if room == 0 {
            return;
        }
        let count = self.input.read(&mut keys[..room]);
        for key in &keys[..count] {
            self.take(*key);
        }
    }
}

impl<I: Input> Input for Escape<I> {
    fn read(&mut self, room: &mut [u8]) -> usize {
        self.look();
        let count = room.len().min(self.kept.len());
        for (place, key) in room.iter_mut().zip(self.kept.drain(..count)) {
            *place = key;
        }
        count
    }

    fn is_open(&self) -> bool {
        self.kept.len() < KEPT && self.input.is_open()
    }

    fn wait(&mut self, limit: Duration) {
        if self.kept.is_empty() {
            self.input.wait(limit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(keys: &'static [u8]) -> (Vec<u8>, Option<Command>) {
        let mut escape = Escape::new(keys);
        let mut room = [0; 80];
        let count = escape.read(&mut room);
        (room[..count].to_vec(), escape.commands().get())
    }

    #[test]
    fn all_keys_but_one_are_the_guests() {
        assert_eq!(typed(b"ls\r\x03\x1a"), (b"ls\r\x03\x1a".into(), None));
        assert_eq!(typed(b"x\x01"), (b"x".into(), None));
    }

    #[test]
    fn behind_ctrl_a_they_are_commands() {
        assert_eq!(typed(b"a\x01xb"), (b"ab".into(), Some(Command::End)));
        assert_eq!(typed(b"\x01s"), (vec![], Some(Command::Counts)));
        assert_eq!(typed(b"\x01w"), (vec![], Some(Command::Snapshot)));
        assert_eq!(typed(b"\x01?"), (vec![], Some(Command::Help)));
        assert_eq!(typed(b"\x01\x01x"), (b"\x01x".into(), None));
        assert_eq!(typed(b"\x01q"), (vec![], None));
    }

    #[test]
    fn the_end_is_the_end() {
        assert_eq!(typed(b"\x01x\x01s"), (vec![], Some(Command::End)));
    }

    /// By a guest that looks twice for each byte that it takes.
    #[test]
    fn nothing_of_a_long_paste_is_lost() {
        let keys: Vec<_> = (b' '..=b'~').cycle().take(3 * KEPT).collect();
        let pasted: &'static [u8] = keys.leak();
        let mut escape = Escape::new(pasted);
        let mut heard: Vec<u8> = Vec::new();
        let mut room = [0_u8; 1];
        for _ in 0..pasted.len() {
            escape.read(&mut []);
            let count = escape.read(&mut room);
            heard.extend_from_slice(&room[..count]);
        }
        assert_eq!(heard, pasted);
    }

    /// Such as one that hangs.
    #[test]
    fn a_guest_that_does_not_look_can_be_ended() {
        let mut escape = Escape::new(&b"lost?\x01x"[..]);
        assert_eq!(escape.read(&mut []), 0);
        assert_eq!(escape.commands().get(), Some(Command::End));
        let mut room = [0; 3];
        assert_eq!(escape.read(&mut room), 3);
        assert_eq!(&room, b"los");
    }
}
