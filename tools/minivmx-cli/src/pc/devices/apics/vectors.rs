// SPDX-License-Identifier: GPL-2.0

//! A set of interrupt vectors, as the local APIC shows it in eight registers.

/// Some of the vectors 0 to 255.
#[derive(Clone, Copy, Default)]
pub struct Vectors([u32; 8]);

impl Vectors {
    pub fn insert(&mut self, vector: u8) {
        self.0[usize::from(vector / 32)] |= 1 << (vector % 32);
    }

    pub fn remove(&mut self, vector: u8) {
        self.0[usize::from(vector / 32)] &= !(1 << (vector % 32));
    }

    /// The one of the highest priority.
    pub fn highest(&self) -> Option<u8> {
        let index = self.0.iter().rposition(|word| *word != 0)?;
        // CAST: At most 7 and 31.
        Some(32 * index as u8 + self.0[index].ilog2() as u8)
    }

    /// The registers, the lowest vectors first.
    pub fn word(&self, index: usize) -> u32 {
        self.0.get(index).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_comes_first() {
        let mut vectors = Vectors::default();
        assert_eq!(vectors.highest(), None);
        for vector in [0x31, 0xff, 0x20, 0] {
            vectors.insert(vector);
        }
        assert_eq!((vectors.word(1), vectors.word(7)), (0x2_0001, 1 << 31));
        for vector in [0xff, 0x31, 0x20, 0] {
            assert_eq!(vectors.highest(), Some(vector));
            vectors.remove(vector);
        }
        assert_eq!(vectors.highest(), None);
    }
}
