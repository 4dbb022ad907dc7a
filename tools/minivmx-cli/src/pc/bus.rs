// SPDX-License-Identifier: GPL-2.0

//! What the exits of a CPU reach.

use super::{
    devices::Devices,
    msrs::Msrs, //
};

/// All that is around a CPU.
pub trait Bus {
    /// What it reads from a port, in the low `width` bytes.
    fn read_port(&mut self, port: u16, width: u8) -> u32;

    fn write_port(&mut self, port: u16, width: u8, value: u32);

    /// A register of a device at this guest-physical address; `None` where none is.
    fn read_register(&mut self, gpa: u64) -> Option<u32>;

    /// Writes it; without a device the value is lost.
    fn write_register(&mut self, gpa: u64, value: u32);

    /// `None` for #GP(0), as below.
    fn read_msr(&mut self, index: u32) -> Option<u64>;

    fn write_msr(&mut self, index: u32, value: u64) -> Option<()>;
}

/// The bus of a machine with one CPU, whose devices are all behind ports.
pub struct OneCpu<'a> {
    pub devices: &'a mut Devices,
    pub msrs: &'a mut Msrs,
}

impl Bus for OneCpu<'_> {
    fn read_port(&mut self, port: u16, width: u8) -> u32 {
        self.devices.read(port, width)
    }

    fn write_port(&mut self, port: u16, width: u8, value: u32) {
        self.devices.write(port, width, value);
    }

    fn read_register(&mut self, _gpa: u64) -> Option<u32> {
        None
    }

    fn write_register(&mut self, _gpa: u64, _value: u32) {}

    fn read_msr(&mut self, index: u32) -> Option<u64> {
        self.msrs.read(index)
    }

    fn write_msr(&mut self, index: u32, value: u64) -> Option<()> {
        self.msrs.write(index, value)
    }
}
