// SPDX-License-Identifier: GPL-2.0

//! Before a VM entry: the CPU gets a root, and forgets what has changed.

use super::tables::{
    tell_cpu,
    with_untold, //
};
use crate::vcpu::{
    context::{
        Context,
        Next, //
    },
    paging, //
};

/// Does what there is to do before the next VM entry.
pub(in super::super) fn renew(cx: &mut Context<'_>) -> Result<(), Next> {
    let paging = paging::current(cx);
    let renewed = with_untold(cx, |shadow, ram, stock| {
        shadow.renew(&paging, ram, &mut || stock.take())
    });
    let Some(Ok(renewal)) = renewed else {
        // There are more pages for tables in the next burst, and more time.
        return Err(Next::Pause);
    };
    tell_cpu(cx, renewal);
    Ok(())
}
