//! Handshakes, record by record.

use super::DTLS;
use crate::dissector::{Ending, Side, Verdict};
use crate::observation::Transport;
use crate::rig::{Rig, hex};

const RANDOM: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// A record of the first epoch.
fn record(kind: u8, content: &[u8]) -> Vec<u8> {
    record_of(kind, 0, content)
}

fn record_of(kind: u8, epoch: u16, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).expect("it is short").to_be_bytes();
    [&[kind, 0xfe, 0xfd][..], &epoch.to_be_bytes(), &[0; 6], &length, content].concat()
}

fn long(number: usize) -> Vec<u8> {
    u32::try_from(number).expect("it is short").to_be_bytes()[1..].to_vec()
}

/// A piece of a message, with its head.
fn piece(kind: u8, sequence: u8, body: &[u8], range: std::ops::Range<usize>) -> Vec<u8> {
    let (length, offset, count) = (long(body.len()), long(range.start), long(range.len()));
    [&[kind][..], &length, &[0, sequence], &offset, &count, &body[range]].concat()
}

fn message(kind: u8, sequence: u8, body: &[u8]) -> Vec<u8> {
    record(22, &piece(kind, sequence, body, 0..body.len()))
}

fn client_hello(cookie: &str) -> Vec<u8> {
    //                version        session cookie ciphers  compression
    hex(&format!("fefd {RANDOM} 00 {:02x} {cookie} 0004 c02bc02f 0100", cookie.len() / 2))
}

fn server_hello(version: &str) -> Vec<u8> {
    let extension = if version.is_empty() { String::new() } else { format!("0006 002b 0002 {version}") };
    hex(&format!("fefd {RANDOM} 00 c02b 00 {extension}"))
}

/// From port 40000 to a server at port 5684.
fn rig() -> Rig {
    Rig::udp(&DTLS).with_ports(40_000, 5684)
}

fn probe(front: &[u8]) -> Verdict {
    (DTLS.probe)(front, Transport::Udp)
}

#[test]
fn a_handshake_with_a_cookie_is_told_when_both_encrypt() {
    let mut rig = rig();
    rig.datagram(Side::A, &message(1, 0, &client_hello("")));
    rig.datagram(Side::B, &message(3, 0, &hex("feff 02 aabb")));
    rig.datagram(Side::A, &message(1, 1, &client_hello("aabb")));
    rig.datagram(Side::B, &[message(2, 1, &server_hello("")), message(14, 2, &[])].concat());
    rig.datagram(Side::A, &[record(20, &[1]), record_of(22, 1, &[0; 40])].concat());
    rig.datagram(Side::B, &[record(20, &[1]), record_of(22, 1, &[0; 40])].concat());
    rig.finish(Ending::Unseen);
    let story = rig.story();
    assert_eq!(story[..5], ["B serves", "A request 1", "B response 3", "B serves", "A request 1"], "{story:#?}");
    assert_eq!(story[5..8], ["B serves", "B response 2", "B response 14"], "{story:#?}");
    let told = story.iter().filter(|line| line.contains("0xfefd")).count();
    assert_eq!((told, story.len()), (1, 9), "{story:#?}");
}

#[test]
fn version_1_3_hides_what_follows_the_servers_hello() {
    let mut rig = rig();
    rig.datagram(Side::A, &message(1, 0, &client_hello("")));
    rig.datagram(Side::B, &[message(2, 0, &server_hello("fefc")), hex("2e 1234 0010"), vec![0; 16]].concat());
    let story = rig.story();
    assert!(story.iter().any(|line| line.contains("0xfefc")), "{story:#?}");
}

#[test]
fn a_message_in_fragments_is_put_together_once() {
    let body = server_hello("");
    let (one, two) = (piece(2, 1, &body, 0..20), piece(2, 1, &body, 20..body.len()));
    let mut rig = rig();
    // The first twice; the second once too early, which helps nobody.
    for part in [&two, &one, &one, &two] {
        rig.datagram(Side::B, &record(22, part));
    }
    rig.finish(Ending::Unseen);
    let story = rig.story();
    assert_eq!(story.iter().filter(|line| *line == "B response 2").count(), 1, "{story:#?}");
    assert!(story.iter().any(|line| line.contains("0xfefd")), "{story:#?}");
}

#[test]
fn fragments_of_another_message_are_not_mixed_in() {
    let body = server_hello("");
    let mut rig = rig();
    rig.datagram(Side::B, &record(22, &piece(2, 1, &body, 0..20)));
    rig.datagram(Side::B, &record(22, &piece(2, 2, &body, 20..body.len())));
    rig.finish(Ending::Unseen);
    assert!(rig.story().is_empty(), "{:#?}", rig.story());
}

#[test]
fn what_began_before_the_capture_tells_nothing() {
    let mut rig = rig();
    rig.datagram(Side::A, &record_of(23, 1, &[0; 40]));
    rig.finish(Ending::Unseen);
    assert!(rig.story().is_empty(), "{:#?}", rig.story());
}

#[test]
fn structure_names_it_and_nothing_less() {
    assert_eq!(probe(&message(1, 0, &client_hello(""))), Verdict::Bits(64));
    assert_eq!(probe(&message(3, 0, &hex("feff 02 aabb"))), Verdict::Bits(64));
    assert_eq!(probe(&record_of(23, 1, &[0; 40])), Verdict::Bits(36));
    let two = [record_of(22, 1, &[0; 40]), record_of(23, 1, &[0; 9])].concat();
    assert_eq!(probe(&two), Verdict::Bits(36));
    assert_eq!(probe(&two[..two.len() - 1]), Verdict::NotMine);
    //                  type version
    assert_eq!(probe(&hex("16 0303 0000 000000000000 0000")), Verdict::NotMine);
    assert_eq!((DTLS.probe)(&record_of(23, 1, &[0; 40]), Transport::Tcp), Verdict::NotMine);
}

#[test]
fn every_prefix_of_a_datagram_is_malformed() {
    let whole = message(1, 0, &client_hello("aabb"));
    for end in 1..whole.len() {
        let mut rig = rig();
        rig.datagram(Side::A, &whole[..end]);
        assert!(!rig.story().iter().any(|line| line.contains("request")), "{end}");
    }
}
