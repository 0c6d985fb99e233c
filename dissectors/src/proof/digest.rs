//! The Digest of HTTP, RTSP and SIP (RFC 2069, 2617, 7616).

use super::{Algorithm, hex};
use crate::secret::Secret;
use std::fmt;
use zeroize::Zeroizing;

/// The quality of protection of a Digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// None said: the form of RFC 2069.
    Unsaid,
    /// `auth`.
    Auth,
    /// `auth-int`, of a message without a body.
    AuthNoBody,
    /// `auth-int`, of a message with a body, whose hash nobody kept.
    AuthBody,
}

/// A Digest: all that its response was made of, but for the password. Texts as they are hashed, without quotes.
#[derive(PartialEq, Eq)]
pub struct Digest {
    /// The hash function.
    pub algorithm: Algorithm,
    /// Whether the algorithm is of the kind `-sess`.
    pub is_session: bool,
    /// The user name; `None` where its hash alone was sent.
    pub username: Option<Box<[u8]>>,
    /// The realm.
    pub realm: Box<[u8]>,
    /// The server's nonce.
    pub nonce: Box<[u8]>,
    /// The target.
    pub uri: Box<[u8]>,
    /// The method of the request.
    pub method: Box<[u8]>,
    /// The quality of protection.
    pub qop: Protection,
    /// How often the nonce was used, eight hex digits as they came.
    pub count: Box<[u8]>,
    /// The client's nonce.
    pub cnonce: Box<[u8]>,
    /// The response, as bytes: without it nothing can be cracked.
    pub response: Secret,
}

impl Digest {
    pub(super) fn is_of(&self, candidate: &[u8]) -> Option<bool> {
        self.prepare().map(|prepared| prepared.is_of(candidate))
    }

    /// All that is the same whatever the password, made once; `None` where nobody can say what is.
    pub fn prepare(&self) -> Option<Prepared<'_>> {
        let hash = |parts: &[&[u8]]| hex(&self.algorithm.hash(parts));
        let target = match self.qop {
            Protection::Unsaid | Protection::Auth => hash(&[&self.method, &self.uri]),
            Protection::AuthNoBody => hash(&[&self.method, &self.uri, &hash(&[])]),
            Protection::AuthBody => return None,
        };
        let rest = match self.qop {
            Protection::Unsaid => behind(&[&self.nonce, &target]),
            Protection::Auth => behind(&[&self.nonce, &self.count, &self.cnonce, b"auth", &target]),
            Protection::AuthNoBody | Protection::AuthBody => {
                behind(&[&self.nonce, &self.count, &self.cnonce, b"auth-int", &target])
            }
        };
        let session = self.is_session.then(|| behind(&[&self.nonce, &self.cnonce]));
        Some(Prepared { digest: self, username: self.username.as_deref()?, session, rest })
    }
}

/// A [`Digest`] of which nothing is left to make but what depends on the password: the hash of user name, realm and
/// password, with colons between; of that in hex and the session's part, if there is one; of that in hex and the rest.
pub struct Prepared<'d> {
    digest: &'d Digest,
    username: &'d [u8],
    session: Option<Zeroizing<Vec<u8>>>,
    rest: Zeroizing<Vec<u8>>,
}

impl<'d> Prepared<'d> {
    /// Whether `candidate` is the password that was proved.
    pub fn is_of(&self, candidate: &[u8]) -> bool {
        let hash = |parts: &[&[u8]]| self.digest.algorithm.hash(parts);
        let mut secret = hash(&[self.username, &self.digest.realm, candidate]);
        for behind in self.session().into_iter().chain([self.rest()]) {
            secret = self.digest.algorithm.hash_of(&[&hex(&secret), behind]);
        }
        self.digest.response.is(&secret)
    }

    /// What it is made of.
    pub fn digest(&self) -> &'d Digest {
        self.digest
    }

    /// The user name.
    pub fn username(&self) -> &'d [u8] {
        self.username
    }

    /// What stands behind the first hash where there is a session, its colon too.
    pub fn session(&self) -> Option<&[u8]> {
        self.session.as_deref().map(Vec::as_slice)
    }

    /// What stands behind the last hash but one, its colon too.
    pub fn rest(&self) -> &[u8] {
        &self.rest
    }
}

impl fmt::Debug for Prepared<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.digest.fmt(f)
    }
}

/// Some parts, a colon before each.
fn behind(parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    let length = parts.iter().map(|part| part.len().saturating_add(1)).sum();
    let mut text = Zeroizing::new(Vec::with_capacity(length));
    for part in parts {
        text.push(b':');
        text.extend_from_slice(part);
    }
    text
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({:?}, session {}, {:?}, ..)", self.algorithm, self.is_session, self.qop)
    }
}
