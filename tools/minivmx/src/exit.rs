// SPDX-License-Identifier: GPL-2.0

//! Why a guest stopped, decoded.

use std::ffi::{
    c_char,
    CStr, //
};

use crate::{
    exit_information::ExitInformation,
    reason::Reason,
    uapi::{
        self,
        minivmx_io,
        minivmx_memory_exit,
        minivmx_msr_exit,
        minivmx_regs, //
    },
};

/// What the guest did.
///
/// Members that are mutable references are the program's answer: it is used
/// when the guest goes on.
#[derive(Debug, PartialEq)]
#[non_exhaustive]
pub enum Exit<'a> {
    /// The guest reads from a port; `data` is what it shall read.
    IoIn {
        /// Port number.
        port: u16,
        /// Width and kind of the instruction.
        form: IoForm,
        /// The answer; its low `form.width` bytes count.
        data: &'a mut u32,
    },
    /// The guest writes to a port.
    IoOut {
        /// Port number.
        port: u16,
        /// Width and kind of the instruction.
        form: IoForm,
        /// What it writes, in the low `form.width` bytes.
        data: u32,
    },
    /// RDMSR of an MSR that the driver does not keep.
    Rdmsr {
        /// Number of the MSR.
        index: u32,
        /// The answer.
        value: &'a mut u64,
        /// Not 0: the guest gets #GP(0) instead.
        fault: &'a mut u32,
    },
    /// WRMSR to an MSR that the driver does not keep.
    Wrmsr {
        /// Number of the MSR.
        index: u32,
        /// What the guest writes.
        value: u64,
        /// Not 0: the guest gets #GP(0).
        fault: &'a mut u32,
    },
    /// An access that no memory answers.
    Memory {
        /// Guest-physical address.
        gpa: u64,
        /// Kind of access.
        access: Access,
        /// The bytes at RIP; empty if they could not be read.
        instruction: &'a [u8],
        /// The registers, for a program that carries the instruction out.
        regs: &'a mut minivmx_regs,
    },
    /// HLT. RIP is behind it.
    Hlt,
    /// CPUID, trapped. The leaf is in EAX and ECX.
    Cpuid(&'a mut minivmx_regs),
    /// VMCALL, trapped.
    Hypercall(&'a mut minivmx_regs),
    /// An exception, trapped.
    Exception {
        /// Vector, 0 to 31.
        vector: u8,
        /// Error code, for the vectors that have one.
        error: Option<u32>,
        /// Exit qualification: the linear address of a #PF, the new DR6 bits of a #DB.
        qualification: u64,
    },
    /// MOV to or from a control register, CLTS or LMSW, trapped.
    ControlRegister {
        /// Exit qualification (SDM Vol. 3D, "Exit Qualification for Control-Register Accesses").
        qualification: u64,
    },
    /// The guest faulted while a double fault was delivered.
    TripleFault,
    /// The CPU refused to enter the guest.
    EntryFailed {
        /// VM-instruction error, or exit qualification of a failure while loading guest state.
        error: u64,
        /// The same in words.
        cause: &'a str,
    },
    /// The driver cannot go on with this guest.
    Internal {
        /// Why.
        cause: &'a str,
    },
    /// Another thread has kicked the vCPU, by a [`Kicker`](crate::Kicker). Nothing has happened to
    /// the guest.
    Kicked,
    /// The deadline is over, as [`Vcpu::set_deadline`](crate::Vcpu::set_deadline) set it. Nothing
    /// has happened to the guest.
    Deadline,
    /// Another exit that the program asked to see; the details are in [`ExitInformation`].
    Other(Reason),
}

/// Form of an I/O instruction.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct IoForm {
    /// Bytes: 1, 2 or 4.
    pub width: u8,
    /// INS or OUTS; the driver moves the data to or from memory.
    pub string: bool,
    /// With a REP prefix.
    pub rep: bool,
}

/// Kinds of memory access.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Access {
    /// Data read.
    pub read: bool,
    /// Data write.
    pub write: bool,
    /// Instruction fetch.
    pub fetch: bool,
}

/// The members of the run page that an [`Exit`] borrows.
pub(crate) struct Payload<'a> {
    pub(crate) regs: &'a mut minivmx_regs,
    pub(crate) io: &'a mut minivmx_io,
    pub(crate) msr: &'a mut minivmx_msr_exit,
    pub(crate) memory: &'a minivmx_memory_exit,
    pub(crate) cause: &'a [c_char],
}

impl<'a> Exit<'a> {
    #[inline(always)]
    pub(crate) fn decode(information: &ExitInformation, payload: Payload<'a>) -> Self {
        let qualification = information.qualification;
        match information.reason() {
            _ if information.entry_failure => Self::entry_failed(qualification, payload),
            Reason::ENTRY_FAILED => Self::entry_failed(qualification, payload),
            Reason::EXCEPTION_OR_NMI => Self::exception(information),
            Reason::TRIPLE_FAULT => Self::TripleFault,
            Reason::CPUID => Self::Cpuid(payload.regs),
            Reason::HLT => Self::Hlt,
            Reason::VMCALL => Self::Hypercall(payload.regs),
            Reason::CONTROL_REGISTER => Self::ControlRegister { qualification },
            Reason::IO_INSTRUCTION => Self::io(payload.io),
            Reason::RDMSR => Self::rdmsr(payload.msr),
            Reason::WRMSR => Self::wrmsr(payload.msr),
            Reason::MEMORY => Self::memory(payload.memory, payload.regs),
            Reason::INTERNAL => Self::Internal {
                cause: text(payload.cause),
            },
            Reason::KICK => Self::Kicked,
            Reason::DEADLINE => Self::Deadline,
            other => Self::Other(other),
        }
    }

    fn entry_failed(error: u64, payload: Payload<'a>) -> Self {
        Self::EntryFailed {
            error,
            cause: text(payload.cause),
        }
    }

    // SDM Vol. 3C, "Information for VM Exits Due to Vectored Events".
    fn exception(information: &ExitInformation) -> Self {
        const ERROR_CODE_VALID: u32 = 1 << 11;
        let info = information.interruption_info;
        Self::Exception {
            vector: info as u8,
            error: (info & ERROR_CODE_VALID != 0).then_some(information.interruption_error),
            qualification: information.qualification,
        }
    }

    #[inline]
    fn io(io: &'a mut minivmx_io) -> Self {
        let has = |flag: u32| u32::from(io.flags) & flag != 0;
        let port = io.port;
        let form = IoForm {
            width: io.width,
            string: has(uapi::MINIVMX_IO_STRING),
            rep: has(uapi::MINIVMX_IO_REP),
        };
        if has(uapi::MINIVMX_IO_IN) {
            Self::IoIn {
                port,
                form,
                data: &mut io.data,
            }
        } else {
            Self::IoOut {
                port,
                form,
                data: io.data,
            }
        }
    }

    fn rdmsr(msr: &'a mut minivmx_msr_exit) -> Self {
        Self::Rdmsr {
            index: msr.index,
            value: &mut msr.value,
            fault: &mut msr.fault,
        }
    }

    fn wrmsr(msr: &'a mut minivmx_msr_exit) -> Self {
        Self::Wrmsr {
            index: msr.index,
            value: msr.value,
            fault: &mut msr.fault,
        }
    }

    fn memory(memory: &'a minivmx_memory_exit, regs: &'a mut minivmx_regs) -> Self {
        let valid = usize::from(memory.instruction_bytes).min(memory.instruction.len());
        Self::Memory {
            gpa: memory.gpa,
            access: Access::from(memory.access),
            instruction: &memory.instruction[..valid],
            regs,
        }
    }
}

impl From<u32> for Access {
    fn from(mask: u32) -> Self {
        Self {
            read: mask & uapi::MINIVMX_ACCESS_READ != 0,
            write: mask & uapi::MINIVMX_ACCESS_WRITE != 0,
            fetch: mask & uapi::MINIVMX_ACCESS_FETCH != 0,
        }
    }
}

/// The driver's words; up to the first byte that is not UTF-8, should there be one.
fn text(cause: &[c_char]) -> &str {
    // SAFETY: `c_char` and `u8` have the same size and alignment, and no invalid values.
    let bytes = unsafe { std::slice::from_raw_parts(cause.as_ptr().cast::<u8>(), cause.len()) };
    let bytes = CStr::from_bytes_until_nul(bytes).map_or(bytes, CStr::to_bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::uapi::minivmx_run;

    fn decode(run: &mut minivmx_run) -> Exit<'_> {
        let information = ExitInformation {
            reason: run.reason,
            entry_failure: run.entry_failure != 0,
            qualification: run.qualification,
            interruption_info: run.interruption_info,
            interruption_error: run.interruption_error,
            ..ExitInformation::default()
        };
        let payload = Payload {
            regs: &mut run.regs,
            io: &mut run.io,
            msr: &mut run.msr,
            memory: &run.memory,
            cause: &run.cause,
        };
        Exit::decode(&information, payload)
    }

    fn stopped(reason: Reason) -> minivmx_run {
        minivmx_run {
            reason: reason.0,
            ..minivmx_run::default()
        }
    }

    fn say(run: &mut minivmx_run, words: &[u8]) {
        for (to, from) in run.cause.iter_mut().zip(words) {
            *to = *from as c_char;
        }
    }

    #[test]
    fn in_lends_the_answer() {
        let mut run = stopped(Reason::IO_INSTRUCTION);
        run.io = minivmx_io {
            port: 0x71,
            width: 1,
            flags: uapi::MINIVMX_IO_IN as u8,
            data: 0,
        };
        match decode(&mut run) {
            Exit::IoIn {
                port: 0x71,
                form,
                data,
            } if form.width == 1 => *data = 0x26,
            other => panic!("{other:?}"),
        }
        assert_eq!(run.io.data, 0x26);
    }

    #[test]
    fn outs_with_rep_is_told_apart() {
        let mut run = stopped(Reason::IO_INSTRUCTION);
        run.io = minivmx_io {
            port: 0x402,
            width: 1,
            flags: (uapi::MINIVMX_IO_STRING | uapi::MINIVMX_IO_REP) as u8,
            data: 0x41,
        };
        let form = IoForm {
            width: 1,
            string: true,
            rep: true,
        };
        assert_eq!(
            decode(&mut run),
            Exit::IoOut {
                port: 0x402,
                form,
                data: 0x41
            }
        );
    }

    #[test]
    fn rdmsr_lends_value_and_fault() {
        let mut run = stopped(Reason::RDMSR);
        run.msr.index = 0xfe;
        match decode(&mut run) {
            Exit::Rdmsr {
                index: 0xfe,
                value,
                fault,
            } => (*value, *fault) = (8, 1),
            other => panic!("{other:?}"),
        }
        assert_eq!((run.msr.value, run.msr.fault), (8, 1));
    }

    #[test]
    fn memory_shows_no_more_bytes_than_are_valid() {
        let mut run = stopped(Reason::MEMORY);
        run.memory.gpa = 0xfee0_0020;
        run.memory.access = uapi::MINIVMX_ACCESS_WRITE;
        run.memory.instruction = [0x90; 15];
        for (claimed, valid) in [(0, 0), (3, 3), (200, 15)] {
            run.memory.instruction_bytes = claimed;
            match decode(&mut run) {
                Exit::Memory {
                    gpa: 0xfee0_0020,
                    access,
                    instruction,
                    ..
                } => {
                    assert_eq!(
                        access,
                        Access {
                            read: false,
                            write: true,
                            fetch: false
                        }
                    );
                    assert_eq!(instruction.len(), valid);
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_page_fault_has_an_error_code_and_an_invalid_opcode_has_none() {
        let mut run = stopped(Reason::EXCEPTION_OR_NMI);
        (run.interruption_info, run.interruption_error) = (0x8000_0b0e, 2);
        run.qualification = 0x1000;
        assert_eq!(
            decode(&mut run),
            Exit::Exception {
                vector: 14,
                error: Some(2),
                qualification: 0x1000
            }
        );
        run.interruption_info = 0x8000_0306;
        assert!(matches!(
            decode(&mut run),
            Exit::Exception {
                vector: 6,
                error: None,
                ..
            }
        ));
    }

    #[test]
    fn both_kinds_of_failed_entry_carry_their_cause() {
        let mut refused = stopped(Reason::ENTRY_FAILED);
        refused.qualification = 7;
        say(&mut refused, b"invalid control field\0rest");
        let expected = Exit::EntryFailed {
            error: 7,
            cause: "invalid control field",
        };
        assert_eq!(decode(&mut refused), expected);

        let mut invalid = stopped(Reason::INVALID_GUEST_STATE);
        invalid.entry_failure = 1;
        assert!(matches!(decode(&mut invalid), Exit::EntryFailed { .. }));
    }

    #[test]
    fn a_cause_without_end_is_cut() {
        let mut run = stopped(Reason::INTERNAL);
        run.cause = [b'x' as c_char; 128];
        match decode(&mut run) {
            Exit::Internal { cause } => assert_eq!(cause, "x".repeat(128)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_has_no_form_of_its_own_keeps_its_number() {
        assert_eq!(
            decode(&mut stopped(Reason::XSETBV)),
            Exit::Other(Reason::XSETBV)
        );
    }
}
