// SPDX-License-Identifier: GPL-2.0

//! What this machine gives to guests: found out, and allocated, once for all VMs.

mod control_registers;
pub(crate) mod cpuid;

pub(crate) use self::control_registers::ControlRegisters;

use self::{
    control_registers::Cr4Rules,
    cpuid::Identity, //
};
use crate::{
    module_parameters,
    support::{
        cpu,
        descriptor::Descriptors,
        fpu,
        irq::IrqsDisabled,
        try_lock::TryLock,
        uapi::mitigation, //
    },
    vmx::{
        capability::Capabilities,
        host::HostState,
        mitigation::{
            Barriers,
            Mitigations, //
        },
        msr_bitmap::MsrBitmaps,
        root::{
            self,
            VmxRoot,
            VmxonRegions, //
        },
        vpid::Vpids, //
    },
    x86::{
        cpuid::{
            extended_edx,
            EXTENDED_FEATURES, //
        },
        misc_enable, //
    }, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// What all VMs share.
#[pin_data]
pub(crate) struct Machine {
    /// What this CPU's VMX can do.
    pub(crate) capabilities: Capabilities,
    /// VMXON regions.
    pub(crate) vmxon: VmxonRegions,
    /// CR4 of guests.
    cr4: Cr4Rules,
    /// What CPUID tells the first vCPU of a VM.
    identity: Identity,
    /// Are there pages of 1 GiB in 4-level paging?
    pub(crate) pages_1g: bool,
    /// What is done against speculative execution.
    pub(crate) mitigations: Mitigations,
    /// What of that is done when a burst begins.
    pub(crate) barriers: Barriers,
    /// MSR bitmaps.
    pub(crate) msr_bitmaps: Arc<MsrBitmaps>,
    /// Virtual-processor identifiers.
    #[pin]
    pub(crate) vpids: Vpids,
    /// Whose turn it is to split locks: of one guest at a time, lest they slow down the machine
    /// together.
    pub(crate) split_locks: TryLock<()>,
    /// The rules of VM entries are looked at before the first after a call, and each so many
    /// further on; 0 is never.
    pub(crate) check_interval: u32,
}

/// Width of the guest-physical addresses that four levels of EPT translate.
const EPT_BITS: u32 = 48;

impl Machine {
    /// Finds out what the machine can do, and allocates what all CPUs need.
    pub(crate) fn new() -> Result<Arc<Self>> {
        let capabilities = Capabilities::detect()?;
        let mitigations = Mitigations::detect();
        let identity = Identity {
            id: 0,
            xcr0_allowed: fpu::xcr0_allowed(),
            misc_enable: misc_enable::AFTER_RESET,
            physical_bits: capabilities.processor.physical_bits,
        };
        let guests = |leaf| cpuid::of_guests(cpu::cpuid, leaf, 0, 1, &identity);
        let pages_1g = guests(EXTENDED_FEATURES).edx & extended_edx::PAGES_1G != 0;
        Arc::pin_init(
            try_pin_init!(Self {
                vmxon: VmxonRegions::new(&capabilities)?,
                identity,
                cr4: Cr4Rules::new(&capabilities, guests),
                pages_1g,
                barriers: Barriers::new(mitigations)?,
                mitigations,
                msr_bitmaps: Arc::new(MsrBitmaps::new()?, GFP_KERNEL)?,
                vpids <- Vpids::new(),
                split_locks: TryLock::new(()),
                check_interval: module_parameters::check_entries.value(),
                capabilities,
            }),
            GFP_KERNEL,
        )
    }

    /// Are the rules of VM entries looked at before some, or all?
    #[inline]
    pub(crate) fn checks_entries(&self) -> bool {
        self.check_interval != 0
    }

    /// Are there EPT pages of 2 MiB, and may guests execute what is in them?
    pub(crate) fn large_pages(&self) -> bool {
        self.capabilities.processor.ept_vpid.page_2m()
            && !self
                .mitigations
                .does(mitigation::MINIVMX_MITIGATION_ITLB_MULTIHIT)
    }

    /// Width of a physical address, as the processor checks entries of page tables and CR3.
    pub(crate) fn physical_bits(&self) -> u32 {
        self.identity.physical_bits
    }

    /// Width of a guest-physical address where there can be memory.
    pub(crate) fn memory_bits(&self) -> u32 {
        self.physical_bits().min(EPT_BITS)
    }

    /// What CPUID tells the vCPU of that number.
    pub(crate) fn identity(&self, id: u32) -> Identity {
        Identity {
            id,
            ..self.identity
        }
    }

    /// Can CR3 have this value (SDM Vol. 3A, "Control Registers")?
    pub(crate) fn cr3_valid(&self, value: u64) -> bool {
        value.checked_shr(self.physical_bits()).unwrap_or(0) == 0
    }

    /// CR0 and CR4 of guests with shadow paging, or with EPT.
    pub(crate) fn control_registers(&self, shadow_paging: bool) -> ControlRegisters {
        ControlRegisters::new(&self.cr4, shadow_paging)
    }

    /// Would VMX operation be borrowed from KVM at present? May sleep.
    ///
    /// # Errors
    ///
    /// `EBUSY` if it could not be had at all, see [`VmxonRegions::why_busy`].
    pub(crate) fn borrows_vmx(&self) -> Result<bool> {
        root::insist(|| {
            IrqsDisabled::with(|irqs| {
                let mut descriptors = Descriptors::default();
                let host = HostState::save(irqs, &mut descriptors, &self.capabilities);
                let root = VmxRoot::enter(&host, &self.vmxon)?;
                Ok(root.is_borrowed())
            })
        })
    }
}
