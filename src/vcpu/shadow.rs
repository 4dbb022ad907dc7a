// SPDX-License-Identifier: GPL-2.0

//! A vCPU with shadow paging: page faults, loads of CR3, INVLPG.
//!
//! The CPU translates by the shadow tables, so some registers hold something else than the guest
//! wrote there: CR3 has the root of the shadow, CR0.PG, CR0.WP, CR4.PAE and IA32_EFER.NXE are 1. What
//! the guest wrote is in [`ShadowState`] and in the read shadows of CR0 and CR4.

use super::{
    context::{
        Context,
        Next, //
    },
    event::{
        self,
        Exception, //
    },
    linear,
    paging,
    state::Pending,
    step,
    violation, //
};
use crate::{
    memory::Ram,
    mmu::{
        address::{
            Gva,
            Hpa, //
        },
        guest_walk::{
            self,
            fault,
            Access,
            Mode,
            Paging,
            PhysicalMemory, //
        },
        page::Stock,
        shadow::{
            Fault,
            OutOfPages,
            Shadow, //
        }, //
    },
    support::page::KernelPage,
    vmx::{
        controls::Entry,
        exit::{
            basic,
            describe_entry_failure,
            Interruption, //
        },
        field::*, //
    },
    x86::{
        cr0,
        efer,
        event::vector,
        pat, //
    }, //
};
use kernel::prelude::*;

/// What the guest has in registers that hold something else, and what the next VM entry needs.
pub(crate) struct ShadowState {
    /// CR3.
    pub(crate) cr3: u64,
    /// IA32_EFER.
    pub(crate) efer: u64,
    /// IA32_PAT, which shadow entries do not use: guest memory is cached as all memory is.
    pub(crate) pat: u64,
    /// How it translates, with the entries that a load of CR3 reads for PAE paging.
    pub(crate) paging: Paging,
    /// The program set the registers: whether they fit together has not been checked yet.
    unchecked: bool,
    /// Error code of the guest's own page fault that waits for the program.
    fault_code: u32,
    /// The shadow may want another root or a flush.
    changed: bool,
}

impl ShadowState {
    /// After power-up.
    pub(crate) fn new() -> Self {
        Self {
            cr3: 0,
            efer: 0,
            pat: pat::AFTER_RESET,
            paging: paging::OFF,
            unchecked: true,
            fault_code: 0,
            changed: true,
        }
    }

    /// Something in the shadow may have changed: it is looked at before the next VM entry.
    pub(crate) fn set_changed(&mut self) {
        self.changed = true;
    }
}

/// What the CPU has in IA32_EFER while a guest with this one runs: in 64-bit mode or not, and with XD.
pub(crate) fn real_efer(guest: u64) -> u64 {
    let active = guest & efer::LMA != 0;
    let mode = if active { efer::LMA | efer::LME } else { 0 };
    guest & efer::SCE | efer::NXE | mode
}

/// Writes IA32_EFER of the guest to the VMCS.
pub(crate) fn write_efer(cx: &mut Context<'_>, value: u64) {
    let Some(state) = &mut cx.guest.shadow else {
        return;
    };
    state.efer = value;
    let real = real_efer(value);
    let mode = if real & efer::LMA != 0 {
        Entry::IA32E_MODE_GUEST.raw()
    } else {
        0
    };
    let controls = cx.vmcs.read(ENTRY_CONTROLS) & !Entry::IA32E_MODE_GUEST.raw();
    cx.vmcs.write(ENTRY_CONTROLS, controls | mode);
    if cx.vm.machine.capabilities.switches_efer() {
        cx.vmcs.write(GUEST_EFER, real);
    }
    paging::update(cx);
}

/// Does something with the shadow tables, if there are any.
pub(crate) fn with<R>(
    cx: &mut Context<'_>,
    body: impl FnOnce(&mut Shadow<KernelPage>, &Ram<'_>, &mut Stock) -> R,
) -> Option<R> {
    let vm = cx.vm;
    let state = cx.guest.shadow.as_mut()?;
    state.set_changed();
    let mut memory = vm.memory.lock();
    let (shadow, ram) = memory.shadow()?;
    Some(body(shadow, &ram, &mut cx.guest.stock))
}

/// Answers a page fault of a guest with shadow paging.
pub(crate) fn page_fault(cx: &mut Context<'_>) -> Next {
    let address = Gva::new(cx.vmcs.read(EXIT_QUALIFICATION));
    let access = access(cx, cx.vmcs.read(EXIT_INTERRUPTION_ERROR_CODE));
    let paging = paging::current(cx);
    let answer = with(cx, |shadow, ram, stock| {
        let fault = shadow.fault(&paging, address, access, ram, &mut || stock.take());
        // What `prepare` would ask for, while the lock is held.
        let flush = shadow.has_root().then(|| shadow.take_flush());
        (fault, flush)
    });
    let fault = answer.map(|(fault, _)| fault);
    if let Some((_, Some(flush))) = answer {
        use_root(cx, None, flush);
    }
    if let Some(Fault::Guest(code)) = fault {
        return guest_fault(cx, code);
    }
    resume_delivery(cx);
    match fault {
        Some(Fault::Filled) => Next::Enter,
        Some(Fault::Step) => {
            step::begin(cx);
            Next::Enter
        }
        Some(Fault::OutOfPages) => Next::Pause,
        Some(Fault::Memory(gpa, access)) => {
            let next = linear::absent(cx, gpa, access);
            // If the program gets to see it, as an EPT violation would tell it.
            cx.guest.report.linear_address = address.get();
            next
        }
        Some(Fault::TooMuch | Fault::Guest(_)) | None => {
            cx.internal_error("an instruction that writes to too many page tables at once")
        }
    }
}

/// The access that an error code tells of.
fn access(cx: &Context<'_>, code: u32) -> Access {
    let user = code & fault::USER != 0;
    // Of code with CPL 3 the supervisor's accesses are implicit ones, which do not heed AC.
    let implicit = !user && paging::is_user(cx);
    Access {
        user,
        write: code & fault::WRITE != 0,
        fetch: code & fault::FETCH != 0,
        may_touch_users: !implicit && paging::may_touch_users(cx),
    }
}

/// The access is to happen again, and with it the delivery of an event that it was part of.
fn resume_delivery(cx: &Context<'_>) {
    let info = Interruption::from_raw(cx.vmcs.read(EXIT_INTERRUPTION_INFO));
    violation::resume_delivery(cx, info.nmi_unblocking());
}

/// A page fault of the guest's own: for the program, if it asked for it, else for the guest.
fn guest_fault(cx: &mut Context<'_>, code: u32) -> Next {
    let trapped = cx.guest.traps.exceptions & 1 << vector::PAGE_FAULT != 0;
    if let Some(state) = &mut cx.guest.shadow {
        state.fault_code = code;
    }
    if !trapped {
        return deliver(cx);
    }
    cx.guest.pending = Pending::Other(basic::EXCEPTION_OR_NMI);
    let next = cx.report(basic::EXCEPTION_OR_NMI);
    cx.guest.report.interruption_error = code;
    next
}

/// Gives the guest the page fault that [`page_fault`] found to be its own.
pub(crate) fn deliver(cx: &mut Context<'_>) -> Next {
    let code = cx.guest.shadow.as_ref().map_or(0, |state| state.fault_code);
    // Whatever the instruction was granted, it did not come to its end.
    step::end(cx);
    cx.set_cr2(cx.vmcs.read(EXIT_QUALIFICATION));
    match event::raise_during_delivery(cx.vmcs, Exception::page_fault(code)) {
        Some(()) => {
            cx.count_injection();
            Next::Enter
        }
        None => cx.report(basic::TRIPLE_FAULT),
    }
}

/// Answers INVLPG.
pub(crate) fn invlpg(cx: &mut Context<'_>) -> Next {
    let address = Gva::new(cx.vmcs.read(EXIT_QUALIFICATION));
    with(cx, |shadow, ram, _| shadow.invlpg(address, ram));
    cx.skip()
}

/// Answers MOV to CR3.
pub(crate) fn write_cr3(cx: &mut Context<'_>, value: u64) -> Next {
    match load_cr3(cx, value) {
        Ok(()) => cx.skip(),
        Err(next) => next,
    }
}

/// Can CR3 have this value? Outside IA-32e mode it has 32 bits.
pub(crate) fn cr3_valid(cx: &Context<'_>, value: u64) -> bool {
    let bits = cx.vm.machine.capabilities.physical_bits;
    cx.efer() & efer::LMA == 0 || value.checked_shr(bits).unwrap_or(0) == 0
}

/// Loads CR3 as MOV does, or says what must come first, or instead.
pub(crate) fn load_cr3(cx: &mut Context<'_>, value: u64) -> Result<(), Next> {
    if !cr3_valid(cx, value) {
        return Err(cx.inject(Exception::GENERAL_PROTECTION));
    }
    read_pdptes(cx, paging::current(cx).mode, value)?;
    if let Some(state) = &mut cx.guest.shadow {
        state.cr3 = value;
        state.paging.cr3 = value;
    }
    // The root is made at once where there are pages for it, else before the next VM entry.
    let paging = paging::current(cx);
    let root = with(cx, |shadow, ram, stock| {
        shadow.load_cr3(ram);
        root_and_flush(shadow, &paging, ram, stock)
    });
    if let Some(Ok((root, flush))) = root {
        use_root(cx, root, flush);
    }
    Ok(())
}

/// Reads what a load of CR3 reads with PAE paging; #GP(0) if it cannot be in the CPU.
pub(crate) fn read_pdptes(cx: &mut Context<'_>, mode: Mode, cr3: u64) -> Result<(), Next> {
    if mode != Mode::Pae || take_pdptes(cx, cr3)? {
        return Ok(());
    }
    Err(cx.inject(Exception::GENERAL_PROTECTION))
}

/// Takes over the four entries that a load of CR3 reads, unless they cannot be in the CPU. Returns
/// whether it did.
fn take_pdptes(cx: &mut Context<'_>, cr3: u64) -> Result<bool, Next> {
    let mut pdptes = [0; 4];
    for (pdpte, gpa) in pdptes.iter_mut().zip(guest_walk::pdptes_at(cr3)) {
        let entry = cx.vm.memory.lock().ram().read(gpa);
        *pdpte = entry.ok_or_else(|| linear::absent(cx, gpa, Access::default()))?;
    }
    let valid = guest_walk::pdptes_valid(&pdptes, cx.vm.machine.capabilities.physical_bits);
    if let Some(state) = cx.guest.shadow.as_mut().filter(|_| valid) {
        state.paging.pdptes = Some(pdptes);
    }
    Ok(valid)
}

/// The guest changed bits of CR0, CR4 or IA32_EFER that paging depends on.
pub(crate) fn change_mode(cx: &mut Context<'_>) {
    with(cx, |shadow, ram, _| shadow.change_mode(ram));
}

/// The program changed the guest's registers: its tables may be other ones.
pub(crate) fn reset(cx: &mut Context<'_>, cr3: u64) {
    step::end(cx);
    if let Some(state) = &mut cx.guest.shadow {
        state.cr3 = cr3;
        state.unchecked = true;
    }
    with(cx, |shadow, _, _| shadow.drop_all());
}

/// To be called before a VM entry: gives the CPU a root, and makes it forget what has changed.
#[inline]
pub(crate) fn prepare(cx: &mut Context<'_>) -> Result<(), Next> {
    match &cx.guest.shadow {
        Some(state) if state.changed => renew(cx),
        _ => Ok(()),
    }
}

fn renew(cx: &mut Context<'_>) -> Result<(), Next> {
    if cx
        .guest
        .shadow
        .as_ref()
        .is_some_and(|state| state.unchecked)
    {
        check_state(cx)?;
    }
    let paging = paging::current(cx);
    let renewed = with(cx, |shadow, ram, stock| {
        root_and_flush(shadow, &paging, ram, stock)
    });
    let Some(Ok((root, flush))) = renewed else {
        // More pages for tables come with the next burst.
        return Err(Next::Pause);
    };
    use_root(cx, root, flush);
    Ok(())
}

/// What [`use_root`] wants to know: a root, if there was none, and whether translations have changed.
#[inline]
fn root_and_flush(
    shadow: &mut Shadow<KernelPage>,
    paging: &Paging,
    ram: &Ram<'_>,
    stock: &mut Stock,
) -> Result<(Option<Hpa>, bool), OutOfPages> {
    let root = match shadow.has_root() {
        true => None,
        false => Some(shadow.make_root(paging, ram, &mut || stock.take())?),
    };
    Ok((root, shadow.take_flush()))
}

/// Tells the CPU of the root, if it is another, and that translations have changed, if they have.
fn use_root(cx: &mut Context<'_>, root: Option<Hpa>, flush: bool) {
    if let Some(root) = root {
        cx.vmcs.write(GUEST_CR3, root.get());
    }
    if flush {
        cx.flush_guest_tlb();
    }
    if let Some(state) = &mut cx.guest.shadow {
        state.changed = state.unchecked;
    }
}

/// Exit qualification of a VM entry that failed for the PDPTEs.
const PDPTES: u64 = 2;

/// Looks at what the program set: refuses what shadow paging cannot do and what no CPU can be in, as a
/// VM entry with EPT would.
fn check_state(cx: &mut Context<'_>) -> Result<(), Next> {
    check_mode(cx)?;
    paging::update(cx);
    let paging = paging::current(cx);
    if paging.mode == Mode::Pae && !take_pdptes(cx, paging.cr3)? {
        let cause = describe_entry_failure(basic::INVALID_GUEST_STATE, PDPTES);
        return Err(cx.invalid_state(PDPTES, cause));
    }
    if let Some(state) = &mut cx.guest.shadow {
        state.unchecked = false;
    }
    Ok(())
}

fn check_mode(cx: &mut Context<'_>) -> Result<(), Next> {
    let (cr0, cr4, efer) = (cx.cr0(), cx.cr4(), cx.efer());
    if cr0 & cr0::PE == 0 {
        return Err(cx.internal_error(
            "real mode needs EPT and the unrestricted guest: with shadow paging CR0.PE must be 1",
        ));
    }
    if efer::fits(efer, cr0, cr4) {
        return Ok(());
    }
    Err(cx.invalid_state(
        0,
        "invalid guest state: CR0.PG, CR4.PAE, IA32_EFER.LME and LMA",
    ))
}
