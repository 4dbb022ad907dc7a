// SPDX-License-Identifier: GPL-2.0

//! Translation of guest addresses.
//!
//! [`format`](self::format) says what an entry means, [`node`] is a table of entries, [`walk`] the
//! cursor that goes through such tables, and [`table`] owns all of them and changes them while CPUs
//! walk them. [`generation`] and [`tags`] make CPUs forget what was removed. These know nothing of
//! the kernel, and are tested in userspace, too.
//!
//! [`guest_walk`] goes through the guest's own tables; [`shadow`] makes tables from these that a
//! CPU can use without EPT. [`inspect`] shows a translation entry by entry, each as a [`pte`].

// An address of each kind has the same methods, whether the driver uses all of them or not.
#[allow(dead_code)]
pub(crate) mod address;
pub(crate) mod ept;
pub(crate) mod flush;
pub(crate) mod format;
pub(crate) mod generation;
pub(crate) mod guest_walk;
pub(crate) mod ia32e;
pub(crate) mod inspect;
pub(crate) mod node;
pub(crate) mod page;
pub(crate) mod pte;
pub(crate) mod shadow;
pub(crate) mod table;
pub(crate) mod tags;
pub(crate) mod walk;
