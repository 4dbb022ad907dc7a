// SPDX-License-Identifier: GPL-2.0

//! How an event is measured: the time-stamp counter around a loop of events,
//! several times over.

use anyhow::{
    bail,
    Result, //
};
use minivmx::{
    LongMode,
    Regs, //
};

use super::{
    event::Event,
    hypervisor::{
        Hypervisor,
        Stop,
        MEMORY, //
    },
    mark::mark, //
};

/// Events of a loop.
const EVENTS: u64 = 1024;
/// Loops that count; one more goes before them, to fill what fills once.
const LOOPS: u64 = 9;

/// Where the guest's code is.
pub const CODE: u64 = 1 << 20;
/// Where the pages begin that no loop has touched.
const PAGES: u64 = 16 << 20;
const PAGE: u64 = 4096;

/// Pages for all loops of an event.
const SHARE: u64 = (LOOPS + 1) * EVENTS * PAGE;

const _: () = assert!(PAGES + 3 * SHARE <= MEMORY);

/// Ticks of the time-stamp counter that one event takes: the median of all loops.
pub fn ticks(hypervisor: &mut impl Hypervisor, event: Event) -> Result<u64> {
    hypervisor.write(CODE, event.code())?;
    let mut samples = (0..=LOOPS)
        .map(|number| sample(hypervisor, event, number))
        .collect::<Result<Vec<_>>>()?;
    Ok(median(&mut samples[1..]))
}

/// Where the pages begin that a loop may use up.
fn first_page(event: Event, number: u64) -> u64 {
    PAGES + event.share() * SHARE + number * EVENTS * PAGE
}

/// Ticks of the loop of that number, by event.
fn sample(hypervisor: &mut impl Hypervisor, event: Event, number: u64) -> Result<u64> {
    hypervisor.set_regs(&Regs {
        rsi: EVENTS,
        rdi: first_page(event, number),
        ..LongMode::regs(CODE)
    })?;
    mark(number, EVENTS);
    let before = time_stamp();
    match event {
        Event::RunHlt => run_to_hlt(hypervisor)?,
        _ => run_to_end(hypervisor)?,
    }
    let ticks = time_stamp().wrapping_sub(before);
    mark(number, EVENTS);
    Ok(ticks.div_ceil(EVENTS))
}

fn run_to_hlt(hypervisor: &mut impl Hypervisor) -> Result<()> {
    for _ in 0..EVENTS {
        if hypervisor.run()? != Stop::Hlt {
            bail!("the guest did not halt");
        }
    }
    Ok(())
}

/// Runs until the guest halts.
pub fn run_to_end(hypervisor: &mut impl Hypervisor) -> Result<()> {
    while hypervisor.run()? != Stop::Hlt {}
    Ok(())
}

/// Ticks of one event, of so many that a guest has that begins with these registers and halts.
pub fn ticks_to_end(hypervisor: &mut impl Hypervisor, regs: &Regs, events: u64) -> Result<u64> {
    hypervisor.set_regs(regs)?;
    let before = time_stamp();
    run_to_end(hypervisor)?;
    Ok(time_stamp().wrapping_sub(before).div_ceil(events))
}

/// The one in the middle.
pub fn median(samples: &mut [u64]) -> u64 {
    samples.sort_unstable();
    samples.get(samples.len() / 2).copied().unwrap_or_default()
}

/// The time-stamp counter.
pub fn time_stamp() -> u64 {
    // SAFETY: Every CPU that has VMX has a time-stamp counter, and Linux lets programs read it.
    unsafe { std::arch::x86_64::_rdtsc() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hypervisor that keeps count of what it is asked for.
    #[derive(Default)]
    struct Counting {
        runs: u64,
        left: u64,
        pages: Vec<u64>,
    }

    impl Hypervisor for Counting {
        fn subject(&self) -> &'static str {
            "counting"
        }

        fn mmu(&self) -> &'static str {
            "none"
        }

        fn write(&mut self, _gpa: u64, _bytes: &[u8]) -> Result<()> {
            Ok(())
        }

        fn set_regs(&mut self, regs: &Regs) -> Result<()> {
            self.left = regs.rsi;
            self.pages.push(regs.rdi);
            Ok(())
        }

        fn run(&mut self) -> Result<Stop> {
            self.runs += 1;
            self.left = self.left.saturating_sub(1);
            Ok(if self.left == 0 { Stop::Hlt } else { Stop::Out })
        }
    }

    #[test]
    fn every_loop_gets_pages_of_its_own() -> Result<()> {
        let mut counting = Counting::default();
        ticks(&mut counting, Event::EptViolation)?;
        assert_eq!(counting.runs, (LOOPS + 1) * EVENTS);
        assert!(counting
            .pages
            .windows(2)
            .all(|pair| pair[1] - pair[0] == EVENTS * PAGE));
        Ok(())
    }

    #[test]
    fn events_do_not_share_the_pages_that_they_use_up() {
        let ends = |event| (first_page(event, 0), first_page(event, LOOPS + 1));
        let (touched, filled) = (ends(Event::EptViolation), ends(Event::ShadowFill));
        let faulted = ends(Event::ShadowGuestFault);
        assert!(touched.1 <= filled.0 && filled.1 <= faulted.0);
        assert!(faulted.1 <= MEMORY);
    }

    #[test]
    fn a_guest_that_does_not_halt_is_an_error() {
        assert!(ticks(&mut Counting::default(), Event::RunHlt).is_err());
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&mut [9, 1, 100, 3, 5]), 5);
    }
}
