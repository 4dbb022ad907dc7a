// SPDX-License-Identifier: GPL-2.0

//! Events: exceptions and interrupts.

/// Kinds of events, as VMX numbers them
/// (SDM Vol. 3C, "Information for VM Exits Due to Vectored Events").
pub(crate) mod kind {
    pub(crate) const NMI: u32 = 2;
    pub(crate) const HARDWARE_EXCEPTION: u32 = 3;
    pub(crate) const SOFTWARE_INTERRUPT: u32 = 4;
    pub(crate) const PRIVILEGED_SOFTWARE_EXCEPTION: u32 = 5;
    pub(crate) const SOFTWARE_EXCEPTION: u32 = 6;
}

/// Vectors of exceptions (SDM Vol. 3A, "Exception and Interrupt Vectors").
pub(crate) mod vector {
    pub(crate) const DEBUG: u8 = 1;
    pub(crate) const INVALID_OPCODE: u8 = 6;
    pub(crate) const DOUBLE_FAULT: u8 = 8;
    pub(crate) const STACK_FAULT: u8 = 12;
    pub(crate) const GENERAL_PROTECTION: u8 = 13;
    pub(crate) const PAGE_FAULT: u8 = 14;
    pub(crate) const ALIGNMENT_CHECK: u8 = 17;
    pub(crate) const MACHINE_CHECK: u8 = 18;
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

    /// Has RF to be 1 in the image of the flags that its delivery pushes? So it is for faults, but not for
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
