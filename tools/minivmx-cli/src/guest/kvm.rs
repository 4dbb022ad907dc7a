// SPDX-License-Identifier: GPL-2.0

//! The same guest in KVM's form: registers, memory, and how KVM translates that.

use std::fs;

use anyhow::{
    Context,
    Result, //
};
use kvm_bindings::{
    kvm_dtable,
    kvm_regs,
    kvm_segment,
    kvm_sregs,
    kvm_userspace_memory_region,
    KVM_MEM_READONLY, //
};
use kvm_ioctls::VmFd;
use minivmx::{
    Regs,
    Segment,
    Sregs,
    Table, //
};
use vm_memory::{
    GuestMemory,
    GuestMemoryMmap,
    GuestMemoryRegion, //
};

use crate::run::layout::GIB_4;

/// KVM on Intel says there whether it uses EPT.
pub fn mmu() -> &'static str {
    match fs::read_to_string("/sys/module/kvm_intel/parameters/ept") {
        Ok(text) if text.trim() == "N" => "shadow",
        _ => "ept",
    }
}

/// Gives a VM its memory, a slot for each region, and in pages of 4 KiB, as minivmx has it. Below 4
/// GiB it is a ROM.
///
/// # Safety
///
/// The memory stays mapped as long as a vCPU of the VM can run.
pub unsafe fn give(vm: &VmFd, memory: &GuestMemoryMmap) -> Result<()> {
    for (slot, region) in (0..).zip(memory.iter()) {
        let address = memory.get_host_address(region.start_addr())?;
        // A kernel without transparent huge pages does not know this, and needs it not.
        // SAFETY: The range is the mapping's own, and its contents stay as they are.
        unsafe { libc::madvise(address.cast(), region.len() as usize, libc::MADV_NOHUGEPAGE) };
        let is_rom = region.last_addr().0 == GIB_4 - 1;
        let region = kvm_userspace_memory_region {
            slot,
            flags: if is_rom { KVM_MEM_READONLY } else { 0 },
            guest_phys_addr: region.start_addr().0,
            memory_size: region.len(),
            userspace_addr: address.addr() as u64,
        };
        // SAFETY: By the requirement of this function.
        unsafe { vm.set_user_memory_region(region) }.context("KVM_SET_USER_MEMORY_REGION")?;
    }
    Ok(())
}

/// General registers.
pub fn regs(regs: &Regs) -> kvm_regs {
    kvm_regs {
        rax: regs.rax,
        rbx: regs.rbx,
        rcx: regs.rcx,
        rdx: regs.rdx,
        rsi: regs.rsi,
        rdi: regs.rdi,
        rsp: regs.rsp,
        rbp: regs.rbp,
        r8: regs.r8,
        r9: regs.r9,
        r10: regs.r10,
        r11: regs.r11,
        r12: regs.r12,
        r13: regs.r13,
        r14: regs.r14,
        r15: regs.r15,
        rip: regs.rip,
        rflags: regs.rflags,
    }
}

/// System registers; those that KVM alone has stay as in `before`.
pub fn sregs(sregs: &Sregs, before: kvm_sregs) -> kvm_sregs {
    kvm_sregs {
        cs: segment(&sregs.cs),
        ds: segment(&sregs.ds),
        es: segment(&sregs.es),
        fs: segment(&sregs.fs),
        gs: segment(&sregs.gs),
        ss: segment(&sregs.ss),
        tr: segment(&sregs.tr),
        ldt: segment(&sregs.ldtr),
        gdt: table(&sregs.gdtr),
        idt: table(&sregs.idtr),
        cr0: sregs.cr0,
        cr2: sregs.cr2,
        cr3: sregs.cr3,
        cr4: sregs.cr4,
        cr8: sregs.cr8,
        efer: sregs.efer,
        ..before
    }
}

fn segment(segment: &Segment) -> kvm_segment {
    let bits = |shift: u32, mask: u32| ((segment.access_rights >> shift) & mask) as u8;
    kvm_segment {
        base: segment.base,
        limit: segment.limit,
        selector: segment.selector,
        type_: bits(0, 15),
        s: bits(4, 1),
        dpl: bits(5, 3),
        present: bits(7, 1),
        avl: bits(12, 1),
        l: bits(13, 1),
        db: bits(14, 1),
        g: bits(15, 1),
        unusable: bits(16, 1),
        padding: 0,
    }
}

fn table(table: &Table) -> kvm_dtable {
    kvm_dtable {
        base: table.base,
        limit: table.limit as u16,
        padding: [0; 3],
    }
}

/// The other way round.
pub fn regs_of(regs: &kvm_regs) -> Regs {
    Regs {
        rax: regs.rax,
        rbx: regs.rbx,
        rcx: regs.rcx,
        rdx: regs.rdx,
        rsi: regs.rsi,
        rdi: regs.rdi,
        rsp: regs.rsp,
        rbp: regs.rbp,
        r8: regs.r8,
        r9: regs.r9,
        r10: regs.r10,
        r11: regs.r11,
        r12: regs.r12,
        r13: regs.r13,
        r14: regs.r14,
        r15: regs.r15,
        rip: regs.rip,
        rflags: regs.rflags,
    }
}

/// The other way round.
pub fn sregs_of(sregs: &kvm_sregs) -> Sregs {
    Sregs {
        cs: segment_of(&sregs.cs),
        ds: segment_of(&sregs.ds),
        es: segment_of(&sregs.es),
        fs: segment_of(&sregs.fs),
        gs: segment_of(&sregs.gs),
        ss: segment_of(&sregs.ss),
        tr: segment_of(&sregs.tr),
        ldtr: segment_of(&sregs.ldt),
        gdtr: table_of(&sregs.gdt),
        idtr: table_of(&sregs.idt),
        cr0: sregs.cr0,
        cr2: sregs.cr2,
        cr3: sregs.cr3,
        cr4: sregs.cr4,
        cr8: sregs.cr8,
        efer: sregs.efer,
        ..Default::default()
    }
}

fn segment_of(segment: &kvm_segment) -> Segment {
    let bits = [
        (segment.type_, 0),
        (segment.s, 4),
        (segment.dpl, 5),
        (segment.present, 7),
        (segment.avl, 12),
        (segment.l, 13),
        (segment.db, 14),
        (segment.g, 15),
        (segment.unusable, 16),
    ];
    Segment {
        base: segment.base,
        limit: segment.limit,
        selector: segment.selector,
        access_rights: bits.into_iter().fold(0, |rights, (value, shift)| {
            rights | (u32::from(value) << shift)
        }),
        ..Default::default()
    }
}

fn table_of(table: &kvm_dtable) -> Table {
    Table {
        base: table.base,
        limit: table.limit.into(),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use minivmx::LongMode;

    #[test]
    fn access_rights_are_taken_apart() {
        let sregs = sregs(&LongMode::sregs(&Sregs::default()), kvm_sregs::default());
        let code = sregs.cs;
        let fields = (code.type_, code.s, code.present, code.l, code.db, code.g);
        assert_eq!(fields, (11, 1, 1, 1, 0, 1));
        assert_eq!((sregs.ldt.unusable, sregs.tr.type_), (1, 11));
        assert_eq!(sregs.cr3, LongMode::PML4);
    }

    #[test]
    fn there_and_back_nothing_is_lost() {
        let there = LongMode::sregs(&Sregs::default());
        let back = sregs_of(&sregs(&there, kvm_sregs::default()));
        assert_eq!(back.cs, there.cs);
        assert_eq!((back.ldtr, back.tr), (there.ldtr, there.tr));
        assert_eq!(
            (back.cr0, back.cr4, back.efer),
            (there.cr0, there.cr4, there.efer)
        );
        let regs_there = LongMode::regs(0x1234);
        assert_eq!(regs_of(&regs(&regs_there)), regs_there);
    }
}
