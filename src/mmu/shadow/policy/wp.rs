// SPDX-License-Identifier: GPL-2.0

//! `wp`: guest tables are read-only, and their shadows are always right.
//!
//! **Idea.** Every guest table has a shadow of its own, which is kept when the guest loads CR3: a
//! load of a root that was seen before finds all as it was left. For that, no change of a table may
//! go unseen. Guest tables with a shadow are write-protected; the instruction that writes to one is
//! carried out by itself, single-stepped, and then every entry that it changed is synchronised.
//! A table that is written again and again without being used has become data, and is let go.
//!
//! **Costs.** A load of CR3 costs one exit, whatever the size of the address space. INVLPG costs
//! nothing. A write to a table costs two exits, even if nobody ever uses the entry, and a
//! comparison: of the whole table, or of what was written, if the instruction is known to write
//! once.
//!
//! **Origin.** The algorithm that shadow paging is taught by; KVM in its first years, Palacios's
//! `kvm`.

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
pub(crate) struct Wp;

impl<P: Frame> ShadowPolicy<P> for Wp {
    fn protects_tables(&self) -> bool {
        true
    }

    fn traps_invlpg(&self) -> bool {
        false
    }

    fn table_write(
        &self,
        tables: &mut Tables<P>,
        frame: u64,
        memory: &dyn GuestMemory,
    ) -> TableWrite {
        step_or_release(tables, frame, memory)
    }

    fn load_cr3(&self, _tables: &mut Tables<P>) {}

    fn invlpg(&self, _tables: &mut Tables<P>, _address: Gva, _memory: &dyn GuestMemory) {}
}

/// Steps the write, unless the table has become data. What the step changed is synchronised at its
/// end, whatever the policy: [`Shadow::end_step`](crate::mmu::shadow::Shadow::end_step).
pub(super) fn step_or_release<P: Frame>(
    tables: &mut Tables<P>,
    frame: u64,
    memory: &dyn GuestMemory,
) -> TableWrite {
    if tables.note_write(frame) {
        tables.release(frame, memory);
        TableWrite::Allow
    } else {
        TableWrite::Step
    }
}
