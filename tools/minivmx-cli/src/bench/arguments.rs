// SPDX-License-Identifier: GPL-2.0

//! What `minivmx bench` is told.

use std::path::PathBuf;

use clap::{
    Args,
    ValueEnum, //
};
use minivmx::Mmu;

use super::event::Event;
use crate::mmu;

/// Compare what exits cost here and in KVM, with the same guest in the same boot
#[derive(Args, Debug)]
pub struct Arguments {
    /// Also write the figures to a file, as a JSON list
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Show the figures of an earlier call as well, and write them with the new ones
    #[arg(long, value_name = "FILE")]
    pub add: Option<PathBuf>,
    /// Measure how costs grow with address spaces, VMs and memory instead; fails if what should be
    /// flat is not
    #[arg(long, conflicts_with_all = ["add", "events", "subjects"])]
    pub growth: bool,
    /// With --growth: smaller numbers only
    #[arg(long, requires = "growth")]
    pub short: bool,
    /// With --growth: also write a page with charts to a file
    #[arg(long, value_name = "FILE", requires = "growth")]
    pub html: Option<PathBuf>,
    /// Only these events
    #[arg(long, value_name = "EVENT", value_delimiter = ',')]
    pub events: Vec<Event>,
    /// Only these
    #[arg(long, value_name = "SUBJECT", value_delimiter = ',')]
    pub subjects: Vec<Subject>,
    /// Only these, of minivmx
    #[arg(long, value_name = "MMU", value_delimiter = ',', value_parser = mmu::parser())]
    pub mmus: Vec<Mmu>,
}

/// Who is measured.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Subject {
    /// `/dev/minivmx`, with every MMU that it offers
    Minivmx,
    /// `/dev/kvm`, as it is loaded
    Kvm,
}
