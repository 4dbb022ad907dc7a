// SPDX-License-Identifier: GPL-2.0

//! A region of 2 MiB pages: to map it, to unmap it, and to close a VM that has it, for each of its
//! pages. No guest runs, so it is measured with EPT, and with one policy of shadow paging.

use anyhow::Result;
use minivmx::{
    Device,
    MapFlags,
    Mmu, //
};

use super::{
    super::measure::time_stamp,
    series::{
        Extent,
        Growth,
        Point,
        Series,
        Theory, //
    },
};

const OF: &str = "MiB in 2 MiB pages";
const MIB: u64 = 1 << 20;
const PAGE: u64 = 2 * MIB;
/// In MiB.
const SIZES: [u64; 3] = [64, 256, 1024];
/// How many of these are few.
const FEW: usize = 2;
const EVENTS: [&str; 3] = ["map_2m", "unmap_2m", "close_2m"];

/// Measures one MMU.
pub fn measure(device: &Device, mmu: Mmu, extent: Extent, growth: &mut Growth) -> Result<()> {
    let is_ept = |mmu: Mmu| mmu == Mmu::Ept;
    let is_same = |series: &Series| series.of == OF && is_ept(series.mmu) == is_ept(mmu);
    if growth.series.iter().any(is_same) {
        return Ok(());
    }
    let mut all = EVENTS.map(|event| Series {
        of: OF,
        event,
        mmu,
        theory: Theory::Flat,
        points: Vec::new(),
    });
    for size in extent.of(&SIZES, FEW) {
        match points(device, mmu, *size) {
            Ok(points) => {
                for (series, point) in all.iter_mut().zip(points) {
                    series.points.push(point);
                }
            }
            Err(error) => growth
                .left_out
                .push(format!("{size} {OF}, {mmu}: {error:#}")),
        }
    }
    growth.series.extend(all);
    Ok(())
}

fn points(device: &Device, mmu: Mmu, size: u64) -> Result<[Point; 3]> {
    let bytes = size * MIB;
    let flags = MapFlags::LARGE_PAGES | MapFlags::POPULATE;
    let vm = device.create_vm(mmu)?;
    // What is allocated once.
    vm.map_memory(0, PAGE, flags)?;
    let tables = vm.stats()?.tables() * 4;
    let start = 1 << 30;
    let mapped = ticks(|| vm.map_memory(start, bytes, flags))?;
    let unmapped = ticks(|| vm.unmap_memory(start, bytes))?;
    vm.map_memory(start, bytes, flags)?;
    let closed = ticks(|| {
        drop(vm);
        Ok(())
    })?;
    Ok([mapped, unmapped, closed].map(|ticks| Point {
        count: size,
        ticks: ticks.div_ceil(bytes / PAGE),
        table_kib: tables,
    }))
}

fn ticks(call: impl FnOnce() -> minivmx::Result<()>) -> Result<u64> {
    let before = time_stamp();
    call()?;
    Ok(time_stamp().wrapping_sub(before))
}
