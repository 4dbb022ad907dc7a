// SPDX-License-Identifier: GPL-2.0

//! Makes the bindings of the driver's interface with the `bindgen` command, so that Rust and C are
//! compiled from the same header.

use std::{
    env,
    ffi::OsString,
    path::{
        Path,
        PathBuf, //
    },
    process::Command, //
};

const BINDGEN: &[&str] = &[
    "--allowlist-item",
    "(minivmx|MINIVMX)_.*",
    "--with-derive-default",
    "--with-derive-eq",
    "--no-prepend-enum-name",
    "--no-doc-comments",
    "--no-layout-tests",
    "--raw-line",
    "// Generated from uapi/minivmx.h.",
];

fn main() {
    let output = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    let header = setting("MINIVMX_UAPI", "../../uapi/minivmx.h");
    let bindgen = setting("BINDGEN", "bindgen");
    println!("cargo::rerun-if-changed={}", Path::new(&header).display());
    run(Command::new(&bindgen)
        .args(BINDGEN)
        .arg(&header)
        .arg("--output")
        .arg(output.join("uapi.rs")));
}

fn run(command: &mut Command) {
    let name = command.get_program().to_owned();
    match command.status() {
        Ok(status) if status.success() => {}
        Ok(status) => fail(&format!("{command:?} failed: {status}")),
        Err(error) => fail(&format!("{name:?} cannot be run: {error}")),
    }
}

fn setting(name: &str, default: &str) -> OsString {
    println!("cargo::rerun-if-env-changed={name}");
    env::var_os(name).unwrap_or_else(|| default.into())
}

fn fail(sentence: &str) {
    println!("cargo::error={sentence}");
}
