//! TLS tells how a conversation is protected, whom it is for, which program asks, and, up to 1.2, which certificates are
//! shown.
//!
//! RFC 8446 (1.3), RFC 5246 (1.2) and its elders, RFC 6101 (SSL 3.0). Read: hellos, certificates, alerts in the clear; named on any port by the
//! structure of its records. After both sides have begun to encrypt, or at the first application data, nothing more can
//! be told: the flow is quiet. With 1.3 that is from the server's hello on, certificates included.
//!
//! Skipped on purpose: everything encrypted; the hello of SSL 2.0.

mod record;
#[cfg(test)]
mod tests;

use self::record::{Record, handshake, messages};
use crate::dissector::{Carrier, Dissector, Ending, Field, Next, Protocol, Side, Sides, Verdict};
use crate::handshake::{Content, Handshake, Over, Terms, mark_of_alert};
use crate::observation::{Operation, Transport};
use crate::out::Out;
use crate::reader::{Reader, Stop};

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

static TERMS: Terms = Terms { over: Over::Stream, subject: &SUBJECT, issuer: &ISSUER };

#[derive(Default)]
struct Conversation {
    handshake: Handshake,
    /// Who encrypts from here on.
    sealed: Sides<bool>,
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
                let is_over = !self.handshake.is_begun() || *self.sealed.of(side.other());
                if is_over {
                    self.handshake.tell(out);
                    return Ok(Next::Enough);
                }
                return Ok(Next::Skip(record.length.try_into().unwrap_or(u64::MAX)));
            }
            // A client says that it encrypts, and then hello again, when it was asked for another one (RFC 8446, D.4).
            Content::Handshake if !is_sealed || record::is_hello(reader.peek(record.length)?) => {
                let bytes = handshake(reader, record)?;
                for message in messages(&bytes) {
                    self.handshake.take(&TERMS, side, message, out)?;
                }
            }
            Content::Alert if !is_sealed => {
                let level = reader.sub(record.length)?.u8()?;
                self.handshake.count(side, Operation::Verb("alert"), mark_of_alert(level), out);
            }
            Content::ChangeCipherSpec => {
                reader.skip(record.length)?;
                // After a hello that asks for another one it means nothing (RFC 8446, 4.1.4 and D.4).
                let is_empty_word = !self.handshake.is_agreed() && self.handshake.server() == Some(side);
                if !is_empty_word {
                    *self.sealed.of_mut(side) = true;
                }
            }
            Content::Handshake | Content::Alert | Content::Heartbeat => {
                return Ok(Next::Skip(record.length.try_into().unwrap_or(u64::MAX)));
            }
        }
        if self.handshake.is_hidden() || (self.sealed.a && self.sealed.b) {
            self.handshake.tell(out);
            return Ok(Next::Enough);
        }
        Ok(Next::More)
    }

    fn finish(&mut self, _ending: Ending, out: &mut Out<'_>) {
        self.handshake.tell(out);
    }
}
