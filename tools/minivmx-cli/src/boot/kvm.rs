// SPDX-License-Identifier: GPL-2.0

//! The guest on `/dev/kvm`: its run page and its exits, in the words of
//! [`Accelerator`].
//!
//! KVM's own interrupt controllers and timer are not made, as minivmx has none.

mod cpuid;
mod kick;
mod state;
mod stats;

use std::sync::Arc;

use anyhow::{
    bail,
    ensure,
    Context,
    Result, //
};
use kvm_bindings::{
    kvm_interrupt,
    kvm_msr_entry,
    kvm_run,
    Msrs,
    KVMIO,
    KVM_MAX_CPUID_ENTRIES, //
};
use kvm_ioctls::{
    Kvm as Device,
    VcpuExit,
    VcpuFd,
    VmFd, //
};
use minivmx::{
    CpuidEntry,
    Regs,
    Sregs,
    VcpuState, //
};
use vm_memory::{
    GuestAddress,
    GuestMemoryMmap, //
};
use vmm_sys_util::{
    ioctl::ioctl_with_ref,
    ioctl_iow_nr, //
};

use super::{
    accelerator::{
        Accelerator,
        Processor,
        Stop, //
    },
    kernel::Kernel,
    look::Counts,
    meter::Meter,
    processors::{
        cpuid::{
            with_apic,
            APIC, //
        },
        startup,
    },
};
use crate::{
    guest::kvm,
    pc::{
        bus::Bus,
        devices::apics::Beginning, //
    },
    run::{
        layout::Layout,
        outcome::Outcome,
        signals, //
    },
    x86::{
        cpuid::VERSION,
        misc_enable,
        msr, //
    },
};
use kick::Kick;
pub use stats::Counters;

/// Bit 11 of IA32_APIC_BASE.
const APIC_ENABLED: u64 = 1 << 11;
const PLATFORM_INFO: u32 = 0xce;

ioctl_iow_nr!(KVM_INTERRUPT, KVMIO, 0x86, kvm_interrupt);

/// A guest of KVM.
pub struct Kvm {
    // The memory goes after the vCPU, which may use it.
    kick: Arc<Kick>,
    vcpu: VcpuFd,
    /// What KVM counts for the VM, and for each of its vCPUs that this one has made.
    counted: Vec<stats::Source>,
    vm: Arc<VmFd>,
    memory: GuestMemoryMmap,
    device: Arc<Device>,
}

impl Kvm {
    /// A guest with this memory.
    pub fn new(layout: &Layout) -> Result<Self> {
        let device = Device::new().context("/dev/kvm")?;
        let vm = device.create_vm().context("KVM_CREATE_VM")?;
        let memory = map(layout)?;
        // SAFETY: The memory goes after the vCPU: see `Kvm`.
        unsafe { kvm::give(&vm, &memory) }?;
        let counted = vec![stats::Source::of(&vm)?];
        let mut first = Self::with_vcpu(Arc::new(device), Arc::new(vm), memory, 0)?;
        first.counted.extend(counted);
        Ok(first)
    }

    fn with_vcpu(
        device: Arc<Device>,
        vm: Arc<VmFd>,
        memory: GuestMemoryMmap,
        number: u8,
    ) -> Result<Self> {
        let vcpu = vm.create_vcpu(number.into()).context("KVM_CREATE_VCPU")?;
        Ok(Self {
            kick: Arc::new(Kick::new(&vcpu, device.get_vcpu_mmap_size()?)?),
            counted: vec![stats::Source::of(&vcpu)?],
            vcpu,
            vm,
            memory,
            device,
        })
    }

    fn set_cpuid(&self, cpuid: &[CpuidEntry]) -> Result<()> {
        let supported = self.device.get_supported_cpuid(KVM_MAX_CPUID_ENTRIES)?;
        let cpuid = cpuid::of_guest(&supported, cpuid)?;
        self.vcpu.set_cpuid2(&cpuid).context("KVM_SET_CPUID2")?;
        self.set_msrs()
    }

    /// KVM shows in CPUID whether the local APIC is enabled there. The task priority is the
    /// program's, as the APIC is: with each KVM_RUN the guest gets it of the page that is shared.
    fn set_sregs(&mut self, sregs: &Sregs, has_apic: bool) -> Result<()> {
        let mut before = self.vcpu.get_sregs().context("KVM_GET_SREGS")?;
        if !has_apic {
            before.apic_base &= !APIC_ENABLED;
        }
        let sregs = kvm::sregs(sregs, before);
        self.vcpu.get_kvm_run().cr8 = sregs.cr8;
        self.vcpu.set_sregs(&sregs).context("KVM_SET_SREGS")
    }

    fn set_regs(&self, regs: &Regs) -> Result<()> {
        self.vcpu.set_regs(&kvm::regs(regs)).context("KVM_SET_REGS")
    }

    /// What Linux looks for features in, as minivmx has it.
    fn set_msrs(&self) -> Result<()> {
        let values = [
            (PLATFORM_INFO, 0),
            (msr::MISC_ENABLE, misc_enable::AFTER_RESET),
        ];
        let entries = values.map(|(index, data)| kvm_msr_entry {
            index,
            data,
            ..Default::default()
        });
        let msrs = Msrs::from_entries(&entries).ok().context("two MSRs")?;
        let written = self.vcpu.set_msrs(&msrs).context("KVM_SET_MSRS")?;
        ensure!(written == entries.len(), "KVM refuses the value of an MSR");
        Ok(())
    }
}

fn map(layout: &Layout) -> Result<GuestMemoryMmap> {
    let ranges = layout.ranges().into_iter();
    let ranges: Vec<_> = ranges
        .map(|(gpa, length)| (GuestAddress(gpa), length as usize))
        .collect();
    Ok(GuestMemoryMmap::from_ranges(&ranges)?)
}

impl Accelerator for Kvm {
    fn memory(&self) -> &GuestMemoryMmap {
        &self.memory
    }

    fn begin(&mut self, kernel: &Kernel, cpuid: &[CpuidEntry]) -> Result<()> {
        self.set_cpuid(cpuid)?;
        self.set_sregs(&kernel.sregs(&Sregs::default()), tells_of_apic(cpuid))?;
        self.set_regs(&kernel.regs())
    }

    /// KVM carries out what the exit was for when it runs the guest again.
    fn vcpu_state(&mut self) -> Result<VcpuState> {
        self.kick.request();
        let ended = self.vcpu.run().map(drop);
        self.kick.clear();
        match ended {
            Err(error) if error.errno() == libc::EINTR => state::get(&self.vcpu),
            other => bail!("KVM_RUN did not end at once: {other:?}"),
        }
    }

    fn restore(&mut self, state: &VcpuState, cpuid: &[CpuidEntry]) -> Result<()> {
        self.set_cpuid(cpuid)?;
        self.set_sregs(&state.sregs, tells_of_apic(cpuid))?;
        state::set(&self.vcpu, state)
    }

    fn kick(&self) -> signals::Kick {
        let kick = Arc::clone(&self.kick);
        Box::new(move || kick.request())
    }

    fn clear_kick(&mut self) {
        self.kick.clear();
    }

    /// MSRs are KVM's: it refuses those that it does not have.
    fn run(&mut self, bus: &mut dyn Bus, meter: &mut Meter<'_>) -> Result<Stop> {
        let exit = match meter.run(|| self.vcpu.run()) {
            Ok(exit) => exit,
            Err(error) if error.errno() == libc::EINTR => return Ok(Stop::Interrupted),
            Err(error) => return Err(error).context("KVM_RUN"),
        };
        match exit {
            VcpuExit::IoIn(port, data) => {
                for element in data.chunks_mut(io_width(self.kick.run())) {
                    // CAST: 1, 2 or 4.
                    let value = bus.read_port(port, element.len() as u8).to_le_bytes();
                    element.copy_from_slice(&value[..element.len()]);
                }
            }
            VcpuExit::IoOut(port, data) => {
                for element in data.chunks(io_width(self.kick.run())) {
                    let mut value = [0; 4];
                    value[..element.len()].copy_from_slice(element);
                    // CAST: As above.
                    bus.write_port(port, element.len() as u8, u32::from_le_bytes(value));
                }
            }
            // Memory that is not there, as in `pc::absent_memory`.
            VcpuExit::MmioRead(gpa, data) => match <&mut [u8; 4]>::try_from(&mut *data) {
                Ok(word) => *word = bus.read_register(gpa).unwrap_or(u32::MAX).to_le_bytes(),
                Err(_) => data.fill(0xff),
            },
            VcpuExit::MmioWrite(gpa, data) => {
                if let Ok(word) = data.try_into() {
                    bus.write_register(gpa, u32::from_le_bytes(word));
                }
            }
            // With a lower task priority there may be an interrupt for it.
            VcpuExit::IrqWindowOpen | VcpuExit::SetTpr => {}
            VcpuExit::Hlt => return Ok(Stop::Halted),
            VcpuExit::Shutdown => return Ok(failed("triple fault")),
            other => return Ok(failed(&format!("KVM stopped with {other:?}"))),
        }
        Ok(Stop::Answered)
    }

    fn can_take_interrupt(&self) -> bool {
        self.kick.run().ready_for_interrupt_injection != 0
    }

    fn interrupt(&mut self, vector: u8) -> Result<()> {
        let interrupt = kvm_interrupt { irq: vector.into() };
        // SAFETY: The structure is the one that this call reads.
        match unsafe { ioctl_with_ref(&self.vcpu, KVM_INTERRUPT(), &interrupt) } {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()).context("KVM_INTERRUPT"),
        }
    }

    fn ask_for_window(&mut self, wanted: bool) {
        self.vcpu.get_kvm_run().request_interrupt_window = wanted.into();
    }

    fn has_interrupts_enabled(&self) -> bool {
        self.kick.run().if_flag != 0
    }

    fn counts(&self) -> Result<Counts> {
        stats::sums(&self.counted).map(Counts::Kvm)
    }

    fn state(&self, _verbose: bool) -> String {
        let (regs, sregs) = (self.vcpu.get_regs(), self.vcpu.get_sregs());
        format!("{regs:#x?}\n{sregs:#x?}\n")
    }
}

impl Processor for Kvm {
    fn another(&mut self, number: u8, cpuid: &[CpuidEntry]) -> Result<Box<dyn Processor>> {
        let (device, vm) = (Arc::clone(&self.device), Arc::clone(&self.vm));
        let other = Self::with_vcpu(device, vm, self.memory.clone(), number)?;
        other.set_cpuid(&with_apic(cpuid, number))?;
        self.counted.push(stats::Source::of(&other.vcpu)?);
        Ok(Box::new(other))
    }

    /// As KVM makes it.
    fn begin_at_reset(&mut self, cpuid: &[CpuidEntry]) -> Result<()> {
        self.set_cpuid(cpuid)
    }

    fn begin_at(&mut self, beginning: Beginning) -> Result<()> {
        let sregs = startup::sregs(&Sregs::default(), beginning);
        self.set_sregs(&sregs, true)?;
        self.set_regs(&startup::regs(beginning))
    }

    /// KVM keeps it until it can be taken.
    fn nmi(&mut self) -> Result<bool> {
        self.vcpu.nmi().context("KVM_NMI")?;
        Ok(true)
    }
}

fn tells_of_apic(cpuid: &[CpuidEntry]) -> bool {
    let mut version = cpuid.iter().filter(|entry| entry.leaf == VERSION);
    version.any(|entry| entry.edx & APIC != 0)
}

/// Bytes of each access to the port.
fn io_width(run: &kvm_run) -> usize {
    // SAFETY: KVM has written this member, as the exit is for I/O.
    usize::from(unsafe { run.__bindgen_anon_1.io.size }).max(1)
}

fn failed(why: &str) -> Stop {
    Stop::Failed(Outcome::Failed(why.into()))
}
