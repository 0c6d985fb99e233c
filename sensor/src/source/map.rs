//! The bytes of a capture: mapped when the file has settled; what may still change is not mapped.
#![allow(unsafe_code, reason = "a memory map; its one block says why it is sound")]

use memmap2::Mmap;
use std::fs::File;
use std::io;
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

impl Default for Bytes {
    fn default() -> Self {
        Self::Held(Vec::new())
    }
}

impl Bytes {
    /// The bytes of a file that has settled; `None` of others, which are read as they come.
    pub(super) fn settled(path: &Path) -> io::Result<Option<Self>> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        let age = metadata.modified().ok().and_then(|modified| SystemTime::now().duration_since(modified).ok());
        if !metadata.is_file() || age.is_none_or(|age| age < SETTLED_AFTER) {
            return Ok(None);
        }
        // SAFETY: the map is read-only, and nobody has written to the file for a while. Should somebody change its
        // bytes all the same, they are read as any other odd bytes of the wire.
        let map = unsafe { Mmap::map(&file) }?;
        #[cfg(unix)]
        let _ = map.advise(memmap2::Advice::Sequential);
        Ok(Some(Self::Mapped(map)))
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
