// SPDX-License-Identifier: GPL-2.0

//! VMCSs that a processor enters, from which the flips start.

use crate::vmx::{
    check::view::Fields,
    controls::*,
    field::*,
    processor::{Basic, EptVpid, Features, Fixed, Misc, Processor},
};
use std::collections::BTreeMap;

/// A VMCS: fields that are not named are 0. And its processor.
pub(super) struct Vmcs {
    fields: BTreeMap<u32, u64>,
    pub(super) processor: Processor,
}

impl Fields for Vmcs {
    fn value(&self, encoding: u32) -> u64 {
        self.get(encoding)
    }
}

impl Vmcs {
    pub(super) fn get(&self, encoding: u32) -> u64 {
        self.fields.get(&encoding).copied().unwrap_or(0)
    }

    /// Sets a field to what of a value fits into it.
    pub(super) fn set(&mut self, encoding: u32, value: u64) {
        self.fields.insert(encoding, value & greatest(encoding));
    }

    fn with<W: Width, A: Access>(mut self, field: Field<W, A>, value: W::Value) -> Self {
        self.set(field.encoding(), W::to_u64(value));
        self
    }

    /// With these bits besides.
    fn and<W: Width, A: Access>(mut self, field: Field<W, A>, bits: u64) -> Self {
        let value = self.get(field.encoding());
        self.set(field.encoding(), value | bits);
        self
    }
}

type State = (&'static str, fn() -> Vmcs);

pub(super) const STATES: &[State] = &[
    ("long", long),
    ("poor", poor),
    ("shadow", shadow),
    ("everything", everything),
    ("protected", protected),
    ("pae", pae),
    ("real", real),
    ("virtual_8086", virtual_8086),
];

/// Access rights of segments that are as large as they can be.
pub(super) mod rights {
    pub(in super::super) const CODE_64: u32 = 0xa09b;
    pub(in super::super) const CODE_32: u32 = 0xc09b;
    pub(in super::super) const DATA: u32 = 0xc093;
    pub(in super::super) const TASK: u32 = 0x8b;
    pub(in super::super) const LDT: u32 = 0x82;
    pub(in super::super) const UNUSABLE: u32 = 0x10000;
}

/// A processor that has everything, but for the bits that flips set.
fn rich() -> Processor {
    let all_but = |bits: u32| Allowed {
        must: 0,
        can: !bits,
    };
    Processor {
        basic: Basic::from_raw(0),
        misc: Misc::from_raw(0x4000_01c0),
        ept_vpid: EptVpid::from_raw(u64::MAX),
        pin_based: Allowed {
            must: 0x16,
            can: 0x7fff_ffff,
        },
        primary: all_but(1),
        secondary: all_but(1 << 31),
        tertiary: 0xff,
        exit: all_but(1),
        secondary_exit: 0xff,
        entry: all_but(1),
        vm_functions: 1,
        cr0: Fixed {
            must: 0x8000_0021,
            can: 0xffff_ffff,
        },
        cr4: Fixed {
            must: 0x2000,
            can: 0xffff_ffff,
        },
        physical_bits: 46,
        linear_bits: 48,
        perf_global_ctrl: 0xf_0000_00ff,
        features: Features {
            lam: true,
            sgx: true,
            rtm: true,
            bus_lock: true,
        },
    }
}

/// A 64-bit guest under EPT.
pub(super) fn long() -> Vmcs {
    let pin = PinBased::EXTERNAL_INTERRUPT_EXITING
        .with(PinBased::NMI_EXITING)
        .with(PinBased::VIRTUAL_NMIS);
    let secondary = Secondary::ENABLE_EPT
        .with(Secondary::ENABLE_VPID)
        .with(Secondary::UNRESTRICTED_GUEST);
    let vmcs = Vmcs {
        fields: BTreeMap::new(),
        processor: rich(),
    }
    .with(PIN_BASED_CONTROLS, pin.raw() | 0x16)
    .with(
        PRIMARY_CONTROLS,
        Primary::SECONDARY.with(Primary::USE_MSR_BITMAPS).raw(),
    )
    .with(SECONDARY_CONTROLS, secondary.raw())
    .with(VIRTUAL_PROCESSOR_ID, 1)
    .with(EPT_POINTER, 0x1000 | 3 << 3 | 6)
    .with(MSR_BITMAP, 0x2000)
    .with(
        EXIT_CONTROLS,
        Exit::HOST_ADDRESS_SPACE_SIZE
            .with(Exit::LOAD_EFER)
            .with(Exit::LOAD_PAT)
            .raw(),
    )
    .with(
        ENTRY_CONTROLS,
        Entry::IA32E_MODE_GUEST
            .with(Entry::LOAD_DEBUG_CONTROLS)
            .with(Entry::LOAD_EFER)
            .with(Entry::LOAD_PAT)
            .raw(),
    );
    guest(host(vmcs))
}

fn host(vmcs: Vmcs) -> Vmcs {
    vmcs.with(HOST_CR0, 0x8005_0033)
        .with(HOST_CR3, 0x3000 | 1 << 61)
        .with(HOST_CR4, 0x2020)
        .with(HOST_CS_SELECTOR, 0x10)
        .with(HOST_SS_SELECTOR, 0x18)
        .with(HOST_TR_SELECTOR, 0x40)
        .with(HOST_PAT, 0x0007_0406_0007_0406)
        .with(HOST_EFER, 0xd01)
        .with(HOST_RIP, 0xffff_ffff_8100_0000)
}

fn guest(vmcs: Vmcs) -> Vmcs {
    let data = [
        (GUEST_SS_LIMIT, GUEST_SS_ACCESS_RIGHTS),
        (GUEST_DS_LIMIT, GUEST_DS_ACCESS_RIGHTS),
        (GUEST_ES_LIMIT, GUEST_ES_ACCESS_RIGHTS),
        (GUEST_FS_LIMIT, GUEST_FS_ACCESS_RIGHTS),
        (GUEST_GS_LIMIT, GUEST_GS_ACCESS_RIGHTS),
    ];
    data.iter()
        .fold(vmcs, |vmcs, &(limit, access)| {
            vmcs.with(limit, u32::MAX).with(access, rights::DATA)
        })
        .with(GUEST_CS_LIMIT, u32::MAX)
        .with(GUEST_CS_ACCESS_RIGHTS, rights::CODE_64)
        .with(GUEST_TR_LIMIT, 0x67)
        .with(GUEST_TR_ACCESS_RIGHTS, rights::TASK)
        .with(GUEST_LDTR_ACCESS_RIGHTS, rights::UNUSABLE)
        .with(GUEST_CR0, 0x8001_0031)
        .with(GUEST_CR3, 0x4000)
        .with(GUEST_CR4, 0x2020)
        .with(GUEST_EFER, 0x500)
        .with(GUEST_PAT, 0x0007_0406_0007_0406)
        .with(GUEST_DR7, 0x400)
        .with(GUEST_RFLAGS, 2)
        // Not canonical, and all right.
        .with(GUEST_RIP, 0x8000_0000_0000)
        .with(VMCS_LINK_POINTER, u64::MAX)
}

/// The same on a processor that has little.
pub(super) fn poor() -> Vmcs {
    let mut vmcs = long().with(HOST_CR3, 0x3000);
    // Four levels, write-back.
    vmcs.processor.ept_vpid = EptVpid::from_raw(1 << 14 | 1 << 6);
    vmcs.processor.misc = Misc::from_raw(0);
    vmcs.processor.features = Features::default();
    vmcs.processor.primary.can &= !Primary::MONITOR_TRAP_FLAG.raw();
    vmcs
}

/// A 64-bit guest without EPT.
pub(super) fn shadow() -> Vmcs {
    long().with(SECONDARY_CONTROLS, Secondary::ENABLE_VPID.raw())
}

/// The guest of [`long`] with every control that there is, but for what excludes another.
pub(super) fn everything() -> Vmcs {
    let vmcs = long()
        .and(
            PIN_BASED_CONTROLS,
            PinBased::PREEMPTION_TIMER
                .with(PinBased::PROCESS_POSTED_INTERRUPTS)
                .raw()
                .into(),
        )
        .and(
            PRIMARY_CONTROLS,
            Primary::TERTIARY
                .with(Primary::USE_TPR_SHADOW)
                .with(Primary::USE_IO_BITMAPS)
                .with(Primary::NMI_WINDOW_EXITING)
                .raw()
                .into(),
        )
        .with(
            SECONDARY_CONTROLS,
            !(Secondary::VIRTUALIZE_X2APIC_MODE.raw() | 1 << 31),
        )
        .with(TERTIARY_CONTROLS, 0xff)
        .and(EXIT_CONTROLS, u64::from(!1u32))
        .with(SECONDARY_EXIT_CONTROLS, 0xff)
        .and(ENTRY_CONTROLS, 0x7f_e000)
        .with(VM_FUNCTION_CONTROLS, 1)
        .with(TSC_MULTIPLIER, 1)
        .with(LAST_PID_POINTER_INDEX, 3)
        .with(PID_POINTER_TABLE, 8)
        .with(GUEST_BNDCFGS, 0x5003);
    [
        IO_BITMAP_A,
        IO_BITMAP_B,
        VIRTUAL_APIC_ADDRESS,
        APIC_ACCESS_ADDRESS,
        POSTED_INTERRUPT_DESCRIPTOR,
        PML_ADDRESS,
        SPP_TABLE_POINTER,
        EPTP_LIST_ADDRESS,
        VMREAD_BITMAP,
        VMWRITE_BITMAP,
        VE_INFORMATION_ADDRESS,
        LOW_PASID_DIRECTORY,
        HIGH_PASID_DIRECTORY,
        HLAT_POINTER,
    ]
    .into_iter()
    .fold(vmcs, |vmcs, field| vmcs.with(field, 0x5000))
}

/// A guest in protected mode with 32-bit paging and an LDT, under shadow paging.
pub(super) fn protected() -> Vmcs {
    let mut vmcs = shadow()
        .with(GUEST_CS_ACCESS_RIGHTS, rights::CODE_32)
        .with(GUEST_LDTR_ACCESS_RIGHTS, rights::LDT)
        .with(GUEST_CR4, 0x2000)
        .with(GUEST_EFER, 0)
        .with(GUEST_RIP, 0xffff_fff0);
    let entry = Entry::LOAD_DEBUG_CONTROLS.with(Entry::LOAD_EFER);
    vmcs.set(ENTRY_CONTROLS.encoding(), entry.raw().into());
    vmcs
}

/// A guest with PAE paging, under EPT. The last PDPTE is not present, whatever else it holds.
pub(super) fn pae() -> Vmcs {
    protected()
        .with(SECONDARY_CONTROLS, Secondary::ENABLE_EPT.raw())
        .with(GUEST_CR4, 0x2020)
        .with(GUEST_PDPTE0, 0x6001)
        .with(GUEST_PDPTE3, 0xfffe)
}

/// A guest in real mode, whose code is in a segment of data.
pub(super) fn real() -> Vmcs {
    let secondary = Secondary::ENABLE_EPT.with(Secondary::UNRESTRICTED_GUEST);
    let vmcs = small_segments(protected(), 0x93)
        .with(SECONDARY_CONTROLS, secondary.raw())
        .with(GUEST_CR0, 0x20)
        .with(GUEST_CS_SELECTOR, 0xf000)
        .with(GUEST_CS_BASE, 0xffff_0000);
    vmcs.with(GUEST_RIP, 0xfff0)
}

/// A guest in virtual-8086 mode.
pub(super) fn virtual_8086() -> Vmcs {
    let secondary = Secondary::ENABLE_EPT.with(Secondary::UNRESTRICTED_GUEST);
    small_segments(protected(), 0xf3)
        .with(SECONDARY_CONTROLS, secondary.raw())
        .with(GUEST_CS_SELECTOR, 0xf003)
        .with(GUEST_CS_BASE, 0xf0030)
        .with(GUEST_RFLAGS, 0x2_0002)
}

fn small_segments(vmcs: Vmcs, access: u32) -> Vmcs {
    [
        (GUEST_CS_LIMIT, GUEST_CS_ACCESS_RIGHTS),
        (GUEST_SS_LIMIT, GUEST_SS_ACCESS_RIGHTS),
        (GUEST_DS_LIMIT, GUEST_DS_ACCESS_RIGHTS),
        (GUEST_ES_LIMIT, GUEST_ES_ACCESS_RIGHTS),
        (GUEST_FS_LIMIT, GUEST_FS_ACCESS_RIGHTS),
        (GUEST_GS_LIMIT, GUEST_GS_ACCESS_RIGHTS),
    ]
    .into_iter()
    .fold(vmcs, |vmcs, (limit, rights)| {
        vmcs.with(limit, 0xffff).with(rights, access)
    })
}
