// SPDX-License-Identifier: GPL-2.0

//! What KVM counts for a VM or a vCPU (Linux, Documentation/virt/kvm/api.rst,
//! "KVM_GET_STATS_FD").

use std::{
    fs::File,
    os::{
        fd::{
            AsRawFd,
            FromRawFd, //
        },
        unix::fs::FileExt, //
    },
};

use anyhow::{
    ensure,
    Context,
    Result, //
};
use kvm_bindings::{
    kvm_stats_desc,
    kvm_stats_header,
    KVMIO, //
};
use vmm_sys_util::{
    ioctl::ioctl,
    ioctl_io_nr, //
};

ioctl_io_nr!(KVM_GET_STATS_FD, KVMIO, 0xce);

/// What is counted for one of them.
pub struct Counters(File);

impl Counters {
    pub fn of(vm_or_vcpu: &impl AsRawFd) -> Result<Self> {
        open(vm_or_vcpu).map(Self)
    }

    /// Numbers with their names; what is a row of numbers is left out.
    fn read(&self) -> Result<Vec<(String, u64)>> {
        let Self(file) = self;
        let header: Words<{ size_of::<kvm_stats_header>() / 4 }> = Words::read(file, 0)?;
        let [_, name_size, count, _, descriptors, data] = header.0;
        let size = size_of::<kvm_stats_desc>() as u64 + u64::from(name_size);
        let places = (0..u64::from(count)).map(|index| u64::from(descriptors) + index * size);
        let counters = places.map(|place| counter(file, place, name_size, data));
        counters.filter_map(Result::transpose).collect()
    }
}

/// Those of the first in their order, then those of others; of what several count, the sum. What is 0 is
/// left out.
pub fn sums(counters: &[Counters]) -> Result<Vec<(String, u64)>> {
    let mut sums: Vec<(String, u64)> = Vec::new();
    for counters in counters {
        for (name, value) in counters.read()? {
            match sums.iter_mut().find(|(known, _)| *known == name) {
                Some((_, sum)) => *sum += value,
                None => sums.push((name, value)),
            }
        }
    }
    sums.retain(|(_, value)| *value != 0);
    Ok(sums)
}

fn open(vm_or_vcpu: &impl AsRawFd) -> Result<File> {
    // SAFETY: The call takes no argument.
    let fd = unsafe { ioctl(vm_or_vcpu, KVM_GET_STATS_FD()) };
    ensure!(
        fd >= 0,
        "KVM_GET_STATS_FD: {}",
        std::io::Error::last_os_error()
    );
    // SAFETY: KVM has just made this file, and nobody else has it.
    Ok(unsafe { File::from_raw_fd(fd) })
}

/// Words of 32 bits at a place of the file.
struct Words<const N: usize>([u32; N]);

impl<const N: usize> Words<N> {
    fn read(file: &File, place: u64) -> Result<Self> {
        let mut words = [0; N];
        for (offset, word) in (place..).step_by(4).zip(&mut words) {
            let mut bytes = [0; 4];
            file.read_exact_at(&mut bytes, offset)?;
            *word = u32::from_ne_bytes(bytes);
        }
        Ok(Self(words))
    }
}

fn counter(file: &File, place: u64, name_size: u32, data: u32) -> Result<Option<(String, u64)>> {
    let descriptor: Words<{ size_of::<kvm_stats_desc>() / 4 }> = Words::read(file, place)?;
    let [_, exponent_and_size, offset, _] = descriptor.0;
    if exponent_and_size >> 16 != 1 {
        return Ok(None);
    }
    let mut name = vec![0; name_size as usize];
    file.read_exact_at(&mut name, place + size_of::<kvm_stats_desc>() as u64)?;
    let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
    let name = String::from_utf8(name.into()).context("a name of KVM's")?;
    let mut value = [0; 8];
    file.read_exact_at(&mut value, u64::from(data) + u64::from(offset))?;
    Ok(Some((name, u64::from_ne_bytes(value))))
}
