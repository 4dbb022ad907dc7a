// SPDX-License-Identifier: GPL-2.0

//! Address spaces of the guest: a switch to the next one, and an access there.

use std::arch::global_asm;

use anyhow::Result;
use minivmx::{
    Device,
    LongMode,
    Mmu,
    Regs, //
};

use super::{
    super::{
        hypervisor::Hypervisor,
        measure::{
            median,
            ticks_to_end,
            CODE, //
        },
        minivmx::Minivmx,
        tables, //
    },
    series::{
        Extent,
        Growth,
        Point,
        Series,
        Theory, //
    },
};

const COUNTS: [u64; 4] = [1, 10, 100, 1000];
/// How many of these are few.
const FEW: usize = 3;
/// Switches that are measured at a time.
const SWITCHES: u64 = 1000;
const LOOPS: usize = 5;
/// The roots of the address spaces, a page each. All lead to the same tables.
const ROOTS: u64 = 4 << 20;
const PAGE: u64 = 4096;

// RSI switches, by turns to each of the roots from RDI to RCX; as many instructions for each.
global_asm!(
    ".pushsection .rodata.minivmx_growth, \"a\", @progbits",
    ".globl growth_switches, growth_switches_end",
    ".hidden growth_switches, growth_switches_end",
    "growth_switches:",
    "movabs r10, {linear}",
    "mov rax, rdi",
    "1: mov cr3, rax",
    "mov byte ptr [r10], 1",
    "add rax, 4096",
    "cmp rax, rcx",
    "cmove rax, rdi",
    "dec rsi",
    "jnz 1b",
    "hlt",
    "growth_switches_end:",
    ".popsection",
    linear = const tables::LINEAR,
);

extern "C" {
    static growth_switches: u8;
    static growth_switches_end: u8;
}

fn code() -> &'static [u8] {
    let (start, end) = (&raw const growth_switches, &raw const growth_switches_end);
    // SAFETY: The labels follow each other in a read-only section of this program.
    unsafe { std::slice::from_raw_parts(start, end.addr() - start.addr()) }
}

/// Measures one MMU.
pub fn measure(device: &Device, mmu: Mmu, extent: Extent, growth: &mut Growth) -> Result<()> {
    let points = extent.of(&COUNTS, FEW).iter();
    let points = points.map(|count| point(device, mmu, *count));
    growth.series.push(Series {
        of: "address spaces",
        event: "cr3_switch",
        mmu,
        theory: Theory::Flat,
        points: points.collect::<Result<_>>()?,
    });
    Ok(())
}

fn point(device: &Device, mmu: Mmu, count: u64) -> Result<Point> {
    let mut guest = Minivmx::new(device, mmu)?;
    guest.write(CODE, code())?;
    tables::write(&mut guest, CODE)?;
    for root in (0..count).map(|number| ROOTS + number * PAGE) {
        for (index, entry) in tables::root_entries().into_iter().enumerate() {
            guest.write(root + index as u64 * 8, &entry.to_le_bytes())?;
        }
    }
    // Each has been used before it is measured.
    switch(&mut guest, count, 2 * count)?;
    let samples = (0..LOOPS).map(|_| switch(&mut guest, count, SWITCHES));
    Ok(Point {
        count,
        ticks: median(&mut samples.collect::<Result<Vec<_>>>()?),
        table_kib: guest.table_kib()?,
    })
}

/// Ticks of one of that many switches.
fn switch(guest: &mut Minivmx, count: u64, switches: u64) -> Result<u64> {
    let regs = Regs {
        rcx: ROOTS + count * PAGE,
        rsi: switches,
        rdi: ROOTS,
        ..LongMode::regs(CODE)
    };
    ticks_to_end(guest, &regs, switches)
}
