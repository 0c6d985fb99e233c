//! Handshake messages that come in fragments (RFC 6347, 4.2.2 and 4.2.3).

use super::HELLO_VERIFY_REQUEST;
use crate::handshake::{CLIENT_HELLO, LONGEST_HANDSHAKE, SERVER_HELLO};
use crate::reader::{Reader, Stop};

/// A piece of a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fragment<'a> {
    pub(super) kind: u8,
    /// How long the message is.
    length: usize,
    /// Which of its sender's messages it is.
    sequence: u16,
    offset: usize,
    pub(super) bytes: &'a [u8],
}

impl<'a> Fragment<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, Stop> {
        let kind = reader.u8()?;
        let length = long(reader)?;
        let sequence = reader.u16()?;
        let (offset, count) = (long(reader)?, long(reader)?);
        if length > LONGEST_HANDSHAKE || offset.saturating_add(count) > length {
            return Err(reader.malformed("no handshake message is that long"));
        }
        Ok(Self { kind, length, sequence, offset, bytes: reader.take(count)? })
    }

    pub(super) fn is_whole(&self) -> bool {
        self.bytes.len() == self.length
    }

    pub(super) fn is_first(&self) -> bool {
        self.offset == 0
    }

    /// Whether a hello begins with it: its type, and a version that there is.
    pub(super) fn is_hello(&self) -> bool {
        let is_kind = matches!(self.kind, CLIENT_HELLO | SERVER_HELLO | HELLO_VERIFY_REQUEST);
        is_kind && self.is_first() && matches!(self.bytes, [0xfe, 0xfd | 0xff, ..])
    }
}

fn long(reader: &mut Reader<'_>) -> Result<usize, Stop> {
    Ok(usize::try_from(reader.u24()?).unwrap_or(usize::MAX))
}

/// The front of a message.
pub(super) struct Part {
    pub(super) kind: u8,
    length: usize,
    sequence: u16,
    pub(super) bytes: Vec<u8>,
}

impl Part {
    pub(super) fn of(first: &Fragment<'_>) -> Self {
        let Fragment { kind, length, sequence, bytes, .. } = *first;
        Self { kind, length, sequence, bytes: bytes.to_vec() }
    }

    /// Adds what of a fragment is new and comes next; what was sent again tells nothing.
    pub(super) fn add(&mut self, next: &Fragment<'_>) {
        let is_same = (self.kind, self.length, self.sequence) == (next.kind, next.length, next.sequence);
        let known = self.bytes.len().checked_sub(next.offset);
        if let Some(fresh) = known.filter(|_| is_same).and_then(|known| next.bytes.get(known..)) {
            self.bytes.extend_from_slice(fresh);
        }
    }

    pub(super) fn is_whole(&self) -> bool {
        self.bytes.len() == self.length
    }

    /// How many bytes it holds.
    pub(super) fn held(&self) -> i32 {
        i32::try_from(self.bytes.len()).unwrap_or(i32::MAX)
    }
}
