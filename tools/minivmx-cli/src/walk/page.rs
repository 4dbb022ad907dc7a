// SPDX-License-Identifier: GPL-2.0

//! Walks as one page that needs nothing else: a picture of each, with every entry under the
//! pointer.

use std::fmt::{
    self,
    Write, //
};

use minivmx::{
    Mmu,
    Pte,
    PteFlags, //
};

use super::{
    beside::{
        self,
        Pair, //
    },
    grid,
    words,
    Numbered,
    Row,
    Walk, //
};
use crate::page::{
    self,
    escaped, //
};

const STYLE: &str = "\
svg .entry { fill: var(--back); stroke: #3b78c3; stroke-width: 1.5; }
svg .guest { stroke: #c2662d; }
svg .odd { stroke-dasharray: 4 3; }
svg .way { fill: none; stroke: var(--soft); stroke-width: 1.2; marker-end: url(#tip); }
svg marker path { fill: var(--soft); }
svg text { font-size: 13px; }
svg .number { text-anchor: middle; font-weight: 600; }
svg .heading { text-anchor: middle; }
svg .label { fill: var(--soft); }
svg .value { font-family: ui-monospace, monospace; font-size: 12px; }
.key { display: inline-block; width: 0.7em; height: 0.7em; border: 2px solid #3b78c3; border-radius: 50%; }
.key.guest { border-color: #c2662d; }
";

/// The page.
pub fn html(walks: &[Walk], mmu: Mmu) -> String {
    let mut text = page::head("How an address is translated", STYLE);
    // Writing to a string cannot fail.
    let _ = write(&mut text, walks, mmu);
    text.push_str(page::TAIL);
    text
}

fn write(text: &mut String, walks: &[Walk], mmu: Mmu) -> fmt::Result {
    writeln!(
        text,
        "<p>{mmu}: {}.</p>\n<p class=\"soft\"><span class=\"key guest\"></span> the guest's tables \
         <span class=\"key\"></span> {}. Numbers are the order of the references; point at one for \
         its entry.</p>",
        mmu.description(),
        if mmu.is_shadow() { "the shadow" } else { "EPT" }
    )?;
    for walk in walks {
        writeln!(
            text,
            "<h2>{}</h2>",
            escaped(&words::question(&walk.question))
        )?;
        let (count, picture, drawing) = match mmu.is_shadow() {
            true => (beside::count(walk), shadow(walk), beside::text(walk)),
            false => (grid::count(walk), ept(walk), grid::text(walk)),
        };
        writeln!(
            text,
            "<p>{}.</p>\n<figure>\n{picture}</figure>",
            escaped(&count)
        )?;
        writeln!(text, "<ul>")?;
        for line in words::end(walk) {
            writeln!(text, "<li>{}</li>", escaped(&line))?;
        }
        writeln!(
            text,
            "</ul>\n<details><summary>All entries</summary><pre>{}</pre></details>",
            escaped(&drawing)
        )?;
    }
    Ok(())
}

/* ------------------------------------------------------------------- pictures */

/// Width and height of what a reference takes.
const CELL: (u32, u32) = (80, 62);
const RADIUS: u32 = 16;
/// Height of a pair of entries, with room for two differences.
const PAIR: u32 = 84;
/// Where the first reference is: labels are to the left of it, headings above.
const ORIGIN: (u32, u32) = (230, 60);

/// A picture in the making.
struct Picture {
    body: String,
    width: u32,
    height: u32,
}

impl Picture {
    fn new(width: u32, height: u32) -> Self {
        Self {
            body: String::new(),
            width,
            height,
        }
    }

    fn add(&mut self, element: fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.body, "{element}");
    }

    fn text(&mut self, (x, y): (u32, u32), class: &str, text: &str) {
        let text = escaped(text);
        self.add(format_args!(
            "<text class=\"{class}\" x=\"{x}\" y=\"{y}\">{text}</text>"
        ));
    }

    /// A numbered entry, which says what it is under the pointer.
    fn entry(&mut self, (x, y): (u32, u32), (number, pte): &Numbered, guest: bool) {
        let odd = !pte.flags.contains(PteFlags::PRESENT)
            || pte.flags.contains(PteFlags::RESERVED)
            || pte.flags.contains(PteFlags::OUT_OF_DATE);
        let class = match (guest, odd) {
            (true, false) => "entry guest",
            (true, true) => "entry guest odd",
            (false, false) => "entry",
            (false, true) => "entry odd",
        };
        self.add(format_args!(
            "<g><title>{}</title><circle class=\"{class}\" cx=\"{x}\" cy=\"{y}\" r=\"{RADIUS}\"/>",
            escaped(&in_words(*number, pte))
        ));
        self.text((x, y + 5), "number", &number.to_string());
        self.add(format_args!("</g>"));
    }

    /// An arrow from one entry to the next.
    fn arrow(&mut self, (x1, y1): (u32, u32), (x2, y2): (u32, u32)) {
        let path = if y1 == y2 {
            format!("M{} {y1}H{}", x1 + RADIUS, x2 - RADIUS - 4)
        } else if x1 == x2 {
            format!("M{x1} {}V{}", y1 + RADIUS, y2 - RADIUS - 4)
        } else {
            let middle = y1 + (y2 - y1) / 2;
            format!("M{x1} {}V{middle}H{x2}V{}", y1 + RADIUS, y2 - RADIUS - 4)
        };
        self.add(format_args!("<path class=\"way\" d=\"{path}\"/>"));
    }

    fn svg(self, label: &str) -> String {
        let Self {
            body,
            width,
            height,
        } = self;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" aria-label=\"{}\" \
             width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\">\n\
             <defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"6\" refY=\"4\" markerWidth=\"7\" \
             markerHeight=\"7\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\"/></marker></defs>\n\
             {body}</svg>\n",
            escaped(label)
        )
    }
}

fn in_words(number: usize, pte: &Pte) -> String {
    let place = match pte.address {
        0 => String::new(),
        address => format!(" at {address:#x}"),
    };
    format!(
        "{number}: {} {}{place}, for {:#x}: {:#018x} {}",
        pte.tables,
        words::name(pte),
        pte.input,
        pte.value,
        pte.flags
    )
}

/// The two dimensions of EPT.
fn ept(walk: &Walk) -> String {
    let rows = walk.rows();
    let height = ORIGIN.1 + CELL.1 * u32::try_from(rows.len()).unwrap_or(0);
    let mut picture = Picture::new(ORIGIN.0 + 5 * CELL.0 + 230, height.max(120));
    for level in 1..=4 {
        let at = (column(level), 24);
        picture.text(at, "label heading", &format!("EPT {}", words::table(level)));
    }
    picture.text((column(0), 24), "label heading", "guest's");
    let mut before = None;
    for (number, row) in (0..).zip(&rows) {
        draw_row(&mut picture, row, ORIGIN.1 + CELL.1 * number, &mut before);
    }
    picture.svg(&grid::count(walk))
}

/// The middle of the column of EPT's entries of this level, or 0 for the guest's.
fn column(level: u32) -> u32 {
    ORIGIN.0 + CELL.0 * (4 - level)
}

fn draw_row(picture: &mut Picture, row: &Row, y: u32, before: &mut Option<(u32, u32)>) {
    let label = match &row.guest {
        Some((_, pte)) => words::name(pte),
        None => "the page".into(),
    };
    picture.text((8, y - 4), "", &label);
    if let Some(gpa) = row.gpa() {
        picture.text(
            (8, y + 13),
            "label value",
            &format!("guest-physical {gpa:#x}"),
        );
    }
    for numbered in grid::numbers(row) {
        let is_guest = row.guest.as_ref() == Some(numbered);
        let level = if is_guest { 0 } else { numbered.1.level };
        let at = (column(level), y);
        if let Some(before) = *before {
            picture.arrow(before, at);
        }
        picture.entry(at, numbered, is_guest);
        *before = Some(at);
    }
    if let Some((_, pte)) = &row.guest {
        let at = (column(0) + RADIUS + 12, y + 4);
        picture.text(at, "value", &format!("{:#018x} {}", pte.value, pte.flags));
    }
}

/// The guest's tables, and the shadow beside.
fn shadow(walk: &Walk) -> String {
    let pairs = beside::pairs(walk);
    let height = PAIR * u32::try_from(pairs.len()).unwrap_or(0) + 50;
    let mut picture = Picture::new(900, height.max(120));
    picture.text((24, 24), "label", "guest's tables, which the driver reads");
    picture.text((404, 24), "label", "shadow tables, which the CPU reads");
    let mut before = [None; 2];
    for (number, pair) in (0..).zip(&pairs) {
        draw_pair(&mut picture, pair, 66 + PAIR * number, &mut before);
    }
    picture.svg(&beside::count(walk))
}

fn draw_pair(picture: &mut Picture, pair: &Pair, y: u32, before: &mut [Option<(u32, u32)>; 2]) {
    let sides = [(pair.guest, 40, true), (pair.shadow, 420, false)];
    for ((numbered, x, is_guest), before) in sides.into_iter().zip(before) {
        let Some(numbered) = numbered else { continue };
        let (_, pte) = &numbered;
        if let Some(before) = *before {
            picture.arrow(before, (x, y));
        }
        picture.entry((x, y), &numbered, is_guest);
        picture.text((x + 28, y - 2), "", &words::name(pte));
        let value = format!("{:#018x} {}", pte.value, pte.flags);
        picture.text((x + 28, y + 15), "value", &value);
        *before = Some((x, y));
    }
    for (line, difference) in (0..).zip(pair.differences()) {
        picture.text((448, y + 34 + 16 * line), "label", &difference);
    }
}
