// SPDX-License-Identifier: GPL-2.0

//! A rule of VM entries that a vCPU breaks.

use std::{
    ffi::CStr,
    fmt, //
};

use crate::uapi::minivmx_violation;

/// A rule of VM entries that a vCPU breaks.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Violation {
    /// Name of the rule; the driver's `src/vmx/check/` has it.
    pub rule: String,
    /// Encoding of the VMCS field that is to blame.
    pub field: u32,
    /// What that field holds; 0 for a field that is only the administrator's to read.
    pub value: u64,
}

impl Violation {
    /// [`None`] if no rule is named.
    pub(crate) fn new(found: &minivmx_violation) -> Option<Self> {
        let bytes = found.rule.map(|byte| byte as u8);
        let rule = CStr::from_bytes_until_nul(&bytes).ok()?.to_str().ok()?;
        (!rule.is_empty()).then(|| Self {
            rule: rule.into(),
            field: found.field,
            value: found.value,
        })
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, field, value } = self;
        write!(f, "{rule}: field {field:#06x} is {value:#x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &[u8]) -> minivmx_violation {
        let mut found = minivmx_violation {
            field: 0x4816,
            value: 0xa091,
            ..Default::default()
        };
        for (to, from) in found.rule.iter_mut().zip(name) {
            *to = *from as std::ffi::c_char;
        }
        found
    }

    #[test]
    fn a_rule_is_told_in_words() {
        let violation = Violation::new(&found(b"cs_is_accessed_code")).expect("there is a rule");
        assert_eq!(
            violation.to_string(),
            "cs_is_accessed_code: field 0x4816 is 0xa091"
        );
    }

    #[test]
    fn no_rule_is_none() {
        assert_eq!(Violation::new(&found(b"")), None);
    }

    /// The driver ends every name; a program that wrote to its run page may have not.
    #[test]
    fn a_name_without_end_is_none() {
        assert_eq!(Violation::new(&found(&[b'x'; 64])), None);
    }
}
