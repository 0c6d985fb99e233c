//! `otoscope schema`, `fields`, `protocols`: what the program knows of itself.

use super::{READ, paths};
use anyhow::Result;
use dissectors::protocols;
use outputs::Lake;
use outputs::schema::{self, Dialect};
use std::io::Write;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub(super) struct SchemaArguments {
    /// As a JSON Schema of the JSON lines
    #[arg(long, conflicts_with = "sql")]
    json: bool,
    /// As SQL: a view of each table over the lake's files, and `TABLE_now` of those that hold states
    #[arg(long, value_enum, value_name = "DIALECT")]
    sql: Option<Sql>,
    /// The lake that the SQL reads
    #[arg(long, value_name = "LAKE", default_value = "lake", requires = "sql")]
    lake: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Sql {
    Duckdb,
    Spark,
    Trino,
}

#[derive(Debug, clap::Args)]
pub(super) struct ListArguments {
    /// As a JSON array
    #[arg(long)]
    json: bool,
}

pub(super) fn schema(arguments: &SchemaArguments) -> Result<u8> {
    let text = match arguments.sql {
        None if arguments.json => serde_json::to_string_pretty(&schema::json())?,
        None => schema::text(),
        Some(sql) => {
            let dialect = match sql {
                Sql::Duckdb => Dialect::DuckDb,
                Sql::Spark => Dialect::Spark,
                Sql::Trino => Dialect::Trino,
            };
            let (lake, path) = named_lake(&arguments.lake)?;
            let has_files = |table: &outputs::Table| {
                lake.as_ref().is_none_or(|lake| lake.files(table).is_ok_and(|files| !files.is_empty()))
            };
            schema::sql(dialect, &path, has_files)
        }
    };
    writeln!(std::io::stdout().lock(), "{}", text.trim_end())?;
    Ok(READ)
}

/// A lake of this machine with its full path, for every engine resolves a relative one in its own way; or the address of
/// a lake elsewhere, which is believed to hold every table.
fn named_lake(path: &Path) -> Result<(Option<Lake>, String)> {
    let address = path.to_string_lossy();
    if address.contains("://") {
        return Ok((None, address.into_owned()));
    }
    paths::lake(path)?;
    let path = std::path::absolute(path)?;
    Ok((Some(Lake::open(&path)?), path.to_string_lossy().into_owned()))
}

pub(super) fn fields(arguments: &ListArguments) -> Result<u8> {
    let rows: Vec<[String; 2]> = protocols::fields()
        .chain(fingerprints::rules::FIELDS.iter().copied())
        .map(|field| [field.name, field.doc].map(str::to_owned))
        .collect();
    list(["field", "meaning"], &rows, arguments)
}

pub(super) fn protocols(arguments: &ListArguments) -> Result<u8> {
    let row = |protocol: &&dissectors::Protocol| {
        let carriers: Vec<String> = protocol.carriers.iter().map(ToString::to_string).collect();
        [protocol.name.to_owned(), carriers.join("; "), protocol.spec.to_owned()]
    };
    let rows: Vec<[String; 3]> = protocols::ALL.iter().map(row).collect();
    list(["protocol", "usual carriers (any port is read)", "standard"], &rows, arguments)
}

/// Prints rows under their names, aligned, or as JSON objects.
fn list<const N: usize>(names: [&str; N], rows: &[[String; N]], arguments: &ListArguments) -> Result<u8> {
    let mut out = std::io::stdout().lock();
    if arguments.json {
        let object = |row: &[String; N]| -> serde_json::Value { names.into_iter().zip(row.iter().cloned()).collect() };
        let array: Vec<serde_json::Value> = rows.iter().map(object).collect();
        writeln!(out, "{}", serde_json::to_string_pretty(&array)?)?;
        return Ok(READ);
    }
    aligned(names, rows).iter().try_for_each(|line| writeln!(out, "{line}"))?;
    Ok(READ)
}

/// Names, and rows under them, with each column as wide as its widest cell.
pub(super) fn aligned<const N: usize>(names: [&str; N], rows: &[[String; N]]) -> Vec<String> {
    let width =
        |column: usize| rows.iter().map(|row| row[column].len()).chain([names[column].len()]).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    let all = std::iter::once(names.map(str::to_owned)).chain(rows.iter().cloned());
    all.map(|row| {
        let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    })
    .collect()
}
