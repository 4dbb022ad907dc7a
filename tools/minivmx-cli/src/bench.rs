// SPDX-License-Identifier: GPL-2.0

//! `minivmx bench`: what exits cost here and in KVM.

mod arguments;
mod event;
mod figure;
mod growth;
mod hypervisor;
mod kvm;
mod mark;
mod measure;
mod minivmx;
mod tables;

use std::{
    fs,
    path::Path, //
};

use ::minivmx::{
    Device,
    Mmu, //
};
use anyhow::{
    bail,
    Context,
    Result, //
};
use clap::ValueEnum;

pub use arguments::Arguments;
use arguments::Subject;
use event::Event;
use figure::{
    Figure,
    Table, //
};
use hypervisor::Hypervisor;
pub use measure::time_stamp;

use crate::host::{
    self,
    Host, //
};

/// Measures, prints, and writes the file if there is to be one.
pub fn run(arguments: &Arguments) -> Result<()> {
    let events = some_or_all(&arguments.events);
    let host = Host::here();
    host::stay_on_this_cpu()?;
    if arguments.growth {
        return growth::run(arguments, &host);
    }
    let mut figures = match &arguments.add {
        Some(path) => read_json(path)?,
        None => Vec::new(),
    };
    for subject in some_or_all(&arguments.subjects) {
        figures.extend(match subject {
            Subject::Minivmx => measure_minivmx(events, &arguments.mmus, &host)?,
            Subject::Kvm => measure_kvm(events, &host)?,
        });
    }
    if figures.is_empty() {
        bail!("there is nothing to measure");
    }
    println!("{}, CPUs: {}\n", host.model, host.cpus);
    println!(
        "{}",
        Table {
            events,
            figures: &figures
        }
    );
    println!("{}", figure::meaning(host.counter));
    match &arguments.json {
        Some(path) => write_json(path, &figures),
        None => Ok(()),
    }
}

fn some_or_all<T: ValueEnum>(some: &[T]) -> &[T] {
    match some {
        [] => T::value_variants(),
        some => some,
    }
}

/// Every MMU that the CPU has; one guest at a time, as each takes its memory.
fn measure_minivmx(events: &[Event], mmus: &[Mmu], host: &Host) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    let device = match Device::open() {
        Ok(device) => device,
        Err(error) => return left_out("minivmx", &error),
    };
    let info = device.info()?;
    let wanted = |mmu: &Mmu| mmus.is_empty() || mmus.contains(mmu);
    for mmu in info.mmus().into_iter().filter(wanted) {
        let guest = minivmx::Minivmx::new(&device, mmu)?;
        figures.extend(measure(guest, events, host)?);
    }
    let missing = info.missing(Mmu::Ept).names();
    if !missing.is_empty() {
        println!(
            "minivmx, ept: left out, this CPU lacks {}",
            missing.join(", ")
        );
    }
    Ok(figures)
}

fn measure_kvm(events: &[Event], host: &Host) -> Result<Vec<Figure>> {
    match kvm_ioctls::Kvm::new() {
        Ok(device) => measure(kvm::Kvm::new(&device)?, events, host),
        Err(error) => left_out("kvm", &format!("/dev/kvm: {error}")),
    }
}

fn left_out(subject: &str, why: &dyn std::fmt::Display) -> Result<Vec<Figure>> {
    println!("{subject}: left out, {why}");
    Ok(Vec::new())
}

fn measure(mut guest: impl Hypervisor, events: &[Event], host: &Host) -> Result<Vec<Figure>> {
    let (subject, mmu) = (guest.subject(), guest.mmu());
    tables::write(&mut guest, measure::CODE)?;
    let figure = |event: &Event| {
        let ticks = measure::ticks(&mut guest, *event)
            .with_context(|| format!("{subject}: {}", event.name()))?;
        Ok(Figure {
            event: event.name().into(),
            subject: subject.into(),
            mmu: mmu.into(),
            ticks,
            counter: host.counter,
            cpus: host.cpus,
            model: host.model.clone(),
        })
    };
    let events = events.iter().filter(|event| event.happens_with(mmu));
    events.map(figure).collect()
}

fn read_json(path: &Path) -> Result<Vec<Figure>> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    serde_json::from_str(&text).with_context(|| format!("{} has no figures", path.display()))
}

fn write_json(path: &Path, figures: &[Figure]) -> Result<()> {
    let text = serde_json::to_string_pretty(figures)?;
    fs::write(path, text + "\n").with_context(|| path.display().to_string())
}
