// SPDX-License-Identifier: GPL-2.0

//! Guest memory as the program sees it.

use vm_memory::{
    Bytes,
    GuestAddress,
    GuestMemoryMmap,
    GuestRegionMmap,
    MmapRegion, //
};

use crate::{
    error::{
        Error,
        Result, //
    },
    mapping::Mapping,
    vm::Vm, //
};

/// Ranges of guest memory, mapped.
///
/// All access is volatile, by `vm-memory`: the guest may be running.
#[derive(Debug)]
pub struct GuestMemory {
    // Refers to the mappings, so it is declared, and dropped, before them.
    view: GuestMemoryMmap,
    _mappings: Vec<Mapping>,
}

impl GuestMemory {
    /// Maps ranges of a VM's memory, each by address and length in bytes, in ascending order.
    ///
    /// # Errors
    ///
    /// Those of `mmap()`, and [`Error::Memory`] for ranges that overlap or are not in order.
    pub fn map(vm: &Vm, ranges: &[(u64, u64)]) -> Result<Self> {
        let mappings = ranges
            .iter()
            .map(|(gpa, length)| vm.mmap(*gpa, *length))
            .collect::<Result<Vec<_>>>()?;
        let starts = ranges.iter().map(|(gpa, _)| *gpa);
        Self::new(starts.zip(mappings).collect())
    }

    fn new(parts: Vec<(u64, Mapping)>) -> Result<Self> {
        let regions = parts
            .iter()
            .map(|(gpa, mapping)| region(*gpa, mapping))
            .collect::<Result<Vec<_>>>()?;
        let view = GuestMemoryMmap::from_regions(regions).map_err(|error| Error::Memory {
            gpa: parts.first().map_or(0, |(gpa, _)| *gpa),
            length: 0,
            cause: error.to_string(),
        })?;
        Ok(Self {
            view,
            _mappings: parts.into_iter().map(|(_, mapping)| mapping).collect(),
        })
    }

    /// The same memory for crates that are written for `vm-memory`.
    pub fn view(&self) -> &GuestMemoryMmap {
        &self.view
    }

    /// Copies bytes to the guest.
    ///
    /// # Errors
    ///
    /// [`Error::Memory`] if a byte of the range is not mapped.
    pub fn write(&self, gpa: u64, bytes: &[u8]) -> Result<()> {
        self.view
            .write_slice(bytes, GuestAddress(gpa))
            .map_err(|error| failed(gpa, bytes.len(), &error))
    }

    /// Copies bytes from the guest.
    ///
    /// # Errors
    ///
    /// [`Error::Memory`] if a byte of the range is not mapped.
    pub fn read(&self, gpa: u64, bytes: &mut [u8]) -> Result<()> {
        let length = bytes.len();
        self.view
            .read_slice(bytes, GuestAddress(gpa))
            .map_err(|error| failed(gpa, length, &error))
    }
}

fn region(gpa: u64, mapping: &Mapping) -> Result<GuestRegionMmap> {
    // SAFETY: The bytes stay mapped until the mapping is dropped, which `GuestMemory` does after
    // the region is gone.
    let region = unsafe {
        MmapRegion::build_raw(
            mapping.as_ptr(),
            mapping.length(),
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED,
        )
    };
    let region = region.map_err(|error| failed(gpa, mapping.length(), &error))?;
    GuestRegionMmap::new(region, GuestAddress(gpa))
        .ok_or_else(|| failed(gpa, mapping.length(), &"the range passes the last address"))
}

fn failed(gpa: u64, length: usize, cause: &dyn std::fmt::Display) -> Error {
    Error::Memory {
        gpa,
        length,
        cause: cause.to_string(),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::{fs::OpenOptions, io};

    /// Memory of no VM: pages of /dev/zero, which are private to each mapping.
    pub(crate) fn memory(ranges: &[(u64, u64)]) -> Result<GuestMemory> {
        let zero = OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/zero")
            .expect("/dev/zero");
        let mapped = ranges
            .iter()
            .map(|(gpa, length)| Ok((*gpa, Mapping::new(&zero, 0, *length)?)))
            .collect::<Result<Vec<_>>>()?;
        GuestMemory::new(mapped)
    }

    #[test]
    fn what_is_written_is_read() -> Result<()> {
        let memory = memory(&[(0, 0x1000), (0x10_0000, 0x2000)])?;
        memory.write(0x10_0ffe, b"four")?;
        let mut bytes = [0; 4];
        memory.read(0x10_0ffe, &mut bytes)?;
        assert_eq!(&bytes, b"four");
        Ok(())
    }

    #[test]
    fn a_hole_is_an_error_that_says_where() -> Result<()> {
        let memory = memory(&[(0, 0x1000), (0x10_0000, 0x1000)])?;
        for gpa in [0xfff, 0x1000, 0x10_0fff, u64::MAX] {
            let error = memory.write(gpa, &[0; 2]).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("guest memory at {gpa:#x}, 2 bytes:")),
                "{error}"
            );
        }
        Ok(())
    }

    #[test]
    fn overlapping_ranges_are_refused() {
        assert!(memory(&[(0, 0x2000), (0x1000, 0x1000)]).is_err());
    }

    #[test]
    fn crates_of_rust_vmm_can_use_it() -> Result<()> {
        let memory = memory(&[(0, 0x1000)])?;
        let mut source: &[u8] = b"volatile";
        let copied = memory
            .view()
            .read_exact_volatile_from(GuestAddress(8), &mut source, 8);
        copied
            .map_err(io::Error::other)
            .expect("the range is mapped");
        let mut bytes = [0; 8];
        memory.read(8, &mut bytes)?;
        assert_eq!(&bytes, b"volatile");
        Ok(())
    }
}
