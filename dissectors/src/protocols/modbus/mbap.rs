//! Modbus as TCP and UDP carry it: the MBAP header and a PDU (Messaging on TCP/IP Implementation Guide V1.0b, 3.1.3).

use super::Adu;
use super::pdu::{self, Fits, Pdu};
use crate::dissector::{Direction, Part, Verdict};
use crate::observation::Transport;
use crate::reader::{Reader, Stop};

// What is returned through memory, written in pieces and read back as a whole, stalls: a twentieth of a packet's time.
#[expect(clippy::inline_always, reason = "measured; too long for the compiler to see it")]
#[inline(always)]
pub(super) fn read<'a>(reader: &mut Reader<'a>) -> Result<Adu<'a>, Stop> {
    let rest = reader.rest();
    if let Some(([one, two, 0, 0, high, low, unit, code], _)) = rest.split_first_chunk::<8>()
        && let length @ 2..=MAX_LENGTH = u16::from_be_bytes([*high, *low])
        && let Some(data) = rest.get(8..usize::from(length).saturating_add(6))
    {
        reader.skip(data.len().saturating_add(8))?;
        return Ok(Adu { transaction: u16::from_be_bytes([*one, *two]), unit: *unit, pdu: Pdu::new(*code, data) });
    }
    read_any(reader)
}

/// The same of what is not all here, or not in its order.
#[cold]
fn read_any<'a>(reader: &mut Reader<'a>) -> Result<Adu<'a>, Stop> {
    let transaction = reader.u16()?;
    if reader.u16()? != 0 {
        return Err(reader.malformed("the protocol id is not 0"));
    }
    let length = reader.u16()?;
    let is_possible = match length {
        0 | 1 => false,
        2..=MAX_LENGTH => true,
        _ => length <= MAX_UMAS_LENGTH && matches!(reader.peek(2)?, [_, pdu::UMAS]),
    };
    if !is_possible {
        return Err(reader.malformed("the length is not 2 to 254"));
    }
    let [unit, code, data @ ..] = reader.take(usize::from(length))? else {
        return Err(reader.malformed("the length is not 2 to 254"));
    };
    Ok(Adu { transaction, unit: *unit, pdu: Pdu::new(*code, data) })
}

/// Protocol id, upper half of the length and, where the structure is known or the bytes end with the message, its
/// lower half could all have been otherwise. A length of 32 bits behind two others looks the same: a function that
/// nobody has defined, and a message that breaks its function's structure, are parts of an exchange, and what stands
/// behind a message taken by its length begins another.
pub(super) fn probe(front: &[u8], transport: Transport) -> Verdict {
    let mut reader = match transport {
        Transport::Tcp => Reader::open(front, 0),
        Transport::Udp => Reader::closed(front),
        _ => return Verdict::NotMine,
    };
    let adu = match read(&mut reader) {
        Ok(adu) => adu,
        Err(Stop::Short { .. }) => return Verdict::More,
        Err(Stop::Malformed { .. } | Stop::Bad { .. }) => return Verdict::NotMine,
    };
    let ends = reader.is_empty();
    match adu.pdu.fits() {
        _ if !ends && !reader.is_open() => Verdict::NotMine,
        _ if is_ber(&adu) => Verdict::NotMine,
        Fits::Request | Fits::Response | Fits::Either => Verdict::Bits(32),
        Fits::Anything if ends && adu.pdu.is_defined() => Verdict::Bits(32),
        Fits::Anything if !ends && !may_begin_another(&mut reader) => Verdict::NotMine,
        Fits::Anything => part(&adu, None),
        Fits::Neither if ends && adu.pdu.is_exception => part(&adu, Some(Direction::Response)),
        Fits::Neither if ends => part(&adu, Some(Direction::Request)),
        Fits::Neither => Verdict::NotMine,
    }
}

/// An answer repeats transaction, unit and function.
fn part(adu: &Adu<'_>, direction: Option<Direction>) -> Verdict {
    let [one, two] = adu.transaction.to_be_bytes();
    let exchange = u64::from(u32::from_be_bytes([one, two, adu.unit, adu.pdu.function]));
    Verdict::Part(Part { exchange, direction })
}

/// LDAP as Windows writes it: a sequence whose length has four bytes, and an integer of at most four (X.690, 8.1.3.5)
/// in it. Its upper half is a protocol id of 0, its lower half the length of the message.
fn is_ber(adu: &Adu<'_>) -> bool {
    const SEQUENCE_OF_LONG_LENGTH: u16 = 0x3084;
    const INTEGER: u8 = 2;
    adu.transaction == SEQUENCE_OF_LONG_LENGTH && adu.unit == INTEGER && matches!(adu.pdu.function, 1..=4)
}

/// Whether a message may begin here, as far as it is there.
fn may_begin_another(reader: &mut Reader<'_>) -> bool {
    matches!(read(reader), Ok(_) | Err(Stop::Short { .. }))
}

/// Unit and PDU: 1 and 253 bytes (Application Protocol, 4.1).
const MAX_LENGTH: u16 = 254;
/// Schneider Electric's function 90 sends more than the standard allows: 255 was seen, and 1 KiB leaves room.
const MAX_UMAS_LENGTH: u16 = 1024;

#[cfg(test)]
mod tests {
    use super::super::MODBUS;
    use super::super::tests::exchanges;
    use super::*;
    use crate::rig::hex;

    fn tcp(front: &[u8]) -> Verdict {
        probe(front, Transport::Tcp)
    }

    fn udp(front: &[u8]) -> Verdict {
        probe(front, Transport::Udp)
    }

    /// What an exchange of transaction 1 with unit 1 repeats.
    fn part(function: u8, direction: Option<Direction>) -> Verdict {
        Verdict::Part(Part { exchange: 0x0001_0100 | u64::from(function), direction })
    }

    #[test]
    fn whole_messages_name_at_once() {
        for message in exchanges().into_iter().flat_map(|(request, response)| [request, response]) {
            assert_eq!(tcp(&message), Verdict::Bits(32), "{message:x?}");
            assert_eq!(udp(&message), Verdict::Bits(32), "{message:x?}");
            assert_eq!(udp(&message[..message.len() - 1]), Verdict::NotMine);
            assert_eq!(udp(&[&message[..], &[0]].concat()), Verdict::NotMine);
            for end in 0..message.len() {
                assert_eq!(tcp(&message[..end]), Verdict::More);
            }
        }
        // Of a function that is defined and whose structure is not known.
        assert_eq!(tcp(&hex("0001 0000 0004 01 5a 00 02")), Verdict::Bits(32));
    }

    #[test]
    fn what_may_be_chance_needs_its_other_half() {
        // Taken by its length, and more follows.
        assert_eq!(tcp(&hex("0001 0000 0004 01 5a 00 02 0002")), part(90, None));
        assert_eq!(tcp(&hex("0001 0000 0004 01 5a 00 02 0002 0000 0004 01 5a 00 02")), part(90, None));
        // Of a function that nobody has defined.
        assert_eq!(tcp(&hex("0001 0000 0004 01 7d 00 02")), part(125, None));
        assert_eq!(udp(&hex("0001 0000 0004 01 7d 00 02")), part(125, None));
        // What breaks its function's structure: the server answers it all the same. An exception with more than its code.
        assert_eq!(tcp(&hex("0001 0000 0006 01 2b 0e030100")), part(43, Some(Direction::Request)));
        assert_eq!(tcp(&hex("0001 0000 0004 01 81 06 00")), part(1, Some(Direction::Response)));
    }

    #[test]
    fn ldap_and_dicom_name_nothing() {
        // LDAP as Windows writes it (RFC 4511, 4.1.1): a search is done whose message id, 13, counts its other bytes;
        // an unbind of message id 128 that looks like a request for coils.
        for ldap in ["3084 0000 0010 02 01 0d 65 84 00000007 0a0100 0400 0400", "3084 0000 0006 02 02 0080 4200"] {
            assert_eq!(tcp(&hex(ldap)), Verdict::NotMine, "{ldap}");
        }
        // A bind and its answer.
        assert_eq!(tcp(&hex("3084 0000 000f 02 01 01 60 84 00000006 020103 0400 8000")), Verdict::NotMine);
        assert_eq!(tcp(&hex("3084 0000 0010 02 01 01 61 84 00000007 0a0100 0400 0400")), Verdict::NotMine);
        // Messages of DICOM (PS3.8, 9.3): type and length, then version 1 or the length of a value; release.
        let associate = ["0100 0000 0044 0001 0000", &"20".repeat(64)].concat();
        let accept = ["0200 0000 0044 0001 0000", &"20".repeat(64)].concat();
        for dicom in [associate.as_str(), &accept, "0400 0000 0008 00000004 01030000", "0500 0000 0004 00000000"] {
            let verdict = tcp(&hex(dicom));
            let asks = matches!(verdict, Verdict::Part(Part { direction: Some(Direction::Request), .. }));
            assert!(asks, "both sides ask, and none answers: {dicom}: {verdict:?}");
        }
        // Kerberos over TCP (RFC 4120, 7.2.2): a length of four bytes, and ASN.1.
        for kerberos in ["00000012 6a10 300ea103020105a20302010aa4023000", "00000003 7e013000"] {
            assert_eq!(tcp(&hex(kerberos)), Verdict::NotMine, "{kerberos}");
        }
    }

    #[test]
    fn what_stands_behind_a_message_of_unknown_structure_begins_another() {
        // As MELSOFT asks and answers: a mark, a number that counts from 0, 11 11, and what would be a function.
        let asked = hex("d700 0000 0011 11 7f 000000010200ffff03000010000102 0304 0000 0000 0000 0000 0000 0000");
        let answered = hex("5700 0000 0011 11 07 0000ffff0300000000000010000102 0304 0000 0000 0000 0000 0000 0000");
        let other = hex("0001 0000 0004 01 07 00 02 0002 1000 0004 01 07 00 02");
        for message in [asked, answered, other] {
            assert_eq!(tcp(&message), Verdict::NotMine, "{message:x?}");
        }
    }

    #[test]
    fn lookalikes_are_refused() {
        let others: [(&str, &[u8]); 12] = [
            ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
            ("DNS over UDP", b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03www\x00\x00\x01\x00\x01"),
            ("mDNS", b"\x00\x00\x00\x00\x00\x02\x00\x03\x00\x00\x00\x00\x05_http\x04_tcp\x05local\x00\x00\x0c\x00\x01"),
            ("LDAP", b"\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80\x00"),
            ("SMB", b"\x00\x00\x00\x54\xffSMBr\x00\x00\x00\x00\x18"),
            ("NetBIOS keep-alive", b"\x85\x00\x00\x00\x85\x00\x00\x00"),
            ("HTTP", b"GET / HTTP/1.1\r\n\r\n"),
            ("HTTP/2 settings", b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x80"),
            ("EtherNet/IP", b"\x65\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"),
            ("S7 over TPKT", b"\x03\x00\x00\x16\x11\xe0\x00\x00\x00\x01\x00"),
            ("IEC 104", b"\x68\x04\x07\x00\x00\x00"),
            ("zeros", &[0; 64]),
        ];
        for (name, bytes) in others {
            for transport in [Transport::Tcp, Transport::Udp] {
                assert_eq!(probe(bytes, transport), Verdict::NotMine, "{name}");
                assert!(!(MODBUS.probe)(bytes, transport).is_mine(), "{name}");
            }
        }
        assert_eq!((MODBUS.probe)(b"\x00\x01\x00\x00\x00\x02\x01\x11", Transport::Ethernet), Verdict::NotMine);
    }
}
