// SPDX-License-Identifier: GPL-2.0

//! Where the members of `struct minivmx_run` are: indexes of [`KernelPage::words`] and
//! [`KernelPage::u32s`].
//!
//! [`KernelPage::words`]: crate::support::page::KernelPage::words
//! [`KernelPage::u32s`]: crate::support::page::KernelPage::u32s

use crate::support::uapi::{
    minivmx_regs,
    minivmx_run, //
};
use core::mem::offset_of;
use kernel::prelude::*;

// Of 64 bits. The registers are the first 18 words of the page; RIP and RFLAGS are the last of
// them.
pub(super) const RIP: usize = word(offset_of!(minivmx_regs, rip));
pub(super) const RFLAGS: usize = word(offset_of!(minivmx_regs, rflags));
pub(super) const MSR_VALUE: usize = word(offset_of!(minivmx_run, msr.value));
pub(super) const DEADLINE: usize = word(offset_of!(minivmx_run, deadline));

// Structures and unions: the first word of each.
pub(super) const REASON: usize = word(offset_of!(minivmx_run, reason));
pub(super) const MEMORY: usize = word(offset_of!(minivmx_run, memory));
pub(super) const CAUSE: usize = word(offset_of!(minivmx_run, cause));
pub(super) const EVENT: usize = word(offset_of!(minivmx_run, event));
pub(super) const VIOLATION: usize = word(offset_of!(minivmx_run, violation));
/// Behind it nothing is of an exit.
pub(super) const AFTER_EXIT: usize = word(offset_of!(minivmx_run, windows));

// Of 32 bits.
pub(super) const IMMEDIATE_EXIT: usize = half(offset_of!(minivmx_run, immediate_exit));
pub(super) const ANSWER: usize = half(offset_of!(minivmx_run, answer));
pub(super) const IO_DATA: usize = half(offset_of!(minivmx_run, io.data));
pub(super) const MSR_FAULT: usize = half(offset_of!(minivmx_run, msr.fault));
pub(super) const EVENT_INFO: usize = half(offset_of!(minivmx_run, event.info));
pub(super) const EVENT_ERROR: usize = half(offset_of!(minivmx_run, event.error));
pub(super) const EVENT_LENGTH: usize = half(offset_of!(minivmx_run, event.length));
pub(super) const EVENT_RESERVED: usize = half(offset_of!(minivmx_run, event.__reserved));
pub(super) const WINDOWS: usize = half(offset_of!(minivmx_run, windows));
pub(super) const FLAGS: usize = half(offset_of!(minivmx_run, flags));
pub(super) const READY: usize = half(offset_of!(minivmx_run, ready));

static_assert!(size_of::<minivmx_run>() <= kernel::bindings::PAGE_SIZE);
static_assert!((RFLAGS + 1) * size_of::<u64>() == size_of::<minivmx_regs>());

/// Index of the word at a byte offset.
const fn word(offset: usize) -> usize {
    assert!(offset % size_of::<u64>() == 0);
    offset / size_of::<u64>()
}

/// Index of the 32 bits at a byte offset.
const fn half(offset: usize) -> usize {
    assert!(offset % size_of::<u32>() == 0);
    offset / size_of::<u32>()
}
