// SPDX-License-Identifier: GPL-2.0

//! The lowest table that was used last, and which addresses lead to it: a fault there need not go
//! through the levels above once more. A CPU does the same with its paging-structure caches (SDM Vol. 3A,
//! "Caching Paging Structures"), and what invalidates those ends this.

use super::Tables;
use crate::mmu::{
    address::{
        Gpa,
        Gva,
        Level, //
    },
    guest_walk::Start,
    shadow::{
        list::TableNumber,
        page::{
            At,
            Frame, //
        },
    }, //
};

/// # Invariants
///
/// The root leads to the table for these addresses, by entries that were made from the guest's. The table is
/// the shadow of a guest table.
#[derive(Clone, Copy)]
pub(super) struct Shortcut {
    /// The addresses, without the bits that the table translates.
    region: u64,
    table: TableNumber,
}

fn region(address: Gva) -> u64 {
    address.get() / Level::Pd.span()
}

impl<P: Frame> Tables<P> {
    /// The entry of the lowest level, if it is known.
    pub(super) fn shortcut(&self, address: Gva) -> Option<At> {
        let shortcut = self.shortcut?;
        (shortcut.region == region(address)).then(|| At {
            table: shortcut.table,
            index: Level::Pt.index(address.get()),
        })
    }

    /// Where the walk of the guest's tables may begin, if that is known.
    pub(in crate::mmu::shadow) fn walk_start(&self, address: Gva) -> Option<Start> {
        let key = self.pool[self.shortcut(address)?.table].key;
        Some(Start {
            level: 1,
            table: Gpa::new(key.frame << 12),
            rights: key.rights,
        })
    }

    pub(in crate::mmu::shadow) fn has_shortcut(&self) -> bool {
        self.shortcut.is_some()
    }

    /// The root leads to this entry of the lowest level for an address.
    pub(super) fn remember_shortcut(&mut self, address: Gva, at: At) {
        // INVARIANT: The caller came there from the root.
        self.shortcut = self.pool[at.table]
            .key
            .is_guest_table()
            .then_some(Shortcut {
                region: region(address),
                table: at.table,
            });
    }

    /// To be called when an entry of a higher level goes, when the CPU would have to read them anew, and
    /// when the walk does.
    pub(in crate::mmu::shadow) fn forget_shortcut(&mut self) {
        // INVARIANT: There is none.
        self.shortcut = None;
    }
}
