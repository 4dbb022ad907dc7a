// SPDX-License-Identifier: GPL-2.0

//! The page that KVM shares for a vCPU, mapped once more: for signal handlers, which
//! ask by it that the guest is not entered.

use std::{
    ptr,
    sync::atomic::{
        AtomicU8,
        Ordering, //
    },
};

use anyhow::{
    Context,
    Result, //
};
use kvm_bindings::kvm_run;
use kvm_ioctls::{
    KvmRunWrapper,
    VcpuFd, //
};

/// A mapping of its own, which stays as long as a handler may come.
pub struct Kick(KvmRunWrapper);

impl Kick {
    pub fn new(vcpu: &VcpuFd, size: usize) -> Result<Self> {
        let page = KvmRunWrapper::mmap_from_fd(vcpu, size);
        page.map(Self).context("mapping a vCPU of KVM")
    }

    /// What KVM said last.
    pub fn run(&self) -> &kvm_run {
        self.0.as_ref()
    }

    /// Asks for it, until [`clear`](Self::clear) is called.
    pub fn request(&self) {
        self.flag().store(1, Ordering::Release);
    }

    pub fn clear(&self) {
        self.flag().store(0, Ordering::Release);
    }

    fn flag(&self) -> &AtomicU8 {
        let flag = ptr::from_ref(&self.0.as_ref().immediate_exit).cast_mut();
        // SAFETY: The page can be written, it lives as long as `self`, and this member is written
        // by atomic accesses only.
        unsafe { AtomicU8::from_ptr(flag) }
    }
}
