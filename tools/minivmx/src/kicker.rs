// SPDX-License-Identifier: GPL-2.0

//! Making a vCPU return from another thread.

use std::{
    fs::File,
    sync::Arc, //
};

use crate::{
    error::Result,
    ioctl, //
};

/// Makes [`Vcpu::run`](crate::Vcpu::run) return with [`Exit::Kicked`](crate::Exit::Kicked), from
/// any thread and at any time.
///
/// No kick is lost: if the vCPU does not run, it is the next run that returns at once. Several
/// kicks may end one run together. So a thread that leaves work for the vCPU's thread kicks
/// afterwards, and that looks for work whenever it was kicked.
#[derive(Clone, Debug)]
pub struct Kicker(pub(crate) Arc<File>);

impl Kicker {
    /// Kicks the vCPU.
    ///
    /// # Errors
    ///
    /// ENOTTY by a driver that knows of no kicks.
    pub fn kick(&self) -> Result<()> {
        ioctl::KICK.without(&self.0).map(drop)
    }
}
