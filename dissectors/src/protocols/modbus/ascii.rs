//! Modbus ASCII as serial servers carry it over TCP or UDP: a colon, unit, PDU and LRC in hexadecimal, CR and LF (Modbus
//! over Serial Line V1.02, 2.5.2).

use super::pdu::{Fits, Pdu};
use super::{Adu, serial};
use crate::dissector::Verdict;
use crate::observation::Transport;
use crate::reader::{Reader, Stop};

/// Where the bytes of a frame stand once they are read.
pub(super) struct Room([u8; MAX_BYTES]);

impl Default for Room {
    fn default() -> Self {
        Self([0; MAX_BYTES])
    }
}

pub(super) fn read<'a>(reader: &mut Reader<'_>, room: &'a mut Room) -> Result<Adu<'a>, Stop> {
    match line(reader.rest(), room) {
        Line::Whole { length, bytes } => {
            let adu = adu(room.0.get(..bytes).unwrap_or_default());
            let adu = adu.ok_or(Stop::Bad { what: "the LRC is wrong", length })?;
            reader.skip(length)?;
            Ok(adu)
        }
        Line::Short => {
            Err(reader.peek(reader.remaining().saturating_add(1)).err().unwrap_or(Stop::Short { missing: 1 }))
        }
        Line::Broken => Err(match memchr::memchr(COLON, reader.rest().get(1..).unwrap_or_default()) {
            Some(before) => Stop::Bad { what: NO_FRAME, length: before.saturating_add(1) },
            None => reader.malformed(NO_FRAME),
        }),
    }
}

pub(super) fn probe(front: &[u8], transport: Transport) -> Verdict {
    let mut room = Room::default();
    match line(front, &mut room) {
        Line::Whole { bytes, .. } => match adu(room.0.get(..bytes).unwrap_or_default()) {
            Some(adu) if adu.unit <= serial::MAX_UNIT && adu.pdu.is_defined() && adu.pdu.fits() != Fits::Neither => {
                serial::part(&adu, serial::ASCII)
            }
            _ => Verdict::NotMine,
        },
        Line::Short if transport == Transport::Tcp => Verdict::More,
        Line::Short | Line::Broken => Verdict::NotMine,
    }
}

/// What begins with a colon.
enum Line {
    /// A whole line, `length` with its colon and its end, of so many bytes.
    Whole { length: usize, bytes: usize },
    /// It goes on.
    Short,
    /// It is none.
    Broken,
}

fn line(text: &[u8], room: &mut Room) -> Line {
    let Some(digits) = text.strip_prefix(&[COLON]) else {
        return if text.is_empty() { Line::Short } else { Line::Broken };
    };
    let mut pairs = digits.chunks(2);
    let mut bytes = 0_usize;
    for place in &mut room.0 {
        let byte = match pairs.next() {
            Some([high, low]) => digit(*high).zip(digit(*low)).map(|(high, low)| high << 4 | low),
            Some([first]) if *first == b'\r' || digit(*first).is_some() => return Line::Short,
            None => return Line::Short,
            Some(_) => None,
        };
        let Some(byte) = byte else { break };
        *place = byte;
        bytes = bytes.saturating_add(1);
    }
    let end = bytes.saturating_mul(2).saturating_add(1);
    match text.get(end..).unwrap_or_default() {
        [b'\r', b'\n', ..] => Line::Whole { length: end.saturating_add(2), bytes },
        [] | [b'\r'] => Line::Short,
        _ => Line::Broken,
    }
}

fn digit(letter: u8) -> Option<u8> {
    char::from(letter).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// A frame, if its LRC is right: all bytes add up to 0 (2.5.2.2).
fn adu(frame: &[u8]) -> Option<Adu<'_>> {
    let [unit, code, data @ .., _lrc] = frame else { return None };
    let sum = frame.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    (sum == 0).then(|| Adu { transaction: 0, unit: *unit, pdu: Pdu::new(*code, data) })
}

const COLON: u8 = b':';
/// Unit, PDU and LRC.
const MAX_BYTES: usize = 255;
const NO_FRAME: &str = "no frame from colon to CR and LF";

#[cfg(test)]
mod tests {
    use super::super::serial::tests::{is_told_as_with_a_header, line, names_by_exchanges};
    use super::*;
    use crate::dissector::Side;
    use crate::rig::hex;

    fn framed(unit_and_pdu: &[u8]) -> Vec<u8> {
        let sum = unit_and_pdu.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
        let bytes = unit_and_pdu.iter().copied().chain([sum.wrapping_neg()]);
        let digits: Vec<String> = bytes.map(|byte| format!("{byte:02X}")).collect();
        format!(":{}\r\n", digits.concat()).into_bytes()
    }

    #[test]
    fn exchanges_are_told_as_with_an_mbap_header() {
        is_told_as_with_a_header(framed);
    }

    #[test]
    fn a_request_and_its_answer_name_a_flow_together() {
        names_by_exchanges(framed, probe);
        let other: [&[u8]; 5] =
            [b":nick!user@host PRIVMSG #x :y\r\n", b":0103\r\n", b":010300\n", b"::", b":01030000000AF3\r\n"];
        for text in other {
            assert_eq!(probe(text, Transport::Tcp), Verdict::NotMine, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn a_colon_begins_a_frame_anew() {
        let mut rig = line();
        let (ask, answer) = (framed(&hex("01 03 0000 0001")), framed(&hex("01 03 02 0007")));
        rig.segment(Side::A, &ask);
        rig.segment(Side::B, &answer);
        rig.story();
        // A frame that lacks its end; one whose LRC is wrong, which hides nothing behind it.
        assert_eq!(rig.segment(Side::B, &[&answer[..5], &answer[..]].concat()), 0);
        let mut wrong = answer.clone();
        wrong[6] ^= 1;
        assert_eq!(rig.segment(Side::B, &[wrong, answer].concat()), 0);
        assert_eq!(
            rig.story(),
            [
                "B stops: no frame from colon to CR and LF in a message of 5 bytes",
                "B response[1] 3",
                "B stops: the LRC is wrong in a message of 15 bytes",
                "B response[1] 3",
            ]
        );
    }

    #[test]
    fn a_line_has_room_for_the_longest_frame_and_no_more() {
        let longest = framed(&[1; 254]);
        assert_eq!(longest.len(), 513);
        assert!(probe(&framed(&[&[1, 43][..], &[7; 252]].concat()), Transport::Udp).is_mine());
        assert_eq!(probe(&framed(&[1; 255]), Transport::Tcp), Verdict::NotMine);
    }
}
