// SPDX-License-Identifier: GPL-2.0

//! The MSRs that the driver keeps for a guest. All others are the program's.
//!
//! Bases of FS and GS and the SYSENTER registers are in the VMCS, and the guest reaches them without
//! an exit. What is written here is checked as WRMSR checks it (SDM Vol. 2, "WRMSR").

use super::{
    context::Context,
    state::{
        Needed,
        SwitchedMsrs, //
    },
    translation, //
};
use crate::{
    vmx::field::*,
    x86::{
        address::is_canonical,
        cr0,
        efer,
        msr::*,
        pat, //
    }, //
};

/// Fast strings; no performance monitoring, no Enhanced SpeedStep.
const MISC_ENABLE_VALUE: u64 = 1;

/// Why an MSR was not read or written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refusal {
    /// The driver does not keep this MSR.
    Unknown,
    /// The CPU would raise #GP(0).
    Invalid,
}

/// Reads an MSR of the guest.
pub(crate) fn read(cx: &Context<'_>, index: u32) -> Result<u64, Refusal> {
    let vmcs = cx.vmcs;
    Ok(match index {
        TSC => cx.guest.tsc(vmcs),
        BIOS_SIGN_ID | DEBUGCTL => 0,
        MISC_ENABLE => MISC_ENABLE_VALUE,
        SYSENTER_CS => u64::from(vmcs.read(GUEST_SYSENTER_CS)),
        SYSENTER_ESP => vmcs.read(GUEST_SYSENTER_ESP),
        SYSENTER_EIP => vmcs.read(GUEST_SYSENTER_EIP),
        PAT => translation::pat(cx).ok_or(Refusal::Unknown)?,
        EFER => cx.efer(),
        FS_BASE => vmcs.read(GUEST_FS_BASE),
        GS_BASE => vmcs.read(GUEST_GS_BASE),
        _ => return read_switched(cx, index).ok_or(Refusal::Unknown),
    })
}

/// Writes an MSR of the guest.
pub(crate) fn write(cx: &mut Context<'_>, index: u32, value: u64) -> Result<(), Refusal> {
    let vmcs = cx.vmcs;
    match index {
        TSC => cx.guest.set_tsc(vmcs, value),
        BIOS_SIGN_ID => {}
        MISC_ENABLE => check(value == MISC_ENABLE_VALUE)?,
        DEBUGCTL => check(value == 0)?,
        // CAST: The CPU keeps 32 bits of it.
        SYSENTER_CS => vmcs.write(GUEST_SYSENTER_CS, value as u32),
        SYSENTER_ESP => vmcs.write(GUEST_SYSENTER_ESP, canonical(value)?),
        SYSENTER_EIP => vmcs.write(GUEST_SYSENTER_EIP, canonical(value)?),
        PAT => write_pat(cx, value)?,
        EFER => write_efer(cx, value)?,
        FS_BASE => vmcs.write(GUEST_FS_BASE, canonical(value)?),
        GS_BASE => vmcs.write(GUEST_GS_BASE, canonical(value)?),
        _ => write_switched(cx, index, value)?,
    }
    Ok(())
}

fn read_switched(cx: &Context<'_>, index: u32) -> Option<u64> {
    cx.switched.get(SwitchedMsrs::place(index)?)
}

fn write_switched(cx: &mut Context<'_>, index: u32, value: u64) -> Result<(), Refusal> {
    let place = SwitchedMsrs::place(index).ok_or(Refusal::Unknown)?;
    match index {
        STAR => {}
        FMASK => check(value >> 32 == 0)?,
        _ => {
            canonical(value)?;
        }
    }
    cx.switched.set(place, value);
    Ok(())
}

fn write_pat(cx: &mut Context<'_>, value: u64) -> Result<(), Refusal> {
    check(pat::is_valid(value))?;
    translation::set_pat(cx, value).ok_or(Refusal::Unknown)
}

fn write_efer(cx: &mut Context<'_>, value: u64) -> Result<(), Refusal> {
    let old = cx.efer();
    check(value & !efer::DEFINED == 0)?;
    let paging = cx.cr0() & cr0::PG != 0;
    check(!(paging && (old ^ value) & efer::LME != 0))?;
    let new = value & !efer::LMA | old & efer::LMA;
    translation::set_efer(cx, new);
    if Needed::with(old) != Needed::with(new) {
        cx.end_burst();
    }
    if (old ^ new) & efer::NXE != 0 {
        cx.flush_guest_tlb();
        translation::mode_changed(cx);
    }
    Ok(())
}

fn check(good: bool) -> Result<(), Refusal> {
    if good {
        Ok(())
    } else {
        Err(Refusal::Invalid)
    }
}

fn canonical(value: u64) -> Result<u64, Refusal> {
    check(is_canonical(value))?;
    Ok(value)
}
