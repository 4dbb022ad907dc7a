// SPDX-License-Identifier: GPL-2.0

//! `pv`: the guest asks for changes of its tables, many at a time.
//!
//! **Idea.** A guest that knows of the hypervisor need not be caught writing: it says what it wants
//! to have written, a whole list in one hypercall (`uapi/minivmx_pv.h`). The driver writes the
//! entries and synchronises the shadows of those tables. A guest that does not know of it, or that
//! forgets, is treated as by `wp`: nothing goes wrong, it is only slow.
//!
//! **Costs.** A list of changes costs one exit. All else is as with `wp`.
//!
//! **Origin.** Xen's `mmu_update`, lguest.

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
pub(crate) struct Pv;

impl<P: Frame> ShadowPolicy<P> for Pv {
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
