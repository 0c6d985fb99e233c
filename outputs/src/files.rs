//! Files that appear whole under their names, or not at all.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::OutputError;

/// A file that is written and waits, under a hidden name beside its own, to appear. Dropped, it is gone.
pub(crate) struct Staged {
    temporary: PathBuf,
    path: PathBuf,
}

impl Staged {
    /// Writes a file's bytes to the disk.
    pub(crate) fn write(path: PathBuf, bytes: &[u8]) -> Result<Self, OutputError> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let staged = Self { temporary: path.with_file_name(format!(".{name}.tmp")), path };
        staged.write_aside(bytes).map_err(OutputError::io(&staged.path))?;
        Ok(staged)
    }

    fn write_aside(&self, bytes: &[u8]) -> io::Result<()> {
        fs::create_dir_all(parent(&self.temporary))?;
        let mut file = File::create(&self.temporary)?;
        file.write_all(bytes)?;
        file.sync_all()
    }

    /// Lets the file appear under its own name, in the place of another perhaps. One of the same bytes is not touched.
    pub(crate) fn appear(self) -> Result<(), OutputError> {
        self.rename().map_err(OutputError::io(&self.path))
    }

    fn rename(&self) -> io::Result<()> {
        if same_bytes(&self.temporary, &self.path)? {
            return Ok(());
        }
        fs::rename(&self.temporary, &self.path)?;
        sync_folder(parent(&self.path))
    }
}

impl Drop for Staged {
    /// After the file appeared there is nothing left to remove, and an error tells just that.
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.temporary);
    }
}

/// Fails where nothing can be written to a folder, before much work was done for it.
pub(crate) fn try_to_write(folder: &Path) -> Result<(), OutputError> {
    let trial = folder.join(".trial.tmp");
    File::create(&trial).and_then(|_| fs::remove_file(&trial)).map_err(OutputError::io(folder))
}

/// Writes a value as JSON that people can read.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), OutputError> {
    let mut bytes = serde_json::to_vec_pretty(value).map_err(OutputError::json(path))?;
    bytes.push(b'\n');
    Staged::write(path.to_owned(), &bytes)?.appear()
}

/// Reads a value from JSON.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, OutputError> {
    let bytes = fs::read(path).map_err(OutputError::io(path))?;
    serde_json::from_slice(&bytes).map_err(OutputError::json(path))
}

/// What stands in a folder, sorted by name, less what is hidden (`.`) or not meant as data (`_`). No folder, nothing.
pub(crate) fn visible(folder: &Path) -> Result<Vec<PathBuf>, OutputError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(Vec::new()),
        entries => entries.map_err(OutputError::io(folder))?,
    };
    let entries: Result<Vec<_>, _> = entries.collect();
    let mut paths: Vec<PathBuf> = entries
        .map_err(OutputError::io(folder))?
        .into_iter()
        .filter(|entry| !entry.file_name().to_string_lossy().starts_with(['.', '_']))
        .map(|entry| entry.path())
        .collect();
    paths.sort();
    Ok(paths)
}

/// Text as part of a file's name: what could end the name, hide it or be read as something else is percent-encoded.
pub(crate) fn encoded(text: &str) -> String {
    let byte = |(i, byte): (usize, u8)| match byte {
        b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' => char::from(byte).to_string(),
        b'.' | b'_' if i > 0 => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().enumerate().map(byte).collect()
}

fn same_bytes(a: &Path, b: &Path) -> io::Result<bool> {
    match fs::metadata(b) {
        Ok(there) if there.len() == fs::metadata(a)?.len() => Ok(fs::read(a)? == fs::read(b)?),
        _ => Ok(false),
    }
}

/// A rename is only safe from a pulled plug when the folder is on the disk too. Elsewhere than on Unix a folder cannot
/// be opened for that.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_never_appeared_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("day/x.parquet");
        let staged = Staged::write(path.clone(), b"half").unwrap();
        assert!(visible(&folder.path().join("day")).unwrap().is_empty());
        drop(staged);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 0);
    }

    #[test]
    fn a_file_that_appears_takes_the_place_of_the_older_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.json");
        for text in ["old", "new"] {
            write_json(&path, &text).unwrap();
        }
        assert_eq!(read_json::<String>(&path).unwrap(), "new");
        assert_eq!(visible(folder.path()).unwrap(), [path]);
    }

    #[test]
    fn a_name_stays_one_name() {
        assert_eq!(encoded("Plant-7.b_c"), "Plant-7.b_c");
        assert_eq!(encoded("../é=/"), "%2E.%2F%C3%A9%3D%2F");
        assert_eq!(encoded("_x"), "%5Fx");
    }
}
