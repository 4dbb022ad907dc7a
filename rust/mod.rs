// SPDX-License-Identifier: GPL-2.0

//! What the driver needs of the kernel and the `kernel` crate does not have yet.
//!
//! Each module here would live in the `kernel` crate if it were upstream. None of them knows what
//! minivmx is, and all `unsafe` that they contain ends at a safe interface.

mod bindings;

pub(crate) mod atomic;
pub(crate) mod capable;
pub(crate) mod clock;
pub(crate) mod cpu;
pub(crate) mod debug_register;
pub(crate) mod descriptor;
pub(crate) mod file;
pub(crate) mod fpu;
pub(crate) mod irq;
pub(crate) mod msr;
pub(crate) mod page;
pub(crate) mod per_cpu;
pub(crate) mod random;
pub(crate) mod ratelimit;
pub(crate) mod sampling;
pub(crate) mod speculation;
pub(crate) mod trace;
pub(crate) mod try_lock;
pub(crate) mod uaccess;
pub(crate) mod uapi;
pub(crate) mod user_msr;
pub(crate) mod wait_queue;
