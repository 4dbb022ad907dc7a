// SPDX-License-Identifier: GPL-2.0

//! Intel VMX, as the SDM describes it, in types.
//!
//! The CPU is in VMX operation on our behalf only for moments. Three guards make that a ladder,
//! each the proof that the next one takes, each undone by its drop:
//!
//! ```text
//! IrqsDisabled   interrupts are off: the task stays on this CPU
//!   VmxRoot      the CPU is in VMX root operation: our own, or KVM's, borrowed
//!     CurrentVmcs   our VMCS is the current one: VMREAD, VMWRITE and VM entries mean it
//! ```
//!
//! What happens between the first and the last is called a *burst*: VM entries and exits that the
//! driver answers by itself. Nothing of it outlasts the burst, so there are no hooks for CPU
//! hotplug, suspend, reboot or kexec, and no state of a vCPU is left on a CPU but translations in
//! its TLB.
//!
//! `SDM` in comments means the Intel 64 and IA-32 Architectures Software Developer's Manual of the
//! edition that `uapi/minivmx.h` names, cited by volume and section title.

pub(crate) mod capability;
mod capability_msrs;
pub(crate) mod check;
pub(crate) mod checked;
mod control_fields;
pub(crate) mod controls;
pub(crate) mod dump;
pub(crate) mod entry;
pub(crate) mod error;
pub(crate) mod execution;
pub(crate) mod exit;
pub(crate) mod field;
pub(crate) mod guest_state;
pub(crate) mod host;
mod host_area;
mod hyper_v;
pub(crate) mod inactive;
pub(crate) mod insn;
mod look_away;
pub(crate) mod mitigation;
pub(crate) mod msr_bitmap;
mod observers;
mod processor;
mod region;
pub(crate) mod root;
pub(crate) mod segment;
pub(crate) mod vmcs;
pub(crate) mod vpid;
