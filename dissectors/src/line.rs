//! Lines of text, as FTP and the protocols of mail have them: commands and replies, each ended by CRLF or a bare LF.

use crate::reader::{Reader, Stop};

/// The next line, without its end. What is longer than `longest` is none.
pub(crate) fn read<'a>(reader: &mut Reader<'a>, longest: usize) -> Result<&'a [u8], Stop> {
    match reader.find(b"\n") {
        Ok(line) if line.len() <= longest => Ok(line.strip_suffix(b"\r").unwrap_or(line)),
        Err(stop @ Stop::Short { .. }) if reader.remaining() <= longest => Err(stop),
        Err(stop @ Stop::Malformed { .. }) => Err(stop),
        _ => Err(reader.malformed("the line is longer than any")),
    }
}

/// What some bytes start with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Front<'a> {
    /// A whole line of text.
    Line(&'a [u8]),
    /// The front of one.
    Part(&'a [u8]),
    /// Something else.
    Other,
}

/// What a probe has before it: no line that names a protocol is longer than [`LONGEST_FRONT`].
pub(crate) fn front(bytes: &[u8]) -> Front<'_> {
    let end = memchr::memchr(b'\n', bytes);
    let line = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
    let text = if end.is_some() { line.strip_suffix(b"\r").unwrap_or(line) } else { line };
    let is_last = |at: usize| at.saturating_add(1) == text.len();
    let is_text =
        |(at, byte): (usize, &u8)| *byte >= b' ' || *byte == b'\t' || end.is_none() && is_last(at) && *byte == b'\r';
    match (text.iter().enumerate().all(is_text) && text.len() <= LONGEST_FRONT, end) {
        (false, _) => Front::Other,
        (true, Some(_)) => Front::Line(text),
        (true, None) => Front::Part(text),
    }
}

/// The first word of a line, and what follows the blank behind it.
pub(crate) fn word(line: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memchr(b' ', line) {
        Some(at) => (line.get(..at).unwrap_or_default(), line.get(at.saturating_add(1)..).unwrap_or_default()),
        None => (line, &[]),
    }
}

/// A reply of three digits: its code, whether lines of it follow, and its text (RFC 959, 4.2; RFC 5321, 4.2).
pub(crate) fn reply(line: &[u8]) -> Option<(u16, bool, &[u8])> {
    let (digits, rest) = line.split_first_chunk::<3>()?;
    if !matches!(digits, [b'1'..=b'5', b'0'..=b'9', b'0'..=b'9']) {
        return None;
    }
    let code = digits
        .iter()
        .fold(0_u16, |code, digit| code.wrapping_mul(10).wrapping_add(u16::from(digit.wrapping_sub(b'0'))));
    match rest {
        [] => Some((code, false, rest)),
        [b' ', text @ ..] => Some((code, false, text)),
        [b'-', text @ ..] => Some((code, true, text)),
        _ => None,
    }
}

/// Whether a text holds a word in small letters, in any case.
pub(crate) fn mentions(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word))
}

/// As much of a line is looked at before a protocol is named.
const LONGEST_FRONT: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_ends_with_cr_and_lf_or_lf_alone_and_is_not_endless() {
        let mut reader = Reader::open(b"USER a\r\nPASS b\nQUI", 0);
        assert_eq!(read(&mut reader, 9), Ok(&b"USER a"[..]));
        assert_eq!(read(&mut reader, 9), Ok(&b"PASS b"[..]));
        assert_eq!(read(&mut reader, 9), Err(Stop::Short { missing: 1 }));
        assert!(matches!(read(&mut Reader::open(b"0123456789", 0), 9), Err(Stop::Malformed { .. })));
        assert!(matches!(read(&mut Reader::open(b"0123456789\n", 0), 9), Err(Stop::Malformed { .. })));
    }

    #[test]
    fn a_front_is_text_or_nothing() {
        assert_eq!(front(b"220 x\r\n\0"), Front::Line(b"220 x"));
        assert_eq!(front(b"220 x\r"), Front::Part(b"220 x\r"));
        assert_eq!(front(b"220\0x\r\n"), Front::Other);
        assert_eq!(front(b"22\r0"), Front::Other);
        assert_eq!(front(&[b'x'; 600]), Front::Other);
    }

    #[test]
    fn replies_have_three_digits_and_may_go_on() {
        assert_eq!(reply(b"220 ready"), Some((220, false, &b"ready"[..])));
        assert_eq!(reply(b"211-Features"), Some((211, true, &b"Features"[..])));
        assert_eq!(reply(b"230"), Some((230, false, &b""[..])));
        assert_eq!((reply(b"2200"), reply(b"620 x"), reply(b"22")), (None, None, None));
        assert!(mentions(b"vsFTPd 3", b"ftp") && !mentions(b"f", b"ftp"));
    }
}
