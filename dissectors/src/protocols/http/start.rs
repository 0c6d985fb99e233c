//! How a message of HTTP/1 starts.

use crate::dialect::{Dialect, opens_rtsp};
use crate::dissector::Verdict;
use crate::head::Start;
use crate::observation::Transport;

/// Methods by RFC 9110, 9.3; PATCH (RFC 5789); `WebDAV` (RFC 4918, 3253, 5323); events of `UPnP` (Device Architecture 2.0,
/// 4). The preface is how HTTP/2 begins (RFC 9113, 3.4).
pub(super) static DIALECT: Dialect = Dialect {
    version: b"HTTP/1.#",
    preface: Some(Start::Request { method: b"PRI", target: b"*", version: b"HTTP/2.0" }),
    methods: "GET POST HEAD PUT DELETE CONNECT OPTIONS TRACE PATCH PROPFIND PROPPATCH MKCOL COPY MOVE LOCK UNLOCK REPORT \
        SEARCH SUBSCRIBE UNSUBSCRIBE NOTIFY",
    targets: &["/", "http"],
};

pub(super) fn probe(front: &[u8], transport: Transport) -> Verdict {
    let is_other = transport != Transport::Tcp || opens_rtsp(front);
    if is_other { Verdict::NotMine } else { DIALECT.probe(front) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::Fit;
    use crate::observation::Operation;
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
        assert_eq!(DIALECT.operation(b"GET"), Operation::Verb("GET"));
        assert_eq!(DIALECT.operation(b"NOTIFY"), Operation::Verb("NOTIFY"));
        assert_eq!(DIALECT.operation(b"get"), Operation::Word("get".into()));
        assert_eq!(DIALECT.operation(b""), Operation::Word("".into()));
        assert_eq!(DIALECT.operation(&[b'X'; 100]), Operation::Word("X".repeat(64).into()));
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
            let fits: Vec<Fit> = (0..=bytes.len()).map(|length| DIALECT.fit(&bytes[..length])).collect();
            for pair in fits.windows(2) {
                prop_assert!(pair[0] == Fit::Maybe || pair[0] == pair[1], "{:?}: {fits:?}", bytes);
            }
        }
    }
}
