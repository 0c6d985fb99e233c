//! Whether a lake is as it was written, file by file; it is only looked at.
//!
//! A file is held against the schema of the version that it names (an older one has fewer columns at the end, and is
//! fine), against its own metadata, against the folder it stands in, and against the run that wrote it down.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Component, Path};

use arrow_schema::{Field, FieldRef};
use bytes::Bytes;
use dissectors::Timestamp;
use fingerprints::record::Provenance;
use parquet::arrow::PARQUET_FIELD_ID_META_KEY;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};

use super::sink::{MICROS_PER_DAY, day, is_of};
use super::{MEMORY, remembered};
use crate::arrow;
use crate::cell::{Cell, Row, format_time};
use crate::error::OutputError;
use crate::files::read_json;
use crate::parquet::{self as file, METADATA};
use crate::rows::is_sorted;
use crate::runs::{FOLDER, Input, Manifest, Run, WrittenFile, sha256};
use crate::schema::{self, TABLES, Table};
use crate::visible::visible;

/// What a look at a lake found.
#[derive(Debug, Default)]
pub struct Verdict {
    /// The runs that wrote to it.
    pub runs: usize,
    /// The files of its tables.
    pub files: usize,
    /// Their rows.
    pub rows: u64,
    /// Files of an older schema: they have fewer columns, and are read all the same.
    pub older: usize,
    /// Files of a later schema, of which only the columns that are known here were looked at.
    pub newer: usize,
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// What is not wrong, and may be a surprise.
    pub notes: Vec<Problem>,
}

/// Something about a file of a lake.
#[derive(Debug)]
pub struct Problem {
    /// The file, within the lake.
    pub path: String,
    /// The column, where it is about one.
    pub column: Option<String>,
    /// What it is.
    pub what: String,
    /// What mends it.
    pub help: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", visible(&self.path))?;
        if let Some(column) = &self.column {
            write!(f, ": column {}", visible(column))?;
        }
        write!(f, ": {}", visible(&self.what))?;
        if self.help.is_empty() { Ok(()) } else { write!(f, "; {}", visible(&self.help)) }
    }
}

/// Looks at every file of a lake.
pub(super) fn verify(root: &Path) -> Result<Verdict, OutputError> {
    let mut verifier = Verifier { root, verdict: Verdict::default(), runs: BTreeMap::new(), named: BTreeMap::new() };
    verifier.memory();
    let mut found = Vec::new();
    walk(root, root, DEPTH, &mut found)?;
    found.sort();
    for path in &found {
        verifier.manifest(path);
    }
    for path in &found {
        verifier.any(path);
    }
    let missing: Vec<String> = verifier.named.keys().filter(|path| !found.contains(path)).cloned().collect();
    for path in missing {
        let help = verifier.read_again(&path);
        verifier.problem(&path, None, "it is missing, though a run wrote it", &help);
    }
    Ok(verifier.verdict)
}

/// A lake's files stand four deep; a link that leads in a circle ends here.
const DEPTH: usize = 8;

/// All files below a folder, by their paths within the lake.
fn walk(root: &Path, folder: &Path, depth: usize, found: &mut Vec<String>) -> Result<(), OutputError> {
    for entry in fs::read_dir(folder).map_err(OutputError::io(folder))? {
        let path = entry.map_err(OutputError::io(folder))?.path();
        // A link is what it leads to; one that leads to nothing is a file that cannot be read.
        if path.is_dir() && depth > 0 {
            walk(root, &path, depth - 1, found)?;
        } else {
            let within = path.strip_prefix(root).unwrap_or(&path);
            found.push(within.to_string_lossy().replace('\\', "/"));
        }
    }
    Ok(())
}

struct Verifier<'a> {
    root: &'a Path,
    verdict: Verdict,
    /// The runs by their ids.
    runs: BTreeMap<String, Manifest>,
    /// The files that runs wrote, by their paths.
    named: BTreeMap<String, (String, WrittenFile)>,
}

impl Verifier<'_> {
    fn problem(&mut self, path: &str, column: Option<&str>, what: &str, help: &str) {
        let [path, what, help] = [path, what, help].map(str::to_owned);
        self.verdict.problems.push(Problem { path, column: column.map(str::to_owned), what, help });
    }

    fn note(&mut self, path: &str, what: &str) {
        let [path, what] = [path, what].map(str::to_owned);
        self.verdict.notes.push(Problem { path, column: None, what, help: String::new() });
    }

    fn memory(&mut self) {
        match remembered(self.root) {
            Ok(Some(_)) => {}
            Ok(None) => self.note(MEMORY, "it is not there; the lake's site is taken to be the default one"),
            Err(error) => {
                let what = format!("it cannot be read ({})", reason(&error));
                self.problem(MEMORY, None, &what, r#"write {"site": "NAME"} into it"#);
            }
        }
    }

    fn manifest(&mut self, path: &str) {
        let Some(name) = path.strip_prefix(FOLDER).and_then(|name| name.strip_prefix('/')) else { return };
        let is_manifest = name.strip_suffix(".json").is_some_and(|name| !name.starts_with(['.', '_']));
        if !is_manifest {
            return;
        }
        match read_json::<Manifest>(&self.root.join(path)) {
            Ok(manifest) if manifest.path(self.root) == self.root.join(path) => {
                self.verdict.runs += 1;
                let named = manifest.files.iter().filter(|file| is_within(&file.path));
                self.named.extend(named.map(|file| (file.path.clone(), (manifest.run_id.clone(), file.clone()))));
                self.runs.insert(manifest.run_id.clone(), manifest);
            }
            Ok(manifest) => {
                let what = format!("it bears another name than its run, {}", manifest.run_id);
                self.problem(path, None, &what, "delete it, and read the captures of that run again");
            }
            Err(error) => {
                let what = format!("it cannot be read ({})", reason(&error));
                self.problem(path, None, &what, "delete it, and read the captures of that run again");
            }
        }
    }

    fn any(&mut self, path: &str) {
        let parts: Vec<&str> = path.split('/').collect();
        let name = parts.last().copied().unwrap_or_default();
        if name.starts_with('.') && Path::new(name).extension().is_some_and(|end| end == "tmp") {
            return self.problem(path, None, "it was left by a run that came to no end", "delete it");
        }
        match parts.as_slice() {
            [top, ..] if top.starts_with(['.', '_']) => {}
            [table, site, day, name] if is_parquet(name) && !is_hidden(&[site, day, name]) => {
                match Table::named(table) {
                    Some(table) => self.table_file(table, path),
                    None => self.note(path, "it is of no table that this otoscope knows; it is not read"),
                }
            }
            [.., name] if is_parquet(name) && Table::named(parts[0]).is_some() => self.problem(
                path,
                None,
                "it does not stand in a folder TABLE/p_site=.../p_day=..., and is not read",
                "move it there, or delete it",
            ),
            _ => self.note(path, "it is no file of a table; it is not read"),
        }
    }

    fn table_file(&mut self, table: &'static Table, path: &str) {
        self.verdict.files += 1;
        let help = self.read_again(path);
        let bytes = match fs::read(self.root.join(path)) {
            Ok(bytes) => Bytes::from(bytes),
            Err(error) => return self.problem(path, None, &format!("it cannot be read ({error})"), &help),
        };
        let changed = self.changed(path, &bytes);
        // What was written over may be anything, also what the library does not expect.
        let look = AssertUnwindSafe(|| {
            Look { table, path, root: self.root, faults: Vec::new() }.at(&bytes, changed.is_none())
        });
        let seen = catch_unwind(look).unwrap_or_else(|_| Seen::unreadable("it is no whole Parquet file"));
        self.verdict.rows += seen.rows;
        self.verdict.older += usize::from(seen.version < schema::VERSION && seen.version > 0);
        self.verdict.newer += usize::from(seen.version > schema::VERSION);
        if let Some(changed) = changed.filter(|_| seen.faults.is_empty() || !seen.is_parquet) {
            return self.problem(path, None, &changed, &help);
        }
        for (column, what) in &seen.faults {
            self.problem(path, column.as_deref(), what, &help);
        }
        if seen.faults.is_empty() {
            self.belongs(path, &seen, &help);
        }
    }

    /// How a file differs from what its run wrote.
    fn changed(&self, path: &str, bytes: &[u8]) -> Option<String> {
        let (_, file) = self.named.get(path)?;
        let hash = sha256(bytes);
        if hash == file.sha256 {
            return None;
        }
        let other = self.named.values().find(|(_, other)| other.sha256 == hash);
        Some(match other {
            Some((_, other)) => format!("it holds what was written as {}", other.path),
            None if (bytes.len() as u64) < file.bytes => {
                format!("it was cut short: {} of {} bytes are there", bytes.len(), file.bytes)
            }
            None => "it was changed after it was written (its hash is another)".to_owned(),
        })
    }

    /// Whether a sound file stands where it should, and its run knows it.
    fn belongs(&mut self, path: &str, seen: &Seen, help: &str) {
        let run = Run { provenance: seen.provenance.clone(), ..Run::default() };
        if !is_of(&run, Path::new(path)) {
            let Provenance { site, sensor, run_id } = &run.provenance;
            let what =
                format!("it was written for site {site}, sensor {sensor}, run {run_id}, and its name says otherwise");
            return self.problem(path, None, &what, help);
        }
        let run_id = &run.provenance.run_id;
        match self.named.get(path) {
            Some((named_by, _)) if named_by != run_id => {
                let what = format!("run {named_by} lists it, and it is of run {run_id}");
                self.problem(path, None, &what, help);
            }
            Some((_, file)) if file.rows != seen.rows => {
                let what = format!("it has {} rows, and its run wrote {}", seen.rows, file.rows);
                self.problem(path, None, &what, help);
            }
            Some(_) => {}
            None if self.runs.contains_key(run_id) => {
                let what = "its run does not list it: an earlier try of it left it behind";
                self.problem(path, None, what, help);
            }
            None => self.note(path, "no run lists it; it is read all the same"),
        }
    }

    /// What mends a file: its run, once more.
    fn read_again(&self, path: &str) -> String {
        let name = path.rsplit('/').next().unwrap_or_default();
        let of_name = || self.runs.values().find(|run| name.contains(run.run_id.as_str()));
        let run = self.named.get(path).and_then(|(run, _)| self.runs.get(run)).or_else(of_name);
        match run {
            Some(run) if !run.inputs.is_empty() => {
                let shown: Vec<&str> = run.inputs.iter().take(2).map(|Input { path, .. }| path.as_str()).collect();
                let more = run.inputs.len() - shown.len();
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                format!("read the captures of its run again: {}{more}", shown.join(", "))
            }
            _ => "delete it, and read the captures again that it was made of".to_owned(),
        }
    }
}

/// What the system or a library says, without the path, which is said already.
fn reason(error: &OutputError) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}

fn is_within(path: &str) -> bool {
    Path::new(path).components().all(|part| matches!(part, Component::Normal(_)))
}

fn is_parquet(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|end| end == "parquet")
}

fn is_hidden(parts: &[&str]) -> bool {
    parts.iter().any(|part| part.starts_with(['.', '_']))
}

/// What stands in a file.
struct Seen {
    is_parquet: bool,
    /// The schema that it names; 0 when it names none.
    version: u32,
    rows: u64,
    provenance: Provenance,
    /// What is wrong, and with which column.
    faults: Vec<(Option<String>, String)>,
}

impl Seen {
    fn unreadable(what: &str) -> Self {
        let faults = vec![(None, what.to_owned())];
        Self { is_parquet: false, version: 0, rows: 0, provenance: Provenance::default(), faults }
    }
}

/// A look at one file.
struct Look<'a> {
    table: &'static Table,
    path: &'a str,
    root: &'a Path,
    faults: Vec<(Option<String>, String)>,
}

impl Look<'_> {
    /// Looks at the footer, and at the rows where they can be relied on.
    fn at(mut self, bytes: &Bytes, with_rows: bool) -> Seen {
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let builder = match ParquetRecordBatchReaderBuilder::try_new_with_options(bytes.clone(), options) {
            Ok(builder) => builder,
            Err(error) => return Seen::unreadable(&format!("it is no whole Parquet file ({error})")),
        };
        let footer = builder.metadata().file_metadata();
        let told = |key: &str| {
            let pairs = footer.key_value_metadata()?;
            pairs.iter().find(|pair| pair.key == key)?.value.clone()
        };
        for key in METADATA.into_iter().filter(|key| told(key).is_none()) {
            self.fault(None, format!("its metadata has no {key}"));
        }
        let version = told(METADATA[0]).and_then(|text| text.parse().ok()).unwrap_or_default();
        let [sensor, site, run_id] = [METADATA[2], METADATA[3], METADATA[4]].map(|key| told(key).unwrap_or_default());
        let provenance = Provenance { site, sensor, run_id };
        let rows = u64::try_from(footer.num_rows()).unwrap_or_default();
        self.columns(builder.schema().fields(), version);
        if with_rows && self.faults.is_empty() {
            self.rows(bytes, &provenance);
        }
        Seen { is_parquet: true, version, rows, provenance, faults: self.faults }
    }

    fn fault(&mut self, column: Option<&str>, what: String) {
        self.faults.push((column.map(str::to_owned), what));
    }

    /// Whether the columns are those of the schema that the file names: names, types, field ids, in their order.
    fn columns(&mut self, found: &[FieldRef], version: u32) {
        let names: Vec<&str> = found.iter().map(|field| field.name().as_str()).collect();
        let other = TABLES.into_iter().find(|table| {
            table.name != self.table.name && table.columns.iter().map(|column| column.name).eq(names.iter().copied())
        });
        if let Some(other) = other {
            return self.fault(None, format!("its columns are those of the table {}", other.name));
        }
        let wanted = arrow::schema(self.table.columns);
        for (i, (column, field)) in self.table.columns.iter().zip(wanted.fields()).enumerate() {
            let name = column.name;
            match found.get(i) {
                Some(there) if there.name() == name => self.field(name, field, there),
                Some(there) if names.contains(&name) => {
                    let what = format!("{} stands in its place", there.name());
                    return self.fault(Some(name), what);
                }
                Some(there) if self.table.index(there.name()).is_some() => {
                    return self.fault(Some(name), "it is missing".to_owned());
                }
                Some(there) => self.fault(Some(name), format!("it is called {} here", there.name())),
                // A file of an older schema ends here.
                None if column.since > version => return,
                None => {
                    let what = format!("it is missing, though the file says that it has schema {version}");
                    return self.fault(Some(name), what);
                }
            }
        }
        let is_later = version > schema::VERSION;
        for name in names.iter().skip(self.table.columns.len()).filter(|_| !is_later) {
            self.fault(Some(name), "the schema does not have it".to_owned());
        }
    }

    fn field(&mut self, name: &str, wanted: &Field, found: &Field) {
        let id = |field: &Field| field.metadata().get(PARQUET_FIELD_ID_META_KEY).cloned().unwrap_or_default();
        let what = if id(wanted) != id(found) {
            format!("its field id is {}, and should be {}", or_none(&id(found)), id(wanted))
        } else if wanted.is_nullable() != found.is_nullable() {
            let may = |nullable| if nullable { "may be null" } else { "is never null" };
            format!("it {}, and {} by the schema", may(found.is_nullable()), may(wanted.is_nullable()))
        } else if wanted.data_type() != found.data_type() {
            format!("it is of the type {}, and should be of {}", found.data_type(), wanted.data_type())
        } else {
            return;
        };
        self.fault(Some(name), what);
    }

    /// Whether the rows stand in their order, and are of the site, the run and the day that the file is of.
    fn rows(&mut self, bytes: &Bytes, provenance: &Provenance) {
        let rows = match file::decode(self.table, bytes.clone(), &self.root.join(self.path)) {
            Ok(rows) => rows,
            Err(error) => return self.fault(None, format!("its rows cannot be read ({})", reason(&error))),
        };
        if !is_sorted(self.table, &rows) {
            self.fault(None, format!("its rows are not sorted by {}", self.table.key.join(", ")));
        }
        let Provenance { site, sensor, run_id } = provenance;
        for (column, wanted) in [("site", site), ("sensor", sensor), ("run_id", run_id)] {
            let Some(index) = self.table.index(column) else { continue };
            let other = rows.iter().map(|row| row[index].text()).find(|text| *text != Some(wanted.as_str()));
            if let Some(other) = other {
                let what = format!("a row says {}, and the file is of {wanted}", other.unwrap_or("nothing"));
                self.fault(Some(column), what);
            }
        }
        let folder = self.path.split('/').nth(2).unwrap_or_default();
        let folder_of = |row: &Row| {
            let start = Timestamp::from_micros(day(self.table, row) * MICROS_PER_DAY);
            format!("p_day={}", format_time(start, "%Y-%m-%d"))
        };
        if let Some(other) = rows.iter().map(folder_of).find(|day| day != folder) {
            self.fault(None, format!("it holds a row of {other}"));
        }
        let nulls = self.table.columns.iter().enumerate().filter(|(_, column)| !column.nullable);
        let null = nulls.into_iter().find(|(i, _)| rows.iter().any(|row| row.get(*i).is_none_or(Cell::is_null)));
        if let Some((_, column)) = null {
            self.fault(Some(column.name), "a row says nothing, which the schema does not allow".to_owned());
        }
    }
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "not there" } else { text }
}
