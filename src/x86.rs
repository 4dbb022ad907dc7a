// SPDX-License-Identifier: GPL-2.0

//! The architecture, as far as the driver has to know it: the names of bits and numbers, and what a
//! processor takes for good.
//!
//! There are only constants and pure functions here. They know nothing of the kernel and nothing of
//! VMX, and are tested in userspace (`tools/pure`).

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
