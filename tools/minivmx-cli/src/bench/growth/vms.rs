// SPDX-License-Identifier: GPL-2.0

//! VMs of one program, which run by turns.

use anyhow::Result;
use minivmx::{
    Device,
    LongMode,
    MapFlags,
    Mmu, //
};

use super::{
    super::{
        event::Event,
        hypervisor::Hypervisor,
        measure::{
            median,
            run_to_end,
            time_stamp,
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

const COUNTS: [u64; 3] = [1, 8, 64];
/// How many of these are few.
const FEW: usize = 2;
/// Memory of each.
const MEMORY: u64 = 2 << 20;
/// A multiple of all counts.
const RUNS: u64 = 512;
const LOOPS: usize = 5;

/// Measures one MMU.
pub fn measure(device: &Device, mmu: Mmu, extent: Extent, growth: &mut Growth) -> Result<()> {
    let points = extent.of(&COUNTS, FEW).iter();
    let points = points.map(|count| point(device, mmu, *count));
    growth.series.push(Series {
        of: "VMs",
        event: "run_hlt",
        mmu,
        theory: Theory::Flat,
        points: points.collect::<Result<_>>()?,
    });
    Ok(())
}

fn point(device: &Device, mmu: Mmu, count: u64) -> Result<Point> {
    let guests = (0..count).map(|_| guest(device, mmu));
    let mut guests = guests.collect::<Result<Vec<_>>>()?;
    run(&mut guests)?;
    let samples = (0..LOOPS).map(|_| run(&mut guests));
    let ticks = median(&mut samples.collect::<Result<Vec<_>>>()?);
    let tables = guests.iter().map(Minivmx::table_kib);
    Ok(Point {
        count,
        ticks,
        table_kib: tables.sum::<Result<_>>()?,
    })
}

fn guest(device: &Device, mmu: Mmu) -> Result<Minivmx> {
    let mut guest = Minivmx::with_memory(device, mmu, MEMORY, MapFlags::POPULATE)?;
    guest.write(CODE, Event::RunHlt.code())?;
    guest.set_regs(&LongMode::regs(CODE))?;
    Ok(guest)
}

/// Ticks of one run, by turns.
fn run(guests: &mut [Minivmx]) -> Result<u64> {
    let turns = RUNS / guests.len().max(1) as u64;
    let before = time_stamp();
    for _ in 0..turns {
        for guest in &mut *guests {
            run_to_end(guest)?;
        }
    }
    Ok(time_stamp().wrapping_sub(before).div_ceil(RUNS))
}
