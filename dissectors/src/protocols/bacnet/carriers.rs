//! What carries messages, in tests: datagrams in, a story out. Side A is 10.0.0.1, port 40000; side B is 10.0.0.2, port 502.

use super::BACNET;
use crate::dissector::{Side, Verdict};
use crate::out::Losses;
use crate::rig::{Rig, hex};

/// An I-Am of device 721, maker 15, to all networks.
const I_AM: &str = "01 20 ffff 00 ff 10 00 c4 020002d1 22 01e0 91 00 21 0f";
/// The same of station 0x6c on network 3.
const I_AM_BEHIND: &str = "01 28 ffff 00 0003 01 6c fe 10 00 c4 020002d1 22 01e0 91 00 21 0f";

/// A datagram of this type and function whose length is right.
fn datagram(kind: u8, function: u8, body: &str) -> Vec<u8> {
    let body = hex(body);
    let length = u16::try_from(body.len() + 4).expect("samples are short").to_be_bytes();
    [&[kind, function][..], &length, &body].concat()
}

/// What these datagrams tell, each sent by A (`>`) or B (`<`), without what is counted.
fn told(kind: u8, messages: &[(char, u8, &str)]) -> Vec<String> {
    let mut rig = Rig::udp(&BACNET);
    for (arrow, function, body) in messages {
        rig.datagram(side(*arrow), &datagram(kind, *function, body));
    }
    without_counts(rig.story())
}

fn side(arrow: char) -> Side {
    if arrow == '>' { Side::A } else { Side::B }
}

fn without_counts(story: Vec<String>) -> Vec<String> {
    let is_counted =
        |line: &String| line.contains(" request") || line.contains(" response") || line.ends_with(" serves");
    story.into_iter().filter(|line| !is_counted(line)).collect()
}

const V4: u8 = 0x81;
const V6: u8 = 0x82;

#[test]
fn what_is_forwarded_is_told_of_the_device_at_its_origin() {
    let forwards = "10.0.0.1 bacnet.broadcast_management = forwards broadcasts";
    let station = told(V4, &[('>', 4, &format!("0a000009 bac0 {I_AM_BEHIND}"))]);
    let device = ["10.0.0.9[3:108] bacnet.device_instance = 721", "10.0.0.9[3:108] bacnet.vendor_id = 15"];
    assert_eq!(station, [&[forwards, "10.0.0.9[3:108] exists (Routed)"][..], &device].concat());
    let itself = I_AM_BEHIND.replace("0003 01 6c", "02bf 06 0a000009 bac0");
    let origin = ["10.0.0.9 bacnet.device_instance = 721", "10.0.0.9 bacnet.vendor_id = 15"];
    assert_eq!(told(V4, &[('>', 4, &format!("0a000009 bac0 {itself}"))])[1..], origin, "its own address as a station");
    for nobody in ["00000000", "ffffffff", "e0000001"] {
        assert_eq!(told(V4, &[('>', 4, &format!("{nobody} bac0 {I_AM}"))]), [forwards], "{nobody}");
    }
}

#[test]
fn who_registers_where_is_told_when_it_is_taken() {
    assert_eq!(
        told(V4, &[('>', 5, "003c"), ('<', 0, "0000")]),
        [
            "10.0.0.1 bacnet.foreign_device_of = 10.0.0.2:502",
            "10.0.0.1 bacnet.foreign_device_ttl = 60",
            "10.0.0.2 bacnet.broadcast_management = takes foreign devices",
        ]
    );
    assert_eq!(told(V4, &[('>', 5, "003c"), ('<', 0, "0020")]), [""; 0], "that refuses something else");
    let mut rig = Rig::udp(&BACNET);
    rig.datagram(Side::A, &datagram(V4, 5, "003c")).datagram(Side::A, &datagram(V4, 5, "003c")).story();
    assert_eq!(rig.wait(60).story(), ["A request b5 unanswered since frame 1"], "sent again it is the same");
}

#[test]
fn tables_of_broadcast_management_are_told_and_changes_of_them_are_actions() {
    let table = "0a000009 bac0 ffffffff 0a000109 bac0 ffffff00";
    let words = "10.0.0.9:47808, 10.0.1.9:47808/255.255.255.0";
    assert_eq!(told(V4, &[('>', 2, ""), ('<', 3, table)]), [format!("10.0.0.2 bacnet.broadcast_table = {words}")]);
    assert_eq!(told(V4, &[('>', 2, ""), ('<', 3, "")]), ["10.0.0.2 bacnet.broadcast_table = none"]);
    let write = |outcome| [format!("A config by b1: broadcast distribution table = {words}, {outcome} (frame 1)")];
    assert_eq!(told(V4, &[('>', 1, table), ('<', 0, "0000")]), write("accepted"));
    assert_eq!(
        told(V4, &[('>', 1, table), ('<', 0, "0010")]),
        write("rejected (write-broadcast-distribution-table-nak)")
    );
    let delete = ["A config by b8: foreign device table = without 10.0.0.9:47808, accepted (frame 1)"];
    assert_eq!(told(V4, &[('>', 8, "0a000009 bac0"), ('<', 0, "0000")]), delete);
    let mut rig = Rig::udp(&BACNET);
    rig.datagram(Side::A, &datagram(V4, 1, table));
    assert!(rig.story().contains(&"A request b1 control".to_owned()));
    assert_eq!(without_counts(rig.wait(60).story()), write("unanswered"));
    let long = "0a000009 bac0 ffffffff ".repeat(40);
    assert!(told(V4, &[('<', 3, &long)])[0].ends_with(" and 24 more"));
}

/// What a message of the network layer from B tells.
fn network(message: &str) -> Vec<String> {
    let told = told(V4, &[('<', 10, &format!("01 80 {message}"))]);
    told.into_iter().map(|line| line.replace("10.0.0.2 bacnet.", "")).collect()
}

#[test]
fn what_routers_say_is_told() {
    for (message, words) in [
        ("01 07d1 07d2", "networks_routed = 2001, 2002"),
        ("02 07d1 03", "network_reachable = 2001, performance 3"),
        ("03 01 07d1", "network_rejected = 2001: no-route"),
        ("03 09 07d1", "network_rejected = 2001: 9"),
        ("04 07d1", "router_congestion = busy: 2001"),
        ("04", "router_congestion = busy: all"),
        ("05 07d1 07d2", "router_congestion = available: 2001, 2002"),
        ("07 02 03e9 01 00 07d1 02 02 aabb", "routing_table = 1001 at port 1, 2001 at port 2"),
        ("13 03e9 01", "network_number = 1001"),
    ] {
        assert_eq!(network(message), [words], "{message}");
    }
    for nothing in [
        "00",
        "00 07d1",
        "06 00",
        "07",
        "07 00",
        "08 07d1 05",
        "09 07d1",
        "0a ff",
        "11 ff",
        "12",
        "13 0000 0b",
        "90 010c",
    ] {
        assert_eq!(network(nothing), [""; 0], "{nothing}");
    }
    for broken in ["00 07", "01 07d1 07", "02 07d1", "03 01", "06", "06 01 07d1 01 05 00", "13 03e9", "80 01", "12 00"]
    {
        assert!(network(broken)[0].starts_with("B stops: "), "{broken}");
    }
}

#[test]
fn a_router_leads_to_all_networks_that_it_named() {
    let answers = [('<', 10, "01 80 01 07d2"), ('<', 10, "01 80 01 07d1"), ('<', 10, "01 80 01 07d2")];
    let networks = ["10.0.0.2 bacnet.networks_routed = 2002", "10.0.0.2 bacnet.networks_routed = 2001, 2002"];
    assert_eq!(told(V4, &answers), networks);
    let behind = ('<', 10, "01 88 0003 01 6c 01 0bb9");
    let another = ["10.0.0.2[3:108] exists (Routed)", "10.0.0.2[3:108] bacnet.networks_routed = 3001"];
    assert_eq!(told(V4, &[answers[0], behind])[1..], another);
}

#[test]
fn a_routing_table_that_is_written_is_an_action() {
    let write = ["A config by n6: routing table = 2001 at port 2, accepted (frame 1)"];
    assert_eq!(told(V4, &[('>', 10, "01 84 06 01 07d1 02 00"), ('<', 10, "01 80 07")]), write);
    assert_eq!(told(V4, &[('>', 10, "01 84 06 00"), ('<', 10, "01 80 07 00")]), [""; 0], "it only asks");
    let mut rig = Rig::udp(&BACNET);
    rig.datagram(Side::A, &datagram(V4, 10, "01 84 06 01 07d1 02 00")).datagram(Side::B, &datagram(V4, 10, "01 80 07"));
    let story = rig.story();
    assert!(
        story.contains(&"A request n6 control".to_owned()) && story.contains(&"B response n7".to_owned()),
        "{story:?}"
    );
}

#[test]
fn the_functions_of_ipv6_are_read() {
    let origin = "fd200000000000000000000000000077 bac0";
    assert_eq!(
        told(V6, &[('>', 2, &format!("0002d1 {I_AM}"))]),
        [
            "10.0.0.1 bacnet.virtual_address = 0002d1",
            "10.0.0.1 bacnet.device_instance = 721",
            "10.0.0.1 bacnet.vendor_id = 15",
        ]
    );
    assert_eq!(
        told(V6, &[('>', 8, &format!("0002d1 {origin} {I_AM}"))]),
        [
            "10.0.0.1 bacnet.broadcast_management = forwards broadcasts",
            "fd20::77 bacnet.device_instance = 721",
            "fd20::77 bacnet.vendor_id = 15",
        ]
    );
    let registered = told(V6, &[('>', 9, "0002d1 001e"), ('<', 0, "000007 0000")]);
    assert!(registered.contains(&"10.0.0.1 bacnet.foreign_device_of = 10.0.0.2:502".to_owned()), "{registered:?}");
    let refused = told(V6, &[('>', 10, &format!("0002d1 {origin}")), ('<', 0, "000007 00a0")]);
    let action = "A config by v10: foreign device table = without [fd20::77]:47808, rejected (delete-foreign-device-table-entry-nak) (frame 1)";
    assert!(refused.contains(&action.to_owned()), "{refused:?}");
    let counted = |function: u8, body: &str| {
        let mut rig = Rig::udp(&BACNET);
        rig.datagram(Side::A, &datagram(V6, function, body));
        rig.story().into_iter().find(|line| line.contains(&format!(" v{function}"))).unwrap_or_default()
    };
    for (function, direction, body) in [
        (1, "request", "0002d1 000007 01 04 00 05 03 0c 0c 02014ff1 19 4d".to_owned()),
        (3, "request", "0002d1 000007".to_owned()),
        (4, "request", format!("0002d1 000007 {origin}")),
        (5, "response", "0002d1 000007".to_owned()),
        (6, "request", "0002d1".to_owned()),
        (6, "request", "0002d1 000007".to_owned()),
        (7, "response", "0002d1 000007".to_owned()),
        (11, "request", "010203040506".to_owned()),
        (12, "request", format!("0002d1 {I_AM}")),
        (77, "request", "ff".to_owned()),
    ] {
        assert_eq!(counted(function, &body), format!("A {direction} v{function}"), "{body}");
    }
    for (function, broken) in [
        (0, "0002d1 00"),
        (1, "0002d1 01 00 10 08"),
        (3, "0002d1"),
        (5, "0002d1 000007 00"),
        (9, "0002d1 00"),
        (8, "0002d1 00"),
        (10, "0002d1 0a000009 bac0"),
    ] {
        assert_eq!(counted(function, broken), "", "{function} {broken}");
    }
}

#[test]
fn the_probe_knows_ipv6_by_its_structure() {
    let rig = Rig::udp(&BACNET);
    assert_eq!(rig.probe(&datagram(V6, 2, &format!("0002d1 {I_AM}"))), Verdict::Bits(38));
    assert_eq!(rig.probe(&datagram(V6, 3, "0002d1 000007")), Verdict::Bits(28));
    for (function, body) in [(0, "0002d1 0010"), (13, "0002d1 000007"), (2, "0002d1 01 40 10 08"), (3, "0002d1 00")] {
        assert_eq!(rig.probe(&datagram(V6, function, body)), Verdict::NotMine, "{function} {body}");
    }
}

/// A segment of the answer to `ReadProperty` with number 3, or of a `WritePropertyMultiple`.
fn segment(is_request: bool, number: u8, is_last: bool, content: &[u8]) -> Vec<u8> {
    let more = if is_last { 0 } else { 4 };
    let head = if is_request {
        format!("01 04 {:02x} 05 03 {number:02x} 10 10", 0x08 | more)
    } else {
        format!("01 00 {:02x} 03 {number:02x} 10 0c", 0x38 | more)
    };
    let npdu = [hex(&head), content.to_vec()].concat();
    let length = u16::try_from(npdu.len() + 4).expect("samples are short").to_be_bytes();
    [&[V4, 10][..], &length, &npdu].concat()
}

/// The name of device 86001, as long as it takes.
fn name(letters: usize) -> Vec<u8> {
    let length = u16::try_from(letters + 1).expect("samples are short").to_be_bytes();
    let name = [&hex("75 fe")[..], &length, &[0], &vec![b'x'; letters]].concat();
    [&hex("0c 02014ff1 19 4d 3e")[..], &name, &[0x3f]].concat()
}

/// Sends the pieces of an answer in this order; tells what the name came to be, and what was lost.
fn answer(content: &[u8], size: usize, order: &[usize]) -> (Option<usize>, Losses) {
    let pieces: Vec<&[u8]> = content.chunks(size).collect();
    let mut rig = Rig::udp(&BACNET);
    for at in order {
        let number = u8::try_from(at % 256).expect("below 256");
        rig.datagram(Side::B, &segment(false, number, at + 1 == pieces.len(), pieces[*at]));
    }
    let name = rig.story().into_iter().find_map(|line| Some(line.split_once("bacnet.object_name = ")?.1.len()));
    rig.wait(60);
    (name, rig.losses())
}

#[test]
fn segments_are_put_together_in_the_order_of_their_numbers() {
    let whole = (Some(300), Losses::default());
    for order in [&[0, 1, 2, 3][..], &[1, 0, 3, 2], &[3, 2, 1, 0], &[0, 0, 1, 1, 2, 3, 3], &[0, 1, 0, 1, 2, 3, 2, 3]] {
        assert_eq!(answer(&name(300), 80, order), whole, "{order:?}");
    }
    let all: Vec<usize> = (0..name(500).len()).collect();
    assert_eq!(answer(&name(500), 1, &all), (Some(500), Losses::default()), "numbers begin anew after 255");
    let lost = |segments| (None, Losses { segments, messages_over_cap: 0 });
    for (order, segments) in [(&[0, 1, 3][..], 1), (&[0, 3], 2), (&[1, 2, 3], 1), (&[0], 1), (&[3], 3)] {
        assert_eq!(answer(&name(300), 80, order), lost(segments), "{order:?}");
    }
}

#[test]
fn another_message_of_the_same_number_is_put_together_anew() {
    let (old, new) = (name(300), name(200));
    let mut rig = Rig::udp(&BACNET);
    rig.datagram(Side::B, &segment(false, 0, false, &old[..80]))
        .datagram(Side::B, &segment(false, 1, false, &old[80..160]));
    rig.datagram(Side::B, &segment(false, 0, false, &new[..90]))
        .datagram(Side::B, &segment(false, 1, true, &new[90..]));
    rig.datagram(Side::B, &segment(false, 0, false, &old[..160]))
        .datagram(Side::B, &segment(false, 1, true, &old[160..]));
    let names: Vec<String> = rig.story().into_iter().filter(|line| line.contains("object_name")).collect();
    assert_eq!(names.iter().map(|line| line.matches('x').count()).collect::<Vec<_>>(), [200, 300]);
    assert_eq!(rig.losses().segments, 1);
}

#[test]
fn a_request_in_segments_is_told_whole() {
    // [0] analog-output 1, [1 [0] present-value [2 real 72.5 2] 1], five times
    let content = hex(&"0c 00400001 1e 09 55 2e 44 42910000 2f 1f".repeat(5));
    let mut rig = Rig::udp(&BACNET);
    for (number, piece) in content.chunks(30).enumerate() {
        let number = u8::try_from(number).expect("few");
        rig.datagram(Side::A, &segment(true, number, number == 2, piece));
        rig.datagram(Side::B, &datagram(V4, 10, &format!("01 00 41 03 {number:02x} 10")));
    }
    rig.datagram(Side::B, &datagram(V4, 10, "01 00 20 03 10"));
    let actions = rig.story().into_iter().filter(|line| line.starts_with("A write by 16: analog-output 1")).count();
    assert_eq!((actions, rig.losses()), (5, Losses::default()));
}

#[test]
fn what_is_put_together_is_bounded() {
    let piece = [0x55; 1400];
    let mut rig = Rig::udp(&BACNET);
    for number in 0..400_u32 {
        rig.datagram(Side::B, &segment(false, u8::try_from(number % 256).expect("a byte"), false, &piece));
    }
    assert_eq!(rig.losses(), Losses { segments: 0, messages_over_cap: 1 }, "one that has no end");
    let mut rig = Rig::udp(&BACNET);
    for station in 0..20 {
        let npdu = format!("01 08 0003 01 {station:02x} 3c 03 00 10 0c 0c 02014ff1 19 4d 3e");
        rig.datagram(Side::B, &datagram(V4, 10, &npdu));
    }
    assert_eq!(rig.losses().messages_over_cap, 4, "too many at a time");
    rig.wait(60);
    assert_eq!(rig.losses().segments, 16);
    let mut rig = Rig::udp(&BACNET);
    rig.datagram(Side::B, &segment(false, 0, false, &piece)).datagram(Side::B, &datagram(V4, 10, "01 00 71 03 04"));
    rig.wait(60);
    assert_eq!(rig.losses(), Losses::default(), "an aborted one lacks nothing");
}
