//! `otoscope asset`: all of one asset, and why it is called so.

use super::{by_mac, table};
use anyhow::{Result, bail};
use outputs::print::shown;
use outputs::{Cell, Row, Rows, Table, did_you_mean, nearest};
use std::io::Write;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The asset: its id or the front of it, an address, a name; HOST/CHILD for a device behind a host
    #[arg(value_name = "ID")]
    asset: String,
    #[command(flatten)]
    source: table::Source,
    /// Show every claim: what was said, by which protocol, in which frame, by which rule, and which claim won
    #[arg(long)]
    why: bool,
}

/// Columns by which an asset may be asked for.
const NAMES: [&str; 7] = ["asset_id", "aliases", "name", "hostname", "ips", "macs", "identity_keys"];

pub(super) fn run(arguments: &Arguments) -> Result<u8> {
    let (Some(assets), Some(claims)) = (Table::named("assets"), Table::named("claims")) else {
        bail!("the schema has no assets")
    };
    let ([mut assets, claims], code) = arguments.source.rows([assets, claims])?;
    by_mac::mark(&mut assets, &claims);
    let row = the_one(&assets, &arguments.asset)?;
    let mut out = std::io::stdout().lock();
    for (column, cell) in assets.table.columns.iter().zip(row) {
        let text = shown("", cell);
        if !text.is_empty() {
            writeln!(out, "{:<20} {text}", column.name)?;
        }
    }
    if arguments.why {
        let id = shown("", cell(&assets, row, "asset_id"));
        why(&claims, &id, &mut out)?;
    }
    Ok(code)
}

/// The asset that was asked for: named exactly, as a child of one that is, or by the front of its id.
fn the_one<'a>(assets: &'a Rows, asked: &str) -> Result<&'a Row> {
    let starts = |row: &&Row| shown("", cell(assets, row, "asset_id")).starts_with(asked);
    let mut found = named(assets, asked);
    if found.is_empty() {
        found = children(assets, asked);
    }
    if found.is_empty() {
        found = assets.rows.iter().filter(starts).collect();
    }
    match found.as_slice() {
        [one] => Ok(one),
        [] => match near(assets, asked) {
            None => bail!("no asset is called {asked}; `otoscope assets` lists them"),
            near => bail!("no asset is called {asked}{}", did_you_mean(near)),
        },
        several => {
            let of = |row: &Row, column| shown("", cell(assets, row, column));
            let line = |row: &&Row| [of(row, "asset_id"), of(row, "name"), of(row, "context")].join("  ");
            let lines: Vec<String> = several.iter().map(|row| line(row).trim_end().to_owned()).collect();
            bail!("{} assets are called {asked}; ask by id:\n  {}", several.len(), lines.join("\n  "))
        }
    }
}

/// The name or address that is spelled most like this one.
fn near<'a>(assets: &'a Rows, asked: &str) -> Option<&'a str> {
    let cells = assets.rows.iter().flat_map(|row| NAMES.iter().map(move |column| cell(assets, row, column)));
    let texts = cells.flat_map(|cell| std::iter::once(cell).chain(cell.inner()).filter_map(Cell::text));
    nearest(asked, texts)
}

fn named<'a>(assets: &'a Rows, asked: &str) -> Vec<&'a Row> {
    let is_named = |row: &&Row| NAMES.iter().any(|column| says(cell(assets, row, column), asked));
    assets.rows.iter().filter(is_named).collect()
}

/// `10.20.0.20/2`: the children of this key behind the assets of this name.
fn children<'a>(assets: &'a Rows, asked: &str) -> Vec<&'a Row> {
    let Some((host, child)) = asked.rsplit_once('/') else { return Vec::new() };
    let hosts = named(assets, host);
    let is_child = |row: &&Row| {
        let parent = cell(assets, row, "parent_asset_id");
        let is_behind = || hosts.iter().any(|host| cell(assets, host, "asset_id") == parent);
        says(cell(assets, row, "child_key"), child) && !parent.is_null() && is_behind()
    };
    assets.rows.iter().filter(is_child).collect()
}

fn says(cell: &Cell, asked: &str) -> bool {
    cell.text() == Some(asked) || cell.inner().iter().any(|inner| inner.text() == Some(asked))
}

fn cell<'a>(rows: &Rows, row: &'a Row, column: &str) -> &'a Cell {
    rows.table.index(column).map_or(&Cell::Null, |index| &row[index])
}

/// The claims of an asset, attribute by attribute, the winner of each first.
fn why(claims: &Rows, id: &str, out: &mut dyn Write) -> Result<()> {
    let of = |row: &Row, column: &str| shown("", cell(claims, row, column));
    let mut rows: Vec<&Row> = claims.rows.iter().filter(|row| of(row, "asset_id") == id).collect();
    let rank = |row: &Row| {
        let confidence: i64 = of(row, "confidence").parse().unwrap_or(0);
        (of(row, "attribute"), of(row, "chosen") != "yes", -confidence, of(row, "value"), of(row, "field"))
    };
    rows.sort_by_cached_key(|row| rank(row));
    let mut attribute = String::new();
    for row in rows {
        if of(row, "attribute") != attribute {
            attribute = of(row, "attribute");
            writeln!(out, "\n{attribute}")?;
        }
        let mark = if of(row, "chosen") == "yes" { "*" } else { " " };
        let rule = of(row, "rule");
        let by = if rule.is_empty() { String::new() } else { format!(" by rule {rule}") };
        let [capture, frame] = [of(row, "capture"), of(row, "frame")];
        let place = if frame.is_empty() { capture } else { format!("{capture} frame {frame}") };
        let place = if place.is_empty() { place } else { format!("; {place}") };
        let [value, confidence, field] = ["value", "confidence", "field"].map(|column| of(row, column));
        writeln!(out, " {mark} {value}  ({confidence} % sure: {field}{by}{place})")?;
    }
    Ok(())
}
