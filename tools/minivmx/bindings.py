#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
#
# bindings.py uapi HEADER: prints the Rust form of uapi/minivmx.h, by bindgen, with what the
# kernel-doc of the header says of each structure, member and constant as its docs.
# bindings.py fields LIST: prints the VMCS fields of the driver's src/vmx/field.rs for the
# library. Called by lab/bindings.sh.

import re
import subprocess
import sys

BINDGEN = [
    "bindgen",
    "--allowlist-item", "(minivmx|MINIVMX)_.*",
    "--with-derive-default",
    "--with-derive-eq",
    "--no-prepend-enum-name",
    "--no-doc-comments",
    "--no-layout-tests",
    "--use-core",
    "--disable-header-comment",
]

BEGINNING = """// SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note

//! The interface as C sees it. `make bindings` writes this file from `uapi/minivmx.h`.

#![allow(non_camel_case_types)]
// Zeroes are a value of every structure here.
#![allow(clippy::undocumented_unsafe_blocks)]
"""

# What a vCPU is made of: kept, and given to another one.
STATE = {"minivmx_regs", "minivmx_sregs", "minivmx_segment", "minivmx_table", "minivmx_event",
         "minivmx_msr", "minivmx_cpuid_entry"}
SERDE = '#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]'

# C's names of integers, and those of bindgen for enumerations.
TYPES = {"__u8": "u8", "__u16": "u16", "__u32": "u32", "__u64": "u64",
         "::core::ffi::c_uint": "u32"}


def comments(header):
    """The kernel-doc comments, without their frame."""
    for comment in re.findall(r"/\*\*(.*?)\*/", header, re.S):
        yield re.sub(r"^[ \t]*\* ?", "", comment.strip(), flags=re.M)


def parse(header):
    """What is said of each name; of a member, by the names of its structure and its own."""
    said = {}
    for comment in comments(header):
        first, _, rest = comment.partition("\n")
        named = re.match(r"(?:struct |enum |define )?(\w+) - (.*)", first)
        if not named:
            continue
        name = named[1]
        # The first paragraph has the summary's other lines, and the members.
        head, _, body = rest.partition("\n\n")
        pieces = re.split(r"^@(\w+):", head + "\n", flags=re.M)
        said[name] = join(named[2] + " " + pieces[0])
        members = dict(zip(pieces[1::2], pieces[2::2]))
        # Members may go on after a blank line.
        while re.match(r"@\w+:", body):
            head, _, body = body.partition("\n\n")
            pieces = re.split(r"^@(\w+):", head + "\n", flags=re.M)
            members.update(zip(pieces[1::2], pieces[2::2]))
        for member, text in members.items():
            said[name, member] = said[member] = join(text)
    # A member of two structures is not a name by itself; a constant is.
    return {key: text for key, text in said.items()
            if isinstance(key, tuple) or key.lower().startswith("minivmx")}


def join(text):
    """One paragraph of rustdoc, as a sentence."""
    text = " ".join(text.split())
    text = re.sub(r"[&@](?:enum |struct )?(\w+)", r"`\1`", text)
    text = re.sub(r"(?<!`)\b((?:MINIVMX_|minivmx_)\w+)\b(?!`)", r"`\1`", text)
    text = text.replace("[", "\\[").replace("<", "\\<")
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def document(rust, said):
    """The lines of bindgen with docs before them."""
    structure = None
    for line in rust.splitlines():
        item = re.match(r"pub (?:struct|union) (\w+)", line)
        member = re.match(r"    pub (\w+):", line)
        constant = re.match(r"pub (?:const|type) (\w+)", line)
        if item:
            structure = item[1]
            yield doc(said, structure, "")
            if structure in STATE:
                yield SERDE
        elif member:
            yield doc(said, (structure, member[1]), "    ")
        elif constant:
            if constant[1] in TYPES:
                continue
            yield doc(said, constant[1], "")
        yield line


def doc(said, key, indent):
    text = said.get(key)
    if text is None and isinstance(key, str) and key.startswith("MINIVMX_CMD_"):
        text = f"Number of `{key.replace('CMD_', '')}`."
    if text is None and key == "minivmx_cmd":
        text = "Numbers of the calls."
    if text is None:
        sys.exit(f"the header does not say what {key} is")
    return f"{indent}/// {text}"


def with_rust_types(rust):
    for theirs, ours in TYPES.items():
        rust = re.sub(rf"(?<![\w:]){theirs}\b(?! =)", ours, rust)
    return rust


def uapi(path):
    with open(path) as file:
        said = parse(file.read())
    rust = subprocess.run([*BINDGEN, path], check=True, capture_output=True, text=True).stdout
    print(BEGINNING)
    print("\n".join(document(with_rust_types(rust), said)))


FIELDS_BEGINNING = """// SPDX-License-Identifier: GPL-2.0

//! The list of VMCS fields. `make bindings` writes this file from the driver's `src/vmx/field.rs`.

use super::Field;
"""


def fields(path):
    with open(path) as file:
        found = re.findall(r"/// (.*)\n\s+(\w+) = (0x\w+);", file.read())
    print(FIELDS_BEGINNING)
    print("impl Field {")
    for said, name, encoding in found:
        print(f"    /// {said}")
        print(f"    pub const {name}: Self = Self({encoding});")
    print("    /// Every field that has a name, with that, in the order of their encodings.")
    print("    pub const ALL: &'static [(&'static str, Self)] = &[")
    for _, name, _ in found:
        print(f'        ("{name}", Self::{name}),')
    print("    ];")
    print("}")


{"uapi": uapi, "fields": fields}[sys.argv[1]](sys.argv[2])
