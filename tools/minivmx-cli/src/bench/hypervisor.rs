// SPDX-License-Identifier: GPL-2.0

//! What the benchmark needs of a hypervisor.

use anyhow::Result;
use minivmx::Regs;

/// Bytes of guest memory, all allocated in advance in 4 KiB pages.
pub const MEMORY: u64 = 160 << 20;

/// Why the guest stopped.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stop {
    /// HLT.
    Hlt,
    /// OUT.
    Out,
}

/// A hypervisor with one guest that is in 64-bit mode, as
/// [`LongMode`](minivmx::LongMode) makes it, and has [`MEMORY`] bytes from
/// address 0.
pub trait Hypervisor {
    /// Name as in `bench.json`.
    fn subject(&self) -> &'static str;
    /// How guest-physical memory is translated, as in `bench.json`.
    fn mmu(&self) -> &'static str;
    /// Copies bytes to the guest.
    fn write(&mut self, gpa: u64, bytes: &[u8]) -> Result<()>;
    /// Sets the general registers.
    fn set_regs(&mut self, regs: &Regs) -> Result<()>;
    /// Runs until HLT or OUT; anything else is an error.
    fn run(&mut self) -> Result<Stop>;
}
