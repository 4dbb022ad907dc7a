// SPDX-License-Identifier: GPL-2.0

//! Reading what the processor says of its VMX (SDM Vol. 3D, "VMX Capability Reporting Facility").

use super::{
    controls::{
        Allowed,
        Exit,
        Primary,
        Secondary, //
    },
    processor::{
        Basic,
        EptVpid,
        Features,
        Fixed,
        Misc,
        Processor, //
    }, //
};
use crate::support::{
    cpu,
    msr::Msr, //
};
use kernel::prelude::*;

const BASIC: Msr = Msr(0x480);
const MISC: Msr = Msr(0x485);
const CR0_FIXED0: Msr = Msr(0x486);
const CR0_FIXED1: Msr = Msr(0x487);
const CR4_FIXED0: Msr = Msr(0x488);
const CR4_FIXED1: Msr = Msr(0x489);
const SECONDARY: Msr = Msr(0x48b);
const EPT_VPID: Msr = Msr(0x48c);
const VM_FUNCTIONS: Msr = Msr(0x491);
const TERTIARY: Msr = Msr(0x492);
const SECONDARY_EXIT: Msr = Msr(0x493);
/// Pin-based, primary, exit and entry controls.
const CONTROLS: [Msr; 4] = [Msr(0x481), Msr(0x482), Msr(0x483), Msr(0x484)];
/// The same where the default-1 controls can be cleared.
const TRUE_CONTROLS: [Msr; 4] = [Msr(0x48d), Msr(0x48e), Msr(0x48f), Msr(0x490)];

impl Processor {
    /// Asks this CPU.
    pub(super) fn read() -> Result<Self> {
        let basic = Basic::from_raw(BASIC.try_read()?);
        let controls = if basic.true_controls() {
            TRUE_CONTROLS
        } else {
            CONTROLS
        };
        let [pin_based, primary, exit, entry] = controls;
        let primary = Allowed::from_msr(primary.try_read()?);
        let secondary = read_if(primary.allows(Primary::SECONDARY), SECONDARY)?;
        let secondary = Allowed::from_msr(secondary);
        let exit = Allowed::from_msr(exit.try_read()?);
        let has_ept_vpid =
            secondary.allows(Secondary::ENABLE_EPT) || secondary.allows(Secondary::ENABLE_VPID);
        let has_functions = secondary.allows(Secondary::ENABLE_VM_FUNCTIONS);
        let widths = cpu::cpuid(0x8000_0008, 0).eax;
        Ok(Self {
            basic,
            misc: Misc::from_raw(MISC.try_read()?),
            ept_vpid: EptVpid::from_raw(read_if(has_ept_vpid, EPT_VPID)?),
            pin_based: Allowed::from_msr(pin_based.try_read()?),
            primary,
            secondary,
            tertiary: read_if(primary.allows(Primary::TERTIARY), TERTIARY)?,
            exit,
            secondary_exit: read_if(exit.allows(Exit::SECONDARY), SECONDARY_EXIT)?,
            entry: Allowed::from_msr(entry.try_read()?),
            vm_functions: read_if(has_functions, VM_FUNCTIONS)?,
            cr0: fixed(CR0_FIXED0, CR0_FIXED1)?,
            cr4: fixed(CR4_FIXED0, CR4_FIXED1)?,
            physical_bits: widths & 0xff,
            linear_bits: widths >> 8 & 0xff,
            perf_global_ctrl: perf_global_ctrl(),
            features: features(),
        })
    }
}

fn read_if(present: bool, msr: Msr) -> Result<u64> {
    if present {
        msr.try_read()
    } else {
        Ok(0)
    }
}

fn fixed(must: Msr, can: Msr) -> Result<Fixed> {
    Ok(Fixed {
        must: must.try_read()?,
        can: can.try_read()?,
    })
}

/// Bits that IA32_PERF_GLOBAL_CTRL has (SDM Vol. 3B, "Architectural Performance Monitoring Version
/// 2").
fn perf_global_ctrl() -> u64 {
    /// Performance metrics, of which another MSR tells.
    const METRICS: u64 = 1 << 48;
    let leaf = match cpu::cpuid(0, 0).eax >= 0xa {
        true => cpu::cpuid(0xa, 0),
        false => return 0,
    };
    if leaf.eax & 0xff < 2 {
        return 0;
    }
    let ones = |count: u32| !u64::MAX.checked_shl(count).unwrap_or(0);
    let counters = ones(leaf.eax >> 8 & 0xff);
    let fixed_counters = ones(leaf.edx & 0x1f) | u64::from(leaf.ecx);
    counters | fixed_counters << 32 | METRICS
}

fn features() -> Features {
    let highest = cpu::cpuid(0, 0).eax;
    if highest < 7 {
        return Features::default();
    }
    let leaf = cpu::cpuid(7, 0);
    let has_more = leaf.eax >= 1;
    Features {
        lam: has_more && cpu::cpuid(7, 1).eax & 1 << 26 != 0,
        sgx: leaf.ebx & 1 << 2 != 0,
        rtm: leaf.ebx & 1 << 11 != 0,
        bus_lock: leaf.ecx & 1 << 24 != 0,
    }
}
