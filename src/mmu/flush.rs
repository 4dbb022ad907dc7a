// SPDX-License-Identifier: GPL-2.0

//! Whether CPUs must flush: what changes tables says so, and who is told sees to it.

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
    /// Whether it is [`Self::Needed`].
    pub(crate) fn is_needed(self) -> bool {
        self == Self::Needed
    }

    /// [`Self::Needed`] if either is.
    pub(crate) fn or(self, other: Self) -> Self {
        if self.is_needed() {
            self
        } else {
            other
        }
    }

    /// From now on it is [`Self::Needed`].
    #[inline]
    pub(crate) fn need(&mut self) {
        *self = Self::Needed;
    }

    /// What it is; from now on it is [`Self::NotNeeded`], because the caller flushes if it was not.
    #[inline]
    pub(crate) fn take(&mut self) -> Self {
        core::mem::take(self)
    }
}
