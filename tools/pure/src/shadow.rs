// SPDX-License-Identifier: GPL-2.0

//! Shadow paging against a machine that has no hypervisor: random programs give the same under all
//! policies.
//!
//! A program ([`guest`]) is made from a seed, on a machine that follows the guest's tables afresh
//! at each access ([`reference`]). Then it runs on machines with a hypervisor, one for each policy:
//! the CPU ([`hardware`]) walks the shadow tables by their bits, and keeps translations as long as
//! it may; [`machine`] does with its exits what the driver does. Three kinds of guests make three
//! kinds of tests:
//!
//!  - What a *disciplined* guest sees cannot depend on what a CPU caches. Each access has the same
//!    outcome under all policies, and memory is the same at the end, accessed and dirty flags
//!    included.
//!  - What a *wild* guest sees is what its tables say (`wp`, `pv`), or what some CPU without a
//!    hypervisor could have cached ([`architecture`]: `vtlb`, `unsync`).
//!  - A *disturbed* guest is a wild one whose memory is taken away or written to while an
//!    instruction is between two exits, or while the driver makes a root; what it sees is what some
//!    CPU could have cached.
//!
//! After each operation the tables' invariants are checked (`src/mmu/shadow/tables/check.rs`). For
//! some programs the driver may do little in one operation, so that it often has to give up and
//! drop all tables, or to leave work for later.
//!
//! How much operations do is checked, too ([`bounds`]).
//!
//! A failing program says its seed: `MINIVMX_SEED=12345 cargo test -p pure programs` runs that one
//! only, and prints what it does. `MINIVMX_PROGRAMS=1000000` runs more than usual. With a fuzzer
//! ([`fuzz`]) the program comes from its bytes instead.

mod architecture;
#[cfg(test)]
mod bounds;
mod coverage;
mod cpu;
mod guest;
mod hardware;
mod host;
mod layout;
mod machine;
mod ram;
mod reference;

use self::{
    architecture::Architecture,
    coverage::Coverage,
    cpu::Outcome,
    guest::Program,
    machine::{Machine, Policy},
};
use crate::{
    dice::Dice,
    mmu::shadow::policy::{Pv, Unsync, Vtlb, Wp},
};
use std::{
    env,
    panic::{catch_unwind, resume_unwind, AssertUnwindSafe},
};

const POLICIES: [Policy; 4] = [
    Policy {
        name: "vtlb",
        policy: &Vtlb,
        in_step: false,
        traps_invlpg: true,
    },
    Policy {
        name: "wp",
        policy: &Wp,
        in_step: true,
        traps_invlpg: false,
    },
    Policy {
        name: "unsync",
        policy: &Unsync,
        in_step: false,
        traps_invlpg: true,
    },
    Policy {
        name: "pv",
        policy: &Pv,
        in_step: true,
        traps_invlpg: false,
    },
];

/// The kinds of guests, see the module.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Disciplined,
    Wild,
    Disturbed,
}

impl Kind {
    /// Is what a guest sees what its tables say, whatever a CPU caches?
    fn is_exact(self, policy: Policy) -> bool {
        match self {
            Self::Disciplined => true,
            Self::Wild => policy.in_step,
            Self::Disturbed => false,
        }
    }
}

/// Runs a program under a policy.
fn run_under(policy: Policy, program: &Program, kind: Kind, coverage: &mut Coverage, tell: bool) {
    let exact = kind.is_exact(policy);
    let architecture = (!exact).then(|| Architecture::new(program.registers.paging.mode));
    let mut machine = Machine::new(
        policy,
        program.tables,
        &program.image,
        program.registers.clone(),
        architecture,
        coverage,
    );
    machine.limit_work(program.work);
    if kind == Kind::Disturbed {
        machine.disturb(Dice::of_seed(program.script.len() as u64));
    }
    for (number, (op, expected)) in program.script.iter().enumerate() {
        if tell {
            println!("{}: {number}: {op:x?}: {expected:x?}", policy.name);
        }
        // Where memory was taken away, other PDPTEs are valid, and the rest is for another mode.
        if kind == Kind::Disturbed && *expected == Outcome::Refused {
            continue;
        }
        let outcome = machine.run(op);
        if kind == Kind::Disturbed && outcome == Outcome::Refused {
            break;
        }
        if exact {
            assert_eq!(outcome, *expected, "{}: {number}: {op:x?}", policy.name);
        }
    }
    machine.check_closely();
    if exact {
        let differences = machine.ram().differences(&program.end);
        assert!(differences.is_empty(), "{}: {differences:#?}", policy.name);
    }
}

/// Runs a program under all policies.
fn run(program: &Program, kind: Kind, coverage: &mut Coverage, tell: bool) {
    for policy in POLICIES {
        run_under(policy, program, kind, coverage, tell);
    }
}

/// Runs a number of programs, or the one with the seed that the environment names.
pub(crate) fn run_many(count: u64, kind: Kind) {
    let number = |name| {
        env::var(name)
            .ok()
            .map(|text| text.parse().expect("a number"))
    };
    let mut coverage = Coverage::default();
    if let Some(seed) = number("MINIVMX_SEED") {
        let program = guest::write(Dice::of_seed(seed), kind == Kind::Disciplined);
        return run(&program, kind, &mut coverage, true);
    }
    let mut operations = 0;
    for seed in 0..number("MINIVMX_PROGRAMS").unwrap_or(count) {
        let ran = catch_unwind(AssertUnwindSafe(|| {
            let program = guest::write(Dice::of_seed(seed), kind == Kind::Disciplined);
            run(&program, kind, &mut coverage, false);
            program.script.len()
        }));
        operations += ran.unwrap_or_else(|cause| {
            eprintln!("MINIVMX_SEED={seed} repeats this");
            resume_unwind(cause)
        });
    }
    println!(
        "{operations} operations under each of {} policies",
        POLICIES.len()
    );
    coverage.assert_complete(&POLICIES.map(|policy| policy.name));
}

/// Runs a program of a fuzzer's making.
pub fn fuzz(bytes: &[u8]) {
    let mut dice = Dice::of_bytes(bytes);
    let kind = dice.pick(&[Kind::Disciplined, Kind::Wild, Kind::Disturbed]);
    let program = guest::write(dice, kind == Kind::Disciplined);
    run(&program, kind, &mut Coverage::default(), false);
}
