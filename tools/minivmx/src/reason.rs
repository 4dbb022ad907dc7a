// SPDX-License-Identifier: GPL-2.0

//! Exit reasons and their names.

use std::fmt;

use crate::uapi;

/// Why a guest stopped: a basic exit reason of the CPU, or one of the driver's
/// own from 0x10000.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Reason(pub u32);

macro_rules! reasons {
    ($($constant:ident $number:expr, $name:literal;)*) => {
        impl Reason {
            $(#[doc = $name] pub const $constant: Reason = Reason($number);)*

            /// The SDM's name; `None` for a number that it does not define.
            pub fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$constant => Some($name),)*
                    _ => None,
                }
            }
        }
    };
}

// SDM Vol. 3D, "VMX Basic Exit Reasons".
reasons! {
    EXCEPTION_OR_NMI 0, "exception or NMI";
    EXTERNAL_INTERRUPT 1, "external interrupt";
    TRIPLE_FAULT 2, "triple fault";
    INIT 3, "INIT signal";
    SIPI 4, "start-up IPI";
    IO_SMI 5, "I/O SMI";
    OTHER_SMI 6, "other SMI";
    INTERRUPT_WINDOW 7, "interrupt window";
    NMI_WINDOW 8, "NMI window";
    TASK_SWITCH 9, "task switch";
    CPUID 10, "CPUID";
    GETSEC 11, "GETSEC";
    HLT 12, "HLT";
    INVD 13, "INVD";
    INVLPG 14, "INVLPG";
    RDPMC 15, "RDPMC";
    RDTSC 16, "RDTSC";
    RSM 17, "RSM";
    VMCALL 18, "VMCALL";
    VMCLEAR 19, "VMCLEAR";
    VMLAUNCH 20, "VMLAUNCH";
    VMPTRLD 21, "VMPTRLD";
    VMPTRST 22, "VMPTRST";
    VMREAD 23, "VMREAD";
    VMRESUME 24, "VMRESUME";
    VMWRITE 25, "VMWRITE";
    VMXOFF 26, "VMXOFF";
    VMXON 27, "VMXON";
    CONTROL_REGISTER 28, "control-register access";
    MOV_DR 29, "MOV DR";
    IO_INSTRUCTION 30, "I/O instruction";
    RDMSR 31, "RDMSR";
    WRMSR 32, "WRMSR";
    INVALID_GUEST_STATE 33, "VM-entry failure: invalid guest state";
    MSR_LOADING 34, "VM-entry failure: MSR loading";
    MWAIT 36, "MWAIT";
    MONITOR_TRAP_FLAG 37, "monitor trap flag";
    MONITOR 39, "MONITOR";
    PAUSE 40, "PAUSE";
    ENTRY_MACHINE_CHECK 41, "VM-entry failure: machine check";
    TPR_BELOW_THRESHOLD 43, "TPR below threshold";
    APIC_ACCESS 44, "APIC access";
    VIRTUALIZED_EOI 45, "virtualized EOI";
    GDTR_IDTR 46, "access to GDTR or IDTR";
    LDTR_TR 47, "access to LDTR or TR";
    EPT_VIOLATION 48, "EPT violation";
    EPT_MISCONFIGURATION 49, "EPT misconfiguration";
    INVEPT 50, "INVEPT";
    RDTSCP 51, "RDTSCP";
    PREEMPTION_TIMER 52, "VMX-preemption timer expired";
    INVVPID 53, "INVVPID";
    WBINVD 54, "WBINVD or WBNOINVD";
    XSETBV 55, "XSETBV";
    APIC_WRITE 56, "APIC write";
    RDRAND 57, "RDRAND";
    INVPCID 58, "INVPCID";
    VMFUNC 59, "VMFUNC";
    ENCLS 60, "ENCLS";
    RDSEED 61, "RDSEED";
    PML_FULL 62, "page-modification log full";
    XSAVES 63, "XSAVES";
    XRSTORS 64, "XRSTORS";
    PCONFIG 65, "PCONFIG";
    SPP 66, "SPP-related event";
    UMWAIT 67, "UMWAIT";
    TPAUSE 68, "TPAUSE";
    LOADIWKEY 69, "LOADIWKEY";
    ENCLV 70, "ENCLV";
    ENQCMD 72, "ENQCMD PASID translation failure";
    ENQCMDS 73, "ENQCMDS PASID translation failure";
    BUS_LOCK 74, "bus lock";
    INSTRUCTION_TIMEOUT 75, "instruction timeout";
    SEAMCALL 76, "SEAMCALL";
    TDCALL 77, "TDCALL";
    RDMSRLIST 78, "RDMSRLIST";
    WRMSRLIST 79, "WRMSRLIST";
    RDMSR_IMMEDIATE 84, "RDMSR of an immediate";
    WRMSRNS_IMMEDIATE 85, "WRMSRNS of an immediate";
    MEMORY uapi::MINIVMX_EXIT_MEMORY, "access to absent memory";
    ENTRY_FAILED uapi::MINIVMX_EXIT_ENTRY_FAILED, "VM entry refused";
    INTERNAL uapi::MINIVMX_EXIT_INTERNAL, "driver cannot go on";
    KICK uapi::MINIVMX_EXIT_KICK, "kick";
    DEADLINE uapi::MINIVMX_EXIT_DEADLINE, "deadline";
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.pad(name),
            None => f.pad(&format!("exit reason {}", self.0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_the_sdms() {
        assert_eq!(Reason(30).to_string(), "I/O instruction");
        assert_eq!(Reason(48), Reason::EPT_VIOLATION);
        assert_eq!(Reason(0x10000), Reason::MEMORY);
    }

    #[test]
    fn an_undefined_number_is_shown_as_such() {
        assert_eq!(Reason(35).name(), None);
        assert_eq!(Reason(35).to_string(), "exit reason 35");
        assert_eq!(format!("{:>16}", Reason(35)), "  exit reason 35");
    }
}
