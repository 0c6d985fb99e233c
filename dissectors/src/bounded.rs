//! A table with a cap, in which the least proven entry yields first.
//!
//! Entries stand in a slab; a hash index finds them. When the slab is full a hand goes round (second chance, in its
//! generalised form): each entry it passes loses one of its chances, and the first without any goes. The slab's order
//! alone decides, so the same input evicts the same entries on every machine.

use hashbrown::HashTable;

/// A slot number, valid until the entry is removed.
pub type Slot = u32;

struct Entry<T> {
    hash: u64,
    chances: u8,
    value: T,
}

/// A hash table of at most `cap` entries.
pub struct Bounded<T> {
    entries: Vec<Option<Entry<T>>>,
    index: HashTable<Slot>,
    free: Vec<Slot>,
    hand: usize,
    cap: usize,
    evicted: u64,
}

impl<T> Bounded<T> {
    /// An empty table for at most `cap` entries (at least one); memory grows with use.
    pub fn new(cap: usize) -> Self {
        let cap = cap.clamp(1, Slot::MAX as usize);
        Self { entries: Vec::new(), index: HashTable::new(), free: Vec::new(), hand: 0, cap, evicted: 0 }
    }

    /// The slot of the entry with this hash that `is` accepts.
    #[inline]
    pub fn find(&self, hash: u64, mut is: impl FnMut(&T) -> bool) -> Option<Slot> {
        let is_it = |slot: &Slot| self.entry(*slot).is_some_and(|entry| entry.hash == hash && is(&entry.value));
        self.index.find(hash, is_it).copied()
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
        Some(&mut entry.value)
    }

    /// Adds an entry that is not there yet, without any chance against the hand; what had to go comes back.
    pub fn insert(&mut self, hash: u64, value: T) -> (Slot, Option<T>) {
        let evicted = if self.index.len() >= self.cap { self.evict() } else { None };
        let entry = Some(Entry { hash, chances: 0, value });
        let slot = self.free.pop().unwrap_or_else(|| Slot::try_from(self.entries.len()).unwrap_or(Slot::MAX));
        match self.entries.get_mut(slot as usize) {
            Some(place) => *place = entry,
            None => self.entries.push(entry),
        }
        let entries = &self.entries;
        self.index.insert_unique(hash, slot, |slot| hash_of(entries, *slot));
        (slot, evicted)
    }

    /// Takes an entry out.
    pub fn remove(&mut self, slot: Slot) -> Option<T> {
        let entry = self.entries.get_mut(slot as usize)?.take()?;
        if let Ok(found) = self.index.find_entry(entry.hash, |candidate| *candidate == slot) {
            found.remove();
        }
        self.free.push(slot);
        Some(entry.value)
    }

    /// All entries in the slab's order.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.entries.iter_mut().flatten().map(|entry| &mut entry.value)
    }

    /// Shows each entry with its slot, in the slab's order.
    pub fn for_each_mut(&mut self, mut see: impl FnMut(Slot, &mut T)) {
        for (slot, entry) in self.entries.iter_mut().enumerate() {
            if let Some(entry) = entry {
                see(Slot::try_from(slot).unwrap_or(Slot::MAX), &mut entry.value);
            }
        }
    }

    /// Takes all entries out, in the slab's order.
    pub fn drain(&mut self) -> impl Iterator<Item = T> {
        self.index.clear();
        self.free.clear();
        self.hand = 0;
        std::mem::take(&mut self.entries).into_iter().flatten().map(|entry| entry.value)
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// How many entries had to go because the table was full.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    #[cold]
    fn evict(&mut self) -> Option<T> {
        let slot = self.next_victim()?;
        self.evicted = self.evicted.saturating_add(1);
        self.remove(slot)
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

fn hash_of<T>(entries: &[Option<Entry<T>>], slot: Slot) -> u64 {
    entries.get(slot as usize).and_then(Option::as_ref).map_or(0, |entry| entry.hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table_of(values: &[u64], cap: usize) -> Bounded<u64> {
        let mut table = Bounded::new(cap);
        for value in values {
            table.insert(*value, *value);
        }
        table
    }

    #[test]
    fn entries_are_found_changed_and_removed() {
        let mut table = table_of(&[10, 20, 30], 8);
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
        let mut table = table_of(&[1, 2, 3], 3);
        for proven in [1, 3] {
            let slot = table.find(proven, |value| *value == proven).expect("it is there");
            table.touch(slot, |_| 2);
        }
        assert_eq!(table.insert(4, 4).1, Some(2));
        assert_eq!(table.insert(5, 5).1, Some(4), "a newcomer without chances goes before the proven");
        assert_eq!(table.evicted(), 2);
        assert_eq!(table.len(), 3);
    }

    #[test]
    fn a_full_table_of_proven_entries_still_takes_newcomers() {
        let mut table = table_of(&[1, 2], 2);
        for slot in [0, 1] {
            table.touch(slot, |_| u8::MAX);
        }
        assert_eq!(table.insert(3, 3).1, Some(1));
        assert!(table.evicted() == 1 && table.len() == 2);
        assert_eq!(table.drain().collect::<Vec<_>>(), [3, 2]);
        assert!(table.is_empty());
    }
}
