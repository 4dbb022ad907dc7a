// SPDX-License-Identifier: GPL-2.0

//! An operand in guest memory.

use crate::mmu::address::{
    Gpa,
    PageSize, //
};

/// Where the bytes of an operand are that an instruction may reach: it was translated once, as by
/// the CPU, and stays there whatever becomes of the guest's tables.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Operand {
    first: Gpa,
    second_page: Gpa,
}

impl Operand {
    /// An operand that begins at `first`, and goes on at the beginning of `second_page` if it does
    /// not end in that page.
    pub(crate) fn new(first: Gpa, second_page: Gpa) -> Self {
        Self { first, second_page }
    }

    /// How many bytes of this many are in the page of the first.
    pub(crate) fn in_first_page(self, length: usize) -> usize {
        let size = PageSize::Size4K;
        // CAST: Less than 4096.
        let room = size.bytes().wrapping_sub(self.first.offset(size)) as usize;
        room.min(length)
    }

    /// Where a byte of it is, less than a page behind the first.
    pub(crate) fn byte(self, index: usize) -> Gpa {
        let size = PageSize::Size4K;
        let offset = self.first.offset(size).wrapping_add(index as u64);
        let page = if offset < size.bytes() {
            self.first
        } else {
            self.second_page
        };
        Gpa::new(page.page_base(size).get() | offset % size.bytes())
    }
}
