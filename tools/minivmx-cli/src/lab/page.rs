// SPDX-License-Identifier: GPL-2.0

//! The comparison as one page that needs nothing else: style and charts are in it, and no scripts.

use std::fmt::Write;

use anyhow::Result;
use minivmx::{
    Mmu,
    Reason, //
};
use plotters::style::RGBColor;

use super::{
    chart::{
        self,
        Bar,
        Part,
        PALETTE, //
    },
    check::{
        Finding,
        Summary,
        Verdict, //
    },
    measurement::Measurement,
    results::Results,
    table,
    workload::{
        Workload,
        SWITCHING, //
    },
    TICKS, //
};
use crate::{
    host::Host,
    page::{
        self,
        escaped, //
    }, //
};

/// Reasons that have a colour of their own; all others share the last.
const COLOURED: [Reason; PALETTE.len() - 1] = [
    Reason::EPT_VIOLATION,
    Reason::EXCEPTION_OR_NMI,
    Reason::CONTROL_REGISTER,
    Reason::MONITOR_TRAP_FLAG,
    Reason::INVLPG,
    Reason::VMCALL,
];

/// The page.
pub fn html(host: &Host, results: &Results, findings: &[Finding]) -> Result<String> {
    let mut page = String::new();
    head(&mut page, host, results)?;
    for workload in results.workloads() {
        section(&mut page, results, workload)?;
    }
    memory(&mut page, results)?;
    checks(&mut page, findings)?;
    page.push_str(page::TAIL);
    Ok(page)
}

fn head(page: &mut String, host: &Host, results: &Results) -> Result<()> {
    page.push_str(&page::head("EPT and shadow paging", ""));
    writeln!(
        page,
        "<p class=\"soft\">Measured by <code>minivmx lab ept-vs-shadow</code> on {}, CPUs: {}.</p>",
        escaped(&host.model),
        host.cpus
    )?;
    writeln!(page, "<dl>")?;
    for mmu in results.mmus() {
        writeln!(page, "<dt><b>{mmu}</b></dt><dd>{}</dd>", mmu.description())?;
    }
    writeln!(
        page,
        "</dl>\n<p>The same guest runs each workload with each of them. Exits are those that the \
         guest caused, by reason; those that only give the host its CPU back are left out. {}</p>",
        escaped(TICKS)
    )?;
    Ok(())
}

fn section(page: &mut String, results: &Results, workload: Workload) -> Result<()> {
    let exits: Vec<_> = results.of(workload).map(exit_bar).collect();
    let ticks: Vec<_> = results
        .of(workload)
        .map(|one| Bar::plain(one.mmu.name().into(), one.ticks))
        .collect();
    writeln!(
        page,
        "<h2 id=\"{0}\">{0}: {1}</h2>\n<p>{2}</p>",
        workload.name(),
        workload.title(),
        escaped(workload.explanation())
    )?;
    page.push_str(&legend(&results.reasons(workload)));
    writeln!(
        page,
        "<figure>\n{}{}</figure>",
        chart::labelled(
            &chart::svg(&exits, "exits")?,
            &format!("exits of {}", workload.name())
        ),
        chart::labelled(
            &chart::svg(&ticks, "ticks")?,
            &format!("ticks of {}", workload.name())
        ),
    )?;
    let table = table::One { results, workload };
    writeln!(
        page,
        "<details><summary>All figures</summary><pre>{}</pre></details>",
        escaped(&table.to_string())
    )?;
    Ok(())
}

fn exit_bar(one: &Measurement) -> Bar {
    let mut parts: Vec<_> = one
        .caused()
        .map(|exits| {
            let part = Part {
                value: exits.count,
                colour: colour(exits.reason),
            };
            (rank(exits.reason), part)
        })
        .collect();
    parts.sort_by_key(|(rank, _)| *rank);
    Bar {
        label: one.mmu.name().into(),
        parts: parts.into_iter().map(|(_, part)| part).collect(),
    }
}

/// The same reason has the same colour and place in all charts.
fn rank(reason: Reason) -> usize {
    let mut places = COLOURED.iter();
    places
        .position(|other| *other == reason)
        .unwrap_or(COLOURED.len())
}

fn colour(reason: Reason) -> RGBColor {
    PALETTE[rank(reason)]
}

fn legend(reasons: &[Reason]) -> String {
    let name = |reason: &Reason| format!("{reason} ({})", reason.0);
    chart::legend(reasons.iter().map(|reason| (colour(*reason), name(reason))))
}

/// Tables for 1, 10 and 100 processes.
fn memory(page: &mut String, results: &Results) -> Result<()> {
    let bars: Vec<_> = results
        .mmus()
        .into_iter()
        .flat_map(|mmu| memory_bars(results, mmu))
        .collect();
    if bars.is_empty() {
        return Ok(());
    }
    writeln!(
        page,
        "<h2 id=\"memory\">Memory for page tables</h2>\n\
         <p>Shadow tables that are kept cost memory for each process, beside the tables that the \
         guest has itself. EPT has one set of tables for all of guest memory, however many \
         processes the guest has.</p>\n<figure>\n{}</figure>",
        chart::labelled(&chart::svg(&bars, "KiB")?, "memory for page tables")
    )?;
    Ok(())
}

fn memory_bars(results: &Results, mmu: Mmu) -> Vec<Bar> {
    let measured = SWITCHING
        .iter()
        .filter_map(|workload| results.get(*workload, mmu));
    let bar = |one: &Measurement| {
        let label = match one.workload.processes() {
            1 => format!("{mmu}, 1 process"),
            more => format!("{mmu}, {more} processes"),
        };
        Bar::plain(label, one.table_bytes / 1024)
    };
    measured.map(bar).collect()
}

fn checks(page: &mut String, findings: &[Finding]) -> Result<()> {
    writeln!(
        page,
        "<h2 id=\"checks\">What theory says</h2>\n<p>{}</p>\n<table>\n\
         <tr><th></th><th></th><th>claim</th><th>figures</th></tr>",
        Summary(findings)
    )?;
    for finding in findings {
        let (word, evidence) = match &finding.verdict {
            Verdict::Holds(evidence) => ("holds", evidence.as_str()),
            Verdict::Fails(evidence) => ("fails", evidence.as_str()),
            Verdict::NotMeasured => ("not measured", ""),
        };
        writeln!(
            page,
            "<tr><td>{word}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            finding.mmu,
            escaped(finding.claim),
            escaped(evidence)
        )?;
    }
    writeln!(page, "</table>")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{
        super::{check, measurement::tests::measurement},
        *,
    };
    use clap::ValueEnum;

    fn page() -> String {
        let exits = [(Reason::INVLPG, 5), (Reason::EXTERNAL_INTERRUPT, 77)];
        let workloads = Workload::value_variants().iter();
        let measured = workloads.flat_map(|workload| {
            Mmu::ALL
                .iter()
                .map(|mmu| measurement(*workload, *mmu, &exits))
        });
        let results = Results::new(measured.collect());
        let host = Host {
            cpus: 1,
            model: "a <CPU>".into(),
            counter: crate::host::Counter::Instructions,
        };
        html(&host, &results, &check::all(&results)).expect("a string takes everything")
    }

    #[test]
    fn every_workload_has_its_charts_and_its_explanation() {
        let page = page();
        for workload in Workload::value_variants() {
            assert!(page.contains(&escaped(workload.explanation())));
            assert!(page.contains(&format!("exits of {}", workload.name())));
        }
        assert_eq!(
            page.matches("<svg ").count(),
            2 * Workload::value_variants().len() + 1
        );
    }

    #[test]
    fn the_page_needs_nothing_else() {
        let page = page();
        assert!(!page.contains("<script") && !page.contains("src="));
        assert!(!page.contains("@import") && !page.contains("url("));
        let links = page.matches("http").count();
        assert_eq!(
            links,
            page.matches("xmlns=\"http://www.w3.org/2000/svg\"").count()
        );
    }

    #[test]
    fn what_others_wrote_is_escaped() {
        assert!(page().contains("a &lt;CPU&gt;"));
    }

    #[test]
    fn each_known_reason_has_a_colour_of_its_own() {
        let colours: Vec<_> = COLOURED.iter().map(|reason| rank(*reason)).collect();
        assert_eq!(colours, [0, 1, 2, 3, 4, 5]);
        assert_eq!(rank(Reason::WBINVD), rank(Reason::XSETBV));
    }

    #[test]
    fn exits_for_the_host_are_in_no_bar() {
        let exits = [(Reason::INVLPG, 5), (Reason::EXTERNAL_INTERRUPT, 77)];
        let bar = exit_bar(&measurement(Workload::Fork, Mmu::Wp, &exits));
        assert_eq!(bar.parts.len(), 1);
    }
}
