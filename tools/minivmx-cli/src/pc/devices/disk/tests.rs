// SPDX-License-Identifier: GPL-2.0

//! A disk, and what drivers ask of it, good ones and others.

use super::{
    super::Device,
    image::tests::{
        contents,
        file, //
    },
    virtio::driver::{
        self,
        Driver,
        Part,
        DESCRIPTORS,
        INDIRECT,
        MEMORY,
        NEXT,
        STATUS,
        WRITE, //
    },
    *,
};

// Where the driver has its requests.
const HEADER: u64 = 0x4000;
const DATA: u64 = 0x5000;
const ANSWER: u64 = 0x6000;

/// A disk with a driver that has set it up.
struct Machine {
    disk: Disk,
    driver: Driver,
}

fn disk(name: &str, read_only: bool) -> (Disk, image::Choice) {
    let contents: Vec<_> = (0..4 * 512_u32)
        .map(|byte| (byte / 512) as u8 + b'a')
        .collect();
    let choice = file(name, &contents, read_only);
    let image = Image::open(&choice).expect("it is a disk");
    (Disk::new(image).expect("it has a queue"), choice)
}

fn machine(name: &str, read_only: bool) -> (Machine, image::Choice) {
    let (mut disk, choice) = disk(name, read_only);
    let driver = Driver::of(&mut disk.transport);
    (Machine { disk, driver }, choice)
}

impl Machine {
    /// Speaks of a chain that begins at this descriptor.
    fn offer(&mut self, head: u16) {
        self.driver.offer(&mut self.disk.transport, 0, head);
        self.disk.serve(&self.driver.memory);
    }

    /// A request as Linux has it: what became of it.
    fn request(&mut self, kind: u32, sector: u64, length: u32, flags: u16) -> u8 {
        let header = [&kind.to_le_bytes()[..], &[0; 4], &sector.to_le_bytes()];
        self.driver.put(HEADER, &header.concat());
        self.driver.put(ANSWER, &[0xff]);
        self.driver.describe(0, 0, (HEADER, 16, NEXT, 1));
        self.driver.describe(0, 1, (DATA, length, NEXT | flags, 2));
        self.driver.describe(0, 2, (ANSWER, 1, WRITE, 0));
        self.offer(0);
        self.driver.get::<1>(ANSWER)[0]
    }

    fn is_broken(&mut self) -> bool {
        driver::is_broken(&mut self.disk.transport)
    }
}

#[test]
fn it_says_how_large_it_is() {
    let (mut disk, _) = disk("large", false);
    assert_eq!(disk.transport.read(virtio::DEVICE, 4), 4);
    assert_eq!(disk.transport.read(virtio::DEVICE + 4, 4), 0);
    assert_eq!(disk.transport.read(virtio::DEVICE + 8, 4), LARGEST_PART);
    assert_eq!(disk.transport.read(virtio::DEVICE + 12, 4), MOST_PARTS);
    assert_eq!(disk.transport.read(virtio::DEVICE + 16, 4), 0);
}

#[test]
fn sectors_are_read() {
    let (mut machine, _) = machine("read", false);
    assert_eq!(machine.request(0, 1, 1024, WRITE), 0);
    assert_eq!(machine.driver.get(DATA + 510), *b"bbcc");
    assert_eq!(machine.driver.used(0), (1, 1025));
    assert!(machine.disk.transport.take_interrupt());
    assert!(!machine.disk.transport.take_interrupt(), "it was taken");
    assert_eq!(machine.disk.transport.read(virtio::INTERRUPT_STATUS, 1), 1);
    assert_eq!(machine.disk.transport.read(virtio::INTERRUPT_STATUS, 1), 0);
}

#[test]
fn sectors_are_written() {
    let (mut machine, choice) = machine("written", false);
    machine.driver.put(DATA, &[b'x'; 512]);
    assert_eq!(machine.request(1, 2, 512, 0), 0);
    assert_eq!(machine.request(4, 0, 0, 0), 0, "it lasts");
    assert_eq!(machine.driver.used(0), (2, 1));
    let expected = [[b'a'; 512], [b'b'; 512], [b'x'; 512], [b'd'; 512]];
    assert_eq!(contents(&choice), expected.concat());
}

#[test]
fn the_parts_of_a_request_may_be_cut_anywhere() {
    let (mut machine, choice) = machine("cut", false);
    machine
        .driver
        .put(HEADER, &[1, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0]);
    machine.driver.put(HEADER + 16, &[b'y'; 512]);
    machine.driver.describe(0, 9, (HEADER, 8, NEXT, 4));
    machine.driver.describe(0, 4, (HEADER + 8, 500, NEXT, 7));
    machine.driver.describe(0, 7, (HEADER + 508, 20, NEXT, 3));
    machine.driver.describe(0, 3, (ANSWER, 1, WRITE, 0));
    machine.offer(9);
    assert_eq!(machine.driver.get(ANSWER), [0]);
    assert_eq!(&contents(&choice)[3 * 512..], [b'y'; 512]);
}

#[test]
fn a_list_of_descriptors_elsewhere_is_a_request_too() {
    let (mut machine, _) = machine("indirect", false);
    machine.request(0, 0, 512, WRITE);
    let table = machine.driver.get::<48>(DESCRIPTORS);
    machine.driver.put(0x8000, &table);
    machine.driver.put(DATA, &[0; 4]);
    machine.driver.describe(0, 5, (0x8000, 48, INDIRECT, 0));
    machine.offer(5);
    assert_eq!(machine.driver.get(DATA), *b"aaaa");
}

#[test]
fn its_name_is_told() {
    let (mut machine, _) = machine("name", false);
    assert_eq!(machine.request(8, 0, 20, WRITE), 0);
    assert_eq!(&machine.driver.get::<13>(DATA), b"minivmx-disk\0");
}

#[test]
fn what_cannot_be_done_is_answered_so() {
    let (mut machine, choice) = machine("cannot", false);
    let before = contents(&choice);
    for (kind, sector, length, flags, status) in [
        (0, 4, 512, WRITE, 1),
        (0, 3, 1024, WRITE, 1),
        (1, 3, 1024, 0, 1),
        (0, u64::MAX, 512, WRITE, 1),
        (0, 0, 100, WRITE, 1),
        (1, 0, 100, 0, 1),
        (11, 0, 16, 0, 2),
        (0xffff, 0, 512, WRITE, 2),
    ] {
        let answer = machine.request(kind, sector, length, flags);
        assert_eq!(answer, status, "{kind} {sector:#x} {length}");
    }
    assert!(!machine.is_broken());
    assert_eq!(contents(&choice), before);
}

#[test]
fn one_that_is_only_read_is_not_written() {
    let (mut machine, choice) = machine("only-read", true);
    machine.disk.transport.write(0, 4, 0);
    let read_only = 1 << VIRTIO_BLK_F_RO;
    assert_eq!(machine.disk.transport.read(4, 4) & read_only, read_only);
    let before = contents(&choice);
    assert_eq!(machine.request(1, 0, 512, 0), 1);
    assert_eq!(machine.request(0, 0, 512, WRITE), 0);
    assert_eq!(contents(&choice), before);
}

/// Whatever chain it is, there is an end, and the driver learns of it.
#[test]
fn a_chain_that_is_none_breaks_the_queue() {
    let cases: [(&str, &[Part]); 8] = [
        ("empty", &[(HEADER, 0, 0, 0)]),
        ("a header alone", &[(HEADER, 16, 0, 0)]),
        (
            "no place for the answer",
            &[(HEADER, 16, NEXT, 1), (DATA, 0, WRITE, 0)],
        ),
        (
            "no memory",
            &[(1 << 40, 16, NEXT, 1), (ANSWER, 1, WRITE, 0)],
        ),
        (
            "the end of memory",
            &[(HEADER, 16, NEXT, 1), (MEMORY as u64 - 1, 2, WRITE, 0)],
        ),
        (
            "the last address",
            &[(HEADER, 16, NEXT, 1), (u64::MAX, 2, WRITE, 0)],
        ),
        ("a circle", &[(HEADER, 16, NEXT, 1), (DATA, 512, NEXT, 0)]),
        ("a list in a list", &[(DESCRIPTORS, 16, INDIRECT, 0)]),
    ];
    for (what, parts) in cases {
        let (mut machine, _) = machine("broken", false);
        for (number, part) in (0..).zip(parts) {
            machine.driver.describe(0, number, *part);
        }
        machine.offer(0);
        assert!(machine.is_broken(), "{what}");
        assert_eq!(
            machine.disk.transport.read(virtio::INTERRUPT_STATUS, 1),
            2,
            "{what}"
        );
        assert_eq!(machine.driver.used(0).0, 0, "{what}");
        assert_eq!(
            machine.request(0, 0, 512, WRITE),
            0xff,
            "{what}: until it is reset"
        );
    }
}

#[test]
fn a_descriptor_that_is_not_there_breaks_the_queue() {
    let (mut machine, _) = machine("beyond", false);
    machine.offer(QUEUE_SIZE);
    assert!(machine.is_broken());
}

#[test]
fn more_requests_than_there_is_room_for_break_the_queue() {
    let (mut machine, _) = machine("many", false);
    machine.driver.queues[0].available = QUEUE_SIZE + 1;
    machine.offer(0);
    assert!(machine.is_broken());
}

#[test]
fn a_queue_outside_of_memory_is_broken() {
    for (register, value) in [(0x20, 0xffff_0000), (0x2c, 1), (0x34, 1)] {
        let (mut machine, _) = machine("outside", false);
        let address = machine.disk.transport.read(register, 4);
        machine.disk.transport.write(STATUS, 1, 0);
        assert_eq!(machine.disk.transport.read(register, 4), 0);
        driver::accept(&mut machine.disk.transport);
        driver::place(&mut machine.disk.transport, 0);
        for (register, width, value) in [
            (register, 4, address | value),
            (driver::ENABLED, 2, 1),
            (STATUS, 1, 0xf),
        ] {
            machine.disk.transport.write(register, width, value);
        }
        machine.request(0, 0, 512, WRITE);
        assert!(machine.is_broken(), "{register:#x}");
    }
}

#[test]
fn nothing_happens_before_the_driver_is_ready() {
    let (mut machine, _) = machine("early", false);
    machine.disk.transport.write(STATUS, 1, 0xb);
    assert_eq!(machine.request(0, 0, 512, WRITE), 0xff);
    assert!(!machine.is_broken() && !machine.disk.transport.take_interrupt());
}

#[test]
fn a_request_is_no_larger_than_was_said() {
    let (mut machine, choice) = machine("longest", false);
    let before = contents(&choice);
    machine.driver.put(HEADER, &[1]);
    machine.driver.describe(0, 0, (HEADER, 16, NEXT, 1));
    // Much of the memory, again and again.
    for number in 1..=64 {
        machine
            .driver
            .describe(0, number, (0, 127 * 512, NEXT, number + 1));
    }
    machine.driver.describe(0, 65, (ANSWER, 1, WRITE, 0));
    machine.driver.put(ANSWER, &[0xff]);
    machine.offer(0);
    assert_eq!(machine.driver.get(ANSWER), [1]);
    assert_eq!(contents(&choice), before);
}

#[test]
fn a_queue_goes_round() {
    let (mut machine, _) = machine("round", false);
    for _ in 0..3 * QUEUE_SIZE {
        assert_eq!(machine.request(0, 3, 512, WRITE), 0);
    }
    assert_eq!(machine.driver.used(0), (3 * QUEUE_SIZE, 513));
}

#[test]
fn a_guest_goes_on_with_its_disk() -> Result<()> {
    let (mut machine, choice) = machine("goes-on", false);
    assert_eq!(machine.request(0, 1, 512, WRITE), 0);
    let state = serde_json::to_string(&machine.disk.state())?;
    drop(machine.disk);
    machine.disk = Disk::new(Image::open(&choice)?)?;
    machine.disk.restore(&serde_json::from_str(&state)?)?;
    assert_eq!(machine.request(0, 2, 512, WRITE), 0);
    assert_eq!(
        (machine.driver.get(DATA), machine.driver.used(0)),
        (*b"cccc", (2, 513))
    );
    Ok(())
}

#[test]
fn another_disk_is_refused_in_words() -> Result<()> {
    let (disk, _) = disk("first", false);
    for (contents, read_only, sentence) in [
        (
            &[0; 512][..],
            false,
            "the guest's disk has 4 sectors, and not 1, as that of --disk",
        ),
        (
            &[0; 2048],
            true,
            "the guest's disk can be written, other than that of --disk",
        ),
    ] {
        let mut other = Disk::new(Image::open(&file("second", contents, read_only))?)?;
        let error = other.restore(&disk.state()).unwrap_err();
        assert_eq!(error.to_string(), sentence);
    }
    Ok(())
}
