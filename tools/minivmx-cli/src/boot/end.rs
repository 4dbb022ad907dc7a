// SPDX-License-Identifier: GPL-2.0

//! How a guest ends, and what is said then.

use std::process::ExitCode;

use anyhow::Result;
use serde_json::json;

use super::{
    accelerator::Accelerator,
    arguments::Arguments,
    look::Period, //
};
use crate::{
    console::{
        output,
        sink::Sink, //
    },
    pc::devices::Devices,
    run::outcome::{
        self,
        Outcome, //
    }, //
};

/// What the guest itself has ended by.
pub fn asked_for(devices: &Devices) -> Option<Outcome> {
    match devices.seen() {
        true => Some(Outcome::Seen),
        false => outcome::of_machine(devices),
    }
}

/// How a guest ended, and by which of its CPUs.
pub struct Ended<'a, G: ?Sized> {
    pub outcome: &'a Outcome,
    pub ticks: u64,
    pub period: Period,
    pub by: &'a G,
}

/// Says so.
pub fn report<G: Accelerator + ?Sized>(
    arguments: &Arguments,
    devices: &mut Devices,
    ended: &Ended<'_, G>,
) -> Result<ExitCode> {
    let Ended {
        outcome,
        ticks,
        period,
        by,
    } = ended;
    devices.end_lines()?;
    if let Outcome::Failed(_) = outcome {
        let state = by.state(arguments.verbose);
        output::tell(format_args!("\n{}", state.trim_end()));
    }
    let (until, seen) = (arguments.until.as_deref(), devices.seen());
    let sentence = outcome.sentence(until, seen);
    if arguments.json {
        let object = json!({
            "outcome": outcome.name(),
            "sentence": sentence,
            "serial": devices.serial().text(),
            "console": devices.console().map(Sink::text),
            "absent_ports": devices.absent_ports().collect::<Vec<_>>(),
            "ticks": ticks,
            "ticks_of_cpus": period.ticks.json(),
            "stats": period.counts.json(),
        });
        output::say(format_args!("{object:#}"))?;
    } else {
        output::say(format_args!("\n{}\nticks {ticks}", period.text()))?;
    }
    output::tell(format_args!("minivmx: {sentence}"));
    Ok(outcome.status(until, seen))
}
