//! What proves a password, while it waits for what may explain it; and how much is tried on one device.

use super::LoginKey;
use crate::credential::{Device, Whose};
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
    /// How many found no place.
    pub(super) refused: u64,
}

impl Held {
    pub(super) fn within(cap: usize, most_bytes: usize) -> Self {
        let items = BTreeMap::new();
        Self { items, next: 0, cap, bytes: 0, most_bytes, swept: Timestamp::default(), refused: 0 }
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

    /// Readable passwords that were accepted, each once, the latest first.
    pub(super) fn readable(&self, now: Timestamp) -> Vec<Arc<Proof>> {
        let mut all: Vec<(u64, &Arc<Proof>)> = self
            .items
            .iter()
            .filter(|(_, item)| item.may_stay(now) && item.is_readable() && item.is_accepted())
            .map(|((_, number), item)| (*number, &item.proof))
            .collect();
        all.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
        let mut once: Vec<Arc<Proof>> = Vec::new();
        for (_, proof) in all {
            if once.len() < MOST_READABLE && !once.contains(proof) {
                once.push(Arc::clone(proof));
            }
        }
        once
    }

    /// Wipes what has been held for its hour: looked at once a minute of packet time.
    pub(super) fn forget_before(&mut self, now: Timestamp) {
        if now.since(self.swept).as_secs() < 60 {
            return;
        }
        self.swept = now;
        self.items.retain(|_, item| item.may_stay(now));
        self.bytes = self.items.values().map(|item| bytes(&item.proof)).sum();
    }

    pub(super) fn clear(&mut self) {
        self.items.clear();
        self.bytes = 0;
    }
}

impl Item {
    /// A little less than an hour, so that it is wiped within one.
    fn may_stay(&self, now: Timestamp) -> bool {
        now.since(self.since).as_secs() < 59 * 60
    }

    /// What is judged, and of which device.
    pub(super) fn whose<'w>(&'w self, device: &'w Device) -> Whose<'w> {
        let (protocol, is_accepted) = (self.key.account.protocol, self.is_accepted());
        Whose { username: &self.username, protocol, is_accepted, device }
    }

    pub(super) fn is_accepted(&self) -> bool {
        self.key.outcome == Outcome::Accepted
    }

    fn is_readable(&self) -> bool {
        matches!(*self.proof, Proof::Clear(_))
    }
}

/// As many readable passwords are held against a proof.
const MOST_READABLE: usize = 64;

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
