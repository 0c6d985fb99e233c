//! The key by which passwords are known again without being kept.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use std::fmt;
use zeroize::Zeroizing;

/// The key of a site: passwords are told apart by HMAC-SHA-256 under it, so that who has the tables and not the key can
/// try no password on them.
///
/// It cannot be printed, and its memory is wiped.
#[derive(Clone)]
pub struct SiteKey {
    key: Zeroizing<[u8; Self::LENGTH]>,
    id: String,
}

impl SiteKey {
    /// How many bytes a key has.
    pub const LENGTH: usize = 32;

    /// A key of these bytes, which nobody can foresee.
    pub fn new(key: &[u8; Self::LENGTH]) -> Self {
        let hash = Sha256::new().chain_update(b"otoscope site key id").chain_update(key).finalize();
        let id = format!("k-{}", &*dissectors::hex(hash.get(..8).unwrap_or_default()));
        Self { key: Zeroizing::new(*key), id }
    }

    /// What names the key and tells nothing of it. Hashes of different keys never compare.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// By what a password is known again.
    pub(crate) fn mark(&self, password: &[u8]) -> Mark {
        Mark(self.hmac(b"password", password))
    }

    /// What stands for a user name.
    pub(crate) fn token(&self, username: &str) -> String {
        let hash = self.hmac(b"user", username.as_bytes());
        format!("u-{}", &*dissectors::hex(hash.get(..8).unwrap_or_default()))
    }

    /// What is hashed for one purpose never equals what is hashed for another.
    fn hmac(&self, purpose: &[u8], bytes: &[u8]) -> [u8; 32] {
        let mac = Hmac::<Sha256>::new_from_slice(&*self.key).expect("HMAC takes keys of any length");
        mac.chain_update(purpose).chain_update([0]).chain_update(bytes).finalize().into_bytes().into()
    }
}

impl fmt::Debug for SiteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SiteKey({})", self.id)
    }
}

/// The keyed hash of a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Mark([u8; 32]);

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&dissectors::hex(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By Python: `hmac.new(bytes(32), b"password\0hunter2", "sha256").hexdigest()`, and the same of `user`, cut.
    #[test]
    fn a_mark_is_an_hmac_that_others_can_recompute() {
        let key = SiteKey::new(&[0; 32]);
        assert_eq!(
            key.mark(b"hunter2").to_string(),
            "9fc7d25cf3d14ff5886c56fa796bb932b2e16db15fb60c84f0d5527dae62534b"
        );
        assert_eq!(key.token("admin"), "u-fe3f98efdfcce293");
        assert_eq!(key.id(), "k-9536dca45c976d62");
    }

    #[test]
    fn another_key_gives_other_marks_and_neither_is_printed() {
        let (one, other) = (SiteKey::new(&[7; 32]), SiteKey::new(&[8; 32]));
        assert_ne!(one.mark(b"x"), other.mark(b"x"));
        assert_ne!(one.id(), other.id());
        assert!(!format!("{one:?}").contains("07070707"));
    }
}
