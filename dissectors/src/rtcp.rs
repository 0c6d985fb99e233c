//! RTP control packets (RFC 3550, section 6), alone in datagrams or within frames of RTSP: who sends a stream, in the
//! words of its source descriptions.

use crate::dissector::{Field, Side};
use crate::out::Out;
use crate::reader::{Reader, Stop};

pub(crate) static CNAME: Field =
    Field::new("rtcp.cname", "SDES CNAME: what an end of a stream is called by, often user@host (RFC 3550, 6.5.1)");
pub(crate) static NAME: Field = Field::new("rtcp.name", "SDES NAME: who an end of a stream is (RFC 3550, 6.5.2)");
pub(crate) static TOOL: Field =
    Field::new("rtcp.tool", "SDES TOOL: the software that sends a stream (RFC 3550, 6.5.6)");

/// The header of one packet: several stand in a datagram, one behind the other (6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// How many sources or reports it holds.
    count: u8,
    /// 200 to 207.
    kind: u8,
    /// How long the packet is without the header, in bytes.
    length: usize,
}

impl Header {
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Stop> {
        let not_two = reader.malformed("the version of RTCP is not 2");
        let [first, kind, high, low] = reader.array()?;
        if first >> 6 != 2 {
            return Err(not_two);
        }
        if !KINDS.contains(&kind) {
            return Err(reader.malformed("no type of RTCP"));
        }
        let words = u16::from_be_bytes([high, low]);
        Ok(Self { count: first & 0x1f, kind, length: usize::from(words).saturating_mul(4) })
    }
}

/// Whether these are whole packets, the first of them a report, and how many.
pub(crate) fn packets(bytes: &[u8]) -> Option<usize> {
    let mut reader = Reader::closed(bytes);
    let mut packets: usize = 0;
    while !reader.is_empty() {
        let header = Header::read(&mut reader).ok()?;
        if packets == 0 && !matches!(header.kind, SENDER_REPORT | RECEIVER_REPORT) {
            return None;
        }
        reader.skip(header.length).ok()?;
        packets = packets.saturating_add(1);
    }
    Some(packets)
}

/// Whether this is a packet of the stream and none of RTCP: by its second byte, where both share a port (RFC 5761, 4).
pub(crate) fn is_stream(bytes: &[u8]) -> bool {
    matches!(bytes, [first, second, ..] if first >> 6 == 2 && !(64..96).contains(&(second & 0x7f)))
}

/// Reads one packet and tells of it.
pub(crate) fn packet(side: Side, reader: &mut Reader<'_>, out: &mut Out<'_>) -> Result<(), Stop> {
    let header = Header::read(reader)?;
    let mut content = reader.sub(header.length)?;
    if header.kind == SOURCE_DESCRIPTION {
        for _ in 0..header.count {
            source(side, &mut content, out)?;
        }
    }
    Ok(())
}

/// The items of one source, up to the word's end behind a zero (6.5).
fn source(side: Side, reader: &mut Reader<'_>, out: &mut Out<'_>) -> Result<(), Stop> {
    let start = reader.at();
    reader.u32()?;
    loop {
        let kind = reader.u8()?;
        if kind == 0 {
            break;
        }
        let length = usize::from(reader.u8()?);
        let text = reader.take(length)?;
        if let Some((_, field)) = ITEMS.iter().find(|(item, _)| *item == kind) {
            out.text(side, None, field, text);
        }
    }
    let behind = reader.at().saturating_sub(start) & 3;
    if behind > 0 {
        reader.skip(4_usize.saturating_sub(behind))?;
    }
    Ok(())
}

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const KINDS: std::ops::RangeInclusive<u8> = 200..=207;
static ITEMS: [(u8, &Field); 3] = [(1, &CNAME), (2, &NAME), (6, &TOOL)];
