//! Frames in, headers and payload out.

use super::*;
use crate::rig::hex;
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
    assert_eq!(headers.source().to_string(), "10.0.0.1");
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
    assert!(std::mem::size_of::<Headers>() <= 112, "{} bytes", std::mem::size_of::<Headers>());
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
        prop_assert_eq!(headers.source().to_string(), std::net::Ipv6Addr::from(source).to_string());
        prop_assert_eq!(headers.ports(), ports);
        prop_assert_eq!(rest, &payload[..]);
        let Layer::Tcp(tcp) = headers.layer else { panic!("it is TCP") };
        prop_assert_eq!(tcp.sequence, sequence);
        prop_assert!(tcp.flags.syn() && !tcp.flags.ack());
    }
}

/// 10.0.0.1:1000 says "hello" to 10.0.0.2:2000: 33 bytes of IPv4.
const PACKET: &str = "45000021 00070000 40110000 0a000001 0a000002  03e807d0 000d0000 68656c6c6f";
/// The same in a frame.
const FRAME: &str = "020000000002 020000000001 0800  45000021 00070000 40110000 0a000001 0a000002
    03e807d0 000d0000 68656c6c6f";
/// The outer headers of tunnels: Ethernet and IPv4 with a protocol, and UDP on them.
const ETHERNET: &str = "0200000000a2 0200000000a1";
const MACS: &str = "020000000002 020000000001";

fn ipv4(protocol: u8) -> String {
    // Without a length of its own, as offloading leaves it.
    format!("{ETHERNET} 0800  45000000 00000000 40{protocol:02x}0000 c0000201 c0000202")
}

fn ipv6(protocol: u8) -> String {
    let addresses = "20010db8000000000000000000000001 20010db8000000000000000000000002";
    format!("{ETHERNET} 86dd  60000000 0000{protocol:02x}40 {addresses}")
}

fn udp(port: u16) -> String {
    format!("{} c000{port:04x} 00000000", ipv4(17))
}

#[test]
fn every_way_to_a_packet_leaves_the_packet() {
    let gre = ipv4(47);
    let (vxlan, before, geneve) = (udp(4789), udp(8472), udp(6081));
    let [ipip, sixes] = [ipv4(4), ipv6(4)];
    let ways: Vec<(&str, u32, String, &str, &str)> = vec![
        ("Ethernet", 1, format!("{MACS} 0800"), PACKET, ""),
        ("802.1Q", 1, format!("{MACS} 8100 2007 0800"), PACKET, "vlan:7"),
        ("a priority tag", 1, format!("{MACS} 8100 2000 0800"), PACKET, ""),
        ("802.1ad", 1, format!("{MACS} 88a8 0009 8100 0007 0800"), PACKET, "vlan:9/vlan:7"),
        ("an old tag", 1, format!("{MACS} 9100 0009 9200 0007 0800"), PACKET, "vlan:9/vlan:7"),
        ("a backbone", 1, format!("{ETHERNET} 88a8 0005 88e7 00012345"), FRAME, "vlan:5/isid:74565"),
        ("SNAP", 1, format!("{MACS} 0029 aaaa03 000000 0800"), PACKET, ""),
        ("SNAP of bridges", 1, format!("{MACS} 0029 aaaa03 0000f8 0800"), PACKET, ""),
        ("MPLS", 1, format!("{MACS} 8847 00064040 00065140"), PACKET, ""),
        ("a pseudowire", 1, format!("{ETHERNET} 8847 00065140"), FRAME, ""),
        ("a pseudowire with control word", 1, format!("{ETHERNET} 8848 00065140 0000abcd"), FRAME, ""),
        ("PPPoE", 1, format!("{MACS} 8864 1100 0042 0023 0021"), PACKET, ""),
        ("PPPoE with a short protocol", 1, format!("{MACS} 8864 1100 0042 0022 21"), PACKET, ""),
        ("GRE", 1, format!("{gre} 0000 0800"), PACKET, ""),
        ("GRE with a key", 1, format!("{gre} 2000 0800 00000011"), PACKET, "gre:17"),
        ("GRE with a long key", 1, format!("{gre} 2000 0800 fffffffe"), PACKET, "gre:4294967294"),
        ("GRE with all", 1, format!("{gre} b000 0800 12340000 00000011 00000001"), PACKET, "gre:17"),
        ("GRE of MPLS", 1, format!("{gre} 0000 8847 00065140"), PACKET, ""),
        ("GRE of Ethernet", 1, format!("{gre} 0000 6558"), FRAME, ""),
        ("GRE of WCCP", 1, format!("{gre} 0000 883e 00010002"), PACKET, ""),
        ("PPTP", 1, format!("{gre} 3081 880b 00250001 00000001 00000002 ff03 0021"), PACKET, ""),
        ("EoIP", 1, format!("{gre} 2001 6400 002f 1900"), FRAME, "gre:25"),
        ("ERSPAN I", 1, format!("{gre} 0000 88be"), FRAME, ""),
        ("ERSPAN II", 1, format!("{gre} 1000 88be 00000001 1007 0005 00000000"), FRAME, ""),
        ("ERSPAN II of a trunk", 1, format!("{gre} 1000 88be 00000001 1007 1005 00000000"), FRAME, "vlan:7"),
        ("ERSPAN III", 1, format!("{gre} 1000 22eb 00000001 2007 0005 00000000 0000 0000"), FRAME, "vlan:7"),
        ("ERSPAN III of no VLAN", 1, format!("{gre} 1000 22eb 00000001 2000 0005 00000000 0000 0000"), FRAME, ""),
        (
            "ERSPAN III that left the tag",
            1,
            format!("{gre} 1000 22eb 00000001 2007 0005 00000000 0000 0000 {MACS} 8100 0009 0800"),
            PACKET,
            "vlan:9",
        ),
        ("ERSPAN III of IP", 1, format!("{gre} 1000 22eb 00000001 2007 0005 00000000 0000 0800"), PACKET, "vlan:7"),
        (
            "ERSPAN III with its platform",
            1,
            format!("{gre} 1000 22eb 00000001 2007 0005 00000000 0000 0001 0000000000000000"),
            FRAME,
            "vlan:7",
        ),
        ("ERSPAN in a VLAN", 1, gre.replace("a1 0800", "a1 8100 0063 0800") + "0000 88be", FRAME, ""),
        ("VXLAN", 1, format!("{vxlan} 08000000 00138800"), FRAME, "vni:5000"),
        ("VXLAN with a policy", 1, format!("{vxlan} 88080042 00138800"), FRAME, "vni:5000"),
        ("VXLAN with a policy that it does not tell", 1, format!("{vxlan} 08087f7f 00138800"), FRAME, "vni:5000"),
        ("VXLAN on Linux", 1, format!("{before} 08000000 00138800"), FRAME, "vni:5000"),
        ("GENEVE", 1, format!("{geneve} 00006558 00138800"), FRAME, "vni:5000"),
        ("GENEVE of IP with options", 1, format!("{geneve} 02400800 00138800 0102800100000000"), PACKET, "vni:5000"),
        ("IP in IP", 1, ipip.clone(), PACKET, ""),
        ("IPv4 in IPv6", 1, sixes, PACKET, ""),
        ("IP in IP in IP", 1, format!("{ipip} 45000000 00000000 40040000 0a090909 0a090908"), PACKET, ""),
        ("EtherIP", 1, format!("{} 3000", ipv4(97)), FRAME, ""),
        ("MPLS in IP", 1, format!("{} 00065140", ipv4(137)), PACKET, ""),
        ("raw IP", 101, String::new(), PACKET, ""),
        ("raw IP of BSD", 12, String::new(), PACKET, ""),
        ("IPv4", 228, String::new(), PACKET, ""),
        ("loopback, little-endian", 0, "02000000".to_owned(), PACKET, ""),
        ("loopback, big-endian", 0, "00000002".to_owned(), PACKET, ""),
        ("loopback of OpenBSD", 108, "00000002".to_owned(), PACKET, ""),
        ("cooked", 113, "0000 0001 0006 0200000000010000 0800".to_owned(), PACKET, ""),
        ("cooked in a VLAN", 113, "0000 0001 0006 0200000000010000 8100 0007 0800".to_owned(), PACKET, "vlan:7"),
        ("cooked 2", 276, "0800 0000 00000002 0001 00 06 0200000000010000".to_owned(), PACKET, ""),
        ("PPP", 9, "ff03 0021".to_owned(), PACKET, ""),
        ("PPP without its front", 9, "21".to_owned(), PACKET, ""),
        ("PPP in HDLC", 50, "ff03 0021".to_owned(), PACKET, ""),
        ("Cisco's HDLC", 104, "0f00 0800".to_owned(), PACKET, ""),
        ("PPPoE alone", 51, "1100 0042 0023 0021".to_owned(), PACKET, ""),
    ];
    for (name, number, before, inner, context) in ways {
        let mut frame = hex(&before);
        frame.extend(hex(inner));
        let wire_length = u32::try_from(frame.len()).expect("it is short");
        let link_type = LinkType::from_number(number);
        let check = |frame: &[u8], wire_length: u32, text: &[u8], cut: u32| {
            let (headers, payload) = decode(link_type, frame, wire_length).expect(name);
            assert_eq!(payload, text, "{name}");
            assert_eq!((headers.wire_bytes, headers.cut_bytes, headers.deeper_tags), (33, cut, 0), "{name}");
            assert_eq!(headers.context.to_string(), context, "{name}");
            let ends = (headers.source().to_string(), headers.destination().to_string());
            assert_eq!(ends, ("10.0.0.1".to_owned(), "10.0.0.2".to_owned()), "{name}");
            assert_eq!((headers.ports(), headers.ip_id, headers.ttl), ((1000, 2000), 7, 64), "{name}");
            let link = headers.link.map(|link| link.source.to_string());
            let is_told = before.contains("020000000001") || inner == FRAME;
            assert_eq!(link.as_deref(), is_told.then_some("02:00:00:00:00:01"), "{name}");
        };
        check(&frame, wire_length, b"hello", 0);
        check(&frame[..frame.len() - 2], wire_length, b"hel", 2);
        check(&frame[..frame.len() - 5], wire_length, b"", 5);
        frame.extend([0; 9]);
        check(&frame, wire_length + 9, b"hello", 0);
        for length in 0..frame.len() - 9 - 5 {
            let read = decode(link_type, &frame[..length], wire_length);
            assert!(
                read.is_err() || read.is_ok_and(|(headers, _)| headers.ports() != (1000, 2000)),
                "{name}: {length}"
            );
        }
    }
}

#[test]
fn ipv6_of_every_loopback() {
    let addresses = "fe800000000000000000000000000001 fe800000000000000000000000000002";
    let packet = format!("60000000 000d1140 {addresses} 03e807d0 000d0000 68656c6c6f");
    let families = ["0a000000", "17000000", "18000000", "1c000000", "1e000000", "0000001e", "0000001c"];
    for family in families {
        let frame = hex(&format!("{family} {packet}"));
        let (headers, payload) = decode(LinkType::Null, &frame, 57).expect("it is whole");
        assert_eq!((payload, headers.source().to_string()), (&b"hello"[..], "fe80::1".to_owned()), "{family}");
    }
    let frame = hex(&format!("{} 0000 86dd {packet}", ipv4(47)));
    let (headers, payload) = decode(LinkType::Ethernet, &frame, 91).expect("it is whole");
    assert_eq!((payload, headers.ports()), (&b"hello"[..], (1000, 2000)));
    let frame = hex(&format!("{} {packet}", ipv4(41)));
    let (headers, payload) = decode(LinkType::Ethernet, &frame, 87).expect("it is whole");
    assert_eq!((payload, headers.ports()), (&b"hello"[..], (1000, 2000)));
}

/// What is no tunnel, or carries what is not read, stays what it is.
#[test]
fn what_is_not_opened_is_told_as_it_is() {
    let udp_to = |port: u16, bytes: &str| (format!("{} {bytes}", udp(port)), Transport::Udp);
    let gre = |bytes: &str| (format!("{} {bytes}", ipv4(47)), Transport::Other(47));
    for (frame, transport) in [
        udp_to(4789, "0900000000138800 0000"),
        udp_to(4789, "0800000100138800 0000"),
        udp_to(4789, "0800000000138801 0000"),
        udp_to(4789, "88880042 00138800 0000"),
        udp_to(4789, "08"),
        udp_to(6081, "40006558 00138800"),
        udp_to(6081, "00016558 00138800"),
        udp_to(6081, "3f006558 00138800"),
        udp_to(6081, "00008809 00138800"),
        udp_to(47808, "08000000 00138800"),
        gre("0000 0000"),
        gre("0002 0800 4500"),
        gre("4000 0800 4500"),
        gre("3001 6401 00010000 00000000"),
        gre("3001 880b 00040042 01020304 50505450"),
        udp_to(4789, "08087f7f 00138800 020000000002 020000000001 0900 0000"),
        (format!("{} 4000 0000", ipv4(97)), Transport::Other(97)),
    ] {
        let bytes = hex(&frame);
        let length = u32::try_from(bytes.len()).expect("it is short");
        let (headers, _) = decode(LinkType::Ethernet, &bytes, length).expect(&frame);
        assert_eq!(headers.transport(), transport, "{frame}");
        assert_eq!((headers.source().to_string(), headers.tunnels), ("192.0.2.1".to_owned(), 0), "{frame}");
    }
}

/// A client's port may be a tunnel's, and a tunnel may carry what is none of it: the outer packet is whole all the same.
#[test]
fn what_cannot_be_read_inside_stays_the_outer_packet() {
    let vxlan = "08000000 00138800";
    let short = "45000010 00070000 40110000 0a000001 0a000002";
    let in_gre = |bytes: &str| (ipv4(47), bytes.to_owned(), Layer::Other(47));
    let in_udp =
        |port: u16, bytes: &str| (udp(port), bytes.to_owned(), Layer::Udp { source: 0xc000, destination: port });
    for (front, inside, layer) in [
        in_udp(4789, vxlan),
        in_udp(4789, &format!("{vxlan} 0102030405060708")),
        in_udp(8472, &format!("{vxlan} {MACS} 0800 ff")),
        in_udp(4789, &format!("{vxlan} {MACS} 8100 00")),
        in_udp(4789, &format!("{vxlan} {MACS} 0800 {short}")),
        in_udp(6081, "00000800 00138800 7f"),
        in_gre(""),
        in_gre("0000"),
        in_gre("b000 0800 1234"),
        in_gre("2000 0800 00000011 7f"),
        in_gre(&format!("0000 0800 {short}")),
        in_gre("1000 88be 00000001 1007"),
        (ipv4(4), String::new(), Layer::Other(4)),
        (ipv4(4), short.to_owned(), Layer::Other(4)),
        (ipv4(41), "60000000".to_owned(), Layer::Other(41)),
        (ipv4(97), "3000 0102".to_owned(), Layer::Other(97)),
        (ipv4(137), "000640".to_owned(), Layer::Other(137)),
    ] {
        let frame = hex(&format!("{front} {inside}"));
        let length = u32::try_from(frame.len()).expect("it is short");
        let (headers, payload) = decode(LinkType::Ethernet, &frame, length).expect(&inside);
        assert_eq!((headers.layer, payload), (layer, hex(&inside).as_slice()), "{inside}");
        assert_eq!((headers.source().to_string(), headers.tunnels), ("192.0.2.1".to_owned(), 0), "{inside}");
        assert_eq!((headers.context, headers.wire_bytes, headers.cut_bytes), (Context::default(), length - 14, 0));
        assert_eq!(headers.link.map(|link| link.source), Some(Mac([2, 0, 0, 0, 0, 0xa1])), "{inside}");
        assert_eq!((headers.ttl, headers.ip_header_bytes), (0x40, 20), "{inside}");
    }
    // Within a readable tunnel the innermost packet that can be read counts.
    let frame = hex(&format!("{} 0000 0800 45000000 00070000 40040000 0a000001 0a000002 7f", ipv4(47)));
    let length = u32::try_from(frame.len()).expect("it is short");
    let (headers, payload) = decode(LinkType::Ethernet, &frame, length).expect("its headers are whole");
    assert_eq!((headers.layer, payload, headers.tunnels), (Layer::Other(4), &[0x7f][..], 1));
    assert_eq!(headers.source().to_string(), "10.0.0.1");
    // What the snap length cut is damaged: its ends are not those of the tunnel.
    let whole = hex(&format!("{} {vxlan} {FRAME}", udp(4789)));
    let length = u32::try_from(whole.len()).expect("it is short");
    let read = decode(LinkType::Ethernet, &whole[..whole.len() - 20], length);
    assert!(matches!(read, Err(Unread::Damaged(_))), "{read:?}");
}

#[test]
fn frames_without_ip_have_a_number() {
    for (link, frame, name, payload) in [
        (1, format!("{MACS} 88cc 0207"), "ethertype:0x88cc", "0207"),
        (1, format!("{MACS} 0005 828203 0100 00000000"), "llc:0x82", "0100"),
        (1, format!("{MACS} 0003 8282f3 000000"), "llc:0x82", ""),
        (1, format!("{MACS} 0005 424203 0000 0000"), "llc:0x42", "0000"),
        (1, format!("{MACS} 000a aaaa03 00000c 2000 0102"), "llc:0xaa", "00000c20000102"),
        (1, format!("{MACS} 05e0 0102"), "length:1504", "0102"),
        (1, format!("{MACS} 8847 00065140 0102"), "ethertype:0x8847", "000651400102"),
        (1, format!("{MACS} 8864 1100 0042 0004 c021 0101"), "ethertype:0x880b", "0101"),
        (1, format!("{MACS} 8864 11a7 0042 0000"), "ethertype:0x8864", "11a700420000"),
        (0, "07000000 0102".to_owned(), "unnamed", "0102"),
        (113, "0000 0338 0000 0000000000000000 0000 0102".to_owned(), "unnamed", "0102"),
        (113, "0000 0001 0006 0200000000010000 0004 424203 05".to_owned(), "llc:0x42", "05"),
        (9, "ff03 c021 0102".to_owned(), "ethertype:0x880b", "0102"),
        (165, "55ff 01 69 1b 0000 78".to_owned(), "mstp:1", ""),
        (165, "55ff 20 00 05 0004 09 01020304 ffff".to_owned(), "mstp:32", "01020304"),
        (129, "05 06 fc00 0a 0102".to_owned(), "arcnet:0xfc", "000a0102"),
        (129, "05 06 fd00 0a 0102".to_owned(), "arcnet:0x0a", "0102"),
    ] {
        let bytes = hex(&frame);
        let length = u32::try_from(bytes.len()).expect("it is short");
        let (headers, rest) = decode(LinkType::from_number(link), &bytes, length).expect(&frame);
        let Layer::Frame(number) = headers.layer else { panic!("{frame}: {:?}", headers.layer) };
        assert_eq!((FrameName(number).to_string().as_str(), rest), (name, hex(payload).as_slice()), "{frame}");
        assert_eq!((headers.wire_bytes, headers.cut_bytes), (length, 0), "{frame}");
    }
}

#[test]
fn nodes_of_field_buses_speak_bacnet() {
    // A ComplexACK and a Who-Is, of two public captures.
    let bytes = hex("55ff 06 00 0c 0015 b3  010030f10c0c02000002194c29213ec4010000203f  481c");
    let length = u32::try_from(bytes.len()).expect("it is short");
    let (headers, npdu) = decode(LinkType::MsTp, &bytes, length).expect("its CRCs are right");
    assert_eq!((headers.layer, npdu.len()), (Layer::Frame(0x82), 21));
    assert_eq!((headers.source().to_string(), headers.destination().to_string()), ("mstp:12".into(), "mstp:0".into()));
    let (headers, npdu) = decode(LinkType::MsTp, &bytes[..20], length).expect("what is there is right");
    assert_eq!((headers.cut_bytes, npdu.len()), (9, 12));
    for place in [0, 2, 7, 8, 30] {
        let mut wrong = bytes.clone();
        wrong[place] ^= 1;
        assert!(decode(LinkType::MsTp, &wrong, length).is_err(), "byte {place}");
    }

    let arcnet = ["c0 00 f4 00 cd 828203 0120ffff00ff1008", "c0 00 cd 828203 0120ffff00ff1008"];
    for (frame, number) in arcnet.into_iter().zip([7, 129]) {
        let bytes = hex(frame);
        let length = u32::try_from(bytes.len()).expect("it is short");
        let (headers, npdu) = decode(LinkType::from_number(number), &bytes, length).expect("it is whole");
        assert_eq!((headers.layer, npdu.len()), (Layer::Frame(0x82), 8), "{frame}");
        assert_eq!(headers.source().to_string(), "arcnet:192");
        assert!(headers.is_to_group());
    }
}

#[test]
fn nesting_has_an_end_that_is_counted() {
    let shells = |count: usize| {
        let mut frame = hex(&ipv4(4));
        (1..count).for_each(|_| frame.extend(hex("45000000 00000000 40040000 0a090909 0a090908")));
        frame.extend(hex(PACKET));
        let length = u32::try_from(frame.len()).expect("it is short");
        decode(LinkType::Ethernet, &frame, length).expect("it is whole").0
    };
    let (eight, nine) = (shells(8), shells(9));
    assert_eq!((eight.ports(), eight.tunnels, eight.deeper_tags), ((1000, 2000), 8, 0));
    assert_eq!((nine.layer, nine.tunnels, nine.deeper_tags), (Layer::Other(4), 8, 1));

    let tags = "8100 0001 ".repeat(5);
    let frame = hex(&format!("{MACS} {tags} 0800 {PACKET}"));
    let (headers, _) = decode(LinkType::Ethernet, &frame, 67).expect("it is whole");
    assert_eq!((headers.context.to_string().as_str(), headers.deeper_tags), ("vlan:1/vlan:1/vlan:1/vlan:1", 1));
    assert_eq!(headers.ports(), (1000, 2000));
}

/// A mirror that cuts its copies says so, not by how much: the packet's own length tells.
#[test]
fn a_copy_that_the_mirror_cut_is_told_as_cut() {
    let front = format!("{} 1000 88be 00000001 1007 0405 00000000", ipv4(47));
    let whole = hex(&format!("{front} {FRAME}"));
    let cut = &whole[..whole.len() - 3];
    let length = u32::try_from(cut.len()).expect("it is short");
    let (headers, payload) = decode(LinkType::Ethernet, cut, length).expect("its headers are whole");
    assert_eq!((payload, headers.wire_bytes, headers.cut_bytes), (&b"he"[..], 33, 3));
    let frame = hex(&format!("{front} {MACS} 88cc 0207"));
    let length = u32::try_from(frame.len()).expect("it is short");
    let (headers, payload) = decode(LinkType::Ethernet, &frame, length).expect("it is whole");
    assert_eq!((payload.len(), headers.wire_bytes, headers.cut_bytes), (2, 16, 0));
}

#[test]
fn link_types_have_names() {
    assert_eq!(LinkType::from_number(165).to_string(), "BACnet MS/TP (165)");
    assert_eq!(LinkType::from_number(4242).to_string(), "4242");
    for number in 0..300 {
        let again = LinkType::from_number(number).number();
        assert!(again == number || again == 101, "{number}");
    }
}

/// The payload of a packet is a part of its frame, and what is cut is not counted twice.
fn is_sound(link_type: LinkType, frame: &[u8], wire_length: u32) {
    let Ok((headers, payload)) = decode(link_type, frame, wire_length) else { return };
    let frame_range = frame.as_ptr_range();
    let payload_range = payload.as_ptr_range();
    assert!(frame_range.start <= payload_range.start && payload_range.end <= frame_range.end);
    let whole = length_of(payload).saturating_add(headers.cut_bytes);
    assert!(whole <= wire_length.max(length_of(frame)) || headers.tunnels > 0, "{headers:?}");
    // Headers have their place already, and what another packet left there.
    let mut used = Headers {
        context: Context::default().within(Tag::Vlan(7)).expect("it has room"),
        link: Some(Link { source: Mac([1; 6]), destination: Mac([2; 6]) }),
        ends: Ends::between(Address::Mac(Mac([3; 6])), Address::Mac(Mac([4; 6]))),
        layer: Layer::Other(5),
        wire_bytes: 6,
        cut_bytes: 7,
        ip_id: 8,
        checksum: 9,
        ttl: 10,
        ip_header_bytes: 11,
        transport_bytes: 12,
        tunnels: 3,
        deeper_tags: 14,
    };
    let again = decode_into(&mut used, link_type, frame, wire_length);
    assert_eq!((again, used), (Ok(payload), headers));
}

proptest! {
    #[test]
    fn any_bytes_of_any_link_type(
        link in prop::sample::select(vec![0u32, 1, 7, 9, 50, 51, 101, 104, 108, 113, 129, 165, 276]),
        bytes in prop::collection::vec(any::<u8>(), 0..200), more in 0u32..99,
    ) {
        let wire_length = u32::try_from(bytes.len()).expect("it is short") + more;
        is_sound(LinkType::from_number(link), &bytes, wire_length);
    }

    #[test]
    fn any_bytes_behind_the_front_of_a_tunnel(
        front in prop::sample::select(vec![
            ipv4(4), ipv4(47), ipv4(97), ipv4(137), ipv6(41), udp(4789), udp(6081),
            format!("{MACS} 8847 00065140"), format!("{MACS} 8864 1100 0042"), format!("{MACS} 88e7"),
            format!("{MACS} 0026 aaaa03"), format!("{} 1000 88be 00000001", ipv4(47)),
            format!("{} 1000 22eb 00000001", ipv4(47)), format!("{} 08000000 00138800", udp(4789)),
        ]),
        bytes in prop::collection::vec(any::<u8>(), 0..100), more in 0u32..99,
    ) {
        let frame = [hex(&front), bytes].concat();
        let wire_length = u32::try_from(frame.len()).expect("it is short") + more;
        is_sound(LinkType::Ethernet, &frame, wire_length);
    }
}
