// SPDX-License-Identifier: GPL-2.0

//! Which of many lists something is in.
//!
//! The guest chooses what is looked for, frames and addresses, and could choose them so that all
//! meet in one list. So they are multiplied by numbers that it does not know: then two meet by
//! chance only, with a probability of 2 in the number of lists at most, whatever they are
//! (Dietzfelbinger et al., "A Reliable Randomized Algorithm for the Closest-Pair Problem", 1997).

/// Spreads pairs of numbers over lists.
pub(super) struct Hash {
    factors: [u64; 2],
    shift: u32,
}

impl Hash {
    /// Over so many lists, a power of two that is not 1.
    pub(super) fn new(lists: usize, random: [u64; 2]) -> Self {
        Self {
            factors: random.map(|factor| factor | 1),
            // The highest bits of the product are those that all others have a part in.
            shift: lists.leading_zeros() + 1,
        }
    }

    /// The list for a frame; and an address in units of pages, where that makes a difference.
    #[inline]
    pub(super) fn list(&self, frame: u64, page: u64) -> usize {
        let [first, second] = self.factors;
        let mixed = frame
            .wrapping_mul(first)
            .wrapping_add(page.wrapping_mul(second));
        // CAST: Less than the number of lists.
        (mixed >> self.shift) as usize
    }
}
