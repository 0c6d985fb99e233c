//! The two hellos (RFC 8446, 4.1.2 and 4.1.3; RFC 5246, 7.4.1; a client's cookie: RFC 6347, 4.2.1), and what is made of
//! them.

use super::Over;
use crate::reader::{Reader, Stop};
use compact_str::CompactString;

/// What a client offers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ClientHello {
    pub(super) version: u16,
    pub(super) ciphers: Vec<u16>,
    /// Types of the extensions, in their order.
    pub(super) extensions: Vec<u16>,
    pub(super) server_name: Option<CompactString>,
    pub(super) alpn: Vec<Vec<u8>>,
    pub(super) versions: Vec<u16>,
    pub(super) groups: Vec<u16>,
    pub(super) point_formats: Vec<u8>,
    pub(super) signatures: Vec<u16>,
}

/// What a server takes of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ServerHello {
    /// As its own field has it, which says 1.2 of 1.3 too.
    pub(super) legacy_version: u16,
    pub(super) version: u16,
    pub(super) cipher: u16,
    pub(super) extensions: Vec<u16>,
    pub(super) alpn: Option<Vec<u8>>,
    /// It asks for another hello of the client (4.1.4).
    pub(super) is_retry: bool,
}

const SERVER_NAME: u16 = 0;
const GROUPS: u16 = 10;
const POINT_FORMATS: u16 = 11;
const SIGNATURES: u16 = 13;
const ALPN: u16 = 16;
const VERSIONS: u16 = 43;

/// The random of a hello that asks for another one: SHA-256 of `HelloRetryRequest` (RFC 8446, 4.1.3).
const RETRY: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11,
    0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// Values that mean nothing, and are sent so that nobody breaks on what is new (RFC 8701).
pub(super) fn is_grease(value: u16) -> bool {
    value & 0x0f0f == 0x0a0a && value >> 8 == value & 0xff
}

impl ClientHello {
    pub(super) fn read(body: &[u8], over: Over) -> Result<Self, Stop> {
        let mut reader = Reader::closed(body);
        let mut hello = Self { version: reader.u16()?, ..Self::default() };
        reader.skip(32)?;
        let session = reader.u8()?;
        reader.skip(session.into())?;
        if over == Over::Datagrams {
            let cookie = reader.u8()?;
            reader.skip(cookie.into())?;
        }
        let ciphers = reader.u16()?;
        hello.ciphers = numbers(&mut reader.sub(ciphers.into())?)?;
        let compressions = reader.u8()?;
        reader.skip(compressions.into())?;
        each_extension(&mut reader, |kind, mut content| {
            hello.extensions.push(kind);
            hello.extension(kind, &mut content)
        })?;
        Ok(hello)
    }

    fn extension(&mut self, kind: u16, content: &mut Reader<'_>) -> Result<(), Stop> {
        match kind {
            SERVER_NAME => self.server_name = server_name(content)?,
            ALPN => self.alpn = names(content)?,
            GROUPS => self.groups = listed(content)?,
            SIGNATURES => self.signatures = listed(content)?,
            POINT_FORMATS => {
                let length = content.u8()?;
                self.point_formats = content.take(length.into())?.to_vec();
            }
            VERSIONS => {
                let length = content.u8()?;
                self.versions = numbers(&mut content.sub(length.into())?)?;
            }
            _ => {}
        }
        Ok(())
    }
}

impl ServerHello {
    pub(super) fn read(body: &[u8]) -> Result<Self, Stop> {
        let mut reader = Reader::closed(body);
        let version = reader.u16()?;
        let mut hello = Self { legacy_version: version, version, ..Self::default() };
        hello.is_retry = reader.take(32)? == RETRY;
        // The drafts of 1.3 before the 22nd had neither a session's id nor a compression.
        if !is_early_draft(version) {
            let session = reader.u8()?;
            reader.skip(session.into())?;
        }
        hello.cipher = reader.u16()?;
        if !is_early_draft(version) {
            reader.skip(1)?;
        }
        each_extension(&mut reader, |kind, mut content| {
            hello.extensions.push(kind);
            match kind {
                ALPN => hello.alpn = names(&mut content)?.into_iter().next(),
                VERSIONS => hello.version = content.u16()?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(hello)
    }
}

fn is_early_draft(version: u16) -> bool {
    version >> 8 == 0x7f
}

/// Extensions may be missing altogether.
fn each_extension<'a>(
    reader: &mut Reader<'a>,
    mut with: impl FnMut(u16, Reader<'a>) -> Result<(), Stop>,
) -> Result<(), Stop> {
    if reader.is_empty() {
        return Ok(());
    }
    let length = reader.u16()?;
    let mut extensions = reader.sub(length.into())?;
    while !extensions.is_empty() {
        let kind = extensions.u16()?;
        let length = extensions.u16()?;
        with(kind, extensions.sub(length.into())?)?;
    }
    Ok(())
}

fn numbers(reader: &mut Reader<'_>) -> Result<Vec<u16>, Stop> {
    let mut numbers = Vec::with_capacity(reader.remaining() / 2);
    while !reader.is_empty() {
        numbers.push(reader.u16()?);
    }
    Ok(numbers)
}

fn listed(content: &mut Reader<'_>) -> Result<Vec<u16>, Stop> {
    let length = content.u16()?;
    numbers(&mut content.sub(length.into())?)
}

/// The first host name (RFC 6066, 3); a server's answer is empty.
fn server_name(content: &mut Reader<'_>) -> Result<Option<CompactString>, Stop> {
    if content.is_empty() {
        return Ok(None);
    }
    let length = content.u16()?;
    let mut list = content.sub(length.into())?;
    while !list.is_empty() {
        let kind = list.u8()?;
        let length = list.u16()?;
        let name = list.take(length.into())?;
        if kind == 0 {
            return Ok(Some(CompactString::from_utf8_lossy(name.get(..LONGEST_NAME).unwrap_or(name))));
        }
    }
    Ok(None)
}

/// No name in the DNS is longer (RFC 1035, 2.3.4).
const LONGEST_NAME: usize = 255;

/// Names of protocols (RFC 7301, 3.1).
fn names(content: &mut Reader<'_>) -> Result<Vec<Vec<u8>>, Stop> {
    let length = content.u16()?;
    let mut list = content.sub(length.into())?;
    let mut names = Vec::new();
    while !list.is_empty() {
        let length = list.u8()?;
        names.push(list.take(length.into())?.to_vec());
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grease_is_told_from_values() {
        assert!(is_grease(0x0a0a) && is_grease(0xfafa));
        assert!(!is_grease(0x0a1a) && !is_grease(0x1301) && !is_grease(0xc02b));
    }
}
