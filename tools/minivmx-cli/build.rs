// SPDX-License-Identifier: GPL-2.0

//! Makes the guest of `minivmx lab`, which the command holds.

use std::{
    env,
    path::PathBuf,
    process::Command, //
};

const GUESTS: &str = "../guests";
/// The guest calls the hypervisor.
const HYPERCALLS: &str = "../../uapi/minivmx_pv.h";

fn main() {
    let output = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    println!("cargo::rerun-if-changed={GUESTS}");
    println!("cargo::rerun-if-changed={HYPERCALLS}");
    run(Command::new("make")
        .args(["-s", "-C", GUESTS])
        .arg(output.join("workloads.elf"))
        .arg(format!("OUT={}", output.display())));
}

fn run(command: &mut Command) {
    let name = command.get_program().to_owned();
    match command.status() {
        Ok(status) if status.success() => {}
        Ok(status) => fail(&format!("{command:?} failed: {status}")),
        Err(error) => fail(&format!("{name:?} cannot be run: {error}")),
    }
}

fn fail(sentence: &str) {
    println!("cargo::error={sentence}");
}
