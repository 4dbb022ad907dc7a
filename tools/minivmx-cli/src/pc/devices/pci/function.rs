// SPDX-License-Identifier: GPL-2.0

//! The configuration space of a PCI function, as bytes, and which of their bits its driver writes
//! (PCI Local Bus Specification 3.0, "Configuration Space").

use anyhow::Result;

use super::super::{
    exactly,
    value_of, //
};

pub const SIZE: usize = 256;

const COMMAND: usize = 0x04;
const FIRST_ADDRESS: usize = 0x10;
/// In the command register: the function answers to I/O ports.
const ANSWERS_PORTS: u8 = 1 << 0;
/// In a base address: it is one of ports.
const OF_PORTS: u32 = 1 << 0;

/// Bytes from a register on.
pub type Bytes<'a> = (usize, &'a [u8]);

#[derive(Clone)]
pub struct Function {
    registers: [u8; SIZE],
    writable: [u8; SIZE],
}

impl Function {
    /// With these registers, and with ones where they can be written; the others are zero, and stay
    /// so.
    pub fn new(registers: &[Bytes<'_>], writable: &[Bytes<'_>]) -> Self {
        Self {
            registers: space(registers),
            writable: space(writable),
        }
    }

    /// What is read there. What is beyond the end has no bits.
    pub fn read(&self, register: usize, width: u8) -> u32 {
        let bytes = self.registers.iter().skip(register).take(width.into());
        value_of(bytes.copied())
    }

    pub fn write(&mut self, register: usize, width: u8, value: u32) {
        let registers = self.registers.iter_mut().zip(self.writable);
        let bytes = value.to_le_bytes().into_iter().take(width.into());
        for ((register, writable), byte) in registers.skip(register).zip(bytes) {
            *register = *register & !writable | byte & writable;
        }
    }

    /// The first of the ports that its first base address stands for, if it answers to them.
    pub fn ports(&self) -> Option<u16> {
        let base = self.read(FIRST_ADDRESS, 4);
        let answers = self.registers[COMMAND] & ANSWERS_PORTS != 0;
        let is_theirs = answers && base & OF_PORTS != 0;
        u16::try_from(base & !OF_PORTS).ok().filter(|_| is_theirs)
    }

    pub fn state(&self) -> Vec<u8> {
        self.registers.into()
    }

    pub fn restore(&mut self, state: &[u8]) -> Result<()> {
        self.registers = exactly(state)?;
        Ok(())
    }
}

fn space(parts: &[Bytes<'_>]) -> [u8; SIZE] {
    let mut space = [0; SIZE];
    for (register, bytes) in parts {
        space[*register..*register + bytes.len()].copy_from_slice(bytes);
    }
    space
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function() -> Function {
        Function::new(
            &[(0, &[0xf4, 0x1a]), (0x10, &[0x01, 0xc0])],
            &[(4, &[1]), (0x10, &[0x80, 0xff, 0xff, 0xff])],
        )
    }

    #[test]
    fn only_what_is_writable_is_written() {
        let mut function = function();
        function.write(0, 4, u32::MAX);
        assert_eq!(function.read(0, 4), 0x1af4);
        function.write(0x10, 4, u32::MAX);
        assert_eq!(function.read(0x10, 4), 0xffff_ff81, "it asks for 128 ports");
    }

    #[test]
    fn it_answers_to_ports_when_it_is_told_to() {
        let mut function = function();
        assert_eq!(function.ports(), None);
        function.write(4, 2, 1);
        assert_eq!(function.ports(), Some(0xc000));
        function.write(0x10, 4, 0x1080);
        assert_eq!(function.ports(), Some(0x1080));
        function.write(0x10, 4, 0x1_1080);
        assert_eq!(function.ports(), None, "there are no such ports");
    }

    #[test]
    fn an_access_over_the_end_is_cut() {
        let mut function = Function::new(&[], &[(0xfc, &[0xff; 4])]);
        function.write(0xff, 4, u32::MAX);
        assert_eq!(function.read(0xff, 4), 0xff);
        assert_eq!(function.read(0xfc, 4), 0xff00_0000);
    }
}
