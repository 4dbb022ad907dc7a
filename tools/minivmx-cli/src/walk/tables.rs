// SPDX-License-Identifier: GPL-2.0

//! All that the guest's tables map, and beside it what the CPU has for it: entries of EPT, or of
//! the shadow. What is alike and contiguous is one line.

use std::{
    collections::BTreeMap,
    fmt::Write, //
};

use anyhow::Result;
use minivmx::{
    PteFlags,
    Vcpu,
    Vm, //
};
use vm_memory::GuestMemoryMmap;

use super::words;
use crate::guest::paging::{
    self,
    Leaf, //
};

/// A page of EPT or the shadow: its bytes, and what may be done there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Page {
    bytes: u64,
    rights: PteFlags,
}

/// Pages by their first address: guest-physical with EPT, else linear.
type Pages = BTreeMap<u64, Page>;

/// A range of linear addresses, all of whose pages are alike.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Range {
    linear: u64,
    bytes: u64,
    gpa: u64,
    page: u64,
    rights: PteFlags,
    host: Option<Page>,
}

impl Range {
    /// Does the other one go on where this one ends, and is it alike?
    fn takes(&self, next: &Self) -> bool {
        let alike = |one: &Self| (one.page, one.rights, one.host);
        self.linear.wrapping_add(self.bytes) == next.linear
            && self.gpa + self.bytes == next.gpa
            && alike(self) == alike(next)
    }
}

/// The tables of a guest that does not run.
pub fn text(vm: &Vm, vcpu: &Vcpu, memory: &GuestMemoryMmap) -> Result<String> {
    let mut host = Pages::new();
    collect(vm, 0, 0, PteFlags::ALL_RIGHTS, &mut host)?;
    let guest = paging::leaves(memory, &vcpu.sregs()?);
    let is_shadow = vm.mmu().is_shadow();
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write(
        &mut text,
        &ranges(&guest.pages, &host, is_shadow),
        is_shadow,
    );
    if guest.are_more {
        let _ = writeln!(text, "  and more: the guest's tables map very many pages");
    }
    let pages = words::size(host.values().map(|page| page.bytes).sum());
    let tables = if is_shadow { "the shadow" } else { "EPT" };
    let _ = writeln!(
        text,
        "\n  {} entries of {tables} map {pages} in all",
        host.len()
    );
    Ok(text)
}

/// Reads a table of the driver's and all below it.
fn collect(
    vm: &Vm,
    level: u32,
    address: u64,
    above: PteFlags,
    pages: &mut Pages,
) -> minivmx::Result<()> {
    for pte in vm.read_table(0, level, address)? {
        let rights = above.and(pte.flags);
        if pte.flags.contains(PteFlags::LEAF) {
            let bytes = 1 << (3 + 9 * pte.level);
            pages.insert(pte.input, Page { bytes, rights });
        } else {
            collect(vm, pte.level - 1, pte.input, rights, pages)?;
        }
    }
    Ok(())
}

/// The guest's pages, cut where what is beside them changes.
fn ranges(guest: &[Leaf], host: &Pages, is_shadow: bool) -> Vec<Range> {
    let mut found: Vec<Range> = Vec::new();
    let pieces = guest.iter().flat_map(|leaf| cut(leaf, host, is_shadow));
    for piece in pieces {
        match found.last_mut() {
            Some(last) if last.takes(&piece) => last.bytes += piece.bytes,
            _ => found.push(piece),
        }
    }
    found
}

/// A page of the guest's in pieces that are beside one page of the host's, or none.
fn cut(leaf: &Leaf, host: &Pages, is_shadow: bool) -> Vec<Range> {
    let start = if is_shadow { leaf.linear } else { leaf.gpa };
    let mut pieces = Vec::new();
    let mut done = 0;
    while done < leaf.bytes {
        let at = start + done;
        let here = host.range(..=at).next_back();
        let here = here.filter(|(first, page)| at - **first < page.bytes);
        // Lengths: the last page of all has no end that a number could be.
        let (length, page) = match here {
            Some((first, page)) => (page.bytes - (at - first), Some(*page)),
            None => {
                let next = host.range(at..).next();
                (next.map_or(leaf.bytes, |(first, _)| first - at), None)
            }
        };
        let bytes = length.min(leaf.bytes - done);
        pieces.push(Range {
            linear: leaf.linear + done,
            bytes,
            gpa: leaf.gpa + done,
            page: leaf.bytes,
            rights: leaf.rights,
            host: page,
        });
        done += bytes;
    }
    pieces
}

fn write(text: &mut String, ranges: &[Range], is_shadow: bool) -> std::fmt::Result {
    let beside = if is_shadow { "shadow" } else { "EPT" };
    writeln!(
        text,
        "  {:18} {:>9}  {:>14}  {:13} {beside}",
        "linear", "bytes", "guest-physical", "guest's pages"
    )?;
    for range in ranges {
        let host = range.host.map_or("not filled".into(), |page| {
            format!("{} {}", words::rights(page.rights), words::size(page.bytes))
        });
        writeln!(
            text,
            "  {:#018x} {:>9}  {:>14}  {:13} {host}",
            range.linear,
            words::size(range.bytes),
            format!("{:#x}", range.gpa),
            format!(
                "{} {}",
                words::rights(range.rights),
                words::size(range.page)
            ),
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: u64 = 4096;

    fn leaf(linear: u64, gpa: u64, bytes: u64) -> Leaf {
        Leaf {
            linear,
            gpa,
            bytes,
            rights: PteFlags::ALL_RIGHTS,
        }
    }

    fn host(pages: &[(u64, u64)]) -> Pages {
        let rights = PteFlags::ALL_RIGHTS;
        let page = |(at, bytes): &(u64, u64)| {
            (
                *at,
                Page {
                    bytes: *bytes,
                    rights,
                },
            )
        };
        pages.iter().map(page).collect()
    }

    #[test]
    fn pages_that_are_alike_are_one_line() {
        let guest = [
            leaf(0, 0x10_0000, PAGE),
            leaf(PAGE, 0x10_1000, PAGE),
            leaf(2 * PAGE, 0x30_0000, PAGE),
        ];
        let found = ranges(&guest, &Pages::new(), true);
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].bytes, found[1].gpa), (2 * PAGE, 0x30_0000));
    }

    #[test]
    fn a_large_page_is_cut_where_the_shadow_ends() {
        let guest = [leaf(0, 0, 512 * PAGE)];
        let found = ranges(&guest, &host(&[(PAGE, PAGE), (2 * PAGE, PAGE)]), true);
        let bytes: Vec<_> = found.iter().map(|range| range.bytes / PAGE).collect();
        assert_eq!(bytes, [1, 2, 509]);
        assert!(found[0].host.is_none() && found[1].host.is_some());
    }

    #[test]
    fn the_last_page_of_all_has_an_end() {
        let last = PAGE.wrapping_neg();
        let guest = [leaf(last, 0, PAGE)];
        for (pages, is_filled) in [(host(&[(last, PAGE)]), true), (Pages::new(), false)] {
            let found = ranges(&guest, &pages, true);
            assert_eq!((found.len(), found[0].bytes), (1, PAGE));
            assert_eq!(found[0].host.is_some(), is_filled);
        }
    }

    #[test]
    fn ept_is_found_by_guest_physical_addresses() {
        let guest = [leaf(0xffff_8000_0000_0000, 0x40_0000, PAGE)];
        let found = ranges(&guest, &host(&[(0x40_0000, 512 * PAGE)]), false);
        assert_eq!(found[0].host.map(|page| page.bytes), Some(512 * PAGE));
        let mut text = String::new();
        write(&mut text, &found, false).expect("a string takes everything");
        assert!(
            text.lines().all(|line| line.chars().count() <= 80),
            "{text}"
        );
    }
}
