// SPDX-License-Identifier: GPL-2.0

//! What a guest said where nobody listens.

use crate::lines;

/// What the guest wrote to ports without a device, and should not be looked for in vain.
pub fn sentence(ports: impl Iterator<Item = u16>) -> Option<String> {
    let ports: Vec<_> = ports.map(|port| format!("{port:#x}")).collect();
    (!ports.is_empty()).then(|| {
        lines::broken(&format!(
            "what the guest wrote to these ports is lost, as no device is there: {} \
             (the serial port is 0x3f8, the debug port 0x402)",
            ports.join(", ")
        ))
    })
}
