// SPDX-License-Identifier: GPL-2.0

//! One of several CPUs, in its own thread.

use std::sync::PoisonError;

use anyhow::Result;

use super::{
    Activity,
    Board,
    State, //
};
use crate::{
    boot::{
        accelerator::{
            Processor,
            Stop, //
        },
        look::Look,
        meter::Meter, //
    },
    console::escape::Command,
    pc::{
        bus::Bus,
        devices::{
            apics::Turn,
            Devices, //
        },
        msrs::Msrs,
    },
};

pub struct Cpu<'a> {
    number: usize,
    guest: &'a mut dyn Processor,
    board: &'a Board,
    msrs: Msrs,
    sleep: Sleep,
    meter: Meter<'a>,
}

/// Whether it has executed HLT.
#[derive(Clone, Copy)]
enum Sleep {
    No,
    UntilInterrupt,
    /// Interrupts are off: only an NMI, or another CPU's INIT, ends it.
    ForEver,
}

impl<'a> Cpu<'a> {
    pub fn new(number: usize, guest: &'a mut dyn Processor, board: &'a Board) -> Self {
        Self {
            number,
            guest,
            board,
            msrs: Msrs::of_cpu(number),
            sleep: Sleep::No,
            meter: Meter::new(&board.meters),
        }
    }

    /// Runs it until the end, of whichever CPU.
    pub fn run(&mut self) -> Result<()> {
        while self.prepare()? {
            let mut socket = Socket {
                number: self.number,
                board: self.board,
                msrs: &mut self.msrs,
            };
            match self.guest.run(&mut socket, &mut self.meter)? {
                Stop::Answered | Stop::Interrupted => {}
                Stop::Halted if self.guest.has_interrupts_enabled() => {
                    self.sleep = Sleep::UntilInterrupt;
                }
                Stop::Halted => self.sleep = Sleep::ForEver,
                Stop::Failed(outcome) => self.board.lock().end_with(self.number, outcome),
            }
        }
        Ok(())
    }

    /// Waits for its turn, and leaves it what interrupts it; `false` at the end.
    fn prepare(&mut self) -> Result<bool> {
        // In this order no kick is lost: what it was for is looked at afterwards.
        self.guest.clear_kick();
        let mut state = self.board.lock();
        while !self.is_on(&mut state)? {
            if state.end.is_some() {
                self.board.ring();
                return Ok(false);
            }
            let changed = self.meter.wait(|| self.board.changed.wait(state));
            state = changed.unwrap_or_else(PoisonError::into_inner);
        }
        state.devices.serve(self.guest.memory());
        state.devices.raise_lines();
        self.offer_interrupt(&mut state.devices)?;
        self.offer_nmi(&mut state.devices)?;
        // SAFETY: This call cannot fail.
        state.cpus[self.number] = Activity::Runs(unsafe { libc::pthread_self() });
        self.board.wake(&mut state, Some(self.number));
        Ok(state.end.is_none())
    }

    /// Whether it is to run. Where none can any more, it is the end.
    fn is_on(&mut self, state: &mut State) -> Result<bool> {
        self.carry_out_command(state)?;
        // What a CPU has asked for before it came to its end counts.
        state.devices.look_into_mailbox(self.guest.memory());
        let turn = state.devices.take_turn(self.number);
        if let Turn::Begin(beginning) = turn {
            self.guest.begin_at(beginning)?;
            self.sleep = Sleep::No;
        }
        let activity = match (turn, self.sleep) {
            (Turn::Wait, _) => Activity::Off,
            (_, Sleep::No) => return Ok(true),
            _ if self.is_woken(&state.devices) => {
                self.sleep = Sleep::No;
                return Ok(true);
            }
            (_, Sleep::ForEver) => Activity::Off,
            _ => Activity::Sleeps,
        };
        state.rest(self.number, activity);
        Ok(false)
    }

    fn is_woken(&self, devices: &Devices) -> bool {
        let awaits_interrupt = matches!(self.sleep, Sleep::UntilInterrupt);
        devices.has_nmi_for(self.number)
            || (awaits_interrupt && devices.has_interrupt_for(self.number))
    }

    /// Leaves the interrupt that comes first to the guest, or asks when it can be taken.
    fn offer_interrupt(&mut self, devices: &mut Devices) -> Result<()> {
        if self.guest.can_take_interrupt() {
            if let Some(vector) = devices.acknowledge_by(self.number) {
                self.guest.interrupt(vector)?;
            }
        }
        let waits = devices.has_interrupt_for(self.number);
        self.guest.ask_for_window(waits);
        Ok(())
    }

    fn offer_nmi(&mut self, devices: &mut Devices) -> Result<()> {
        if devices.has_nmi_for(self.number) && self.guest.nmi()? {
            devices.nmi_taken_by(self.number);
        }
        Ok(())
    }

    /// The one that the first CPU can.
    fn carry_out_command(&self, state: &mut State) -> Result<()> {
        let commands = &self.board.commands;
        if self.number == 0 && commands.get() == Some(Command::Counts) {
            let now = Look::new(self.guest.counts()?, self.board.meters.ticks());
            now.show(&mut state.looked);
            commands.set(None);
        }
        Ok(())
    }
}

/// Where it is plugged in.
struct Socket<'a> {
    number: usize,
    board: &'a Board,
    msrs: &'a mut Msrs,
}

impl Socket<'_> {
    /// Lets it do something to the devices, of which others may have to know.
    fn reach<T>(&self, act: impl FnOnce(&mut Devices) -> T) -> T {
        let mut state = self.board.lock();
        let result = act(&mut state.devices);
        self.board.wake(&mut state, Some(self.number));
        result
    }
}

impl Bus for Socket<'_> {
    fn read_port(&mut self, port: u16, width: u8) -> u32 {
        self.reach(|devices| devices.read(port, width))
    }

    fn write_port(&mut self, port: u16, width: u8, value: u32) {
        self.reach(|devices| devices.write_by(self.number, port, width, value));
    }

    fn read_register(&mut self, gpa: u64) -> Option<u32> {
        self.reach(|devices| devices.read_register(self.number, gpa))
    }

    fn write_register(&mut self, gpa: u64, value: u32) {
        self.reach(|devices| devices.write_register(self.number, gpa, value));
    }

    fn read_msr(&mut self, index: u32) -> Option<u64> {
        self.msrs.read(index)
    }

    fn write_msr(&mut self, index: u32, value: u64) -> Option<()> {
        self.msrs.write(index, value)
    }
}
