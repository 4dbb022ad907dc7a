// SPDX-License-Identifier: GPL-2.0

//! A shared mapping of one of the driver's files.

use std::{
    fs::File,
    os::fd::AsRawFd,
    ptr::NonNull, //
};

use crate::{
    errno::Errno,
    error::{
        Error,
        Result, //
    },
};

/// Bytes of a VM's or a vCPU's file in the address space of the program.
///
/// The guest and the driver may change them at any time: there is no reference
/// to them, only a pointer.
///
/// # Invariants
///
/// `address` is the start of `length` bytes that are mapped readable and
/// writable until the value is dropped.
#[derive(Debug)]
pub struct Mapping {
    address: NonNull<u8>,
    length: usize,
}

// SAFETY: The mapping belongs to the process, not to a thread.
unsafe impl Send for Mapping {}
// SAFETY: Shared access gives out a pointer only; whoever uses it answers for that.
unsafe impl Sync for Mapping {}

impl Mapping {
    pub(crate) fn new(file: &File, offset: u64, length: u64) -> Result<Self> {
        let failed = |errno| Error::Call {
            call: "mmap",
            errno,
        };
        let invalid = |_| failed(Errno(libc::EINVAL));
        let offset = libc::off_t::try_from(offset).map_err(invalid)?;
        let length = usize::try_from(length).map_err(invalid)?;
        // SAFETY: The kernel chooses the address, so that nothing is replaced.
        let address = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                length,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                offset,
            )
        };
        match NonNull::new(address) {
            // INVARIANT: The system call just mapped these bytes.
            Some(mapped) if address != libc::MAP_FAILED => Ok(Self {
                address: mapped.cast(),
                length,
            }),
            _ => Err(failed(Errno::last())),
        }
    }

    /// The first byte.
    pub fn as_ptr(&self) -> *mut u8 {
        self.address.as_ptr()
    }

    /// How many bytes there are.
    pub fn length(&self) -> usize {
        self.length
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: By the invariants these bytes are ours; nothing refers to them after this.
        unsafe { libc::munmap(self.as_ptr().cast(), self.length) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_mapped_is_an_error() {
        let file = File::open("/proc/self/status").expect("/proc");
        let error = Mapping::new(&file, 0, 4096).unwrap_err();
        assert!(error.to_string().starts_with("mmap: E"), "{error}");
    }

    #[test]
    fn an_offset_beyond_the_files_is_an_error() {
        let file = File::open("/dev/zero").expect("/dev/zero");
        assert!(Mapping::new(&file, u64::MAX, 4096).is_err());
    }
}
