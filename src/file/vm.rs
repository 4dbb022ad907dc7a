// SPDX-License-Identifier: GPL-2.0

//! The file of a VM: its memory and vCPUs, and what they did.

use super::{
    pte,
    stats, //
};
use crate::{
    memory::Kind,
    mmu::address::{
        Level,
        PageSize, //
    },
    support::{
        capable,
        file::{
            open_anonymous,
            FileOperations, //
        },
        page::KernelPage,
        uaccess::{
            self,
            Argument, //
        },
        uapi::{
            self,
            map_flags, //
        }, //
    },
    vcpu::Vcpu,
    vm::{
        Vm,
        MAX_VCPUS, //
    }, //
};
use core::mem::offset_of;
use kernel::{
    prelude::*,
    seq_file::SeqFile,
    sync::{
        Arc,
        ArcBorrow, //
    }, //
};

impl FileOperations for Vm {
    type Module = crate::MinivmxModule;
    const NAME: &'static CStr = c"minivmx-vm";

    fn ioctl(this: ArcBorrow<'_, Self>, command: u32, argument: usize) -> Result<isize> {
        match uapi::command(command)? {
            uapi::cmd::MINIVMX_CMD_MAP_MEMORY => map_memory(&this, argument),
            uapi::cmd::MINIVMX_CMD_UNMAP_MEMORY => unmap_memory(&this, argument),
            uapi::cmd::MINIVMX_CMD_CREATE_VCPU => create_vcpu(this.into(), argument),
            uapi::cmd::MINIVMX_CMD_READ_TABLE => read_table(&this, argument),
            uapi::cmd::MINIVMX_CMD_GET_STATS => get_stats(&this, argument),
            _ => Err(ENOTTY),
        }
    }

    fn check_mmap(&self, _first: usize, _pages: usize) -> Result {
        Ok(())
    }

    fn fault(&self, offset: usize) -> Result<KernelPage> {
        self.page_for_program(offset)
    }

    fn show(&self, text: &SeqFile) {
        stats::show_vm(self, text);
    }
}

/// Answers `MINIVMX_MAP_MEMORY`.
fn map_memory(vm: &Vm, argument: usize) -> Result<isize> {
    const FIRST_SIZE: usize = size_of::<uapi::minivmx_map_memory>();
    let request = Argument::<uapi::minivmx_map_memory>::read(argument, FIRST_SIZE)?.value;
    let known = map_flags::MINIVMX_MAP_READONLY
        | map_flags::MINIVMX_MAP_2M
        | map_flags::MINIVMX_MAP_POPULATE;
    if request.flags & !known != 0 {
        return Err(EINVAL);
    }
    let kind = Kind {
        readonly: request.flags & map_flags::MINIVMX_MAP_READONLY != 0,
        huge: request.flags & map_flags::MINIVMX_MAP_2M != 0,
    };
    let range = vm.range(request.gpa, request.length)?;
    if kind.huge && !range.is_aligned(PageSize::Size2M) {
        return Err(EINVAL);
    }
    let id = vm.add_region(range, kind)?;
    if request.flags & map_flags::MINIVMX_MAP_POPULATE != 0 {
        vm.populate_all(range, id)
            .inspect_err(|_| vm.remove_region(id))?;
    }
    Ok(0)
}

/// Answers `MINIVMX_UNMAP_MEMORY`.
fn unmap_memory(vm: &Vm, argument: usize) -> Result<isize> {
    const FIRST_SIZE: usize = size_of::<uapi::minivmx_unmap_memory>();
    let request = Argument::<uapi::minivmx_unmap_memory>::read(argument, FIRST_SIZE)?.value;
    if request.__reserved != 0 {
        return Err(EINVAL);
    }
    let range = vm.range(request.gpa, request.length)?;
    vm.remove_range(range)?;
    Ok(0)
}

fn create_vcpu(vm: Arc<Vm>, argument: usize) -> Result<isize> {
    let argument = Argument::<uapi::minivmx_create_vcpu>::read(
        argument,
        size_of::<uapi::minivmx_create_vcpu>(),
    )?;
    let request = argument.value;
    if request.__reserved != 0 || request.flags != 0 {
        return Err(EINVAL);
    }
    if request.id >= MAX_VCPUS {
        return Err(E2BIG);
    }
    let member = vm.add_member(request.id)?;
    Vcpu::new(vm.clone(), member, request.id)
        .and_then(open_anonymous)
        .inspect_err(|_| vm.remove_member(request.id))
}

/// Answers `MINIVMX_READ_TABLE`.
fn read_table(vm: &Vm, argument: usize) -> Result<isize> {
    const FIRST_SIZE: usize = size_of::<uapi::minivmx_read_table>();
    // CAST: `usize` is 64 bits wide.
    const MOST: usize = uapi::MINIVMX_MAX_PTES as usize;
    let mut argument = Argument::<uapi::minivmx_read_table>::read(argument, FIRST_SIZE)?;
    let request = &mut argument.value;
    // Extended page tables are those of all vCPUs.
    if request.vcpu != 0 && !vm.mmu.is_shadow() {
        return Err(EINVAL);
    }
    let level = level(request.level)?;
    let mut ptes = KVVec::with_capacity(MOST, GFP_KERNEL_ACCOUNT)?;
    vm.read_table(request.vcpu, request.address, level, |pte| {
        // No table has more.
        let _ = ptes.push_within_capacity(pte);
    })?;
    let sees_host = capable::sys_admin();
    for (index, entry) in ptes.iter().enumerate() {
        uaccess::write_entry(request.entries, index, &pte::shown(entry, sees_host))?;
    }
    // CAST: At most 512.
    request.out_count = ptes.len() as u32;
    argument.write_back()?;
    Ok(0)
}

/// The level of a table; [`None`] for the one that the CPU begins with.
fn level(number: u32) -> Result<Option<Level>> {
    match number {
        0 => Ok(None),
        1 => Ok(Some(Level::Pt)),
        2 => Ok(Some(Level::Pd)),
        3 => Ok(Some(Level::Pdpt)),
        4 => Ok(Some(Level::Pml4)),
        _ => Err(EINVAL),
    }
}

/// Answers `MINIVMX_GET_STATS`.
fn get_stats(vm: &Vm, argument: usize) -> Result<isize> {
    const FIRST_SIZE: usize = offset_of!(uapi::minivmx_stats, out_guest_faults);
    let mut argument = Argument::<uapi::minivmx_stats>::read(argument, FIRST_SIZE)?;
    if argument.value.__reserved != 0 {
        return Err(EINVAL);
    }
    argument.value = stats::of_vm(vm);
    argument.write_back()?;
    Ok(0)
}
