//! The classic pcap format, as draft-ietf-opsawg-pcap describes it, and the forms that other writers gave it: the
//! modified ones of old Linux kernels, Nokia's, and Ixia's `lcap`.

use super::capture_file::{Damage, Frame, Step};
use dissectors::Timestamp;
use dissectors::packet::LinkType;

const FILE_HEADER: usize = 24;
const RECORD_HEADER: usize = 16;
/// Longer records are lies: no link carries them, and Wireshark refuses them too.
const LONGEST_RECORD: u32 = 262_144;
/// The same for links that carry more: USB and D-Bus.
const LONGEST_TRANSFER: u32 = 1 << 24;
const LINKS_OF_TRANSFERS: [u32; 4] = [189, 220, 231, 249];

/// The order of bytes in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Little,
    Big,
}

impl Order {
    /// The 32-bit number at `at`.
    #[inline]
    pub(super) fn u32(self, bytes: &[u8], at: usize) -> Option<u32> {
        let four = *bytes.get(at..)?.first_chunk::<4>()?;
        Some(match self {
            Self::Little => u32::from_le_bytes(four),
            Self::Big => u32::from_be_bytes(four),
        })
    }

    /// The 16-bit number at `at`.
    #[inline]
    pub(super) fn u16(self, bytes: &[u8], at: usize) -> Option<u16> {
        let two = *bytes.get(at..)?.first_chunk::<2>()?;
        Some(match self {
            Self::Little => u16::from_le_bytes(two),
            Self::Big => u16::from_be_bytes(two),
        })
    }
}

/// A walk over a pcap file.
#[derive(Clone, Debug)]
pub struct Walk {
    order: Order,
    nanos_per_tick: u32,
    record_header: usize,
    /// How long record headers may be besides, where the magic does not tell.
    otherwise: &'static [usize],
    link_type: LinkType,
    snaplen: u32,
    longest: u32,
    /// The second of the last record.
    seconds: Option<u32>,
    /// Where the frame of the last record begins.
    last: usize,
    at: usize,
}

const NANOS_PER_MICROSECOND: u32 = 1_000;
const NANOS_PER_SECOND: u32 = 1_000_000_000;

/// What a file's magic says.
#[derive(Clone, Copy)]
struct Variant {
    order: Order,
    nanos_per_tick: u32,
    file_header: usize,
    record_header: usize,
    otherwise: &'static [usize],
}

impl Variant {
    fn of(front: &[u8]) -> Option<Self> {
        let magic = *front.first_chunk::<4>()?;
        let (magic, order) = match magic {
            [0xa1, 0xb2, ..] | [0x1c, 0, 1, _] => (u32::from_be_bytes(magic), Order::Big),
            _ => (u32::from_le_bytes(magic), Order::Little),
        };
        let plain = Self {
            order,
            nanos_per_tick: NANOS_PER_MICROSECOND,
            file_header: FILE_HEADER,
            record_header: RECORD_HEADER,
            otherwise: &[],
        };
        Some(match magic {
            // The kernels of Red Hat 6.1 and Nokia's systems wrote longer records under the same magic.
            0xa1b2_c3d4 => Self { otherwise: &[24, 20], ..plain },
            0xa1b2_3c4d => Self { nanos_per_tick: 1, ..plain },
            // Alexey Kuznetsov's patches: interface, protocol and direction of each packet; in SuSE 6.3 four bytes more.
            0xa1b2_cd34 => Self { record_header: 24, otherwise: &[28], ..plain },
            // Ixia: the length of all records follows the file's header.
            0x1c00_01ac => Self { nanos_per_tick: 1, file_header: FILE_HEADER + 4, ..plain },
            0x1c00_01ab => Self { file_header: FILE_HEADER + 4, ..plain },
            _ => return None,
        })
    }
}

/// Whether some bytes start like a pcap file.
pub(super) fn is_pcap(front: &[u8]) -> bool {
    Variant::of(front).is_some()
}

/// A record's header.
#[derive(Clone, Copy)]
struct Header {
    seconds: u32,
    ticks: u32,
    captured: u32,
    wire_length: u32,
}

impl Walk {
    /// Reads the file's header; `None` if it is none.
    pub(super) fn begin(bytes: &[u8]) -> Option<Self> {
        let Variant { order, nanos_per_tick, file_header, record_header, otherwise } = Variant::of(bytes)?;
        let snaplen = order.u32(bytes, 16)?;
        // The upper half tells whether frames end with a check sequence, and how long that is. Nothing that is read
        // reaches it: the headers say where a packet ends.
        let link_type = LinkType::from_number(order.u32(bytes, 20)? & 0xffff);
        let is_transfer = LINKS_OF_TRANSFERS.contains(&link_type.number());
        let longest = if is_transfer { LONGEST_TRANSFER } else { LONGEST_RECORD };
        let (seconds, last, at) = (None, file_header, file_header);
        Some(Self { order, nanos_per_tick, record_header, otherwise, link_type, snaplen, longest, seconds, last, at })
    }

    /// Finds out how long the record headers are, where the magic does not tell: by what the first two say. Where more
    /// bytes are needed behind the file's header, tells how many; `is_all` when there are no more.
    pub(super) fn settle(&mut self, bytes: &[u8], is_all: bool) -> Result<(), usize> {
        if self.otherwise.is_empty() {
            return Ok(());
        }
        let longest = self.otherwise.iter().copied().max().unwrap_or_default().max(self.record_header);
        let first = self.header(bytes, self.at).filter(|first| first.captured <= self.longest);
        let needed = longest + first.map_or(0, |first| first.captured as usize) + RECORD_HEADER;
        if bytes.len() < self.at + needed && !is_all {
            return Err(needed);
        }
        let fits = |length: usize, is_all| self.chain(bytes, self.at, length, 2, is_all).is_some();
        if !fits(self.record_header, is_all) {
            // What is cut short may look like one longer record; two are none by chance.
            let longer = self.otherwise.iter().copied().find(|length| fits(*length, false));
            self.record_header = longer.unwrap_or(self.record_header);
        }
        self.otherwise = &[];
        Ok(())
    }

    pub(super) fn snaplen(&self) -> u32 {
        self.snaplen
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn move_to(&mut self, at: usize) {
        self.at = at;
        self.last = at;
    }

    /// From where on the bytes are needed still: the last record may have lied about its length.
    pub(super) fn kept_from(&self) -> usize {
        self.last
    }

    /// So many bytes before are gone.
    pub(super) fn forget(&mut self, count: usize) {
        self.at -= count;
        self.last -= count;
    }

    /// The next frame, where it is plainly there.
    #[inline]
    pub(super) fn frame(&mut self, bytes: &[u8]) -> Option<Frame> {
        let Header { seconds, ticks, captured, wire_length } = self.header(bytes, self.at)?;
        let start = self.at + self.record_header;
        let end = start + captured as usize;
        if captured > self.longest || end > bytes.len() {
            return None;
        }
        self.at = end;
        self.last = start;
        self.seconds = Some(seconds);
        let nanos = i64::from(ticks) * i64::from(self.nanos_per_tick);
        let time = Timestamp::from_nanos(i64::from(seconds) * i64::from(NANOS_PER_SECOND) + nanos);
        // A wire length below the captured one is written by some tools that pad frames.
        let wire_length = wire_length.max(captured);
        Some(Frame { time, link_type: self.link_type, bytes: start..end, wire_length })
    }

    pub(super) fn step(&mut self, bytes: &[u8]) -> Step {
        if let Some(frame) = self.frame(bytes) {
            return Step::Frame(frame);
        }
        let Some(header) = self.header(bytes, self.at) else { return self.end(bytes) };
        if header.captured > self.longest {
            return Step::Damaged(Damage::at("a record claims a length that no frame has", self.at));
        }
        Step::Cut { what: "the last record is cut short", needed: self.record_header + header.captured as usize }
    }

    #[cold]
    fn end(&self, bytes: &[u8]) -> Step {
        if self.at >= bytes.len() {
            return Step::End;
        }
        Step::Cut { what: "the last record's header is cut short", needed: self.record_header }
    }

    #[inline]
    fn header(&self, bytes: &[u8], at: usize) -> Option<Header> {
        let front = bytes.get(at..)?.first_chunk::<RECORD_HEADER>()?;
        let (words, _) = front.as_chunks::<4>();
        let words: [[u8; 4]; 4] = words.try_into().ok()?;
        let [seconds, ticks, captured, wire_length] = match self.order {
            Order::Little => words.map(u32::from_le_bytes),
            Order::Big => words.map(u32::from_be_bytes),
        };
        Some(Header { seconds, ticks, captured, wire_length })
    }

    /// Where the records go on, if what stands at `at` is damaged: the first place from which three believable headers
    /// follow each other, or fewer that reach the end of all. Each is some 80 bits that could be otherwise. The last
    /// record is searched too: one that lies about its length swallows what follows it.
    pub(super) fn footing(&self, bytes: &[u8], is_all: bool) -> Option<usize> {
        (self.last + 1..bytes.len()).find(|at| self.chain(bytes, *at, self.record_header, 3, is_all).is_some())
    }

    /// Whether so many believable record headers follow each other from here, or fewer that reach the end of all, which
    /// may cut the last.
    fn chain(&self, bytes: &[u8], mut at: usize, record_header: usize, count: usize, is_all: bool) -> Option<()> {
        let ticks_per_second = NANOS_PER_SECOND / self.nanos_per_tick;
        let mut seconds = self.seconds;
        for number in 1..=count {
            let header = self.header(bytes, at)?;
            let Header { captured, wire_length, ticks, .. } = header;
            let is_near = seconds.is_none_or(|before| header.seconds.abs_diff(before) <= DAY);
            let is_frame = captured > 0 && captured <= wire_length && wire_length <= self.longest;
            if !is_near || !is_frame || ticks >= ticks_per_second {
                return None;
            }
            seconds = Some(header.seconds);
            at += record_header + captured as usize;
            // One alone is believed if it comes at the time of others and ends all exactly.
            let is_sure = number > 1 || (self.seconds.is_some() && at == bytes.len());
            if is_all && at >= bytes.len() && is_sure {
                return Some(());
            }
        }
        Some(())
    }
}

/// Behind damage a capture goes on within so many seconds.
const DAY: u32 = 86_400;

#[cfg(test)]
mod tests {
    use super::super::capture_file::Walk as AnyWalk;
    use super::*;

    /// A file of one record, as each of the variants writes it.
    fn file(magic: [u8; 4], order: Order, extra: usize, captured: u32) -> Vec<u8> {
        let number = |value: u32| match order {
            Order::Little => value.to_le_bytes(),
            Order::Big => value.to_be_bytes(),
        };
        let mut bytes = magic.to_vec();
        bytes.extend([0; 12]);
        bytes.extend(number(262_144));
        bytes.extend(number(1));
        if magic.contains(&0x1c) {
            bytes.extend(number(16 + captured)); // all records together
        }
        for value in [7, 9, captured, 60] {
            bytes.extend(number(value));
        }
        bytes.extend(vec![0; extra]);
        bytes.extend(b"abc");
        bytes
    }

    #[test]
    fn all_variants_tell_the_same_record() {
        let variants = [
            ([0xd4, 0xc3, 0xb2, 0xa1], Order::Little, 0, 9_000),
            ([0xa1, 0xb2, 0xc3, 0xd4], Order::Big, 0, 9_000),
            ([0x4d, 0x3c, 0xb2, 0xa1], Order::Little, 0, 9),
            ([0xa1, 0xb2, 0x3c, 0x4d], Order::Big, 0, 9),
            ([0x34, 0xcd, 0xb2, 0xa1], Order::Little, 8, 9_000),
            ([0xa1, 0xb2, 0xcd, 0x34], Order::Big, 8, 9_000),
            ([0xac, 0x01, 0x00, 0x1c], Order::Little, 0, 9),
            ([0x1c, 0x00, 0x01, 0xac], Order::Big, 0, 9),
            ([0xab, 0x01, 0x00, 0x1c], Order::Little, 0, 9_000),
            ([0x1c, 0x00, 0x01, 0xab], Order::Big, 0, 9_000),
        ];
        for (magic, order, extra, nanos) in variants {
            let bytes = file(magic, order, extra, 3);
            let mut walk = AnyWalk::begin(&bytes).expect("it is a capture");
            let Step::Frame(frame) = walk.step(&bytes) else { panic!("{magic:x?}: a frame stands here") };
            assert_eq!(&bytes[frame.bytes], b"abc");
            assert_eq!((frame.time.nanos(), frame.wire_length), (7_000_000_000 + nanos, 60), "{magic:x?}");
            assert_eq!((walk.step(&bytes), walk.snaplen()), (Step::End, 262_144));
        }
    }

    #[test]
    fn what_is_cut_or_lies_is_told_with_its_place() {
        let bytes = file([0xd4, 0xc3, 0xb2, 0xa1], Order::Little, 0, 3);
        for length in FILE_HEADER + 1..bytes.len() {
            let mut walk = Walk::begin(&bytes).expect("the header is whole");
            assert!(matches!(walk.step(&bytes[..length]), Step::Cut { .. }), "{length}");
            assert_eq!(walk.at(), FILE_HEADER);
        }
        let lying = file([0xd4, 0xc3, 0xb2, 0xa1], Order::Little, 0, LONGEST_RECORD + 1);
        let mut walk = Walk::begin(&lying).expect("the header is whole");
        let Step::Damaged(damage) = walk.step(&lying) else { panic!("damaged") };
        assert_eq!(damage, Damage::at("a record claims a length that no frame has", FILE_HEADER));
    }

    /// Three records whose headers have so many bytes, under the magic of shorter ones.
    fn old(magic: u32, record_header: usize) -> Vec<u8> {
        let mut bytes = magic.to_le_bytes().to_vec();
        bytes.extend([0; 12]);
        bytes.extend(262_144_u32.to_le_bytes());
        bytes.extend(1_u32.to_le_bytes());
        for second in 1_000_000_000..1_000_000_003_u32 {
            for value in [second, 999_999, 42, 60] {
                bytes.extend(value.to_le_bytes());
            }
            bytes.extend(vec![0; record_header - RECORD_HEADER]);
            bytes.extend([0xff; 42]);
        }
        bytes
    }

    #[test]
    fn longer_records_under_the_same_magic_are_known_by_what_follows() {
        for (magic, lengths) in [(0xa1b2_c3d4, [16, 20, 24]), (0xa1b2_cd34, [24, 28, 28])] {
            for length in lengths {
                let bytes = old(magic, length);
                for end in [bytes.len(), FILE_HEADER + 2 * (length + 42), FILE_HEADER + 2 * (length + 42) - 1] {
                    let mut walk = Walk::begin(&bytes).expect("a capture");
                    walk.settle(&bytes[..end], true).expect("there is no more");
                    let mut frames = 0;
                    while let Step::Frame(frame) = walk.step(&bytes[..end]) {
                        assert_eq!(bytes[frame.bytes], [0xff; 42], "{length}");
                        frames += 1;
                    }
                    assert_eq!(frames, (end - FILE_HEADER) / (length + 42), "{length} {end}");
                }
            }
        }
    }

    #[test]
    fn a_cut_record_is_no_longer_one() {
        let bytes = old(0xa1b2_c3d4, 16);
        for end in FILE_HEADER + 16 + 42..bytes.len() {
            let mut walk = Walk::begin(&bytes).expect("a capture");
            walk.settle(&bytes[..end], true).expect("there is no more");
            assert_eq!(walk.record_header, RECORD_HEADER, "{end}");
        }
    }

    #[test]
    fn bits_about_check_sequences_are_no_link_type() {
        for word in [1, 0x0400_0001, 0x4400_0001, 0xf400_0001, 0x0001_0001_u32] {
            let mut bytes = file([0xd4, 0xc3, 0xb2, 0xa1], Order::Little, 0, 3);
            bytes[20..24].copy_from_slice(&word.to_le_bytes());
            let Some(Step::Frame(frame)) = Walk::begin(&bytes).map(|mut walk| walk.step(&bytes)) else {
                panic!("{word:x}: a frame stands here")
            };
            assert_eq!(frame.link_type, LinkType::Ethernet, "{word:x}");
        }
    }

    #[test]
    fn footing_needs_three_headers_or_the_end() {
        let bytes = old(0xa1b2_c3d4, 16);
        let bytes = [&bytes[..FILE_HEADER], &[0xee; 50], &bytes[FILE_HEADER..]].concat();
        let walk = Walk::begin(&bytes).expect("a capture");
        let (start, record) = (FILE_HEADER + 50, 16 + 42);
        assert_eq!(walk.footing(&bytes, true), Some(start));
        assert_eq!(walk.footing(&bytes[..start + 2 * record + 16], false), Some(start));
        assert_eq!(walk.footing(&bytes[..start + 2 * record + 15], false), None);
        assert_eq!(walk.footing(&bytes[..start + record], true), None, "one at no time that is known");
        let timed = Walk { seconds: Some(1_000_000_000), ..walk.clone() };
        assert_eq!(timed.footing(&bytes[..start + record], true), Some(start), "one that ends all");
        assert_eq!(timed.footing(&bytes[..=start + record], true), None);
        assert_eq!(walk.footing(&bytes[..start + record + 17], true), Some(start), "two, of which the end cuts one");
        let far = Walk { seconds: Some(1_000_000_000 + DAY + 1), ..walk };
        assert_eq!(far.footing(&bytes, true), Some(start + record), "a day from the last is too far");
    }
}
