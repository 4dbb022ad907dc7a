// SPDX-License-Identifier: GPL-2.0

//! The events that are measured, and the guest code that causes them.

use std::arch::global_asm;

use clap::ValueEnum;

/// Something that ends in a VM exit; named as in `bench.json`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Event {
    /// A run to HLT and back
    RunHlt,
    /// OUT to the program and back
    OutUserspace,
    /// CPUID, answered in the kernel
    Cpuid,
    /// VMCALL, answered in the kernel
    Vmcall,
    /// First touch of a 4 KiB page that is allocated already
    EptViolation,
}

// Each piece does its event as often as RSI says and halts; RDI is where the
// pages begin. They run wherever they are copied to.
global_asm!(
    ".pushsection .rodata.minivmx_bench, \"a\", @progbits",
    ".globl bench_run_hlt, bench_out_userspace, bench_cpuid",
    ".globl bench_vmcall, bench_ept_violation, bench_end",
    ".hidden bench_run_hlt, bench_out_userspace, bench_cpuid",
    ".hidden bench_vmcall, bench_ept_violation, bench_end",
    "bench_run_hlt:",
    "1: hlt",
    "jmp 1b",
    "bench_out_userspace:",
    "1: out 0x10, al",
    "dec rsi",
    "jnz 1b",
    "hlt",
    "bench_cpuid:",
    "1: xor eax, eax",
    "cpuid",
    "dec rsi",
    "jnz 1b",
    "hlt",
    // A number that KVM does not know: it answers an error, and nothing else happens.
    "bench_vmcall:",
    "1: mov eax, 0x1000",
    "vmcall",
    "dec rsi",
    "jnz 1b",
    "hlt",
    "bench_ept_violation:",
    "1: mov byte ptr [rdi], 1",
    "add rdi, 4096",
    "dec rsi",
    "jnz 1b",
    "hlt",
    "bench_end:",
    ".popsection",
);

extern "C" {
    static bench_run_hlt: u8;
    static bench_out_userspace: u8;
    static bench_cpuid: u8;
    static bench_vmcall: u8;
    static bench_ept_violation: u8;
    static bench_end: u8;
}

impl Event {
    /// Name as in `bench.json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::RunHlt => "run_hlt",
            Self::OutUserspace => "out_userspace",
            Self::Cpuid => "cpuid",
            Self::Vmcall => "vmcall",
            Self::EptViolation => "ept_violation",
        }
    }

    /// Most ticks that the event may take on the reference machine: emulated
    /// Haswell, one CPU.
    pub fn budget(self) -> u64 {
        match self {
            Self::RunHlt => 950,
            Self::OutUserspace => 1000,
            Self::Cpuid | Self::Vmcall => 130,
            Self::EptViolation => 500,
        }
    }

    /// The guest's code.
    pub fn code(self) -> &'static [u8] {
        let (start, end) = match self {
            Self::RunHlt => (&raw const bench_run_hlt, &raw const bench_out_userspace),
            Self::OutUserspace => (&raw const bench_out_userspace, &raw const bench_cpuid),
            Self::Cpuid => (&raw const bench_cpuid, &raw const bench_vmcall),
            Self::Vmcall => (&raw const bench_vmcall, &raw const bench_ept_violation),
            Self::EptViolation => (&raw const bench_ept_violation, &raw const bench_end),
        };
        // SAFETY: The labels follow each other in a read-only section of this program.
        unsafe { std::slice::from_raw_parts(start, end.addr() - start.addr()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_command_line() {
        for event in Event::value_variants() {
            let value = event.to_possible_value().expect("none is hidden");
            assert_eq!(value.get_name(), event.name());
        }
    }

    #[test]
    fn every_piece_of_code_has_its_instruction_and_halts() {
        let has = |event: Event, bytes: &[u8]| {
            let code = event.code();
            assert!(code.len() < 64);
            assert!(code.contains(&0xf4), "{event:?} halts");
            assert!(
                code.windows(bytes.len()).any(|window| window == bytes),
                "{event:?}"
            );
        };
        has(Event::RunHlt, &[0xf4, 0xeb, 0xfd]);
        has(Event::OutUserspace, &[0xe6, 0x10]);
        has(Event::Cpuid, &[0x0f, 0xa2]);
        has(Event::Vmcall, &[0x0f, 0x01, 0xc1]);
        has(Event::EptViolation, &[0xc6, 0x07, 0x01]);
    }
}
