// SPDX-License-Identifier: GPL-2.0

//! Entries of page tables, as programs get to see them.

use crate::{
    mmu::pte::{
        flag,
        Pte,
        Tables, //
    },
    support::uapi::{
        minivmx_pte,
        pte_flags,
        tables, //
    }, //
};

// The numbers are the interface's.
const _: () = {
    assert!(Tables::Guest as u32 == tables::MINIVMX_TABLES_GUEST);
    assert!(Tables::Ept as u32 == tables::MINIVMX_TABLES_EPT);
    assert!(Tables::Shadow as u32 == tables::MINIVMX_TABLES_SHADOW);
    assert!(flag::PRESENT == pte_flags::MINIVMX_PTE_PRESENT);
    assert!(flag::READ == pte_flags::MINIVMX_PTE_READ);
    assert!(flag::WRITE == pte_flags::MINIVMX_PTE_WRITE);
    assert!(flag::EXECUTE == pte_flags::MINIVMX_PTE_EXECUTE);
    assert!(flag::USER == pte_flags::MINIVMX_PTE_USER);
    assert!(flag::ACCESSED == pte_flags::MINIVMX_PTE_ACCESSED);
    assert!(flag::DIRTY == pte_flags::MINIVMX_PTE_DIRTY);
    assert!(flag::LEAF == pte_flags::MINIVMX_PTE_LEAF);
    assert!(flag::RESERVED == pte_flags::MINIVMX_PTE_RESERVED);
    assert!(flag::REGISTER == pte_flags::MINIVMX_PTE_REGISTER);
    assert!(flag::OUT_OF_DATE == pte_flags::MINIVMX_PTE_OUT_OF_DATE);
    assert!(flag::HOLDS_TABLE == pte_flags::MINIVMX_PTE_HOLDS_TABLE);
    assert!(flag::NOT_DIRTY == pte_flags::MINIVMX_PTE_NOT_DIRTY);
    assert!(flag::READ_ONLY_MEMORY == pte_flags::MINIVMX_PTE_READ_ONLY_MEMORY);
};

/// The bits of an entry that are an address.
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

/// An entry for a program that may see host-physical addresses, or not.
pub(super) fn shown(pte: &Pte, sees_host: bool) -> minivmx_pte {
    let hidden = pte.tables != Tables::Guest && !sees_host;
    minivmx_pte {
        tables: pte.tables as u32,
        level: pte.level,
        index: pte.index,
        flags: pte.flags,
        input: pte.input,
        address: if hidden { 0 } else { pte.address },
        value: if hidden {
            pte.value & !ADDRESS
        } else {
            pte.value
        },
        source: pte.source,
    }
}
