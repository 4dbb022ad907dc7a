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
//! Meanings, limits and errors of the calls are in `uapi/minivmx.h`.

// The three kinds of file.
mod device;
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
mod exit;
mod exit_information;
mod reason;

// The guest's memory, and what can be in it.
mod long_mode;
mod memory;

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
pub use info::{
    Info,
    VmxMode, //
};
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
pub use reason::Reason;
pub use run_page::ImmediateExit;
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
pub use vcpu::{
    Traps,
    Vcpu, //
};
pub use violation::Violation;
pub use vm::{
    MapFlags,
    Vm, //
};

/// The crate that [`GuestMemory::view`] speaks, in the version that it speaks.
pub use vm_memory;
