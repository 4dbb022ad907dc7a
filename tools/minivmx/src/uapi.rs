// SPDX-License-Identifier: GPL-2.0

//! The interface as C sees it: generated from `uapi/minivmx.h`, which documents
//! every item.

#![allow(missing_docs, non_camel_case_types)]
#![allow(clippy::undocumented_unsafe_blocks)]

include!(concat!(env!("OUT_DIR"), "/uapi.rs"));
