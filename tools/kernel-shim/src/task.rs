// SPDX-License-Identifier: GPL-2.0

//! The current task, which gets no signals here.

/// A task.
pub struct Task;

impl Task {
    /// Does a signal wait?
    pub fn signal_pending(&self) -> bool {
        false
    }
}

/// The current task.
#[macro_export]
macro_rules! current {
    () => {
        $crate::task::Task
    };
}
