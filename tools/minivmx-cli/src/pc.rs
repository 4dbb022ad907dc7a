// SPDX-License-Identifier: GPL-2.0

//! What a guest finds around its CPU: as much of a PC as firmware looks for.

pub mod absent_memory;
pub mod acpi;
pub mod bus;
mod checksum;
pub mod devices;
pub mod exits;
pub mod mailbox;
pub mod mp_table;
pub mod msrs;
pub mod tick;
