// SPDX-License-Identifier: GPL-2.0

//! Where the time of a guest's CPUs goes, in ticks of the time-stamp counter.
//!
//! The driver does not say how much of RUN was the guest's: to look at the counter at each VM entry
//! and exit would make each of them longer.

use std::{
    fmt,
    sync::atomic::{
        AtomicU64,
        Ordering::Relaxed, //
    },
};

use serde_json::{
    json,
    Value, //
};

use crate::bench::time_stamp;

/// Ticks of all of a guest's CPUs.
#[derive(Default)]
pub struct Meters {
    in_run: AtomicU64,
    in_program: AtomicU64,
    waiting: AtomicU64,
}

/// They so far; those of a CPU to its last RUN or wait.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Ticks {
    /// In RUN: in the guest, and in the driver.
    pub in_run: u64,
    /// What the program does in between.
    pub in_program: u64,
    /// Until an interrupt comes.
    pub waiting: u64,
}

impl Meters {
    pub fn ticks(&self) -> Ticks {
        Ticks {
            in_run: self.in_run.load(Relaxed),
            in_program: self.in_program.load(Relaxed),
            waiting: self.waiting.load(Relaxed),
        }
    }
}

impl Ticks {
    /// Those after `before`.
    pub fn since(&self, before: &Ticks) -> Ticks {
        Ticks {
            in_run: self.in_run.saturating_sub(before.in_run),
            in_program: self.in_program.saturating_sub(before.in_program),
            waiting: self.waiting.saturating_sub(before.waiting),
        }
    }

    pub fn json(&self) -> Value {
        json!({
            "run": self.in_run,
            "program": self.in_program,
            "waiting": self.waiting,
        })
    }
}

impl fmt::Display for Ticks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ticks {
            in_run,
            in_program,
            waiting,
        } = self;
        write!(
            f,
            "in RUN {in_run}, in the program {in_program}, waiting {waiting}"
        )
    }
}

/// Measures a CPU, in its thread.
pub struct Meter<'a> {
    meters: &'a Meters,
    /// What was before is counted.
    counted: u64,
}

impl<'a> Meter<'a> {
    pub fn new(meters: &'a Meters) -> Self {
        Self {
            meters,
            counted: time_stamp(),
        }
    }

    /// Calls RUN.
    pub fn run<T>(&mut self, run: impl FnOnce() -> T) -> T {
        self.measure(&self.meters.in_run, run)
    }

    /// Waits for an interrupt.
    pub fn wait<T>(&mut self, wait: impl FnOnce() -> T) -> T {
        self.measure(&self.meters.waiting, wait)
    }

    fn measure<T>(&mut self, ticks: &'a AtomicU64, act: impl FnOnce() -> T) -> T {
        self.count(&self.meters.in_program);
        let result = act();
        self.count(ticks);
        result
    }

    /// The counters of several CPUs may differ a little.
    fn count(&mut self, ticks: &AtomicU64) {
        let now = time_stamp();
        ticks.fetch_add(now.saturating_sub(self.counted), Relaxed);
        self.counted = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Some, as the counter has them.
    fn pass(ticks: u64) {
        let begun = time_stamp();
        while time_stamp().saturating_sub(begun) < ticks {}
    }

    #[test]
    fn ticks_are_of_what_was_done() {
        let meters = Meters::default();
        let begun = time_stamp();
        let mut meter = Meter::new(&meters);
        pass(1000);
        assert_eq!(
            meter.run(|| {
                pass(2000);
                7
            }),
            7
        );
        meter.wait(|| pass(3000));
        let passed = time_stamp().saturating_sub(begun);
        let ticks = meters.ticks();
        assert!(ticks.in_program >= 1000, "{ticks:?}");
        assert!(ticks.in_run >= 2000, "{ticks:?}");
        assert!(ticks.waiting >= 3000, "{ticks:?}");
        assert!(ticks.in_run + ticks.in_program + ticks.waiting <= passed);
    }

    #[test]
    fn several_cpus_have_a_sum() {
        let meters = Meters::default();
        for _ in 0..2 {
            Meter::new(&meters).run(|| pass(1000));
        }
        let first = meters.ticks();
        assert!(first.in_run >= 2000, "{first:?}");
        Meter::new(&meters).wait(|| pass(1000));
        let later = meters.ticks().since(&first);
        assert_eq!(later.in_run, 0);
        assert!(later.waiting >= 1000, "{later:?}");
    }
}
