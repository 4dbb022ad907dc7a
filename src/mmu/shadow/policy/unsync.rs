// SPDX-License-Identifier: GPL-2.0

//! `unsync`: as `wp`, but tables of the lowest level may be out of date until the guest says so.
//!
//! **Idea.** Most writes go to tables of the lowest level, and the guest has to invalidate what it
//! changed anyway. So at its first trapped write such a table becomes writable, and its shadow
//! counts as *unsynchronised*. INVLPG compares the one entry with the guest's, a load of CR3 all
//! entries of all such tables, which are then protected again. So does the first use of a way to a
//! table that has entries already, before which the guest need not invalidate anything. Where that
//! is left half-done, writes are treated as by `wp` until its end; those to tables of higher levels
//! always are.
//!
//! **Costs.** Of many writes to a table between two loads of CR3, the first costs an exit. INVLPG
//! costs an exit. A load of CR3 costs one, and a comparison for each entry of the tables written
//! to.
//!
//! **Origin.** KVM since 2008.

use super::{
    wp::step_or_release,
    ShadowPolicy,
    TableWrite, //
};
use crate::mmu::{
    address::Gva,
    shadow::{
        guest_memory::GuestMemory,
        page::Frame,
        tables::Tables, //
    }, //
};

/// See the module.
pub(crate) struct Unsync;

impl<P: Frame> ShadowPolicy<P> for Unsync {
    fn protects_tables(&self) -> bool {
        true
    }

    fn traps_invlpg(&self) -> bool {
        true
    }

    fn table_write(
        &self,
        tables: &mut Tables<P>,
        frame: u64,
        memory: &dyn GuestMemory,
    ) -> TableWrite {
        if tables.allow_unsync(frame) {
            TableWrite::Allow
        } else {
            step_or_release(tables, frame, memory)
        }
    }

    fn load_cr3(&self, tables: &mut Tables<P>) {
        tables.need_resync();
    }

    fn invlpg(&self, tables: &mut Tables<P>, address: Gva, memory: &dyn GuestMemory) {
        tables.sync_address(address, memory);
    }
}
