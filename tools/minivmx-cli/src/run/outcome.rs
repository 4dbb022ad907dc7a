// SPDX-License-Identifier: GPL-2.0

//! How a run can end.

use std::process::ExitCode;

use minivmx::Exit;

use super::signals::Stop;
use crate::pc::devices::Devices;

/// How a run ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// The guest executed HLT and nothing can wake it.
    Halted,
    /// The text of `--until` appeared.
    Seen,
    /// As many exits came as `--stop-after` allows.
    StoppedAfter(u64),
    /// As many instructions were carried out as `--step` allows.
    Stepped(u64),
    /// The guest came to the instruction of `--break`.
    AtBreakpoint,
    /// The guest asked for a reset.
    Reset,
    /// The guest switched its machine off.
    Off,
    /// The time of `--timeout` is over.
    Timeout,
    /// The user ended it at the terminal.
    Ended,
    /// gdb ended it.
    Killed,
    /// Ctrl-C, or SIGTERM.
    Interrupted,
    /// The guest cannot go on, for this reason.
    Failed(String),
}

/// What the guest has asked its machine for, if that ends it.
pub fn of_machine(devices: &Devices) -> Option<Outcome> {
    match () {
        () if devices.reset_requested() => Some(Outcome::Reset),
        () if devices.is_off() => Some(Outcome::Off),
        () => None,
    }
}

/// As shells have it for SIGINT.
const INTERRUPTED: u8 = 130;

impl Outcome {
    /// Of an exit that no guest goes on after.
    pub fn of_fatal(exit: &Exit<'_>) -> Option<Self> {
        Some(Self::Failed(match exit {
            Exit::TripleFault => "triple fault".into(),
            Exit::EntryFailed { error, cause } => {
                format!("the CPU refused to enter the guest: {cause} ({error:#x})")
            }
            Exit::Internal { cause } => (*cause).into(),
            _ => return None,
        }))
    }

    /// Name for `--json`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Halted => "halted",
            Self::Seen => "seen",
            Self::StoppedAfter(_) => "stopped",
            Self::Stepped(_) => "stepped",
            Self::AtBreakpoint => "breakpoint",
            Self::Reset => "reset",
            Self::Off => "off",
            Self::Timeout => "timeout",
            Self::Ended => "ended",
            Self::Killed => "killed",
            Self::Interrupted => "interrupted",
            Self::Failed(_) => "failed",
        }
    }

    /// The outcome for people; `until` is what the run was to wait for.
    pub fn sentence(&self, until: Option<&str>, seen: bool) -> String {
        let end = match self {
            Self::Halted => "the guest halted".into(),
            Self::Seen => "the guest printed what was waited for".into(),
            Self::StoppedAfter(exits) => format!("stopped after {exits} exits"),
            Self::Stepped(1) => "stopped after an instruction".into(),
            Self::Stepped(steps) => format!("stopped after {steps} instructions"),
            Self::AtBreakpoint => "the guest came to the breakpoint".into(),
            Self::Reset => "the guest asked for a reset".into(),
            Self::Off => "the guest switched itself off".into(),
            Self::Timeout => "the time is over and the guest still runs".into(),
            Self::Ended => "ended at the terminal".into(),
            Self::Killed => "ended by gdb".into(),
            Self::Interrupted => "interrupted".into(),
            Self::Failed(why) => format!("the guest cannot go on: {why}"),
        };
        match until {
            Some(text) if !seen => format!("{end}; it never printed {text:?}"),
            _ => end,
        }
    }

    /// The status of the program.
    pub fn status(&self, until: Option<&str>, seen: bool) -> ExitCode {
        match self {
            Self::Interrupted => ExitCode::from(INTERRUPTED),
            Self::Timeout | Self::Failed(_) => ExitCode::FAILURE,
            _ if until.is_some() && !seen => ExitCode::FAILURE,
            _ => ExitCode::SUCCESS,
        }
    }
}

impl From<Stop> for Outcome {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Interrupted => Self::Interrupted,
            Stop::Timeout => Self::Timeout,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halting_is_success_unless_something_was_awaited() {
        let halted = Outcome::Halted;
        assert_eq!(halted.status(None, false), ExitCode::SUCCESS);
        assert_eq!(halted.status(Some("x"), true), ExitCode::SUCCESS);
        assert_eq!(halted.status(Some("x"), false), ExitCode::FAILURE);
        assert_eq!(
            halted.sentence(Some("x"), false),
            "the guest halted; it never printed \"x\""
        );
    }

    #[test]
    fn running_out_of_time_is_failure() {
        assert_eq!(Outcome::Timeout.status(None, false), ExitCode::FAILURE);
    }
}
