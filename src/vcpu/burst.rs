// SPDX-License-Identifier: GPL-2.0

//! A burst: the CPU is the guest's for a moment, with interrupts off.
//!
//! What it takes from the host is the list of guards in `burst_without_interrupts`. They go back
//! from the last to the first, and each that must go back before another borrows that one: in
//! another order they do not compile.
//!
//! | guard | goes back before | because |
//! |---|---|---|
//! | [`Here`] | all | the guest runs no more: who waits for this CPU's flushes need not |
//! | [`LentMsr`] of IA32_EFER, or of MSR_TEST_CTRL | | |
//! | [`LentMsrs`] | [`HostState`] | the selector of GS brings IA32_KERNEL_GS_BASE along |
//! | [`LoadedFpu`] | | |
//! | [`LentDebugRegisters`] | [`HostState`] | DR7 enables them |
//! | [`CurrentVmcs`] | [`VmxRoot`] | VMCLEAR is for VMX operation, and a VMCS must be at rest when it ends |
//! | [`VmxRoot`] | [`HostState`] | what watches the host is looked for before VMX operation begins |
//! | [`HostState`] | [`IrqsDisabled`] | so does everything: an interrupt would find the guest's state |
//!
//! [`LentDebugRegisters`]: crate::support::debug_register::LentDebugRegisters
//! [`LentMsr`]: crate::support::msr::LentMsr
//! [`LentMsrs`]: crate::support::user_msr::LentMsrs
//! [`LoadedFpu`]: crate::support::fpu::LoadedFpu
//! [`Here`]: crate::mmu::generation::Here

use super::{
    context::Context,
    setup,
    state::{
        lend_efer,
        lend_split_locks,
        Guest,
        Needed,
        State,
        Unanswered, //
    },
    tlb::Tlb,
    windows::Windows,
    Vcpu, //
};
use crate::{
    support::{
        cpu,
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
    x86::{
        cr4,
        debug_register::{
            dr7,
            pending, //
        },
        rflags, //
    }, //
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
        state.guest.checked = None;
        // A turn to split locks is for the guest.
        let splits_lock = core::mem::take(&mut state.guest.splits_lock);
        let result = root::insist(|| self.burst(&mut state, &mut *body));
        state.guest.splits_lock = splits_lock;
        result
    }

    /// Does something with the guest's VMCS current and its registers loaded.
    ///
    /// # Errors
    ///
    /// `EBUSY` if somebody holds VMX from whom it cannot be borrowed; `EIO`.
    #[inline]
    pub(super) fn burst<R>(
        &self,
        state: &mut State,
        body: impl FnOnce(&mut Context<'_>) -> R,
    ) -> Result<R> {
        IrqsDisabled::with(|irqs| self.burst_without_interrupts(irqs, state, body))
    }

    #[inline(always)]
    fn burst_without_interrupts<R>(
        &self,
        irqs: &IrqsDisabled,
        state: &mut State,
        body: impl FnOnce(&mut Context<'_>) -> R,
    ) -> Result<R> {
        let vm = &*self.vm;
        let counters = &self.member.counters;
        let capabilities = &vm.machine.capabilities;
        let host = HostState::save(irqs, &mut state.descriptors, capabilities);
        let mut root = VmxRoot::enter(&host, &vm.machine.vmxon)?;
        let vmcs = state.vmcs.load(&mut root, capabilities)?;
        counters.bursts.count();
        if !state.configured {
            setup::reset(vm, &vmcs)?;
            state.configured = true;
        }
        let debug = state.debug.load(host.debug_control());
        if dr7::has_breakpoints(vmcs.read(GUEST_DR7)) {
            let _in_cpu = debug.lend();
        }
        let efer = state.guest.translation.efer(&vmcs);
        let osxsave = vmcs.read(GUEST_CR4) & cr4::OSXSAVE != 0;
        let fpu = state.fpu.load(irqs, osxsave);
        let switched = state.switched.load(&host, Needed::with(efer));
        let _efer = lend_efer(irqs, capabilities, efer);
        let lend_split_locks = || lend_split_locks(irqs, &vm.machine.split_locks);
        let _split_locks = state.guest.splits_lock.then(lend_split_locks);
        let here = self.member.whereabouts.enter(irqs);

        cpu::set_cr2(irqs, state.guest.cr2);
        vm.machine.barriers.before_burst(irqs, self.branches);
        let tlb = Tlb {
            vcpu: state.guest.identity.id,
            vmcs: &vmcs,
            capabilities,
            counters,
        };
        state.guest.tags.arrive(&here, &vm.generation, &tlb);
        let mut cx = Context::new(
            vm,
            &vmcs,
            &mut state.guest,
            &fpu,
            &switched,
            &debug,
            counters,
        );
        let result = body(&mut cx);
        cx.guest.cr2 = cpu::cr2(irqs);
        save_frame(cx.vmcs, cx.guest);
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

/// Copies the registers that the VMCS holds, and finds out what the guest can take.
#[inline]
fn save_frame(vmcs: &CurrentVmcs<'_>, guest: &mut Guest) {
    guest.frame.rip = vmcs.read(GUEST_RIP);
    guest.frame.general.0[entry::Registers::RSP] = vmcs.read(GUEST_RSP);
    guest.frame.rflags = vmcs.read(GUEST_RFLAGS);
    guest.ready = ready(vmcs, guest);
}

/// What the guest can take where it is. A debug trap of its last instruction comes first, and a VM
/// entry with an event would lose it; so it is with one that is yet to be finished.
#[inline]
fn ready(vmcs: &CurrentVmcs<'_>, guest: &Guest) -> Windows {
    let flags = guest.frame.rflags;
    let traps = pending::is_enabled(vmcs.read(GUEST_PENDING_DEBUG_EXCEPTIONS));
    if traps || !guest.event.is_nothing() || will_trap(guest, flags) {
        return Windows::NONE;
    }
    Windows::open(flags, vmcs.read(GUEST_INTERRUPTIBILITY))
}

/// Is the instruction whose exit waits for its answer single-stepped, or did it meet a breakpoint?
#[inline]
fn will_trap(guest: &Guest, flags: u64) -> bool {
    let meets = match guest.unanswered {
        Unanswered::Nothing => return false,
        Unanswered::Io { .. } | Unanswered::Ins { .. } => guest.transfer.breakpoints != 0,
        _ => false,
    };
    meets || flags & rflags::TF != 0
}
