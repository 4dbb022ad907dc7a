// SPDX-License-Identifier: GPL-2.0

//! The tests: bit layouts against numbers from the SDM, the engine against a plain model.

mod address;
mod check;
mod concurrency;
mod cpuid;
mod ept;
mod guest_walk;
mod ia32e;
mod machine;
mod model;
mod shadow;
mod table;
mod x86;
