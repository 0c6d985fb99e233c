//! Modbus RTU as serial servers and gateways carry it over TCP or UDP: unit, PDU and CRC (Modbus over Serial Line
//! V1.02, 2.5.1). On a line a silence ends a frame; here its CRC and its function's structure do.

use super::pdu::{Fits, Pdu};
use super::{Adu, serial};
use crate::dissector::Verdict;
use crate::observation::Transport;
use crate::reader::{Reader, Stop};

pub(super) fn read<'a>(reader: &mut Reader<'a>) -> Result<Adu<'a>, Stop> {
    let bytes = reader.rest();
    if let Some(length) = length_of(bytes) {
        return adu(reader.take(length)?).ok_or_else(|| reader.malformed(NO_FRAME));
    }
    if let Some(length) = footing(bytes) {
        return Err(Stop::Bad { what: NO_FRAME, length });
    }
    if bytes.len() < longest(bytes) {
        reader.peek(bytes.len().saturating_add(1))?;
    }
    Err(reader.malformed(NO_FRAME))
}

pub(super) fn probe(front: &[u8], transport: Transport) -> Verdict {
    if !may_begin(front) {
        return Verdict::NotMine;
    }
    match length_of(front).and_then(|length| front.split_at_checked(length)) {
        Some((frame, rest)) if may_begin(rest) => {
            adu(frame).map_or(Verdict::NotMine, |adu| serial::part(&adu, serial::RTU))
        }
        None if transport == Transport::Tcp && front.len() < longest(front) => Verdict::More,
        _ => Verdict::NotMine,
    }
}

/// Whether a frame for a possible unit and a defined function may begin so, as far as it is there.
fn may_begin(bytes: &[u8]) -> bool {
    match bytes {
        [] => true,
        [unit] => *unit <= serial::MAX_UNIT,
        [unit, code, ..] => *unit <= serial::MAX_UNIT && Pdu::new(*code, &[]).is_defined(),
    }
}

/// How long the frame is that starts here: up to the first place where the CRC is right and the structure fits. Where
/// the function's structure is not known, or is broken, the frame ends with what is here or where another begins.
fn length_of(bytes: &[u8]) -> Option<usize> {
    let bytes = bytes.get(..MAX_LENGTH).unwrap_or(bytes);
    let mut doubtful = None;
    for end in ends(bytes) {
        if fits(bytes.get(..end)?) {
            return Some(end);
        }
        let is_last = end == bytes.len();
        if is_last || (doubtful.is_none() && begins_with_frame(bytes.get(end..)?)) {
            doubtful = doubtful.or(Some(end));
        }
    }
    doubtful
}

/// The places up to which the CRC is right.
fn ends(bytes: &[u8]) -> impl Iterator<Item = usize> {
    let mut crc = PRESET;
    let places = bytes.iter().zip(1_usize..).filter_map(move |(byte, end)| {
        crc = forward(crc, *byte);
        (crc == 0).then_some(end)
    });
    places.skip_while(|end| *end < MIN_LENGTH)
}

fn begins_with_frame(bytes: &[u8]) -> bool {
    ends(bytes).any(|end| bytes.get(..end).is_some_and(fits))
}

/// Whether the structure of the function fits the frame exactly.
fn fits(frame: &[u8]) -> bool {
    adu(frame).is_some_and(|adu| matches!(adu.pdu.fits(), Fits::Request | Fits::Response | Fits::Either))
}

/// A frame, whose CRC is right.
fn adu(frame: &[u8]) -> Option<Adu<'_>> {
    let [unit, code, data @ .., _, _] = frame else { return None };
    Some(Adu { transaction: 0, unit: *unit, pdu: Pdu::new(*code, data) })
}

/// Where behind bad bytes a frame begins that ends with the bytes that are here. The register is wound back from 0, which
/// it is behind a frame; where it is as before one, a frame may begin.
fn footing(bytes: &[u8]) -> Option<usize> {
    let mut crc = 0;
    let places = bytes.iter().enumerate().rev().take(MAX_LENGTH).filter_map(|(start, byte)| {
        crc = backward(crc, *byte);
        (crc == PRESET).then_some(start)
    });
    places.filter(|start| *start > 0 && bytes.get(*start..).is_some_and(fits)).last()
}

/// How long a frame may be that starts so: a shorter piece of it is no error yet.
fn longest(bytes: &[u8]) -> usize {
    let around = |count: u8, others: usize| usize::from(count).saturating_add(others);
    let longest = match bytes {
        [_, 7 | 0x80..=0xff, ..] => 5,
        // A byte count at once in the answer, or as many bytes as a request for values.
        [_, 1..=4 | 12 | 17, count, ..] => around(*count, 5).max(8),
        [_, 5 | 6 | 11, ..] => 8,
        [_, 15 | 16, _, _, _, _, count, ..] => around(*count, 9),
        [_, 20 | 21, count, ..] => around(*count, 5),
        [_, 22, ..] => 10,
        _ => MAX_LENGTH,
    };
    longest.min(MAX_LENGTH)
}

/// The CRC goes on by a byte (2.5.1.2: x^16 + x^15 + x^2 + 1, low bit first). Over a frame and its own CRC it is 0.
fn forward(crc: u16, byte: u8) -> u16 {
    let [low, high] = crc.to_le_bytes();
    u16::from(high) ^ TABLE.get(usize::from(low ^ byte)).copied().unwrap_or_default()
}

/// The CRC before the byte after which it is `crc`.
fn backward(crc: u16, byte: u8) -> u16 {
    let before = (0..8).fold(crc, |crc, _| if crc & 0x8000 == 0 { crc << 1 } else { (crc ^ POLYNOMIAL) << 1 | 1 });
    before ^ u16::from(byte)
}

/// The CRC of each byte.
static TABLE: [u16; 256] = {
    let mut table = [0; 256];
    let mut rest: &mut [u16] = &mut table;
    let mut number: u16 = 0;
    while let [entry, others @ ..] = rest {
        let mut bit = 0_u8;
        *entry = number;
        while bit < 8 {
            *entry = if *entry & 1 == 0 { *entry >> 1 } else { *entry >> 1 ^ POLYNOMIAL };
            bit = bit.saturating_add(1);
        }
        number = number.saturating_add(1);
        rest = others;
    }
    table
};

const POLYNOMIAL: u16 = 0xa001;
const PRESET: u16 = 0xffff;
/// Unit, function and CRC; and the longest (2.4.1).
const MIN_LENGTH: usize = 4;
const MAX_LENGTH: usize = 256;
const NO_FRAME: &str = "no frame with a right CRC";

#[cfg(test)]
mod tests {
    use super::super::MODBUS;
    use super::super::serial::tests::{is_told_as_with_a_header, line, names_by_exchanges};
    use super::*;
    use crate::dissector::{Direction, Footing, Part, Side};
    use crate::rig::hex;
    use proptest::prelude::*;

    /// Unit and PDU, with their CRC behind them.
    fn framed(unit_and_pdu: &[u8]) -> Vec<u8> {
        let crc = unit_and_pdu.iter().fold(PRESET, |crc, byte| forward(crc, *byte));
        [unit_and_pdu, &crc.to_le_bytes()].concat()
    }

    fn rtu(unit_and_pdu: &str) -> Vec<u8> {
        framed(&hex(unit_and_pdu))
    }

    #[test]
    fn the_crc_is_that_of_the_standard() {
        // Serial Line V1.02, 6.2.2: address 02, function 07, CRC 41 12.
        assert_eq!(rtu("02 07"), hex("0207 4112"));
        assert_eq!(length_of(&hex("0207 4112")), Some(4));
        assert_eq!(length_of(&hex("0207 4113")), None);
    }

    #[test]
    fn exchanges_are_told_as_with_an_mbap_header() {
        is_told_as_with_a_header(framed);
    }

    #[test]
    fn a_request_and_its_answer_name_a_flow_together() {
        names_by_exchanges(framed, probe);
        let tcp = |front: &[u8]| probe(front, Transport::Tcp);
        let part = |unit_and_pdu: &str| match tcp(&rtu(unit_and_pdu)) {
            Verdict::Part(part) => part,
            other => panic!("{unit_and_pdu}: {other:?}"),
        };
        let asked = part("01 03 0000 0001");
        assert_eq!(asked.direction, Some(Direction::Request));
        assert!(!part("01 03 0000 0001").completes(asked), "both ask");
        for other in ["02 03 02 0007", "01 04 02 0007"] {
            assert!(!part(other).completes(asked), "of another unit, of another function");
        }
        for refusal in ["01 83 02", "01 03 02 0007"] {
            assert!(part(refusal).completes(asked));
        }
    }

    #[test]
    fn a_frame_that_looks_like_an_mbap_header_is_a_frame() {
        // As a header: transaction 0103, protocol id 0, length 2, unit c4, function 11, which is defined.
        let poll = rtu("01 03 0000 0002");
        assert_eq!(poll, hex("0103 0000 0002 c4 0b"));
        assert!(matches!((MODBUS.probe)(&poll, Transport::Tcp), Verdict::Part(_)));
        let mut rig = line();
        rig.segment(Side::A, &poll);
        assert_eq!(rig.story(), ["B serves", "A request[1] 3"]);
    }

    #[test]
    fn four_octets_are_a_query() {
        for (function, answer) in
            [("11", "0507ff504d37"), ("07", "6d"), ("0b", "ffff0108"), ("0c", "080000010801212000")]
        {
            let mut rig = line();
            rig.segment(Side::A, &rtu(&format!("0a {function}")));
            rig.segment(Side::B, &rtu(&format!("0a {function} {answer}")));
            let number = u8::from_str_radix(function, 16).expect("a number");
            let story = rig.story();
            assert!(story.contains(&format!("A request[10] {number}")), "{story:?}");
            assert!(story.contains(&format!("B response[10] {number}")), "{story:?}");
            assert_eq!(rig.wait(9).story(), [""; 0]);
        }
    }

    #[test]
    fn many_frames_share_a_segment_and_one_may_need_several() {
        let polls = [rtu("01 03 0000 0002"), rtu("02 01 0000 0010"), rtu("03 06 0005 05dc")].concat();
        let answers = [rtu("01 03 04 0007 0008"), rtu("02 01 02 6666"), rtu("03 06 0005 05dc")].concat();
        let mut whole = line();
        assert_eq!(whole.segment(Side::A, &polls), 0);
        assert_eq!(whole.segment(Side::B, &answers), 0);
        let story = whole.story();
        assert_eq!(story.len(), 11, "{story:?}");
        let mut cut = line();
        cut.segment(Side::A, &polls);
        for end in 0..answers.len().min(9) {
            assert_eq!(cut.segment(Side::B, &answers[..end]), end);
        }
        cut.segment(Side::B, &answers);
        let without_frame = |line: &String| line.split(" (frame").next().map(str::to_owned);
        let (cut, story): (Vec<_>, Vec<_>) =
            (cut.story().iter().map(without_frame).collect(), story.iter().map(without_frame).collect());
        assert_eq!(cut, story);
    }

    #[test]
    fn behind_bad_bytes_the_crc_finds_the_footing_again() {
        let mut rig = line();
        rig.segment(Side::A, &rtu("01 03 0000 0001"));
        rig.segment(Side::B, &rtu("01 03 02 0007"));
        rig.story();
        // Line noise before a frame; a frame that a bit was turned in, and one behind it; the end of one that began in
        // what was lost.
        let noisy = [&[0x00][..], &rtu("01 03 02 0008")].concat();
        assert_eq!(rig.segment(Side::B, &noisy), 0);
        let mut broken = rtu("01 03 02 0009");
        broken[3] ^= 1;
        assert_eq!(rig.segment(Side::B, &[&broken[..], &rtu("01 04 02 000a")].concat()), 0);
        assert_eq!(
            rig.story(),
            [
                "B stops: no frame with a right CRC in a message of 1 bytes",
                "B response[1] 3",
                "B stops: no frame with a right CRC in a message of 7 bytes",
                "B response[1] 4",
            ]
        );
        assert_eq!(rig.lose(Side::B, 3), Footing::Segment);
        assert!(!probe(&broken, Transport::Tcp).is_mine());
        assert!(probe(&rtu("01 04 02 000a"), Transport::Tcp).is_mine());
    }

    #[test]
    fn a_frame_of_unknown_structure_ends_with_its_segment_or_before_the_next_frame() {
        let mut rig = line();
        rig.segment(Side::A, &rtu("01 03 0000 0001"));
        rig.segment(Side::B, &rtu("01 03 02 0007"));
        rig.story();
        rig.segment(Side::A, &[rtu("01 64 04 0001 0002"), rtu("02 03 0000 0001")].concat());
        rig.segment(Side::B, &rtu("01 64 04 0001 0002 0003"));
        // A request that breaks its function's structure: the server answers it.
        rig.segment(Side::A, &rtu("01 10 0000 0001 02"));
        rig.segment(Side::B, &rtu("01 90 03"));
        let counted: Vec<_> = rig.story().into_iter().filter(|line| line.contains(" re")).collect();
        assert_eq!(
            counted,
            [
                "A request[1] 100",
                "A request[2] 3",
                "B response[1] 100",
                "A request[1] 16 control",
                "B response[1] 16 exception",
            ]
        );
    }

    #[test]
    fn a_master_that_asks_again_has_given_up_what_it_asked_before() {
        let mut rig = line();
        rig.segment(Side::A, &rtu("01 06 0005 0001"));
        rig.segment(Side::A, &rtu("01 06 0005 0002"));
        rig.segment(Side::B, &rtu("01 06 0005 0002"));
        assert!(rig.story().contains(&"A write[1] by 6: register 5 = 2, accepted (frame 2)".to_owned()));
        assert_eq!(
            rig.wait(9).story(),
            [
                "A request[1] 6 unanswered since frame 1 control",
                "A write[1] by 6: register 5 = 1, unanswered (frame 1)",
            ]
        );
    }

    #[test]
    fn a_broadcast_is_never_unanswered() {
        let mut rig = line();
        rig.segment(Side::A, &rtu("00 06 0005 05dc"));
        rig.story();
        assert_eq!(rig.wait(9).story(), ["A write[0] by 6: register 5 = 1500, unknown (frame 1)"]);
    }

    proptest! {
        #[test]
        fn the_register_winds_back(bytes in prop::collection::vec(any::<u8>(), 0..40), crc: u16) {
            let ahead = bytes.iter().fold(crc, |crc, byte| forward(crc, *byte));
            prop_assert_eq!(bytes.iter().rev().fold(ahead, |crc, byte| backward(crc, *byte)), crc);
        }

        #[test]
        fn no_frame_is_found_in_random_bytes_that_the_crc_refuses(
            bytes in prop::collection::vec(any::<u8>(), 0..300), is_b: bool
        ) {
            let mut rig = line();
            rig.segment(if is_b { Side::B } else { Side::A }, &rtu("01 03 0000 0001"));
            rig.segment(if is_b { Side::A } else { Side::B }, &bytes);
            if let Verdict::Part(Part { .. }) = probe(&bytes, Transport::Tcp) {
                prop_assert!(ends(&bytes).next().is_some());
            }
        }
    }
}
