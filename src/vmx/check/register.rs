// SPDX-License-Identifier: GPL-2.0

//! What a register can hold, whether it is the guest's or the host's: the SDM says it in both
//! sections.

use super::{
    rule::Verdict,
    view::View, //
};
use crate::{
    vmx::{
        controls::{
            Entry,
            Exit, //
        },
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

/// When rules hold.
impl View<'_> {
    /// A rule for VM entries with this control.
    pub(super) fn if_entry(&self, control: Entry, rule: impl Fn(&Self) -> Verdict) -> Verdict {
        if self.entry(control) {
            rule(self)
        } else {
            Ok(())
        }
    }

    /// A rule for VM exits with this control.
    pub(super) fn if_exit(&self, control: Exit, rule: impl Fn(&Self) -> Verdict) -> Verdict {
        if self.exit(control) {
            rule(self)
        } else {
            Ok(())
        }
    }
}

/// The rules, by registers.
impl View<'_> {
    /// CR3 has no bits beyond physical addresses, but for the two of linear-address masking.
    pub(super) fn cr3<A: Access>(&self, field: Field<Natural, A>) -> Verdict {
        let masking = if self.processor.features.lam {
            3 << 61
        } else {
            0
        };
        let beyond = self.beyond_memory() & !masking;
        self.each(&[field], |value| value & beyond == 0)
    }

    /// CR4.CET needs CR0.WP.
    pub(super) fn cet_needs_wp<A: Access>(
        &self,
        cr0: Field<Natural, A>,
        cr4: Field<Natural, A>,
    ) -> Verdict {
        let cet = self.read(cr4) & cr4::CET != 0;
        let wp = self.read(cr0) & cr0::WP != 0;
        self.require(!cet || wp, cr4)
    }

    /// Addresses are canonical.
    pub(super) fn canonical<A: Access>(&self, fields: &[Field<Natural, A>]) -> Verdict {
        self.each(fields, |address| self.is_canonical(address))
    }

    /// IA32_PERF_GLOBAL_CTRL: there are such counters.
    pub(super) fn perf_global_ctrl<A: Access>(&self, field: Field<u64, A>) -> Verdict {
        self.clear(!self.processor.perf_global_ctrl, field)
    }

    /// IA32_PAT: each byte is a memory type.
    pub(super) fn pat<A: Access>(&self, field: Field<u64, A>) -> Verdict {
        self.each(&[field], pat::is_valid)
    }

    /// IA32_EFER: no reserved bit is 1.
    pub(super) fn efer<A: Access>(&self, field: Field<u64, A>) -> Verdict {
        self.clear(!efer::DEFINED, field)
    }

    /// IA32_S_CET has no reserved bit, and is not both suppressed and waiting.
    pub(super) fn s_cet<A: Access>(&self, field: Field<Natural, A>) -> Verdict {
        self.each(&[field], cet::is_valid)
    }

    /// SSP is a multiple of 4.
    pub(super) fn ssp<A: Access>(&self, field: Field<Natural, A>) -> Verdict {
        self.each(&[field], |ssp| ssp & 3 == 0)
    }

    /// IA32_PKRS: bits 63:32 are 0.
    pub(super) fn pkrs<A: Access>(&self, field: Field<u64, A>) -> Verdict {
        self.clear(!0xffff_ffff, field)
    }
}
