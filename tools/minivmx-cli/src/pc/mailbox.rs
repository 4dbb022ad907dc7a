// SPDX-License-Identifier: GPL-2.0

//! The mailbox by which a guest wakes its other CPUs where those cannot begin in real mode, as with
//! shadow paging (ACPI Specification 6.6, "Multiprocessor Wakeup Structure").
//!
//! Firmware leaves them in 64-bit mode, to look into the mailbox again and again, and the guest
//! gives back to it those that it needs no more. There is no firmware here but the few bytes that
//! they come back by: whoever serves the devices looks, as often as [`PERIOD`] says.

use std::{
    sync::atomic::Ordering,
    time::Duration, //
};

use anyhow::Result;
use minivmx::LongMode;
use vm_memory::{
    Bytes,
    GuestAddress,
    GuestMemoryMmap, //
};

/// Where it is: the guest takes what is there for a ROM's.
pub const ADDRESS: u64 = 0xd_0000;
/// Behind it are the page tables that those CPUs have, by which the first GiB is where it is,
pub const TABLES: u64 = ADDRESS + 0x1000;
/// and the code for one that comes back.
pub const RESET_VECTOR: u64 = TABLES + 0x3000;
/// What it writes to, to be of the firmware again: where PCs call firmware.
pub const PORT: u16 = 0xb2;
/// Bytes of all that.
pub const LENGTH: u64 = 0x5000;

/// How often it is looked into while a CPU sleeps.
pub const PERIOD: Duration = Duration::from_millis(10);

// What is in it.
const COMMAND: u64 = 0;
const APIC_ID: u64 = 4;
const VECTOR: u64 = 8;

/// Commands.
const NOTHING: u16 = 0;
const WAKE_UP: u16 = 1;
/// Is it there?
const TEST: u16 = 2;

/// A CPU that is to wake up, and where it begins.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Wakeup {
    pub cpu: usize,
    pub vector: u64,
}

/// Puts tables and code in place.
pub fn write(memory: &GuestMemoryMmap) -> Result<()> {
    // out 0xb2, al; hlt; jmp to the hlt
    const CODE: [u8; 5] = [0xe6, PORT as u8, 0xf4, 0xeb, 0xfd];
    memory.write_slice(&LongMode::tables(TABLES), GuestAddress(TABLES))?;
    Ok(memory.write_slice(&CODE, GuestAddress(RESET_VECTOR))?)
}

/// Takes out what the guest has put there for a CPU that sleeps. It goes on when it sees that.
pub fn take(memory: &GuestMemoryMmap, sleeps: impl Fn(usize) -> bool) -> Result<Option<Wakeup>> {
    let place = GuestAddress(ADDRESS + COMMAND);
    // What belongs to it was written before.
    let command = memory.load::<u16>(place, Ordering::Acquire)?;
    let cpu: u32 = memory.read_obj(GuestAddress(ADDRESS + APIC_ID))?;
    let wakeup = Wakeup {
        // CAST: `usize` is wider.
        cpu: cpu as usize,
        vector: memory.read_obj(GuestAddress(ADDRESS + VECTOR))?,
    };
    let asked = match command {
        WAKE_UP => Some(wakeup),
        TEST => None,
        _ => return Ok(None),
    };
    if !sleeps(wakeup.cpu) {
        return Ok(None);
    }
    memory.store(NOTHING, place, Ordering::Release)?;
    Ok(asked)
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn memory() -> GuestMemoryMmap {
        let memory = GuestMemoryMmap::from_ranges(&[(GuestAddress(0), 1 << 20)]);
        memory.expect("there is room")
    }

    /// Puts something there for a CPU.
    pub fn put(memory: &GuestMemoryMmap, command: u16, cpu: u32, vector: u64) {
        let put = [
            memory.write_obj(cpu, GuestAddress(ADDRESS + APIC_ID)),
            memory.write_obj(vector, GuestAddress(ADDRESS + VECTOR)),
            memory.write_obj(command, GuestAddress(ADDRESS + COMMAND)),
        ];
        assert!(put.iter().all(Result::is_ok));
    }

    fn command(memory: &GuestMemoryMmap) -> u16 {
        memory.read_obj(GuestAddress(ADDRESS)).expect("it is there")
    }

    #[test]
    fn a_cpu_wakes_up_once() -> Result<()> {
        let memory = memory();
        assert_eq!(take(&memory, |_| true)?, None);
        put(&memory, WAKE_UP, 3, 0x9_9000);
        let wakeup = Wakeup {
            cpu: 3,
            vector: 0x9_9000,
        };
        assert_eq!(take(&memory, |cpu| cpu == 3)?, Some(wakeup));
        assert_eq!(
            (command(&memory), take(&memory, |_| true)?),
            (NOTHING, None)
        );
        Ok(())
    }

    #[test]
    fn one_that_sleeps_says_so() -> Result<()> {
        let memory = memory();
        put(&memory, TEST, 1, 0x9_9000);
        assert_eq!(take(&memory, |_| true)?, None);
        assert_eq!(command(&memory), NOTHING);
        Ok(())
    }

    #[test]
    fn one_that_does_not_looks_at_nothing() -> Result<()> {
        let memory = memory();
        for asked in [WAKE_UP, TEST] {
            put(&memory, asked, 1, 0x9_9000);
            assert_eq!(take(&memory, |cpu| cpu == 2)?, None);
            assert_eq!(command(&memory), asked);
        }
        Ok(())
    }

    #[test]
    fn code_and_tables_are_in_place() -> Result<()> {
        let memory = memory();
        write(&memory)?;
        let first: u64 = memory.read_obj(GuestAddress(TABLES))?;
        assert_eq!(first & !0xfff, TABLES + 0x1000);
        let code: u16 = memory.read_obj(GuestAddress(RESET_VECTOR))?;
        assert_eq!(code, 0xb2e6);
        Ok(())
    }
}
