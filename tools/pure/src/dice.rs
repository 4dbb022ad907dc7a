// SPDX-License-Identifier: GPL-2.0

//! Where the choices of a test program come from: a seed, or the bytes of a fuzzer.

/// A source of choices.
pub(crate) struct Dice {
    state: u64,
    bytes: Option<std::vec::IntoIter<u8>>,
}

impl Dice {
    /// The same choices for the same seed.
    pub(crate) fn of_seed(seed: u64) -> Self {
        Self {
            state: seed,
            bytes: None,
        }
    }

    /// Choices that a fuzzer makes; when they are used up, [`Self::is_over`].
    pub(crate) fn of_bytes(bytes: &[u8]) -> Self {
        Self {
            state: 0,
            bytes: Some(Vec::from(bytes).into_iter()),
        }
    }

    /// Are there no more choices?
    pub(crate) fn is_over(&self) -> bool {
        self.bytes
            .as_ref()
            .is_some_and(|bytes| bytes.as_slice().is_empty())
    }

    /// A number of 64 bits.
    pub(crate) fn word(&mut self) -> u64 {
        match &mut self.bytes {
            // SplitMix64.
            None => {
                self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let z = (self.state ^ self.state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
                z ^ z >> 31
            }
            Some(bytes) => (0..8).fold(0, |word, _| {
                word << 8 | u64::from(bytes.next().unwrap_or(0)) //
            }),
        }
    }

    /// A number less than `limit`, which is at most 256.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        match &mut self.bytes {
            None => self.word() % limit,
            Some(bytes) => u64::from(bytes.next().unwrap_or(0)) % limit,
        }
    }

    /// True once in so many times.
    pub(crate) fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == times - 1
    }

    /// One of these.
    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }
}
