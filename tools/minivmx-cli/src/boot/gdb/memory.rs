// SPDX-License-Identifier: GPL-2.0

//! The guest's memory by linear addresses, as its own page tables have them now,
//! whatever they allow.

use vm_memory::{
    Bytes,
    GuestAddress, //
};

use super::int3::Code;
use crate::{
    guest::paging,
    run::machine::Machine, //
};

const PAGE: u64 = 4096;

/// Reads as much as is there; says how much.
pub fn read(machine: &Machine, linear: u64, bytes: &mut [u8]) -> usize {
    let mut done = 0;
    while let Some((gpa, part)) = part(machine, linear, done, bytes.len()) {
        let part = &mut bytes[done..done + part];
        if machine.memory.read(gpa, part).is_err() {
            break;
        }
        done += part.len();
    }
    done
}

/// Writes all of it, or `None` if not all is there.
pub fn write(machine: &Machine, linear: u64, bytes: &[u8]) -> Option<()> {
    let mut parts = Vec::new();
    let mut done = 0;
    while let Some((gpa, length)) = part(machine, linear, done, bytes.len()) {
        parts.push((gpa, &bytes[done..done + length]));
        done += length;
    }
    (done == bytes.len()).then_some(())?;
    for (gpa, part) in parts {
        write_physical(machine, gpa, part)?;
    }
    Some(())
}

/// Writes all of it. There may be page tables among it, which the driver then reads anew.
fn write_physical(machine: &Machine, gpa: u64, bytes: &[u8]) -> Option<()> {
    let view = machine.memory.view();
    let sregs = machine.vcpu.sregs().ok()?;
    view.write_slice(bytes, GuestAddress(gpa)).ok()?;
    machine.vcpu.set_sregs(&sregs).ok()
}

/// What comes after `done` bytes of `length`, as far as it is in one page: its guest-physical
/// address, and how much it is.
fn part(machine: &Machine, linear: u64, done: usize, length: usize) -> Option<(u64, usize)> {
    let linear = linear.checked_add(done as u64)?;
    // CAST: At most a page.
    let to_end = (PAGE - linear % PAGE) as usize;
    let part = to_end.min(length - done);
    (part > 0).then_some((physical(machine, linear)?, part))
}

/// Where a linear address is in guest-physical memory, though the CPU may not have come there yet.
fn physical(machine: &Machine, linear: u64) -> Option<u64> {
    let sregs = machine.vcpu.sregs().ok()?;
    paging::translate(machine.memory.view(), &sregs, linear)
}

impl Code for Machine {
    fn physical(&self, linear: u64) -> Option<u64> {
        physical(self, linear)
    }

    fn byte(&self, gpa: u64) -> Option<u8> {
        self.memory.view().read_obj(GuestAddress(gpa)).ok()
    }

    fn put(&mut self, gpa: u64, byte: u8) -> Option<()> {
        write_physical(self, gpa, &[byte])
    }
}
