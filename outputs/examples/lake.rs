//! Writes a lake of generated rows, and answers for the program what `tests/engines.py` asks of it:
//!
//! ```text
//! lake write LAKE
//! lake schema
//! lake schema --sql duckdb --lake LAKE
//! lake TABLE LAKE --format json
//! ```

use std::path::Path;

use fingerprints::record::Provenance;
use outputs::schema::{Dialect, TABLES, sql, text};
use outputs::{Format, Lake, Overlap, Run, Sink, Table, print};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

#[path = "../tests/lake/generated.rs"]
mod generated;

const ROWS: usize = 300;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["write", lake] => write(Path::new(lake)),
        ["schema"] => {
            print!("{}", text());
            Ok(())
        }
        ["schema", "--sql", "duckdb", "--lake", path] => {
            let lake = Lake::open(Path::new(path))?;
            print!("{}", sql(Dialect::DuckDb, path, |table| lake.files(table).is_ok_and(|files| !files.is_empty())));
            Ok(())
        }
        [table, lake, "--format", "json"] => {
            let table = Table::named(table).ok_or("no such table")?;
            let rows = Lake::open(Path::new(lake))?.read(table)?.newest();
            Ok(print(&rows, None, Format::Json, &mut std::io::stdout())?)
        }
        _ => Err("see the head of this example".into()),
    }
}

fn write(path: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let lake = Lake::create(path, None)?;
    let provenance = Provenance { site: lake.site().into(), sensor: "sensor".into(), run_id: "generated".into() };
    let run = Run { provenance, version: "0".into(), knowledge: "none".into(), inputs: Vec::new() };
    let mut sink = lake.begin(run, Overlap::Refuse)?;
    let mut runner = TestRunner::deterministic();
    for table in TABLES {
        let rows = generated::rows(table, ROWS).new_tree(&mut runner).map_err(|reason| reason.to_string())?.current();
        rows.into_iter().try_for_each(|row| sink.row(table, row))?;
    }
    let written = Box::new(sink).finish()?;
    println!("{} rows, {} files, {} bytes", written.rows, written.files, written.bytes);
    Ok(())
}
