// SPDX-License-Identifier: GPL-2.0

//! SDM Vol. 3C, "Checks on Guest Control Registers, Debug Registers, and MSRs".

use super::{
    rule::{
        rules,
        Failure,
        Section,
        Verdict, //
    },
    view::View, //
};
use crate::{
    vmx::{
        controls::Entry,
        field::*, //
    },
    x86::{
        cr0,
        cr4,
        debugctl,
        efer, //
    }, //
};

pub(super) const SECTION: Section = Section {
    title: "Checks on Guest Control Registers, Debug Registers, and MSRs",
    failure: Failure::GUEST,
    rules: rules! {
        guest_cr0_fits_vmx,
        guest_paging_needs_protection,
        guest_cr4_fits_vmx,
        guest_cet_needs_wp,
        guest_debugctl_has_no_reserved_bits,
        guest_ia32e_mode_needs_paging,
        guest_ia32e_mode_needs_pae,
        guest_pcide_needs_ia32e_mode,
        guest_cr3_is_memory,
        guest_dr7_has_32_bits,
        guest_sysenter_addresses_are_canonical,
        guest_s_cet_is_valid,
        guest_cet_addresses_are_canonical,
        guest_perf_global_ctrl_has_no_reserved_bits,
        guest_pat_has_memory_types,
        guest_efer_has_no_reserved_bits,
        guest_lma_is_ia32e_mode,
        guest_lme_with_paging_is_lma,
        guest_bndcfgs_is_valid,
        guest_rtit_ctl_has_no_reserved_bits,
        guest_lbr_ctl_has_no_reserved_bits,
        guest_pkrs_has_32_bits,
        guest_uinv_has_eight_bits,
    },
};

/// CR0 has what VMX operation fixes. PE and PG are an unrestricted guest's own; CD and NW are not
/// loaded.
fn guest_cr0_fits_vmx(v: &View<'_>) -> Verdict {
    let own = if v.is_unrestricted() {
        cr0::PE | cr0::PG
    } else {
        0
    };
    let fixed = v.processor.cr0.without(own | cr0::CD | cr0::NW);
    v.each(&[GUEST_CR0], |value| fixed.takes(value))
}

/// CR0.PG needs CR0.PE.
fn guest_paging_needs_protection(v: &View<'_>) -> Verdict {
    v.each(&[GUEST_CR0], |value| value & (cr0::PG | cr0::PE) != cr0::PG)
}

/// CR4 has what VMX operation fixes.
fn guest_cr4_fits_vmx(v: &View<'_>) -> Verdict {
    let fixed = v.processor.cr4;
    v.each(&[GUEST_CR4], |value| fixed.takes(value))
}

/// CR4.CET needs CR0.WP.
fn guest_cet_needs_wp(v: &View<'_>) -> Verdict {
    v.cet_needs_wp(GUEST_CR0, GUEST_CR4)
}

/// "Load debug controls": no reserved bit of IA32_DEBUGCTL is 1.
fn guest_debugctl_has_no_reserved_bits(v: &View<'_>) -> Verdict {
    v.if_entry(Entry::LOAD_DEBUG_CONTROLS, |v| {
        v.clear(!debugctl::DEFINED, GUEST_DEBUGCTL)
    })
}

/// "IA-32e mode guest" needs CR0.PG.
fn guest_ia32e_mode_needs_paging(v: &View<'_>) -> Verdict {
    let ia32e = v.is_ia32e();
    v.each(&[GUEST_CR0], |value| !ia32e || value & cr0::PG != 0)
}

/// "IA-32e mode guest" needs CR4.PAE.
fn guest_ia32e_mode_needs_pae(v: &View<'_>) -> Verdict {
    let ia32e = v.is_ia32e();
    v.each(&[GUEST_CR4], |value| !ia32e || value & cr4::PAE != 0)
}

/// CR4.PCIDE needs "IA-32e mode guest".
fn guest_pcide_needs_ia32e_mode(v: &View<'_>) -> Verdict {
    let ia32e = v.is_ia32e();
    v.each(&[GUEST_CR4], |value| ia32e || value & cr4::PCIDE == 0)
}

/// CR3 has no bits beyond physical addresses, but for those of linear-address masking.
fn guest_cr3_is_memory(v: &View<'_>) -> Verdict {
    v.cr3(GUEST_CR3)
}

/// "Load debug controls": bits 63:32 of DR7 are 0.
fn guest_dr7_has_32_bits(v: &View<'_>) -> Verdict {
    v.if_entry(Entry::LOAD_DEBUG_CONTROLS, |v| {
        v.each(&[GUEST_DR7], |value| value >> 32 == 0)
    })
}

/// IA32_SYSENTER_ESP and IA32_SYSENTER_EIP are canonical.
fn guest_sysenter_addresses_are_canonical(v: &View<'_>) -> Verdict {
    v.canonical(&[GUEST_SYSENTER_ESP, GUEST_SYSENTER_EIP])
}

/// "Load CET state": IA32_S_CET has no reserved bit, and is not both suppressed and waiting.
fn guest_s_cet_is_valid(v: &View<'_>) -> Verdict {
    v.if_entry(Entry::LOAD_CET_STATE, |v| v.s_cet(GUEST_S_CET))
}

/// "Load CET state": IA32_S_CET and IA32_INTERRUPT_SSP_TABLE_ADDR are canonical.
fn guest_cet_addresses_are_canonical(v: &View<'_>) -> Verdict {
    let fields = [GUEST_S_CET, GUEST_INTERRUPT_SSP_TABLE];
    v.if_entry(Entry::LOAD_CET_STATE, |v| v.canonical(&fields))
}

/// "Load IA32_PERF_GLOBAL_CTRL": there are such counters.
fn guest_perf_global_ctrl_has_no_reserved_bits(v: &View<'_>) -> Verdict {
    v.if_entry(Entry::LOAD_PERF_GLOBAL_CTRL, |v| {
        v.perf_global_ctrl(GUEST_PERF_GLOBAL_CTRL)
    })
}

/// "Load IA32_PAT": each byte is a memory type.
fn guest_pat_has_memory_types(v: &View<'_>) -> Verdict {
    v.if_entry(Entry::LOAD_PAT, |v| v.pat(GUEST_PAT))
}

/// "Load IA32_EFER": no reserved bit is 1.
fn guest_efer_has_no_reserved_bits(v: &View<'_>) -> Verdict {
    v.if_entry(Entry::LOAD_EFER, |v| v.efer(GUEST_EFER))
}

/// "Load IA32_EFER": LMA is as "IA-32e mode guest".
fn guest_lma_is_ia32e_mode(v: &View<'_>) -> Verdict {
    let ia32e = v.is_ia32e();
    v.if_entry(Entry::LOAD_EFER, |v| {
        v.each(&[GUEST_EFER], |value| (value & efer::LMA != 0) == ia32e)
    })
}

/// "Load IA32_EFER": with CR0.PG, LME is as LMA.
fn guest_lme_with_paging_is_lma(v: &View<'_>) -> Verdict {
    if !v.entry(Entry::LOAD_EFER) || v.read(GUEST_CR0) & cr0::PG == 0 {
        return Ok(());
    }
    v.each(&[GUEST_EFER], |value| {
        (value & efer::LMA != 0) == (value & efer::LME != 0)
    })
}

/// "Load IA32_BNDCFGS": bits 11:2 are 0, and the rest is a canonical address.
fn guest_bndcfgs_is_valid(v: &View<'_>) -> Verdict {
    v.if_entry(Entry::LOAD_BNDCFGS, |v| {
        v.each(&[GUEST_BNDCFGS], |value| {
            value & 0xffc == 0 && v.is_canonical(value & !0xfff)
        })
    })
}

/// "Load IA32_RTIT_CTL": no bit is 1 that is reserved on all processors.
fn guest_rtit_ctl_has_no_reserved_bits(v: &View<'_>) -> Verdict {
    /// Bits 13:0, 17:14, 22:19, 27:24, 31, 47:32, 55 and 56 mean something on some.
    const DEFINED: u64 = 0x0180_ffff_8f7b_ffff;
    v.if_entry(Entry::LOAD_RTIT_CTL, |v| v.clear(!DEFINED, GUEST_RTIT_CTL))
}

/// "Load guest IA32_LBR_CTL": no reserved bit is 1.
fn guest_lbr_ctl_has_no_reserved_bits(v: &View<'_>) -> Verdict {
    /// Bits 3:0 and 22:16.
    const DEFINED: u64 = 0x7f_000f;
    v.if_entry(Entry::LOAD_LBR_CTL, |v| v.clear(!DEFINED, GUEST_LBR_CTL))
}

/// "Load PKRS": bits 63:32 are 0.
fn guest_pkrs_has_32_bits(v: &View<'_>) -> Verdict {
    v.if_entry(Entry::LOAD_PKRS, |v| v.pkrs(GUEST_PKRS))
}

/// "Load UINV": the vector has 8 bits.
fn guest_uinv_has_eight_bits(v: &View<'_>) -> Verdict {
    v.if_entry(Entry::LOAD_UINV, |v| {
        v.each(&[GUEST_UINV], |vector| vector <= 0xff)
    })
}
