// SPDX-License-Identifier: GPL-2.0

//! A vCPU and its file.

mod allowance;
mod answer;
mod burst;
mod context;
mod event;
mod exit;
mod guest_fields;
mod linear;
mod memory;
mod msr;
mod paging;
mod run;
mod run_page;
mod segments;
mod setup;
mod sregs;
mod state;
mod translation;

pub(crate) use self::state::TRAPPABLE;

use self::{
    context::Context,
    msr::Refusal,
    run_page::{
        Frame,
        RunPage, //
    },
    state::{
        Cpuid,
        CpuidEntry,
        State,
        Traps, //
    }, //
};
use crate::{
    machine::Machine,
    support::{
        capable,
        file::FileOperations,
        page::KernelPage,
        try_lock::TryLock,
        uaccess::{
            self,
            Argument, //
        },
        uapi::{
            self,
            cmd, //
        }, //
    },
    vm::{
        Member,
        Vm, //
    },
    vmx::field::{
        self,
        GUEST_RFLAGS,
        GUEST_RIP,
        GUEST_RSP, //
    }, //
};
use core::arch::x86_64::CpuidResult;
use kernel::{
    prelude::*,
    sync::{
        Arc,
        ArcBorrow, //
    }, //
};

/// A vCPU. Who finds its state taken gets `EBUSY`.
#[pin_data(PinnedDrop)]
pub(crate) struct Vcpu {
    vm: Arc<Vm>,
    member: Arc<Member>,
    page: RunPage,
    vpid: Option<u16>,
    state: TryLock<State>,
}

impl Vcpu {
    /// Makes a vCPU in its state after power-up.
    pub(crate) fn new(vm: Arc<Vm>, member: Arc<Member>, id: u32) -> Result<Arc<Self>> {
        let capabilities = &vm.machine.capabilities;
        let page = RunPage::new()?;
        setup::initial(&page);
        let vpid = match capabilities.vpid_extent() {
            Some(_) => vm.machine.vpids.take()?,
            None => None,
        };
        let state = State::new(id, capabilities.revision, vpid, vm.mmu.is_shadow());
        let machine = vm.machine.clone();
        Arc::pin_init(
            try_pin_init!(Self {
                vm,
                member,
                page,
                vpid,
                state: TryLock::new(state?),
            }),
            GFP_KERNEL_ACCOUNT,
        )
        .inspect_err(|_| give_back(&machine, vpid))
    }

    /// Does something with the VMCS and the state of a vCPU that does not run.
    fn with_context<R>(&self, body: impl FnOnce(&mut Context<'_>) -> Result<R>) -> Result<R> {
        let mut body = Some(body);
        let mut result = None;
        self.with_any_context(&mut |cx| result = body.take().map(|body| body(cx)))?;
        result.unwrap_or(Err(EIO))
    }

    /// As above, compiled once for all.
    fn with_any_context(&self, body: &mut dyn FnMut(&mut Context<'_>)) -> Result {
        let mut state = self.state.try_lock().ok_or(EBUSY)?;
        self.burst(&mut state, body)
    }

    fn get_regs(&self, argument: usize) -> Result<isize> {
        let mut argument = read::<uapi::minivmx_regs_arg>(argument)?;
        check_reserved(argument.value.__reserved)?;
        let _state = self.state.try_lock().ok_or(EBUSY)?;
        argument.value.regs = self.page.frame().into();
        argument.write_back()?;
        Ok(0)
    }

    fn set_regs(&self, argument: usize) -> Result<isize> {
        let argument = read::<uapi::minivmx_regs_arg>(argument)?;
        check_reserved(argument.value.__reserved)?;
        let _state = self.state.try_lock().ok_or(EBUSY)?;
        self.page.set_frame(&Frame::from(&argument.value.regs));
        Ok(0)
    }

    fn get_sregs(&self, argument: usize) -> Result<isize> {
        let mut argument = read::<uapi::minivmx_sregs>(argument)?;
        sregs::check_reserved(&argument.value)?;
        argument.value = self.with_context(|cx| Ok(sregs::get(cx)))?;
        argument.write_back()?;
        Ok(0)
    }

    fn set_sregs(&self, argument: usize) -> Result<isize> {
        let argument = read::<uapi::minivmx_sregs>(argument)?;
        sregs::check_reserved(&argument.value)?;
        self.with_context(|cx| sregs::set(cx, &argument.value))?;
        Ok(0)
    }

    fn msrs(&self, argument: usize, write: bool) -> Result<isize> {
        let mut argument = read::<uapi::minivmx_msrs>(argument)?;
        let request = argument.value;
        check_reserved(request.__reserved)?;
        if request.count > uapi::MINIVMX_MAX_MSRS {
            return Err(E2BIG);
        }
        let mut done = 0;
        let result = (0..request.count).try_for_each(|index| {
            self.one_msr(request.entries, index as usize, write)?;
            done += 1;
            Ok(())
        });
        argument.value.out_done = done;
        argument.write_back()?;
        result.map(|()| 0)
    }

    fn one_msr(&self, entries: u64, index: usize, write: bool) -> Result {
        let mut entry: uapi::minivmx_msr = uaccess::read_entry(entries, index)?;
        check_reserved(entry.__reserved)?;
        entry.value = self.with_context(|cx| {
            if write {
                msr::write(cx, entry.index, entry.value).map(|()| entry.value)
            } else {
                msr::read(cx, entry.index)
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

    fn set_cpuid(&self, argument: usize) -> Result<isize> {
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
        let mut state = self.state.try_lock().ok_or(EBUSY)?;
        state.guest.cpuid = Cpuid::new(entries);
        Ok(0)
    }

    fn set_traps(&self, argument: usize) -> Result<isize> {
        let traps = {
            let request = read::<uapi::minivmx_traps>(argument)?.value;
            Traps::new(request.exits, request.exceptions)?
        };
        self.with_context(|cx| {
            cx.guest.traps = traps;
            setup::write_traps(cx.vm, cx.vmcs, &traps);
            Ok(())
        })?;
        Ok(0)
    }

    fn vmread(&self, argument: usize) -> Result<isize> {
        let mut argument = read::<uapi::minivmx_vmcs_field>(argument)?;
        let encoding = argument.value.encoding;
        if !field::is_well_formed(encoding) {
            return Err(EINVAL);
        }
        let is_root = translation::is_root(&self.vm, encoding);
        let is_host_address =
            field::is_host_state(encoding) || field::is_wide_control(encoding) || is_root;
        if is_host_address && !capable::sys_admin() {
            return Err(EPERM);
        }
        argument.value.value = self.with_context(|cx| cx.vmcs.read_by_encoding(encoding))?;
        if let Some(value) = self.page.frame().field(encoding) {
            argument.value.value = value;
        }
        argument.write_back()?;
        Ok(0)
    }

    fn vmwrite(&self, argument: usize) -> Result<isize> {
        let request = read::<uapi::minivmx_vmcs_field>(argument)?.value;
        if !field::is_well_formed(request.encoding) {
            return Err(EINVAL);
        }
        let (encoding, value) = (request.encoding, request.value);
        let vm = &self.vm;
        guest_fields::check(
            &vm.machine.capabilities,
            vm.mmu.is_shadow(),
            encoding,
            value,
        )?;
        self.with_context(|cx| {
            cx.vmcs.write_by_encoding(encoding, value)?;
            if guest_fields::translates(encoding) {
                cx.flush_guest_tlb();
            }
            Ok(())
        })?;
        let mut frame = self.page.frame();
        if let Some(value) = frame.field_mut(request.encoding) {
            *value = request.value;
            self.page.set_frame(&frame);
        }
        Ok(0)
    }
}

impl Frame {
    /// The value of a VMCS field that travels through the run page.
    fn field(mut self, encoding: u32) -> Option<u64> {
        self.field_mut(encoding).copied()
    }

    fn field_mut(&mut self, encoding: u32) -> Option<&mut u64> {
        const RIP: u32 = GUEST_RIP.encoding();
        const RSP: u32 = GUEST_RSP.encoding();
        const RFLAGS: u32 = GUEST_RFLAGS.encoding();
        match encoding {
            RIP => Some(&mut self.rip),
            RSP => self.general.0.get_mut(crate::vmx::entry::Registers::RSP),
            RFLAGS => Some(&mut self.rflags),
            _ => None,
        }
    }
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

fn give_back(machine: &Machine, vpid: Option<u16>) {
    if let Some(vpid) = vpid {
        machine.vpids.give_back(vpid);
    }
}

#[pinned_drop]
impl PinnedDrop for Vcpu {
    fn drop(self: Pin<&mut Self>) {
        // Its translations stay in TLBs: whoever gets the VPID next flushes before the first entry.
        give_back(&self.vm.machine, self.vpid);
    }
}

impl FileOperations for Vcpu {
    type Module = crate::MinivmxModule;
    const NAME: &'static CStr = c"minivmx-vcpu";

    fn ioctl(this: ArcBorrow<'_, Self>, command: u32, argument: usize) -> Result<isize> {
        match uapi::command(command)? {
            cmd::MINIVMX_CMD_RUN => this.run(argument),
            cmd::MINIVMX_CMD_GET_REGS => this.get_regs(argument),
            cmd::MINIVMX_CMD_SET_REGS => this.set_regs(argument),
            cmd::MINIVMX_CMD_GET_SREGS => this.get_sregs(argument),
            cmd::MINIVMX_CMD_SET_SREGS => this.set_sregs(argument),
            cmd::MINIVMX_CMD_GET_MSRS => this.msrs(argument, false),
            cmd::MINIVMX_CMD_SET_MSRS => this.msrs(argument, true),
            cmd::MINIVMX_CMD_SET_CPUID => this.set_cpuid(argument),
            cmd::MINIVMX_CMD_SET_TRAPS => this.set_traps(argument),
            cmd::MINIVMX_CMD_VMREAD => this.vmread(argument),
            cmd::MINIVMX_CMD_VMWRITE => this.vmwrite(argument),
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
}
