// SPDX-License-Identifier: GPL-2.0

//! Running the guest: `MINIVMX_RUN` and its bursts.

use super::{
    allowance::Allowance,
    answer,
    burst::load_frame,
    context::{
        Context,
        Next, //
    },
    entry_check,
    event,
    exit,
    halt,
    run_page::{
        Request,
        RunPage, //
    },
    state::{
        Guest,
        State,
        Unanswered, //
    },
    trace,
    translation,
    trap,
    windows::Windows,
    Vcpu, //
};
use crate::{
    module_parameters,
    support::{
        irq,
        ratelimit,
        uapi::exit::{
            MINIVMX_EXIT_DEADLINE,
            MINIVMX_EXIT_KICK, //
        }, //
    },
    vm::{
        Call,
        Recall, //
    },
    vmx::{
        dump::Dump,
        entry::{
            self,
            EntryFailure, //
        },
        error,
        exit::ExitReason,
        root, //
    },
    x86::event::Waiting, //
};
use kernel::{
    pr_warn_once,
    prelude::*,
    time::{
        delay::fsleep,
        Delta, //
    }, //
};

impl Vcpu {
    /// Answers `MINIVMX_RUN`.
    pub(crate) fn run(&self) -> Result {
        let mut state = self.state.try_lock().ok_or(EBUSY)?;
        let request = self.begin_run(&mut state)?;
        let result = self.run_guest(&mut state, &request);
        self.write_back(&state.guest, &request, result.is_ok());
        result?;
        self.member.counters.returns.count();
        self.report(&mut state);
        Ok(())
    }

    /// Takes what the program set, of which nothing is taken if something cannot be.
    #[inline]
    fn begin_run(&self, state: &mut State) -> Result<Request> {
        let event = self.page.event()?;
        let request = self.page.request()?;
        if self.possible(request.windows) != request.windows {
            return Err(EOPNOTSUPP);
        }
        answer::check(&state.guest, &event, request.answer)?;
        self.member.counters.runs.count();
        match self.vm.machine.checks_entries() {
            true => entry_check::watch(&mut state.guest, |guest| self.take(guest, event)),
            false => self.take(&mut state.guest, event),
        }
        state.guest.ready = Windows::NONE;
        state.guest.waits_at_hlt = request.waits_at_hlt;
        state.deadline.set(request.deadline);
        Ok(request)
    }

    /// Gives the guest the registers of the run page, and the event that was read from there.
    #[inline(always)]
    fn take(&self, guest: &mut Guest, event: Waiting) {
        self.page.read_frame(&mut guest.frame);
        guest.event = event;
    }

    /// Gives the program back what it set, as it is after a run, which `returned` without an error
    /// or did not.
    #[inline]
    fn write_back(&self, guest: &Guest, request: &Request, returned: bool) {
        self.page.set_frame(&guest.frame);
        self.page.set_event(&guest.event);
        self.page.set_ready(self.possible(guest.ready));
        // An answer that an error kept from the exit is there when the program tries again.
        let answered = returned || guest.unanswered == Unanswered::Nothing;
        if answered && request.answer != 0 {
            self.page.reset_answer();
        }
    }

    /// Tells the program of the exit, in words too if there are some, which are said once.
    #[inline]
    fn report(&self, state: &mut State) {
        let has_cause = state.guest.report.has_cause;
        self.page.report(&state.guest.report.exit, has_cause);
        if has_cause {
            // The exit is the program's by now: what cannot be logged is not.
            let _unlogged = self.log(state);
            state.guest.report.clear_cause();
        }
    }

    /// Those of these events that a guest can have on this CPU.
    #[inline]
    fn possible(&self, windows: Windows) -> Windows {
        match self.vm.machine.capabilities.has_virtual_nmis() {
            true => windows,
            false => windows.without_nmi(),
        }
    }

    /// Says in the kernel log what the module's parameters ask for: which rule was broken, or all
    /// that the VMCS holds.
    #[cold]
    fn log(&self, state: &mut State) -> Result {
        let checked = self.vm.machine.checks_entries() && state.guest.report.is_violation();
        let dumped = module_parameters::dump_vmcs.value() && state.guest.report.has_words();
        if !(checked || dumped) || !ratelimit::may_log_at_length() {
            return Ok(());
        }
        if checked {
            let cause = state.guest.report.cause();
            pr_warn!("VM entry: {cause}\n");
        }
        if dumped {
            self.dump(state)?;
        }
        Ok(())
    }

    /// Says in the kernel log what the VMCS holds, and what it is that it should explain.
    fn dump(&self, state: &mut State) -> Result {
        let mut dump = Dump::new()?;
        root::insist(|| self.burst(state, |cx| dump.read(cx.vmcs)))?;
        dump.log(state.guest.report.cause());
        Ok(())
    }

    /// Finishes the last exit, then runs the guest until the program has to do something; it gets
    /// to see the guest as it is between two instructions.
    fn run_guest(&self, state: &mut State, request: &Request) -> Result {
        match self.run_to_exit(state, request) {
            Ok(Ended::Exit) => Ok(()),
            // A call is taken when nothing can fail any more, lest it be lost.
            Ok(Ended::Call) => {
                self.end_step(state)?;
                if let Some(call) = self.member.recall.take() {
                    report_call(&mut state.guest, call);
                }
                Ok(())
            }
            Err(error) => self.end_step(state).and(Err(error)),
        }
    }

    /// Ends the step that an error, a signal or a call came into the middle of.
    #[cold]
    fn end_step(&self, state: &mut State) -> Result {
        if !state.guest.translation.is_stepping() {
            return Ok(());
        }
        root::insist(|| self.burst(state, translation::end_step))
    }

    fn run_to_exit(&self, state: &mut State, request: &Request) -> Result<Ended> {
        let recall = &self.member.recall;
        loop {
            // What may fail is the burst, or the event in it.
            let next = root::insist(|| {
                state.guest.stock.fill(self.vm.mmu.stock())?;
                self.burst(state, |cx| {
                    load_frame(cx.vmcs, cx.guest);
                    trap::set_windows(cx, request.windows);
                    finish_and_run(cx, request, &self.page, recall)
                })
            })?;
            match next? {
                Next::Return => return Ok(Ended::Exit),
                Next::Wait => self.member.wait_for_call()?,
                Next::Populate(gpa) => match self.vm.populate(gpa) {
                    // The region is gone by now; the guest will find out.
                    Err(error) if error == ENOENT => {}
                    result => result?,
                },
                Next::SplitLock => make_wait_for_split_lock(),
                Next::Pause | Next::Enter => {}
            }
            let interrupted = irq::do_work().is_err() || request.immediate_exit;
            // An answer is not lost: it is given first, if there will be anybody to see it.
            let nothing_waits = state.guest.unanswered == Unanswered::Nothing;
            if interrupted && (nothing_waits || irq::is_killed()) {
                return Err(EINTR);
            }
            if nothing_waits && recall.is_called() {
                return Ok(Ended::Call);
            }
        }
    }
}

/// Has the thread of a guest that splits a lock wait, as the kernel has its own programs.
#[cold]
fn make_wait_for_split_lock() {
    pr_warn_once!(
        "a guest splits locks over cache lines: it waits 10 ms before each burst that has some\n"
    );
    fsleep(Delta::from_millis(10));
}

/// How a run ends that no error ends.
enum Ended {
    Exit,
    Call,
}

/// Tells the program of a call, which is no exit of the guest's.
#[cold]
fn report_call(guest: &mut Guest, call: Call) {
    let reason = match call {
        Call::Kick => MINIVMX_EXIT_KICK,
        Call::Deadline => MINIVMX_EXIT_DEADLINE,
    };
    guest.report.begin(reason, 0, 0);
}

/// Ends the exit that waits for it, then runs the guest.
#[inline]
fn finish_and_run(
    cx: &mut Context<'_>,
    request: &Request,
    page: &RunPage,
    recall: &Recall,
) -> Result<Next> {
    event::check(cx.vmcs, cx.guest, &cx.vm.machine.capabilities)?;
    let next = answer::finish(cx, request.answer, page);
    event::begin_to_step(cx.vmcs, cx.guest.frame.rflags);
    Ok(match next {
        // What came before interrupts went off was looked at with interrupts on, what comes now is
        // an exit; this is for what came in between.
        Next::Enter
            if request.immediate_exit
                || irq::work_is_pending(cx.vmcs.irqs())
                || recall.is_called() =>
        {
            Next::Pause
        }
        Next::Enter if halt::is_waited_for(cx) => Next::Wait,
        Next::Enter => run_in_burst(cx),
        next => next,
    })
}

/// Enters the guest again and again, until something has to be done outside of the burst.
#[inline]
fn run_in_burst(cx: &mut Context<'_>) -> Next {
    let checks_entries = cx.vm.machine.checks_entries();
    let mut allowance = Allowance::new();
    loop {
        if let Err(next) = translation::prepare_entry(cx) {
            return unprepared(cx, next);
        }
        let next = match checks_entries.then(|| entry_check::before_entry(cx)) {
            Some(Err(next)) => next,
            _ => enter_and_answer(cx),
        };
        match next {
            Next::Enter if allowance.pay(cx.guest.event.is_some()) => {}
            Next::Enter => return Next::Pause,
            Next::Return => {
                // The program gets to see the guest as it is between two instructions.
                translation::end_step(cx);
                return Next::Return;
            }
            next => return next,
        }
    }
}

/// What the program set kept the guest from being entered, or what translation needs first.
#[cold]
fn unprepared(cx: &mut Context<'_>, next: Next) -> Next {
    if cx.guest.report.exit.entry_failure != 0 && matches!(next, Next::Return) {
        let _found = entry_check::explain(cx);
    }
    next
}

/// Enters the guest, and answers its exit.
#[inline]
fn enter_and_answer(cx: &mut Context<'_>) -> Next {
    match enter(cx) {
        Ok(reason) => exit::handle(cx, reason),
        Err(failure) => not_entered(cx, failure),
    }
}

/// Enters the guest, with the event that waits for it.
#[inline]
fn enter(cx: &mut Context<'_>) -> Result<ExitReason, EntryFailure> {
    cx.counters.entries.count();
    cx.guest.splits_lock = false;
    trace::entry(cx);
    let delivers = cx.guest.event.is_some();
    if delivers {
        event::begin_delivery(cx.vmcs, cx.guest);
    }
    let registers = &mut cx.guest.frame.general;
    let entered = entry::enter(cx.vmcs, cx.fpu, cx.switched, cx.debug, registers);
    if delivers {
        event::unload(cx.vmcs, &mut cx.guest.event, &entered);
    }
    entered
}

#[cold]
fn not_entered(cx: &mut Context<'_>, failure: EntryFailure) -> Next {
    let (number, cause) = match failure {
        EntryFailure::Error(number) => (number, error::describe(number)),
        EntryFailure::Fault => (0, "the CPU left VMX operation"),
    };
    trace::not_entered(cx, number);
    let next = cx.not_entered(number, cause);
    if error::is_for_fields(number) {
        entry_check::explain_refusal(cx);
    }
    next
}
