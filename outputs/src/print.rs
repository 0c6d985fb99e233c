//! Rows on paper: a table for people, JSON and CSV for programs.
//!
//! Much of the text comes from the wire, and so from a stranger: `visible.rs` says what is done about it.

use std::io::{self, Write};

use crate::cell::{Cell, Json, Kind, rfc3339};
use crate::lines::Object;
use crate::rows::Rows;
use crate::visible::{harmless, visible, write_json};

mod table;

pub use table::shown;

/// How rows are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A table that fits a width; of the width it needs when there is none.
    Table(Option<u16>),
    /// A JSON array of objects.
    Json,
    /// Comma-separated values under a line of names.
    Csv(Audience),
}

/// Who reads what is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// A program, for which each byte stands as it is.
    Program,
    /// Somebody at a terminal.
    Terminal,
}

/// Prints these columns of rows. Left open, a table shows what fits a screen, the other formats all.
pub fn print(rows: &Rows, columns: Option<&[usize]>, format: Format, out: &mut dyn Write) -> io::Result<()> {
    let all: Vec<usize> = (0..rows.table.columns.len()).collect();
    match format {
        Format::Table(width) => table::print(rows, columns, width, out),
        Format::Json => json(rows, columns.unwrap_or(&all), out),
        Format::Csv(audience) => csv(rows, columns.unwrap_or(&all), audience, out),
    }
}

fn json(rows: &Rows, columns: &[usize], out: &mut dyn Write) -> io::Result<()> {
    for (i, row) in rows.rows.iter().enumerate() {
        out.write_all(if i == 0 { b"[\n" } else { b",\n" })?;
        let fields = columns.iter().map(|&column| (&rows.table.columns[column], &row[column]));
        write_json(out, &Object { table: None, fields: fields.collect() })?;
    }
    out.write_all(if rows.rows.is_empty() { b"[]\n" } else { b"\n]\n" })
}

fn csv(rows: &Rows, columns: &[usize], audience: Audience, out: &mut dyn Write) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record(columns.iter().map(|&i| rows.table.columns[i].name)).map_err(io_error)?;
    for row in &rows.rows {
        let cells = columns.iter().map(|&i| of_csv(rows.table.columns[i].kind, &row[i]));
        let cells = cells.map(|cell| if audience == Audience::Terminal { visible(&cell) } else { cell });
        writer.write_record(cells).map_err(io_error)?;
    }
    writer.flush()
}

/// The error below the writer's own, by whose kind a caller knows a pipe that was closed.
fn io_error(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

/// A cell for programs, in full.
fn plain(kind: Kind, cell: &Cell) -> String {
    match (kind, cell) {
        (_, Cell::Null) => String::new(),
        (_, Cell::Bool(value)) => value.to_string(),
        (_, Cell::Int(value)) => value.to_string(),
        (_, Cell::Double(value)) => value.to_string(),
        (_, Cell::Text(text)) => text.clone(),
        (_, Cell::Time(time)) => rfc3339(*time),
        (Kind::List(Kind::Text), Cell::List(cells)) => joined(cells.iter().map(|cell| plain(Kind::Text, cell)), "; "),
        (kind, nested) => serde_json::to_string(&Json(kind, nested)).unwrap_or_default(),
    }
}

fn joined(texts: impl Iterator<Item = String>, between: &str) -> String {
    texts.collect::<Vec<_>>().join(between)
}

/// A cell of CSV. A number begins with its own sign, a time has none.
fn of_csv(kind: Kind, cell: &Cell) -> String {
    let text = plain(kind, cell);
    match cell {
        Cell::Text(_) | Cell::List(_) | Cell::Map(_) | Cell::Struct(_) => harmless(&text),
        Cell::Null | Cell::Bool(_) | Cell::Int(_) | Cell::Double(_) | Cell::Time(_) => text,
    }
}

#[cfg(test)]
mod tests {
    use dissectors::Timestamp;
    use fingerprints::record::{AssetRow, FindingRow, Provenance, Record};

    use super::*;
    use crate::query::{Asked, Query};
    use crate::schema::Table;

    fn printed(record: impl Into<Record>, columns: &str, format: Format) -> String {
        let record = record.into();
        let table = Table::named(record.table()).unwrap();
        let query = Query::new(table, Asked { columns: Some(columns), ..Asked::default() }).unwrap();
        let rows = query.apply(Rows::of(table, &[record], &Provenance::default()));
        let mut out = Vec::new();
        print(&rows, query.columns(), format, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn named(name: &str) -> AssetRow {
        AssetRow { name: Some(name.into()), ..AssetRow::default() }
    }

    #[test]
    fn a_stranger_cannot_steer_the_terminal() {
        let evil = "a\u{1b}[2J\u{9b}31m\nb\u{202e}c\u{7}\u{200b}\u{e0041}ü";
        let table = printed(named(evil), "name", Format::Table(None));
        assert_eq!(table.lines().count(), 2);
        let shown = r"a\u{1b}[2J\u{9b}31m\u{a}b\u{202e}c\u{7}\u{200b}\u{e0041}ü";
        assert!(table.contains(shown), "{table}");
        assert_eq!(printed(named(evil), "name", Format::Csv(Audience::Terminal)), format!("name\n{shown}\n"));
        assert_eq!(printed(named(evil), "name", Format::Csv(Audience::Program)), format!("name\n\"{evil}\"\n"));
        let json = printed(named(evil), "name", Format::Json);
        assert!(!json.contains(['\u{1b}', '\u{9b}', '\u{202e}', '\u{200b}', '\u{e0041}']), "{json}");
    }

    #[test]
    fn a_stranger_cannot_flood_the_terminal() {
        let table = printed(named(&"x".repeat(100_000)), "name", Format::Table(Some(80)));
        assert!(table.lines().count() < 10 && table.contains('…'));
        assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
    }

    #[test]
    fn a_narrow_table_leaves_columns_out_before_it_breaks_a_word() {
        let asset = AssetRow { asset_id: "a-0123456789abcdef".into(), ips: vec!["10.0.0.1".into()], ..named("PLC") };
        let rows = Rows::of(Table::named("assets").unwrap(), &[asset.into()], &Provenance::default());
        let lines = |width| {
            let mut out = Vec::new();
            print(&rows, None, Format::Table(Some(width)), &mut out).unwrap();
            String::from_utf8(out).unwrap().lines().map(str::trim).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(lines(26), ["asset_id      name  role", "a-0123456789  PLC"]);
        assert_eq!(lines(25), ["asset_id      name", "a-0123456789  PLC"]);
        assert!(lines(5).len() > 2, "a single column has no choice");
        assert!(lines(200)[0].ends_with("risk_score  open_findings"));
    }

    #[test]
    fn a_spreadsheet_runs_no_cell() {
        for text in ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "\nx", "＝1", " =1", "\u{feff}=1", "\"=1"] {
            let csv = printed(named(text), "name", Format::Csv(Audience::Program));
            let front = csv.trim_start_matches("name\n").trim_start_matches(['"', ' ', '\u{feff}']);
            assert!(front.starts_with('\''), "{csv}");
        }
        let list = AssetRow { ips: vec!["=1".into(), "b".into(), "-2".into()], ..AssetRow::default() };
        assert_eq!(printed(list, "ips", Format::Csv(Audience::Program)), "ips\n'=1; b; '-2\n");
        // One that splits at semicolons sees three cells here, and the quotes as letters.
        let split = printed(named("a;=1+1;\"@x"), "name", Format::Csv(Audience::Program));
        assert_eq!(split, "name\n\"a;'=1+1;\"\"'@x\"\n");
        assert_eq!(printed(named("10-20; a=b"), "name", Format::Csv(Audience::Program)), "name\n10-20; a=b\n");
        let number = FindingRow { score: -5, ..FindingRow::default() };
        assert_eq!(printed(number, "score", Format::Csv(Audience::Program)), "score\n-5\n");
    }

    #[test]
    fn a_table_shows_ids_short_and_times_to_the_second() {
        let asset = AssetRow {
            asset_id: "a-0123456789abcdef0123456789abcdef".into(),
            last_seen: Timestamp::from_micros(1_700_000_000_123_456),
            ips: vec!["10.0.0.1".into(), "10.0.0.2".into()],
            safety_related: Some(false),
            ..AssetRow::default()
        };
        let table = printed(asset, "asset_id,last_seen,ips,safety_related,vendor", Format::Table(None));
        let cells: Vec<&str> = table.lines().nth(1).unwrap().split_whitespace().collect();
        assert_eq!(cells, ["a-0123456789", "2023-11-14T22:13:20Z", "10.0.0.1,", "10.0.0.2", "no"]);
    }

    #[test]
    fn json_is_an_array_of_the_chosen_columns_in_their_order() {
        let asset = AssetRow { asset_id: "a".into(), ips: vec!["10.0.0.1".into()], ..AssetRow::default() };
        let json = printed(asset, "ips,asset_id,vendor", Format::Json);
        assert_eq!(json, "[\n{\"ips\":[\"10.0.0.1\"],\"asset_id\":\"a\",\"vendor\":null}\n]\n");
        let none = Rows { table: Table::named("assets").unwrap(), rows: Vec::new() };
        let mut out = Vec::new();
        print(&none, None, Format::Json, &mut out).unwrap();
        assert_eq!(out, b"[]\n");
    }
}
