// SPDX-License-Identifier: GPL-2.0

//! The timer of a local APIC (SDM Vol. 3A, "APIC Timer"): it counts down once, or
//! again and again.

use std::time::Duration;

use crate::pc::devices::SHORTEST_PERIOD;

#[derive(Clone, Copy)]
pub struct Timer {
    /// Hz, before they are divided.
    frequency: u64,
    divide: u32,
    initial: u32,
    /// When the count is 0 next.
    due: Option<Duration>,
}

impl Timer {
    /// One that stands still.
    pub fn new(frequency: u64) -> Self {
        Self {
            frequency: frequency.max(1),
            divide: 0,
            initial: 0,
            due: None,
        }
    }

    pub fn initial(&self) -> u32 {
        self.initial
    }

    /// Begins to count; 0 stops.
    pub fn start(&mut self, count: u32, now: Duration) {
        self.initial = count;
        self.due = (count != 0).then(|| now.saturating_add(self.time(count)));
    }

    /// What the register of this name holds.
    pub fn divide(&self) -> u32 {
        self.divide
    }

    /// What it counts now ends when it was to end: its count is another, and may be larger than the
    /// initial one.
    pub fn set_divide(&mut self, value: u32) {
        self.divide = value & 0b1011;
    }

    pub fn due(&self) -> Option<Duration> {
        self.due
    }

    /// The count. Periods may have ended that nobody took.
    pub fn current(&self, now: Duration, is_periodic: bool) -> u32 {
        let end = self.due.map(|due| match is_periodic && due <= now {
            true => self.next(due, now),
            false => due,
        });
        let left = end.map(|end| end.saturating_sub(now));
        let counts = left.unwrap_or_default().as_nanos() * u128::from(self.frequency)
            / (u128::from(self.divisor()) * 1_000_000_000);
        u32::try_from(counts).unwrap_or(u32::MAX)
    }

    /// Whether the count has been 0 since the last call. Periods that pile up become one.
    pub fn take(&mut self, now: Duration, is_periodic: bool) -> bool {
        let Some(due) = self.due.filter(|due| *due <= now) else {
            return false;
        };
        self.due = is_periodic.then(|| self.next(due, now));
        true
    }

    /// The first end of a period after `now`, of those that follow on one at `due`.
    fn next(&self, due: Duration, now: Duration) -> Duration {
        let period = self.time(self.initial).max(SHORTEST_PERIOD).as_nanos();
        let into = now.saturating_sub(due).as_nanos() % period;
        let left = u64::try_from(period - into).unwrap_or(u64::MAX);
        now.saturating_add(Duration::from_nanos(left))
    }

    fn time(&self, count: u32) -> Duration {
        let nanoseconds = u128::from(count) * u128::from(self.divisor()) * 1_000_000_000
            / u128::from(self.frequency);
        Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
    }

    /// Bits 3, 1 and 0 are a power of two, less one; all set stand for 1.
    fn divisor(&self) -> u32 {
        match (self.divide & 3) | ((self.divide >> 1) & 4) {
            7 => 1,
            power => 2 << power,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// A million counts a second.
    fn timer() -> Timer {
        let mut timer = Timer::new(16_000_000);
        timer.set_divide(0x3);
        timer
    }

    #[test]
    fn divisors_are_powers_of_two() {
        let mut timer = timer();
        let divisors = [0x0, 0x1, 0x2, 0x3, 0x8, 0x9, 0xa, 0xb].map(|value| {
            timer.set_divide(value);
            timer.divisor()
        });
        assert_eq!(divisors, [2, 4, 8, 16, 32, 64, 128, 1]);
    }

    #[test]
    fn a_single_shot_comes_once() {
        let mut timer = timer();
        timer.start(1000, MS);
        assert_eq!(timer.due(), Some(2 * MS));
        assert_eq!(timer.current(MS + MS / 4, false), 750);
        assert!(!timer.take(MS + MS / 2, false));
        assert!(timer.take(3 * MS, false));
        assert!(!timer.take(4 * MS, false));
        assert_eq!((timer.due(), timer.current(4 * MS, false)), (None, 0));
    }

    #[test]
    fn periods_do_not_wander_nor_pile_up() {
        let mut timer = timer();
        timer.start(1000, Duration::ZERO);
        assert_eq!(timer.current(MS, true), 1000);
        assert_eq!(timer.current(2 * MS + MS / 4, true), 750);
        assert!(timer.take(MS + MS / 3, true));
        assert_eq!(timer.due(), Some(2 * MS));
        assert!(timer.take(5 * MS + MS / 2, true));
        assert!(!timer.take(5 * MS + MS / 2, true));
        assert_eq!(timer.due(), Some(6 * MS));
    }

    #[test]
    fn zero_stops_it() {
        let mut timer = timer();
        timer.start(1000, Duration::ZERO);
        timer.start(0, Duration::ZERO);
        assert!(!timer.take(MS, true));
    }

    #[test]
    fn no_guest_is_interrupted_without_end() {
        let mut timer = timer();
        timer.set_divide(0xb);
        timer.start(1, Duration::ZERO);
        assert!(timer.take(MS, true));
        let next = timer.due().expect("it goes on");
        assert!(next > MS && next <= MS + SHORTEST_PERIOD, "{next:?}");
    }
}
