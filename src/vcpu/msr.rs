// SPDX-License-Identifier: GPL-2.0

//! The MSRs that the driver keeps for a guest, by what becomes of RDMSR and WRMSR:
//!
//! | MSR | number | how | what a guest can write; all else is #GP(0) |
//! |---|---|---|---|
//! | IA32_SYSENTER_CS | 174H | native | anything; 32 bits are kept |
//! | IA32_SYSENTER_ESP, _EIP | 175H, 176H | native | canonical addresses |
//! | IA32_FS_BASE, IA32_GS_BASE | C0000100H, C0000101H | native | canonical addresses |
//! | IA32_KERNEL_GS_BASE | C0000102H | native | canonical addresses |
//! | IA32_STAR | C0000081H | kept | anything |
//! | IA32_LSTAR, IA32_CSTAR | C0000082H, C0000083H | kept | canonical addresses |
//! | IA32_FMASK | C0000084H | kept | 32 bits |
//! | IA32_EFER | C0000080H | kept | SCE, NXE unless IA32_MISC_ENABLE disables XD, LME while paging is off; LMA is ignored |
//! | IA32_PAT | 277H | kept | eight memory types; an MSR of the program on a CPU whose VM entries do not load it |
//! | IA32_TIME_STAMP_COUNTER | 10H | kept | anything: the difference to the host's is kept |
//! | IA32_MISC_ENABLE | 1A0H | kept | bits 0, 3, 16, 18, 22, 23 and 34, of which 22 and 34 change what CPUID says; bit 7 is ignored |
//! | IA32_DEBUGCTL | 1D9H | reads 0 | 0: there is no BTF and no LBR |
//! | IA32_BIOS_SIGN_ID | 8BH | reads 0 | anything, ignored: no update is loaded |
//! | all others | | to the program | what the program says |
//!
//! *Native* is without an exit, on a CPU with MSR bitmaps: the VMCS holds the guest's value, or the
//! CPU has it in each burst. For the rest the instruction exits, and values are checked as WRMSR
//! checks them (SDM Vol. 2, "WRMSR", and Vol. 4). MINIVMX_SET_MSRS follows the same rules, but
//! takes what is there already.

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
        address::is_canonical_in,
        cr0,
        efer,
        misc_enable,
        msr::*,
        pat, //
    }, //
};

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
        MISC_ENABLE => cx.guest.identity.misc_enable,
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
        MISC_ENABLE => write_misc_enable(cx, value)?,
        DEBUGCTL => check(value == 0)?,
        // CAST: The CPU keeps 32 bits of it.
        SYSENTER_CS => vmcs.write(GUEST_SYSENTER_CS, value as u32),
        SYSENTER_ESP => vmcs.write(GUEST_SYSENTER_ESP, canonical(cx, value)?),
        SYSENTER_EIP => vmcs.write(GUEST_SYSENTER_EIP, canonical(cx, value)?),
        PAT => write_pat(cx, value)?,
        EFER => write_efer(cx, value)?,
        FS_BASE => vmcs.write(GUEST_FS_BASE, canonical(cx, value)?),
        GS_BASE => vmcs.write(GUEST_GS_BASE, canonical(cx, value)?),
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
            canonical(cx, value)?;
        }
    }
    cx.switched.set(place, value);
    Ok(())
}

fn write_pat(cx: &mut Context<'_>, value: u64) -> Result<(), Refusal> {
    check(pat::is_valid(value))?;
    translation::set_pat(cx, value).ok_or(Refusal::Unknown)
}

fn write_misc_enable(cx: &mut Context<'_>, value: u64) -> Result<(), Refusal> {
    let register = &mut cx.guest.identity.misc_enable;
    *register = misc_enable::written(*register, value).ok_or(Refusal::Invalid)?;
    Ok(())
}

fn write_efer(cx: &mut Context<'_>, value: u64) -> Result<(), Refusal> {
    let old = cx.efer();
    check(value & !efer::DEFINED == 0)?;
    let no_xd = cx.guest.identity.misc_enable & misc_enable::NO_XD != 0;
    check(!(no_xd && value & !old & efer::NXE != 0))?;
    let paging = cx.cr0() & cr0::PG != 0;
    check(!(paging && (old ^ value) & efer::LME != 0))?;
    let new = value & !efer::LMA | old & efer::LMA;
    translation::set_efer(cx, new);
    if Needed::with(old) != Needed::with(new) {
        cx.end_burst();
    }
    if (old ^ new) & efer::NXE != 0 {
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

/// An address that the processor can have, which may be wider than the guest's
/// (see [`is_canonical_in`]).
fn canonical(cx: &Context<'_>, value: u64) -> Result<u64, Refusal> {
    let bits = cx.vm.machine.capabilities.processor.linear_bits;
    check(is_canonical_in(value, bits))?;
    Ok(value)
}
