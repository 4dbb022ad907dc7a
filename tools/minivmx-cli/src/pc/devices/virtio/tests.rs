// SPDX-License-Identifier: GPL-2.0

//! The registers, as a driver that need not be a good one finds them.

use super::*;

fn transport() -> Transport {
    Transport::new(0x200, &[128, 16], &[1, 2, 3, 4, 5]).expect("these are powers of 2")
}

fn accept(transport: &mut Transport, features: u64) -> u32 {
    for number in [0, 1] {
        transport.write(ACCEPTED_HALF, 4, number);
        transport.write(ACCEPTED, 4, half(features, number));
    }
    transport.write(STATUS, 1, 0xb);
    transport.read(STATUS, 1)
}

#[test]
fn features_are_offered_in_halves() {
    let mut transport = transport();
    for (number, features) in [(0, 0x200), (1, 1), (2, 0)] {
        transport.write(OFFERED_HALF, 4, number);
        assert_eq!(transport.read(OFFERED, 4), features);
    }
}

#[test]
fn a_choice_of_features_that_cannot_be_is_refused() {
    for (features, status) in [
        (VERSION_1, 0xb),
        (VERSION_1 | 0x200, 0xb),
        (0x200, 0x3),
        (VERSION_1 | 0x400, 0x3),
    ] {
        assert_eq!(accept(&mut transport(), features), status, "{features:#x}");
    }
}

#[test]
fn a_queue_is_set_up_until_it_is_enabled() {
    let mut transport = transport();
    assert_eq!(transport.read(QUEUE_SIZE, 2), 128);
    transport.write(QUEUE_SIZE, 2, 100);
    assert_eq!(transport.read(QUEUE_SIZE, 2), 128, "that is no power of 2");
    transport.write(QUEUE_SIZE, 2, 64);
    for (register, value) in [(DESCRIPTORS, 0x1000), (AVAILABLE + 4, 1), (USED, 0x3000)] {
        transport.write(register, 4, value);
        assert_eq!(transport.read(register, 4), value);
    }
    transport.write(QUEUE_ENABLED, 2, 1);
    transport.write(QUEUE_SIZE, 2, 32);
    transport.write(DESCRIPTORS, 4, 0x5000);
    assert_eq!(transport.read(QUEUE_SIZE, 2), 64);
    assert_eq!(transport.read(DESCRIPTORS, 4), 0x1000);
    transport.write(STATUS, 1, 0);
    assert_eq!(transport.read(QUEUE_ENABLED, 2), 0);
    assert_eq!(transport.read(QUEUE_SIZE, 2), 128);
}

#[test]
fn each_queue_has_its_registers() {
    let mut transport = transport();
    assert_eq!(transport.read(QUEUES, 2), 2);
    for (queue, size) in [(0, 128), (1, 16), (2, 0)] {
        transport.write(QUEUE, 2, queue);
        assert_eq!(transport.read(QUEUE_SIZE, 2), size);
        transport.write(USED, 4, 0x1000 << queue);
    }
    transport.write(QUEUE_ENABLED, 2, 1);
    transport.write(QUEUE, 2, 1);
    transport.write(QUEUE_ENABLED, 2, 1);
    for (queue, enabled, used) in [(0, 0, 0x1000), (1, 1, 0x2000), (2, 0, 0)] {
        transport.write(QUEUE, 2, queue);
        assert_eq!(transport.read(QUEUE_ENABLED, 2), enabled);
        assert_eq!(transport.read(USED, 4), used);
    }
}

#[test]
fn its_own_registers_are_read_in_every_width() {
    let mut transport = transport();
    transport.write(DEVICE, 4, 0);
    assert_eq!(transport.read(DEVICE, 4), 0x0403_0201);
    assert_eq!(transport.read(DEVICE + 1, 2), 0x0302);
    assert_eq!(transport.read(DEVICE + 4, 4), 5);
    assert_eq!(transport.read(DEVICE + 5, 1), 0);
}

#[test]
fn any_sequence_of_accesses_is_taken() {
    let mut transport = transport();
    for value in [0, 1, 4, 0xf, 0xffff, u32::MAX] {
        for offset in 0..PORTS {
            for width in [1, 2, 4] {
                transport.write(offset, width, value);
                transport.read(offset, width);
            }
        }
    }
    assert_eq!(transport.read(QUEUES, 2), 2);
}

#[test]
fn what_was_saved_goes_on() -> Result<()> {
    let mut before = transport();
    accept(&mut before, VERSION_1);
    before.write(USED, 4, 0x3000);
    before.write(QUEUE_ENABLED, 2, 1);
    before.write(NOTIFY, 2, 1);
    let state = serde_json::to_string(&before.state())?;
    let mut after = transport();
    after.restore(&serde_json::from_str(&state)?)?;
    assert_eq!(after.queues, before.queues);
    assert_eq!(after.read(STATUS, 1), 0xb);
    assert_eq!(after.registers.notified, 0b10);
    for (features, sizes) in [(0, &[128, 16][..]), (0x200, &[128])] {
        let mut other = Transport::new(features, sizes, &[])?;
        assert!(other.restore(&before.state()).is_err());
    }
    Ok(())
}
