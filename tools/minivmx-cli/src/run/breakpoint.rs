// SPDX-License-Identifier: GPL-2.0

//! `minivmx run --break`: the guest stops at an instruction. A debug register of its own does it, and a trap for
//! the exception that this raises (SDM Vol. 3B, "Debug Registers").

use minivmx::{
    Exit,
    Result,
    Sregs,
    Traps,
    Vcpu, //
};

/// #DB.
const VECTOR: u8 = 1;
/// DR7: breakpoint 0 is on, for instructions, in all tasks; bit 10 is always set.
const DR7_ON: u64 = (1 << 10) | (1 << 1);
/// DR6, and the exit qualification: it was breakpoint 0.
const DR6_HIT: u64 = 1 << 0;

/// Sets the breakpoint.
pub fn set(vcpu: &Vcpu, address: u64) -> Result<()> {
    let mut sregs: Sregs = vcpu.sregs()?;
    let [dr0, .., dr7] = &mut sregs.dr;
    (*dr0, *dr7) = (address, DR7_ON);
    vcpu.set_sregs(&sregs)
}

/// The exits that it needs, besides others.
pub fn trap(traps: Traps) -> Traps {
    Traps {
        exceptions: traps.exceptions | (1 << VECTOR),
        ..traps
    }
}

/// Has the guest come to it?
pub fn is_hit(vcpu: &mut Vcpu) -> bool {
    let hit = vcpu.exit_information().qualification & DR6_HIT != 0;
    hit && matches!(vcpu.exit(), Exit::Exception { vector: VECTOR, .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_traps_stay() {
        let traced = Traps {
            exceptions: 1 << 14,
            exits: [5, 0],
        };
        assert_eq!(trap(traced).exceptions, (1 << 14) | (1 << 1));
        assert_eq!(trap(traced).exits, [5, 0]);
    }
}
