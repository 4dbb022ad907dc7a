// SPDX-License-Identifier: GPL-2.0

//! Linux in the guest's memory, with what its boot loader tells it (Linux,
//! Documentation/arch/x86/boot.rst, "64-bit Boot Protocol").

use std::{
    fs::{
        self,
        File, //
    },
    path::Path,
};

use anyhow::{
    bail,
    ensure,
    Context,
    Result, //
};
use linux_loader::{
    bootparam::{
        boot_e820_entry,
        boot_params,
        setup_header, //
    },
    configurator::{
        linux::LinuxBootConfigurator,
        BootConfigurator,
        BootParams, //
    },
    loader::{
        bzimage::BzImage,
        KernelLoader, //
    },
};
use minivmx::{
    LongMode,
    Regs,
    Sregs, //
};
use vm_memory::{
    Bytes,
    GuestAddress,
    GuestMemory,
    GuestMemoryMmap, //
};

use super::arguments::Arguments;
use crate::{
    pc::{
        acpi::{
            self,
            Startup, //
        },
        mailbox,
        mp_table, //
    },
    run::layout::MIB, //
};

// Behind what `LongMode` needs, and below what BIOSes keep for themselves.
const ZERO_PAGE: u64 = 0x1_1000;
const GDT: u64 = 0x1_2000;
const COMMAND_LINE: u64 = 0x2_0000;
/// The last KiB of low memory is the BIOS's, and where guests look for its table of CPUs.
const LOW_RAM_END: u64 = 0x9_fc00;

/// The kernel's 64-bit entry point, from where it is loaded.
const ENTRY: u64 = 0x200;
/// Bit 0 of `xloadflags`: there is one.
const HAS_64_BIT_ENTRY: u16 = 1 << 0;
/// A boot loader without a number of its own.
const UNKNOWN_LOADER: u8 = 0xff;
const E820_RAM: u32 = 1;
/// What ACPI and the guest have in common.
const E820_NVS: u32 = 4;
const PAGE: u64 = 4096;

// What the protocol wants in the GDT: its segments, as `LongMode` has them.
const CODE: u16 = 0x10;
const DATA: u16 = 0x18;

/// A kernel that is loaded.
#[derive(Debug)]
pub struct Kernel {
    entry: u64,
}

impl Kernel {
    /// Loads what the command line names.
    pub fn load(view: &GuestMemoryMmap, arguments: &Arguments) -> Result<Self> {
        let path = arguments.kernel.as_deref().context("no kernel is named")?;
        let (start, header) = load_image(view, path)?;
        let mut params = boot_params {
            hdr: header,
            ..Default::default()
        };
        params.hdr.type_of_loader = UNKNOWN_LOADER;
        write_command_line(view, &arguments.cmdline, &mut params.hdr)?;
        if let Some(path) = &arguments.initrd {
            load_initrd(view, path, arguments.memory, &mut params.hdr)?;
        }
        describe_memory(&mut params, arguments.memory, arguments.startup());
        describe_machine(view, arguments, &mut params)?;
        LinuxBootConfigurator::write_bootparams(
            &BootParams::new(&params, GuestAddress(ZERO_PAGE)),
            view,
        )?;
        view.write_slice(&LongMode::image(), GuestAddress(LongMode::PML4))?;
        write_gdt(view)?;
        Ok(Self {
            entry: start + ENTRY,
        })
    }

    /// System registers that it begins with; what it does not ask for stays as in `before`.
    pub fn sregs(&self, before: &Sregs) -> Sregs {
        let mut sregs = LongMode::sregs(before);
        sregs.gdtr.base = GDT;
        sregs.gdtr.limit = u32::from(DATA) + 7;
        sregs.cs.selector = CODE;
        let data = [
            &mut sregs.ds,
            &mut sregs.es,
            &mut sregs.ss,
            &mut sregs.fs,
            &mut sregs.gs,
        ];
        for segment in data {
            segment.selector = DATA;
        }
        sregs
    }

    /// General registers that it begins with.
    pub fn regs(&self) -> Regs {
        Regs {
            rsi: ZERO_PAGE,
            ..LongMode::regs(self.entry)
        }
    }
}

fn load_image(view: &GuestMemoryMmap, path: &Path) -> Result<(u64, setup_header)> {
    let name = path.display();
    let mut file = File::open(path).with_context(|| name.to_string())?;
    let loaded = BzImage::load(view, None, &mut file, Some(GuestAddress(MIB)))
        .with_context(|| format!("{name} cannot be loaded as a bzImage"))?;
    let header = loaded.setup_header.unwrap_or_default();
    ensure!(
        header.xloadflags & HAS_64_BIT_ENTRY != 0,
        "{name} is not a kernel for 64-bit CPUs"
    );
    let end = end_of(&header);
    ensure!(
        view.check_range(GuestAddress(MIB), end.saturating_sub(MIB) as usize),
        "{name} needs {} MiB of memory to unpack itself",
        end.div_ceil(MIB)
    );
    Ok((loaded.kernel_load.0, header))
}

/// What the kernel needs before it knows of its memory ends here.
fn end_of(header: &setup_header) -> u64 {
    let start = header.pref_address;
    start.saturating_add(header.init_size.into())
}

fn write_command_line(
    view: &GuestMemoryMmap,
    words: &str,
    header: &mut setup_header,
) -> Result<()> {
    let limit = header.cmdline_size as usize;
    if words.len() > limit {
        bail!("the kernel takes a command line of {limit} bytes at most");
    }
    let text = [words.as_bytes(), &[0]].concat();
    view.write_slice(&text, GuestAddress(COMMAND_LINE))?;
    header.cmd_line_ptr = COMMAND_LINE as u32;
    Ok(())
}

/// As high as the kernel allows, where it is in nobody's way.
fn load_initrd(
    view: &GuestMemoryMmap,
    path: &Path,
    memory: u64,
    header: &mut setup_header,
) -> Result<()> {
    let name = path.display();
    let image = fs::read(path).with_context(|| name.to_string())?;
    let end = memory.min(u64::from(header.initrd_addr_max) + 1);
    let start = end
        .checked_sub(image.len() as u64)
        .map(|start| start / PAGE * PAGE)
        .filter(|start| *start >= end_of(header))
        .with_context(|| format!("{name} does not fit beside the kernel"))?;
    view.write_slice(&image, GuestAddress(start))?;
    header.ramdisk_image = u32::try_from(start)?;
    header.ramdisk_size = u32::try_from(image.len())?;
    Ok(())
}

/// The memory map of the BIOS: what lies between is for devices.
fn describe_memory(params: &mut boot_params, memory: u64, startup: Startup) {
    let mut ranges = vec![(0, LOW_RAM_END, E820_RAM), (MIB, memory - MIB, E820_RAM)];
    if startup == Startup::Mailbox {
        ranges.insert(1, (mailbox::ADDRESS, mailbox::LENGTH, E820_NVS));
    }
    let mut entries = params.e820_table;
    for (entry, (addr, size, type_)) in entries.iter_mut().zip(&ranges) {
        *entry = boot_e820_entry {
            addr: *addr,
            size: *size,
            type_: *type_,
        };
    }
    params.e820_table = entries;
    // CAST: There are few.
    params.e820_entries = ranges.len() as u8;
}

/// By ACPI, and for kernels that do not look at that, by an older table, which only says of several
/// CPUs what they would not know. It knows of no mailbox.
fn describe_machine(
    view: &GuestMemoryMmap,
    arguments: &Arguments,
    params: &mut boot_params,
) -> Result<()> {
    let (cpus, startup) = (arguments.cpus, arguments.startup());
    let tables = acpi::image(cpus, startup);
    view.write_slice(&tables, GuestAddress(acpi::ADDRESS.into()))?;
    params.acpi_rsdp_addr = acpi::ADDRESS.into();
    match startup {
        Startup::Ipi if cpus > 1 => {
            let table = mp_table::image(cpus, LOW_RAM_END as u32);
            view.write_slice(&table, GuestAddress(LOW_RAM_END))?;
        }
        Startup::Ipi => {}
        Startup::Mailbox => mailbox::write(view)?,
    }
    Ok(())
}

/// `LongMode` has its descriptors one place lower.
fn write_gdt(view: &GuestMemoryMmap) -> Result<()> {
    const CODE_DESCRIPTOR: u64 = 0x00af_9b00_0000_ffff;
    const DATA_DESCRIPTOR: u64 = 0x00cf_9300_0000_ffff;
    let table = [0, 0, CODE_DESCRIPTOR, DATA_DESCRIPTOR];
    for (place, descriptor) in (GDT..).step_by(8).zip(table) {
        view.write_obj::<u64>(descriptor, GuestAddress(place))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{
        super::arguments,
        *, //
    };
    use std::path::PathBuf;

    fn arguments(words: &str, kernel: &Path) -> Arguments {
        arguments::tests::arguments(&format!("--kernel {} {words}", kernel.display()))
    }

    fn view(memory: u64) -> GuestMemoryMmap {
        GuestMemoryMmap::from_ranges(&[(GuestAddress(0), memory as usize)]).expect("it is free")
    }

    fn file(name: &str, bytes: &[u8]) -> PathBuf {
        let path = std::env::temp_dir().join(format!("minivmx-{}-{name}", std::process::id()));
        fs::write(&path, bytes).expect("there is room");
        path
    }

    /// An image whose kernel is a few letters.
    fn image(xloadflags: u16) -> Vec<u8> {
        let header = setup_header {
            setup_sects: 1,
            header: u32::from_le_bytes(*b"HdrS"),
            version: 0x20f,
            loadflags: 1,
            code32_start: MIB as u32,
            xloadflags,
            cmdline_size: 40,
            initrd_addr_max: u32::MAX,
            pref_address: 16 * MIB,
            init_size: 8 << 20,
            ..Default::default()
        };
        let mut image = vec![0; 0x1f1];
        image.extend(vm_memory::ByteValued::as_slice(&header));
        image.resize(2 * 512, 0);
        image.extend(b"kernel");
        image
    }

    fn params(view: &GuestMemoryMmap) -> boot_params {
        view.read_obj(GuestAddress(ZERO_PAGE)).expect("it is there")
    }

    fn bytes<const N: usize>(view: &GuestMemoryMmap, gpa: u64) -> [u8; N] {
        let mut bytes = [0; N];
        let read = view.read_slice(&mut bytes, GuestAddress(gpa));
        read.expect("it is there");
        bytes
    }

    #[test]
    fn the_kernel_finds_what_it_is_told() -> Result<()> {
        let (kernel, initrd) = (file("kernel", &image(1)), file("initrd", &[b'i'; 5000]));
        let words = format!(
            "--memory 32M --cmdline console=ttyS0 --initrd {}",
            initrd.display()
        );
        let view = view(32 * MIB);
        let loaded = Kernel::load(&view, &arguments(&words, &kernel))?;
        assert_eq!(&bytes(&view, MIB), b"kernel");
        let params = params(&view);
        let header = params.hdr;
        assert_eq!(
            &bytes(&view, header.cmd_line_ptr.into()),
            b"console=ttyS0\0"
        );
        assert_eq!(
            ({ header.ramdisk_image }, { header.ramdisk_size }),
            ((32 << 20) - 8192, 5000)
        );
        assert_eq!(&bytes(&view, 32 * MIB - 8192), b"iiii");
        let table = params.e820_table;
        let ram = table
            .iter()
            .take(params.e820_entries.into())
            .map(|entry| (entry.addr, entry.size, entry.type_));
        assert_eq!(
            ram.collect::<Vec<_>>(),
            [(0, 0x9_fc00, 1), (MIB, 31 * MIB, 1)]
        );
        assert_eq!({ params.acpi_rsdp_addr }, 0xe_0000);
        assert_eq!(&bytes(&view, 0xe_0000), b"RSD PTR ");
        assert_eq!(loaded.regs().rip, MIB + 0x200);
        assert_eq!(loaded.regs().rsi, ZERO_PAGE);
        Ok(())
    }

    #[test]
    fn segments_are_where_the_protocol_wants_them() -> Result<()> {
        let view = view(32 * MIB);
        let kernel = file("segments", &image(1));
        let sregs =
            Kernel::load(&view, &arguments("--memory 32M", &kernel))?.sregs(&Sregs::default());
        assert_eq!((sregs.cs.selector, sregs.ss.selector), (0x10, 0x18));
        for segment in [sregs.cs, sregs.ds] {
            let place = GuestAddress(sregs.gdtr.base + u64::from(segment.selector));
            let descriptor: u64 = view.read_obj(place)?;
            let rights = (descriptor >> 40) as u32 & 0xf0ff;
            assert_eq!(rights, segment.access_rights);
        }
        assert_eq!(sregs.gdtr.limit, 0x1f);
        Ok(())
    }

    #[test]
    fn what_cannot_be_booted_is_said() {
        let good = file("good", &image(1));
        let large = file("large", &vec![0; 9 << 20]);
        let too_large = format!("--memory 32M --initrd {}", large.display());
        let long = format!("--cmdline {}", "x".repeat(41));
        for (kernel, words, text) in [
            (
                Path::new("/proc/version"),
                "",
                "cannot be loaded as a bzImage",
            ),
            (
                &file("32", &image(0)),
                "",
                "is not a kernel for 64-bit CPUs",
            ),
            (&good, "--memory 20M", "needs 24 MiB of memory"),
            (&good, &too_large, "does not fit beside the kernel"),
            (&good, &long, "40 bytes at most"),
            (&good, "--initrd /none", "/none"),
        ] {
            let arguments = arguments(words, kernel);
            let error = Kernel::load(&view(arguments.memory), &arguments).unwrap_err();
            assert!(format!("{error:#}").contains(text), "{error:#}");
        }
    }
}
