// SPDX-License-Identifier: GPL-2.0

//! The device file `/dev/minivmx`: what this machine can do, and new VMs.

use crate::{
    support::{
        cpu,
        file::{
            open_anonymous,
            FileOperations, //
        },
        irq::IrqsDisabled,
        uaccess::Argument,
        uapi, //
    },
    vcpu::{
        self,
        Cr4Rules,
        MsrBitmaps, //
    },
    vm::{
        self,
        Mmu,
        Vm, //
    },
    vmx::{
        capability::Capabilities,
        root::{
            VmxRoot,
            VmxonRegions, //
        },
        vpid::Vpids, //
    }, //
};
use kernel::{
    prelude::*,
    sync::{
        Arc,
        ArcBorrow, //
    }, //
};
use zerocopy::FromZeros;

/// What all VMs share.
#[pin_data]
pub(crate) struct Device {
    /// What this CPU's VMX can do.
    pub(crate) capabilities: Capabilities,
    /// VMXON regions.
    pub(crate) vmxon: VmxonRegions,
    /// CR4 of guests.
    pub(crate) cr4: Cr4Rules,
    /// Are there pages of 1 GiB in 4-level paging?
    pub(crate) pages_1g: bool,
    /// Must a burst begin with an empty L1 data cache?
    pub(crate) flush_l1d: bool,
    /// MSR bitmaps.
    pub(crate) msr_bitmaps: MsrBitmaps,
    /// Virtual-processor identifiers.
    #[pin]
    pub(crate) vpids: Vpids,
}

/// Width of the guest-physical addresses that four levels of EPT translate.
const EPT_BITS: u32 = 48;

impl Device {
    /// Finds out what the machine can do, and allocates what all CPUs need.
    pub(crate) fn new() -> Result<Arc<Self>> {
        let capabilities = Capabilities::detect()?;
        Arc::pin_init(
            try_pin_init!(Self {
                vmxon: VmxonRegions::new(capabilities.revision)?,
                cr4: Cr4Rules::new(&capabilities),
                pages_1g: vcpu::has_1g_pages(),
                flush_l1d: cpu::must_flush_l1d(),
                msr_bitmaps: MsrBitmaps::new()?,
                vpids <- Vpids::new(),
                capabilities,
            }),
            GFP_KERNEL,
        )
    }

    /// Width of a guest-physical address.
    pub(crate) fn physical_bits(&self) -> u32 {
        self.capabilities.physical_bits.min(EPT_BITS)
    }

    /// How VMX would be obtained now.
    fn vmx(&self) -> Result<u32> {
        let irqs = IrqsDisabled::new();
        let root = VmxRoot::enter(&irqs, &self.vmxon)?;
        Ok(if root.is_borrowed() {
            uapi::vmx::MINIVMX_VMX_BORROW
        } else {
            uapi::vmx::MINIVMX_VMX_OWN
        })
    }

    /// What CREATE_VM takes, as a mask of numbers.
    fn mmus(&self) -> u64 {
        Mmu::ALL
            .iter()
            .filter(|mmu| self.capabilities.has_mmu(mmu.is_shadow()))
            .fold(0, |mask, mmu| mask | 1 << mmu.number())
    }

    fn get_info(&self, argument: usize) -> Result<isize> {
        const FIRST_SIZE: usize = size_of::<uapi::minivmx_info>();
        let mut argument = Argument::<uapi::minivmx_info>::read(argument, FIRST_SIZE)?;
        if argument.value.__reserved != 0 || argument.value.__reserved2 != 0 {
            return Err(EINVAL);
        }
        let capabilities = &self.capabilities;
        let ept_missing = capabilities.missing_for_ept();
        argument.value = uapi::minivmx_info {
            out_api_version: uapi::MINIVMX_API_VERSION,
            out_vmx: self.vmx()?,
            out_capabilities: capabilities.mask(),
            out_mmus: self.mmus(),
            out_ept_missing: ept_missing,
            out_traps: vcpu::TRAPPABLE,
            out_max_memory: vm::max_bytes(),
            // CAST: A small constant.
            out_max_regions: vm::MAX_REGIONS as u32,
            out_max_vcpus: vm::MAX_VCPUS,
            out_physical_bits: self.physical_bits(),
            ..uapi::minivmx_info::new_zeroed()
        };
        argument.write_back()?;
        Ok(0)
    }
}

impl FileOperations for Device {
    type Module = crate::MinivmxModule;
    const NAME: &'static CStr = c"minivmx";

    fn ioctl(this: ArcBorrow<'_, Self>, command: u32, argument: usize) -> Result<isize> {
        match uapi::command(command)? {
            uapi::cmd::MINIVMX_CMD_GET_INFO => this.get_info(argument),
            uapi::cmd::MINIVMX_CMD_CREATE_VM => create_vm(this.into(), argument),
            _ => Err(ENOTTY),
        }
    }
}

fn create_vm(device: Arc<Device>, argument: usize) -> Result<isize> {
    const FIRST_SIZE: usize = size_of::<uapi::minivmx_create_vm>();
    let request = Argument::<uapi::minivmx_create_vm>::read(argument, FIRST_SIZE)?.value;
    if request.__reserved != 0 || request.flags != 0 {
        return Err(EINVAL);
    }
    let mmu = Mmu::from_number(request.mmu)?;
    device.capabilities.check_mmu(mmu.is_shadow())?;
    // Nobody can be in the way of VMX now; whether that stays so is seen at each burst.
    device.vmx().inspect_err(|error| {
        if *error == EBUSY {
            pr_err!("VMX is held by somebody that is not KVM\n");
        }
    })?;
    open_anonymous(Vm::new(device, mmu)?)
}
