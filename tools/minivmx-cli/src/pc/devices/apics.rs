// SPDX-License-Identifier: GPL-2.0

//! The interrupt controllers of a machine with several CPUs: a local APIC for each, and
//! an I/O APIC; and how CPUs are started by them.

mod io;
mod local;
mod message;
mod timer;
mod vectors;

use std::time::Duration;

use io::IoApic;
pub use io::{
    pin,
    VERSION_VALUE as IO_VERSION, //
};
use local::LocalApic;
pub use local::VERSION_VALUE as LOCAL_VERSION;
use message::{
    Kind,
    Message, //
};

/// Where the registers are, of each CPU its own.
pub const LOCAL: u64 = 0xfee0_0000;
/// Those of the I/O APIC.
pub const IO: u64 = 0xfec0_0000;
const SIZE: u64 = 0x1000;

/// Where a CPU begins that another one starts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Beginning {
    /// At this page, in real mode.
    Page(u8),
    /// At this address, in 64-bit mode, with the tables of [`mailbox`](crate::pc::mailbox).
    LongMode(u64),
}

/// What a CPU is to do (SDM Vol. 3A, "MP Initialization Protocol").
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Turn {
    /// It waits to be started.
    Wait,
    /// It begins.
    Begin(Beginning),
    /// It goes on.
    Run,
}

struct Cpu {
    apic: LocalApic,
    turn: Turn,
    /// One waits for it.
    nmi: bool,
}

/// Without CPUs, none of it is there.
#[derive(Default)]
pub struct Apics {
    cpus: Vec<Cpu>,
    io: IoApic,
    frequency: u64,
    /// Are the other CPUs started by the mailbox, and by nothing else?
    pub has_mailbox: bool,
    /// CPUs for which something has changed, as bits.
    woken: u64,
}

impl Apics {
    /// Those of so many CPUs, with timers of a frequency; the first runs.
    pub fn new(cpus: u8, frequency: u64) -> Self {
        let first = Cpu {
            apic: LocalApic::new(0, frequency).with_virtual_wire(),
            turn: Turn::Run,
            nmi: false,
        };
        let others = (1..cpus).map(|id| Cpu {
            apic: LocalApic::new(id, frequency),
            turn: Turn::Wait,
            nmi: false,
        });
        Self {
            cpus: [first].into_iter().chain(others).collect(),
            io: IoApic::new(cpus),
            frequency,
            ..Self::default()
        }
    }

    /// What a CPU reads; `None` where nothing is.
    pub fn read(&mut self, cpu: usize, gpa: u64, now: Duration) -> Option<u32> {
        let cpu = self.cpus.get(cpu)?;
        match gpa {
            LOCAL.. if gpa - LOCAL < SIZE => Some(cpu.apic.read(gpa - LOCAL, now)),
            IO.. if gpa - IO < SIZE => Some(self.io.read(gpa - IO)),
            _ => None,
        }
    }

    /// Takes what a CPU writes.
    pub fn write(&mut self, cpu: usize, gpa: u64, value: u32, now: Duration) {
        let Some(sender) = self.cpus.get_mut(cpu) else {
            return;
        };
        match gpa {
            LOCAL.. if gpa - LOCAL < SIZE => {
                if let Some(message) = sender.apic.write(gpa - LOCAL, value, now) {
                    self.deliver(message, u8::try_from(cpu).ok());
                }
            }
            IO.. if gpa - IO < SIZE => self.io.write(gpa - IO, value),
            _ => {}
        }
    }

    /// Lets one of ISA's lines rise.
    pub fn raise(&mut self, line: u8) {
        if let Some(message) = self.io.raise(line) {
            self.deliver(message, None);
        }
    }

    /// Whether a CPU listens to one of ISA's lines, at the I/O APIC.
    pub fn is_heard(&self, line: u8) -> bool {
        self.io.is_heard(line)
    }

    /// Lets timers interrupt that are due.
    pub fn raise_timers(&mut self, now: Duration) {
        for (number, cpu) in self.cpus.iter_mut().enumerate() {
            if cpu.apic.raise_timer(now) {
                self.woken |= 1 << number;
            }
        }
    }

    /// When the next timer is due.
    pub fn timer_due(&self) -> Option<Duration> {
        let dues = self.cpus.iter().filter_map(|cpu| cpu.apic.timer_due());
        dues.min()
    }

    /// Whether an interrupt waits for a CPU.
    pub fn has_interrupt(&self, cpu: usize) -> bool {
        let cpu = self.cpus.get(cpu);
        cpu.is_some_and(|cpu| cpu.apic.pending().is_some())
    }

    /// Whether an NMI waits for a CPU.
    pub fn has_nmi(&self, cpu: usize) -> bool {
        self.cpus.get(cpu).is_some_and(|cpu| cpu.nmi)
    }

    /// The CPU takes it.
    pub fn take_nmi(&mut self, cpu: usize) {
        if let Some(cpu) = self.cpus.get_mut(cpu) {
            cpu.nmi = false;
        }
    }

    /// The CPU takes it: its vector.
    pub fn acknowledge(&mut self, cpu: usize) -> Option<u8> {
        self.cpus.get_mut(cpu)?.apic.acknowledge()
    }

    /// Whether a CPU listens to the 8259A.
    pub fn takes_external(&self, cpu: usize) -> bool {
        let cpu = self.cpus.get(cpu);
        cpu.is_some_and(|cpu| cpu.apic.takes_external())
    }

    /// What a CPU is to do. It is told once where it begins.
    pub fn take_turn(&mut self, cpu: usize) -> Turn {
        let Some(cpu) = self.cpus.get_mut(cpu) else {
            return Turn::Wait;
        };
        let turn = cpu.turn;
        if let Turn::Begin(_) = turn {
            cpu.turn = Turn::Run;
        }
        turn
    }

    /// Starts a CPU, if it waits for that.
    pub fn start(&mut self, cpu: usize, beginning: Beginning) {
        if self.waits(cpu) {
            self.cpus[cpu].turn = Turn::Begin(beginning);
            self.woken |= 1 << cpu;
        }
    }

    /// Whether this CPU waits to be started.
    pub fn waits(&self, cpu: usize) -> bool {
        let cpu = self.cpus.get(cpu);
        cpu.is_some_and(|cpu| cpu.turn == Turn::Wait)
    }

    /// Whether one of them does.
    pub fn has_waiting(&self) -> bool {
        (0..self.cpus.len()).any(|cpu| self.waits(cpu))
    }

    /// A CPU goes back to wait for that.
    pub fn park(&mut self, cpu: usize) {
        if let Some(cpu) = self.cpus.get_mut(cpu) {
            (cpu.turn, cpu.nmi) = (Turn::Wait, false);
        }
    }

    /// Whether a CPU has been started, or woken by an NMI, and has not begun yet.
    pub fn is_starting(&self) -> bool {
        let mut cpus = self.cpus.iter();
        cpus.any(|cpu| cpu.nmi || matches!(cpu.turn, Turn::Begin(_)))
    }

    /// The CPUs for which something has changed since the last call, as bits.
    pub fn take_woken(&mut self) -> u64 {
        std::mem::take(&mut self.woken)
    }

    fn deliver(&mut self, message: Message, sender: Option<u8>) {
        for number in self.recipients(message, sender) {
            self.act(number, message.kind);
            self.woken |= 1 << number;
        }
    }

    fn recipients(&self, message: Message, sender: Option<u8>) -> Vec<usize> {
        let cpus = self.cpus.iter().enumerate();
        let meant = cpus.filter(|(_, cpu)| cpu.apic.is_meant(message.to, sender));
        match message.kind {
            Kind::LowestPriority(_) => {
                let enabled = meant.filter(|(_, cpu)| cpu.apic.is_enabled());
                let least = enabled.min_by_key(|(_, cpu)| cpu.apic.priority());
                least.map(|(number, _)| number).into_iter().collect()
            }
            _ => meant.map(|(number, _)| number).collect(),
        }
    }

    /// The first CPU would begin with the firmware, which is not there, or does not do that to
    /// itself: no INIT is for it.
    fn act(&mut self, number: usize, kind: Kind) {
        let (frequency, cpu) = (self.frequency, &mut self.cpus[number]);
        match kind {
            Kind::Fixed(vector) | Kind::LowestPriority(vector) => cpu.apic.accept(vector),
            Kind::Nmi => cpu.nmi = cpu.turn != Turn::Wait,
            Kind::Init if number == 0 => {}
            Kind::Init => {
                cpu.apic = LocalApic::new(number as u8, frequency);
                self.park(number);
            }
            Kind::Startup(_) if self.has_mailbox => {}
            Kind::Startup(page) => self.start(number, Beginning::Page(page)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::ZERO;
    const SPURIOUS: u64 = LOCAL + 0xf0;
    const COMMAND_LOW: u64 = LOCAL + 0x300;
    const COMMAND_HIGH: u64 = LOCAL + 0x310;
    const BEGIN: Turn = Turn::Begin(Beginning::Page(0x99));

    fn apics() -> Apics {
        let mut apics = Apics::new(3, 1_000_000);
        for cpu in 0..3 {
            apics.write(cpu, SPURIOUS, 0x1ff, NOW);
        }
        apics
    }

    fn send(apics: &mut Apics, cpu: usize, to: u32, what: u32) {
        apics.write(cpu, COMMAND_HIGH, to << 24, NOW);
        apics.write(cpu, COMMAND_LOW, what, NOW);
    }

    #[test]
    fn each_cpu_has_its_own_registers() {
        let mut apics = apics();
        assert_eq!(apics.read(0, LOCAL + 0x20, NOW), Some(0));
        assert_eq!(apics.read(2, LOCAL + 0x20, NOW), Some(0x0200_0000));
        apics.write(1, IO, 1, NOW);
        assert_eq!(apics.read(0, IO + 0x10, NOW), Some(0x17_0011));
        apics.write(1, IO, 0, NOW);
        assert_eq!(apics.read(0, IO + 0x10, NOW), Some(0x0300_0000));
        for gpa in [0xfed0_0000, LOCAL + 0x1000, IO - 4, IO + 0x1000] {
            assert_eq!(apics.read(0, gpa, NOW), None, "{gpa:#x}");
        }
    }

    #[test]
    fn an_interrupt_reaches_the_cpu_it_is_for() {
        let mut apics = apics();
        send(&mut apics, 0, 2, 0xfd);
        assert_eq!(apics.take_woken(), 0b100);
        assert_eq!(apics.take_woken(), 0);
        assert!(!apics.has_interrupt(0) && !apics.has_interrupt(1));
        assert!(apics.has_interrupt(2));
        assert_eq!(apics.acknowledge(2), Some(0xfd));
        send(&mut apics, 1, 0, 0xc_00fc);
        assert_eq!(apics.take_woken(), 0b101, "all but the sender");
    }

    #[test]
    fn the_lowest_priority_takes_it_alone() {
        let mut apics = apics();
        apics.write(0, LOCAL + 0x80, 0x20, NOW);
        send(&mut apics, 2, 0xff, 0x145);
        assert_eq!(apics.take_woken(), 0b010);
    }

    #[test]
    fn one_that_is_disabled_takes_none() {
        let mut apics = apics();
        apics.write(0, SPURIOUS, 0xff, NOW);
        send(&mut apics, 2, 0xff, 0x145);
        assert_eq!(apics.take_woken(), 0b010);
        assert_eq!(apics.acknowledge(1), Some(0x45));
    }

    #[test]
    fn a_cpu_waits_until_it_is_started() {
        let mut apics = apics();
        assert_eq!(
            (apics.take_turn(0), apics.take_turn(1)),
            (Turn::Run, Turn::Wait)
        );
        send(&mut apics, 0, 1, 0xc500);
        send(&mut apics, 0, 1, 0x8500);
        assert_eq!(apics.take_turn(1), Turn::Wait);
        send(&mut apics, 0, 1, 0x0699);
        assert_eq!(apics.take_woken(), 0b010);
        assert!(apics.is_starting());
        assert_eq!(apics.take_turn(1), BEGIN);
        assert!(!apics.is_starting());
        send(&mut apics, 0, 1, 0x0699);
        assert_eq!(apics.take_turn(1), Turn::Run, "the second one does nothing");
        send(&mut apics, 0, 1, 0xc500);
        assert_eq!(apics.take_turn(1), Turn::Wait);
    }

    #[test]
    fn where_there_is_a_mailbox_nothing_else_starts_a_cpu() {
        let mut apics = apics();
        apics.has_mailbox = true;
        send(&mut apics, 0, 1, 0xc500);
        send(&mut apics, 0, 1, 0x0699);
        assert_eq!(apics.take_turn(1), Turn::Wait);
        let beginning = Beginning::LongMode(0x9_9000);
        apics.start(1, beginning);
        assert_eq!(apics.take_turn(1), Turn::Begin(beginning));
    }

    #[test]
    fn an_nmi_reaches_a_cpu_that_has_begun() {
        let mut apics = apics();
        for (nmi, begun) in [(false, 0xc500), (true, 0x0699)] {
            send(&mut apics, 0, 1, begun);
            send(&mut apics, 0, 1, 0x4400);
            assert_eq!((apics.take_woken(), apics.has_nmi(1)), (0b010, nmi));
        }
        assert!(!apics.has_nmi(0) && !apics.has_nmi(2));
        // It has nothing to do with the chip's being enabled, nor with other interrupts.
        apics.write(1, SPURIOUS, 0xff, NOW);
        assert!(!apics.has_interrupt(1));
        assert_eq!(apics.take_turn(1), BEGIN);
        assert!(apics.is_starting(), "it has not taken it");
        apics.take_nmi(1);
        assert!(!apics.has_nmi(1) && !apics.is_starting());
    }

    #[test]
    fn the_first_cpu_is_not_started_anew() {
        let mut apics = apics();
        send(&mut apics, 1, 0, 0xc500);
        assert_eq!(apics.take_turn(0), Turn::Run);
    }

    #[test]
    fn a_timer_wakes_its_cpu() {
        let mut apics = apics();
        for (offset, value) in [(0x3e0, 0xb), (0x320, 0x30), (0x380, 1000)] {
            apics.write(1, LOCAL + offset, value, NOW);
        }
        let due = Duration::from_millis(1);
        assert_eq!(apics.timer_due(), Some(due));
        apics.raise_timers(due / 2);
        assert_eq!(apics.take_woken(), 0);
        apics.raise_timers(due);
        assert_eq!(
            (apics.take_woken(), apics.acknowledge(1)),
            (0b010, Some(0x30))
        );
    }

    #[test]
    fn without_cpus_nothing_is_there() {
        let mut apics = Apics::default();
        apics.write(0, LOCAL + 0xf0, 0x1ff, NOW);
        apics.raise(4);
        assert_eq!(apics.read(0, LOCAL + 0x20, NOW), None);
        assert_eq!(apics.read(0, IO, NOW), None);
        assert!(!apics.takes_external(0) && !apics.has_interrupt(0));
        assert_eq!((apics.acknowledge(0), apics.timer_due()), (None, None));
    }
}
