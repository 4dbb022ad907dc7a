// SPDX-License-Identifier: GPL-2.0

//! SDM Vol. 3C, "Checks on Guest Segment Registers". What the SDM says of each register in turn is
//! said of all here that it is said of.

use super::{
    rule::{
        rules,
        Failure,
        Section,
        Verdict, //
    },
    segment::{
        is_local,
        rpl, //
    },
    view::View, //
};
use crate::{
    vmx::segment::{
        Register,
        CS,
        DS,
        ES,
        FS,
        GS,
        LDTR,
        SS,
        TR, //
    },
    x86::segment::AccessRights, //
};

pub(super) const SECTION: Section = Section {
    title: "Checks on Guest Segment Registers",
    failure: Failure::GUEST,
    rules: rules! {
        tr_is_in_the_gdt,
        ldtr_is_in_the_gdt,
        ss_rpl_is_that_of_cs,
        virtual_8086_bases_follow_selectors,
        tr_fs_gs_bases_are_canonical,
        ldtr_base_is_canonical,
        cs_base_has_32_bits,
        ss_ds_es_bases_have_32_bits,
        virtual_8086_limits_are_64_kib,
        virtual_8086_segments_are_data_of_users,
        cs_is_accessed_code,
        ss_is_writable_data,
        data_segments_are_accessed,
        code_in_data_segments_is_readable,
        segments_are_no_system_segments,
        data_in_cs_is_of_ring_0,
        nonconforming_cs_is_of_the_ring_of_ss,
        conforming_cs_is_of_no_outer_ring,
        ss_dpl_is_its_rpl,
        ss_is_of_ring_0_without_protection,
        data_segments_are_of_no_inner_ring,
        segments_are_present,
        access_rights_have_no_reserved_bits,
        cs_is_not_of_two_sizes,
        granularity_fits_limit,
        tr_is_a_busy_task,
        ldtr_is_an_ldt,
        tr_and_ldtr_are_system_segments,
        tr_is_usable,
    },
};

/// Registers that virtual-8086 mode has.
const SEGMENTS: [Register; 6] = [CS, SS, DS, ES, FS, GS];
/// Registers for data that are not the stack.
const DATA: [Register; 4] = [DS, ES, FS, GS];

/// TI of TR is 0.
fn tr_is_in_the_gdt(v: &View<'_>) -> Verdict {
    v.each(&[TR.selector], |selector| !is_local(selector))
}

/// TI of LDTR is 0, if it is usable.
fn ldtr_is_in_the_gdt(v: &View<'_>) -> Verdict {
    let usable = v.is_usable(LDTR);
    v.each(&[LDTR.selector], |selector| !usable || !is_local(selector))
}

/// RPL of SS is that of CS, but in virtual-8086 mode and unrestricted guests.
fn ss_rpl_is_that_of_cs(v: &View<'_>) -> Verdict {
    if v.is_virtual_8086() || v.is_unrestricted() {
        return Ok(());
    }
    let expected = rpl(v.read(CS.selector));
    v.each(&[SS.selector], |selector| rpl(selector) == expected)
}

/// Something holds of all segments, if the guest will be in virtual-8086 mode.
fn virtual_8086(v: &View<'_>, verdict: impl Fn(Register) -> Verdict) -> Verdict {
    if !v.is_virtual_8086() {
        return Ok(());
    }
    SEGMENTS.into_iter().try_for_each(verdict)
}

/// In virtual-8086 mode a base is the selector, shifted left by 4.
fn virtual_8086_bases_follow_selectors(v: &View<'_>) -> Verdict {
    virtual_8086(v, |register| {
        let expected = u64::from(v.read(register.selector)) << 4;
        v.each(&[register.base], |base| base == expected)
    })
}

/// Bases of TR, FS and GS are canonical.
fn tr_fs_gs_bases_are_canonical(v: &View<'_>) -> Verdict {
    v.canonical(&[TR.base, FS.base, GS.base])
}

/// The base of LDTR is canonical, if it is usable.
fn ldtr_base_is_canonical(v: &View<'_>) -> Verdict {
    let usable = v.is_usable(LDTR);
    v.each(&[LDTR.base], |base| !usable || v.is_canonical(base))
}

/// Bits 63:32 of the base of CS are 0.
fn cs_base_has_32_bits(v: &View<'_>) -> Verdict {
    v.each(&[CS.base], |base| v.is_virtual_8086() || base >> 32 == 0)
}

/// Bits 63:32 of the bases of SS, DS and ES are 0, if they are usable.
fn ss_ds_es_bases_have_32_bits(v: &View<'_>) -> Verdict {
    protected(v, &[SS, DS, ES], |register| {
        v.each(&[register.base], |base| base >> 32 == 0)
    })
}

/// In virtual-8086 mode limits are FFFFH.
fn virtual_8086_limits_are_64_kib(v: &View<'_>) -> Verdict {
    virtual_8086(v, |register| {
        v.each(&[register.limit], |limit| limit == 0xffff)
    })
}

/// In virtual-8086 mode access rights are F3H.
fn virtual_8086_segments_are_data_of_users(v: &View<'_>) -> Verdict {
    virtual_8086(v, |register| {
        v.each(&[register.rights], |rights| rights == 0xf3)
    })
}

/// Something holds of those registers that are usable, but in virtual-8086 mode. CS is always used.
fn protected(
    v: &View<'_>,
    registers: &[Register],
    verdict: impl Fn(Register) -> Verdict,
) -> Verdict {
    if v.is_virtual_8086() {
        return Ok(());
    }
    registers
        .iter()
        .filter(|register| {
            register.rights.encoding() == CS.rights.encoding() || v.is_usable(**register)
        })
        .try_for_each(|&register| verdict(register))
}

/// The same of access rights.
fn protected_rights(
    v: &View<'_>,
    registers: &[Register],
    holds: impl Fn(AccessRights) -> bool,
) -> Verdict {
    protected(v, registers, |register| {
        v.each(&[register.rights], |raw| holds(AccessRights::from_raw(raw)))
    })
}

/// CS is code that was accessed; in an unrestricted guest it may be data that can be written, too.
fn cs_is_accessed_code(v: &View<'_>) -> Verdict {
    let unrestricted = v.is_unrestricted();
    protected_rights(v, &[CS], |rights| match rights.kind().get() {
        3 => unrestricted,
        kind => matches!(kind, 9 | 11 | 13 | 15),
    })
}

/// SS is accessed data that can be written.
fn ss_is_writable_data(v: &View<'_>) -> Verdict {
    protected_rights(v, &[SS], |rights| matches!(rights.kind().get(), 3 | 7))
}

/// DS, ES, FS and GS were accessed.
fn data_segments_are_accessed(v: &View<'_>) -> Verdict {
    protected_rights(v, &DATA, |rights| rights.kind().get() & 1 != 0)
}

/// Code in DS, ES, FS and GS can be read.
fn code_in_data_segments_is_readable(v: &View<'_>) -> Verdict {
    protected_rights(v, &DATA, |rights| !rights.code() || rights.second_access())
}

/// S is 1 in all of the six.
fn segments_are_no_system_segments(v: &View<'_>) -> Verdict {
    protected_rights(v, &SEGMENTS, |rights| rights.segment())
}

/// Data in CS has DPL 0.
fn data_in_cs_is_of_ring_0(v: &View<'_>) -> Verdict {
    protected_rights(v, &[CS], |rights| {
        rights.kind().get() != 3 || rights.dpl().get() == 0
    })
}

/// Nonconforming code has the DPL of SS.
fn nonconforming_cs_is_of_the_ring_of_ss(v: &View<'_>) -> Verdict {
    let cpl = v.dpl(SS);
    protected_rights(v, &[CS], |rights| {
        !matches!(rights.kind().get(), 9 | 11) || rights.dpl().get() == cpl
    })
}

/// Conforming code has no greater DPL than SS.
fn conforming_cs_is_of_no_outer_ring(v: &View<'_>) -> Verdict {
    let cpl = v.dpl(SS);
    protected_rights(v, &[CS], |rights| {
        !matches!(rights.kind().get(), 13 | 15) || rights.dpl().get() <= cpl
    })
}

/// DPL of SS is its RPL, but in virtual-8086 mode and unrestricted guests, whether it is usable or
/// not.
fn ss_dpl_is_its_rpl(v: &View<'_>) -> Verdict {
    if v.is_virtual_8086() || v.is_unrestricted() {
        return Ok(());
    }
    let expected = rpl(v.read(SS.selector));
    v.require(v.dpl(SS) == expected, SS.rights)
}

/// DPL of SS is 0 without protected mode, and with data in CS, whether it is usable or not.
fn ss_is_of_ring_0_without_protection(v: &View<'_>) -> Verdict {
    if v.is_virtual_8086() {
        return Ok(());
    }
    let data_in_cs = v.rights(CS).kind().get() == 3;
    let counts = data_in_cs || !v.is_protected();
    v.require(!counts || v.dpl(SS) == 0, SS.rights)
}

/// DPL of data and nonconforming code in DS, ES, FS and GS is not less than RPL, but in
/// unrestricted guests.
fn data_segments_are_of_no_inner_ring(v: &View<'_>) -> Verdict {
    if v.is_unrestricted() {
        return Ok(());
    }
    protected(v, &DATA, |register| {
        let conforming = v.rights(register).kind().get() > 11;
        let fits = v.dpl(register) >= rpl(v.read(register.selector));
        v.require(conforming || fits, register.rights)
    })
}

/// Something holds of all registers that are used: CS and TR always are, the others if they are
/// usable.
fn used(v: &View<'_>, verdict: impl Fn(Register) -> Verdict) -> Verdict {
    protected(v, &SEGMENTS, &verdict)?;
    verdict(TR)?;
    if v.is_usable(LDTR) {
        verdict(LDTR)?;
    }
    Ok(())
}

/// P is 1.
fn segments_are_present(v: &View<'_>) -> Verdict {
    used(v, |register| {
        v.require(v.rights(register).present(), register.rights)
    })
}

/// Bits 11:8 and 31:17 of access rights are 0.
fn access_rights_have_no_reserved_bits(v: &View<'_>) -> Verdict {
    used(v, |register| {
        v.each(&[register.rights], |rights| rights & 0xfffe_0f00 == 0)
    })
}

/// D is 0 in CS with L in IA-32e mode.
fn cs_is_not_of_two_sizes(v: &View<'_>) -> Verdict {
    let ia32e = v.is_ia32e();
    protected_rights(v, &[CS], |rights| !(ia32e && rights.long() && rights.big()))
}

/// G is 0 if any of bits 11:0 of the limit is 0, and 1 if any of bits 31:20 is 1.
fn granularity_fits_limit(v: &View<'_>) -> Verdict {
    used(v, |register| {
        let limit = v.read(register.limit);
        let fits = if v.rights(register).granularity() {
            limit & 0xfff == 0xfff
        } else {
            limit >> 20 == 0
        };
        v.require(fits, register.rights)
    })
}

/// TR is a busy task-state segment: of 64 or 32 bits, or of 16 outside of IA-32e mode.
fn tr_is_a_busy_task(v: &View<'_>) -> Verdict {
    let kind = v.rights(TR).kind().get();
    v.require(kind == 11 || kind == 3 && !v.is_ia32e(), TR.rights)
}

/// LDTR is a local descriptor table, if it is usable.
fn ldtr_is_an_ldt(v: &View<'_>) -> Verdict {
    let rights = v.rights(LDTR);
    v.require(rights.unusable() || rights.kind().get() == 2, LDTR.rights)
}

/// S is 0 in TR, and in LDTR if it is usable.
fn tr_and_ldtr_are_system_segments(v: &View<'_>) -> Verdict {
    v.require(!v.rights(TR).segment(), TR.rights)?;
    let ldtr = v.rights(LDTR);
    v.require(ldtr.unusable() || !ldtr.segment(), LDTR.rights)
}

/// TR is usable.
fn tr_is_usable(v: &View<'_>) -> Verdict {
    v.require(v.is_usable(TR), TR.rights)
}
