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
    x86::{
        cet,
        cr0,
        cr4,
        efer,
        pat, //
    }, //
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
    let cet = v.read(HOST_CR4) & cr4::CET != 0;
    let wp = v.read(HOST_CR0) & cr0::WP != 0;
    v.require(!cet || wp, HOST_CR4)
}

/// CR3 has no bits beyond physical addresses, but for those of linear-address masking.
fn host_cr3_is_memory(v: &View<'_>) -> Verdict {
    v.each(&[HOST_CR3], |value| value & v.beyond_cr3() == 0)
}

/// IA32_SYSENTER_ESP and IA32_SYSENTER_EIP are canonical.
fn host_sysenter_addresses_are_canonical(v: &View<'_>) -> Verdict {
    v.each(&[HOST_SYSENTER_ESP, HOST_SYSENTER_EIP], |address| {
        v.is_canonical(address)
    })
}

/// "Load IA32_PERF_GLOBAL_CTRL": there are such counters.
fn host_perf_global_ctrl_has_no_reserved_bits(v: &View<'_>) -> Verdict {
    if !v.exit(Exit::LOAD_PERF_GLOBAL_CTRL) {
        return Ok(());
    }
    v.clear(!v.processor.perf_global_ctrl, HOST_PERF_GLOBAL_CTRL)
}

/// "Load IA32_PAT": each byte is a memory type.
fn host_pat_has_memory_types(v: &View<'_>) -> Verdict {
    if !v.exit(Exit::LOAD_PAT) {
        return Ok(());
    }
    v.each(&[HOST_PAT], pat::is_valid)
}

/// "Load IA32_EFER": no reserved bit is 1.
fn host_efer_has_no_reserved_bits(v: &View<'_>) -> Verdict {
    if !v.exit(Exit::LOAD_EFER) {
        return Ok(());
    }
    v.clear(!efer::DEFINED, HOST_EFER)
}

/// "Load IA32_EFER": LMA and LME are as "host address-space size".
fn host_efer_is_of_64_bit_mode(v: &View<'_>) -> Verdict {
    if !v.exit(Exit::LOAD_EFER) {
        return Ok(());
    }
    const BITS: u64 = efer::LMA | efer::LME;
    let size = v.exit(Exit::HOST_ADDRESS_SPACE_SIZE);
    let expected = if size { BITS } else { 0 };
    v.each(&[HOST_EFER], |value| value & BITS == expected)
}

/// "Load CET state": IA32_S_CET has no reserved bit, and is not both suppressed and waiting.
fn host_s_cet_is_valid(v: &View<'_>) -> Verdict {
    if !v.exit(Exit::LOAD_CET_STATE) {
        return Ok(());
    }
    v.each(&[HOST_S_CET], cet::is_valid)
}

/// "Load CET state": IA32_S_CET, SSP and IA32_INTERRUPT_SSP_TABLE_ADDR are canonical.
fn host_cet_addresses_are_canonical(v: &View<'_>) -> Verdict {
    if !v.exit(Exit::LOAD_CET_STATE) {
        return Ok(());
    }
    let fields = [HOST_S_CET, HOST_SSP, HOST_INTERRUPT_SSP_TABLE];
    v.each(&fields, |address| v.is_canonical(address))
}

/// "Load CET state": SSP is a multiple of 4.
fn host_ssp_is_aligned(v: &View<'_>) -> Verdict {
    if !v.exit(Exit::LOAD_CET_STATE) {
        return Ok(());
    }
    v.each(&[HOST_SSP], |ssp| ssp & 3 == 0)
}

/// "Load PKRS": bits 63:32 are 0.
fn host_pkrs_has_32_bits(v: &View<'_>) -> Verdict {
    if !v.exit(Exit::LOAD_PKRS) {
        return Ok(());
    }
    v.clear(!0xffff_ffff, HOST_PKRS)
}

impl View<'_> {
    /// Bits that CR3 does not have. Linear-address masking has two beyond physical addresses.
    pub(super) fn beyond_cr3(&self) -> u64 {
        let masking = if self.processor.features.lam {
            3 << 61
        } else {
            0
        };
        self.beyond_memory() & !masking
    }
}
