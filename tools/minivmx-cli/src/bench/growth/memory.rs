// SPDX-License-Identifier: GPL-2.0

//! Memory of the guest: the first touch of a page at its end, in a VM that has that much mapped.
//! Where the page is, is looked up in a tree of what is allocated.

use anyhow::{
    Error,
    Result, //
};
use minivmx::{
    Device,
    LongMode,
    MapFlags,
    Mmu,
    Regs, //
};

use super::{
    super::{
        event::Event,
        hypervisor::Hypervisor,
        measure::{
            ticks_to_end,
            CODE, //
        },
        minivmx::Minivmx, //
    },
    series::{
        Extent,
        Growth,
        Point,
        Series,
        Theory, //
    },
};

const MIB: u64 = 1 << 20;
/// In MiB.
const SIZES: [u64; 6] = [4, 16, 64, 256, 1024, 4096];
/// How many of these are few.
const FEW: usize = 3;
/// Of more memory, only what is touched is allocated: no machine of the lab has all of it.
const ALLOCATED: u64 = 64 * MIB;
const PAGE: u64 = 4096;
/// Pages that are touched: the last but one of the 2 MiB at the end, so that tables stand there.
const TOUCHED: u64 = 255;
/// Guests of each size: what the kernel does now and then falls into one of them.
const SAMPLES: usize = 5;
/// Where the guest's tables lead.
const REACH: u64 = 1 << 30;

/// Measures one MMU.
pub fn measure(device: &Device, mmu: Mmu, extent: Extent, growth: &mut Growth) -> Result<()> {
    let mut points = Vec::new();
    for size in extent.of(&SIZES, FEW) {
        match point(device, mmu, *size) {
            Ok(point) => points.push(point),
            Err(error) => growth.left_out.push(no_room(mmu, *size, &error)),
        }
    }
    growth.series.push(Series {
        of: "MiB of memory",
        event: "first_touch",
        mmu,
        theory: Theory::Logarithm,
        points,
    });
    Ok(())
}

fn no_room(mmu: Mmu, size: u64, error: &Error) -> String {
    format!("{size} MiB of memory, {mmu}: {error:#}")
}

/// The one in the middle.
fn point(device: &Device, mmu: Mmu, size: u64) -> Result<Point> {
    let samples = (0..SAMPLES).map(|_| sample(device, mmu, size));
    let mut samples = samples.collect::<Result<Vec<_>>>()?;
    samples.sort_by_key(|point| point.ticks);
    Ok(samples.swap_remove(SAMPLES / 2))
}

/// As a first touch happens once, each takes a guest of its own.
fn sample(device: &Device, mmu: Mmu, size: u64) -> Result<Point> {
    let bytes = size * MIB;
    let flags = match bytes <= ALLOCATED {
        true => MapFlags::POPULATE,
        false => MapFlags::default(),
    };
    let mut guest = Minivmx::with_memory(device, mmu, bytes, flags)?;
    let first = bytes.min(REACH) - 2 * MIB;
    for page in 0..=TOUCHED {
        guest.write(first + page * PAGE, &[1])?;
    }
    guest.write(CODE, Event::EptViolation.code())?;
    // The tables that lead there, and whatever else comes once.
    touch(&mut guest, first, 1)?;
    let ticks = touch(&mut guest, first + PAGE, TOUCHED)?;
    Ok(Point {
        count: size,
        ticks,
        table_kib: guest.table_kib()?,
    })
}

/// Ticks of the first touch of one of these pages.
fn touch(guest: &mut Minivmx, first: u64, pages: u64) -> Result<u64> {
    let regs = Regs {
        rsi: pages,
        rdi: first,
        ..LongMode::regs(CODE)
    };
    ticks_to_end(guest, &regs, pages)
}
