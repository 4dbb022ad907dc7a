// SPDX-License-Identifier: GPL-2.0

//! General registers as operands of instructions that take 64 bits in 64-bit mode and 32 in all
//! others, whatever the rest of the register holds: MOV to and from control and debug registers
//! (SDM Vol. 2), and hypercalls.

use super::{
    context::Context,
    paging, //
};

/// What the register with this number holds, as far as the instruction looks at it.
#[inline]
pub(crate) fn read(cx: &Context<'_>, number: usize) -> u64 {
    cut(cx, cx.register(number))
}

/// Sets the register with this number; what the instruction does not set becomes 0.
#[inline]
pub(crate) fn write(cx: &mut Context<'_>, number: usize, value: u64) {
    let value = cut(cx, value);
    cx.set_register(number, value);
}

/// The mode is asked for where it makes a difference only.
#[inline]
fn cut(cx: &Context<'_>, value: u64) -> u64 {
    let low = value & 0xffff_ffff;
    if low == value || paging::is_64_bit(cx) {
        value
    } else {
        low
    }
}
