// SPDX-License-Identifier: GPL-2.0

//! The state of a guest that ended badly: registers, code, and the whole VMCS.

use std::fmt::{
    self,
    Write, //
};

use minivmx::{
    Field,
    Regs,
    Segment,
    Sregs,
    Vcpu,
    SREGS_PDPTES, //
};

use super::machine::Machine;
use crate::guest::code;

/// Registers, and the instruction at RIP; with every field of the VMCS if so wanted.
pub fn state(machine: &Machine, vmcs: bool) -> String {
    let mut text = String::new();
    let regs = machine.vcpu.regs();
    // Writing to a string cannot fail.
    let _ = general(&mut text, regs);
    match machine.vcpu.sregs() {
        Ok(sregs) => {
            let _ = system(&mut text, &sregs);
            let _ = writeln!(
                text,
                "code   {}",
                code::at_rip(machine.memory.view(), &sregs, regs)
            );
        }
        Err(error) => drop(writeln!(text, "system registers: {error}")),
    }
    if vmcs {
        let _ = fields(&mut text, &machine.vcpu);
    }
    text
}

fn general(text: &mut String, regs: &Regs) -> fmt::Result {
    let rows = [
        [
            ("rax", regs.rax),
            ("rbx", regs.rbx),
            ("rcx", regs.rcx),
            ("rdx", regs.rdx),
        ],
        [
            ("rsi", regs.rsi),
            ("rdi", regs.rdi),
            ("rbp", regs.rbp),
            ("rsp", regs.rsp),
        ],
        [
            ("r8", regs.r8),
            ("r9", regs.r9),
            ("r10", regs.r10),
            ("r11", regs.r11),
        ],
        [
            ("r12", regs.r12),
            ("r13", regs.r13),
            ("r14", regs.r14),
            ("r15", regs.r15),
        ],
    ];
    for row in rows {
        let cells = row.map(|(name, value)| format!("{name:<6} {value:016x}"));
        writeln!(text, "{}", cells.join("  "))?;
    }
    writeln!(
        text,
        "rip    {:016x}  rflags {:016x}",
        regs.rip, regs.rflags
    )
}

fn system(text: &mut String, sregs: &Sregs) -> fmt::Result {
    let segments: [(&str, &Segment); 8] = [
        ("es", &sregs.es),
        ("cs", &sregs.cs),
        ("ss", &sregs.ss),
        ("ds", &sregs.ds),
        ("fs", &sregs.fs),
        ("gs", &sregs.gs),
        ("ldtr", &sregs.ldtr),
        ("tr", &sregs.tr),
    ];
    for (name, segment) in segments {
        writeln!(
            text,
            "{name:<6} {:04x}  base {:016x}  limit {:08x}  rights {:05x}",
            segment.selector, segment.base, segment.limit, segment.access_rights
        )?;
    }
    for (name, table) in [("gdtr", &sregs.gdtr), ("idtr", &sregs.idtr)] {
        writeln!(
            text,
            "{name:<6}       base {:016x}  limit {:08x}",
            table.base, table.limit
        )?;
    }
    writeln!(
        text,
        "cr0    {:016x}  cr2    {:016x}  cr3    {:016x}  cr4    {:016x}",
        sregs.cr0, sregs.cr2, sregs.cr3, sregs.cr4
    )?;
    let [dr0, dr1, dr2, dr3, dr6, dr7] = sregs.dr;
    writeln!(
        text,
        "dr0    {dr0:016x}  dr1    {dr1:016x}  dr2    {dr2:016x}  dr3    {dr3:016x}"
    )?;
    writeln!(
        text,
        "dr6    {dr6:016x}  dr7    {dr7:016x}  efer   {:016x}  xcr0   {:016x}",
        sregs.efer, sregs.xcr0
    )?;
    if sregs.flags & SREGS_PDPTES != 0 {
        let [first, second, third, fourth] = sregs.pdptes;
        writeln!(
            text,
            "pdptes {first:016x}         {second:016x}         {third:016x}         {fourth:016x}"
        )?;
    }
    writeln!(
        text,
        "cr8 {:x}  interruptibility {:08x}  activity {}  pending debug exceptions {:x}",
        sregs.cr8, sregs.interruptibility, sregs.activity, sregs.pending_debug
    )
}

/// Fields that this CPU does not have are left out; those that only the
/// administrator may read say so.
fn fields(text: &mut String, vcpu: &Vcpu) -> fmt::Result {
    writeln!(text, "VMCS")?;
    for (name, field) in Field::ALL {
        let encoding = field.0;
        match vcpu.vmread(*field) {
            Ok(value) => writeln!(text, "  {encoding:04x}  {name:<40} {value:016x}")?,
            Err(error) if error.errno().is_some_and(|errno| errno.0 == libc::ENOENT) => {}
            Err(error) => writeln!(text, "  {encoding:04x}  {name:<40} {error}")?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_register_is_shown() {
        let mut text = String::new();
        let regs = Regs {
            r9: 0x9999,
            rip: 0xfff0,
            ..Regs::default()
        };
        general(&mut text, &regs).expect("a string takes everything");
        assert!(text.contains("r9     0000000000009999"), "{text}");
        assert!(text.contains("rip    000000000000fff0"), "{text}");
    }

    #[test]
    fn segments_show_their_hidden_part() {
        let mut text = String::new();
        let sregs = Sregs {
            cs: Segment {
                base: 0xffff_0000,
                selector: 0xf000,
                access_rights: 0x9b,
                ..Segment::default()
            },
            ..Sregs::default()
        };
        system(&mut text, &sregs).expect("a string takes everything");
        let expected = "cs     f000  base 00000000ffff0000  limit 00000000  rights 0009b";
        assert!(text.contains(expected), "{text}");
    }
}
