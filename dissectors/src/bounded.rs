//! A table with a cap, in which the least proven entry yields first.
//!
//! Entries stand in a slab; a hash index finds them. Newcomers queue up in a part of the room: who reaches the head of the
//! queue without a single chance goes, so a flood of strangers pushes out strangers alone, and stays in the cache. The
//! others are proven; when the slab is full a hand goes round (second chance, in its generalised form): each entry
//! it passes loses one of its chances, and the first without any goes. The order of what came alone decides, so the same
//! input evicts the same entries on every machine.

use std::collections::VecDeque;

/// A slot number, valid until the entry is removed.
pub type Slot = u32;

/// Begins a cache line: a flow and this fill two, and every packet touches both.
#[repr(align(64))]
struct Entry<T> {
    value: T,
    hash: u32,
    chances: u8,
    /// Whether it ever had a chance.
    is_proven: bool,
}

/// What of a hash is kept. Entries are a few thousand, so two of them rarely have the same half.
fn half_of(hash: u64) -> u32 {
    u32::try_from(hash & u64::from(u32::MAX)).unwrap_or_default()
}

/// 2 to the 64th by the golden ratio, made odd: the front of a product with it mixes well what differs in its last bits.
pub const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// A hash table of at most `cap` entries. What a look-up touches stands first.
#[repr(C)]
pub struct Bounded<T> {
    entries: Vec<Option<Entry<T>>>,
    index: Index,
    free: Vec<Slot>,
    /// Who came last, with the hash: the slot may be another's by now.
    newcomers: VecDeque<(Slot, u32)>,
    hand: usize,
    cap: usize,
    most_newcomers: usize,
    evicted: u64,
}

impl<T> Bounded<T> {
    /// An empty table for at most `cap` entries (at least one), of which `most_newcomers` may be without a chance;
    /// memory grows with use.
    pub fn new(cap: usize, most_newcomers: usize) -> Self {
        let cap = cap.clamp(1, Slot::MAX as usize);
        let most_newcomers = most_newcomers.clamp(1, cap);
        Self {
            entries: Vec::new(),
            index: Index::default(),
            free: Vec::new(),
            newcomers: VecDeque::new(),
            hand: 0,
            cap,
            most_newcomers,
            evicted: 0,
        }
    }

    /// The slot of the entry with this hash that `is` accepts.
    #[inline]
    pub fn find(&self, hash: u64, mut is: impl FnMut(&T) -> bool) -> Option<Slot> {
        self.index.find(half_of(hash), |slot| self.get(slot).is_some_and(&mut is))
    }

    /// The slot of an entry with this hash, without a look at the entry: most likely the one that is meant.
    #[inline]
    pub fn guess(&self, hash: u64) -> Option<Slot> {
        self.index.find(half_of(hash), |_| true)
    }

    /// The memory in which a hash is looked up, to be asked for before it is read.
    #[inline]
    pub fn memory_of_hash(&self, hash: u64) -> Option<&impl Sized> {
        self.index.places.get(self.index.home(half_of(hash)))
    }

    /// The memory of a slot, to be asked for before it is read.
    #[inline]
    pub fn memory_of(&self, slot: Slot) -> Option<&impl Sized> {
        self.entries.get(slot as usize)
    }

    /// The entry in a slot.
    #[inline]
    pub fn get(&self, slot: Slot) -> Option<&T> {
        self.entry(slot).map(|entry| &entry.value)
    }

    #[inline]
    fn entry(&self, slot: Slot) -> Option<&Entry<T>> {
        self.entries.get(slot as usize)?.as_ref()
    }

    /// The entry in a slot, to change.
    #[inline]
    pub fn get_mut(&mut self, slot: Slot) -> Option<&mut T> {
        self.entries.get_mut(slot as usize)?.as_mut().map(|entry| &mut entry.value)
    }

    /// The entry in a slot, to change, and given as many chances against the hand as it deserves.
    #[inline]
    pub fn touch(&mut self, slot: Slot, deserves: impl FnOnce(&T) -> u8) -> Option<&mut T> {
        let entry = self.entries.get_mut(slot as usize)?.as_mut()?;
        entry.chances = deserves(&entry.value);
        entry.is_proven |= entry.chances > 0;
        Some(&mut entry.value)
    }

    /// Adds an entry that is not there yet, without any chance against the hand; what had to go comes back.
    pub fn insert(&mut self, hash: u64, value: T) -> (Slot, Option<T>) {
        let evicted = self.make_room();
        let hash = half_of(hash);
        let entry = Some(Entry { value, hash, chances: 0, is_proven: false });
        let slot = self.free.pop().unwrap_or_else(|| Slot::try_from(self.entries.len()).unwrap_or(Slot::MAX));
        match self.entries.get_mut(slot as usize) {
            Some(place) => *place = entry,
            None => self.entries.push(entry),
        }
        self.index.insert(hash, slot);
        self.newcomers.push_back((slot, hash));
        (slot, evicted)
    }

    /// Lets the least proven entry go, because what it holds has grown too large elsewhere.
    #[cold]
    pub fn evict(&mut self) -> Option<T> {
        let victim = self.next_victim()?;
        self.evicted = self.evicted.saturating_add(1);
        self.remove(victim)
    }

    /// Takes an entry out.
    pub fn remove(&mut self, slot: Slot) -> Option<T> {
        let entry = self.entries.get_mut(slot as usize)?.take()?;
        self.index.remove(entry.hash, slot);
        self.free.push(slot);
        Some(entry.value)
    }

    /// All entries in the slab's order.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.entries.iter_mut().flatten().map(|entry| &mut entry.value)
    }

    /// Shows each entry with its slot, in the slab's order. Of each that is to come `first` hears before, and some
    /// entries later `then`: what it points to can be asked for step by step.
    pub fn for_each_mut(&mut self, first: impl Fn(&T), then: impl Fn(&T), mut see: impl FnMut(Slot, &mut T)) {
        const STEP: usize = 8;
        for at in 0..self.entries.len() {
            let further = |distance: usize| self.entries.get(at.saturating_add(distance))?.as_ref();
            if let Some(entry) = further(STEP.saturating_mul(2)) {
                first(&entry.value);
            }
            if let Some(entry) = further(STEP) {
                then(&entry.value);
            }
            if let Some(Some(entry)) = self.entries.get_mut(at) {
                see(Slot::try_from(at).unwrap_or(Slot::MAX), &mut entry.value);
            }
        }
    }

    /// Takes all entries out, in the slab's order.
    pub fn drain(&mut self) -> impl Iterator<Item = T> {
        self.index = Index::default();
        self.free.clear();
        self.newcomers.clear();
        self.hand = 0;
        std::mem::take(&mut self.entries).into_iter().flatten().map(|entry| entry.value)
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.index.count
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many entries had to go because the table was full.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Lets one entry go if there are too many newcomers or too many in all.
    #[inline]
    fn make_room(&mut self) -> Option<T> {
        let head = if self.newcomers.len() >= self.most_newcomers { self.newcomers.pop_front() } else { None };
        let stranger =
            head.filter(|(slot, hash)| self.entry(*slot).is_some_and(|it| it.hash == *hash && !it.is_proven));
        let victim = match stranger {
            Some((slot, _)) => slot,
            None if self.len() >= self.cap => self.next_victim()?,
            None => return None,
        };
        self.evicted = self.evicted.saturating_add(1);
        self.remove(victim)
    }

    /// Goes round with the hand; every entry has at most 255 chances, so it stops.
    fn next_victim(&mut self) -> Option<Slot> {
        let rounds = self.entries.len().saturating_mul(usize::from(u8::MAX).saturating_add(2));
        for _ in 0..rounds {
            let at = self.hand;
            self.hand = self.hand.saturating_add(1);
            if self.hand >= self.entries.len() {
                self.hand = 0;
            }
            match self.entries.get_mut(at) {
                Some(Some(entry)) if entry.chances == 0 => return Slot::try_from(at).ok(),
                Some(Some(entry)) => entry.chances = entry.chances.saturating_sub(1),
                _ => {}
            }
        }
        None
    }
}

/// Half of each entry's hash, and its slot: a look-up touches no entry but the one that it finds, and of this nearly
/// always one cache line. What finds its place taken stands in the next one that is free (linear probing).
#[derive(Default)]
#[repr(C)]
struct Index {
    /// A power of two of them, a quarter of them free at the least; none before the first entry.
    places: Vec<(u32, Slot)>,
    count: usize,
}

impl Index {
    const FREE: (u32, Slot) = (0, Slot::MAX);
    const FEWEST: usize = 8;

    /// Where a half stands if nothing stands there before it.
    #[inline]
    fn home(&self, half: u32) -> usize {
        let spread = u64::from(half).wrapping_mul(GOLDEN) >> 32;
        usize::try_from(spread).unwrap_or_default() & self.last()
    }

    /// The last place; the mask of all.
    #[inline]
    fn last(&self) -> usize {
        self.places.len().saturating_sub(1)
    }

    /// The places from a half's home on, up to the first that is free.
    #[inline]
    fn run(&self, half: u32) -> impl Iterator<Item = (usize, (u32, Slot))> {
        let (home, last) = (self.home(half), self.last());
        let at = (0..self.places.len()).map(move |distance| home.wrapping_add(distance) & last);
        at.map_while(|at| Some((at, *self.places.get(at)?))).take_while(|(_, place)| *place != Self::FREE)
    }

    #[inline]
    fn find(&self, half: u32, mut is: impl FnMut(Slot) -> bool) -> Option<Slot> {
        self.run(half).find(|(_, (other, slot))| *other == half && is(*slot)).map(|(_, (_, slot))| slot)
    }

    fn insert(&mut self, half: u32, slot: Slot) {
        if self.count.saturating_add(1) > self.places.len().saturating_sub(self.places.len() / 4) {
            self.grow();
        }
        let at = self.run(half).last().map_or(self.home(half), |(at, _)| at.wrapping_add(1) & self.last());
        if let Some(place) = self.places.get_mut(at) {
            *place = (half, slot);
            self.count = self.count.saturating_add(1);
        }
    }

    #[cold]
    fn grow(&mut self) {
        let length = self.places.len().saturating_mul(2).max(Self::FEWEST);
        let places = std::mem::replace(&mut self.places, vec![Self::FREE; length]);
        self.count = 0;
        for (half, slot) in places.into_iter().filter(|place| *place != Self::FREE) {
            self.insert(half, slot);
        }
    }

    /// Those behind it in its run that would be found no more move up.
    fn remove(&mut self, half: u32, slot: Slot) {
        let Some((mut hole, _)) = self.run(half).find(|(_, place)| *place == (half, slot)) else { return };
        self.count = self.count.saturating_sub(1);
        let last = self.last();
        let mut at = hole;
        loop {
            at = at.wrapping_add(1) & last;
            let Some(place) = self.places.get(at).copied().filter(|place| *place != Self::FREE) else { break };
            // How far it stands from its home, and how far from the hole.
            let from_home = at.wrapping_sub(self.home(place.0)) & last;
            if from_home >= at.wrapping_sub(hole) & last {
                self.places.get_mut(hole).into_iter().for_each(|free| *free = place);
                hole = at;
            }
        }
        self.places.get_mut(hole).into_iter().for_each(|free| *free = Self::FREE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    proptest! {
        /// Whatever comes and goes, all that are there are found, however many share a hash.
        #[test]
        fn an_index_finds_all_that_are_there(acts in prop::collection::vec((any::<bool>(), 0_u32..40), 0..200)) {
            let (mut index, mut known) = (Index::default(), HashSet::new());
            for (comes, slot) in acts {
                // Five at a hash; some homes are the last ones, whose runs go on at the first.
                let half = slot / 5 * 0x2000_0001;
                match (comes, known.contains(&slot)) {
                    (true, false) => {
                        index.insert(half, slot);
                        known.insert(slot);
                    }
                    (false, true) => {
                        index.remove(half, slot);
                        known.remove(&slot);
                    }
                    _ => {}
                }
                for slot in 0..40 {
                    let found = index.find(slot / 5 * 0x2000_0001, |candidate| candidate == slot);
                    prop_assert_eq!(found, known.contains(&slot).then_some(slot));
                }
                prop_assert_eq!(index.count, known.len());
            }
        }
    }

    /// Values that are their own hashes; all but the last are proven.
    fn table_of(values: &[u64], cap: usize, most_newcomers: usize) -> Bounded<u64> {
        let mut table = Bounded::new(cap, most_newcomers);
        for value in values {
            let (slot, _) = table.insert(*value, *value);
            table.touch(slot, |value| u8::from(Some(value) != values.last()));
        }
        table
    }

    #[test]
    fn entries_are_found_changed_and_removed() {
        let mut table = table_of(&[10, 20, 30], 64, 8);
        let slot = table.find(20, |value| *value == 20).expect("20 is there");
        *table.get_mut(slot).expect("20 is there") = 21;
        assert_eq!(table.remove(slot), Some(21));
        assert_eq!(table.find(20, |_| true), None);
        let (again, evicted) = table.insert(40, 40);
        assert_eq!((again, evicted), (slot, None), "a free slot is used again");
        assert_eq!(table.len(), 3);
    }

    #[test]
    fn the_least_proven_entry_yields_first() {
        let mut table = table_of(&[1, 2, 3], 3, 1);
        assert_eq!(table.insert(4, 4).1, Some(3), "3 was never proven");
        assert_eq!(table.insert(5, 5).1, Some(4), "a newcomer without chances goes before the proven");
        assert_eq!(table.evicted(), 2);
        assert_eq!(table.len(), 3);
    }

    #[test]
    fn a_full_table_of_proven_entries_still_takes_newcomers() {
        let mut table = table_of(&[1, 2], 2, 2);
        for slot in [0, 1] {
            table.touch(slot, |_| u8::MAX);
        }
        assert_eq!(table.insert(3, 3).1, Some(1));
        assert!(table.evicted() == 1 && table.len() == 2);
        assert_eq!(table.drain().collect::<Vec<_>>(), [3, 2]);
        assert!(table.is_empty());
    }

    #[test]
    fn a_flood_of_strangers_pushes_out_strangers_alone() {
        let mut table = Bounded::new(64, 8);
        for known in 0..50u64 {
            let (slot, evicted) = table.insert(known, known);
            table.touch(slot, |_| 1);
            assert_eq!(evicted, None);
        }
        for stranger in 1_000..100_000u64 {
            table.insert(stranger, stranger);
        }
        assert!((0..50).all(|known| table.find(known, |value| *value == known).is_some()));
        assert_eq!(table.len(), 58, "the known and an eighth of the room");
    }

    #[test]
    fn a_slot_that_is_another_s_by_now_is_left_alone() {
        let mut table = Bounded::new(16, 2);
        let (slot, _) = table.insert(1, 1);
        table.remove(slot);
        table.insert(2, 2);
        table.insert(3, 3);
        assert_eq!(table.insert(4, 4).1, Some(2), "1 is not there any more, 2 is the oldest stranger");
    }
}
