// SPDX-License-Identifier: GPL-2.0

//! A console, and what drivers do with it, good ones and others.

use super::{
    super::Device,
    virtio::driver::{
        self,
        Driver,
        Part,
        MEMORY,
        NEXT,
        WRITE, //
    },
    *,
};
use crate::console::escape::{
    Command,
    Escape, //
};

const TEXT: u64 = 0x5000;
const ROOM: u64 = 0x6000;

fn console(typed: &'static [u8]) -> Console {
    Console::new(Box::new(typed), Sink::captured(Some("seen"))).expect("it has queues")
}

/// A console with a driver that has set it up.
struct Machine {
    console: Console,
    driver: Driver,
}

fn machine(typed: &'static [u8]) -> Machine {
    let mut console = console(typed);
    let driver = Driver::of(&mut console.transport);
    Machine { console, driver }
}

impl Machine {
    fn serve(&mut self) {
        self.console.receive();
        self.console.serve(&self.driver.memory);
    }

    /// Speaks of a chain of one of the queues that begins at this descriptor.
    fn offer(&mut self, queue: u16, head: u16) {
        let transport = &mut self.console.transport;
        self.driver.offer(transport, queue.into(), head);
        self.serve();
    }

    fn describe(&self, queue: u16, number: u16, part: Part) {
        self.driver.describe(queue.into(), number, part);
    }

    fn print(&mut self, text: &str) {
        self.driver.put(TEXT, text.as_bytes());
        self.describe(PRINTED, 0, (TEXT, text.len() as u32, 0, 0));
        self.offer(PRINTED, 0);
    }

    /// Gives it room for so many bytes.
    fn make_room(&mut self, length: u32) {
        self.describe(TYPED, 0, (ROOM, length, WRITE, 0));
        self.offer(TYPED, 0);
    }

    /// What was put there last.
    fn heard(&self) -> Vec<u8> {
        let (_, length) = self.driver.used(TYPED.into());
        let bytes: [u8; 512] = self.driver.get(ROOM);
        bytes[..length as usize].to_vec()
    }

    fn is_broken(&mut self) -> bool {
        driver::is_broken(&mut self.console.transport)
    }
}

#[test]
fn what_is_printed_comes_out() {
    let mut machine = machine(b"");
    machine.print("not ");
    assert!(machine.console.transport.take_interrupt());
    assert_eq!(machine.driver.used(PRINTED.into()), (1, 0));
    assert!(!machine.console.output().seen());
    machine.print("seen\n");
    assert!(machine.console.output().seen());
    assert_eq!(machine.console.output().text(), "not seen\n");
}

#[test]
fn the_parts_of_a_text_may_be_anywhere() {
    let mut machine = machine(b"");
    machine.driver.put(TEXT, b"cdab");
    machine.describe(PRINTED, 3, (TEXT + 2, 2, NEXT, 1));
    machine.describe(PRINTED, 1, (TEXT, 2, 0, 0));
    machine.offer(PRINTED, 3);
    assert_eq!(machine.console.output().text(), "abcd");
}

#[test]
fn what_is_typed_waits_for_room() {
    let mut machine = machine(b"hello");
    machine.serve();
    assert!(!machine.console.transport.take_interrupt());
    machine.make_room(3);
    assert_eq!(machine.heard(), b"hel");
    assert!(machine.console.transport.take_interrupt());
    machine.make_room(64);
    assert_eq!(machine.heard(), b"lo");
    machine.make_room(64);
    assert!(!machine.is_broken());
    assert_eq!(machine.driver.used(TYPED.into()).0, 2, "nothing came");
}

/// As Linux does: room first.
#[test]
fn room_waits_for_what_is_typed() {
    let mut machine = machine(b"");
    machine.make_room(64);
    assert!(!machine.console.transport.take_interrupt());
    machine.console.input = Box::new(&b"late"[..]);
    assert!(machine.console.awaits_input());
    machine.serve();
    assert_eq!(machine.heard(), b"late");
    assert!(machine.console.transport.take_interrupt());
}

#[test]
fn nothing_of_a_long_paste_is_lost() {
    let pasted: Vec<_> = (b' '..=b'~').cycle().take(20 * KEPT).collect();
    let mut machine = machine(pasted.clone().leak());
    for _ in 0..3 {
        machine.serve();
    }
    assert!(!machine.console.awaits_input(), "it has no room");
    let mut heard = Vec::new();
    while heard.len() < pasted.len() {
        machine.make_room(100);
        heard.extend(machine.heard());
    }
    assert_eq!(heard, pasted);
    assert!(!machine.console.awaits_input(), "all is typed");
}

#[test]
fn a_guest_that_has_no_room_can_be_ended() {
    let keys = [vec![b'k'; KEPT], b"more\x01x".to_vec()].concat();
    let typed: &'static [u8] = keys.leak();
    let escape = Escape::new(typed);
    let commands = escape.commands();
    let mut machine = machine(b"");
    machine.console.input = Box::new(escape);
    while machine.console.room() != 0 {
        machine.serve();
    }
    for _ in 0..8 {
        machine.serve();
    }
    assert_eq!(commands.get(), Some(Command::End));
}

#[test]
fn it_waits_until_the_driver_is_ready() {
    let mut console = console(b"early");
    let memory = GuestMemoryMmap::new();
    console.receive();
    console.serve(&memory);
    driver::accept(&mut console.transport);
    console.transport.write(driver::STATUS, 1, 0xf);
    console.serve(&memory);
    assert!(!driver::is_broken(&mut console.transport), "without queues");
    let driver = Driver::of(&mut console.transport);
    let mut machine = Machine { console, driver };
    machine.make_room(64);
    assert_eq!(machine.heard(), b"early");
}

/// What is typed is not lost by that.
#[test]
fn a_chain_that_is_none_breaks_its_queue() {
    let cases: [(&str, u16, Part); 6] = [
        ("no room", TYPED, (ROOM, 0, WRITE, 0)),
        ("room that is a text", TYPED, (ROOM, 8, 0, 0)),
        ("room outside of memory", TYPED, (1 << 40, 8, WRITE, 0)),
        ("circle of room", TYPED, (ROOM, 0, NEXT | WRITE, 0)),
        ("text outside of memory", PRINTED, (1 << 40, 8, 0, 0)),
        ("end of memory", PRINTED, (MEMORY as u64 - 1, 2, 0, 0)),
    ];
    for (what, queue, part) in cases {
        let mut machine = machine(b"kept");
        machine.describe(queue, 0, part);
        machine.offer(queue, 0);
        assert!(machine.is_broken(), "{what}");
        assert!(machine.console.transport.take_interrupt(), "{what}");
        machine.print("lost");
        assert_eq!(machine.console.output().text(), "", "{what}");
        machine.console.transport.write(driver::STATUS, 1, 0);
        machine.driver = Driver::of(&mut machine.console.transport);
        machine.make_room(8);
        assert_eq!(machine.heard(), b"kept", "{what}");
    }
}

#[test]
fn a_circle_of_texts_has_an_end() {
    let mut machine = machine(b"");
    machine.driver.put(TEXT, b"o");
    machine.describe(PRINTED, 0, (TEXT, 1, NEXT, 0));
    machine.offer(PRINTED, 0);
    let printed = machine.console.output().text();
    assert_eq!(printed, "o".repeat(QUEUE_SIZE.into()));
}

#[test]
fn a_text_is_no_longer_than_there_is_time_for() {
    for (last, is_broken) in [(0, false), (1, true)] {
        let mut machine = machine(b"");
        let part = (LONGEST / 4) as u32;
        for number in 0..4 {
            machine.describe(PRINTED, number, (0, part, NEXT, number + 1));
        }
        machine.describe(PRINTED, 4, (0, last, 0, 0));
        machine.offer(PRINTED, 0);
        assert_eq!(machine.is_broken(), is_broken, "{last}");
    }
}

/// Each waits for a while before it fails.
#[test]
fn one_text_that_nobody_takes_is_enough() {
    struct Refuses(u32);
    impl Write for Refuses {
        fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
            self.0 += 1;
            assert_eq!(self.0, 1);
            Err(io::ErrorKind::TimedOut.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut machine = machine(b"");
    machine.console.output = Sink::stream(Refuses(0), None);
    machine.describe(PRINTED, 0, (TEXT, 8, 0, 0));
    for _ in 0..3 {
        let transport = &mut machine.console.transport;
        machine.driver.offer(transport, PRINTED.into(), 0);
    }
    machine.serve();
    assert_eq!(machine.driver.used(PRINTED.into()).0, 3);
}

#[test]
fn a_guest_goes_on_with_its_console() -> Result<()> {
    let mut machine = machine(b"typed before");
    machine.print("before");
    machine.make_room(6);
    let state = serde_json::to_string(&machine.console.state())?;
    machine.console = console(b", and after");
    machine.console.restore(&serde_json::from_str(&state)?)?;
    machine.print("after");
    assert_eq!(machine.console.output().text(), "after");
    assert_eq!(machine.driver.used(PRINTED.into()).0, 2);
    machine.make_room(64);
    assert_eq!(machine.heard(), b"before, and after");
    Ok(())
}
