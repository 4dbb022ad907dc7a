// SPDX-License-Identifier: GPL-2.0

//! What this CPU's VMX can do for the driver, found out once.

use super::{
    controls::{
        Allowed,
        Controls,
        Entry,
        Exit,
        PinBased,
        Primary,
        Secondary, //
    },
    insn::Extent,
    processor::{
        Basic,
        Processor, //
    }, //
};
use crate::support::{
    cpu::{
        self,
        Feature, //
    },
    msr::Msr,
    sampling,
    uapi::cap, //
};
use kernel::{
    bitfield,
    prelude::*, //
};

/// IA32_FEATURE_CONTROL.
const FEATURE_CONTROL: Msr = Msr(0x3a);

bitfield! {
    /// IA32_FEATURE_CONTROL (SDM Vol. 3D, "Enabling and Entering VMX Operation").
    struct FeatureControl(u64) {
        2:2 vmx_outside_smx => bool;
        0:0 locked => bool;
    }
}

/// What this CPU's VMX can do.
#[derive(Clone, Copy)]
pub(crate) struct Capabilities {
    /// As the CPU says it.
    pub(crate) processor: Processor,
    /// Does the host have samples taken by the CPU (PEBS)?
    pub(crate) has_sampling: bool,
    /// Does VMXON stop Intel PT, and VMX operation keep it from starting again?
    pub(crate) vmxon_stops_trace: bool,
}

/// What an EPT guest needs of [`cap`].
const EPT_NEEDS: [(u32, &str); 4] = [
    (cap::MINIVMX_CAP_EPT, "extended page tables (EPT)"),
    (
        cap::MINIVMX_CAP_UNRESTRICTED_GUEST,
        "the unrestricted guest",
    ),
    (cap::MINIVMX_CAP_LOAD_EFER, "VM entries that load IA32_EFER"),
    (
        cap::MINIVMX_CAP_TRUE_CONTROLS,
        "controls that leave CR3 to the guest",
    ),
];

/// What shadow paging needs, whatever the policy.
const SHADOW_NEEDS: Primary = required::SHADOW.with(Primary::INVLPG_EXITING);

/// How an instruction of the guest is carried out by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stepper {
    /// The monitor trap flag.
    MonitorTrapFlag,
    /// NMI-window exiting.
    NmiWindow,
}

impl Capabilities {
    /// Finds out whether the driver can work on this machine at all, and what its VMX can do.
    ///
    /// # Errors
    ///
    /// `EOPNOTSUPP`, after one sentence in the log that says what is missing.
    pub(crate) fn detect() -> Result<Self> {
        check_vmx()?;
        check_feature_control()?;
        if cpu::has(Feature::Fred) {
            pr_err!("the kernel uses FRED, which this driver cannot restore after a VM exit: boot with fred=off\n");
            return Err(EOPNOTSUPP);
        }
        let capabilities = Self::read()?;
        capabilities.check_required()?;
        Ok(capabilities)
    }

    fn read() -> Result<Self> {
        let processor = Processor::read()?;
        check_string_io(processor.basic)?;
        Ok(Self {
            processor,
            has_sampling: sampling::is_present(),
            vmxon_stops_trace: has_trace() && !processor.misc.trace_in_vmx(),
        })
    }

    /// VMCS revision identifier.
    pub(crate) fn revision(&self) -> u32 {
        // CAST: The field has 31 bits.
        self.processor.basic.revision().get() as u32
    }

    /// Checks the controls without which there is no guest at all, whatever its memory.
    fn check_required(&self) -> Result {
        require(self.processor.pin_based, required::PIN_BASED)?;
        require(self.processor.primary, required::PRIMARY)?;
        require(self.processor.exit, required::EXIT)?;
        require(self.processor.entry, required::ENTRY)
    }

    /// The capabilities by the names of the interface.
    pub(crate) fn mask(&self) -> u64 {
        let ept = self.processor.ept_vpid;
        let has_ept = self.processor.secondary.allows(Secondary::ENABLE_EPT)
            && ept.four_levels()
            && ept.write_back()
            && self.ept_extent().is_some();
        let has_vpid = self.processor.secondary.allows(Secondary::ENABLE_VPID);
        [
            (cap::MINIVMX_CAP_EPT, has_ept),
            (cap::MINIVMX_CAP_EPT_AD, has_ept && ept.accessed_dirty()),
            (
                cap::MINIVMX_CAP_EPT_EXEC_ONLY,
                has_ept && ept.execute_only(),
            ),
            (cap::MINIVMX_CAP_EPT_2M, has_ept && ept.page_2m()),
            (cap::MINIVMX_CAP_EPT_1G, has_ept && ept.page_1g()),
            (
                cap::MINIVMX_CAP_INVEPT_SINGLE,
                has_ept && ept.invept_single(),
            ),
            (cap::MINIVMX_CAP_INVEPT_GLOBAL, has_ept && ept.invept_all()),
            (cap::MINIVMX_CAP_VPID, has_vpid),
            (
                cap::MINIVMX_CAP_INVVPID_SINGLE,
                has_vpid && ept.invvpid_single(),
            ),
            (cap::MINIVMX_CAP_INVVPID_ALL, has_vpid && ept.invvpid_all()),
            (
                cap::MINIVMX_CAP_UNRESTRICTED_GUEST,
                self.processor
                    .secondary
                    .allows(Secondary::UNRESTRICTED_GUEST),
            ),
            (
                cap::MINIVMX_CAP_MTF,
                self.processor.primary.allows(Primary::MONITOR_TRAP_FLAG),
            ),
            (
                cap::MINIVMX_CAP_PREEMPTION_TIMER,
                self.processor.pin_based.allows(PinBased::PREEMPTION_TIMER),
            ),
            (cap::MINIVMX_CAP_VIRTUAL_NMIS, self.has_virtual_nmis()),
            (
                cap::MINIVMX_CAP_MSR_BITMAPS,
                self.processor.primary.allows(Primary::USE_MSR_BITMAPS),
            ),
            (cap::MINIVMX_CAP_LOAD_EFER, self.switches_efer()),
            (cap::MINIVMX_CAP_LOAD_PAT, self.switches_pat()),
            (
                cap::MINIVMX_CAP_TRUE_CONTROLS,
                self.processor.basic.true_controls(),
            ),
            (cap::MINIVMX_CAP_XSAVE, cpu::has(Feature::Xsave)),
        ]
        .iter()
        .filter(|(_, present)| *present)
        .fold(0, |mask, (bit, _)| mask | u64::from(*bit))
    }

    /// What an EPT guest needs and this CPU lacks, by the names of the interface.
    pub(crate) fn missing_for_ept(&self) -> u64 {
        let present = self.mask();
        EPT_NEEDS
            .iter()
            .map(|(bit, _)| u64::from(*bit))
            .filter(|bit| present & bit == 0)
            .fold(0, |missing, bit| missing | bit)
    }

    /// `EOPNOTSUPP`, after one sentence in the log, if this CPU has not what an EPT guest needs.
    fn check_ept(&self) -> Result {
        let missing = self.missing_for_ept();
        let Some((_, name)) = EPT_NEEDS
            .iter()
            .find(|(bit, _)| missing & u64::from(*bit) != 0)
        else {
            return Ok(());
        };
        pr_err!("EPT guests need {name}, which this CPU's VMX does not have\n");
        Err(EOPNOTSUPP)
    }

    /// Can a guest have NMIs of its own, and the driver see when? Without, they would block those
    /// of the host.
    pub(crate) fn has_virtual_nmis(&self) -> bool {
        self.processor.pin_based.allows(PinBased::VIRTUAL_NMIS)
            && self.processor.primary.allows(Primary::NMI_WINDOW_EXITING)
    }

    /// How an instruction of the guest can be carried out by itself; [`None`] if it cannot.
    pub(crate) fn stepper(&self) -> Option<Stepper> {
        if self.processor.primary.allows(Primary::MONITOR_TRAP_FLAG) {
            Some(Stepper::MonitorTrapFlag)
        } else if self.has_virtual_nmis() {
            Some(Stepper::NmiWindow)
        } else {
            None
        }
    }

    /// Can there be guests with shadow paging, or with EPT?
    pub(crate) fn has_mmu(&self, shadow: bool) -> bool {
        if shadow {
            self.processor.primary.allows(SHADOW_NEEDS) && self.stepper().is_some()
        } else {
            self.missing_for_ept() == 0
        }
    }

    /// `EOPNOTSUPP`, after one sentence in the log, if there cannot.
    pub(crate) fn check_mmu(&self, shadow: bool) -> Result {
        if !shadow {
            return self.check_ept();
        }
        require(self.processor.primary, SHADOW_NEEDS)?;
        if self.stepper().is_none() {
            pr_err!("shadow paging needs the monitor trap flag or virtual NMIs, which this CPU's VMX does not have\n");
            return Err(EOPNOTSUPP);
        }
        Ok(())
    }

    /// Do VM entries and exits switch IA32_EFER?
    pub(crate) fn switches_efer(&self) -> bool {
        self.processor.entry.allows(Entry::LOAD_EFER)
            && self
                .processor
                .exit
                .allows(Exit::LOAD_EFER.with(Exit::SAVE_EFER))
    }

    /// Do VM entries and exits switch IA32_PAT?
    pub(crate) fn switches_pat(&self) -> bool {
        self.processor.entry.allows(Entry::LOAD_PAT)
            && self
                .processor
                .exit
                .allows(Exit::LOAD_PAT.with(Exit::SAVE_PAT))
    }

    /// Can VM entries and exits switch IA32_PERF_GLOBAL_CTRL?
    pub(crate) fn switches_perf_global_ctrl(&self) -> bool {
        self.processor.entry.allows(Entry::LOAD_PERF_GLOBAL_CTRL)
            && self.processor.exit.allows(Exit::LOAD_PERF_GLOBAL_CTRL)
    }

    /// Can a VM entry deliver an event of an instruction that has no bytes any more?
    pub(crate) fn injects_without_bytes(&self) -> bool {
        self.processor.misc.injects_without_bytes()
    }

    /// Value of the VMX-preemption timer for so many ticks of the time-stamp counter, or for as
    /// many as it can count.
    pub(crate) fn preemption_timer(&self, ticks: u64) -> u32 {
        // CAST: The field has 5 bits.
        let value = ticks >> self.processor.misc.timer_rate().get() as u32;
        u32::try_from(value).unwrap_or(u32::MAX).max(1)
    }

    /// The least that INVEPT can drop; `None` if there is no INVEPT.
    pub(crate) fn ept_extent(&self) -> Option<Extent> {
        let ept = self.processor.ept_vpid;
        extent(ept.invept(), ept.invept_single(), ept.invept_all())
    }

    /// The least that INVVPID can drop; `None` if VPIDs cannot be used.
    pub(crate) fn vpid_extent(&self) -> Option<Extent> {
        let vpid = self.processor.ept_vpid;
        let usable = self.processor.secondary.allows(Secondary::ENABLE_VPID) && vpid.invvpid();
        extent(usable, vpid.invvpid_single(), vpid.invvpid_all())
    }
}

/// Controls without which this driver runs no guest.
pub(crate) mod required {
    use super::{
        Entry,
        Exit,
        PinBased,
        Primary, //
    };

    /// Interrupts and NMIs are the host's.
    pub(crate) const PIN_BASED: PinBased =
        PinBased::EXTERNAL_INTERRUPT_EXITING.with(PinBased::NMI_EXITING);

    /// What a guest must not do by itself.
    pub(crate) const PRIMARY: Primary = Primary::HLT_EXITING
        .with(Primary::UNCONDITIONAL_IO_EXITING)
        .with(Primary::USE_TSC_OFFSETTING)
        .with(Primary::MOV_DR_EXITING)
        .with(Primary::MWAIT_EXITING)
        .with(Primary::MONITOR_EXITING)
        .with(Primary::RDPMC_EXITING)
        .with(Primary::CR8_LOAD_EXITING)
        .with(Primary::CR8_STORE_EXITING);

    /// What guests with shadow paging must not do by themselves, either.
    pub(crate) const SHADOW: Primary = Primary::CR3_LOAD_EXITING.with(Primary::CR3_STORE_EXITING);

    /// The host is a 64-bit kernel.
    pub(crate) const EXIT: Exit = Exit::HOST_ADDRESS_SPACE_SIZE.with(Exit::SAVE_DEBUG_CONTROLS);

    /// The guest's DR7 and IA32_DEBUGCTL are its own.
    pub(crate) const ENTRY: Entry = Entry::LOAD_DEBUG_CONTROLS;
}

/// Is there Intel PT?
fn has_trace() -> bool {
    /// CPUID.7:EBX.
    const INTEL_PT: u32 = 1 << 25;
    cpu::cpuid(0, 0).eax >= 7 && cpu::cpuid(7, 0).ebx & INTEL_PT != 0
}

fn check_vmx() -> Result {
    if cpu::has_vmx() {
        return Ok(());
    }
    pr_err!("this CPU has no VMX (CPUID.1:ECX.VMX is 0)\n");
    Err(EOPNOTSUPP)
}

fn check_feature_control() -> Result {
    let control = FeatureControl::from_raw(FEATURE_CONTROL.try_read()?);
    if control.locked() && control.vmx_outside_smx() {
        return Ok(());
    }
    pr_err!(
        "the firmware turned VMX off (IA32_FEATURE_CONTROL is {:#x})\n",
        control.into_raw()
    );
    Err(EOPNOTSUPP)
}

fn check_string_io(basic: Basic) -> Result {
    if basic.string_io_information() {
        return Ok(());
    }
    pr_err!("this CPU's VMX does not say what INS and OUTS access (IA32_VMX_BASIC[54] is 0)\n");
    Err(EOPNOTSUPP)
}

fn require<C: Controls>(allowed: Allowed, required: C) -> Result {
    adjust(allowed, required, required).map(drop)
}

/// The controls to set, see [`Allowed::adjust`]; `EOPNOTSUPP`, after one sentence in the log, if
/// the CPU lacks a required one.
pub(super) fn adjust<C: Controls>(allowed: Allowed, required: C, optional: C) -> Result<C> {
    allowed.adjust(required, optional).map_err(|missing| {
        pr_err!(
            "this CPU's VMX lacks the control \"{}\"\n",
            missing.first_name()
        );
        EOPNOTSUPP
    })
}

fn extent(usable: bool, single: bool, all: bool) -> Option<Extent> {
    match (usable, single, all) {
        (true, true, _) => Some(Extent::Single),
        (true, false, true) => Some(Extent::All),
        _ => None,
    }
}
