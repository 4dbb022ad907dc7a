// SPDX-License-Identifier: GPL-2.0

//! Every VM exit, and who answers it.

use super::{
    alignment_check,
    context::{
        Context,
        Next, //
    },
    control_register,
    debug_register,
    ept_violation,
    event::{
        self,
        Exception, //
    },
    hypercall,
    io,
    msr::{
        self,
        Refusal, //
    },
    run_page::RunPage,
    state::Pending,
    translation, //
};
use crate::{
    machine::cpuid::{
        self,
        Identity, //
    },
    mmu::address::Gva,
    support::{
        cpu,
        uapi::{
            answer,
            minivmx_msr_exit, //
        }, //
    },
    vm::Mmu,
    vmx::{
        entry::Registers,
        exit::{
            basic,
            describe_entry_failure,
            ExitReason,
            Interruption, //
        },
        field::*, //
    },
    x86::{
        cr4,
        event::{
            kind,
            vector, //
        }, //
    }, //
};
use kernel::bindings;

/// Answers an exit, or hands it to the program.
#[inline]
pub(crate) fn handle(cx: &mut Context<'_>, reason: ExitReason) -> Next {
    let basic = reason.basic();
    cx.counters.exit(basic);
    if reason.entry_failure() {
        return entry_failure(cx, basic);
    }
    if cx.guest.traps.contains(basic) {
        return trapped(cx, basic);
    }
    answer(cx, basic)
}

/// Hands an exit that the driver could answer to the program.
fn trapped(cx: &mut Context<'_>, basic: u32) -> Next {
    match basic {
        basic::RDMSR => return msr_exit(cx, false),
        basic::WRMSR => return msr_exit(cx, true),
        _ => {}
    }
    cx.guest.pending = Pending::Other(basic);
    cx.report(basic)
}

/// Answers an exit as if it were not trapped; these are the frequent ones.
#[inline]
fn answer(cx: &mut Context<'_>, basic: u32) -> Next {
    match basic {
        basic::EXTERNAL_INTERRUPT | basic::PREEMPTION_TIMER => Next::Pause,
        basic::CPUID => cpuid_exit(cx),
        basic::VMCALL => vmcall(cx),
        basic::EPT_VIOLATION => ept_violation::handle(cx),
        basic::IO => io::handle(cx),
        basic::HLT => hlt(cx),
        _ => answer_rare(cx, basic),
    }
}

/// Answers the others: apart, so that the frequent ones need not make room on the stack for these.
#[inline(never)]
fn answer_rare(cx: &mut Context<'_>, basic: u32) -> Next {
    match basic {
        basic::RDMSR => rdmsr(cx),
        basic::WRMSR => wrmsr(cx),
        basic::CR_ACCESS => control_register::handle(cx),
        basic::INVLPG => invlpg(cx),
        basic::MONITOR_TRAP_FLAG | basic::NMI_WINDOW => translation::stepped(cx),
        basic::DR_ACCESS => debug_register::handle(cx),
        basic::XSETBV => control_register::xsetbv(cx),
        basic::EXCEPTION_OR_NMI => exception_or_nmi(cx),
        // Nothing for the guest to see: its caches are the host's, and waiting is over at once.
        basic::INVD | basic::WBINVD | basic::PAUSE | basic::MWAIT | basic::MONITOR => {
            monitor_or_cache(cx, basic)
        }
        // There are no performance counters.
        basic::RDPMC => cx.inject(Exception::GENERAL_PROTECTION),
        // Instructions that guests do not have.
        basic::GETSEC
        | basic::RSM
        | basic::VMCLEAR
        | basic::VMLAUNCH
        | basic::VMPTRLD
        | basic::VMPTRST
        | basic::VMREAD
        | basic::VMRESUME
        | basic::VMWRITE
        | basic::VMXOFF
        | basic::VMXON
        | basic::INVEPT
        | basic::INVVPID
        | basic::INVPCID
        | basic::RDTSCP
        | basic::VMFUNC
        | basic::ENCLS
        | basic::ENCLV
        | basic::XSAVES
        | basic::XRSTORS
        | basic::PCONFIG
        | basic::UMWAIT
        | basic::TPAUSE
        | basic::LOADIWKEY => cx.inject(Exception::INVALID_OPCODE),
        basic::TRIPLE_FAULT | basic::TASK_SWITCH => cx.report(basic),
        basic::EPT_MISCONFIGURATION => cx.internal_error("EPT misconfiguration"),
        // INIT and SIPI are for processors without VMX to wait for; what else there is cannot occur
        // with the controls as they are.
        _ => cx.internal_error("an exit that the controls do not ask for"),
    }
}

/// CPUID.1:ECX.OSXSAVE, a copy of CR4.OSXSAVE.
const OSXSAVE: u32 = 1 << 27;

#[inline(never)]
fn cpuid_exit(cx: &mut Context<'_>) -> Next {
    let registers = &cx.guest.frame.general;
    let (leaf, subleaf) = (registers.low(Registers::RAX), registers.low(Registers::RCX));
    let set = cx.guest.cpuid.find(leaf, subleaf);
    let mut result = set.unwrap_or_else(|| {
        cpuid::of_guests(leaf, subleaf, || Identity {
            id: cx.guest.id,
            xcr0: cx.fpu.fpu().xcr0(),
            xcr0_allowed: cx.fpu.fpu().xcr0_allowed(),
        })
    });
    if leaf == 1 {
        let osxsave = cx.cr4() & cr4::OSXSAVE != 0;
        result.ecx = result.ecx & !OSXSAVE | if osxsave { OSXSAVE } else { 0 };
    }
    let registers = cx.registers();
    registers.set_low(Registers::RAX, result.eax);
    registers.set_low(Registers::RBX, result.ebx);
    registers.set_low(Registers::RCX, result.ecx);
    registers.set_low(Registers::RDX, result.edx);
    cx.skip()
}

/// There are no hypercalls: the answer is -ENOSYS, as from a hypervisor that does not know the call.
#[inline]
fn vmcall(cx: &mut Context<'_>) -> Next {
    if cx.vm.mmu == Mmu::Pv {
        return hypercall::handle(cx);
    }
    const ANSWER: u64 = (bindings::ENOSYS as u64).wrapping_neg();
    cx.registers().0[Registers::RAX] = ANSWER;
    cx.skip()
}

fn invlpg(cx: &mut Context<'_>) -> Next {
    translation::invlpg(cx, Gva::new(cx.vmcs.read(EXIT_QUALIFICATION)))
}

#[inline]
fn hlt(cx: &mut Context<'_>) -> Next {
    event::skip_instruction(cx.vmcs);
    cx.report(basic::HLT)
}

/// MONITOR and MWAIT raise #UD: CPUID says that there are none. The others do nothing.
fn monitor_or_cache(cx: &mut Context<'_>, basic: u32) -> Next {
    match basic {
        basic::MWAIT | basic::MONITOR => cx.inject(Exception::INVALID_OPCODE),
        _ => cx.skip(),
    }
}

fn rdmsr(cx: &mut Context<'_>) -> Next {
    let index = cx.registers().low(Registers::RCX);
    match msr::read(cx, index) {
        Ok(value) => {
            set_edx_eax(cx, value);
            cx.skip()
        }
        Err(Refusal::Invalid) => cx.inject(Exception::GENERAL_PROTECTION),
        Err(Refusal::Unknown) => msr_exit(cx, false),
    }
}

fn wrmsr(cx: &mut Context<'_>) -> Next {
    let index = cx.registers().low(Registers::RCX);
    let value = cx.registers().edx_eax();
    match msr::write(cx, index, value) {
        Ok(()) => cx.skip(),
        Err(Refusal::Invalid) => cx.inject(Exception::GENERAL_PROTECTION),
        Err(Refusal::Unknown) => msr_exit(cx, true),
    }
}

fn set_edx_eax(cx: &mut Context<'_>, value: u64) {
    let registers = cx.registers();
    // CAST: The two halves are taken apart on purpose.
    registers.set_low(Registers::RAX, value as u32);
    registers.set_low(Registers::RDX, (value >> 32) as u32);
}

/// Hands RDMSR or WRMSR to the program.
fn msr_exit(cx: &mut Context<'_>, write: bool) -> Next {
    let registers = cx.registers();
    let index = registers.low(Registers::RCX);
    let value = if write { registers.edx_eax() } else { 0 };
    cx.guest.report.exit.msr = minivmx_msr_exit {
        index,
        fault: 0,
        value,
    };
    cx.guest.pending = Pending::Msr {
        rip: cx.vmcs.read(GUEST_RIP),
        write,
    };
    cx.report(if write { basic::WRMSR } else { basic::RDMSR })
}

fn exception_or_nmi(cx: &mut Context<'_>) -> Next {
    let info = Interruption::from_raw(cx.vmcs.read(EXIT_INTERRUPTION_INFO));
    if info.kind().get() == kind::NMI {
        event::redeliver(cx.vmcs);
        cpu::deliver_nmi(cx.vmcs.root().irqs());
        return Next::Pause;
    }
    let number = info.vector().get();
    if info.is(vector::MACHINE_CHECK) {
        event::redeliver(cx.vmcs);
        cpu::deliver_machine_check(cx.vmcs.root().irqs());
        return Next::Pause;
    }
    if info.is(vector::PAGE_FAULT) {
        if let Some(next) = translation::page_fault(cx) {
            return next;
        }
    }
    if info.is(vector::ALIGNMENT_CHECK) && !alignment_check::is_the_guests(cx) {
        return alignment_check::split_lock(cx);
    }
    if cx.guest.traps.contains_exception(number) {
        cx.guest.pending = Pending::Other(basic::EXCEPTION_OR_NMI);
        return cx.report(basic::EXCEPTION_OR_NMI);
    }
    deliver_exception(cx)
}

/// Gives the guest the exception that exited.
fn deliver_exception(cx: &mut Context<'_>) -> Next {
    let info = Interruption::from_raw(cx.vmcs.read(EXIT_INTERRUPTION_INFO));
    if info.is(vector::DEBUG) {
        return debug_register::deliver(cx);
    }
    if info.is(vector::PAGE_FAULT) {
        return translation::deliver_page_fault(cx);
    }
    event::reflect(cx.vmcs);
    cx.count_injection();
    Next::Enter
}

#[cold]
fn entry_failure(cx: &mut Context<'_>, basic: u32) -> Next {
    if basic == basic::ENTRY_MACHINE_CHECK {
        // Else the next machine check would find this one unhandled, and shut the machine down.
        cpu::deliver_machine_check(cx.vmcs.root().irqs());
    }
    let next = cx.report(basic);
    cx.guest.report.exit.entry_failure = 1;
    let qualification = cx.guest.report.exit.qualification;
    cx.guest
        .report
        .set_cause(describe_entry_failure(basic, qualification));
    next
}

/// Does with the exit that waits for it what the program answered.
///
/// If that takes a page that is not allocated yet, the exit waits on.
#[inline]
pub(crate) fn finish(cx: &mut Context<'_>, request: u32, page: &RunPage) -> Next {
    if cx.guest.pending == Pending::Nothing {
        return Next::Enter;
    }
    let pending = core::mem::replace(&mut cx.guest.pending, Pending::Nothing);
    let next = finish_pending(cx, pending, request, page);
    if let Next::Populate(_) = next {
        cx.guest.pending = pending;
    }
    next
}

fn finish_pending(cx: &mut Context<'_>, pending: Pending, request: u32, page: &RunPage) -> Next {
    match (pending, request) {
        (Pending::Nothing, _) => Next::Enter,
        (_, answer::MINIVMX_ANSWER_SKIP) => cx.skip(),
        (Pending::Other(basic::EXCEPTION_OR_NMI), answer::MINIVMX_ANSWER_DEFAULT) => {
            deliver_exception(cx)
        }
        (Pending::Other(basic), answer::MINIVMX_ANSWER_DEFAULT) => self::answer(cx, basic),
        (Pending::Other(_), _) => Next::Enter,
        (Pending::Io { rip }, _) if at(cx, rip) => io::finish(cx, page.io_data()),
        (Pending::Io { .. }, _) => Next::Enter,
        (Pending::Msr { write, .. }, answer::MINIVMX_ANSWER_DEFAULT) => {
            default_msr(cx, write, page)
        }
        (Pending::Msr { rip, write }, _) if at(cx, rip) => finish_msr(cx, write, page),
        (Pending::Msr { .. }, _) => Next::Enter,
    }
}

/// Is the guest still at the instruction that exited?
fn at(cx: &Context<'_>, rip: u64) -> bool {
    cx.vmcs.read(GUEST_RIP) == rip
}

fn finish_msr(cx: &mut Context<'_>, write: bool, page: &RunPage) -> Next {
    let (fault, value) = page.msr();
    if fault {
        return cx.inject(Exception::GENERAL_PROTECTION);
    }
    if !write {
        set_edx_eax(cx, value);
    }
    cx.skip()
}

/// Answers a trapped access to an MSR; one that the driver does not keep, as the program says.
fn default_msr(cx: &mut Context<'_>, write: bool, page: &RunPage) -> Next {
    let index = cx.registers().low(Registers::RCX);
    let value = cx.registers().edx_eax();
    let result = if write {
        msr::write(cx, index, value).map(|()| value)
    } else {
        msr::read(cx, index)
    };
    match result {
        Ok(value) if !write => {
            set_edx_eax(cx, value);
            cx.skip()
        }
        Ok(_) => cx.skip(),
        Err(Refusal::Invalid) => cx.inject(Exception::GENERAL_PROTECTION),
        Err(Refusal::Unknown) => finish_msr(cx, write, page),
    }
}
