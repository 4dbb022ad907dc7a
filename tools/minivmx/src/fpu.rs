// SPDX-License-Identifier: GPL-2.0

//! The x87, SSE and AVX registers.

use crate::uapi::MINIVMX_FPU_WORDS;

const WORDS: usize = MINIVMX_FPU_WORDS as usize;

/// The x87, SSE and AVX registers, as XSAVE64 writes them, in 64-bit words
/// (SDM Vol. 1, "Standard Format of the XSAVE Area").
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(into = "Vec<u64>", try_from = "Vec<u64>")
)]
pub struct Fpu(pub [u64; WORDS]);

impl Fpu {
    /// How many words it has.
    pub const WORDS: usize = WORDS;
}

impl From<Fpu> for Vec<u64> {
    fn from(fpu: Fpu) -> Self {
        fpu.0.into()
    }
}

/// Fails for another number of words.
impl TryFrom<Vec<u64>> for Fpu {
    type Error = String;

    fn try_from(words: Vec<u64>) -> Result<Self, String> {
        let number = words.len();
        let words = words.try_into().map(Self);
        words.map_err(|_| format!("{number} words are not the {WORDS} of an XSAVE area"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_area_has_its_size() {
        let words = Vec::from(Fpu([7; WORDS]));
        assert_eq!(Fpu::try_from(words), Ok(Fpu([7; WORDS])));
        assert_eq!(
            Fpu::try_from(vec![0; 64]),
            Err("64 words are not the 104 of an XSAVE area".into())
        );
    }
}
