// SPDX-License-Identifier: GPL-2.0

//! What is typed for the guest: standard input, without waiting for it.

use std::{
    collections::VecDeque,
    os::fd::AsRawFd, //
};

use crate::terminal::KeyByKey;

/// A source of bytes that never blocks.
pub enum Input {
    /// Standard input; a terminal is in key-by-key mode as long as this lives.
    Standard {
        /// Puts the terminal back when it is dropped.
        _terminal: Option<KeyByKey>,
        /// The end has been read: there is no need to look again.
        ended: bool,
    },
    /// These bytes and no more.
    Bytes(VecDeque<u8>),
}

impl Input {
    /// Standard input.
    pub fn standard() -> Self {
        Self::Standard {
            _terminal: KeyByKey::new(),
            ended: false,
        }
    }

    /// Input that is known in advance.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self::Bytes(bytes.iter().copied().collect())
    }

    /// Takes what is there, at most as much as there is room for; says how much.
    pub fn read(&mut self, room: &mut [u8]) -> usize {
        match self {
            Self::Standard { ended: true, .. } => 0,
            Self::Standard { ended, .. } => read_standard(room, ended),
            Self::Bytes(bytes) => {
                let count = room.len().min(bytes.len());
                room.iter_mut()
                    .zip(bytes.drain(..count))
                    .for_each(|(to, from)| *to = from);
                count
            }
        }
    }
}

fn read_standard(room: &mut [u8], ended: &mut bool) -> usize {
    if room.is_empty() || !is_ready() {
        return 0;
    }
    let stdin = std::io::stdin().as_raw_fd();
    // SAFETY: The pointer and the length are those of a slice that is lent exclusively.
    let count = unsafe { libc::read(stdin, room.as_mut_ptr().cast(), room.len()) };
    *ended = count == 0;
    usize::try_from(count).unwrap_or(0)
}

fn is_ready() -> bool {
    let mut poll = libc::pollfd {
        fd: std::io::stdin().as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: One element is lent, and one is said to be there. The time limit is 0.
    unsafe { libc::poll(&mut poll, 1, 0) == 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_taken_than_there_is_room_for() {
        let mut input = Input::from_bytes(b"abc");
        let mut room = [0; 2];
        assert_eq!(input.read(&mut room), 2);
        assert_eq!(&room, b"ab");
        assert_eq!(input.read(&mut room), 1);
        assert_eq!(input.read(&mut room), 0);
    }
}
