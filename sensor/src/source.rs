//! Where packets come from: captures by their paths, put into one timeline.

pub mod capture_file;
mod feed;
mod filter;
mod formats;
#[cfg(target_os = "linux")]
pub mod live;
mod map;
mod pcap;
mod pcapng;
mod prefetch;
mod silence;
mod stream;
#[cfg(target_os = "linux")]
pub(crate) mod verdict;

pub use capture_file::{CaptureFile, Damage, Drops, Frame, Step, Walk};
pub(crate) use feed::MOST_LINK_TYPES;
pub use feed::{Account, Fed, Feed, OTHER_LINKS, link_words};
pub use filter::{FilterError, Meaningless};
pub use map::Bytes;
pub(crate) use prefetch::{prefetch, prefetch_ahead};
pub use silence::{Silence, Silences};

use outputs::visible;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::fs::{File, Metadata};
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A capture to read.
#[derive(Clone, Debug)]
pub struct Input {
    /// Where it is.
    pub path: PathBuf,
    /// How the tables name it: the path relative to the argument that was given.
    pub name: String,
    /// How its bytes come.
    pub origin: Origin,
}

/// How the bytes of a capture come.
#[derive(Clone, Debug)]
pub enum Origin {
    /// From a file, which can be opened again.
    File,
    /// Once, and one after the other; the path `-` is standard input.
    Pipe,
    /// They are in memory already.
    Held(Arc<Bytes>),
    /// As they come in at interfaces of this machine.
    #[cfg(target_os = "linux")]
    Live(live::Tap),
}

impl Input {
    /// A capture that is in memory.
    pub fn held(name: &str, bytes: Vec<u8>) -> Self {
        Self { path: PathBuf::from(name), name: name.to_owned(), origin: Origin::Held(Arc::new(Bytes::Held(bytes))) }
    }

    /// Interfaces that are listened to, as one capture of this name.
    #[cfg(target_os = "linux")]
    pub fn live(name: &str, tap: live::Tap) -> Self {
        Self { path: PathBuf::from(name), name: name.to_owned(), origin: Origin::Live(tap) }
    }

    /// Whether its frames have numbers by which they can be found again.
    pub(crate) fn is_numbered(&self) -> bool {
        match &self.origin {
            Origin::File | Origin::Pipe | Origin::Held(_) => true,
            #[cfg(target_os = "linux")]
            Origin::Live(tap) => tap.is_kept(),
        }
    }

    fn file(path: &Path, name: String) -> Self {
        Self { path: path.to_owned(), name, origin: Origin::File }
    }
}

/// What was found under the paths given.
#[derive(Debug, Default)]
pub struct Found {
    /// Captures in the order of their names, each once, in whatever order the paths were given.
    pub inputs: Vec<Input>,
    /// What was not read.
    pub left_out: LeftOut,
}

/// What was found and not read. Text beside captures is no loss, and is not counted.
#[derive(Debug, Default)]
pub struct LeftOut {
    /// Files inside folders that are neither captures nor text.
    pub no_captures: Vec<PathBuf>,
    /// Files inside folders that are compressed as is not read here, and may be captures.
    pub compressed: Vec<PathBuf>,
    /// Files inside folders that are compressed, and whose beginning cannot be unpacked.
    pub broken: Vec<PathBuf>,
    /// What cannot be opened inside folders: links to nothing, files and folders of others.
    pub closed: Vec<PathBuf>,
    /// What an earlier argument has named already.
    pub repeated: Vec<PathBuf>,
}

/// What kept a path from being read at all.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A path that cannot be opened.
    #[error("{}: {}", shown(path), in_words(error))]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file that was named and is no capture.
    #[error("{}: not a capture ({what}); pcap and pcapng are read, also packed as .gz, .zst or .xz", shown(path))]
    NotACapture {
        /// Which.
        path: PathBuf,
        /// What it looks like.
        what: Other,
    },
    /// Standard input at which a person sits.
    #[error("-: standard input is a terminal; a capture has to be piped into it, or a file be named")]
    Terminal,
    /// An interface that cannot be listened to.
    #[error("{}: {said}", outputs::visible(name))]
    Interface {
        /// Which.
        name: String,
        /// Why, and what helps.
        said: String,
    },
    /// A folder without captures.
    #[error(
        "{}: no capture in this folder ({}); pcap and pcapng are read, also packed as .gz, .zst or .xz",
        shown(path), others(*files, *compressed)
    )]
    Empty {
        /// Which.
        path: PathBuf,
        /// How many files it holds.
        files: usize,
        /// How many of them are compressed.
        compressed: usize,
    },
}

/// A path with nothing in it that moves a terminal.
fn shown(path: &Path) -> String {
    visible(&path.to_string_lossy())
}

fn others(files: usize, compressed: usize) -> String {
    let files = if files == 1 { "1 other file".to_owned() } else { format!("{files} other files") };
    if compressed > 0 { format!("{files}, {compressed} of them compressed: unpack first") } else { files }
}

/// What is wrong with a path, and what helps.
fn in_words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file or folder; is the path right?".to_owned(),
        io::ErrorKind::PermissionDenied => "this user may not read it; change its rights or read as another".to_owned(),
        _ => crate::words::of(error),
    }
}

impl SourceError {
    fn io(path: &Path, error: io::Error) -> Self {
        Self::Io { path: path.to_owned(), error }
    }
}

/// What a file is that is no capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Other {
    /// Nothing.
    Empty,
    /// A capture that ends before its first record.
    Stump,
    /// Something packed, by this program.
    Compressed(&'static str),
    /// Something packed by this program, of which nothing can be unpacked.
    Broken(&'static str),
    /// Text.
    Text,
    /// Something that is known, in words that say what helps.
    Known(&'static str),
    /// Something else.
    Unknown,
}

impl Other {
    /// What bytes are that start like no capture.
    fn of(front: &[u8]) -> Self {
        match front {
            [] => Self::Empty,
            front if capture_file::is_stump(front) => Self::Stump,
            [0x1f, 0x8b, ..] => Self::Compressed("gzip"),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Compressed("zstd"),
            [0xfd, b'7', b'z', b'X', b'Z', ..] => Self::Compressed("xz"),
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Self::Compressed("bzip2"),
            [0x04, 0x22, 0x4d, 0x18, ..] => Self::Compressed("lz4"),
            [b'P', b'K', 3, 4, ..] => Self::Compressed("zip"),
            [b'7', b'z', 0xbc, 0xaf, ..] => Self::Compressed("7-Zip"),
            front if is_text(front) => Self::Text,
            _ => Self::Unknown,
        }
    }
}

impl fmt::Display for Other {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("it is empty"),
            Self::Stump => f.write_str("it ends within its own header"),
            Self::Compressed(by) => write!(f, "it is compressed by {by}: unpack it first"),
            Self::Broken(by) => write!(f, "it is compressed by {by}, and nothing of it can be unpacked"),
            Self::Text => f.write_str("it is text"),
            Self::Known(what) => f.write_str(what),
            Self::Unknown => f.write_str("it starts like no capture"),
        }
    }
}

/// Finds the captures under some paths: files as they are, folders with all that is below them, each file once, however
/// many names it has.
///
/// Fails when a path cannot be read, a named file is no capture, or a folder holds none.
pub fn find(paths: &[PathBuf]) -> Result<Found, SourceError> {
    let mut search = Search::default();
    let mut paths: Vec<&PathBuf> = paths.iter().collect();
    // What is found does not depend on the order in which it is named.
    paths.sort();
    for (argument, path) in paths.into_iter().enumerate() {
        search.argument = argument;
        search.path(path)?;
    }
    let mut found = search.found;
    tell_apart(&mut found.inputs);
    found.inputs.sort_by(|one, other| Path::new(&one.name).cmp(Path::new(&other.name)));
    Ok(found)
}

/// Captures of one name are called by their paths as they were typed.
fn tell_apart(inputs: &mut [Input]) {
    let mut names: HashMap<String, usize> = HashMap::new();
    for input in inputs.iter() {
        *names.entry(input.name.clone()).or_default() += 1;
    }
    for input in inputs.iter_mut().filter(|input| names[&input.name] > 1) {
        input.name = input.path.to_string_lossy().into_owned();
    }
}

/// What of the paths has been looked at.
#[derive(Default)]
struct Search {
    found: Found,
    /// Which argument is looked at.
    argument: usize,
    /// Files and folders that were looked at, and for which argument.
    visited: HashMap<Identity, usize>,
}

/// What a file or folder is, by whatever name it goes: device and inode.
#[cfg(unix)]
type Identity = (u64, u64);
/// What a file or folder is, by whatever name it goes: its path without links.
#[cfg(not(unix))]
type Identity = PathBuf;

impl Search {
    fn path(&mut self, path: &Path) -> Result<(), SourceError> {
        if path == Path::new("-") {
            return self.standard_input();
        }
        let metadata = std::fs::metadata(path).map_err(|error| SourceError::io(path, error))?;
        if metadata.is_dir() {
            return self.folder(path, &metadata);
        }
        if !metadata.is_file() {
            if self.is_new(path, &metadata) {
                self.pipe(path);
            }
            return Ok(());
        }
        if let Some(what) = what_else(path).map_err(|error| SourceError::io(path, error))? {
            let what = known(path, what).map_err(|error| SourceError::io(path, error))?;
            return Err(SourceError::NotACapture { path: path.to_owned(), what });
        }
        if self.is_new(path, &metadata) {
            let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
            self.found.inputs.push(Input::file(path, name));
        }
        Ok(())
    }

    fn standard_input(&mut self) -> Result<(), SourceError> {
        let path = Path::new("-");
        if io::stdin().is_terminal() {
            return Err(SourceError::Terminal);
        }
        if self.found.inputs.iter().any(|input| input.path == path) {
            self.found.left_out.repeated.push(path.to_owned());
        } else {
            self.pipe(path);
        }
        Ok(())
    }

    fn pipe(&mut self, path: &Path) {
        let name = path.to_string_lossy().into_owned();
        self.found.inputs.push(Input { path: path.to_owned(), name, origin: Origin::Pipe });
    }

    /// Adds the captures of a folder, in the order of their names.
    fn folder(&mut self, folder: &Path, metadata: &Metadata) -> Result<(), SourceError> {
        let before = (self.found.inputs.len(), self.found.left_out.repeated.len());
        let mut files = Vec::new();
        if self.is_new(folder, metadata) {
            self.list(folder, &mut files).map_err(|error| SourceError::io(folder, error))?;
        }
        files.sort();
        let mut compressed = 0;
        for path in &files {
            let left_out = &mut self.found.left_out;
            match what_else(path) {
                Err(_) => left_out.closed.push(path.clone()),
                Ok(Some(Other::Text)) => {}
                Ok(Some(Other::Compressed(_))) => {
                    compressed += 1;
                    left_out.compressed.push(path.clone());
                }
                Ok(Some(Other::Broken(_))) => left_out.broken.push(path.clone()),
                Ok(Some(Other::Empty | Other::Stump | Other::Known(_) | Other::Unknown)) => {
                    left_out.no_captures.push(path.clone());
                }
                Ok(None) => {
                    let name = path.strip_prefix(folder).unwrap_or(path).to_string_lossy().into_owned();
                    self.found.inputs.push(Input::file(path, name));
                }
            }
        }
        if before == (self.found.inputs.len(), self.found.left_out.repeated.len()) {
            return Err(SourceError::Empty { path: folder.to_owned(), files: files.len(), compressed });
        }
        Ok(())
    }

    /// All files below a folder. What cannot be opened below it is passed over.
    fn list(&mut self, folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
        let mut paths: Vec<PathBuf> =
            std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
        paths.sort();
        let is_hidden = |path: &Path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        for path in paths.into_iter().filter(|path| !is_hidden(path)) {
            match std::fs::metadata(&path) {
                Err(_) => self.found.left_out.closed.push(path),
                Ok(metadata) if metadata.is_dir() => {
                    if self.is_new(&path, &metadata) && self.list(&path, files).is_err() {
                        self.found.left_out.closed.push(path);
                    }
                }
                Ok(metadata) if metadata.is_file() && self.is_new(&path, &metadata) => files.push(path),
                Ok(_) => {}
            }
        }
        Ok(())
    }

    /// Whether it was not looked at before. That an earlier argument has named it is said; that links of one folder lead
    /// to it twice is not.
    fn is_new(&mut self, path: &Path, metadata: &Metadata) -> bool {
        let argument = self.argument;
        match self.visited.entry(identity(path, metadata)) {
            Entry::Vacant(entry) => {
                entry.insert(argument);
                true
            }
            Entry::Occupied(entry) => {
                if *entry.get() != argument {
                    self.found.left_out.repeated.push(path.to_owned());
                }
                false
            }
        }
    }
}

#[cfg(unix)]
fn identity(_path: &Path, metadata: &Metadata) -> Identity {
    use std::os::unix::fs::MetadataExt;
    (metadata.dev(), metadata.ino())
}

#[cfg(not(unix))]
fn identity(path: &Path, _metadata: &Metadata) -> Identity {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// What a file is, if it is no capture.
fn what_else(path: &Path) -> io::Result<Option<Other>> {
    let mut front = Vec::new();
    File::open(path)?.take(FRONT as u64).read_to_end(&mut front)?;
    if stream::is_packed(&front) {
        match stream::front_of(path, FRONT)? {
            Ok(unpacked) => front = unpacked,
            Err(broken) => return Ok(Some(broken)),
        }
    }
    Ok(if capture_file::is_capture(&front) { None } else { Some(Other::of(&front)) })
}

/// What a file is that was named and is no capture: more is said of it than of one that lies in a folder.
fn known(path: &Path, what: Other) -> io::Result<Other> {
    let mut front = Vec::new();
    File::open(path)?.take(FRONT as u64).read_to_end(&mut front)?;
    let is_open = matches!(what, Other::Text | Other::Unknown);
    Ok(formats::known(path, &front).filter(|_| is_open).map_or(what, Other::Known))
}

/// Bytes that are enough to tell what a file is.
const FRONT: usize = 64;

/// Whether the front of a file is text: UTF-8, cut in its last letter perhaps, with no controls but blanks.
fn is_text(front: &[u8]) -> bool {
    let text = match std::str::from_utf8(front) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&front[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    text.chars().all(|letter| !letter.is_control() || letter.is_whitespace())
}
