// SPDX-License-Identifier: GPL-2.0

//! CPUs that are functions, of a guest that is not there: what matters is who wakes whom.
//! A run that does not end fails after a while.

use std::{
    sync::{
        atomic::{
            AtomicBool,
            Ordering, //
        },
        mpsc,
        Arc, //
    },
    thread,
    time::{
        Duration,
        Instant, //
    },
};

use anyhow::{
    bail,
    Result, //
};
use minivmx::{
    uapi::minivmx_stats,
    CpuidEntry,
    Mmu,
    VcpuState, //
};
use vm_memory::GuestMemoryMmap;

use super::*;
use crate::{
    boot::{
        accelerator::{
            Accelerator,
            Stop, //
        },
        kernel::Kernel,
        look::Counts,
        meter::Meter,
    },
    console::sink::Sink,
    pc::{
        bus::Bus,
        devices::apics::{
            Beginning,
            LOCAL, //
        }, //
    },
};

const END_OF_INTERRUPT: u64 = LOCAL + 0xb0;
const SPURIOUS: u64 = LOCAL + 0xf0;
const COMMAND_LOW: u64 = LOCAL + 0x300;
const COMMAND_HIGH: u64 = LOCAL + 0x310;
const VECTOR: u8 = 0x40;
const NMI: u8 = 2;
const LIMIT: Duration = Duration::from_secs(20);

/// What a CPU does next, perhaps with the vector of an interrupt that it has taken.
type Program = Box<dyn FnMut(&mut dyn Bus, Option<u8>) -> Result<Stop> + Send>;

struct Script {
    program: Program,
    /// There is none, and nobody looks.
    memory: GuestMemoryMmap,
    kicked: Arc<AtomicBool>,
    begun: bool,
    /// It has interrupts enabled.
    open: bool,
    vector: Option<u8>,
}

fn cpu(
    begun: bool,
    program: impl FnMut(&mut dyn Bus, Option<u8>) -> Result<Stop> + Send + 'static,
) -> Box<dyn Processor> {
    script(begun, true, program)
}

/// One that has interrupts disabled.
fn closed(
    begun: bool,
    program: impl FnMut(&mut dyn Bus, Option<u8>) -> Result<Stop> + Send + 'static,
) -> Box<dyn Processor> {
    script(begun, false, program)
}

fn script(
    begun: bool,
    open: bool,
    program: impl FnMut(&mut dyn Bus, Option<u8>) -> Result<Stop> + Send + 'static,
) -> Box<dyn Processor> {
    Box::new(Script {
        program: Box::new(program),
        memory: GuestMemoryMmap::new(),
        kicked: Arc::default(),
        begun,
        open,
        vector: None,
    })
}

impl Accelerator for Script {
    fn memory(&self) -> &GuestMemoryMmap {
        &self.memory
    }

    fn begin(&mut self, _kernel: &Kernel, _cpuid: &[CpuidEntry]) -> Result<()> {
        Ok(())
    }

    fn vcpu_state(&mut self) -> Result<VcpuState> {
        bail!("it has none")
    }

    fn restore(&mut self, _state: &VcpuState, _cpuid: &[CpuidEntry]) -> Result<()> {
        bail!("it has none")
    }

    fn kick(&self) -> Kick {
        let kicked = Arc::clone(&self.kicked);
        Box::new(move || kicked.store(true, Ordering::Release))
    }

    fn clear_kick(&mut self) {
        self.kicked.store(false, Ordering::Release);
    }

    /// A program that has nothing to do computes until it is kicked.
    fn run(&mut self, bus: &mut dyn Bus, meter: &mut Meter<'_>) -> Result<Stop> {
        assert!(self.begun, "it was not started");
        if self.kicked.load(Ordering::Acquire) {
            return Ok(Stop::Interrupted);
        }
        let stop = (self.program)(bus, self.vector.take())?;
        if !matches!(stop, Stop::Interrupted) {
            return Ok(stop);
        }
        meter.run(|| self.until_kicked())
    }

    fn can_take_interrupt(&self) -> bool {
        self.vector.is_none()
    }

    fn interrupt(&mut self, vector: u8) -> Result<()> {
        self.vector = Some(vector);
        Ok(())
    }

    fn ask_for_window(&mut self, _wanted: bool) {}

    fn has_interrupts_enabled(&self) -> bool {
        self.open
    }

    fn counts(&self) -> Result<Counts> {
        let none = minivmx_stats::default().into();
        Ok(Counts::Minivmx(Box::new(none), Mmu::Ept))
    }

    fn state(&self, _verbose: bool) -> String {
        String::new()
    }
}

impl Script {
    fn until_kicked(&self) -> Result<Stop> {
        let start = Instant::now();
        while !self.kicked.load(Ordering::Acquire) {
            if start.elapsed() > 2 * LIMIT {
                bail!("a kick was lost");
            }
            thread::yield_now();
        }
        Ok(Stop::Interrupted)
    }
}

impl Processor for Script {
    fn another(&mut self, _number: u8, _cpuid: &[CpuidEntry]) -> Result<Box<dyn Processor>> {
        bail!("there is no other")
    }

    fn begin_at_reset(&mut self, _cpuid: &[CpuidEntry]) -> Result<()> {
        bail!("there is no firmware")
    }

    fn begin_at(&mut self, beginning: Beginning) -> Result<()> {
        assert_eq!(beginning, Beginning::Page(0x99));
        self.begun = true;
        Ok(())
    }

    fn nmi(&mut self) -> Result<bool> {
        let can_take = self.vector.is_none();
        if can_take {
            self.vector = Some(NMI);
        }
        Ok(can_take)
    }
}

fn end_of(cpus: Vec<Box<dyn Processor>>) -> Result<Outcome> {
    run_of(cpus, Commands::default()).map(|run| run.end.outcome)
}

/// Runs them to their end.
fn run_of(mut cpus: Vec<Box<dyn Processor>>, commands: Commands) -> Result<Run> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let captured = || Sink::captured(None);
        let devices = Devices::new(64 << 20, Box::new(&b""[..]), captured(), captured());
        let devices = devices.with_apics(cpus.len() as u8, 1_000_000);
        let ended = run(&mut cpus, devices, commands);
        // Nobody listens any more if it took too long.
        let _ = sender.send(ended);
    });
    receiver
        .recv_timeout(LIMIT)
        .context("the run does not end")?
}

fn send(bus: &mut dyn Bus, to: u32, what: u32) {
    bus.write_register(COMMAND_HIGH, to << 24);
    bus.write_register(COMMAND_LOW, what);
}

fn start_second(bus: &mut dyn Bus) {
    bus.write_register(SPURIOUS, 0x1ff);
    send(bus, 1, 0xc500);
    send(bus, 1, 0x0699);
}

/// One that computes until the end.
fn idle() -> Box<dyn Processor> {
    cpu(false, |_, _| Ok(Stop::Interrupted))
}

/// The first sleeps or computes while it waits for an answer, the second does the other.
fn ping_pong(sleeps: bool) -> Result<Outcome> {
    const ROUNDS: u32 = 2000;
    let rest = |sleeps| match sleeps {
        true => Stop::Halted,
        false => Stop::Interrupted,
    };
    let mut round = 0;
    let first = cpu(true, move |bus, vector| {
        match vector {
            None if round == 0 => {
                start_second(bus);
                round = 1;
            }
            None => {}
            Some(vector) => {
                assert_eq!(vector, VECTOR);
                bus.write_register(END_OF_INTERRUPT, 0);
                if round == ROUNDS {
                    bus.write_port(0xcf9, 1, 6);
                    return Ok(Stop::Answered);
                }
                round += 1;
                send(bus, 1, VECTOR.into());
            }
        }
        Ok(rest(sleeps))
    });
    let mut begun = false;
    let second = cpu(false, move |bus, vector| {
        if !begun {
            begun = true;
            bus.write_register(SPURIOUS, 0x1ff);
            send(bus, 0, VECTOR.into());
        }
        if vector.is_some() {
            bus.write_register(END_OF_INTERRUPT, 0);
            send(bus, 0, VECTOR.into());
        }
        Ok(rest(!sleeps))
    });
    end_of(vec![first, second])
}

#[test]
fn no_interrupt_of_another_cpu_is_lost() -> Result<()> {
    assert_eq!(ping_pong(true)?, Outcome::Reset);
    assert_eq!(ping_pong(false)?, Outcome::Reset);
    Ok(())
}

#[test]
fn a_timer_interrupts_a_cpu_that_computes_and_one_that_sleeps() -> Result<()> {
    /// Too many to be over in time if each waited until somebody looks.
    const TICKS: u32 = 200;
    for sleeps in [false, true] {
        let mut ticks = 0;
        let first = cpu(true, move |bus, vector| {
            if vector.is_some() {
                ticks += 1;
                bus.write_register(END_OF_INTERRUPT, 0);
            }
            if ticks == TICKS {
                bus.write_port(0xcf9, 1, 6);
                return Ok(Stop::Answered);
            }
            // One millisecond, at one million counts a second.
            for (offset, value) in [(0xf0, 0x1ff), (0x3e0, 0xb), (0x320, 0x40), (0x380, 1000)] {
                bus.write_register(LOCAL + offset, value);
            }
            Ok(if sleeps {
                Stop::Halted
            } else {
                Stop::Interrupted
            })
        });
        assert_eq!(end_of(vec![first, idle()])?, Outcome::Reset);
    }
    Ok(())
}

#[test]
fn all_end_with_one_that_fails() {
    let first = cpu(true, |bus, _| {
        start_second(bus);
        Ok(Stop::Halted)
    });
    let second = cpu(false, |_, _| bail!("it is broken"));
    let error = end_of(vec![first, second]).expect_err("it fails");
    assert_eq!(format!("{error:#}"), "CPU 1: it is broken");
}

#[test]
fn all_end_with_one_that_panics() {
    let first = cpu(true, |bus, _| {
        start_second(bus);
        Ok(Stop::Interrupted)
    });
    let second = cpu(false, |_, _| panic!("this is part of the test"));
    let error = end_of(vec![first, second]).expect_err("it fails");
    assert_eq!(error.to_string(), "the thread of CPU 1 panicked");
}

#[test]
fn all_end_with_one_that_cannot_go_on() -> Result<()> {
    let failed = || Outcome::Failed("triple fault".into());
    let first = cpu(true, |bus, _| {
        start_second(bus);
        Ok(Stop::Interrupted)
    });
    let second = cpu(false, move |_, _| Ok(Stop::Failed(failed())));
    assert_eq!(end_of(vec![first, second])?, failed());
    Ok(())
}

/// As Linux does at `halt`.
#[test]
fn it_is_over_when_no_cpu_can_be_woken() -> Result<()> {
    let second_ran = Arc::new(AtomicBool::new(false));
    let halted = |begun| {
        let second_ran = Arc::clone(&second_ran);
        closed(begun, move |bus, _| {
            if begun {
                start_second(bus);
            } else {
                second_ran.store(true, Ordering::Release);
            }
            Ok(Stop::Halted)
        })
    };
    assert_eq!(end_of(vec![halted(true), halted(false)])?, Outcome::Halted);
    assert!(second_ran.load(Ordering::Acquire));
    Ok(())
}

/// The one that sends it can be woken no more, either.
#[test]
fn an_nmi_wakes_a_cpu_that_halted_for_ever() -> Result<()> {
    let mut begun = false;
    let first = closed(true, move |bus, vector| {
        if vector.is_some() {
            send(bus, 1, 0x4400);
            return Ok(Stop::Halted);
        }
        if !begun {
            begun = true;
            start_second(bus);
        }
        Ok(Stop::Interrupted)
    });
    let second = closed(false, |bus, vector| {
        match vector {
            None => send(bus, 0, VECTOR.into()),
            Some(vector) => {
                assert_eq!(vector, NMI);
                bus.write_port(0xcf9, 1, 6);
            }
        }
        Ok(Stop::Halted)
    });
    assert_eq!(end_of(vec![first, second])?, Outcome::Reset);
    Ok(())
}

/// The first CPU shows it, whatever it does, and then goes on.
#[test]
fn what_was_counted_is_shown_on_a_key() {
    let commands = Commands::default();
    let typed = commands.clone();
    let mut runs = 0;
    let first = cpu(true, move |bus, _| {
        runs += 1;
        match runs {
            1 => typed.set(Some(Command::Counts)),
            _ => {
                assert_eq!(typed.get(), None);
                bus.write_port(0xcf9, 1, 6);
            }
        }
        Ok(Stop::Interrupted)
    });
    let run = run_of(vec![first, idle()], commands).unwrap();
    assert!(matches!(run.end.outcome, Outcome::Reset));
    assert!(run.period.ticks.in_run > 0, "{:?}", run.period.ticks);
}
