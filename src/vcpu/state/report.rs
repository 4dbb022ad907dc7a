// SPDX-License-Identifier: GPL-2.0

//! What the program is told of an exit.

use crate::{
    support::uapi::{
        minivmx_run,
        minivmx_violation, //
    },
    vmx::field, //
};
use core::fmt::Write;
use kernel::{
    prelude::*,
    str::NullTerminatedFormatter, //
};
use zerocopy::FromZeros;

/// What the program is told of an exit.
pub(crate) struct Report {
    /// In the form of the run page.
    pub(crate) exit: minivmx_run,
    /// Has the report words?
    pub(crate) has_cause: bool,
}

impl Report {
    /// None yet: the first one clears what stands in the run page.
    pub(crate) fn new() -> Self {
        Self {
            exit: minivmx_run::new_zeroed(),
            has_cause: true,
        }
    }

    /// Begins with an exit of which no more is known.
    #[inline]
    pub(crate) fn begin(
        &mut self,
        reason: u32,
        qualification: u64,
        length: u32,
    ) -> &mut minivmx_run {
        let exit = &mut self.exit;
        exit.reason = reason;
        exit.entry_failure = 0;
        exit.qualification = qualification;
        exit.instruction_length = length;
        exit.linear_address = 0;
        exit.physical_address = 0;
        exit.instruction_info = 0;
        exit.interruption_info = 0;
        exit.interruption_error = 0;
        exit.vectoring_info = 0;
        exit.vectoring_error = 0;
        exit
    }

    /// Says the exit in words.
    pub(crate) fn set_cause(&mut self, cause: &str) {
        self.exit.violation.zero();
        let report = &mut self.exit.cause;
        report.fill(0);
        // The last byte stays 0.
        let room = report.len().saturating_sub(1);
        for (to, from) in report.iter_mut().take(room).zip(cause.bytes()) {
            *to = from;
        }
        self.has_cause = true;
    }

    /// The words were said.
    pub(crate) fn clear_cause(&mut self) {
        self.set_cause("");
        self.has_cause = false;
    }

    /// Says which rule a failed VM entry broke, and that in words.
    #[cold]
    pub(crate) fn set_violation(&mut self, class: &str, rule: &str, violation: minivmx_violation) {
        self.set_cause("");
        self.exit.violation = violation;
        let (field, value) = (field::name(violation.field), violation.value);
        if let Some(mut cause) = NullTerminatedFormatter::new(&mut self.exit.cause) {
            // What does not fit stays out.
            let _ = write!(cause, "{class}: {rule}: {field} is {value:#x}");
        }
    }

    /// Has a failed VM entry broken a rule that is known?
    pub(crate) fn is_violation(&self) -> bool {
        self.exit.violation.rule[0] != 0
    }

    /// Did [`Self::set_cause`] say anything?
    pub(crate) fn has_words(&self) -> bool {
        self.exit.cause[0] != 0
    }

    /// What [`Self::set_cause`] said.
    pub(crate) fn cause(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.exit.cause).unwrap_or_default()
    }
}
