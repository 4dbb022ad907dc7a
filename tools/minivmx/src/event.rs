// SPDX-License-Identifier: GPL-2.0

//! An event for the guest, as VM entries deliver it.

use crate::uapi::minivmx_event;

// SDM Vol. 3C, "VM-Entry Controls for Event Injection".
const VALID: u32 = 1 << 31;
const NMI: u32 = 2 << 8;
const NMI_VECTOR: u32 = 2;

impl minivmx_event {
    /// An external interrupt with this vector.
    ///
    /// ```
    /// use minivmx::Event;
    ///
    /// assert!(Event::interrupt(0x20).is_some());
    /// assert!(!Event::default().is_some());
    /// ```
    pub fn interrupt(vector: u8) -> Self {
        Self {
            info: VALID | u32::from(vector),
            ..Self::default()
        }
    }

    /// A non-maskable interrupt.
    pub fn nmi() -> Self {
        Self {
            info: VALID | NMI | NMI_VECTOR,
            ..Self::default()
        }
    }

    /// Whether there is one.
    pub fn is_some(&self) -> bool {
        self.info != 0
    }
}
