// SPDX-License-Identifier: GPL-2.0

//! The tables that the CPU translates by, to be looked at.

use super::Vm;
use crate::{
    memory::CpuTables,
    mmu::{
        address::{
            Gpa,
            Gva,
            Input,
            Level, //
        },
        pte::Pte, //
    }, //
};
use kernel::prelude::*;

impl Vm {
    /// Shows the entries of one table: that of this level on the way to an address, which is guest-physical
    /// with EPT, else guest-linear; or the one that the CPU begins with.
    ///
    /// # Errors
    ///
    /// `EINVAL` for an address that no table is on the way to, `ENOENT` if there is no such table.
    pub(crate) fn read_table(
        &self,
        address: u64,
        level: Option<Level>,
        see: impl FnMut(Pte),
    ) -> Result {
        let memory = self.memory.lock();
        let (position, found) = match memory.tables() {
            CpuTables::Ept(ept) => {
                let (gpa, mut see) = (Gpa::new(address), see);
                let found = ept.tables().list(gpa, level, |seen| {
                    see(Pte::of_ept(seen, Gpa::new(seen.position)));
                });
                (gpa.position(), found)
            }
            CpuTables::Shadow(shadow) => {
                let gva = Gva::new(address);
                (gva.position(), shadow.list(gva, level, &memory.ram(), see))
            }
        };
        position.ok_or(EINVAL)?;
        found.ok_or(ENOENT)
    }
}
