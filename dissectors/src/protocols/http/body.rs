//! Where bodies end (RFC 9112, 6.3).

use crate::head::{self, Coding, Head};
use crate::observation::Operation;
use crate::reader::Stop;

/// Where a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// Where it begins: there is none.
    Nothing,
    /// After so many bytes.
    Length(u64),
    /// After a chunk of no size, and the trailers.
    Chunks,
    /// With the connection.
    Close,
}

impl Body {
    /// The body of a request. Of a coding that nothing ends the server makes nothing either (6.3, 4): what follows is
    /// tried as a message, so that nobody hides one behind a coding that a careless server overlooks.
    pub(super) fn of_request(head: &Head<'_>) -> Result<Self, Stop> {
        Ok(told(head)?.unwrap_or(Self::Nothing))
    }

    /// The body of a response to a request of this method, if that is known.
    pub(super) fn of_response(code: u16, method: Option<&Operation>, head: &Head<'_>) -> Result<Self, Stop> {
        let has_none =
            code < 200 || matches!(code, NO_CONTENT | NOT_MODIFIED) || method == Some(&HEAD) || is_tunnel(code, method);
        if has_none { Ok(Self::Nothing) } else { Ok(told(head)?.unwrap_or(Self::Close)) }
    }
}

/// Whether another protocol follows: what CONNECT asked for, or what an upgrade agreed on (RFC 9110, 9.3.6 and 7.8).
pub(super) fn is_tunnel(code: u16, method: Option<&Operation>) -> bool {
    code == SWITCHING || (matches!(code, 200..=299) && method == Some(&CONNECT))
}

/// Whether the final response is still to come (RFC 9110, 15.2).
pub(super) fn is_interim(code: u16) -> bool {
    code < 200 && code != SWITCHING
}

/// What the headers say of the body (RFC 9112, 6.3). Chunks win over any Content-Length, which is there to deceive one
/// of two readers. What ends at an unknown place is `None`.
fn told(head: &Head<'_>) -> Result<Option<Body>, Stop> {
    match head.last_coding() {
        Some(Coding::Chunked) => Ok(Some(Body::Chunks)),
        Some(Coding::Other) => Ok(None),
        None => Ok(head.content_length()?.map(Body::Length)),
    }
}

/// A chunk's size: hexadecimal, then maybe extensions after a semicolon (RFC 9112, 7.1.1).
pub(super) fn chunk_size(line: &[u8]) -> Option<u64> {
    let digits = head::without_parameters(head::without_cr(line));
    let text = std::str::from_utf8(digits).ok().filter(|_| digits.iter().all(u8::is_ascii_hexdigit))?;
    u64::from_str_radix(text, 16).ok()
}

const HEAD: Operation = Operation::Verb("HEAD");
const CONNECT: Operation = Operation::Verb("CONNECT");
const SWITCHING: u16 = 101;
const NO_CONTENT: u16 = 204;
const NOT_MODIFIED: u16 = 304;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reader::Reader;

    fn with_head<T>(headers: &str, read: impl Fn(&Head<'_>) -> T) -> T {
        let text = format!("A b C/1\r\n{headers}\r\n");
        read(&Head::read(&mut Reader::closed(text.as_bytes())).expect("a head is there"))
    }

    fn request(headers: &str) -> Result<Body, Stop> {
        with_head(headers, Body::of_request)
    }

    fn response(code: u16, method: &'static str, headers: &str) -> Result<Body, Stop> {
        with_head(headers, |head| Body::of_response(code, Some(&Operation::Verb(method)), head))
    }

    const LENGTH: &str = "Content-Length: 5\r\n";
    const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";

    #[test]
    fn requests_have_the_body_that_they_tell() {
        assert_eq!(request(""), Ok(Body::Nothing));
        assert_eq!(request(LENGTH), Ok(Body::Length(5)));
        assert_eq!(request(CHUNKED), Ok(Body::Chunks));
        assert_eq!(request("Transfer-Encoding: gzip\r\n"), Ok(Body::Nothing));
    }

    #[test]
    fn responses_without_a_length_end_with_the_connection() {
        assert_eq!(response(200, "GET", ""), Ok(Body::Close));
        assert_eq!(response(200, "GET", "Transfer-Encoding: gzip\r\n"), Ok(Body::Close));
        assert_eq!(response(200, "GET", LENGTH), Ok(Body::Length(5)));
        assert_eq!(response(404, "CONNECT", LENGTH), Ok(Body::Length(5)));
        with_head(CHUNKED, |head| assert_eq!(Body::of_response(200, None, head), Ok(Body::Chunks)));
    }

    #[test]
    fn some_responses_have_no_body_whatever_they_say() {
        let lie = &format!("{LENGTH}Content-Length: x\r\n{CHUNKED}");
        for (code, method) in [(100, "GET"), (101, "GET"), (204, "GET"), (304, "GET"), (200, "HEAD"), (200, "CONNECT")]
        {
            assert_eq!(response(code, method, lie), Ok(Body::Nothing), "{code} to {method}");
        }
        assert!(is_tunnel(101, None) && is_tunnel(200, Some(&CONNECT)) && !is_tunnel(407, Some(&CONNECT)));
        assert!(is_interim(100) && is_interim(103) && !is_interim(101) && !is_interim(200));
    }

    #[test]
    fn chunks_win_over_lengths_and_lengths_must_agree() {
        assert_eq!(request(&format!("{LENGTH}{CHUNKED}")), Ok(Body::Chunks));
        assert_eq!(request(&format!("{CHUNKED}Content-Length: -7\r\n")), Ok(Body::Chunks));
        assert_eq!(request(&format!("{LENGTH}{LENGTH}")), Ok(Body::Length(5)));
        assert!(request(&format!("{LENGTH}Content-Length: 6\r\n")).is_err());
        assert!(response(200, "GET", "Content-Length: 5 5\r\n").is_err());
    }

    #[test]
    fn sizes_of_chunks_are_hexadecimal_and_fit_64_bits() {
        for (line, size) in [
            ("0", Some(0)),
            ("1aF", Some(431)),
            ("5 ; name=\"value\"\r", Some(5)),
            ("000000000000000000005", Some(5)),
            ("ffffffffffffffff", Some(u64::MAX)),
            ("10000000000000000", None),
            ("-1", None),
            ("+1", None),
            ("0x10", None),
            ("5 5", None),
            ("f\rX5O!", None),
            (";x", None),
            ("", None),
        ] {
            assert_eq!(chunk_size(line.as_bytes()), size, "{line:?}");
        }
    }
}
