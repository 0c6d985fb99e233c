//! The front of nearly all messages, read by its bytes: an NPDU of the sender's own, between hosts or to all, with a whole
//! request, announcement or acknowledgement in it. Whatever else there is takes the long way, through `bvlc.rs` and `npdu.rs`;
//! what this front says, they say too.

use super::apdu::Apdu;
use super::bvlc::{IPV4, ORIGINAL_BROADCAST, ORIGINAL_UNICAST};
use super::npdu::{HAS_DESTINATION, LONGEST, OF_NO_MATTER, VERSION};
use crate::reader::Reader;

/// A datagram that names no station.
pub(super) struct Plain<'a> {
    pub(super) head: Head,
    pub(super) apdu: Apdu<'a>,
}

/// What stands in front of its application message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// As in [`Datagram`](super::bvlc::Datagram).
    pub(super) function: u8,
    /// Whether it goes to one device alone.
    pub(super) is_to_one: bool,
}

impl<'a> Plain<'a> {
    /// What a datagram is, if it is plain.
    #[expect(clippy::inline_always, reason = "once a message; what it is stays in registers")]
    #[inline(always)]
    pub(super) fn read(datagram: &Reader<'a>) -> Option<Self> {
        if datagram.remaining() > LINK_HEAD + LONGEST {
            return None;
        }
        let (function, is_to_all, head) = match *datagram.rest() {
            [IPV4, function, _, _, VERSION, control, ..] if control & !OF_NO_MATTER == 0 => {
                (function, false, LINK_HEAD + 2)
            }
            // To all stations of all networks, over so many hops.
            [IPV4, function, _, _, VERSION, control, 0xff, 0xff, 0, _, ..]
                if control & !OF_NO_MATTER == HAS_DESTINATION =>
            {
                (function, true, LINK_HEAD + 6)
            }
            _ => return None,
        };
        if !matches!(function, ORIGINAL_UNICAST | ORIGINAL_BROADCAST) {
            return None;
        }
        let mut reader = datagram.clone();
        reader.skip(head).ok()?;
        let is_to_one = function == ORIGINAL_UNICAST && !is_to_all;
        Some(Self { head: Head { function, is_to_one }, apdu: Apdu::plain(&reader)? })
    }
}

/// Type, function and length.
const LINK_HEAD: usize = 4;

#[cfg(test)]
mod tests {
    use super::super::bvlc::{Datagram, Layer};
    use super::super::npdu::{Destination, Message};
    use super::*;
    use crate::rig::hex;
    use proptest::prelude::*;

    /// All that an application message says, in a line.
    fn line(apdu: &Apdu<'_>) -> String {
        let parameters = |reader: &Reader<'_>| format!("{:02x?} at {}", reader.rest(), reader.at());
        match apdu {
            Apdu::Request(request) => {
                format!(
                    "{} {:?} {} {}",
                    request.invoke,
                    request.segment,
                    request.service,
                    parameters(&request.parameters)
                )
            }
            Apdu::Unconfirmed { service, parameters: rest } => format!("{service} {}", parameters(rest)),
            Apdu::Answer(answer) => {
                let (head, rest) = ((answer.kind, answer.segment, answer.service), parameters(&answer.parameters));
                format!("{} {head:?} {rest}", answer.invoke)
            }
            other => format!("{other:?}"),
        }
    }

    /// The same datagram both ways: whether it is plain, and then the long way must say the same.
    fn is_plain(bytes: &[u8]) -> bool {
        let Some(plain) = Plain::read(&Reader::closed(bytes)) else { return false };
        let long = Datagram::read(&mut Reader::closed(bytes)).expect("what is plain can be read");
        let npdu = long.npdu().expect("what is plain has an NPDU");
        let Message::Application(apdu) = &npdu.message else { panic!("what is plain has an APDU") };
        assert_eq!((long.layer, long.function, long.virtual_address), (Layer::Ipv4, plain.head.function, None));
        assert_eq!((&npdu.source, matches!(npdu.destination, Destination::Station(_))), (&None, false));
        assert_eq!(long.is_to_one() && npdu.destination != Destination::Broadcast, plain.head.is_to_one);
        assert_eq!(line(apdu), line(&plain.apdu));
        true
    }

    const PLAIN: [&str; 6] = [
        "81 0a 0011 01 04 00 05 07 0c 0c 00000001 19 55",
        "81 0a 0011 01 07 02 05 07 0c 0c 00000001 19 55",
        "81 0b 0019 01 20 ffff 00 ff 10 00 c4 020002d1 22 01e0 91 00 21 0f",
        "81 0b 0008 01 00 10 08",
        "81 0a 0017 01 00 30 07 0c 0c 00000001 19 55 3e 44 42290000 3f",
        "81 0a 0009 01 00 20 07 0f",
    ];

    #[test]
    fn what_most_messages_are_is_plain() {
        for bytes in PLAIN {
            assert!(is_plain(&hex(bytes)), "{bytes}");
        }
        let longest = |more: usize| [hex(PLAIN[3]), vec![0; LONGEST - 4 + more]].concat();
        assert!(is_plain(&longest(0)) && !is_plain(&longest(1)));
    }

    #[test]
    fn stations_segments_and_other_layers_are_not() {
        for bytes in [
            "82 01 0011 000001 000002 01 04 00 05 07 0c",
            "81 04 000e c0a80a01 bac0 01 00 10 08",
            "81 0a 000c 01 28 0003 00 ff 10 08",
            "81 0a 000d 01 08 0003 01 6c 10 08",
            "81 0b 000e 01 20 0003 01 6c ff 10 08",
            "81 0a 000c 01 04 08 05 07 00 01 0c",
            "81 0a 0009 01 00 50 07 0c 91 02 91 20",
            "81 0b 0007 01 80 00",
            "81 0a 0007 01 00 30 07",
        ] {
            assert!(!is_plain(&hex(bytes)), "{bytes}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_plain_is_the_same_the_long_way(
            which in 0..PLAIN.len(),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
            end in any::<prop::sample::Index>(),
        ) {
            let mut bytes = hex(PLAIN[which]);
            for (at, byte) in changes {
                let at = at.index(bytes.len().min(14));
                bytes[at] = byte;
            }
            is_plain(&bytes);
            is_plain(&bytes[..end.index(bytes.len() + 1)]);
        }
    }
}
