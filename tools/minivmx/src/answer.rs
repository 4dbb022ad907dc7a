// SPDX-License-Identifier: GPL-2.0

//! What is to become of an exit.

use crate::uapi;

/// What becomes of the exit that was reported last.
///
/// A program that only looks at exits that the driver can answer lets each pass:
///
/// ```no_run
/// use minivmx::{Answer, Exit, Trap, Traps, Vcpu};
///
/// fn show_cpuid(vcpu: &mut Vcpu) -> minivmx::Result<()> {
///     vcpu.set_traps(Traps::from([Trap::CPUID]))?;
///     while let Exit::Cpuid(regs) = vcpu.run()? {
///         println!("leaf {:#x}", regs.rax);
///         vcpu.set_answer(Answer::Default);
///     }
///     Ok(())
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Answer {
    /// The guest goes on at RIP; I/O and MSR instructions are finished first.
    #[default]
    Finish,
    /// The guest goes on behind the instruction.
    Skip,
    /// The driver answers as if the exit were not trapped.
    Default,
}

impl Answer {
    pub(crate) fn number(self) -> u32 {
        match self {
            Self::Finish => uapi::MINIVMX_ANSWER_FINISH,
            Self::Skip => uapi::MINIVMX_ANSWER_SKIP,
            Self::Default => uapi::MINIVMX_ANSWER_DEFAULT,
        }
    }
}
