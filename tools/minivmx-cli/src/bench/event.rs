// SPDX-License-Identifier: GPL-2.0

//! The events that are measured, and the guest code that causes them.

use std::arch::global_asm;

use clap::ValueEnum;
use minivmx::{
    LongMode,
    Mmu, //
};

use super::tables;

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
    /// The guest writes DR0
    MovDr,
    /// The guest writes `IA32_KERNEL_GS_BASE`
    WrKernelGsBase,
    /// First touch of a 4 KiB page that is allocated already
    EptViolation,
    /// The guest writes an entry of a page table, and uses it for the first time
    ShadowFill,
    /// The guest switches to an address space that it used before, and accesses a page
    ShadowCr3Switch,
    /// The guest changes an entry of a page table, flushes it by INVLPG, and uses it
    ShadowPteRewrite,
    /// The guest's own page fault: its handler writes an entry, and the access is repeated
    ShadowGuestFault,
    /// The guest changes CR0.WP, and accesses a page
    ShadowCr0Wp,
    /// The guest changes CR4.PGE, and accesses a page
    ShadowCr4Pge,
}

// Each piece does its event as often as RSI says, an even number, and halts; RDI is where the
// pages begin. They run wherever they are copied to, in what `tables` has written.
global_asm!(
    ".pushsection .rodata.minivmx_bench, \"a\", @progbits",
    ".globl bench_run_hlt, bench_out_userspace, bench_cpuid",
    ".globl bench_vmcall, bench_mov_dr, bench_wr_kernel_gs_base",
    ".globl bench_ept_violation, bench_shadow_fill",
    ".globl bench_shadow_cr3_switch, bench_shadow_pte_rewrite",
    ".globl bench_shadow_guest_fault, bench_shadow_cr0_wp",
    ".globl bench_shadow_cr4_pge, bench_end",
    ".hidden bench_run_hlt, bench_out_userspace, bench_cpuid",
    ".hidden bench_vmcall, bench_mov_dr, bench_wr_kernel_gs_base",
    ".hidden bench_ept_violation, bench_shadow_fill",
    ".hidden bench_shadow_cr3_switch, bench_shadow_pte_rewrite",
    ".hidden bench_shadow_guest_fault, bench_shadow_cr0_wp",
    ".hidden bench_shadow_cr4_pge, bench_end",
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
    "bench_mov_dr:",
    "1: mov dr0, rdi",
    "dec rsi",
    "jnz 1b",
    "hlt",
    "bench_wr_kernel_gs_base:",
    "mov ecx, {kernel_gs_base}",
    "xor edx, edx",
    "1: mov eax, esi",
    "wrmsr",
    "dec rsi",
    "jnz 1b",
    "hlt",
    "bench_ept_violation:",
    "1: mov byte ptr [rdi], 1",
    "add rdi, 4096",
    "dec rsi",
    "jnz 1b",
    "hlt",
    "bench_shadow_fill:",
    "mov r9, rdi",
    "shr r9, 9",
    "add r9, {tables}",
    "movabs r10, {linear}",
    "add r10, rdi",
    "1: lea rax, [rdi + {rights}]",
    "mov [r9], rax",
    "mov byte ptr [r10], 1",
    "add rdi, 4096",
    "add r9, 8",
    "add r10, 4096",
    "dec rsi",
    "jnz 1b",
    "hlt",
    "bench_shadow_cr3_switch:",
    "mov rax, {root}",
    "mov rcx, {other_root}",
    "movabs r10, {linear}",
    "1: mov cr3, rcx",
    "mov byte ptr [r10], 1",
    "mov cr3, rax",
    "mov byte ptr [r10], 1",
    "sub rsi, 2",
    "jnz 1b",
    "hlt",
    "bench_shadow_pte_rewrite:",
    "mov rax, {page} + {rights}",
    "movabs r10, {linear}",
    "1: xor rax, 4096",
    "mov [{tables}], rax",
    "invlpg [r10]",
    "mov byte ptr [r10], 1",
    "dec rsi",
    "jnz 1b",
    "hlt",
    // The gate leads to the handler, which knows by R9 and RDI what to do.
    ".balign {handler}",
    "bench_shadow_guest_fault:",
    "jmp 2f",
    ".balign {handler}",
    "lea rax, [rdi + {rights}]",
    "mov [r9], rax",
    "add rsp, 8",
    "iretq",
    "2: lidt [{idtr}]",
    "mov r9, rdi",
    "shr r9, 9",
    "add r9, {tables}",
    "movabs r10, {linear}",
    "add r10, rdi",
    "1: mov byte ptr [r10], 1",
    "add rdi, 4096",
    "add r9, 8",
    "add r10, 4096",
    "dec rsi",
    "jnz 1b",
    "hlt",
    "bench_shadow_cr0_wp:",
    "movabs r10, {linear}",
    "mov rax, cr0",
    "1: xor rax, {cr0_wp}",
    "mov cr0, rax",
    "mov byte ptr [r10], 1",
    "dec rsi",
    "jnz 1b",
    "hlt",
    "bench_shadow_cr4_pge:",
    "movabs r10, {linear}",
    "mov rax, cr4",
    "1: xor rax, {cr4_pge}",
    "mov cr4, rax",
    "mov byte ptr [r10], 1",
    "dec rsi",
    "jnz 1b",
    "hlt",
    "bench_end:",
    ".popsection",
    tables = const tables::TABLES,
    linear = const tables::LINEAR,
    rights = const tables::RIGHTS,
    root = const LongMode::PML4,
    other_root = const tables::OTHER_ROOT,
    page = const tables::PAGE,
    idtr = const tables::IDTR,
    handler = const tables::HANDLER,
    kernel_gs_base = const KERNEL_GS_BASE,
    cr0_wp = const CR0_WP,
    cr4_pge = const CR4_PGE,
);

const KERNEL_GS_BASE: u32 = 0xc000_0102;
const CR0_WP: u32 = 1 << 16;
const CR4_PGE: u32 = 1 << 7;

extern "C" {
    static bench_run_hlt: u8;
    static bench_out_userspace: u8;
    static bench_cpuid: u8;
    static bench_vmcall: u8;
    static bench_mov_dr: u8;
    static bench_wr_kernel_gs_base: u8;
    static bench_ept_violation: u8;
    static bench_shadow_fill: u8;
    static bench_shadow_cr3_switch: u8;
    static bench_shadow_pte_rewrite: u8;
    static bench_shadow_guest_fault: u8;
    static bench_shadow_cr0_wp: u8;
    static bench_shadow_cr4_pge: u8;
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
            Self::MovDr => "mov_dr",
            Self::WrKernelGsBase => "wr_kernel_gs_base",
            Self::EptViolation => "ept_violation",
            Self::ShadowFill => "shadow_fill",
            Self::ShadowCr3Switch => "shadow_cr3_switch",
            Self::ShadowPteRewrite => "shadow_pte_rewrite",
            Self::ShadowGuestFault => "shadow_guest_fault",
            Self::ShadowCr0Wp => "shadow_cr0_wp",
            Self::ShadowCr4Pge => "shadow_cr4_pge",
        }
    }

    /// Most ticks that the event may take on the reference machine: emulated
    /// Haswell, one CPU.
    pub fn budget(self) -> u64 {
        match self {
            Self::RunHlt => 950,
            Self::OutUserspace => 1000,
            Self::Cpuid | Self::Vmcall => 130,
            Self::MovDr | Self::WrKernelGsBase => 15,
            Self::EptViolation => 500,
            Self::ShadowFill => 900,
            Self::ShadowCr3Switch => 300,
            Self::ShadowPteRewrite => 1200,
            Self::ShadowGuestFault => 1800,
            Self::ShadowCr0Wp | Self::ShadowCr4Pge => 600,
        }
    }

    /// Whether it is there for shadow paging: under EPT the guest does it by itself.
    pub fn is_for_shadow(self) -> bool {
        match self {
            Self::RunHlt
            | Self::OutUserspace
            | Self::Cpuid
            | Self::Vmcall
            | Self::MovDr
            | Self::WrKernelGsBase
            | Self::EptViolation => false,
            Self::ShadowFill
            | Self::ShadowCr3Switch
            | Self::ShadowPteRewrite
            | Self::ShadowGuestFault
            | Self::ShadowCr0Wp
            | Self::ShadowCr4Pge => true,
        }
    }

    /// Whether it happens with this MMU, named as in `bench.json`.
    pub fn happens_with(self, mmu: &str) -> bool {
        self != Self::EptViolation || mmu == Mmu::Ept.name()
    }

    /// Each of the three events that use up pages has some of its own: which share of them.
    pub fn share(self) -> u64 {
        match self {
            Self::ShadowFill => 1,
            Self::ShadowGuestFault => 2,
            _ => 0,
        }
    }

    /// The guest's code.
    pub fn code(self) -> &'static [u8] {
        let (start, end) = match self {
            Self::RunHlt => (&raw const bench_run_hlt, &raw const bench_out_userspace),
            Self::OutUserspace => (&raw const bench_out_userspace, &raw const bench_cpuid),
            Self::Cpuid => (&raw const bench_cpuid, &raw const bench_vmcall),
            Self::Vmcall => (&raw const bench_vmcall, &raw const bench_mov_dr),
            Self::MovDr => (&raw const bench_mov_dr, &raw const bench_wr_kernel_gs_base),
            Self::WrKernelGsBase => (
                &raw const bench_wr_kernel_gs_base,
                &raw const bench_ept_violation,
            ),
            Self::EptViolation => (&raw const bench_ept_violation, &raw const bench_shadow_fill),
            Self::ShadowFill => (
                &raw const bench_shadow_fill,
                &raw const bench_shadow_cr3_switch,
            ),
            Self::ShadowCr3Switch => (
                &raw const bench_shadow_cr3_switch,
                &raw const bench_shadow_pte_rewrite,
            ),
            Self::ShadowPteRewrite => (
                &raw const bench_shadow_pte_rewrite,
                &raw const bench_shadow_guest_fault,
            ),
            Self::ShadowGuestFault => (
                &raw const bench_shadow_guest_fault,
                &raw const bench_shadow_cr0_wp,
            ),
            Self::ShadowCr0Wp => (
                &raw const bench_shadow_cr0_wp,
                &raw const bench_shadow_cr4_pge,
            ),
            Self::ShadowCr4Pge => (&raw const bench_shadow_cr4_pge, &raw const bench_end),
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
            assert!(code.len() < 128);
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
        has(Event::MovDr, &[0x0f, 0x23, 0xc7]);
        has(Event::WrKernelGsBase, &[0x0f, 0x30]);
        has(Event::EptViolation, &[0xc6, 0x07, 0x01]);
        has(Event::ShadowFill, &[0x41, 0xc6, 0x02, 0x01]);
        has(Event::ShadowCr3Switch, &[0x0f, 0x22, 0xd9]);
        has(Event::ShadowPteRewrite, &[0x41, 0x0f, 0x01, 0x3a]);
        has(Event::ShadowGuestFault, &[0x48, 0xcf]);
        has(Event::ShadowCr0Wp, &[0x0f, 0x22, 0xc0]);
        has(Event::ShadowCr4Pge, &[0x0f, 0x22, 0xe0]);
    }

    #[test]
    fn the_page_fault_handler_is_where_the_gate_leads() {
        let code = Event::ShadowGuestFault.code();
        let handler = &code[tables::HANDLER as usize..];
        assert_eq!(handler[..4], [0x48, 0x8d, 0x47, 0x03], "lea rax, [rdi + 3]");
    }
}
