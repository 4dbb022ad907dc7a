// SPDX-License-Identifier: GPL-2.0

//! The ways to the tables that were used last: when they are taken, and when they end.

use super::Tables;
use crate::mmu::{
    address::{
        Gpa,
        Gva, //
    },
    guest_walk::Start,
    shadow::page::{
        At,
        Frame, //
    }, //
};

impl<P: Frame> Tables<P> {
    /// The entry of the lowest level, if it is known.
    pub(super) fn shortcut(&self, address: Gva) -> Option<At> {
        self.shortcuts.get(address)
    }

    pub(in crate::mmu::shadow) fn has_shortcut(&self, address: Gva) -> bool {
        self.shortcut(address).is_some()
    }

    /// Where the walk of the guest's tables may begin, if that is known.
    pub(in crate::mmu::shadow) fn walk_start(&self, address: Gva) -> Option<Start> {
        let table = self.shortcut(address)?.table;
        let key = self.pool[table].key;
        Some(Start {
            level: 1,
            table: Gpa::new(key.frame << 12),
            rights: key.rights,
        })
    }

    /// The root leads to this entry of the lowest level for an address.
    pub(super) fn remember_shortcut(&mut self, address: Gva, at: At) {
        if self.pool[at.table].key.is_guest_table() {
            self.shortcuts.remember(address, at.table);
        }
    }

    /// To be called before the tables above are walked anew for an address.
    pub(in crate::mmu::shadow) fn forget_shortcut(&mut self, address: Gva) {
        self.shortcuts.forget(address);
    }

    /// To be called when an entry of a higher level goes, or the CPU would have to read them anew.
    pub(in crate::mmu::shadow) fn forget_shortcuts(&mut self) {
        self.shortcuts = Default::default();
    }
}
