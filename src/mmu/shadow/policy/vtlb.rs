// SPDX-License-Identifier: GPL-2.0

//! `vtlb`: the shadow is a large TLB.
//!
//! **Idea.** The guest's operating system must reckon with a TLB that keeps translations until it
//! is told to forget them. So one set of shadow tables is filled by page faults, loses an entry by
//! INVLPG, and everything at a load of CR3, or when memory is taken away from the guest, as a CPU's
//! TLB does with EPT. The guest writes its tables freely: nobody watches.
//!
//! **Costs.** A write to a table is free. A load of CR3 costs an exit, and a fault for every page
//! that is touched afterwards. INVLPG costs an exit, and a fault.
//!
//! **Origin.** The rules of the x86's own TLB (SDM Vol. 3A, "Invalidation of TLBs and
//! Paging-Structure Caches"); lguest, and Palacios's `tlb`.

use super::{
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
pub(crate) struct Vtlb;

impl<P: Frame> ShadowPolicy<P> for Vtlb {
    fn protects_tables(&self) -> bool {
        false
    }

    fn traps_invlpg(&self) -> bool {
        true
    }

    fn table_write(
        &self,
        _tables: &mut Tables<P>,
        _frame: u64,
        _memory: &dyn GuestMemory,
    ) -> TableWrite {
        TableWrite::Allow
    }

    fn load_cr3(&self, tables: &mut Tables<P>) {
        tables.drop_all();
    }

    fn invlpg(&self, tables: &mut Tables<P>, address: Gva, memory: &dyn GuestMemory) {
        tables.sync_address(address, memory);
        // INVLPG invalidates paging-structure caches for all addresses.
        tables.forget_shortcuts();
    }
}
