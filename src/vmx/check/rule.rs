// SPDX-License-Identifier: GPL-2.0

//! Rules, and what comes of breaking one.

use super::view::View;
use crate::vmx::field::{
    Access,
    Field,
    Width, //
};

/// A field whose value is to blame, by its encoding.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Blame {
    pub(crate) field: u32,
    pub(crate) value: u64,
}

/// What a rule says of a VMCS.
pub(super) type Verdict = Result<(), Blame>;

/// A rule that a VM entry insists on; its name is that of the function which states it.
pub(crate) struct Rule {
    pub(crate) name: &'static str,
    pub(super) verdict: fn(&View<'_>) -> Verdict,
}

/// Lists rules by the functions that state them.
macro_rules! rules {
    ($($name:ident,)*) => {
        &[$(crate::vmx::check::rule::Rule {
            name: stringify!($name),
            verdict: $name,
        },)*]
    };
}
pub(super) use rules;

/// What a VM entry ends in that breaks a rule.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Failure {
    /// The instruction fails, with this VM-instruction error
    /// (SDM Vol. 3D, "VM Instruction Error Numbers").
    Instruction(u32),
    /// A VM exit for invalid guest state, with this exit qualification
    /// (SDM Vol. 3C, "VM-Entry Failures During or After Loading Guest State").
    GuestState(u64),
}

impl Failure {
    /// VM entry with invalid control fields.
    pub(super) const CONTROLS: Self = Self::Instruction(7);
    /// VM entry with invalid host-state fields.
    pub(super) const HOST: Self = Self::Instruction(8);
    /// Invalid guest state of no special kind.
    pub(super) const GUEST: Self = Self::GuestState(0);
}

/// The rules of a section of the SDM, or those of them that fail in the same way.
pub(crate) struct Section {
    pub(super) title: &'static str,
    pub(super) failure: Failure,
    pub(crate) rules: &'static [Rule],
}

/// A rule that is broken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Violation {
    /// Title of the section that the rule is of.
    pub(crate) section: &'static str,
    /// The rule.
    pub(crate) rule: &'static str,
    /// What the VM entry ends in.
    pub(crate) failure: Failure,
    /// What is to blame.
    pub(crate) blame: Blame,
}

impl Section {
    /// What is wrong, if this rule of the section is broken.
    pub(super) fn violation(&self, rule: &Rule, view: &View<'_>) -> Option<Violation> {
        let blame = (rule.verdict)(view).err()?;
        Some(Violation {
            section: self.title,
            rule: rule.name,
            failure: self.failure,
            blame,
        })
    }
}

/// What rules are made of.
impl View<'_> {
    /// Something holds, or else this field is to blame.
    pub(super) fn require<W: Width, A: Access>(&self, holds: bool, field: Field<W, A>) -> Verdict {
        if holds {
            return Ok(());
        }
        Err(Blame {
            field: field.encoding(),
            value: W::to_u64(self.read(field)),
        })
    }

    /// Each of these fields is as it should be.
    pub(super) fn each<W: Width, A: Access>(
        &self,
        fields: &[Field<W, A>],
        holds: impl Fn(W::Value) -> bool,
    ) -> Verdict {
        fields
            .iter()
            .try_for_each(|&field| self.require(holds(self.read(field)), field))
    }

    /// The field has none of these bits.
    pub(super) fn clear<A: Access>(&self, bits: u64, field: Field<u64, A>) -> Verdict {
        self.require(self.read(field) & bits == 0, field)
    }

    /// The field is the address of a page of physical memory.
    pub(super) fn page<A: Access>(&self, field: Field<u64, A>) -> Verdict {
        self.clear(self.beyond_memory() | 0xfff, field)
    }
}
