// SPDX-License-Identifier: GPL-2.0

//! What a processor takes for good, against plain statements of the rules.

use crate::x86::{
    address, cr0, cr4,
    debug_register::{breakpoint, dr6, dr7, pending},
    efer,
    event::{kind, Event, Interruption, Outcome, Waiting},
    instruction, pat,
    segment::{number, AccessRights, Mode, Segment},
};
use proptest::prelude::*;

/// The bits of `value`, lowest first.
fn bits(value: u64) -> impl Iterator<Item = u32> {
    (0..64).filter(move |bit| value >> bit & 1 != 0)
}

// SDM Vol. 2, "IRET/IRETD/IRETQ - Interrupt Return": CF, with prefixes of any kind; in 32-bit code
// 48 is DEC EAX.
#[test]
fn irets_are_known_by_their_bytes() {
    use instruction::is_iret;
    for bytes in [&[0xcf][..], &[0x66, 0xcf], &[0x3e, 0x67, 0xf3, 0xcf, 0x90]] {
        assert!(is_iret(bytes, true) && is_iret(bytes, false));
    }
    assert!(is_iret(&[0x48, 0xcf], true));
    assert!(!is_iret(&[0x48, 0xcf], false));
    for bytes in [
        &[][..],
        &[0x66],
        &[0xcb],
        &[0x0f, 0xcf],
        &[0x90, 0xcf],
        &[0xf0; 15],
    ] {
        assert!(!is_iret(bytes, true) && !is_iret(bytes, false));
    }
}

// SDM Vol. 2, "Opcode Map".
#[test]
fn stores_of_one_word_are_known_by_their_bytes() {
    let once = |bytes: &[u8], long| instruction::writes_once(bytes.iter().copied(), long);
    for bytes in [
        &[0x89, 0x03][..],               // MOV
        &[0x66, 0xc7, 0x03],             // MOV of a constant
        &[0xa3],                         // MOV to an address
        &[0xf0, 0x21, 0x03],             // LOCK AND
        &[0x83, 0x23, 0x00],             // AND with a constant
        &[0x87, 0x03],                   // XCHG
        &[0x64, 0xf0, 0x0f, 0xb1, 0x0b], // LOCK CMPXCHG
        &[0x0f, 0xab, 0x03],             // BTS
    ] {
        assert!(once(bytes, true) && once(bytes, false), "{bytes:x?}");
    }
    // REX; else it is DEC EAX.
    assert!(once(&[0x48, 0x89, 0x03], true));
    assert!(!once(&[0x48, 0x89, 0x03], false));
    for bytes in [
        &[][..],
        &[0x66],
        &[0x0f],
        &[0x60],                         // PUSHA
        &[0xc8, 0x10, 0x00, 0x05],       // ENTER
        &[0xab],                         // STOS
        &[0xf3, 0xa4],                   // REP MOVS
        &[0xf2, 0xf0, 0x87, 0x03],       // XACQUIRE LOCK XCHG
        &[0x0f, 0xc7, 0x0b],             // CMPXCHG8B, CMPXCHG16B
        &[0x0f, 0xae, 0x23],             // XSAVE
        &[0x0f, 0x29, 0x03],             // MOVAPS
        &[0xc5, 0xf9, 0x7f, 0x03],       // VMOVDQA
        &[0x62, 0xf1, 0x7c, 0x48, 0x11], // VMOVUPS
        &[0xff, 0x1b],                   // CALL, far
        &[0xcd, 0x80],                   // INT
        &[0x06],                         // PUSH ES
        &[0x27],                         // DAA
    ] {
        assert!(!once(bytes, true) && !once(bytes, false), "{bytes:x?}");
    }
}

proptest! {
    // SDM Vol. 1, "Canonical Addressing": bits 63:47 are all 0, or all 1.
    #[test]
    fn canonical_addresses_have_equal_high_bits(address: u64, low in 0u64..1 << 47) {
        let high = address >> 47;
        prop_assert_eq!(address::is_canonical(address), high == 0 || high == (1 << 17) - 1);
        prop_assert!(address::is_canonical(low));
        prop_assert!(address::is_canonical(!low));
    }

    // SDM Vol. 3A, "Canonicality Checking for Data Addresses Written to Control Registers and
    // MSRs": a processor with five levels takes 57 bits.
    #[test]
    fn canonical_addresses_are_as_wide_as_the_processors(high in 0u64..1 << 17, low in 0u64..1 << 47) {
        let address = high << 47 | low;
        prop_assert_eq!(address::is_canonical_in(address, 48), address::is_canonical(address));
        let top = address >> 56;
        prop_assert_eq!(address::is_canonical_in(address, 57), top == 0 || top == 0xff);
    }

    // SDM Vol. 3A, "Control Registers": PG needs PE, NW needs CD, and bits 6 to 15, 17, 19 to 28
    // and 32 to 63 are not defined.
    #[test]
    fn cr0_is_consistent_by_its_bits(noise: u64, defined: u64) {
        for value in [noise, defined & 0xe005_003f] {
            let set = |bit: u32| value >> bit & 1 != 0;
            let reserved = bits(value).any(|bit| matches!(bit, 6..=15 | 17 | 19..=28 | 32..));
            let expected = !reserved && (set(0) || !set(31)) && (set(30) || !set(29));
            prop_assert_eq!(cr0::is_consistent(value), expected);
        }
    }

    // SDM Vol. 2, "LMSW - Load Machine Status Word": bits 0 to 3, of which PE cannot be cleared.
    #[test]
    fn lmsw_loads_four_bits(cr0: u64, source: u16) {
        let after = cr0::with_machine_status(cr0, source.into());
        let loaded = u64::from(source) & 0xf;
        prop_assert_eq!(after & 0xe, loaded & 0xe);
        prop_assert_eq!(after & 1, cr0 & 1 | loaded & 1);
        prop_assert_eq!(after >> 4, cr0 >> 4);
    }

    // SDM Vol. 3B, "Debug Registers": writing a 1 to bits 63:32 faults; DR6 has B0 to B3, BD, BS
    // and BT here, DR7 has all but bits 10, 12, 14 and 15.
    #[test]
    fn debug_registers_keep_their_bits(value: u32, high in 1u64..1 << 32) {
        let value = u64::from(value);
        let kept6 = dr6::valid(value).unwrap();
        let kept7 = dr7::valid(value).unwrap();
        for bit in 0..64 {
            let (was, one6, one7) = (value >> bit & 1, kept6 >> bit & 1, kept7 >> bit & 1);
            prop_assert_eq!(one6, match bit { 0..=3 | 13..=15 => was, 12 | 32.. => 0, _ => 1 });
            prop_assert_eq!(one7, match bit { 10 => 1, 12 | 14 | 15 | 32.. => 0, _ => was });
        }
        prop_assert_eq!(dr6::valid(value | high << 32), None);
        prop_assert_eq!(dr7::valid(value | high << 32), None);
    }

    // SDM Vol. 3B, "Breakpoint Field Recognition": each byte of the access is looked for among the
    // bytes that an enabled breakpoint of that kind watches.
    #[test]
    fn breakpoints_are_met_byte_by_byte(
        dr7: u32,
        places in prop::array::uniform4(0u64..40),
        base in prop::sample::select(vec![0, 1 << 16, 1 << 63, !0xfu64]),
        kind in 0usize..3,
        first in 0u64..40,
        length in prop::sample::select(vec![1u64, 2, 4]),
    ) {
        use breakpoint::Access;
        let addresses = places.map(|place| base.wrapping_add(place));
        let first = base.wrapping_add(first);
        let (access, kinds): (_, &[u32]) = [
            (Access::Read, &[3][..]),
            (Access::Write, &[1, 3]),
            (Access::Port, &[2]),
        ][kind];
        let mut expected = 0;
        for (n, address) in addresses.iter().enumerate() {
            let field = |bit: usize| dr7 >> bit & 3;
            let bytes = [1, 2, 8, 4][field(18 + 4 * n) as usize];
            let start = address / bytes * bytes;
            let watched = |at: u64| (0..bytes).any(|byte| start.wrapping_add(byte) == at);
            let touched = (0..length).any(|byte| watched(first.wrapping_add(byte)));
            if field(2 * n) != 0 && kinds.contains(&field(16 + 4 * n)) && touched {
                expected |= 1 << 12 | 1 << n;
            }
        }
        let met = breakpoint::met(dr7.into(), &addresses, access, first, length);
        prop_assert_eq!(met, expected);
        prop_assert!(pending::valid(met).is_some());
    }

    // SDM Vol. 3C, "Guest Non-Register State": B0 to B3, an enabled breakpoint, BS.
    #[test]
    fn pending_debug_exceptions_have_few_bits(bit in 0u32..64) {
        prop_assert_eq!(pending::valid(1 << bit).is_some(), matches!(bit, 0..=3 | 12 | 14));
    }

    // SDM Vol. 3A, "IA32_PAT MSR": UC, WC, WT, WP, WB and UC- are 0, 1, 4, 5, 6 and 7.
    #[test]
    fn pat_is_eight_memory_types(bytes: [u8; 8], types in prop::array::uniform8(0u8..8)) {
        for bytes in [bytes, types] {
            let expected = bytes.iter().all(|byte| [0, 1, 4, 5, 6, 7].contains(byte));
            prop_assert_eq!(pat::is_valid(u64::from_le_bytes(bytes)), expected);
        }
    }
}

#[test]
fn registers_after_power_up_are_valid() {
    assert!(cr0::is_consistent(cr0::CD | cr0::NW | cr0::ET));
    assert!(pat::is_valid(pat::AFTER_RESET));
    assert_eq!(dr6::valid(dr6::FIXED), Some(0xffff_0ff0));
    assert_eq!(dr7::valid(0), Some(0x400));
}

#[test]
fn any_of_eight_enables_is_a_breakpoint() {
    for bit in 0..64 {
        assert_eq!(dr7::has_breakpoints(1 << bit), bit < 8);
    }
}

// SDM Vol. 3A, "Initializing IA-32e Mode".
#[test]
fn ia32e_mode_is_active_just_with_lme_and_paging() {
    for (paging, pae, enabled, active) in (0..16).map(|n| (n & 1, n >> 1 & 1, n >> 2 & 1, n >> 3)) {
        let value = enabled * efer::LME | active * efer::LMA;
        let expected = match (paging, enabled) {
            (1, 1) => active == 1 && pae == 1,
            _ => active == 0,
        };
        let fits = efer::fits(value, paging * cr0::PG, pae * cr4::PAE);
        assert_eq!(fits, expected, "{paging} {pae} {enabled} {active}");
    }
}

// SDM Vol. 3A, "Conditions for Generating a Double Fault": the table of classes, and what comes of
// an exception within a double fault.
#[test]
fn double_faults_are_those_of_the_table() {
    #[derive(PartialEq)]
    enum Class {
        Benign,
        Contributory,
        PageFault,
        DoubleFault,
    }
    let class = |event: Event| match (event.kind, event.vector) {
        (kind::HARDWARE_EXCEPTION, 0 | 10 | 11 | 12 | 13 | 21) => Class::Contributory,
        (kind::HARDWARE_EXCEPTION, 14 | 20) => Class::PageFault,
        (kind::HARDWARE_EXCEPTION, 8) => Class::DoubleFault,
        _ => Class::Benign,
    };
    let events = || {
        let of_kind = |kind| (0..=255).map(move |vector| Event { kind, vector });
        (0..8).flat_map(of_kind)
    };
    let seconds = || {
        (0..32).map(|vector| Event {
            kind: kind::HARDWARE_EXCEPTION,
            vector,
        })
    };
    for first in events() {
        for second in seconds() {
            let expected = match (class(first), class(second)) {
                (_, Class::Benign | Class::DoubleFault) => Outcome::Second,
                (Class::DoubleFault, _) => Outcome::Shutdown,
                (Class::PageFault, _) => Outcome::DoubleFault,
                (Class::Contributory, Class::Contributory) => Outcome::DoubleFault,
                _ => Outcome::Second,
            };
            let outcome = first.interrupted_by(second);
            assert_eq!(outcome, expected, "{first:?} {second:?}");
        }
    }
}

// SDM Vol. 3A, "Exception and Interrupt Vectors": the column of types.
#[test]
fn faults_but_debug_exceptions_suppress_breakpoints() {
    const FAULTS: [u8; 14] = [0, 5, 6, 7, 10, 11, 12, 13, 14, 16, 17, 19, 20, 21];
    for kind in 0..8 {
        for vector in 0..22 {
            if matches!(vector, 9 | 15) {
                continue;
            }
            let expected = kind == kind::HARDWARE_EXCEPTION && FAULTS.contains(&vector);
            let event = Event { kind, vector };
            assert_eq!(event.suppresses_breakpoints(), expected, "{event:?}");
        }
    }
}

// SDM Vol. 2, "MOV - Move to/from Control Registers": IA-32e mode comes with PG and LME, and goes
// with PG.
#[test]
fn ia32e_mode_comes_and_goes_with_paging() {
    const CODE_64: AccessRights = AccessRights::from_raw(0xa09b);
    const TASK_16: AccessRights = AccessRights::from_raw(0x83);
    for on in [false, true] {
        for (enabled, pae) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            for code in [AccessRights::CODE, CODE_64] {
                for task in [AccessRights::BUSY_TSS, TASK_16] {
                    // Before, there was paging just if there is none now.
                    let active = if on { 0 } else { enabled & pae };
                    let before = enabled * efer::LME | active * efer::LMA | efer::NXE;
                    let faults = match (on, enabled) {
                        (true, 1) => pae == 0 || code.long() || task.is_16_bit_task(),
                        (true, _) => false,
                        (false, _) => active == 1 && code.long(),
                    };
                    let begins = if on { enabled * efer::LMA } else { 0 };
                    let after = enabled * efer::LME | begins | efer::NXE;
                    let expected = (!faults).then_some(after);
                    let found = efer::with_paging(before, on, pae * cr4::PAE, code, task);
                    assert_eq!(found, expected);
                }
            }
        }
    }
}

// SDM Vol. 3B, "Debug Status Register (DR6)": B0 to B3 are set anew, the others stay.
#[test]
fn debug_exceptions_leave_what_software_did_not_clear() {
    let sticky = dr6::FIXED | dr6::BD;
    assert_eq!(dr6::after(sticky | 0xf, dr6::BS | 2), sticky | dr6::BS | 2);
    assert_eq!(dr6::after(dr6::FIXED | 1, 0), dr6::FIXED);
    // Where RTM can be clear, it is set by what happens outside of transactions.
    assert_eq!(dr6::after(0xfffe_0ff0, dr6::BS), dr6::FIXED | dr6::BS);
    assert_eq!(
        dr6::after(dr6::FIXED, u64::MAX),
        dr6::FIXED | dr6::BD | dr6::BS | 0xf
    );
}

// INT n, INT1, and INT3 or INTO.
#[test]
fn instructions_raise_software_events() {
    let software = |kind| Event { kind, vector: 3 }.is_software();
    assert_eq!(
        [0, 2, 3, 4, 5, 6].map(software),
        [false, false, false, true, true, true]
    );
}

// SDM Vol. 3C, "Guest Register State": DPL is bits 6:5, L is bit 13.
#[test]
fn access_rights_are_where_the_sdm_has_them() {
    let user_code = AccessRights::from_raw(0xa0fb);
    assert_eq!((user_code.dpl().get(), user_code.long()), (3, true));
    assert_eq!(AccessRights::DATA.dpl().get(), 0);
    assert!(!AccessRights::CODE.long());
}

/// A segment with these bits of a descriptor: type, D/B, unusable.
fn segment(number: u32, base: u64, limit: u32, kind: u32, big: bool, unusable: bool) -> Segment {
    let rights = kind | 0x90 | u32::from(big) << 14 | u32::from(unusable) << 16;
    Segment {
        number,
        base,
        limit,
        rights: AccessRights::from_raw(rights),
    }
}

/// Numbers near those that limits are about.
fn near() -> impl Strategy<Value = u32> {
    let edges = prop::sample::select(vec![0, 0xfff, 0x1000, 0xffff, 0x1_0000, u32::MAX]);
    prop_oneof![
        (edges, -4i32..5).prop_map(|(edge, by)| edge.wrapping_add_signed(by)),
        any::<u32>()
    ]
}

proptest! {
    // SDM Vol. 3A, "Limit Checking", "Type Checking", "Code- and Data-Segment Descriptor Types". An
    // operand that goes on at 0 behind 4 GiB may fault or not if the limit is 4 GiB: it does not.
    #[test]
    fn segments_allow_what_is_inside(
        (offset, limit, base) in (near(), near(), near()),
        last in prop::sample::select(vec![0u32, 1, 3]),
        (kind, big, unusable) in (0u32..16, any::<bool>(), any::<bool>()),
        (write, real) in (any::<bool>(), any::<bool>()),
    ) {
        let code = kind >= 8;
        let down = matches!(kind, 4..=7);
        let permitted = match kind {
            0 | 1 | 4 | 5 => !write,
            2 | 3 | 6 | 7 => true,
            8 | 9 | 12 | 13 => false,
            _ => !write || real,
        };
        let bytes = u64::from(offset)..=u64::from(offset) + u64::from(last);
        let inside = |byte: u64| match (down, big) {
            (true, true) => byte > limit.into() && byte < 1 << 32,
            (true, false) => byte > limit.into() && byte < 1 << 16,
            (false, _) => byte <= limit.into() || limit == u32::MAX,
        };
        let expected = !unusable && permitted && bytes.clone().all(inside);
        prop_assert!(!down || !code);

        let mode = if real { Mode::Real } else { Mode::Protected };
        for number in number::ES..=number::GS {
            let segment = segment(number, base.into(), limit, kind, big, unusable);
            let linear = base.wrapping_add(offset).into();
            let seen = segment.linear(mode, offset.into(), last, write);
            prop_assert_eq!(seen, expected.then_some(linear));
        }
    }

    // SDM Vol. 1, "Segmentation in 64-Bit Mode": bases of FS and GS only, no limits, no types.
    #[test]
    fn segments_mean_little_in_64_bit_mode(
        base: u64,
        high in prop::sample::select(vec![0, 0x7fff_ffff_fff8, 0x8000_0000_0000, !0 << 47, !7]),
        low in 0u64..16,
        last in prop::sample::select(vec![0u32, 1, 3]),
        kind in 0u32..16,
        write: bool,
    ) {
        let linear: u64 = high + low % 8;
        let exists = address::is_canonical(linear)
            && address::is_canonical(linear.wrapping_add(last.into()));
        for number in number::ES..=number::GS {
            let segment = segment(number, base, 0, kind, false, true);
            let based = number == number::FS || number == number::GS;
            let offset = if based { linear.wrapping_sub(base) } else { linear };
            let seen = segment.linear(Mode::Bits64, offset, last, write);
            prop_assert_eq!(seen, exists.then_some(linear));
        }
    }
}

prop_compose! {
    /// Mostly information that means something.
    fn information()(noise: u32, kind in 0u32..8, vector in 0u32..40, code: bool, plain: bool) -> u32 {
        let likely = 1 << 31 | u32::from(code) << 11 | kind << 8 | vector;
        if plain { likely } else { noise }
    }
}

proptest! {
    // SDM Vol. 3C, "VM-Entry Control Fields" of the checks on VMX controls, sentence by sentence.
    #[test]
    fn events_are_those_of_the_sdm(
        info in information(),
        error_code in prop_oneof![0u32..16, any::<u32>()],
        length in prop_oneof![0u32..17, any::<u32>()],
        protected: bool,
        no_bytes: bool,
    ) {
        let waiting = Waiting { info: Interruption::from_raw(info), error_code, length };
        let (vector, kind) = (info & 0xff, info >> 8 & 7);
        let (code, reserved, valid) = (info >> 11 & 1 != 0, info >> 12 & 0x7_ffff, info >> 31 != 0);
        let kind_fits = match kind {
            0 | 4 => true,
            2 => vector == 2,
            3 | 5 | 6 => vector <= 31,
            _ => false,
        };
        let needs_code = protected && kind == 3 && [8, 10, 11, 12, 13, 14, 17].contains(&vector);
        let length_fits = kind < 4 || length <= 15 && (no_bytes || length != 0);
        let fits = reserved == 0
            && kind_fits
            && code == needs_code
            && (!code || error_code >> 16 == 0)
            && length_fits;
        let expected = if valid { fits } else { info == 0 };
        prop_assert_eq!(waiting.is_valid(protected, no_bytes), expected);
        prop_assert_eq!(waiting.is_some(), valid);
    }
}
