// SPDX-License-Identifier: GPL-2.0

//! Events for the guest: exceptions that the driver raises, events whose delivery an exit cut
//! short, and the end of an instruction that the driver carried out.

use super::state::{
    Delivery,
    Guest, //
};
use crate::{
    support::debug_register::{
        DebugRegisters,
        LentDebugRegisters, //
    },
    vmx::{
        capability::Capabilities,
        entry::EntryFailure,
        exit::{
            ExitReason,
            Interruptibility, //
        },
        field::*,
        vmcs::CurrentVmcs, //
    },
    x86::{
        cr0,
        debug_register::{
            dr6,
            dr7,
            pending, //
        },
        event::{
            kind,
            vector,
            Event,
            Interruption,
            Outcome,
            Waiting, //
        },
        exception::Exception,
        rflags,
        segment::AccessRights, //
    }, //
};
use kernel::prelude::*;

/// Can the event that waits be delivered? It may be the program's.
///
/// # Errors
///
/// `EINVAL` if no VM entry can, `EOPNOTSUPP` if this CPU cannot.
#[inline]
pub(crate) fn check(vmcs: &CurrentVmcs<'_>, guest: &Guest, capabilities: &Capabilities) -> Result {
    if guest.event.is_nothing() {
        return Ok(());
    }
    let no_bytes = capabilities.injects_without_bytes();
    if !guest.event.is_valid(is_protected(vmcs), no_bytes) {
        return Err(EINVAL);
    }
    if is_nmi(&guest.event) && !capabilities.has_virtual_nmis() {
        return Err(EOPNOTSUPP);
    }
    Ok(())
}

/// Hands the event that waits to the CPU, and remembers that: the VM entry that follows delivers
/// it.
pub(crate) fn begin_delivery(vmcs: &CurrentVmcs<'_>, guest: &mut Guest) {
    let (rip, flags) = (vmcs.read(GUEST_RIP), vmcs.read(GUEST_RFLAGS));
    guest.delivery = Delivery::new(&guest.event, rip, flags);
    guest.translation.deliver_in_step();
    load(vmcs, &guest.event);
}

/// Hands the event that waits to the CPU.
pub(crate) fn load(vmcs: &CurrentVmcs<'_>, event: &Waiting) {
    if event.info.error_code() {
        vmcs.write(ENTRY_EXCEPTION_ERROR_CODE, event.error_code);
    }
    if event.info.event().is_some_and(Event::is_software) {
        vmcs.write(ENTRY_INSTRUCTION_LENGTH, event.length);
    }
    vmcs.write(ENTRY_INTERRUPTION_INFO, event.info.into_raw());
}

/// The event was delivered, or waits on if there was no VM entry.
pub(crate) fn unload(
    vmcs: &CurrentVmcs<'_>,
    event: &mut Waiting,
    entered: &Result<ExitReason, EntryFailure>,
) {
    match entered {
        // A VM exit clears the field's valid bit (SDM Vol. 3C, "VM-Entry Controls for Event
        // Injection").
        Ok(reason) if !reason.entry_failure() => *event = Waiting::NOTHING,
        _ => vmcs.write(ENTRY_INTERRUPTION_INFO, 0),
    }
}

/// An exception as interruption information, for the guest in its present mode.
pub(crate) fn interruption(vmcs: &CurrentVmcs<'_>, exception: Exception) -> Interruption {
    exception.interruption(is_protected(vmcs))
}

fn is_protected(vmcs: &CurrentVmcs<'_>) -> bool {
    vmcs.read(GUEST_CR0) & cr0::PE != 0
}

/// What cut the delivery of an event short.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// An exception, which left RF in the guest's flags as it would have pushed it itself.
    ByException,
    /// Another VM exit.
    ByOther,
}

/// Makes the next VM entry deliver the event again whose delivery this exit cut short, if it did.
#[inline]
pub(crate) fn redeliver(vmcs: &CurrentVmcs<'_>, guest: &mut Guest, cut: Cut) {
    let vectoring = Interruption::from_raw(vmcs.read(IDT_VECTORING_INFO));
    if vectoring.valid() {
        let error_code = vmcs.read(IDT_VECTORING_ERROR_CODE);
        guest.event = as_exited(vmcs, vectoring, error_code);
        if is_nmi(&guest.event) {
            // It blocks NMIs once it is delivered; before, that would block itself.
            block_nmis(vmcs, false);
        }
        restore_rf(vmcs, guest, cut);
    }
}

fn is_nmi(event: &Waiting) -> bool {
    event.info.kind().get() == kind::NMI
}

fn block_nmis(vmcs: &CurrentVmcs<'_>, blocked: bool) {
    let state = Interruptibility::from_raw(vmcs.read(GUEST_INTERRUPTIBILITY));
    vmcs.set_interruptibility(state.with_nmi(blocked));
}

/// Makes RF again what the event that waits is to push, where that is known.
#[cold]
fn restore_rf(vmcs: &CurrentVmcs<'_>, guest: &Guest, cut: Cut) {
    let event = guest.event.info.event();
    let known = event.and_then(|event| rf_to_push(vmcs, guest, event, cut));
    if let Some(resumes) = known {
        let flags = vmcs.read(GUEST_RFLAGS) & !rflags::RF;
        let rf = if resumes { rflags::RF } else { 0 };
        vmcs.write(GUEST_RFLAGS, flags | rf);
    }
}

/// RF in the image of the flags that an event pushes (SDM Vol. 3C, "Saving RIP, RSP, RFLAGS, and
/// SSP"), if it is known; else it is as the CPU says. Bochs (3.0) says 1 always, so what is known
/// better is not taken from it.
fn rf_to_push(vmcs: &CurrentVmcs<'_>, guest: &Guest, event: Event, cut: Cut) -> Option<bool> {
    // An instruction that raises an event on purpose finds RF 0.
    let on_purpose = cut == Cut::ByException && event.is_software();
    let known = guest.delivery.resumes(event, vmcs.read(GUEST_RIP));
    known.or(on_purpose.then_some(false))
}

/// An exception is the guest's after all, which the program had, and whose instruction was going to
/// happen again: if that was an IRET, it has unblocked NMIs.
pub(crate) fn unblock_nmis(vmcs: &CurrentVmcs<'_>, exception: Interruption) {
    let vectoring = Interruption::from_raw(vmcs.read(IDT_VECTORING_INFO));
    if has_unblocked_nmis(exception) && !vectoring.valid() {
        block_nmis(vmcs, false);
    }
}

/// Was it an IRET that raised this exception, and had unblocked NMIs? Of a double fault the exit
/// does not say (SDM Vol. 3C, "Information for VM Exits Due to Vectored Events").
pub(crate) fn has_unblocked_nmis(exception: Interruption) -> bool {
    exception.nmi_unblocking() && !exception.is(vector::DOUBLE_FAULT)
}

/// What exited is to happen again. It may have been an IRET that unblocked NMIs already; what an
/// exit says of that has no meaning where it cut short the delivery of an event.
#[inline]
pub(crate) fn block_nmis_again(vmcs: &CurrentVmcs<'_>, guest: &Guest, nmi_unblocking: bool) {
    if nmi_unblocking && !guest.event.is_some() {
        block_nmis(vmcs, true);
    }
}

/// Makes the next VM entry deliver the exception that this exit took instead of the guest. If it
/// came while another event was delivered, that one waits, and the outcome is what comes of both:
/// unless it is this exception, nothing waits any more.
pub(crate) fn reflect(vmcs: &CurrentVmcs<'_>, guest: &mut Guest) -> Outcome {
    let exception = Interruption::from_raw(vmcs.read(EXIT_INTERRUPTION_INFO));
    let error_code = vmcs.read(EXIT_INTERRUPTION_ERROR_CODE);
    let second = as_exited(vmcs, exception, error_code);
    take_place(vmcs, guest, second)
}

/// The same for an exception that was raised instead of what exited, or by it.
pub(crate) fn raise(vmcs: &CurrentVmcs<'_>, guest: &mut Guest, exception: Exception) -> Outcome {
    let info = interruption(vmcs, exception);
    let second = Waiting {
        info,
        error_code: exception.error_code.unwrap_or(0),
        length: 0,
    };
    take_place(vmcs, guest, second)
}

/// An exception takes the place of the event that waits, if one does, unless something else comes
/// of both.
fn take_place(vmcs: &CurrentVmcs<'_>, guest: &mut Guest, exception: Waiting) -> Outcome {
    let outcome = match (guest.event.info.event(), exception.info.event()) {
        (Some(first), Some(second)) => first.interrupted_by(second),
        _ => Outcome::Second,
    };
    if is_nmi(&guest.event) {
        // Its handler does not run, but its delivery had begun.
        block_nmis(vmcs, true);
    }
    guest.event = match outcome {
        Outcome::Second => exception,
        Outcome::DoubleFault | Outcome::Shutdown => Waiting::NOTHING,
    };
    if guest
        .event
        .info
        .event()
        .is_some_and(Event::suppresses_breakpoints)
    {
        // The CPU pushes what it finds.
        resume_instruction(vmcs);
    }
    outcome
}

/// What #DB does to the debug registers, with these causes.
pub(crate) fn enter_debug(vmcs: &CurrentVmcs<'_>, debug: &LentDebugRegisters<'_>, causes: u64) {
    let before = debug.get();
    debug.set(DebugRegisters {
        dr6: dr6::after(before.dr6, causes),
        ..before
    });
    let dr7 = vmcs.read(GUEST_DR7);
    vmcs.write(GUEST_DR7, dr7 & !dr7::GD);
}

/// An event of which an exit tells, as a VM entry takes it: some bits of it, such as NMI
/// unblocking, have a meaning in an exit only, and are reserved there.
fn as_exited(vmcs: &CurrentVmcs<'_>, info: Interruption, error_code: u32) -> Waiting {
    let is_software = info.event().is_some_and(Event::is_software);
    Waiting {
        info: info.with_const_reserved::<0>(),
        error_code: if info.error_code() { error_code } else { 0 },
        length: if is_software {
            vmcs.read(EXIT_INSTRUCTION_LENGTH)
        } else {
            0
        },
    }
}

/// Moves the guest behind the instruction that exited, as if the CPU had carried it out.
#[inline]
pub(crate) fn skip_instruction(vmcs: &CurrentVmcs<'_>) {
    let rip = vmcs.read(GUEST_RIP);
    let next = rip.wrapping_add(u64::from(vmcs.read(EXIT_INSTRUCTION_LENGTH)));
    vmcs.write(GUEST_RIP, wrap_rip(vmcs, rip, next));
    finish_instruction(vmcs);
}

/// Ends the shadow of STI and MOV SS, and raises the trap that single-stepping asks for.
#[inline]
pub(crate) fn finish_instruction(vmcs: &CurrentVmcs<'_>) {
    if is_blocked_for_an_instruction(vmcs) {
        end_blocking(vmcs);
    }
    let flags = vmcs.read(GUEST_RFLAGS);
    if flags & (rflags::TF | rflags::RF) != 0 {
        finish_flags(vmcs, flags);
    }
}

/// RF holds for one instruction; TF asks for a trap after it.
#[cold]
fn finish_flags(vmcs: &CurrentVmcs<'_>, flags: u64) {
    vmcs.write(GUEST_RFLAGS, flags & !rflags::RF);
    if flags & rflags::TF != 0 {
        pend(vmcs, pending::BS);
    }
}

/// Are events blocked by STI or MOV SS, until the next instruction is over?
#[inline]
fn is_blocked_for_an_instruction(vmcs: &CurrentVmcs<'_>) -> bool {
    let state = Interruptibility::from_raw(vmcs.read(GUEST_INTERRUPTIBILITY));
    state.sti() || state.mov_ss()
}

/// Are interrupts blocked by STI?
pub(crate) fn is_behind_sti(vmcs: &CurrentVmcs<'_>) -> bool {
    Interruptibility::from_raw(vmcs.read(GUEST_INTERRUPTIBILITY)).sti()
}

fn end_blocking(vmcs: &CurrentVmcs<'_>) {
    let state = Interruptibility::from_raw(vmcs.read(GUEST_INTERRUPTIBILITY));
    let clear = state.with_sti(false).with_mov_ss(false);
    vmcs.set_interruptibility(clear);
}

/// Raises a debug trap after the present instruction, with these causes as pending debug
/// exceptions.
pub(crate) fn pend(vmcs: &CurrentVmcs<'_>, causes: u64) {
    let before = vmcs.read(GUEST_PENDING_DEBUG_EXCEPTIONS);
    vmcs.write(GUEST_PENDING_DEBUG_EXCEPTIONS, before | causes);
}

/// A #DB that exits leaves nothing pending (SDM Vol. 3C, "Saving Non-Register State"). But where
/// events are blocked by STI or MOV SS while the guest is single-stepped, a VM entry insists on the
/// trap of the last instruction.
pub(crate) fn keep_step_pending(vmcs: &CurrentVmcs<'_>) {
    if vmcs.read(GUEST_RFLAGS) & rflags::TF != 0 && is_blocked_for_an_instruction(vmcs) {
        pend(vmcs, pending::BS);
    }
}

/// The program lets the guest go on, with RFLAGS.TF set. If it took the trap of STI or MOV SS for
/// the guest, or begins to step behind one of these, what they block is over: a VM entry would
/// insist on their trap.
#[inline]
pub(crate) fn begin_to_step(vmcs: &CurrentVmcs<'_>, flags: u64) {
    if flags & rflags::TF != 0 {
        end_blocking_without_trap(vmcs);
    }
}

#[cold]
fn end_blocking_without_trap(vmcs: &CurrentVmcs<'_>) {
    let causes = vmcs.read(GUEST_PENDING_DEBUG_EXCEPTIONS);
    if causes & pending::BS == 0 && is_blocked_for_an_instruction(vmcs) {
        end_blocking(vmcs);
    }
}

/// Ends an iteration of a repeated string instruction that is not its last: as after an
/// instruction, but RIP stays.
pub(crate) fn finish_iteration(vmcs: &CurrentVmcs<'_>) {
    finish_instruction(vmcs);
    resume_instruction(vmcs);
}

/// The instruction that exited is to go on, or to be tried again, or what it raises pushes RFLAGS:
/// its instruction breakpoint, if it has one, was met before the exit, which cleared RF (SDM Vol.
/// 3B, "Instruction-Breakpoint Exception Condition"; Vol. 3C, "Saving RIP, RSP, RFLAGS, and SSP").
pub(crate) fn resume_instruction(vmcs: &CurrentVmcs<'_>) {
    vmcs.write(GUEST_RFLAGS, vmcs.read(GUEST_RFLAGS) | rflags::RF);
}

/// Outside 64-bit mode the instruction pointer has 32 bits.
#[inline]
fn wrap_rip(vmcs: &CurrentVmcs<'_>, rip: u64, next: u64) -> u64 {
    let crosses = (rip ^ next) >> 32 != 0;
    if crosses && !AccessRights::from_raw(vmcs.read(GUEST_CS_ACCESS_RIGHTS)).long() {
        next & 0xffff_ffff
    } else {
        next
    }
}
