//! Notes that one conversation leaves for others of the same two hosts: a firmware is announced in one and uploaded in
//! another, a tunnel has two halves.

use crate::bounded::Bounded;
use crate::observation::Host;
use std::any::Any;
use std::hash::{BuildHasher, Hash};

/// By which a note is found.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Name {
    pub(crate) server: Host,
    pub(crate) client: Host,
    /// What it is about.
    pub(crate) topic: &'static str,
    pub(crate) key: Box<[u8]>,
}

/// A note. What it says is for those who leave and find it.
pub(crate) struct Note {
    pub(crate) name: Name,
    pub(crate) content: Box<dyn Any + Send>,
}

/// The notes of a lane.
pub(crate) struct Notes(Bounded<Note>);

impl Notes {
    pub(crate) fn new() -> Self {
        Self(Bounded::new(MOST, MOST))
    }

    /// One more, in the place of an earlier one of its name.
    pub(crate) fn leave(&mut self, note: Note, hasher: &impl BuildHasher) {
        self.take(&note.name, hasher);
        self.0.insert(hasher.hash_one(&note.name), note);
    }

    pub(crate) fn read(&self, name: &Name, hasher: &impl BuildHasher) -> Option<&(dyn Any + Send)> {
        let slot = self.find(name, hasher)?;
        self.0.get(slot).map(|note| &*note.content)
    }

    pub(crate) fn take(&mut self, name: &Name, hasher: &impl BuildHasher) -> Option<Box<dyn Any + Send>> {
        let slot = self.find(name, hasher)?;
        self.0.remove(slot).map(|note| note.content)
    }

    fn find(&self, name: &Name, hasher: &impl BuildHasher) -> Option<u32> {
        self.0.find(hasher.hash_one(name), |note| note.name == *name)
    }

    /// How many were forgotten because there were too many.
    pub(crate) fn forgotten(&self) -> u64 {
        self.0.evicted()
    }
}

/// As many a lane keeps: what they wait for comes soon.
const MOST: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::{Address, Context};
    use foldhash::fast::FixedState;

    fn name(server: u8, key: u32) -> Name {
        let host = |last| Host { context: Context::default(), address: Address::Ip([10, 0, 0, last].into()) };
        Name { server: host(server), client: host(1), topic: "test", key: key.to_be_bytes().into() }
    }

    #[test]
    fn a_note_is_found_by_its_name_until_it_is_taken_and_there_are_not_too_many() {
        let hasher = FixedState::default();
        let mut notes = Notes::new();
        for content in [1_u8, 2] {
            notes.leave(Note { name: name(2, 0), content: Box::new(content) }, &hasher);
        }
        let read =
            |notes: &Notes, name: &Name| notes.read(name, &hasher).and_then(|it| it.downcast_ref::<u8>().copied());
        assert_eq!((read(&notes, &name(2, 0)), read(&notes, &name(3, 0))), (Some(2), None));
        assert!(notes.take(&name(2, 0), &hasher).is_some() && notes.take(&name(2, 0), &hasher).is_none());
        for key in 0..1000 {
            notes.leave(Note { name: name(2, key), content: Box::new(()) }, &hasher);
        }
        assert_eq!(notes.forgotten(), 1000 - 128);
    }
}
