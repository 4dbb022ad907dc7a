// SPDX-License-Identifier: GPL-2.0

//! A program that pages: most of its guest's memory is in a file, and a few pages at a time are in
//! memory.
//!
//! The guest knows nothing of it. Where it touches a page that is not there, it stops with
//! `Exit::Memory`; the program brings the page from the file, and throws out the one that has been
//! there longest. A page comes read-only, so that the first write is noticed as well: only what was
//! written has to go back to the file.

use std::{
    collections::VecDeque,
    env,
    error::Error,
    fs::{
        self,
        File,
        OpenOptions, //
    },
    os::unix::fs::FileExt,
    process, //
};

use minivmx::{
    Device,
    Exit,
    GuestMemory,
    LongMode,
    MapFlags,
    Mmu,
    Vcpu,
    Vm, //
};

const CODE: u64 = 0x1_0000;
const PAGE: u64 = 0x1000;
/// The memory that is paged: here, and in pages.
const PAGED: u64 = 0x20_0000;
const PAGES: u32 = 16;
/// So many of them are in memory at most.
const FRAMES: usize = 4;
/// The guest says here that a part of its work is over.
const PORT: u16 = 0x10;

const GUEST: &[u8] = &[
    0xbe, 0x02, 0x00, 0x00, 0x00, // mov esi, 2
    0xbf, 0x00, 0x00, 0x20, 0x00, // again: mov edi, PAGED
    0xff, 0x07, // next: inc dword [rdi]
    0x81, 0xc7, 0x00, 0x10, 0x00, 0x00, // add edi, PAGE
    0x81, 0xff, 0x00, 0x00, 0x21, 0x00, // cmp edi, PAGED + PAGES * PAGE
    0x72, 0xf0, // jb next
    0xff, 0xce, // dec esi
    0x75, 0xe7, // jnz again
    0xe6, 0x10, // out PORT, al
    0x31, 0xc0, // xor eax, eax
    0xbf, 0x00, 0x00, 0x20, 0x00, // mov edi, PAGED
    0x03, 0x07, // sum: add eax, [rdi]
    0x81, 0xc7, 0x00, 0x10, 0x00, 0x00, // add edi, PAGE
    0x81, 0xff, 0x00, 0x00, 0x21, 0x00, // cmp edi, PAGED + PAGES * PAGE
    0x72, 0xf0, // jb sum
    0xe7, 0x10, // out PORT, eax
    0xbe, 0x64, 0x00, 0x00, 0x00, // mov esi, 100
    0xbf, 0x00, 0x00, 0x20, 0x00, // local: mov edi, PAGED
    0x8b, 0x1f, // touch: mov ebx, [rdi]
    0x81, 0xc7, 0x00, 0x10, 0x00, 0x00, // add edi, PAGE
    0x81, 0xff, 0x00, 0x40, 0x20, 0x00, // cmp edi, PAGED + 4 * PAGE
    0x72, 0xf0, // jb touch
    0xff, 0xce, // dec esi
    0x75, 0xe7, // jnz local
    0xf4, // hlt
];

/// What the guest does between its exits to say so.
const PARTS: [&str; 3] = [
    "writes to each page, twice",
    "reads each page",
    "reads four of them, a hundred times",
];

type Bytes = [u8; PAGE as usize];

/// What the program did.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Counts {
    page_ins: u32,
    page_outs: u32,
    /// Thrown out without a word to the file.
    dropped: u32,
}

/// A page that is in memory.
struct Resident {
    gpa: u64,
    written: bool,
}

/// The program's part: which pages are in memory, longest first, and where the others are.
struct Pager<'a> {
    vm: &'a Vm,
    file: &'a File,
    resident: VecDeque<Resident>,
    counts: Counts,
}

fn main() -> Result<(), Box<dyn Error>> {
    let device = Device::open()?;
    let path = env::temp_dir().join(format!("pager.{}", process::id()));
    let mut options = OpenOptions::new();
    let file = options
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path)?;
    // Its name is not needed any more.
    fs::remove_file(&path)?;
    let mut results = Vec::new();
    for mmu in device.info()?.mmus() {
        results.push(page_with(&device, mmu, &file)?);
    }
    let (counts, sum) = results.first().ok_or("this machine cannot run guests")?;
    println!("the guest has {PAGES} pages, and {FRAMES} of them are in memory");
    for (part, counts) in PARTS.iter().zip(counts) {
        let Counts {
            page_ins,
            page_outs,
            dropped,
        } = counts;
        println!("it {part}: {page_ins} paged in, {page_outs} paged out, {dropped} dropped");
    }
    println!("it finds a sum of {sum}, and so does the program in the file");
    match results.iter().all(|result| result == &results[0]) {
        true => println!("and that with each MMU of this machine"),
        false => println!("with another MMU it was otherwise: {results:?}"),
    }
    Ok(())
}

/// Runs the guest with this MMU to its end; returns what was counted in each part, and the sum that
/// the guest found.
fn page_with(device: &Device, mmu: Mmu, file: &File) -> Result<(Vec<Counts>, u32), Box<dyn Error>> {
    for number in 0..PAGES {
        file.write_all_at(&number.to_le_bytes(), u64::from(number) * PAGE)?;
    }
    file.set_len(u64::from(PAGES) * PAGE)?;
    let vm = device.create_vm(mmu)?;
    let mut vcpu = load(&vm)?;
    let mut pager = Pager {
        vm: &vm,
        file,
        resident: VecDeque::new(),
        counts: Counts::default(),
    };
    let mut parts = Vec::new();
    let mut sum = 0;
    loop {
        match vcpu.run()? {
            Exit::Memory { gpa, access, .. } => pager.fault(gpa, access.write)?,
            Exit::IoOut {
                port: PORT, data, ..
            } => {
                sum = data;
                parts.push(std::mem::take(&mut pager.counts));
            }
            Exit::Hlt => break,
            other => return Err(format!("the guest stopped with {other:?}").into()),
        }
    }
    parts.push(pager.counts);
    while !pager.resident.is_empty() {
        pager.evict()?;
    }
    let in_file = sum_of(file)?;
    match in_file == sum {
        true => Ok((parts, sum)),
        false => Err(format!("the sum in the file is {in_file}, and not {sum}").into()),
    }
}

fn load(vm: &Vm) -> minivmx::Result<Vcpu> {
    let length = CODE + PAGE;
    vm.map_memory(0, length, MapFlags::default())?;
    let memory = GuestMemory::map(vm, &[(0, length)])?;
    memory.write(CODE, GUEST)?;
    LongMode::write(&memory)?;
    let mut vcpu = vm.create_vcpu(0)?;
    vcpu.set_sregs(&LongMode::sregs(&vcpu.sregs()?))?;
    *vcpu.regs_mut() = LongMode::regs(CODE);
    Ok(vcpu)
}

impl Pager<'_> {
    /// Lets the guest go on that touched this address: it repeats the access.
    fn fault(&mut self, gpa: u64, is_write: bool) -> Result<(), Box<dyn Error>> {
        let gpa = gpa - gpa % PAGE;
        if let Some(page) = self.resident.iter_mut().find(|page| page.gpa == gpa) {
            page.written = true;
            let bytes = self.take(gpa)?;
            return self.put(gpa, &bytes, MapFlags::default());
        }
        if self.resident.len() == FRAMES {
            self.evict()?;
        }
        let mut bytes: Bytes = [0; PAGE as usize];
        self.file.read_exact_at(&mut bytes, gpa - PAGED)?;
        let flags = match is_write {
            true => MapFlags::default(),
            false => MapFlags::READONLY,
        };
        self.put(gpa, &bytes, flags)?;
        self.resident.push_back(Resident {
            gpa,
            written: is_write,
        });
        self.counts.page_ins += 1;
        Ok(())
    }

    /// Throws out the page that has been there longest.
    fn evict(&mut self) -> Result<(), Box<dyn Error>> {
        let Some(page) = self.resident.pop_front() else {
            return Ok(());
        };
        let bytes = self.take(page.gpa)?;
        if page.written {
            self.file.write_all_at(&bytes, page.gpa - PAGED)?;
            self.counts.page_outs += 1;
        } else {
            self.counts.dropped += 1;
        }
        Ok(())
    }

    fn put(&self, gpa: u64, bytes: &Bytes, flags: MapFlags) -> Result<(), Box<dyn Error>> {
        self.vm.map_memory(gpa, PAGE, flags)?;
        Ok(GuestMemory::map(self.vm, &[(gpa, PAGE)])?.write(gpa, bytes)?)
    }

    fn take(&self, gpa: u64) -> Result<Bytes, Box<dyn Error>> {
        let mut bytes = [0; PAGE as usize];
        GuestMemory::map(self.vm, &[(gpa, PAGE)])?.read(gpa, &mut bytes)?;
        self.vm.unmap_memory(gpa, PAGE)?;
        Ok(bytes)
    }
}

/// The sum of the first word of each page.
fn sum_of(file: &File) -> Result<u32, Box<dyn Error>> {
    let mut sum = 0;
    for number in 0..u64::from(PAGES) {
        let mut word = [0; 4];
        file.read_exact_at(&mut word, number * PAGE)?;
        sum += u32::from_le_bytes(word);
    }
    Ok(sum)
}
