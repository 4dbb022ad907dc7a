// SPDX-License-Identifier: GPL-2.0

//! A vCPU's file: registers, and running.

use std::{
    fs::File,
    sync::Arc,
    time::Duration, //
};

use crate::{
    answer::Answer,
    errno::Errno,
    error::{
        Error,
        Result, //
    },
    exit::Exit,
    exit_information::ExitInformation,
    field::Field,
    fpu::Fpu,
    ioctl::{
        self,
        Argument,
        Call, //
    },
    kicker::Kicker,
    run_page::{
        ImmediateExit,
        RunPage, //
    },
    translation::{
        Question,
        Translation, //
    },
    traps::Traps,
    uapi,
    violation::Violation,
    windows::Windows, //
};

/// A virtual CPU.
#[derive(Debug)]
pub struct Vcpu {
    page: RunPage,
    file: Arc<File>,
}

impl Vcpu {
    pub(crate) fn new(file: File) -> Result<Self> {
        let page = RunPage::map(&file)?;
        Ok(Self {
            page,
            file: Arc::new(file),
        })
    }

    /// Runs the guest until something needs the program.
    ///
    /// # Errors
    ///
    /// EINTR for a signal or [`ImmediateExit`], see [`Error::is_interrupted`]: no exit is reported,
    /// and calling again goes on. EBUSY while VMX is held by a program that the driver cannot share
    /// it with, EINVAL for an event or an answer that cannot be, EOPNOTSUPP for an NMI that this
    /// CPU cannot deliver, EIO, ENOMEM.
    // Inlined with what it calls, so that a program pays for what it looks at.
    #[inline]
    pub fn run(&mut self) -> Result<Exit<'_>> {
        ioctl::RUN.without(&self.file)?;
        Ok(self.exit())
    }

    /// The exit that was reported last, once more.
    #[inline]
    pub fn exit(&mut self) -> Exit<'_> {
        self.page.exit()
    }

    /// The exit that was reported last, as the CPU reports it.
    pub fn exit_information(&self) -> ExitInformation {
        self.page.information()
    }

    /// Says what becomes of the exit that was reported last.
    pub fn set_answer(&mut self, answer: Answer) {
        self.page.set_answer(answer);
    }

    /// A handle that makes [`Self::run`] return.
    pub fn immediate_exit(&self) -> ImmediateExit {
        self.page.immediate_exit()
    }

    /// A handle by which other threads make [`Self::run`] return.
    pub fn kicker(&self) -> Kicker {
        Kicker(Arc::clone(&self.file))
    }

    /// Lets [`Self::run`] wait at HLT for as long as no event is there for the guest, if it has
    /// interrupts on; else HLT is an exit.
    pub fn set_waits(&mut self, waits: bool) {
        self.page.set_flag(uapi::MINIVMX_RUN_WAIT, waits);
    }

    /// Lets [`Self::run`] end with [`Exit::Deadline`] at this time of CLOCK_MONOTONIC, until it is
    /// set to another one, or to none.
    pub fn set_deadline(&mut self, deadline: Option<Duration>) {
        let nanoseconds = deadline.map_or(0, |time| time.as_nanos());
        self.page
            .set_deadline(u64::try_from(nanoseconds).unwrap_or(u64::MAX));
        self.page
            .set_flag(uapi::MINIVMX_RUN_DEADLINE, deadline.is_some());
    }

    /// The general registers.
    pub fn regs(&self) -> &uapi::minivmx_regs {
        self.page.regs()
    }

    /// The general registers, to be changed: what is here is what the guest goes on with.
    pub fn regs_mut(&mut self) -> &mut uapi::minivmx_regs {
        self.page.regs_mut()
    }

    /// The event that waits for delivery; its `info` is 0 if there is none.
    pub fn event(&self) -> &uapi::minivmx_event {
        self.page.event()
    }

    /// The same, to be changed: what is here is what the guest gets before its next instruction.
    pub fn event_mut(&mut self) -> &mut uapi::minivmx_event {
        self.page.event_mut()
    }

    /// Asks for an end of [`Self::run`] as soon as the guest can take one of these, with
    /// [`Reason::INTERRUPT_WINDOW`](crate::Reason::INTERRUPT_WINDOW) or
    /// [`Reason::NMI_WINDOW`](crate::Reason::NMI_WINDOW).
    pub fn set_windows(&mut self, windows: Windows) {
        self.page.set_windows(windows.bits());
    }

    /// What the guest can take where it is now: such an event can be left in [`Self::event_mut`].
    pub fn ready(&self) -> Windows {
        Windows::from(self.page.ready())
    }

    /// Reads the system registers.
    ///
    /// # Errors
    ///
    /// EIO.
    pub fn sregs(&self) -> Result<uapi::minivmx_sregs> {
        let mut sregs = uapi::minivmx_sregs::sized();
        ioctl::GET_SREGS.with(&self.file, &mut sregs)?;
        Ok(sregs)
    }

    /// Writes the system registers. Start from what [`Self::sregs`] returns: its `flags` say that
    /// it is the same guest, for which the exit and the event that wait stay; 0 there makes another
    /// guest.
    ///
    /// # Errors
    ///
    /// EINVAL for bits that the guest cannot set, EIO. Nothing is changed then.
    pub fn set_sregs(&self, sregs: &uapi::minivmx_sregs) -> Result<()> {
        let mut sregs = uapi::minivmx_sregs {
            size: uapi::minivmx_sregs::sized().size,
            ..*sregs
        };
        ioctl::SET_SREGS.with(&self.file, &mut sregs).map(drop)
    }

    /// Reads the x87, SSE and AVX registers.
    ///
    /// # Errors
    ///
    /// EBUSY while the vCPU runs.
    pub fn fpu(&self) -> Result<Fpu> {
        let mut fpu = uapi::minivmx_fpu::sized();
        ioctl::GET_FPU.with(&self.file, &mut fpu)?;
        Ok(Fpu(fpu.area))
    }

    /// Writes the x87, SSE and AVX registers.
    ///
    /// # Errors
    ///
    /// EINVAL for what XRSTOR would not load. Nothing is changed then.
    pub fn set_fpu(&self, fpu: &Fpu) -> Result<()> {
        let mut fpu = uapi::minivmx_fpu {
            area: fpu.0,
            ..Argument::sized()
        };
        ioctl::SET_FPU.with(&self.file, &mut fpu).map(drop)
    }

    /// Reads MSRs: their `index` says which, their `value` is written.
    ///
    /// # Errors
    ///
    /// [`Error::Msr`] with ENOENT for one that the driver does not keep; E2BIG, EIO.
    pub fn msrs(&self, msrs: &mut [uapi::minivmx_msr]) -> Result<()> {
        self.msr_call(ioctl::GET_MSRS, msrs)
    }

    /// Writes MSRs, up to the first that is refused.
    ///
    /// # Errors
    ///
    /// [`Error::Msr`] with ENOENT for one that the driver does not keep, with EINVAL for a value
    /// that WRMSR would refuse; E2BIG, EIO.
    pub fn set_msrs(&self, msrs: &[uapi::minivmx_msr]) -> Result<()> {
        self.msr_call(ioctl::SET_MSRS, &mut msrs.to_vec())
    }

    fn msr_call(&self, call: Call, msrs: &mut [uapi::minivmx_msr]) -> Result<()> {
        let mut argument = uapi::minivmx_msrs {
            count: count(call, msrs.len())?,
            entries: msrs.as_mut_ptr().addr() as u64,
            ..Argument::sized()
        };
        let done = call.with(&self.file, &mut argument);
        let refused = msrs.get(argument.out_done as usize);
        done.map(drop).map_err(|error| match (error, refused) {
            (Error::Call { call, errno }, Some(msr)) if names_an_msr(errno) => Error::Msr {
                call,
                index: msr.index,
                errno,
            },
            (error, _) => error,
        })
    }

    /// Says what CPUID answers.
    ///
    /// # Errors
    ///
    /// E2BIG for more entries than the driver takes, EINVAL, ENOMEM.
    pub fn set_cpuid(&self, entries: &[uapi::minivmx_cpuid_entry]) -> Result<()> {
        let mut argument = uapi::minivmx_cpuid {
            count: count(ioctl::SET_CPUID, entries.len())?,
            entries: entries.as_ptr().addr() as u64,
            ..Argument::sized()
        };
        ioctl::SET_CPUID.with(&self.file, &mut argument).map(drop)
    }

    /// Chooses exits to see that the driver could answer.
    ///
    /// # Errors
    ///
    /// EOPNOTSUPP for an exit that is not among [`Info::traps`](crate::Info::traps), EIO.
    pub fn set_traps(&self, traps: Traps) -> Result<()> {
        let mut argument = uapi::minivmx_traps {
            exceptions: traps.exceptions,
            exits: traps.exits,
            ..Argument::sized()
        };
        ioctl::SET_TRAPS.with(&self.file, &mut argument).map(drop)
    }

    /// Shows how an address of the guest is translated, as a CPU would do it now that remembers
    /// nothing. Nothing comes of it.
    ///
    /// # Errors
    ///
    /// EBUSY while the vCPU runs, EIO, ENOMEM.
    pub fn translate(&self, question: &Question) -> Result<Translation> {
        let mut entries = [uapi::minivmx_pte::default(); uapi::MINIVMX_MAX_REFERENCES as usize];
        let mut argument = uapi::minivmx_translate {
            size: uapi::minivmx_translate::sized().size,
            count: uapi::MINIVMX_MAX_REFERENCES,
            references: entries.as_mut_ptr().expose_provenance() as u64,
            ..question.argument()
        };
        ioctl::TRANSLATE.with(&self.file, &mut argument)?;
        let met = entries.get(..argument.out_count as usize);
        Ok(Translation::new(&argument, met.unwrap_or(&entries)))
    }

    /// Reads a field of the VMCS, such as [`Field::GUEST_RIP`].
    ///
    /// # Errors
    ///
    /// ENOENT if this CPU has no such field, EPERM for one that holds an address of the host and
    /// a caller who is not the administrator, EIO.
    pub fn vmread(&self, field: impl Into<Field>) -> Result<u64> {
        let mut field = uapi::minivmx_vmcs_field {
            encoding: field.into().0,
            ..Argument::sized()
        };
        ioctl::VMREAD.with(&self.file, &mut field)?;
        Ok(field.value)
    }

    /// Writes a guest-state field of the VMCS.
    ///
    /// # Errors
    ///
    /// EPERM for a field that is not the guest's, or that the driver keeps itself, ENOENT if this
    /// CPU has no such field, EINVAL, EIO.
    pub fn vmwrite(&self, field: impl Into<Field>, value: u64) -> Result<()> {
        let mut field = uapi::minivmx_vmcs_field {
            encoding: field.into().0,
            value,
            ..Argument::sized()
        };
        ioctl::VMWRITE.with(&self.file, &mut field).map(drop)
    }

    /// The rule that the VM entry broke which was reported as failed last, if it is known.
    pub fn violation(&self) -> Option<Violation> {
        Violation::new(self.page.violation())
    }

    /// What the next VM entry would fail for, without entering the guest.
    ///
    /// # Errors
    ///
    /// EINVAL and EOPNOTSUPP for an event as for [`Self::run`], EIO, ENOMEM.
    pub fn check(&self) -> Result<Option<Violation>> {
        let mut check: uapi::minivmx_check = Argument::sized();
        ioctl::CHECK.with(&self.file, &mut check)?;
        Ok(Violation::new(&check.out_violation))
    }
}

/// ENOENT for an MSR that is not kept, EINVAL for a value that it cannot have; `out_done` says
/// which.
fn names_an_msr(errno: Errno) -> bool {
    matches!(errno.0, libc::ENOENT | libc::EINVAL)
}

fn count(call: Call, length: usize) -> Result<u32> {
    u32::try_from(length).map_err(|_| Error::Call {
        call: call.1,
        errno: Errno(libc::E2BIG),
    })
}
