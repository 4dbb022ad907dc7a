// SPDX-License-Identifier: GPL-2.0

//! VM exits: reasons and qualifications, decoded.

use crate::x86::event::{
    Event,
    Interruption, //
};
use kernel::bitfield;

bitfield! {
    /// Exit reason (SDM Vol. 3C, "Basic VM-Exit Information").
    pub(crate) struct ExitReason(u32) {
        /// The VM entry failed while it loaded guest state.
        31:31 entry_failure => bool;
        /// Basic exit reason, see [`basic`].
        15:0 number;
    }
}

impl ExitReason {
    /// Basic exit reason.
    #[inline]
    pub(crate) fn basic(self) -> u32 {
        self.number().get()
    }
}

/// Does an exit record more than the exit qualification and the instruction length?
///
/// What an instruction without an operand in memory leaves in the other fields is clear or
/// undefined (SDM Vol. 3C, "Information for VM Exits Due to Vectored Events" and those after it).
#[inline]
pub(crate) fn records_more(basic: u32, qualification: u64) -> bool {
    match basic {
        basic::CPUID
        | basic::HLT
        | basic::RDPMC
        | basic::RDTSC
        | basic::VMCALL
        | basic::DR_ACCESS
        | basic::RDMSR
        | basic::WRMSR
        | basic::MWAIT
        | basic::MONITOR
        | basic::PAUSE
        | basic::WBINVD
        | basic::XSETBV => false,
        basic::IO => IoAccess::from_raw(qualification).string(),
        _ => true,
    }
}

/// Does an exit record the length of an instruction, which would be the one to skip? Elsewhere the
/// field is undefined (SDM Vol. 3C, "Information for VM Exits Due to Instruction Execution").
///
/// | exit | length |
/// |---|---|
/// | an instruction that exits, and whose exit is like a fault | yes |
/// | exception | INT1, INT3 and INTO; of others it may be that of INT n whose delivery raised them |
/// | task switch | CALL, JMP and IRET; by an interrupt gate it may be that of INT n |
/// | EPT violation and misconfiguration | no: any access of an instruction, or none, such as a fetch |
/// | what has nothing to do with an instruction: interrupts, NMIs, INIT, SIPI, windows, monitor trap flag, timer, failed VM entries, shutdown | no |
pub(crate) fn has_length(basic: u32, qualification: u64, exception: Interruption) -> bool {
    match basic {
        basic::EXCEPTION_OR_NMI => exception.event().is_some_and(Event::is_software),
        basic::TASK_SWITCH => qualification >> 30 & 3 != TASK_GATE_IN_IDT,
        basic::CPUID
        | basic::GETSEC
        | basic::HLT
        | basic::INVD
        | basic::INVLPG
        | basic::RDPMC
        | basic::RDTSC
        | basic::RSM
        | basic::VMCALL..=basic::WRMSR
        | basic::MWAIT
        | basic::MONITOR
        | basic::PAUSE
        | basic::INVEPT
        | basic::RDTSCP
        | basic::INVVPID
        | basic::WBINVD
        | basic::XSETBV
        | basic::RDRAND..=basic::RDSEED
        | basic::XSAVES..=basic::PCONFIG
        | basic::UMWAIT
        | basic::TPAUSE
        | basic::LOADIWKEY
        | basic::ENCLV
        | basic::SEAMCALL
        | basic::TDCALL
        | basic::RDMSR_IMMEDIATE
        | basic::WRMSR_IMMEDIATE => true,
        _ => false,
    }
}

/// Source of a task switch, in bits 31:30 of the exit qualification
/// (SDM Vol. 3D, "Exit Qualification for Task Switches").
const TASK_GATE_IN_IDT: u64 = 3;

/// Basic exit reasons that the driver knows by name (SDM Vol. 3D, "VMX Basic Exit Reasons").
#[allow(dead_code)] // The names are complete as far as they can occur.
pub(crate) mod basic {
    pub(crate) const EXCEPTION_OR_NMI: u32 = 0;
    pub(crate) const EXTERNAL_INTERRUPT: u32 = 1;
    pub(crate) const TRIPLE_FAULT: u32 = 2;
    pub(crate) const INIT_SIGNAL: u32 = 3;
    pub(crate) const STARTUP_IPI: u32 = 4;
    pub(crate) const INTERRUPT_WINDOW: u32 = 7;
    pub(crate) const NMI_WINDOW: u32 = 8;
    pub(crate) const TASK_SWITCH: u32 = 9;
    pub(crate) const CPUID: u32 = 10;
    pub(crate) const GETSEC: u32 = 11;
    pub(crate) const HLT: u32 = 12;
    pub(crate) const INVD: u32 = 13;
    pub(crate) const INVLPG: u32 = 14;
    pub(crate) const RDPMC: u32 = 15;
    pub(crate) const RDTSC: u32 = 16;
    pub(crate) const RSM: u32 = 17;
    pub(crate) const VMCALL: u32 = 18;
    pub(crate) const VMCLEAR: u32 = 19;
    pub(crate) const VMLAUNCH: u32 = 20;
    pub(crate) const VMPTRLD: u32 = 21;
    pub(crate) const VMPTRST: u32 = 22;
    pub(crate) const VMREAD: u32 = 23;
    pub(crate) const VMRESUME: u32 = 24;
    pub(crate) const VMWRITE: u32 = 25;
    pub(crate) const VMXOFF: u32 = 26;
    pub(crate) const VMXON: u32 = 27;
    pub(crate) const CR_ACCESS: u32 = 28;
    pub(crate) const DR_ACCESS: u32 = 29;
    pub(crate) const IO: u32 = 30;
    pub(crate) const RDMSR: u32 = 31;
    pub(crate) const WRMSR: u32 = 32;
    pub(crate) const INVALID_GUEST_STATE: u32 = 33;
    pub(crate) const MSR_LOADING: u32 = 34;
    pub(crate) const MWAIT: u32 = 36;
    pub(crate) const MONITOR_TRAP_FLAG: u32 = 37;
    pub(crate) const MONITOR: u32 = 39;
    pub(crate) const PAUSE: u32 = 40;
    pub(crate) const ENTRY_MACHINE_CHECK: u32 = 41;
    pub(crate) const EPT_VIOLATION: u32 = 48;
    pub(crate) const EPT_MISCONFIGURATION: u32 = 49;
    pub(crate) const INVEPT: u32 = 50;
    pub(crate) const RDTSCP: u32 = 51;
    pub(crate) const PREEMPTION_TIMER: u32 = 52;
    pub(crate) const INVVPID: u32 = 53;
    pub(crate) const WBINVD: u32 = 54;
    pub(crate) const XSETBV: u32 = 55;
    pub(crate) const RDRAND: u32 = 57;
    pub(crate) const INVPCID: u32 = 58;
    pub(crate) const VMFUNC: u32 = 59;
    pub(crate) const ENCLS: u32 = 60;
    pub(crate) const RDSEED: u32 = 61;
    pub(crate) const XSAVES: u32 = 63;
    pub(crate) const XRSTORS: u32 = 64;
    pub(crate) const PCONFIG: u32 = 65;
    pub(crate) const UMWAIT: u32 = 67;
    pub(crate) const TPAUSE: u32 = 68;
    pub(crate) const LOADIWKEY: u32 = 69;
    pub(crate) const ENCLV: u32 = 70;
    pub(crate) const SEAMCALL: u32 = 76;
    pub(crate) const TDCALL: u32 = 77;
    pub(crate) const RDMSR_IMMEDIATE: u32 = 84;
    pub(crate) const WRMSR_IMMEDIATE: u32 = 85;
}

bitfield! {
    /// Exit qualification for control-register accesses
    /// (SDM Vol. 3D, "Exit Qualification for Control-Register Accesses").
    pub(crate) struct CrAccess(u64) {
        /// Source operand of LMSW.
        31:16 lmsw_source;
        /// General register of MOV.
        11:8 register;
        /// 0 MOV to CR, 1 MOV from CR, 2 CLTS, 3 LMSW.
        5:4 kind;
        /// Number of the control register.
        3:0 control_register;
    }
}

bitfield! {
    /// Exit qualification for MOV DR (SDM Vol. 3C, "Exit Qualification for MOV DR").
    pub(crate) struct DrAccess(u64) {
        /// General register.
        11:8 register;
        /// MOV from DR.
        4:4 from_dr => bool;
        /// Number of the debug register.
        2:0 debug_register;
    }
}

bitfield! {
    /// Exit qualification for I/O instructions
    /// (SDM Vol. 3C, "Exit Qualification for I/O Instructions").
    pub(crate) struct IoAccess(u64) {
        /// Port number.
        31:16 port;
        /// With a REP prefix.
        5:5 rep => bool;
        /// INS or OUTS.
        4:4 string => bool;
        /// IN or INS.
        3:3 input => bool;
        /// Bytes less one: 0, 1 or 3.
        2:0 width_less_one;
    }
}

bitfield! {
    /// Exit qualification for EPT violations
    /// (SDM Vol. 3C, "Exit Qualification for EPT Violations").
    pub(crate) struct EptViolation(u64) {
        /// NMIs were unblocked by an IRET whose fault this is.
        12:12 nmi_unblocking => bool;
        /// The access was to the translation of the linear address, not to a paging structure.
        8:8 final_translation => bool;
        /// The guest linear-address field is valid.
        7:7 linear_valid => bool;
        /// The page could be executed.
        5:5 executable => bool;
        /// The page could be written.
        4:4 writable => bool;
        /// The page could be read.
        3:3 readable => bool;
        /// Instruction fetch.
        2:2 fetch => bool;
        /// Data write.
        1:1 write => bool;
        /// Data read.
        0:0 read => bool;
    }
}

bitfield! {
    /// Interruptibility state (SDM Vol. 3C, "Guest Non-Register State").
    pub(crate) struct Interruptibility(u32) {
        31:5 reserved;
        /// An enclave was interrupted.
        4:4 enclave => bool;
        /// NMIs are blocked until the next IRET.
        3:3 nmi => bool;
        /// System-management interrupts are blocked.
        2:2 smi => bool;
        /// Events are blocked for one instruction after MOV SS or POP SS.
        1:1 mov_ss => bool;
        /// Interrupts are blocked for one instruction after STI.
        0:0 sti => bool;
    }
}

/// Activity states (SDM Vol. 3C, "Guest Non-Register State").
pub(crate) mod activity {
    pub(crate) const ACTIVE: u32 = 0;
    pub(crate) const HLT: u32 = 1;
    pub(crate) const SHUTDOWN: u32 = 2;
    pub(crate) const WAIT_FOR_SIPI: u32 = 3;
}

/// What the exit qualification of a failed VM entry means
/// (SDM Vol. 3C, "VM-Entry Failures During or After Loading Guest State").
pub(crate) fn describe_entry_failure(basic: u32, qualification: u64) -> &'static str {
    match (basic, qualification) {
        (basic::INVALID_GUEST_STATE, 2) => "invalid guest state: PDPTEs",
        (basic::INVALID_GUEST_STATE, 3) => {
            "invalid guest state: NMI injected while NMIs are blocked"
        }
        (basic::INVALID_GUEST_STATE, 4) => "invalid guest state: VMCS link pointer",
        (basic::INVALID_GUEST_STATE, _) => {
            "invalid guest state: the checks on guest registers failed"
        }
        (basic::MSR_LOADING, _) => "an MSR of the VM-entry MSR-load area could not be loaded",
        (basic::ENTRY_MACHINE_CHECK, _) => "machine check during the VM entry",
        _ => "the VM entry failed",
    }
}
