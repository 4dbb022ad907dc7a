// SPDX-License-Identifier: GPL-2.0

//! A local APIC in xAPIC mode (SDM Vol. 3A, chapter "Advanced Programmable Interrupt
//! Controller (APIC)").
//!
//! By hand, as no crate has it. Interrupts are edge-triggered; there are no errors, and
//! of the local vector table only timer and LINT0 lead to anything. CR8, which in a CPU is
//! the upper half of the task priority, is not here: the driver keeps it, for itself.

use std::time::Duration;

use super::{
    message::{
        Message,
        To, //
    },
    timer::Timer,
    vectors::Vectors, //
};

// Registers by their offsets.
const ID: u64 = 0x20;
const VERSION: u64 = 0x30;
const TASK_PRIORITY: u64 = 0x80;
const PROCESSOR_PRIORITY: u64 = 0xa0;
const END_OF_INTERRUPT: u64 = 0xb0;
const LOGICAL_DESTINATION: u64 = 0xd0;
const DESTINATION_FORMAT: u64 = 0xe0;
const SPURIOUS: u64 = 0xf0;
const IN_SERVICE: u64 = 0x100;
const TRIGGER_MODE: u64 = 0x180;
const REQUESTED: u64 = 0x200;
const ERROR_STATUS: u64 = 0x280;
const COMMAND_LOW: u64 = 0x300;
const COMMAND_HIGH: u64 = 0x310;
const TIMER: u64 = 0x320;
const LINT0: u64 = 0x350;
const LAST_ENTRY: u64 = 0x370;
const INITIAL_COUNT: u64 = 0x380;
const CURRENT_COUNT: u64 = 0x390;
const DIVIDE: u64 = 0x3e0;

/// Integrated, with six entries in the local vector table.
pub const VERSION_VALUE: u32 = 0x5_0014;
const ENABLED: u32 = 1 << 8;
const MASKED: u32 = 1 << 16;
const PERIODIC: u32 = 1 << 17;
const EXTERNAL: u32 = 7 << 8;
const DELIVERY_MODE: u32 = 7 << 8;
/// An entry's vector, delivery mode, polarity, trigger mode, mask and timer mode.
const ENTRY: u32 = 0x3_a7ff;
const FLAT: u32 = 0xf;
const EVERYBODY: u8 = 0xff;
/// Vectors below are not for interrupts.
const FIRST_VECTOR: u8 = 16;

/// A chip, by whose registers a CPU talks to others and to itself.
#[derive(Clone)]
pub struct LocalApic {
    id: u8,
    task_priority: u8,
    logical: u8,
    /// The highest four bits of the destination format register.
    format: u32,
    spurious: u32,
    requested: Vectors,
    in_service: Vectors,
    command: [u32; 2],
    /// The local vector table: timer, thermal sensor, counters, LINT0, LINT1, errors.
    entries: [u32; 6],
    timer: Timer,
}

impl LocalApic {
    /// As after INIT, with a timer of this frequency.
    pub fn new(id: u8, frequency: u64) -> Self {
        Self {
            id,
            task_priority: 0,
            logical: 0,
            format: FLAT,
            spurious: 0xff,
            requested: Vectors::default(),
            in_service: Vectors::default(),
            command: [0; 2],
            entries: [MASKED; 6],
            timer: Timer::new(frequency),
        }
    }

    /// That of the first CPU, as firmware leaves it: what the 8259A asks for passes through LINT0
    /// (Intel MultiProcessor Specification, "Virtual Wire Mode").
    pub fn with_virtual_wire(self) -> Self {
        let mut apic = self;
        apic.spurious |= ENABLED;
        *apic.entry(LINT0) = EXTERNAL;
        apic
    }

    pub fn read(&self, offset: u64, now: Duration) -> u32 {
        match offset {
            ID => u32::from(self.id) << 24,
            VERSION => VERSION_VALUE,
            TASK_PRIORITY => self.task_priority.into(),
            PROCESSOR_PRIORITY => self.priority().into(),
            LOGICAL_DESTINATION => u32::from(self.logical) << 24,
            DESTINATION_FORMAT => (self.format << 28) | 0xfff_ffff,
            SPURIOUS => self.spurious,
            IN_SERVICE..TRIGGER_MODE => self.in_service.word(index(offset, IN_SERVICE)),
            REQUESTED..ERROR_STATUS => self.requested.word(index(offset, REQUESTED)),
            COMMAND_LOW => self.command[0],
            COMMAND_HIGH => self.command[1],
            TIMER..=LAST_ENTRY => self.entries[index(offset, TIMER)],
            INITIAL_COUNT => self.timer.initial(),
            CURRENT_COUNT => self.timer.current(now, self.is_periodic()),
            DIVIDE => self.timer.divide(),
            _ => 0,
        }
    }

    /// Takes a value, and returns what is to be sent.
    pub fn write(&mut self, offset: u64, value: u32, now: Duration) -> Option<Message> {
        // It did what it was to do by now with its entry as that was.
        self.raise_timer(now);
        match offset {
            TASK_PRIORITY => self.task_priority = value as u8,
            END_OF_INTERRUPT => self.end_interrupt(),
            LOGICAL_DESTINATION => self.logical = (value >> 24) as u8,
            DESTINATION_FORMAT => self.format = value >> 28,
            SPURIOUS => self.set_spurious(value),
            COMMAND_LOW => {
                self.command[0] = value & 0xc_cfff;
                return Message::new(value, self.command[1]);
            }
            COMMAND_HIGH => self.command[1] = value & 0xff00_0000,
            TIMER..=LAST_ENTRY => self.set_entry(offset, value),
            INITIAL_COUNT => self.timer.start(value, now),
            DIVIDE => self.timer.set_divide(value),
            _ => {}
        }
        None
    }

    /// Takes an interrupt from outside.
    pub fn accept(&mut self, vector: u8) {
        if self.is_enabled() && vector >= FIRST_VECTOR {
            self.requested.insert(vector);
        }
    }

    /// The vector that the CPU is to take: the highest, if it is of a higher class than what the
    /// CPU does.
    pub fn pending(&self) -> Option<u8> {
        let vector = self.requested.highest()?;
        (vector >> 4 > self.priority() >> 4).then_some(vector)
    }

    /// The CPU takes it.
    pub fn acknowledge(&mut self) -> Option<u8> {
        let vector = self.pending()?;
        self.requested.remove(vector);
        self.in_service.insert(vector);
        Some(vector)
    }

    /// Whether the CPU listens to the 8259A.
    pub fn takes_external(&self) -> bool {
        let lint0 = self.entries[index(LINT0, TIMER)];
        lint0 & (MASKED | DELIVERY_MODE) == EXTERNAL
    }

    /// Whether it is among those that are meant, `sender` being the ID of who asks.
    pub fn is_meant(&self, to: To, sender: Option<u8>) -> bool {
        match to {
            To::Physical(id) => id == self.id || id == EVERYBODY,
            To::Logical(destination) => self.is_logically(destination),
            To::Sender => sender == Some(self.id),
            To::All => true,
            To::Others => sender != Some(self.id),
        }
    }

    /// What the CPU does now: the class of interrupts that have to wait (SDM, "Processor
    /// Priority").
    pub fn priority(&self) -> u8 {
        let serviced = self.in_service.highest().unwrap_or_default() & 0xf0;
        match self.task_priority {
            task if task >> 4 >= serviced >> 4 => task,
            _ => serviced,
        }
    }

    /// When the timer wants to interrupt.
    pub fn timer_due(&self) -> Option<Duration> {
        let is_masked = self.timer_entry() & MASKED != 0;
        self.timer.due().filter(|_| !is_masked)
    }

    /// Lets it do so, if it is due; says whether it has.
    pub fn raise_timer(&mut self, now: Duration) -> bool {
        let entry = self.timer_entry();
        let is_over = self.timer.take(now, self.is_periodic());
        let interrupts = is_over && entry & MASKED == 0;
        if interrupts {
            self.accept(entry as u8);
        }
        interrupts
    }

    pub fn is_enabled(&self) -> bool {
        self.spurious & ENABLED != 0
    }

    fn end_interrupt(&mut self) {
        if let Some(vector) = self.in_service.highest() {
            self.in_service.remove(vector);
        }
    }

    /// Without the chip's being enabled all entries are masked.
    fn set_spurious(&mut self, value: u32) {
        self.spurious = value & 0x1ff;
        if !self.is_enabled() {
            self.entries.iter_mut().for_each(|entry| *entry |= MASKED);
        }
    }

    fn set_entry(&mut self, offset: u64, value: u32) {
        let masked = if self.is_enabled() { 0 } else { MASKED };
        *self.entry(offset) = value & ENTRY | masked;
    }

    fn entry(&mut self, offset: u64) -> &mut u32 {
        &mut self.entries[index(offset, TIMER)]
    }

    fn is_periodic(&self) -> bool {
        self.timer_entry() & PERIODIC != 0
    }

    fn timer_entry(&self) -> u32 {
        self.entries[index(TIMER, TIMER)]
    }

    /// In the flat model each bit is a CPU; else the upper half is a cluster of four.
    fn is_logically(&self, destination: u8) -> bool {
        let common = destination & self.logical;
        match self.format {
            _ if destination == EVERYBODY => true,
            FLAT => common != 0,
            _ => destination >> 4 == self.logical >> 4 && common & 0xf != 0,
        }
    }
}

/// Registers are 16 bytes apart.
fn index(offset: u64, first: u64) -> usize {
    ((offset - first) / 16) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pc::devices::apics::message::Kind;

    const NOW: Duration = Duration::ZERO;
    const MS: Duration = Duration::from_millis(1);

    fn apic() -> LocalApic {
        let mut apic = LocalApic::new(2, 1_000_000);
        apic.write(SPURIOUS, 0x1ff, NOW);
        apic
    }

    #[test]
    fn it_says_what_it_is() {
        let apic = LocalApic::new(2, 1_000_000);
        assert_eq!(apic.read(ID, NOW), 0x0200_0000);
        assert_eq!(apic.read(VERSION, NOW), 0x5_0014);
        assert_eq!(apic.read(DESTINATION_FORMAT, NOW), u32::MAX);
        assert_eq!(apic.read(TIMER, NOW), MASKED);
        assert_eq!(apic.read(SPURIOUS, NOW), 0xff);
    }

    #[test]
    fn the_highest_interrupt_comes_first_and_lower_ones_wait_for_its_end() {
        let mut apic = apic();
        for vector in [0x31, 0x45, 0x41] {
            apic.accept(vector);
        }
        assert_eq!(apic.read(REQUESTED + 0x20, NOW), (1 << 1) | (1 << 5));
        assert_eq!(apic.acknowledge(), Some(0x45));
        assert_eq!(apic.read(IN_SERVICE + 0x20, NOW), 1 << 5);
        assert_eq!(apic.pending(), None, "0x41 is of the same class");
        apic.accept(0x50);
        assert_eq!(apic.acknowledge(), Some(0x50));
        apic.write(END_OF_INTERRUPT, 0, NOW);
        assert_eq!(apic.pending(), None, "0x45 is in service");
        apic.write(END_OF_INTERRUPT, 0, NOW);
        assert_eq!(apic.acknowledge(), Some(0x41));
        apic.write(END_OF_INTERRUPT, 0, NOW);
        assert_eq!(apic.acknowledge(), Some(0x31));
        assert_eq!(apic.pending(), None);
    }

    #[test]
    fn a_task_holds_back_interrupts_of_its_class() {
        let mut apic = apic();
        apic.accept(0x45);
        apic.write(TASK_PRIORITY, 0x40, NOW);
        assert_eq!(apic.read(PROCESSOR_PRIORITY, NOW), 0x40);
        assert_eq!(apic.pending(), None);
        apic.write(TASK_PRIORITY, 0x3f, NOW);
        assert_eq!(apic.pending(), Some(0x45));
    }

    #[test]
    fn what_is_not_enabled_takes_nothing() {
        let mut apic = LocalApic::new(0, 1_000_000);
        apic.accept(0x45);
        apic.write(TIMER, 0x30, NOW);
        assert_eq!(apic.read(TIMER, NOW), MASKED | 0x30);
        apic.write(SPURIOUS, 0x1ff, NOW);
        assert_eq!(apic.pending(), None);
        apic.accept(0x0f);
        assert_eq!(apic.pending(), None, "that is no vector");
    }

    #[test]
    fn the_8259a_comes_through_lint0_until_it_is_masked() {
        let mut apic = LocalApic::new(0, 1_000_000).with_virtual_wire();
        assert!(apic.takes_external());
        apic.write(LINT0, MASKED | EXTERNAL, NOW);
        assert!(!apic.takes_external());
        apic.write(LINT0, EXTERNAL, NOW);
        assert!(apic.takes_external());
        apic.write(SPURIOUS, 0xff, NOW);
        assert!(!apic.takes_external(), "it is not enabled");
    }

    #[test]
    fn the_timer_interrupts_once_or_again_and_again() {
        let mut apic = apic();
        apic.write(DIVIDE, 0xb, NOW);
        apic.write(TIMER, 0x30, NOW);
        apic.write(INITIAL_COUNT, 1000, NOW);
        assert_eq!(apic.timer_due(), Some(MS));
        assert!(!apic.raise_timer(MS / 2));
        assert!(apic.raise_timer(MS));
        assert_eq!((apic.acknowledge(), apic.timer_due()), (Some(0x30), None));
        apic.write(END_OF_INTERRUPT, 0, NOW);
        apic.write(TIMER, PERIODIC | 0x31, NOW);
        apic.write(INITIAL_COUNT, 1000, MS);
        assert!(apic.raise_timer(2 * MS));
        assert_eq!(
            (apic.acknowledge(), apic.timer_due()),
            (Some(0x31), Some(3 * MS))
        );
    }

    #[test]
    fn a_masked_timer_counts_in_silence() {
        let mut apic = apic();
        apic.write(DIVIDE, 0xb, NOW);
        apic.write(INITIAL_COUNT, 1000, NOW);
        assert_eq!(apic.timer_due(), None);
        assert_eq!(apic.read(CURRENT_COUNT, MS / 4), 750);
        // Nobody looks when it ends.
        apic.write(TIMER, 0x30, 2 * MS);
        assert!(!apic.raise_timer(3 * MS), "it is over");
        assert_eq!(apic.acknowledge(), None);
    }

    #[test]
    fn a_masked_timer_goes_on_with_its_next_period() {
        let mut apic = apic();
        apic.write(DIVIDE, 0xb, NOW);
        apic.write(TIMER, MASKED | PERIODIC | 0x30, NOW);
        apic.write(INITIAL_COUNT, 1000, NOW);
        assert_eq!(apic.read(CURRENT_COUNT, 3 * MS + MS / 4), 750);
        apic.write(TIMER, PERIODIC | 0x30, 3 * MS + MS / 2);
        assert_eq!(apic.acknowledge(), None);
        assert_eq!(apic.timer_due(), Some(4 * MS));
    }

    #[test]
    fn a_timer_that_is_masked_too_late_has_interrupted() {
        let mut apic = apic();
        apic.write(DIVIDE, 0xb, NOW);
        apic.write(TIMER, 0x30, NOW);
        apic.write(INITIAL_COUNT, 1000, NOW);
        apic.write(TIMER, MASKED | 0x30, 2 * MS);
        assert_eq!(apic.acknowledge(), Some(0x30));
    }

    #[test]
    fn a_command_is_sent_when_its_low_half_is_written() {
        let mut apic = apic();
        assert_eq!(apic.write(COMMAND_HIGH, 0x0100_0000, NOW), None);
        let sent = apic.write(COMMAND_LOW, 0xfd, NOW);
        let to = To::Physical(1);
        let kind = Kind::Fixed(0xfd);
        assert_eq!(sent, Some(Message { kind, to }));
        assert_eq!(apic.read(COMMAND_LOW, NOW), 0xfd, "it is not busy");
    }

    #[test]
    fn destinations_have_names() {
        let mut apic = apic();
        assert!(apic.is_meant(To::Physical(2), None));
        assert!(apic.is_meant(To::Physical(0xff), None));
        assert!(!apic.is_meant(To::Physical(0), None));
        assert!(apic.is_meant(To::Sender, Some(2)) && !apic.is_meant(To::Sender, Some(0)));
        assert!(apic.is_meant(To::Others, Some(0)) && !apic.is_meant(To::Others, Some(2)));
        apic.write(LOGICAL_DESTINATION, 0x2400_0000, NOW);
        assert!(apic.is_meant(To::Logical(0x04), None));
        assert!(!apic.is_meant(To::Logical(0x08), None));
        apic.write(DESTINATION_FORMAT, 0x0fff_ffff, NOW);
        assert!(apic.is_meant(To::Logical(0x24), None));
        assert!(!apic.is_meant(To::Logical(0x14), None), "another cluster");
    }

    #[test]
    fn any_sequence_of_accesses_is_taken() {
        let mut apic = apic();
        for value in [0, 1, 0xff, 0xffff, u32::MAX] {
            for offset in 0..0x1000 {
                apic.write(offset, value, MS);
                apic.read(offset, MS);
                apic.raise_timer(2 * MS);
                apic.acknowledge();
            }
        }
        assert_eq!(apic.read(ID, NOW), 0x0200_0000);
    }
}
