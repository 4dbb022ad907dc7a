// SPDX-License-Identifier: GPL-2.0

//! gdb's breakpoints and watchpoints by the CPU (SDM Vol. 3B, "Debug Registers").

/// What a debug register watches for, as DR7 has it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Access {
    Execute = 0,
    Write = 1,
    ReadOrWrite = 3,
}

/// What a debug register watches.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Watched {
    pub address: u64,
    pub length: u64,
    pub access: Access,
}

/// DR0 to DR3.
const COUNT: usize = 4;
/// Bit 10 of DR7 is always set.
const DR7_FIXED: u64 = 1 << 10;
/// G0: the first is on, in all tasks.
const DR7_G0: u64 = 1 << 1;

impl Watched {
    /// The instruction there.
    pub fn instruction(address: u64) -> Self {
        Self {
            address,
            length: 1,
            access: Access::Execute,
        }
    }

    /// The bits for this length (SDM Vol. 3B, "Debug Control Register (DR7)"), if the CPU can watch
    /// it.
    fn length_bits(&self) -> Option<u64> {
        let bits = match self.length {
            1 => 0,
            2 => 1,
            4 => 3,
            8 => 2,
            _ => return None,
        };
        (self.address % self.length == 0).then_some(bits)
    }
}

/// Those of the CPU, by debug register.
#[derive(Debug, Default)]
pub struct Hardware([Option<Watched>; COUNT]);

impl Hardware {
    /// Sets one that is not set yet; `None` if the CPU cannot watch that, or watches as much as it
    /// can.
    pub fn add(&mut self, watched: Watched) -> Option<()> {
        watched.length_bits()?;
        if self.0.contains(&Some(watched)) {
            return Some(());
        }
        let free = self.0.iter_mut().find(|place| place.is_none())?;
        *free = Some(watched);
        Some(())
    }

    /// Takes one away; `None` if it is not there.
    pub fn remove(&mut self, watched: Watched) -> Option<()> {
        let mut places = self.0.iter_mut();
        let place = places.find(|place| **place == Some(watched))?;
        *place = None;
        Some(())
    }

    pub fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }

    /// Is there one for the instruction at this address?
    pub fn is_for_instruction(&self, address: u64) -> bool {
        self.0.contains(&Some(Watched::instruction(address)))
    }

    /// What was met, by the exit qualification of #DB, of which bits 3:0 are as in DR6.
    pub fn met(&self, qualification: u64) -> Option<Watched> {
        let numbered = (0..).zip(self.0);
        numbered
            .filter(|(number, _)| qualification & (1 << number) != 0)
            .find_map(|(_, watched)| watched)
    }

    /// DR0 to DR3.
    pub fn addresses(&self) -> [u64; COUNT] {
        self.0
            .map(|place| place.map_or(0, |watched| watched.address))
    }

    pub fn dr7(&self) -> u64 {
        let numbered = (0..).zip(&self.0);
        numbered
            .filter_map(|(number, place)| {
                let watched = place.as_ref()?;
                // CAST: The numbers are DR7's.
                let access = watched.access as u64;
                let bits = (watched.length_bits()? << 2) | access;
                Some((DR7_G0 << (2 * number)) | (bits << (16 + 4 * number)))
            })
            .fold(DR7_FIXED, |dr7, bits| dr7 | bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write_to(address: u64, length: u64) -> Watched {
        Watched {
            address,
            length,
            access: Access::Write,
        }
    }

    #[test]
    fn dr7_says_what_is_watched() {
        let mut hardware = Hardware::default();
        assert_eq!(hardware.dr7(), 0x400);
        assert!(hardware.is_empty());
        assert_eq!(hardware.add(Watched::instruction(0x1001)), Some(()));
        assert_eq!(hardware.add(write_to(0x2008, 8)), Some(()));
        // G0 and G1; R/W1 is 01, LEN1 is 10.
        assert_eq!(hardware.dr7(), 0x400 | 0b1010 | (0b1001 << 20));
        assert_eq!(hardware.addresses(), [0x1001, 0x2008, 0, 0]);
    }

    #[test]
    fn one_is_set_once() {
        let mut hardware = Hardware::default();
        assert_eq!(hardware.add(write_to(0x1000, 4)), Some(()));
        assert_eq!(hardware.add(write_to(0x1000, 4)), Some(()));
        assert_eq!(hardware.remove(write_to(0x1000, 4)), Some(()));
        assert!(hardware.is_empty());
    }

    #[test]
    fn what_is_met_is_found() {
        let mut hardware = Hardware::default();
        for address in 0..4 {
            assert_eq!(hardware.add(write_to(address, 1)), Some(()));
        }
        assert_eq!(hardware.add(write_to(4, 1)), None);
        assert_eq!(hardware.remove(write_to(2, 1)), Some(()));
        assert_eq!(hardware.remove(write_to(2, 1)), None);
        assert_eq!(hardware.met(1 << 1), Some(write_to(1, 1)));
        // A step, and a condition that nobody watches for.
        assert_eq!(hardware.met((1 << 14) | (1 << 2)), None);
    }

    #[test]
    fn what_no_cpu_can_watch_is_refused() {
        let mut hardware = Hardware::default();
        for (address, length) in [(0x1001, 8), (0x1000, 16), (0x1000, 3), (0x1000, 0)] {
            assert_eq!(hardware.add(write_to(address, length)), None, "{length}");
        }
    }
}
