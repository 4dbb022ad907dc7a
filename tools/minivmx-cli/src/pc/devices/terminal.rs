// SPDX-License-Identifier: GPL-2.0

//! A device that has the terminal: it takes of what is typed as much as it has room for, so that
//! nothing is lost, and the rest waits where it is.

use std::time::Duration;

use crate::console::{
    input::Input,
    ready, //
};

pub trait Terminal {
    /// It could take so many bytes now.
    fn room(&self) -> usize;

    /// Takes them.
    fn take(&mut self, typed: &[u8]);

    fn input(&mut self) -> &mut dyn Input;

    /// Takes what was typed.
    fn receive(&mut self) {
        let mut bytes = [0; 256];
        let room = self.room().min(bytes.len());
        let count = self.input().read(&mut bytes[..room]);
        self.take(&bytes[..count]);
    }

    /// Whether there is room for what is typed, and somebody who could type.
    fn awaits_input(&mut self) -> bool {
        self.room() != 0 && self.input().is_open()
    }

    /// Waits for something to be typed, if there is room for it, or a signal; no longer than this.
    fn wait(&mut self, limit: Duration) {
        match self.room() {
            0 => ready::sleep(limit),
            _ => self.input().wait(limit),
        }
    }
}
