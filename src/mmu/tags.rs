// SPDX-License-Identifier: GPL-2.0

//! What a vCPU's translations are tagged with in TLBs, and when a CPU must drop them.
//!
//! A CPU keeps what it read in tables, the translations and the ways to them, until it is told to
//! drop it (SDM Vol. 3C, "Caching Translation Information" in "VMX Support for Address
//! Translation"):
//!
//! | made from | tag | drops it |
//! |---|---|---|
//! | extended page tables | EPT pointer | INVEPT |
//! | tables of the guest or of the shadow | VPID | INVVPID |
//! | both | both | either |
//!
//! Without a VPID, each VM entry and each VM exit drops what would have that tag.

use super::{
    ept::Eptp,
    generation::{
        Generation,
        Here, //
    }, //
};
use core::mem::replace;

/// The CPU that we are on, as far as it can be told to drop translations.
pub(crate) trait Invalidate {
    /// INVEPT: drops what was made from these extended page tables.
    fn invept(&self, eptp: Eptp);

    /// INVVPID: drops what was made for this virtual processor.
    fn invvpid(&self, vpid: u16);
}

/// The tags of a vCPU.
pub(crate) struct Tags {
    /// Its VM's extended page tables, if there are any.
    eptp: Option<Eptp>,
    /// Its own, if there was one left, and the CPU has them.
    vpid: Option<u16>,
    /// The CPU that it was on last.
    last_cpu: Option<usize>,
    /// The generation of translations that it had there, where they are its own.
    generation: u64,
}

impl Tags {
    /// Of a vCPU that was nowhere yet.
    pub(crate) fn new(eptp: Option<Eptp>, vpid: Option<u16>) -> Self {
        Self {
            eptp,
            vpid,
            last_cpu: None,
            generation: 0,
        }
    }

    /// The vCPU has come to this CPU, which drops what the vCPU must not find there.
    #[inline]
    pub(crate) fn arrive(
        &mut self,
        here: &Here<'_>,
        generation: &Generation,
        cpu: &impl Invalidate,
    ) {
        let is_old = match self.eptp {
            Some(eptp) => {
                generation.catch_up(here, || cpu.invept(eptp));
                false
            }
            None => {
                let number = generation.number(here);
                replace(&mut self.generation, number) != number
            }
        };
        // What it changed or dropped elsewhere it may find here as it was when it left; and who had
        // the VPID before it may have left something everywhere.
        let has_moved = self.last_cpu.replace(here.cpu()) != Some(here.cpu());
        if is_old || has_moved {
            self.drop_guests(cpu);
        }
    }

    /// Drops what was made from the guest's own tables, or from the shadow's.
    pub(crate) fn drop_guests(&self, cpu: &impl Invalidate) {
        if let Some(vpid) = self.vpid {
            cpu.invvpid(vpid);
        }
    }
}
