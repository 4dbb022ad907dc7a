// SPDX-License-Identifier: GPL-2.0

//! Quarantine of the generated bindings: only the other files of this directory use it.

#![allow(
    clippy::all,
    dead_code,
    improper_ctypes,
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    unreachable_pub,
    unsafe_op_in_unsafe_fn
)]

use kernel::{
    bindings::*,
    prelude::*, //
};
use zerocopy_derive::{
    Immutable,
    KnownLayout, //
};

include!(concat!(
    env!("MINIVMX_GENERATED"),
    "/bindings_generated.rs" //
));
