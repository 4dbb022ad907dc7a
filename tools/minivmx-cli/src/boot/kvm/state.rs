// SPDX-License-Identifier: GPL-2.0

//! The state of a vCPU, of one of KVM, or given to it.

use anyhow::{
    ensure,
    Context,
    Result, //
};
use kvm_bindings::{
    kvm_debugregs,
    kvm_msr_entry,
    kvm_vcpu_events,
    kvm_xcrs,
    kvm_xsave,
    Msrs,
    KVM_VCPUEVENT_VALID_SHADOW,
    KVM_X86_SHADOW_INT_MOV_SS,
    KVM_X86_SHADOW_INT_STI, //
};
use kvm_ioctls::VcpuFd;
use minivmx::{
    Event,
    Fpu,
    Msr,
    Sregs,
    VcpuState, //
};

use crate::guest::{
    blocking,
    kvm, //
};

// SDM Vol. 3C, "VM-Entry Controls for Event Injection".
const INTERRUPT: u32 = 0;
const NMI: u32 = 2;
const EXCEPTION: u32 = 3;
const SOFTWARE: u32 = 4;
const HAS_ERROR_CODE: u32 = 1 << 11;
const VALID: u32 = 1 << 31;

/// All of it.
pub fn get(vcpu: &VcpuFd) -> Result<VcpuState> {
    let (event, interruptibility) = waiting(&vcpu.get_vcpu_events()?);
    let debug = vcpu.get_debug_regs()?;
    let [dr0, dr1, dr2, dr3] = debug.db;
    Ok(VcpuState {
        sregs: Sregs {
            xcr0: vcpu.get_xcrs()?.xcrs[0].value,
            dr: [dr0, dr1, dr2, dr3, debug.dr6, debug.dr7],
            interruptibility,
            ..kvm::sregs_of(&vcpu.get_sregs()?)
        },
        regs: kvm::regs_of(&vcpu.get_regs()?),
        event,
        msrs: get_msrs(vcpu)?,
        fpu: get_fpu(vcpu)?,
    })
}

fn get_msrs(vcpu: &VcpuFd) -> Result<Vec<Msr>> {
    let entries = VcpuState::MSRS.map(|index| kvm_msr_entry {
        index,
        ..Default::default()
    });
    let mut msrs = Msrs::from_entries(&entries).ok().context("a few MSRs")?;
    let read = vcpu.get_msrs(&mut msrs).context("KVM_GET_MSRS")?;
    ensure!(read == entries.len(), "KVM does not have all MSRs");
    let values = msrs.as_slice().iter().map(|entry| Msr {
        index: entry.index,
        value: entry.data,
        ..Default::default()
    });
    Ok(values.collect())
}

fn get_fpu(vcpu: &VcpuFd) -> Result<Fpu> {
    let xsave = vcpu.get_xsave().context("KVM_GET_XSAVE")?;
    let words = xsave.region.chunks_exact(2);
    let words = words.map(|halves| (u64::from(halves[1]) << 32) | u64::from(halves[0]));
    let words: Vec<_> = words.take(Fpu::WORDS).collect();
    Fpu::try_from(words).map_err(anyhow::Error::msg)
}

/// What waits for delivery, and what is blocked, as the run page and [`Sregs`] have it.
fn waiting(events: &kvm_vcpu_events) -> (Event, u32) {
    let shadow = u32::from(events.interrupt.shadow);
    let blocked = |by: u32, bit| if shadow & by != 0 { bit } else { 0 };
    let interruptibility = blocked(KVM_X86_SHADOW_INT_STI, blocking::BY_STI)
        | blocked(KVM_X86_SHADOW_INT_MOV_SS, blocking::BY_MOV_SS)
        | (u32::from(events.nmi.masked != 0) * blocking::BY_NMI);
    let info = |kind: u32, vector: u8| VALID | (kind << 8) | u32::from(vector);
    let event = match events {
        _ if events.exception.injected != 0 => Event {
            info: info(EXCEPTION, events.exception.nr)
                | (u32::from(events.exception.has_error_code != 0) * HAS_ERROR_CODE),
            error: events.exception.error_code,
            ..Default::default()
        },
        _ if events.nmi.injected != 0 => Event {
            info: info(NMI, 2),
            ..Default::default()
        },
        _ if events.interrupt.injected != 0 => Event::interrupt(events.interrupt.nr),
        _ => Event::default(),
    };
    (event, interruptibility)
}

/// All but the system registers.
pub fn set(vcpu: &VcpuFd, state: &VcpuState) -> Result<()> {
    ensure!(
        state.sregs.pending_debug == 0 && state.sregs.activity == 0,
        "KVM takes no guest that waits in HLT or for a debug trap"
    );
    vcpu.set_regs(&kvm::regs(&state.regs))
        .context("KVM_SET_REGS")?;
    set_xcr0(vcpu, state.sregs.xcr0)?;
    set_fpu(vcpu, &state.fpu)?;
    set_msrs(vcpu, &state.msrs)?;
    vcpu.set_debug_regs(&debug_registers(&state.sregs))
        .context("KVM_SET_DEBUGREGS")?;
    vcpu.set_vcpu_events(&events(&state.event, state.sregs.interruptibility))
        .context("KVM_SET_VCPU_EVENTS")
}

fn set_xcr0(vcpu: &VcpuFd, value: u64) -> Result<()> {
    let mut xcrs = kvm_xcrs {
        nr_xcrs: 1,
        ..Default::default()
    };
    xcrs.xcrs[0].value = value;
    vcpu.set_xcrs(&xcrs).context("KVM_SET_XCRS")
}

/// In the same form.
fn set_fpu(vcpu: &VcpuFd, fpu: &Fpu) -> Result<()> {
    let mut xsave = kvm_xsave::default();
    for (halves, word) in xsave.region.chunks_exact_mut(2).zip(&fpu.0) {
        // CAST: A half each.
        (halves[0], halves[1]) = (*word as u32, (*word >> 32) as u32);
    }
    // SAFETY: A guest without components that are enabled by arch_prctl() has no more than this.
    unsafe { vcpu.set_xsave(&xsave) }.context("KVM_SET_XSAVE")
}

fn set_msrs(vcpu: &VcpuFd, msrs: &[Msr]) -> Result<()> {
    let entries: Vec<_> = msrs.iter().map(entry).collect();
    let msrs = Msrs::from_entries(&entries).ok().context("a few MSRs")?;
    let written = vcpu.set_msrs(&msrs).context("KVM_SET_MSRS")?;
    match entries.get(written) {
        None => Ok(()),
        Some(refused) => anyhow::bail!("KVM refuses MSR {:#x}", refused.index),
    }
}

fn entry(msr: &Msr) -> kvm_msr_entry {
    kvm_msr_entry {
        index: msr.index,
        data: msr.value,
        ..Default::default()
    }
}

fn debug_registers(sregs: &Sregs) -> kvm_debugregs {
    let [db @ .., dr6, dr7] = sregs.dr;
    kvm_debugregs {
        db,
        dr6,
        dr7,
        ..Default::default()
    }
}

/// What waits for delivery, and what is blocked.
fn events(event: &Event, interruptibility: u32) -> kvm_vcpu_events {
    let blocked = |bit, by: u32| if interruptibility & bit != 0 { by } else { 0 };
    let mut events = kvm_vcpu_events {
        flags: KVM_VCPUEVENT_VALID_SHADOW,
        ..Default::default()
    };
    // CAST: Of two bits.
    events.interrupt.shadow = (blocked(blocking::BY_STI, KVM_X86_SHADOW_INT_STI)
        | blocked(blocking::BY_MOV_SS, KVM_X86_SHADOW_INT_MOV_SS))
        as u8;
    events.nmi.masked = u8::from(interruptibility & blocking::BY_NMI != 0);
    if event.is_some() {
        inject(&mut events, event);
    }
    events
}

/// By its kind (SDM Vol. 3C, "VM-Entry Controls for Event Injection").
fn inject(events: &mut kvm_vcpu_events, event: &Event) {
    // CAST: The vector is in the lowest byte.
    let vector = event.info as u8;
    match (event.info >> 8) & 7 {
        INTERRUPT => (events.interrupt.injected, events.interrupt.nr) = (1, vector),
        NMI => events.nmi.injected = 1,
        SOFTWARE => {
            events.interrupt.soft = 1;
            (events.interrupt.injected, events.interrupt.nr) = (1, vector);
        }
        _ => {
            (events.exception.injected, events.exception.nr) = (1, vector);
            events.exception.has_error_code = u8::from(event.info & HAS_ERROR_CODE != 0);
            events.exception.error_code = event.error;
        }
    }
}
