// SPDX-License-Identifier: GPL-2.0

//! Virtual machines on `/dev/minivmx`, the small Intel VMX driver.
//!
//! The driver has three kinds of file, and so has this library: a [`Device`]
//! makes a [`Vm`], a VM makes a [`Vcpu`]. A vCPU runs until it has something to
//! say; what it says is an [`Exit`], which borrows the page that driver and
//! program share.
//!
//! # A complete program
//!
//! ```no_run
#![doc = include_str!("../examples/sum.rs")]
//! ```
//!
//! It prints
//!
//! ```text
#![doc = include_str!("../examples/sum.txt")]
//! ```
//!
//! # More programs
//!
//! In `examples/`, each with what it prints:
//!
//! - `hello.rs`: a guest of seven instructions in [real mode](RealMode)
//! - `sum.rs`: the one above, in [64-bit mode](LongMode), with answers to its input and memory that comes late
//! - `page_tables.rs`: page tables that the program makes for its guest, and what the CPU leaves in them
//! - `exits.rs`: exits that the program [asks to see](Traps), counted by [`Reason`]
//! - `pager.rs`: guest memory that is in a file, brought in and thrown out by the program
//! - `two_vcpus.rs`: two vCPUs, a thread each, and one memory
//!
//! A program needs this crate and nothing else: no bindgen, no C compiler.
//!
//! Meanings, limits and errors of the calls are in `uapi/minivmx.h`, and of structures and constants in
//! [`uapi`], which is made from it.

// The three kinds of file.
mod device;
mod fpu;
mod kicker;
mod state;
mod vcpu;
mod violation;
mod vm;

// What they say of themselves.
mod capability;
mod info;
mod mitigation;
mod mmu;
mod stats;

// Why a guest stopped, and how it goes on.
mod answer;
mod event;
mod exit;
mod exit_information;
mod reason;
mod traps;
mod windows;

// The guest's memory, and what it can begin with.
mod field;
mod long_mode;
mod memory;
mod real_mode;

// How the guest's addresses are translated.
mod translation;

// What goes wrong.
mod errno;
mod error;

// The interface underneath.
mod ioctl;
mod mapping;
mod run_page;
pub mod uapi;

pub use answer::Answer;
pub use capability::{
    Capabilities,
    Capability, //
};
pub use device::Device;
pub use errno::Errno;
pub use error::{
    Error,
    Result, //
};
pub use exit::{
    Access,
    Exit,
    IoForm, //
};
pub use exit_information::ExitInformation;
pub use field::Field;
pub use fpu::Fpu;
pub use info::{
    Info,
    VmxMode, //
};
pub use kicker::Kicker;
pub use long_mode::LongMode;
pub use mapping::Mapping;
pub use memory::GuestMemory;
pub use mitigation::{
    Mitigated,
    Mitigation, //
};
pub use mmu::{
    Mmu,
    UnknownMmu, //
};
pub use real_mode::RealMode;
pub use reason::Reason;
pub use run_page::ImmediateExit;
pub use state::VcpuState;
pub use stats::Stats;
pub use translation::{
    Address,
    End,
    MemoryType,
    Pte,
    PteFlags,
    Purpose,
    Question,
    Tables,
    Translation, //
};
pub use traps::{
    Trap,
    Traps, //
};
pub use uapi::{
    minivmx_cpuid_entry as CpuidEntry,
    minivmx_event as Event,
    minivmx_msr as Msr,
    minivmx_regs as Regs,
    minivmx_segment as Segment,
    minivmx_sregs as Sregs,
    minivmx_table as Table,
    MINIVMX_SREGS_KEEP as SREGS_KEEP,
    MINIVMX_SREGS_PDPTES as SREGS_PDPTES, //
};
pub use vcpu::Vcpu;
pub use violation::Violation;
pub use vm::{
    MapFlags,
    Vm, //
};
pub use windows::Windows;

/// The crate that [`GuestMemory::view`] speaks, in the version that it speaks.
pub use vm_memory;
