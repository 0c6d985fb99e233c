//! A run that writes to a lake.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use dissectors::Timestamp;
use fingerprints::record::Record;

use crate::cell::{Cell, Kind, Row, format_time};
use crate::error::OutputError;
use crate::files::{Staged, encoded};
use crate::parquet;
use crate::runs::{Manifest, Run, WrittenFile, sha256};
use crate::schema::Table;
use crate::sink::{Sink, Written};

/// A run that writes to a lake.
pub struct LakeSink {
    root: PathBuf,
    run: Run,
    replaced: Vec<Manifest>,
    /// Files of this run that an end too early left behind, among others.
    left: Vec<String>,
    waiting: BTreeMap<Part, Waiting>,
    /// What all rows that wait take in memory.
    memory_bytes: usize,
    limits: Limits,
    staged: Vec<(Staged, WrittenFile)>,
}

/// When rows that wait become a file.
struct Limits {
    /// The rows of one file take this much, before compression.
    file_bytes: usize,
    /// All rows take this much in memory.
    memory_bytes: usize,
}

const LIMITS: Limits = Limits { file_bytes: 128 << 20, memory_bytes: 256 << 20 };

pub(super) const MICROS_PER_DAY: i64 = 86_400_000_000;

/// A folder of the lake: a table, and a day since 1970.
type Part = (&'static str, i64);

/// The rows that wait for the next file of a folder.
struct Waiting {
    table: &'static Table,
    rows: Vec<Row>,
    file_bytes: usize,
    memory_bytes: usize,
    /// How many files of the folder this run has written.
    files: usize,
}

impl Sink for LakeSink {
    fn record(&mut self, record: &Record) -> Result<(), OutputError> {
        let (table, row) = Table::row(record, &self.run.provenance);
        self.row(table, row)
    }

    fn finish(mut self: Box<Self>) -> Result<Written, OutputError> {
        let parts: Vec<Part> = self.waiting.keys().copied().collect();
        for part in parts {
            self.stage(part)?;
        }
        let mut files = Vec::new();
        for (staged, file) in std::mem::take(&mut self.staged) {
            staged.appear()?;
            files.push(file);
        }
        files.sort();
        let manifest = Manifest::of(&self.run, files);
        self.remove_replaced(&manifest)?;
        Ok(manifest.files.iter().fold(Written::default(), |sum, file| Written {
            rows: sum.rows + file.rows,
            files: sum.files + 1,
            bytes: sum.bytes + file.bytes,
        }))
    }
}

impl LakeSink {
    pub(super) const fn new(root: PathBuf, run: Run, replaced: Vec<Manifest>, left: Vec<String>) -> Self {
        let waiting = BTreeMap::new();
        Self { root, run, replaced, left, waiting, memory_bytes: 0, limits: LIMITS, staged: Vec::new() }
    }

    /// Takes a row that is made already, its provenance too.
    pub fn row(&mut self, table: &'static Table, row: Row) -> Result<(), OutputError> {
        let part = (table.name, day(table, &row));
        self.wait(part, table, row);
        self.full(part).map_or(Ok(()), |full| self.stage(full))
    }

    fn wait(&mut self, part: Part, table: &'static Table, row: Row) {
        let file_bytes = row.iter().map(Cell::bytes).sum::<usize>();
        let memory_bytes = file_bytes + row.len() * size_of::<Cell>();
        let waiting = self.waiting.entry(part).or_insert_with(|| Waiting::of(table));
        waiting.rows.push(row);
        waiting.file_bytes += file_bytes;
        waiting.memory_bytes += memory_bytes;
        self.memory_bytes += memory_bytes;
    }

    /// The folder whose file should be written now: the one that just got a row, or the largest when all take too much.
    fn full(&self, part: Part) -> Option<Part> {
        if self.waiting[&part].file_bytes >= self.limits.file_bytes {
            Some(part)
        } else if self.memory_bytes >= self.limits.memory_bytes {
            self.waiting.iter().max_by_key(|(_, waiting)| waiting.memory_bytes).map(|(part, _)| *part)
        } else {
            None
        }
    }

    /// Writes the rows that wait for a folder's next file. A table without rows gets no file.
    fn stage(&mut self, part: Part) -> Result<(), OutputError> {
        let Some(waiting) = self.waiting.get_mut(&part).filter(|waiting| !waiting.rows.is_empty()) else {
            return Ok(());
        };
        let path = path_of(&self.run, part, waiting.files);
        let whole = self.root.join(&path);
        let full = std::mem::replace(waiting, Waiting { files: waiting.files + 1, ..Waiting::of(waiting.table) });
        self.memory_bytes -= full.memory_bytes;
        let rows = full.rows.len() as u64;
        let bytes = parquet::encode(full.table, full.rows, &self.run).map_err(OutputError::parquet(&whole))?;
        let file = WrittenFile { path, rows, bytes: bytes.len() as u64, sha256: sha256(&bytes) };
        self.staged.push((Staged::write(whole, &bytes)?, file));
        Ok(())
    }

    /// Removes what older runs left, and writes this run down in their place. Their own notes go last, so that what is
    /// interrupted here is done again by the next run of the same captures.
    fn remove_replaced(&self, manifest: &Manifest) -> Result<(), OutputError> {
        let kept: BTreeSet<&str> = manifest.files.iter().map(|file| file.path.as_str()).collect();
        let older = self.replaced.iter().flat_map(|older| &older.files).map(|file| file.path.as_str());
        let left = self.left.iter().map(String::as_str);
        for path in older.chain(left).filter(|path| !kept.contains(path)) {
            remove_file(&self.root, path)?;
        }
        manifest.keep(&self.root)?;
        let mut others = self.replaced.iter().filter(|older| older.run_id != manifest.run_id);
        others.try_for_each(|older| older.forget(&self.root))
    }
}

impl Waiting {
    const fn of(table: &'static Table) -> Self {
        Self { table, rows: Vec::new(), file_bytes: 0, memory_bytes: 0, files: 0 }
    }
}

/// The day of a row, by the first time of its table: when its window or its validity starts, or when it happened.
pub(super) fn day(table: &Table, row: &Row) -> i64 {
    let first = table.columns.iter().position(|column| matches!(column.kind, Kind::Time));
    let time = first.and_then(|column| row[column].time()).unwrap_or_default();
    time.micros().div_euclid(MICROS_PER_DAY)
}

fn path_of(run: &Run, (table, day): Part, file: usize) -> String {
    let site = encoded(&run.provenance.site);
    let day = format_time(Timestamp::from_micros(day * MICROS_PER_DAY), "%Y-%m-%d");
    let name = format!("{}-{}-{file:04}.parquet", encoded(&run.provenance.sensor), encoded(&run.provenance.run_id));
    format!("{table}/p_site=s-{site}/p_day={day}/{name}")
}

/// Whether a file bears the name of a run's: its sensor, its id, its site.
pub(super) fn is_of(run: &Run, path: &Path) -> bool {
    let front = format!("{}-{}-", encoded(&run.provenance.sensor), encoded(&run.provenance.run_id));
    let site = format!("p_site=s-{}", encoded(&run.provenance.site));
    let is_numbered = |name: &str| {
        let number = name.strip_prefix(&front).and_then(|rest| rest.strip_suffix(".parquet"));
        number.is_some_and(|number| number.bytes().all(|digit| digit.is_ascii_digit()))
    };
    path.file_name().and_then(|name| name.to_str()).is_some_and(is_numbered)
        && path.iter().rev().nth(2).is_some_and(|folder| folder.to_str() == Some(&site))
}

/// Removes a file that a manifest names, if it is there and within the lake, and the folders that are empty then.
fn remove_file(lake: &Path, path: &str) -> Result<(), OutputError> {
    let relative = Path::new(path);
    if !relative.components().all(|part| matches!(part, Component::Normal(_))) {
        return Ok(());
    }
    let path = lake.join(relative);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(OutputError::io(&path)(error)),
        _ => {}
    }
    let folders = path.ancestors().skip(1).take(3);
    for folder in folders.take_while(|folder| *folder != lake) {
        // A folder that still holds something refuses, and should.
        let _ = fs::remove_dir(folder);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use fingerprints::record::{HealthRow, OperationRow, Provenance};

    use super::*;
    use crate::lake::Lake;
    use crate::schema::tables::OPERATIONS;

    const NOON: i64 = 1_700_049_600_000_000; // 2023-11-15T12:00:00Z

    fn operation(micros: i64) -> Record {
        OperationRow { time: Timestamp::from_micros(micros), ..OperationRow::default() }.into()
    }

    fn run() -> Run {
        let provenance = Provenance { site: "site".into(), sensor: "sensor".into(), run_id: "run".into() };
        Run { provenance, ..Run::default() }
    }

    fn row(record: &Record) -> Row {
        Table::row(record, &run().provenance).1
    }

    /// Writes records with these limits, and tells the rows of each file.
    fn written(limits: Limits, records: &[Record]) -> Vec<(String, u64)> {
        let folder = tempfile::tempdir().unwrap();
        Lake::create(folder.path(), None).unwrap();
        let mut sink = LakeSink { limits, ..LakeSink::new(folder.path().to_owned(), run(), Vec::new(), Vec::new()) };
        records.iter().try_for_each(|record| sink.record(record)).unwrap();
        Box::new(sink).finish().unwrap();
        let manifest = Manifest::all(folder.path()).unwrap().remove(0);
        manifest.files.into_iter().map(|file| (file.path, file.rows)).collect()
    }

    #[test]
    fn a_file_is_closed_when_it_is_full_and_another_begins() {
        let one_row = row(&operation(NOON)).iter().map(Cell::bytes).sum::<usize>();
        let limits = Limits { file_bytes: 2 * one_row, ..LIMITS };
        let files = written(limits, &[0, 1, 2, 3, 4].map(|i| operation(NOON + i)));
        let folder = "operations/p_site=s-site/p_day=2023-11-15/sensor-run-";
        let expected = [("0000", 2), ("0001", 2), ("0002", 1)];
        assert_eq!(files, expected.map(|(file, rows)| (format!("{folder}{file}.parquet"), rows)));
    }

    #[test]
    fn when_memory_is_short_the_largest_goes_first() {
        let day = MICROS_PER_DAY;
        let records = [operation(NOON), operation(NOON + day), operation(NOON + day), HealthRow::default().into()];
        let size = |row: Row| row.iter().map(Cell::bytes).sum::<usize>() + row.len() * size_of::<Cell>();
        let all = records.iter().map(|record| size(row(record))).sum();
        let more = [&records[..], &[operation(NOON), operation(NOON + day)]].concat();
        let files = written(Limits { memory_bytes: all, ..LIMITS }, &more);
        let rows: Vec<(&str, u64)> = files.iter().map(|(path, rows)| (&path[path.len() - 12..], *rows)).collect();
        assert_eq!(rows, [("0000.parquet", 1), ("0000.parquet", 2), ("0000.parquet", 2), ("0001.parquet", 1)]);
    }

    #[test]
    fn a_day_begins_at_midnight_before_1970_too() {
        let day_of = |micros| day(&OPERATIONS, &row(&operation(micros)));
        assert_eq!([-1, 0, MICROS_PER_DAY - 1, MICROS_PER_DAY].map(day_of), [-1, 0, 0, 1]);
    }
}
