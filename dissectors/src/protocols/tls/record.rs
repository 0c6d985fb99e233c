//! Records, and handshake messages that stand in them.

use crate::dissector::Verdict;
use crate::handshake::{Content, LONGEST_HANDSHAKE, LONGEST_RECORD};
use crate::reader::{Reader, Stop};
use smallvec::SmallVec;
use std::borrow::Cow;

/// The head of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) content: Content,
    /// How many bytes it has.
    pub(super) length: usize,
}

/// What a flow may have to wait for: the longest handshake, in records.
pub(super) const MOST: usize = LONGEST_HANDSHAKE + 2 * LONGEST_RECORD;

impl Record {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Stop> {
        let code = reader.u8()?;
        let content = Content::of(code).ok_or_else(|| reader.malformed("no record has this type"))?;
        let [major, minor] = reader.array()?;
        if major != 3 || minor > 4 {
            return Err(reader.malformed("no record has this version"));
        }
        let length = usize::from(reader.u16()?);
        if length > LONGEST_RECORD || (length == 0 && content != Content::Application) {
            return Err(reader.malformed("no record has this length"));
        }
        Ok(Self { content, length })
    }
}

/// Handshake messages from the record that begins here to the one in which one ends together with its record: nearly
/// always they are in one record, and long ones go over several.
pub(super) fn handshake<'a>(reader: &mut Reader<'a>, first: Record) -> Result<Cow<'a, [u8]>, Stop> {
    let mut bytes = Cow::Borrowed(reader.take(first.length)?);
    while let Some(missing) = missing(&bytes) {
        if missing > LONGEST_HANDSHAKE {
            return Err(reader.malformed("the handshake message is longer than any"));
        }
        let next = Record::read(reader)?;
        if next.content != Content::Handshake {
            return Err(reader.malformed("the handshake message is cut off by another record"));
        }
        let more = reader.take(next.length)?;
        bytes.to_mut().extend_from_slice(more);
    }
    Ok(bytes)
}

/// How many bytes the last of some messages lacks; `None` if it is whole.
fn missing(bytes: &[u8]) -> Option<usize> {
    let mut rest = bytes;
    loop {
        match rest {
            [] => return None,
            [_, a, b, c, body @ ..] => {
                let length = usize::try_from(u32::from_be_bytes([0, *a, *b, *c])).unwrap_or(usize::MAX);
                match body.get(length..) {
                    Some(behind) => rest = behind,
                    None => return Some(length.saturating_sub(body.len())),
                }
            }
            _ => return Some(1),
        }
    }
}

/// The messages of a handshake record: type and body of each.
pub(super) fn messages(bytes: &[u8]) -> SmallVec<[(u8, &[u8]); 4]> {
    let mut reader = Reader::closed(bytes);
    let mut messages = SmallVec::new();
    while let Ok(message) = message(&mut reader) {
        messages.push(message);
    }
    messages
}

fn message<'a>(reader: &mut Reader<'a>) -> Result<(u8, &'a [u8]), Stop> {
    let kind = reader.u8()?;
    let length = reader.u24()?;
    Ok((kind, reader.take(usize::try_from(length).unwrap_or(usize::MAX))?))
}

/// A hello proves most: its lengths agree with one another. Of other records the heads of two in a row are asked for.
pub(super) fn probe(front: &[u8]) -> Verdict {
    let mut reader = Reader::open(front, 0);
    match Record::read(&mut reader) {
        Err(Stop::Short { .. }) => Verdict::More,
        Err(_) => Verdict::NotMine,
        Ok(record) if record.content == Content::Handshake && is_hello(reader.rest()) => Verdict::Bits(64),
        Ok(record) => followed(&mut reader, record),
    }
}

/// Whether a hello begins: its type, its version and the length of its session's id (RFC 8446, 4.1.2 and 4.1.3).
pub(super) fn is_hello(front: &[u8]) -> bool {
    let [1 | 2, 0, _, _, 3, 0..=4, rest @ ..] = front else { return false };
    rest.get(32).is_some_and(|session| *session <= 32)
}

fn followed(reader: &mut Reader<'_>, record: Record) -> Verdict {
    let known = if record.content == Content::Handshake { 12 } else { 20 };
    if reader.skip(record.length).is_err() || reader.remaining() < 5 {
        return Verdict::Bits(known);
    }
    match Record::read(reader) {
        Ok(_) => Verdict::Bits(40),
        Err(_) => Verdict::NotMine,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::hex;

    #[test]
    fn a_message_over_three_records_is_one() {
        //                kind length       kind version length
        let bytes = hex("16 0303 0003 0b0000  16 0303 0002 04aa  16 0303 0003 bbccdd  17 0303 0001 ff");
        let mut reader = Reader::open(&bytes, 0);
        let first = Record::read(&mut reader).expect("a record");
        let joined = handshake(&mut reader, first).expect("a message");
        assert_eq!(messages(&joined).as_slice(), [(11, &[0xaa, 0xbb, 0xcc, 0xdd][..])]);
        assert_eq!(reader.remaining(), 6);
        for length in 5..bytes.len() - 6 {
            let mut reader = Reader::open(&bytes[..length], 0);
            let first = Record::read(&mut reader).expect("a record");
            assert!(matches!(handshake(&mut reader, first), Err(Stop::Short { .. })), "{length}");
        }
    }

    #[test]
    fn a_message_that_another_record_cuts_is_malformed() {
        let bytes = hex("16 0303 0004 0b000004  17 0303 0004 00000000");
        let mut reader = Reader::open(&bytes, 0);
        let first = Record::read(&mut reader).expect("a record");
        assert!(matches!(handshake(&mut reader, first), Err(Stop::Malformed { .. })));
        let bytes = hex("16 0303 0004 0bffffff 16 0303 0001 00");
        let mut reader = Reader::open(&bytes, 0);
        let first = Record::read(&mut reader).expect("a record");
        assert!(matches!(handshake(&mut reader, first), Err(Stop::Malformed { .. })));
    }
}
