// SPDX-License-Identifier: GPL-2.0

//! The boots as one page that needs nothing else.

use std::fmt::Write;

use anyhow::Result;

use super::{
    super::chart::{
        self,
        Bar,
        Part,
        PALETTE, //
    },
    boot::Boot,
    boots::Boots,
    budget::Finding,
    meaning,
    table::{
        Head,
        Row, //
    },
};
use crate::{
    host::Host,
    page::{
        self,
        escaped, //
    }, //
};

/// What exits are for, in the order in which they stand in a bar.
const KINDS: [&str; 5] = [
    "EPT violation",
    "exception",
    "INVLPG",
    "IN and OUT",
    "all others",
];

/// The page.
pub fn html(host: &Host, boots: &Boots, findings: &[Finding]) -> Result<String> {
    let mut page = page::head("One Linux, by EPT and by shadow paging", "");
    writeln!(
        page,
        "<p class=\"soft\">Measured by <code>minivmx lab linux-boot</code> on {}, CPUs: {}.</p>\n<p>{}</p>",
        escaped(&host.model),
        host.cpus,
        escaped(meaning(host.counter))
    )?;
    let ticks: Vec<_> = boots.all().iter().map(ticks_bar).collect();
    let exits: Vec<_> = boots.all().iter().map(exits_bar).collect();
    writeln!(
        page,
        "{}<figure>\n{}{}</figure>",
        chart::legend(PALETTE.into_iter().zip(KINDS)),
        chart::labelled(&chart::svg(&exits, "exits")?, "exits of each boot"),
        chart::labelled(&chart::svg(&ticks, "ticks")?, "ticks of each boot"),
    )?;
    writeln!(page, "<pre>{Head}")?;
    for boot in boots.all() {
        writeln!(page, "{}", escaped(&Row(boot, boots).to_string()))?;
    }
    writeln!(page, "</pre>")?;
    for finding in findings {
        writeln!(page, "<p>{finding}</p>")?;
    }
    page.push_str(page::TAIL);
    Ok(page)
}

fn ticks_bar(boot: &Boot) -> Bar {
    Bar::plain(boot.mode.clone(), boot.ticks)
}

fn exits_bar(boot: &Boot) -> Bar {
    let known = [boot.ept_violations, boot.page_faults, boot.invlpg, boot.io];
    let others = boot.exits.saturating_sub(known.iter().sum());
    let parts = known.into_iter().chain([others]).zip(PALETTE);
    Bar {
        label: boot.mode.clone(),
        parts: parts
            .map(|(value, colour)| Part { value, colour })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            super::super::host::Counter,
            boot::tests::boot, //
        },
        *,
    };

    #[test]
    fn the_page_has_each_boot_in_both_charts_and_needs_nothing_else() {
        let mut boots = Boots::default();
        for mode in ["kvm-ept", "ept", "wp"] {
            boots.add(boot(mode, 5));
        }
        let host = Host {
            cpus: 1,
            model: "a <CPU>".into(),
            counter: Counter::Instructions,
        };
        let page = html(&host, &boots, &[]).expect("a string takes everything");
        assert_eq!(page.matches("<svg ").count(), 2);
        assert!(page.contains("a &lt;CPU&gt;"));
        assert!(!page.contains("<script") && !page.contains("src=") && !page.contains("url("));
        for mode in ["kvm-ept", "wp"] {
            assert!(page.matches(mode).count() >= 3, "{mode}");
        }
    }

    #[test]
    fn all_exits_are_in_the_bar() {
        let boot = Boot {
            exits: 10,
            io: 3,
            invlpg: 2,
            ..boot("wp", 1)
        };
        let values: Vec<_> = exits_bar(&boot)
            .parts
            .iter()
            .map(|part| part.value)
            .collect();
        assert_eq!(values, [0, 0, 2, 3, 5]);
    }
}
