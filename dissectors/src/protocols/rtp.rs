//! RTP carries sound and pictures, which tell nothing: a stream is named and then only counted (RFC 3550, section 5).

use crate::dissector::{Carrier, Dissector, Next, Protocol, Series, Side, Verdict};
use crate::observation::Transport;
use crate::out::Out;
use crate::reader::{Reader, Stop};

pub(crate) static RTP: Protocol = Protocol {
    name: "rtp",
    spec: "RFC 3550",
    carriers: &[Carrier::Udp(&[])],
    fields: &[],
    probe,
    max_message: 65_535,
    relates: true,
    open: || Box::new(Rtp),
};

struct Rtp;

impl Dissector for Rtp {
    fn message(&mut self, side: Side, reader: &mut Reader<'_>, out: &mut Out<'_>) -> Result<Next, Stop> {
        let no_header = reader.malformed("no header of RTP");
        series(reader.rest()).ok_or(no_header)?;
        reader.skip(reader.remaining())?;
        // Whoever sends the pictures serves them; a group that they are sent to is asked for by who wants them.
        if !out.is_group(side.other()) {
            out.server(side);
        }
        Ok(Next::Enough)
    }
}

/// One packet proves little: three of one source, one behind the other, name the flow.
fn probe(front: &[u8], transport: Transport) -> Verdict {
    if transport != Transport::Udp {
        return Verdict::NotMine;
    }
    series(front).map_or(Verdict::NotMine, Verdict::Series)
}

/// The source and the number of a packet as cameras send it: version 2, no padding, no contributing sources, a type of
/// payload that is assigned or dynamic (RFC 3551, section 6).
fn series(packet: &[u8]) -> Option<Series> {
    let [first, second, high, low, _, _, _, _, source @ ..] = packet.first_chunk::<12>()?;
    let kind = second & 0x7f;
    let is_mine = matches!(first, 0x80 | 0x90) && (kind <= 34 || kind >= 96) && packet.len() > 12;
    let source = u32::from_be_bytes(*source);
    let common = u64::from(source) << 8 | u64::from(kind);
    (is_mine && source != 0).then_some(Series { common, number: u16::from_be_bytes([*high, *low]) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::Rig;

    fn packet(first: u8, kind: u8, number: u16, source: u32) -> Vec<u8> {
        let [high, low] = number.to_be_bytes();
        let mut bytes = vec![first, kind, high, low, 0, 0, 0, 1];
        bytes.extend(source.to_be_bytes());
        bytes.push(0x65);
        bytes
    }

    fn series_of(packet: &[u8]) -> Option<Series> {
        match Rig::udp(&RTP).probe(packet) {
            Verdict::Series(series) => Some(series),
            _ => None,
        }
    }

    #[test]
    fn packets_of_one_source_follow_each_other() {
        let at = |number, source| series_of(&packet(0x80, 0xe0, number, source)).expect("it is one");
        assert!(at(8, 7).follows(at(7, 7)));
        assert!(at(0, 7).follows(at(0xffff, 7)));
        assert!(!at(8, 7).follows(at(8, 7)));
        assert!(!at(9, 7).follows(at(7, 7)));
        assert!(!at(8, 7).follows(at(7, 6)));
        let other = series_of(&packet(0x80, 0x61, 8, 7)).expect("it is one");
        assert!(!other.follows(at(7, 7)), "another type of payload");
        let marked = series_of(&packet(0x90, 0x60, 8, 7)).expect("it is one");
        assert!(marked.follows(at(7, 7)), "with a header extension and without the marker");
    }

    #[test]
    fn what_has_no_header_is_refused() {
        for (first, kind, source) in [(0x40, 96, 7), (0xa0, 96, 7), (0x81, 96, 7), (0x80, 72, 7), (0x80, 96, 0)] {
            assert_eq!(series_of(&packet(first, kind, 1, source)), None, "{first:#x} {kind} {source}");
        }
        assert_eq!(series_of(&packet(0x80, 96, 1, 7)[..12]), None, "nothing is in it");
    }

    #[test]
    fn a_stream_has_told_what_it_can() {
        let mut rig = Rig::udp(&RTP);
        rig.datagram(Side::B, &packet(0x80, 96, 1, 7));
        assert_eq!(rig.story(), ["B serves"]);
        let mut rig = Rig::udp(&RTP).with_group();
        rig.datagram(Side::A, &packet(0x80, 96, 1, 7));
        assert!(rig.story().is_empty());
    }
}
