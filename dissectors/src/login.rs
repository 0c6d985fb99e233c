//! Logins, and what stands open without one: told once an hour, then counted.
//!
//! A lane keeps of a login who, where and how, and a keyed hash that tells it from others. The password itself, or its
//! proof, goes on to the inventory once; that of a login that was refused goes nowhere.

use crate::bounded::Bounded;
use crate::observation::{Child, Credential, Evidence, Fact, Observation, Outcome, Subject, Value};
use crate::proof::Proof;
use crate::side::Side;
use crate::time::Timestamp;
use sha2::{Digest, Sha256};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// A login as its request shows it. How it ended is known later.
#[derive(Clone, Debug)]
pub struct Login {
    /// Who is logged in to.
    pub server: Side,
    /// Which child of it.
    pub child: Option<Child>,
    /// How, by the name in the tables: `basic`, `digest_md5`, `wsse_digest`, `url`, `form`, `snmp_community`. A new one is
    /// made as these are, and names the way of logging in, not the protocol, where several have it.
    pub scheme: &'static str,
    /// The user name, as it came; `None` where the scheme has none or it is hidden.
    pub username: Option<Box<[u8]>>,
    /// What is logged in to, by its own name.
    pub realm: Option<Box<[u8]>>,
    /// The password, or what proves it.
    pub proof: Arc<Proof>,
    /// Whether nobody but the two could read it, if this capture held no keys.
    pub encrypted: bool,
}

impl Login {
    /// The user name as text, as the tables show it.
    pub(crate) fn user(&self) -> Option<Box<str>> {
        match Value::text(self.username.as_deref()?) {
            Value::Text(text) => Some(text.as_str().into()),
            Value::Integer(_) => None,
        }
    }
}

/// What should have asked for a login, or should never cross the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Laxity {
    /// It was answered, obeyed or sent without any login.
    NoLogin,
    /// A private key, a passphrase or a media key crossed the wire readable.
    Key,
    /// It was managed in the clear: whoever listened read along.
    Clear,
}

/// A key that lasts as long as the run and never leaves it, from a hasher that is seeded at random.
pub fn passing_key(hasher: &impl std::hash::BuildHasher) -> [u8; 32] {
    let mut key = [0; 32];
    for (place, bytes) in (0_u64..).zip(key.chunks_mut(8)) {
        bytes.copy_from_slice(&hasher.hash_one(place).to_be_bytes());
    }
    key
}

/// SHA-256's block, in bytes.
const BLOCK: usize = 64;

/// What lanes remember of logins.
pub(crate) struct Logins {
    heard: Bounded<Heard>,
    /// Drawn at random: what is remembered says nothing to who reads it without this.
    key: [u8; 32],
}

/// A login that was told within its hour.
pub(crate) struct Heard {
    mark: [u8; 16],
    hour: Timestamp,
    subject: Subject,
    /// Without its proof.
    credential: Credential,
    /// The latest repeat that is not told yet, and how many there were.
    repeated: Option<(Evidence, u64)>,
}

/// What a login is for who has heard those before.
pub(crate) enum News {
    /// It is to be told, and remembered.
    Fresh(Box<Heard>),
    /// It is to be told: its hour is a new one.
    Renewed(u32),
    /// It is to be counted.
    Repeated(u32),
}

impl Logins {
    pub(crate) fn new(cap: usize, hasher: &impl std::hash::BuildHasher) -> Self {
        Self { heard: Bounded::new(cap, cap), key: passing_key(hasher) }
    }

    /// How many were forgotten because there were too many.
    pub(crate) fn forgotten(&self) -> u64 {
        self.heard.evicted()
    }

    /// What a login is, given those before it.
    pub(crate) fn judge(&self, subject: &Subject, credential: &Credential, proof: &Proof, at: Timestamp) -> News {
        let mark = self.mark(subject, credential, proof);
        let slot = self.heard.find(index(mark), |heard| heard.mark == mark);
        let hour = at.hour();
        match slot.and_then(|slot| Some((slot, self.heard.get(slot)?))) {
            Some((slot, heard)) if heard.hour == hour => News::Repeated(slot),
            Some((slot, _)) => News::Renewed(slot),
            None => {
                let (subject, credential) = (subject.clone(), credential.clone());
                News::Fresh(Box::new(Heard { mark, hour, subject, credential, repeated: None }))
            }
        }
    }

    /// It was told.
    pub(crate) fn remember(&mut self, fresh: Heard, into: &mut Vec<Observation>) {
        let hash = index(fresh.mark);
        if self.heard.find(hash, |heard| heard.mark == fresh.mark).is_none() {
            let (_, evicted) = self.heard.insert(hash, fresh);
            into.extend(evicted.and_then(|mut old| old.repeats()));
        }
    }

    /// It was told anew.
    pub(crate) fn renew(&mut self, slot: u32, evidence: Evidence, into: &mut Vec<Observation>) {
        if let Some(heard) = self.heard.touch(slot, |_| 2) {
            into.extend(heard.repeats());
            heard.hour = evidence.time.hour();
            heard.credential.told = evidence.place();
        }
    }

    /// It was heard again.
    pub(crate) fn repeat(&mut self, slot: u32, evidence: Evidence) {
        if let Some(heard) = self.heard.touch(slot, |_| 2) {
            let (latest, count) = heard.repeated.unwrap_or((evidence, 0));
            let latest = if latest.time > evidence.time { latest } else { evidence };
            heard.repeated = Some((latest, count.saturating_add(1)));
        }
    }

    /// What was heard again since the last call.
    pub(crate) fn repeats(&mut self) -> impl Iterator<Item = Observation> {
        self.heard.iter_mut().filter_map(Heard::repeats)
    }

    /// What is the same for logins that need not be told apart. Of a proof that never comes twice the same only the kind
    /// counts: its password is known to be the same by its outcome, or once an hour.
    fn mark(&self, subject: &Subject, credential: &Credential, proof: &Proof) -> [u8; 16] {
        let mut absorb = Absorb(Sha256::new().chain_update(self.key));
        let Credential { client, server_port, scheme, username, realm, outcome, encrypted, exposure, .. } = credential;
        (subject, client, server_port, scheme, username, realm).hash(&mut absorb);
        (outcome, encrypted, exposure).hash(&mut absorb);
        if let Proof::Clear(secret) = proof
            && *outcome != Outcome::Rejected
        {
            secret.expose().hash(&mut absorb);
            // What was hashed last stays in the hasher's block as it came: here nothing of the password does.
            (0..BLOCK).for_each(|_| absorb.0.update([0]));
        }
        absorb.0.finalize().first_chunk().copied().unwrap_or_default()
    }
}

impl Heard {
    fn repeats(&mut self) -> Option<Observation> {
        let (evidence, count) = self.repeated.take()?;
        let fact = Fact::Credential(Box::new(Credential { count, proof: None, ..self.credential.clone() }));
        Some(Observation { time: evidence.time, subject: self.subject.clone(), fact, evidence })
    }
}

fn index(mark: [u8; 16]) -> u64 {
    mark.first_chunk().copied().map_or(0, u64::from_be_bytes)
}

/// Values as a hash that cannot be undone.
struct Absorb(Sha256);

impl Hasher for Absorb {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}
