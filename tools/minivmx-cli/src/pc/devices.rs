// SPDX-License-Identifier: GPL-2.0

//! The devices of a guest: the few that firmware looks for before it gives up.

mod absent;
pub mod apics;
pub mod cmos;
mod console;
mod cpus;
mod debug_port;
pub mod disk;
pub mod pci;
mod pic;
mod pit;
mod pm_timer;
pub mod power;
pub mod reset;
mod serial;
mod south_bridge;
mod terminal;
mod virtio;

use std::{
    io,
    sync::Arc,
    time::{
        Duration,
        Instant, //
    },
};

use anyhow::{
    bail,
    ensure,
    Result, //
};
use serde::{
    Deserialize,
    Serialize, //
};
use vm_memory::GuestMemoryMmap;

use crate::console::{
    input::Input,
    sink::Sink, //
};
use pci::slot::{
    self,
    Slot, //
};

/// Something behind I/O ports.
///
/// Data is in the low `width` bytes (1, 2 or 4); what a device leaves in the
/// others is ignored.
trait Device {
    fn read(&mut self, port: u16, width: u8) -> u32;
    fn write(&mut self, port: u16, width: u8, value: u32);

    /// Whether it has registers wider than a byte, and is given an access as it is. Else an access
    /// to several ports is one to each of them, as on a bus of 8 bits.
    fn has_wide_registers(&self) -> bool {
        false
    }
}

/// The lines of the interrupt controllers.
pub const CLOCK_LINE: u8 = 0;
const SERIAL_LINE: u8 = 4;
/// ACPI's own. Nothing raises it.
pub const ACPI_LINE: u8 = 9;

/// A guest that wants to be interrupted by a timer more often than that is not.
const SHORTEST_PERIOD: Duration = Duration::from_micros(20);

/// Time since the machine was switched on.
type Clock = Arc<dyn Fn() -> Duration + Send + Sync>;

/// The state of all devices, but for what goes out and comes in.
#[derive(Deserialize, Serialize)]
pub struct State {
    /// Time since the machine was switched on.
    now: Duration,
    serial: serial::State,
    cmos: cmos::State,
    pit: pit::State,
    pic: pic::Pic,
    pci: pci::State,
    power: power::State,
    disk: Option<disk::State>,
    console: Option<console::State>,
}

impl State {
    /// Whether the terminal is a console of virtio.
    pub fn has_console(&self) -> bool {
        self.console.is_some()
    }
}

/// An array from a file.
fn exactly<const N: usize>(bytes: &[u8]) -> Result<[u8; N]> {
    ensure!(bytes.len() == N, "{} registers are not {N}", bytes.len());
    Ok(bytes.try_into()?)
}

/// The value that bytes are, the lowest of which comes first.
fn value_of(bytes: impl DoubleEndedIterator<Item = u8>) -> u32 {
    bytes
        .rev()
        .fold(0, |value, byte| (value << 8) | u32::from(byte))
}

/// A clock that shows this time now.
fn clock_from(now: Duration) -> Clock {
    let start = Instant::now();
    Arc::new(move || now.saturating_add(start.elapsed()))
}

/// All devices by their ports.
pub struct Devices {
    serial: serial::SerialPort,
    debug_port: debug_port::DebugPort,
    cmos: cmos::Cmos,
    pit: pit::Pit,
    clock: Clock,
    pic: pic::Pic,
    apics: apics::Apics,
    pci: pci::Pci,
    disk: Option<disk::Disk>,
    console: Option<console::Console>,
    power: power::Power,
    pm_timer: pm_timer::PmTimer,
    reset: reset::Reset,
    absent: absent::Absent,
}

impl Devices {
    /// The devices of a machine with so many bytes of memory.
    pub fn new(memory: u64, input: Box<dyn Input>, serial: Sink, debug: Sink) -> Self {
        let clock = clock_from(Duration::ZERO);
        Self {
            serial: serial::SerialPort::new(input, serial),
            debug_port: debug_port::DebugPort::new(debug),
            cmos: cmos::Cmos::new(memory),
            pit: pit::Pit::new(Arc::clone(&clock)),
            power: power::Power::default(),
            pm_timer: pm_timer::PmTimer::new(Arc::clone(&clock)),
            clock,
            pic: pic::Pic::default(),
            apics: apics::Apics::default(),
            pci: pci::Pci::default(),
            disk: None,
            console: None,
            reset: reset::Reset::default(),
            absent: absent::Absent::default(),
        }
    }

    /// The same devices, and a disk, if one is chosen.
    pub fn with_disk(mut self, choice: Option<&disk::image::Choice>) -> Result<Self> {
        if let Some(choice) = choice {
            let image = disk::image::Image::open(choice)?;
            self.pci.plug(slot::DISK, disk::function());
            self.disk = Some(disk::Disk::new(image)?);
        }
        Ok(self)
    }

    /// The same devices, and a console of virtio.
    pub fn with_console(mut self, input: Box<dyn Input>, output: Sink) -> Result<Self> {
        self.pci.plug(slot::CONSOLE, console::function());
        self.console = Some(console::Console::new(input, output)?);
        Ok(self)
    }

    /// The same devices, as firmware looks for them.
    pub fn with_south_bridge(mut self) -> Self {
        self.pci.south_bridge = Some(south_bridge::SouthBridge::default());
        self.power = power::Power::of_south_bridge();
        self
    }

    /// What they are now.
    pub fn state(&self) -> State {
        State {
            now: self.now(),
            serial: self.serial.state(),
            cmos: self.cmos.state(),
            pit: self.pit.state(),
            pic: self.pic.clone(),
            pci: self.pci.state(),
            power: self.power.state(),
            disk: self.disk.as_ref().map(disk::Disk::state),
            console: self.console.as_ref().map(console::Console::state),
        }
    }

    /// Lets them go on from there, as if no time had passed; but the clock of the CMOS has the
    /// host's time.
    pub fn restore(&mut self, state: &State) -> Result<()> {
        self.clock = clock_from(state.now);
        self.pit = pit::Pit::new(Arc::clone(&self.clock));
        self.pm_timer = pm_timer::PmTimer::new(Arc::clone(&self.clock));
        self.pit.restore(&state.pit);
        self.power.restore(&state.power)?;
        self.pic = state.pic.clone();
        self.serial.restore(&state.serial)?;
        self.cmos.restore(&state.cmos)?;
        self.restore_disk(state.disk.as_ref())?;
        if let (Some(console), Some(state)) = (&mut self.console, &state.console) {
            console.restore(state)?;
        }
        self.pci.restore(&state.pci)
    }

    fn restore_disk(&mut self, state: Option<&disk::State>) -> Result<()> {
        match (&mut self.disk, state) {
            (Some(disk), Some(state)) => disk.restore(state),
            (None, Some(_)) => bail!("the guest has a disk: --disk has to say where its image is"),
            (Some(_), None) => bail!("the guest has no disk, and --disk is for those that begin"),
            (None, None) => Ok(()),
        }
    }

    fn at(&mut self, port: u16) -> &mut dyn Device {
        match port {
            0x20..=0x21 | 0xa0..=0xa1 | 0x4d0..=0x4d1 => &mut self.pic,
            0x40..=0x43 | 0x61 => &mut self.pit,
            0x64 | 0x92 | 0xcf9 => &mut self.reset,
            0x70..=0x71 => &mut self.cmos,
            0x3f8..=0x3ff => &mut self.serial,
            0x402 => &mut self.debug_port,
            0xcf8..=0xcff => &mut self.pci,
            _ => self.by_base_address(port),
        }
    }

    fn by_base_address(&mut self, port: u16) -> &mut dyn Device {
        match self.power_ports().map(|first| port.wrapping_sub(first)) {
            Some(0..=5) => &mut self.power,
            Some(8..=11) if self.pci.south_bridge.is_some() => &mut self.pm_timer,
            _ => self.behind_pci(port),
        }
    }

    /// The first of the ports of the power management, if it answers.
    fn power_ports(&self) -> Option<u16> {
        match &self.pci.south_bridge {
            Some(bridge) => bridge.power_ports(),
            None => Some(power::EVENTS),
        }
    }

    fn behind_pci(&mut self, port: u16) -> &mut dyn Device {
        const DISK: u8 = slot::DISK.number;
        const CONSOLE: u8 = slot::CONSOLE.number;
        let slot = self.pci.slot_of(port / virtio::PORTS * virtio::PORTS);
        match (slot, &mut self.disk, &mut self.console) {
            (Some(DISK), Some(disk), _) => &mut disk.transport,
            (Some(CONSOLE), _, Some(console)) => &mut console.transport,
            _ => &mut self.absent,
        }
    }

    /// What the guest reads.
    pub fn read(&mut self, port: u16, width: u8) -> u32 {
        let device = self.at(port);
        if width == 1 || device.has_wide_registers() {
            return device.read(port, width);
        }
        let bytes = (0..width).map(|byte| {
            let value = self.read(port.wrapping_add(byte.into()), 1);
            (value & 0xff) << (8 * byte)
        });
        bytes.sum()
    }

    /// Takes what the guest writes.
    pub fn write(&mut self, port: u16, width: u8, value: u32) {
        let device = self.at(port);
        if width == 1 || device.has_wide_registers() {
            return device.write(port, width, value);
        }
        for byte in 0..width {
            self.write(port.wrapping_add(byte.into()), 1, value >> (8 * byte));
        }
    }

    /// What the guest wrote to its serial port.
    pub fn serial(&self) -> &Sink {
        self.serial.output()
    }

    /// What the guest wrote to its console of virtio, if it has one.
    pub fn console(&self) -> Option<&Sink> {
        self.console.as_ref().map(console::Console::output)
    }

    /// Whether the text that is awaited has come, by whichever console.
    pub fn seen(&self) -> bool {
        self.serial().seen() || self.console().is_some_and(Sink::seen)
    }

    /// What the guest wrote to its debug port.
    pub fn debug(&self) -> &Sink {
        self.debug_port.output()
    }

    /// Ends the lines that the guest has begun on all channels.
    pub fn end_lines(&mut self) -> io::Result<()> {
        if let Some(console) = &mut self.console {
            console.output_mut().end_line()?;
        }
        self.serial.output_mut().end_line()?;
        self.debug_port.output_mut().end_line()
    }

    /// The ports without a device that the guest wrote to.
    pub fn absent_ports(&self) -> impl Iterator<Item = u16> + '_ {
        self.absent.written()
    }

    /// Whether the guest asked for a reset.
    pub fn reset_requested(&self) -> bool {
        self.reset.requested
    }

    /// Whether the guest has switched its machine off.
    pub fn is_off(&self) -> bool {
        self.power.is_off
    }

    /// Does what the guest has asked its disk and its console for, and gives it what was typed.
    pub fn serve(&mut self, memory: &GuestMemoryMmap) {
        if let Some(disk) = &mut self.disk {
            disk.serve(memory);
        }
        if let Some(console) = &mut self.console {
            console.serve(memory);
        }
    }

    fn terminal(&mut self) -> &mut dyn terminal::Terminal {
        match &mut self.console {
            Some(console) => console,
            None => &mut self.serial,
        }
    }

    /// Takes what was typed.
    pub fn receive(&mut self) {
        self.terminal().receive();
    }

    /// Lets what has happened since the last call raise interrupt lines: the clock's tick, what was
    /// received, what the guest enabled in its serial port, and what its disk and its console have
    /// done.
    pub fn raise_lines(&mut self) {
        if self.serial.take_interrupt() {
            self.raise(SERIAL_LINE);
        }
        let disk = self.disk.as_mut();
        if disk.is_some_and(|disk| disk.transport.take_interrupt()) {
            self.raise_from(slot::DISK);
        }
        let console = self.console.as_mut();
        if console.is_some_and(|console| console.transport.take_interrupt()) {
            self.raise_from(slot::CONSOLE);
        }
        if self.has_clock_listener() && self.pit.take_tick() {
            self.raise(CLOCK_LINE);
        }
        if self.apics.timer_due().is_some() {
            self.apics.raise_timers(self.now());
        }
    }

    fn raise_from(&mut self, slot: Slot) {
        if let Some(line) = self.pci.line_of(slot) {
            self.raise(line);
        }
    }

    fn raise(&mut self, line: u8) {
        self.pic.pulse(line);
        self.apics.raise(line);
    }

    /// Whether an interrupt waits for the CPU.
    pub fn has_interrupt(&self) -> bool {
        self.pic.is_pending()
    }

    /// The CPU takes it: its vector.
    pub fn acknowledge(&mut self) -> Option<u8> {
        self.pic.acknowledge()
    }

    /// Whether something that is typed could be taken now.
    pub fn awaits_input(&mut self) -> bool {
        self.terminal().awaits_input()
    }

    /// Waits until something is typed, or for a signal; no longer than this.
    pub fn wait(&mut self, limit: Duration) {
        self.terminal().wait(limit);
    }

    /// Time since the machine was switched on.
    pub fn now(&self) -> Duration {
        (self.clock)()
    }

    /// When the next clock tick is due, by that time, if the guest would hear it: not while it has
    /// to take the last one.
    pub fn tick_due(&self) -> Option<Duration> {
        let is_heard = self.pic.hears(CLOCK_LINE) || self.apics.is_heard(CLOCK_LINE);
        is_heard.then(|| self.pit.tick_due())?
    }

    fn has_clock_listener(&self) -> bool {
        self.pic.vector(CLOCK_LINE).is_some() || self.apics.is_heard(CLOCK_LINE)
    }

    /// Time until the next clock tick, if the guest listens to them.
    pub fn next_tick(&self) -> Option<Duration> {
        Some(self.tick_due()?.saturating_sub(self.now()))
    }

    /// The interrupt vector of a clock tick that is due, once.
    pub fn take_tick(&mut self) -> Option<u8> {
        let vector = self.pic.vector(CLOCK_LINE)?;
        self.pit.take_tick().then_some(vector)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// The hand of a clock.
    #[derive(Clone, Default)]
    pub(super) struct Time(Arc<Mutex<Duration>>);

    impl Time {
        pub(super) fn set(&self, now: Duration) {
            *self.0.lock().expect("nobody panics") = now;
        }

        fn get(&self) -> Duration {
            *self.0.lock().expect("nobody panics")
        }
    }

    /// A clock that stands still, and its hand.
    pub(super) fn clock() -> (Time, Clock) {
        let time = Time::default();
        let hand = time.clone();
        (time, Arc::new(move || hand.get()))
    }

    pub(super) fn devices() -> Devices {
        let captured = || Sink::captured(None);
        Devices::new(64 << 20, Box::new(&b""[..]), captured(), captured())
    }

    #[test]
    fn unknown_ports_read_as_ones() {
        let mut devices = devices();
        for port in [0x60, 0x64, 0x510, 0x511, 0xffff] {
            devices.write(port, 1, 0);
            assert_eq!(devices.read(port, 1), u32::MAX, "{port:#x}");
        }
    }

    #[test]
    fn a_write_to_an_unknown_port_is_mentioned_once() {
        let mut devices = devices();
        for port in [0xe9, 0x80, 0xe9, 0x3f8] {
            devices.write(port, 1, b'x'.into());
        }
        devices.read(0x510, 1);
        assert_eq!(devices.absent_ports().collect::<Vec<_>>(), [0x80, 0xe9]);
    }

    #[test]
    fn every_port_takes_every_width() {
        let mut devices = devices().with_south_bridge();
        for port in 0..=u16::MAX {
            for width in [1, 2, 4] {
                devices.write(port, width, 0x0101_0101);
                devices.read(port, width);
            }
        }
        assert!(devices.reset_requested(), "0x92 was among them");
    }

    /// As old firmware writes index and value at once.
    #[test]
    fn a_word_is_two_accesses_to_devices_with_bytes() {
        let mut devices = devices();
        devices.write(0x70, 2, 0x5a0f);
        assert_eq!(devices.read(0x71, 1) & 0xff, 0x5a);
        assert_eq!(devices.read(0x70, 2), 0x5aff);
        devices.write(0x3f8, 2, u32::from(b'!'));
        assert_eq!(devices.serial().text(), "!");
    }

    #[test]
    fn what_has_words_is_read_as_a_whole() {
        let mut devices = devices();
        devices.write(0xcf8, 4, 0x8000_0000);
        assert_eq!(devices.read(0xcf8, 4), 0x8000_0000);
        devices.write(0x510, 4, 0);
        assert_eq!(devices.read(0x510, 4), u32::MAX);
        assert_eq!(devices.absent_ports().collect::<Vec<_>>(), [0x510]);
    }

    /// As firmware leaves them.
    #[test]
    fn what_is_behind_pci_has_ports_of_its_own() -> Result<()> {
        let mut devices = devices().with_console(Box::new(&b""[..]), Sink::captured(None))?;
        let image = disk::image::tests::file("ports", &[0; 512], false);
        devices = devices.with_disk(Some(&image))?;
        for (slot, port, queues) in [(1, 0xc092, 1), (2, 0xc112, 2)] {
            assert_eq!(devices.read(port, 2), u32::MAX);
            devices.write(0xcf8, 4, 0x8000_0004 | (slot << 11));
            devices.write(0xcfc, 2, 1);
            assert_eq!(devices.read(port, 2), queues);
        }
        Ok(())
    }

    #[test]
    fn a_guest_goes_on_with_the_console_that_it_has() -> Result<()> {
        let with_console = || devices().with_console(Box::new(&b""[..]), Sink::captured(None));
        let state = with_console()?.state();
        assert!(state.has_console() && !devices().state().has_console());
        with_console()?.restore(&state)?;
        assert!(devices().restore(&state).is_err());
        assert!(with_console()?.restore(&devices().state()).is_err());
        Ok(())
    }

    /// A key at the terminal, until the guest is interrupted for it.
    #[test]
    fn the_console_of_virtio_has_the_terminal() -> Result<()> {
        let mut devices = devices().with_console(Box::new(&b"k"[..]), Sink::captured(Some("!")))?;
        for (port, value) in [(0x20, 0x11), (0x21, 0x30), (0x21, 4), (0x21, 1)] {
            devices.write(port, 1, value);
        }
        for (port, value) in [(0xa0, 0x11), (0xa1, 0x38), (0xa1, 2), (0xa1, 1)] {
            devices.write(port, 1, value);
        }
        let console = devices.console.as_mut().expect("it was added");
        let mut driver = virtio::driver::Driver::of(&mut console.transport);
        driver.describe(0, 0, (0x5000, 8, virtio::driver::WRITE, 0));
        driver.offer(&mut console.transport, 0, 0);
        assert!(devices.awaits_input());
        devices.receive();
        devices.serve(&driver.memory);
        devices.raise_lines();
        assert_eq!(devices.acknowledge(), Some(0x38 + slot::CONSOLE.line - 8));
        assert_eq!(driver.get(0x5000), *b"k");
        assert_eq!(
            devices.read(0x3fd, 1) & 1,
            0,
            "the serial port hears nothing"
        );
        devices.write(0x3f8, 1, u32::from(b'!'));
        assert!(!devices.seen());
        driver.put(0x5000, b"!");
        let console = devices.console.as_mut().expect("it was added");
        driver.describe(1, 0, (0x5000, 1, 0, 0));
        driver.offer(&mut console.transport, 1, 0);
        devices.serve(&driver.memory);
        assert!(devices.seen());
        Ok(())
    }

    /// What Linux does before its console is there.
    #[test]
    fn an_interrupt_of_the_serial_port_has_line_4() {
        let mut devices = devices();
        for (port, value) in [(0x20, 0x11), (0x21, 0x30), (0x21, 4), (0x21, 1)] {
            devices.write(port, 1, value);
        }
        devices.raise_lines();
        assert!(!devices.has_interrupt());
        devices.write(0x3f9, 1, 0x02);
        devices.raise_lines();
        assert!(devices.has_interrupt());
        assert_eq!(devices.acknowledge(), Some(0x34));
        assert_eq!(devices.acknowledge(), None);
    }

    /// Where OVMF has it.
    #[test]
    fn power_management_is_where_firmware_puts_it() {
        let mut devices = devices().with_south_bridge();
        for (register, value) in [(0x40, 0xb000), (0x80, 1)] {
            assert_eq!(devices.read(0xb008, 4), u32::MAX);
            devices.write(0xcf8, 4, 0x8000_0b00 | register);
            devices.write(0xcfc, 4, value);
        }
        assert!(devices.read(0xb008, 4) < 1 << 24);
        assert_eq!(devices.read(0x600, 1), u32::MAX);
        devices.write(0xb004, 2, 0x1400);
        devices.write(0xb004, 2, 0x3400);
        assert!(
            !devices.is_off(),
            "the kind of sleep without a south bridge"
        );
        devices.write(0xb004, 2, 0x2000);
        assert!(devices.is_off());
    }

    #[test]
    fn ticks_need_a_line_that_is_not_masked() {
        let mut devices = devices();
        assert_eq!(devices.next_tick(), None);
        for (port, value) in [(0x20, 0x11), (0x21, 8), (0x21, 4), (0x21, 1)] {
            devices.write(port, 1, value);
        }
        for (port, value) in [(0x43, 0x34), (0x40, 0), (0x40, 0)] {
            devices.write(port, 1, value);
        }
        assert!(devices.next_tick().is_some());
        devices.write(0x21, 1, 0xff);
        assert_eq!(devices.next_tick(), None);
    }

    #[test]
    fn a_tick_that_waits_needs_no_other() {
        let (time, clock) = clock();
        let mut devices = devices();
        devices.pit = pit::Pit::new(Arc::clone(&clock));
        devices.clock = clock;
        for (port, value) in [(0x20, 0x11), (0x21, 8), (0x21, 4), (0x21, 1)] {
            devices.write(port, 1, value);
        }
        for (port, value) in [(0x43, 0x34), (0x40, 0), (0x40, 1)] {
            devices.write(port, 1, value);
        }
        time.set(devices.tick_due().expect("it runs"));
        devices.raise_lines();
        assert!(devices.has_interrupt());
        assert_eq!(devices.tick_due(), None);
        assert_eq!(devices.acknowledge(), Some(8));
        assert!(devices.tick_due() > Some(devices.now()));
    }
}
