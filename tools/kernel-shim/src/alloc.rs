// SPDX-License-Identifier: GPL-2.0

//! Allocation, from userspace's allocator, which does not fail.

use core::ops::{Deref, DerefMut};

/// Flags of an allocation: without a meaning here.
#[derive(Clone, Copy, Debug)]
pub struct Flags;

/// May sleep.
pub const GFP_KERNEL: Flags = Flags;
/// May sleep, and is charged to the program.
pub const GFP_KERNEL_ACCOUNT: Flags = Flags;

/// There is no memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AllocError;

/// A value on the heap.
#[derive(Debug)]
pub struct KBox<T>(Box<T>);

impl<T> KBox<T> {
    /// Puts a value there.
    pub fn new(value: T, _flags: Flags) -> Result<Self, AllocError> {
        Ok(Self(Box::new(value)))
    }
}

impl<T> Deref for KBox<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for KBox<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

/// A vector.
#[derive(Debug)]
pub struct KVec<T>(Vec<T>);

/// A vector in memory that need not be contiguous.
pub type KVVec<T> = KVec<T>;

impl<T> Default for KVec<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> KVec<T> {
    /// Without values.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Room for so many values.
    pub fn with_capacity(capacity: usize, _flags: Flags) -> Result<Self, AllocError> {
        Ok(Self(Vec::with_capacity(capacity)))
    }

    /// For how many values there is room.
    pub fn capacity(&self) -> usize {
        self.0.capacity()
    }

    /// Adds a value.
    pub fn push(&mut self, value: T, _flags: Flags) -> Result<(), AllocError> {
        self.0.push(value);
        Ok(())
    }

    /// Adds a value, or gives it back if there is no room.
    pub fn push_within_capacity(&mut self, value: T) -> Result<(), T> {
        self.insert_within_capacity(self.0.len(), value)
    }

    /// Inserts a value, or gives it back if there is no room.
    pub fn insert_within_capacity(&mut self, index: usize, value: T) -> Result<(), T> {
        if self.0.len() == self.0.capacity() {
            return Err(value);
        }
        self.0.insert(index, value);
        Ok(())
    }

    /// Takes the last value.
    pub fn pop(&mut self) -> Option<T> {
        self.0.pop()
    }

    /// Takes a value out.
    pub fn remove(&mut self, index: usize) -> Result<T, AllocError> {
        (index < self.0.len())
            .then(|| self.0.remove(index))
            .ok_or(AllocError)
    }

    /// Keeps the values that pass a test.
    pub fn retain(&mut self, test: impl FnMut(&mut T) -> bool) {
        self.0.retain_mut(test);
    }
}

impl<T> Deref for KVec<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T> DerefMut for KVec<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.0
    }
}

impl<T> IntoIterator for KVec<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a, T> IntoIterator for &'a KVec<T> {
    type Item = &'a T;
    type IntoIter = core::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}
