// SPDX-License-Identifier: GPL-2.0

//! The lowest tables that were used last, and which addresses lead to them: a fault there need not go
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
struct Shortcut {
    /// The addresses, without the bits that the table translates.
    region: u64,
    table: TableNumber,
}

/// The last few, each at a place that its addresses decide.
#[derive(Default)]
pub(super) struct Shortcuts([Option<Shortcut>; 4]);

impl Shortcuts {
    fn place(&mut self, region: u64) -> &mut Option<Shortcut> {
        // CAST: Less than 4.
        let place = (region % 4) as usize;
        &mut self.0[place]
    }
}

fn region(address: Gva) -> u64 {
    address.get() / Level::Pd.span()
}

impl<P: Frame> Tables<P> {
    /// The entry of the lowest level, if it is known.
    pub(super) fn shortcut(&mut self, address: Gva) -> Option<At> {
        let region = region(address);
        let shortcut = (*self.shortcuts.place(region))?;
        (shortcut.region == region).then(|| At {
            table: shortcut.table,
            index: Level::Pt.index(address.get()),
        })
    }

    pub(in crate::mmu::shadow) fn has_shortcut(&mut self, address: Gva) -> bool {
        self.shortcut(address).is_some()
    }

    /// Where the walk of the guest's tables may begin, if that is known.
    pub(in crate::mmu::shadow) fn walk_start(&mut self, address: Gva) -> Option<Start> {
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
            let region = region(address);
            let table = at.table;
            // INVARIANT: The caller came there from the root.
            *self.shortcuts.place(region) = Some(Shortcut { region, table });
        }
    }

    /// To be called before the tables above are walked anew for an address.
    pub(in crate::mmu::shadow) fn forget_shortcut(&mut self, address: Gva) {
        *self.shortcuts.place(region(address)) = None;
    }

    /// To be called when an entry of a higher level goes, or the CPU would have to read them anew.
    pub(in crate::mmu::shadow) fn forget_shortcuts(&mut self) {
        // INVARIANT: There are none.
        self.shortcuts = Shortcuts::default();
    }
}
