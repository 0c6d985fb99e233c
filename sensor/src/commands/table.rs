//! `otoscope assets`, `services` and the other tables: from a lake, or from captures read on the spot.

use super::{DAMAGED, READ, by_mac, paths, read, say, summary, told};
use crate::reading::prepare;
use anyhow::{Result, bail};
use clap::ValueEnum;
use fingerprints::finding::Kinds;
use outputs::print::Audience;
use outputs::{Asked, Format, Lake, Query, Rows, Table};
use std::io::IsTerminal;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) source: Source,
    /// Only rows that meet conditions, as `role = plc and firmware ~ "^V4"` (= != < <= > >= ~ contains, and, or)
    #[arg(long = "where", value_name = "CONDITIONS")]
    filter: Option<String>,
    /// Only these columns, separated by commas; `otoscope schema` lists them
    #[arg(long, value_name = "NAMES")]
    columns: Option<String>,
    /// In the order of these columns; one with a - before it falls
    #[arg(long, value_name = "NAMES", allow_hyphen_values = true)]
    sort: Option<String>,
    /// At most so many rows
    #[arg(long, value_name = "N", value_parser = told::how_many, allow_negative_numbers = true)]
    limit: Option<usize>,
    /// How the rows are printed
    #[arg(long, value_enum, default_value = "table")]
    format: Printed,
}

/// Where rows come from.
#[derive(Debug, clap::Args)]
pub(super) struct Source {
    /// A lake, or captures and folders of them
    #[arg(required = true, value_name = "LAKE or CAPTURES")]
    pub(super) paths: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) whom: read::Whom,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Printed {
    Table,
    Json,
    Csv,
}

pub(super) fn run(table: &'static str, arguments: &Arguments) -> Result<u8> {
    let Some(table) = Table::named(table) else { bail!("there is no table {table}") };
    let asked = Asked {
        filter: arguments.filter.as_deref(),
        columns: arguments.columns.as_deref(),
        sort: arguments.sort.as_deref(),
        limit: arguments.limit,
    };
    let query = Query::new(table, asked)?;
    let (rows, claims, code) = arguments.source.with_claims(table, arguments.format)?;
    let kinds = Kinds::builtin();
    let known = |column: &str| match (table.name, column) {
        ("findings", "kind") => kinds.iter().map(|(name, _)| name).collect(),
        _ => Vec::new(),
    };
    let unmet = query.unmet(&rows, known);
    let mut rows = query.apply(rows);
    if let Some(claims) = &claims {
        by_mac::mark(&mut rows, claims);
    }
    let format = match arguments.format {
        Printed::Table => Format::Table(terminal_width()),
        Printed::Json => Format::Json,
        Printed::Csv => Format::Csv(audience()),
    };
    if rows.rows.is_empty() && arguments.format == Printed::Table {
        say("no rows");
        for unmet in &unmet {
            say(unmet);
        }
    }
    outputs::print(&rows, query.columns(), format, &mut std::io::stdout().lock())?;
    Ok(code)
}

impl Source {
    /// The rows of a table; of assets that people read also the claims, which say whose vendor only a MAC tells.
    fn with_claims(&self, table: &'static Table, format: Printed) -> Result<(Rows, Option<Rows>, u8)> {
        if table.name == "assets"
            && format == Printed::Table
            && let Some(claims) = Table::named("claims")
            && self.has(claims)
        {
            let ([rows, claims], code) = self.rows([table, claims])?;
            return Ok((rows, Some(claims), code));
        }
        let ([rows], code) = self.rows([table])?;
        Ok((rows, None, code))
    }

    /// Whether a table can be read: captures give all, a lake may have lost it.
    fn has(&self, table: &Table) -> bool {
        let [path] = self.paths.as_slice() else { return true };
        !Lake::is_lake(path)
            || Lake::open(path).is_ok_and(|lake| lake.files(table).is_ok_and(|files| !files.is_empty()))
    }

    /// What holds now in some tables, and the exit code that the captures deserve.
    pub(super) fn rows<const N: usize>(&self, tables: [&'static Table; N]) -> Result<([Rows; N], u8)> {
        if let [path] = self.paths.as_slice()
            && Lake::is_lake(path)
        {
            let lake = Lake::open(path)?;
            let read = tables.map(|table| lake.read(table));
            let mut rows = Vec::with_capacity(N);
            for table in read {
                rows.push(table?.newest());
            }
            let later = lake.later()?;
            if let Some(later) = &later {
                say(&format!("{}: {later}; update otoscope", path.to_string_lossy()));
            }
            let is_whole = whole(&lake, tables)?;
            let code = if later.is_some() || !is_whole { DAMAGED } else { READ };
            return Ok((rows.try_into().expect("one for each table"), code));
        }
        paths::captures(&self.paths)?;
        let site = self.whom.site(None)?;
        let credentials = self.whom.logins.credentials(None)?;
        let begun = read::Progress::begin(&self.paths, false);
        let mut all = tables.map(|table| Rows { table, rows: Vec::new() });
        let mut code = READ;
        let jobs = self.whom.jobs(&self.paths, &site, &credentials)?;
        for prepared in jobs.into_iter().map(prepare).collect::<Result<Vec<_>>>()? {
            let reading = begun.read(prepared);
            code = code.max(read::tell_damage(&reading));
            if let Some(line) = summary::nothing_looked_at(&reading) {
                say(&format!("not seen: {line}"));
            }
            for rows in &mut all {
                rows.rows.extend(
                    Rows::of(rows.table, reading.records.iter().chain(&reading.earlier), &reading.run.provenance).rows,
                );
            }
        }
        Ok((all.map(Rows::newest), code))
    }
}

/// Whether all files of these tables are there that runs wrote; says which are not.
fn whole(lake: &Lake, tables: impl IntoIterator<Item = &'static Table>) -> Result<bool> {
    let mut is_whole = true;
    for (table, missing) in lake.missing(tables)? {
        let Some(first) = missing.first() else { continue };
        let files = summary::plural(missing.len(), "file");
        say(&format!("{files} of the table {} missing: {}", table.name, first.to_string_lossy()));
        is_whole = false;
    }
    if !is_whole {
        say("what stood there is not shown; `otoscope verify` says what mends it");
    }
    Ok(is_whole)
}

/// Who reads what is printed.
pub(super) fn audience() -> Audience {
    if std::io::stdout().is_terminal() { Audience::Terminal } else { Audience::Program }
}

/// The width of the terminal; a pipe has none.
fn terminal_width() -> Option<u16> {
    let (terminal_size::Width(width), _) = terminal_size::terminal_size_of(std::io::stdout())?;
    Some(width)
}
