// SPDX-License-Identifier: GPL-2.0

//! `minivmx run --trace`: every exit in a line.

use minivmx::{
    Exit,
    ExitInformation,
    Reason,
    Regs,
    Vcpu, //
};

use super::machine::Machine;
use crate::guest::code;

/// The exit that was reported last, in a line: number, reason, RIP, details, instruction.
pub fn line(machine: &mut Machine, number: u64) -> String {
    let information = machine.vcpu.exit_information();
    let regs = regs_at_exit(&machine.vcpu);
    let code = match machine.vcpu.sregs() {
        Ok(sregs) => code::at_rip(machine.memory.view(), &sregs, &regs),
        Err(error) => format!("({error})"),
    };
    let details = details(&machine.vcpu.exit(), &information);
    format!(
        "{number:>8}  {:<24}  rip {:#010x}  {details:<36}  {code}",
        information.reason(),
        regs.rip
    )
}

/// The registers with RIP at the instruction that exited last.
pub fn regs_at_exit(vcpu: &Vcpu) -> Regs {
    let information = vcpu.exit_information();
    let mut regs = *vcpu.regs();
    if information.reason() == Reason::HLT {
        // The driver has moved RIP behind it.
        let length = information.instruction_length.into();
        regs.rip = regs.rip.wrapping_sub(length);
    }
    regs
}

fn details(exit: &Exit<'_>, information: &ExitInformation) -> String {
    match exit {
        Exit::IoIn { port, form, .. } => format!("in {port:#06x}, {} bits", 8 * form.width),
        Exit::IoOut { port, form, data } => {
            format!("out {port:#06x}, {} bits, {data:#x}", 8 * form.width)
        }
        Exit::Rdmsr { index, .. } => format!("msr {index:#x}"),
        Exit::Wrmsr { index, value, .. } => format!("msr {index:#x} = {value:#x}"),
        Exit::Memory { gpa, access, .. } => format!("gpa {gpa:#x}, {}", kinds(access)),
        Exit::Cpuid(regs) => format!("leaf {:#x}, {:#x}", regs.rax as u32, regs.rcx as u32),
        Exit::Hypercall(regs) => format!("number {:#x}", regs.rax),
        Exit::Exception { vector, error, .. } => exception(*vector, *error, information),
        Exit::ControlRegister { qualification } => control_register(*qualification),
        Exit::EntryFailed { error, cause } => format!("{error}: {cause}"),
        Exit::Internal { cause } => (*cause).to_owned(),
        Exit::Hlt | Exit::TripleFault => String::new(),
        Exit::Other(Reason::EPT_VIOLATION) => ept_violation(information),
        _ => format!("qualification {:#x}", information.qualification),
    }
}

fn kinds(access: &minivmx::Access) -> String {
    let kinds = [
        (access.read, "read"),
        (access.write, "write"),
        (access.fetch, "fetch"),
    ];
    let named: Vec<_> = kinds
        .iter()
        .filter(|(is, _)| *is)
        .map(|(_, name)| *name)
        .collect();
    named.join(" and ")
}

fn exception(vector: u8, error: Option<u32>, information: &ExitInformation) -> String {
    const PAGE_FAULT: u8 = 14;
    let error = error.map_or(String::new(), |error| format!(", error {error:#x}"));
    let address = match vector {
        PAGE_FAULT => format!(", address {:#x}", information.qualification),
        _ => String::new(),
    };
    format!("vector {vector}{error}{address}")
}

// SDM Vol. 3C, "Exit Qualification for Control-Register Accesses".
fn control_register(qualification: u64) -> String {
    let number = qualification & 15;
    let register = (qualification >> 8) & 15;
    match (qualification >> 4) & 3 {
        0 => format!("cr{number} = register {register}"),
        1 => format!("register {register} = cr{number}"),
        2 => "clts".into(),
        _ => format!("lmsw {:#x}", (qualification >> 16) & 0xffff),
    }
}

// SDM Vol. 3C, "Exit Qualification for EPT Violations".
fn ept_violation(information: &ExitInformation) -> String {
    let access = minivmx::Access {
        read: information.qualification & 1 != 0,
        write: information.qualification & 2 != 0,
        fetch: information.qualification & 4 != 0,
    };
    const LINEAR: u64 = 1 << 7;
    const FINAL: u64 = 1 << 8;
    let gva = match information.qualification & (LINEAR | FINAL) {
        LINEAR => format!(", gva {:#x} by the page walk", information.linear_address),
        0 | FINAL => String::new(),
        _ => format!(", gva {:#x}", information.linear_address),
    };
    format!(
        "gpa {:#x}, {}{gva}",
        information.physical_address,
        kinds(&access)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use minivmx::{Access, IoForm};

    fn plain(exit: Exit<'_>) -> String {
        details(&exit, &ExitInformation::default())
    }

    #[test]
    fn io_shows_port_width_and_data() {
        let form = IoForm {
            width: 1,
            string: false,
            rep: false,
        };
        let out = Exit::IoOut {
            port: 0x402,
            form,
            data: 0x53,
        };
        assert_eq!(plain(out), "out 0x0402, 8 bits, 0x53");
    }

    #[test]
    fn accesses_are_named() {
        let access = Access {
            read: true,
            write: true,
            fetch: false,
        };
        let memory = Exit::Memory {
            gpa: 0xfed4_0000,
            access,
            instruction: &[],
            regs: &mut Regs::default(),
        };
        assert_eq!(plain(memory), "gpa 0xfed40000, read and write");
    }

    #[test]
    fn a_page_fault_shows_its_address() {
        let mut information = ExitInformation::default();
        information.qualification = 0x40_0000;
        assert_eq!(
            exception(14, Some(2), &information),
            "vector 14, error 0x2, address 0x400000"
        );
        assert_eq!(exception(6, None, &information), "vector 6");
    }

    #[test]
    fn control_registers_show_the_direction() {
        assert_eq!(control_register(0x003), "cr3 = register 0");
        assert_eq!(control_register(0x213), "register 2 = cr3");
        assert_eq!(control_register(0x020), "clts");
    }

    #[test]
    fn an_ept_violation_says_whose_access_it_was() {
        let violation = |qualification| {
            let mut information = ExitInformation::default();
            information.qualification = qualification;
            information.physical_address = 0x3000;
            information.linear_address = 0x7008;
            ept_violation(&information)
        };
        assert_eq!(violation(0x181), "gpa 0x3000, read, gva 0x7008");
        assert_eq!(
            violation(0x82),
            "gpa 0x3000, write, gva 0x7008 by the page walk"
        );
        assert_eq!(violation(0x1), "gpa 0x3000, read");
    }
}
