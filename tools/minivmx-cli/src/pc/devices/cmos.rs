// SPDX-License-Identifier: GPL-2.0

//! The real-time clock with its battery-backed memory, where firmware finds the
//! time and the amount of memory (Motorola MC146818 data sheet; the memory
//! registers and that of the CPUs are those of QEMU's PC).
//!
//! Each register of the time is the host's when it is read: it is never said that an update is
//! in progress, and who reads across the end of a second must read twice, as Linux does. The
//! clock cannot be set nor stopped, and does not interrupt; register C is memory.

use std::time::{
    Duration,
    SystemTime,
    UNIX_EPOCH, //
};

use anyhow::Result;
use serde::{
    Deserialize,
    Serialize, //
};

use super::{
    exactly,
    Device, //
};

const INDEX: u16 = 0x70;
const INDEX_MASK: usize = 0x7f;

const SECONDS: usize = 0x00;
const MINUTES: usize = 0x02;
const HOURS: usize = 0x04;
const WEEKDAY: usize = 0x06;
const DAY: usize = 0x07;
const MONTH: usize = 0x08;
const YEAR: usize = 0x09;
const STATUS_A: usize = 0x0a;
const STATUS_B: usize = 0x0b;
const STATUS_D: usize = 0x0d;
const BASE_MEMORY: usize = 0x15;
const EXTENDED_MEMORY: [usize; 2] = [0x17, 0x30];
/// The register of the century.
pub const CENTURY: usize = 0x32;
const MEMORY_ABOVE_16M: usize = 0x34;
/// How many CPUs there are besides the first.
const OTHER_CPUS: usize = 0x5f;

const A_32768_HZ: u8 = 0x26;
const B_24_HOURS: u8 = 1 << 1;
const D_VALID: u8 = 1 << 7;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// Clock and memory, at ports 0x70 and 0x71.
pub struct Cmos {
    index: usize,
    registers: [u8; 128],
    now: fn() -> SystemTime,
}

/// What it is, but for the time.
#[derive(Deserialize, Serialize)]
pub struct State {
    index: u8,
    registers: Vec<u8>,
}

impl Cmos {
    /// A clock for a machine with so many bytes of memory from address 0.
    pub fn new(memory: u64) -> Self {
        let mut cmos = Self {
            index: 0,
            registers: [0; 128],
            now: SystemTime::now,
        };
        cmos.registers[STATUS_A] = A_32768_HZ;
        cmos.registers[STATUS_B] = B_24_HOURS;
        cmos.registers[STATUS_D] = D_VALID;
        cmos.set_memory(memory);
        cmos
    }

    /// The machine has so many CPUs.
    pub fn set_cpus(&mut self, cpus: u8) {
        self.registers[OTHER_CPUS] = cpus.saturating_sub(1);
    }

    pub fn state(&self) -> State {
        State {
            // CAST: Of 7 bits.
            index: self.index as u8,
            registers: self.registers.into(),
        }
    }

    pub fn restore(&mut self, state: &State) -> Result<()> {
        self.registers = exactly(&state.registers)?;
        self.index = usize::from(state.index) & INDEX_MASK;
        Ok(())
    }

    /// Registers count KiB, and above 16 MiB units of 64 KiB; each stops at its largest value.
    fn set_memory(&mut self, memory: u64) {
        self.set_word(BASE_MEMORY, 640);
        for register in EXTENDED_MEMORY {
            self.set_word(register, memory.saturating_sub(MIB) / KIB);
        }
        self.set_word(
            MEMORY_ABOVE_16M,
            memory.saturating_sub(16 * MIB) / (64 * KIB),
        );
    }

    fn set_word(&mut self, register: usize, value: u64) {
        let value = u16::try_from(value).unwrap_or(u16::MAX);
        self.registers[register..register + 2].copy_from_slice(&value.to_le_bytes());
    }

    fn register(&self) -> u8 {
        let since_1970 = (self.now)().duration_since(UNIX_EPOCH).unwrap_or_default();
        let date = Date::new(since_1970);
        match self.index {
            SECONDS => bcd(date.second),
            MINUTES => bcd(date.minute),
            HOURS => bcd(date.hour),
            WEEKDAY => bcd(date.weekday),
            DAY => bcd(date.day),
            MONTH => bcd(date.month),
            YEAR => bcd(date.year % 100),
            CENTURY => bcd(date.year / 100),
            other => self.registers[other],
        }
    }
}

impl Device for Cmos {
    fn read(&mut self, port: u16, _width: u8) -> u32 {
        match port {
            INDEX => 0xff,
            _ => self.register().into(),
        }
    }

    fn write(&mut self, port: u16, _width: u8, value: u32) {
        match port {
            // Bit 7 is the NMI mask.
            INDEX => self.index = value as usize & INDEX_MASK,
            _ if matches!(self.index, STATUS_A | STATUS_B | STATUS_D) => {}
            _ => self.registers[self.index] = value as u8,
        }
    }
}

fn bcd(value: u64) -> u8 {
    (value / 10 % 10 * 16 + value % 10) as u8
}

/// A moment in UTC, in the proleptic Gregorian calendar.
#[derive(Debug, PartialEq)]
struct Date {
    year: u64,
    month: u64,
    day: u64,
    /// 1 is Sunday.
    weekday: u64,
    hour: u64,
    minute: u64,
    second: u64,
}

impl Date {
    fn new(since_1970: Duration) -> Self {
        let seconds = since_1970.as_secs();
        let days = seconds / 86400;
        let (year, month, day) = civil(days);
        Self {
            year,
            month,
            day,
            // 1970-01-01 was a Thursday.
            weekday: (days + 4) % 7 + 1,
            hour: seconds / 3600 % 24,
            minute: seconds / 60 % 60,
            second: seconds % 60,
        }
    }
}

/// Year, month and day of a day since 1970-01-01.
///
/// Counts in eras of 400 years that begin on 1 March of year 0, so that a leap
/// day is the last day of its year.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(cmos: &mut Cmos, register: u32) -> u32 {
        cmos.write(0x70, 1, register | 0x80);
        cmos.read(0x71, 1)
    }

    fn word(cmos: &mut Cmos, register: u32) -> u32 {
        read(cmos, register) | (read(cmos, register + 1) << 8)
    }

    #[test]
    fn memory_is_in_the_registers_that_firmware_reads() {
        let mut cmos = Cmos::new(256 * MIB);
        assert_eq!(word(&mut cmos, 0x15), 640);
        assert_eq!(word(&mut cmos, 0x30), 0xffff);
        assert_eq!(word(&mut cmos, 0x34), 240 * 16);
        assert_eq!(read(&mut cmos, 0x5b), 0);

        let mut small = Cmos::new(8 * MIB);
        assert_eq!(word(&mut small, 0x30), 7 * 1024);
        assert_eq!(word(&mut small, 0x34), 0);
    }

    #[test]
    fn other_cpus_are_counted() {
        let mut cmos = Cmos::new(0);
        assert_eq!(read(&mut cmos, 0x5f), 0);
        cmos.set_cpus(3);
        assert_eq!(read(&mut cmos, 0x5f), 2);
    }

    #[test]
    fn the_time_is_in_bcd() {
        let mut cmos = Cmos::new(0);
        // 2024-02-29 23:59:58, a Thursday.
        cmos.now = || UNIX_EPOCH + Duration::from_secs(1_709_251_198);
        let registers = [0x32, 0x09, 0x08, 0x07, 0x06, 0x04, 0x02, 0x00];
        let values = registers.map(|register| read(&mut cmos, register));
        assert_eq!(values, [0x20, 0x24, 0x02, 0x29, 0x05, 0x23, 0x59, 0x58]);
        assert_eq!(read(&mut cmos, 0x0b), 0x02);
    }

    #[test]
    fn days_become_dates() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(11_016), (2000, 2, 29));
        assert_eq!(civil(11_017), (2000, 3, 1));
        assert_eq!(civil(47_540), (2100, 2, 28));
        assert_eq!(civil(47_541), (2100, 3, 1));
    }

    #[test]
    fn the_rest_is_memory() {
        let mut cmos = Cmos::new(0);
        cmos.write(0x70, 1, 0x0f);
        cmos.write(0x71, 1, 0x0a);
        assert_eq!(read(&mut cmos, 0x0f), 0x0a);
        cmos.write(0x70, 1, 0x0d);
        cmos.write(0x71, 1, 0);
        assert_eq!(read(&mut cmos, 0x0d), 0x80);
    }
}
