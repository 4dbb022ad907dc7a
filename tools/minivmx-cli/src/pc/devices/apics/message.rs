// SPDX-License-Identifier: GPL-2.0

//! What APICs send to each other: an interrupt, or how a CPU is to begin (SDM Vol. 3A,
//! "Interrupt Command Register (ICR)"). An entry of the I/O APIC has the same form.

/// What comes of it at its recipients.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// An interrupt with this vector.
    Fixed(u8),
    /// The same, for the one recipient that has the least to do.
    LowestPriority(u8),
    /// An interrupt that cannot be masked.
    Nmi,
    /// Wait for the next one.
    Init,
    /// Begin at this page.
    Startup(u8),
}

/// Whom it is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum To {
    /// By their ID.
    Physical(u8),
    /// By what they have in their logical destination register.
    Logical(u8),
    Sender,
    All,
    Others,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Message {
    pub kind: Kind,
    pub to: To,
}

const LOGICAL: u32 = 1 << 11;
const ASSERT: u32 = 1 << 14;
const LEVEL: u32 = 1 << 15;

impl Message {
    /// From a register's two halves. `None` for what does nothing here: SMI, which only firmware
    /// takes, and the end of an INIT.
    pub fn new(low: u32, high: u32) -> Option<Self> {
        let vector = low as u8;
        let kind = match (low >> 8) & 7 {
            0 => Kind::Fixed(vector),
            1 => Kind::LowestPriority(vector),
            4 => Kind::Nmi,
            5 if low & (LEVEL | ASSERT) == LEVEL => return None,
            5 => Kind::Init,
            6 => Kind::Startup(vector),
            _ => return None,
        };
        let destination = (high >> 24) as u8;
        let to = match (low >> 18) & 3 {
            0 if low & LOGICAL != 0 => To::Logical(destination),
            0 => To::Physical(destination),
            1 => To::Sender,
            2 => To::All,
            _ => To::Others,
        };
        Some(Self { kind, to })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Linux starts a CPU with.
    #[test]
    fn a_cpu_is_started_by_init_and_startup() {
        let message = |low| Message::new(low, 0x0100_0000);
        let to = To::Physical(1);
        let init = Kind::Init;
        assert_eq!(message(0xc500), Some(Message { kind: init, to }));
        assert_eq!(message(0x8500), None);
        let kind = Kind::Startup(0x99);
        assert_eq!(message(0x0699), Some(Message { kind, to }));
    }

    #[test]
    fn shorthands_need_no_destination() {
        let to = |low| Message::new(low, 0x0300_0000).map(|message| message.to);
        assert_eq!(to(0x0_00fd), Some(To::Physical(3)));
        assert_eq!(to(0x0_08fd), Some(To::Logical(3)));
        assert_eq!(to(0x4_00fd), Some(To::Sender));
        assert_eq!(to(0x8_00fd), Some(To::All));
        assert_eq!(to(0xc_00fd), Some(To::Others));
    }

    /// As Linux asks for another CPU's stack.
    #[test]
    fn an_nmi_has_no_vector() {
        let (kind, to) = (Kind::Nmi, To::Physical(1));
        assert_eq!(
            Message::new(0x4402, 0x0100_0000),
            Some(Message { kind, to })
        );
    }

    #[test]
    fn an_smi_does_nothing() {
        assert_eq!(Message::new(0x0200, 0), None);
    }
}
