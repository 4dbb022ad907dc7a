// SPDX-License-Identifier: GPL-2.0

//! A vCPU with shadow paging: what the driver does where with EPT the CPU does it.

mod entry;
mod fault;
mod registers;
mod step;
mod tables;

pub(super) use self::{
    entry::renew,
    fault::{
        deliver,
        page_fault, //
    },
    registers::{
        change_mode,
        load_cr3,
        reset,
        set_efer, //
    },
    step::end as end_step, //
};

pub(in crate::vcpu) use self::tables::with;
