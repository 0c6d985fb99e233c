//! What mirrors do to packets changes no story: each capture of ours, shown twice and cut into fragments.

use super::encapsulate::{self, Kind, encapsulate};
use super::support::{Notebook, Recording, captures_in, pcaps, read, story_of};
use dissectors::observation::{Fact, Tally};
use dissectors::packet::LinkType;
use sensor::pipeline::{Entry, Hour, Settings, Vlans};
use sensor::source::{CaptureFile, Input, Step};

const ETHERNET: usize = 14;

/// The frames of a capture, if all of them are Ethernet, with their times in nanoseconds.
fn frames_of(input: &Input) -> Option<Vec<(u64, Vec<u8>)>> {
    let mut file = CaptureFile::open(input).expect("the capture can be opened");
    let mut frames = Vec::new();
    while let Step::Frame(frame) = file.step() {
        let nanos = u64::try_from(frame.time.nanos()).ok()?;
        if frame.link_type != LinkType::Ethernet || frame.wire_length as usize != frame.bytes.len() {
            return None;
        }
        frames.push((nanos, file.bytes[frame.bytes].to_vec()));
    }
    Some(frames)
}

/// The captures with each frame changed into others, some microseconds apart.
fn changed(change: impl Fn(&[u8], usize) -> Vec<Vec<u8>>) -> impl Iterator<Item = (Input, Input, usize)> {
    captures_in(&pcaps()).into_iter().filter_map(move |input| {
        let frames = frames_of(&input)?;
        let mut recording = Recording::new();
        for (number, (nanos, frame)) in frames.iter().enumerate() {
            for (copy, frame) in (0..).zip(change(frame, number)) {
                recording.at(nanos + copy * 1_000);
                recording.frame(&frame);
            }
        }
        let name = input.name.clone();
        Some((input, recording.input(&name), frames.len()))
    })
}

fn is_plain_ipv4(frame: &[u8]) -> bool {
    frame.get(12..15) == Some(&[8, 0, 0x45])
        && frame.get(20..22).is_some_and(|place| [place[0] & 0x3f, place[1]] == [0, 0])
}

fn story(input: Input, settings: Settings) -> (Vec<String>, Notebook, Hour) {
    let (notebook, totals) = read(vec![input], settings);
    let sum = totals.sum();
    assert_eq!(sum.difference(), (0, 0), "the books balance");
    (story_of(&notebook), notebook, sum)
}

fn same_story(plain: Input, changed: Input) -> (Hour, Hour) {
    let name = plain.name.clone();
    let (told, _, before) = story(plain, Settings::default());
    let (again, _, after) = story(changed.clone(), Settings::default());
    let differs = told.iter().zip(&again).find(|(one, other)| one != other);
    assert_eq!((differs, told.len()), (None, again.len()), "{name}");
    let (together, _, books) = story(changed, Settings { workers: 3, epoch_packets: 50, ..Settings::default() });
    assert_eq!((together, format!("{books:?}")), (again, format!("{after:?}")), "{name}");
    (before, after)
}

/// Another TTL, and the MAC addresses of a router.
fn routed(frame: &[u8]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    frame[ETHERNET + 8] -= 1;
    frame[..6].copy_from_slice(&[2, 0, 0, 0, 9, 1]);
    frame[6..12].copy_from_slice(&[2, 0, 0, 0, 9, 2]);
    frame
}

#[test]
fn both_sides_of_a_router() {
    let mut doubled = 0;
    for (plain, changed, _) in changed(|frame, _| {
        let mut frames = vec![frame.to_vec()];
        // Of other protocols duplicates are not told: nothing numbers them, or says what they hold.
        let is_tcp_or_udp = frame.get(23).is_some_and(|protocol| [6, 17].contains(protocol));
        frames.extend((is_plain_ipv4(frame) && is_tcp_or_udp).then(|| routed(frame)));
        frames
    }) {
        let name = plain.name.clone();
        let (before, after) = same_story(plain, changed);
        let found = after.ended(Entry::Duplicate).packets;
        assert_eq!(after.packets - before.packets, found, "{name}: {after:?}");
        assert_eq!(after.lanes.mirrored.routed, found, "{after:?}");
        assert_eq!(before.lanes.used.packets, after.lanes.used.packets);
        doubled += found;
    }
    assert!(doubled > 500, "{doubled}");
}

/// Fragments come in any order, and each twice.
#[test]
fn fragments_of_every_packet() {
    let mut joined = Tally::default();
    for doubled in [false, true] {
        for (plain, changed, _) in changed(|frame, number| {
            let is_long = u16::from_be_bytes([frame[16], frame[17]]) > 44;
            if !is_plain_ipv4(frame) || !is_long {
                return vec![frame.to_vec()];
            }
            let id = u16::try_from(number + 1).expect("captures are short");
            let mut frames = encapsulate::fragments(frame, 16, id).expect("it can be cut");
            if number % 2 == 1 {
                frames.reverse();
            }
            if doubled {
                frames = frames.iter().flat_map(|frame| [frame.clone(), frame.clone()]).collect();
            }
            frames
        }) {
            let (_, after) = same_story(plain, changed);
            assert_eq!(after.fragments.lost, Tally::default());
            assert_eq!(after.fragments.duplicates.packets > 0, doubled && after.fragments.whole > 0, "{after:?}");
            joined.add(after.fragments.joined);
        }
    }
    assert!(joined.packets > 1_000, "{joined:?}");
}

/// Polls in which requests go out in one VLAN and answers come back in another.
fn two_vlans(payloads: u32) -> Recording {
    let mut recording = Recording::new();
    let (master, slave) = ((1, 40_000), (2, 502));
    for number in 0..payloads {
        let [.., high, low] = number.to_be_bytes();
        let request = [high, low, 0, 0, 0, 6, 1, 3, 0, 0, 0, 1];
        let answer = [high, low, 0, 0, 0, 5, 1, 3, 2, 0, 7];
        recording.tagged(10, master, slave, 1 + 12 * number, 1 + 11 * number, &request);
        recording.tagged(20, slave, master, 1 + 11 * number, 13 + 12 * number, &answer);
    }
    recording
}

/// The conversations that a capture tells, and the networks that it proves one.
fn conversations(recording: Recording, vlans: Vlans) -> (Vec<(String, u64, u64)>, Vec<String>) {
    let (_, notebook, _) = story(recording.input("vlans.pcap"), Settings { vlans, ..Settings::default() });
    let traffic = notebook.observations.iter().filter_map(|told| match &told.fact {
        Fact::Traffic(traffic) => Some((told.subject.host.context.to_string(), traffic.flows, traffic.flows_two_way)),
        _ => None,
    });
    let same = notebook.observations.iter().filter_map(|told| match &told.fact {
        Fact::SameNetwork { other } => Some(format!("{} {other}", told.subject.host.context)),
        _ => None,
    });
    (traffic.collect(), same.collect())
}

fn of_one(context: &str, flows: u64, flows_two_way: u64) -> (String, u64, u64) {
    (context.to_owned(), flows, flows_two_way)
}

#[test]
fn directions_that_are_tagged_differently_are_one_conversation() {
    let (traffic, same) = conversations(two_vlans(20), Vlans::Observed);
    assert_eq!((traffic, same), (vec![of_one("vlan:10", 1, 1)], vec!["vlan:10 vlan:20".to_owned()]));
}

/// Cells that are built alike, addresses and all: each VLAN shows both directions.
#[test]
fn cells_with_the_same_addresses_are_two() {
    let mut recording = Recording::new();
    for number in 0..20u32 {
        for vlan in [10, 20] {
            let base = 1_000_000 * u32::from(vlan);
            recording.tagged(vlan, (1, 40_000), (2, 502), base + 12 * number, base + 11 * number, &[7; 12]);
            recording.tagged(vlan, (2, 502), (1, 40_000), base + 11 * number, base + 12 + 12 * number, &[7; 11]);
        }
    }
    let (traffic, same) = conversations(recording, Vlans::Observed);
    assert_eq!(traffic, [of_one("vlan:10", 1, 1), of_one("vlan:20", 1, 1)]);
    assert!(same.is_empty(), "{same:?}");
}

/// Each packet in both, now the one first, now the other.
#[test]
fn a_mirror_that_listens_in_two_vlans_proves_them_one() {
    let mut recording = Recording::new();
    for number in 0..20u32 {
        let vlans = if number % 3 == 0 { [20, 10] } else { [10, 20] };
        for vlan in vlans {
            recording.tagged(vlan, (1, 40_000), (2, 502), 1 + 12 * number, 1 + 11 * number, &[7; 12]);
        }
        for vlan in vlans {
            recording.tagged(vlan, (2, 502), (1, 40_000), 1 + 11 * number, 13 + 12 * number, &[7; 11]);
        }
    }
    let (traffic, same) = conversations(recording, Vlans::Observed);
    assert_eq!((traffic, same), (vec![of_one("vlan:20", 1, 1)], vec!["vlan:20 vlan:10".to_owned()]));
}

/// Datagrams have no numbers: it takes some that fit, and none that does not.
#[test]
fn datagrams_prove_a_network_when_they_go_on_fitting() {
    let polls = |answers_in: &dyn Fn(u8) -> u16| {
        let mut recording = Recording::new();
        for number in 0..8u8 {
            recording.datagram(10, (1, 47_808), (2, 47_808), &[number; 12]);
            recording.datagram(answers_in(number), (2, 47_808), (1, 47_808), &[number; 11]);
        }
        recording
    };
    let (traffic, same) = conversations(polls(&|_| 20), Vlans::Observed);
    assert_eq!((traffic, same), (vec![of_one("vlan:10", 1, 1)], vec!["vlan:10 vlan:20".to_owned()]));
    let (_, same) = conversations(polls(&|number| if number == 1 { 10 } else { 20 }), Vlans::Observed);
    assert!(same.is_empty(), "VLAN 10 shows both directions: {same:?}");
}

#[test]
fn networks_are_kept_apart_or_thrown_together_as_asked() {
    let apart = conversations(two_vlans(20), Vlans::Separate);
    assert_eq!(apart, (vec![of_one("vlan:10", 1, 0), of_one("vlan:20", 1, 0)], vec![]));
    assert_eq!(conversations(two_vlans(20), Vlans::Joined), (vec![of_one("", 1, 1)], vec![]));
}

/// A mirror that sends its copies by ERSPAN, in its second or third version, and takes the tags of the VLANs off.
fn mirrored(recording: Recording, is_third: bool) -> Recording {
    let mut mirrored = Recording::new();
    for (nanos, frame) in frames_of(&recording.input("mirror.pcap")).expect("it is Ethernet") {
        let (vlan, plain) = (&frame[14..16], [&frame[..12], &frame[16..]].concat());
        let kind = if is_third { Kind::Erspan3 } else { Kind::Erspan2 };
        let mut copy = encapsulate(&plain, 0, kind).expect("a frame goes into it");
        // Behind Ethernet, IP and GRE: the version and the VLAN; in the second version, that a tag of 802.1Q was taken.
        copy[42..44].copy_from_slice(&[if is_third { 0x20 } else { 0x10 } | vlan[0], vlan[1]]);
        copy[44] |= if is_third { 0 } else { 0x10 };
        mirrored.at(nanos);
        mirrored.frame(&copy);
    }
    mirrored
}

#[test]
fn vlans_of_mirrored_frames_are_kept_apart_or_thrown_together_as_asked() {
    for is_third in [false, true] {
        let of = |vlans: Vlans| conversations(mirrored(two_vlans(20), is_third), vlans);
        assert_eq!(of(Vlans::Observed), (vec![of_one("vlan:10", 1, 1)], vec!["vlan:10 vlan:20".to_owned()]));
        assert_eq!(of(Vlans::Separate), (vec![of_one("vlan:10", 1, 0), of_one("vlan:20", 1, 0)], vec![]));
        assert_eq!(of(Vlans::Joined), (vec![of_one("", 1, 1)], vec![]));
    }
}

/// One packet proves nothing: anybody can send it, and a mirror shows one of its own again.
#[test]
fn one_packet_in_two_vlans_proves_nothing() {
    let shown = |packets: u32, copies: usize| {
        let mut recording = Recording::new();
        for number in 0..packets {
            for vlan in std::iter::once(10).chain(std::iter::repeat_n(20, copies)) {
                recording.tagged(vlan, (1, 40_000), (2, 502), 1 + 12 * number, 1, &[7; 12]);
            }
        }
        conversations(recording, Vlans::Observed).1
    };
    assert_eq!(shown(1, 1), [""; 0]);
    assert_eq!(shown(1, 3), [""; 0], "the same one again");
    assert_eq!(shown(2, 1), ["vlan:10 vlan:20"]);
}

/// An answer that comes in another VLAN is one vote; what follows it there has to go on answering.
#[test]
fn a_second_answer_proves_a_network_or_refutes_it() {
    let answered = |second: Option<u32>| {
        let mut recording = Recording::new();
        let (master, slave) = ((1, 40_000), (2, 502));
        recording.tagged(10, master, slave, 1, 1, &[7; 12]);
        recording.tagged(20, slave, master, 1, 13, &[7; 11]);
        recording.tagged(10, master, slave, 13, 12, &[7; 12]);
        if let Some(number) = second {
            recording.tagged(20, slave, master, 12, number, &[7; 11]);
        }
        conversations(recording, Vlans::Observed)
    };
    assert_eq!(answered(None), (vec![of_one("vlan:10", 1, 1)], vec![]));
    assert_eq!(answered(Some(25)).1, ["vlan:10 vlan:20"]);
    let (traffic, same) = answered(Some(900_000));
    assert_eq!((traffic.len(), same), (2, vec![]), "{traffic:?}");
}

/// Flows whose halves seem to stand in two VLANs and that say no more make room for others.
#[test]
fn trials_without_an_end_starve_no_other() {
    let mut recording = Recording::new();
    // One pair of hosts, so that one lane has all of them.
    for port in 0..200 {
        recording.datagram(10, (1, 1_000 + port), (2, 2_000), &[1; 12]);
        recording.datagram(20, (2, 2_000), (1, 1_000 + port), &[2; 11]);
    }
    for number in 0..8u8 {
        recording.datagram(10, (1, 47_808), (2, 47_808), &[number; 12]);
        recording.datagram(20, (2, 47_808), (1, 47_808), &[number; 11]);
    }
    let (_, notebook, sum) = story(recording.input("trials.pcap"), Settings::default());
    let is_proof = |fact: &Fact| matches!(fact, Fact::SameNetwork { .. });
    assert_eq!(notebook.observations.iter().filter(|told| is_proof(&told.fact)).count(), 1);
    assert_eq!(sum.lanes.network_trials_forgotten, 200 - 64 + 1);
}

/// What the snap length cut is lost, and neither zeros nor the next bytes.
#[test]
fn what_is_cut_is_a_gap() {
    let mut recording = Recording::new();
    let (master, slave) = ((1, 40_000), (2, 502));
    let request = [0, 1, 0, 0, 0, 6, 1, 3, 0, 0, 0, 1];
    for number in 0..9u32 {
        recording.tcp(master, slave, 1 + 12 * number, 1 + 11 * number, &request);
        recording.tcp(slave, master, 1 + 11 * number, 13 + 12 * number, &[0, 1, 0, 0, 0, 5, 1, 3, 2, 0, 7]);
    }
    let mut bytes = recording.into_bytes();
    // The fifth request: 24 bytes of file header, eight records before it; four bytes of its frame are taken out.
    let frames = [66, 65];
    let at = 24 + (0..8).map(|index| 16 + frames[index % 2]).sum::<usize>();
    assert_eq!(bytes[at + 8..at + 12], 66u32.to_le_bytes());
    bytes[at + 8..at + 12].copy_from_slice(&62u32.to_le_bytes());
    bytes.drain(at + 16 + 62..at + 16 + 66);
    let (_, notebook, sum) = story(Input::held("cut.pcap", bytes), Settings::default());
    let requests: u64 = notebook.activity().filter(|row| row.messages > 0).map(|row| row.messages).sum();
    assert_eq!((sum.lanes.lost_bytes, requests), (4, 17));
    assert!(sum.lanes.malformed.is_empty(), "{sum:?}");
}
