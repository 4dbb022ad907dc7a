// SPDX-License-Identifier: GPL-2.0

//! The file of a vCPU: running it, and its registers.

mod sregs;
mod translate;

use super::stats;
use crate::{
    support::{
        capable,
        file::FileOperations,
        page::KernelPage,
        uaccess::{
            self,
            Argument, //
        },
        uapi::{
            self,
            cmd, //
        }, //
    },
    vcpu::{
        guest_fields,
        msr::{
            self,
            Refusal, //
        },
        run_page::Frame,
        state::{
            Cpuid,
            CpuidEntry,
            Traps,
            Unanswered, //
        },
        trap,
        Vcpu, //
    },
    vm::Call,
    vmx::{
        field,
        guest_state::Effect, //
    },
    x86::event::Waiting, //
};
use core::arch::x86_64::CpuidResult;
use kernel::{
    prelude::*,
    seq_file::SeqFile,
    sync::ArcBorrow, //
};

impl FileOperations for Vcpu {
    type Module = crate::MinivmxModule;
    const NAME: &'static CStr = c"minivmx-vcpu";

    fn ioctl(this: ArcBorrow<'_, Self>, command: u32, argument: usize) -> Result<isize> {
        match uapi::command(command)? {
            cmd::MINIVMX_CMD_RUN => run(&this, argument),
            cmd::MINIVMX_CMD_GET_REGS => get_regs(&this, argument),
            cmd::MINIVMX_CMD_SET_REGS => set_regs(&this, argument),
            cmd::MINIVMX_CMD_GET_SREGS => get_sregs(&this, argument),
            cmd::MINIVMX_CMD_SET_SREGS => set_sregs(&this, argument),
            cmd::MINIVMX_CMD_GET_FPU => get_fpu(&this, argument),
            cmd::MINIVMX_CMD_SET_FPU => set_fpu(&this, argument),
            cmd::MINIVMX_CMD_GET_MSRS => msrs(&this, argument, false),
            cmd::MINIVMX_CMD_SET_MSRS => msrs(&this, argument, true),
            cmd::MINIVMX_CMD_SET_CPUID => set_cpuid(&this, argument),
            cmd::MINIVMX_CMD_SET_TRAPS => set_traps(&this, argument),
            cmd::MINIVMX_CMD_TRANSLATE => translate::translate(&this, argument),
            cmd::MINIVMX_CMD_VMREAD => vmread(&this, argument),
            cmd::MINIVMX_CMD_VMWRITE => vmwrite(&this, argument),
            cmd::MINIVMX_CMD_CHECK => check(&this, argument),
            cmd::MINIVMX_CMD_KICK => kick(&this, argument),
            _ => Err(ENOTTY),
        }
    }

    fn check_mmap(&self, first: usize, pages: usize) -> Result {
        if first != 0 || pages != 1 {
            return Err(EINVAL);
        }
        Ok(())
    }

    fn fault(&self, offset: usize) -> Result<KernelPage> {
        if offset != 0 {
            return Err(EFAULT);
        }
        Ok(self.page.share())
    }

    fn show(&self, text: &SeqFile) {
        stats::show_vcpu(self, text);
    }
}

fn run(vcpu: &Vcpu, argument: usize) -> Result<isize> {
    if argument != 0 {
        return Err(EINVAL);
    }
    vcpu.run()?;
    Ok(0)
}

/// Also while another thread is in a call on the vCPU: that is what it is for.
fn kick(vcpu: &Vcpu, argument: usize) -> Result<isize> {
    if argument != 0 {
        return Err(EINVAL);
    }
    vcpu.member.call_back(Call::Kick);
    Ok(0)
}

fn get_regs(vcpu: &Vcpu, argument: usize) -> Result<isize> {
    let mut argument = read::<uapi::minivmx_regs_arg>(argument)?;
    check_reserved(argument.value.__reserved)?;
    let _state = vcpu.state.try_lock().ok_or(EBUSY)?;
    argument.value.regs = vcpu.page.frame().into();
    argument.write_back()?;
    Ok(0)
}

fn set_regs(vcpu: &Vcpu, argument: usize) -> Result<isize> {
    let argument = read::<uapi::minivmx_regs_arg>(argument)?;
    check_reserved(argument.value.__reserved)?;
    let _state = vcpu.state.try_lock().ok_or(EBUSY)?;
    vcpu.page.set_frame(&Frame::from(&argument.value.regs));
    Ok(0)
}

fn get_sregs(vcpu: &Vcpu, argument: usize) -> Result<isize> {
    let mut argument = sregs::read(argument)?;
    argument.value = vcpu.with_context(|cx| Ok(sregs::get(cx)))?;
    argument.write_back()?;
    Ok(0)
}

fn set_sregs(vcpu: &Vcpu, argument: usize) -> Result<isize> {
    let mut argument = sregs::read(argument)?;
    vcpu.with_context(|cx| {
        argument.complete(&sregs::rest(cx));
        sregs::set(cx, &argument.value)?;
        if !sregs::keeps(&argument.value) {
            cx.guest.unanswered = Unanswered::Nothing;
            vcpu.page.set_event(&Waiting::NOTHING);
        }
        Ok(())
    })?;
    Ok(0)
}

fn get_fpu(vcpu: &Vcpu, argument: usize) -> Result<isize> {
    let mut argument = read::<uapi::minivmx_fpu>(argument)?;
    check_reserved(argument.value.__reserved)?;
    let state = vcpu.state.try_lock().ok_or(EBUSY)?;
    state.fpu.read(&mut argument.value.area);
    argument.write_back()?;
    Ok(0)
}

fn set_fpu(vcpu: &Vcpu, argument: usize) -> Result<isize> {
    let argument = read::<uapi::minivmx_fpu>(argument)?;
    check_reserved(argument.value.__reserved)?;
    let mut state = vcpu.state.try_lock().ok_or(EBUSY)?;
    state.fpu.write(&argument.value.area)?;
    Ok(0)
}

fn msrs(vcpu: &Vcpu, argument: usize, write: bool) -> Result<isize> {
    let mut argument = read::<uapi::minivmx_msrs>(argument)?;
    let request = argument.value;
    check_reserved(request.__reserved)?;
    if request.count > uapi::MINIVMX_MAX_MSRS {
        return Err(E2BIG);
    }
    let mut done = 0;
    let result = (0..request.count).try_for_each(|index| {
        one_msr(vcpu, request.entries, index as usize, write)?;
        done += 1;
        Ok(())
    });
    argument.value.out_done = done;
    argument.write_back()?;
    result.map(|()| 0)
}

fn one_msr(vcpu: &Vcpu, entries: u64, index: usize, write: bool) -> Result {
    let mut entry: uapi::minivmx_msr = uaccess::read_entry(entries, index)?;
    check_reserved(entry.__reserved)?;
    entry.value = vcpu.with_context(|cx| {
        let present = msr::read(cx, entry.index);
        // What VMWRITE put there, WRMSR might refuse.
        if write && present != Ok(entry.value) {
            msr::write(cx, entry.index, entry.value).map(|()| entry.value)
        } else {
            present
        }
        .map_err(|refusal| match refusal {
            Refusal::Unknown => ENOENT,
            Refusal::Invalid => EINVAL,
        })
    })?;
    if write {
        return Ok(());
    }
    uaccess::write_entry(entries, index, &entry)
}

fn set_cpuid(vcpu: &Vcpu, argument: usize) -> Result<isize> {
    let request = read::<uapi::minivmx_cpuid>(argument)?.value;
    if request.count > uapi::MINIVMX_MAX_CPUID {
        return Err(E2BIG);
    }
    let mut entries = KVec::with_capacity(request.count as usize, GFP_KERNEL_ACCOUNT)?;
    for index in 0..request.count {
        let entry: uapi::minivmx_cpuid_entry =
            uaccess::read_entry(request.entries, index as usize)?;
        let known = uapi::cpuid_flags::MINIVMX_CPUID_SUBLEAF;
        if entry.flags & !known != 0 || entry.__reserved != 0 {
            return Err(EINVAL);
        }
        let entry = CpuidEntry {
            leaf: entry.leaf,
            subleaf: (entry.flags & known != 0).then_some(entry.subleaf),
            answer: CpuidResult {
                eax: entry.eax,
                ebx: entry.ebx,
                ecx: entry.ecx,
                edx: entry.edx,
            },
        };
        entries.push(entry, GFP_KERNEL_ACCOUNT)?;
    }
    let mut state = vcpu.state.try_lock().ok_or(EBUSY)?;
    state.guest.cpuid = Cpuid::new(entries);
    Ok(0)
}

fn set_traps(vcpu: &Vcpu, argument: usize) -> Result<isize> {
    let traps = {
        let request = read::<uapi::minivmx_traps>(argument)?.value;
        Traps::new(request.exits, request.exceptions)?
    };
    vcpu.with_context(|cx| trap::set(cx, traps))?;
    Ok(0)
}

fn vmread(vcpu: &Vcpu, argument: usize) -> Result<isize> {
    let mut argument = read::<uapi::minivmx_vmcs_field>(argument)?;
    let encoding = argument.value.encoding;
    if !field::is_well_formed(encoding) {
        return Err(EINVAL);
    }
    if guest_fields::tells_of_host(&vcpu.vm, encoding) && !capable::sys_admin() {
        return Err(EPERM);
    }
    argument.value.value = vcpu.with_context(|cx| cx.vmcs.read_by_encoding(encoding))?;
    if let Some(value) = vcpu.page.frame().field(encoding) {
        argument.value.value = value;
    }
    argument.write_back()?;
    Ok(0)
}

fn vmwrite(vcpu: &Vcpu, argument: usize) -> Result<isize> {
    let request = read::<uapi::minivmx_vmcs_field>(argument)?.value;
    if !field::is_well_formed(request.encoding) {
        return Err(EINVAL);
    }
    let (encoding, value) = (request.encoding, request.value);
    vcpu.with_context(|cx| {
        match cx.vmcs.write_by_encoding(encoding, value)? {
            Effect::StaleTranslations => cx.flush_guest_tlb(),
            Effect::Nothing => {}
        }
        Ok(())
    })?;
    let mut frame = vcpu.page.frame();
    if let Some(value) = frame.field_mut(request.encoding) {
        *value = request.value;
        vcpu.page.set_frame(&frame);
    }
    Ok(0)
}

fn check(vcpu: &Vcpu, argument: usize) -> Result<isize> {
    let mut argument = read::<uapi::minivmx_check>(argument)?;
    check_reserved(argument.value.__reserved)?;
    argument.value.out_violation = vcpu.check_entry()?;
    argument.write_back()?;
    Ok(0)
}

/// Reads the argument of a call whose structure has not grown since its first version.
fn read<T: uaccess::Plain>(argument: usize) -> Result<Argument<T>> {
    Argument::read(argument, size_of::<T>())
}

fn check_reserved(reserved: u32) -> Result {
    if reserved != 0 {
        return Err(EINVAL);
    }
    Ok(())
}
