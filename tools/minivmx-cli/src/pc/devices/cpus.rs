// SPDX-License-Identifier: GPL-2.0

//! The devices of a machine with several CPUs, as one of them sees them.

use std::time::Duration;

use vm_memory::GuestMemoryMmap;

use super::{
    apics::{
        Apics,
        Beginning,
        Turn, //
    },
    Devices,
};
use crate::pc::mailbox;

impl Devices {
    /// The same devices, for so many CPUs, whose timers have this frequency. They are as firmware
    /// leaves them, also for firmware, which sets them up in any case.
    pub fn with_apics(mut self, cpus: u8, frequency: u64) -> Self {
        self.cmos.set_cpus(cpus);
        Self {
            apics: Apics::new(cpus, frequency),
            ..self
        }
    }

    /// The same devices, whose other CPUs are started by [`mailbox`].
    pub fn with_mailbox(mut self) -> Self {
        self.apics.has_mailbox = true;
        self
    }

    /// Whether there may be something in the mailbox.
    fn awaits_wakeup(&self) -> bool {
        self.apics.has_mailbox && self.apics.has_waiting()
    }

    /// Starts the CPU that the guest asks for in the mailbox, if it does.
    pub fn look_into_mailbox(&mut self, memory: &GuestMemoryMmap) {
        if !self.awaits_wakeup() {
            return;
        }
        if let Ok(Some(wakeup)) = mailbox::take(memory, |cpu| self.apics.waits(cpu)) {
            let beginning = Beginning::LongMode(wakeup.vector);
            self.apics.start(wakeup.cpu, beginning);
        }
    }

    /// Takes what a CPU writes to a port.
    pub fn write_by(&mut self, cpu: usize, port: u16, width: u8, value: u32) {
        match port {
            mailbox::PORT if self.apics.has_mailbox => self.apics.park(cpu),
            _ => self.write(port, width, value),
        }
    }

    /// A register in memory that a CPU reads; `None` where there is none.
    pub fn read_register(&mut self, cpu: usize, gpa: u64) -> Option<u32> {
        let now = self.now();
        self.apics.read(cpu, gpa, now)
    }

    /// Takes what a CPU writes to one.
    pub fn write_register(&mut self, cpu: usize, gpa: u64, value: u32) {
        let now = self.now();
        self.apics.write(cpu, gpa, value, now);
    }

    /// Whether an interrupt waits for a CPU.
    pub fn has_interrupt_for(&self, cpu: usize) -> bool {
        self.has_external(cpu) || self.apics.has_interrupt(cpu)
    }

    /// Whether an NMI waits for a CPU.
    pub fn has_nmi_for(&self, cpu: usize) -> bool {
        self.apics.has_nmi(cpu)
    }

    /// The CPU takes it.
    pub fn nmi_taken_by(&mut self, cpu: usize) {
        self.apics.take_nmi(cpu);
    }

    /// The CPU takes it: its vector.
    pub fn acknowledge_by(&mut self, cpu: usize) -> Option<u8> {
        match self.has_external(cpu) {
            true => self.pic.acknowledge(),
            false => self.apics.acknowledge(cpu),
        }
    }

    /// What a CPU is to do. It is told once where it begins.
    pub fn take_turn(&mut self, cpu: usize) -> Turn {
        self.apics.take_turn(cpu)
    }

    /// Whether a CPU has been started, or woken by an NMI, and has not begun yet.
    pub fn is_starting(&self) -> bool {
        self.apics.is_starting()
    }

    /// The CPUs, as bits, that have to look whether there is something for them.
    pub fn take_woken(&mut self) -> u64 {
        let first = u64::from(self.has_external(0));
        self.apics.take_woken() | first
    }

    /// When somebody has to raise lines next, or to look into the mailbox.
    pub fn due(&self) -> Option<Duration> {
        let timers = self.apics.timer_due();
        let mailbox = self.awaits_wakeup().then(|| self.now() + mailbox::PERIOD);
        timers
            .into_iter()
            .chain(self.tick_due())
            .chain(mailbox)
            .min()
    }

    /// Of the CPUs it is the first that the 8259A is wired to.
    fn has_external(&self, cpu: usize) -> bool {
        cpu == 0 && self.pic.is_pending() && self.apics.takes_external(cpu)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pc::{
        devices::{
            apics::{
                IO,
                LOCAL, //
            },
            tests::devices,
        },
        mailbox::tests::{
            memory,
            put, //
        },
    };

    fn two_cpus() -> Devices {
        devices().with_apics(2, 1_000_000)
    }

    fn set_up_pic(devices: &mut Devices, mask: u32) {
        for (port, value) in [
            (0x20, 0x11),
            (0x21, 0x30),
            (0x21, 4),
            (0x21, 1),
            (0x21, mask),
        ] {
            devices.write(port, 1, value);
        }
    }

    #[test]
    fn the_8259a_asks_the_first_cpu() {
        let mut devices = two_cpus();
        set_up_pic(&mut devices, 0);
        devices.write(0x3f9, 1, 0x02);
        devices.raise_lines();
        assert_eq!(devices.take_woken(), 0b01);
        assert!(devices.has_interrupt_for(0) && !devices.has_interrupt_for(1));
        assert_eq!(devices.acknowledge_by(1), None);
        assert_eq!(devices.acknowledge_by(0), Some(0x34));
        assert_eq!(devices.take_woken(), 0);
    }

    #[test]
    fn the_io_apic_asks_whom_its_table_names() {
        let mut devices = two_cpus();
        set_up_pic(&mut devices, 0xff);
        devices.write_register(1, LOCAL + 0xf0, 0x1ff);
        for (register, value) in [(0x18, 0x41), (0x19, 0x0100_0000)] {
            devices.write_register(0, IO, register);
            devices.write_register(0, IO + 0x10, value);
        }
        devices.write(0x3f9, 1, 0x02);
        devices.raise_lines();
        assert_eq!(devices.take_woken(), 0b10);
        assert_eq!(devices.acknowledge_by(0), None);
        assert_eq!(devices.acknowledge_by(1), Some(0x41));
    }

    #[test]
    fn the_mailbox_is_looked_into_as_long_as_a_cpu_sleeps() {
        let memory = memory();
        let mut devices = two_cpus();
        assert_eq!(devices.due(), None);
        devices = devices.with_mailbox();
        assert!(devices.due().is_some());
        put(&memory, 1, 2, 0x8000);
        devices.look_into_mailbox(&memory);
        assert_eq!(
            (devices.take_woken(), devices.take_turn(1)),
            (0, Turn::Wait)
        );
        for vector in [0x9_9000, 0x9_8000] {
            put(&memory, 1, 1, vector);
            devices.look_into_mailbox(&memory);
            assert_eq!(devices.take_woken(), 0b10);
            let begin = Turn::Begin(Beginning::LongMode(vector));
            assert_eq!((devices.take_turn(1), devices.due()), (begin, None));
            devices.write_by(1, mailbox::PORT, 1, 0);
            assert_eq!(devices.take_turn(1), Turn::Wait);
        }
    }

    #[test]
    fn the_clock_ticks_for_the_io_apic_alone() {
        let mut devices = two_cpus();
        for (port, value) in [(0x43, 0x34), (0x40, 0), (0x40, 0)] {
            devices.write(port, 1, value);
        }
        assert_eq!(devices.due(), None);
        devices.write_register(0, IO, 0x14);
        devices.write_register(0, IO + 0x10, 0x30);
        assert!(devices.due().is_some());
    }
}
