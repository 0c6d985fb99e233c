//! What the two framings of serial lines have in common.

use super::Adu;
use super::pdu::Fits;
use crate::dissector::{Direction, Part, Verdict};

/// A frame of a serial line: its checksum has 16 or 8 bits, so it takes a request and its answer to name a flow. An answer
/// repeats unit and function; which framing it is stands before them.
pub(super) fn part(adu: &Adu<'_>, framing: u8) -> Verdict {
    let direction = match adu.pdu.fits() {
        Fits::Request => Some(Direction::Request),
        Fits::Response => Some(Direction::Response),
        Fits::Either | Fits::Anything => None,
        Fits::Neither => return Verdict::NotMine,
    };
    let exchange = u64::from_be_bytes([framing, 0, 0, 0, 0, 0, adu.unit, adu.pdu.function]);
    Verdict::Part(Part { exchange, direction })
}

pub(super) const RTU: u8 = 1;
pub(super) const ASCII: u8 = 2;

/// Units of a serial line; those above are reserved (Modbus over Serial Line V1.02, 2.2).
pub(super) const MAX_UNIT: u8 = 247;

#[cfg(test)]
pub(super) mod tests {
    use super::super::{MODBUS, tests};
    use crate::dissector::{Side, Verdict};
    use crate::observation::Transport;
    use crate::rig::Rig;

    type Framed = fn(&[u8]) -> Vec<u8>;

    /// A serial server's connection, on a port of its own.
    pub(crate) fn line() -> Rig {
        Rig::tcp(&MODBUS).with_ports(40000, 4001)
    }

    /// The exchanges of [`tests::exchanges`] in another framing.
    pub(crate) fn exchanges(framed: Framed) -> Vec<(Vec<u8>, Vec<u8>)> {
        let without_header = |message: Vec<u8>| framed(&message[6..]);
        let exchanges = tests::exchanges().into_iter();
        exchanges.map(|(request, response)| (without_header(request), without_header(response))).collect()
    }

    /// What stands around a PDU changes nothing of what is told.
    pub(crate) fn is_told_as_with_a_header(framed: Framed) {
        let (mut with, mut without, mut datagrams) = (line(), line(), Rig::udp(&MODBUS).with_ports(40000, 4001));
        for ((asked, answered), (ask, answer)) in tests::exchanges().into_iter().zip(exchanges(framed)) {
            for (side, message, frame) in [(Side::A, asked, ask), (Side::B, answered, answer)] {
                with.segment(side, &message);
                assert_eq!(without.segment(side, &frame), 0);
                datagrams.datagram(side, &frame);
            }
        }
        let story = with.story();
        assert!(story.iter().any(|line| line.starts_with("A write[1] by 6: register 5 = 1500, accepted")), "{story:?}");
        assert_eq!(without.story(), story);
        assert_eq!(datagrams.story(), story);
        for rig in [&mut without, &mut datagrams] {
            assert_eq!(rig.wait(9).story(), [""; 0], "each request found its answer");
        }
    }

    /// A request and its answer complete each other, and each is known on TCP and UDP once it is whole.
    pub(crate) fn names_by_exchanges(framed: Framed, probe: fn(&[u8], Transport) -> Verdict) {
        let (tcp, udp) = (|front: &[u8]| probe(front, Transport::Tcp), |front: &[u8]| probe(front, Transport::Udp));
        for (request, response) in exchanges(framed) {
            let (Verdict::Part(asked), Verdict::Part(answered)) = (tcp(&request), udp(&response)) else {
                panic!("{request:x?} {response:x?}");
            };
            assert!(answered.completes(asked), "{request:x?} {response:x?}");
            for message in [request, response] {
                assert_eq!(tcp(&message), udp(&message));
                for end in 1..message.len() {
                    assert_eq!(tcp(&message[..end]), Verdict::More, "{:x?}", &message[..end]);
                    assert_eq!(udp(&message[..end]), Verdict::NotMine, "{:x?}", &message[..end]);
                }
            }
        }
    }
}
