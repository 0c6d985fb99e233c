//! What a run read and wrote, and which older run it takes the place of.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use fingerprints::record::Provenance;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::error::OutputError;
use crate::files::{encoded, read_json, visible, write_json};
use crate::schema::{self, Table};

/// Where runs are kept within a lake.
pub(crate) const FOLDER: &str = "_runs";

/// How much of a capture's beginning and end stand for its content.
const SAMPLE: u64 = 64 * 1024;

/// A run of the program, as its caller knows it before the first record.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// Who tells.
    pub provenance: Provenance,
    /// Version of the program.
    pub version: String,
    /// Version of what it knows.
    pub knowledge: String,
    /// The captures it reads; none when it listens.
    pub inputs: Vec<Input>,
}

/// A capture as a run knows it again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Input {
    /// Its path, relative to the argument that was given.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of its first 64 KiB.
    pub head_sha256: String,
    /// SHA-256 of its last 64 KiB.
    pub tail_sha256: String,
}

impl Input {
    /// Looks at the beginning and the end of a file.
    pub fn look(file: &Path, shown_as: String) -> Result<Self, OutputError> {
        Self::sample(file, shown_as).map_err(OutputError::io(file))
    }

    /// A capture that came through a pipe: how many bytes, of which these were the first and the last.
    pub fn of_samples(path: String, bytes: u64, head: &[u8], tail: &[u8]) -> Self {
        let head = &head[..head.len().min(SAMPLE as usize)];
        let tail = &tail[tail.len().saturating_sub(SAMPLE as usize)..];
        Self { path, bytes, head_sha256: sha256(head), tail_sha256: sha256(tail) }
    }

    fn sample(file: &Path, path: String) -> io::Result<Self> {
        let mut file = File::open(file)?;
        let bytes = file.metadata()?.len();
        let head_sha256 = hash_front(&mut file)?;
        file.seek(SeekFrom::Start(bytes.saturating_sub(SAMPLE)))?;
        let tail_sha256 = hash_front(&mut file)?;
        Ok(Self { path, bytes, head_sha256, tail_sha256 })
    }

    /// What makes two inputs the same capture, wherever it lies.
    fn content(&self) -> (u64, &str, &str) {
        (self.bytes, &self.head_sha256, &self.tail_sha256)
    }
}

fn hash_front(file: &mut File) -> io::Result<String> {
    // A password may stand in it.
    let mut sample = Zeroizing::new(Vec::with_capacity(SAMPLE as usize));
    file.take(SAMPLE).read_to_end(&mut sample)?;
    Ok(sha256(&sample))
}

/// SHA-256 in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)])).collect()
}

/// The id of a run that reads captures: 128 bits of a hash of what it reads and of the configuration that decides what
/// it makes of it. The order in which the inputs were named does not matter.
pub fn run_id(inputs: &[Input], configuration: &str) -> String {
    let mut hash = Sha256::new();
    let mut field = |text: &str| {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    };
    field(configuration);
    for input in inputs.iter().collect::<BTreeSet<_>>() {
        field(&input.path);
        field(&input.bytes.to_string());
        field(&input.head_sha256);
        field(&input.tail_sha256);
    }
    hex(&hash.finalize()[..16])
}

/// `LAKE/_runs/RUN.json`: all that one run left in a lake.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Manifest {
    /// The run.
    pub run_id: String,
    /// Its site.
    pub site: String,
    /// Its sensor.
    pub sensor: String,
    /// Version of the schema of its files.
    pub schema_version: String,
    /// Version of the program.
    pub version: String,
    /// Version of what it knew.
    pub knowledge: String,
    /// The captures it read.
    pub inputs: Vec<Input>,
    /// The files it wrote.
    pub files: Vec<WrittenFile>,
}

/// A file of the lake.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct WrittenFile {
    /// Its path within the lake.
    pub path: String,
    /// Its rows.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of all of it.
    pub sha256: String,
}

/// Whether a run may read some of an older run's captures, and not the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overlap {
    /// It may not: packets would count twice.
    #[default]
    Refuse,
    /// It may, and both runs keep their rows.
    Append,
}

impl Manifest {
    pub(crate) fn of(run: &Run, files: Vec<WrittenFile>) -> Self {
        let Provenance { site, sensor, run_id } = run.provenance.clone();
        let (version, knowledge, inputs) = (run.version.clone(), run.knowledge.clone(), run.inputs.clone());
        Self { run_id, site, sensor, schema_version: schema::VERSION.to_string(), version, knowledge, inputs, files }
    }

    /// All runs of a lake, by their ids.
    pub(crate) fn all(lake: &Path) -> Result<Vec<Self>, OutputError> {
        let paths = visible(&lake.join(FOLDER))?;
        paths
            .iter()
            .filter(|path| path.extension().is_some_and(|end| end == "json"))
            .map(|path| read_json(path))
            .collect()
    }

    /// What the run wrote of a table.
    pub(crate) fn files_of(&self, table: &Table) -> impl Iterator<Item = &WrittenFile> {
        let is_of = |file: &&WrittenFile| file.path.split('/').next() == Some(table.name);
        self.files.iter().filter(is_of)
    }

    /// Keeps this in the lake. Writing the same again touches nothing.
    pub(crate) fn keep(&self, lake: &Path) -> Result<(), OutputError> {
        write_json(&self.path(lake), self)
    }

    /// Takes this out of the lake; its files are gone already.
    pub(crate) fn forget(&self, lake: &Path) -> Result<(), OutputError> {
        let path = self.path(lake);
        fs::remove_file(&path).map_err(OutputError::io(&path))
    }

    pub(crate) fn path(&self, lake: &Path) -> PathBuf {
        lake.join(FOLDER).join(format!("{}.json", encoded(&self.run_id)))
    }
}

/// The older runs that this one takes the place of: itself, and those of its site all whose inputs it reads again.
pub(crate) fn replaced(run: &Run, older: Vec<Manifest>, overlap: Overlap) -> Result<Vec<Manifest>, OutputError> {
    let Provenance { site, run_id, .. } = &run.provenance;
    let ours: BTreeSet<_> = run.inputs.iter().map(Input::content).collect();
    let mut replaced = Vec::new();
    for manifest in older.into_iter().filter(|manifest| manifest.site == *site) {
        let (shared, missing): (Vec<_>, Vec<_>) =
            manifest.inputs.iter().partition(|input| ours.contains(&input.content()));
        match (shared.first(), missing.first()) {
            _ if manifest.run_id == *run_id => replaced.push(manifest),
            (Some(_), None) => replaced.push(manifest),
            (Some(shared), Some(missing)) if overlap == Overlap::Refuse => {
                let (shared, missing) = (shared.path.clone(), missing.path.clone());
                return Err(OutputError::Overlap { run: manifest.run_id, shared, missing });
            }
            _ => {}
        }
    }
    Ok(replaced)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(path: &str, content: &str) -> Input {
        let hash = sha256(content.as_bytes());
        Input { path: path.into(), bytes: content.len() as u64, head_sha256: hash.clone(), tail_sha256: hash }
    }

    fn run(id: &str, inputs: &[Input]) -> Run {
        let provenance = Provenance { site: "s".into(), sensor: "x".into(), run_id: id.into() };
        Run { provenance, inputs: inputs.into(), ..Run::default() }
    }

    fn replaced_ids(now: &Run, older: &[&Run], overlap: Overlap) -> Result<Vec<String>, OutputError> {
        let older = older.iter().map(|run| Manifest::of(run, Vec::new())).collect();
        Ok(replaced(now, older, overlap)?.into_iter().map(|manifest| manifest.run_id).collect())
    }

    #[test]
    fn a_run_that_reads_all_of_another_takes_its_place() {
        let (a, b, c) = (input("a", "1"), input("b", "2"), input("c", "3"));
        let older = run("old", &[a.clone(), b.clone()]);
        let moved = input("elsewhere/a", "1");
        let wider = run("new", &[moved, b, c.clone()]);
        assert_eq!(replaced_ids(&wider, &[&older, &run("other", &[])], Overlap::Refuse).unwrap(), ["old"]);
        assert_eq!(replaced_ids(&run("new", &[c]), &[&older], Overlap::Refuse).unwrap(), [""; 0]);
        assert_eq!(replaced_ids(&older, &[&older], Overlap::Refuse).unwrap(), ["old"]);
    }

    #[test]
    fn a_partial_overlap_is_refused_and_names_what_is_missing() {
        let (a, b, c) = (input("a", "1"), input("b", "2"), input("c", "3"));
        let older = run("old", &[a.clone(), b]);
        let now = run("new", &[a, c]);
        let refused = replaced_ids(&now, &[&older], Overlap::Refuse).unwrap_err().to_string();
        assert!(refused.starts_with("a was read before, in run old, together with b, which is not"), "{refused}");
        assert_eq!(replaced_ids(&now, &[&older], Overlap::Append).unwrap(), [""; 0]);
    }

    #[test]
    fn runs_of_another_site_and_runs_that_listened_are_left_alone() {
        let a = input("a", "1");
        let mut elsewhere = run("elsewhere", std::slice::from_ref(&a));
        elsewhere.provenance.site = "t".into();
        let now = run("new", &[a]);
        assert_eq!(replaced_ids(&now, &[&elsewhere, &run("live", &[])], Overlap::Refuse).unwrap(), [""; 0]);
    }

    #[test]
    fn a_run_is_known_by_what_it_reads_and_how() {
        let (a, b) = (input("a", "1"), input("b", "2"));
        let id = run_id(&[a.clone(), b.clone()], "x");
        assert_eq!(id.len(), 32);
        assert_eq!(id, run_id(&[b.clone(), a.clone()], "x"));
        assert_ne!(id, run_id(&[a.clone(), b], "y"));
        assert_ne!(id, run_id(&[a, input("b", "3")], "x"));
    }

    #[test]
    fn a_capture_is_sampled_at_both_ends() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.pcap");
        let mut content = vec![1; 70_000];
        let look = |content: &[u8]| {
            fs::write(&path, content).unwrap();
            Input::look(&path, "x.pcap".into()).unwrap()
        };
        let before = look(&content);
        assert_eq!((before.bytes, &before.head_sha256), (70_000, &sha256(&content[..65_536])));
        content[69_999] = 2;
        let after = look(&content);
        assert_eq!(after.head_sha256, before.head_sha256);
        assert_ne!(after.tail_sha256, before.tail_sha256);
    }
}
