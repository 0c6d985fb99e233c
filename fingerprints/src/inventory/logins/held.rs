//! What proves a password, while it waits for what may explain it; and how much is tried on one device.

use super::LoginKey;
use crate::credential::{Device, Mark, Whose};
use crate::inventory::known::Seen;
use compact_str::CompactString;
use dissectors::Timestamp;
use dissectors::observation::{Host, Outcome};
use dissectors::proof::Proof;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A login whose password nothing has explained yet. The proof wipes itself when it goes.
#[derive(Clone)]
pub(super) struct Item {
    pub(super) since: Timestamp,
    pub(super) seen: Seen,
    pub(super) key: LoginKey,
    /// As it came, whatever is told of it.
    pub(super) username: CompactString,
    pub(super) proof: Arc<Proof>,
}

/// All that wait, by the device that they are of and then as they came.
pub(super) struct Held {
    items: BTreeMap<(Host, u64), Item>,
    next: u64,
    cap: usize,
    bytes: usize,
    most_bytes: usize,
    swept: Timestamp,
    readable: Readable,
    /// How many readable passwords were news.
    pub(super) read: u64,
    /// How many found no place.
    pub(super) refused: u64,
}

impl Held {
    pub(super) fn within(cap: usize, most_bytes: usize) -> Self {
        let (items, readable) = (BTreeMap::new(), Readable::default());
        Self { items, next: 0, cap, bytes: 0, most_bytes, swept: Timestamp::default(), readable, read: 0, refused: 0 }
    }

    pub(super) fn add(&mut self, item: Item) {
        let bytes = bytes(&item.proof);
        if self.items.len() >= self.cap || self.bytes + bytes > self.most_bytes {
            self.refused += 1;
            return;
        }
        self.bytes += bytes;
        self.items.insert((item.key.account.server.host, self.next), item);
        self.next += 1;
    }

    pub(super) fn release(&mut self, place: (Host, u64)) {
        if let Some(item) = self.items.remove(&place) {
            self.bytes -= bytes(&item.proof);
        }
    }

    pub(super) fn holds(&self, host: Host) -> bool {
        self.items.range((host, 0)..).next().is_some_and(|((of, _), _)| *of == host)
    }

    /// All of a device that may still be held.
    pub(super) fn of(&self, host: Host, now: Timestamp) -> Vec<((Host, u64), Item)> {
        let of_host = self.items.range((host, 0)..).take_while(|((of, _), _)| *of == host);
        of_host.filter(|(_, item)| item.may_stay(now)).map(|(place, item)| (*place, item.clone())).collect()
    }

    /// Those that cannot be read, of any device.
    pub(super) fn proofs(&self, now: Timestamp) -> Vec<((Host, u64), Item)> {
        let all = self.items.iter().filter(|(_, item)| item.may_stay(now) && !item.is_readable());
        all.map(|(place, item)| (*place, item.clone())).collect()
    }

    /// A readable password was accepted: whether that is news.
    pub(super) fn read(&mut self, mark: Mark, item: &Item) -> bool {
        let is_news = self.readable.add(mark, item);
        self.read += u64::from(is_news);
        is_news
    }

    /// Readable passwords that were accepted, each once, the latest first.
    pub(super) fn readable(&self, now: Timestamp) -> Vec<Arc<Proof>> {
        self.readable.all(now)
    }

    /// Wipes what has been held for its hour: looked at once a minute of packet time.
    pub(super) fn forget_before(&mut self, now: Timestamp) {
        if now.since(self.swept).as_secs() < 60 {
            return;
        }
        self.swept = now;
        self.items.retain(|_, item| item.may_stay(now));
        self.readable.0.retain(|(_, since, _)| may_stay(*since, now));
        self.bytes = self.items.values().map(|item| bytes(&item.proof)).sum();
    }

    pub(super) fn clear(&mut self) {
        self.items.clear();
        self.readable.0.clear();
        self.bytes = 0;
    }
}

/// Readable passwords that were accepted, with what they are known again by, the latest last.
#[derive(Default)]
struct Readable(Vec<(Mark, Timestamp, Arc<Proof>)>);

impl Readable {
    /// As many are held against a proof.
    const MOST: usize = 64;

    fn add(&mut self, mark: Mark, item: &Item) -> bool {
        let known = self.0.iter().position(|(known, ..)| *known == mark);
        let is_news = known.is_none_or(|place| !may_stay(self.0.remove(place).1, item.since));
        if self.0.len() >= Self::MOST {
            self.0.remove(0);
        }
        self.0.push((mark, item.since, Arc::clone(&item.proof)));
        is_news
    }

    fn all(&self, now: Timestamp) -> Vec<Arc<Proof>> {
        let all = self.0.iter().rev().filter(|(_, since, _)| may_stay(*since, now));
        all.map(|(.., proof)| Arc::clone(proof)).collect()
    }
}

/// A little less than an hour, so that it is wiped within one.
fn may_stay(since: Timestamp, now: Timestamp) -> bool {
    now.since(since).as_secs() < 59 * 60
}

impl Item {
    fn may_stay(&self, now: Timestamp) -> bool {
        may_stay(self.since, now)
    }

    /// What is judged, and of which device.
    pub(super) fn whose<'w>(&'w self, device: &'w Device) -> Whose<'w> {
        Whose { username: &self.username, is_accepted: self.is_accepted(), device }
    }

    pub(super) fn is_accepted(&self) -> bool {
        self.key.outcome == Outcome::Accepted
    }

    pub(super) fn is_readable(&self) -> bool {
        matches!(*self.proof, Proof::Clear(_))
    }
}

/// What a proof costs.
fn bytes(proof: &Proof) -> usize {
    let parts = match proof {
        Proof::Clear(secret) => secret.len(),
        Proof::Digest(digest) => {
            let parts = [&digest.realm, &digest.nonce, &digest.uri, &digest.method, &digest.count, &digest.cnonce];
            parts.into_iter().chain(&digest.username).map(|part| part.len()).sum()
        }
        Proof::Wsse(wsse) => wsse.nonce.len() + wsse.created.len(),
        Proof::Challenge(challenge) => challenge.challenge.len(),
        _ => 0,
    };
    size_of::<(u64, Item)>() + size_of::<Proof>() + parts
}

/// How many candidates may be tried on each device within an hour of packet time: some 25 accounts whose passwords are
/// none of those that are known. Whoever floods a device with logins must not make this work for him.
const TRIES_PER_HOUR: u64 = 32_768;

/// What is left to be tried on each device.
pub(super) struct Budget {
    hour: Timestamp,
    left: BTreeMap<Host, u64>,
    cap: usize,
    pub(super) untried: u64,
}

impl Budget {
    /// Of so many devices.
    pub(super) fn of(cap: usize) -> Self {
        Self { hour: Timestamp::default(), left: BTreeMap::new(), cap, untried: 0 }
    }

    pub(super) fn of_device(&mut self, host: Host, now: Timestamp) -> u64 {
        if self.hour != now.hour() {
            self.hour = now.hour();
            self.left.clear();
        }
        let none_or_all = if self.left.len() < self.cap { TRIES_PER_HOUR } else { 0 };
        self.left.get(&host).copied().unwrap_or(none_or_all)
    }

    pub(super) fn spend(&mut self, host: Host, left: u64, untried: u64) {
        self.untried = self.untried.saturating_add(untried);
        if self.left.len() < self.cap || self.left.contains_key(&host) {
            self.left.insert(host, left);
        }
    }
}
