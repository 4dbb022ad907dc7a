// SPDX-License-Identifier: GPL-2.0

//! The guest's text: what it prints, and what is typed for it.

pub mod escape;
pub mod input;
pub mod output;
pub mod ready;
pub mod sink;
pub mod terminal;
