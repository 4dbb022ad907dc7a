// SPDX-License-Identifier: GPL-2.0

//! What a guest is doing: its registers, its page tables, its code.

pub mod blocking;
pub mod code;
pub mod kvm;
pub mod paging;
pub mod registers;
