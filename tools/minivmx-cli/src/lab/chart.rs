// SPDX-License-Identifier: GPL-2.0

//! Bar charts as SVG. Text, axes and grid are black here; the page's style gives them the colour
//! of its own text, so that they can be read in light and dark.

use anyhow::{
    anyhow,
    Result, //
};
use plotters::prelude::*;

use super::table::rounded;
use crate::page::escaped;

const WIDTH: u32 = 460;
const BAR: u32 = 26;
/// Height of the axis below with its labels.
const AXIS: u32 = 48;
/// An axis that is shorter has no whole numbers to show.
const SHORTEST_AXIS: u64 = 5;
/// Part of the width that is left free on the right, for the value of the longest bar.
const HEADROOM: f64 = 0.2;
/// Between a label and its bar.
const GAP: &str = "\u{2002}";
const TEXT: u32 = 16;
/// Width of a character of that size, on average.
const CHARACTER: u32 = 8;

/// A bar: one part after the other.
pub struct Bar {
    pub label: String,
    pub parts: Vec<Part>,
}

/// A part of a bar.
#[derive(Clone, Copy)]
pub struct Part {
    pub value: u64,
    pub colour: RGBColor,
}

impl Bar {
    /// A bar in one piece.
    pub fn plain(label: String, value: u64) -> Self {
        let parts = vec![Part {
            value,
            colour: PLAIN,
        }];
        Self { label, parts }
    }

    fn total(&self) -> u64 {
        self.parts.iter().map(|part| part.value).sum()
    }
}

/// Colours that stand out from white and from black, also for the colour-blind (after Okabe and
/// Ito).
pub const PALETTE: [RGBColor; 7] = [
    RGBColor(0x00, 0x72, 0xb2),
    RGBColor(0xe6, 0x9f, 0x00),
    RGBColor(0x00, 0x9e, 0x73),
    RGBColor(0xd5, 0x5e, 0x00),
    RGBColor(0xcc, 0x79, 0xa7),
    RGBColor(0x56, 0xb4, 0xe9),
    RGBColor(0x8c, 0x8c, 0x8c),
];

/// The colour of bars in one piece.
const PLAIN: RGBColor = PALETTE[0];

/// Horizontal bars, the first on top; `unit` stands at the axis.
pub fn svg(bars: &[Bar], unit: &str) -> Result<String> {
    let mut text = String::new();
    draw(&mut text, bars, unit).map_err(|error| anyhow!("drawing a chart: {error}"))?;
    Ok(text)
}

/// Says in words what a chart shows, for those who do not see it.
pub fn labelled(svg: &str, label: &str) -> String {
    let attributes = format!("<svg role=\"img\" aria-label=\"{}\" ", escaped(label));
    svg.replacen("<svg ", &attributes, 1)
}

/// Says which colour is for what.
pub fn legend<N: AsRef<str>>(names: impl Iterator<Item = (RGBColor, N)>) -> String {
    let item = |(RGBColor(red, green, blue), name): (_, N)| {
        let name = escaped(name.as_ref());
        format!(
            "<li><span class=\"swatch\" style=\"background:#{red:02x}{green:02x}{blue:02x}\"></span>{name}</li>\n"
        )
    };
    let items: String = names.map(item).collect();
    format!("<ul class=\"legend\">\n{items}</ul>\n")
}

type Drawn = std::result::Result<(), Box<dyn std::error::Error>>;

fn draw(text: &mut String, bars: &[Bar], unit: &str) -> Drawn {
    let count = u32::try_from(bars.len())?;
    let labels = bars.iter().map(|bar| bar.label.chars().count()).max();
    let label_width = u32::try_from(labels.unwrap_or(0))? * CHARACTER + 12;
    let longest = bars.iter().map(Bar::total).max().unwrap_or(0);
    let most = longest.max(SHORTEST_AXIS) as f64;

    let area = SVGBackend::with_string(text, (WIDTH, AXIS + count * BAR)).into_drawing_area();
    let mut chart = ChartBuilder::on(&area)
        .margin_right(20)
        .margin_top(4)
        .x_label_area_size(AXIS - 6)
        .y_label_area_size(label_width)
        .build_cartesian_2d(0.0..most * (1.0 + HEADROOM), (0..count).into_segmented())?;
    let label = |row: &SegmentValue<u32>| match row {
        SegmentValue::CenterOf(row) => {
            from_top(bars, *row).map_or_else(String::new, |bar| bar.label.clone() + GAP)
        }
        _ => String::new(),
    };
    chart
        .configure_mesh()
        .disable_y_mesh()
        .light_line_style(TRANSPARENT)
        .set_tick_mark_size(LabelAreaPosition::Left, 0)
        .x_labels(5)
        .y_labels(bars.len())
        .x_label_formatter(&|value| rounded(*value as u64))
        .y_label_formatter(&label)
        .label_style(("sans-serif", TEXT))
        .x_desc(unit)
        .draw()?;
    for row in 0..count {
        let Some(bar) = from_top(bars, row) else {
            continue;
        };
        chart.draw_series(rectangles(bar, row))?;
        let end = (bar.total() as f64, SegmentValue::CenterOf(row));
        let value = Text::new(rounded(bar.total()), (5, -7), ("sans-serif", TEXT));
        chart.draw_series([EmptyElement::at(end) + value])?;
    }
    area.present()?;
    Ok(())
}

/// Rows count from below.
fn from_top(bars: &[Bar], row: u32) -> Option<&Bar> {
    bars.iter().rev().nth(row as usize)
}

type Point = (f64, SegmentValue<u32>);

fn rectangles(bar: &Bar, row: u32) -> impl Iterator<Item = Rectangle<Point>> + '_ {
    let mut start = 0.0;
    bar.parts.iter().map(move |part| {
        let end = start + part.value as f64;
        let corners = [
            (start, SegmentValue::Exact(row)),
            (end, SegmentValue::Exact(row + 1)),
        ];
        start = end;
        let mut rectangle = Rectangle::new(corners, part.colour.filled());
        rectangle.set_margin(4, 4, 0, 0);
        rectangle
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart() -> String {
        let two = |value, other| {
            vec![
                Part {
                    value,
                    colour: PALETTE[1],
                },
                Part {
                    value: other,
                    colour: PALETTE[2],
                },
            ]
        };
        let bars = [
            Bar {
                label: "ept".into(),
                parts: two(0, 0),
            },
            Bar {
                label: "wp <&>".into(),
                parts: two(1000, 20_000),
            },
        ];
        svg(&bars, "exits").expect("a string takes everything")
    }

    #[test]
    fn a_chart_has_labels_values_and_parts() {
        let text = chart();
        for part in [
            "ept",
            "wp &lt;&amp;&gt;",
            "21k",
            "exits",
            "#E69F00",
            "#009E73",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn the_background_shows_through() {
        let text = chart();
        assert!(!text.contains("#FFFFFF"), "{text}");
    }

    #[test]
    fn no_bars_are_an_empty_chart() {
        assert!(svg(&[], "exits").is_ok());
        assert!(svg(&[Bar::plain("ept".into(), 0)], "exits").is_ok());
    }
}
