// SPDX-License-Identifier: GPL-2.0

//! What a processor says of its VMX: the capability MSRs, decoded (SDM Vol. 3D, "VMX Capability
//! Reporting Facility"), and a few features of CPUID that VMX depends on. Only data;
//! `capability.rs` reads them.

use super::controls::Allowed;
use kernel::bitfield;

bitfield! {
    /// IA32_VMX_BASIC (SDM Vol. 3D, "Basic VMX Information").
    pub(crate) struct Basic(u64) {
        /// A VM entry delivers exceptions with or without an error code, as software likes.
        56:56 any_error_code => bool;
        /// The controls that are 1 by default can be cleared.
        55:55 true_controls => bool;
        /// VM exits say what INS and OUTS access.
        54:54 string_io_information => bool;
        /// VMCS revision identifier.
        30:0 revision;
    }
}

bitfield! {
    /// IA32_VMX_MISC (SDM Vol. 3D, "Miscellaneous Data").
    pub(crate) struct Misc(u64) {
        /// A VM entry can deliver a software event with an instruction length of 0.
        30:30 injects_without_bytes => bool;
        /// Intel PT can be used in VMX operation.
        14:14 trace_in_vmx => bool;
        /// There is the activity state wait-for-SIPI.
        8:8 wait_for_sipi => bool;
        /// There is the activity state shutdown.
        7:7 shutdown => bool;
        /// There is the activity state HLT.
        6:6 hlt => bool;
        /// The VMX-preemption timer counts down when this bit of the time-stamp counter changes.
        4:0 timer_rate;
    }
}

bitfield! {
    /// IA32_VMX_EPT_VPID_CAP (SDM Vol. 3D, "VPID and EPT Capabilities").
    pub(crate) struct EptVpid(u64) {
        42:42 invvpid_all => bool;
        41:41 invvpid_single => bool;
        32:32 invvpid => bool;
        26:26 invept_all => bool;
        25:25 invept_single => bool;
        23:23 shadow_stacks => bool;
        21:21 accessed_dirty => bool;
        20:20 invept => bool;
        17:17 page_1g => bool;
        16:16 page_2m => bool;
        14:14 write_back => bool;
        8:8 uncacheable => bool;
        7:7 five_levels => bool;
        6:6 four_levels => bool;
        0:0 execute_only => bool;
    }
}

/// Bits of a control register that must be 1, and bits that can be.
#[derive(Clone, Copy)]
pub(crate) struct Fixed {
    /// Bits that must be 1 in VMX operation.
    pub(crate) must: u64,
    /// Bits that can be 1 in VMX operation.
    pub(crate) can: u64,
}

impl Fixed {
    /// Can the register have this value in VMX operation?
    pub(crate) fn takes(self, value: u64) -> bool {
        value & self.must == self.must && value & !self.can == 0
    }

    /// The same with these bits as one likes.
    pub(crate) fn without(self, bits: u64) -> Self {
        Self {
            must: self.must & !bits,
            can: self.can | bits,
        }
    }
}

/// Features that are not of VMX, but have a say in VM entries.
#[derive(Clone, Copy, Default)]
pub(crate) struct Features {
    /// Linear-address masking: two more bits of CR3.
    pub(crate) lam: bool,
    /// Enclaves.
    pub(crate) sgx: bool,
    /// Transactions, whose debug exceptions are of a special kind.
    pub(crate) rtm: bool,
    /// Debug exceptions for bus locks.
    pub(crate) bus_lock: bool,
}

/// What a processor says of its VMX.
#[derive(Clone, Copy)]
pub(crate) struct Processor {
    pub(crate) basic: Basic,
    pub(crate) misc: Misc,
    /// EPT and VPID.
    pub(crate) ept_vpid: EptVpid,
    /// Pin-based controls.
    pub(crate) pin_based: Allowed,
    /// Primary processor-based controls.
    pub(crate) primary: Allowed,
    /// Secondary processor-based controls.
    pub(crate) secondary: Allowed,
    /// Tertiary processor-based controls that can be 1.
    pub(crate) tertiary: u64,
    /// Primary VM-exit controls.
    pub(crate) exit: Allowed,
    /// Secondary VM-exit controls that can be 1.
    pub(crate) secondary_exit: u64,
    /// VM-entry controls.
    pub(crate) entry: Allowed,
    /// VM functions that there are.
    pub(crate) vm_functions: u64,
    /// CR0 in VMX operation.
    pub(crate) cr0: Fixed,
    /// CR4 in VMX operation.
    pub(crate) cr4: Fixed,
    /// Width of a physical address.
    pub(crate) physical_bits: u32,
    /// Width of a linear address.
    pub(crate) linear_bits: u32,
    /// Bits that IA32_PERF_GLOBAL_CTRL has.
    pub(crate) perf_global_ctrl: u64,
    pub(crate) features: Features,
}
