//! Link frames (IEEE 1815-2012, clause 9): ten bytes of header, and blocks of at most 16 bytes behind it, each with its
//! checksum. They begin anywhere in a stream: behind bytes that are none the next header is looked for.

use super::crc;
use crate::dissector::Verdict;
use crate::observation::Transport;
use crate::reader::{Reader, Stop};

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// DIR: whether a master sends it.
    pub(super) is_from_master: bool,
    /// PRM: whether it begins an exchange of the link.
    pub(super) is_primary: bool,
    pub(super) function: u8,
    pub(super) destination: u16,
    pub(super) source: u16,
    /// How many bytes of user data follow.
    length: u8,
}

/// Where the user data of a frame is put together without its checksums, if they stand between it.
#[derive(Default)]
pub(super) struct Room(Option<[u8; MOST_DATA]>);

impl Room {
    /// The data of blocks, each with its checksum.
    #[inline]
    fn join(&mut self, (full, last): (&[[u8; BLOCK_LENGTH]], &[u8]), length: usize) -> &[u8] {
        let bytes = self.0.insert([0; MOST_DATA]);
        let mut free = bytes.as_mut_slice();
        for [data @ .., _, _] in full {
            let Some((place, others)) = free.split_first_chunk_mut::<BLOCK>() else { return &[] };
            *place = *data;
            free = others;
        }
        if let Some((data, _)) = last.split_last_chunk::<CHECKSUM>()
            && let Some(place) = free.get_mut(..data.len())
        {
            place.copy_from_slice(data);
        }
        bytes.get(..length).unwrap_or_default()
    }
}

impl Header {
    /// The header that starts here, if there is one and its checksum is right.
    #[inline]
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        let header = bytes.first_chunk::<HEADER>()?;
        let [FIRST, SECOND, length, control, to_low, to_high, from_low, from_high, _, _] = header else {
            return None;
        };
        (*length >= LEAST && crc::is_right(header)).then(|| Self {
            is_from_master: control & DIR != 0,
            is_primary: control & PRM != 0,
            function: control & FUNCTION,
            destination: u16::from_le_bytes([*to_low, *to_high]),
            source: u16::from_le_bytes([*from_low, *from_high]),
            length: length.saturating_sub(LEAST),
        })
    }

    /// Whether it carries a segment of the transport function.
    pub(super) fn carries_data(self) -> bool {
        self.is_primary && matches!(self.function, CONFIRMED_DATA | UNCONFIRMED_DATA)
    }

    /// Whether the standard knows its function (table 9-1 and 9-2; 1 is obsolete).
    fn is_known(self) -> bool {
        let known = if self.is_primary { PRIMARY } else { SECONDARY };
        known.contains(&self.function)
    }

    /// Whether it wants an answer of the link.
    pub(super) fn wants_answer(self) -> bool {
        self.is_primary && matches!(self.function, RESET_LINK | TEST_LINK | REQUEST_LINK_STATUS)
    }

    /// Whether it answers a primary frame of this function.
    pub(super) fn answers(self, function: u8) -> bool {
        match self.function {
            ACK => function != REQUEST_LINK_STATUS,
            LINK_STATUS => function == REQUEST_LINK_STATUS,
            _ => true,
        }
    }

    /// Whether it refuses what a primary frame wanted.
    pub(super) fn is_refusal(self) -> bool {
        !self.is_primary && matches!(self.function, NACK | NOT_FUNCTIONING | NOT_SUPPORTED)
    }

    /// How long its blocks are, checksums included.
    fn blocks(self) -> usize {
        let data = usize::from(self.length);
        data.saturating_add(data.div_ceil(BLOCK).saturating_mul(CHECKSUM))
    }
}

/// Reads one frame: its header and its user data, which goes into `room` where it stands in more than one block.
#[inline]
pub(super) fn read<'a: 'b, 'b>(reader: &mut Reader<'a>, room: &'b mut Room) -> Result<(Header, &'b [u8]), Stop> {
    let Some(header) = Header::of(reader.rest()) else { return Err(no_header(reader)) };
    let frame = reader.peek(HEADER.saturating_add(header.blocks()))?;
    let blocks = frame.get(HEADER..).unwrap_or_default();
    let (full, last) = blocks.as_chunks::<BLOCK_LENGTH>();
    let is_right = full.iter().all(|block| crc::is_right(block)) && (last.is_empty() || crc::is_right(last));
    if !is_right {
        return Err(Stop::Bad { what: "the checksum of a block is wrong", length: inner(reader, frame.len()) });
    }
    reader.skip(frame.len())?;
    let length = usize::from(header.length);
    let data = if blocks.len() <= BLOCK_LENGTH {
        blocks.get(..length).unwrap_or_default()
    } else {
        room.join((full, last), length)
    };
    Ok((header, data))
}

/// The blocks of a frame, each with its checksum.
fn blocks(frame: &[u8]) -> impl Iterator<Item = &[u8]> {
    frame.get(HEADER..).unwrap_or_default().chunks(BLOCK_LENGTH)
}

/// No frame starts here: the front of one that goes on in bytes to come, or others up to where one may start.
#[cold]
fn no_header(reader: &Reader<'_>) -> Stop {
    let bytes = reader.rest();
    let may_go_on = bytes.len() < HEADER && begins_header(bytes);
    match reader.peek(HEADER) {
        Err(short) if may_go_on => short,
        _ => Stop::Bad { what: "no link frame", length: next(bytes, reader.is_open()) },
    }
}

/// Where behind the first byte of a frame whose block is damaged the next frame starts: within it, where bytes were lost,
/// or behind it. Its header may reach beyond the frame.
#[cold]
fn inner(reader: &Reader<'_>, frame: usize) -> usize {
    let bytes = reader.rest();
    let bytes = bytes.get(..frame.saturating_add(HEADER).saturating_sub(1)).unwrap_or(bytes);
    next(bytes, reader.is_open()).min(frame)
}

/// Where behind the first of some bytes the next frame starts, or may start if more bytes come.
fn next(bytes: &[u8], is_open: bool) -> usize {
    let rest = bytes.get(1..).unwrap_or_default();
    let found = headers(rest).next().map(|(at, _)| at);
    let tail = rest.len().saturating_sub(HEADER.saturating_sub(1));
    let begun = || (tail..rest.len()).find(|at| is_open && rest.get(*at..).is_some_and(begins_header));
    found.or_else(begun).unwrap_or(rest.len()).saturating_add(1)
}

/// Whether a header may begin with all of these bytes, fewer than it has.
fn begins_header(bytes: &[u8]) -> bool {
    match bytes {
        [] | [FIRST] | [FIRST, SECOND] => true,
        [FIRST, SECOND, length, ..] => *length >= LEAST,
        _ => false,
    }
}

/// The headers in some bytes, and where.
fn headers(bytes: &[u8]) -> impl Iterator<Item = (usize, Header)> {
    let starts = memchr::memmem::find_iter(bytes, &[FIRST, SECOND]);
    starts.filter_map(|at| Some((at, Header::of(bytes.get(at..)?)?)))
}

/// A header whose checksum is right proves 32 bits, each block behind it 16 more. In a stream the first frame may stand
/// behind the end of one whose front was not captured, or behind noise of a line: of 292 places one takes nine bits.
pub(super) fn probe(front: &[u8], transport: Transport) -> Verdict {
    match transport {
        Transport::Udp => datagram(front),
        Transport::Tcp if front.len() < HEADER && begins_header(front) => Verdict::More,
        Transport::Tcp => stream(front),
        _ => Verdict::NotMine,
    }
}

fn stream(front: &[u8]) -> Verdict {
    let front = front.get(..FARTHEST).unwrap_or(front);
    let Some((at, header)) = headers(front).find(|(_, header)| header.is_known()) else { return Verdict::NotMine };
    let frame = front.get(at..).unwrap_or_default();
    let frame = frame.get(..HEADER.saturating_add(header.blocks())).unwrap_or(frame);
    let right = blocks(frame).take_while(|block| crc::is_right(block)).count();
    let bits = HEADER_BITS.saturating_add(u32::try_from(right).unwrap_or_default().saturating_mul(CHECKSUM_BITS));
    Verdict::Bits(if at == 0 { bits } else { bits.saturating_sub(PLACE_BITS) })
}

/// A datagram holds whole frames, and nothing else (clause 13.3.2).
fn datagram(front: &[u8]) -> Verdict {
    let mut reader = Reader::closed(front);
    let mut bits = 0_u32;
    while !reader.is_empty() {
        let mut room = Room::default();
        match read(&mut reader, &mut room) {
            Ok((header, data)) if header.is_known() => {
                let blocks = data.len().div_ceil(BLOCK);
                let checked = u32::try_from(blocks).unwrap_or_default().saturating_mul(CHECKSUM_BITS);
                bits = bits.saturating_add(HEADER_BITS).saturating_add(checked);
            }
            _ => return Verdict::NotMine,
        }
    }
    if bits > 0 { Verdict::Bits(bits) } else { Verdict::NotMine }
}

/// The longest frame: a header and 250 bytes of user data in 16 blocks.
pub(super) const LONGEST: usize = 292;
/// How far into a stream the first frame is looked for: one frame, and the next one's header and first block.
const FARTHEST: usize = LONGEST + HEADER + BLOCK + CHECKSUM;
/// Length 255 less control and addresses.
const MOST_DATA: usize = 250;

const FIRST: u8 = 0x05;
const SECOND: u8 = 0x64;
const HEADER: usize = 10;
/// Control and addresses: what the length counts at the least.
const LEAST: u8 = 5;
const BLOCK: usize = 16;
const CHECKSUM: usize = 2;
const BLOCK_LENGTH: usize = BLOCK + CHECKSUM;

const DIR: u8 = 0x80;
const PRM: u8 = 0x40;
const FUNCTION: u8 = 0x0f;

const HEADER_BITS: u32 = 32;
const CHECKSUM_BITS: u32 = 16;
const PLACE_BITS: u32 = 9;

// Functions of primary frames.
const RESET_LINK: u8 = 0;
const TEST_LINK: u8 = 2;
const CONFIRMED_DATA: u8 = 3;
pub(super) const UNCONFIRMED_DATA: u8 = 4;
const REQUEST_LINK_STATUS: u8 = 9;
/// 1, the reset of the user process, is obsolete.
const PRIMARY: &[u8] = &[RESET_LINK, 1, TEST_LINK, CONFIRMED_DATA, UNCONFIRMED_DATA, REQUEST_LINK_STATUS];
// Functions of secondary frames.
const ACK: u8 = 0;
const NACK: u8 = 1;
const LINK_STATUS: u8 = 11;
const NOT_FUNCTIONING: u8 = 14;
const NOT_SUPPORTED: u8 = 15;
const SECONDARY: &[u8] = &[ACK, NACK, LINK_STATUS, NOT_FUNCTIONING, NOT_SUPPORTED];

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(block: &[u8]) -> Vec<u8> {
        [block, &crc::of(block).to_le_bytes()].concat()
    }

    #[test]
    fn user_data_of_any_length_is_read_without_its_checksums() {
        let all: Vec<u8> = (1..=250).collect();
        for length in 0..=250_u8 {
            let data = &all[..length.into()];
            let mut frame = checked(&[FIRST, SECOND, length + LEAST, PRM | UNCONFIRMED_DATA, 1, 0, 2, 0]);
            frame.extend(data.chunks(BLOCK).flat_map(checked));
            let read_of = |frame: &[u8]| {
                let (mut reader, mut room) = (Reader::closed(frame), Room::default());
                let (_, data) = read(&mut reader, &mut room).ok()?;
                Some((data.to_vec(), reader.remaining()))
            };
            assert_eq!(read_of(&[frame.as_slice(), &[0xaa; 3]].concat()), Some((data.to_vec(), 3)), "{length} bytes");
            assert_eq!(read_of(&frame[..frame.len() - 1]), None, "{length} bytes, cut");
            for at in HEADER..frame.len() {
                let mut damaged = frame.clone();
                damaged[at] ^= 1;
                assert_eq!(read_of(&damaged), None, "{length} bytes, damaged at {at}");
            }
        }
    }
}
