// SPDX-License-Identifier: GPL-2.0

//! Shadow paging under random guests; see [`shadow`](crate::shadow), also for how a failure is
//! repeated.

use crate::shadow::{self, Kind};

#[test]
fn disciplined_programs_are_the_same_under_all_policies() {
    shadow::run_many(10_000, Kind::Disciplined);
}

#[test]
fn wild_programs_see_what_some_cpu_could_show_them() {
    shadow::run_many(5_000, Kind::Wild);
}

#[test]
fn disturbed_programs_come_to_their_end() {
    shadow::run_many(5_000, Kind::Disturbed);
}

// The fuzz target's own entry, on bytes of all kinds.
#[test]
fn bytes_of_a_fuzzer_make_programs() {
    let mut byte = 1u8;
    for length in 0..200 {
        let bytes: Vec<_> = (0..length * 8)
            .map(|_| {
                byte = byte.wrapping_mul(5).wrapping_add(length as u8 | 1);
                byte ^ byte >> 3
            })
            .collect();
        shadow::fuzz(&bytes);
    }
}
