// SPDX-License-Identifier: GPL-2.0

//! `minivmx run --break`: the guest stops at an instruction. A debug register of its own does it,
//! and a trap for the exception that this raises (SDM Vol. 3B, "Debug Registers").

use minivmx::{
    Exit,
    Result,
    Sregs,
    Vcpu, //
};

/// #DB.
pub const VECTOR: u8 = 1;
/// DR7: breakpoint 0 is on, for instructions, in all tasks; bit 10 is always set.
const DR7_ON: u64 = DR7_OFF | (1 << 1);
/// No breakpoint is on.
const DR7_OFF: u64 = 1 << 10;
/// DR6, and the exit qualification: it was breakpoint 0.
const DR6_HIT: u64 = 1 << 0;

/// Sets the breakpoint.
pub fn set(vcpu: &Vcpu, address: u64) -> Result<()> {
    let mut sregs: Sregs = vcpu.sregs()?;
    let [dr0, .., dr7] = &mut sregs.dr;
    (*dr0, *dr7) = (address, DR7_ON);
    vcpu.set_sregs(&sregs)
}

/// Takes it away again.
pub fn clear(vcpu: &Vcpu) -> Result<()> {
    let mut sregs: Sregs = vcpu.sregs()?;
    let [.., dr7] = &mut sregs.dr;
    *dr7 = DR7_OFF;
    vcpu.set_sregs(&sregs)
}

/// Has the guest come to it?
pub fn is_hit(vcpu: &mut Vcpu) -> bool {
    let hit = vcpu.exit_information().qualification & DR6_HIT != 0;
    hit && matches!(vcpu.exit(), Exit::Exception { vector: VECTOR, .. })
}
