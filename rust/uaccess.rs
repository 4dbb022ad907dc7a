// SPDX-License-Identifier: GPL-2.0

//! Structures of a call whose first member is their size, after the manner of
//! `copy_struct_from_user()`.

use kernel::{
    bindings::PAGE_SIZE,
    prelude::*,
    uaccess::{
        UserPtr,
        UserSlice, //
    }, //
};
use zerocopy::{
    Immutable,
    KnownLayout, //
};

/// A structure of the interface: any bytes are a valid value, and all its bytes are its own.
pub(crate) trait Plain: FromBytes + IntoBytes + Immutable + KnownLayout {}
impl<T: FromBytes + IntoBytes + Immutable + KnownLayout> Plain for T {}

/// The argument of a call, with the place in the program that it came from.
pub(crate) struct Argument<T> {
    pointer: UserPtr,
    user_size: usize,
    /// The structure as the driver knows it.
    pub(crate) value: T,
}

impl<T: Plain> Argument<T> {
    /// Copies the structure in.
    ///
    /// # Errors
    ///
    /// `EINVAL` if it is shorter than `first_size`, the size that it had in the first version of
    /// the interface; `E2BIG` if it is longer than `T` and a byte beyond is not zero; `EFAULT`.
    pub(crate) fn read(address: usize, first_size: usize) -> Result<Self> {
        let pointer = UserPtr::from_addr(address);
        let user_size = Self::user_size(pointer)?;
        if user_size < first_size {
            return Err(EINVAL);
        }
        if user_size > PAGE_SIZE {
            return Err(E2BIG);
        }
        let mut value = T::new_zeroed();
        let known = user_size.min(size_of::<T>());
        let mut reader = UserSlice::new(pointer, user_size).reader();
        let bytes = value.as_mut_bytes().get_mut(..known).ok_or(EINVAL)?;
        reader.read_slice(bytes)?;
        while !reader.is_empty() {
            let mut byte = [0u8];
            reader.read_slice(&mut byte)?;
            if byte != [0] {
                return Err(E2BIG);
            }
        }
        Ok(Self {
            pointer,
            user_size,
            value,
        })
    }

    /// Takes from `other` what the program's structure is too short for.
    pub(crate) fn complete(&mut self, other: &T) {
        let known = self.user_size.min(size_of::<T>());
        for (to, from) in self
            .value
            .as_mut_bytes()
            .iter_mut()
            .zip(other.as_bytes())
            .skip(known)
        {
            *to = *from;
        }
    }

    fn user_size(pointer: UserPtr) -> Result<usize> {
        let mut size = [0u8; size_of::<u32>()];
        UserSlice::new(pointer, size.len())
            .reader()
            .read_slice(&mut size)?;
        Ok(u32::from_ne_bytes(size) as usize)
    }

    /// Copies the structure out, as much of it as the program knows, but for the size, which stays
    /// what the program wrote.
    pub(crate) fn write_back(&self) -> Result {
        let known = self.user_size.min(size_of::<T>());
        let bytes = self.value.as_bytes().get(size_of::<u32>()..known);
        UserSlice::new(
            self.pointer.wrapping_byte_add(size_of::<u32>()),
            known.saturating_sub(size_of::<u32>()),
        )
        .writer()
        .write_slice(bytes.ok_or(EINVAL)?)
    }
}

/// Copies the entry of that index of an array in the program.
pub(crate) fn read_entry<T: Plain>(array: u64, index: usize) -> Result<T> {
    let mut entry = T::new_zeroed();
    UserSlice::new(entry_pointer::<T>(array, index), size_of::<T>())
        .reader()
        .read_slice(entry.as_mut_bytes())?;
    Ok(entry)
}

/// Copies an entry to that index of an array in the program.
pub(crate) fn write_entry<T: Plain>(array: u64, index: usize, entry: &T) -> Result {
    UserSlice::new(entry_pointer::<T>(array, index), size_of::<T>())
        .writer()
        .write_slice(entry.as_bytes())
}

fn entry_pointer<T>(array: u64, index: usize) -> UserPtr {
    UserPtr::from_addr(array as usize).wrapping_byte_add(index.wrapping_mul(size_of::<T>()))
}
