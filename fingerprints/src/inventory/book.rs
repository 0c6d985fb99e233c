//! What belongs to clients, by key: none is ever given up for another. When there is no room, or one client has too many,
//! newcomers are counted as refused.

use dissectors::observation::Host;
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use std::hash::Hash;

/// Entries by key, at most so many, and at most so many of one client.
pub(super) struct Book<K, V> {
    /// Seeded anew in each run, for keys come from strangers; told in the order of the keys.
    all: HashMap<K, V, RandomState>,
    by_client: HashMap<Host, usize, RandomState>,
    cap: usize,
    of_a_client: usize,
    pub(super) refused: u64,
}

impl<K: Eq + Hash + Ord, V: Default> Book<K, V> {
    pub(super) fn new(cap: usize, of_a_client: usize) -> Self {
        Self { all: HashMap::default(), by_client: HashMap::default(), cap, of_a_client, refused: 0 }
    }

    /// The entry of a key, a new one if there is room.
    pub(super) fn of(&mut self, key: K, client: Host) -> Option<&mut V> {
        if !self.all.contains_key(&key) {
            let of_client = self.by_client.get(&client).copied().unwrap_or(0);
            if self.all.len() >= self.cap || of_client >= self.of_a_client {
                self.refused += 1;
                return None;
            }
            // Who is refused leaves nothing behind: there is no end of strangers.
            self.by_client.insert(client, of_client + 1);
        }
        Some(self.all.entry(key).or_default())
    }

    /// The entry of a key, if there is one.
    pub(super) fn known(&mut self, key: &K) -> Option<&mut V> {
        self.all.get_mut(key)
    }

    /// All of them, in the order of their keys.
    pub(super) fn sorted(&self) -> Vec<(&K, &V)> {
        let mut sorted: Vec<_> = self.all.iter().collect();
        sorted.sort_unstable_by_key(|(key, _)| *key);
        sorted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dissectors::observation::{Address, Context};

    fn host(last: u8) -> Host {
        Host { context: Context::ROOT, address: Address::Ip([10, 0, 0, last].into()) }
    }

    #[test]
    fn who_is_refused_leaves_nothing_behind() {
        let mut book: Book<u8, u8> = Book::new(3, 8);
        for number in 0..100 {
            book.of(number, host(number));
        }
        assert_eq!((book.all.len(), book.by_client.len(), book.refused), (3, 3, 97));
    }

    #[test]
    fn one_client_does_not_use_up_the_room_of_all() {
        let mut book: Book<u8, u8> = Book::new(100, 2);
        for number in 0..10 {
            book.of(number, host(1));
        }
        assert!(book.of(10, host(2)).is_some());
        assert_eq!((book.all.len(), book.refused), (3, 8));
    }
}
