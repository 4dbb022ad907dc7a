// SPDX-License-Identifier: GPL-2.0

//! How a VM's memory is translated: what the program chose, and the tables for it.

use super::MAX_VCPUS;
use crate::{
    machine::Machine,
    memory::{
        CpuTables,
        EptTables,
        Shadows, //
    },
    mmu::{
        page::Stock,
        shadow::{
            self,
            policy::{
                Pv,
                Unsync,
                Vtlb,
                Wp, //
            },
            Shadow,
            ShadowPolicy,
            PAGES_PER_TABLE, //
        }, //
    },
    module_parameters,
    support::{
        page::KernelPage,
        random, //
    }, //
};
use kernel::prelude::*;

/// What a program can choose.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mmu {
    /// Extended page tables.
    Ept,
    /// Shadow paging, [`Vtlb`].
    Vtlb,
    /// Shadow paging, [`Wp`].
    Wp,
    /// Shadow paging, [`Unsync`].
    Unsync,
    /// Shadow paging, [`Pv`].
    Pv,
}

impl Mmu {
    /// All of them.
    pub(crate) const ALL: [Self; 5] = [Self::Ept, Self::Vtlb, Self::Wp, Self::Unsync, Self::Pv];

    /// Is it a policy of shadow paging?
    pub(crate) fn is_shadow(self) -> bool {
        self != Self::Ept
    }

    /// Must INVLPG exit?
    pub(crate) fn traps_invlpg(self) -> bool {
        self.policy().is_some_and(|policy| policy.traps_invlpg())
    }

    /// Pages for tables that must be at hand when a burst begins.
    pub(crate) fn stock(self) -> usize {
        match self {
            Self::Ept => Stock::FOR_ONE_MAPPING,
            _ => shadow::PAGES_FOR_ONE_FILL,
        }
    }

    fn policy(self) -> Option<&'static dyn ShadowPolicy<KernelPage>> {
        match self {
            Self::Ept => None,
            Self::Vtlb => Some(&Vtlb),
            Self::Wp => Some(&Wp),
            Self::Unsync => Some(&Unsync),
            Self::Pv => Some(&Pv),
        }
    }

    /// Can a VM have no second vCPU? Who protects the guest's tables would have to keep the other
    /// vCPUs from writing there, too.
    pub(super) fn is_for_one_vcpu(self) -> bool {
        self.policy().is_some_and(|policy| policy.protects_tables())
    }

    /// A VM's tables, which map nothing. May sleep.
    pub(super) fn tables(self, machine: &Machine) -> Result<CpuTables> {
        if self.is_shadow() {
            return Ok(CpuTables::Shadow(Shadows::new(MAX_VCPUS)?));
        }
        let tables = EptTables::new(KernelPage::new()?, machine.large_pages());
        Ok(CpuTables::Ept(tables))
    }

    /// A vCPU's own tables, if it has any: they map nothing. May sleep.
    pub(super) fn shadow(self) -> Result<Option<KBox<Shadow<KernelPage>>>> {
        let Some(policy) = self.policy() else {
            return Ok(None);
        };
        let pae = [
            KernelPage::new_below_4g()?,
            KernelPage::new()?,
            KernelPage::new()?,
        ];
        let random = [random::word(), random::word()];
        let shadow = Shadow::new(policy, max_tables(), random, pae)?;
        Ok(Some(KBox::new(shadow, GFP_KERNEL_ACCOUNT)?))
    }
}

/// Shadow tables that a vCPU may have, by the module's parameter.
fn max_tables() -> usize {
    /// More could not be numbered.
    const MOST: u64 = 0xffff;
    const TABLE: u64 = (PAGES_PER_TABLE * kernel::bindings::PAGE_SIZE) as u64;
    let bytes = u64::from(module_parameters::max_shadow_mib.value()) << 20;
    // CAST: 16 bits.
    let wanted = (bytes / TABLE).min(MOST) as usize;
    wanted.max(shadow::FEWEST_TABLES)
}
