//! `otoscope finding`: all of one finding, what to do about it, and how to see its proof.

use super::told::WrongUse;
use super::{quoted, table};
use anyhow::{Context, Result};
use outputs::print::shown;
use outputs::schema::Column;
use outputs::{Cell, Kind, Lake, Row, Rows, Table, nearest, visible};
use std::io::Write;
use std::path::PathBuf;
use unicode_width::UnicodeWidthStr;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The finding: its id or the front of it
    #[arg(value_name = "FINDING")]
    finding: String,
    #[command(flatten)]
    source: table::Source,
}

/// Columns that have a place of their own below the others.
const APART: [&str; 7] =
    ["details", "remediation_parameters", "evidence", "summary", "verification", "controls", "techniques"];

/// A small terminal.
const WIDTH: usize = 80;

pub(super) fn run(arguments: &Arguments) -> Result<u8> {
    let findings = Table::named("findings").context("the schema has findings")?;
    let ([findings], code) = arguments.source.rows([findings])?;
    let row = the_one(&findings, &arguments.finding)?;
    let mut out = std::io::stdout().lock();
    let columns = findings.table.columns.iter().zip(row).filter(|(column, _)| !APART.contains(&column.name));
    for (column, cell) in columns {
        let text = shown("", cell);
        if !text.is_empty() {
            writeln!(out, "{:<20} {text}", column.name)?;
        }
    }
    let cell = |column: &str| findings.table.index(column).map_or(&Cell::Null, |index| &row[index]);
    section("what was seen", &wrapped(text(&findings, row, "summary")), &mut out)?;
    section("details", &entries(cell("details")), &mut out)?;
    section("evidence", &evidence(&findings, row)?, &mut out)?;
    let mut steps = wrapped(text(&findings, row, "verification"));
    steps.extend(entries(cell("remediation_parameters")));
    section("what cures it, and what proves that", &steps, &mut out)?;
    section("evidence for", &list(cell("controls")), &mut out)?;
    section("ATT&CK for ICS", &list(cell("techniques")), &mut out)?;
    section("its packets", &extract(&arguments.source.paths, text(&findings, row, "finding_id")), &mut out)?;
    Ok(code)
}

fn section(head: &str, lines: &[String], out: &mut dyn Write) -> Result<()> {
    if !lines.is_empty() {
        writeln!(out, "\n{head}")?;
    }
    lines.iter().try_for_each(|line| writeln!(out, "  {line}"))?;
    Ok(())
}

/// The entries of a map, aligned.
fn entries(cell: &Cell) -> Vec<String> {
    let line =
        |(name, value): &(String, Cell)| format!("{:<18} {}", visible(name), visible(value.text().unwrap_or("")));
    cell.entries().iter().map(line).collect()
}

fn list(cell: &Cell) -> Vec<String> {
    let texts: Vec<String> = cell.inner().iter().filter_map(Cell::text).map(visible).collect();
    if texts.is_empty() { Vec::new() } else { vec![texts.join(", ")] }
}

/// Each packet: where it stands, what Wireshark selects it by, and its conversation.
fn evidence(findings: &Rows, row: &Row) -> Result<Vec<String>> {
    let place = findings.table.index("evidence").context("findings have evidence")?;
    let Kind::List(Kind::Struct(fields)) = findings.table.columns[place].kind else { return Ok(Vec::new()) };
    let mut lines = Vec::new();
    for packet in row[place].inner() {
        let of = |name: &str| field(fields, packet, name).map(|cell| shown("", cell)).unwrap_or_default();
        let whole = |name: &str| field(fields, packet, name).and_then(Cell::text).map(visible).unwrap_or_default();
        let frame = of("frame");
        let place = if frame.is_empty() { whole("capture") } else { format!("frame {frame} of {}", whole("capture")) };
        lines.push(format!("{place}, {}", of("time")));
        let more = [("filter", whole("display_filter")), ("flow", whole("flow")), ("community", whole("community_id"))];
        let more = more.into_iter().filter(|(_, text)| !text.is_empty());
        lines.extend(more.map(|(name, text)| format!("  {name:<10} {text}")));
    }
    Ok(lines)
}

fn field<'c>(fields: &[Column], packet: &'c Cell, name: &str) -> Option<&'c Cell> {
    packet.inner().get(fields.iter().position(|field| field.name == name)?)
}

/// What is typed to get its packets as a capture.
fn extract(paths: &[PathBuf], id: &str) -> Vec<String> {
    let short: String = id.chars().take(10).collect();
    let line = match paths {
        [lake] if Lake::is_lake(lake) => {
            format!("otoscope extract {short} --lake {} --from CAPTURES -o proof.pcapng", quoted(lake))
        }
        paths => {
            let from: Vec<String> = paths.iter().map(|path| quoted(path)).collect();
            format!("otoscope extract {short} --from {} -o proof.pcapng", from.join(" "))
        }
    };
    vec![line]
}

/// A text on as many lines as a small terminal needs.
pub(super) fn wrapped(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in visible(text).split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.width() + 1 + word.width() <= WIDTH - 2 => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// The finding that is asked for: by its id, or by the front of it.
pub(super) fn the_one<'r>(findings: &'r Rows, asked: &str) -> Result<&'r Row> {
    let id = |row: &Row| text(findings, row, "finding_id").to_owned();
    let exactly: Vec<&Row> = findings.rows.iter().filter(|row| id(row) == asked).collect();
    let begins: Vec<&Row> = findings.rows.iter().filter(|row| id(row).starts_with(asked)).collect();
    match (exactly.as_slice(), begins.as_slice()) {
        ([row], _) | (_, [row]) => Ok(row),
        (_, []) => Err(WrongUse(unknown(findings, asked)).into()),
        (_, several) => {
            let several_begin = format!("{} findings begin with {asked}; type more of the id:", several.len());
            Err(WrongUse(several_begin + &lines(findings, several)).into())
        }
    }
}

/// As many findings are named where one was meant.
const MOST_NAMED: usize = 4;

/// That there is no such finding, and which ones are nearest.
fn unknown(findings: &Rows, asked: &str) -> String {
    if findings.rows.is_empty() {
        return "there are no findings".to_owned();
    }
    // What was typed is compared with the fronts of its own length.
    let front = |row: &Row| text(findings, row, "finding_id").chars().take(asked.chars().count()).collect::<String>();
    let fronts: Vec<String> = findings.rows.iter().map(front).collect();
    let near = nearest(asked, fronts.iter().map(String::as_str)).unwrap_or_default();
    let rows: Vec<&Row> = findings.rows.iter().filter(|row| !near.is_empty() && front(row) == near).collect();
    if rows.is_empty() {
        return format!("no finding is called {asked}; `otoscope findings` lists them");
    }
    format!("no finding is called {asked}; the nearest:{}", lines(findings, &rows))
}

fn lines(findings: &Rows, rows: &[&Row]) -> String {
    let line = |row: &&Row| format!("\n  {}  {}", text(findings, row, "finding_id"), text(findings, row, "title"));
    rows.iter().take(MOST_NAMED).map(line).collect()
}

pub(super) fn text<'r>(findings: &Rows, row: &'r Row, column: &str) -> &'r str {
    findings.table.index(column).and_then(|index| row[index].text()).unwrap_or_default()
}
