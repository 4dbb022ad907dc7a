// SPDX-License-Identifier: GPL-2.0

//! Descriptor tables and segment registers of this CPU, saved and put back around a VM exit.
//!
//! A VM exit leaves the limits of GDTR and IDTR at FFFFH, that of TR at 67H, LDTR unusable, and in
//! the data segment registers what the host-state area can hold, which is not what a program may
//! have there (SDM Vol. 3C, "Loading Host Segment and Descriptor-Table Registers").

use super::{
    bindings,
    irq::IrqsDisabled,
    msr::{
        Msr,
        SavedMsr, //
    }, //
};
use kernel::asm;

/// Selector of the task-state segment.
// CAST: A small constant.
const TSS_SELECTOR: u16 = (kernel::bindings::GDT_ENTRY_TSS * 8) as u16;

/// IA32_FS_BASE.
const FS_BASE: Msr = Msr(0xc000_0100);

/// Operand of SGDT, SIDT, LGDT and LIDT.
#[derive(Clone, Copy, Default)]
#[repr(C, packed)]
struct TableRegister {
    limit: u16,
    base: u64,
}

/// The registers as they were when they were saved.
#[derive(Default)]
pub(crate) struct Descriptors {
    gdtr: TableRegister,
    idtr: TableRegister,
    ldtr: u16,
    es: u16,
    ds: u16,
    fs: u16,
    gs: u16,
}

macro_rules! read_selector {
    ($instruction:literal) => {{
        let selector: u16;
        // SAFETY: Reading a selector has no side effect.
        unsafe {
            asm!(concat!($instruction, " {:x}");
                 out(reg) selector, options(nomem, nostack, preserves_flags))
        };
        selector
    }};
}

macro_rules! write_selector {
    ($instruction:literal, $selector:expr) => {
        // SAFETY: The selector was in that register before, so its descriptor is the current
        // program's and can be loaded; should it have vanished, the register is left null.
        unsafe {
            asm!(concat!(
                "1: ", $instruction, "
                2:
                .pushsection __ex_table, \"a\"
                .balign 4
                .long 1b - .
                .long 2b - .
                .long 1
                .popsection
                ");
                in(reg) u32::from($selector), options(nostack, preserves_flags))
        }
    };
}

impl Descriptors {
    /// Reads the registers, until the returned guard is dropped.
    #[inline]
    pub(crate) fn save<'a>(&'a mut self, irqs: &'a IrqsDisabled) -> SavedDescriptors<'a> {
        // SAFETY: Stores 10 bytes into `gdtr`.
        unsafe { asm!("sgdt ({})"; in(reg) &raw mut self.gdtr, options(nostack, preserves_flags)) };
        // SAFETY: Stores 10 bytes into `idtr`.
        unsafe { asm!("sidt ({})"; in(reg) &raw mut self.idtr, options(nostack, preserves_flags)) };
        self.ldtr = read_selector!("sldt");
        self.es = read_selector!("mov %es,");
        self.ds = read_selector!("mov %ds,");
        self.fs = read_selector!("mov %fs,");
        self.gs = read_selector!("mov %gs,");
        SavedDescriptors {
            fs_base: SavedMsr::save(irqs, FS_BASE),
            user_gs_base: (self.gs != 0).then(|| SavedMsr::save(irqs, Msr::KERNEL_GS_BASE)),
            saved: self,
        }
    }
}

/// Guard: the drop writes back what a VM exit did not leave as it was.
#[must_use = "the registers are put back when the guard is dropped"]
pub(crate) struct SavedDescriptors<'a> {
    saved: &'a Descriptors,
    fs_base: SavedMsr<'a>,
    /// With a selector in GS only: loading that spoils the base.
    user_gs_base: Option<SavedMsr<'a>>,
}

impl SavedDescriptors<'_> {
    /// Base address of the global descriptor table.
    pub(crate) fn gdt_base(&self) -> u64 {
        self.saved.gdtr.base
    }

    /// Base address of the interrupt descriptor table.
    pub(crate) fn idt_base(&self) -> u64 {
        self.saved.idtr.base
    }

    /// Base address of FS: the program's.
    pub(crate) fn fs_base(&self) -> u64 {
        self.fs_base.value()
    }
}

impl SavedDescriptors<'_> {
    /// A selector brings the base of its descriptor along, and the program may have had another.
    #[cold]
    fn restore_selectors(&self) {
        let saved = self.saved;
        if saved.ldtr != 0 {
            write_selector!("lldt {:x}", saved.ldtr);
        }
        write_selector!("mov {:e}, %es", saved.es);
        write_selector!("mov {:e}, %ds", saved.ds);
        if saved.fs != 0 {
            write_selector!("mov {:e}, %fs", saved.fs);
            self.fs_base.restore();
        }
        if let Some(base) = &self.user_gs_base {
            // SAFETY: The selector was in GS before; the function keeps the kernel's GS base.
            unsafe { bindings::ext_load_gs_index(u32::from(saved.gs)) };
            base.restore();
        }
    }
}

impl Drop for SavedDescriptors<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        let saved = self.saved;
        saved.restore_tss_limit();
        load_gdt(&saved.gdtr);
        // SAFETY: The value is the one that this CPU had.
        unsafe {
            asm!("lidt ({})"; in(reg) &raw const saved.idtr, options(nostack, preserves_flags))
        };
        if saved.has_selectors() {
            self.restore_selectors();
        }
    }
}

impl Descriptors {
    /// The limit of TR matters for the bitmap of I/O ports only: the kernel reloads TR when it
    /// switches to a program that has one. If the current program does, that is now.
    #[inline]
    fn restore_tss_limit(&self) {
        // SAFETY: Interrupts are off, so the CPU meant is this one; reads a flag of the current
        // task.
        let has_io_bitmap = unsafe { bindings::ext_set_tss_limit_invalid() };
        if has_io_bitmap {
            self.reload_tr();
        }
    }

    /// Reloads TR; the caller reloads GDTR afterwards.
    #[cold]
    fn reload_tr(&self) {
        // SAFETY: Interrupts are off, so the descriptor meant is this CPU's.
        let base = unsafe { bindings::ext_set_tss_available() };
        let writable = TableRegister { base, ..self.gdtr };
        // LTR marks the descriptor busy, so it needs the table where it can be written.
        load_gdt(&writable);
        // SAFETY: The descriptor is that of this CPU's TSS, and available.
        unsafe { asm!("ltr {:x}"; in(reg) TSS_SELECTOR, options(nostack, preserves_flags)) };
    }

    /// Does the current program use segments at all? Few do.
    fn has_selectors(&self) -> bool {
        (self.ldtr | self.es | self.ds | self.fs | self.gs) != 0
    }
}

/// Loads GDTR with a table of the kernel.
#[inline]
fn load_gdt(table: &TableRegister) {
    // SAFETY: All callers give this CPU's global descriptor table, in one of its two mappings.
    unsafe { asm!("lgdt ({})"; in(reg) table, options(nostack, preserves_flags)) };
}

/// Address of this CPU's task-state segment, as TR has it.
pub(crate) fn tss_base(_irqs: &IrqsDisabled) -> u64 {
    // SAFETY: Interrupts are off, so the TSS meant is this CPU's.
    unsafe { bindings::ext_tss_address() }
}
