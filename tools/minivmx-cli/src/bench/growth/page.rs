// SPDX-License-Identifier: GPL-2.0

//! Growth as a page with charts that needs nothing else.

use anyhow::Result;

use super::{
    super::figure,
    series::{
        Growth,
        Series, //
    },
};
use crate::{
    host::Host,
    lab::chart::{
        self,
        Bar, //
    },
};

const HEAD: &str = "\
<!doctype html>
<html lang=\"en\">
<meta charset=\"utf-8\">
<title>minivmx: growth</title>
<style>
:root { color-scheme: light dark; font-family: sans-serif; }
body { max-width: 60em; margin: auto; padding: 1em; }
section { display: flex; flex-wrap: wrap; gap: 1em; }
svg text { fill: CanvasText; }
svg line, svg polyline { stroke: CanvasText; }
</style>
";

/// The page.
pub fn html(host: &Host, growth: &Growth) -> Result<String> {
    let mut text = format!(
        "{HEAD}<h1>What an event costs as there is more of something</h1>\n<p>{}, CPUs: {}. {}</p>\n",
        host.model,
        host.cpus,
        figure::meaning(host.counter)
    );
    for of in growth.things() {
        text += &format!("<h2>By {of}</h2>\n<section>\n");
        for series in growth.series.iter().filter(|series| series.of == of) {
            text += &figure_of(series)?;
        }
        text += "</section>\n";
    }
    for sentence in &growth.left_out {
        text += &format!("<p>Left out: {sentence}</p>\n");
    }
    Ok(text + "</html>\n")
}

fn figure_of(series: &Series) -> Result<String> {
    let bars: Vec<_> = series
        .points
        .iter()
        .map(|point| {
            let label = format!("{} ({} KiB)", point.count, point.table_kib);
            Bar::plain(label, point.ticks)
        })
        .collect();
    let mark = if series.holds() { "" } else { ", too much" };
    Ok(format!(
        "<figure>{}<figcaption>{series}: {:.2}{mark}</figcaption></figure>\n",
        chart::svg(&bars, "ticks")?,
        series.growth()
    ))
}

#[cfg(test)]
mod tests {
    use super::{
        super::series::tests::series,
        *, //
    };

    #[test]
    fn each_series_has_its_chart() {
        let growth = Growth {
            series: vec![series(&[1000, 1050]), series(&[1000, 2000])],
            left_out: vec!["4096 MiB: no room".into()],
        };
        let text = html(&Host::here(), &growth).expect("a string takes everything");
        assert_eq!(text.matches("<svg").count(), 2);
        assert!(text.contains("ept: 1.05<") && text.contains("ept: 2.00, too much"));
        assert!(text.contains("1 (8 KiB)") && text.contains("no room"));
    }
}
