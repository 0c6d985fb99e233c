//! However a packet is carried, it tells the same: our captures and random packets in every tunnel, tag and link type,
//! and the samples of tunnels of public collections as tshark reads them.

use super::encapsulate::{Kind, LINKS, Left, STACKED, encapsulate, fragments};
use super::evidence::has_tshark;
use super::support::{captures_in, pcaps, public_captures, read, records_of, story_of};
use dissectors::observation::Address;
use dissectors::packet::{self, Headers, Layer, LinkType};
use etherparse::PacketBuilder;
use fingerprints::record::Record;
use proptest::prelude::*;
use sensor::pipeline::{Entry, Settings};
use sensor::source::{CaptureFile, Input, Step};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// A frame of a capture: when it came in nanoseconds, its bytes, and how many were not captured.
struct Shot {
    nanos: u64,
    bytes: Vec<u8>,
    cut: usize,
}

/// The Ethernet frames of a capture; none of a field bus.
fn shots_of(input: &Input) -> Vec<Shot> {
    let mut file = CaptureFile::open(input).expect("the capture can be opened");
    let mut shots = Vec::new();
    while let Step::Frame(frame) = file.step() {
        if matches!(frame.link_type, LinkType::MsTp | LinkType::Arcnet(_)) {
            continue;
        }
        assert_eq!(frame.link_type, LinkType::Ethernet, "all others are of Ethernet");
        let bytes = file.bytes[frame.bytes].to_vec();
        let cut = (frame.wire_length as usize).saturating_sub(bytes.len());
        let nanos = u64::try_from(frame.time.nanos()).expect("our captures are of our time");
        shots.push(Shot { nanos, bytes, cut });
    }
    shots
}

/// A capture in nanoseconds.
fn capture(link_type: u32, shots: &[Shot]) -> Vec<u8> {
    let mut bytes = 0xa1b2_3c4d_u32.to_le_bytes().to_vec();
    for word in [0x0004_0002, 0, 0, 262_144, link_type] {
        bytes.extend(word.to_le_bytes());
    }
    let word = |number: usize| u32::try_from(number).expect("captures are short").to_le_bytes();
    for shot in shots {
        let (seconds, nanos) = (shot.nanos / 1_000_000_000, shot.nanos % 1_000_000_000);
        for part in [word(seconds as usize), word(nanos as usize), word(shot.bytes.len())] {
            bytes.extend(part);
        }
        bytes.extend(word(shot.bytes.len() + shot.cut));
        bytes.extend(&shot.bytes);
    }
    bytes
}

/// A capture carried so, and the one that it has to equal: its frames, or its packets where no more is left of them.
/// Frames that cannot be carried so stand in neither.
fn carried(shots: &[Shot], kind: Kind) -> Option<(Vec<u8>, Vec<u8>)> {
    let (mut bare, mut inside) = (Vec::new(), Vec::new());
    for Shot { nanos, bytes, cut } in shots {
        let Some(carrying) = encapsulate(bytes, *cut, kind) else { continue };
        let alone = if kind.left() == Left::Nothing { encapsulate(bytes, *cut, Kind::Raw)? } else { bytes.clone() };
        bare.push(Shot { nanos: *nanos, bytes: alone, cut: *cut });
        inside.push(Shot { nanos: *nanos, bytes: carrying, cut: *cut });
    }
    let bare_link = if kind.left() == Left::Nothing { Kind::Raw.link_type() } else { 1 };
    (!bare.is_empty()).then(|| (capture(bare_link, &bare), capture(kind.link_type(), &inside)))
}

/// All that was told, without the contexts; and the contexts.
fn told(name: &str, bytes: Vec<u8>) -> (Vec<String>, Vec<String>) {
    let (notebook, totals) = read(vec![Input::held(name, bytes)], Settings::default());
    let sum = totals.sum();
    assert_eq!((sum.difference(), sum.ended(Entry::Damaged).packets), ((0, 0), 0), "{name}");
    let contexts = notebook.observations.iter().map(|told| told.subject.host.context.to_string()).collect();
    (notebook.observations.iter().map(|told| without_contexts(&format!("{told:?}"))).collect(), contexts)
}

fn without_contexts(text: &str) -> String {
    let mut parts = text.split("Context { tags: [");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    parts.for_each(|part| plain.push_str(part.split_once("] }").map_or(part, |(_, rest)| rest)));
    plain
}

#[test]
fn our_captures_tell_the_same_in_every_way() {
    let captures: Vec<(String, Vec<Shot>)> =
        captures_in(&pcaps()).iter().map(|input| (input.name.clone(), shots_of(input))).collect();
    for kind in STACKED.into_iter().chain(LINKS) {
        let mut facts = 0;
        for (name, shots) in &captures {
            let Some((bare, inside)) = carried(shots, kind) else { continue };
            let (plain, around) = told(name, bare);
            let (again, within) = told(name, inside);
            let differs = plain.iter().zip(&again).find(|(one, other)| one != other);
            assert_eq!((differs, plain.len()), (None, again.len()), "{name} in {kind:?}");
            for (outer, inner) in around.iter().zip(&within) {
                let outer = Some(outer.clone()).filter(|outer| !outer.is_empty());
                let expected: Vec<String> = kind.context().into_iter().chain(outer).collect();
                assert_eq!(expected.join("/"), *inner, "{name} in {kind:?}");
            }
            facts += plain.len();
        }
        assert!(facts > 500, "{kind:?}: {facts} facts");
    }
}

/// The tables too, ids and all, of ways that are no network of their own.
#[test]
fn our_captures_give_the_same_rows_in_tunnels_without_an_id() {
    for kind in [Kind::Gre, Kind::InIpv6, Kind::Mpls, Kind::Pppoe, Kind::Erspan2, Kind::Pseudowire(true)] {
        let folders = [(); 2].map(|()| tempfile::tempdir().expect("there is room"));
        for input in captures_in(&pcaps()) {
            let Some((bare, inside)) = carried(&shots_of(&input), kind) else { continue };
            for (folder, bytes) in folders.iter().zip([bare, inside]) {
                let path = folder.path().join(&input.name);
                std::fs::create_dir_all(path.parent().expect("it lies in a folder")).expect("there is room");
                std::fs::write(path, bytes).expect("there is room");
            }
        }
        let [plain, inside] = folders.map(|folder| rows_of(folder.path()));
        let differs = plain.iter().zip(&inside).find(|(one, other)| one != other);
        assert_eq!((differs, plain.len()), (None, inside.len()), "{kind:?}");
        assert!(plain.len() > 100, "{kind:?}: {} rows", plain.len());
    }
}

/// The same addresses in two networks are two pairs of hosts; in one they are one.
#[test]
fn an_address_in_two_networks_is_two_assets() {
    let shots =
        shots_of(&Input::held("polling", std::fs::read(pcaps().join("modbus/polling.pcap")).expect("it is ours")));
    let assets_in = |kinds: [Kind; 2]| {
        let folder = tempfile::tempdir().expect("there is room");
        for (name, kind) in ["one.pcap", "two.pcap"].into_iter().zip(kinds) {
            let (_, inside) = carried(&shots, kind).expect("it has packets");
            std::fs::write(folder.path().join(name), inside).expect("there is room");
        }
        let records = records_of(&[folder.path().to_owned()], Settings::default()).records;
        let assets = records.iter().filter_map(|record| match record {
            Record::Assets(row) => Some((row.ips.clone(), row.context.clone())),
            _ => None,
        });
        assets.collect::<BTreeSet<_>>()
    };
    let one = assets_in([Kind::Gre, Kind::InIpv4]);
    assert!(one.len() >= 2 && one.iter().all(|(_, context)| context.is_none()), "{one:?}");
    for (kinds, contexts) in [
        ([Kind::GenevePacket(1), Kind::GenevePacket(2)], ["vni:1", "vni:2"]),
        ([Kind::GreKey(1), Kind::GreKey(u32::MAX)], ["gre:1", "gre:4294967295"]),
    ] {
        let two = assets_in(kinds);
        for context in contexts {
            let there = two.iter().filter(|(_, there)| there.as_deref() == Some(context)).map(|(ips, _)| ips);
            assert!(there.eq(one.iter().map(|(ips, _)| ips)), "{context}: {two:?}");
        }
        assert_eq!(two.len(), 2 * one.len(), "{two:?}");
    }
}

/// Tunnels make packets too long for the wire: their outer packets come in fragments, here each of them twice.
#[test]
fn our_captures_tell_the_same_in_fragments_of_tunnels() {
    let mut whole = 0;
    for (kind, copies) in [(Kind::Gre, 1), (Kind::InIpv6, 1), (Kind::Erspan2, 2), (Kind::InIpv6, 2)] {
        for input in captures_in(&pcaps()) {
            let shots = shots_of(&input);
            let Some((bare, _)) = carried(&shots, kind) else { continue };
            let mut pieces = Vec::new();
            for (id, Shot { nanos, bytes, cut }) in (1..).zip(&shots) {
                let Some(outer) = encapsulate(bytes, *cut, kind) else { continue };
                // What was not captured whole cannot be put together.
                let parts = fragments(&outer, 48, id).filter(|_| *cut == 0).unwrap_or_else(|| vec![outer]);
                let copied = parts.into_iter().flat_map(|part| std::iter::repeat_n(part, copies));
                pieces.extend((0..).zip(copied).map(|(at, bytes)| Shot { nanos: nanos + at * 100, bytes, cut: *cut }));
            }
            let [plain, again] = [bare, capture(1, &pieces)].map(|bytes| {
                let (notebook, totals) = read(vec![Input::held(&input.name, bytes)], Settings::default());
                assert_eq!((totals.sum().difference(), totals.sum().fragments.lost.packets), ((0, 0), 0), "{input:?}");
                whole += totals.sum().fragments.whole;
                story_of(&notebook)
            });
            let differs = plain.iter().zip(&again).find(|(one, other)| one != other);
            assert_eq!((differs, plain.len()), (None, again.len()), "{} in {kind:?}, {copies} of each", input.name);
        }
    }
    assert!(whole > 1_000, "{whole} packets were put together");
}

/// All rows but those of the captures themselves, which are known by their paths.
fn rows_of(folder: &Path) -> Vec<String> {
    let records = records_of(&[folder.to_owned()], Settings::default()).records;
    let names: Vec<(String, String)> = records
        .iter()
        .filter_map(|record| match record {
            Record::Captures(row) => Some((row.capture_id.clone(), row.path.clone())),
            _ => None,
        })
        .collect();
    let rows = records.iter().filter(|record| !matches!(record, Record::Captures(_) | Record::Health(_)));
    let with_paths = |text: String| names.iter().fold(text, |text, (id, path)| text.replace(id.as_str(), path));
    rows.map(|record| with_paths(format!("{record:?}"))).collect()
}

/// A packet of TCP or UDP in a frame, over IPv4 or IPv6.
fn a_frame() -> impl Strategy<Value = Vec<u8>> {
    let addresses = any::<([u8; 16], [u8; 16], bool)>();
    let ports = (1u16..=4000, 1u16..=4000, any::<bool>());
    (addresses, ports, any::<u32>(), prop::collection::vec(any::<u8>(), 0..300)).prop_map(
        |((source, destination, is_v6), (from, to, is_tcp), sequence, payload)| {
            let ethernet = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
            let four = |address: [u8; 16]| [address[0], address[1], address[2], address[3]];
            let ip = if is_v6 {
                ethernet.ipv6(source, destination, 33)
            } else {
                ethernet.ipv4(four(source), four(destination), 33)
            };
            let mut frame = Vec::new();
            let written = if is_tcp {
                ip.tcp(from, to, sequence, 9).psh().ack(sequence).write(&mut frame, &payload)
            } else {
                ip.udp(from, to).write(&mut frame, &payload)
            };
            written.expect("a vector takes all");
            frame
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn any_packet_in_any_stack(
        frame in a_frame(), lost in 0usize..40, padding in 0usize..30,
        stack in prop::collection::vec(prop::sample::select(STACKED.to_vec()), 0..6),
        link in prop::option::of(prop::sample::select(LINKS.to_vec())),
    ) {
        let wire_length = |bytes: &[u8], cut: usize| u32::try_from(bytes.len() + cut).expect("it is short");
        let payload_bytes = packet::decode(LinkType::Ethernet, &frame, wire_length(&frame, 0)).expect("it is whole").1.len();
        // Either the end was not captured, or something follows it.
        let cut = lost.min(payload_bytes);
        let mut bytes = frame[..frame.len() - cut].to_vec();
        if cut == 0 {
            bytes.extend(vec![0; padding]);
        }
        let (alone, said) = packet::decode(LinkType::Ethernet, &bytes, wire_length(&bytes, cut)).expect("it is whole");
        let said = said.to_vec();
        let (mut used, mut link_type, mut left) = (Vec::new(), 1, Left::Addresses);
        for kind in stack.into_iter().chain(link) {
            let Some(outside) = encapsulate(&bytes, cut, kind) else { continue };
            bytes = outside;
            used.push(kind);
            link_type = kind.link_type();
            // The first that leaves something else decides: what is around it is another link layer's.
            if left == Left::Addresses {
                left = kind.left();
            }
        }
        let read = packet::decode(LinkType::from_number(link_type), &bytes, wire_length(&bytes, cut));
        let (inside, payload) = read.map_err(|unread| TestCaseError::fail(format!("{used:?}: {unread:?}")))?;
        prop_assert_eq!(payload, &said[..], "{:?}", used);
        let mirror = used.iter().position(|kind| kind.is_mirror()).unwrap_or(used.len());
        let context: Vec<String> = used[..mirror].iter().rev().filter_map(|kind| kind.context()).collect();
        let slots = context.iter().map(|tag| if tag == "gre:4294967294" { 2 } else { 1 }).sum::<usize>();
        if slots <= 4 {
            prop_assert_eq!(inside.context.to_string(), context.join("/"), "{:?}", used);
        }
        let link = alone.link.filter(|_| left != Left::Nothing);
        let same = Headers { context: inside.context, tunnels: inside.tunnels, deeper_tags: inside.deeper_tags, ..inside };
        let expected = Headers { context: inside.context, tunnels: inside.tunnels, deeper_tags: inside.deeper_tags, ..alone };
        if left == Left::Sender {
            prop_assert_eq!(inside.link.map(|link| link.source), link.map(|link| link.source), "{:?}", used);
            prop_assert_eq!(Headers { link: None, ..same }, Headers { link: None, ..expected }, "{:?}", used);
        } else {
            prop_assert_eq!(same, Headers { link, ..expected }, "{:?}", used);
        }
    }
}

/// Tunnels that stay closed: what is in them is not compared.
pub(crate) const CLOSED: [&str; 10] =
    ["gtp", "gtpprime", "teredo", "capwap.data", "l2tp", "macsec", "esp", "icmp", "icmpv6", "socks"];

/// Frames that tshark reads otherwise: which, and why.
const OTHERWISE: [(&str, &str); 2] = [
    (
        "flowlab-14_mpls_pw_control_word_with_sequence.pcap frame 1",
        "takes the control word for a part of a MAC address",
    ),
    ("flowlab-17_mpls_pw_outer_qinq_inner_ipv4_udp_cw.pcap frame 1", "the same"),
];

/// A frame's innermost packet: its version of IP, its ends, and their ports where it has any.
#[derive(Debug, PartialEq, Eq)]
struct Innermost {
    ends: Option<(String, String)>,
    ports: Option<(String, String)>,
}

#[test]
fn public_samples_are_read_as_tshark_reads_them() {
    let (Some(folder), true) = (public_captures(), has_tshark()) else { return };
    let (mut compared, mut wrong) = (0, Vec::new());
    for input in captures_in(&folder.join("tunnels")) {
        let theirs = seen_by_tshark(&input.path);
        let ours = seen_by_us(&input);
        assert_eq!(ours.len(), theirs.len(), "{}", input.name);
        for (number, (ours, theirs)) in (1..).zip(ours.into_iter().zip(theirs)) {
            let Some(ours) = ours else { continue };
            let place = format!("{} frame {number}", input.name);
            if ours != theirs && !OTHERWISE.iter().any(|(otherwise, _)| *otherwise == place) {
                wrong.push(format!("{place}: ours {ours:?}, theirs {theirs:?}"));
            }
            compared += 1;
        }
    }
    assert!(compared > 500, "{compared} frames");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Nothing of fragments: tshark looks into the first ones.
fn seen_by_us(input: &Input) -> Vec<Option<Innermost>> {
    let mut file = CaptureFile::open(input).expect("the capture can be opened");
    let mut seen = Vec::new();
    while let Step::Frame(frame) = file.step() {
        let decoded = packet::decode(frame.link_type, &file.bytes[frame.bytes], frame.wire_length);
        let Ok((headers, _)) = decoded else {
            seen.push(Some(Innermost { ends: None, ports: None }));
            continue;
        };
        if let Layer::Fragment(_) = headers.layer {
            seen.push(None);
            continue;
        }
        let is_ip = matches!(headers.source(), Address::Ip(_)) && !matches!(headers.layer, Layer::Frame(_));
        let ends = is_ip.then(|| (headers.source().to_string(), headers.destination().to_string()));
        let has_ports = matches!(headers.layer, Layer::Tcp(_) | Layer::Udp { .. });
        let (source, destination) = headers.ports();
        seen.push(Some(Innermost { ends, ports: has_ports.then(|| (source.to_string(), destination.to_string())) }));
    }
    seen
}

/// Fragments are left alone, as the decoding of headers leaves them.
fn seen_by_tshark(path: &Path) -> Vec<Innermost> {
    let fields =
        ["ip.src", "ip.dst", "ipv6.src", "ipv6.dst", "tcp.srcport", "tcp.dstport", "udp.srcport", "udp.dstport"];
    let mut command = Command::new("tshark");
    command.args(["-n", "-o", "ip.defragment:FALSE", "-o", "ipv6.defragment:FALSE", "-T", "fields"]);
    command.args(["-E", "occurrence=a", "-E", "aggregator=,", "-e", "frame.protocols"]);
    for field in fields {
        command.args(["-e", field]);
    }
    let output = command.arg("-r").arg(path).output().expect("tshark runs");
    let text = String::from_utf8(output.stdout).expect("tshark writes text");
    text.lines().map(innermost_of).collect()
}

fn innermost_of(line: &str) -> Innermost {
    let columns: Vec<Vec<&str>> = line.split('\t').map(|column| column.split(',').collect()).collect();
    let layers: Vec<&str> = columns[0][0].split(':').collect();
    let end = layers.iter().position(|layer| CLOSED.contains(layer)).unwrap_or(layers.len());
    let layers = &layers[..end];
    let last = layers.iter().rposition(|layer| ["ip", "ipv6"].contains(layer));
    // The value of a field in the last layer of its protocol that is not closed.
    let value = |protocol: &str, column: usize| {
        let count = layers.iter().filter(|layer| **layer == protocol).count();
        columns[column].get(count.checked_sub(1)?).map(|value| (*value).to_owned())
    };
    let pair = |protocol: &str, column: usize| value(protocol, column).zip(value(protocol, column + 1));
    let last_ip = last.map(|last| layers[last]);
    let ends = last_ip.and_then(|layer| pair(layer, if layer == "ip" { 1 } else { 3 }));
    let behind = last.and_then(|last| layers.get(last + 1..)).unwrap_or_default();
    let ports = match behind.iter().find(|layer| ["tcp", "udp"].contains(layer)) {
        Some(&"tcp") => pair("tcp", 5),
        Some(_) => pair("udp", 7),
        None => None,
    };
    Innermost { ends, ports }
}
