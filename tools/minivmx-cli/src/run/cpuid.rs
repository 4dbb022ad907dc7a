// SPDX-License-Identifier: GPL-2.0

//! `minivmx run --cpuid`: what CPUID answers to the guest.

use minivmx::{
    uapi::MINIVMX_CPUID_SUBLEAF,
    CpuidEntry, //
};

use crate::numbers::number;

/// Understands LEAF[.SUB]=EAX,EBX,ECX,EDX.
pub fn parse(text: &str) -> Result<CpuidEntry, String> {
    let (question, answer) = text.split_once('=').ok_or("there is no =")?;
    let (leaf, subleaf) = match question.split_once('.') {
        Some((leaf, subleaf)) => (leaf, Some(register(subleaf)?)),
        None => (question, None),
    };
    let answer = answer
        .split(',')
        .map(register)
        .collect::<Result<Vec<_>, _>>()?;
    let [eax, ebx, ecx, edx] = answer[..] else {
        return Err("an answer is four numbers: EAX,EBX,ECX,EDX".into());
    };
    Ok(CpuidEntry {
        leaf: register(leaf)?,
        subleaf: subleaf.unwrap_or_default(),
        flags: subleaf.map_or(0, |_| MINIVMX_CPUID_SUBLEAF),
        eax,
        ebx,
        ecx,
        edx,
        ..Default::default()
    })
}

/// A number of 32 bits.
fn register(text: &str) -> Result<u32, String> {
    let number = number(text).map_err(|error| format!("{text:?} is not a number: {error}"))?;
    u32::try_from(number).map_err(|_| format!("{text} has more than 32 bits"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_for_a_leaf_or_for_one_of_its_subleaves() {
        let entry = parse("0x40000000=1,2,3,0xffffffff").expect("it is one");
        assert_eq!((entry.leaf, entry.flags), (0x4000_0000, 0));
        assert_eq!(
            [entry.eax, entry.ebx, entry.ecx, entry.edx],
            [1, 2, 3, u32::MAX]
        );
        let entry = parse("4.0x2=0,0,0,0").expect("it is one");
        assert_eq!((entry.leaf, entry.subleaf), (4, 2));
        assert_eq!(entry.flags, MINIVMX_CPUID_SUBLEAF);
    }

    #[test]
    fn an_error_says_what_is_wrong() {
        for (text, word) in [
            ("1", "="),
            ("1=1,2,3", "four numbers"),
            ("1=1,2,3,4,5", "four numbers"),
            ("1=1,2,3,0x100000000", "more than 32 bits"),
            ("1.x=1,2,3,4", "\"x\" is not a number"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains(word), "{error}");
        }
    }
}
