// SPDX-License-Identifier: GPL-2.0

//! Debug registers (SDM Vol. 3B, "Debug Registers").

/// DR6: what was the cause of a #DB.
pub(crate) mod dr6 {
    /// B0 to B3: breakpoints, set anew by each #DB.
    const BREAKPOINTS: u64 = 0xf;
    /// BD: access to a debug register while DR7.GD is 1.
    pub(crate) const BD: u64 = 1 << 13;
    /// BS: single-step.
    pub(crate) const BS: u64 = 1 << 14;
    /// BT: task switch.
    const BT: u64 = 1 << 15;
    /// B0 to B3, BD, BS: what the exit qualification of #DB has in the place that DR6 has it. RTM
    /// and bus locks are for who sets IA32_DEBUGCTL, which guests cannot.
    const CAUSES: u64 = BREAKPOINTS | BD | BS;
    /// Bits that read as 1; DR6 after power-up.
    pub(crate) const FIXED: u64 = 0xffff_0ff0;

    /// RTM, turned round: clear for a #DB within a transaction. Others set it, on CPUs where it can
    /// be clear.
    const NOT_IN_TRANSACTION: u64 = 1 << 16;

    /// DR6 after a #DB with these causes: all but B0 to B3 stay until software clears them.
    pub(crate) fn after(value: u64, causes: u64) -> u64 {
        value & !BREAKPOINTS | causes & CAUSES | NOT_IN_TRANSACTION
    }

    /// DR6 as the CPU keeps it, if it can have this value.
    pub(crate) fn valid(value: u64) -> Option<u64> {
        (value >> 32 == 0).then_some(value & (CAUSES | BT) | FIXED)
    }
}

/// Pending debug exceptions: what is to be in DR6, as a VMCS has it (SDM Vol. 3C, "Guest
/// Non-Register State").
pub(crate) mod pending {
    /// B0 to B3: breakpoints that were met.
    const BREAKPOINTS: u64 = 0xf;
    /// A bus lock was acquired.
    pub(crate) const BUS_LOCK: u64 = 1 << 11;
    /// One of the breakpoints is enabled.
    pub(crate) const ENABLED_BREAKPOINT: u64 = 1 << 12;
    /// Single-step.
    pub(crate) const BS: u64 = 1 << 14;
    /// It was in a transaction.
    pub(crate) const RTM: u64 = 1 << 16;

    /// Those that mean something on every processor, or are looked at one by one.
    pub(crate) const DEFINED: u64 = BREAKPOINTS | ENABLED_BREAKPOINT | BS | RTM;

    /// Do these raise #DB?
    pub(crate) fn is_enabled(pending: u64) -> bool {
        pending & (ENABLED_BREAKPOINT | BS) != 0
    }

    /// These, if a guest can have them. RTM and bus locks are for who sets IA32_DEBUGCTL, which
    /// guests cannot.
    pub(crate) fn valid(value: u64) -> Option<u64> {
        (value & !(BREAKPOINTS | ENABLED_BREAKPOINT | BS) == 0).then_some(value)
    }
}

/// DR7: which breakpoints there are.
pub(crate) mod dr7 {
    /// L0 to G3: any breakpoint enabled.
    const ENABLED: u64 = 0xff;
    /// GD: accesses to debug registers raise #DB.
    pub(crate) const GD: u64 = 1 << 13;
    /// Bit 10 reads as 1.
    const FIXED: u64 = 1 << 10;
    /// Bits that are reserved and read as 0.
    const ZERO: u64 = 0xd000;

    /// Does this DR7 enable a breakpoint?
    pub(crate) fn has_breakpoints(value: u64) -> bool {
        value & ENABLED != 0
    }

    /// DR7 as the CPU keeps it, if it can have this value.
    pub(crate) fn valid(value: u64) -> Option<u64> {
        (value >> 32 == 0).then_some(value & !ZERO | FIXED)
    }
}

/// Breakpoints that are met by an access which the CPU did not see.
pub(crate) mod breakpoint {
    use super::pending;

    /// An access that breakpoints are for.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub(crate) enum Access {
        /// Data are read.
        Read,
        /// Data are written.
        Write,
        /// A port is read or written; with CR4.DE only.
        Port,
    }

    /// The breakpoints that are met by an access to `length` bytes from `first` on, which is a
    /// linear address or a port, as pending debug exceptions (SDM Vol. 3B, "Breakpoint Field
    /// Recognition").
    pub(crate) fn met(
        dr7: u64,
        addresses: &[u64; 4],
        access: Access,
        first: u64,
        length: u64,
    ) -> u64 {
        (0..)
            .zip(addresses)
            .filter(|(number, _)| is_for(dr7, *number, access))
            .filter(|(number, address)| overlap(watched(dr7, *number, **address), (first, length)))
            .fold(0, |met, (number, _)| {
                met | pending::ENABLED_BREAKPOINT | 1 << number
            })
    }

    /// Is breakpoint `number` enabled, and for such an access? It may be one for instructions, too.
    fn is_for(dr7: u64, number: u32, access: Access) -> bool {
        let enabled = dr7 >> (2 * number) & 3 != 0;
        let kind = dr7 >> (16 + 4 * number) & 3;
        enabled
            && match access {
                Access::Read => kind == 3,
                Access::Write => kind == 1 || kind == 3,
                Access::Port => kind == 2,
            }
    }

    /// The first address that breakpoint `number` watches, a multiple of how many they are; and
    /// that.
    fn watched(dr7: u64, number: u32, address: u64) -> (u64, u64) {
        let length = match dr7 >> (18 + 4 * number) & 3 {
            0 => 1,
            1 => 2,
            2 => 8,
            _ => 4,
        };
        (address & !(length - 1), length)
    }

    /// Of two ranges, as first address and length: does one begin in the other?
    fn overlap(a: (u64, u64), b: (u64, u64)) -> bool {
        a.0.wrapping_sub(b.0) < b.1 || b.0.wrapping_sub(a.0) < a.1
    }
}
