// SPDX-License-Identifier: GPL-2.0

//! What is typed for the guest, without waiting for it.

use std::{
    io,
    os::fd::{
        AsFd,
        AsRawFd, //
    },
    time::Duration, //
};

use super::{
    ready::{
        is_ready,
        sleep, //
    },
    terminal::{
        KeyByKey,
        Keys, //
    },
};

/// A source of bytes that never blocks.
pub trait Input: Send {
    /// Takes what is there, at most as much as there is room for; says how much.
    fn read(&mut self, room: &mut [u8]) -> usize;

    /// Whether there may come more, and it could be taken.
    fn is_open(&self) -> bool;

    /// Waits until something is there, or for a signal; no longer than this.
    fn wait(&mut self, limit: Duration);
}

/// Nobody types.
impl Input for io::Empty {
    fn read(&mut self, _room: &mut [u8]) -> usize {
        0
    }

    fn is_open(&self) -> bool {
        false
    }

    fn wait(&mut self, limit: Duration) {
        sleep(limit);
    }
}

/// Standard input; a terminal gives key by key as long as this lives.
pub struct Standard {
    /// The end has been read: there is no need to look again.
    ended: bool,
    _terminal: Option<KeyByKey>,
}

impl Standard {
    /// What the guest gets of a terminal are these keys.
    pub fn new(keys: Keys) -> Self {
        Self {
            ended: false,
            _terminal: KeyByKey::new(keys),
        }
    }
}

impl Input for Standard {
    fn read(&mut self, room: &mut [u8]) -> usize {
        if self.ended || room.is_empty() || !has_input(Duration::ZERO) {
            return 0;
        }
        let stdin = std::io::stdin().as_raw_fd();
        // SAFETY: The pointer and the length are those of a slice that is lent exclusively.
        let count = unsafe { libc::read(stdin, room.as_mut_ptr().cast(), room.len()) };
        self.ended = count == 0;
        usize::try_from(count).unwrap_or(0)
    }

    fn is_open(&self) -> bool {
        !self.ended
    }

    fn wait(&mut self, limit: Duration) {
        match self.ended {
            true => sleep(limit),
            false => _ = has_input(limit),
        }
    }
}

/// Whether there is something to be read, at the latest after this time.
fn has_input(limit: Duration) -> bool {
    is_ready(std::io::stdin().as_fd(), libc::POLLIN, limit)
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// Input that is known in advance.
    impl Input for &'static [u8] {
        fn read(&mut self, room: &mut [u8]) -> usize {
            let (now, later) = self.split_at(room.len().min(self.len()));
            room[..now.len()].copy_from_slice(now);
            *self = later;
            now.len()
        }

        fn is_open(&self) -> bool {
            !self.is_empty()
        }

        fn wait(&mut self, _limit: Duration) {}
    }

    #[test]
    fn no_room_takes_nothing() {
        assert_eq!(Standard::new(Keys::Most).read(&mut []), 0);
    }
}
