// SPDX-License-Identifier: GPL-2.0

//! The page that a program and its vCPU share: `struct minivmx_run`.
//!
//! The program can write it at any time. So what it sets is read once, at the beginning of a run,
//! and what it answers to IN or RDMSR where that is finished; the driver works on the copy. What
//! the driver tells is written from a structure of its own.

mod member;

use super::windows::Windows;
use crate::{
    support::{
        page::KernelPage,
        uapi::{
            self,
            run_flags::{
                MINIVMX_RUN_DEADLINE,
                MINIVMX_RUN_WAIT, //
            }, //
        }, //
    },
    vmx::{
        entry::Registers,
        field::{
            GUEST_RFLAGS,
            GUEST_RIP,
            GUEST_RSP, //
        }, //
    },
    x86::event::{
        Interruption,
        Waiting, //
    }, //
};
use core::{
    ops::Range,
    sync::atomic::Ordering, //
};
use kernel::prelude::*;

/// The registers of a vCPU, as they travel through the page.
#[derive(Clone, Copy, Default)]
pub(crate) struct Frame {
    /// General registers, RSP among them.
    pub(crate) general: Registers,
    /// Instruction pointer.
    pub(crate) rip: u64,
    /// Flags.
    pub(crate) rflags: u64,
}

impl Frame {
    /// The value of a VMCS field that travels through the run page.
    pub(crate) fn field(mut self, encoding: u32) -> Option<u64> {
        self.field_mut(encoding).copied()
    }

    /// The same, to be changed.
    pub(crate) fn field_mut(&mut self, encoding: u32) -> Option<&mut u64> {
        const RIP: u32 = GUEST_RIP.encoding();
        const RSP: u32 = GUEST_RSP.encoding();
        const RFLAGS: u32 = GUEST_RFLAGS.encoding();
        match encoding {
            RIP => Some(&mut self.rip),
            RSP => self.general.0.get_mut(Registers::RSP),
            RFLAGS => Some(&mut self.rflags),
            _ => None,
        }
    }
}

impl From<Frame> for uapi::minivmx_regs {
    fn from(frame: Frame) -> Self {
        let [rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15] =
            frame.general.0;
        let (rip, rflags) = (frame.rip, frame.rflags);
        Self {
            rax,
            rcx,
            rdx,
            rbx,
            rsp,
            rbp,
            rsi,
            rdi,
            r8,
            r9,
            r10,
            r11,
            r12,
            r13,
            r14,
            r15,
            rip,
            rflags,
        }
    }
}

impl From<&uapi::minivmx_regs> for Frame {
    fn from(regs: &uapi::minivmx_regs) -> Self {
        Self {
            general: Registers([
                regs.rax, regs.rcx, regs.rdx, regs.rbx, regs.rsp, regs.rbp, regs.rsi, regs.rdi,
                regs.r8, regs.r9, regs.r10, regs.r11, regs.r12, regs.r13, regs.r14, regs.r15,
            ]),
            rip: regs.rip,
            rflags: regs.rflags,
        }
    }
}

/// What the program asks for besides registers and event.
pub(crate) struct Request {
    /// Return before the guest is entered.
    pub(crate) immediate_exit: bool,
    /// What becomes of the last exit, `enum minivmx_answer`.
    pub(crate) answer: u32,
    /// Return as soon as the guest can take one of these.
    pub(crate) windows: Windows,
    /// Do not return at HLT, but wait there.
    pub(crate) waits_at_hlt: bool,
    /// Return at this time of CLOCK_MONOTONIC, in nanoseconds.
    pub(crate) deadline: Option<u64>,
}

/// The page of one vCPU.
pub(crate) struct RunPage(KernelPage);

impl RunPage {
    /// Allocates the page.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self(KernelPage::new()?))
    }

    /// One more reference to the page, for a mapping.
    pub(crate) fn share(&self) -> KernelPage {
        self.0.share()
    }

    fn load(&self, index: usize) -> u64 {
        self.0.words()[index].load(Ordering::Relaxed)
    }

    fn store(&self, index: usize, value: u64) {
        self.0.words()[index].store(value, Ordering::Relaxed);
    }

    fn member(&self, index: usize) -> u32 {
        self.0.u32s()[index].load(Ordering::Relaxed)
    }

    fn set_member(&self, index: usize, value: u32) {
        self.0.u32s()[index].store(value, Ordering::Relaxed);
    }

    /// Reads the registers.
    pub(crate) fn frame(&self) -> Frame {
        let mut frame = Frame::default();
        self.read_frame(&mut frame);
        frame
    }

    /// Reads the registers into a frame that is there.
    #[inline]
    pub(crate) fn read_frame(&self, frame: &mut Frame) {
        for (index, register) in frame.general.0.iter_mut().enumerate() {
            *register = self.load(index);
        }
        frame.rip = self.load(member::RIP);
        frame.rflags = self.load(member::RFLAGS);
    }

    /// Writes the registers.
    #[inline]
    pub(crate) fn set_frame(&self, frame: &Frame) {
        for (index, register) in frame.general.0.iter().enumerate() {
            self.store(index, *register);
        }
        self.store(member::RIP, frame.rip);
        self.store(member::RFLAGS, frame.rflags);
    }

    /// Reads the request; `EINVAL` if a flag or a window is not defined.
    #[inline]
    pub(crate) fn request(&self) -> Result<Request> {
        let flags = self.member(member::FLAGS);
        if flags & !(MINIVMX_RUN_WAIT | MINIVMX_RUN_DEADLINE) != 0 {
            return Err(EINVAL);
        }
        Ok(Request {
            immediate_exit: self.member(member::IMMEDIATE_EXIT) != 0,
            answer: self.member(member::ANSWER),
            windows: Windows::asked(self.member(member::WINDOWS))?,
            waits_at_hlt: flags & MINIVMX_RUN_WAIT != 0,
            deadline: (flags & MINIVMX_RUN_DEADLINE != 0).then(|| self.load(member::DEADLINE)),
        })
    }

    /// Resets the answer.
    pub(crate) fn reset_answer(&self) {
        self.set_member(member::ANSWER, 0);
    }

    /// Reads the event that waits; `EINVAL` if the reserved member is not 0.
    #[inline]
    pub(crate) fn event(&self) -> Result<Waiting> {
        if self.member(member::EVENT_RESERVED) != 0 {
            return Err(EINVAL);
        }
        Ok(Waiting {
            info: Interruption::from_raw(self.member(member::EVENT_INFO)),
            error_code: self.member(member::EVENT_ERROR),
            length: self.member(member::EVENT_LENGTH),
        })
    }

    /// Writes the event that waits.
    #[inline]
    pub(crate) fn set_event(&self, event: &Waiting) {
        self.set_member(member::EVENT_INFO, event.info.into_raw());
        self.set_member(member::EVENT_ERROR, event.error_code);
        self.set_member(member::EVENT_LENGTH, event.length);
    }

    /// Says what the guest is ready for.
    #[inline]
    pub(crate) fn set_ready(&self, ready: Windows) {
        self.set_member(member::READY, ready.bits());
    }

    /// What the program left in `io.data`.
    pub(crate) fn io_data(&self) -> u32 {
        self.member(member::IO_DATA)
    }

    /// What the program left in `msr`: fault, value.
    pub(crate) fn msr(&self) -> (bool, u64) {
        (
            self.member(member::MSR_FAULT) != 0,
            self.load(member::MSR_VALUE),
        )
    }

    /// Writes what the driver tells of an exit: all from `reason` to `cause`, which
    /// is part of it if `with_cause`, as is `violation`.
    #[inline]
    pub(crate) fn report(&self, exit: &uapi::minivmx_run, with_cause: bool) {
        const SIZE: usize = size_of::<uapi::minivmx_run>() / size_of::<u64>();
        let Ok(words) = <[u64; SIZE]>::ref_from_bytes(exit.as_bytes()) else {
            return;
        };
        let copy = |range: Range<usize>| {
            let places = &self.0.words()[range.clone()];
            for (to, from) in places.iter().zip(&words[range]) {
                to.store(*from, Ordering::Relaxed);
            }
        };
        copy(member::REASON..member::MEMORY);
        if exit.reason == uapi::exit::MINIVMX_EXIT_MEMORY {
            copy(member::MEMORY..member::CAUSE);
        }
        // As long as the cause has no first byte it has no words.
        copy(member::CAUSE..member::CAUSE + 1);
        if with_cause {
            copy(member::CAUSE + 1..member::EVENT);
            copy(member::VIOLATION..member::AFTER_EXIT);
        }
    }
}
