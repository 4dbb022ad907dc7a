// SPDX-License-Identifier: GPL-2.0

//! A burst: the CPU is the guest's for a moment, with interrupts off.

use super::{
    context::Context,
    setup,
    state::{
        lend_efer,
        lend_split_locks,
        Guest,
        Needed,
        State, //
    },
    translation,
    Vcpu, //
};
use crate::{
    support::{
        cpu::{
            self,
            LentBreakpoints, //
        },
        irq::IrqsDisabled, //
    },
    vmx::{
        entry,
        field::*,
        host::HostState,
        root::{
            self,
            VmxRoot, //
        },
        vmcs::CurrentVmcs, //
    },
    x86::debug_register::dr7, //
};
use kernel::prelude::*;

impl Vcpu {
    /// Does something with the VMCS and the state of a vCPU that does not run.
    pub(crate) fn with_context<R>(
        &self,
        body: impl FnOnce(&mut Context<'_>) -> Result<R>,
    ) -> Result<R> {
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

    /// Does something with the guest's VMCS current and its registers loaded.
    ///
    /// # Errors
    ///
    /// `EBUSY` if somebody holds VMX from whom it cannot be borrowed; `ENOMEM`; `EIO`.
    #[inline]
    pub(super) fn burst<R>(
        &self,
        state: &mut State,
        body: impl FnOnce(&mut Context<'_>) -> R,
    ) -> Result<R> {
        let mut body = Some(body);
        root::insist(|| self.try_burst(state, &mut body))
    }

    /// The same, if VMX can be had at once; else `body` is left where it is.
    #[inline]
    fn try_burst<R>(
        &self,
        state: &mut State,
        body: &mut Option<impl FnOnce(&mut Context<'_>) -> R>,
    ) -> Result<R> {
        state.guest.stock.fill(self.vm.mmu.stock())?;
        let irqs = IrqsDisabled::new();
        let host = HostState::save(&irqs, &mut state.descriptors);
        let root = VmxRoot::enter(&irqs, &self.vm.machine.vmxon)?;
        let body = body.take().ok_or(EIO)?;
        let vmcs = state.vmcs.load(&root)?;
        self.member.counters.bursts.count();
        self.member.whereabouts.enter(irqs.cpu());
        let vm = &*self.vm;
        let capabilities = &vm.machine.capabilities;
        state.host.update(&vmcs, &host, capabilities)?;
        if !state.configured {
            setup::configure(vm, &vmcs, &mut state.guest)?;
            state.configured = true;
        }
        let this = Some(irqs.cpu());
        let moved = state.last_cpu != this;
        state.last_cpu = this;

        let efer = state.guest.translation.efer(&vmcs);
        let fpu = state.fpu.load(&irqs);
        let switched = state.switched.load(&irqs, Needed::with(efer));
        let _efer = lend_efer(&irqs, capabilities, efer);
        let _split_locks = (state.guest.splits_locks).then(|| lend_split_locks(&irqs));
        let dr7 = vmcs.read(GUEST_DR7);
        let _breakpoints = dr7::has_breakpoints(dr7)
            .then(|| LentBreakpoints::new(&irqs, host.dr7(), &state.guest.debug.address));
        cpu::set_cr2(&irqs, state.guest.cr2);

        if vm.machine.flush_l1d {
            cpu::flush_l1d(&irqs);
        }
        let counters = &self.member.counters;
        let mut cx = Context::new(vm, &vmcs, &mut state.guest, &fpu, &switched, counters);
        translation::begin_burst(&mut cx);
        vm.generation.catch_up(&irqs, || translation::flush(&cx));
        if moved {
            cx.flush_guest_tlb();
        }
        let result = body(&mut cx);
        cx.guest.cr2 = cpu::cr2(&irqs);
        save_frame(cx.vmcs, cx.guest);
        self.member.whereabouts.leave();
        vmcs.check()?;
        Ok(result)
    }
}

/// Writes the registers that the VMCS holds.
#[inline]
pub(super) fn load_frame(vmcs: &CurrentVmcs<'_>, guest: &Guest) {
    vmcs.write(GUEST_RIP, guest.frame.rip);
    vmcs.write(GUEST_RSP, guest.frame.general.0[entry::Registers::RSP]);
    vmcs.write(GUEST_RFLAGS, guest.frame.rflags);
}

/// Copies the registers that the VMCS holds.
#[inline]
fn save_frame(vmcs: &CurrentVmcs<'_>, guest: &mut Guest) {
    guest.frame.rip = vmcs.read(GUEST_RIP);
    guest.frame.general.0[entry::Registers::RSP] = vmcs.read(GUEST_RSP);
    guest.frame.rflags = vmcs.read(GUEST_RFLAGS);
}
