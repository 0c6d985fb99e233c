//! Bytes of a conversation that have to be kept for a while. A password may be among them: they are wiped when they go,
//! and when they move.

use std::ops::Deref;
use zeroize::{Zeroize, Zeroizing};

/// Kept bytes.
#[derive(Debug, Default)]
pub(crate) struct Wiped(Zeroizing<Vec<u8>>);

impl Wiped {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self::with_room(bytes, 0)
    }

    /// With room for so many bytes in all.
    pub(crate) fn with_room(bytes: &[u8], room: usize) -> Self {
        let mut kept = Zeroizing::new(Vec::with_capacity(bytes.len().max(room)));
        kept.extend_from_slice(bytes);
        Self(kept)
    }

    /// Keeps more of them. A vector that grows by itself would leave a copy behind.
    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        let length = self.0.len() + bytes.len();
        if length > self.0.capacity() {
            let mut larger = Zeroizing::new(Vec::with_capacity(length.max(2 * self.0.capacity())));
            larger.extend_from_slice(&self.0);
            self.0 = larger;
        }
        self.0.extend_from_slice(bytes);
    }

    /// The first so many are done with.
    pub(crate) fn drop_front(&mut self, count: usize) {
        let rest = self.0.len().saturating_sub(count);
        self.0.copy_within(count.., 0);
        self.0[rest..].zeroize();
        self.0.truncate(rest);
    }

    pub(crate) fn clear(&mut self) {
        self.0.zeroize();
    }
}

impl Deref for Wiped {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_kept_in_order_and_go_from_the_front() {
        let mut kept = Wiped::of(b"ab");
        for _ in 0..100 {
            kept.extend(b"cde");
        }
        assert_eq!(kept.len(), 302);
        kept.drop_front(299);
        assert_eq!(*kept, *b"cde");
        kept.drop_front(3);
        assert!(kept.is_empty());
        kept.extend(b"x");
        kept.clear();
        assert!(kept.is_empty());
    }
}
