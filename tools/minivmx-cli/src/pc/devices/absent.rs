// SPDX-License-Identifier: GPL-2.0

//! Ports without a device: nothing drives the bus, so it reads as ones.

use std::collections::BTreeSet;

use super::Device;

/// Where no device is. What is written there is lost, but not the fact that it was.
#[derive(Default)]
pub struct Absent {
    written: BTreeSet<u16>,
}

impl Absent {
    /// The ports that were written to, each once.
    pub fn written(&self) -> impl Iterator<Item = u16> + '_ {
        self.written.iter().copied()
    }
}

impl Device for Absent {
    fn read(&mut self, _port: u16, _width: u8) -> u32 {
        u32::MAX
    }

    fn write(&mut self, port: u16, _width: u8, _value: u32) {
        self.written.insert(port);
    }

    fn has_wide_registers(&self) -> bool {
        true
    }
}
