// SPDX-License-Identifier: GPL-2.0

//! Running the guest: `MINIVMX_RUN` and its bursts.

use super::{
    context::{
        Context,
        Next, //
    },
    debug_register,
    exits,
    msr,
    run_page::RunPage,
    setup,
    shadow,
    state::{
        Guest,
        Pending,
        State, //
    },
    step,
    switched,
    Vcpu, //
};
use crate::{
    module_parameters,
    support::{
        cpu::{
            self,
            LentBreakpoints, //
        },
        irq::{
            self,
            IrqsDisabled, //
        },
        ratelimit,
        uapi::{
            answer,
            exit, //
        }, //
    },
    vmx::{
        dump::Dump,
        entry::{
            self,
            EntryFailure, //
        },
        error,
        field::*,
        host::HostState,
        root::VmxRoot,
        vmcs::CurrentVmcs, //
    }, //
};
use kernel::prelude::*;

impl Vcpu {
    /// Answers `MINIVMX_RUN`.
    pub(super) fn run(&self, argument: usize) -> Result<isize> {
        if argument != 0 {
            return Err(EINVAL);
        }
        let mut state = self.state.try_lock().ok_or(EBUSY)?;
        let request = self.page.take_request();
        if request.answer > answer::MINIVMX_ANSWER_DEFAULT {
            return Err(EINVAL);
        }
        self.member.counters.runs.count();
        self.page.read_frame(&mut state.guest.frame);
        let result = self.run_guest(&mut state, request.immediate_exit, request.answer);
        self.page.set_frame(&state.guest.frame);
        result?;
        self.member.counters.returns.count();
        let had_cause = core::mem::take(&mut state.guest.has_cause);
        self.page.report(&state.guest.report, had_cause);
        if had_cause {
            if module_parameters::dump_vmcs.value() {
                self.dump(&mut state)?;
            }
            state.guest.report.cause.fill(0);
        }
        Ok(0)
    }

    /// Says in the kernel log what the VMCS holds, and what it is that it should explain.
    #[cold]
    fn dump(&self, state: &mut State) -> Result {
        if ratelimit::may_log_at_length() {
            let mut dump = Dump::new()?;
            self.burst(state, |cx| dump.read(cx.vmcs))?;
            dump.log(state.guest.cause());
        }
        Ok(())
    }

    /// Finishes the last exit, then runs the guest until the program has to do something.
    fn run_guest(&self, state: &mut State, immediate_exit: bool, answer: u32) -> Result {
        loop {
            let next = self.burst(state, |cx| {
                load_frame(cx.vmcs, cx.guest);
                finish_and_run(cx, immediate_exit, answer, &self.page)
            })?;
            match next {
                Next::Return => return Ok(()),
                Next::Populate(gpa) => match self.vm.populate(gpa) {
                    // The region is gone by now; the guest will find out.
                    Err(error) if error == ENOENT => {}
                    result => result?,
                },
                Next::Pause | Next::Enter => {}
            }
            let finished = state.guest.pending == Pending::Nothing;
            if finished && (immediate_exit || current!().signal_pending()) {
                return Err(EINTR);
            }
            irq::cond_resched();
        }
    }

    /// Does something with the guest's VMCS current and its registers loaded.
    #[inline]
    pub(super) fn burst<R>(
        &self,
        state: &mut State,
        body: impl FnOnce(&mut Context<'_>) -> R,
    ) -> Result<R> {
        state.guest.stock.fill(self.vm.mmu.stock())?;
        let irqs = IrqsDisabled::new();
        let host = HostState::save(&irqs, &mut state.descriptors);
        let root = VmxRoot::enter(&irqs, &self.vm.device.vmxon)?;
        let vmcs = state.vmcs.load(&root)?;
        self.member.counters.bursts.count();
        self.member.whereabouts.enter(irqs.cpu());
        let vm = &*self.vm;
        let capabilities = &vm.device.capabilities;
        state.host.update(&vmcs, &host, capabilities)?;
        if !state.configured {
            setup::configure(vm, &vmcs, &mut state.guest)?;
            state.configured = true;
        }
        let this = Some(irqs.cpu());
        let moved = state.last_cpu != this;
        state.last_cpu = this;

        let efer = state.guest.efer(&vmcs);
        let fpu = state.fpu.load(&irqs);
        let switched = state.switched.load(&irqs, msr::needs_switched(efer));
        let _efer = switched::lend_efer(&irqs, capabilities, efer);
        let dr7 = vmcs.read(GUEST_DR7);
        let _breakpoints = debug_register::has_breakpoints(dr7)
            .then(|| LentBreakpoints::new(&irqs, host.dr7(), &state.guest.debug.address));
        cpu::set_cr2(&irqs, state.guest.cr2);

        if vm.device.flush_l1d {
            cpu::flush_l1d(&irqs);
        }
        let counters = &self.member.counters;
        let mut cx = Context::new(vm, &vmcs, &mut state.guest, &fpu, &switched, counters);
        if let Some(state) = &mut cx.guest.shadow {
            // Another thread may have taken memory away.
            state.set_changed();
        }
        vm.generation.catch_up(&irqs, || cx.flush());
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

/// Ends the exit that waits for it, then runs the guest.
#[inline]
fn finish_and_run(cx: &mut Context<'_>, immediate_exit: bool, answer: u32, page: &RunPage) -> Next {
    match exits::finish(cx, answer, page) {
        Next::Enter if immediate_exit => Next::Pause,
        Next::Enter => run_in_burst(cx),
        next => next,
    }
}

/// Writes the registers that the VMCS holds.
#[inline]
fn load_frame(vmcs: &CurrentVmcs<'_>, guest: &Guest) {
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

/// Enters the guest again and again, until something has to be done outside of the burst.
#[inline]
fn run_in_burst(cx: &mut Context<'_>) -> Next {
    loop {
        if let Err(next) = shadow::prepare(cx) {
            return next;
        }
        cx.counters.entries.count();
        let next = match entry::enter(cx.vmcs, &mut cx.guest.frame.general) {
            Ok(reason) => exits::handle(cx, reason),
            Err(failure) => return not_entered(cx, failure),
        };
        match next {
            Next::Enter => {}
            Next::Return => {
                // The program gets to see the guest as it is between two instructions.
                step::end(cx);
                return next;
            }
            next => return next,
        }
    }
}

#[cold]
fn not_entered(cx: &mut Context<'_>, failure: EntryFailure) -> Next {
    let (number, cause) = match failure {
        EntryFailure::Error(number) => (number, error::describe(number)),
        EntryFailure::Fault => (0, "the CPU left VMX operation"),
    };
    let next = cx.report(exit::MINIVMX_EXIT_ENTRY_FAILED);
    cx.guest.report.qualification = u64::from(number);
    cx.guest.set_cause(cause);
    next
}

/// Registers as the program sees them before the first run.
pub(super) fn initial(page: &RunPage) {
    let mut frame = super::run_page::Frame {
        rip: setup::RESET_RIP,
        rflags: 2,
        ..Default::default()
    };
    // EDX has the processor's signature after power-up.
    frame
        .general
        .set_low(entry::Registers::RDX, cpu::cpuid(1, 0).eax);
    page.set_frame(&frame);
}
