// SPDX-License-Identifier: GPL-2.0

//! What `minivmx boot` is told.

use std::{
    path::PathBuf,
    time::Duration, //
};

use clap::{
    builder::TypedValueParser,
    Args,
    ValueEnum, //
};
use minivmx::Mmu;

use super::{
    accelerator::Accel,
    gdb::Place, //
};
use crate::{
    mmu,
    pc::{
        acpi::Startup,
        devices::{
            self,
            disk::image, //
        },
        mp_table::MOST_CPUS, //
    },
    run::layout::MIB, //
};

/// What Linux says before its console is there comes by the serial port.
const OF_VIRTIO: &str = "earlyprintk=ttyS0 console=hvc0";

/// Boot Linux, or firmware, with its console on the terminal
///
/// The guest has a CPU, a serial port, two interrupt controllers, a timer and a clock; several CPUs
/// have a local APIC each, and an I/O APIC; --disk gives it a disk, and --console virtio a console
/// that takes more than a byte at a time. ACPI tables tell of all that, and by ACPI it is switched
/// off; with acpi=off among the words for the kernel, as of a PC before 1996, only an older table
/// of several CPUs does, which there is with EPT. At the end it says what was counted: exits by
/// reason, page faults by kind, and where the time went. The status is 0 if the guest halted,
/// rebooted or switched itself off, or printed what --until waits for.
///
/// At a terminal all keys are the guest's, Ctrl-C among them, but for Ctrl-A: Ctrl-A x ends the
/// guest, Ctrl-A s shows what was counted since the last time, Ctrl-A w writes a snapshot, Ctrl-A
/// Ctrl-A is Ctrl-A for the guest, Ctrl-A ? shows this.
#[derive(Args, Debug)]
pub struct Arguments {
    /// The kernel, a bzImage for 64-bit CPUs
    #[arg(long, value_name = "FILE", required_unless_present_any = ["restore", "bios"])]
    pub kernel: Option<PathBuf>,
    /// In its place firmware: an image that ends at 4 GiB, begun at the reset vector in real mode
    ///
    /// It has the disk to boot from, its CPUs have APICs, also if there is only one, and a south
    /// bridge is where it looks for it; nobody gives it tables of the machine. Real mode needs EPT.
    /// The debug port, 0x402, goes to standard error.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["kernel", "initrd", "cmdline", "restore", "gdb", "snapshot"])]
    pub bios: Option<PathBuf>,
    /// Its initial RAM disk
    #[arg(long, value_name = "FILE")]
    pub initrd: Option<PathBuf>,
    /// Its command line
    #[arg(
        long,
        value_name = "WORDS",
        default_value = "console=ttyS0",
        default_value_if("console", "virtio", OF_VIRTIO)
    )]
    pub cmdline: String,
    /// The device that it has the terminal on
    ///
    /// What it prints to the other one is shown as well; what is typed is this one's. With virtio,
    /// unless --cmdline says other words, they are "earlyprintk=ttyS0 console=hvc0": what Linux
    /// says before it has found that device comes by the serial port.
    #[arg(long, value_name = "DEVICE", default_value = "serial")]
    pub console: Console,
    /// Its disk: what a file, or a block device, holds; with ",ro" behind it only to be read
    ///
    /// To Linux it is /dev/vda, by virtio on PCI. One guest at a time has it, but for those that
    /// only read. What the guest has written is in the file when it says so to the guest; a flush
    /// makes it last. The file is the disk, byte for byte (raw).
    #[arg(long, value_name = "FILE[,ro]", value_parser = image::choice)]
    pub disk: Option<image::Choice>,
    /// Memory of the guest: MiB, or with M or G behind it
    #[arg(long, visible_alias = "mem", value_name = "SIZE", default_value = "128M", value_parser = size)]
    pub memory: u64,
    /// CPUs of the guest, each of them a thread; several need --mmu ept or vtlb
    ///
    /// With vtlb a guest starts the others by ACPI's mailbox, for which it has to know ACPI: in
    /// shadow paging there is no real mode to start them in.
    #[arg(long, value_name = "NUMBER", default_value = "1", value_parser = cpus())]
    pub cpus: u8,
    /// How its memory is translated (default: ept); `minivmx info` says what each is, and which
    /// this machine has
    #[arg(long, value_name = "NAME", value_parser = mmu::parser())]
    pub mmu: Option<Mmu>,
    /// What runs it: this driver, or KVM, with the same devices
    #[arg(long, value_name = "DRIVER", default_value = "minivmx")]
    pub accel: Accel,
    /// Let gdb see the guest, at a port of 127.0.0.1, or at a socket with a file's name
    ///
    /// The guest waits for gdb at its first instruction. Before Linux has unpacked itself its
    /// functions are not in memory: `hbreak start_kernel` works from the beginning on, `break` does
    /// later. The kernel's command line needs nokaslr for its vmlinux to be right.
    #[arg(long, value_name = "PORT|SOCKET")]
    pub gdb: Option<Place>,
    /// Write the guest as it is into this file, when Ctrl-A w is typed, or SIGUSR1 comes; it goes
    /// on
    ///
    /// Its CPU, its memory and its devices are in it; a file that is there is replaced.
    #[arg(long, value_name = "FILE", conflicts_with = "gdb")]
    pub snapshot: Option<PathBuf>,
    /// Let a guest go on that --snapshot has written, as if no time had passed
    ///
    /// With whatever driver and --mmu, also of those that it did not run by before. If it has a
    /// disk, --disk has to name the image again, which is to be as it was when the snapshot was
    /// written.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["kernel", "initrd", "cmdline", "memory", "console"])]
    pub restore: Option<PathBuf>,
    /// End when the guest has printed this
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub until: Option<String>,
    /// Fail after so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    timeout: Option<u32>,
    /// Print what the guest printed, and the counts, as one JSON object
    #[arg(long)]
    pub json: bool,
    /// Show the whole VMCS if the guest ends badly
    #[arg(long, short)]
    pub verbose: bool,
}

/// A device for a terminal, by its name on the command line.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Console {
    /// Its first serial port, to Linux /dev/ttyS0
    Serial,
    /// A console of virtio on PCI, to Linux /dev/hvc0; the serial port is for what comes before it
    Virtio,
}

impl Console {
    /// That of a guest that goes on.
    pub fn of(devices: &devices::State) -> Self {
        match devices.has_console() {
            true => Self::Virtio,
            false => Self::Serial,
        }
    }
}

impl Arguments {
    /// The time limit.
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout
            .map(|seconds| Duration::from_secs(seconds.into()))
    }

    /// How the guest starts its other CPUs.
    pub fn startup(&self) -> Startup {
        match self.mmu {
            Some(Mmu::Vtlb) if self.cpus > 1 => Startup::Mailbox,
            _ => Startup::Ipi,
        }
    }
}

fn cpus() -> impl TypedValueParser<Value = u8> {
    clap::value_parser!(u8).range(1..=i64::from(MOST_CPUS))
}

/// Bytes, from a number with its unit.
fn size(text: &str) -> Result<u64, String> {
    let (digits, unit) = match text.strip_suffix('G') {
        Some(digits) => (digits, 1024 * MIB),
        None => (text.strip_suffix('M').unwrap_or(text), MIB),
    };
    let number = digits.parse::<u64>().ok();
    number
        .and_then(|number| number.checked_mul(unit))
        .ok_or_else(|| format!("{text} is not a size such as 256M or 1G"))
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        arguments: Arguments,
    }

    /// What `minivmx boot` is told by these.
    pub fn arguments(words: &str) -> Arguments {
        let words = ["boot"].into_iter().chain(words.split_whitespace());
        Cli::parse_from(words).arguments
    }

    #[test]
    fn a_kernel_is_told_of_its_console() {
        for (words, cmdline) in [
            ("--kernel k", "console=ttyS0"),
            ("--kernel k --console virtio", OF_VIRTIO),
            ("--kernel k --console virtio --cmdline quiet", "quiet"),
        ] {
            assert_eq!(arguments(words).cmdline, cmdline);
        }
    }

    #[test]
    fn sizes_have_units() {
        for (text, bytes) in [("256M", 256 * MIB), ("64", 64 * MIB), ("1G", 1024 * MIB)] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "M", "1T", "-1", "99999999999999G"] {
            assert!(size(text).is_err(), "{text}");
        }
    }
}
