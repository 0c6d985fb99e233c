//! How a message of HTTP/1 starts.

use crate::dissector::Verdict;
use crate::head::{self, Start};
use crate::observation::{Operation, Transport};

/// Whether the start of a message is at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// No message starts so, whatever follows.
    Not,
    /// One may.
    Maybe,
    /// One does.
    Whole,
}

/// Looks at a bounded front, so that it may be asked at each byte. What once does not fit never will.
pub(super) fn fit(front: &[u8]) -> Fit {
    let front = front.get(..LONGEST_LINE).unwrap_or(front);
    if front.starts_with(b"HTTP") || b"HTTP".starts_with(front) {
        return fit_status(front);
    }
    match memchr::memchr(b'\n', front).and_then(|end| front.get(..end)) {
        Some(line) if is_request(head::without_cr(line)) => Fit::Whole,
        None if may_be_request(front.strip_suffix(b"\r").unwrap_or(front)) => Fit::Maybe,
        Some(_) | None => Fit::Not,
    }
}

/// `HTTP/1.1 200` and a blank or the line's end (RFC 9112, 4). No method begins with HTTP.
fn fit_status(front: &[u8]) -> Fit {
    let fits = front.iter().zip(STATUS).all(|(byte, wanted)| match wanted {
        b'#' => byte.is_ascii_digit(),
        _ => byte == wanted,
    });
    match front.get(STATUS.len()) {
        _ if !fits => Fit::Not,
        None => Fit::Maybe,
        Some(b' ' | b'\r' | b'\n') => Fit::Whole,
        Some(_) => Fit::Not,
    }
}

/// A whole request line, of printable bytes.
fn is_request(line: &[u8]) -> bool {
    is_printable(line) && Start::parse(line).is_some_and(|start| is_preface(&start) || is_http(&start))
}

/// The front of a request line: a method, a blank, printable bytes.
fn may_be_request(front: &[u8]) -> bool {
    let (method, _) = head::split_token(front);
    let is_method = (1..=LONGEST_METHOD).contains(&method.len());
    is_method && matches!(front.get(method.len()), None | Some(b' ')) && is_printable(front)
}

/// Whether a start line is one of HTTP/1.
pub(super) fn is_http(start: &Start<'_>) -> bool {
    let is_mine = |version: &[u8]| matches!(version, [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'0'..=b'9']);
    match start {
        Start::Request { method, version, .. } => is_mine(version) && method.len() <= LONGEST_METHOD,
        Start::Status { version, .. } => is_mine(version),
    }
}

/// How HTTP/2 begins (RFC 9113, 3.4).
pub(super) fn is_preface(start: &Start<'_>) -> bool {
    *start == Start::Request { method: b"PRI", target: b"*", version: b"HTTP/2.0" }
}

fn is_printable(text: &[u8]) -> bool {
    !text.iter().any(u8::is_ascii_control)
}

/// ` HTTP/1.` and a line's end, or `HTTP/1.` and a status: no less than 64 bits that could be otherwise.
pub(super) fn probe(front: &[u8], transport: Transport) -> Verdict {
    if transport != Transport::Tcp {
        return Verdict::NotMine;
    }
    let blank = front.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).take(4).count();
    let front = front.get(blank..).unwrap_or_default();
    match fit(front) {
        _ if front.is_empty() => Verdict::More,
        Fit::Whole => Verdict::Bits(64),
        Fit::Maybe if front.len() < LONGEST_PROBE => Verdict::More,
        Fit::Maybe if methods().any(|method| is_asked_for(front, method)) => Verdict::Bits(24),
        Fit::Not | Fit::Maybe => Verdict::NotMine,
    }
}

/// Whether a long request line starts with this method and a target of ours.
fn is_asked_for(front: &[u8], method: &str) -> bool {
    let target = front.strip_prefix(method.as_bytes()).and_then(|rest| rest.strip_prefix(b" "));
    target.is_some_and(|target| target.starts_with(b"/") || target.starts_with(b"http"))
}

/// What a method is called in the tables.
pub(super) fn operation(method: &[u8]) -> Operation {
    let known = methods().find(|known| known.as_bytes() == method);
    known.map_or_else(|| Operation::word(method), Operation::Verb)
}

fn methods() -> impl Iterator<Item = &'static str> {
    METHODS.split(' ')
}

/// RFC 9110, 9.3; PATCH (RFC 5789); `WebDAV` (RFC 4918, 3253, 5323); events of `UPnP` (Device Architecture 2.0, 4).
const METHODS: &str = "GET POST HEAD PUT DELETE CONNECT OPTIONS TRACE PATCH PROPFIND PROPPATCH MKCOL COPY MOVE LOCK \
    UNLOCK REPORT SEARCH SUBSCRIBE UNSUBSCRIBE NOTIFY";
const STATUS: &[u8] = b"HTTP/1.# ###";
const LONGEST_METHOD: usize = 32;
/// Of lines that are looked at anew with each segment.
pub(super) const LONGEST_LINE: usize = 8 * 1024;
const LONGEST_PROBE: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tcp(front: &[u8]) -> Verdict {
        probe(front, Transport::Tcp)
    }

    #[test]
    fn whole_start_lines_name_the_flow() {
        for front in [
            "GET / HTTP/1.1\r\n",
            "GET /a b HTTP/1.0\n",
            "X-OWN * HTTP/1.1\r\nHost: x",
            "PRI * HTTP/2.0\r\n\r\nSM",
            "\r\nPOST http://x/ HTTP/1.1\r\n",
            "HTTP/1.1 200 OK",
            "HTTP/1.0 404\r\n",
            "CONNECT a:443 HTTP/1.1\r\n",
        ] {
            assert_eq!(tcp(front.as_bytes()), Verdict::Bits(64), "{front:?}");
            assert_eq!(probe(front.as_bytes(), Transport::Udp), Verdict::NotMine);
        }
    }

    #[test]
    fn other_protocols_are_refused() {
        for front in [
            &b"OPTIONS rtsp://cam/ RTSP/1.0\r\n"[..],
            b"RTSP/1.0 200 OK\r\n",
            b"OPTIONS sip:a@b SIP/2.0\r\n",
            b"SIP/2.0 200 OK\r\n",
            b"ICY 200 OK\r\n",
            b"HTTP/2.0 200 OK\r\n",
            b"HTTP/1.1 OK\r\n",
            b"HTTPS / ",
            b"SSH-2.0-OpenSSH_9.2\r\n",
            b"220 ftp ready\r\n",
            b"EHLO a\r\n",
            b"* OK IMAP\r\n",
            b"GET /\r\n",
            b"\x16\x03\x01\x02\x00\x01",
            b"\x30\x0c\x02\x01\x01",
            b"\x00\x00\x00\x85\xffSMB",
            b"\x00\x1c\x12\x34\x01",
            b"GET /\0 HTTP/1.1\r\n",
            b" GET / HTTP/1.1\r\n",
            b"GET / HTTP/1.1\r \n",
            b"GET\t/ HTTP/1.1\r\n",
            b"A-METHOD-OF-MORE-THAN-32-BYTES-IS-NONE / HTTP/1.1\r\n",
        ] {
            assert_eq!(tcp(front), Verdict::NotMine, "{:?}", String::from_utf8_lossy(front));
        }
    }

    #[test]
    fn a_front_that_fits_waits_for_more() {
        for line in ["GET /index.html HTTP/1.1\r\n", "HTTP/1.1 200 ", "\r\n\r\nHEAD / HTTP/1.0\n", "PRI * HTTP/2.0\r\n"]
        {
            for length in 0..line.len() {
                assert_eq!(tcp(&line.as_bytes()[..length]), Verdict::More, "{line:?} to {length}");
            }
        }
        assert_eq!(tcp(format!("GET /{}", "x".repeat(1018)).as_bytes()), Verdict::More);
        assert_eq!(tcp(format!("GET /{}", "x".repeat(1019)).as_bytes()), Verdict::Bits(24));
        assert_eq!(tcp(format!("GET x{}", "x".repeat(1019)).as_bytes()), Verdict::NotMine);
        assert_eq!(tcp(format!("OWN /{}", "x".repeat(1019)).as_bytes()), Verdict::NotMine);
    }

    #[test]
    fn methods_of_the_standards_are_verbs() {
        assert_eq!(operation(b"GET"), Operation::Verb("GET"));
        assert_eq!(operation(b"NOTIFY"), Operation::Verb("NOTIFY"));
        assert_eq!(operation(b"get"), Operation::Word("get".into()));
        assert_eq!(operation(b""), Operation::Word("".into()));
        assert_eq!(operation(&[b'X'; 100]), Operation::Word("X".repeat(64).into()));
    }

    proptest! {
        #[test]
        fn what_once_does_not_fit_never_will(
            bytes in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..40),
                "(GET|H|HTTP|HTTP/1.1|PRI|[ -~]{0,3}|\t)[ /]{0,2}([ -~\t\r]{0,3})( HTTP/1.[01]| 200|)(\r|)(\n|)"
                    .prop_map(String::into_bytes),
            ],
        ) {
            let fits: Vec<Fit> = (0..=bytes.len()).map(|length| fit(&bytes[..length])).collect();
            for pair in fits.windows(2) {
                prop_assert!(pair[0] == Fit::Maybe || pair[0] == pair[1], "{:?}: {fits:?}", bytes);
            }
        }
    }
}
