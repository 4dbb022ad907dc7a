// SPDX-License-Identifier: GPL-2.0

//! What an exit handler works with, and what it decides.

use super::{
    event,
    state::{
        Guest,
        Unanswered, //
    },
    tlb::Tlb, //
};
use crate::{
    mmu::address::Gpa,
    support::{
        cpu,
        debug_register::LentDebugRegisters,
        fpu::LoadedFpu,
        uapi,
        user_msr::LentMsrs, //
    },
    vm::{
        Counters,
        Vm, //
    },
    vmx::{
        entry::Registers,
        exit::{
            basic,
            has_length,
            records_more, //
        },
        field::*,
        vmcs::CurrentVmcs, //
    },
    x86::{
        event::{
            vector,
            Interruption,
            Outcome, //
        },
        exception::Exception, //
    }, //
};

/// What comes after an exit.
#[derive(Clone, Copy)]
pub(crate) enum Next {
    /// The guest goes on.
    Enter,
    /// The guest goes on in another burst: an interrupt waits, or what is in the CPU must change.
    Pause,
    /// The page at this address must be allocated, then the guest tries again.
    Populate(Gpa),
    /// The guest goes on in another burst, but not at once: it splits a lock.
    SplitLock,
    /// The guest waits for an event, in HLT.
    Wait,
    /// The program gets the exit, which is in [`Guest::report`].
    Return,
}

/// A guest in a burst: its VMCS is current, its registers and FPU are loaded or at hand.
pub(crate) struct Context<'a> {
    /// The VM.
    pub(crate) vm: &'a Vm,
    /// The guest's VMCS.
    pub(crate) vmcs: &'a CurrentVmcs<'a>,
    /// The rest of its state.
    pub(crate) guest: &'a mut Guest,
    /// Its FPU, in the CPU.
    pub(crate) fpu: &'a LoadedFpu<'a>,
    /// Its MSRs that the VMCS does not hold.
    pub(crate) switched: &'a LentMsrs<'a>,
    /// Its debug registers but DR7.
    pub(crate) debug: &'a LentDebugRegisters<'a>,
    /// What is counted.
    pub(crate) counters: &'a Counters,
    pause: bool,
}

impl<'a> Context<'a> {
    /// Puts the parts together.
    #[inline]
    pub(crate) fn new(
        vm: &'a Vm,
        vmcs: &'a CurrentVmcs<'a>,
        guest: &'a mut Guest,
        fpu: &'a LoadedFpu<'a>,
        switched: &'a LentMsrs<'a>,
        debug: &'a LentDebugRegisters<'a>,
        counters: &'a Counters,
    ) -> Self {
        Self {
            vm,
            vmcs,
            guest,
            fpu,
            switched,
            debug,
            counters,
            pause: false,
        }
    }

    /// The general registers.
    #[inline]
    pub(crate) fn registers(&mut self) -> &mut Registers {
        &mut self.guest.frame.general
    }

    /// A general register by its number.
    pub(crate) fn register(&self, number: usize) -> u64 {
        if number == Registers::RSP {
            self.vmcs.read(GUEST_RSP)
        } else {
            self.guest.frame.general.0[number & 15]
        }
    }

    /// Sets a general register by its number.
    pub(crate) fn set_register(&mut self, number: usize, value: u64) {
        if number == Registers::RSP {
            self.vmcs.write(GUEST_RSP, value);
        } else {
            self.guest.frame.general.0[number & 15] = value;
        }
    }

    /// CR0 as the guest reads it.
    pub(crate) fn cr0(&self) -> u64 {
        self.vm.control_registers.cr0.get(self.vmcs)
    }

    /// CR3 as the guest reads it.
    pub(crate) fn cr3(&self) -> u64 {
        self.guest.translation.cr3(self.vmcs)
    }

    /// CR4 as the guest reads it.
    pub(crate) fn cr4(&self) -> u64 {
        self.vm.control_registers.cr4.get(self.vmcs)
    }

    /// IA32_EFER as the guest reads it.
    pub(crate) fn efer(&self) -> u64 {
        self.guest.translation.efer(self.vmcs)
    }

    /// Sets CR2, which is in the CPU during a burst.
    pub(crate) fn set_cr2(&mut self, address: u64) {
        self.guest.cr2 = address;
        cpu::set_cr2(self.vmcs.irqs(), address);
    }

    /// Ends the instruction that exited.
    #[inline]
    pub(crate) fn skip(&mut self) -> Next {
        event::skip_instruction(self.vmcs);
        self.next()
    }

    /// Raises an exception at the instruction that exited: for the program if it wants to see it,
    /// else for the guest. If an event waits, that comes first, and the instruction is carried out
    /// again after it.
    pub(crate) fn inject(&mut self, exception: Exception) -> Next {
        let trapped = self.guest.traps.contains_exception(exception.vector.into());
        if trapped && !self.guest.event.is_some() {
            return self.report_exception(exception);
        }
        self.inject_unseen(exception)
    }

    /// The same for one that the program asked for.
    pub(crate) fn inject_unseen(&mut self, exception: Exception) -> Next {
        if self.guest.event.is_some() {
            return self.next();
        }
        self.deliver(exception)
    }

    /// Gives the guest an exception, with what it does to registers; or what comes of it and the
    /// event whose delivery it cut short.
    pub(crate) fn deliver(&mut self, exception: Exception) -> Next {
        match exception.vector {
            vector::PAGE_FAULT => self.set_cr2(exception.detail),
            vector::DEBUG => event::enter_debug(self.vmcs, self.debug, exception.detail),
            _ => {}
        }
        let outcome = event::raise(self.vmcs, self.guest, exception);
        self.raised(outcome)
    }

    /// Goes on after an exception, which the guest gets, or a double fault, or it shuts down.
    pub(crate) fn raised(&mut self, outcome: Outcome) -> Next {
        match outcome {
            Outcome::Second => {
                self.counters.injections.count();
                self.next()
            }
            Outcome::DoubleFault => self.inject(Exception::DOUBLE_FAULT),
            Outcome::Shutdown => self.report(basic::TRIPLE_FAULT),
        }
    }

    /// Ends the burst after this exit, so that the next one loads what changed.
    pub(crate) fn end_burst(&mut self) {
        self.pause = true;
    }

    #[inline]
    fn next(&self) -> Next {
        if self.pause {
            Next::Pause
        } else {
            Next::Enter
        }
    }

    /// Drops all translations that the CPU made from the guest's own tables.
    pub(crate) fn flush_guest_tlb(&self) {
        self.guest.tags.drop_guests(&Tlb {
            vcpu: self.guest.identity.id,
            vmcs: self.vmcs,
            capabilities: &self.vm.machine.capabilities,
            counters: self.counters,
        });
    }

    /// Gives the exception that exited to the program, which gets to see the guest as it is before
    /// the instruction.
    pub(crate) fn report_exited_exception(&mut self) -> Next {
        let info = Interruption::from_raw(self.vmcs.read(EXIT_INTERRUPTION_INFO));
        event::block_nmis_again(self.vmcs, self.guest, event::has_unblocked_nmis(info));
        self.guest.unanswered = Unanswered::Exception;
        self.report(basic::EXCEPTION_OR_NMI)
    }

    /// Gives the exit to the program as the CPU reported it.
    #[inline]
    pub(crate) fn report(&mut self, reason: u32) -> Next {
        let vmcs = self.vmcs;
        let qualification = vmcs.read(EXIT_QUALIFICATION);
        let length = vmcs.read(EXIT_INSTRUCTION_LENGTH);
        self.guest.report.begin(reason, qualification, length);
        if records_more(reason, qualification) {
            self.report_more();
        }
        Next::Return
    }

    /// Reports what few exits record.
    fn report_more(&mut self) {
        let vmcs = self.vmcs;
        let physical_address = self.guest.translation.physical_address(vmcs);
        let report = &mut self.guest.report.exit;
        report.linear_address = vmcs.read(GUEST_LINEAR_ADDRESS);
        report.physical_address = physical_address;
        report.instruction_info = vmcs.read(EXIT_INSTRUCTION_INFO);
        report.interruption_info = vmcs.read(EXIT_INTERRUPTION_INFO);
        let exception = Interruption::from_raw(report.interruption_info);
        if !has_length(report.reason, report.qualification, exception) {
            report.instruction_length = 0;
        }
        report.interruption_error = vmcs.read(EXIT_INTERRUPTION_ERROR_CODE);
        report.vectoring_info = vmcs.read(IDT_VECTORING_INFO);
        report.vectoring_error = vmcs.read(IDT_VECTORING_ERROR_CODE);
    }

    /// Gives an exception that the CPU did not raise to the program, as if it had.
    #[cold]
    fn report_exception(&mut self, exception: Exception) -> Next {
        self.guest.unanswered = Unanswered::Raised;
        self.guest.raised = exception;
        let info = event::interruption(self.vmcs, exception);
        let report = &mut self.guest.report;
        let report = report.begin(basic::EXCEPTION_OR_NMI, exception.detail, 0);
        report.interruption_info = info.into_raw();
        report.interruption_error = exception.error_code.unwrap_or(0);
        Next::Return
    }

    /// Reports what a failed VM entry reports of a state that no CPU can be in.
    #[cold]
    pub(crate) fn invalid_state(&mut self, qualification: u64, cause: &str) -> Next {
        let next = self.report(basic::INVALID_GUEST_STATE);
        self.guest.report.exit.entry_failure = 1;
        self.guest.report.exit.qualification = qualification;
        self.guest.report.set_cause(cause);
        next
    }

    /// Reports that the CPU refused VMLAUNCH or VMRESUME.
    #[cold]
    pub(crate) fn not_entered(&mut self, number: u32, cause: &str) -> Next {
        let next = self.report(uapi::exit::MINIVMX_EXIT_ENTRY_FAILED);
        self.guest.report.exit.qualification = u64::from(number);
        self.guest.report.set_cause(cause);
        next
    }

    /// Gives up on the guest, with a sentence for the program.
    #[cold]
    pub(crate) fn internal_error(&mut self, cause: &str) -> Next {
        let next = self.report(uapi::exit::MINIVMX_EXIT_INTERNAL);
        self.guest.report.set_cause(cause);
        next
    }
}
