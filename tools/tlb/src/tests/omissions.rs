// SPDX-License-Identifier: GPL-2.0

//! Each step of the driver is left out once, and each time a test has to fail.

use super::{
    economy, random,
    small::{explore, Case, CASES},
};
use crate::omission::Step;
use std::{
    collections::BTreeSet,
    panic::{self, AssertUnwindSafe},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    thread,
};

/// Programs of random steps, and CPUs for each of them.
const PROGRAMS: u64 = 1000;

/// A test that a step can be left out in. Returns the steps that it came to.
type Trial = Box<dyn Fn(Option<Step>) -> BTreeSet<Step> + Send + Sync>;

fn trials() -> Vec<(String, Trial)> {
    let economy: Trial = Box::new(economy::run);
    let mut all = vec![("economy".to_owned(), economy)];
    let random = |processors: usize| -> Trial {
        Box::new(move |omission| {
            (0..PROGRAMS)
                .flat_map(|seed| random::run(seed, processors, omission))
                .collect()
        })
    };
    all.push(("random on 3 CPUs".to_owned(), random(3)));
    for case in CASES {
        all.push((
            case.name.to_owned(),
            Box::new(|omission| explore(*case, omission).0),
        ));
    }
    all
}

/// Does a trial fail? In a thread of its own, because what loom leaves behind then is of no use.
fn fails(trial: &Trial, step: Step) -> bool {
    thread::scope(|scope| scope.spawn(|| trial(Some(step))).join().is_err())
}

#[test]
fn no_step_can_be_left_out() {
    let trials = trials();
    let steps: BTreeSet<_> = trials.iter().flat_map(|(_, trial)| trial(None)).collect();
    // The failures are what is wanted; nobody needs to read them.
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let mut missed = Vec::new();
    for step in &steps {
        let name = trials.iter().find(|(_, trial)| fails(trial, *step));
        match name {
            Some((name, _)) => println!("{step}: {name}"),
            None => missed.push(step),
        }
    }
    panic::set_hook(hook);
    assert!(missed.is_empty(), "nothing fails without {missed:#?}");
}
