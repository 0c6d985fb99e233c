//! The lake: a folder of Parquet files that engines read as it is.
//!
//! ```text
//! LAKE/_lake.json                 the site that the lake is of
//! LAKE/_runs/RUN.json             what each run read and wrote
//! LAKE/TABLE/p_site=s-SITE/p_day=YYYY-MM-DD/SENSOR-RUN-NNNN.parquet
//! ```
//!
//! A run's files wait under hidden names until its end. Then they appear, those of older runs whose place it takes go,
//! and the run is written down. When the plug is pulled in between, reading the same again sets it right: what bears a
//! run's id and is not of its making any more goes when that run ends. Files that no run names are read all the same, for a
//! lake may be copied in parts.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::error::{OutputError, later};
use crate::files::{read_json, try_to_write, visible, write_json};
use crate::parquet;
use crate::rows::{Rows, sort};
use crate::runs::{Manifest, Overlap, Run, replaced};
use crate::schema::{self, TABLES, Table};

mod baseline;
mod sink;
mod verify;

pub use baseline::devices;
pub use sink::LakeSink;
pub use verify::{Problem, Verdict};

/// The site of a lake that was told none.
pub const DEFAULT_SITE: &str = "default";

/// Where a lake remembers what it is.
const MEMORY: &str = "_lake.json";

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
    /// unless they name another. Fails where a file stands, and where a later version has written.
    pub fn create(root: &Path, site: Option<&str>) -> Result<Self, OutputError> {
        if root.exists() && !root.is_dir() {
            return Err(OutputError::NotAFolder(root.to_owned()));
        }
        if let Some(version) = later_schema(root)? {
            return Err(OutputError::Later { path: root.to_owned(), version });
        }
        let remembered = remembered(root)?;
        let is_new = remembered.is_none();
        let site = site.map(str::to_owned).or(remembered).unwrap_or_else(|| DEFAULT_SITE.into());
        if is_new {
            write_json(&root.join(MEMORY), &Memory { site: site.clone() })?;
        }
        // The rows come when all captures are read, which is late to find this out.
        try_to_write(root)?;
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

    /// All rows of a table, those of older schemas too. Fails where the table is missing, which is not the same as empty:
    /// a run that wrote no row of it wrote no file of it, and its notes say so.
    pub fn read(&self, table: &'static Table) -> Result<Rows, OutputError> {
        let files = self.files(table)?;
        if files.is_empty() {
            self.must_be_empty(table)?;
        }
        let mut rows = Vec::new();
        for path in files {
            let bytes = fs::read(&path).map_err(OutputError::io(&path))?;
            rows.extend(parquet::decode(table, Bytes::from(bytes), &path)?);
        }
        sort(table, &mut rows);
        Ok(Rows { table, rows })
    }

    fn must_be_empty(&self, table: &Table) -> Result<(), OutputError> {
        let runs = Manifest::all(&self.root)?;
        let path = self.root.join(table.name);
        if runs.is_empty() {
            return Err(OutputError::Untold(path));
        }
        let rows: u64 = runs.iter().flat_map(|run| run.files_of(table)).map(|file| file.rows).sum();
        let writers = runs.iter().filter(|run| run.files_of(table).next().is_some());
        let captures: Vec<String> = writers.flat_map(|run| run.inputs.iter().map(|input| input.path.clone())).collect();
        if rows == 0 { Ok(()) } else { Err(OutputError::MissingTable { path, rows, captures }) }
    }

    /// The files that runs wrote and that are not there any more, of each of these tables.
    pub fn missing<'t>(
        &self,
        tables: impl IntoIterator<Item = &'t Table>,
    ) -> Result<Vec<(&'t Table, Vec<PathBuf>)>, OutputError> {
        let runs = Manifest::all(&self.root)?;
        let missing = |table: &Table| {
            let written = runs.iter().flat_map(|run| run.files_of(table)).map(|file| self.root.join(&file.path));
            written.filter(|path| !path.exists()).collect()
        };
        Ok(tables.into_iter().map(|table| (table, missing(table))).collect())
    }

    /// Looks at every file, whether it is as the schema and its run say. Fails when there is no lake, or a folder of it
    /// cannot be opened.
    pub fn verify(root: &Path) -> Result<Verdict, OutputError> {
        if !Self::is_lake(root) {
            return Err(OutputError::NoLake(root.to_owned()));
        }
        verify::verify(root)
    }

    /// What is said of a lake that a later version wrote: its rows are read, less the columns that came later.
    pub fn later(&self) -> Result<Option<String>, OutputError> {
        Ok(later_schema(&self.root)?.map(|version| format!("{}: columns that came later are left out", later(version))))
    }

    /// Begins a run: refuses one that would count packets twice, and else takes its records.
    pub fn begin(&self, run: Run, overlap: Overlap) -> Result<LakeSink, OutputError> {
        let replaced = replaced(&run, Manifest::all(&self.root)?, overlap)?;
        let left = self.left_by(&run)?;
        Ok(LakeSink::new(self.root.clone(), run, replaced, left))
    }

    /// The files that bear a run's id, whether it was written down or did not come to that; within the lake.
    fn left_by(&self, run: &Run) -> Result<Vec<String>, OutputError> {
        let mut left = Vec::new();
        for table in TABLES {
            let files = self.files(table)?;
            let ours = files.iter().filter(|path| sink::is_of(run, path));
            let within = ours.filter_map(|path| path.strip_prefix(&self.root).ok());
            left.extend(within.map(|path| path.to_string_lossy().replace('\\', "/")));
        }
        Ok(left)
    }
}

/// The version of the schema of a lake's newest run, if that is later than what this program knows.
fn later_schema(root: &Path) -> Result<Option<u32>, OutputError> {
    let runs = Manifest::all(root)?;
    let newest = runs.iter().filter_map(|run| run.schema_version.parse().ok()).max();
    Ok(newest.filter(|version| *version > schema::VERSION))
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
