// SPDX-License-Identifier: GPL-2.0

//! What is measured: an event, with more and more of something.

use std::fmt;

use minivmx::Mmu;
use serde::{
    Serialize,
    Serializer, //
};

/// How far to go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Extent {
    /// As far as a minute allows.
    Short,
    /// All the way.
    Full,
}

impl Extent {
    /// The numbers to measure with: all, or the first ones.
    pub fn of(self, numbers: &[u64], short: usize) -> &[u64] {
        match self {
            Self::Short => &numbers[..short.min(numbers.len())],
            Self::Full => numbers,
        }
    }
}

/// What theory says of an event's cost.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Theory {
    /// It does not grow.
    Flat,
    /// It grows with the logarithm.
    Logarithm,
}

/// One number of something.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Point {
    /// How much there is of it.
    pub count: u64,
    /// Ticks of the time-stamp counter per event.
    pub ticks: u64,
    /// KiB of page tables for the guest, or for all of them.
    pub table_kib: u64,
}

/// An event, with more and more of something.
#[derive(Debug, Serialize)]
pub struct Series {
    /// Of what, with its unit.
    pub of: &'static str,
    /// The event.
    pub event: &'static str,
    /// The MMU.
    #[serde(serialize_with = "name")]
    pub mmu: Mmu,
    /// What theory says.
    pub theory: Theory,
    /// What was measured.
    pub points: Vec<Point>,
}

fn name<S: Serializer>(mmu: &Mmu, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(mmu.name())
}

impl Series {
    /// The dearest and the cheapest point.
    fn ends(&self) -> Option<(u64, u64)> {
        let ticks = || self.points.iter().map(|point| point.ticks);
        ticks().max().zip(ticks().min())
    }

    /// How many times the cheapest point the dearest is.
    pub fn growth(&self) -> f64 {
        self.ends()
            .map_or(1.0, |(most, least)| most as f64 / least.max(1) as f64)
    }

    /// Whether that is as theory says: a tenth more at most, or a tenth for each doubling. Of what
    /// takes a few ticks, two are no growth. A single point says nothing.
    pub fn holds(&self) -> bool {
        const NOISE: u64 = 2;
        let tenths = match self.theory {
            Theory::Flat => 1,
            Theory::Logarithm => self.doublings(),
        };
        let is_flat = |(most, least)| most <= least + least * tenths / 10 + NOISE;
        self.points.len() > 1 && self.ends().is_some_and(is_flat)
    }

    fn doublings(&self) -> u64 {
        let counts = || self.points.iter().map(|point| point.count);
        let ends = counts().max().zip(counts().min());
        ends.map_or(0, |(most, least)| {
            (most / least.max(1)).max(1).ilog2().into()
        })
    }
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} by {}, {}", self.event, self.of, self.mmu)
    }
}

/// All that was measured.
#[derive(Debug, Default)]
pub struct Growth {
    /// By what grows, event and MMU.
    pub series: Vec<Series>,
    /// What this machine has no room for, in words.
    pub left_out: Vec<String>,
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn series(ticks: &[u64]) -> Series {
        let point = |(index, ticks): (usize, &u64)| Point {
            count: 10u64.pow(index as u32),
            ticks: *ticks,
            table_kib: 8,
        };
        Series {
            of: "address spaces",
            event: "cr3_switch",
            mmu: Mmu::ALL[0],
            theory: Theory::Flat,
            points: ticks.iter().enumerate().map(point).collect(),
        }
    }

    #[test]
    fn a_tenth_is_flat_and_more_is_not() {
        assert!(series(&[1000, 1100, 1050]).holds());
        assert!(!series(&[1000, 1103]).holds());
        assert!(!series(&[1200, 1000]).holds());
        assert!(series(&[7, 9]).holds());
        assert!(!series(&[]).holds());
        assert!(!series(&[1000]).holds());
    }

    #[test]
    fn a_logarithm_is_a_tenth_for_each_doubling() {
        let logarithm = |ticks: &[u64]| Series {
            theory: Theory::Logarithm,
            ..series(ticks)
        };
        // 10 is three doublings and some.
        assert!(logarithm(&[1000, 1300]).holds());
        assert!(!logarithm(&[1000, 1400]).holds());
    }

    #[test]
    fn growth_is_the_dearest_by_the_cheapest() {
        assert_eq!(series(&[200, 100, 150]).growth(), 2.0);
    }

    #[test]
    fn a_short_extent_is_the_beginning() {
        assert_eq!(Extent::Short.of(&[1, 10, 100], 2), [1, 10]);
        assert_eq!(Extent::Full.of(&[1, 10, 100], 2), [1, 10, 100]);
    }
}
