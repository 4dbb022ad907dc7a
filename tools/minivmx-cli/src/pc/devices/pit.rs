// SPDX-License-Identifier: GPL-2.0

//! The 8254 interval timer, as far as firmware measures time with it: three
//! counters that follow the host's clock, and the gate and output of counter 2
//! at port 0x61.
//!
//! Intel 8254 data sheet, "Mode Definitions". Not as there are:
//!
//! - BCD: counters are binary;
//! - the gate of counter 2 when it falls, which stops no count; its rise begins the count
//!   anew, in modes 0 and 4 as well;
//! - in modes 2 and 3 a new count begins at once, not with the next period, and in mode 0 the
//!   first of its two bytes does not stop the old one;
//! - in mode 1 the output is low from the count on, not from the gate's rise on.

use std::time::Duration;

use serde::{
    Deserialize,
    Serialize, //
};

use super::{
    Clock,
    Device,
    SHORTEST_PERIOD, //
};

/// Counts per second.
const FREQUENCY: u128 = 1_193_182;

/// A guest that counts down more often is not interrupted as often.
const SHORTEST_PERIOD_COUNTS: u64 =
    (SHORTEST_PERIOD.as_nanos() * FREQUENCY).div_ceil(1_000_000_000) as u64;

const COMMAND: u16 = 0x43;
const CONTROL: u16 = 0x61;

const GATE_2: u8 = 1 << 0;
const SPEAKER: u8 = 1 << 1;
const REFRESH: u8 = 1 << 4;
const OUTPUT_2: u8 = 1 << 5;

/// Timer and port 0x61.
pub struct Pit {
    clock: Clock,
    counters: [Counter; 3],
    control: u8,
}

/// What it is at a time of its clock.
#[derive(Deserialize, Serialize)]
pub struct State {
    counters: [Counter; 3],
    control: u8,
}

impl Pit {
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            counters: [Counter::default(); 3],
            control: 0,
        }
    }

    pub fn state(&self) -> State {
        State {
            counters: self.counters,
            control: self.control,
        }
    }

    pub fn restore(&mut self, state: &State) {
        (self.counters, self.control) = (state.counters, state.control);
    }

    /// Whether counter 0, the clock tick, has ended a period since the last
    /// call that said so. Ticks that pile up become one.
    pub fn take_tick(&mut self) -> bool {
        self.counters[0].take_period((self.clock)())
    }

    /// When the next tick is due, by its clock; `None` if counter 0 does not run.
    pub fn tick_due(&self) -> Option<Duration> {
        self.counters[0].period_end((self.clock)())
    }

    fn command(&mut self, value: u8) {
        let Some(counter) = self.counters.get_mut(usize::from(value >> 6)) else {
            return self.read_back(value);
        };
        match (value >> 4) & 3 {
            0 => counter.latch((self.clock)()),
            access => counter.program(access, (value >> 1) & 7),
        }
    }

    /// Latches what is asked for of each counter that is named. Bits that ask are 0.
    fn read_back(&mut self, value: u8) {
        const NO_COUNT: u8 = 1 << 5;
        const NO_STATUS: u8 = 1 << 4;
        let now = (self.clock)();
        let named = (1..).zip(&mut self.counters);
        for (_, counter) in named.filter(|(bit, _)| value & (1 << bit) != 0) {
            if value & NO_COUNT == 0 {
                counter.latch(now);
            }
            if value & NO_STATUS == 0 {
                counter.latch_status(now);
            }
        }
    }

    fn read_control(&self) -> u8 {
        let now = (self.clock)();
        let refresh = now.as_micros() / 15 % 2 == 1;
        self.control
            | if refresh { REFRESH } else { 0 }
            | if self.counters[2].output(now) {
                OUTPUT_2
            } else {
                0
            }
    }

    fn write_control(&mut self, value: u8) {
        let gate_rises = value & !self.control & GATE_2 != 0;
        if gate_rises {
            self.counters[2].restart((self.clock)());
        }
        self.control = value & (GATE_2 | SPEAKER);
    }
}

impl Device for Pit {
    fn read(&mut self, port: u16, _width: u8) -> u32 {
        let now = (self.clock)();
        match port {
            CONTROL => self.read_control().into(),
            COMMAND => 0xff,
            _ => self.counters[usize::from(port % 4)].read(now).into(),
        }
    }

    fn write(&mut self, port: u16, _width: u8, value: u32) {
        let value = value as u8;
        match port {
            CONTROL => self.write_control(value),
            COMMAND => self.command(value),
            _ => self.counters[usize::from(port % 4)].write(value, (self.clock)()),
        }
    }
}

/// How bytes make up a count, as commands and the status have it.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
enum Access {
    Low = 1,
    High,
    #[default]
    LowThenHigh,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
struct Counter {
    access: Access,
    mode: u8,
    /// The count that was written, 1 to 65536; 0: none yet.
    reload: u32,
    started: Duration,
    /// Periods since then that have been taken.
    taken: u64,
    /// The first byte of two.
    low: Option<u8>,
    latched: Option<u16>,
    /// It is read before the count.
    latched_status: Option<u8>,
    high_is_next: bool,
}

impl Counter {
    fn program(&mut self, access: u8, mode: u8) {
        *self = Self {
            access: match access {
                1 => Access::Low,
                2 => Access::High,
                _ => Access::LowThenHigh,
            },
            // Modes 6 and 7 are 2 and 3.
            mode: if mode > 5 { mode - 4 } else { mode },
            ..Self::default()
        };
    }

    fn write(&mut self, value: u8, now: Duration) {
        let count = match (self.access, self.low.take()) {
            (Access::Low, _) => u32::from(value),
            (Access::High, _) => u32::from(value) << 8,
            (Access::LowThenHigh, Some(low)) => (u32::from(value) << 8) | u32::from(low),
            (Access::LowThenHigh, None) => {
                self.low = Some(value);
                return;
            }
        };
        self.reload = if count == 0 { 0x1_0000 } else { count };
        self.restart(now);
    }

    fn restart(&mut self, now: Duration) {
        (self.started, self.taken) = (now, 0);
    }

    fn latch(&mut self, now: Duration) {
        let count = self.count(now);
        self.latched.get_or_insert(count);
    }

    fn latch_status(&mut self, now: Duration) {
        const OUTPUT: u8 = 1 << 7;
        const NO_COUNT_YET: u8 = 1 << 6;
        let output = if self.output(now) { OUTPUT } else { 0 };
        let is_null = if self.reload == 0 { NO_COUNT_YET } else { 0 };
        let status = output | is_null | ((self.access as u8) << 4) | (self.mode << 1);
        self.latched_status.get_or_insert(status);
    }

    fn read(&mut self, now: Duration) -> u8 {
        match self.latched_status.take() {
            Some(status) => status,
            None => self.read_count(now),
        }
    }

    fn read_count(&mut self, now: Duration) -> u8 {
        let [low, high] = self
            .latched
            .unwrap_or_else(|| self.count(now))
            .to_le_bytes();
        let high_now = match self.access {
            Access::Low => false,
            Access::High => true,
            Access::LowThenHigh => {
                self.high_is_next = !self.high_is_next;
                !self.high_is_next
            }
        };
        if high_now || self.access == Access::Low {
            self.latched = None;
        }
        if high_now {
            high
        } else {
            low
        }
    }

    /// Counts that have passed since the start.
    fn elapsed(&self, now: Duration) -> u64 {
        let nanoseconds = now.saturating_sub(self.started).as_nanos();
        u64::try_from(nanoseconds * FREQUENCY / 1_000_000_000).unwrap_or(u64::MAX)
    }

    fn is_periodic(&self) -> bool {
        matches!(self.mode, 2 | 3)
    }

    fn count(&self, now: Duration) -> u16 {
        let (elapsed, reload) = (self.elapsed(now), u64::from(self.reload));
        let count = match self.mode {
            _ if reload == 0 => elapsed.wrapping_neg(),
            3 => square_wave(elapsed, reload).1,
            2 => reload - elapsed % reload,
            _ => reload.wrapping_sub(elapsed),
        };
        // CAST: A counter has 16 bits.
        count as u16
    }

    fn output(&self, now: Duration) -> bool {
        let (elapsed, reload) = (self.elapsed(now), u64::from(self.reload));
        match self.mode {
            _ if reload == 0 => self.mode != 0,
            3 => square_wave(elapsed, reload).0,
            2 => elapsed % reload != reload - 1,
            _ => elapsed >= reload,
        }
    }

    /// Counts from tick to tick; 0: none yet.
    fn period(&self) -> u64 {
        match u64::from(self.reload) {
            reload if self.is_periodic() && reload != 0 => reload.max(SHORTEST_PERIOD_COUNTS),
            reload => reload,
        }
    }

    /// Periods that have ended since the start.
    fn periods(&self, now: Duration) -> u64 {
        match self.period() {
            0 => 0,
            period if self.is_periodic() => self.elapsed(now) / period,
            period => u64::from(self.elapsed(now) >= period),
        }
    }

    fn take_period(&mut self, now: Duration) -> bool {
        let ended = self.periods(now);
        let due = ended > self.taken;
        self.taken = ended;
        due
    }

    /// When the present period ends; `None` if it does not.
    fn period_end(&self, now: Duration) -> Option<Duration> {
        let periods = self.periods(now);
        if self.reload == 0 || (periods != 0 && !self.is_periodic()) {
            return None;
        }
        let counts = (u128::from(periods) + 1) * u128::from(self.period());
        let nanoseconds = (counts * 1_000_000_000).div_ceil(FREQUENCY);
        let since_start = Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX));
        Some(self.started.saturating_add(since_start))
    }
}

/// Output and count of mode 3: high, then low, and down by two in each half. Of an odd count
/// the high half is the longer one.
fn square_wave(elapsed: u64, reload: u64) -> (bool, u64) {
    let (into, high) = (elapsed % reload, reload.div_ceil(2));
    let into_half = if into < high { into } else { into - high };
    (into < high, (reload & !1) - 2 * into_half)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pc::devices::tests::{clock, Time};

    fn pit() -> (Pit, Time) {
        let (time, clock) = clock();
        (Pit::new(clock), time)
    }

    /// What SeaBIOS does to measure the time-stamp counter.
    #[test]
    fn counter_2_raises_its_output_after_its_count() {
        let (mut pit, time) = pit();
        pit.write(0x61, 1, 1);
        pit.write(0x43, 1, 0xb0);
        pit.write(0x42, 1, 0x00);
        pit.write(0x42, 1, 0x08);
        assert_eq!(pit.read(0x61, 1) & 0x21, 0x01);
        time.set(Duration::from_micros(1716));
        assert_eq!(pit.read(0x61, 1) & 0x20, 0);
        time.set(Duration::from_micros(1717));
        assert_eq!(pit.read(0x61, 1) & 0x20, 0x20);
    }

    #[test]
    fn a_latched_count_stays_until_it_is_read() {
        let (mut pit, time) = pit();
        pit.write(0x43, 1, 0x34);
        pit.write(0x40, 1, 0);
        pit.write(0x40, 1, 0);
        time.set(Duration::from_millis(10));
        pit.write(0x43, 1, 0x00);
        time.set(Duration::from_millis(20));
        let latched = pit.read(0x40, 1) | (pit.read(0x40, 1) << 8);
        assert_eq!(latched, 65536 - 11931);
        let live = pit.read(0x40, 1) | (pit.read(0x40, 1) << 8);
        assert_eq!(live, 65536 - 23863);
    }

    fn pair(pit: &mut Pit) -> u32 {
        pit.read(0x40, 1) | (pit.read(0x40, 1) << 8)
    }

    #[test]
    fn status_and_count_are_read_back() {
        let (mut pit, time) = pit();
        pit.write(0x43, 1, 0x36);
        pit.write(0x43, 1, 0xe2);
        assert_eq!(pit.read(0x40, 1), 0xf6, "there is no count yet");
        pit.write(0x40, 1, 0);
        pit.write(0x40, 1, 0x40);
        time.set(Duration::from_millis(1));
        let count = 0x4000 - 2 * 1193;
        // Status alone, count alone, both, and each is latched once.
        pit.write(0x43, 1, 0xe2);
        assert_eq!(pit.read(0x40, 1), 0xb6);
        assert_eq!(pair(&mut pit), count);
        pit.write(0x43, 1, 0xd2);
        time.set(Duration::from_millis(10));
        pit.write(0x43, 1, 0xc2);
        time.set(Duration::from_millis(20));
        assert_eq!(pit.read(0x40, 1), 0x36, "the low half began 3 ms ago");
        assert_eq!(pair(&mut pit), count);
        assert_eq!(pair(&mut pit), 0x4000 - 2 * (23863 - 16384));
    }

    #[test]
    fn counters_that_are_not_named_are_not_read_back() {
        let (mut pit, _) = pit();
        pit.write(0x43, 1, 0x34);
        pit.write(0x40, 1, 0x34);
        pit.write(0x40, 1, 0x12);
        pit.write(0x43, 1, 0xec);
        assert_eq!(pair(&mut pit), 0x1234);
    }

    #[test]
    fn a_square_wave_counts_by_two() {
        let waves = |reload| {
            let counts = (0..=reload).map(|elapsed| square_wave(elapsed, reload));
            counts.collect::<Vec<_>>()
        };
        let (high, low) = (true, false);
        assert_eq!(
            waves(4),
            [(high, 4), (high, 2), (low, 4), (low, 2), (high, 4)]
        );
        assert_eq!(
            waves(5),
            [
                (high, 4),
                (high, 2),
                (high, 0),
                (low, 4),
                (low, 2),
                (high, 4)
            ]
        );
        assert_eq!(waves(1), [(high, 0), (high, 0)]);
    }

    #[test]
    fn the_tick_comes_18_times_a_second() {
        let (mut pit, time) = pit();
        assert_eq!(pit.tick_due(), None);
        pit.write(0x43, 1, 0x34);
        pit.write(0x40, 1, 0);
        pit.write(0x40, 1, 0);
        assert!(!pit.take_tick());
        let next = pit.tick_due().expect("it runs");
        assert_eq!(next.as_millis(), 54);
        time.set(next);
        assert!(pit.take_tick());
        assert!(!pit.take_tick());
        time.set(Duration::from_secs(1));
        assert!(pit.take_tick());
        assert!(!pit.take_tick(), "ticks do not pile up");
    }

    #[test]
    fn no_guest_is_interrupted_without_end() {
        let (mut pit, time) = pit();
        pit.write(0x43, 1, 0x34);
        pit.write(0x40, 1, 2);
        pit.write(0x40, 1, 0);
        for _ in 0..3 {
            let now = (pit.clock)();
            let next = pit.tick_due().expect("it runs");
            assert!(next >= now + SHORTEST_PERIOD, "{next:?}");
            time.set(next);
            assert!(pit.take_tick());
        }
    }

    #[test]
    fn a_single_shot_ticks_once() {
        let (mut pit, time) = pit();
        pit.write(0x43, 1, 0x30);
        pit.write(0x40, 1, 0xe8);
        pit.write(0x40, 1, 0x03);
        time.set(Duration::from_secs(1));
        assert!(pit.take_tick());
        assert!(!pit.take_tick());
        assert_eq!(pit.tick_due(), None);
    }

    /// What Linux does for each event.
    #[test]
    fn a_new_count_is_no_tick_of_the_old_one() {
        let (mut pit, time) = pit();
        pit.write(0x43, 1, 0x38);
        pit.write(0x40, 1, 0xff);
        pit.write(0x40, 1, 0x00);
        time.set(Duration::from_millis(1));
        assert!(pit.take_tick());
        pit.write(0x40, 1, 0xff);
        assert!(!pit.take_tick(), "half a count changes nothing");
        pit.write(0x40, 1, 0x00);
        assert!(!pit.take_tick());
        time.set(pit.tick_due().expect("it runs"));
        assert!(pit.take_tick());
    }

    /// The same time each time it is asked for.
    #[test]
    fn the_end_of_a_period_does_not_wander() {
        let (mut pit, time) = pit();
        pit.write(0x43, 1, 0x34);
        pit.write(0x40, 1, 0x9c);
        pit.write(0x40, 1, 0x2e);
        let end = Duration::from_nanos(10_000_151);
        for microseconds in [0, 1, 4999, 10_000] {
            time.set(Duration::from_micros(microseconds));
            assert_eq!(pit.tick_due(), Some(end));
        }
        time.set(end);
        assert!(pit.take_tick());
        assert_eq!(pit.tick_due(), Some(Duration::from_nanos(20_000_302)));
    }

    #[test]
    fn any_sequence_of_accesses_is_taken() {
        let (mut pit, time) = pit();
        for value in 0..=0xff {
            for port in [0x43, 0x40, 0x61, 0x42, 0x41] {
                pit.write(port, 1, value);
                time.set(Duration::from_secs(u64::from(value)));
                pit.read(port, 1);
            }
        }
        assert!(pit
            .counters
            .iter()
            .all(|counter| counter.reload <= 0x1_0000));
    }
}
