// SPDX-License-Identifier: GPL-2.0

//! General registers as operands of instructions that take 64 bits in 64-bit mode and 32 in all others,
//! whatever the rest of the register holds: MOV to and from control and debug registers (SDM Vol. 2), and
//! hypercalls.

use super::{
    context::Context,
    paging, //
};

/// What the register with this number holds, as far as the instruction looks at it.
pub(crate) fn read(cx: &Context<'_>, number: usize) -> u64 {
    cx.register(number) & mask(cx)
}

/// Sets the register with this number; what the instruction does not set becomes 0.
pub(crate) fn write(cx: &mut Context<'_>, number: usize, value: u64) {
    let value = value & mask(cx);
    cx.set_register(number, value);
}

fn mask(cx: &Context<'_>) -> u64 {
    if paging::is_64_bit(cx) {
        u64::MAX
    } else {
        0xffff_ffff
    }
}
