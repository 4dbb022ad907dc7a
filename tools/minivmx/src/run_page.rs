// SPDX-License-Identifier: GPL-2.0

//! The page that program and driver share for a vCPU.

use std::{
    fs::File,
    sync::{
        atomic::{
            AtomicU32,
            Ordering, //
        },
        Arc, //
    },
};

use crate::{
    answer::Answer,
    error::Result,
    exit::{
        Exit,
        Payload, //
    },
    exit_information::ExitInformation,
    mapping::Mapping,
    uapi::{
        minivmx_event,
        minivmx_regs,
        minivmx_run,
        minivmx_violation,
        MINIVMX_RUN_SIZE, //
    },
};

const _: () = assert!(size_of::<minivmx_run>() <= MINIVMX_RUN_SIZE as usize);

/// The mapped run page.
///
/// Only `immediate_exit` is touched through shared references, as an atomic;
/// all other members need `&mut self`. The driver writes during
/// `MINIVMX_RUN` only, which needs `&mut` of the vCPU. So no reference made
/// here covers the whole structure, and none lives while the driver writes.
#[derive(Debug)]
pub(crate) struct RunPage(Arc<Mapping>);

impl RunPage {
    pub(crate) fn map(vcpu: &File) -> Result<Self> {
        Mapping::new(vcpu, 0, MINIVMX_RUN_SIZE.into()).map(|mapping| Self(Arc::new(mapping)))
    }

    #[inline]
    fn run(&self) -> *mut minivmx_run {
        self.0.as_ptr().cast()
    }

    pub(crate) fn regs(&self) -> &minivmx_regs {
        // SAFETY: See the type: the mapping is large enough and page-aligned, every bit pattern
        // is valid, and nobody writes as long as `self` is borrowed.
        unsafe { &(*self.run()).regs }
    }

    pub(crate) fn regs_mut(&mut self) -> &mut minivmx_regs {
        // SAFETY: As in `regs()`; `&mut self` makes the reference unique.
        unsafe { &mut (*self.run()).regs }
    }

    pub(crate) fn event(&self) -> &minivmx_event {
        // SAFETY: As in `regs()`.
        unsafe { &(*self.run()).event }
    }

    pub(crate) fn event_mut(&mut self) -> &mut minivmx_event {
        // SAFETY: As in `regs_mut()`.
        unsafe { &mut (*self.run()).event }
    }

    #[inline]
    pub(crate) fn set_windows(&mut self, windows: u32) {
        // SAFETY: As in `regs_mut()`.
        unsafe { (*self.run()).windows = windows };
    }

    /// Sets one of the flags, or clears it.
    #[inline]
    pub(crate) fn set_flag(&mut self, flag: u32, set: bool) {
        // SAFETY: As in `regs_mut()`.
        let flags = unsafe { &mut (*self.run()).flags };
        match set {
            true => *flags |= flag,
            false => *flags &= !flag,
        }
    }

    #[inline]
    pub(crate) fn set_deadline(&mut self, nanoseconds: u64) {
        // SAFETY: As in `regs_mut()`.
        unsafe { (*self.run()).deadline = nanoseconds };
    }

    #[inline]
    pub(crate) fn ready(&self) -> u32 {
        // SAFETY: As in `regs()`.
        unsafe { (*self.run()).ready }
    }

    pub(crate) fn violation(&self) -> &minivmx_violation {
        // SAFETY: As in `regs()`.
        unsafe { &(*self.run()).violation }
    }

    pub(crate) fn set_answer(&mut self, answer: Answer) {
        // SAFETY: As in `regs_mut()`.
        unsafe { (*self.run()).answer = answer.number() };
    }

    #[inline(always)]
    pub(crate) fn information(&self) -> ExitInformation {
        let run = self.run();
        // SAFETY: As in `regs()`, member by member.
        unsafe {
            ExitInformation {
                reason: (*run).reason,
                entry_failure: (*run).entry_failure != 0,
                qualification: (*run).qualification,
                linear_address: (*run).linear_address,
                physical_address: (*run).physical_address,
                instruction_length: (*run).instruction_length,
                instruction_info: (*run).instruction_info,
                interruption_info: (*run).interruption_info,
                interruption_error: (*run).interruption_error,
                vectoring_info: (*run).vectoring_info,
                vectoring_error: (*run).vectoring_error,
            }
        }
    }

    #[inline(always)]
    pub(crate) fn exit(&mut self) -> Exit<'_> {
        let information = self.information();
        let run = self.run();
        // SAFETY: As in `regs_mut()`; the members do not overlap.
        let payload = unsafe {
            Payload {
                regs: &mut (*run).regs,
                io: &mut (*run).io,
                msr: &mut (*run).msr,
                memory: &(*run).memory,
                cause: &(*run).cause,
            }
        };
        Exit::decode(&information, payload)
    }

    pub(crate) fn immediate_exit(&self) -> ImmediateExit {
        ImmediateExit(Arc::clone(&self.0))
    }
}

/// Makes [`Vcpu::run`](crate::Vcpu::run) return, from another thread or from a
/// signal handler.
///
/// It is looked at before the guest is entered; a guest that is running
/// already stops for a signal to the thread that runs it. So request it first,
/// in the handler of the signal or before the signal is sent. A thread that needs
/// no signal has a [`Kicker`](crate::Kicker).
#[derive(Clone, Debug)]
pub struct ImmediateExit(Arc<Mapping>);

impl ImmediateExit {
    /// Asks for it, until [`clear`](Self::clear) is called.
    pub fn request(&self) {
        self.flag().store(1, Ordering::Release);
    }

    /// Takes the request back.
    pub fn clear(&self) {
        self.flag().store(0, Ordering::Release);
    }

    fn flag(&self) -> &AtomicU32 {
        let run: *mut minivmx_run = self.0.as_ptr().cast();
        // SAFETY: The mapping lives as long as `self`; this member is accessed atomically only.
        unsafe { AtomicU32::from_ptr(&raw mut (*run).immediate_exit) }
    }
}
