//! What was transferred: a file, a program, a firmware, known by its size and SHA-256 and never kept.

use crate::hex::hex;
use sha2::{Digest, Sha256};
use std::fmt;

/// Content that crossed the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Image {
    /// Its SHA-256 (FIPS 180-4).
    pub sha256: [u8; 32],
    /// Its size in bytes.
    pub bytes: u64,
}

impl fmt::Display for Image {
    /// The hash, in hex.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&hex(&self.sha256))
    }
}

/// Content that is crossing the wire, in pieces.
#[derive(Clone, Debug, Default)]
pub struct Hashing {
    hash: Sha256,
    bytes: u64,
}

impl Hashing {
    /// The next piece.
    pub fn add(&mut self, piece: &[u8]) {
        self.hash.update(piece);
        let length = u64::try_from(piece.len()).unwrap_or(u64::MAX);
        self.bytes = self.bytes.saturating_add(length);
    }

    /// All of it, if there was anything.
    pub fn image(self) -> Option<Image> {
        (self.bytes > 0).then(|| Image { sha256: self.hash.finalize().into(), bytes: self.bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_hashed_as_one() {
        let mut hashing = Hashing::default();
        for piece in [&b"a"[..], b"", b"bc"] {
            hashing.add(piece);
        }
        let image = hashing.image().expect("three bytes");
        // FIPS 180-4's own example.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!((image.to_string().as_str(), image.bytes), (abc, 3));
        assert_eq!(Hashing::default().image(), None);
    }
}
