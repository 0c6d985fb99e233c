//! Conversations: frames in, a story out.

use super::DNP3;
use crate::dissector::{Ending, Side, Verdict};
use crate::rig::{Rig, hex};
use proptest::prelude::*;

/// A frame: a control byte, destination and source, and user data in blocks.
pub(super) fn frame(control: u8, destination: u16, source: u16, data: &[u8]) -> Vec<u8> {
    let length = u8::try_from(data.len() + 5).expect("data fits a frame");
    let mut header = vec![0x05, 0x64, length, control];
    header.extend(destination.to_le_bytes());
    header.extend(source.to_le_bytes());
    let mut frame = Vec::new();
    for block in [header.as_slice()].into_iter().chain(data.chunks(16)) {
        frame.extend(block);
        frame.extend(super::crc::of(block).to_le_bytes());
    }
    frame
}

/// Master 1 sends a fragment to outstation 10.
pub(super) fn request(fragment: &str) -> Vec<u8> {
    frame(0xc4, 10, 1, &[&[0xc0], hex(fragment).as_slice()].concat())
}

/// Outstation 10 sends a fragment to master 1.
pub(super) fn response(fragment: &str) -> Vec<u8> {
    frame(0x44, 1, 10, &[&[0xc0], hex(fragment).as_slice()].concat())
}

pub(super) fn dnp3() -> Rig {
    Rig::tcp(&DNP3)
}

/// What master and outstation say by turns, told.
pub(super) fn story_of(exchanges: &[(&str, &str)]) -> Vec<String> {
    let mut rig = dnp3();
    for (asked, answered) in exchanges {
        rig.segment(Side::A, &request(asked));
        rig.segment(Side::B, &response(answered));
    }
    rig.story()
}

#[test]
fn a_poll_tells_who_they_are_once() {
    // control function group variation qualifier; then the indications
    let poll = ("c1 01 3c0206", "c1 81 0000");
    assert_eq!(
        story_of(&[poll, poll]),
        [
            "B serves",
            "A request[10] 1",
            "10.0.0.1 dnp3.master_address = 1",
            "B response[10] 129",
            "10.0.0.2[10] exists (Answered)",
            "10.0.0.2[10] dnp3.outstation_address = 10",
            "A request[10] 1",
            "B response[10] 129",
        ]
    );
}

#[test]
fn the_bits_say_who_is_master_and_not_the_port() {
    let mut rig = dnp3().with_ports(20000, 40000);
    rig.segment(Side::B, &frame(0xc9, 10, 1, &[]));
    rig.segment(Side::A, &frame(0x0b, 1, 10, &[]));
    assert_eq!(rig.story().first().map(String::as_str), Some("A serves"));
}

/// Lines without what tells who is there.
fn acts(story: Vec<String>) -> Vec<String> {
    story.into_iter().filter(|line| line.contains(" by ")).collect()
}

fn counted(story: Vec<String>) -> Vec<String> {
    story.into_iter().filter(|line| line.contains(" re") && !line.contains(" by ")).collect()
}

#[test]
fn the_next_frame_is_found_behind_whatever_is_none() {
    let poll = request("c1 01 3c0206");
    let damaged = |at: usize| {
        let mut frame = poll.clone();
        frame[at] ^= 0x40;
        frame
    };
    let poll_again = request("c2 01 3c0206");
    for noise in
        [damaged(4), damaged(12), poll[..7].to_vec(), poll[..15].to_vec(), hex("05 05 64 00 ff"), hex("41 54 0d")]
    {
        let mut rig = dnp3();
        rig.segment(Side::A, &poll);
        rig.segment(Side::A, &[&noise, poll_again.as_slice()].concat());
        let story = rig.story();
        assert_eq!(counted(story.clone()), ["A request[10] 1"; 2], "{noise:x?}: {story:?}");
        assert!(story.iter().any(|line| line.contains("stops")), "it is counted: {noise:x?}");
    }
    // In a datagram too.
    let mut rig = Rig::udp(&DNP3);
    rig.datagram(Side::A, &[poll.as_slice(), &damaged(12), &poll_again].concat());
    assert_eq!(counted(rig.story()), ["A request[10] 1"; 2]);
}

#[test]
fn frames_in_pieces_wait_for_the_rest() {
    let both = [request("c1 01 3c0206"), request("c2 0d")].concat();
    for end in 1..both.len() {
        let mut rig = dnp3();
        let left = rig.segment(Side::A, &both[..end]);
        rig.segment(Side::A, &both[end - left..]);
        assert_eq!(counted(rig.story()), ["A request[10] 1", "A request[10] 13 control"], "cut at {end}");
    }
}

#[test]
fn a_frame_names_a_conversation_wherever_it_stands() {
    let (rig, datagrams) = (dnp3(), Rig::udp(&DNP3));
    let (poll, status) = (request("c1 01 3c0206"), frame(0xc9, 10, 1, &[]));
    for message in [&poll, &status, &response("c1 81 8000")] {
        assert!(matches!(rig.probe(message), Verdict::Bits(32..)), "{message:x?}");
        assert!(matches!(datagrams.probe(message), Verdict::Bits(32..)), "{message:x?}");
        for end in 1..10 {
            assert_eq!(rig.probe(&message[..end]), Verdict::More);
            assert_eq!(datagrams.probe(&message[..end]), Verdict::NotMine);
        }
    }
    // Behind the end of a frame whose front was not captured; a header alone takes a second one there.
    assert!(matches!(rig.probe(&[&poll[7..], poll.as_slice()].concat()), Verdict::Bits(32..)));
    assert_eq!(rig.probe(&[&poll[7..], status.as_slice()].concat()), Verdict::Bits(23));
    let mut wrong = poll.clone();
    wrong[8] ^= 1;
    assert_eq!(rig.probe(&wrong), Verdict::NotMine);
    assert_eq!(datagrams.probe(&[poll.as_slice(), b"."].concat()), Verdict::NotMine);
}

/// None is taken for DNP3, whatever its port.
#[test]
fn random_bytes_are_never_named() {
    let (rig, datagrams) = (dnp3(), Rig::udp(&DNP3));
    let mut state = 1_u64;
    for _ in 0..300_000 {
        let mut bytes = [0_u8; 64];
        for chunk in bytes.chunks_mut(8) {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            chunk.copy_from_slice(&(state ^ state >> 29).to_be_bytes());
        }
        assert!(!rig.probe(&bytes).is_mine() && !datagrams.probe(&bytes).is_mine(), "{bytes:x?}");
    }
}

#[test]
fn a_long_fragment_is_one_message() {
    let fragment = [hex("c1 81 0000"), vec![0; 600]].concat();
    let pieces: Vec<&[u8]> = fragment.chunks(249).collect();
    let segment = |number: usize| {
        let ends = if number + 1 == pieces.len() { 0x80 } else { 0 } | if number == 0 { 0x40 } else { 0 };
        let header = ends | u8::try_from(number).expect("they are few");
        frame(0x44, 1, 10, &[&[header], pieces[number]].concat())
    };
    let mut rig = dnp3();
    for number in [0, 1, 1, 2] {
        rig.segment(Side::B, &segment(number));
    }
    assert_eq!(counted(rig.story()), ["B response[10] l4", "B response[10] 129"], "one came twice");
    // One is missing: all that came counts, in frames.
    rig.segment(Side::B, &segment(0));
    rig.segment(Side::B, &segment(2));
    assert_eq!(counted(rig.story()), ["B response[10] l4"; 2]);
    // The capture ends amid one.
    rig.segment(Side::B, &segment(0));
    assert_eq!(counted(rig.finish(Ending::Unseen).story()), ["B response[10] l4"]);
}

#[test]
fn what_waits_of_many_stations_is_bounded() {
    let mut rig = dnp3();
    for outstation in 0..1_000 {
        rig.segment(Side::B, &frame(0x44, 1, outstation, &[&[0x40], [0; 249].as_slice()].concat()));
    }
    let dropped = counted(rig.story()).len();
    assert_eq!(dropped, 1_000 - 128, "the eldest went");
    assert_eq!(counted(rig.finish(Ending::Closed).story()).len(), 128);
}

#[test]
fn a_selection_and_its_operation_are_one_action() {
    // Relay 3, latch on, once: g12v1 by indexes of one octet.
    let relay = "0c01 17 01 03 03 01 64000000 00000000 00";
    let (select, operate) = (format!("c1 03 {relay}"), format!("c2 04 {relay}"));
    let (selected, operated) = (format!("c1 81 0000 {relay}"), format!("c2 81 0000 {relay}"));
    let both = acts(story_of(&[(&select, &selected), (&operate, &operated)]));
    assert_eq!(both.len(), 1, "{both:?}");
    assert!(both[0].starts_with("A operate[10] by 4: ") && both[0].ends_with(", accepted (frame 3)"), "{both:?}");
    // Another operation, or none, leaves the selection alone.
    let mut rig = dnp3();
    rig.segment(Side::A, &request(&select));
    rig.segment(Side::B, &response(&selected));
    assert_eq!(acts(rig.story()), [""; 0]);
    let alone = acts(rig.wait(31).story());
    assert!(alone.len() == 1 && alone[0].starts_with("A operate[10] by 3: "), "{alone:?}");
}

#[test]
fn restarts_are_told_with_their_outcome() {
    let told = |answer: &str| acts(story_of(&[("c1 0d", answer)])).concat();
    assert_eq!(told("c1 81 0000 3402 07 01 c409"), "A restart[10] by 13: device = cold, accepted (frame 1)");
    assert!(told("c1 81 0001").starts_with("A restart[10] by 13: device = cold, rejected"), "not supported");
    let mut rig = dnp3();
    rig.segment(Side::A, &request("c1 0e"));
    assert_eq!(acts(rig.wait(11).story()), ["A restart[10] by 14: device = warm, unanswered (frame 1)"]);
}

#[test]
fn nobody_owes_an_answer_to_a_broadcast_or_where_none_is_wanted() {
    for everybody in [0xfffd, 0xfffe, 0xffff] {
        let mut rig = dnp3();
        rig.segment(Side::A, &frame(0xc4, everybody, 1, &hex("c0 c1 0d")));
        rig.segment(Side::A, &frame(0xc9, everybody, 1, &[]));
        let story = rig.wait(30).story();
        assert!(!story.iter().any(|line| line.contains("unanswered")), "{story:?}");
    }
    let mut rig = dnp3();
    rig.segment(Side::A, &request("c1 08 1400 06"));
    let story = rig.wait(30).story();
    assert!(!story.iter().any(|line| line.contains("unanswered")), "{story:?}");
}

#[test]
fn who_is_asked_as_yourself_answers_by_its_own_address() {
    let mut rig = dnp3();
    rig.segment(Side::A, &frame(0xc4, 0xfffc, 1, &hex("c0 c1 01 3c0206")));
    rig.segment(Side::B, &response("c1 81 0000"));
    assert!(rig.story().contains(&"10.0.0.2[10] exists (Answered)".to_owned()));
    assert_eq!(rig.wait(30).story(), [""; 0], "it was answered");
}

#[test]
fn who_looks_for_stations_finds_the_one_that_answers() {
    let mut rig = dnp3();
    let burst: Vec<u8> = (0..100).flat_map(|address| frame(0xc9, address, 0, &[])).collect();
    rig.segment(Side::A, &burst);
    rig.segment(Side::B, &frame(0x0b, 0, 4, &[]));
    assert_eq!(counted(rig.story()).len(), 101);
    let vain = rig.wait(6).story();
    assert_eq!(vain.len(), 99);
    assert!(vain.iter().all(|line| line.contains(" l9 unanswered since frame 1") && !line.contains("[4]")), "{vain:?}");
}

#[test]
fn an_unsolicited_response_wants_its_confirmation() {
    let unsolicited = |sequence: u8| response(&format!("f{sequence} 82 0000"));
    let mut rig = dnp3();
    rig.segment(Side::A, &request("c1 14 3c0206"));
    rig.segment(Side::B, &unsolicited(3));
    rig.segment(Side::A, &request("d3 00"));
    rig.segment(Side::B, &unsolicited(4));
    rig.segment(Side::A, &request("c4 00"));
    rig.story();
    let unanswered = counted(rig.wait(11).story());
    assert_eq!(
        unanswered,
        ["A request[10] 20 unanswered since frame 1 control", "B response[10] 130 unanswered since frame 4"],
        "what comes unasked answers nothing, and a confirmation without UNS is for another"
    );
}

#[test]
fn what_an_outstation_indicates_is_told_while_it_holds() {
    let story =
        story_of(&[("c1 01 3c0206", "c1 81 c028"), ("c2 01 3c0206", "c2 81 c028"), ("c3 01 3c0206", "c3 81 4000")]);
    let told: Vec<_> = story.iter().filter(|line| line.contains(" = ") && !line.contains("address")).collect();
    assert_eq!(
        told,
        [
            "10.0.0.2[10] dnp3.device_trouble = 1",
            "10.0.0.2[10] dnp3.device_restart = 1",
            "10.0.0.2[10] dnp3.event_buffer_overflow = 1",
            "10.0.0.2[10] dnp3.configuration_corrupt = 1",
            "10.0.0.2[10] dnp3.device_restart = 0",
            "10.0.0.2[10] dnp3.event_buffer_overflow = 0",
            "10.0.0.2[10] dnp3.configuration_corrupt = 0",
        ]
    );
}

#[test]
fn stations_of_one_line_are_told_apart() {
    let mut rig = dnp3().with_ports(40000, 4004);
    for outstation in [3, 4] {
        rig.segment(Side::A, &frame(0xc4, outstation, 1, &hex("c0 c1 01 3c0206")));
    }
    rig.segment(Side::B, &frame(0x44, 1, 4, &hex("c0 c1 81 0000")));
    let story = rig.story();
    assert!(story.contains(&"10.0.0.2[4] exists (Answered)".to_owned()), "{story:?}");
    assert_eq!(rig.wait(11).story(), ["A request[3] 1 unanswered since frame 1"]);
}

#[test]
fn the_function_says_who_speaks_where_the_bit_is_wrong() {
    let mut rig = dnp3();
    rig.segment(Side::A, &frame(0x44, 10, 1, &hex("c0 c1 0d")));
    assert_eq!(rig.story()[..2], ["B serves", "A request[10] 13 control"]);
}

proptest! {
    #[test]
    fn anything_is_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        dnp3().segment(Side::A, &bytes);
        Rig::udp(&DNP3).datagram(Side::B, &bytes);
        prop_assert!(!matches!(dnp3().probe(&bytes), Verdict::Bits(32..)));
        dnp3().finish(Ending::Closed);
    }
}
