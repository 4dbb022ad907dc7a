// SPDX-License-Identifier: GPL-2.0

//! What the program is told of an exit.

use crate::support::uapi::minivmx_run;
use kernel::prelude::*;
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

    /// Says the exit in words.
    pub(crate) fn set_cause(&mut self, cause: &str) {
        let report = &mut self.exit.cause;
        report.fill(0);
        // The last byte stays 0.
        let room = report.len().saturating_sub(1);
        for (to, from) in report.iter_mut().take(room).zip(cause.bytes()) {
            *to = from;
        }
        self.has_cause = true;
    }

    /// What [`Self::set_cause`] said.
    pub(crate) fn cause(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.exit.cause).unwrap_or_default()
    }
}
