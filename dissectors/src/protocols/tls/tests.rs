//! Handshakes, record by record. The certificate is one that openssl made for these tests.

use super::TLS;
use crate::certificate::Certificate;
use crate::dissector::{Ending, Side, Verdict};
use crate::rig::{Rig, hex};
use crate::time::Timestamp;

/// C=SE, CN=camera: a key on P-256, signed by itself with ECDSA and SHA-256.
const CAMERA: &str = "
    308201b43082015ba0030201020214136fbd796c042b174ecf2ec31dd040630e88ee5f300a06082a8648ce3d040302301e31
    0b3009060355040613025345310f300d06035504030c0663616d657261301e170d3236313133303036333731335a170d3336
    313132373036333731335a301e310b3009060355040613025345310f300d06035504030c0663616d6572613059301306072a
    8648ce3d020106082a8648ce3d030107034200040ab0d50f9f262713a1287dfbcf494c3f888d6a1de8387174723c4dbb25b6
    5d322d0ef4be24e4cd9954333460eced19c9f5db544ce480b8732551b56eb4a64550a3773075301d0603551d0e0416041495
    eacdd8f1ab685a86567bc496acc614df50e78c301f0603551d2304183016801495eacdd8f1ab685a86567bc496acc614df50
    e78c300f0603551d130101ff040530030101ff30220603551d11041b3019820a63616d6572612e6c616287040a0000028605
    75726e3a78300a06082a8648ce3d040302034700304402201d1256e5668a44c2db8937a763bf24b100c562b4d43b296090fa
    e81d1417d3f9022038eb2d989074fb9909f610c68201dc701fecce54b19f0a54375f3207b99a31e8
";

/// A record: its type, and its content.
fn record(kind: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).expect("it is short").to_be_bytes();
    [&[kind, 3, 3][..], &length, content].concat()
}

/// A handshake message in a record of its own.
fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    record(22, &handshake(kind, body))
}

fn handshake(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).expect("it is short").to_be_bytes();
    [&[kind][..], &length[1..], body].concat()
}

const RANDOM: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const RETRY: &str = "cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c";

/// Asks camera.lab for http/1.1 by 1.3 or 1.2.
fn client_hello() -> Vec<u8> {
    //   version        session ciphers        compression
    let front = format!("0303 {RANDOM} 00 0006 1301c02f0a0a 0100");
    //                 type length  list name length     name
    let extensions = "  0000 000f  000d 00 000a 63616d6572612e6c6162
                        0010 000b  0009 08 687474702f312e31
                        002b 0005  04 0304 0303";
    let extensions = hex(extensions);
    let length = u16::try_from(extensions.len()).expect("it is short").to_be_bytes();
    message(1, &[hex(&front), length.to_vec(), extensions].concat())
}

fn server_hello(random: &str, cipher: &str, extensions: &str) -> Vec<u8> {
    let length = extensions.chars().filter(char::is_ascii_hexdigit).count() / 2;
    message(2, &hex(&format!("0303 {random} 00 {cipher} 00 {length:04x} {extensions}")))
}

fn chain(certificates: &[Vec<u8>]) -> Vec<u8> {
    let long = |bytes: &[u8]| u32::try_from(bytes.len()).expect("it is short").to_be_bytes()[1..].to_vec();
    let list: Vec<u8> = certificates.iter().flat_map(|der| [long(der), der.clone()].concat()).collect();
    [long(&list), list].concat()
}

/// From port 40000 to a server at port 443.
fn rig() -> Rig {
    Rig::tcp(&TLS).with_ports(40_000, 443)
}

#[test]
fn what_was_agreed_is_told_and_1_3_ends_there() {
    let mut rig = rig();
    rig.segment(Side::A, &client_hello());
    rig.segment(Side::B, &[server_hello(RANDOM, "1301", "002b 0002 0304"), record(23, &[0; 64])].concat());
    rig.finish(Ending::Closed);
    assert_eq!(
        rig.story(),
        [
            "B serves",
            "A request 1",
            "B serves",
            "B response 2",
            "10.0.0.1 to 10.0.0.2:443: 0x0304 0x1301 camera.lab -, certificate Some(false)",
            "B has told enough",
        ]
    );
}

/// RFC 8446, 4.1.4 and D.4: the server's word of another cipher change means nothing.
#[test]
fn a_hello_that_asks_for_another_one_is_not_the_answer() {
    let mut rig = rig();
    rig.segment(Side::A, &client_hello());
    rig.segment(Side::B, &[server_hello(RETRY, "1301", "002b 0002 0304"), record(20, &[1])].concat());
    rig.segment(Side::A, &[record(20, &[1]), client_hello()].concat());
    rig.segment(Side::B, &server_hello(RANDOM, "1302", "002b 0002 0304"));
    let story = rig.story();
    let told: Vec<_> = story.iter().filter(|line| line.contains(" to ")).collect();
    assert_eq!(told, ["10.0.0.1 to 10.0.0.2:443: 0x0304 0x1302 camera.lab -, certificate Some(false)"], "{story:?}");
}

/// The same where the capture shows the client alone.
#[test]
fn a_second_hello_is_read_behind_the_word_that_the_client_encrypts() {
    let mut rig = rig();
    rig.segment(Side::A, &client_hello());
    rig.segment(Side::A, &[record(20, &[1]), client_hello(), record(22, &[0xab; 40])].concat());
    assert_eq!(rig.story().iter().filter(|line| *line == "A request 1").count(), 2);
}

/// RFC 7918: a client may send data before it has heard the server's last word.
#[test]
fn early_data_of_a_client_does_not_end_the_server_s_handshake() {
    let mut rig = rig();
    rig.segment(Side::A, &client_hello());
    rig.segment(Side::B, &[server_hello(RANDOM, "c02f", ""), message(14, &[])].concat());
    rig.segment(Side::A, &[message(16, &[0; 4]), record(20, &[1]), record(22, &[0; 40]), record(23, &[0; 9])].concat());
    rig.segment(Side::B, &[message(4, &[0; 8]), record(20, &[1])].concat());
    assert!(rig.story().contains(&"B response 4".to_owned()));
}

#[test]
fn before_1_3_certificates_are_seen_and_both_sides_have_to_encrypt() {
    let mut rig = rig();
    rig.segment(Side::A, &client_hello());
    let flight = [
        handshake(2, &hex(&format!("0303 {RANDOM} 00 c02f 00 000f 0010 000b 0009 08 687474702f312e31"))),
        handshake(11, &chain(&[hex(CAMERA), b"no certificate".to_vec()])),
        handshake(14, &[]),
    ];
    // All in one message's records, cut where no message ends.
    let flight = flight.concat();
    let (one, other) = flight.split_at(200);
    let cut = [record(22, one), record(22, other)].concat();
    assert_eq!(rig.segment(Side::B, &cut[..300]), 300, "it waits for the rest");
    rig.segment(Side::B, &cut);
    rig.segment(Side::A, &[message(16, &[0; 4]), record(20, &[1]), record(22, &[0xab; 40])].concat());
    rig.segment(Side::B, &[message(4, &[0; 8]), record(20, &[1]), record(22, &[0xcd; 40])].concat());
    assert_eq!(
        rig.story(),
        [
            "B serves",
            "A request 1",
            "B serves",
            "B response 2",
            "B response 11",
            "B response 14",
            "10.0.0.2 tls.certificate_subject = C=SE, CN=camera",
            "10.0.0.2 tls.certificate_issuer = C=SE, CN=camera",
            "10.0.0.2 shows certificate 1 of 2 at 443: C=SE, CN=camera, 136FBD796C042B174ECF2EC31DD040630E88EE5F, \
         [\"camera.lab\", \"10.0.0.2\", \"urn:x\"]",
            "A request 16",
            "B response 4",
            "10.0.0.1 to 10.0.0.2:443: 0x0303 0xc02f camera.lab http/1.1, certificate Some(true)",
            "B has told enough",
        ]
    );
}

#[test]
fn a_refusal_in_the_clear_is_an_exception_and_what_was_asked_is_told_at_the_end() {
    let mut rig = rig();
    rig.segment(Side::A, &client_hello());
    rig.segment(Side::B, &record(21, &[2, 40]));
    rig.finish(Ending::Closed);
    assert_eq!(
        rig.story()[2..],
        ["B response alert exception", "10.0.0.1 to 10.0.0.2:443: - - camera.lab -, certificate None",]
    );
}

/// Mid-stream nothing is told but that it is there.
#[test]
fn application_data_is_enough() {
    let mut rig = rig();
    rig.segment(Side::B, &[record(23, &[0; 5]), record(23, &[0; 5])].concat());
    assert_eq!(rig.story(), ["B has told enough"]);
}

#[test]
fn hellos_name_a_flow_at_once_and_other_records_by_two() {
    let rig = rig();
    assert!(matches!(rig.probe(&client_hello()), Verdict::Bits(32..)));
    assert!(matches!(rig.probe(&server_hello(RANDOM, "c02f", "")), Verdict::Bits(32..)));
    let data = record(23, &[7; 30]);
    assert!(matches!(rig.probe(&data), Verdict::Bits(..32)));
    assert!(matches!(rig.probe(&[data.clone(), data].concat()), Verdict::Bits(32..)));
    assert_eq!(rig.probe(&hex("17 0303 0002 abcd 99 0303 0001")), Verdict::NotMine);
    assert_eq!(rig.probe(&hex("17 0303 ffff")), Verdict::NotMine, "no record is as long");
    assert_eq!(rig.probe(b"GET / HTTP/1.1"), Verdict::NotMine);
    assert_eq!(rig.probe(&hex("16 0301")), Verdict::More);
}

/// As `openssl x509 -text` shows it.
#[test]
fn a_certificate_says_what_openssl_says_of_it() {
    let certificate = Certificate::read(&hex(CAMERA), 0, 1).expect("a certificate");
    let at = |seconds: i64| Some(Timestamp::from_nanos(seconds * 1_000_000_000));
    assert_eq!(certificate.not_before, at(1_796_020_633));
    assert_eq!(certificate.not_after, at(2_111_380_633));
    assert_eq!((certificate.key_algorithm.as_str(), certificate.key_bits), ("1.2.840.10045.2.1", Some(256)));
    assert_eq!(certificate.signature_algorithm, "1.2.840.10045.4.3.2");
    assert!(certificate.is_self_signed);
    assert_eq!(certificate.sha256[..4], [0xef, 0xa9, 0xa4, 0x89]);
    let der = hex(CAMERA);
    for length in 0..der.len() {
        assert_eq!(Certificate::read(&der[..length], 0, 1), None, "{length}");
    }
}
