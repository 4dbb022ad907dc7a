// SPDX-License-Identifier: GPL-2.0

//! What a CPU is asked to do, and what comes of it; the registers that paging depends on.

use super::{
    ram::Ram, //
};
use crate::mmu::{
    guest_walk::{self, Access, Mode, Paging, PhysicalMemory},
    shadow::Written,
};

/// One access of an instruction: 8 bytes at a multiple of 8.
#[derive(Clone, Copy, Debug)]
pub(super) struct Touch {
    pub(super) linear: u64,
    pub(super) access: Access,
    /// For a write: what, and to which bits.
    pub(super) value: u64,
    pub(super) mask: u64,
}

impl Touch {
    /// The address that a page fault reports: one of those that are written, whichever the CPU
    /// likes.
    pub(super) fn reported(&self) -> u64 {
        let (first, last) = self.written();
        if !self.access.write {
            self.linear
        } else if self.value % 2 == 0 {
            first
        } else {
            last
        }
    }

    /// The first and the last byte that is written.
    fn written(&self) -> (u64, u64) {
        let first = u64::from(self.mask.trailing_zeros() / 8);
        let last = u64::from(7 - self.mask.leading_zeros() / 8);
        (self.linear + first, self.linear + last)
    }
}

/// What an instruction writes: all of it lies in 8 bytes if it is one store, however that lies.
pub(super) fn writes(touches: &[Touch]) -> Written {
    let stores = touches.iter().filter(|touch| touch.access.write);
    let (first, last): (Vec<_>, Vec<_>) = stores.map(Touch::written).unzip();
    match (first.iter().min(), last.iter().max()) {
        (Some(first), Some(last)) if last - first > 7 => Written::Anything,
        _ => Written::Once,
    }
}

/// A bit of CR0, CR4 or IA32_EFER.
#[derive(Clone, Copy, Debug)]
pub(super) enum Flag {
    Wp,
    Nxe,
    Smep,
    Smap,
    Pse,
    Pge,
}

/// What happens to a machine, from inside or from outside.
#[derive(Clone, Debug)]
pub(super) enum Op {
    /// An instruction makes these accesses: all, or none.
    Instruction(Vec<Touch>),
    /// INVLPG.
    Invlpg(u64),
    /// MOV to CR3.
    LoadCr3(u64),
    /// The guest comes to another mode, with this in CR3.
    Switch(Mode, u64),
    /// A flag changes.
    Toggle(Flag),
    /// The host takes a frame away.
    Remove(u64),
    /// The host writes to the guest's memory.
    HostWrite(u64, u64),
    /// The host sets the guest's registers, to what they are.
    Reset,
}

/// What came of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Outcome {
    /// It was done. By access: where, and what was read.
    Done(Vec<(u64, u64)>),
    /// A page fault.
    PageFault { code: u32, cr2: u64 },
    /// An access to memory that is not there, or not for writing.
    Memory { gpa: u64, write: bool },
    /// #GP(0).
    Refused,
}

impl Outcome {
    pub(super) fn nothing() -> Self {
        Self::Done(Vec::new())
    }
}

/// The guest's registers. They change in the same way on every machine.
#[derive(Clone)]
pub(super) struct Registers {
    pub(super) paging: Paging,
}

impl Registers {
    /// Changes as an operation wants it; [`None`] if the CPU refuses.
    pub(super) fn apply(&mut self, op: &Op, ram: &mut Ram) -> Option<()> {
        let paging = &mut self.paging;
        match *op {
            Op::LoadCr3(cr3) => load(paging, paging.mode, cr3, ram)?,
            Op::Switch(mode, cr3) => load(paging, mode, cr3, ram)?,
            Op::Toggle(Flag::Wp) => paging.write_protect ^= true,
            Op::Toggle(Flag::Nxe) => paging.no_execute ^= true,
            Op::Toggle(Flag::Smep) => paging.smep ^= true,
            Op::Toggle(Flag::Smap) => paging.smap ^= true,
            Op::Toggle(Flag::Pse) => {
                if let Mode::Bits32 { large } = &mut paging.mode {
                    *large ^= true;
                }
            }
            _ => {}
        }
        Some(())
    }
}

/// Loads CR3 in this mode.
fn load(paging: &mut Paging, mode: Mode, cr3: u64, ram: &mut Ram) -> Option<()> {
    if mode == Mode::Pae {
        let mut pdptes = [0; 4];
        for (pdpte, gpa) in pdptes.iter_mut().zip(guest_walk::pdptes_at(cr3)) {
            if !ram.populate(gpa.frame()) {
                return None;
            }
            *pdpte = ram.read(gpa)?;
        }
        if !guest_walk::pdptes_valid(&pdptes, paging.physical_bits) {
            return None;
        }
        paging.pdptes = Some(pdptes);
    }
    paging.mode = mode;
    paging.cr3 = cr3;
    Some(())
}
