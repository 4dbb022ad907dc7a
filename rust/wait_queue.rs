// SPDX-License-Identifier: GPL-2.0

//! Threads that sleep until a word is not 0.

use super::{
    atomic::AtomicU64,
    bindings, //
};
use core::ptr;
use kernel::{
    bindings as kernel_bindings,
    error::to_result,
    prelude::*,
    types::Opaque, //
};

/// Where threads sleep.
#[pin_data]
pub(crate) struct WaitQueue {
    #[pin]
    inner: Opaque<kernel_bindings::wait_queue_head>,
}

// SAFETY: A wait queue has a lock of its own, and is bound to no thread.
unsafe impl Send for WaitQueue {}
// SAFETY: As above.
unsafe impl Sync for WaitQueue {}

impl WaitQueue {
    /// One where nobody sleeps.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            // SAFETY: `slot` can be written, and stays where it is.
            inner <- Opaque::ffi_init(|slot| unsafe { bindings::ext_init_wait_queue(slot) }),
        })
    }

    /// Sleeps until the word is not 0. Who sets it calls [`Self::wake`] afterwards: then none is
    /// missed. The sleep can be frozen.
    ///
    /// # Errors
    ///
    /// `EINTR` if a signal comes first.
    pub(crate) fn wait_until_set(&self, word: &AtomicU64) -> Result {
        // SAFETY: The queue was initialised, and the word can be read as long as it is borrowed.
        let result = unsafe { bindings::ext_wait_until_set(self.inner.get(), word.as_ptr()) };
        to_result(result).map_err(|_| EINTR)
    }

    /// Wakes all that sleep here. Can be called with interrupts off.
    pub(crate) fn wake(&self) {
        // SAFETY: The queue was initialised.
        unsafe {
            kernel_bindings::__wake_up(
                self.inner.get(),
                kernel_bindings::TASK_INTERRUPTIBLE,
                0,
                ptr::null_mut(),
            )
        };
    }
}
