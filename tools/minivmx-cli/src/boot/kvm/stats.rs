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
    KVMIO,
    KVM_STATS_TYPE_CUMULATIVE,
    KVM_STATS_TYPE_MASK, //
};
use serde_json::{
    json,
    Map,
    Value, //
};
use vmm_sys_util::{
    ioctl::ioctl,
    ioctl_io_nr, //
};

use crate::{
    guest::kvm,
    lines, //
};

ioctl_io_nr!(KVM_GET_STATS_FD, KVMIO, 0xce);

/// A number of KVM's.
#[derive(Clone)]
struct Counter {
    name: String,
    value: u64,
    /// It only grows; else it says how much there is.
    grows: bool,
}

/// What is counted for a guest. What is 0 is left out.
#[derive(Clone)]
pub struct Counters(Vec<Counter>);

impl Counters {
    /// What was counted since `before`; what says how much there is stays as it is.
    pub fn since(&self, before: &Counters) -> Self {
        let since = self.0.iter().cloned().map(|mut counter| {
            if counter.grows {
                counter.value = counter.value.saturating_sub(before.value(&counter.name));
            }
            counter
        });
        Self(since.filter(|counter| counter.value != 0).collect())
    }

    fn value(&self, name: &str) -> u64 {
        let mut all = self.0.iter();
        all.find(|counter| counter.name == name)
            .map_or(0, |counter| counter.value)
    }

    pub fn text(&self) -> String {
        let words: Vec<_> = self
            .0
            .iter()
            .map(|counter| format!("{} {}", counter.name.replace('_', " "), counter.value))
            .collect();
        lines::broken_after(", ", &words.join(", "))
    }

    pub fn json(&self) -> Value {
        let counters: Map<_, _> = self
            .0
            .iter()
            .map(|counter| (counter.name.clone(), counter.value.into()))
            .collect();
        json!({"mmu": kvm::mmu(), "kvm": counters})
    }
}

/// Where it says so for one of them.
pub struct Source(File);

impl Source {
    pub fn of(vm_or_vcpu: &impl AsRawFd) -> Result<Self> {
        open(vm_or_vcpu).map(Self)
    }

    /// What is a row of numbers is left out.
    fn read(&self) -> Result<Vec<Counter>> {
        let Self(file) = self;
        let header: Words<{ size_of::<kvm_stats_header>() / 4 }> = Words::read(file, 0)?;
        let [_, name_size, count, _, descriptors, data] = header.0;
        let size = size_of::<kvm_stats_desc>() as u64 + u64::from(name_size);
        let places = (0..u64::from(count)).map(|index| u64::from(descriptors) + index * size);
        let counters = places.map(|place| counter(file, place, name_size, data));
        counters.filter_map(Result::transpose).collect()
    }
}

/// Those of the first in their order, then those of others; of what several count, the sum.
pub fn sums(sources: &[Source]) -> Result<Counters> {
    let mut sums: Vec<Counter> = Vec::new();
    for source in sources {
        for counter in source.read()? {
            match sums.iter_mut().find(|sum| sum.name == counter.name) {
                Some(sum) => sum.value += counter.value,
                None => sums.push(counter),
            }
        }
    }
    sums.retain(|sum| sum.value != 0);
    Ok(Counters(sums))
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

fn counter(file: &File, place: u64, name_size: u32, data: u32) -> Result<Option<Counter>> {
    let descriptor: Words<{ size_of::<kvm_stats_desc>() / 4 }> = Words::read(file, place)?;
    let [flags, exponent_and_size, offset, _] = descriptor.0;
    if exponent_and_size >> 16 != 1 {
        return Ok(None);
    }
    let mut name = vec![0; name_size as usize];
    file.read_exact_at(&mut name, place + size_of::<kvm_stats_desc>() as u64)?;
    let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
    let name = String::from_utf8(name.into()).context("a name of KVM's")?;
    let mut value = [0; 8];
    file.read_exact_at(&mut value, u64::from(data) + u64::from(offset))?;
    Ok(Some(Counter {
        name,
        value: u64::from_ne_bytes(value),
        grows: flags & KVM_STATS_TYPE_MASK == KVM_STATS_TYPE_CUMULATIVE,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters(exits: u64, pages: u64) -> Counters {
        let counter = |name: &str, value, grows| Counter {
            name: name.into(),
            value,
            grows,
        };
        Counters(vec![
            counter("io_exits", exits, true),
            counter("halt_exits", 4, true),
            counter("pages_4k", pages, false),
        ])
    }

    #[test]
    fn a_difference_is_of_counts_and_not_of_amounts() {
        let since = counters(9, 70).since(&counters(7, 60));
        assert_eq!(since.text(), "io exits 2, pages 4k 70");
        assert_eq!(since.json()["kvm"]["io_exits"], 2);
        assert!(since.json()["kvm"].get("halt_exits").is_none());
    }
}
