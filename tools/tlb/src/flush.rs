// SPDX-License-Identifier: GPL-2.0

//! `src/mmu/flush.rs`, with steps that can be left out.

use crate::omission;

/// Whether CPUs may hold translations that are no longer in the tables.
#[must_use = "until the CPUs have flushed they may use what was removed"]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Flush {
    /// They hold nothing that matters.
    #[default]
    NotNeeded,
    /// Something was removed or narrowed, or a table was unlinked.
    Needed,
}

impl Flush {
    #[track_caller]
    pub(crate) fn is_needed(self) -> bool {
        self == Self::Needed && !omission::leaves_out("flush that is needed")
    }

    #[track_caller]
    pub(crate) fn or(self, other: Self) -> Self {
        match other {
            Self::Needed if !omission::leaves_out("need of a flush that is added") => other,
            _ => self,
        }
    }

    #[track_caller]
    pub(crate) fn need(&mut self) {
        if !omission::leaves_out("need of a flush") {
            *self = Self::Needed;
        }
    }

    #[track_caller]
    pub(crate) fn take(&mut self) -> Self {
        if omission::leaves_out("end of the need") {
            return *self;
        }
        core::mem::take(self)
    }
}
