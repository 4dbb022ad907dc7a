// SPDX-License-Identifier: GPL-2.0

//! What the driver stands on, as in `rust/`.

pub(crate) mod atomic;
pub(crate) mod irq;
pub(crate) mod page;
pub(crate) mod per_cpu;
