// SPDX-License-Identifier: GPL-2.0

//! INVLPG.

use crate::{
    mmu::address::Gva,
    vcpu::{
        context::{
            Context,
            Next, //
        },
        translation, //
    },
    vmx::field::*, //
};

/// Answers INVLPG.
pub(super) fn handle(cx: &mut Context<'_>) -> Next {
    translation::invlpg(cx, Gva::new(cx.vmcs.read(EXIT_QUALIFICATION)))
}
