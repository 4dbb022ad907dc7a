// SPDX-License-Identifier: GPL-2.0

//! The lowest tables that were used last, and which addresses lead to them: a fault there need not
//! go through the levels above once more. A CPU does the same with its paging-structure caches (SDM
//! Vol. 3A, "Caching Paging Structures"), and what invalidates those ends this.

use super::{
    list::TableNumber,
    page::At, //
};
use crate::mmu::address::{
    Gva,
    Level, //
};

/// # Invariants
///
/// The root leads to the table for these addresses, by entries that were made from the guest's. The
/// table is the shadow of a guest table.
#[derive(Clone, Copy)]
struct Shortcut {
    /// The addresses, without the bits that the table translates.
    region: u64,
    table: TableNumber,
}

/// The last few, each at a place that its addresses decide.
#[derive(Default)]
pub(super) struct Shortcuts([Option<Shortcut>; PLACES]);

const PLACES: usize = 4;

impl Shortcuts {
    /// The entry of the lowest level for an address, if it is known.
    pub(super) fn get(&self, address: Gva) -> Option<At> {
        let region = region(address);
        let shortcut = self.0[place(region)]?;
        (shortcut.region == region).then(|| At {
            table: shortcut.table,
            index: Level::Pt.index(address.get()),
        })
    }

    /// The root leads to this table for an address, the shadow of a guest table.
    pub(super) fn remember(&mut self, address: Gva, table: TableNumber) {
        let region = region(address);
        // INVARIANT: The caller says so.
        self.0[place(region)] = Some(Shortcut { region, table });
    }

    /// There is none for an address any more.
    pub(super) fn forget(&mut self, address: Gva) {
        self.0[place(region(address))] = None;
    }
}

fn region(address: Gva) -> u64 {
    address.get() / Level::Pd.span()
}

fn place(region: u64) -> usize {
    // CAST: Only the lowest bits matter.
    region as usize % PLACES
}
