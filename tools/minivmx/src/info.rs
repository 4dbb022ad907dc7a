// SPDX-License-Identifier: GPL-2.0

//! What a CPU and the driver can do, and the limits of a VM.

use crate::{
    capability::Capabilities,
    mitigation::{
        Mitigated,
        Mitigation, //
    },
    mmu::Mmu,
    reason::Reason,
    uapi, //
};

/// How the driver gets into VMX operation at present.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum VmxMode {
    /// Nobody holds VMX; the driver executes VMXON for each burst.
    Own,
    /// KVM holds VMX; the driver borrows it for each burst.
    Borrow,
    /// VMX is held by somebody that the driver cannot share it with: there are no VMs now.
    Unavailable,
    /// A way that is newer than this library.
    Unknown(u32),
}

/// What this CPU and this driver can do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Info(uapi::minivmx_info);

impl Info {
    /// Version of the interface that the driver speaks.
    pub fn api_version(&self) -> u32 {
        self.0.out_api_version
    }

    /// How VMX is obtained now.
    pub fn vmx(&self) -> VmxMode {
        match self.0.out_vmx {
            uapi::MINIVMX_VMX_OWN => VmxMode::Own,
            uapi::MINIVMX_VMX_BORROW => VmxMode::Borrow,
            uapi::MINIVMX_VMX_UNAVAILABLE => VmxMode::Unavailable,
            other => VmxMode::Unknown(other),
        }
    }

    /// What this CPU can do.
    pub fn capabilities(&self) -> Capabilities {
        Capabilities(self.0.out_capabilities)
    }

    /// What becomes of a mitigation on this machine.
    pub fn mitigated(&self, mitigation: &Mitigation) -> Mitigated {
        if self.0.out_unmitigated & mitigation.mask != 0 {
            Mitigated::NotPossible
        } else if self.0.out_mitigations & mitigation.mask != 0 {
            Mitigated::Done
        } else {
            Mitigated::NotNeeded
        }
    }

    /// Whether [`Device::create_vm`](crate::Device::create_vm) takes it.
    pub fn supports(&self, mmu: Mmu) -> bool {
        self.0.out_mmus & (1 << mmu.number()) != 0
    }

    /// Every way to translate that [`Device::create_vm`](crate::Device::create_vm) takes.
    pub fn mmus(&self) -> Vec<Mmu> {
        let all = Mmu::ALL.iter().copied();
        all.filter(|mmu| self.supports(*mmu)).collect()
    }

    /// What `mmu` needs and this CPU lacks. Shadow paging needs no more of a CPU than the driver.
    pub fn missing(&self, mmu: Mmu) -> Capabilities {
        match mmu {
            Mmu::Ept => Capabilities(self.0.out_ept_missing),
            Mmu::Vtlb | Mmu::Wp | Mmu::Unsync | Mmu::Pv => Capabilities::default(),
        }
    }

    /// The exits that [`Vcpu::set_traps`](crate::Vcpu::set_traps) takes: bit n of word w stands
    /// for basic exit reason 64 w + n.
    pub fn traps(&self) -> [u64; 2] {
        self.0.out_traps
    }

    /// The same as reasons, in ascending order.
    pub fn trappable(&self) -> Vec<Reason> {
        let words = self.0.out_traps.into_iter().zip([0, 64]);
        let bits = words.flat_map(|(word, first)| {
            let set = (0..64).filter(move |bit| (word >> bit) & 1 != 0);
            set.map(move |bit| Reason(first + bit))
        });
        bits.collect()
    }

    /// Bytes of guest memory that one VM may have.
    pub fn max_memory(&self) -> u64 {
        self.0.out_max_memory
    }

    /// Ranges of guest memory that one VM may have.
    pub fn max_regions(&self) -> u32 {
        self.0.out_max_regions
    }

    /// vCPUs that one VM may have.
    pub fn max_vcpus(&self) -> u32 {
        self.0.out_max_vcpus
    }

    /// Width of a guest-physical address in bits.
    pub fn physical_bits(&self) -> u32 {
        self.0.out_physical_bits
    }
}

impl From<uapi::minivmx_info> for Info {
    fn from(info: uapi::minivmx_info) -> Self {
        Self(info)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ioctl::Argument;

    #[test]
    fn an_mmu_is_a_bit_of_the_mask() {
        let mut raw = uapi::minivmx_info::sized();
        assert!(!Info(raw).supports(Mmu::Ept));
        raw.out_mmus = 1 << uapi::MINIVMX_MMU_EPT;
        assert!(Info(raw).supports(Mmu::Ept));
        assert!(!Info(raw).supports(Mmu::Wp));
    }

    #[test]
    fn bits_of_other_mmus_are_passed_over() {
        let mut raw = uapi::minivmx_info::sized();
        raw.out_mmus = 0b1100_0001 | (1 << uapi::MINIVMX_MMU_PV) | (1 << uapi::MINIVMX_MMU_VTLB);
        assert_eq!(Info(raw).mmus(), [Mmu::Vtlb, Mmu::Pv]);
    }

    #[test]
    fn a_mitigation_is_done_or_not_needed_or_not_possible() {
        let mut raw = uapi::minivmx_info::sized();
        raw.out_mitigations = uapi::MINIVMX_MITIGATION_CLEAR_BUFFERS.into();
        raw.out_unmitigated = uapi::MINIVMX_MITIGATION_RETURN_STACK.into();
        let verdicts = Mitigation::ALL.iter().map(|each| Info(raw).mitigated(each));
        let first: Vec<_> = verdicts.take(3).collect();
        let expected = [
            Mitigated::Done,
            Mitigated::NotPossible,
            Mitigated::NotNeeded,
        ];
        assert_eq!(first, expected);
    }

    #[test]
    fn vmx_may_be_unavailable() {
        let mut raw = uapi::minivmx_info::sized();
        raw.out_vmx = uapi::MINIVMX_VMX_UNAVAILABLE;
        assert_eq!(Info(raw).vmx(), VmxMode::Unavailable);
    }

    #[test]
    fn shadow_paging_lacks_nothing() {
        let mut raw = uapi::minivmx_info::sized();
        raw.out_ept_missing = uapi::MINIVMX_CAP_EPT.into();
        assert_eq!(Info(raw).missing(Mmu::Ept).names(), ["ept"]);
        assert_eq!(Info(raw).missing(Mmu::Wp), Capabilities::default());
    }

    #[test]
    fn a_trap_is_a_bit_of_two_words() {
        let mut raw = uapi::minivmx_info::sized();
        raw.out_traps = [(1 << 10) | (1 << 63), 1];
        let reasons = [Reason::CPUID, Reason::XSAVES, Reason::XRSTORS];
        assert_eq!(Info(raw).trappable(), reasons);
    }
}
