// SPDX-License-Identifier: GPL-2.0

//! The page that a program and its vCPU share: `struct minivmx_run`.
//!
//! The program can write it at any time. So what it sets is read once, at the beginning of a run, and
//! what it answers to IN or RDMSR where that is finished; the driver works on the copy. What the driver
//! tells is written from a structure of its own.

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
    mem::offset_of,
    ops::Range,
    sync::atomic::Ordering, //
};
use kernel::prelude::*;

/// The registers are the first 18 words of the page; these two are the last of them.
const RIP: usize = word(offset_of!(uapi::minivmx_regs, rip));
const RFLAGS: usize = word(offset_of!(uapi::minivmx_regs, rflags));
/// `immediate_exit` in the low half, `answer` in the high half.
const REQUEST: usize = word(offset_of!(uapi::minivmx_run, immediate_exit));
const IO: usize = word(offset_of!(uapi::minivmx_run, io));
const MSR: usize = word(offset_of!(uapi::minivmx_run, msr));
/// `info` and `error` in the halves of this word, `length` in the low half of the next.
const EVENT: usize = word(offset_of!(uapi::minivmx_run, event));
const VIOLATION: usize = word(offset_of!(uapi::minivmx_run, violation));
/// `windows` in the low half, `flags` in the high half.
const WINDOWS: usize = word(offset_of!(uapi::minivmx_run, windows));
/// `ready` in the low half.
const READY: usize = word(offset_of!(uapi::minivmx_run, ready));
const DEADLINE: usize = word(offset_of!(uapi::minivmx_run, deadline));

static_assert!(size_of::<uapi::minivmx_run>() <= kernel::bindings::PAGE_SIZE);
static_assert!((RFLAGS + 1) * size_of::<u64>() == size_of::<uapi::minivmx_regs>());

/// Index of the word at a byte offset; only for members that start at a word.
const fn word(offset: usize) -> usize {
    assert!(offset % size_of::<u64>() == 0);
    offset / size_of::<u64>()
}

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

/// What the program asks for besides the registers.
pub(crate) struct Request {
    /// Return before the guest is entered.
    pub(crate) immediate_exit: bool,
    /// What becomes of the last exit, `enum minivmx_answer`.
    pub(crate) answer: u32,
}

/// When a run is to end, besides exits.
pub(crate) struct Ends {
    /// As soon as the guest can take one of these.
    pub(crate) windows: Windows,
    /// Not at HLT: there it waits.
    pub(crate) waits: bool,
    /// At this time of CLOCK_MONOTONIC, in nanoseconds.
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
        frame.rip = self.load(RIP);
        frame.rflags = self.load(RFLAGS);
    }

    /// Writes the registers.
    #[inline]
    pub(crate) fn set_frame(&self, frame: &Frame) {
        for (index, register) in frame.general.0.iter().enumerate() {
            self.store(index, *register);
        }
        self.store(RIP, frame.rip);
        self.store(RFLAGS, frame.rflags);
    }

    /// Reads the request.
    pub(crate) fn request(&self) -> Request {
        let request = self.load(REQUEST);
        // CAST: The two halves are taken apart on purpose.
        let (immediate_exit, answer) = (request as u32, (request >> 32) as u32);
        Request {
            immediate_exit: immediate_exit != 0,
            answer,
        }
    }

    /// Resets the answer, and nothing beside it: another thread, or a handler of signals, may set
    /// `immediate_exit` at any time.
    pub(crate) fn reset_answer(&self) {
        let immediate_exit = u64::from(u32::MAX);
        self.0.words()[REQUEST].fetch_and(immediate_exit, Ordering::Relaxed);
    }

    /// Reads the event that waits; `EINVAL` if the reserved member is not 0.
    #[inline]
    pub(crate) fn event(&self) -> Result<Waiting> {
        let (first, second) = (self.load(EVENT), self.load(EVENT + 1));
        if second >> 32 != 0 {
            return Err(EINVAL);
        }
        // CAST: The halves are taken apart on purpose.
        Ok(Waiting {
            info: Interruption::from_raw(first as u32),
            error_code: (first >> 32) as u32,
            length: second as u32,
        })
    }

    /// Writes the event that waits.
    #[inline]
    pub(crate) fn set_event(&self, event: &Waiting) {
        let info = event.info.into_raw();
        self.store(EVENT, u64::from(event.error_code) << 32 | u64::from(info));
        self.store(EVENT + 1, event.length.into());
    }

    /// Reads which windows the program waits for, and when else the run ends; `EINVAL` if that is not defined.
    #[inline]
    pub(crate) fn ends(&self) -> Result<Ends> {
        let word = self.load(WINDOWS);
        // CAST: The halves are taken apart on purpose.
        let (windows, flags) = (word as u32, (word >> 32) as u32);
        if flags & !(MINIVMX_RUN_WAIT | MINIVMX_RUN_DEADLINE) != 0 {
            return Err(EINVAL);
        }
        Ok(Ends {
            windows: Windows::asked(windows)?,
            waits: flags & MINIVMX_RUN_WAIT != 0,
            deadline: (flags & MINIVMX_RUN_DEADLINE != 0).then(|| self.load(DEADLINE)),
        })
    }

    /// Says what the guest is ready for.
    #[inline]
    pub(crate) fn set_ready(&self, ready: Windows) {
        self.store(READY, ready.bits().into());
    }

    /// What the program left in `io.data`.
    pub(crate) fn io_data(&self) -> u32 {
        // CAST: The data are the high half of the word.
        (self.load(IO) >> 32) as u32
    }

    /// What the program left in `msr`: fault, value.
    pub(crate) fn msr(&self) -> (bool, u64) {
        (self.load(MSR) >> 32 != 0, self.load(MSR + 1))
    }

    /// Writes what the driver tells of an exit: all from `reason` to `cause`, which
    /// is part of it if `with_cause`, as is `violation`.
    #[inline]
    pub(crate) fn report(&self, exit: &uapi::minivmx_run, with_cause: bool) {
        const FIRST: usize = word(offset_of!(uapi::minivmx_run, reason));
        const MEMORY: usize = word(offset_of!(uapi::minivmx_run, memory));
        const CAUSE: usize = word(offset_of!(uapi::minivmx_run, cause));
        const SIZE: usize = size_of::<uapi::minivmx_run>() / size_of::<u64>();
        // What is behind it is not of the exit.
        const END: usize = WINDOWS;
        let Ok(words) = <[u64; SIZE]>::ref_from_bytes(exit.as_bytes()) else {
            return;
        };
        let copy = |range: Range<usize>| {
            let places = &self.0.words()[range.clone()];
            for (to, from) in places.iter().zip(&words[range]) {
                to.store(*from, Ordering::Relaxed);
            }
        };
        copy(FIRST..MEMORY);
        if exit.reason == uapi::exit::MINIVMX_EXIT_MEMORY {
            copy(MEMORY..CAUSE);
        }
        // As long as the cause has no first byte it has no words.
        copy(CAUSE..CAUSE + 1);
        if with_cause {
            copy(CAUSE + 1..EVENT);
            copy(VIOLATION..END);
        }
    }
}
