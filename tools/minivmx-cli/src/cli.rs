// SPDX-License-Identifier: GPL-2.0

//! The command line: one definition for parsing, help, manual page and shell
//! completion.

use std::{
    num::ParseIntError,
    path::PathBuf,
    time::Duration, //
};

use clap::{
    builder::{
        PossibleValuesParser,
        TypedValueParser, //
    },
    Args,
    Parser,
    Subcommand, //
};
use clap_complete::Shell;
use minivmx::Mmu;

/// Virtual machines on Intel VMX, to see how it works
#[derive(Debug, Parser)]
#[command(name = env!("CARGO_BIN_NAME"), version)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Info(Info),
    Run(Run),
    Bench(Bench),
    #[command(subcommand)]
    Lab(Lab),
    /// Print a manual page, for man(1)
    Manual {
        /// The page of this command, instead of the program's
        command: Vec<String>,
    },
    /// Print completions for a shell
    Completion {
        /// The shell
        shell: Shell,
    },
}

/// Show what this CPU can do, and what would be refused and why
#[derive(Args, Debug)]
pub struct Info {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Run a guest with its serial port on the terminal
///
/// The debug port, 0x402, goes to standard error. At the end exits are counted by reason. The
/// status is 0 if the guest halted, or did what --until or --stop-after waits for.
#[derive(Args, Debug)]
pub struct Run {
    #[command(flatten)]
    image: ImageArgs,
    /// Memory of the guest in MiB
    #[arg(long, value_name = "MIB", default_value_t = 64)]
    memory: u32,
    /// How its memory is translated; `minivmx info` says what each is, and which this machine has
    #[arg(long, value_name = "NAME", default_value_t = Mmu::Ept, value_parser = mmu())]
    pub mmu: Mmu,
    /// Print every exit, also those that the driver would answer by itself, to standard error
    #[arg(long)]
    pub trace: bool,
    /// End when the guest has printed this
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub until: Option<String>,
    /// End after so many exits to the program
    #[arg(long, value_name = "EXITS")]
    pub stop_after: Option<u64>,
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

/// Compare what exits cost here and in KVM, with the same guest in the same boot
#[derive(Args, Debug)]
pub struct Bench {
    /// Also write the figures to a file, as a JSON list
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Show the figures of an earlier call as well, and write them with the new ones
    #[arg(long, value_name = "FILE")]
    pub add: Option<PathBuf>,
    /// Only these events
    #[arg(long, value_name = "EVENT", value_delimiter = ',')]
    pub events: Vec<crate::bench::Event>,
    /// Only these
    #[arg(long, value_name = "SUBJECT", value_delimiter = ',')]
    pub subjects: Vec<crate::bench::Subject>,
    /// Only these, of minivmx
    #[arg(long, value_name = "MMU", value_delimiter = ',', value_parser = mmu())]
    pub mmus: Vec<Mmu>,
}

/// Experiments that show how virtualisation works
#[derive(Debug, Subcommand)]
pub enum Lab {
    EptVsShadow(EptVsShadow),
}

/// Compare EPT and the policies of shadow paging, workload by workload
///
/// Each workload is a guest with page tables of its own. It runs with every MMU that this machine
/// has, must come to the same result with each, and is shown with its exits by reason, its time,
/// and the memory that page tables for the guest took. What theory says about these is then
/// checked against the figures; the status is 0 only if all of it holds.
#[derive(Args, Debug)]
pub struct EptVsShadow {
    /// Print one row per workload, and of the checks only what fails
    #[arg(long)]
    pub short: bool,
    /// Also write all figures and checks to a file, as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Also write a page with charts to a file
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Only these workloads
    #[arg(long, value_name = "WORKLOAD", value_delimiter = ',')]
    pub workloads: Vec<crate::lab::Workload>,
}

impl Run {
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

fn mmu() -> impl TypedValueParser<Value = Mmu> {
    PossibleValuesParser::new(Mmu::ALL.iter().map(|mmu| mmu.name()))
        .try_map(|name| name.parse::<Mmu>())
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

fn number(text: &str) -> Result<u64, ParseIntError> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn parse(words: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(words.split(' '))
    }

    fn image(words: &str) -> Image {
        match parse(words).expect("it is correct").command {
            Command::Run(run) => run.image(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn each_form_of_image_is_understood() {
        assert_eq!(image("minivmx run --bios b"), Image::Bios("b".into()));
        assert_eq!(image("minivmx run --elf e"), Image::Elf("e".into()));
        for address in ["0x7c00", "31744"] {
            let flat = Image::Flat {
                path: "a@b".into(),
                gpa: 0x7c00,
            };
            assert_eq!(image(&format!("minivmx run --flat a@b@{address}")), flat);
        }
    }

    #[test]
    fn an_mmu_is_given_by_its_name() {
        for (words, mmu) in [
            ("minivmx run --elf e", Mmu::Ept),
            ("minivmx run --elf e --mmu unsync", Mmu::Unsync),
        ] {
            match parse(words).expect("it is correct").command {
                Command::Run(run) => assert_eq!(run.mmu, mmu),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn errors_name_the_argument() {
        for (words, text) in [
            ("minivmx run", "--bios"),
            ("minivmx run --bios b --elf e", "cannot be used with"),
            ("minivmx run --flat f", "the address is missing"),
            ("minivmx run --flat f@0xg", "0xg is not an address"),
            ("minivmx run --bios b --timeout 0", "--timeout"),
            ("minivmx run --bios b --memory -1", "-1"),
            ("minivmx run --bios b --mmu npt", "vtlb"),
            ("minivmx bench --events sleep", "sleep"),
            ("minivmx lab ept-vs-shadow --workloads idle", "idle"),
        ] {
            let error = parse(words).expect_err(words).to_string();
            assert!(error.contains(text), "{words}: {error}");
        }
    }
}
