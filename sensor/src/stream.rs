//! One direction of a TCP connection: segments in, bytes in order out.
//!
//! Bytes in order are passed on straight from the capture. What comes early waits, bounded; what comes again is dropped
//! (the first copy holds); what never came is told as a gap, as soon as it is certain: when the receiver has
//! acknowledged it although the capture has not shown it, or when too much waits behind it.

use dissectors::Place;

/// What a stream passes on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Delivery<'a> {
    /// The next bytes, and the packet on whose arrival they could be read.
    Bytes(&'a [u8], Place),
    /// So many bytes were lost in capture; and the first packet behind them.
    Gap(u64, Place),
}

/// A segment that came before its turn.
#[derive(Debug)]
struct Early {
    sequence: u32,
    bytes: Vec<u8>,
    place: Place,
}

/// What an early segment costs beyond its bytes.
const EARLY_OVERHEAD: usize = 96;

/// Early segments wait up to so many, and so many bytes in all.
const MOST_EARLY: usize = 256;
const MOST_EARLY_BYTES: usize = 128 * 1024;

/// The order of one direction's bytes. Small, because every connection has two and few ever wait.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    /// The sequence number of the next byte in order; unknown before the first segment.
    next: Option<u32>,
    waiting: Option<Box<Waiting>>,
}

/// Early segments in the order of their sequence numbers.
#[derive(Debug, Default)]
struct Waiting {
    early: Vec<Early>,
    bytes: usize,
}

/// How far `to` lies ahead of `from`; negative when behind (RFC 9293, 3.4: modulo 2^32).
fn ahead(from: u32, to: u32) -> i32 {
    to.wrapping_sub(from).cast_signed()
}

fn length_of(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

impl Stream {
    /// The connection opens: the first byte follows this sequence number. What is under way already is not moved, for
    /// anybody can send one more SYN.
    pub(crate) fn open(&mut self, initial: u32) {
        self.next.get_or_insert(initial.wrapping_add(1));
    }

    /// The sequence number of the next byte in order, once one is known.
    pub(crate) fn next(&self) -> Option<u32> {
        self.next
    }

    /// Takes a segment and passes on what is in order now.
    #[inline]
    pub(crate) fn push(&mut self, sequence: u32, bytes: &[u8], place: Place, mut deliver: impl FnMut(Delivery<'_>)) {
        let next = *self.next.get_or_insert(sequence);
        if sequence == next && self.waiting.is_none() {
            self.next = Some(next.wrapping_add(length_of(bytes)));
            deliver(Delivery::Bytes(bytes, place));
            return;
        }
        self.sort_in(next, sequence, (bytes, place), &mut deliver);
    }

    /// The receiver has acknowledged all bytes before `sequence`: holes before them stay holes, if what follows them is
    /// here already. (A mirror may show an acknowledgement shortly before the bytes that it is for.)
    #[inline]
    pub(crate) fn acknowledge(&mut self, sequence: u32, mut deliver: impl FnMut(Delivery<'_>)) {
        if self.waiting.is_some() {
            self.give_up_acknowledged(sequence, &mut deliver);
        }
    }

    /// No more segments come: what waits is passed on behind its gaps.
    pub(crate) fn finish(&mut self, mut deliver: impl FnMut(Delivery<'_>)) {
        while self.skip_to_early(&mut deliver) {}
    }

    /// How many bytes wait for their turn.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.as_ref().map_or(0, |waiting| waiting.bytes)
    }

    /// The sequence number at which what waits begins.
    fn first_early(&self) -> Option<u32> {
        Some(self.waiting.as_ref()?.early.first()?.sequence)
    }

    #[cold]
    fn sort_in(
        &mut self,
        next: u32,
        sequence: u32,
        (bytes, place): (&[u8], Place),
        deliver: &mut impl FnMut(Delivery<'_>),
    ) {
        let distance = ahead(next, sequence);
        if distance <= 0 {
            self.pass_on(sequence, bytes, place, deliver);
            self.pass_on_early(Some(place), deliver);
            return;
        }
        self.waiting.get_or_insert_default().keep(sequence, bytes, place);
        while self.waiting.as_ref().is_some_and(|it| it.early.len() > MOST_EARLY || it.bytes > MOST_EARLY_BYTES) {
            self.skip_to_early(deliver);
        }
    }

    /// Passes on what of a segment is new, if it continues the stream.
    fn pass_on(&mut self, sequence: u32, bytes: &[u8], place: Place, deliver: &mut impl FnMut(Delivery<'_>)) {
        let next = self.next.unwrap_or(sequence);
        let known = ahead(sequence, next).max(0).cast_unsigned() as usize;
        let fresh = bytes.get(known..).unwrap_or_default();
        if !fresh.is_empty() {
            self.next = Some(next.wrapping_add(length_of(fresh)));
            deliver(Delivery::Bytes(fresh, place));
        }
    }

    /// Passes on early segments whose turn has come: with the packet that filled the hole before them, or else with their
    /// own.
    fn pass_on_early(&mut self, filled: Option<Place>, deliver: &mut impl FnMut(Delivery<'_>)) {
        while let (Some(first), Some(next)) = (self.first_early(), self.next) {
            if ahead(next, first) > 0 {
                return;
            }
            let Some(first) = self.waiting.as_mut().map(|waiting| waiting.take_first()) else { return };
            self.pass_on(first.sequence, &first.bytes, filled.unwrap_or(first.place), deliver);
        }
        self.waiting = None;
    }

    /// Gives up holes that the receiver has acknowledged.
    #[cold]
    fn give_up_acknowledged(&mut self, acknowledged: u32, deliver: &mut impl FnMut(Delivery<'_>)) {
        while self.first_early().is_some_and(|first| ahead(first, acknowledged) > 0) {
            self.skip_to_early(deliver);
        }
    }

    /// Tells the gap before the first early segment and goes on behind it.
    fn skip_to_early(&mut self, deliver: &mut impl FnMut(Delivery<'_>)) -> bool {
        let first = self.waiting.as_ref().and_then(|waiting| waiting.early.first());
        let (Some(first), Some(next)) = (first, self.next) else { return false };
        let (sequence, place) = (first.sequence, first.place);
        let lost = ahead(next, sequence).max(0).cast_unsigned();
        if lost > 0 {
            self.next = Some(sequence);
            deliver(Delivery::Gap(u64::from(lost), place));
        }
        self.pass_on_early(None, deliver);
        true
    }
}

impl Waiting {
    /// Keeps of an early segment what no other has brought yet, in the order of sequence numbers.
    fn keep(&mut self, sequence: u32, bytes: &[u8], place: Place) {
        let end = length_of(bytes);
        let mut pieces = Vec::new();
        let mut at: u32 = 0;
        for early in &self.early {
            let start = ahead(sequence, early.sequence);
            let behind = start.saturating_add_unsigned(length_of(&early.bytes)).max(0).cast_unsigned();
            let start = start.max(0).cast_unsigned().min(end);
            if start > at {
                pieces.push(at..start);
            }
            at = at.max(behind);
        }
        if end > at {
            pieces.push(at..end);
        }
        for piece in pieces {
            let bytes = bytes.get(piece.start as usize..piece.end as usize).unwrap_or_default().to_vec();
            let sequence = sequence.wrapping_add(piece.start);
            self.bytes += bytes.len() + EARLY_OVERHEAD;
            let at = self.early.partition_point(|early| ahead(early.sequence, sequence) >= 0);
            self.early.insert(at, Early { sequence, bytes, place });
        }
    }

    fn take_first(&mut self) -> Early {
        let first = self.early.remove(0);
        self.bytes -= first.bytes.len() + EARLY_OVERHEAD;
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn place(frame: u64) -> Place {
        Place { time: dissectors::Timestamp::default(), capture: 0, frame: Some(frame) }
    }

    #[test]
    fn bytes_are_read_when_the_hole_before_them_is_filled_or_given_up() {
        let mut stream = Stream::default();
        let mut frames = Vec::new();
        let mut tell = |delivery: Delivery<'_>| {
            if let Delivery::Bytes(_, place) = delivery {
                frames.push(place.frame.expect("frames are numbered"));
            }
        };
        stream.push(10, b"a", place(1), &mut tell);
        stream.push(12, b"c", place(2), &mut tell);
        stream.push(11, b"b", place(3), &mut tell);
        stream.push(20, b"x", place(4), &mut tell);
        stream.acknowledge(21, &mut tell);
        assert_eq!(frames, [1, 3, 3, 4]);
    }

    #[test]
    fn one_more_opening_moves_nothing() {
        let mut stream = Stream::default();
        let mut bytes = 0;
        stream.open(9);
        for (sequence, segment) in [(10, b"ab"), (12, b"cd")] {
            stream.push(sequence, segment, place(1), |_| bytes += 2);
            stream.open(1_000_000);
        }
        assert_eq!(bytes, 4);
    }

    fn story_of(segments: &[(u32, &[u8])]) -> String {
        let mut stream = Stream::default();
        let mut story = String::new();
        let mut tell = |delivery: Delivery<'_>| match delivery {
            Delivery::Bytes(bytes, _) => story.push_str(std::str::from_utf8(bytes).expect("tests speak ASCII")),
            Delivery::Gap(bytes, _) => story.extend(["<", &bytes.to_string(), ">"]),
        };
        for (sequence, bytes) in segments {
            stream.push(*sequence, bytes, place(0), &mut tell);
        }
        stream.finish(&mut tell);
        assert_eq!(stream.waiting(), 0);
        story
    }

    #[test]
    fn in_order_out_of_order_again_and_overlapping() {
        assert_eq!(story_of(&[(10, b"abc"), (13, b"def")]), "abcdef");
        assert_eq!(story_of(&[(10, b"abc"), (16, b"ghi"), (13, b"def")]), "abcdefghi");
        assert_eq!(story_of(&[(10, b"abc"), (10, b"abc"), (9, b"!"), (13, b"def")]), "abcdef");
        assert_eq!(story_of(&[(10, b"abc"), (12, b"Xde"), (11, b"YYYYf")]), "abcdef", "the first copy holds");
        assert_eq!(story_of(&[(10, b"a"), (13, b"d"), (12, b"cX"), (11, b"b")]), "abcd");
    }

    #[test]
    fn a_hole_is_told_as_a_gap() {
        assert_eq!(story_of(&[(10, b"abc"), (20, b"xyz")]), "abc<7>xyz");
    }

    #[test]
    fn sequence_numbers_wrap() {
        assert_eq!(story_of(&[(u32::MAX - 1, b"abc"), (4, b"fgh"), (1, b"de!")]), "abcde!fgh");
        assert_eq!(story_of(&[(u32::MAX - 1, b"abc"), (4, b"gh"), (1, b"def")]), "abcdefgh");
    }

    #[test]
    fn an_acknowledged_hole_is_given_up_at_once() {
        let mut stream = Stream::default();
        let mut gaps = 0;
        stream.push(10, b"abc", place(0), |_| {});
        stream.push(20, b"xyz", place(0), |delivery| panic!("nothing is certain yet: {delivery:?}"));
        stream.acknowledge(23, |delivery| gaps += u64::from(matches!(delivery, Delivery::Gap(7, _))));
        assert_eq!((gaps, stream.waiting()), (1, 0));
    }

    #[test]
    fn an_acknowledgement_may_be_seen_before_the_bytes_that_it_is_for() {
        let mut stream = Stream::default();
        let mut story = String::new();
        let mut tell = |delivery: Delivery<'_>| match delivery {
            Delivery::Bytes(bytes, _) => story.extend(["Bytes(", std::str::from_utf8(bytes).expect("ASCII"), ") "]),
            Delivery::Gap(bytes, _) => story.extend(["Gap(", &bytes.to_string(), ") "]),
        };
        stream.push(10, b"a", place(0), &mut tell);
        stream.acknowledge(13, &mut tell);
        stream.push(12, b"c", place(0), &mut tell);
        stream.push(11, b"b", place(0), &mut tell);
        stream.push(20, b"x", place(0), &mut tell);
        stream.acknowledge(13, &mut tell);
        assert_eq!(story, "Bytes(a) Bytes(b) Bytes(c) ");
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut stream = Stream::default();
        let mut gaps = 0;
        stream.push(0, b"a", place(0), |_| {});
        for index in 1..1000u32 {
            stream
                .push(index * 10, b"x", place(0), |delivery| gaps += u32::from(matches!(delivery, Delivery::Gap(..))));
            assert!(stream.waiting.as_ref().is_none_or(|waiting| waiting.early.len() <= MOST_EARLY));
        }
        assert!(gaps > 700);
    }

    proptest! {
        #[test]
        fn any_cut_order_and_repetition_tells_the_same_bytes(
            cuts in proptest::collection::vec(1usize..20, 1..20), shuffle in any::<u64>(), start in any::<u32>(),
        ) {
            let text: Vec<u8> = (0..cuts.iter().sum::<usize>()).map(|index| b'a' + u8::try_from(index % 26).expect("26 fit")).collect();
            let mut segments = Vec::new();
            let mut at = 0;
            for cut in &cuts {
                segments.push((start.wrapping_add(length_of(&text[..at])), &text[at..at + cut]));
                at += cut;
            }
            let first = segments[0];
            let mut rest = segments[1..].to_vec();
            rest.extend(segments.iter().copied());
            let mut seed = shuffle;
            for index in (1..rest.len()).rev() {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                rest.swap(index, usize::try_from(seed >> 33).expect("31 bits fit") % (index + 1));
            }
            let all: Vec<(u32, &[u8])> = std::iter::once(first).chain(rest).collect();
            prop_assert_eq!(story_of(&all), String::from_utf8(text).expect("it is ASCII"));
        }
    }
}
