use super::*;
use etherparse::PacketBuilder;
use pcap::Capture;
use proptest::prelude::*;
use std::path::Path;

/// Our own hardware address, and that of a neighbour.
const OURS: [u8; 6] = [2, 0, 0, 0, 0, 0xaa];
const NEIGHBOUR: [u8; 6] = [2, 0, 0, 0, 0, 1];
const ROUTER: [u8; 6] = [2, 0, 0, 0, 0, 2];
const EVERYBODY: [u8; 6] = [0xff; 6];

/// A port of a machine with one address.
fn sight() -> Sight {
    let ip = IpAddr::from([192, 168, 7, 7]);
    Sight::new(Arc::new(Own::new([Mac(OURS)], [ip])), LinkType::Ethernet)
}

/// A port, and the time of its next frame.
struct Wire {
    sight: Sight,
    nanos: i64,
}

impl Wire {
    fn new() -> Self {
        Self { sight: sight(), nanos: 1_700_000_000_000_000_000 }
    }

    fn frame(&mut self, frame: &[u8]) {
        let length = u32::try_from(frame.len()).expect("frames are short");
        self.sight.frame(Timestamp::from_nanos(self.nanos), frame, length);
        // A mirror's second showing comes at once.
        self.nanos += 1_000;
    }

    /// A segment that acknowledges, another one each time.
    fn tcp(&mut self, from: [u8; 4], to: [u8; 4]) {
        let sequence = u32::try_from(self.sight.all().packets).expect("few");
        self.frame(&segment(NEIGHBOUR, ROUTER, from, to, 64, sequence));
    }

    fn udp(&mut self, from: [u8; 4], to: [u8; 4], port: u16) {
        self.frame(&datagram(NEIGHBOUR, ROUTER, from, to, port));
    }

    fn judge(&self) -> (Verdict, String) {
        let Judgement { verdict, why, .. } = self.sight.judge();
        (verdict, why)
    }

    fn is(&self, verdict: Verdict, why: &str) {
        assert_eq!(self.judge(), (verdict, why.to_owned()));
    }
}

fn segment(source: [u8; 6], target: [u8; 6], from: [u8; 4], to: [u8; 4], ttl: u8, sequence: u32) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2(source, target).ipv4(from, to, ttl).tcp(40_000, 502, sequence, 1024).ack(9);
    let mut frame = Vec::new();
    builder.write(&mut frame, &[7; 12]).expect("a vector takes all");
    frame
}

fn datagram(source: [u8; 6], target: [u8; 6], from: [u8; 4], to: [u8; 4], port: u16) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2(source, target).ipv4(from, to, 64).udp(50_000, port);
    let mut frame = Vec::new();
    builder.write(&mut frame, &[7; 12]).expect("a vector takes all");
    frame
}

/// The same frame in a VLAN.
fn tagged(frame: &[u8], vlan: u16) -> Vec<u8> {
    [&frame[..12], &[0x81, 0], &vlan.to_be_bytes(), &frame[12..]].concat()
}

#[test]
fn what_this_machine_sends_is_silence() {
    let mut wire = Wire::new();
    wire.is(Verdict::Silent, "nothing came");
    for _ in 0..20 {
        wire.frame(&segment(OURS, ROUTER, [192, 168, 7, 7], [10, 0, 0, 1], 64, 1));
        wire.frame(&datagram(OURS, EVERYBODY, [192, 168, 7, 7], [255; 4], 67));
    }
    wire.is(Verdict::Silent, "nothing came but 40 frames of this machine itself");
    assert_eq!(wire.sight.all().packets, 40);
}

#[test]
fn a_few_frames_prove_nothing() {
    let mut wire = Wire::new();
    for host in 1..FRAMES_TO_TELL {
        wire.tcp([10, 0, 0, u8::try_from(host).expect("few")], [10, 0, 1, 1]);
    }
    wire.is(Verdict::TooLittle, "9 frames came");
    wire.tcp([10, 0, 0, 99], [10, 0, 1, 1]);
    assert_eq!(wire.judge().0, Verdict::TooLittle, "{}", wire.judge().1);
}

#[test]
fn a_port_of_our_own_is_no_mirror() {
    let mut wire = Wire::new();
    for _ in 0..12 {
        wire.frame(&datagram(NEIGHBOUR, EVERYBODY, [10, 0, 0, 1], [255; 4], 67));
    }
    wire.is(Verdict::OwnOnly, "only broadcast and multicast came (12 frames), as at every port");
    // By the hardware address, and where only the other one is ours.
    wire.frame(&segment(NEIGHBOUR, OURS, [10, 0, 0, 1], [10, 0, 0, 2], 64, 1));
    wire.frame(&segment(NEIGHBOUR, ROUTER, [10, 0, 0, 1], [192, 168, 7, 7], 64, 1));
    wire.frame(&segment(OURS, NEIGHBOUR, [192, 168, 7, 7], [10, 0, 0, 1], 64, 1));
    let why = "all 2 frames that came for one host came for this machine, and 12 frames of broadcast and multicast";
    wire.is(Verdict::OwnOnly, why);
}

#[test]
fn an_acknowledgement_of_what_is_not_shown_is_half_a_mirror() {
    let mut wire = Wire::new();
    for _ in 0..5 {
        for host in 1..=2 {
            wire.tcp([10, 0, 1, 9], [10, 0, 0, host]);
        }
    }
    let said = "2 pairs of hosts in one direction each, as logs and video go by nature";
    wire.is(Verdict::TooLittle, said);
    for _ in 0..OWED_TO_TELL {
        wire.tcp([10, 0, 1, 9], [10, 0, 0, 3]);
    }
    let shown = "the mirror shows what 10.0.1.9 sends to 10.0.0.0/24, and not the answers";
    wire.is(Verdict::OneWay, &format!("one direction only of 3 of 3 pairs of hosts: {shown}"));
    wire.tcp([10, 0, 0, 1], [10, 0, 1, 9]);
    wire.is(Verdict::Mirrored, "1 of 3 pairs of hosts in both directions");
}

#[test]
fn half_a_mirror_says_which_half_as_far_as_it_has_one() {
    let mut answers = Wire::new();
    let mut mixed = Wire::new();
    for _ in 0..3 {
        for host in 1..=5 {
            answers.tcp([10, host, 0, 1], [8, 8, 8, host]);
            mixed.tcp([10, host, 0, 1], [172, 16, host, 1]);
            mixed.tcp([172, 16, host, 2], [10, host, 0, 2]);
        }
    }
    let shown = "the mirror shows what is sent to the internet, and not the answers";
    answers.is(Verdict::OneWay, &format!("one direction only of 5 of 5 pairs of hosts: {shown}"));
    let shown = "the mirror shows a question or its answer, never both";
    mixed.is(Verdict::OneWay, &format!("one direction only of 10 of 10 pairs of hosts: {shown}"));
}

#[test]
fn a_scan_that_nobody_answers_is_no_half() {
    let mut wire = Wire::new();
    for host in 1..=200 {
        let syn = PacketBuilder::ethernet2(NEIGHBOUR, ROUTER).ipv4([10, 0, 0, 66], [10, 0, 0, host], 64);
        let mut frame = Vec::new();
        syn.tcp(40_000, 502, 1, 1024).syn().write(&mut frame, &[]).expect("a vector takes all");
        wire.frame(&frame);
        wire.frame(&frame);
    }
    wire.is(Verdict::TooLittle, "200 pairs of hosts in one direction each, as logs and video go by nature");
    wire.tcp([10, 0, 0, 1], [10, 0, 0, 2]);
    wire.tcp([10, 0, 0, 2], [10, 0, 0, 1]);
    wire.is(Verdict::Mirrored, "1 of 201 pairs of hosts in both directions");
}

#[test]
fn logs_go_one_way_by_nature_and_questions_do_not() {
    let (mut logs, mut traps, mut questions) = (Wire::new(), Wire::new(), Wire::new());
    for host in 1..=20 {
        for _ in 0..3 {
            logs.udp([10, 0, 0, host], [10, 0, 1, 1], 514);
            traps.udp([10, 0, 0, host], [10, 0, 1, 1], 162);
            questions.udp([10, 0, 1, 1], [10, 0, 0, host], 47_808);
        }
    }
    for wire in [&logs, &traps] {
        wire.is(Verdict::TooLittle, "20 pairs of hosts in one direction each, as logs and video go by nature");
    }
    assert_eq!(questions.judge().0, Verdict::OneWay, "{}", questions.judge().1);
}

/// Each packet before and behind a router: two networks on one port.
fn routed(tags: [Option<u16>; 2]) -> Wire {
    let mut wire = Wire::new();
    let mut show = |frame: Vec<u8>, tag: Option<u16>| match tag {
        Some(vlan) => wire.frame(&tagged(&frame, vlan)),
        None => wire.frame(&frame),
    };
    for sequence in 1..=6 {
        let [client, server] = [[10, 0, 0, 1], [10, 0, 1, 1]];
        for (from, to) in [(client, server), (server, client)] {
            show(segment(NEIGHBOUR, ROUTER, from, to, 64, sequence), tags[0]);
            show(segment(ROUTER, NEIGHBOUR, from, to, 63, sequence), tags[1]);
        }
    }
    wire
}

#[test]
fn a_packet_on_both_sides_of_a_router_without_a_tag_shows_that_tags_are_missing() {
    let why = "12 packets shown before and behind a router, and no frame has a VLAN tag";
    routed([None, None]).is(Verdict::TagsStripped, why);
    let twice = "1 of 1 pairs of hosts in both directions; VLANs 10, 20; 12 of 24 packets are shown twice";
    routed([Some(10), Some(20)]).is(Verdict::Mirrored, twice);
    let one = "1 of 1 pairs of hosts in both directions; VLAN 20; 12 of 24 packets are shown twice";
    routed([None, Some(20)]).is(Verdict::Mirrored, one);
    // Both sides in one VLAN: a router passes it back, and tags are there.
    let back = "1 of 1 pairs of hosts in both directions; VLAN 10; 12 of 24 packets are shown twice";
    routed([Some(10), Some(10)]).is(Verdict::Mirrored, back);
    assert_eq!(routed([Some(10), Some(20)]).sight.vlans().iter().copied().collect::<Vec<_>>(), [10, 20]);
}

#[test]
fn the_same_frame_twice_shows_no_router() {
    let mut wire = Wire::new();
    for sequence in 1..=6 {
        for (from, to) in [([10, 0, 0, 1], [10, 0, 0, 2]), ([10, 0, 0, 2], [10, 0, 0, 1])] {
            for _ in 0..2 {
                wire.frame(&segment(NEIGHBOUR, ROUTER, from, to, 64, sequence));
            }
        }
    }
    let why = "1 of 1 pairs of hosts in both directions; 12 of 24 packets are shown twice";
    wire.is(Verdict::Mirrored, why);
}

/// GRE, as a mirror sends it to a machine (RFC 2784): the packets within are those of others.
#[test]
fn a_mirror_may_come_through_a_tunnel_to_this_machine() {
    const GRE: etherparse::IpNumber = etherparse::IpNumber(47);
    let mut wire = Wire::new();
    for _ in 0..6 {
        for (from, to) in [([10, 0, 0, 1], [10, 0, 0, 2]), ([10, 0, 0, 2], [10, 0, 0, 1])] {
            let within = segment(NEIGHBOUR, ROUTER, from, to, 64, 1);
            let tunnel = PacketBuilder::ethernet2(ROUTER, OURS).ipv4([10, 9, 9, 9], [192, 168, 7, 7], 64);
            let mut frame = Vec::new();
            let payload = [&[0, 0, 0x08, 0x00], &within[14..]].concat();
            tunnel.write(&mut frame, GRE, &payload).expect("a vector takes all");
            wire.frame(&frame);
        }
    }
    assert_eq!(wire.judge().0, Verdict::Mirrored, "{}", wire.judge().1);
}

#[test]
fn frames_that_are_not_read_say_nothing_of_a_mirror() {
    let mut wire = Wire { sight: Sight::new(Arc::default(), LinkType::from_number(127)), ..Wire::new() };
    for _ in 0..20 {
        wire.frame(&[0; 60]);
    }
    wire.is(Verdict::TooLittle, "20 of 20 frames are not read: 802.11 with radiotap header (127)");
}

#[test]
fn pairs_are_bounded_and_what_is_beyond_is_counted() {
    let mut wire = Wire::new();
    let [client, server] = [[10, 0, 0, 1], [10, 0, 0, 2]];
    wire.tcp(client, server);
    wire.tcp(server, client);
    for host in 0..u32::try_from(MOST_PAIRS).expect("few") + 9 {
        wire.udp((0x0b00_0000 + host).to_be_bytes(), server, 514);
    }
    assert_eq!(wire.sight.pairs.len(), MOST_PAIRS);
    wire.is(Verdict::Mirrored, "1 of 8192 pairs of hosts in both directions; 10 frames of further pairs");
}

/// The frames of a plant: all of them, and those of one direction alone.
#[test]
fn a_plant_is_mirrored_and_half_of_it_is_one_way() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pcaps/mixed/plant.pcap");
    let judge = |is_shown: fn(&Headers) -> bool| {
        let mut file = Capture::from_file(&path).expect("a capture");
        let mut wire = Wire::new();
        while let Ok(packet) = file.next_packet() {
            let headers = packet::decode(LinkType::Ethernet, packet.data, packet.header.len);
            if headers.is_ok_and(|(headers, _)| is_shown(&headers)) {
                wire.frame(packet.data);
            }
        }
        wire.judge()
    };
    assert_eq!(judge(|_| true), (Verdict::Mirrored, "13 of 18 pairs of hosts in both directions".to_owned()));
    for half in [
        |headers: &Headers| headers.source() < headers.destination(),
        |headers: &Headers| headers.source() > headers.destination(),
    ] {
        let (verdict, why) = judge(half);
        assert!(verdict == Verdict::OneWay && why.contains("the mirror shows"), "{verdict}: {why}");
    }
}

proptest! {
    /// Whatever comes, and however it begins, is counted.
    #[test]
    fn no_frame_is_too_odd(link_type in 0_u32..300, frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..30)) {
        let mut wire = Wire { sight: Sight::new(Arc::default(), LinkType::from_number(link_type)), ..Wire::new() };
        for frame in &frames {
            wire.frame(frame);
        }
        wire.judge();
        prop_assert_eq!(wire.sight.all().packets, frames.len() as u64);
    }
}
