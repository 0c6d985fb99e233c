//! Conversations in HTTP/1, told whole and in pieces.

use super::*;
use crate::dissector::{Ending, Verdict};
use crate::observation::{Address, Context, Fact, Host, Place, Transport};
use crate::out::{Action, Scene, Tallies, Told};
use crate::rig::Rig;
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr};

const GET: &str = "GET / HTTP/1.1\r\n\r\n";

/// A conversation whose segments are whole messages, told from who sends them.
fn story(segments: &[(Side, &str)]) -> Vec<String> {
    let mut rig = Rig::tcp(&HTTP);
    for (side, bytes) in segments {
        assert_eq!(rig.segment(*side, bytes.as_bytes()), 0, "{bytes:?} is whole");
    }
    rig.story()
}

/// What an answer to `GET /` tells.
fn answer(bytes: &str) -> Vec<String> {
    story(&[(Side::A, GET), (Side::B, bytes)]).split_off(2)
}

/// Whether the flow is still in step after an answer to `method`: the answer after it is seen.
fn goes_on(method: &str, bytes: &str) -> bool {
    let asked = format!("{method} / HTTP/1.1\r\n\r\n{GET}");
    let answered = format!("{bytes}HTTP/1.1 299 in step\r\nContent-Length: 0\r\n\r\n");
    let mut rig = Rig::tcp(&HTTP);
    rig.segment(Side::A, asked.as_bytes());
    rig.segment(Side::B, answered.as_bytes());
    rig.story().contains(&"B response 299".to_owned())
}

#[test]
fn a_request_tells_who_asks_and_how_it_logs_in() {
    let request = "GET /a?password=hunter2 HTTP/1.1\r\nHost: Camera-7.example:8080\r\nUser-Agent: VMS/1.0\r\n\
                   Authorization: Basic aHVudGVyMjpodW50ZXIy\r\nCookie: hunter2\r\n\r\n";
    let told = [
        "B serves",
        "A request GET",
        "10.0.0.1 http.user_agent = VMS/1.0",
        "10.0.0.2 http.authorization = basic",
        "10.0.0.2 http.cookie = sent",
        "10.0.0.2 http.host = Camera-7.example",
    ];
    assert_eq!(story(&[(Side::A, request)]), told);
}

#[test]
fn nothing_of_a_credential_is_told() {
    for authorization in [
        "Basic aHVudGVyMjpodW50ZXIy",
        "aHVudGVyMjpodW50ZXIy",
        "hunter2 hunter2",
        "Digest username=\"hunter2\"",
        "BasicaHVudGVyMjpodW50ZXIy",
        "Basic\r\n hunter2",
        "\thunter2,hunter2",
        "basic\0hunter2",
        "hunter2=hunter2",
    ] {
        let request = format!(
            "GET http://admin:hunter2@x/hunter2 HTTP/1.1\r\nHost: hunter2:hunter2@x\r\n\
             Authorization: {authorization}\r\nProxy-Authorization: {authorization}\r\nReferer: /hunter2\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 16\r\n\r\npassword=hunter2",
        );
        let told = story(&[(Side::A, &request)]).join("\n");
        assert!(told.contains("http.authorization = "), "{told}");
        assert!(!told.contains("hunter2") && !told.to_lowercase().contains("ahvu"), "{told}");
    }
}

/// What answers of these statuses make of a login.
fn logins(authorization: &str, target: &str, answers: &[&str]) -> Vec<String> {
    let request = format!("GET {target} HTTP/1.1\r\n{authorization}\r\n\r\n");
    let mut rig = Rig::tcp(&HTTP);
    for answer in answers {
        rig.segment(Side::A, request.as_bytes());
        rig.segment(Side::B, format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n").as_bytes());
    }
    rig.finish(Ending::Unseen);
    rig.story().into_iter().filter(|line| line.contains("logs in")).collect()
}

#[test]
fn a_login_is_told_with_what_the_answer_makes_of_it() {
    let basic = "Authorization: Basic YWRtaW46YTpi";
    let digest = "Authorization: Digest username=\"admin\", realm=\"r, s\", nonce=\"n\", uri=\"/\", \
                  response=\"8ca523f5e9506fed4657c9700eebdbec\"";
    let stale = "401 x\r\nWWW-Authenticate: Basic realm=\"r\"\r\nWWW-Authenticate: Digest nonce=\"m\", stale=true";
    for (authorization, target, answer, told) in [
        (basic, "/", "200 OK", "by basic as admin, accepted, cleartext"),
        (basic, "/", "100 x\r\n\r\nHTTP/1.1 200 OK", "by basic as admin, accepted, cleartext"),
        (basic, "/", "401 x", "by basic as admin, rejected, cleartext"),
        (basic, "/", "403 x", "by basic as admin, unknown, cleartext"),
        (digest, "/", "304 x", "by digest_md5 as admin in r, s, accepted, hash"),
        (digest, "/", stale, "by digest_md5 as admin in r, s, unknown, hash"),
        ("A: b", "/a?user=u&pwd=p", "200 OK", "by url as u, accepted, cleartext"),
        ("A: b", "/a?user=u&pwd=p", "401 x", "by url as u, rejected, cleartext"),
        ("A: b", "/a?user=u&pwd=p", stale, "by url as u, unknown, cleartext"),
    ] {
        let expected = format!("10.0.0.1 logs in to 10.0.0.2 {told} (frame 1)");
        assert_eq!(logins(authorization, target, &[answer]), [expected], "{answer}");
    }
}

/// A request with a body, and an answer with one.
fn exchange(rig: &mut Rig, (target, kind, body): (&str, &str, &str), (status, answer): (&str, &str)) {
    let (length, answered) = (body.len(), answer.len());
    let head = format!("POST {target} HTTP/1.1\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}");
    rig.segment(Side::A, head.as_bytes());
    rig.segment(Side::B, format!("HTTP/1.1 {status}\r\nContent-Length: {answered}\r\n\r\n{answer}").as_bytes());
}

#[test]
fn a_form_may_be_a_login_and_no_page_says_whether_it_was_right() {
    let form = ("/login.cgi", "application/x-www-form-urlencoded", "user=admin&lang=en&pwd=hunter2%21");
    for (status, outcome) in [("200 OK", "unknown"), ("302 Found", "unknown"), ("401 No", "rejected")] {
        let mut rig = Rig::tcp(&HTTP);
        exchange(&mut rig, form, (status, ""));
        let told = rig.story();
        let expected = format!("10.0.0.1 logs in to 10.0.0.2 by form as admin, {outcome}, cleartext (frame 1)");
        assert!(told.contains(&expected), "{told:?}");
        assert!(!told.concat().contains("hunter2"), "{told:?}");
    }
    let mut rig = Rig::tcp(&HTTP);
    exchange(&mut rig, ("/search", "application/x-www-form-urlencoded", "q=password"), ("200 OK", ""));
    assert!(!rig.story().concat().contains("logs in"));
}

/// The hash is made with Python's hashlib: MD5 of `admin:1234567:` and the MD5 of `admin:Login to 4K049EBPAG1D7E7:admin`, both in
/// capital letters.
#[test]
fn a_login_to_dahuas_web_interface_is_a_challenge_and_an_answer() {
    let first = r#"{"method":"global.login","params":{"userName":"admin","password":"","clientType":"Web3.0"},"id":1}"#;
    let challenge = r#"{"error":{"code":268632079},"id":1,"params":{"encryption":"Default","random":"1234567",
        "realm":"Login to 4K049EBPAG1D7E7"},"result":false,"session":77}"#;
    let second = format!(
        r#"{{"method":"global.login","params":{{"userName":"admin","password":"{DAHUA}","authorityType":"Default",
        "passwordType":"Default"}},"id":2,"session":77}}"#
    );
    for (answer, outcome) in
        [(r#"{"id":2,"result":true,"session":77}"#, "accepted"), (r#"{"result" : false}"#, "rejected")]
    {
        let mut rig = Rig::tcp(&HTTP);
        exchange(&mut rig, ("/RPC2_Login", "application/json", first), ("200 OK", challenge));
        let told = rig.story();
        assert!(told.contains(&"10.0.0.2 http.realm = Login to 4K049EBPAG1D7E7".to_owned()), "{told:?}");
        assert!(!told.concat().contains("logs in"), "nothing was sent that could be refused: {told:?}");
        rig.another();
        exchange(&mut rig, ("/RPC2_Login", "application/json", &second), ("200 OK", answer));
        let told = rig.story();
        let expected = format!(
            "10.0.0.1 logs in to 10.0.0.2 by dahua_md5 as admin in Login to 4K049EBPAG1D7E7, {outcome}, challenge (frame 3)"
        );
        assert!(told.contains(&expected), "{told:?}");
    }
    let drawn = rpc::Drawn::of(challenge.as_bytes()).expect("a challenge");
    let proof = rpc::login(second.as_bytes(), Some(&drawn)).expect("a login").proof;
    assert_eq!((proof.is_of(b"admin"), proof.is_of(b"admim")), (Some(true), Some(false)));
    let blind = rpc::login(second.as_bytes(), None).expect("a login").proof;
    assert_eq!(blind.is_of(b"admin"), None, "without what was drawn nobody can say");
}

#[test]
fn a_login_to_hikvisions_interface_is_told_with_its_answer() {
    let drawn = "<SessionLoginCap xmlns='http://www.hikvision.com/ver20/XMLSchema'><sessionID>7f</sessionID>\
        <challenge>165528821e</challenge><iterations>100</iterations><isIrreversible>true</isIrreversible>\
        <salt>366e43db</salt></SessionLoginCap>";
    let login = format!(
        "<SessionLogin><userName>admin</userName><password>{}</password><sessionID>7f</sessionID></SessionLogin>",
        "ab".repeat(32)
    );
    for (answer, outcome) in [("200", "accepted"), ("401", "rejected")] {
        let mut rig = Rig::tcp(&HTTP);
        let target = "/ISAPI/Security/sessionLogin";
        rig.segment(Side::A, format!("GET {target}/capabilities?username=admin HTTP/1.1\r\n\r\n").as_bytes());
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: {}\r\n\r\n", drawn.len());
        rig.segment(Side::B, [head.as_bytes(), drawn.as_bytes()].concat().as_slice());
        assert!(!rig.story().concat().contains("logs in"), "nothing was sent that could be refused");
        rig.another();
        let answer = format!("<SessionLogin><statusValue>{answer}</statusValue></SessionLogin>");
        exchange(&mut rig, (&format!("{target}?timeStamp=1"), "text/xml", &login), ("200 OK", &answer));
        let told = rig.story();
        let expected =
            format!("10.0.0.1 logs in to 10.0.0.2 by hikvision_sha256 as admin, {outcome}, challenge (frame 3)");
        assert!(told.contains(&expected), "{told:?}");
    }
}

const DAHUA: &str = "A4F1D408093FBA31DA1165C6F896F407";

#[test]
fn a_login_that_is_not_answered_is_told_all_the_same() {
    let mut rig = Rig::tcp(&HTTP);
    rig.segment(Side::A, b"GET / HTTP/1.1\r\nAuthorization: Basic YTpi\r\n\r\n");
    let told = rig.wait(31).story();
    assert!(told.iter().any(|line| line.ends_with("by basic as a, unknown, cleartext (frame 1)")), "{told:?}");
}

#[test]
fn the_same_login_is_told_once_and_counted() {
    assert_eq!(logins("Authorization: Basic YTpi", "/", &["200 OK"; 5]).len(), 1);
    assert_eq!(logins("Authorization: Basic YTpi", "/", &["200 OK", "401 x", "200 OK"]).len(), 2);
}

#[test]
fn a_host_is_named_only_where_it_is_the_server() {
    let asked = |target: &str, host: &str| {
        let request = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        story(&[(Side::A, &request)]).join("\n").contains("http.host")
    };
    assert!(asked("/", "camera"));
    assert!(!asked("/", "10.0.0.2") && !asked("http://camera/", "camera"));
}

#[test]
fn a_response_tells_what_the_server_calls_itself() {
    let response = "HTTP/1.1 401 Unauthorized\r\nServer: App-webs/\r\nSERVER: another\r\nX-Powered-By: PHP/5.4\r\n\
                    WWW-Authenticate: Digest realm=\"IP Camera(C2602)\", qop=\"auth,auth-int\", nonce=\"4\"\r\n\
                    WWW-Authenticate: Basic realm=\"IP Camera(C2602)\", Own\r\nContent-Length: 0\r\n\r\n";
    let told = [
        "B serves",
        "B response 401 exception",
        "10.0.0.2 http.server = App-webs/",
        "10.0.0.2 http.powered_by = PHP/5.4",
        "10.0.0.2 http.realm = IP Camera(C2602)",
        "10.0.0.2 http.realm = IP Camera(C2602)",
        "10.0.0.2 http.authenticate = digest, basic, own",
    ];
    assert_eq!(answer(response), told);
}

#[test]
fn a_capture_may_start_with_a_response() {
    let response = "HTTP/1.0 200 OK\r\nServer: Boa\r\nContent-Length: 2\r\n\r\nok";
    assert_eq!(story(&[(Side::A, response)]), ["A serves", "A response 200", "10.0.0.1 http.server = Boa"]);
}

#[test]
fn long_texts_are_cut() {
    let told = answer(&format!("HTTP/1.1 200 OK\r\nServer: {}\r\nContent-Length: 0\r\n\r\n", "x".repeat(4000)));
    assert_eq!(told[2].len(), "10.0.0.2 http.server = ".len() + 512);
}

#[test]
fn methods_of_any_kind_are_counted_and_control_nothing() {
    let asked = "PUT / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcX-own /a b HTTP/1.0\r\n\r\nDELETE * HTTP/1.1\n\n";
    let told = story(&[(Side::A, asked)]);
    let counted: Vec<_> = told.iter().filter(|line| line.contains("request")).collect();
    assert_eq!(counted, ["A request PUT", "A request X-own", "A request DELETE"]);
}

#[test]
fn bodies_end_where_the_standard_ends_them() {
    let length = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
    let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert!(goes_on("GET", &format!("{length}hello")));
    assert!(goes_on("HEAD", length));
    assert!(goes_on("HEAD", chunks));
    assert!(goes_on("GET", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n"));
    assert!(goes_on("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"));
    assert!(goes_on("GET", &format!("{}{length}hello", "HTTP/1.1 100 Continue\r\n\r\n".repeat(3))));
    assert!(goes_on("CONNECT", "HTTP/1.1 407 No\r\nContent-Length: 5\r\n\r\nhello"));
    assert!(goes_on("GET", &format!("{chunks}5;name=\"value\"\r\nhello\r\nA\r\n0123456789\r\n0\r\n\r\n")));
    assert!(goes_on("GET", &format!("{chunks}5\nhello\n0\nTrailer: x\nAnother: http://y\n\n")));
    assert!(goes_on("GET", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"));
    assert!(!goes_on("GET", "HTTP/1.1 200 OK\r\n\r\nhello"), "it ends with the connection");
    assert!(!goes_on("GET", length), "the answer after it is its body");
}

#[test]
fn what_a_tunnel_carries_is_not_read() {
    let switched = [(Side::A, GET), (Side::B, "HTTP/1.1 101 Switching Protocols\r\n\r\n\x01\x02")];
    assert_eq!(story(&switched)[2..], ["B serves", "B response 101", "B has told enough"]);
    let connected = [(Side::A, "CONNECT a:443 HTTP/1.1\r\n\r\n"), (Side::B, "HTTP/1.1 200 OK\r\n\r\n\x16\x03")];
    assert_eq!(story(&connected)[2..], ["B serves", "B response 200", "B has told enough"]);
    let preface = [(Side::A, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0")];
    assert_eq!(story(&preface), ["B serves", "A request PRI", "A has told enough"]);
}

/// ASHRAE 135-2020, AB.7.1, after RFC 6455: a node of BACnet/SC and its hub.
#[test]
fn what_a_websocket_is_for_is_told() {
    let (name, both) = ("Sec-WebSocket-Protocol: hub.bsc.bacnet.org", "Connection: Upgrade\r\nUpgrade: websocket");
    let request = format!("GET /hub HTTP/1.1\r\n{both}\r\n{name}\r\n\r\n");
    let response = format!("HTTP/1.1 101 Switching Protocols\r\n{both}\r\n{name}\r\n\r\n\x02\x05");
    let told = story(&[(Side::A, &request), (Side::B, &response)]);
    for line in [
        "10.0.0.1 http.websocket_offered = hub.bsc.bacnet.org",
        "10.0.0.2 http.websocket_protocol = hub.bsc.bacnet.org",
    ] {
        assert!(told.iter().any(|told| told == line), "{told:?}");
    }
}

#[test]
fn pages_tell_their_titles() {
    let title = |head: &str, body: &str| {
        let told = answer(&format!("{head}\r\n\r\n{body}"));
        told.iter().find_map(|line| line.strip_prefix("10.0.0.2 http.title = ").map(str::to_owned))
    };
    let page = "<html><title>\n Web Viewer</title>";
    let told = Some("Web Viewer".to_owned());
    let html = "HTTP/1.1 200 OK\r\nContent-Type: Text/HTML; charset=utf-8";
    assert_eq!(title(&format!("{html}\r\nContent-Length: 33"), page), told);
    assert_eq!(title(&format!("{html}\r\nContent-Length: 33\r\nContent-Encoding: identity"), page), told);
    assert_eq!(title(html, page), told, "until the connection ends");
    let chunks = "D\r\n<html><title>\r\n6\r\n\nWeb V\r\n13\r\niewer</title></html\r\n1\r\n>\r\n0\r\n\r\n";
    assert_eq!(title(&format!("{html}\r\nTransfer-Encoding: chunked"), chunks), told);
    assert_eq!(title(&html.replace("200", "401"), page), told);

    assert_eq!(title(&html.replace("200", "404"), page), None);
    assert_eq!(title(&html.replace("HTML", "plain"), page), None);
    assert_eq!(title(&format!("{html}\r\nContent-Encoding: gzip"), page), None);
    assert_eq!(title(&format!("{html}\r\nContent-Length: 65537"), page), None);
    assert_eq!(title(&format!("{html}\r\nContent-Length: 12"), &page[..12]), None);
}

#[test]
fn answers_belong_to_requests_in_their_order() {
    let asked = "HEAD / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\nHEAD / HTTP/1.1\r\n\r\n";
    let answered = "HTTP/1.1 201 OK\r\nContent-Length: 9\r\n\r\n\
                    HTTP/1.1 202 OK\r\nContent-Length: 9\r\n\r\n123456789\
                    HTTP/1.1 203 OK\r\nContent-Length: 9\r\n\r\n";
    let mut rig = Rig::tcp(&HTTP);
    rig.segment(Side::A, asked.as_bytes());
    rig.segment(Side::B, answered.as_bytes());
    let told = rig.story();
    let answers: Vec<_> = told.iter().filter(|line| line.contains("response")).collect();
    assert_eq!(answers, ["B response 201", "B response 202", "B response 203"]);
    assert!(rig.wait(60).story().is_empty(), "all are answered");
}

#[test]
fn requests_without_an_answer_are_given_up() {
    let mut rig = Rig::tcp(&HTTP);
    rig.segment(Side::A, format!("{GET}POST / HTTP/1.1\r\n\r\n").as_bytes());
    rig.segment(Side::B, b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 OK\r\n\r\n");
    rig.story();
    assert!(rig.wait(29).story().is_empty());
    assert_eq!(rig.wait(2).story(), ["A request POST unanswered since frame 1"]);
    assert!(rig.wait(60).story().is_empty());
}

#[test]
fn what_pends_at_the_end_is_unanswered_only_when_the_connection_is_closed() {
    for (ending, told) in [(Ending::Closed, &["A request GET unanswered since frame 1"][..]), (Ending::Unseen, &[])] {
        let mut rig = Rig::tcp(&HTTP);
        rig.segment(Side::A, GET.as_bytes());
        rig.story();
        assert_eq!(rig.finish(ending).story(), told);
    }
}

#[test]
fn a_request_of_yesterday_takes_no_answer_of_today() {
    let mut rig = Rig::tcp(&HTTP);
    rig.segment(Side::A, b"HEAD / HTTP/1.1\r\n\r\n");
    rig.later(30).segment(Side::A, GET.as_bytes());
    rig.segment(Side::B, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 201 OK\r\n\r\n");
    let told: Vec<_> = rig.story().into_iter().filter(|line| !line.ends_with("serves")).collect();
    let expected = [
        "A request HEAD",
        "A request HEAD unanswered since frame 1",
        "A request GET",
        "B response 200",
        "B response 201",
    ];
    assert_eq!(told, expected);
}

#[test]
fn an_upload_takes_its_time() {
    let mut wire = Wire::new();
    wire.send(0, Side::A, b"POST /upgrade HTTP/1.1\r\nContent-Length: 3\r\n\r\n");
    for second in [20, 40, 60] {
        wire.send(second, Side::A, b"x");
        wire.tick(second + 20);
    }
    assert_eq!(wire.story, ["B serves", "A request POST"]);
    wire.tick(91);
    assert_eq!(wire.story[2..], ["A request POST unanswered"]);
}

#[test]
fn no_more_than_64_requests_wait() {
    let mut rig = Rig::tcp(&HTTP);
    rig.segment(Side::A, GET.repeat(66).as_bytes());
    let unanswered = |lines: Vec<String>| lines.iter().filter(|line| line.contains("unanswered")).count();
    assert_eq!(unanswered(rig.story()), 2);
    assert_eq!(unanswered(rig.wait(60).story()), 64);
}

#[test]
fn what_is_lost_is_neither_answered_nor_missing() {
    let mut rig = Rig::tcp(&HTTP);
    rig.segment(Side::A, format!("HEAD / HTTP/1.1\r\n\r\n{GET}").as_bytes());
    assert_eq!(rig.lose(Side::B, 100), Footing::Segment);
    rig.segment(Side::B, b"HTTP/1.1 201 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 202 OK\r\nContent-Length: 0\r\n\r\n");
    let told = rig.story();
    assert!(told.contains(&"B response 202".to_owned()), "{told:?}");
    assert!(rig.wait(60).story().is_empty());
    rig.segment(Side::B, b"some text");
    let refused = "B stops: neither a request line nor a status line of HTTP/1 at byte 0";
    assert_eq!(rig.story(), Vec::<String>::new(), "a method may begin so");
    rig.segment(Side::B, b"some text\r\n");
    assert_eq!(rig.story(), [refused]);
}

#[test]
fn chunks_go_on_behind_a_loss_within_one_and_messages_behind_a_loss_of_their_end() {
    let chunked = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n";
    for rest in ["\r\n0\r\n\r\n", "", "\r\n0\r\n", "\r\n0\r\nTrailer: x\r\n"] {
        let mut wire = Wire::new();
        wire.send(0, Side::B, format!("{chunked}20\r\n<title>lost ").as_bytes());
        wire.lose(Side::B, 8);
        wire.send(0, Side::B, b"and not </ti");
        wire.send(0, Side::B, format!("{rest}HTTP/1.1 404 No\r\n\r\n").as_bytes());
        let told = ["B serves", "B response 200", "B serves", "B response 404 exception"];
        assert_eq!(wire.story, told, "after {rest:?}");
    }
}

#[test]
fn odd_framing_is_refused() {
    let stops = |bytes: &str| {
        let mut rig = Rig::tcp(&HTTP);
        rig.segment(Side::A, bytes.as_bytes());
        rig.story().pop().filter(|line| line.contains("stops")).expect("it is refused")
    };
    let chunked = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    for size in ["-1", "10000000000000000", "0x5", "z", "5 5", "f\rhello"] {
        let stop = stops(&format!("{chunked}{size}\r\n"));
        assert_eq!(stop, "A stops: neither the size of a chunk nor a start line at byte 0", "{size}");
    }
    let stop = stops(&format!("{chunked}1;{}", "x".repeat(8190)));
    assert_eq!(stop, "A stops: the line of a chunk is too long at byte 0");
    let stop = stops(&format!("{chunked}0\r\nno trailer\r\n"));
    assert_eq!(stop, "A stops: neither a trailer nor a start line at byte 0");
    let stop = stops("GET / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n");
    assert_eq!(stop, "A stops: Content-Length says two things at byte 35");
    for target in ["*", &"x".repeat(9000)] {
        let stop = stops(&format!("OPTIONS {target} RTSP/1.0\r\n\r\n"));
        assert_eq!(stop, "A stops: neither a request line nor a status line of HTTP/1 at byte 0");
    }
    stops("HTTP/1.1\r\nContent-Length: 5\r\n\r\n");
    stops("\r \n");
}

#[test]
fn a_message_is_seen_where_the_end_of_trailers_is_missing() {
    let chunked = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nTrailer: x\r\n";
    let told = story(&[(Side::A, &format!("{chunked}GET http://x/ HTTP/1.1\r\n\r\n"))]);
    assert_eq!(told[2..], ["B serves", "A request GET"]);
}

/// Shapes that make two servers read two things. Each reads as the standard says, and hides no later message.
#[test]
fn smuggled_requests_are_seen() {
    let smuggled = "GET /smuggled HTTP/1.1\r\n\r\n";
    let asked = |headers: &str, body: &str| {
        let mut rig = Rig::tcp(&HTTP);
        rig.segment(Side::A, format!("POST / HTTP/1.1\r\n{headers}\r\n\r\n{body}{smuggled}").as_bytes());
        rig.story().contains(&"A request GET".to_owned())
    };
    assert!(asked("Content-Length: 30\r\nTransfer-Encoding: chunked", "0\r\n\r\n"));
    assert!(asked("Transfer-Encoding: chunked\r\nContent-Length: 30", "0\r\n\r\n"));
    assert!(asked("Transfer-Encoding: chunked, identity", "0\r\n\r\n"));
    assert!(asked("Transfer-Encoding : chunked", "0\r\n\r\n"));
    assert!(asked("Transfer-Encoding:\r\n chunked", "0\r\n\r\n"));
    assert!(asked("Transfer-Encoding: xchunked", ""));
    assert!(asked("Content-Length: 0", "\r\n\r\n"));
    assert!(!asked("Content-Length: 26", ""), "here it is a body");
}

const SAMPLES: [(Side, &str); 7] = [
    (Side::A, "\r\nPOST /a HTTP/1.1\r\nHost: cam\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\nT: x\r\n\r\n"),
    (Side::B, "HTTP/1.1 100 Continue\r\n\r\n"),
    (Side::B, "HTTP/1.1 401 No\r\nWWW-Authenticate: Basic\r\n realm=\"x\"\r\nContent-Length: 2\r\n\r\nno"),
    (Side::A, "GET /b HTTP/1.1\nUser-Agent: agent\n\nHEAD /c HTTP/1.1\r\n\r\n"),
    (
        Side::B,
        "HTTP/1.1 200 OK\r\nServer: x\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n\
         A;x=y\r\n<title>Web\r\n10\r\n Viewer</title> \r\n3\r\n...\r\n00\r\n\r\n",
    ),
    (Side::B, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"),
    (Side::B, "HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n<title>Until the end</title>"),
];

#[test]
fn every_cut_of_a_head_is_short_and_changes_nothing() {
    for (side, bytes) in SAMPLES {
        let bytes = bytes.trim_start().as_bytes();
        let mut reader = Reader::closed(bytes);
        reader.find_empty_line().expect("a head is there");
        let mut http = Rig::tcp(&HTTP);
        for length in 1..reader.at() {
            assert_eq!(http.segment(side, &bytes[..length]), length, "{length} bytes of {bytes:?}");
            assert!(http.story().is_empty());
        }
        http.segment(side, bytes);
        let mut fresh = Rig::tcp(&HTTP);
        fresh.segment(side, bytes);
        assert_eq!(http.story(), fresh.story());
    }
}

proptest! {
    #[test]
    fn any_cut_tells_the_same_story(lengths in prop::collection::vec(1usize..60, 0..40)) {
        let (mut whole, mut cut) = (Wire::new(), Wire::new());
        let mut lengths = lengths.into_iter().chain(std::iter::repeat(1));
        for (side, bytes) in SAMPLES {
            whole.send(0, side, bytes.as_bytes());
            let mut rest = bytes.as_bytes();
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(rest.len().min(lengths.next().expect("there is no end")));
                cut.send(0, side, piece);
                rest = after;
            }
        }
        prop_assert_eq!(whole.story.last().map(String::as_str), Some("10.0.0.2 http.title = Until the end"));
        prop_assert_eq!(whole.story, cut.story);
    }

    #[test]
    fn any_bytes_are_read_or_refused(
        segments in prop::collection::vec((any::<bool>(), prop_oneof![
            prop::collection::vec(any::<u8>(), 1..60),
            "((GET|HEAD|CONNECT) /x HTTP/1.1|HTTP/1.1 (200|100|304)|(Content-Length|Transfer-Encoding): (chunked|7)|\
             [0-9a-f]{1,3}|Content-Type: text/html|<title>x</title>|)(\r\n|\n|\r\n\r\n)".prop_map(String::into_bytes),
        ], any::<bool>()), 1..30),
    ) {
        let mut wire = Wire::new();
        for (is_a, bytes, is_lost) in segments {
            let side = if is_a { Side::A } else { Side::B };
            if is_lost && bytes.len() % 5 == 0 {
                wire.lose(side, 7);
            } else {
                wire.send(0, side, &bytes);
            }
        }
        wire.tick(60);
    }
}

/// Each segment of one byte is looked at once, but for the lines that are short.
#[test]
fn one_byte_segments_cost_linear_time() {
    let mut wire = Wire::new();
    let head = format!("GET /{} HTTP/1.1\r\n{}\r\n", "x".repeat(9000), "Name: value\n".repeat(4600));
    let chunks = format!("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n{}0\n\n", "1;x\nx\n".repeat(10_000));
    for (side, text) in [(Side::A, head), (Side::B, chunks)] {
        text.as_bytes().chunks(1).for_each(|byte| wire.send(0, side, byte));
    }
    assert_eq!(wire.story, ["B serves", "A request GET", "B serves", "B response 200"]);
}

/// The loop that feeds a dissector, in little: leftovers, bodies over many segments, footing regained.
struct Wire {
    http: Http,
    told: Told,
    scene: Scene,
    halves: Sides<WireHalf>,
    story: Vec<String>,
}

#[derive(Default)]
struct WireHalf {
    left: Vec<u8>,
    searched: usize,
    body: u64,
    is_kept: bool,
    is_lost: bool,
}

impl Wire {
    fn new() -> Self {
        let host = |last| Host {
            context: Context::default(),
            address: Address::Ip(IpAddr::V4(Ipv4Addr::new(10, 0, 0, last))),
        };
        let scene = Scene {
            hosts: Sides::new(host(1), host(2)),
            ports: Sides::new(40000, 80),
            group: Sides::default(),
            transport: Transport::Tcp,
            protocol: HTTP.name,
        };
        Self { http: Http::default(), told: Told::new(64), scene, halves: Sides::default(), story: Vec::new() }
    }

    fn place(second: i64) -> Place {
        Place { capture: 0, frame: Some(1), time: Timestamp::from_micros(second * 1_000_000) }
    }

    fn send(&mut self, second: i64, side: Side, bytes: &[u8]) {
        let half = self.halves.of_mut(side);
        half.left.extend_from_slice(bytes);
        if half.is_lost && !matches!(probe(bytes, Transport::Tcp), Verdict::Bits(_)) {
            half.left.clear();
        }
        half.is_lost &= half.left.is_empty();
        while !self.halves.of(side).left.is_empty() && self.step(second, side) {}
    }

    fn step(&mut self, second: i64, side: Side) -> bool {
        let half = self.halves.of_mut(side);
        let mut out = Out::new(&mut self.told, &self.scene, side, Self::place(second));
        if half.body > 0 {
            let here = half.left.len().min(usize::try_from(half.body).unwrap_or(usize::MAX));
            let piece: Vec<u8> = half.left.drain(..here).collect();
            half.body -= here as u64;
            if half.is_kept {
                self.http.body(side, &piece, &mut out);
            }
            self.commit();
            return true;
        }
        let mut reader = Reader::open(&half.left, half.searched);
        let result = self.http.message(side, &mut reader, &mut out);
        let (searched, rest) = (reader.searched(), reader.remaining());
        match result {
            Ok(next) => {
                let used = half.left.len() - rest;
                assert!(used > 0, "a message that takes no byte would never end");
                half.left.drain(..used);
                half.searched = 0;
                half.is_kept = matches!(next, Next::Body(_));
                half.body = match next {
                    Next::Skip(length) | Next::Body(length) => length,
                    Next::More | Next::Enough => 0,
                };
                self.commit();
                next != Next::Enough
            }
            Err(Stop::Short { .. }) => {
                half.searched = searched;
                false
            }
            Err(Stop::Malformed { .. } | Stop::Bad { .. }) => {
                *half = WireHalf { is_lost: true, ..WireHalf::default() };
                self.told.roll_back();
                false
            }
        }
    }

    fn lose(&mut self, side: Side, bytes: u64) {
        let half = self.halves.of_mut(side);
        if half.body >= bytes {
            half.body -= bytes;
            if !half.is_kept {
                return;
            }
        } else {
            *half = WireHalf { is_lost: true, ..WireHalf::default() };
        }
        let _ = self.http.gap(side, bytes);
    }

    fn tick(&mut self, second: i64) {
        let place = Self::place(second);
        let mut out = Out::new(&mut self.told, &self.scene, Side::A, place);
        self.http.tick(place.time, &mut out);
        self.commit();
    }

    fn commit(&mut self) {
        let mut lines = Lines::default();
        self.told.commit(&mut lines);
        self.story.append(&mut lines.0);
        let told = self.told.ready().drain(..).filter_map(|observation| match observation.fact {
            Fact::Attribute { field, value } => {
                Some(format!("{} {} = {value}", observation.subject.host.address, field.name))
            }
            _ => None,
        });
        self.story.extend(told);
    }
}

#[derive(Default)]
struct Lines(Vec<String>);

impl Tallies for Lines {
    fn serves(&mut self, server: Side) {
        self.0.push(format!("{server:?} serves"));
    }

    fn count(&mut self, count: &Count, _place: &Place) {
        let Count { sender, direction, operation, mark, .. } = count;
        let mark = match mark {
            Mark::Plain => "",
            Mark::Exception => " exception",
            Mark::Unanswered => " unanswered",
        };
        self.0.push(format!("{sender:?} {} {operation}{mark}", direction.name()));
    }

    fn act(&mut self, _action: Action) {}
}
