//! The lake: a folder of Parquet files that engines read as it is.
//!
//! ```text
//! LAKE/_lake.json                 the site that the lake is of
//! LAKE/_runs/RUN.json             what each run read and wrote
//! LAKE/TABLE/p_site=s-SITE/p_day=YYYY-MM-DD/SENSOR-RUN-NNNN.parquet
//! ```
//!
//! A run's files wait under hidden names until its end. Then they appear, those of older runs whose place it takes go,
//! and the run is written down. When the plug is pulled in between, reading the same again sets it right.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use bytes::Bytes;
use dissectors::Timestamp;
use fingerprints::record::Record;
use serde::{Deserialize, Serialize};

use crate::cell::{Cell, Kind, Row, format_time};
use crate::error::OutputError;
use crate::files::{Staged, encoded, read_json, visible, write_json};
use crate::parquet;
use crate::rows::{Rows, sort};
use crate::runs::{Manifest, Overlap, Run, WrittenFile, replaced, sha256};
use crate::schema::{TABLES, Table};
use crate::sink::{Sink, Written};

/// The site of a lake that was told none.
pub const DEFAULT_SITE: &str = "default";

/// Where a lake remembers what it is.
const MEMORY: &str = "_lake.json";

/// A file is closed when its rows take this much, before compression.
const FILE_BYTES: usize = 128 << 20;

/// All rows that wait for their files take at most this much.
const WAITING_BYTES: usize = 256 << 20;

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// A lake on the disk.
#[derive(Debug)]
pub struct Lake {
    root: PathBuf,
    site: String,
}

/// What a lake remembers of itself.
#[derive(Serialize, Deserialize)]
struct Memory {
    site: String,
}

impl Lake {
    /// Whether a path is a lake (and not a capture, or a folder of captures).
    pub fn is_lake(path: &Path) -> bool {
        path.join(MEMORY).is_file() || TABLES.iter().any(|table| files_of(path, table).is_ok_and(|it| !it.is_empty()))
    }

    /// A lake to read from.
    pub fn open(root: &Path) -> Result<Self, OutputError> {
        if !Self::is_lake(root) {
            return Err(OutputError::NoLake(root.to_owned()));
        }
        let site = remembered(root)?.unwrap_or_else(|| DEFAULT_SITE.into());
        Ok(Self { root: root.to_owned(), site })
    }

    /// A lake to write to, made when it is not there. Its first site is remembered, and is what later runs write to
    /// unless they name another.
    pub fn create(root: &Path, site: Option<&str>) -> Result<Self, OutputError> {
        let remembered = remembered(root)?;
        let is_new = remembered.is_none();
        let site = site.map(str::to_owned).or(remembered).unwrap_or_else(|| DEFAULT_SITE.into());
        if is_new {
            write_json(&root.join(MEMORY), &Memory { site: site.clone() })?;
        }
        Ok(Self { root: root.to_owned(), site })
    }

    /// The site that rows are of.
    pub fn site(&self) -> &str {
        &self.site
    }

    /// The files of a table, sorted by path.
    pub fn files(&self, table: &Table) -> Result<Vec<PathBuf>, OutputError> {
        files_of(&self.root, table)
    }

    /// All rows of a table, those of older schemas too.
    pub fn read(&self, table: &'static Table) -> Result<Rows, OutputError> {
        let mut rows = Vec::new();
        for path in self.files(table)? {
            let bytes = fs::read(&path).map_err(OutputError::io(&path))?;
            rows.extend(parquet::decode(table, Bytes::from(bytes), &path)?);
        }
        sort(table, &mut rows);
        Ok(Rows { table, rows })
    }

    /// Begins a run: refuses one that would count packets twice, and else takes its records.
    pub fn begin(&self, run: Run, overlap: Overlap) -> Result<LakeSink, OutputError> {
        let replaced = replaced(&run, Manifest::all(&self.root)?, overlap)?;
        Ok(LakeSink { root: self.root.clone(), run, replaced, waiting: BTreeMap::new(), bytes: 0, staged: Vec::new() })
    }
}

fn remembered(root: &Path) -> Result<Option<String>, OutputError> {
    match read_json::<Memory>(&root.join(MEMORY)) {
        Ok(memory) => Ok(Some(memory.site)),
        Err(OutputError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn files_of(root: &Path, table: &Table) -> Result<Vec<PathBuf>, OutputError> {
    let mut files = Vec::new();
    for site in visible(&root.join(table.name))? {
        for day in visible(&site)? {
            files
                .extend(visible(&day)?.into_iter().filter(|path| path.extension().is_some_and(|end| end == "parquet")));
        }
    }
    Ok(files)
}

/// A run that writes to a lake.
pub struct LakeSink {
    root: PathBuf,
    run: Run,
    replaced: Vec<Manifest>,
    waiting: BTreeMap<Part, Waiting>,
    bytes: usize,
    staged: Vec<(Staged, WrittenFile)>,
}

/// A folder of the lake: a table, and a day since 1970.
type Part = (&'static str, i64);

/// The rows that wait for the next file of a folder.
struct Waiting {
    table: &'static Table,
    rows: Vec<Row>,
    bytes: usize,
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
    /// Takes a row that is made already, its provenance too.
    pub fn row(&mut self, table: &'static Table, row: Row) -> Result<(), OutputError> {
        let part = (table.name, day(table, &row));
        self.wait(part, table, row);
        self.full(part).map_or(Ok(()), |full| self.stage(full))
    }

    fn wait(&mut self, part: Part, table: &'static Table, row: Row) {
        let bytes = row.iter().map(Cell::bytes).sum::<usize>();
        let waiting = self.waiting.entry(part).or_insert_with(|| Waiting::of(table));
        waiting.rows.push(row);
        waiting.bytes += bytes;
        self.bytes += bytes;
    }

    /// The folder whose file should be written now: the one that just got a row, or the largest when all take too much.
    fn full(&self, part: Part) -> Option<Part> {
        if self.waiting[&part].bytes >= FILE_BYTES {
            return Some(part);
        }
        let largest = self.waiting.iter().max_by_key(|(_, waiting)| waiting.bytes);
        largest.filter(|_| self.bytes >= WAITING_BYTES).map(|(part, _)| *part)
    }

    /// Writes the rows that wait for a folder's next file. A table without rows gets no file.
    fn stage(&mut self, part: Part) -> Result<(), OutputError> {
        let Some(waiting) = self.waiting.get_mut(&part).filter(|waiting| !waiting.rows.is_empty()) else {
            return Ok(());
        };
        let path = path_of(&self.run, part, waiting.files);
        let whole = self.root.join(&path);
        let rows = std::mem::take(&mut waiting.rows);
        self.bytes -= std::mem::take(&mut waiting.bytes);
        waiting.files += 1;
        let count = rows.len() as u64;
        let bytes = parquet::encode(waiting.table, rows, &self.run).map_err(OutputError::parquet(&whole))?;
        let file = WrittenFile { path, rows: count, bytes: bytes.len() as u64, sha256: sha256(&bytes) };
        self.staged.push((Staged::write(whole, &bytes)?, file));
        Ok(())
    }

    /// Removes what older runs left, and writes this run down in their place. Their own notes go last, so that what is
    /// interrupted here is done again by the next run of the same captures.
    fn remove_replaced(&self, manifest: &Manifest) -> Result<(), OutputError> {
        let kept: BTreeSet<&str> = manifest.files.iter().map(|file| file.path.as_str()).collect();
        let older = self.replaced.iter().flat_map(|older| &older.files).map(|file| file.path.as_str());
        for path in older.filter(|path| !kept.contains(path)) {
            remove_file(&self.root, path)?;
        }
        manifest.keep(&self.root)?;
        let mut others = self.replaced.iter().filter(|older| older.run_id != manifest.run_id);
        others.try_for_each(|older| older.forget(&self.root))
    }
}

impl Waiting {
    const fn of(table: &'static Table) -> Self {
        Self { table, rows: Vec::new(), bytes: 0, files: 0 }
    }
}

/// The day of a row, by the first time of its table: when its window or its validity starts, or when it happened.
fn day(table: &Table, row: &Row) -> i64 {
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
