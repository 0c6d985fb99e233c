//! One direction of a TCP connection: segments in, bytes in order out.
//!
//! Bytes in order are passed on straight from the capture. What comes early waits, bounded; what comes again is dropped
//! (the first copy holds); what never came is told as a gap, as soon as it is certain: when the receiver has
//! acknowledged it although the capture has not shown it, or when too much waits behind it.
//!
//! Numbers far from those of the stream are a claim, for anybody can send a segment with any number: it is kept, and
//! believed when its receiver acknowledges it or a second segment continues it. So a forged segment moves nothing, and a
//! connection that took the ports of this one unseen is found.

use crate::wiped::Wiped;
use dissectors::Place;

/// What a stream passes on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Delivery<'a> {
    /// The next bytes, and the packet on whose arrival they could be read.
    Bytes(&'a [u8], Place),
    /// So many bytes were lost in capture; and the first packet behind them.
    Gap(u64, Place),
    /// The numbers go on elsewhere, and nobody knows what was lost in between; and the first packet there.
    Jump(Place),
    /// So many bytes came whose numbers were far from all others and which nothing has confirmed.
    Astray(u64),
}

/// A segment that came before its turn.
#[derive(Debug)]
struct Early {
    sequence: u32,
    bytes: Wiped,
    place: Place,
}

impl Early {
    /// The sequence number behind it.
    fn end(&self) -> u32 {
        self.sequence.wrapping_add(length_of(&self.bytes))
    }
}

/// What an early segment costs beyond its bytes.
const EARLY_OVERHEAD: usize = 96;

/// Farther than this from the next number, behind it or before it, a segment is a claim: it is neither sent again nor
/// ahead of others in a window that is usual.
const FAR: u32 = 1 << 20;

/// An acknowledgement confirms a claim that ends at most so far before it.
const CONFIRMED: i32 = 1 << 16;

/// A jump ahead by at most so much is a hole in the capture, of so many bytes; a farther one may be anything.
const MOST_LOST: i32 = 1 << 28;

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
    /// The last segment that came far from the others. What comes in order does not refute it: who forges one would
    /// have the other refuted.
    claim: Option<Early>,
}

/// How far `to` lies ahead of `from`; negative when behind (RFC 9293, 3.4: modulo 2^32).
fn ahead(from: u32, to: u32) -> i32 {
    to.wrapping_sub(from).cast_signed()
}

fn length_of(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

fn tell_astray(bytes: usize, deliver: &mut impl FnMut(Delivery<'_>)) {
    if bytes > 0 {
        deliver(Delivery::Astray(bytes as u64));
    }
}

impl Stream {
    /// The connection opens: the first byte follows this sequence number. What is under way already is not moved, for
    /// anybody can send one more SYN.
    pub(crate) fn open(&mut self, initial: u32) {
        self.next.get_or_insert(initial.wrapping_add(1));
    }

    /// A connection may open anew: the first byte would follow this sequence number.
    #[cold]
    pub(crate) fn claim(&mut self, initial: u32, place: Place, mut deliver: impl FnMut(Delivery<'_>)) {
        if self.next.is_none() {
            self.open(initial);
            return;
        }
        self.keep_claim(initial.wrapping_add(1), &[], place, &mut deliver);
    }

    /// The sequence number of the next byte in order, once one is known.
    pub(crate) fn next(&self) -> Option<u32> {
        self.next
    }

    /// Takes a segment and passes on what is in order now.
    pub(crate) fn push(&mut self, sequence: u32, bytes: &[u8], place: Place, mut deliver: impl FnMut(Delivery<'_>)) {
        let next = *self.next.get_or_insert(sequence);
        if sequence == next && self.waiting.is_none() {
            self.pass(bytes);
            deliver(Delivery::Bytes(bytes, place));
            return;
        }
        self.sort_in(next, sequence, (bytes, place), &mut deliver);
    }

    /// Goes on behind the next bytes.
    #[inline]
    pub(crate) fn pass(&mut self, bytes: &[u8]) {
        self.next = self.next.map(|next| next.wrapping_add(length_of(bytes)));
    }

    /// Whether a segment with this number is the next one, and none waits for its turn.
    #[inline]
    pub(crate) fn is_next(&self, sequence: u32) -> bool {
        self.next == Some(sequence) && self.waiting.is_none()
    }

    /// The receiver has acknowledged all bytes before `sequence`: holes before them stay holes, if what follows them is
    /// here already. (A mirror may show an acknowledgement shortly before the bytes that it is for.)
    pub(crate) fn acknowledge(&mut self, sequence: u32, mut deliver: impl FnMut(Delivery<'_>)) {
        if self.waiting.is_some() {
            self.give_up_acknowledged(sequence, &mut deliver);
        }
    }

    /// No more segments come: what waits is passed on behind its gaps.
    pub(crate) fn finish(&mut self, mut deliver: impl FnMut(Delivery<'_>)) {
        while self.skip_to_early(&mut deliver) {}
        if let Some(claim) = self.waiting.take().and_then(|waiting| waiting.claim) {
            tell_astray(claim.bytes.len(), &mut deliver);
        }
    }

    /// Whether nothing waits for its turn.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_none()
    }

    /// How many bytes wait for their turn.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.as_ref().map_or(0, |waiting| {
            waiting.bytes + waiting.claim.as_ref().map_or(0, |claim| claim.bytes.len() + EARLY_OVERHEAD)
        })
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
        if distance.unsigned_abs() > FAR {
            self.take_far(sequence, bytes, place, deliver);
            return;
        }
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

    /// A segment far from the others: it continues the last such one, or says the same again, or takes its place.
    #[cold]
    fn take_far(&mut self, sequence: u32, bytes: &[u8], place: Place, deliver: &mut impl FnMut(Delivery<'_>)) {
        let claim = self.waiting.as_ref().and_then(|waiting| waiting.claim.as_ref());
        match claim {
            Some(claim) if claim.end() == sequence => {
                self.go_to_claim(deliver);
                self.pass_on(sequence, bytes, place, deliver);
            }
            Some(claim) if claim.sequence == sequence && claim.bytes.len() >= bytes.len() => {}
            _ => self.keep_claim(sequence, bytes, place, deliver),
        }
    }

    fn keep_claim(&mut self, sequence: u32, bytes: &[u8], place: Place, deliver: &mut impl FnMut(Delivery<'_>)) {
        let claim = Early { sequence, bytes: Wiped::of(bytes), place };
        if let Some(old) = self.waiting.get_or_insert_default().claim.replace(claim) {
            tell_astray(old.bytes.len(), deliver);
        }
    }

    /// The claim is confirmed: what waits for the old numbers is passed on, and the stream goes on at the new ones.
    fn go_to_claim(&mut self, deliver: &mut impl FnMut(Delivery<'_>)) {
        let Some(claim) = self.waiting.as_mut().and_then(|waiting| waiting.claim.take()) else { return };
        while self.skip_to_early(deliver) {}
        self.waiting = None;
        match ahead(self.next.unwrap_or(claim.sequence), claim.sequence) {
            lost @ 1..=MOST_LOST => deliver(Delivery::Gap(u64::from(lost.cast_unsigned()), claim.place)),
            _ => deliver(Delivery::Jump(claim.place)),
        }
        self.next = Some(claim.sequence);
        self.pass_on(claim.sequence, &claim.bytes, claim.place, deliver);
    }

    /// Whether an acknowledgement is for the claim, and not for the stream as it is.
    fn is_claim_acknowledged(&self, acknowledged: u32) -> bool {
        let claim = self.waiting.as_ref().and_then(|waiting| waiting.claim.as_ref());
        claim.zip(self.next).is_some_and(|(claim, next)| {
            let is_far = ahead(next, claim.sequence).unsigned_abs() > FAR;
            is_far && (0..=CONFIRMED).contains(&ahead(claim.end(), acknowledged))
        })
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
        self.waiting.take_if(|waiting| waiting.claim.is_none());
    }

    /// Gives up holes that the receiver has acknowledged.
    #[cold]
    fn give_up_acknowledged(&mut self, acknowledged: u32, deliver: &mut impl FnMut(Delivery<'_>)) {
        if self.is_claim_acknowledged(acknowledged) {
            self.go_to_claim(deliver);
            return;
        }
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
            let bytes = Wiped::of(bytes.get(piece.start as usize..piece.end as usize).unwrap_or_default());
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
            Delivery::Jump(_) => story.push_str("<?>"),
            Delivery::Astray(bytes) => story.extend(["(", &bytes.to_string(), ")"]),
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
    fn numbers_far_away_are_believed_when_two_segments_agree() {
        const HIGH: u32 = 0x4000_0000;
        let high: (u32, &[u8]) = (HIGH, b"abc");
        assert_eq!(story_of(&[high, (7, b"one"), (10, b"two"), (13, b"end")]), "abc<?>onetwoend", "lower numbers");
        assert_eq!(story_of(&[high, (7, b"one"), (7, b"one"), (10, b"two")]), "abc<?>onetwo", "sent again");
        assert_eq!(story_of(&[high, (HIGH + 5, b"f"), (7, b"one"), (10, b"two")]), "abc<2>f<?>onetwo", "old ones wait");
        assert_eq!(story_of(&[high, (0xa000_0000, b"one"), (0xa000_0003, b"two")]), "abc<?>onetwo", "higher ones");
        assert_eq!(
            story_of(&[(10, b"abc"), (13 + 3_000_000, b"x"), (14 + 3_000_000, b"y")]),
            "abc<3000000>xy",
            "a hole"
        );
    }

    #[test]
    fn one_segment_far_away_moves_nothing_and_is_counted() {
        assert_eq!(story_of(&[(10, b"abc"), (0x4000_0000, b"forged"), (13, b"def"), (16, b"g")]), "abcdefg(6)");
        let forged: [(u32, &[u8]); 5] =
            [(10, b"abc"), (0x4000_0000, b"four"), (0x5000_0000, b"fives"), (13, b"def"), (0x6000_0000, b"six")];
        assert_eq!(story_of(&forged), "abc(4)def(5)(3)");
    }

    #[test]
    fn whom_forged_numbers_have_moved_true_ones_move_back() {
        let forged: [(u32, &[u8]); 6] =
            [(10, b"abc"), (0x9000_0000, b"x"), (0x9000_0001, b"y"), (13, b"def"), (0x9000_0002, b"z"), (16, b"g")];
        assert_eq!(story_of(&forged), "abc<?>xyz<?>defg");
    }

    #[test]
    fn numbers_far_away_are_believed_when_they_are_acknowledged() {
        let mut stream = Stream::default();
        let mut story = Vec::new();
        let mut tell =
            |delivery: Delivery<'_>| story.push(format!("{delivery:?}").split(',').next().map(str::to_owned));
        stream.push(0x4000_0000, b"abc", place(0), &mut tell);
        stream.push(7, b"one", place(0), &mut tell);
        stream.acknowledge(0x4000_0003, &mut tell);
        assert_eq!((stream.next(), stream.waiting()), (Some(0x4000_0003), 3 + EARLY_OVERHEAD));
        stream.acknowledge(10, &mut tell);
        assert_eq!((stream.next(), stream.waiting()), (Some(10), 0));
        assert_eq!(story.len(), 3, "{story:?}");
    }

    #[test]
    fn what_follows_a_new_opening_is_read_at_once() {
        let mut stream = Stream::default();
        let mut bytes = 0;
        stream.push(0x4000_0000, b"abc", place(0), |_| {});
        stream.claim(6, place(1), |_| {});
        stream
            .push(7, b"one", place(2), |delivery| bytes += usize::from(matches!(delivery, Delivery::Bytes(b"one", _))));
        assert_eq!((bytes, stream.next()), (1, Some(10)));
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
            other => story.extend([&format!("{other:?}"), " "]),
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
