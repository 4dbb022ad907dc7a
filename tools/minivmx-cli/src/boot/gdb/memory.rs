// SPDX-License-Identifier: GPL-2.0

//! The guest's memory by linear addresses, as its own page tables have them now,
//! whatever they allow.

use minivmx::{
    Address,
    Question, //
};
use vm_memory::{
    Bytes,
    GuestAddress, //
};

use crate::run::machine::Machine;

const PAGE: u64 = 4096;
const CR0_PG: u64 = 1 << 31;

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
pub fn write_physical(machine: &Machine, gpa: u64, bytes: &[u8]) -> Option<()> {
    let view = machine.memory.view();
    view.write_slice(bytes, GuestAddress(gpa)).ok()?;
    let sregs = machine.vcpu.sregs().ok()?;
    machine.vcpu.set_sregs(&sregs).ok()
}

/// What comes after `done` bytes of `length`, as far as it is in one page: its guest-physical address, and
/// how much it is.
fn part(machine: &Machine, linear: u64, done: usize, length: usize) -> Option<(u64, usize)> {
    let linear = linear.checked_add(done as u64)?;
    // CAST: At most a page.
    let to_end = (PAGE - linear % PAGE) as usize;
    let part = to_end.min(length - done);
    (part > 0).then_some((physical(machine, linear)?, part))
}

/// Where a linear address is in guest-physical memory.
pub fn physical(machine: &Machine, linear: u64) -> Option<u64> {
    let question = Question::read(Address::Linear(linear));
    let translation = machine.vcpu.translate(&question).ok()?;
    let leads_to_a_page = translation.guest_page != 0;
    (leads_to_a_page || !has_paging(machine)?).then_some(translation.gpa)
}

fn has_paging(machine: &Machine) -> Option<bool> {
    Some(machine.vcpu.sregs().ok()?.cr0 & CR0_PG != 0)
}
