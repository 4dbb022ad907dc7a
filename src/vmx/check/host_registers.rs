// SPDX-License-Identifier: GPL-2.0

//! SDM Vol. 3C, "Checks on Host Control Registers, MSRs, and SSP".

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
        controls::Exit,
        field::*, //
    },
    x86::efer, //
};

pub(super) const SECTION: Section = Section {
    title: "Checks on Host Control Registers, MSRs, and SSP",
    failure: Failure::HOST,
    rules: rules! {
        host_cr0_fits_vmx,
        host_cr4_fits_vmx,
        host_cet_needs_wp,
        host_cr3_is_memory,
        host_sysenter_addresses_are_canonical,
        host_perf_global_ctrl_has_no_reserved_bits,
        host_pat_has_memory_types,
        host_efer_has_no_reserved_bits,
        host_efer_is_of_64_bit_mode,
        host_s_cet_is_valid,
        host_cet_addresses_are_canonical,
        host_ssp_is_aligned,
        host_pkrs_has_32_bits,
    },
};

/// CR0 has what VMX operation fixes.
fn host_cr0_fits_vmx(v: &View<'_>) -> Verdict {
    let fixed = v.processor.cr0;
    v.each(&[HOST_CR0], |value| fixed.takes(value))
}

/// CR4 has what VMX operation fixes.
fn host_cr4_fits_vmx(v: &View<'_>) -> Verdict {
    let fixed = v.processor.cr4;
    v.each(&[HOST_CR4], |value| fixed.takes(value))
}

/// CR4.CET needs CR0.WP.
fn host_cet_needs_wp(v: &View<'_>) -> Verdict {
    v.cet_needs_wp(HOST_CR0, HOST_CR4)
}

/// CR3 has no bits beyond physical addresses, but for those of linear-address masking.
fn host_cr3_is_memory(v: &View<'_>) -> Verdict {
    v.cr3(HOST_CR3)
}

/// IA32_SYSENTER_ESP and IA32_SYSENTER_EIP are canonical.
fn host_sysenter_addresses_are_canonical(v: &View<'_>) -> Verdict {
    v.canonical(&[HOST_SYSENTER_ESP, HOST_SYSENTER_EIP])
}

/// "Load IA32_PERF_GLOBAL_CTRL": there are such counters.
fn host_perf_global_ctrl_has_no_reserved_bits(v: &View<'_>) -> Verdict {
    v.if_exit(Exit::LOAD_PERF_GLOBAL_CTRL, |v| {
        v.perf_global_ctrl(HOST_PERF_GLOBAL_CTRL)
    })
}

/// "Load IA32_PAT": each byte is a memory type.
fn host_pat_has_memory_types(v: &View<'_>) -> Verdict {
    v.if_exit(Exit::LOAD_PAT, |v| v.pat(HOST_PAT))
}

/// "Load IA32_EFER": no reserved bit is 1.
fn host_efer_has_no_reserved_bits(v: &View<'_>) -> Verdict {
    v.if_exit(Exit::LOAD_EFER, |v| v.efer(HOST_EFER))
}

/// "Load IA32_EFER": LMA and LME are as "host address-space size".
fn host_efer_is_of_64_bit_mode(v: &View<'_>) -> Verdict {
    const BITS: u64 = efer::LMA | efer::LME;
    let size = v.exit(Exit::HOST_ADDRESS_SPACE_SIZE);
    let expected = if size { BITS } else { 0 };
    v.if_exit(Exit::LOAD_EFER, |v| {
        v.each(&[HOST_EFER], |value| value & BITS == expected)
    })
}

/// "Load CET state": IA32_S_CET has no reserved bit, and is not both suppressed and waiting.
fn host_s_cet_is_valid(v: &View<'_>) -> Verdict {
    v.if_exit(Exit::LOAD_CET_STATE, |v| v.s_cet(HOST_S_CET))
}

/// "Load CET state": IA32_S_CET, SSP and IA32_INTERRUPT_SSP_TABLE_ADDR are canonical.
fn host_cet_addresses_are_canonical(v: &View<'_>) -> Verdict {
    let fields = [HOST_S_CET, HOST_SSP, HOST_INTERRUPT_SSP_TABLE];
    v.if_exit(Exit::LOAD_CET_STATE, |v| v.canonical(&fields))
}

/// "Load CET state": SSP is a multiple of 4.
fn host_ssp_is_aligned(v: &View<'_>) -> Verdict {
    v.if_exit(Exit::LOAD_CET_STATE, |v| v.ssp(HOST_SSP))
}

/// "Load PKRS": bits 63:32 are 0.
fn host_pkrs_has_32_bits(v: &View<'_>) -> Verdict {
    v.if_exit(Exit::LOAD_PKRS, |v| v.pkrs(HOST_PKRS))
}
