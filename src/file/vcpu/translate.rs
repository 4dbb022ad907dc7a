// SPDX-License-Identifier: GPL-2.0

//! `MINIVMX_TRANSLATE`: what is asked, and the answer.

use super::check_reserved;
use crate::{
    file::pte,
    mmu::{
        address::{
            Gpa,
            Gva, //
        },
        guest_walk::Access,
        inspect::{
            Address,
            Answer,
            End, //
        },
        pte::Trail, //
    },
    support::{
        capable,
        uaccess,
        uapi::{
            self,
            access::*,
            end::*,
            memory_type::*,
            minivmx_translate,
            translate_flags::*, //
        }, //
    },
    vcpu::{
        inspect::Inspected,
        Vcpu, //
    }, //
};
use kernel::prelude::*;

/// Answers the call.
pub(super) fn translate(vcpu: &Vcpu, argument: usize) -> Result<isize> {
    let mut argument = super::read::<minivmx_translate>(argument)?;
    let request = &mut argument.value;
    check_reserved(request.__reserved)?;
    let (address, access) = question(request)?;
    if request.count > uapi::MINIVMX_MAX_REFERENCES {
        return Err(E2BIG);
    }
    let trail = KBox::new(Trail::new(), GFP_KERNEL_ACCOUNT)?;
    let inspected = vcpu.inspect(address, access, &trail)?;
    let sees_host = capable::sys_admin();
    // CAST: `usize` is 64 bits wide.
    for (index, entry) in trail.iter().take(request.count as usize).enumerate() {
        uaccess::write_entry(request.references, index, &pte::shown(&entry, sees_host))?;
    }
    // CAST: Few.
    request.out_count = trail.iter().count() as u32;
    answer(request, &inspected, sees_host);
    argument.write_back()?;
    Ok(0)
}

fn question(request: &minivmx_translate) -> Result<(Address, Access)> {
    let known = MINIVMX_TRANSLATE_PHYSICAL | MINIVMX_TRANSLATE_USER;
    if request.flags & !known != 0 {
        return Err(EINVAL);
    }
    let (write, fetch) = match request.access {
        MINIVMX_ACCESS_READ => (false, false),
        MINIVMX_ACCESS_WRITE => (true, false),
        MINIVMX_ACCESS_FETCH => (false, true),
        _ => return Err(EINVAL),
    };
    let address = match request.flags & MINIVMX_TRANSLATE_PHYSICAL {
        0 => Address::Linear(Gva::new(request.address)),
        _ => Address::Physical(Gpa::new(request.address)),
    };
    let access = Access {
        user: request.flags & MINIVMX_TRANSLATE_USER != 0,
        write,
        fetch,
        may_touch_users: false,
    };
    Ok((address, access))
}

fn answer(to: &mut minivmx_translate, inspected: &Inspected, sees_host: bool) {
    let (answer, guest_memory_type) = inspected;
    (to.out_end, to.out_error_code) = end(answer);
    to.out_gpa = answer.gpa.map_or(0, Gpa::get);
    let guest = answer.guest.unwrap_or_default();
    let host = answer.host.unwrap_or_default();
    to.out_hpa = if sees_host { host.address } else { 0 };
    // CAST: At most 2^30.
    (to.out_guest_page, to.out_host_page) = (guest.bytes as u32, host.bytes as u32);
    (to.out_guest_rights, to.out_host_rights) = (guest.rights, host.rights);
    to.out_guest_memory_type = guest_memory_type.map_or(MINIVMX_MEMORY_UNKNOWN, u32::from);
    // CAST: The numbers are the SDM's.
    let memory_type = host.memory_type.map(|memory_type| memory_type as u32);
    to.out_memory_type = memory_type.unwrap_or(MINIVMX_MEMORY_UNKNOWN);
}

/// How it ends, and with which error code.
fn end(answer: &Answer) -> (u32, u32) {
    let end = match answer.end {
        End::PageFault(code) => return (MINIVMX_END_PAGE_FAULT, code),
        End::Translated => MINIVMX_END_TRANSLATED,
        End::NotCanonical => MINIVMX_END_NOT_CANONICAL,
        End::NoMemory => MINIVMX_END_NO_MEMORY,
        End::ReadOnlyMemory => MINIVMX_END_READ_ONLY_MEMORY,
        End::NotAllocated => MINIVMX_END_NOT_ALLOCATED,
        End::NotFilled => MINIVMX_END_NOT_FILLED,
        End::Narrowed => MINIVMX_END_NARROWED,
        End::Misconfigured => MINIVMX_END_MISCONFIGURED,
    };
    (end, 0)
}
