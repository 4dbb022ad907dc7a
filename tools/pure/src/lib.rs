// SPDX-License-Identifier: GPL-2.0

//! The driver's files that know nothing of the kernel, built and tested in userspace.
//!
//! They are the files of `src/`, not copies. `kernel::bitfield!` in them is the kernel's own, too:
//! `KSRC` names the kernel source tree that it is taken from.
//!
//! `KSRC=/usr/src/linux-source-7.3 cargo test -p pure`
//!
//! Two fuzz targets are in `fuzz/`: `walk`, the walk through a guest's tables, and `shadow`, guests
//! under all policies of shadow paging. `lab/enter.sh lab/fuzz.sh shadow 600` runs one for ten
//! minutes, by `cargo fuzz` with the base's own compiler; the tests run their entries on some
//! bytes, too.

// What the driver uses is no measure for what the tests here use.
#![allow(dead_code, unused_imports)]

/// The page-table engine, and shadow paging.
#[path = "../../../src/mmu"]
mod mmu {
    pub(crate) mod address;
    pub(crate) mod ept;
    pub(crate) mod flush;
    pub(crate) mod format;
    pub(crate) mod guest_walk;
    pub(crate) mod ia32e;
    pub(crate) mod inspect;
    pub(crate) mod node;
    pub(crate) mod pte;
    pub(crate) mod shadow;
    pub(crate) mod table;
    pub(crate) mod walk;
}

/// The architecture.
#[path = "../../../src/x86"]
mod x86 {
    pub(crate) mod address;
    pub(crate) mod cet;
    pub(crate) mod cpuid;
    pub(crate) mod cr0;
    pub(crate) mod cr4;
    pub(crate) mod cr8;
    pub(crate) mod debug_register;
    pub(crate) mod debugctl;
    pub(crate) mod efer;
    pub(crate) mod event;
    pub(crate) mod exception;
    pub(crate) mod instruction;
    pub(crate) mod misc_enable;
    pub(crate) mod msr;
    pub(crate) mod pat;
    pub(crate) mod rflags;
    pub(crate) mod segment;
}

/// VMX, as far as it is data.
#[path = "../../../src/vmx"]
mod vmx {
    pub(crate) mod check;
    pub(crate) mod controls;
    pub(crate) mod exit;
    pub(crate) mod field;
    pub(crate) mod processor;
    pub(crate) mod segment;
}

/// What the machine gives to guests.
#[path = "../../../src/machine"]
mod machine {
    pub(crate) mod cpuid;
}

#[cfg(any(test, fuzzing))]
mod dice;
#[cfg(any(test, fuzzing))]
mod oracle;
#[cfg(any(test, fuzzing))]
mod shadow;
#[cfg(any(test, fuzzing))]
mod walks;

#[cfg(fuzzing)]
pub use self::{shadow::fuzz as fuzz_shadow, walks::fuzz as fuzz_walk};

#[cfg(test)]
mod tests;
