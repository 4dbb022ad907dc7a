// SPDX-License-Identifier: GPL-2.0

//! The guest's registers as gdb gets them: one after the other, as target.xml names
//! them. x87 and SSE registers are not known here, as the driver has no call for
//! them; gdb is told so.

use std::iter;

use gdbstub::arch::{
    self,
    Arch, //
};
use minivmx::{
    Regs,
    Sregs, //
};

/// The CPU that gdb is told of.
pub enum Cpu {}

impl Arch for Cpu {
    type Usize = u64;
    type Registers = Registers;
    type BreakpointKind = usize;
    type RegId = ();

    fn target_description_xml() -> Option<&'static str> {
        Some(include_str!("target.xml"))
    }
}

/// What is always set in RFLAGS.
const RFLAGS_FIXED: u64 = 1 << 1;
/// What RFLAGS has, but for VM: virtual-8086 mode wants other segments.
const RFLAGS_KNOWN: u64 = 0x3d_7fd7;

/// ST0 to ST7, and eight more of the x87 unit.
const X87_BYTES: usize = 8 * 10 + 8 * 4;

/// All that gdb is told of.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Registers {
    /// In gdb's order.
    general: [u64; 16],
    rip: u64,
    rflags: u32,
    system: System,
    /// gdb wants to set a register of the x87 unit.
    sets_x87: bool,
}

/// What gdb can see and not set.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct System {
    /// CS, SS, DS, ES, FS, GS.
    selectors: [u32; 6],
    /// FS, GS.
    bases: [u64; 2],
    /// CR0, CR2, CR3, CR4, CR8, IA32_EFER.
    control: [u64; 6],
}

impl Registers {
    /// Those of a guest.
    pub fn new(regs: &Regs, sregs: &Sregs) -> Self {
        Self {
            general: in_gdbs_order(&mut { *regs }).map(|register| *register),
            rip: regs.rip,
            // CAST: The high half is always 0.
            rflags: regs.rflags as u32,
            system: System::new(sregs),
            sets_x87: false,
        }
    }

    /// What gdb has set in them, for a guest with these; `None` if it is something that it cannot
    /// set.
    pub fn set(&self, regs: &mut Regs, sregs: &Sregs) -> Option<()> {
        let is_the_same = self.system == System::new(sregs) && !self.sets_x87;
        (is_the_same && is_canonical(self.rip)).then_some(())?;
        let rflags = u64::from(self.rflags) | RFLAGS_FIXED;
        (rflags & !RFLAGS_KNOWN == 0).then_some(())?;
        for (register, value) in in_gdbs_order(regs).into_iter().zip(self.general) {
            *register = value;
        }
        regs.rip = self.rip;
        regs.rflags = rflags;
        Some(())
    }
}

impl System {
    fn new(sregs: &Sregs) -> Self {
        let segments = [
            &sregs.cs, &sregs.ss, &sregs.ds, &sregs.es, &sregs.fs, &sregs.gs,
        ];
        Self {
            selectors: segments.map(|segment| segment.selector.into()),
            bases: [sregs.fs.base, sregs.gs.base],
            control: [
                sregs.cr0, sregs.cr2, sregs.cr3, sregs.cr4, sregs.cr8, sregs.efer,
            ],
        }
    }
}

/// No CPU enters a guest with another.
fn is_canonical(rip: u64) -> bool {
    // CAST: The sign is bit 47.
    ((rip << 16) as i64 >> 16) as u64 == rip
}

/// RSI comes before RDI and RBP, and RBX before RCX.
fn in_gdbs_order(regs: &mut Regs) -> [&mut u64; 16] {
    [
        &mut regs.rax,
        &mut regs.rbx,
        &mut regs.rcx,
        &mut regs.rdx,
        &mut regs.rsi,
        &mut regs.rdi,
        &mut regs.rbp,
        &mut regs.rsp,
        &mut regs.r8,
        &mut regs.r9,
        &mut regs.r10,
        &mut regs.r11,
        &mut regs.r12,
        &mut regs.r13,
        &mut regs.r14,
        &mut regs.r15,
    ]
}

impl arch::Registers for Registers {
    type ProgramCounter = u64;

    fn pc(&self) -> u64 {
        self.rip
    }

    fn gdb_serialize(&self, write_byte: impl FnMut(Option<u8>)) {
        let System {
            selectors,
            bases,
            control,
        } = &self.system;
        let wide = self.general.iter().chain(iter::once(&self.rip));
        let narrow = iter::once(&self.rflags).chain(selectors);
        let behind = bases.iter().chain(control);
        wide.flat_map(|value| value.to_le_bytes())
            .chain(narrow.flat_map(|value| value.to_le_bytes()))
            .map(Some)
            .chain(iter::repeat_n(None, X87_BYTES))
            .chain(behind.flat_map(|value| value.to_le_bytes()).map(Some))
            .for_each(write_byte);
    }

    fn gdb_deserialize(&mut self, bytes: &[u8]) -> Result<(), ()> {
        *self = Reader(bytes).registers().ok_or(())?;
        Ok(())
    }
}

/// Takes registers from the front.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn registers(&mut self) -> Option<Registers> {
        let general = self.wide()?;
        let [rip] = self.wide()?;
        let [rflags] = self.narrow()?;
        let selectors = self.narrow()?;
        // For what is not known gdb sends zeros back.
        let x87: [u8; X87_BYTES] = self.take()?;
        let system = System {
            selectors,
            bases: self.wide()?,
            control: self.wide()?,
        };
        self.0.is_empty().then_some(Registers {
            general,
            rip,
            rflags,
            system,
            sets_x87: x87 != [0; X87_BYTES],
        })
    }

    fn wide<const N: usize>(&mut self) -> Option<[u64; N]> {
        let mut values = [0; N];
        for value in &mut values {
            *value = u64::from_le_bytes(self.take()?);
        }
        Some(values)
    }

    fn narrow<const N: usize>(&mut self) -> Option<[u32; N]> {
        let mut values = [0; N];
        for value in &mut values {
            *value = u32::from_le_bytes(self.take()?);
        }
        Some(values)
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arch::Registers as _;

    fn some_registers() -> (Regs, Sregs) {
        let mut regs = Regs {
            rip: 0xffff_ffff_8100_0000,
            rflags: 0x246,
            ..Regs::default()
        };
        for (register, value) in in_gdbs_order(&mut regs).into_iter().zip(1..) {
            *register = value;
        }
        let mut sregs = Sregs {
            cr3: 0x1234_5000,
            ..Sregs::default()
        };
        sregs.cs.selector = 0x10;
        sregs.gs.base = 0xffff_8880_0000_0000;
        (regs, sregs)
    }

    fn bytes(registers: &Registers) -> Vec<Option<u8>> {
        let mut bytes = Vec::new();
        registers.gdb_serialize(|byte| bytes.push(byte));
        bytes
    }

    /// The number behind `name="`, of each register.
    fn bits_in_description() -> Vec<usize> {
        include_str!("target.xml")
            .split("bitsize=\"")
            .skip(1)
            .filter_map(|text| text.split('"').next()?.parse().ok())
            .collect()
    }

    #[test]
    fn there_are_as_many_bytes_as_are_described() {
        let (regs, sregs) = some_registers();
        let bits: usize = bits_in_description().iter().sum();
        assert_eq!(bytes(&Registers::new(&regs, &sregs)).len(), bits / 8);
    }

    #[test]
    fn registers_are_where_they_are_described() {
        let (regs, sregs) = some_registers();
        let bytes = bytes(&Registers::new(&regs, &sregs));
        let text = include_str!("target.xml");
        let names = text.split("<reg name=\"").skip(1);
        let names: Vec<_> = names.filter_map(|text| text.split('"').next()).collect();
        let value = |name| {
            let number = names.iter().position(|known| *known == name);
            let number = number.expect("it is described");
            let bits = bits_in_description();
            let start = bits[..number].iter().sum::<usize>() / 8;
            bytes[start..start + bits[number] / 8].to_vec()
        };
        let known = |bytes: &[u8]| bytes.iter().copied().map(Some).collect::<Vec<_>>();
        assert_eq!(value("rbx"), known(&2_u64.to_le_bytes()));
        assert_eq!(value("r15"), known(&16_u64.to_le_bytes()));
        assert_eq!(value("rip"), known(&regs.rip.to_le_bytes()));
        assert_eq!(value("eflags"), known(&0x246_u32.to_le_bytes()));
        assert_eq!(value("cs"), known(&0x10_u32.to_le_bytes()));
        assert_eq!(value("gs_base"), known(&sregs.gs.base.to_le_bytes()));
        assert_eq!(value("cr3"), known(&sregs.cr3.to_le_bytes()));
        assert_eq!(value("st7"), [None; 10]);
    }

    #[test]
    fn what_gdb_sets_is_set_or_refused() {
        let (mut regs, sregs) = some_registers();
        let mut sent: Vec<_> = bytes(&Registers::new(&regs, &sregs))
            .into_iter()
            .map(Option::unwrap_or_default)
            .collect();
        sent[0] = 0x55;
        let mut registers = Registers::default();
        assert_eq!(registers.gdb_deserialize(&sent), Ok(()));
        assert_eq!(registers.set(&mut regs, &sregs), Some(()));
        assert_eq!((regs.rax, regs.rbx, regs.r15), (0x55, 2, 16));

        for (rip, rflags) in [(1 << 47, 0x246), (0x1000, 1 << 17), (0x1000, 1 << 15)] {
            let set = Registers {
                rip,
                rflags,
                ..registers.clone()
            };
            assert_eq!(set.set(&mut regs, &sregs), None, "{rip:#x} {rflags:#x}");
        }

        let another = Sregs { cr3: 0, ..sregs };
        assert_eq!(registers.set(&mut regs, &another), None);
        let x87 = 17 * 8 + 7 * 4;
        sent[x87] = 1;
        assert_eq!(registers.gdb_deserialize(&sent), Ok(()));
        assert_eq!(registers.set(&mut regs, &sregs), None);
        assert_eq!(registers.gdb_deserialize(&sent[1..]), Err(()));
    }
}
