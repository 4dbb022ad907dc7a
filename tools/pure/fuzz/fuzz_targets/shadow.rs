// SPDX-License-Identifier: GPL-2.0

//! A guest's program under all policies of shadow paging, against a machine without a hypervisor.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| pure::fuzz_shadow(bytes));
