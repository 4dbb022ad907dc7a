// SPDX-License-Identifier: GPL-2.0

//! Events: exceptions and interrupts.

use kernel::bitfield;

/// Kinds of events, as VMX numbers them
/// (SDM Vol. 3C, "Information for VM Exits Due to Vectored Events").
pub(crate) mod kind {
    pub(crate) const EXTERNAL_INTERRUPT: u32 = 0;
    pub(crate) const NMI: u32 = 2;
    pub(crate) const HARDWARE_EXCEPTION: u32 = 3;
    pub(crate) const SOFTWARE_INTERRUPT: u32 = 4;
    pub(crate) const PRIVILEGED_SOFTWARE_EXCEPTION: u32 = 5;
    pub(crate) const SOFTWARE_EXCEPTION: u32 = 6;
    /// Of a VM entry only: a pending VM exit of the monitor trap flag.
    pub(crate) const OTHER: u32 = 7;
}

/// Vectors of exceptions (SDM Vol. 3A, "Exception and Interrupt Vectors").
pub(crate) mod vector {
    pub(crate) const DEBUG: u8 = 1;
    pub(crate) const NMI: u8 = 2;
    pub(crate) const INVALID_OPCODE: u8 = 6;
    pub(crate) const DOUBLE_FAULT: u8 = 8;
    pub(crate) const STACK_FAULT: u8 = 12;
    pub(crate) const GENERAL_PROTECTION: u8 = 13;
    pub(crate) const PAGE_FAULT: u8 = 14;
    pub(crate) const ALIGNMENT_CHECK: u8 = 17;
    pub(crate) const MACHINE_CHECK: u8 = 18;

    /// Vectors of exceptions are less.
    pub(crate) const EXCEPTIONS: u8 = 32;
}

bitfield! {
    /// Interruption information, of exits, entries and IDT vectoring
    /// (SDM Vol. 3C, "Information for VM Exits Due to Vectored Events").
    pub(crate) struct Interruption(u32) {
        /// There is an event.
        31:31 valid => bool;
        /// Of no meaning at an entry.
        30:12 reserved;
        /// NMIs were unblocked by an IRET whose fault this is (exits only).
        12:12 nmi_unblocking => bool;
        /// The event has an error code.
        11:11 error_code => bool;
        /// Kind of event, of [`kind`].
        10:8 kind;
        /// Vector.
        7:0 vector;
    }
}

impl Interruption {
    /// No event.
    pub(crate) const NOTHING: Self = Self::from_raw(0);

    /// Is it the event of this vector, of [`vector`]?
    #[inline]
    pub(crate) fn is(self, vector: u8) -> bool {
        self.vector().get() == u32::from(vector)
    }

    /// The event, if there is one.
    pub(crate) fn event(self) -> Option<Event> {
        self.valid().then(|| Event {
            kind: self.kind().get(),
            // CAST: The field has 8 bits.
            vector: self.vector().get() as u8,
        })
    }
}

/// An event that the next VM entry delivers, if there is one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Waiting {
    /// Which event.
    pub(crate) info: Interruption,
    /// Its error code, if it has one.
    pub(crate) error_code: u32,
    /// Bytes of the instruction that raised it, if one did.
    pub(crate) length: u32,
}

impl Waiting {
    /// None.
    pub(crate) const NOTHING: Self = Self {
        info: Interruption::NOTHING,
        error_code: 0,
        length: 0,
    };

    /// Is there none, and nothing that could be taken for one?
    #[inline]
    pub(crate) fn is_nothing(&self) -> bool {
        self.info.into_raw() == 0
    }

    /// Is there one?
    #[inline]
    pub(crate) fn is_some(&self) -> bool {
        self.info.valid()
    }

    /// Can a VM entry deliver it, to a guest that has CR0.PE or not, with an instruction of no
    /// bytes or not? (SDM Vol. 3C, "VM-Entry Control Fields" of the checks on VMX controls.)
    pub(crate) fn is_valid(&self, protected: bool, no_bytes: bool) -> bool {
        let Some(event) = self.info.event() else {
            return self.is_nothing();
        };
        let has_code = self.info.error_code();
        let code_fits = !has_code || self.error_code <= u32::from(u16::MAX);
        let least = if no_bytes { 0 } else { 1 };
        let length_fits = !event.is_software() || (least..=15).contains(&self.length);
        self.info.reserved().get() == 0
            && event.exists()
            && has_code == (protected && event.has_error_code())
            && code_fits
            && length_fits
    }
}

/// An event, as far as another one that comes while it is delivered has to know it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Event {
    /// Of [`kind`].
    pub(crate) kind: u32,
    /// Of [`vector`], if it is an exception.
    pub(crate) vector: u8,
}

impl Event {
    /// Did an instruction raise it on purpose? Then its return address is behind that.
    pub(crate) fn is_software(self) -> bool {
        matches!(
            self.kind,
            kind::SOFTWARE_INTERRUPT
                | kind::PRIVILEGED_SOFTWARE_EXCEPTION
                | kind::SOFTWARE_EXCEPTION
        )
    }

    /// Is there such an event?
    fn exists(self) -> bool {
        match self.kind {
            kind::EXTERNAL_INTERRUPT | kind::SOFTWARE_INTERRUPT => true,
            kind::NMI => self.vector == vector::NMI,
            kind::HARDWARE_EXCEPTION
            | kind::PRIVILEGED_SOFTWARE_EXCEPTION
            | kind::SOFTWARE_EXCEPTION => self.vector < vector::EXCEPTIONS,
            _ => false,
        }
    }

    /// Does it push an error code in protected mode? #DF, #TS, #NP, #SS, #GP, #PF, #AC.
    pub(crate) fn has_error_code(self) -> bool {
        self.is_exception() && matches!(self.vector, 8 | 10..=14 | 17)
    }

    /// What comes of `second`, raised while this one was delivered
    /// (SDM Vol. 3A, "Interrupt 8 - Double Fault Exception (#DF)").
    pub(crate) fn interrupted_by(self, second: Self) -> Outcome {
        let (contributory, page_fault) = (second.is_contributory(), second.is_page_fault());
        if self.is_double_fault() && (contributory || page_fault) {
            Outcome::Shutdown
        } else if self.is_contributory() && contributory
            || self.is_page_fault() && (contributory || page_fault)
        {
            Outcome::DoubleFault
        } else {
            Outcome::Second
        }
    }

    /// Has RF to be 1 in the image of the flags that its delivery pushes? So it is for faults, but
    /// not for
    /// #DB, traps and aborts (SDM Vol. 3B, "Instruction-Breakpoint Exception Condition").
    pub(crate) fn suppresses_breakpoints(self) -> bool {
        self.is_exception() && !matches!(self.vector, 1..=4 | 8 | 18)
    }

    /// #DE, #TS, #NP, #SS, #GP, #CP.
    fn is_contributory(self) -> bool {
        self.is_exception() && matches!(self.vector, 0 | 10..=13 | 21)
    }

    /// #PF, #VE.
    fn is_page_fault(self) -> bool {
        self.is_exception() && matches!(self.vector, vector::PAGE_FAULT | 20)
    }

    fn is_double_fault(self) -> bool {
        self.is_exception() && self.vector == vector::DOUBLE_FAULT
    }

    /// One that the CPU raises: INT n with the same vector is none.
    fn is_exception(self) -> bool {
        self.kind == kind::HARDWARE_EXCEPTION
    }
}

/// What comes of two events.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    /// The second is delivered; if the first was a fault, it comes again after that.
    Second,
    /// #DF is delivered.
    DoubleFault,
    /// The processor shuts down.
    Shutdown,
}
