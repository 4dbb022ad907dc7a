// SPDX-License-Identifier: GPL-2.0

//! What the rules look at: the fields of a VMCS, and what is known of the processor.

use crate::{
    vmx::{
        controls::{
            Controls,
            Entry,
            Exit,
            PinBased,
            Primary,
            Secondary,
            Tertiary, //
        },
        field::*,
        processor::Processor, //
    },
    x86::{
        address,
        cr0,
        event::Interruption,
        rflags, //
    }, //
};

/// The fields of a VMCS by their encodings. Rules ask only for those that the controls before them
/// say there are.
pub(crate) trait Fields {
    /// Value of a field; 0 if there is no such field.
    fn value(&self, encoding: u32) -> u64;
}

/// A VMCS and its processor.
pub(crate) struct View<'a> {
    fields: &'a dyn Fields,
    pub(super) processor: &'a Processor,
}

impl<'a> View<'a> {
    /// Looks at a VMCS.
    pub(crate) fn new(fields: &'a dyn Fields, processor: &'a Processor) -> Self {
        Self { fields, processor }
    }

    /// Value of a field.
    pub(super) fn read<W: Width, A: Access>(&self, field: Field<W, A>) -> W::Value {
        W::from_u64(self.fields.value(field.encoding()))
    }

    /// Is this pin-based control 1?
    pub(super) fn pin_based(&self, control: PinBased) -> bool {
        PinBased::from_bits(self.read(PIN_BASED_CONTROLS)).contains(control)
    }

    /// Is this primary control 1?
    pub(super) fn primary(&self, control: Primary) -> bool {
        Primary::from_bits(self.read(PRIMARY_CONTROLS)).contains(control)
    }

    /// Is this secondary control 1? None is if they are not activated.
    pub(super) fn secondary(&self, control: Secondary) -> bool {
        self.primary(Primary::SECONDARY)
            && Secondary::from_bits(self.read(SECONDARY_CONTROLS)).contains(control)
    }

    /// Is this tertiary control 1? None is if they are not activated.
    pub(super) fn tertiary(&self, control: Tertiary) -> bool {
        // CAST: Those that have names are in the low half.
        self.primary(Primary::TERTIARY)
            && Tertiary::from_bits(self.read(TERTIARY_CONTROLS) as u32).contains(control)
    }

    /// Is this VM-exit control 1?
    pub(super) fn exit(&self, control: Exit) -> bool {
        Exit::from_bits(self.read(EXIT_CONTROLS)).contains(control)
    }

    /// Is this VM-entry control 1?
    pub(super) fn entry(&self, control: Entry) -> bool {
        Entry::from_bits(self.read(ENTRY_CONTROLS)).contains(control)
    }

    /// May the guest be in real mode, or without paging?
    pub(super) fn is_unrestricted(&self) -> bool {
        self.secondary(Secondary::UNRESTRICTED_GUEST)
    }

    /// Will the guest be in IA-32e mode?
    pub(super) fn is_ia32e(&self) -> bool {
        self.entry(Entry::IA32E_MODE_GUEST)
    }

    /// Will the guest be in protected mode?
    pub(super) fn is_protected(&self) -> bool {
        self.read(GUEST_CR0) & cr0::PE != 0
    }

    /// Will the guest be in virtual-8086 mode?
    pub(super) fn is_virtual_8086(&self) -> bool {
        self.read(GUEST_RFLAGS) & rflags::VM != 0
    }

    /// The event that the entry delivers, if it does.
    pub(super) fn event(&self) -> Option<Interruption> {
        let info = Interruption::from_raw(self.read(ENTRY_INTERRUPTION_INFO));
        info.valid().then_some(info)
    }

    /// Will the entry deliver an event of this kind?
    pub(super) fn delivers(&self, kind: u32) -> bool {
        self.event().is_some_and(|event| event.kind().get() == kind)
    }

    /// Bits that no physical address has.
    pub(super) fn beyond_memory(&self) -> u64 {
        u64::MAX
            .checked_shl(self.processor.physical_bits)
            .unwrap_or(0)
    }

    /// Is this a canonical address of the processor?
    pub(super) fn is_canonical(&self, address: u64) -> bool {
        address::is_canonical_in(address, self.processor.linear_bits)
    }

    /// Are all bits from the highest of a linear address on the same? Those below need not have the
    /// sign.
    pub(super) fn is_in_range(&self, address: u64) -> bool {
        address::is_extended_from(address, self.processor.linear_bits)
    }
}
