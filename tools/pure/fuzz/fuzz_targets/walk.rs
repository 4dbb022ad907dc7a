// SPDX-License-Identifier: GPL-2.0

//! The walk through a guest's tables against the one written from the SDM.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| pure::fuzz_walk(bytes));
