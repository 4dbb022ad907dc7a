// SPDX-License-Identifier: GPL-2.0

//! The device file `/dev/minivmx`: what the machine can do, and new VMs.

use super::mmu;
use crate::{
    machine::Machine,
    memory::max_bytes,
    support::{
        file::{
            open_anonymous,
            FileOperations, //
        },
        ratelimit,
        uaccess::Argument,
        uapi, //
    },
    vcpu::state::TRAPPABLE,
    vm::{
        self,
        Mmu,
        Vm, //
    }, //
};
use core::mem::offset_of;
use kernel::{
    prelude::*,
    sync::{
        Arc,
        ArcBorrow, //
    }, //
};
use zerocopy::FromZeros;

impl Machine {
    /// What CREATE_VM takes, as a mask of numbers.
    fn mmus(&self) -> u64 {
        Mmu::ALL
            .iter()
            .filter(|mmu| self.capabilities.has_mmu(mmu.is_shadow()))
            .fold(0, |mask, mmu| mask | 1 << mmu::number(*mmu))
    }

    fn get_info(&self, argument: usize) -> Result<isize> {
        const FIRST_SIZE: usize = offset_of!(uapi::minivmx_info, out_mitigations);
        let mut argument = Argument::<uapi::minivmx_info>::read(argument, FIRST_SIZE)?;
        if argument.value.__reserved != 0 || argument.value.__reserved2 != 0 {
            return Err(EINVAL);
        }
        let capabilities = &self.capabilities;
        let ept_missing = capabilities.missing_for_ept();
        let vmx = match self.borrows_vmx() {
            Ok(true) => uapi::vmx::MINIVMX_VMX_BORROW,
            Ok(false) => uapi::vmx::MINIVMX_VMX_OWN,
            Err(_) => uapi::vmx::MINIVMX_VMX_UNAVAILABLE,
        };
        argument.value = uapi::minivmx_info {
            out_api_version: uapi::MINIVMX_API_VERSION,
            out_vmx: vmx,
            out_capabilities: capabilities.mask(),
            out_mmus: self.mmus(),
            out_ept_missing: ept_missing,
            out_traps: TRAPPABLE,
            out_max_memory: max_bytes(),
            // CAST: A small constant.
            out_max_regions: vm::MAX_REGIONS as u32,
            out_max_vcpus: vm::MAX_VCPUS,
            out_physical_bits: self.memory_bits(),
            out_mitigations: self.mitigations.done,
            out_unmitigated: self.mitigations.not_possible,
            ..uapi::minivmx_info::new_zeroed()
        };
        argument.write_back()?;
        Ok(0)
    }
}

impl FileOperations for Machine {
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

fn create_vm(machine: Arc<Machine>, argument: usize) -> Result<isize> {
    const FIRST_SIZE: usize = size_of::<uapi::minivmx_create_vm>();
    let request = Argument::<uapi::minivmx_create_vm>::read(argument, FIRST_SIZE)?.value;
    if request.__reserved != 0 || request.flags != 0 {
        return Err(EINVAL);
    }
    let mmu = mmu::by_number(request.mmu)?;
    machine.capabilities.check_mmu(mmu.is_shadow())?;
    // Nobody can be in the way of VMX now; whether that stays so is seen at each burst.
    machine.borrows_vmx().inspect_err(|error| {
        if *error == EBUSY && ratelimit::may_log_at_length() {
            pr_err!("{}\n", machine.vmxon.why_busy());
        }
    })?;
    open_anonymous(Vm::new(machine, mmu)?)
}
