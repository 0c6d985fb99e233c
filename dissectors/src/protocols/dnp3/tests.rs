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

proptest! {
    #[test]
    fn anything_is_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        dnp3().segment(Side::A, &bytes);
        Rig::udp(&DNP3).datagram(Side::B, &bytes);
        prop_assert!(!matches!(dnp3().probe(&bytes), Verdict::Bits(32..)));
        dnp3().finish(Ending::Closed);
    }
}
