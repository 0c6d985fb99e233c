//! The classic pcap format, as draft-ietf-opsawg-pcap describes it, and its modified form of old Linux kernels.

use super::capture_file::{Damage, Frame, Step};
use dissectors::Timestamp;
use dissectors::packet::LinkType;

const FILE_HEADER: usize = 24;
/// Longer records are lies: no link carries them, and libpcap refuses them too.
const LONGEST_RECORD: u32 = 1 << 24;

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
    nanos_per_tick: i64,
    record_header: usize,
    link_type: LinkType,
    snaplen: u32,
    at: usize,
}

impl Walk {
    /// Reads the file's header; `None` if it is none.
    pub(super) fn begin(bytes: &[u8]) -> Option<Self> {
        let (order, nanos_per_tick, record_header) = match *bytes.first_chunk::<4>()? {
            [0xd4, 0xc3, 0xb2, 0xa1] => (Order::Little, 1_000, 16),
            [0xa1, 0xb2, 0xc3, 0xd4] => (Order::Big, 1_000, 16),
            [0x4d, 0x3c, 0xb2, 0xa1] => (Order::Little, 1, 16),
            [0xa1, 0xb2, 0x3c, 0x4d] => (Order::Big, 1, 16),
            // Alexey Kuznetsov's patches: each record carries eight bytes more.
            [0x34, 0xcd, 0xb2, 0xa1] => (Order::Little, 1_000, 24),
            [0xa1, 0xb2, 0xcd, 0x34] => (Order::Big, 1_000, 24),
            _ => return None,
        };
        let snaplen = order.u32(bytes, 16)?;
        // The upper bits tell of frame check sequences.
        let link_type = LinkType::from_number(order.u32(bytes, 20)? & 0x0fff_ffff);
        Some(Self { order, nanos_per_tick, record_header, link_type, snaplen, at: FILE_HEADER })
    }

    pub(super) fn snaplen(&self) -> u32 {
        self.snaplen
    }

    #[inline]
    pub(super) fn step(&mut self, bytes: &[u8]) -> Step {
        if self.at >= bytes.len() {
            return Step::End;
        }
        match self.record(bytes) {
            Ok(frame) => {
                self.at = frame.bytes.end;
                Step::Frame(frame)
            }
            Err(what) => Step::Damaged(Damage { what, at: self.at }),
        }
    }

    #[inline]
    fn record(&self, bytes: &[u8]) -> Result<Frame, &'static str> {
        const CUT: &str = "the last record's header is cut short";
        let word = |index: usize| self.order.u32(bytes, self.at + index * 4).ok_or(CUT);
        let (seconds, ticks, captured, wire_length) = (word(0)?, word(1)?, word(2)?, word(3)?);
        if captured > LONGEST_RECORD {
            return Err("a record claims a length that no frame has");
        }
        let start = self.at + self.record_header;
        let end = start + captured as usize;
        if end > bytes.len() {
            return Err("the last record is cut short");
        }
        let time = Timestamp::from_nanos(i64::from(seconds) * 1_000_000_000 + i64::from(ticks) * self.nanos_per_tick);
        // A wire length below the captured one is written by some tools that pad frames.
        Ok(Frame { time, link_type: self.link_type, bytes: start..end, wire_length: wire_length.max(captured) })
    }
}

#[cfg(test)]
mod tests {
    use super::super::capture_file::Walk as AnyWalk;
    use super::*;

    /// A file of one record, as each of the six variants writes it.
    fn file(magic: [u8; 4], order: Order, extra: usize, captured: u32) -> Vec<u8> {
        let number = |value: u32| match order {
            Order::Little => value.to_le_bytes(),
            Order::Big => value.to_be_bytes(),
        };
        let mut bytes = magic.to_vec();
        bytes.extend([0; 12]);
        bytes.extend(number(262_144));
        bytes.extend(number(1));
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
            let Step::Damaged(damage) = walk.step(&bytes[..length]) else { panic!("{length}: damaged") };
            assert_eq!(damage.at, FILE_HEADER);
        }
        let lying = file([0xd4, 0xc3, 0xb2, 0xa1], Order::Little, 0, u32::MAX);
        let mut walk = Walk::begin(&lying).expect("the header is whole");
        assert!(matches!(walk.step(&lying), Step::Damaged(Damage { what, .. }) if what.contains("claims")));
    }
}
