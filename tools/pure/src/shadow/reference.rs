// SPDX-License-Identifier: GPL-2.0

//! The machine that all policies must equal: it follows the guest's tables afresh at each access,
//! and has no hypervisor.

use super::{
    architecture::Architecture,
    cpu::{Flag, Op, Outcome, Registers, Touch},
    ram::{self, Ram},
};
use crate::{
    mmu::{address::Gpa, guest_walk::PhysicalMemory},
    oracle::{self, Obstacle, Page},
};

/// A machine without a hypervisor.
pub(super) struct Reference {
    pub(super) registers: Registers,
    pub(super) ram: Ram,
    /// What it could have cached, but has not.
    pub(super) architecture: Architecture,
}

/// An access that does not come to its end.
enum Stop {
    PageFault { code: u32, linear: u64 },
    Memory { gpa: u64, write: bool },
}

impl Reference {
    /// Carries out an operation.
    pub(super) fn run(&mut self, op: &Op) -> Outcome {
        let outcome = match op {
            Op::Instruction(touches) => self.instruction(touches),
            _ => self.other(op),
        };
        self.observe();
        outcome
    }

    fn observe(&mut self) {
        self.architecture.observe(&self.registers.paging, &self.ram);
    }

    fn other(&mut self, op: &Op) -> Outcome {
        if self.registers.apply(op, &mut self.ram).is_none() {
            return Outcome::Refused;
        }
        match *op {
            Op::Invlpg(linear) => self.architecture.invlpg(linear),
            // Other flags flush nothing.
            Op::LoadCr3(_) | Op::Switch(..) | Op::Toggle(Flag::Pse | Flag::Pge) => {
                self.architecture.flush(self.registers.paging.mode);
            }
            Op::Remove(frame) => self.ram.remove(frame),
            Op::HostWrite(gpa, value) => {
                self.ram.populate(gpa >> 12);
                self.ram.store(gpa, value, u64::MAX);
            }
            _ => {}
        }
        Outcome::nothing()
    }

    fn instruction(&mut self, touches: &[Touch]) -> Outcome {
        let pages = touches.iter().map(|touch| self.reach(touch)).collect();
        self.observe();
        match pages {
            Ok(pages) => Outcome::Done(carry_out(&self.ram, touches, &pages)),
            Err(Stop::PageFault { code, linear }) => {
                self.architecture.page_fault(linear);
                Outcome::PageFault { code, cr2: linear }
            }
            // Told by the 8 bytes, as by the driver's machine.
            Err(Stop::Memory { gpa, write }) => Outcome::Memory {
                gpa: gpa & !7,
                write,
            },
        }
    }

    /// Where an access goes.
    fn reach(&mut self, touch: &Touch) -> Result<u64, Stop> {
        let write = touch.access.write;
        loop {
            let gpa = match self.walk(touch) {
                Ok(page) => page.gpa,
                Err(Obstacle::Fault(code)) => {
                    return Err(Stop::PageFault {
                        code,
                        linear: touch.linear,
                    });
                }
                Err(Obstacle::Missing(gpa)) if self.ram.populate(gpa >> 12) => continue,
                Err(Obstacle::Missing(gpa)) => return Err(Stop::Memory { gpa, write: false }),
                Err(Obstacle::Refused(gpa)) => return Err(Stop::Memory { gpa, write: true }),
            };
            if !self.ram.populate(gpa >> 12) || write && gpa >> 12 == ram::ROM_FRAME {
                return Err(Stop::Memory { gpa, write });
            }
            return Ok(gpa);
        }
    }

    fn walk(&self, touch: &Touch) -> Result<Page, Obstacle> {
        let paging = &self.registers.paging;
        oracle::access(paging, touch.linear, touch.access, &self.ram)
    }
}

/// Reads, then writes, what an instruction has translated. Returns by access where and what.
pub(super) fn carry_out(ram: &Ram, touches: &[Touch], gpas: &Vec<u64>) -> Vec<(u64, u64)> {
    let read = |gpa: &u64| (*gpa, ram.read(Gpa::new(*gpa)).unwrap());
    let done = gpas.iter().map(read).collect();
    for (touch, gpa) in touches.iter().zip(gpas) {
        if touch.access.write {
            ram.store(*gpa, touch.value, touch.mask);
        }
    }
    done
}
