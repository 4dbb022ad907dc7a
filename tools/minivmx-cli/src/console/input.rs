// SPDX-License-Identifier: GPL-2.0

//! What is typed for the guest, without waiting for it.

use std::os::fd::AsRawFd;

use super::terminal::KeyByKey;

/// A source of bytes that never blocks.
pub trait Input {
    /// Takes what is there, at most as much as there is room for; says how much.
    fn read(&mut self, room: &mut [u8]) -> usize;
}

/// Standard input; a terminal is in key-by-key mode as long as this lives.
pub struct Standard {
    /// The end has been read: there is no need to look again.
    ended: bool,
    _terminal: Option<KeyByKey>,
}

impl Standard {
    pub fn new() -> Self {
        Self {
            ended: false,
            _terminal: KeyByKey::new(),
        }
    }
}

impl Input for Standard {
    fn read(&mut self, room: &mut [u8]) -> usize {
        if self.ended || room.is_empty() || !is_ready() {
            return 0;
        }
        let stdin = std::io::stdin().as_raw_fd();
        // SAFETY: The pointer and the length are those of a slice that is lent exclusively.
        let count = unsafe { libc::read(stdin, room.as_mut_ptr().cast(), room.len()) };
        self.ended = count == 0;
        usize::try_from(count).unwrap_or(0)
    }
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
    }

    #[test]
    fn no_room_takes_nothing() {
        assert_eq!(Standard::new().read(&mut []), 0);
    }
}
