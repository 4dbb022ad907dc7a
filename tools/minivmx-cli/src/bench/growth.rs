// SPDX-License-Identifier: GPL-2.0

//! `minivmx bench --growth`: what an event costs as there is more of something, and what memory the
//! tables take by then. Theory says of most that they do not grow.

mod address_spaces;
mod memory;
mod page;
mod regions;
mod series;
mod table;
mod vms;

use std::{
    fs,
    path::Path, //
};

use anyhow::{
    bail,
    Context,
    Result, //
};
use minivmx::{
    Device,
    Mmu, //
};
use serde_json::json;

use super::{
    arguments::Arguments,
    figure, //
};
use crate::host::Host;
use series::{
    Extent,
    Growth, //
};

/// Measures, prints, and writes the files if there are to be any.
pub fn run(arguments: &Arguments, host: &Host) -> Result<()> {
    let extent = match arguments.short {
        true => Extent::Short,
        false => Extent::Full,
    };
    let growth = measure(&arguments.mmus, extent)?;
    println!("{}, CPUs: {}\n", host.model, host.cpus);
    println!("{}", table::Table(&growth));
    if let Some(path) = &arguments.json {
        let object = json!({
            "host": host,
            "meaning": figure::meaning(host.counter),
            "series": growth.series,
            "left_out": growth.left_out,
        });
        write(path, &format!("{object:#}\n"))?;
    }
    if let Some(path) = &arguments.html {
        write(path, &page::html(host, &growth)?)?;
    }
    match growth.series.iter().find(|series| !series.holds()) {
        Some(series) => bail!("{series} grows more than theory says"),
        None => Ok(()),
    }
}

fn measure(mmus: &[Mmu], extent: Extent) -> Result<Growth> {
    let device = Device::open()?;
    let mut growth = Growth::default();
    let wanted = |mmu: &Mmu| mmus.is_empty() || mmus.contains(mmu);
    for mmu in device.info()?.mmus().into_iter().filter(wanted) {
        for (what, measure) in [
            ("address spaces", address_spaces::measure as Measure),
            ("VMs", vms::measure),
            ("memory", memory::measure),
            ("regions", regions::measure),
        ] {
            measure(&device, mmu, extent, &mut growth).with_context(|| format!("{mmu}, {what}"))?;
        }
    }
    Ok(growth)
}

/// Measures one MMU.
type Measure = fn(&Device, Mmu, Extent, &mut Growth) -> Result<()>;

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| path.display().to_string())
}
