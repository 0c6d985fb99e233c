//! DTLS tells of datagrams what TLS tells of streams: how they are protected, which program asks and, up to 1.2, which
//! certificates are shown.
//!
//! RFC 9147 (1.3), RFC 6347 (1.2) and RFC 4347 (1.0). Read: hellos, the server's wish for a cookie, certificates, alerts in the
//! clear; messages that come in fragments, in their order; named on any port by records that fill their datagram. Whatever
//! has an epoch is encrypted: when both sides do so, the flow is quiet. With 1.3 that is from the server's hello on.
//!
//! Skipped on purpose: everything encrypted; fragments that come before their turn, for a sender repeats what was lost.

mod part;
#[cfg(test)]
mod tests;

use self::part::{Fragment, Part};
use crate::dissector::{Carrier, Dissector, Ending, Field, Next, Protocol, Side, Sides, Verdict};
use crate::handshake::{self, Content, Handshake, Over, Terms};
use crate::observation::{Operation, Transport};
use crate::out::Out;
use crate::reader::{Reader, Stop};
use smallvec::SmallVec;

pub(crate) static DTLS: Protocol = Protocol {
    name: "dtls",
    spec: "RFC 9147, RFC 6347",
    carriers: &[Carrier::Udp(&[5684, 2221, 10161, 10162, 4433])],
    fields: &[&SUBJECT, &ISSUER],
    probe,
    max_message: u16::MAX as usize,
    relates: true,
    open: || Box::<Conversation>::default(),
};

static SUBJECT: Field =
    Field::new("dtls.certificate_subject", "whom the first certificate of the chain names (RFC 5280, 4.1.2.6)");
static ISSUER: Field =
    Field::new("dtls.certificate_issuer", "who signed the first certificate of the chain (RFC 5280, 4.1.2.4)");

static TERMS: Terms = Terms { over: Over::Datagrams, subject: &SUBJECT, issuer: &ISSUER };

/// A hello that asks for another one with a cookie (RFC 6347, 4.2.1).
const HELLO_VERIFY_REQUEST: u8 = 3;

#[derive(Default)]
struct Conversation {
    handshake: Handshake,
    /// Who encrypts from here on.
    sealed: Sides<bool>,
    /// What each side has sent of a message that comes in fragments.
    parts: Sides<Option<Box<Part>>>,
}

/// The head of a record in the clear, or of one that is encrypted and still has it (RFC 6347, 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Record {
    content: Content,
    is_sealed: bool,
    length: usize,
}

impl Record {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Stop> {
        let code = reader.u8()?;
        let is_sealed_by_type = code == WITH_ID;
        let content = if is_sealed_by_type { Some(Content::Application) } else { Content::of(code) };
        let content = content.ok_or_else(|| reader.malformed("no record has this type"))?;
        if !matches!(reader.u16()?, 0xfefd | 0xfeff) {
            return Err(reader.malformed("no record has this version"));
        }
        let epoch = reader.u16()?;
        reader.skip(6)?;
        // The id's length is known to the two ends alone, and what follows it is encrypted (RFC 9146, 4).
        let length = if is_sealed_by_type { reader.remaining() } else { reader.u16()?.into() };
        if length > handshake::LONGEST_RECORD || length > reader.remaining() {
            return Err(reader.malformed("no record has this length"));
        }
        Ok(Self { content, is_sealed: is_sealed_by_type || epoch > 0, length })
    }
}

/// The type of records that bear the id of a connection (RFC 9146, 3).
const WITH_ID: u8 = 25;

/// The first octet of what 1.3 encrypts (RFC 9147, 4).
fn is_hidden(octet: u8) -> bool {
    octet >> 5 == 1
}

/// A hello whose lengths agree proves most. Of other records as many as fill the datagram are asked for.
fn probe(front: &[u8], transport: Transport) -> Verdict {
    if transport != Transport::Udp {
        return Verdict::NotMine;
    }
    let mut reader = Reader::closed(front);
    let Ok(first) = Record::read(&mut reader) else { return Verdict::NotMine };
    let is_plain = first.content == Content::Handshake && !first.is_sealed;
    let Ok(mut body) = reader.sub(first.length) else { return Verdict::NotMine };
    if is_plain && Fragment::read(&mut body).is_ok_and(|fragment| fragment.is_hello()) {
        return Verdict::Bits(64);
    }
    while !reader.is_empty() {
        match Record::read(&mut reader) {
            Ok(next) if reader.skip(next.length).is_ok() => {}
            _ => return Verdict::NotMine,
        }
    }
    Verdict::Bits(36)
}

impl Dissector for Conversation {
    /// A message is a record.
    fn message(&mut self, side: Side, reader: &mut Reader<'_>, out: &mut Out<'_>) -> Result<Next, Stop> {
        if reader.peek(1)?.first().is_some_and(|octet| is_hidden(*octet)) && self.handshake.is_begun() {
            reader.skip(reader.remaining())?;
            return Ok(self.seal(side, out));
        }
        let record = Record::read(reader)?;
        let mut body = reader.sub(record.length)?;
        if record.is_sealed || record.content == Content::Application {
            return Ok(self.seal(side, out));
        }
        match record.content {
            Content::Handshake => {
                let mut fragments: SmallVec<[Fragment<'_>; 4]> = SmallVec::new();
                while !body.is_empty() {
                    fragments.push(Fragment::read(&mut body)?);
                }
                for fragment in fragments {
                    self.fragment(side, &fragment, out)?;
                }
            }
            Content::Alert => {
                let mark = handshake::mark_of_alert(body.u8()?);
                self.handshake.count(side, Operation::Verb("alert"), mark, out);
            }
            // What follows it has another epoch.
            Content::ChangeCipherSpec | Content::Heartbeat | Content::Application => {}
        }
        if self.handshake.is_hidden() {
            self.handshake.tell(out);
            return Ok(Next::Enough);
        }
        Ok(Next::More)
    }

    fn let_go(&mut self) {
        self.parts = Sides::default();
    }

    fn finish(&mut self, _ending: Ending, out: &mut Out<'_>) {
        self.handshake.tell(out);
    }
}

impl Conversation {
    /// A side encrypts. Where nobody has said hello, or both do, nothing more can be told.
    fn seal(&mut self, side: Side, out: &mut Out<'_>) -> Next {
        *self.sealed.of_mut(side) = true;
        if self.handshake.is_begun() && !*self.sealed.of(side.other()) {
            return Next::More;
        }
        self.handshake.tell(out);
        Next::Enough
    }

    fn fragment(&mut self, side: Side, fragment: &Fragment<'_>, out: &mut Out<'_>) -> Result<(), Stop> {
        if fragment.is_whole() {
            return self.handshake.take(&TERMS, side, (fragment.kind, fragment.bytes), out);
        }
        let waiting = self.parts.of_mut(side);
        let before = waiting.as_ref().map_or(0, |part| part.held());
        match waiting {
            _ if fragment.is_first() => *waiting = Some(Box::new(Part::of(fragment))),
            Some(part) => part.add(fragment),
            // Its front was lost, and is sent again.
            None => return Ok(()),
        }
        let whole = waiting.take_if(|part| part.is_whole());
        let now = waiting.as_ref().map_or(0, |part| part.held());
        out.hold_back(now.saturating_sub(before));
        match whole {
            Some(part) => self.handshake.take(&TERMS, side, (part.kind, &part.bytes), out),
            None => Ok(()),
        }
    }
}
