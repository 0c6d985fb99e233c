//! Heads made of text: a start line, headers, an empty line (RFC 9112, 2.1). HTTP began it; RTSP, SSDP and SIP follow.
//!
//! Knows no protocol by name: whoever reads a head says which versions are its own. Reads as leniently as the devices
//! out there: lines may end with a bare LF, values may be folded (RFC 9112, 5.2), white space may stand before the colon
//! (5.1), and a line that is no header is passed over.

use crate::reader::{Reader, Stop};
use smallvec::SmallVec;
use std::borrow::Cow;

/// A start line and the headers after it: the first 256.
pub(crate) struct Head<'a> {
    pub(crate) start: Start<'a>,
    headers: SmallVec<[Header<'a>; 24]>,
}

impl<'a> Head<'a> {
    /// The head at hand, with the empty line that ends it.
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Stop> {
        let no_start = reader.malformed("neither a request line nor a status line");
        let at = reader.at();
        let lines = reader.find_empty_line()?;
        let (line, rest) = split_once(lines, b'\n').ok_or(no_start)?;
        let start = Start::parse(without_cr(line)).ok_or(no_start)?;
        let headers = Headers { rest, at: at.saturating_add(line.len()).saturating_add(1) };
        Ok(Self { start, headers: headers.take(MOST_HEADERS).collect() })
    }

    /// The values of a header, in order; `name` in any case.
    pub(crate) fn values(&self, name: &'static str) -> impl Iterator<Item = Cow<'a, [u8]>> {
        self.named(name).map(Header::value)
    }

    /// The first value of a header; `name` in any case.
    pub(crate) fn value(&self, name: &'static str) -> Option<Cow<'a, [u8]>> {
        self.values(name).next()
    }

    /// What Content-Length says (RFC 9110, 8.6). Said more than once, it must say the same (RFC 9112, 6.3).
    pub(crate) fn content_length(&self) -> Result<Option<u64>, Stop> {
        let mut length = None;
        for header in self.named("content-length") {
            let refused = |what| Stop::Malformed { what, at: header.at };
            for number in header.value().split(|byte| *byte == b',') {
                let number = decimal(number.trim_ascii()).ok_or(refused("Content-Length is not a number"))?;
                if length.replace(number).is_some_and(|before| before != number) {
                    return Err(refused("Content-Length says two things"));
                }
            }
        }
        Ok(length)
    }

    /// The last transfer coding, which decides where the body ends (RFC 9112, 6.1). `identity` was a word for none
    /// (RFC 2616, 3.6).
    pub(crate) fn last_coding(&self) -> Option<Coding> {
        let mut last = None;
        for value in self.values("transfer-encoding") {
            for coding in list(&value).map(without_parameters) {
                if coding.eq_ignore_ascii_case(b"chunked") {
                    last = Some(Coding::Chunked);
                } else if !coding.eq_ignore_ascii_case(b"identity") {
                    last = Some(Coding::Other);
                }
            }
        }
        last
    }

    fn named(&self, name: &'static str) -> impl Iterator<Item = &Header<'a>> {
        self.headers.iter().filter(|header| header.name.eq_ignore_ascii_case(name.as_bytes()))
    }
}

/// The first value of a header among some lines: those of a part of a body (RFC 2046, 5.1).
pub(crate) fn value_in<'a>(lines: &'a [u8], name: &str) -> Option<Cow<'a, [u8]>> {
    let mut headers = Headers { rest: lines, at: 0 }.take(MOST_HEADERS);
    headers.find(|header| header.name.eq_ignore_ascii_case(name.as_bytes())).map(|header| header.value())
}

/// A parameter of an element: `x` of `multipart/related; boundary="x"`.
pub(crate) fn parameter_of<'v>(element: &'v [u8], name: &str) -> Option<Cow<'v, [u8]>> {
    element.split(|byte| *byte == b';').skip(1).find_map(|text| match parameter(text.trim_ascii())? {
        Part::Parameter(known, value) => known.eq_ignore_ascii_case(name.as_bytes()).then_some(value),
        Part::Scheme(_) => None,
    })
}

/// Whether an empty line is at hand: it is passed over. They may stand between messages (RFC 9112, 2.2).
pub(crate) fn pass_empty_line(reader: &mut Reader<'_>) -> Result<bool, Stop> {
    let length = match reader.rest() {
        [b'\n', ..] => 1,
        [b'\r', b'\n', ..] | [b'\r'] => 2,
        _ => return Ok(false),
    };
    reader.skip(length)?;
    Ok(true)
}

/// The first line of a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start<'a> {
    /// `GET /index.html HTTP/1.1`.
    Request { method: &'a [u8], target: &'a [u8], version: &'a [u8] },
    /// `HTTP/1.1 200 OK`.
    Status { version: &'a [u8], code: u16 },
}

impl<'a> Start<'a> {
    /// Takes a line apart; it comes without its end. A method has no slash and a version has one: so the first word
    /// tells the two kinds apart. A target may hold blanks, as sloppy clients send it.
    pub(crate) fn parse(line: &'a [u8]) -> Option<Self> {
        let (first, rest) = split_once(line, b' ')?;
        if first.contains(&b'/') {
            let (code, reason) = rest.split_at_checked(3)?;
            let ends = matches!(reason, [] | [b' ', ..]);
            let code = decimal(code).filter(|_| ends)?;
            return Some(Self::Status { version: first, code: u16::try_from(code).ok()? });
        }
        let (target, version) = split_at_last(rest.trim_ascii_end(), b' ')?;
        let target = target.trim_ascii();
        let fits = is_token(first) && !target.is_empty() && version.contains(&b'/');
        fits.then_some(Self::Request { method: first, target, version })
    }
}

struct Header<'a> {
    name: &'a [u8],
    folded: &'a [u8],
    /// Where it stands within the message.
    at: usize,
}

impl<'a> Header<'a> {
    fn parse(line: &'a [u8], at: usize) -> Option<Self> {
        let (name, value) = split_once(line, b':')?;
        let name = name.trim_ascii_end();
        is_token(name).then_some(Self { name, folded: value.trim_ascii(), at })
    }

    /// The value, trimmed and on one line.
    fn value(&self) -> Cow<'a, [u8]> {
        if memchr::memchr(b'\n', self.folded).is_none() {
            return Cow::Borrowed(self.folded);
        }
        let lines: Vec<&[u8]> = self.folded.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).collect();
        Cow::Owned(lines.join(&b' '))
    }
}

struct Headers<'a> {
    rest: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Headers<'a> {
    type Item = Header<'a>;

    fn next(&mut self) -> Option<Header<'a>> {
        while !self.rest.is_empty() {
            let (line, rest) = self.rest.split_at_checked(folded_line(self.rest))?;
            let at = self.at;
            self.rest = rest;
            self.at = at.saturating_add(line.len());
            let header = Header::parse(line, at);
            if header.is_some() {
                return header;
            }
        }
        None
    }
}

/// How long the line at hand is, with its end and the lines folded into it: those that start with white space.
fn folded_line(lines: &[u8]) -> usize {
    let ends = memchr::memchr_iter(b'\n', lines).map(|end| end.saturating_add(1));
    let mut unfolded = ends.filter(|next| !matches!(lines.get(*next), Some(b' ' | b'\t')));
    unfolded.next().unwrap_or(lines.len())
}

/// What decides where a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    /// Chunks (RFC 9112, 7.1).
    Chunked,
    /// Nothing but the end of the connection.
    Other,
}

/// The elements of a list, separated by commas outside of quotes, trimmed; empty ones are none (RFC 9110, 5.6.1).
pub(crate) fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let separates = move |byte: &u8| {
        let escapes = is_quoted && !is_escaped && *byte == b'\\';
        is_quoted ^= *byte == b'"' && !is_escaped;
        is_escaped = escapes;
        *byte == b',' && !is_quoted
    };
    value.split(separates).map(<[u8]>::trim_ascii).filter(|element| !element.is_empty())
}

/// What stands behind the authority of a target, and a target that is nothing else (RFC 9112, 3.2).
pub(crate) fn path(target: &[u8]) -> Option<&[u8]> {
    if target.starts_with(b"/") {
        return Some(target);
    }
    let authority = target.get(memchr::memmem::find(target, b"://")?.saturating_add(3)..)?;
    authority.get(memchr::memchr(b'/', authority)?..)
}

/// The front of an element, before its parameters: `text/html` of `text/html; charset=utf-8`.
pub(crate) fn without_parameters(element: &[u8]) -> &[u8] {
    split_once(element, b';').map_or(element, |(front, _)| front).trim_ascii()
}

/// A part of a WWW-Authenticate or Authorization value (RFC 9110, 11.2 and 11.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part<'v> {
    /// A scheme; the parameters up to the next one are its own.
    Scheme(&'v [u8]),
    /// A parameter: its name, and its value without quotes.
    Parameter(&'v [u8], Cow<'v, [u8]>),
}

/// The schemes and parameters of the challenges in a value. Several challenges may stand in one list; a scheme is a
/// word that is not followed by `=`.
pub(crate) fn challenges(value: &[u8]) -> impl Iterator<Item = Part<'_>> {
    list(value).flat_map(|element| {
        let (word, after) = split_token(element);
        let is_scheme = !word.is_empty() && !after.starts_with(b"=");
        let scheme = is_scheme.then_some(Part::Scheme(word));
        let parameter = parameter(if is_scheme { after } else { element });
        scheme.into_iter().chain(parameter)
    })
}

fn parameter(text: &[u8]) -> Option<Part<'_>> {
    let (name, after) = split_token(text);
    let value = after.strip_prefix(b"=")?.trim_ascii_start();
    Some(Part::Parameter(name, unquoted(value)))
}

/// A quoted string's content (RFC 9110, 5.6.4); anything else as it stands.
fn unquoted(value: &[u8]) -> Cow<'_, [u8]> {
    let Some(quoted) = value.strip_prefix(b"\"") else { return Cow::Borrowed(value) };
    let content = quoted.strip_suffix(b"\"").unwrap_or(quoted);
    if !content.contains(&b'\\') {
        return Cow::Borrowed(content);
    }
    let mut is_escaped = false;
    let stays = |byte: &u8| {
        is_escaped = *byte == b'\\' && !is_escaped;
        !is_escaped
    };
    Cow::Owned(content.iter().copied().filter(stays).collect())
}

/// The token at the front, and what follows it without white space between.
pub(crate) fn split_token(text: &[u8]) -> (&[u8], &[u8]) {
    let length = text.iter().take_while(|byte| is_token_byte(**byte)).count();
    let (token, after) = text.split_at_checked(length).unwrap_or((text, &[]));
    (token, after.trim_ascii_start())
}

/// Whether this is a token: a method, a header's name, a scheme (RFC 9110, 5.6.2).
pub(crate) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| is_token_byte(*byte))
}

fn is_token_byte(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'A'..=b'Z' | b'^'..=b'z' | b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'|' | b'~')
}

/// A line without the CR before its LF.
pub(crate) fn without_cr(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Digits and nothing else.
fn decimal(text: &[u8]) -> Option<u64> {
    let number = std::str::from_utf8(text).ok().filter(|_| text.iter().all(u8::is_ascii_digit))?;
    number.parse().ok()
}

/// What stands before the first of a byte, and what behind it.
pub(crate) fn split_once(bytes: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let (before, after) = bytes.split_at_checked(memchr::memchr(separator, bytes)?)?;
    Some((before, after.get(1..)?))
}

/// What stands before and behind the last separator.
pub(crate) fn split_at_last(bytes: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let (before, after) = bytes.split_at_checked(memchr::memrchr(separator, bytes)?)?;
    Some((before, after.get(1..)?))
}

const MOST_HEADERS: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn head(text: &str) -> Head<'_> {
        Head::read(&mut Reader::closed(text.as_bytes())).expect("a head is there")
    }

    fn named(head: &Head<'_>, name: &'static str) -> Vec<String> {
        head.values(name).map(|value| String::from_utf8_lossy(&value).into_owned()).collect()
    }

    fn length(headers: &str) -> Result<Option<u64>, Stop> {
        head(&format!("A b C/1\r\n{headers}\r\n\r\n")).content_length()
    }

    fn coding(headers: &str) -> Option<Coding> {
        head(&format!("A b C/1\r\n{headers}\r\n\r\n")).last_coding()
    }

    fn parts(value: &str) -> Vec<String> {
        let told = |part| match part {
            Part::Scheme(scheme) => String::from_utf8_lossy(scheme).into_owned(),
            Part::Parameter(name, value) => {
                format!("{}={}", String::from_utf8_lossy(name), String::from_utf8_lossy(&value))
            }
        };
        challenges(value.as_bytes()).map(told).collect()
    }

    #[test]
    fn a_start_line_is_a_request_or_a_status() {
        let request = |method, target, version| Some(Start::Request { method, target, version });
        assert_eq!(Start::parse(b"GET / HTTP/1.1"), request(b"GET", b"/", b"HTTP/1.1"));
        assert_eq!(Start::parse(b"PLAY rtsp://cam/1 RTSP/1.0 "), request(b"PLAY", b"rtsp://cam/1", b"RTSP/1.0"));
        assert_eq!(Start::parse(b"GET /a b  HTTP/1.0"), request(b"GET", b"/a b", b"HTTP/1.0"));
        assert_eq!(Start::parse(b"RTSP/1.0 200 OK"), Some(Start::Status { version: b"RTSP/1.0", code: 200 }));
        assert_eq!(Start::parse(b"HTTP/1.1 404"), Some(Start::Status { version: b"HTTP/1.1", code: 404 }));
        for line in [
            "",
            " ",
            "GET",
            "GET /",
            "GET  HTTP/1.1",
            "GET / HTTP",
            "G=T / HTTP/1.1",
            " / HTTP/1.1",
            "HTTP/1.1",
            "HTTP/1.1 20",
            "HTTP/1.1 2000",
            "HTTP/1.1 +20 OK",
            "HTTP/1.1  20",
            "HTTP/1.1 200\tOK",
            "220 ready",
        ] {
            assert_eq!(Start::parse(line.as_bytes()), None, "{line:?}");
        }
    }

    #[test]
    fn headers_are_read_as_leniently_as_devices_write_them() {
        let head = head(
            "A b C/1\n folded into nothing: x\r\nServer:  a\t\r\nSERVER : b\nno colon\n: no name\nb d: x\r\n\
             Server:\r\nX-Long: one,\r\n\t two\n  three\r\nserver:\0\r\n\r\n",
        );
        assert_eq!(named(&head, "server"), ["a", "b", "", "\0"]);
        assert_eq!(named(&head, "X-LONG"), ["one, two three"]);
        assert_eq!(head.headers.len(), 5);
        assert_eq!(head.value("no colon"), None);
    }

    #[test]
    fn a_token_holds_what_the_standard_lists() {
        let marks = "!#$%&'*+-.^_`|~";
        for byte in 0..=255u8 {
            let expected = byte.is_ascii_alphanumeric() || marks.as_bytes().contains(&byte);
            assert_eq!(is_token(&[byte]), expected, "{byte:#04x}");
        }
    }

    #[test]
    fn no_more_than_256_headers_are_read() {
        let many = format!("A b C/1\n{}\n", "a: b\n".repeat(1000));
        assert_eq!(head(&many).headers.len(), 256);
    }

    #[test]
    fn lengths_agree_or_are_refused() {
        assert_eq!(length("a: b"), Ok(None));
        assert_eq!(length("Content-Length: 0042"), Ok(Some(42)));
        assert_eq!(length("Content-Length: 42\r\ncontent-length: 42, 42"), Ok(Some(42)));
        assert_eq!(length("Content-Length: 18446744073709551615"), Ok(Some(u64::MAX)));
        for refused in ["", "-1", "+1", "0x10", "1 2", "1,", "18446744073709551616", "1\0"] {
            let stop = Err(Stop::Malformed { what: "Content-Length is not a number", at: 9 });
            assert_eq!(length(&format!("Content-Length: {refused}")), stop, "{refused:?}");
        }
        let stop = Err(Stop::Malformed { what: "Content-Length says two things", at: 27 });
        assert_eq!(length("Content-Length: 4\nContent-Length: 5"), stop);
    }

    #[test]
    fn the_last_coding_counts() {
        assert_eq!(coding("a: b"), None);
        assert_eq!(coding("Transfer-Encoding: identity"), None);
        assert_eq!(coding("Transfer-Encoding: gzip, Chunked ;x=y,"), Some(Coding::Chunked));
        assert_eq!(coding("Transfer-Encoding: chunked, identity"), Some(Coding::Chunked));
        assert_eq!(coding("Transfer-Encoding: gzip\r\nTransfer-Encoding:\r\n chunked"), Some(Coding::Chunked));
        assert_eq!(coding("Transfer-Encoding: chunked, gzip"), Some(Coding::Other));
        assert_eq!(coding("Transfer-Encoding: xchunked"), Some(Coding::Other));
        assert_eq!(coding("Transfer-Encoding: \x0bchunked"), Some(Coding::Other));
    }

    #[test]
    fn challenges_are_taken_apart() {
        assert_eq!(parts("Basic realm=\"a, b\""), ["Basic", "realm=a, b"]);
        assert_eq!(
            parts(r#"Digest realm="x \"y\" \\z", qop="auth,auth-int", nonce=4, Basic realm = plain text,, NTLM"#),
            ["Digest", r#"realm=x "y" \z"#, "qop=auth,auth-int", "nonce=4", "Basic", "realm=plain text", "NTLM"]
        );
        assert_eq!(parts("Basic realm=\"never closed, x=y"), ["Basic", "realm=never closed, x=y"]);
        assert_eq!(parts(r#"Basic realm="\", a", x=1"#), ["Basic", "realm=\", a", "x=1"]);
        assert_eq!(parts("realm=x"), ["realm=x"]);
        assert_eq!(parts("Negotiate"), ["Negotiate"]);
        assert!(parts(", ,\"").is_empty());
    }

    /// A text of `length` bytes in one-byte segments, read after each; how many times it was not whole.
    fn byte_by_byte(bytes: &[u8]) -> usize {
        let mut searched = 0;
        let whole = (1..=bytes.len()).position(|length| {
            let mut reader = Reader::open(&bytes[..length], searched);
            let is_whole = Head::read(&mut reader).is_ok();
            searched = reader.searched();
            is_whole
        });
        whole.expect("the head ends")
    }

    /// Were each search to start anew, the third would look at 2 * 10^9 line ends, and time would tell.
    #[test]
    fn a_long_head_in_one_byte_segments_costs_linear_time() {
        for line in ["a: b\r\n", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa: b\n", "\t\n"] {
            let text = format!("A b C/1\n{}\n", line.repeat(65536 / line.len()));
            assert_eq!(byte_by_byte(text.as_bytes()), text.len() - 1);
        }
    }

    fn line_end() -> impl Strategy<Value = &'static str> {
        prop_oneof![4 => Just("\r\n"), 1 => Just("\n")]
    }

    /// What may stand in a head, and a little of what may not.
    fn word(most: usize) -> impl Strategy<Value = String> {
        prop_oneof![
            8 => proptest::string::string_regex(&format!("[A-Za-z0-9!#$%&'*+.^_`|~-]{{1,{most}}}")).expect("a regex"),
            1 => proptest::string::string_regex(&format!("[ -~\t]{{0,{most}}}")).expect("a regex"),
            1 => proptest::string::string_regex("[ -~\t\0\r\u{e9}]{0,4}").expect("a regex"),
        ]
    }

    prop_compose! {
        fn headers()(
            headers in prop::collection::vec((word(12), prop_oneof![9 => Just(":"), 1 => Just(" :"), 1 => Just("")],
                prop_oneof![Just(""), Just(" "), Just("\t  ")], word(20), prop_oneof![8 => Just(""), 1 => Just("\r\n x")],
                line_end()), 0..8),
            end in line_end(),
        ) -> String {
            let lines = headers.iter().map(|(name, colon, blank, value, fold, end)| {
                format!("{name}{colon}{blank}{value}{fold}{blank}{end}")
            });
            lines.chain([end.to_owned()]).collect()
        }
    }

    fn agree(head: &Head<'_>, theirs: &[httparse::Header<'_>]) {
        let ours: Vec<_> = head.headers.iter().map(|header| (header.name, header.value())).collect();
        assert_eq!(ours.len(), theirs.len());
        let blank = |value: &[u8]| {
            String::from_utf8_lossy(value).split_ascii_whitespace().map(str::to_owned).collect::<Vec<_>>()
        };
        for ((name, value), theirs) in ours.iter().zip(theirs) {
            assert_eq!(*name, theirs.name.as_bytes());
            if theirs.value.contains(&b'\n') {
                assert_eq!(blank(value), blank(theirs.value));
            } else {
                assert_eq!(**value, *theirs.value);
            }
        }
    }

    proptest! {
        #[test]
        fn requests_that_another_parser_takes_are_read_alike(
            method in word(8), target in word(20), minor in "[01]", end in line_end(), headers in headers(), rest in ".{0,8}",
        ) {
            let text = format!("{method} {target} HTTP/1.{minor}{end}{headers}{rest}");
            let mut theirs = [httparse::EMPTY_HEADER; 16];
            let mut request = httparse::Request::new(&mut theirs);
            if let Ok(httparse::Status::Complete(length)) = request.parse(text.as_bytes()) {
                let mut reader = Reader::open(text.as_bytes(), 0);
                while pass_empty_line(&mut reader).expect("a line is there") {}
                let head = Head::read(&mut reader).expect("the other parser took it");
                prop_assert_eq!(reader.at(), length);
                let Start::Request { method, target, version } = head.start else { panic!("not a request") };
                prop_assert_eq!(Some(method), request.method.map(str::as_bytes));
                prop_assert_eq!(Some(target), request.path.map(str::as_bytes));
                prop_assert_eq!(version.last(), minor.as_bytes().last());
                agree(&head, request.headers);
            }
        }

        #[test]
        fn responses_that_another_parser_takes_are_read_alike(
            code in 100u16..1000, reason in word(8), end in line_end(), headers in headers(), rest in ".{0,8}",
        ) {
            let text = format!("HTTP/1.1 {code} {reason}{end}{headers}{rest}");
            let mut theirs = [httparse::EMPTY_HEADER; 16];
            let mut response = httparse::Response::new(&mut theirs);
            let mut lenient = httparse::ParserConfig::default();
            lenient
                .allow_obsolete_multiline_headers_in_responses(true)
                .allow_spaces_after_header_name_in_responses(true);
            if let Ok(httparse::Status::Complete(length)) = lenient.parse_response(&mut response, text.as_bytes()) {
                let mut reader = Reader::open(text.as_bytes(), 0);
                let head = Head::read(&mut reader).expect("the other parser took it");
                prop_assert_eq!(reader.at(), length);
                prop_assert_eq!(head.start, Start::Status { version: b"HTTP/1.1", code });
                agree(&head, response.headers);
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let bytes = [b"A b C/1\n".as_slice(), &bytes, b"\n\n"].concat();
            let head = Head::read(&mut Reader::closed(&bytes)).expect("a head is there");
            for header in &head.headers {
                prop_assert!(header.name.len() + header.value().len() < bytes.len());
                challenges(&header.value()).for_each(drop);
            }
            let _ = (head.content_length(), head.last_coding());
            let pieces: usize = list(&bytes).map(<[u8]>::len).sum();
            prop_assert!(pieces <= bytes.len());
            challenges(&bytes).for_each(drop);
        }
    }
}
