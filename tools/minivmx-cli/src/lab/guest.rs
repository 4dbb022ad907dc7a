// SPDX-License-Identifier: GPL-2.0

//! The guest of `tools/guests/workloads`: how it is started, and what it says.

use std::io::Cursor;

use anyhow::{
    anyhow,
    bail,
    Context,
    Result, //
};
use linux_loader::loader::{
    elf::Elf,
    KernelLoader, //
};
use minivmx::{
    Device,
    Exit,
    GuestMemory,
    LongMode,
    MapFlags,
    Mmu,
    Reason,
    Regs,
    Stats,
    Vcpu,
    Vm, //
};

use super::{
    measurement::{
        Guest as Counts,
        Measurement, //
    },
    workload::Workload, //
};

static IMAGE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/workloads.elf"));

/// Memory from address 0 on, as in `pages.h`.
const MEMORY: u64 = 16 << 20;
/// A page below the stack of [`LongMode`] for `struct report`.
const REPORT: u64 = 0x5000;
/// Port on which the guest says where it is, and what it says; as in `report.c`.
const PORT: u16 = 0x6d76;
const BEGIN: u32 = 1;
const END: u32 = 2;
const FAILED: u32 = 3;

/// Runs a workload in a VM of its own.
pub fn measure(device: &Device, mmu: Mmu, workload: Workload) -> Result<Measurement> {
    let mut guest = Guest::new(device, mmu, workload)?;
    guest.run_until(BEGIN)?;
    let before = guest.vm.stats()?;
    guest.run_until(END)?;
    let stats = guest.vm.stats()?.since(&before);
    guest.measurement(workload, &stats)
}

struct Guest {
    vcpu: Vcpu,
    memory: GuestMemory,
    vm: Vm,
}

impl Guest {
    fn new(device: &Device, mmu: Mmu, workload: Workload) -> Result<Self> {
        let vm = device.create_vm(mmu)?;
        vm.map_memory(0, MEMORY, MapFlags::POPULATE)?;
        let memory = GuestMemory::map(&vm, &[(0, MEMORY)])?;
        let entry = load(&memory)?;
        LongMode::write(&memory)?;
        let mut vcpu = vm.create_vcpu(0)?;
        vcpu.set_sregs(&LongMode::sregs(&vcpu.sregs()?))?;
        *vcpu.regs_mut() = Regs {
            rdi: workload.number(),
            rsi: workload.processes(),
            rdx: REPORT,
            ..LongMode::regs(entry)
        };
        Ok(Self { vcpu, memory, vm })
    }

    /// Runs until the guest says `expected`.
    fn run_until(&mut self, expected: u32) -> Result<()> {
        match self.vcpu.run() {
            Ok(Exit::IoOut {
                port: PORT, data, ..
            }) if data == expected => Ok(()),
            Ok(Exit::IoOut {
                port: PORT,
                data: FAILED,
                ..
            }) => Err(anyhow!("the guest gave up: {}", self.failure()?)),
            Ok(other) => bail!("the guest stopped with {other:?}"),
            Err(error) => Err(error.into()),
        }
    }

    fn failure(&self) -> Result<String> {
        let [.., address] = self.report()?;
        let mut text = [0; 128];
        self.memory.read(address, &mut text)?;
        let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
        Ok(String::from_utf8_lossy(text).into_owned())
    }

    /// `struct report`, word by word.
    fn report(&self) -> Result<[u64; 8]> {
        let mut bytes = [0; 64];
        self.memory.read(REPORT, &mut bytes)?;
        let mut words = [0; 8];
        for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(8)) {
            *word = u64::from_le_bytes(bytes.try_into()?);
        }
        Ok(words)
    }

    fn measurement(&self, workload: Workload, stats: &Stats) -> Result<Measurement> {
        let [checksum, ticks, entries, base_loads, page_flushes, faults, hypercalls, _] =
            self.report()?;
        let counts = Counts {
            checksum,
            entries,
            base_loads,
            page_flushes,
            faults,
        };
        let mmu = self.vm.mmu();
        Ok(Measurement::new(
            workload, mmu, ticks, hypercalls, counts, stats, &ENDING,
        ))
    }
}

/// The exit that ends the measurement is no part of it.
const ENDING: [(Reason, u64); 1] = [(Reason::IO_INSTRUCTION, 1)];

/// Loads the image, and says where it begins.
fn load(memory: &GuestMemory) -> Result<u64> {
    let mut image = Cursor::new(IMAGE);
    let loaded = Elf::load(memory.view(), None, &mut image, None).context("loading the guest")?;
    Ok(loaded.kernel_load.0)
}
