//! Conversations, told message by message.

use super::*;
use crate::rig::{Rig, hex};
use base64::prelude::{BASE64_STANDARD, Engine};
use proptest::prelude::*;

const CHALLENGE: &str = "RTSP/1.0 401 Unauthorized\r\nCSeq: 2\r\nServer: Rtsp Server/3.0\r\n\
    WWW-Authenticate: Digest realm=\"Login to 4K049EBPAG1D7E7\", nonce=\"1\"\r\nWWW-Authenticate: Basic realm=\"x\"\r\n\r\n";

fn describe(number: u32) -> String {
    format!("DESCRIBE rtsp://admin:hunter2@10.0.0.2/live/ch1 RTSP/1.0\r\nCSeq: {number}\r\nUser-Agent: IMCP\r\n\r\n")
}

fn described(number: u32, description: &str) -> String {
    let length = description.len();
    format!(
        "RTSP/1.0 200 OK\r\nCSeq: {number}\r\nContent-Type: application/sdp\r\nContent-Length: {length}\r\n\r\n{description}"
    )
}

const DESCRIPTION: &str = "v=0\r\no=VSTC 0 1 IN IP4 10.0.0.2\r\ns=ONVIF RTSP Server\r\ni=two streams\r\n\
    a=tool:LIVE555 Streaming Media v2016.11.28\r\nm=video 0 RTP/AVP 96\r\ni=not this\r\na=rtpmap:96 H265/90000\r\n\
    a=control:video\r\nm=audio 0 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\nm=application 0 RTP/AVP 107\r\n\
    a=rtpmap:107 vnd.onvif.metadata/90000";

fn story(segments: &[(Side, &str)]) -> Vec<String> {
    let mut rig = Rig::tcp(&RTSP);
    for (side, bytes) in segments {
        rig.segment(*side, bytes.as_bytes());
    }
    rig.story()
}

fn frame(channel: u8, content: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(content.len()).expect("frames are short").to_be_bytes();
    [&[b'$', channel, high, low], content].concat()
}

#[test]
fn a_camera_and_its_client_tell_what_they_are() {
    let told = story(&[
        (Side::A, &describe(2)),
        (Side::B, CHALLENGE),
        (Side::A, &describe(3).replace("User-Agent", "Authorization: Digest username=\"admin\"\r\nUser-Agent")),
        (Side::B, &described(3, DESCRIPTION)),
    ]);
    let expected = [
        "B serves",
        "A request DESCRIBE",
        "10.0.0.1 rtsp.user_agent = IMCP",
        "B serves",
        "B response 401 exception",
        "10.0.0.2 rtsp.server = Rtsp Server/3.0",
        "10.0.0.2 rtsp.realm = Login to 4K049EBPAG1D7E7",
        "10.0.0.2 rtsp.realm = x",
        "10.0.0.2 rtsp.authenticate = digest, basic",
        "10.0.0.1 logs in to 10.0.0.2 by url as admin, unknown, cleartext (frame 1)",
        "B serves",
        "A request DESCRIBE",
        "10.0.0.2 rtsp.authorization = digest",
        "B serves",
        "B response 200",
        "10.0.0.1 logs in to 10.0.0.2 by url as admin, accepted, cleartext (frame 3)",
        "10.0.0.2 rtsp.path = /live/ch1",
        "10.0.0.2 rtsp.origin = VSTC",
        "10.0.0.2 rtsp.session_name = ONVIF RTSP Server",
        "10.0.0.2 rtsp.session_information = two streams",
        "10.0.0.2 rtsp.tool = LIVE555 Streaming Media v2016.11.28",
        "10.0.0.2 rtsp.media = video H265, audio PCMA, application vnd.onvif.metadata",
    ];
    assert_eq!(told, expected);
    assert!(!told.concat().contains("hunter2"));
}

#[test]
fn a_description_may_come_without_its_type_and_in_any_pieces() {
    let untyped = described(2, DESCRIPTION).replace("Content-Type: application/sdp\r\n", "");
    let whole = story(&[(Side::A, &describe(2)), (Side::B, &untyped)]);
    assert!(whole.contains(&"10.0.0.2 rtsp.session_name = ONVIF RTSP Server".to_owned()), "{whole:?}");
    let other = described(2, DESCRIPTION).replace("application/sdp", "text/plain");
    let told = story(&[(Side::A, &describe(2)), (Side::B, &other), (Side::B, "RTSP/1.0 404 No\r\n\r\n")]);
    assert!(!told.concat().contains("session_name"), "{told:?}");
    assert_eq!(told.last().map(String::as_str), Some("B response 404 exception"));
    let announce = format!(
        "ANNOUNCE rtsp://10.0.0.2/live RTSP/1.0\r\nCSeq: 1\r\nContent-Type: application/sdp ;x=y\r\nContent-Length: {}\r\n\r\n{DESCRIPTION}",
        DESCRIPTION.len()
    );
    let told = story(&[(Side::A, &announce)]);
    assert!(told.contains(&"10.0.0.1 rtsp.session_name = ONVIF RTSP Server".to_owned()), "{told:?}");
}

#[test]
fn keys_are_told_of_and_never_told() {
    let keyed = "s=x\nm=video 0 RTP/SAVP 96\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj\n\
        a=key-mgmt:mikey AQAFgM0XflABAAAAAAAAAAAAAAsAyO\n";
    let told = story(&[(Side::A, &describe(2)), (Side::B, &described(2, keyed))]);
    assert!(told.contains(&"10.0.0.2 rtsp.media_keys = AES_CM_128_HMAC_SHA1_80, mikey".to_owned()), "{told:?}");
    assert!(!told.concat().contains("d0Rm") && !told.concat().contains("AQAF"));
}

/// A request with a header, or without one.
fn asked(method: &str, target: &str, number: u32, header: &str) -> String {
    let end = if header.is_empty() { "\r\n" } else { "\r\n\r\n" };
    format!("{method} {target} RTSP/1.0\r\nCSeq: {number}\r\n{header}{end}")
}

/// What some exchanges of a method, a header and an answer tell of logins and of what stands open.
fn access(target: &str, exchanges: &[(&str, &str, &str)]) -> Vec<String> {
    let mut rig = Rig::tcp(&RTSP);
    for (number, (method, header, answer)) in (1..).zip(exchanges) {
        rig.segment(Side::A, asked(method, target, number, header).as_bytes());
        let (status, rest) = answer.split_once("\r\n").unwrap_or((answer, ""));
        rig.segment(Side::B, format!("RTSP/1.0 {status}\r\nCSeq: {number}\r\n{rest}\r\n").as_bytes());
    }
    let lines = rig.finish(Ending::Unseen).story().into_iter();
    lines.filter(|line| line.contains(" logs in") || line.contains(" is lax")).collect()
}

const STREAM: &str = "rtsp://10.0.0.2/live";
const BASIC: &str = "Authorization: Basic YWRtaW46YTpi";
const DIGEST: &str = "Authorization: Digest username=\"admin\", realm=\"IP Camera, north\", nonce=\"n\", \
    uri=\"rtsp://10.0.0.2/live\", response=\"8ca523f5e9506fed4657c9700eebdbec\"";

#[test]
fn a_login_is_told_with_what_the_answer_makes_of_it() {
    let challenge = "401 No\r\nWWW-Authenticate: Digest realm=\"r\", nonce=\"n\"\r\n";
    let stale = "401 No\r\nWWW-Authenticate: Basic realm=\"r\"\r\nWWW-Authenticate: Digest nonce=\"m\", stale=TRUE\r\n";
    for (header, answer, told) in [
        (BASIC, "200 OK", "by basic as admin, accepted, cleartext"),
        (BASIC, "401 No", "by basic as admin, rejected, cleartext"),
        (BASIC, "404 No", "by basic as admin, unknown, cleartext"),
        (DIGEST, "200 OK", "by digest_md5 as admin in IP Camera, north, accepted, hash"),
        (DIGEST, challenge, "by digest_md5 as admin in IP Camera, north, rejected, hash"),
        (DIGEST, stale, "by digest_md5 as admin in IP Camera, north, unknown, hash"),
        ("Authorization: Bearer a.b.c", "200 OK", "by bearer, accepted, cleartext"),
    ] {
        let expected = format!("10.0.0.1 logs in to 10.0.0.2 {told} (frame 1)");
        assert_eq!(access(STREAM, &[("DESCRIBE", header, answer)]), [expected], "{answer}");
    }
    assert!(access(STREAM, &[("DESCRIBE", "", challenge)]).is_empty(), "nothing was sent that could be refused");
    let told = access(STREAM, &[("OPTIONS", BASIC, "200 OK")]).concat();
    assert!(told.contains("unknown"), "that is told to everybody: {told}");
}

#[test]
fn a_login_in_an_address_is_told_even_beside_another() {
    let target = "rtsp://admin:12345@10.0.0.2/live";
    let in_url = |outcome| format!("10.0.0.1 logs in to 10.0.0.2 by url as admin, {outcome}, cleartext (frame 1)");
    assert_eq!(access(target, &[("DESCRIBE", "", "200 OK")]), [in_url("accepted")]);
    let told = access(target, &[("DESCRIBE", DIGEST, "200 OK")]);
    assert_eq!(told[0], in_url("unknown"));
    assert!(told[1].contains("by digest_md5 as admin") && told.len() == 2, "{told:?}");
}

#[test]
fn a_login_without_an_answer_is_told_at_the_end() {
    let mut rig = Rig::tcp(&RTSP);
    rig.segment(Side::A, asked("DESCRIBE", STREAM, 1, BASIC).as_bytes());
    let told = rig.finish(Ending::Closed).story();
    assert!(told.iter().any(|line| line.ends_with("by basic as admin, unknown, cleartext (frame 1)")), "{told:?}");
}

#[test]
fn what_is_served_without_a_login_stands_open() {
    let lax = |what| format!("10.0.0.2 is lax to 10.0.0.1: NoLogin, {what}");
    let (describe, setup, play) = (("DESCRIBE", "", "200 OK"), ("SETUP", "", "200 OK"), ("PLAY", "", "200 OK"));
    let told = [lax("stream description"), lax("live video")];
    assert_eq!(access(STREAM, &[describe, setup, play]), told);
    assert_eq!(access(STREAM, &[setup, ("RECORD", "", "200 OK")]), [lax("recording")]);
    assert!(access(STREAM, &[play]).is_empty(), "the login may stand before the capture's beginning");
    let login = ("DESCRIBE", "Authorization: Own x", "200 OK");
    assert!(access(STREAM, &[login, setup, play]).is_empty(), "some servers ask once");
    assert!(access("rtsp://10.0.0.2/live?token=x", &[describe, setup, play]).is_empty());
    assert!(
        access(STREAM, &[("OPTIONS", "", "200 OK"), ("DESCRIBE", "", "401 No"), ("SETUP", "", "454 No")]).is_empty()
    );
}

#[test]
fn a_key_that_anybody_can_read_is_an_exposure() {
    for (line, is_exposed) in [
        ("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj|2^20|1:4", true),
        ("k=base64:d0RmdmcmVCspeEc3QGZi", true),
        ("k=prompt", false),
        ("a=key-mgmt:mikey AQAFgM0XflABAAAA", false),
        ("a=fingerprint:SHA-1 4A:AD", false),
    ] {
        let keyed = described(2, &format!("s=x\nm=video 0 RTP/SAVP 96\n{line}\n"));
        let told = story(&[(Side::A, &describe(2)), (Side::B, &keyed)]);
        let is_told = told.contains(&"10.0.0.2 is lax to 10.0.0.1: Key, media key".to_owned());
        assert_eq!(is_told, is_exposed, "{line}: {told:?}");
        assert!(!told.concat().contains("d0Rm"), "{told:?}");
    }
}

#[test]
fn answers_are_paired_by_number_and_a_path_is_told_when_it_was_served() {
    let play = |number: u32, path: &str| format!("PLAY rtsp://10.0.0.2/{path} RTSP/1.0\r\nCSeq: {number}\r\n\r\n");
    let mut rig = Rig::tcp(&RTSP);
    rig.segment(Side::A, format!("{}{}{}", play(7, "live/1"), play(8, "live/2"), play(9, "live/3")).as_bytes());
    rig.segment(Side::B, b"RTSP/1.0 200 OK\r\nCSeq: 8\r\n\r\nRTSP/1.0 100 Continue\r\nCSeq: 7\r\n\r\n");
    rig.segment(Side::B, b"RTSP/1.0 404 No\r\nCSeq: 7\r\n\r\nRTSP/1.0 200 OK\r\nCSeq: 99\r\n\r\n");
    let told: Vec<_> = rig.story().into_iter().filter(|line| line.contains("path")).collect();
    assert_eq!(told, ["10.0.0.2 rtsp.path = /live/2"]);
    assert_eq!(rig.wait(31).story(), ["A request PLAY unanswered since frame 1"]);
}

#[test]
fn who_serves_is_known_by_what_only_a_client_asks() {
    let ping = "OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n";
    let told = story(&[(Side::A, &describe(2)), (Side::B, ping), (Side::A, "RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n")]);
    assert!(told.iter().all(|line| line != "A serves"), "{told:?}");
    assert_eq!(story(&[(Side::B, ping)])[0], "A serves", "as far as is known");
    assert_eq!(story(&[(Side::B, "REDIRECT rtsp://x/ RTSP/1.0\r\nCSeq: 1\r\n\r\n")])[0], "B serves");
}

#[test]
fn what_changes_a_device_is_an_action() {
    let asked = [
        "SET_PARAMETER rtsp://10.0.0.2/live RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 9\r\n\r\nbarparm: ",
        "SET_PARAMETER rtsp://10.0.0.2/live RTSP/1.0\r\nCSeq: 2\r\n\r\n",
        "RECORD rtsp://10.0.0.2/live RTSP/1.0\r\nCSeq: 3\r\n\r\n",
        "TEARDOWN rtsp://10.0.0.2/live RTSP/1.0\r\nCSeq: 4\r\n\r\n",
    ];
    let answers =
        "RTSP/1.0 451 No\r\nCSeq: 1\r\n\r\nRTSP/1.0 200 OK\r\nCSeq: 2\r\n\r\nRTSP/1.0 200 OK\r\nCSeq: 3\r\n\r\n";
    let told = story(&[(Side::A, &asked.concat()), (Side::B, answers)]);
    let actions: Vec<_> = told.iter().filter(|line| line.contains(" by ")).collect();
    let expected =
        ["A config by SET_PARAMETER: /live, rejected (frame 1)", "A operate by RECORD: /live, accepted (frame 1)"];
    assert_eq!(actions, expected);
    let control: Vec<_> = told.iter().filter(|line| line.ends_with("control")).collect();
    assert_eq!(control, ["A request SET_PARAMETER control", "A request RECORD control"]);
}

#[test]
fn frames_are_passed_over_and_the_first_reports_say_who_sends() {
    let mut report = hex("80 c9 0001 11223344  81 ca 0003 11223344");
    report.extend(b"\x01\x03cam\0\0\0");
    let mut rig = Rig::tcp(&RTSP);
    let mut bytes = frame(0, &[b'$'; 1400]);
    bytes.extend(frame(1, &report));
    bytes.extend(frame(1, b"not a report"));
    bytes.extend(frame(2, &[]));
    bytes.extend(b"\r\nRTSP/1.0 200 OK\r\nCSeq: 9\r\n\r\n");
    bytes.extend(frame(3, &[0xff; 2000]));
    rig.segment(Side::B, &bytes);
    assert_eq!(rig.story(), ["10.0.0.2 rtcp.cname = cam", "B serves", "B response 200"]);
    for _ in 0..MOST_REPORTS {
        rig.segment(Side::A, &frame(1, &[0; 8]));
    }
    let mut other = report.clone();
    let end = other.len() - 4;
    other[end] = b'x';
    rig.segment(Side::A, &frame(1, &other));
    assert!(rig.story().is_empty(), "no more are looked into");
}

#[test]
fn a_header_cut_between_segments_is_put_together() {
    let whole = [frame(0, &[1; 300]), frame(2, &[2; 20]), b"RTSP/1.0 200 OK\r\nCSeq: 9\r\n\r\n".to_vec()].concat();
    for cut in 304..308 {
        let mut rig = Rig::tcp(&RTSP);
        let (front, rest) = whole.split_at(cut);
        assert_eq!(rig.segment(Side::B, front), 0, "nothing is left to be kept");
        rig.segment(Side::B, rest);
        assert_eq!(rig.story(), ["B serves", "B response 200"], "{cut}");
    }
    let mut rig = Rig::tcp(&RTSP);
    rig.segment(Side::B, &whole[..306]);
    assert_eq!(rig.lose(Side::B, 22), Footing::Segment);
    rig.segment(Side::B, b"RTSP/1.0 200 OK\r\nCSeq: 9\r\n\r\n");
    assert_eq!(rig.story(), ["B serves", "B response 200"], "its rest was lost");
}

#[test]
fn streams_beside_the_connection_are_expected_where_they_were_granted() {
    let setup = |number: u32, ports: &str| {
        format!("SETUP rtsp://x/1 RTSP/1.0\r\nCSeq: {number}\r\nTransport: RTP/AVP;unicast;client_port={ports}\r\n\r\n")
    };
    let mut rig = Rig::tcp(&RTSP);
    rig.segment(Side::A, format!("{}{}", setup(1, "5000-5001"), setup(2, "6000-6001")).as_bytes());
    let transport = "Transport: RTP/AVP;unicast;client_port=5000-5001;server_port=7000-7001;ssrc=1";
    rig.segment(Side::B, format!("RTSP/1.0 200 OK\r\nCSeq: 1\r\n{transport}\r\n\r\n").as_bytes());
    rig.segment(Side::B, b"RTSP/1.0 461 No\r\nCSeq: 2\r\n\r\n");
    assert_eq!(rig.expects(5000, 7000), Some(("rtp", Side::B)));
    assert_eq!(rig.expects(5001, 7001), Some(("rtcp", Side::B)));
    assert_eq!(rig.expects(5000, 7001), None);
    assert_eq!(rig.expects(6000, 7000), None, "it was refused");
    // Without a word of the server's the client's ports hold.
    rig.segment(Side::A, setup(3, "6000").as_bytes());
    rig.segment(Side::B, b"RTSP/1.0 200 OK\r\nCSeq: 3\r\n\r\n");
    assert_eq!(rig.expects(6001, 9999), Some(("rtcp", Side::B)));
}

#[test]
fn a_tunnel_is_read_in_both_its_connections() {
    let accept = "x-sessioncookie: x\r\nAccept: application/x-rtsp-tunnelled\r\n\r\n";
    let mut rig = Rig::tcp(&RTSP);
    rig.segment(Side::A, format!("GET /live HTTP/1.0\r\n{accept}").as_bytes());
    rig.segment(Side::B, b"HTTP/1.0 200 OK\r\nServer: cam\r\nContent-Type: application/x-rtsp-tunnelled\r\n\r\n");
    rig.segment(Side::B, [described(2, "s=Gate 3\r\n").as_bytes(), &frame(0, &[0; 90])].concat().as_slice());
    let told = rig.story();
    let expected = [
        "B serves",
        "A request GET",
        "B serves",
        "B response 200",
        "10.0.0.2 rtsp.server = cam",
        "B serves",
        "B response 200",
        "10.0.0.2 rtsp.session_name = Gate 3",
    ];
    assert_eq!(told, expected);

    // "PLAY rtsp://x/ RTSP/1.0\r\nCSeq: 2\r\n\r\n", and the same with 3.
    let play = ["UExBWSBydHNwOi8veC8gUlRTUC8xLjANCkNTZXE6IDINCg0K", "UExBWSBydHNwOi8veC8gUlRTUC8xLjANCkNTZXE6IDMNCg0K"];
    let mut rig = Rig::tcp(&RTSP);
    rig.segment(Side::A, format!("POST /live HTTP/1.0\r\n{accept}{}{}", play[0], play[1]).as_bytes());
    assert_eq!(rig.story(), ["B serves", "A request POST", "B serves", "A request PLAY", "A request PLAY"]);
    assert!(rig.wait(60).finish(Ending::Closed).story().is_empty(), "their answers go another way");
}

#[test]
fn the_halves_of_a_tunnel_are_joined_by_their_cookie() {
    let opening = |method: &str, cookie: &str| {
        format!("{method} /live HTTP/1.0\r\nx-sessioncookie: {cookie}\r\nAccept: application/x-rtsp-tunnelled\r\n\r\n")
    };
    let accepted = "HTTP/1.0 200 OK\r\nContent-Type: application/x-rtsp-tunnelled\r\n\r\n";
    let describe = BASE64_STANDARD.encode(asked("DESCRIBE", "rtsp://10.0.0.2/live", 7, BASIC));
    for (cookie, is_joined) in [("abc", true), ("abd", false)] {
        let mut rig = Rig::tcp(&RTSP);
        rig.segment(Side::A, opening("GET", "abc").as_bytes());
        rig.segment(Side::B, accepted.as_bytes());
        let answers = rig.another();
        rig.segment(Side::A, format!("{}{describe}", opening("POST", cookie)).as_bytes());
        rig.story();
        let requests = rig.resume(answers);
        rig.segment(Side::B, described(7, DESCRIPTION).as_bytes());
        let told = rig.story();
        let login = "10.0.0.1 logs in to 10.0.0.2 by basic as admin, accepted, cleartext (frame 4)".to_owned();
        assert_eq!(told.contains(&login), is_joined, "{told:?}");
        assert_eq!(told.contains(&"10.0.0.2 rtsp.path = /live".to_owned()), is_joined, "{told:?}");
        rig.resume(requests);
        let left = rig.finish(Ending::Unseen).story();
        assert_eq!(left.concat().contains("by basic as admin, unknown"), !is_joined, "{left:?}");
    }
}

#[test]
fn a_login_that_opens_a_tunnel_is_told() {
    let opening = format!("GET /live HTTP/1.0\r\n{BASIC}\r\nAccept: application/x-rtsp-tunnelled\r\n\r\n");
    let told = story(&[(Side::A, &opening), (Side::B, "HTTP/1.0 401 No\r\nContent-Length: 0\r\n\r\n")]);
    let login = "10.0.0.1 logs in to 10.0.0.2 by basic as admin, rejected, cleartext (frame 1)".to_owned();
    assert!(told.contains(&login), "{told:?}");
}

/// A frame of a WebSocket, as a client sends it if there is a mask.
fn socket(content: &[u8], mask: Option<[u8; 4]>) -> Vec<u8> {
    let bit = if mask.is_some() { 0x80 } else { 0 };
    let [high, low] = u16::try_from(content.len()).expect("frames are short").to_be_bytes();
    let mut frame = vec![0x82, bit | 0x7e, high, low];
    frame.extend(mask.unwrap_or_default().iter().take(if mask.is_some() { 4 } else { 0 }));
    frame.extend(content.iter().zip(mask.unwrap_or_default().iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// ONVIF Streaming specification, 5.1.1.5.
#[test]
fn frames_of_a_websocket_hold_it_all() {
    let protocol = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Protocol: rtsp.onvif.org\r\n\r\n";
    let mask = Some([7, 0, 0xff, 0x24]);
    let request = |method: &str, number| socket(asked(method, STREAM, number, BASIC).as_bytes(), mask);
    let video = frame(0, &[b'$'; 3000]);
    let (front, rest) = video.split_at(1000);
    let mut rig = Rig::tcp(&RTSP);
    rig.segment(Side::A, format!("GET /ws HTTP/1.1\r\n{protocol}").as_bytes());
    rig.segment(Side::B, format!("HTTP/1.1 101 Switching Protocols\r\n{protocol}").as_bytes());
    rig.segment(Side::A, &request("DESCRIBE", 1));
    let answer = described(1, DESCRIPTION);
    let (head, description) = answer.as_bytes().split_at(150);
    rig.segment(Side::B, &[socket(head, None), socket(description, None)].concat());
    rig.segment(Side::B, &[socket(front, None), socket(rest, None), vec![0x89, 2, 0, 0]].concat());
    rig.segment(Side::A, &request("PLAY", 2));
    let last = [b"RTSP/1.0 200 OK\r\nCSeq: 2\r\n\r\n", frame(0, &[1; 90]).as_slice()].concat();
    rig.segment(Side::B, &socket(&last, None));
    let told = rig.story();
    for line in [
        "B response 101",
        "A request DESCRIBE",
        "10.0.0.1 logs in to 10.0.0.2 by basic as admin, accepted, cleartext (frame 3)",
        "10.0.0.2 rtsp.session_name = ONVIF RTSP Server",
        "A request PLAY",
    ] {
        assert!(told.contains(&line.to_owned()), "{line}: {told:?}");
    }
    assert_eq!(told.iter().filter(|line| *line == "B response 200").count(), 2, "{told:?}");
    assert!(!told.concat().contains("stops"), "{told:?}");
    // Behind a hole video is found in the midst of it.
    rig.lose(Side::B, 500);
    rig.segment(Side::B, &[frame(0, &[1; 90]), socket(b"RTSP/1.0 200 OK\r\nCSeq: 3\r\n\r\n", None)].concat());
    assert_eq!(rig.story(), ["B serves", "B response 200"]);
}

#[test]
fn datagrams_hold_whole_messages() {
    let mut rig = Rig::udp(&RTSP);
    rig.datagram(Side::A, describe(2).as_bytes());
    rig.datagram(Side::B, CHALLENGE.as_bytes());
    rig.datagram(Side::B, b"RTSP/1.0 200 OK\r\nCSeq: 2\r\n");
    let told = rig.story();
    assert!(told.contains(&"10.0.0.2 rtsp.server = Rtsp Server/3.0".to_owned()), "{told:?}");
    assert!(told.last().is_some_and(|line| line.starts_with("B stops")), "{told:?}");
}

#[test]
fn other_protocols_and_odd_lengths_are_refused() {
    for text in ["GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n", "\u{1}\r\n", "RTSP/1.0 OK\r\n\r\n"] {
        let told = story(&[(Side::A, text)]);
        let refused = "A stops: neither a request line nor a status line of RTSP nor a frame at byte 0";
        assert_eq!(told, [refused], "{text:?}");
    }
    let told = story(&[(Side::A, "OPTIONS * RTSP/1.0\r\nContent-Length: x\r\n\r\n")]);
    assert_eq!(told, ["A stops: Content-Length is not a number at byte 20"]);
}

#[test]
fn what_is_lost_is_neither_answered_nor_missing() {
    let mut rig = Rig::tcp(&RTSP);
    rig.segment(Side::A, describe(2).as_bytes());
    let front = described(2, DESCRIPTION);
    rig.segment(Side::B, &front.as_bytes()[..front.len() - 100]);
    assert_eq!(rig.lose(Side::B, 100), Footing::Segment);
    rig.segment(Side::A, describe(3).as_bytes());
    assert_eq!(rig.lose(Side::B, 1000), Footing::Segment);
    rig.story();
    assert!(!rig.wait(60).story().concat().contains("unanswered"));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(
        segments in prop::collection::vec((any::<bool>(), prop_oneof![
            prop::collection::vec(any::<u8>(), 1..60),
            "(PLAY|DESCRIBE|ANNOUNCE) rtsp://a:b@c/[ -~]{0,9} RTSP/1.0\r\nContent-Length: [0-9]{1,3}\r\n\r\n".prop_map(String::into_bytes),
            "RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Type: application/sdp\r\nContent-Length: 40\r\n\r\n[a-z]=[ -~\r\n]{0,60}".prop_map(String::into_bytes),
            "\\$[\u{0}-\u{3}]\u{0}[\u{0}-\u{7f}]{1,40}".prop_map(String::into_bytes),
        ]), 1..20),
    ) {
        let mut rig = Rig::tcp(&RTSP);
        for (is_a, bytes) in segments {
            rig.segment(if is_a { Side::A } else { Side::B }, &bytes);
        }
        rig.wait(60).finish(Ending::Closed);
    }
}
