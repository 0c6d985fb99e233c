//! `otoscope diff`: what is different between two states of a plant.

mod compare;

use super::summary::{fit, plural, spans};
use super::table::{self, Printed};
use super::told::WrongUse;
use super::{FAIL_ON, read, say};
use anyhow::Result;
use compare::{Difference, State, TABLES, What, differences, plant, span};
use fingerprints::finding::Severity;
use fingerprints::record::Provenance;
use outputs::print::Audience;
use outputs::{Format, Lines, Rows, Sink, Table};
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The plant as it was: a lake, or a capture or folder of captures
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// The plant as it is: a lake, or a capture or folder of captures
    #[arg(value_name = "NEW")]
    new: PathBuf,
    /// How the rows are printed
    #[arg(long, value_enum, default_value = "table")]
    format: table::Printed,
    /// Print a JSON line for each difference
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// End with exit code 4 if a finding was opened that is as severe as this, or more
    #[arg(long, value_name = "SEVERITY", value_parser = read::severity())]
    fail_on: Option<Severity>,
    #[command(flatten)]
    whom: read::Whom,
}

/// A small terminal.
const WIDTH: usize = 80;

pub(super) fn run(arguments: &Arguments) -> Result<u8> {
    if arguments.old == arguments.new {
        return Err(WrongUse("OLD and NEW are the same; name two states".to_owned()).into());
    }
    let (old, before) = state(&arguments.old, &arguments.whom)?;
    let (new, now) = state(&arguments.new, &arguments.whom)?;
    let all = differences(&old, &new)?;
    let mut out = std::io::stdout().lock();
    let rows = || Rows { table: &compare::TABLE, rows: all.iter().map(Difference::row).collect() };
    match arguments.format {
        _ if arguments.json => {
            let mut lines = Box::new(Lines::new(&mut out, Provenance::default()));
            rows().rows.iter().try_for_each(|row| lines.row(&compare::TABLE, row))?;
            lines.finish()?;
        }
        Printed::Table => text(arguments, [&old, &new], &all, &mut out)?,
        Printed::Json => outputs::print(&rows(), None, Format::Json, &mut out)?,
        Printed::Csv => {
            let audience = if out.is_terminal() { Audience::Terminal } else { Audience::Program };
            outputs::print(&rows(), None, Format::Csv(audience), &mut out)?;
        }
    }
    let is_met = |least: Severity| {
        let opened = all.iter().filter(|difference| difference.what == What::Opened);
        opened.into_iter().any(|it| Severity::named(&it.attribute).is_some_and(|severity| severity >= least))
    };
    match arguments.fail_on {
        Some(least) if is_met(least) => {
            say(&format!("--fail-on {}: a finding as severe as that or more was opened", least.name()));
            Ok(FAIL_ON)
        }
        _ => Ok(before.max(now)),
    }
}

/// The rows of a state, and the exit code that its source deserves.
fn state(path: &Path, whom: &read::Whom) -> Result<(State, u8)> {
    let tables = TABLES.map(|name| Table::named(name).expect("the schema has the tables that are compared"));
    table::Source { paths: vec![path.to_owned()], whom: whom.clone() }.rows(tables)
}

/// The differences for people, a section for each kind.
fn text(arguments: &Arguments, [old, new]: [&State; 2], all: &[Difference], out: &mut dyn Write) -> Result<()> {
    for (word, path, state) in [("old", &arguments.old, old), ("new", &arguments.new, new)] {
        writeln!(out, "{}", head(word, path, state))?;
    }
    for what in What::ALL {
        let these: Vec<&Difference> = all.iter().filter(|difference| difference.what == what).collect();
        if !these.is_empty() {
            writeln!(out, "\n{}", fit(&title(what, &these), WIDTH))?;
            these.iter().flat_map(|it| lines(it)).try_for_each(|line| writeln!(out, "  {}", fit(&line, WIDTH - 2)))?;
        }
    }
    if all.is_empty() {
        writeln!(out, "\nno difference")?;
    }
    Ok(())
}

/// `old: lake, 2026-11-24 22:21 to 22:32 UTC, 23 assets, 25 findings`.
fn head(word: &str, path: &Path, state: &State) -> String {
    let devices = plant(state);
    let findings = state[3].rows.len();
    let sums = format!("{}, {}", plural(devices.len(), "asset"), plural(findings, "finding"));
    let when = span(&devices).map(|(first, last)| spans(first, last)[1].clone()).unwrap_or_default();
    let name = path.to_string_lossy();
    let whole = format!("{word}: {name}, {when}, {sums}");
    if whole.chars().count() <= WIDTH { fit(&whole, WIDTH) } else { fit(&format!("{word}: {when}, {sums}"), WIDTH) }
}

fn title(what: What, these: &[&Difference]) -> String {
    let count = these.len();
    match what {
        What::New => plural(count, "new asset"),
        What::NotSeen => format!("{} not seen (absent, or silent: `otoscope coverage` says)", plural(count, "asset")),
        What::Changed => {
            let mut ids: Vec<&str> = these.iter().map(|it| it.id.as_str()).collect();
            ids.dedup();
            format!("{} changed", plural(ids.len(), "asset"))
        }
        What::Opened => format!("{} opened", plural(count, "finding")),
        What::NotFound => format!("{} not found again (cured, or not seen)", plural(count, "finding")),
        What::Relation => plural(count, "new relation"),
    }
}

fn lines(difference: &Difference) -> Vec<String> {
    let Difference { what, name, address, attribute, old, new, capture, frame, .. } = difference;
    match what {
        What::New | What::NotSeen => {
            let called = if *what == What::New { new } else { old };
            let called = if called.is_empty() { name } else { called };
            vec![format!("{address:<15} {called}")]
        }
        What::Changed => {
            let place = capture.as_ref().zip(*frame).map(|(capture, frame)| format!(" ({capture} frame {frame})"));
            let told = if old.is_empty() { format!("{new} added") } else { format!("{old} -> {new}") };
            let change = format!("{:<15} {attribute} {told}{}", "", place.unwrap_or_default());
            vec![format!("{address:<15} {name}"), change]
        }
        What::Opened | What::NotFound => vec![format!("{attribute:<8} {name}")],
        What::Relation => vec![new.clone()],
    }
}
