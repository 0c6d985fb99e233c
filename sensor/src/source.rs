//! Where packets come from: captures by their paths, put into one timeline.

pub mod capture_file;
mod feed;
mod map;
mod pcap;
mod pcapng;
mod prefetch;

pub use capture_file::{CaptureFile, Damage, Frame, Step, Walk};
pub use feed::{Account, Fed, Feed};
pub use map::Bytes;
pub(crate) use prefetch::prefetch;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A capture to read.
#[derive(Clone, Debug)]
pub struct Input {
    /// Where it is.
    pub path: PathBuf,
    /// How the tables name it: the path relative to the argument that was given.
    pub name: String,
    /// Its bytes, if they are in memory already.
    pub held: Option<Arc<Bytes>>,
}

impl Input {
    /// A capture that is in memory.
    pub fn held(name: &str, bytes: Vec<u8>) -> Self {
        Self { path: PathBuf::from(name), name: name.to_owned(), held: Some(Arc::new(Bytes::Held(bytes))) }
    }

    fn file(path: &Path, name: String) -> Self {
        Self { path: path.to_owned(), name, held: None }
    }
}

/// What was found under the paths given.
#[derive(Debug, Default)]
pub struct Found {
    /// Captures in the order of their names, argument by argument.
    pub inputs: Vec<Input>,
    /// Files inside folders that are no captures: passed over.
    pub passed_over: Vec<PathBuf>,
}

/// What kept a path from being read at all.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A path that cannot be opened.
    #[error("{path}: {}", in_words(error))]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file that was named and is no capture.
    #[error("{path}: not a capture ({what}); pcap and pcapng files are read")]
    NotACapture {
        /// Which.
        path: PathBuf,
        /// What it looks like.
        what: &'static str,
    },
    /// A folder without captures.
    #[error("{path}: no capture in this folder ({files} other files); pcap and pcapng files are read")]
    Empty {
        /// Which.
        path: PathBuf,
        /// How many files it holds.
        files: usize,
    },
}

/// What is wrong with a path, and what helps.
fn in_words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file or folder; is the path right?".to_owned(),
        io::ErrorKind::PermissionDenied => "this user may not read it; change its rights or read as another".to_owned(),
        _ => error.to_string(),
    }
}

impl SourceError {
    fn io(path: &Path, error: io::Error) -> Self {
        Self::Io { path: path.to_owned(), error }
    }
}

/// Finds the captures under some paths: files as they are, folders with all that is below them.
///
/// Fails when a path cannot be read, a named file is no capture, or a folder holds none.
pub fn find(paths: &[PathBuf]) -> Result<Found, SourceError> {
    let mut found = Found::default();
    for path in paths {
        let metadata = std::fs::metadata(path).map_err(|error| SourceError::io(path, error))?;
        if metadata.is_dir() {
            find_in(path, &mut found)?;
        } else {
            if let Some(what) = what_else(path)? {
                return Err(SourceError::NotACapture { path: path.clone(), what });
            }
            let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
            found.inputs.push(Input::file(path, name));
        }
    }
    Ok(found)
}

/// Adds the captures of a folder, in the order of their names.
fn find_in(folder: &Path, found: &mut Found) -> Result<(), SourceError> {
    let mut files = Vec::new();
    list(folder, 0, &mut files)?;
    files.sort();
    let before = found.inputs.len();
    for path in &files {
        if what_else(path)?.is_some() {
            found.passed_over.push(path.clone());
            continue;
        }
        let name = path.strip_prefix(folder).unwrap_or(path).to_string_lossy().into_owned();
        found.inputs.push(Input::file(path, name));
    }
    if found.inputs.len() == before {
        return Err(SourceError::Empty { path: folder.to_owned(), files: files.len() });
    }
    Ok(())
}

/// Deeper folders are loops of links rather than evidence.
const DEEPEST: usize = 16;

fn list(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), SourceError> {
    for entry in std::fs::read_dir(folder).map_err(|error| SourceError::io(folder, error))? {
        let path = entry.map_err(|error| SourceError::io(folder, error))?.path();
        let is_hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        let metadata = std::fs::metadata(&path).map_err(|error| SourceError::io(&path, error))?;
        if metadata.is_dir() && depth < DEEPEST && !is_hidden {
            list(&path, depth + 1, files)?;
        } else if metadata.is_file() && !is_hidden {
            files.push(path);
        }
    }
    Ok(())
}

/// What a file is, if it is no capture.
fn what_else(path: &Path) -> Result<Option<&'static str>, SourceError> {
    let front = map::front_of(path).map_err(|error| SourceError::io(path, error))?;
    Ok(match front.as_slice() {
        front if capture_file::is_capture(front) => None,
        [] => Some("it is empty"),
        [0x1f, 0x8b, ..] => Some("it is compressed by gzip: unpack it first"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some("it is compressed by zstd: unpack it first"),
        [0xfd, b'7', b'z', b'X', b'Z', ..] => Some("it is compressed by xz: unpack it first"),
        front if front.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()) => Some("it is text"),
        _ => Some("it starts like no capture"),
    })
}
