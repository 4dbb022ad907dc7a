// SPDX-License-Identifier: GPL-2.0

//! Steps of the driver that are left out, to see that a test fails then.
//!
//! The driver knows nothing of that. Its steps are calls of what it stands on, and that knows its
//! caller: so each place in `src/` that flushes, interrupts, raises a counter or has a barrier is a
//! step of its own, without any list of them.

use crate::world::World;
use core::{fmt, panic::Location};

/// A step: what it does, and where in the driver.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Step {
    file: &'static str,
    line: u32,
    column: u32,
    what: &'static str,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.trim_start_matches(|c| !char::is_alphabetic(c));
        let file = file.rsplit_once("../").map_or(file, |(_, file)| file);
        write!(f, "{file}:{}: {}", self.line, self.what)
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Is the step that the caller is about to do the one that is left out?
#[track_caller]
pub(crate) fn leaves_out(what: &'static str) -> bool {
    let caller = Location::caller();
    let step = Step {
        file: caller.file(),
        line: caller.line(),
        column: caller.column(),
        what,
    };
    World::current().meets(step)
}
