// SPDX-License-Identifier: GPL-2.0

//! The rules of VM entries, each broken by itself.

mod flips;
mod states;

use self::{
    flips::{Change, FLIPS},
    states::{Vmcs, STATES},
};
use crate::vmx::check::{self, view::View, SECTIONS};
use std::collections::BTreeSet;

/// Names of the rules that are broken.
fn broken(vmcs: &Vmcs) -> Vec<&'static str> {
    let view = View::new(vmcs, &vmcs.processor);
    check::violations(&view).map(|found| found.rule).collect()
}

fn rules() -> impl Iterator<Item = &'static str> {
    let rules = |section: &'static check::Section| section.rules.iter();
    SECTIONS.iter().flat_map(rules).map(|rule| rule.name)
}

#[test]
fn valid_states_break_no_rule() {
    for (name, state) in STATES {
        assert_eq!(broken(&state()), [""; 0], "{name}");
    }
}

#[test]
fn each_flip_breaks_its_rule_and_no_other() {
    for flip in FLIPS {
        let mut vmcs = (flip.state)();
        flip.changes
            .iter()
            .for_each(|change| change.make(&mut vmcs));
        assert_eq!(broken(&vmcs), [flip.rule]);
    }
}

#[test]
fn each_rule_has_a_flip_and_a_name_of_its_own() {
    let names: BTreeSet<_> = rules().collect();
    assert_eq!(names.len(), rules().count());
    let flipped: BTreeSet<_> = FLIPS.iter().map(|flip| flip.rule).collect();
    assert_eq!(names, flipped);
}

/// What is to blame is one of the fields that were changed, as it is now, or the one that says what
/// the others mean.
#[test]
fn the_blame_has_the_value_of_its_field() {
    for flip in FLIPS {
        let mut vmcs = (flip.state)();
        flip.changes
            .iter()
            .for_each(|change| change.make(&mut vmcs));
        let found = check::check(&View::new(&vmcs, &vmcs.processor)).unwrap_err();
        assert_eq!(
            found.blame.value,
            vmcs.get(found.blame.field),
            "{}",
            flip.rule
        );
    }
}

/// Nothing that a VMCS can hold makes a rule panic.
#[test]
fn nonsense_is_only_wrong() {
    let mut noise = 1u64;
    for (_, state) in STATES.iter().cycle().take(2000) {
        let mut vmcs = state();
        for &(_, field) in crate::vmx::field::ALL {
            noise = noise
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            if noise >> 62 == 0 {
                Change::Set(field, noise).make(&mut vmcs);
            }
        }
        broken(&vmcs);
    }
}

/// The table of the selftest that asks the CPU names every rule, and no other.
#[test]
fn the_selftest_has_every_rule() {
    const TABLE: &str = include_str!("../../../../selftests/check_test.c");
    let named: Vec<_> = TABLE
        .lines()
        .filter_map(|line| {
            line.trim()
                .strip_prefix("FLIP(")
                .or(line.trim().strip_prefix("CANNOT("))
        })
        .filter_map(|row| row.split(',').next())
        .collect();
    assert_eq!(named, rules().collect::<Vec<_>>());
}

/// The run page has room for the longest name, and for what the driver makes of it.
#[test]
fn names_are_short_enough() {
    assert!(rules().all(|rule| rule.len() < 64));
    let longest = |names: &mut dyn Iterator<Item = &'static str>| names.map(str::len).max();
    let rule = longest(&mut rules()).unwrap();
    let field = longest(&mut crate::vmx::field::ALL.iter().map(|(name, _)| *name)).unwrap();
    let class = "invalid host-state fields".len();
    assert!(class + rule + field + ": : is 0x0123456789abcdef".len() < 128);
}
