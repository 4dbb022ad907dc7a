// SPDX-License-Identifier: GPL-2.0

//! A guest in a file: `minivmx boot --snapshot` writes it, `--restore` goes on from it.
//!
//! | bytes | what |
//! |---|---|
//! | 16 | "minivmx snapshot" |
//! | 4 | version of the form |
//! | 4 | length of what follows |
//! | … | vCPU and devices, as JSON |
//! | 8 | number of pages |
//! | each 8 + 4096 | a page of memory that is not zero: guest-physical address, and contents |
//! | 4 | CRC-32 of all before |
//!
//! Numbers are little-endian. Any way of running the guest can go on from it: all of it is the
//! architecture's, and the devices are the program's.

pub mod request;
mod summed;

use std::{
    fs::{
        self,
        File, //
    },
    io::{
        BufReader,
        BufWriter,
        Read,
        Write, //
    },
    path::Path,
};

use anyhow::{
    bail,
    ensure,
    Context,
    Result, //
};
use minivmx::{
    CpuidEntry,
    VcpuState, //
};
use serde::{
    Deserialize,
    Serialize, //
};
use vm_memory::{
    Bytes,
    GuestAddress,
    GuestMemory,
    GuestMemoryMmap,
    GuestMemoryRegion, //
};

use crate::pc::{
    devices,
    msrs::Msrs, //
};
use summed::Summed;

const MAGIC: &[u8; 16] = b"minivmx snapshot";
const VERSION: u32 = 5;
const PAGE: usize = 4096;
/// More than any state has.
const LONGEST_STATE: u32 = 1 << 20;

/// All of a guest but its memory.
#[derive(Deserialize, Serialize)]
pub struct State {
    /// Bytes of memory.
    pub memory: u64,
    /// What CPUID was made to answer.
    pub cpuid: Vec<CpuidEntry>,
    pub vcpu: VcpuState,
    /// The MSRs that are the program's.
    pub msrs: Msrs,
    pub devices: devices::State,
    /// Does it wait in the HLT that it is behind?
    pub waits: bool,
}

/// A guest's memory, and which of its pages, by their addresses, may be other than zero.
pub struct Memory<'a> {
    pub view: &'a GuestMemoryMmap,
    pub has_page: &'a dyn Fn(u64) -> Result<bool>,
}

/// Writes a guest. A file of that name stays as it was until all of this one is there.
pub fn write(path: &Path, state: &State, memory: &Memory<'_>) -> Result<()> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let written = File::create(&part)
        .map_err(Into::into)
        .and_then(|file| write_to(BufWriter::new(file), state, memory))
        .and_then(|()| Ok(fs::rename(&part, path)?));
    if written.is_err() {
        // It is of no use; that it stays may be for the same reason.
        let _ = fs::remove_file(&part);
    }
    written.with_context(|| format!("the snapshot {} cannot be written", path.display()))
}

fn write_to(file: impl Write, state: &State, memory: &Memory<'_>) -> Result<()> {
    let mut file = Summed::new(file);
    let json = serde_json::to_vec(state)?;
    file.write_all(MAGIC)?;
    file.write_all(&VERSION.to_le_bytes())?;
    file.write_all(&u32::try_from(json.len())?.to_le_bytes())?;
    file.write_all(&json)?;
    let pages = used_pages(memory)?;
    file.write_all(&(pages.len() as u64).to_le_bytes())?;
    for gpa in pages {
        file.write_all(&gpa.to_le_bytes())?;
        file.write_all(&page(memory.view, gpa)?)?;
    }
    let sum = file.sum();
    file.write_all(&sum.to_le_bytes())?;
    Ok(file.flush()?)
}

/// Pages that are not zero. A page that nobody has used is not looked at, as it would be allocated.
fn used_pages(memory: &Memory<'_>) -> Result<Vec<u64>> {
    let mut used = Vec::new();
    for region in memory.view.iter() {
        let start = region.start_addr().0;
        for gpa in (start..start + region.len()).step_by(PAGE) {
            if (memory.has_page)(gpa)? && page(memory.view, gpa)? != [0; PAGE] {
                used.push(gpa);
            }
        }
    }
    Ok(used)
}

fn page(memory: &GuestMemoryMmap, gpa: u64) -> Result<[u8; PAGE]> {
    let mut page = [0; PAGE];
    memory.read_slice(&mut page, GuestAddress(gpa))?;
    Ok(page)
}

/// A snapshot whose state was read, and whose pages were not yet.
pub struct Snapshot<R> {
    pub state: State,
    file: Summed<R>,
}

impl Snapshot<BufReader<File>> {
    /// Reads the state.
    pub fn open(path: &Path) -> Result<Self> {
        File::open(path)
            .map_err(Into::into)
            .and_then(|file| Self::read(BufReader::new(file)))
            .with_context(|| path.display().to_string())
    }
}

impl<R: Read> Snapshot<R> {
    fn read(file: R) -> Result<Self> {
        let mut file = Summed::new(file);
        let magic = number(&mut file).unwrap_or_default();
        ensure!(&magic == MAGIC, "this is no snapshot of minivmx boot");
        let version = u32::from_le_bytes(number(&mut file)?);
        ensure!(
            version == VERSION,
            "this is a snapshot of form {version}, and what is read here is {VERSION}"
        );
        let length = u32::from_le_bytes(number(&mut file)?);
        ensure!(length <= LONGEST_STATE, "a state has no {length} bytes");
        let mut json = vec![0; length as usize];
        file.read_exact(&mut json).context(TOO_SHORT)?;
        let state = serde_json::from_slice(&json).context("the state is none")?;
        Ok(Self { state, file })
    }

    /// Fills the guest's memory, which holds zeroes.
    pub fn fill(mut self, memory: &GuestMemoryMmap) -> Result<State> {
        let pages = u64::from_le_bytes(number(&mut self.file)?);
        let mut page = [0; PAGE];
        for _ in 0..pages {
            let gpa = u64::from_le_bytes(number(&mut self.file)?);
            self.file.read_exact(&mut page).context(TOO_SHORT)?;
            let written = memory.write_slice(&page, GuestAddress(gpa));
            written.with_context(|| format!("the guest has no memory at {gpa:#x}"))?;
        }
        let sum = self.file.sum();
        let said = u32::from_le_bytes(number(&mut self.file)?);
        if sum != said {
            bail!("the snapshot is damaged: its checksum is {sum:#x}, and not {said:#x}");
        }
        Ok(self.state)
    }
}

const TOO_SHORT: &str = "the snapshot ends before its end";

fn number<const N: usize>(file: &mut impl Read) -> Result<[u8; N]> {
    let mut bytes = [0; N];
    file.read_exact(&mut bytes).context(TOO_SHORT)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        console::sink::Sink,
        run::layout::MIB, //
    };
    use minivmx::{
        Event,
        Fpu,
        Msr,
        Regs,
        Sregs, //
    };

    fn memory() -> GuestMemoryMmap {
        let ranges = [(GuestAddress(0), 16 * PAGE), (GuestAddress(MIB), 16 * PAGE)];
        GuestMemoryMmap::from_ranges(&ranges).expect("there is memory")
    }

    fn state() -> State {
        let captured = || Sink::captured(None);
        let devices = devices::Devices::new(MIB, Box::new(&b""[..]), captured(), captured());
        State {
            memory: 2 * MIB,
            cpuid: vec![CpuidEntry::default()],
            vcpu: VcpuState {
                sregs: Sregs {
                    cr3: u64::MAX,
                    ..Default::default()
                },
                regs: Regs::default(),
                event: Event::interrupt(0x30),
                msrs: vec![Msr::default()],
                fpu: Fpu([0x0123_4567_89ab_cdef; 104]),
            },
            msrs: Msrs::default(),
            devices: devices.state(),
            waits: true,
        }
    }

    /// Of a guest with two pages that are not zero.
    fn bytes() -> Vec<u8> {
        let view = memory();
        for gpa in [3 * PAGE as u64, MIB] {
            let written = view.write_slice(&gpa.to_le_bytes(), GuestAddress(gpa + 8));
            written.expect("there is memory");
        }
        let memory = Memory {
            view: &view,
            has_page: &|_| Ok(true),
        };
        let mut bytes = Vec::new();
        write_to(&mut bytes, &state(), &memory).expect("there is room");
        bytes
    }

    fn read(bytes: &[u8]) -> Result<(State, GuestMemoryMmap)> {
        let memory = memory();
        let state = Snapshot::read(bytes)?.fill(&memory)?;
        Ok((state, memory))
    }

    fn refusal(bytes: &[u8]) -> String {
        let error = read(bytes).err().expect("it is refused");
        format!("{error:#}")
    }

    #[test]
    fn what_was_written_is_read() -> Result<()> {
        let (read, memory) = read(&bytes())?;
        assert_eq!(read.vcpu, state().vcpu);
        assert_eq!((read.memory, read.cpuid.len()), (2 * MIB, 1));
        assert_eq!(memory.read_obj::<u64>(GuestAddress(MIB + 8))?, MIB);
        assert_eq!(memory.read_obj::<u64>(GuestAddress(0x3008))?, 0x3000);
        assert_eq!(page(&memory, 0)?, [0; PAGE]);
        Ok(())
    }

    #[test]
    fn zeroes_take_no_room() {
        let json = serde_json::to_vec(&state()).expect("it has a form").len();
        let least = 16 + 4 + 4 + 8 + 2 * (8 + PAGE) + 4;
        // The clock of the devices goes on.
        assert!(bytes().len().abs_diff(least + json) < 32);
    }

    #[test]
    fn what_nobody_used_is_not_looked_at() -> Result<()> {
        let view = memory();
        view.write_obj(1_u64, GuestAddress(0))?;
        let memory = Memory {
            view: &view,
            has_page: &|_| Ok(false),
        };
        assert!(used_pages(&memory)?.is_empty());
        Ok(())
    }

    #[test]
    fn a_foreign_file_is_refused_in_words() {
        assert_eq!(
            refusal(b"#!/bin/sh\nexit 0\n"),
            "this is no snapshot of minivmx boot"
        );
        assert_eq!(refusal(b""), "this is no snapshot of minivmx boot");
        let mut newer = bytes();
        newer[MAGIC.len()] = 6;
        assert_eq!(
            refusal(&newer),
            "this is a snapshot of form 6, and what is read here is 5"
        );
    }

    #[test]
    fn a_part_of_one_is_refused_wherever_it_ends() {
        let bytes = bytes();
        for end in [17, 23, 30, bytes.len() - PAGE, bytes.len() - 1] {
            let sentence = refusal(&bytes[..end]);
            assert!(
                sentence.starts_with("the snapshot ends before"),
                "{sentence}"
            );
        }
    }

    #[test]
    fn a_bit_that_has_changed_is_noticed() {
        let bytes = bytes();
        for place in (24..bytes.len()).step_by(331) {
            let mut damaged = bytes.clone();
            damaged[place] ^= 4;
            assert!(read(&damaged).is_err(), "byte {place}");
        }
        let mut damaged = bytes;
        let place = damaged.len() - 100;
        damaged[place] ^= 4;
        let sentence = refusal(&damaged);
        assert!(
            sentence.starts_with("the snapshot is damaged: its checksum is"),
            "{sentence}"
        );
    }

    #[test]
    fn what_is_too_long_is_not_allocated() {
        let mut long = bytes();
        long[20..24].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(refusal(&long), "a state has no 4294967295 bytes");
    }
}
