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
    /// Shows the entries of one table: that of this level on the way to an address, which is
    /// guest-physical with EPT, else guest-linear; or the one that the CPU begins with. With shadow
    /// paging they are those of this vCPU.
    ///
    /// # Errors
    ///
    /// `EINVAL` for an address that no table is on the way to, `ENOENT` if there is no such table
    /// or vCPU.
    pub(crate) fn read_table(
        &self,
        vcpu: u32,
        address: u64,
        level: Option<Level>,
        mut see: impl FnMut(Pte),
    ) -> Result {
        let mut next = self.read_some(vcpu, address, level, 0, &mut see)?;
        while let Some(from) = next {
            // The table may be gone by now.
            next = self
                .read_some(vcpu, address, level, from, &mut see)
                .unwrap_or(None);
        }
        Ok(())
    }

    /// Shows as many entries as tables may be held still for, from an index on; and says where to
    /// go on.
    fn read_some(
        &self,
        vcpu: u32,
        address: u64,
        level: Option<Level>,
        from: usize,
        see: &mut impl FnMut(Pte),
    ) -> Result<Option<usize>> {
        let memory = self.memory.lock();
        let found = match memory.tables() {
            CpuTables::Ept(ept) => {
                let gpa = Gpa::new(address);
                gpa.position().ok_or(EINVAL)?;
                let found = ept.tables().list(gpa, level, |seen| {
                    see(Pte::of_ept(seen, Gpa::new(seen.position)));
                });
                found.map(|()| None)
            }
            CpuTables::Shadow(shadows) => {
                let shadow = shadows.of(vcpu).ok_or(ENOENT)?;
                let gva = Gva::new(address);
                gva.position().filter(|_| shadow.takes(gva)).ok_or(EINVAL)?;
                shadow.list(gva, level, from, &memory.ram(), see)
            }
        };
        found.ok_or(ENOENT)
    }
}
