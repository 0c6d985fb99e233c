//! RTCP tells what the ends of a stream call themselves (RFC 3550, 6.5). Skipped on purpose: reports of what came and
//! was lost, goodbyes, what applications add.

use crate::dissector::{Carrier, Dissector, Next, Protocol, Side, Verdict};
use crate::observation::Transport;
use crate::out::Out;
use crate::reader::{Reader, Stop};
use crate::rtcp;

pub(crate) static RTCP: Protocol = Protocol {
    name: "rtcp",
    spec: "RFC 3550",
    carriers: &[Carrier::Udp(&[])],
    fields: &[&rtcp::CNAME, &rtcp::NAME, &rtcp::TOOL],
    probe,
    max_message: 65_535,
    relates: true,
    open: || Box::new(Rtcp),
};

struct Rtcp;

impl Dissector for Rtcp {
    /// A message is one of the packets in a datagram. Pictures may come at the same port (RFC 5761).
    fn message(&mut self, side: Side, reader: &mut Reader<'_>, out: &mut Out<'_>) -> Result<Next, Stop> {
        if rtcp::is_stream(reader.rest()) {
            reader.skip(reader.remaining())?;
            return Ok(Next::More);
        }
        rtcp::packet(side, reader, out).map(|()| Next::More)
    }
}

/// Two packets that fill the datagram hold 52 bits that could be otherwise; one alone holds 26.
fn probe(front: &[u8], transport: Transport) -> Verdict {
    if transport != Transport::Udp {
        return Verdict::NotMine;
    }
    match rtcp::packets(front) {
        None | Some(0) => Verdict::NotMine,
        Some(1) => Verdict::Bits(26),
        Some(_) => Verdict::Bits(52),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::{Rig, hex};

    /// A receiver report of one block, and the source's CNAME and TOOL.
    fn report() -> Vec<u8> {
        let mut bytes = hex(
            // V C  PT length  SSRC      of        lost      highest   jitter    LSR       DLSR
            "   81   c9 0007   11223344  55667788  00000000  00010203  00000004  00000000  00000000",
        );
        //                   V C PT length SSRC      CNAME        TOOL       end
        bytes.extend(hex("   81  ca 0006   11223344"));
        bytes.extend(b"\x01\x05a@b.c\x06\x05lav61\0\0\0\0\0\0");
        bytes
    }

    #[test]
    fn sources_say_what_they_are_called_by() {
        let mut rig = Rig::udp(&RTCP);
        assert_eq!(rig.probe(&report()), Verdict::Bits(52));
        rig.datagram(Side::B, &report());
        assert_eq!(rig.story(), ["10.0.0.2 rtcp.cname = a@b.c", "10.0.0.2 rtcp.tool = lav61"]);
    }

    #[test]
    fn pictures_at_the_same_port_are_passed_over() {
        let mut rig = Rig::udp(&RTCP);
        rig.datagram(Side::B, &hex("80 60 0001 00000001 11223344 65 ff"));
        assert!(rig.story().is_empty());
    }

    #[test]
    fn what_is_no_report_is_refused() {
        let rig = Rig::udp(&RTCP);
        assert_eq!(rig.probe(&report()[..32]), Verdict::Bits(26));
        for (at, byte) in [(0, 0x41), (1, 202), (1, 199), (3, 6), (3, 8), (33, 208)] {
            let mut other = report();
            other[at] = byte;
            assert_eq!(rig.probe(&other), Verdict::NotMine, "byte {at} = {byte}");
        }
        assert_eq!(rig.probe(&[]), Verdict::NotMine);
        assert_eq!(Rig::tcp(&RTCP).probe(&report()), Verdict::NotMine);
    }

    #[test]
    fn every_cut_and_odd_byte_is_read_or_refused() {
        let whole = report();
        for length in 0..whole.len() {
            Rig::udp(&RTCP).datagram(Side::A, &whole[..length]);
            for byte in [0, 1, 0x7f, 0x80, 0xff] {
                let mut odd = whole.clone();
                odd[length] = byte;
                Rig::udp(&RTCP).datagram(Side::A, &odd);
            }
        }
    }
}
