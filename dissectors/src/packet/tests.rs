//! Frames in, headers and payload out.

use super::*;
use etherparse::PacketBuilder;
use proptest::prelude::*;

fn packet_of(builder: etherparse::PacketBuilderStep<etherparse::UdpHeader>, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    builder.write(&mut bytes, payload).expect("a vector takes all");
    bytes
}

#[test]
fn udp_in_ipv4_in_a_vlan() {
    let builder = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2])
        .single_vlan(etherparse::VlanId::try_new(7).expect("7 is a VLAN id"))
        .ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
        .udp(47808, 47809);
    let mut frame = packet_of(builder, b"hello");
    let wire_length = u32::try_from(frame.len()).expect("it is short");
    let (headers, payload) = decode(LinkType::Ethernet, &frame, wire_length).expect("it is whole");
    assert_eq!(payload, b"hello");
    assert_eq!(headers.context.to_string(), "vlan:7");
    assert_eq!(headers.source.to_string(), "10.0.0.1");
    assert_eq!(headers.ports(), (47808, 47809));
    assert_eq!((headers.wire_bytes, headers.cut_bytes), (33, 0));

    frame.truncate(frame.len() - 2);
    let (headers, payload) = decode(LinkType::Ethernet, &frame, wire_length).expect("the headers are whole");
    assert_eq!((payload, headers.cut_bytes), (&b"hel"[..], 2));
}

#[test]
fn padding_of_short_frames_is_no_payload() {
    let builder = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2])
        .ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
        .tcp(502, 40000, 7, 1000);
    let mut frame = Vec::new();
    builder.write(&mut frame, b"").expect("a vector takes all");
    frame.resize(60, 0);
    let (headers, payload) = decode(LinkType::Ethernet, &frame, 60).expect("it is whole");
    assert_eq!((payload.len(), headers.wire_bytes, headers.cut_bytes), (0, 40, 0));
}

#[test]
fn a_fragment_is_told_as_such() {
    let builder = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2])
        .ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
        .udp(1, 2);
    let mut frame = packet_of(builder, b"hello");
    frame[20] = 0x20; // more fragments
    let (headers, _) = decode(LinkType::Ethernet, &frame, 47).expect("it is whole");
    assert_eq!(headers.layer, Layer::Fragment(Fragment { id: 0, offset: 0, more: true, protocol: 17 }));
    frame[20..22].copy_from_slice(&[0x00, 0xb9]); // the last one, behind 1480 bytes
    frame[18..20].copy_from_slice(&[0xab, 0xcd]);
    let (mut headers, _) = decode(LinkType::Ethernet, &frame, 47).expect("it is whole");
    assert_eq!(headers.layer, Layer::Fragment(Fragment { id: 0xabcd, offset: 1480, more: false, protocol: 17 }));
    let payload = decode_transport(&mut headers, 17, &frame[34..]).expect("it is whole");
    assert_eq!((payload, headers.ports()), (&b"hello"[..], (1, 2)));
}

#[test]
fn a_fragment_of_ipv6_too() {
    let source = "fe80::1".parse::<std::net::Ipv6Addr>().expect("it is an address").octets();
    let mut frame = Vec::new();
    let builder = PacketBuilder::ipv6(source, source, 64).udp(7, 8);
    builder.write(&mut frame, b"hello").expect("a vector takes all");
    // A fragment header of a packet whose payload begins with destination options.
    frame[6] = 44;
    frame.splice(40..40, [60, 0, 0x05, 0xa9, 1, 2, 3, 4]);
    frame[5] += 8;
    let (mut headers, rest) = decode(LinkType::Raw, &frame, 61).expect("it is whole");
    assert_eq!(rest.len(), 13);
    assert_eq!(headers.layer, Layer::Fragment(Fragment { id: 0x0102_0304, offset: 1448, more: true, protocol: 60 }));
    let whole = [&[17, 0, 1, 4, 0, 0, 0, 0], rest].concat();
    let payload = decode_transport(&mut headers, 60, &whole).expect("it is whole");
    assert_eq!((payload, headers.ports()), (&b"hello"[..], (7, 8)));
}

#[test]
fn what_tells_duplicates_and_checksums_is_kept() {
    let mut frame = Vec::new();
    let builder = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2])
        .ipv4([10, 0, 0, 1], [10, 0, 0, 2], 61)
        .tcp(502, 40000, 7, 1000)
        .options_raw(&[1, 1, 1, 1])
        .expect("they fit");
    builder.write(&mut frame, b"hello").expect("a vector takes all");
    frame[18..20].copy_from_slice(&[0xab, 0xcd]);
    let length = u32::try_from(frame.len()).expect("it is short");
    let (headers, _) = decode(LinkType::Ethernet, &frame, length).expect("it is whole");
    let checksum = u16::from_be_bytes([frame[50], frame[51]]);
    assert_eq!((headers.ip_id, headers.ttl, headers.checksum), (0xabcd, 61, checksum));
    assert_eq!((headers.ip_header_bytes, headers.transport_bytes), (20, 24));
    assert!(std::mem::size_of::<Headers>() <= 100, "{} bytes", std::mem::size_of::<Headers>());
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), more in 0u32..9) {
        for link_type in [LinkType::Ethernet, LinkType::Raw, LinkType::Other(999)] {
            let wire_length = u32::try_from(bytes.len()).expect("it is short") + more;
            let _ = decode(link_type, &bytes, wire_length);
        }
    }

    #[test]
    fn headers_agree_with_etherparse(
        source in any::<[u8; 16]>(), destination in any::<[u8; 16]>(), ports in any::<(u16, u16)>(),
        sequence in any::<u32>(), payload in proptest::collection::vec(any::<u8>(), 0..64),
    ) {
        let mut frame = Vec::new();
        PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2])
            .ipv6(source, destination, 3)
            .tcp(ports.0, ports.1, sequence, 5)
            .syn()
            .write(&mut frame, &payload)
            .expect("a vector takes all");
        let wire_length = u32::try_from(frame.len()).expect("it is short");
        let (headers, rest) = decode(LinkType::Ethernet, &frame, wire_length).expect("it is whole");
        prop_assert_eq!(headers.source.to_string(), std::net::Ipv6Addr::from(source).to_string());
        prop_assert_eq!(headers.ports(), ports);
        prop_assert_eq!(rest, &payload[..]);
        let Layer::Tcp(tcp) = headers.layer else { panic!("it is TCP") };
        prop_assert_eq!(tcp.sequence, sequence);
        prop_assert!(tcp.flags.syn() && !tcp.flags.ack());
    }
}
