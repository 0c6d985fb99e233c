//! Rows as a table for people.

use std::io::{self, Write};

use comfy_table::{ColumnConstraint, ContentArrangement, Width, presets};

use super::{joined, plain};
use crate::cell::{Cell, Kind, format_time};
use crate::rows::Rows;
use crate::visible::visible;

/// Prints the columns that were asked for, or else as many of those that the table shows as fit the width.
pub(super) fn print(rows: &Rows, asked: Option<&[usize]>, width: Option<u16>, out: &mut dyn Write) -> io::Result<()> {
    let shown = || rows.table.indices(rows.table.shown.iter().copied()).collect();
    let columns = asked.map_or_else(shown, <[usize]>::to_vec);
    let mut columns: Vec<Column> = columns.into_iter().map(|column| Column::of(rows, column)).collect();
    let fitting = width.map_or(columns.len(), |width| fitting(&columns, usize::from(width)));
    if asked.is_none() {
        columns.truncate(fitting.max(1));
    }
    let mut table = comfy_table::Table::new();
    table.load_style(presets::NOTHING).set_header(columns.iter().map(|column| column.name));
    table.add_rows((0..rows.rows.len()).map(|row| columns.iter().map(move |column| &column.cells[row])));
    if let Some(width) = width {
        table.set_width(width).set_content_arrangement(ContentArrangement::Dynamic);
    }
    if columns.len() <= fitting {
        table.set_constraints(columns.iter().map(Column::constraint));
    }
    table.lines().try_for_each(|line| writeln!(out, "{}", line.trim_end()))
}

/// How many of the columns, from the first, fit a width without a broken word.
fn fitting(columns: &[Column], width: usize) -> usize {
    let ends = columns.iter().scan(0, |end, column| {
        *end += column.least;
        Some(*end)
    });
    ends.take_while(|end| *end <= width).count()
}

/// The letters beside each cell.
const PADDING: usize = 2;

/// A word of up to so many letters is not broken: an address, a time, an id.
const WORD_LETTERS: usize = 20;

struct Column {
    name: &'static str,
    cells: Vec<String>,
    /// The width, padding included, at which no word is broken, long ones aside.
    least: usize,
}

impl Column {
    fn of(rows: &Rows, column: usize) -> Self {
        let name = rows.table.columns[column].name;
        let cells: Vec<String> = rows.rows.iter().map(|row| shown(name, &row[column])).collect();
        let words = cells.iter().flat_map(|cell| cell.split_whitespace()).map(|word| word.chars().count());
        let least = words.max().unwrap_or_default().min(WORD_LETTERS).max(name.len()) + PADDING;
        Self { name, cells, least }
    }

    fn constraint(&self) -> ColumnConstraint {
        ColumnConstraint::LowerBoundary(Width::Fixed(self.least as u16))
    }
}

/// The most letters that a cell of a table shows.
const MOST_LETTERS: usize = 200;

/// The letters of a deterministic id that a table shows; commands take any prefix that is unique.
const ID_LETTERS: usize = 12;

/// A cell for people: short, and with nothing in it that moves a terminal.
pub fn shown(column: &str, cell: &Cell) -> String {
    let text = match cell {
        Cell::Time(time) => format_time(*time, "%Y-%m-%dT%H:%M:%SZ"),
        Cell::Bool(true) => "yes".into(),
        Cell::Bool(false) => "no".into(),
        Cell::Text(text) if is_long_id(column, text) => text.chars().take(ID_LETTERS).collect(),
        Cell::List(cells) => joined(cells.iter().map(|cell| shown("", cell)), ", "),
        Cell::Map(entries) => joined(entries.iter().map(|(key, value)| format!("{key}={}", shown("", value))), ", "),
        Cell::Struct(cells) => joined(cells.iter().filter(|cell| !cell.is_null()).map(|cell| shown("", cell)), " "),
        _ => plain(Kind::Text, cell),
    };
    shortened(&visible(&text))
}

fn is_long_id(column: &str, text: &str) -> bool {
    let is_id = ["asset_id", "finding_id", "remediation_id"].iter().any(|name| column.ends_with(name));
    is_id && text.len() > ID_LETTERS && text.is_ascii()
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(MOST_LETTERS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.into(),
    }
}
