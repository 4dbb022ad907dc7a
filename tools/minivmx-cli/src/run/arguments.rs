// SPDX-License-Identifier: GPL-2.0

//! What `minivmx run` is told.

use std::{
    path::PathBuf,
    time::Duration, //
};

use clap::Args;
use minivmx::{
    CpuidEntry,
    Mmu, //
};

use super::{
    cpuid,
    filter::{
        self,
        Filter, //
    }, //
};
use crate::{
    mmu,
    numbers::number,
    pc::devices::disk::image,
    walk::arguments::LookArgs, //
};

/// Run a guest with its serial port on the terminal
///
/// The debug port, 0x402, goes to standard error. At the end exits are counted by reason. The
/// status is 0 if the guest halted, or did what --until or --stop-after waits for.
#[derive(Args, Debug)]
pub struct Arguments {
    #[command(flatten)]
    image: ImageArgs,
    /// Its disk: what a file, or a block device, holds; with ",ro" behind it only to be read
    ///
    /// By virtio on PCI, without interrupts: for the firmware, and what reads and writes by it. The
    /// file is the disk, byte for byte (raw).
    #[arg(long, value_name = "FILE[,ro]", value_parser = image::choice)]
    pub disk: Option<image::Choice>,
    /// Memory of the guest in MiB
    #[arg(long, value_name = "MIB", default_value_t = 64)]
    memory: u32,
    /// How its memory is translated; `minivmx info` says what each is, and which this machine has
    #[arg(long, value_name = "NAME", default_value_t = Mmu::Ept, value_parser = mmu::parser())]
    pub mmu: Mmu,
    /// Print every exit, also those that the driver would answer by itself, to standard error; with
    /// names, such as --trace=cpuid,page-fault, only these
    #[arg(long, value_name = "NAME", num_args = 0..=1, require_equals = true, value_delimiter = ',',
          default_missing_value = "all", value_parser = filter::parse)]
    pub trace: Vec<Filter>,
    /// Carry out the guest's instructions one by one, and print each to standard error before: its
    /// linear address, bytes and text; with a number, so many of them, and end. With --break the
    /// first is the one there. The guest can see that RFLAGS.TF is set, and its handlers of
    /// exceptions and interrupts go by as a whole
    #[arg(long, value_name = "COUNT", num_args = 0..=1, default_missing_value = "18446744073709551615",
          value_parser = clap::value_parser!(u64).range(1..))]
    pub step: Option<u64>,
    /// Let CPUID answer so to the guest, in place of what this CPU does; may be given for several
    /// leaves
    #[arg(long, value_name = "LEAF[.SUB]=EAX,EBX,ECX,EDX", value_parser = cpuid::parse)]
    pub cpuid: Vec<CpuidEntry>,
    /// At the end, show the ten instructions that exited most often, counting also exits that the
    /// driver would answer by itself
    #[arg(long)]
    pub histogram: bool,
    /// End when the guest has printed this
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub until: Option<String>,
    /// End after so many exits to the program
    #[arg(long, value_name = "EXITS")]
    pub stop_after: Option<u64>,
    /// Fail after so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    timeout: Option<u32>,
    #[command(flatten)]
    pub look: LookArgs,
    /// Print what the guest printed, and the counts, as one JSON object
    #[arg(long)]
    pub json: bool,
    /// Show the whole VMCS if the guest ends badly
    #[arg(long, short)]
    pub verbose: bool,
}

#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
struct ImageArgs {
    /// Firmware: an image that ends at 4 GiB, begun at the reset vector in real mode
    #[arg(long, value_name = "FILE")]
    bios: Option<PathBuf>,
    /// Bytes to put at a guest-physical address and begin with, in real mode
    #[arg(long, value_name = "FILE@GPA", value_parser = flat_image)]
    flat: Option<Image>,
    /// A static 64-bit program, begun in 64-bit mode with the first GiB mapped one to one
    #[arg(long, value_name = "FILE")]
    elf: Option<PathBuf>,
}

/// What a guest begins with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Image {
    /// Firmware below 4 GiB.
    Bios(PathBuf),
    /// Bytes at an address.
    Flat {
        /// The file that has them.
        path: PathBuf,
        /// Guest-physical address.
        gpa: u64,
    },
    /// A 64-bit program.
    Elf(PathBuf),
}

impl Arguments {
    /// The image that was asked for.
    pub fn image(&self) -> Image {
        let ImageArgs { bios, flat, elf } = &self.image;
        let bios = bios.clone().map(Image::Bios);
        let elf = elf.clone().map(Image::Elf);
        // clap has made sure that there is one.
        bios.or(elf)
            .or_else(|| flat.clone())
            .unwrap_or_else(|| Image::Bios(PathBuf::new()))
    }

    /// Bytes of memory.
    pub fn memory(&self) -> u64 {
        u64::from(self.memory) << 20
    }

    /// The time limit.
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout
            .map(|seconds| Duration::from_secs(seconds.into()))
    }
}

fn flat_image(text: &str) -> Result<Image, String> {
    let (path, gpa) = text
        .rsplit_once('@')
        .ok_or("the address is missing: FILE@GPA")?;
    let gpa = number(gpa).map_err(|error| format!("{gpa} is not an address: {error}"))?;
    Ok(Image::Flat {
        path: path.into(),
        gpa,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use minivmx::Reason;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn parse(words: &str) -> Arguments {
        let line = Line::try_parse_from(words.split(' '));
        line.expect("it is correct").arguments
    }

    #[test]
    fn each_form_of_image_is_understood() {
        assert_eq!(parse("run --bios b").image(), Image::Bios("b".into()));
        assert_eq!(parse("run --elf e").image(), Image::Elf("e".into()));
        for address in ["0x7c00", "31744"] {
            let flat = Image::Flat {
                path: "a@b".into(),
                gpa: 0x7c00,
            };
            assert_eq!(parse(&format!("run --flat a@b@{address}")).image(), flat);
        }
    }

    #[test]
    fn a_trace_has_names_or_shows_all() {
        assert_eq!(parse("run --elf e").trace, []);
        assert_eq!(parse("run --trace --elf e").trace, [Filter::All]);
        let two = [Filter::Reason(Reason::CPUID), Filter::PageFaults];
        assert_eq!(parse("run --elf e --trace=cpuid,page-fault").trace, two);
    }

    #[test]
    fn steps_have_a_number_or_no_end() {
        assert_eq!(parse("run --elf e").step, None);
        assert_eq!(parse("run --step --elf e").step, Some(u64::MAX));
        assert_eq!(parse("run --elf e --step 20").step, Some(20));
    }

    #[test]
    fn each_leaf_of_cpuid_has_its_answer() {
        let arguments = parse("run --elf e --cpuid 0=1,2,3,4 --cpuid 4.1=0,0,0,0");
        let leaves = arguments.cpuid.iter().map(|entry| entry.leaf);
        assert_eq!(leaves.collect::<Vec<_>>(), [0, 4]);
    }

    #[test]
    fn an_mmu_is_given_by_its_name() {
        assert_eq!(parse("run --elf e").mmu, Mmu::Ept);
        assert_eq!(parse("run --elf e --mmu unsync").mmu, Mmu::Unsync);
    }
}
