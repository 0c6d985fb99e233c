//! The cursor that cannot panic, and the two ways in which a message stops short.

use std::fmt;

/// Why a message could not be read to its end. Costs nothing: `Copy`, no allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The message goes on in bytes that may still come; do not ask again before `missing` of them are here.
    Short {
        /// How many bytes are lacking at the least.
        missing: usize,
    },
    /// The bytes are not what the standard says.
    Malformed {
        /// What was wrong, in the standard's terms.
        what: &'static str,
        /// How many bytes from the start of the message it stands.
        at: usize,
    },
    /// The message is not what the standard says, but it is known where it ends: what follows it can be read.
    Bad {
        /// What was wrong, in the standard's terms.
        what: &'static str,
        /// How long the message is, at least one byte.
        length: usize,
    },
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short { missing } => write!(f, "{missing} more bytes are needed"),
            Self::Malformed { what, at } => write!(f, "{what} at byte {at}"),
            Self::Bad { what, length } => write!(f, "{what} in a message of {length} bytes"),
        }
    }
}

impl std::error::Error for Stop {}

/// Whether bytes may still follow the ones at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// A stream: running out of bytes is `Short`.
    Open,
    /// A datagram, or a part whose length was told: running out of bytes is `Malformed`.
    Closed,
}

/// What is left of some bytes, and whether more may come. Integers are big-endian unless the name says otherwise.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Where `bytes` starts within the message, so that a sub-reader's positions are the message's.
    base: usize,
    end: End,
    /// How far `find` has looked in vain, from the start of `bytes`.
    searched: usize,
}

impl<'a> Reader<'a> {
    /// A reader over the front of a stream. `searched` is what an earlier reader over a shorter front of the same
    /// bytes gave back, or 0.
    pub fn open(bytes: &'a [u8], searched: usize) -> Self {
        Self { bytes, at: 0, base: 0, end: End::Open, searched }
    }

    /// A reader over bytes that are all there will be.
    pub fn closed(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, base: 0, end: End::Closed, searched: 0 }
    }

    /// The next byte.
    #[inline]
    pub fn u8(&mut self) -> Result<u8, Stop> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    /// The next two bytes.
    #[inline]
    pub fn u16(&mut self) -> Result<u16, Stop> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    /// The next three bytes.
    #[inline]
    pub fn u24(&mut self) -> Result<u32, Stop> {
        let [a, b, c] = self.array()?;
        Ok(u32::from_be_bytes([0, a, b, c]))
    }

    /// The next four bytes.
    #[inline]
    pub fn u32(&mut self) -> Result<u32, Stop> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    /// The next eight bytes.
    #[inline]
    pub fn u64(&mut self) -> Result<u64, Stop> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    /// The next two bytes, the low one first.
    #[inline]
    pub fn u16_le(&mut self) -> Result<u16, Stop> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    /// The next four bytes, the lowest first.
    #[inline]
    pub fn u32_le(&mut self) -> Result<u32, Stop> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// The next `N` bytes.
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Stop> {
        match self.rest().first_chunk::<N>() {
            Some(array) => {
                self.at = self.at.saturating_add(N);
                Ok(*array)
            }
            None => Err(self.lacking(N)),
        }
    }

    /// The next `length` bytes.
    #[inline]
    pub fn take(&mut self, length: usize) -> Result<&'a [u8], Stop> {
        let taken = self.peek(length)?;
        self.at = self.at.saturating_add(length);
        Ok(taken)
    }

    /// The next `length` bytes, left where they are.
    #[inline]
    pub fn peek(&self, length: usize) -> Result<&'a [u8], Stop> {
        self.rest().get(..length).ok_or_else(|| self.lacking(length))
    }

    /// Passes over `length` bytes.
    #[inline]
    pub fn skip(&mut self, length: usize) -> Result<(), Stop> {
        self.take(length).map(drop)
    }

    /// A closed reader over the next `length` bytes: inside it, running out of bytes is `Malformed`.
    #[inline]
    pub fn sub(&mut self, length: usize) -> Result<Reader<'a>, Stop> {
        let base = self.at();
        let bytes = self.take(length)?;
        Ok(Reader { bytes, at: 0, base, end: End::Closed, searched: 0 })
    }

    /// All bytes up to `needle`, which is passed over too. A search that fails is remembered, so that a head that
    /// arrives in one-byte segments costs linear time.
    ///
    /// Only `Short` (or `Malformed` in a closed reader) tells that the needle is not there yet.
    pub fn find(&mut self, needle: &[u8]) -> Result<&'a [u8], Stop> {
        let from = self.at.max(self.searched);
        let ahead = self.bytes.get(from..).unwrap_or_default();
        let Some(offset) = memchr::memmem::find(ahead, needle) else {
            let overlap = needle.len().saturating_sub(1);
            self.searched = self.at.max(self.bytes.len().saturating_sub(overlap));
            return Err(self.lacking(self.remaining().saturating_add(1)));
        };
        let length = from.saturating_add(offset).saturating_sub(self.at);
        let found = self.take(length)?;
        self.skip(needle.len())?;
        Ok(found)
    }

    /// All bytes before the first empty line, which is passed over: lines, each with its end. Lines end with CRLF or
    /// with a bare LF, mixed as they like; that the first line is not empty is for the caller to see to.
    ///
    /// A search that fails is remembered where [`Reader::find`] remembers its own: do not search the same bytes both ways.
    pub fn find_empty_line(&mut self) -> Result<&'a [u8], Stop> {
        let mut from = self.at.max(self.searched);
        while let Some(offset) = memchr::memchr(b'\n', self.bytes.get(from..).unwrap_or_default()) {
            let line_end = from.saturating_add(offset);
            let next = line_end.saturating_add(1);
            let empty_line = match self.bytes.get(next..).unwrap_or_default() {
                [b'\n', ..] => 1,
                [b'\r', b'\n', ..] => 2,
                [] | [b'\r'] => {
                    self.searched = line_end;
                    return Err(self.lacking(self.remaining().saturating_add(1)));
                }
                _ => {
                    from = next;
                    continue;
                }
            };
            let lines = self.take(next.saturating_sub(self.at))?;
            self.skip(empty_line)?;
            return Ok(lines);
        }
        self.searched = self.at.max(self.bytes.len());
        Err(self.lacking(self.remaining().saturating_add(1)))
    }

    /// What has not been read yet.
    #[inline]
    pub fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// How many bytes have not been read yet.
    #[inline]
    pub fn remaining(&self) -> usize {
        self.bytes.len().saturating_sub(self.at)
    }

    /// Whether everything at hand has been read.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.remaining() == 0
    }

    /// Whether bytes may still follow (a stream).
    pub fn is_open(&self) -> bool {
        self.end == End::Open
    }

    /// How many bytes of the message have been read.
    #[inline]
    pub fn at(&self) -> usize {
        self.base.saturating_add(self.at)
    }

    /// How far a search has looked in vain; to be handed to the next reader over the same bytes.
    pub fn searched(&self) -> usize {
        self.searched
    }

    /// The stop that says `what` is wrong at this place.
    pub fn malformed(&self, what: &'static str) -> Stop {
        Stop::Malformed { what, at: self.at() }
    }

    #[cold]
    fn lacking(&self, wanted: usize) -> Stop {
        match self.end {
            End::Open => Stop::Short { missing: wanted.saturating_sub(self.remaining()) },
            End::Closed => self.malformed("the bytes end too early"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_read_in_their_order() {
        let mut reader = Reader::closed(&[1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(reader.u8(), Ok(1));
        assert_eq!(reader.u16(), Ok(0x0203));
        assert_eq!(reader.u16_le(), Ok(0x0504));
        assert_eq!(reader.u24(), Ok(0x0006_0708));
        assert_eq!(reader.at(), 8);
        assert_eq!(reader.u16(), Err(Stop::Malformed { what: "the bytes end too early", at: 8 }));
        assert_eq!(reader.u8(), Ok(9));
    }

    #[test]
    fn an_open_end_says_how_much_is_missing_and_a_closed_one_refuses() {
        assert_eq!(Reader::open(&[1, 2, 3], 0).u64(), Err(Stop::Short { missing: 5 }));
        let mut reader = Reader::open(&[1, 2, 3], 0);
        let mut inner = reader.sub(2).expect("two bytes are there");
        assert!(matches!(inner.u24(), Err(Stop::Malformed { at: 0, .. })));
        assert_eq!(reader.u8(), Ok(3));
    }

    #[test]
    fn positions_of_a_sub_reader_are_those_of_the_message() {
        let mut reader = Reader::closed(&[0; 8]);
        reader.skip(3).expect("three bytes are there");
        let mut inner = reader.sub(4).expect("four bytes are there");
        inner.skip(2).expect("two bytes are there");
        assert_eq!(inner.at(), 5);
    }

    #[test]
    fn a_search_goes_on_where_the_last_one_ended() {
        let bytes = b"Server: x\r\n\r\nrest";
        let mut searched = 0;
        for length in 0..13 {
            let mut reader = Reader::open(&bytes[..length], searched);
            assert!(matches!(reader.find(b"\r\n\r\n"), Err(Stop::Short { .. })), "{length}");
            searched = reader.searched();
            assert!(searched + 3 >= length, "{length}: searched {searched}");
        }
        let mut reader = Reader::open(bytes, searched);
        assert_eq!(reader.find(b"\r\n\r\n"), Ok(&b"Server: x"[..]));
        assert_eq!(reader.rest(), b"rest");
    }

    #[test]
    fn an_empty_line_is_found_whatever_ends_the_lines() {
        for (bytes, lines) in [
            ("a\r\nb\r\n\r\nrest", "a\r\nb\r\n"),
            ("a\nb\n\nrest", "a\nb\n"),
            ("a\r\nb\n\r\nrest", "a\r\nb\n"),
            ("a\nb\r\n\nrest", "a\nb\r\n"),
            ("a\r\n\r\nrest", "a\r\n"),
            ("a\r\n \r\n\r\r\nb\n\nrest", "a\r\n \r\n\r\r\nb\n"),
        ] {
            let end = bytes.len() - 4;
            let mut searched = 0;
            for length in 0..end {
                let mut reader = Reader::open(&bytes.as_bytes()[..length], searched);
                assert_eq!(reader.find_empty_line(), Err(Stop::Short { missing: 1 }), "{bytes:?} to {length}");
                assert_eq!(reader.at(), 0);
                searched = reader.searched();
                assert!(searched + 2 >= length, "{bytes:?}: searched {searched} of {length}");
            }
            for (length, searched) in [(end, searched), (bytes.len(), searched), (bytes.len(), 0)] {
                let mut reader = Reader::open(&bytes.as_bytes()[..length], searched);
                assert_eq!(reader.find_empty_line(), Ok(lines.as_bytes()), "{bytes:?} to {length}");
                assert_eq!(reader.at(), end);
            }
        }
    }

    #[test]
    fn an_empty_line_is_looked_for_from_where_the_reader_stands() {
        let mut reader = Reader::closed(b"\n\na: b\n\nc: d\n");
        reader.skip(2).expect("two bytes are there");
        assert_eq!(reader.find_empty_line(), Ok(&b"a: b\n"[..]));
        assert!(matches!(reader.find_empty_line(), Err(Stop::Malformed { at: 8, .. })));
    }
}
