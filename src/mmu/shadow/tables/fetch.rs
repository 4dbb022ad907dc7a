// SPDX-License-Identifier: GPL-2.0

//! What the CPU fetches by the shadow tables, whatever the guest's say by now.

use super::Tables;
use crate::mmu::{
    address::{
        Gpa,
        Gva,
        Level,
        PageSize, //
    },
    shadow::{
        guest_memory::GuestMemory,
        page::{
            At,
            Frame, //
        }, //
    }, //
};
use core::sync::atomic::Ordering;

impl<P: Frame> Tables<P> {
    /// The bytes from an address to the end of its page; none if no page is mapped there.
    pub(in crate::mmu::shadow) fn fetch<'m>(
        &self,
        address: Gva,
        memory: &'m dyn GuestMemory,
    ) -> impl Iterator<Item = u8> + 'm {
        let page = self.mapped(address);
        let contents = page.and_then(|gpa| memory.contents(gpa));
        let offsets = address.offset(PageSize::Size4K)..PageSize::Size4K.bytes();
        offsets.map_while(move |offset| {
            // CAST: Less than 512.
            let word = contents?[(offset / 8) as usize].load(Ordering::Relaxed);
            // CAST: The lowest byte is wanted.
            Some((word >> (offset % 8 * 8)) as u8)
        })
    }

    /// The page that the shadow maps an address to.
    fn mapped(&self, address: Gva) -> Option<Gpa> {
        let at = self.lowest(address)?;
        let page = &self.pool[at.table];
        page.entry(at.index)?;
        Some(Gpa::new(page.mapped_frame(at.index) << 12))
    }

    /// The entry of the lowest level that the root leads to for an address.
    fn lowest(&self, address: Gva) -> Option<At> {
        if let Some(at) = self.shortcut(address) {
            return Some(at);
        }
        let mut table = self.root?;
        loop {
            let at = self.at(table, address);
            if self.pool[table].key.level == Level::Pt {
                return Some(at);
            }
            table = self.below(at)?;
        }
    }
}
