// SPDX-License-Identifier: GPL-2.0

//! Names of VMCS fields.

mod list;

use std::fmt;

/// A field of a VMCS, by its encoding (SDM Vol. 3D, "Field Encoding in VMCS").
///
/// One that has no name here is made from its number:
///
/// ```
/// use minivmx::Field;
///
/// assert_eq!(Field::GUEST_RIP, Field(0x681e));
/// assert_eq!(Field::GUEST_RIP.to_string(), "GUEST_RIP");
/// assert_eq!(Field(0x7ffe).to_string(), "field 0x7ffe");
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Field(pub u32);

impl Field {
    /// Its name; `None` for an encoding that is not in [`Self::ALL`].
    pub fn name(self) -> Option<&'static str> {
        let named = Self::ALL.iter().find(|(_, field)| *field == self);
        named.map(|(name, _)| *name)
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.pad(name),
            None => f.pad(&format!("field {:#x}", self.0)),
        }
    }
}

impl From<u32> for Field {
    fn from(encoding: u32) -> Self {
        Self(encoding)
    }
}
