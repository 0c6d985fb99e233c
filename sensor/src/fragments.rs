//! Fragments of IP packets, put together (RFC 791, 3.2; RFC 8200, 4.5) before a lane is chosen.
//!
//! The reader does this, in the order of the packets, and not the lanes: what a fragment carries may be a tunnel, and
//! then the hosts inside it decide the lane. Fragments are rare, so one table for all of them costs nothing elsewhere,
//! and the same packets give the same datagrams whatever the number of workers.
//!
//! What is told was sent, byte for byte: fragments that overlap and agree are as good as one, those that contradict each
//! other give up their datagram (RFC 5722; teardrop), and so does whatever comes for it later. An id is used again soon, so
//! fragments of two datagrams may fit each other (RFC 4963): what does not have the checksum that it names is not told.
//! UDP may be sent without one; then nothing tells.

use crate::pipeline::HourNumber;
use crate::source::Bytes;
use dissectors::Timestamp;
use dissectors::observation::{Address, Context, Tally};
use dissectors::packet::checksum::{self, Checksum};
use dissectors::packet::{self, Fragment, Headers};
use foldhash::{HashMap, HashMapExt};
use smallvec::SmallVec;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// What may wait for the rest of its datagram.
#[derive(Clone, Copy, Debug)]
pub struct Caps {
    /// Datagrams.
    pub datagrams: usize,
    /// Bytes, with what it costs to keep them.
    pub bytes: usize,
}

impl Caps {
    /// What fits into so many bytes.
    pub fn within(bytes: usize) -> Self {
        Self { datagrams: bytes / DATAGRAM_OVERHEAD, bytes }
    }
}

impl Default for Caps {
    fn default() -> Self {
        crate::pipeline::Settings::default().fragments
    }
}

/// As long a datagram waits from its first fragment on (RFC 8200, 4.5; what Linux allows IPv4): what the receiver puts
/// together is to be seen.
const PATIENCE_V4: Duration = Duration::from_secs(30);
const PATIENCE_V6: Duration = Duration::from_mins(1);
/// Within this time the same fragment again is the mirror's doing.
const MIRRORED: Duration = Duration::from_millis(2);
/// No datagram is longer, whatever its fragments say.
const LONGEST: u32 = 65_535;
/// All fragments but the last carry a multiple of this.
const UNIT: usize = 8;
/// What a datagram and a piece of it cost beyond their bytes.
const DATAGRAM_OVERHEAD: usize = 640;
const PIECE_OVERHEAD: usize = 64;

/// A fragment that came.
#[derive(Clone, Copy)]
pub(crate) struct Came<'a> {
    pub(crate) headers: &'a Headers,
    pub(crate) fragment: Fragment,
    pub(crate) payload: &'a [u8],
    /// How long its frame was on the wire.
    pub(crate) frame_bytes: u32,
    /// Its own time.
    pub(crate) time: Timestamp,
    /// The timeline's, and the hour in which it is counted.
    pub(crate) clock: Timestamp,
    pub(crate) hour: HourNumber,
}

impl Came<'_> {
    fn range(&self) -> Range<usize> {
        let start = usize::from(self.fragment.offset);
        start..start + self.payload.len()
    }
}

/// What became of a fragment.
#[derive(Debug)]
pub(crate) enum Taken {
    /// It is kept, or given up, or was seen before: it is counted as what it was.
    Kept,
    /// Its datagram is whole.
    Whole(Whole),
}

/// A datagram, as if it had never been cut.
#[derive(Debug)]
pub(crate) struct Whole {
    /// Those of the first fragment, its bytes on the wire those of all.
    pub(crate) headers: Headers,
    pub(crate) protocol: u8,
    /// What follows its IP header.
    pub(crate) bytes: Arc<Bytes>,
}

impl Whole {
    /// Whether its checksum says that these bytes were not sent together.
    fn is_mixed(&self) -> bool {
        let mut headers = self.headers;
        let Ok(payload) = packet::decode_transport(&mut headers, self.protocol, &self.bytes) else { return false };
        let start = payload.as_ptr().addr() - self.bytes.as_ptr().addr();
        let segment = start.saturating_sub(headers.transport_bytes.into())..start + payload.len();
        let segment = self.bytes.get(segment).unwrap_or_default();
        checksum::of_transport(&headers, segment) == Checksum::Bad
    }
}

/// What was counted of the fragments of an hour. Bytes are those of whole frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FragmentCount {
    /// Fragments that became part of a datagram, but for the one that completed it: that one is the datagram's packet.
    pub joined: Tally,
    /// Fragments that the mirror showed twice.
    pub duplicates: Tally,
    /// Fragments whose datagram was never whole, for whatever reason: their payload was not read.
    pub lost: Tally,
    /// Datagrams that were put together.
    pub whole: u64,
    /// Datagrams given up because their fragments contradict each other.
    pub contradicting: u64,
    /// Datagrams given up because too many waited.
    pub evicted: u64,
    /// Datagrams whose TCP or UDP checksum does not hold: fragments of two that had the same id. They are lost.
    pub checksums_bad: u64,
}

impl FragmentCount {
    /// Adds what was counted elsewhere.
    pub fn add(&mut self, other: &Self) {
        self.joined.add(other.joined);
        self.duplicates.add(other.duplicates);
        self.lost.add(other.lost);
        self.whole += other.whole;
        self.contradicting += other.contradicting;
        self.evicted += other.evicted;
        self.checksums_bad += other.checksums_bad;
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    context: Context,
    source: Address,
    destination: Address,
    id: u32,
    protocol: u8,
}

/// A datagram of which fragments came.
struct Datagram {
    deadline: (Timestamp, u64),
    /// When the last came, in fragments.
    touched: u64,
    /// Those that wait for the others, by the hour in which they came: one, or two around a full hour.
    waiting: SmallVec<[(HourNumber, Tally); 1]>,
    /// What it costs.
    bytes: usize,
    state: State,
}

impl Datagram {
    fn wait(&mut self, came: &Came<'_>) {
        match self.waiting.last_mut().filter(|(known, _)| *known == came.hour) {
            Some((_, tally)) => tally.count(came.frame_bytes),
            None => self.waiting.push((came.hour, Tally { packets: 1, bytes: came.frame_bytes.into() })),
        }
    }
}

enum State {
    Open(Open),
    /// Nothing will come of it.
    GivenUp,
    /// It was told: what the mirror shows again within a moment is known.
    Told(Arc<Bytes>, Vec<(Range<usize>, Timestamp)>),
}

#[derive(Default)]
struct Open {
    headers: Option<Headers>,
    wire_bytes: u32,
    /// Where it ends, once the last fragment came.
    end: Option<usize>,
    /// In the order of their offsets; no two overlap.
    pieces: Vec<Piece>,
}

struct Piece {
    start: usize,
    bytes: Vec<u8>,
    time: Timestamp,
}

impl Piece {
    fn end(&self) -> usize {
        self.start + self.bytes.len()
    }
}

/// Why a datagram is given up.
enum Flaw {
    /// Its fragments contradict each other or the rules.
    Contradiction,
    /// The capture does not show all of a fragment.
    Cut,
}

/// All datagrams that are not whole yet.
pub(crate) struct Fragments {
    caps: Caps,
    /// Seeded anew in each run, for keys come from strangers; its order is never told.
    all: HashMap<Key, Datagram>,
    /// The same by how lately a fragment came, and by when they are given up.
    by_touch: BTreeMap<u64, Key>,
    by_deadline: BTreeMap<(Timestamp, u64), Key>,
    bytes: usize,
    /// Fragments that came.
    came: u64,
    counts: BTreeMap<HourNumber, FragmentCount>,
}

impl Fragments {
    pub(crate) fn new(caps: Caps) -> Self {
        Self {
            caps,
            all: HashMap::new(),
            by_touch: BTreeMap::new(),
            by_deadline: BTreeMap::new(),
            bytes: 0,
            came: 0,
            counts: BTreeMap::new(),
        }
    }

    /// Takes a fragment.
    #[cold]
    pub(crate) fn take(&mut self, came: &Came<'_>) -> Taken {
        self.came += 1;
        self.expire(came.clock);
        let key = Key {
            context: came.headers.context,
            source: came.headers.source(),
            destination: came.headers.destination(),
            id: came.fragment.id,
            protocol: came.fragment.protocol,
        };
        if let Some(Datagram { state: State::Told(whole, pieces), .. }) = self.all.get(&key) {
            let range = came.range();
            let is_again = whole.get(range.clone()) == Some(came.payload)
                && pieces.iter().any(|(known, at)| *known == range && is_moment(*at, came.time));
            if is_again {
                return self.again(came);
            }
            // The id was used again.
            self.remove(&key);
        }
        self.open(key, came.clock);
        let Some(datagram) = self.all.get_mut(&key) else { return Taken::Kept };
        let State::Open(open) = &mut datagram.state else {
            // What comes for a datagram that was given up is lost as well.
            self.count(came.hour).lost.count(came.frame_bytes);
            return Taken::Kept;
        };
        let before = open.cost();
        match open.add(came) {
            Ok(Added::Again) => return self.again(came),
            Ok(Added::New) => {}
            Err(flaw) => {
                datagram.wait(came);
                self.give_up(&key, &flaw, came.hour);
                return Taken::Kept;
            }
        }
        let grown = open.cost() - before;
        datagram.bytes += grown;
        self.bytes += grown;
        if let Some(whole) = open.whole(came.fragment.protocol) {
            if whole.is_mixed() {
                datagram.wait(came);
                self.count(came.hour).checksums_bad += 1;
                // Whatever comes now is of another datagram.
                self.remove(&key);
                return Taken::Kept;
            }
            self.tell(&key, &whole, came);
            return Taken::Whole(whole);
        }
        datagram.wait(came);
        while self.bytes > self.caps.bytes || self.all.len() > self.caps.datagrams {
            let Some((_, oldest)) = self.by_touch.pop_first() else { break };
            self.remove(&oldest);
            self.count(came.hour).evicted += 1;
        }
        Taken::Kept
    }

    fn again(&mut self, came: &Came<'_>) -> Taken {
        self.count(came.hour).duplicates.count(came.frame_bytes);
        Taken::Kept
    }

    /// No more packets come: what waits is lost. What was counted, by the hour in which datagrams began.
    pub(crate) fn finish(&mut self) -> BTreeMap<HourNumber, FragmentCount> {
        while let Some((_, key)) = self.by_deadline.pop_first() {
            self.remove(&key);
        }
        std::mem::take(&mut self.counts)
    }

    fn count(&mut self, hour: HourNumber) -> &mut FragmentCount {
        self.counts.entry(hour).or_default()
    }

    /// Gives up what has waited too long.
    fn expire(&mut self, clock: Timestamp) {
        while let Some(entry) = self.by_deadline.first_entry().filter(|entry| entry.key().0 < clock) {
            let key = *entry.get();
            self.remove(&key);
        }
    }

    /// Makes sure that there is a datagram of this key, and that it is the one touched last.
    fn open(&mut self, key: Key, clock: Timestamp) {
        let touched = self.came;
        self.by_touch.insert(touched, key);
        if let Some(known) = self.all.get_mut(&key) {
            let before = std::mem::replace(&mut known.touched, touched);
            self.by_touch.remove(&before);
            return;
        }
        let patience = if matches!(key.source, Address::Ip(ip) if ip.is_ipv4()) { PATIENCE_V4 } else { PATIENCE_V6 };
        let deadline = (clock.after(patience), touched);
        self.by_deadline.insert(deadline, key);
        self.bytes += DATAGRAM_OVERHEAD;
        let state = State::Open(Open::default());
        let datagram = Datagram { deadline, touched, waiting: SmallVec::new(), bytes: DATAGRAM_OVERHEAD, state };
        self.all.insert(key, datagram);
    }

    /// Forgets a datagram; what waited for it is lost.
    fn remove(&mut self, key: &Key) {
        let Some(datagram) = self.all.remove(key) else { return };
        self.by_touch.remove(&datagram.touched);
        self.by_deadline.remove(&datagram.deadline);
        self.bytes -= datagram.bytes;
        for (hour, waiting) in datagram.waiting {
            self.count(hour).lost.add(waiting);
        }
    }

    /// Nothing will come of a datagram; it is remembered, so that later fragments are not read as another one's.
    fn give_up(&mut self, key: &Key, flaw: &Flaw, now: HourNumber) {
        let Some(datagram) = self.all.get_mut(key) else { return };
        datagram.state = State::GivenUp;
        self.bytes -= datagram.bytes - DATAGRAM_OVERHEAD;
        datagram.bytes = DATAGRAM_OVERHEAD;
        for (hour, waiting) in std::mem::take(&mut datagram.waiting) {
            self.count(hour).lost.add(waiting);
        }
        self.count(now).contradicting += u64::from(matches!(flaw, Flaw::Contradiction));
    }

    /// A datagram is whole: it is remembered for a moment.
    fn tell(&mut self, key: &Key, whole: &Whole, came: &Came<'_>) {
        self.count(came.hour).whole += 1;
        let Some(datagram) = self.all.get_mut(key) else { return };
        let State::Open(open) = &datagram.state else { return };
        let pieces = open.pieces.iter().map(|piece| (piece.start..piece.end(), piece.time)).collect();
        datagram.state = State::Told(Arc::clone(&whole.bytes), pieces);
        self.by_deadline.remove(&datagram.deadline);
        datagram.deadline = (came.clock.max(came.time).after(MIRRORED), datagram.touched);
        self.by_deadline.insert(datagram.deadline, *key);
        for (hour, waiting) in std::mem::take(&mut datagram.waiting) {
            self.count(hour).joined.add(waiting);
        }
    }
}

/// What a fragment brought.
enum Added {
    New,
    /// The same as before, within a moment.
    Again,
}

fn is_moment(one: Timestamp, other: Timestamp) -> bool {
    one.since(other) <= MIRRORED && other.since(one) <= MIRRORED
}

impl Open {
    fn cost(&self) -> usize {
        self.pieces.iter().map(|piece| piece.bytes.len() + PIECE_OVERHEAD).sum()
    }

    fn add(&mut self, came: &Came<'_>) -> Result<Added, Flaw> {
        let Came { headers, fragment: part, payload, time, .. } = *came;
        let range = came.range();
        if headers.cut_bytes > 0 {
            return Err(Flaw::Cut);
        }
        let is_odd = payload.is_empty() || (part.more && !payload.len().is_multiple_of(UNIT));
        let ends_elsewhere = self.end.is_some_and(|end| range.end > end || (!part.more && range.end != end));
        let goes_beyond = !part.more && self.pieces.last().is_some_and(|last| last.end() > range.end);
        if is_odd || ends_elsewhere || goes_beyond || range.end > LONGEST as usize {
            return Err(Flaw::Contradiction);
        }
        let same = self.pieces.iter().find(|piece| piece.start == range.start && piece.bytes == payload);
        if same.is_some_and(|piece| is_moment(piece.time, time)) {
            return Ok(Added::Again);
        }
        self.fill(range, payload, time)?;
        self.wire_bytes = self.wire_bytes.saturating_add(headers.wire_bytes);
        if part.offset == 0 {
            self.headers.get_or_insert(*headers);
        }
        if !part.more {
            self.end = Some(came.range().end);
        }
        Ok(Added::New)
    }

    /// Keeps what no other fragment has brought; what another has brought must be the same.
    fn fill(&mut self, range: Range<usize>, payload: &[u8], time: Timestamp) -> Result<(), Flaw> {
        let first = self.pieces.partition_point(|piece| piece.end() <= range.start);
        let behind = self.pieces.partition_point(|piece| piece.start < range.end);
        let mut at = range.start;
        let mut fresh = Vec::new();
        for known in self.pieces.get(first..behind).unwrap_or_default() {
            let (start, end) = (known.start.max(range.start), known.end().min(range.end));
            let ours = payload.get(start - range.start..end - range.start);
            if ours != known.bytes.get(start - known.start..end - known.start) {
                return Err(Flaw::Contradiction);
            }
            if at < start {
                fresh.push(at..start);
            }
            at = end;
        }
        if at < range.end {
            fresh.push(at..range.end);
        }
        for piece in fresh {
            let place = self.pieces.partition_point(|known| known.start < piece.start);
            let bytes = payload.get(piece.start - range.start..piece.end - range.start).unwrap_or_default().to_vec();
            self.pieces.insert(place, Piece { start: piece.start, bytes, time });
        }
        Ok(())
    }

    /// All of it, if nothing is missing any more.
    fn whole(&self, protocol: u8) -> Option<Whole> {
        let (end, headers) = (self.end?, self.headers?);
        let held: usize = self.pieces.iter().map(|piece| piece.bytes.len()).sum();
        if held != end {
            return None;
        }
        let bytes = self.pieces.iter().flat_map(|piece| piece.bytes.iter().copied()).collect();
        let headers = Headers { wire_bytes: self.wire_bytes, ..headers };
        Some(Whole { headers, protocol, bytes: Arc::new(Bytes::Held(bytes)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dissectors::packet::Ends;
    use proptest::prelude::*;

    const EVERYTHING: &[u8] = b"what was sent, byte for byte, and nothing else";

    fn headers() -> Headers {
        let address = |text: &str| Address::Ip(text.parse().expect("an address"));
        Headers { ends: Ends::between(address("10.0.0.1"), address("10.0.0.2")), wire_bytes: 100, ..Headers::default() }
    }

    fn came<'a>(headers: &'a Headers, fragment: Fragment, payload: &'a [u8], millis: i64) -> Came<'a> {
        let time = Timestamp::from_micros(millis * 1_000);
        Came { headers, fragment, payload, frame_bytes: 114, time, clock: time, hour: 0 }
    }

    fn take(fragments: &mut Fragments, id: u32, range: Range<usize>, millis: i64) -> Option<String> {
        let more = range.end < EVERYTHING.len();
        take_bytes(fragments, (id, range.start, more), &EVERYTHING[range], millis)
    }

    fn take_bytes(
        fragments: &mut Fragments,
        (id, offset, more): (u32, usize, bool),
        bytes: &[u8],
        millis: i64,
    ) -> Option<String> {
        let part = Fragment { id, protocol: 17, offset: u16::try_from(offset).expect("it is near"), more };
        match fragments.take(&came(&headers(), part, bytes, millis)) {
            Taken::Whole(whole) => {
                assert_eq!((whole.protocol, whole.headers.ends), (17, headers().ends));
                Some(String::from_utf8(whole.bytes.to_vec()).expect("tests speak ASCII"))
            }
            Taken::Kept => None,
        }
    }

    fn counted(mut fragments: Fragments) -> FragmentCount {
        let came = fragments.came;
        let counts = fragments.finish();
        assert_eq!((fragments.bytes, fragments.all.len(), fragments.by_touch.len()), (0, 0, 0), "nothing is left");
        let sum = counts.values().fold(FragmentCount::default(), |mut sum, count| {
            sum.add(count);
            sum
        });
        let ended = sum.joined.packets + sum.duplicates.packets + sum.lost.packets + sum.whole;
        assert_eq!((ended, sum.lost.bytes), (came, sum.lost.packets * 114), "the books balance: {sum:?}");
        sum
    }

    const ALL: usize = EVERYTHING.len();

    #[test]
    fn in_any_order_and_overlapping_alike() {
        let mut fragments = Fragments::new(Caps::default());
        assert_eq!(take(&mut fragments, 1, 24..ALL, 0), None);
        assert_eq!(take(&mut fragments, 2, 0..16, 1), None, "another datagram");
        assert_eq!(take(&mut fragments, 1, 8..32, 2), None, "overlaps and agrees");
        let whole = take(&mut fragments, 1, 0..8, 3).expect("it is whole");
        assert_eq!(whole.as_bytes(), EVERYTHING);
        let count = counted(fragments);
        assert_eq!((count.joined.packets, count.whole, count.lost.packets, count.contradicting), (2, 1, 1, 0));
    }

    #[test]
    fn bytes_on_the_wire_are_those_of_all_fragments() {
        let mut fragments = Fragments::new(Caps::default());
        let part = |offset, more| Fragment { id: 1, protocol: 17, offset, more };
        fragments.take(&came(&headers(), part(0, true), &EVERYTHING[..8], 0));
        let taken = fragments.take(&came(&headers(), part(8, false), &EVERYTHING[8..], 0));
        assert!(matches!(taken, Taken::Whole(whole) if whole.headers.wire_bytes == 200));
    }

    /// A datagram of UDP between the hosts of [`headers`]: 16 bytes, then 24.
    fn datagram_of(letter: u8, has_checksum: bool) -> Vec<u8> {
        let mut bytes = Vec::new();
        let ip = etherparse::PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64);
        ip.udp(1000, 2000).write(&mut bytes, &[letter; 32]).expect("a vector takes all");
        if !has_checksum {
            bytes[26..28].fill(0);
        }
        bytes.split_off(20)
    }

    #[test]
    fn fragments_of_two_datagrams_make_none() {
        let take_part = |fragments: &mut Fragments, datagram: &[u8], range: Range<usize>, millis: i64| {
            let offset = u16::try_from(range.start).expect("it is near");
            let part = Fragment { id: 1, protocol: 17, offset, more: range.end < datagram.len() };
            match fragments.take(&came(&headers(), part, &datagram[range], millis)) {
                Taken::Whole(whole) => Some(whole.bytes.to_vec()),
                Taken::Kept => None,
            }
        };
        let (one, other) = (datagram_of(b'A', true), datagram_of(b'B', true));
        let mut fragments = Fragments::new(Caps::default());
        assert_eq!(take_part(&mut fragments, &one, 0..16, 0), None);
        assert_eq!(take_part(&mut fragments, &other, 16..40, 20_000), None, "nobody sent this");
        assert_eq!(take_part(&mut fragments, &other, 0..16, 20_001), None);
        assert_eq!(take_part(&mut fragments, &other, 16..40, 20_002), Some(other), "the id is free again");
        let count = counted(fragments);
        assert_eq!((count.checksums_bad, count.lost.packets, count.joined.packets, count.whole), (1, 2, 1, 1));

        // Without a checksum nothing tells them apart.
        let mut fragments = Fragments::new(Caps::default());
        let (one, other) = (datagram_of(b'A', false), datagram_of(b'B', false));
        assert_eq!(take_part(&mut fragments, &one, 0..16, 0), None);
        assert!(take_part(&mut fragments, &other, 16..40, 1).is_some());
        assert_eq!(counted(fragments).checksums_bad, 0);
    }

    #[test]
    fn what_contradicts_is_given_up_for_good() {
        let mut fragments = Fragments::new(Caps::default());
        take(&mut fragments, 1, 0..16, 0);
        assert_eq!(take_bytes(&mut fragments, (1, 8, true), b"forgery!", 1), None);
        assert_eq!(take(&mut fragments, 1, 16..ALL, 2), None, "the rest comes for nothing");
        assert_eq!(take(&mut fragments, 1, 0..16, 3), None);
        let count = counted(fragments);
        assert_eq!((count.contradicting, count.lost.packets, count.whole), (1, 4, 0));
    }

    #[test]
    fn ends_that_differ_lengths_that_are_odd_and_giants_contradict() {
        for second in [(8usize, false, 4usize), (0, true, 7), (48, true, 8), (0, false, 16), (65_528, false, 32)] {
            let mut fragments = Fragments::new(Caps::default());
            take(&mut fragments, 1, 24..ALL, 0);
            let (offset, more, length) = second;
            assert_eq!(take_bytes(&mut fragments, (1, offset, more), &[b'x'; 64][..length], 1), None);
            assert_eq!(counted(fragments).contradicting, 1, "{second:?}");
        }
    }

    #[test]
    fn the_mirror_s_repeats_are_told_apart_from_an_id_used_again() {
        let mut fragments = Fragments::new(Caps::default());
        take(&mut fragments, 1, 0..16, 0);
        assert_eq!(take(&mut fragments, 1, 0..16, 1), None);
        assert!(take(&mut fragments, 1, 16..ALL, 1).is_some_and(|whole| whole.as_bytes() == EVERYTHING));
        assert_eq!(take(&mut fragments, 1, 16..ALL, 2), None, "after it was whole too");
        assert_eq!(take(&mut fragments, 1, 16..ALL, 50), None, "the id is used again");
        assert!(take(&mut fragments, 1, 0..16, 51).is_some_and(|whole| whole.as_bytes() == EVERYTHING));
        let count = counted(fragments);
        assert_eq!((count.lost.packets, count.duplicates.packets, count.whole), (0, 2, 2));
    }

    #[test]
    fn what_waits_too_long_or_is_too_much_is_lost_and_counted() {
        let mut fragments = Fragments::new(Caps::default());
        take(&mut fragments, 1, 0..16, 0);
        assert_eq!(take(&mut fragments, 1, 16..ALL, 31_000), None, "the first half was given up");
        assert_eq!(counted(fragments).lost.packets, 2);

        let mut fragments = Fragments::new(Caps { datagrams: 10, bytes: 1 << 20 });
        (0..1_000).for_each(|id| assert_eq!(take(&mut fragments, id, 0..16, 0), None));
        assert!(fragments.all.len() <= 10);
        assert!(take(&mut fragments, 999, 16..ALL, 1).is_some(), "the latest is still there");
        let count = counted(fragments);
        assert_eq!((count.evicted, count.lost.packets, count.whole), (990, 999, 1));

        let mut fragments = Fragments::new(Caps { datagrams: 100_000, bytes: 100_000 });
        (0..5_000).for_each(|id| {
            take_bytes(&mut fragments, (id, 0, true), &[7; 1_400], 0);
            assert!(fragments.bytes <= 100_000 && fragments.by_deadline.len() == fragments.all.len());
        });
        let count = counted(fragments);
        assert_eq!((count.lost.packets, count.evicted > 4_900), (5_000, true));
    }

    #[test]
    fn a_fragment_that_the_snap_length_cut_makes_no_datagram() {
        let mut fragments = Fragments::new(Caps::default());
        let cut = Headers { cut_bytes: 8, ..headers() };
        let part = Fragment { id: 1, protocol: 17, offset: 0, more: true };
        assert!(matches!(fragments.take(&came(&cut, part, &EVERYTHING[..16], 0)), Taken::Kept));
        assert_eq!(take(&mut fragments, 1, 16..ALL, 1), None);
        let count = counted(fragments);
        assert_eq!((count.lost.packets, count.contradicting), (2, 0));
    }

    proptest! {
        /// Any cut, any order, any agreeing overlap: the datagram or nothing, never other bytes.
        #[test]
        fn nothing_is_told_that_was_not_sent(
            parts in proptest::collection::vec((0usize..6, 1usize..6), 1..24), forged in 0i64..48,
        ) {
            let mut fragments = Fragments::new(Caps::default());
            for (index, (start, length)) in (0..).zip(parts) {
                let range = start * UNIT..((start + length) * UNIT).min(ALL);
                let mut bytes = EVERYTHING[range.clone()].to_vec();
                if index == forged {
                    bytes[0] ^= 0x20;
                }
                let told =
                    take_bytes(&mut fragments, (1, range.start, range.end < ALL), &bytes, index * 10);
                if let Some(told) = told.filter(|_| index < forged) {
                    prop_assert_eq!(told.as_bytes(), EVERYTHING);
                }
            }
        }
    }
}
