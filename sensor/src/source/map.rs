//! The bytes of a capture: mapped when the file has settled, read whole when it may still change.
#![allow(unsafe_code, reason = "a memory map; its one block says why it is sound")]

use memmap2::Mmap;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Deref;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// A file that was written to within this time may still be cut short by its writer, and a mapped file that shrinks
/// kills its reader (SIGBUS).
const SETTLED_AFTER: Duration = Duration::from_mins(1);

/// All bytes of a capture.
#[derive(Debug)]
pub enum Bytes {
    /// Mapped from a settled file.
    Mapped(Mmap),
    /// Held in memory.
    Held(Vec<u8>),
}

impl Bytes {
    /// The bytes of a file.
    pub fn of(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let metadata = file.metadata()?;
        let age = metadata.modified().ok().and_then(|modified| SystemTime::now().duration_since(modified).ok());
        if !metadata.is_file() || age.is_none_or(|age| age < SETTLED_AFTER) {
            let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
            file.read_to_end(&mut bytes)?;
            return Ok(Self::Held(bytes));
        }
        // SAFETY: the map is read-only, and nobody has written to the file for a while. Should somebody change its
        // bytes all the same, they are read as any other odd bytes of the wire.
        let map = unsafe { Mmap::map(&file) }?;
        #[cfg(unix)]
        let _ = map.advise(memmap2::Advice::Sequential);
        Ok(Self::Mapped(map))
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Held(bytes) => bytes,
        }
    }
}

/// The first bytes of a file: enough to tell what it is.
pub(super) fn front_of(path: &Path) -> io::Result<Vec<u8>> {
    let mut front = Vec::new();
    File::open(path)?.take(64).read_to_end(&mut front)?;
    Ok(front)
}
