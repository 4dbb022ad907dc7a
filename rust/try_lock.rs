// SPDX-License-Identifier: GPL-2.0

//! A lock that nobody waits for.

use core::{
    cell::UnsafeCell,
    ops::{
        Deref,
        DerefMut, //
    },
    sync::atomic::{
        AtomicBool,
        Ordering, //
    },
};
use kernel::types::NotThreadSafe;

/// Data that one thread at a time can have. Who finds them taken goes away; so there is no order of
/// locks to keep, and all it takes is one flag.
///
/// # Invariants
///
/// `taken` is true as long as there is a [`TryLockGuard`] of it, of which there is one at most.
pub(crate) struct TryLock<T> {
    taken: AtomicBool,
    data: UnsafeCell<T>,
}

// SAFETY: The data go from thread to thread, which is what `Send` is for; one has them at a time.
unsafe impl<T: Send> Sync for TryLock<T> {}

impl<T> TryLock<T> {
    /// Puts data behind a lock.
    pub(crate) fn new(data: T) -> Self {
        // INVARIANT: There is no guard yet.
        Self {
            taken: AtomicBool::new(false),
            data: UnsafeCell::new(data),
        }
    }

    /// Takes the data, unless somebody has them.
    #[inline]
    pub(crate) fn try_lock(&self) -> Option<TryLockGuard<'_, T>> {
        if self.taken.swap(true, Ordering::Acquire) {
            return None;
        }
        // INVARIANT: `taken` was false, so there is no other guard.
        Some(TryLockGuard {
            lock: self,
            _not_send: NotThreadSafe,
        })
    }
}

/// Guard: the data are this thread's.
#[must_use = "the data are given back when the guard is dropped"]
pub(crate) struct TryLockGuard<'a, T> {
    lock: &'a TryLock<T>,
    _not_send: NotThreadSafe,
}

impl<T> Deref for TryLockGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: By the invariant of `TryLock` this is the only guard.
        unsafe { &*self.lock.data.get() }
    }
}

impl<T> DerefMut for TryLockGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: By the invariant of `TryLock` this is the only guard.
        unsafe { &mut *self.lock.data.get() }
    }
}

impl<T> Drop for TryLockGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.lock.taken.store(false, Ordering::Release);
    }
}
