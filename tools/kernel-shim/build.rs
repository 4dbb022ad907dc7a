// SPDX-License-Identifier: GPL-2.0

//! Copies the files of the kernel's crate that this crate consists of out of the kernel source.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process,
};

/// Names each file as a module of this crate.
const ROOT: &str = "\
#[macro_use]
pub mod bitfield;
#[allow(unused_imports)]
pub mod num;
";

fn main() {
    println!("cargo::rerun-if-env-changed=KSRC");
    println!("cargo::rustc-check-cfg=cfg(CONFIG_64BIT, CONFIG_RUST_BITFIELD_KUNIT_TEST)");
    println!("cargo::rustc-cfg=CONFIG_64BIT");
    if let Err(e) = copy_sources() {
        eprintln!("{e}");
        process::exit(1);
    }
}

/// Copies `bitfield`, and `num` with the modules below it.
fn copy_sources() -> Result<(), String> {
    let source = env::var("KSRC").map_err(|_| {
        "KSRC is not set: it names the Linux source tree (7.2 or newer) that bitfield! comes from"
    })?;
    let from = Path::new(&source).join("rust/kernel");
    let to = PathBuf::from(env::var("OUT_DIR").map_err(|_| "cargo did not set OUT_DIR")?);
    copy(&from, &to, "bitfield.rs")?;
    copy(&from, &to, "num.rs")?;
    fs::create_dir_all(to.join("num")).map_err(|e| format!("{}: {e}", to.display()))?;
    let below = from.join("num");
    for entry in fs::read_dir(&below).map_err(|e| format!("KSRC: {}: {e}", below.display()))? {
        let entry = entry.map_err(|e| format!("KSRC: {}: {e}", below.display()))?;
        copy(&from, &to, Path::new("num").join(entry.file_name()))?;
    }
    fs::write(to.join("root.rs"), ROOT).map_err(|e| format!("{}: {e}", to.display()))
}

/// Copies one file, and makes cargo look at it again when it changes.
fn copy(from: &Path, to: &Path, file: impl AsRef<Path>) -> Result<(), String> {
    let source = from.join(&file);
    println!("cargo::rerun-if-changed={}", source.display());
    fs::copy(&source, to.join(&file))
        .map(drop)
        .map_err(|e| format!("KSRC: {}: {e}", source.display()))
}
