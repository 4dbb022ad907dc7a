// SPDX-License-Identifier: GPL-2.0

//! Accesses to memory that is not there, as a PC answers them: reads give ones,
//! writes are lost. Where a device has a register, it answers to moves of its 32 bits.
//!
//! Firmware looks for devices this way (TPM, local APIC, video memory). Moves
//! between memory and a register are carried out; more is not needed, and is an
//! error that shows the instruction.

use anyhow::{
    bail,
    Context,
    Result, //
};
use iced_x86::{
    Decoder,
    DecoderOptions,
    Instruction,
    Mnemonic,
    OpKind,
    Register, //
};
use minivmx::{
    Access,
    Regs, //
};

use super::bus::Bus;
use crate::{
    guest::{
        code,
        registers, //
    },
    x86::rflags, //
};

/// The place of an access.
pub struct At<'a> {
    pub gpa: u64,
    pub bus: &'a mut dyn Bus,
}

/// Carries out the instruction at RIP, of which these are the bytes in code of
/// that width.
pub fn complete(
    regs: &mut Regs,
    width: u32,
    bytes: &[u8],
    access: Access,
    at: &mut At<'_>,
) -> Result<()> {
    let mut decoder = Decoder::with_ip(width, bytes, regs.rip, DecoderOptions::NONE);
    let instruction = decoder.decode();
    if access.fetch || instruction.is_invalid() {
        bail!("the guest runs code where there is no memory");
    }
    if !is_move(&instruction) {
        bail!(
            "{} is not among the moves that are carried out",
            code::text(&instruction)
        );
    }
    if instruction.op0_kind() == OpKind::Register {
        let value = load(&instruction, at);
        store(regs, instruction.op0_register(), value)?;
    } else if let Some(value) = stored(regs, &instruction) {
        at.bus.write_register(at.gpa, value);
    }
    regs.rip = instruction.next_ip();
    // The CPU set it, as the instruction was to be tried again (SDM Vol. 3C, "Saving RIP, RSP,
    // RFLAGS, and SSP"): the next one is to meet its breakpoint.
    regs.rflags &= !rflags::RF;
    Ok(())
}

fn is_move(instruction: &Instruction) -> bool {
    let moves = matches!(
        instruction.mnemonic(),
        Mnemonic::Mov | Mnemonic::Movsx | Mnemonic::Movzx | Mnemonic::Movsxd
    );
    let memory = [instruction.op0_kind(), instruction.op1_kind()].contains(&OpKind::Memory);
    moves && memory
}

fn load(instruction: &Instruction, at: &mut At<'_>) -> u64 {
    let register = is_of_register(instruction).then(|| at.bus.read_register(at.gpa));
    register
        .flatten()
        .map_or_else(|| ones(instruction), u64::from)
}

/// What a store writes to a register of a device.
fn stored(regs: &mut Regs, instruction: &Instruction) -> Option<u32> {
    match instruction.op1_kind() {
        _ if !is_of_register(instruction) => None,
        OpKind::Immediate32 => Some(instruction.immediate32()),
        _ => {
            let number = instruction.op1_register().full_register().number();
            // CAST: The instruction moves 32 bits.
            registers::general(regs, number).map(|value| *value as u32)
        }
    }
}

/// Devices have registers of 32 bits, and answer to a MOV of one.
fn is_of_register(instruction: &Instruction) -> bool {
    instruction.mnemonic() == Mnemonic::Mov && instruction.memory_size().size() == 4
}

/// What a load of ones leaves in a register of 64 bits.
fn ones(instruction: &Instruction) -> u64 {
    match instruction.mnemonic() {
        Mnemonic::Movzx => mask(instruction.memory_size().size()),
        _ => u64::MAX,
    }
}

fn mask(bytes: usize) -> u64 {
    u64::MAX >> (64 - 8 * bytes.clamp(1, 8))
}

/// Writes a register as an instruction does: 32 bits clear the upper half,
/// fewer leave the rest.
fn store(regs: &mut Regs, register: Register, value: u64) -> Result<()> {
    let full = register.full_register();
    let kept = full
        .is_gpr()
        .then(|| registers::general(regs, full.number()))
        .flatten()
        .with_context(|| format!("{register:?} is not a general register"))?;
    let high_byte = [Register::AH, Register::CH, Register::DH, Register::BH].contains(&register);
    let (written, shift) = match register.size() {
        4 => (u64::MAX, 0),
        1 if high_byte => (0xff00, 8),
        bytes => (mask(bytes), 0),
    };
    let value = (value & mask(register.size())) << shift;
    *kept = (*kept & !written) | value;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const READ: Access = Access {
        read: true,
        write: false,
        fetch: false,
    };

    const REGISTER: u64 = 0xfee0_0020;

    fn run(width: u32, bytes: &[u8]) -> Result<Regs> {
        Ok(run_at(0xfed4_0000, width, bytes)?.0)
    }

    /// With what became of the register of a device at 0xfee00020.
    fn run_at(gpa: u64, width: u32, bytes: &[u8]) -> Result<(Regs, u32)> {
        let mut regs = Regs {
            rip: 0x1000,
            rax: 0x1122_3344_5566_7788,
            rflags: rflags::RF | rflags::IF,
            ..Regs::default()
        };
        let mut bus = Register(0x8000_0001);
        let at = &mut At { gpa, bus: &mut bus };
        complete(&mut regs, width, bytes, READ, at)?;
        Ok((regs, bus.0))
    }

    struct Register(u32);

    impl Bus for Register {
        fn read_port(&mut self, _port: u16, _width: u8) -> u32 {
            u32::MAX
        }

        fn write_port(&mut self, _port: u16, _width: u8, _value: u32) {}

        fn read_register(&mut self, gpa: u64) -> Option<u32> {
            (gpa == REGISTER).then_some(self.0)
        }

        fn write_register(&mut self, gpa: u64, value: u32) {
            if gpa == REGISTER {
                self.0 = value;
            }
        }

        fn read_msr(&mut self, _index: u32) -> Option<u64> {
            None
        }

        fn write_msr(&mut self, _index: u32, _value: u64) -> Option<()> {
            None
        }
    }

    #[test]
    fn a_register_of_a_device_is_read_and_written() -> Result<()> {
        // mov eax, [rax]; mov [rax], eax; mov dword [rax], 0x10f; mov eax, [0xfee00020]
        let (regs, kept) = run_at(REGISTER, 64, &[0x8b, 0x00])?;
        assert_eq!((regs.rax, kept), (0x8000_0001, 0x8000_0001));
        assert_eq!(run_at(REGISTER, 64, &[0x89, 0x00])?.1, 0x5566_7788);
        assert_eq!(run_at(REGISTER, 64, &[0xc7, 0x00, 0x0f, 1, 0, 0])?.1, 0x10f);
        assert_eq!(
            run_at(REGISTER, 32, &[0xa1, 0x20, 0, 0xe0, 0xfe])?.0.rax,
            0x8000_0001
        );
        Ok(())
    }

    #[test]
    fn a_register_of_a_device_answers_to_its_whole_width_only() -> Result<()> {
        // mov al, [rax]; mov [rax], al; mov [rax], rax
        assert_eq!(
            run_at(REGISTER, 64, &[0x8a, 0x00])?.0.rax,
            0x1122_3344_5566_77ff
        );
        assert_eq!(run_at(REGISTER, 64, &[0x88, 0x00])?.1, 0x8000_0001);
        assert_eq!(run_at(REGISTER, 64, &[0x48, 0x89, 0x00])?.1, 0x8000_0001);
        Ok(())
    }

    #[test]
    fn a_load_gives_ones_of_its_width() -> Result<()> {
        // mov eax, [0xfed40000]; mov al, [si]; mov ax, [si]; mov ah, [rax]; mov rax, [rax]
        assert_eq!(run(32, &[0xa1, 0, 0, 0xd4, 0xfe])?.rax, 0xffff_ffff);
        assert_eq!(run(16, &[0x8a, 0x04])?.rax, 0x1122_3344_5566_77ff);
        assert_eq!(run(16, &[0x8b, 0x04])?.rax, 0x1122_3344_5566_ffff);
        assert_eq!(run(64, &[0x8a, 0x20])?.rax, 0x1122_3344_5566_ff88);
        assert_eq!(run(64, &[0x48, 0x8b, 0x00])?.rax, u64::MAX);
        // movzx eax, byte [rax]; movsx rax, word [rax]
        assert_eq!(run(64, &[0x0f, 0xb6, 0x00])?.rax, 0xff);
        assert_eq!(run(64, &[0x48, 0x0f, 0xbf, 0x00])?.rax, u64::MAX);
        Ok(())
    }

    #[test]
    fn a_store_is_skipped() -> Result<()> {
        // mov dword [eax], 0x10f
        let regs = run(32, &[0xc7, 0x00, 0x0f, 0x01, 0, 0])?;
        assert_eq!((regs.rip, regs.rax), (0x1006, 0x1122_3344_5566_7788));
        Ok(())
    }

    #[test]
    fn the_next_instruction_meets_its_breakpoint() -> Result<()> {
        // mov eax, [rax]
        assert_eq!(run(64, &[0x8b, 0x00])?.rflags, rflags::IF);
        Ok(())
    }

    #[test]
    fn anything_else_is_shown() {
        let error = run(32, &[0x0f, 0xb1, 0x08]).unwrap_err().to_string();
        assert!(error.starts_with("cmpxchg [eax],ecx"), "{error}");
        assert!(run(32, &[]).is_err());
        assert!(run(64, &[0xf3, 0xa4]).is_err());
    }

    #[test]
    fn a_segment_register_is_refused() {
        // mov ds, [eax]
        assert!(run(32, &[0x8e, 0x18]).is_err());
    }
}
