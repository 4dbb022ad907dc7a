// SPDX-License-Identifier: GPL-2.0

//! The three files that programs see: their calls are parsed, carried out by the floors below, and
//! written back. Nothing below knows them, nor the structures of their calls.

mod device;
mod mmu;
mod pte;
mod stats;
mod vcpu;
mod vm;
