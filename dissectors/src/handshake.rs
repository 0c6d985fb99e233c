//! What TLS and DTLS agree by alike: their handshakes' messages, whatever records carry them.
//!
//! RFC 8446 and RFC 5246 over streams, RFC 9147 and RFC 6347 over datagrams, whose hellos have a cookie and whose versions
//! count downwards.

mod hello;
mod marks;

use self::hello::{ClientHello, ServerHello};
use crate::certificate::Certificate;
use crate::field::Field;
use crate::observation::{Channel, Operation, Place, Version};
use crate::out::{Count, Mark, Out};
use crate::reader::{Reader, Stop};
use crate::side::{Direction, Side};
use compact_str::CompactString;

/// What a record carries (RFC 8446, 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    ChangeCipherSpec,
    Alert,
    Handshake,
    Application,
    Heartbeat,
}

impl Content {
    /// Of a record's type.
    pub(crate) fn of(code: u8) -> Option<Self> {
        Some(match code {
            20 => Self::ChangeCipherSpec,
            21 => Self::Alert,
            22 => Self::Handshake,
            23 => Self::Application,
            24 => Self::Heartbeat,
            _ => return None,
        })
    }
}

/// Protected records may be that much longer than what they protect (RFC 5246, 6.2.3).
pub(crate) const LONGEST_RECORD: usize = 16_384 + 2_048;
/// A handshake message of more bytes than this is no handshake that anybody finishes: chains have some thousand.
pub(crate) const LONGEST_HANDSHAKE: usize = 64 * 1024;

/// What carries the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    Stream,
    Datagrams,
}

/// What a protocol brings along.
pub(crate) struct Terms {
    pub(crate) over: Over,
    /// Whom the first certificate of a chain names.
    pub(crate) subject: &'static Field,
    /// Who signed it.
    pub(crate) issuer: &'static Field,
}

pub(crate) const CLIENT_HELLO: u8 = 1;
pub(crate) const SERVER_HELLO: u8 = 2;
pub(crate) const CERTIFICATE: u8 = 11;

/// The first version of TLS that encrypts certificates, and that of DTLS.
const HIDES: u16 = 0x0304;
const DATAGRAMS_HIDE: u16 = 0xfefc;
/// The numbers of DTLS begin here.
const OF_DATAGRAMS: u16 = 0xfe00;

/// As many certificates of a chain are told.
const LONGEST_CHAIN: u8 = 10;

/// How an alert of this level is counted (RFC 8446, 6).
pub(crate) fn mark_of_alert(level: u8) -> Mark {
    const FATAL: u8 = 2;
    if level == FATAL { Mark::Exception } else { Mark::Plain }
}

/// How far two ends have agreed.
#[derive(Default)]
pub(crate) struct Handshake {
    /// What is known of the protection, and who serves.
    known: Option<Box<(Side, Channel)>>,
    /// The last message that showed something of it.
    shown: Place,
    /// What was chosen: the server's hello has come.
    is_agreed: bool,
    is_told: bool,
}

impl Handshake {
    /// Takes a message: its type, and its body.
    pub(crate) fn take(
        &mut self,
        terms: &Terms,
        side: Side,
        (kind, body): (u8, &[u8]),
        out: &mut Out<'_>,
    ) -> Result<(), Stop> {
        match kind {
            CLIENT_HELLO => self.client_hello(terms.over, side, &ClientHello::read(body, terms.over)?, out),
            SERVER_HELLO => self.server_hello(side, &ServerHello::read(body)?, out),
            CERTIFICATE => self.certificates(terms, side, body, out)?,
            _ => {}
        }
        if let CLIENT_HELLO | SERVER_HELLO | CERTIFICATE = kind {
            self.shown = out.place();
        }
        self.count(side, Operation::Code(kind.into()), Mark::Plain, out);
        Ok(())
    }

    /// Whether a hello has come.
    pub(crate) fn is_begun(&self) -> bool {
        self.known.is_some()
    }

    /// Whether the server's hello has come.
    pub(crate) fn is_agreed(&self) -> bool {
        self.is_agreed
    }

    /// Whether all that follows is encrypted, certificates too.
    pub(crate) fn is_hidden(&self) -> bool {
        let version = self.known.as_ref().and_then(|known| known.1.version.as_ref());
        self.is_agreed && matches!(version, Some(Version::Tls(number)) if hides(*number))
    }

    /// Who serves, if that is known.
    pub(crate) fn server(&self) -> Option<Side> {
        self.known.as_ref().map(|known| known.0)
    }

    /// Counts a message.
    pub(crate) fn count(&self, side: Side, operation: Operation, mark: Mark, out: &mut Out<'_>) {
        let is_server = self.server().map_or_else(|| out.port(side) < out.port(side.other()), |server| server == side);
        let direction = if is_server { Direction::Response } else { Direction::Request };
        out.count(Count::of(side, direction, operation, mark));
    }

    /// Tells the protection, once.
    pub(crate) fn tell(&mut self, out: &mut Out<'_>) {
        if std::mem::replace(&mut self.is_told, true) {
            return;
        }
        if let Some(known) = self.known.take() {
            let (server, channel) = *known;
            out.channel(server, channel, self.shown);
        }
    }

    fn client_hello(&mut self, over: Over, side: Side, hello: &ClientHello, out: &mut Out<'_>) {
        let server = side.other();
        out.server(server);
        let channel = Channel {
            client: out.host(side),
            port: out.port(server),
            begun: out.place().time,
            server_name: hello.server_name.clone(),
            ja3: Some(marks::ja3(hello)),
            ja4: Some(marks::ja4(hello, over)),
            ..Channel::default()
        };
        (self.known, self.is_agreed) = (Some(Box::new((server, channel))), false);
    }

    fn server_hello(&mut self, side: Side, hello: &ServerHello, out: &mut Out<'_>) {
        out.server(side);
        if hello.is_retry {
            return;
        }
        let fresh = || {
            Box::new((
                side,
                Channel {
                    client: out.host(side.other()),
                    port: out.port(side),
                    begun: out.place().time,
                    ..Channel::default()
                },
            ))
        };
        let (_, channel) = &mut **self.known.get_or_insert_with(fresh);
        channel.version = Some(Version::Tls(hello.version));
        channel.cipher = Some(hello.cipher);
        channel.alpn = hello.alpn.as_deref().map(CompactString::from_utf8_lossy);
        channel.ja3s = Some(marks::ja3s(hello));
        channel.is_certificate_visible = hides(hello.version).then_some(false);
        self.is_agreed = true;
    }

    /// A chain: the sender's own certificate first (RFC 5246, 7.4.2).
    fn certificates(&mut self, terms: &Terms, side: Side, body: &[u8], out: &mut Out<'_>) -> Result<(), Stop> {
        let mut reader = Reader::closed(body);
        let length = reader.u24()?;
        let mut list = reader.sub(usize::try_from(length).unwrap_or(usize::MAX))?;
        let mut chain = Vec::new();
        while !list.is_empty() {
            let length = list.u24()?;
            chain.push(list.take(usize::try_from(length).unwrap_or(usize::MAX))?);
        }
        let count = u8::try_from(chain.len()).unwrap_or(u8::MAX);
        for (place, der) in (0..LONGEST_CHAIN).zip(&chain) {
            let Some(certificate) = Certificate::read(der, place, count) else { continue };
            if place == 0 {
                out.text(side, None, terms.subject, certificate.subject.as_bytes());
                out.text(side, None, terms.issuer, certificate.issuer.as_bytes());
            }
            out.certificate(side, certificate);
        }
        match &mut self.known {
            Some(known) if known.0 == side && !chain.is_empty() => known.1.is_certificate_visible = Some(true),
            _ => {}
        }
        Ok(())
    }
}

/// 1.3, and the drafts of TLS 1.3.
fn hides(version: u16) -> bool {
    if version < OF_DATAGRAMS { version >= HIDES } else { version <= DATAGRAMS_HIDE }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_datagrams_count_downwards() {
        assert_eq!(
            [0x0303, 0x0304, 0x7f1c, 0xfefc, 0xfefd, 0xfeff].map(hides),
            [false, true, true, true, false, false]
        );
    }
}
