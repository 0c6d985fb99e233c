//! The transport function (IEEE 1815-2012, clause 8): segments of at most 249 bytes, put together to fragments.
//!
//! A fragment begins with FIR and ends with FIN, and its segments count on. What does not count on is dropped, with all
//! of its fragment, as a device does (8.2.2); a segment that says the same again is passed over.

use crate::time::Timestamp;
use std::time::Duration;

/// One segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment<'a> {
    is_first: bool,
    is_last: bool,
    sequence: u8,
    bytes: &'a [u8],
}

impl<'a> Segment<'a> {
    /// Of a frame's user data; nothing without its header.
    pub(super) fn of(data: &'a [u8]) -> Option<Self> {
        let (header, bytes) = data.split_first()?;
        Some(Self { is_first: header & FIR != 0, is_last: header & FIN != 0, sequence: header & SEQUENCE, bytes })
    }

    /// Whether it is all of its fragment.
    pub(super) fn is_alone(&self) -> bool {
        self.is_first && self.is_last
    }
}

/// The segments of one direction that wait for the others of their fragment.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    partial: Option<Box<Partial>>,
    dropped: u32,
}

#[derive(Debug)]
struct Partial {
    bytes: Vec<u8>,
    /// How many of them are the latest segment's.
    latest: usize,
    sequence: u8,
    segments: u32,
    heard: Timestamp,
}

/// The bytes of a whole fragment.
#[derive(Debug)]
pub(super) enum Fragment<'a> {
    Alone(&'a [u8]),
    Joined(Vec<u8>),
}

impl Fragment<'_> {
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Alone(bytes) => bytes,
            Self::Joined(bytes) => bytes,
        }
    }
}

impl Assembly {
    /// Takes the next segment, of which at most `room` bytes may wait; the fragment that it ends.
    #[inline]
    pub(super) fn take<'a>(&mut self, segment: Segment<'a>, room: usize, now: Timestamp) -> Option<Fragment<'a>> {
        if segment.is_alone() && self.partial.is_none() {
            return Some(Fragment::Alone(segment.bytes));
        }
        self.put(segment, room, now)
    }

    #[cold]
    fn put<'a>(&mut self, segment: Segment<'a>, room: usize, now: Timestamp) -> Option<Fragment<'a>> {
        match &mut self.partial {
            Some(partial) if partial.is_repeated_by(&segment) => {
                partial.heard = now;
                self.drop_one();
            }
            _ if segment.is_first => {
                self.give_up();
                if segment.is_last {
                    return Some(Fragment::Alone(segment.bytes));
                }
                self.partial = Some(Box::new(Partial::new(&segment, now)));
            }
            Some(partial) if partial.goes_on_with(&segment, room) => {
                partial.add(&segment, now);
                if segment.is_last {
                    return self.partial.take().map(|partial| Fragment::Joined(partial.bytes));
                }
            }
            _ => {
                self.give_up();
                self.drop_one();
            }
        }
        None
    }

    /// Drops what waits.
    pub(super) fn give_up(&mut self) {
        if let Some(partial) = self.partial.take() {
            self.dropped = self.dropped.saturating_add(partial.segments);
        }
    }

    /// Drops what has waited for too long.
    pub(super) fn tick(&mut self, now: Timestamp) {
        if self.partial.as_ref().is_some_and(|partial| now >= partial.heard.after(PATIENCE)) {
            self.give_up();
        }
    }

    /// How many segments came to nothing since the last call.
    #[inline]
    pub(super) fn dropped(&mut self) -> u32 {
        std::mem::take(&mut self.dropped)
    }

    /// How many bytes wait.
    pub(super) fn waiting(&self) -> usize {
        self.partial.as_ref().map_or(0, |partial| partial.bytes.len())
    }

    fn drop_one(&mut self) {
        self.dropped = self.dropped.saturating_add(1);
    }
}

impl Partial {
    fn new(segment: &Segment<'_>, now: Timestamp) -> Self {
        let latest = segment.bytes.len();
        Self { bytes: segment.bytes.to_vec(), latest, sequence: segment.sequence, segments: 1, heard: now }
    }

    fn is_repeated_by(&self, segment: &Segment<'_>) -> bool {
        let latest = self.bytes.len().saturating_sub(self.latest);
        self.sequence == segment.sequence && !segment.is_last && self.bytes.get(latest..) == Some(segment.bytes)
    }

    fn goes_on_with(&self, segment: &Segment<'_>, room: usize) -> bool {
        segment.sequence == self.sequence.wrapping_add(1) & SEQUENCE && segment.bytes.len() <= room
    }

    fn add(&mut self, segment: &Segment<'_>, now: Timestamp) {
        self.bytes.extend_from_slice(segment.bytes);
        (self.latest, self.sequence, self.heard) = (segment.bytes.len(), segment.sequence, now);
        self.segments = self.segments.saturating_add(1);
    }
}

/// After so long a segment has no fragment any more.
const PATIENCE: Duration = Duration::from_mins(2);

const FIN: u8 = 0x80;
const FIR: u8 = 0x40;
const SEQUENCE: u8 = 0x3f;

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of segments, each a header and some text: fragments, and how many segments were dropped before.
    fn story_of(segments: &[(u8, &str)]) -> Vec<String> {
        let mut assembly = Assembly::default();
        let mut story = Vec::new();
        for (header, text) in segments {
            let data = [&[*header], text.as_bytes()].concat();
            let fragment = assembly.take(Segment::of(&data).expect("it has a header"), 64, Timestamp::default());
            let dropped = assembly.dropped();
            story.extend((dropped > 0).then(|| dropped.to_string()));
            story.extend(fragment.map(|it| String::from_utf8(it.bytes().to_vec()).expect("tests speak ASCII")));
        }
        story
    }

    const FIRST: u8 = FIR;
    const LAST: u8 = FIN;

    #[test]
    fn segments_that_count_on_make_a_fragment() {
        assert_eq!(story_of(&[(FIRST | LAST | 9, "one")]), ["one"]);
        assert_eq!(story_of(&[(FIRST | 0x3e, "a"), (0x3f, "b"), (LAST, "c")]), ["abc"]);
        assert_eq!(story_of(&[(FIRST | 5, "a"), (5, "a"), (LAST | 6, "b")]), ["1", "ab"], "said again");
        assert_eq!(story_of(&[(FIRST | 5, "a"), (FIRST | 5, "a"), (LAST | 6, "b")]), ["1", "ab"], "said again");
    }

    #[test]
    fn what_does_not_count_on_is_dropped_with_its_fragment() {
        assert_eq!(story_of(&[(LAST | 6, "b")]), ["1"]);
        assert_eq!(story_of(&[(FIRST | 5, "a"), (7, "c"), (LAST | 8, "d")]), ["2", "1"], "one is missing");
        assert_eq!(story_of(&[(FIRST | 5, "a"), (LAST | 7, "c"), (6, "b")]), ["2", "1"], "out of order");
        assert_eq!(story_of(&[(FIRST | 5, "a"), (5, "x"), (LAST | 6, "b")]), ["2", "1"], "another of the number");
        assert_eq!(story_of(&[(FIRST | 5, "a"), (FIRST | LAST | 6, "new")]), ["1", "new"]);
        assert_eq!(story_of(&[(FIRST | 5, "a"), (FIRST | 6, "n"), (LAST | 7, "ew")]), ["1", "new"]);
    }

    #[test]
    fn what_waits_has_an_end() {
        let long = "x".repeat(65);
        assert_eq!(story_of(&[(FIRST | 1, "a"), (LAST | 2, &long)]), ["2"]);
        let mut assembly = Assembly::default();
        let now = Timestamp::default();
        assembly.take(Segment::of(&[FIRST, 1, 2]).expect("it has a header"), 64, now);
        assembly.tick(now);
        assert_eq!((assembly.waiting(), assembly.dropped()), (2, 0));
        assembly.tick(now.after(PATIENCE));
        assert_eq!((assembly.waiting(), assembly.dropped()), (0, 1));
    }
}
