// SPDX-License-Identifier: GPL-2.0

//! The timer of ACPI's power management: a counter of 24 bits that nobody can stop, by which
//! firmware waits (ACPI Specification 6.5, "Power Management Timer").

use super::{
    Clock,
    Device, //
};

/// Hz.
const FREQUENCY: u128 = 3_579_545;
const BITS: u32 = 24;

/// Its register of 32 bits is at a multiple of four.
pub struct PmTimer(Clock);

impl PmTimer {
    pub fn new(clock: Clock) -> Self {
        Self(clock)
    }

    fn count(&self) -> u32 {
        let ticks = (self.0)().as_nanos() * FREQUENCY / 1_000_000_000;
        // CAST: Higher bits are not there.
        ticks as u32 & ((1 << BITS) - 1)
    }
}

impl Device for PmTimer {
    fn read(&mut self, port: u16, _width: u8) -> u32 {
        self.count() >> (8 * (port & 3))
    }

    fn write(&mut self, _port: u16, _width: u8, _value: u32) {}

    fn has_wide_registers(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::clock,
        *, //
    };
    use std::time::Duration;

    #[test]
    fn it_counts_and_begins_anew() {
        let (time, clock) = clock();
        let mut timer = PmTimer::new(clock);
        for (nanoseconds, count) in [
            (0, 0),
            (1_000_000_000, 3_579_545),
            (4_687_000_000, 16_777_327 - (1 << 24)),
        ] {
            time.set(Duration::from_nanos(nanoseconds));
            assert_eq!(timer.read(0x608, 4), count);
        }
        time.set(Duration::from_secs(1));
        timer.write(0x608, 4, 0);
        assert_eq!(timer.read(0x609, 1) & 0xff, 0x9e);
    }
}
