//! All hosts and children, under a cap: what speaks least for itself yields first, the proven never.

use super::known::{Key, Known, Seen, Standing};
use super::networks::Networks;
use dissectors::Mac;
use dissectors::observation::Host;
use foldhash::fast::RandomState;
use hashbrown::{HashMap, HashSet, HashTable};
use std::collections::VecDeque;
use std::hash::BuildHasher;

/// A place in the registry, valid until what stands there yields.
pub(super) type Slot = usize;

/// The hosts and children that are known.
pub(super) struct Registry {
    slots: Vec<Option<Known>>,
    /// What each slot was last found to weigh, and all of them.
    weights: Vec<usize>,
    bytes: usize,
    most_bytes: usize,
    index: HashTable<Slot>,
    free: Vec<Slot>,
    /// Seeded anew in each run: keys come from strangers, and no order of this table is told.
    hasher: RandomState,
    /// Who may have to yield, oldest first, by standing. An entry whose standing has changed since is passed over.
    yielding: [VecDeque<(Slot, Seen)>; Standing::YIELDING.len()],
    cap: usize,
    /// How many children each host has.
    children: HashMap<Host, usize, RandomState>,
    /// MACs from which came the packets of hosts that are not known any more: more than one host's, then.
    lost_macs: HashSet<Mac, RandomState>,
    /// The MACs that hosts had when there were too many lost ones to note them all: since then only theirs are.
    watched_macs: Option<HashSet<Mac, RandomState>>,
    /// Which contexts are one network.
    pub(super) networks: Networks,
    /// How many had to yield.
    pub(super) evicted: u64,
    /// How many found no place.
    pub(super) refused: u64,
    /// How many were one child too many of their host.
    pub(super) children_refused: u64,
}

/// As many children one host may have: all units of some Modbus gateways, and the devices of a large BACnet router.
const MOST_CHILDREN: usize = 1_024;

impl Registry {
    pub(super) fn new(cap: usize, most_bytes: usize) -> Self {
        Self {
            slots: Vec::new(),
            weights: Vec::new(),
            bytes: 0,
            most_bytes,
            index: HashTable::new(),
            free: Vec::new(),
            hasher: RandomState::default(),
            yielding: Default::default(),
            cap: cap.max(1),
            children: HashMap::default(),
            lost_macs: HashSet::default(),
            watched_macs: None,
            networks: Networks::default(),
            evicted: 0,
            refused: 0,
            children_refused: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    pub(super) fn find(&self, key: &Key) -> Option<Slot> {
        let hash = self.hasher.hash_one(key);
        self.index.find(hash, |slot| self.get(*slot).is_some_and(|known| known.key == *key)).copied()
    }

    pub(super) fn get(&self, slot: Slot) -> Option<&Known> {
        self.slots.get(slot)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, slot: Slot) -> Option<&mut Known> {
        self.slots.get_mut(slot)?.as_mut()
    }

    /// All that is known, in no order that means anything.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Slot, &Known)> {
        self.slots.iter().enumerate().filter_map(|(slot, known)| Some((slot, known.as_ref()?)))
    }

    /// What is known under this key, seen again; a newcomer is taken in if somebody of no better standing can yield.
    pub(super) fn see(&mut self, key: Key, standing: Standing, seen: Seen) -> Option<&mut Known> {
        let slot = match self.find(&key) {
            Some(slot) => {
                self.get_mut(slot)?.seen.add(seen);
                self.raise(slot, standing);
                self.weigh(slot);
                slot
            }
            None => self.insert(Known::new(key, standing, seen))?,
        };
        self.get_mut(slot)
    }

    /// What is known under this key, spoken to: it is taken in if it is new, and not seen if it is known.
    pub(super) fn meet(&mut self, key: Key, standing: Standing, seen: Seen) {
        match self.find(&key) {
            Some(slot) => self.raise(slot, standing),
            None => {
                self.insert(Known::new(key, standing, seen));
            }
        }
    }

    /// More speaks for it than did.
    pub(super) fn raise(&mut self, slot: Slot, standing: Standing) {
        if let Some(known) = self.get_mut(slot)
            && known.standing < standing
        {
            known.standing = standing;
            let seen = known.seen;
            self.queue(slot, standing, seen);
        }
    }

    /// Whether what is known may grow: room is made for it as long as somebody can yield.
    pub(super) fn has_room(&mut self) -> bool {
        while self.bytes > self.most_bytes {
            if !self.make_room(Standing::Proven) {
                return false;
            }
        }
        true
    }

    /// What stands in a slot may have grown since it was weighed last.
    fn weigh(&mut self, slot: Slot) {
        let weight = self.get(slot).map_or(0, Known::weight);
        if let Some(before) = self.weights.get_mut(slot) {
            self.bytes = self.bytes.saturating_sub(std::mem::replace(before, weight)) + weight;
        }
    }

    fn insert(&mut self, known: Known) -> Option<Slot> {
        let is_child = known.key.child.is_some();
        if is_child && self.children.get(&known.key.host).is_some_and(|count| *count >= MOST_CHILDREN) {
            self.children_refused += 1;
            return None;
        }
        while self.len() >= self.cap || self.bytes > self.most_bytes {
            if !self.make_room(known.standing) {
                self.refused += 1;
                return None;
            }
        }
        if is_child {
            *self.children.entry(known.key.host).or_default() += 1;
        }
        let (hash, standing, seen) = (self.hasher.hash_one(&known.key), known.standing, known.seen);
        let slot = self.free.pop().unwrap_or(self.slots.len());
        if slot >= self.slots.len() {
            self.slots.resize_with(slot + 1, || None);
            self.weights.resize(slot + 1, 0);
        }
        self.slots[slot] = Some(known);
        self.weigh(slot);
        let (slots, hasher) = (&self.slots, &self.hasher);
        self.index.insert_unique(hash, slot, |slot| {
            slots.get(*slot).and_then(Option::as_ref).map_or(0, |known| hasher.hash_one(&known.key))
        });
        self.queue(slot, standing, seen);
        Some(slot)
    }

    fn queue(&mut self, slot: Slot, standing: Standing, seen: Seen) {
        if let Some(queue) = self.yielding.get_mut(standing as usize) {
            queue.push_back((slot, seen));
        }
    }

    /// Somebody of at most this standing yields: the oldest of the least.
    fn make_room(&mut self, standing: Standing) -> bool {
        for least in Standing::YIELDING.into_iter().take_while(|least| *least <= standing) {
            while let Some((slot, seen)) = self.yielding[least as usize].pop_front() {
                let known = self.get(slot);
                if known.is_some_and(|known| known.standing == least && known.seen.first <= seen.first) {
                    self.remove(slot);
                    self.evicted += 1;
                    return true;
                }
            }
        }
        false
    }

    /// A host that is not kept came from this MAC.
    pub(super) fn lose(&mut self, mac: Mac) {
        if self.watched_macs.is_none() && self.lost_macs.len() >= self.cap {
            self.watched_macs = Some(self.iter().flat_map(|(_, known)| &known.macs).map(|bound| bound.mac).collect());
        }
        if self.watched_macs.as_ref().is_none_or(|watched| watched.contains(&mac)) {
            self.lost_macs.insert(mac);
        }
    }

    /// Whether this MAC carried somebody who is not known any more; when that cannot be told, it may have.
    pub(super) fn has_lost(&self, mac: Mac) -> bool {
        self.lost_macs.contains(&mac) || self.watched_macs.as_ref().is_some_and(|watched| !watched.contains(&mac))
    }

    fn remove(&mut self, slot: Slot) {
        let Some(known) = self.slots.get_mut(slot).and_then(Option::take) else { return };
        known.macs.iter().for_each(|bound| self.lose(bound.mac));
        self.weigh(slot);
        if let Some(count) = self.children.get_mut(&known.key.host).filter(|_| known.key.child.is_some()) {
            *count = count.saturating_sub(1);
        }
        let hash = self.hasher.hash_one(&known.key);
        if let Ok(entry) = self.index.find_entry(hash, |candidate| *candidate == slot) {
            entry.remove();
        }
        self.free.push(slot);
    }
}
