// SPDX-License-Identifier: GPL-2.0

//! What distinguishes the policies of shadow paging: when shadows are made, kept, compared with the
//! guest's tables, and dropped. Each is in a file of its own, short enough to be compared with the
//! others line by line.
//!
//! What they have in common is in [`super`]: a fault is the guest's own if its tables do not allow
//! the access, whatever the policy; the rest is filled from the guest's tables as they are now.

mod pv;
mod unsync;
mod vtlb;
mod wp;

pub(crate) use self::{
    pv::Pv,
    unsync::Unsync,
    vtlb::Vtlb,
    wp::Wp, //
};

use super::{
    guest_memory::GuestMemory,
    page::Frame,
    tables::Tables, //
};
use crate::mmu::address::Gva;

/// What becomes of a write to a guest table that has a shadow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TableWrite {
    /// The instruction is carried out by itself, then the shadows are synchronised.
    Step,
    /// The guest may write there from now on.
    Allow,
}

/// A policy of shadow paging: what it does at each event.
pub(crate) trait ShadowPolicy<P: Frame>: Sync {
    /// Does the guest read its tables only, while they have shadows?
    fn protects_tables(&self) -> bool;

    /// Must INVLPG exit?
    fn traps_invlpg(&self) -> bool;

    /// The guest writes to a protected table.
    fn table_write(
        &self,
        tables: &mut Tables<P>,
        frame: u64,
        memory: &dyn GuestMemory,
    ) -> TableWrite;

    /// The guest loads CR3. The root follows by itself.
    fn load_cr3(&self, tables: &mut Tables<P>);

    /// The guest executes INVLPG.
    fn invlpg(&self, tables: &mut Tables<P>, address: Gva, memory: &dyn GuestMemory);

    /// The guest changes bits of CR0, CR4 or IA32_EFER that paging depends on, which flushes all
    /// translations.
    fn change_mode(&self, tables: &mut Tables<P>) {
        self.load_cr3(tables);
    }
}
