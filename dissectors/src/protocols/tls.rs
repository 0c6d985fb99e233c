//! TLS tells how a conversation is protected, whom it is for, which program asks, and, up to 1.2, which certificates are
//! shown.
//!
//! RFC 8446 (1.3), RFC 5246 (1.2) and its elders, RFC 6101 (SSL 3.0). Read: hellos, certificates, alerts in the clear; named on any port by the
//! structure of its records. After both sides have begun to encrypt, or at the first application data, nothing more can
//! be told: the flow is quiet. With 1.3 that is from the server's hello on, certificates included.
//!
//! Skipped on purpose: everything encrypted; the hello of SSL 2.0; DTLS.

mod hello;
mod marks;
mod record;
#[cfg(test)]
mod tests;

use self::hello::{ClientHello, ServerHello};
use self::record::{Content, Record, handshake, messages};
use crate::certificate::Certificate;
use crate::dissector::{Carrier, Direction, Dissector, Ending, Field, Next, Protocol, Side, Sides, Verdict};
use crate::observation::{Channel, Operation, Place, Transport, Version};
use crate::out::{Count, Mark, Out};
use crate::reader::{Reader, Stop};
use compact_str::CompactString;

pub(crate) static TLS: Protocol = Protocol {
    name: "tls",
    spec: "RFC 8446, RFC 5246",
    carriers: &[Carrier::Tcp(&[443, 8443, 802, 322, 19999, 4843, 8883, 636, 993, 995, 465, 990, 5061])],
    fields: &[&SUBJECT, &ISSUER],
    probe,
    max_message: record::MOST,
    relates: true,
    open: || Box::<Conversation>::default(),
};

static SUBJECT: Field =
    Field::new("tls.certificate_subject", "whom the first certificate of the chain names (RFC 5280, 4.1.2.6)");
static ISSUER: Field =
    Field::new("tls.certificate_issuer", "who signed the first certificate of the chain (RFC 5280, 4.1.2.4)");

const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
const CERTIFICATE: u8 = 11;
const FATAL: u8 = 2;

/// The first version that encrypts certificates.
const HIDES: u16 = 0x0304;

/// As many certificates of a chain are told.
const LONGEST_CHAIN: u8 = 10;

#[derive(Default)]
struct Conversation {
    /// What is known of the protection, and who serves.
    known: Option<Box<(Side, Channel)>>,
    /// The last message that showed something of it.
    shown: Place,
    /// What was chosen: the server's hello has come.
    is_agreed: bool,
    /// Who encrypts from here on.
    sealed: Sides<bool>,
    is_told: bool,
}

fn probe(front: &[u8], transport: Transport) -> Verdict {
    if transport == Transport::Tcp { record::probe(front) } else { Verdict::NotMine }
}

impl Dissector for Conversation {
    /// A message is a record; of handshakes, as many as one message needs.
    fn message(&mut self, side: Side, reader: &mut Reader<'_>, out: &mut Out<'_>) -> Result<Next, Stop> {
        let record = Record::read(reader)?;
        let is_sealed = *self.sealed.of(side);
        match record.content {
            Content::Application => {
                *self.sealed.of_mut(side) = true;
                // A client may speak before the server's last word of the handshake (RFC 7918).
                let is_over = self.known.is_none() || *self.sealed.of(side.other());
                if is_over {
                    self.tell(out);
                    return Ok(Next::Enough);
                }
                return Ok(Next::Skip(record.length.try_into().unwrap_or(u64::MAX)));
            }
            // A client says that it encrypts, and then hello again, when it was asked for another one (RFC 8446, D.4).
            Content::Handshake if !is_sealed || record::is_hello(reader.peek(record.length)?) => {
                let bytes = handshake(reader, record)?;
                for (kind, body) in messages(&bytes) {
                    self.handshake(side, kind, body, out)?;
                }
            }
            Content::Alert if !is_sealed => {
                let level = reader.sub(record.length)?.u8()?;
                self.count(
                    side,
                    Operation::Verb("alert"),
                    if level == FATAL { Mark::Exception } else { Mark::Plain },
                    out,
                );
            }
            Content::ChangeCipherSpec => {
                reader.skip(record.length)?;
                // After a hello that asks for another one it means nothing (RFC 8446, 4.1.4 and D.4).
                let is_empty_word = self.known.is_some() && !self.is_agreed && self.known_server() == Some(side);
                if !is_empty_word {
                    *self.sealed.of_mut(side) = true;
                }
            }
            Content::Handshake | Content::Alert | Content::Heartbeat => {
                return Ok(Next::Skip(record.length.try_into().unwrap_or(u64::MAX)));
            }
        }
        let is_hidden = self.is_agreed && self.known.as_ref().is_some_and(|known| hides(&known.1));
        if is_hidden || (self.sealed.a && self.sealed.b) {
            self.tell(out);
            return Ok(Next::Enough);
        }
        Ok(Next::More)
    }

    fn finish(&mut self, _ending: Ending, out: &mut Out<'_>) {
        self.tell(out);
    }
}

impl Conversation {
    fn handshake(&mut self, side: Side, kind: u8, body: &[u8], out: &mut Out<'_>) -> Result<(), Stop> {
        match kind {
            CLIENT_HELLO => self.client_hello(side, &ClientHello::read(body)?, out),
            SERVER_HELLO => self.server_hello(side, &ServerHello::read(body)?, out),
            CERTIFICATE => self.certificates(side, body, out)?,
            _ => {}
        }
        if let CLIENT_HELLO | SERVER_HELLO | CERTIFICATE = kind {
            self.shown = out.place();
        }
        self.count(side, Operation::Code(kind.into()), Mark::Plain, out);
        Ok(())
    }

    fn client_hello(&mut self, side: Side, hello: &ClientHello, out: &mut Out<'_>) {
        let server = side.other();
        out.server(server);
        let channel = Channel {
            client: out.host(side),
            port: out.port(server),
            begun: out.place().time,
            server_name: hello.server_name.clone(),
            ja3: Some(marks::ja3(hello)),
            ja4: Some(marks::ja4(hello)),
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
        channel.is_certificate_visible = (hello.version >= HIDES).then_some(false);
        self.is_agreed = true;
    }

    /// A chain: the sender's own certificate first (RFC 5246, 7.4.2).
    fn certificates(&mut self, side: Side, body: &[u8], out: &mut Out<'_>) -> Result<(), Stop> {
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
                out.text(side, None, &SUBJECT, certificate.subject.as_bytes());
                out.text(side, None, &ISSUER, certificate.issuer.as_bytes());
            }
            out.certificate(side, certificate);
        }
        match &mut self.known {
            Some(known) if known.0 == side && !chain.is_empty() => known.1.is_certificate_visible = Some(true),
            _ => {}
        }
        Ok(())
    }

    fn known_server(&self) -> Option<Side> {
        self.known.as_ref().map(|known| known.0)
    }

    fn count(&self, side: Side, operation: Operation, mark: Mark, out: &mut Out<'_>) {
        let is_server = match (self.known_server(), &operation) {
            (Some(server), _) => server == side,
            (None, _) => out.port(side) < out.port(side.other()),
        };
        let direction = if is_server { Direction::Response } else { Direction::Request };
        out.count(Count { sender: side, direction, operation, child: None, mark, is_control: false });
    }

    /// Tells the protection, once.
    fn tell(&mut self, out: &mut Out<'_>) {
        if std::mem::replace(&mut self.is_told, true) {
            return;
        }
        if let Some(known) = self.known.take() {
            let (server, channel) = *known;
            out.channel(server, channel, self.shown);
        }
    }
}

/// 1.3, and its drafts.
fn hides(channel: &Channel) -> bool {
    matches!(channel.version, Some(Version::Tls(HIDES..)))
}
