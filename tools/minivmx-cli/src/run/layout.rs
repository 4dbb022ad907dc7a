// SPDX-License-Identifier: GPL-2.0

//! Where a machine has memory.

use anyhow::{
    bail,
    Result, //
};
use minivmx::{
    GuestMemory,
    MapFlags,
    Vm, //
};

use super::firmware::Firmware;

/// A mebibyte in bytes; the end of memory in real mode.
pub const MIB: u64 = 1 << 20;
/// The end of what 32 bits address.
pub const GIB_4: u64 = 1 << 32;

/// RAM ends here, and video memory would begin.
const LOW_MEMORY_END: u64 = 0xa_0000;
/// RAM that stands in for the ROMs below 1 MiB.
const SHADOW: u64 = 0xc_0000;
/// Memory ends below the place of local APIC and BIOS.
const MOST_MEMORY: u64 = 3 << 30;

/// Ranges of guest memory, as address and length in bytes.
pub struct Layout {
    ram: Vec<(u64, u64)>,
    rom: Option<(u64, u64)>,
}

impl Layout {
    /// That of a machine with so many bytes of memory.
    pub fn new(memory: u64) -> Result<Self> {
        if !(MIB..=MOST_MEMORY).contains(&memory) {
            bail!("a guest has from 1 MiB to 3072 MiB of memory");
        }
        let mut ram = vec![(0, LOW_MEMORY_END), (SHADOW, MIB - SHADOW)];
        if memory > MIB {
            ram.push((MIB, memory - MIB));
        }
        Ok(Self { ram, rom: None })
    }

    /// With a ROM for its firmware, if it has one.
    pub fn with_firmware(self, firmware: Option<&Firmware>) -> Self {
        Self {
            rom: firmware.map(|firmware| (GIB_4 - firmware.length(), firmware.length())),
            ..self
        }
    }

    /// Gives the memory to the VM, and maps it for the program.
    pub fn map(&self, vm: &Vm) -> Result<GuestMemory> {
        for (gpa, length) in &self.ram {
            vm.map_memory(*gpa, *length, MapFlags::default())?;
        }
        if let Some((gpa, length)) = self.rom {
            vm.map_memory(gpa, length, MapFlags::READONLY)?;
        }
        Ok(GuestMemory::map(vm, &self.ranges())?)
    }

    /// RAM and ROM.
    pub fn ranges(&self) -> Vec<(u64, u64)> {
        self.ram.iter().chain(&self.rom).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::firmware::tests::firmware,
        *, //
    };

    #[test]
    fn memory_has_a_hole_for_video() -> Result<()> {
        let layout = Layout::new(64 * MIB)?;
        assert_eq!(
            layout.ram,
            [(0, 0xa_0000), (0xc_0000, 0x4_0000), (MIB, 63 * MIB)]
        );
        Ok(())
    }

    #[test]
    fn one_mib_is_enough_and_less_is_refused() -> Result<()> {
        assert_eq!(Layout::new(MIB)?.ram.len(), 2);
        assert!(Layout::new(MIB - 1).is_err());
        assert!(Layout::new(4 << 30).is_err());
        Ok(())
    }

    #[test]
    fn a_rom_ends_at_4_gib() -> Result<()> {
        let firmware = firmware(256 << 10);
        let layout = Layout::new(MIB)?.with_firmware(Some(&firmware));
        assert_eq!(layout.ranges().last(), Some(&(0xfffc_0000, 0x4_0000)));
        Ok(())
    }
}
