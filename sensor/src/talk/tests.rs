use super::*;
use dissectors::observation::{Address, Context, Host};
use dissectors::{Fact, Timestamp};
use foldhash::fast::FixedState;
use std::hash::BuildHasher;
use std::net::{IpAddr, Ipv4Addr};

/// A flow between a client's port and another, one piece a frame.
struct Flow {
    talk: Talk,
    told: Told,
    panics: u64,
    frame: u64,
}

impl Flow {
    fn on(transport: Transport, port: u16) -> Self {
        let host = |last| Host {
            context: Context::default(),
            address: Address::Ip(IpAddr::V4(Ipv4Addr::new(10, 0, 0, last))),
        };
        let hosts = Sides::new(host(1), host(2));
        let (ports, group) = (Sides::new(40_000, port), Sides::default());
        let talk = Talk::new(Scene { hosts, ports, group, transport, protocol: "" });
        Self { talk, told: Told::new(64), panics: 0, frame: 0 }
    }

    fn says(&mut self, side: Side, bytes: &[u8]) -> &mut Self {
        self.frame += 1;
        let time = Timestamp::from_micros(i64::try_from(self.frame).expect("pieces are few") * 1000);
        let place = Place { time, capture: 0, frame: Some(self.frame) };
        self.talk.piece(side, bytes, &place, &mut Lent { told: &mut self.told, panics: &mut self.panics });
        self
    }

    /// What was counted, with the first frame of each.
    fn counted(&self) -> Vec<String> {
        let operations = self.talk.counters.operations();
        let line = |(count, tally): (&crate::counters::OperationCount, crate::counters::Tally)| {
            let frame = count.first.frame.expect("frames are numbered");
            format!("{} {} {} from {frame}", count.direction.name(), count.operation, tally.messages)
        };
        operations.map(line).collect()
    }
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text.chars().filter_map(|letter| letter.to_digit(16)).collect();
    digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).expect("two digits make a byte")).collect()
}

const CARRIERS: [Transport; 2] = [Transport::Tcp, Transport::Udp];

#[test]
fn the_first_request_is_told_and_paired_wherever_it_goes() {
    let poll = ["request 3 1 from 1", "response 3 1 from 2"];
    for (what, request, response) in [
        // trans proto len  unit fc, or unit fc data crc, or a colon, the same in digits and LRC
        ("MBAP", hex("0001 0000 0006 01 03 0000 0001"), hex("0001 0000 0005 01 03 02 0007")),
        ("RTU", hex("01 03 0000 0001 840a"), hex("01 03 02 0007 f986")),
        ("ASCII", b":010300000001FB\r\n".to_vec(), b":0103020007F3\r\n".to_vec()),
    ] {
        for transport in CARRIERS {
            for port in [502, 4001] {
                let mut flow = Flow::on(transport, port);
                flow.says(Side::A, &request).says(Side::B, &response);
                assert_eq!(flow.talk.protocol(), Some("modbus"), "{what} on {transport:?} {port}");
                assert_eq!(flow.counted(), poll, "{what} on {transport:?} {port}");
                assert_eq!(flow.talk.counters.server, Some(Side::B));
            }
        }
    }
    // A function that nobody has defined, and a request that breaks its function's structure.
    for (request, response, counted) in [
        (
            "0001 0000 0004 01 7d 00 02",
            "0001 0000 0005 01 7d 00 02 03",
            ["request 125 1 from 1", "response 125 1 from 2"],
        ),
        ("0001 0000 0006 01 2b 0e030100", "0001 0000 0003 01 ab 03", ["request 43 1 from 1", "response 43 1 from 2"]),
    ] {
        let mut flow = Flow::on(Transport::Tcp, 4001);
        flow.says(Side::A, &hex(request)).says(Side::B, &hex(response));
        assert_eq!(flow.counted(), counted);
    }
}

#[test]
fn frames_of_a_serial_line_name_a_flow_only_by_a_request_and_its_answer() {
    let (request, answer) = (hex("01 03 0000 0001 840a"), hex("01 03 02 0007 f986"));
    for (one, other) in [(&request, &request), (&answer, &answer), (&request, &hex("02 07 4112"))] {
        let mut flow = Flow::on(Transport::Tcp, 4001);
        flow.says(Side::A, one).says(Side::B, other);
        assert_eq!(flow.talk.protocol(), None, "{one:x?} {other:x?}");
    }
    let mut flow = Flow::on(Transport::Tcp, 4001);
    flow.says(Side::A, &request).says(Side::A, &answer);
    assert_eq!(flow.talk.protocol(), None, "from one side");
    // Requests to the dead come first: all are told, each with its frame.
    let mut flow = Flow::on(Transport::Tcp, 4001);
    flow.says(Side::A, &hex("02 07 4112")).says(Side::A, &request).says(Side::B, &answer);
    assert_eq!(flow.counted(), ["request 7 1 from 1", "request 3 1 from 2", "response 3 1 from 3"]);
}

#[test]
fn streams_whose_bytes_look_like_a_header_name_nothing() {
    /// LDAP as Windows writes it: each message with a length of four bytes, its upper half 0.
    fn ldap(id: u8, operation: &[u8]) -> Vec<u8> {
        let length = u8::try_from(operation.len() + 3).expect("operations are short");
        [&[0x30, 0x84, 0, 0, 0, length, 2, 1, id][..], operation].concat()
    }
    for port in [389, 502, 40_389] {
        let mut flow = Flow::on(Transport::Tcp, port);
        flow.says(Side::A, &ldap(1, &hex("60 84 00000006 020103 0400 8000")));
        flow.says(Side::B, &ldap(1, &hex("61 84 00000007 0a0100 0400 0400")));
        for id in 2..128 {
            flow.says(Side::A, &ldap(id, &hex("63 84 00000004 04000a01")));
            flow.says(Side::B, &ldap(id, &[&hex("64 84 00000020 0400")[..], &[0x30; 30]].concat()));
            flow.says(Side::B, &ldap(id, &hex("65 84 00000007 0a0100 0400 0400")));
        }
        flow.says(Side::A, &hex("3084 0000 0006 02 02 0080 4200"));
        assert_eq!(flow.talk.protocol(), None, "LDAP on {port}");
    }
    let associate = |kind: u8| [&[kind, 0, 0, 0, 0, 0x44, 0, 1, 0, 0][..], &[0x20; 64]].concat();
    let data = |length: u8, command: u8| {
        let value = [&[0, 0, 0, length - 4, 1, command][..], &vec![7; usize::from(length) - 6]].concat();
        [&[4, 0, 0, 0, 0, length][..], &value].concat()
    };
    let mut dicom = Flow::on(Transport::Tcp, 104);
    dicom.says(Side::A, &associate(1)).says(Side::B, &associate(2));
    for length in 7..120 {
        dicom.says(Side::A, &data(length, 3)).says(Side::B, &data(length, 3));
    }
    dicom.says(Side::A, &hex("0500 0000 0004 00000000")).says(Side::B, &hex("0600 0000 0004 00000000"));
    assert_eq!(dicom.talk.protocol(), None, "DICOM");
    let mut kerberos = Flow::on(Transport::Tcp, 88);
    for length in 1..=250_u8 {
        let message = |tag: u8| [&[0, 0, 0, length, tag][..], &vec![0x30; usize::from(length) - 1]].concat();
        kerberos.says(Side::A, &message(0x6a)).says(Side::B, &message(0x6b));
    }
    assert_eq!(kerberos.talk.protocol(), None, "Kerberos");
}

#[test]
fn a_name_that_one_message_gave_by_chance_is_taken_back() {
    // A whole poll, and then what no Modbus speaker says: without its structure, or within a sound header.
    for nonsense in [hex("0102 0304 0506 0708 090a 0b0c"), hex("0002 0000 0005 01 03 04 0001")] {
        for (transport, first) in [(Transport::Tcp, Side::A), (Transport::Udp, Side::B)] {
            let mut flow = Flow::on(transport, 4001);
            flow.says(first, &hex("0001 0000 0005 01 03 02 0007"));
            assert_eq!(flow.talk.protocol(), Some("modbus"));
            for _ in 0..8 {
                flow.says(first, &nonsense).says(first.other(), &hex("f0f1 f2f3 f4f5 f6f7"));
            }
            assert_eq!(flow.talk.protocol(), None, "{nonsense:x?}");
            assert_eq!(flow.counted(), [""; 0]);
            assert!(flow.told.ready().iter().all(|told| !matches!(told.fact, Fact::Child(_) | Fact::Attribute { .. })));
            flow.says(first, &hex("0001 0000 0006 01 03 0000 0001"));
            assert_eq!(flow.talk.protocol(), None, "it is not asked again");
        }
    }
}

#[test]
fn a_server_that_often_answers_with_nonsense_keeps_its_name() {
    let mut flow = Flow::on(Transport::Tcp, 4001);
    for _ in 0..100 {
        flow.says(Side::A, &hex("0001 0000 0006 01 03 0000 0001"));
        flow.says(Side::B, &hex("0001 0000 0005 01 03 04 0001"));
    }
    assert_eq!(flow.talk.protocol(), Some("modbus"));
    assert_eq!(flow.counted(), ["request 3 100 from 1"]);
}

/// A million, unless `OTOSCOPE_RANDOM_SEGMENTS` names another number; ten million prove what the bits promise.
#[test]
fn random_segments_name_no_protocol_of_plants() {
    let wanted = std::env::var("OTOSCOPE_RANDOM_SEGMENTS").ok().and_then(|number| number.parse().ok());
    let mut seed = 0_u64;
    let mut random = |below: u64| {
        seed += 1;
        FixedState::default().hash_one(seed) % below
    };
    let mut bytes = Vec::new();
    for number in 0..wanted.unwrap_or(1_000_000) / SEGMENTS {
        let port = [502, 502, 4001, 47808, 53, 20_000][random(6) as usize];
        let transport = CARRIERS[random(2) as usize];
        let mut flow = Flow::on(transport, port);
        for _ in 0..SEGMENTS {
            let side = [Side::A, Side::B][random(2) as usize];
            // Mostly as short as polls are.
            let most = [12, 40, 300][random(3) as usize];
            let length = 1 + random(most);
            bytes.clear();
            bytes.extend((0..length.div_ceil(8)).flat_map(|_| random(u64::MAX).to_le_bytes()));
            bytes.truncate(length as usize);
            flow.says(side, &bytes);
        }
        assert_eq!(flow.talk.protocol(), None, "flow {number} on {transport:?} {port}");
    }
}

/// A flow in which no protocol shows goes quiet after about so many.
const SEGMENTS: u64 = 20;

/// A client of `PostgreSQL` asks for TLS (message formats, `SSLRequest`), is answered with a letter, and begins. The request looks
/// like the front of other things; nothing of it belongs to what follows.
#[test]
fn what_two_sides_agree_on_within_a_flow_is_named() {
    let hello = [&hex("16 0303 002d 01 000029 0303")[..], &[7; 32], &hex("00 0002 1301 0100")].concat();
    let mut flow = Flow::on(Transport::Tcp, 5432);
    flow.says(Side::A, &hex("00000008 04d2162f")).says(Side::B, b"S").says(Side::A, &hello);
    assert_eq!(flow.talk.protocol(), Some("tls"));
    assert_eq!(flow.counted(), ["request 1 1 from 3"]);
}

/// A packet of RTP (RFC 3550, 5.1) with so many bytes of picture.
fn rtp(number: u16, source: u32, picture: usize) -> Vec<u8> {
    let mut packet = vec![0x80, 0x60];
    packet.extend(number.to_be_bytes());
    packet.extend([0, 0, 0, 1]);
    packet.extend(source.to_be_bytes());
    let noise = FixedState::default();
    packet.extend((0..picture).map(|at| u8::try_from(noise.hash_one((number, at)) & 0xff).expect("it is a byte")));
    packet
}

/// The same in frames of RTSP (RFC 2326, 10.12), one behind the other.
fn video(frames: u16, picture: usize) -> Vec<u8> {
    let frame = |number| {
        let packet = rtp(number, 7, picture);
        let [high, low] = u16::try_from(packet.len()).expect("it is short").to_be_bytes();
        [&[b'$', 0, high, low], packet.as_slice()].concat()
    };
    (0..frames).flat_map(frame).collect()
}

const PLAY: &[u8] = b"PLAY rtsp://10.0.0.2/live RTSP/1.0\r\nCSeq: 7\r\n\r\n";
const PLAYED: &[u8] = b"RTSP/1.0 200 OK\r\nCSeq: 7\r\n\r\n";

#[test]
fn a_capture_may_begin_within_video() {
    let mut bytes = video(9, 1388);
    bytes.extend(PLAYED);
    bytes.extend(video(1, 100));
    // Segments of any length (but that of a frame, which would cut every header alike), the first of which begins anywhere.
    for length in [200, 536, 1400, 1448, 1460, 5000, 20_000] {
        for start in [0, 1, 2, 5, 700, 1403] {
            let mut flow = Flow::on(Transport::Tcp, 554);
            for segment in bytes[start..].chunks(length) {
                flow.says(Side::B, segment);
            }
            assert_eq!(flow.talk.protocol(), Some("rtsp"), "{length} from {start}");
            let unknown = flow.talk.unknown;
            assert!(unknown < 2 * 1404 && (start > 0 || unknown == 0), "{length} from {start}: {unknown}");
            let counted: Vec<_> = flow.counted().iter().map(|line| line[..14].to_owned()).collect();
            assert_eq!(counted, ["response 200 1"], "{length} from {start}");
        }
    }
}

#[test]
fn what_only_looks_like_video_names_nothing() {
    let noise = FixedState::default();
    for seed in 0..20 {
        let mut flow = Flow::on(Transport::Tcp, 4001);
        // Every frame is followed by noise in place of another.
        for piece in 0..20_u64 {
            let mut bytes = video(1, 200);
            bytes.extend((0..900).map(|at| u8::try_from(noise.hash_one((seed, piece, at)) & 0xff).expect("a byte")));
            flow.says(Side::B, &bytes);
        }
        assert_eq!(flow.talk.protocol(), None);
        assert_eq!(flow.talk.unknown, 16 * (216 + 900), "then it is quiet");
    }
}

#[test]
fn behind_a_hole_in_video_the_next_frame_or_message_is_found() {
    for piece in [1448, 999, 4000] {
        let mut bytes = video(20, 1388);
        bytes.extend(PLAYED);
        let mut flow = Flow::on(Transport::Tcp, 554);
        flow.says(Side::A, PLAY);
        for (at, segment) in bytes.chunks(piece).enumerate() {
            if at == 3 {
                flow.talk.gap(Side::B, segment.len() as u64);
            } else {
                flow.says(Side::B, segment);
            }
        }
        assert_eq!(flow.counted(), ["request PLAY 1 from 1".to_owned(), flow.counted()[1].clone()]);
        assert!(flow.counted()[1].starts_with("response 200 1"), "{piece}: {:?}", flow.counted());
        assert_eq!(flow.talk.lost, piece as u64);
        assert_eq!(flow.talk.take_malformed(), 0, "{piece}");
    }
}

#[test]
fn three_packets_of_one_source_are_a_stream_and_fewer_are_none() {
    let mut flow = Flow::on(Transport::Udp, 5004);
    for number in [9, 10, 12, 13] {
        flow.says(Side::B, &rtp(number, 7, 1200));
        assert_eq!(flow.talk.protocol(), None, "{number}");
    }
    flow.says(Side::B, &rtp(14, 7, 1200)).says(Side::B, &rtp(99, 8, 1200));
    assert_eq!((flow.talk.protocol(), flow.talk.is_quiet()), (Some("rtp"), true));
    assert_eq!(flow.talk.unknown, 2 * 1212, "of the packets before the hole");
    let mut flow = Flow::on(Transport::Udp, 5004);
    for number in 0..40 {
        flow.says(Side::B, &rtp(number, u32::from(number) + 1, 100));
    }
    assert_eq!((flow.talk.protocol(), flow.talk.is_quiet()), (None, true), "each is of another source");
    assert_eq!(flow.talk.unknown, 16 * 112);
}
