//! SNMP tells what an agent says of itself (system group, first entity), by which communities and users it is asked, and
//! which of its values are set.
//!
//! RFC 1157 (version 1), RFC 1901 and 3416 (2c), RFC 3412 and 3414 (3, users), RFC 3411 (engines), RFC 3418 (system), RFC
//! 6933 (entities). An agent that answers has accepted the community, or the user; who uses a wrong one gets no answer, or,
//! in version 3, a report. Skipped on purpose: all other values; what is encrypted; the password behind a signature, which
//! takes a million bytes of hashing for each guess (RFC 3414, A.2).

use crate::ber;
use crate::dissector::{Carrier, Direction, Dissector, Ending, Field, Footing, Next, Protocol, Side, Verdict};
use crate::hex::hex;
use crate::login::{Laxity, Login};
use crate::names::named;
use crate::observation::{Channel, Operation, Outcome, Transport, Version};
use crate::out::{Count, Mark, Out, Words};
use crate::pending::{Command, Pending, Request};
use crate::proof::{Answering, Challenge, Proof};
use crate::reader::{Reader, Stop};
use crate::secret::Secret;
use crate::time::Timestamp;
use compact_str::CompactString;
use message::{Body, Guard, Message, Pdu};
use std::sync::Arc;
use std::time::Duration;

mod message;
#[cfg(test)]
mod tests;
mod value;

pub(crate) static SNMP: Protocol = Protocol {
    name: "snmp",
    spec: "RFC 3416, RFC 3414",
    carriers: &[Carrier::Udp(&[161, 162])],
    fields: &[
        &value::DESCRIPTION,
        &value::OBJECT_ID,
        &value::CONTACT,
        &value::NAME,
        &value::LOCATION,
        &value::HARDWARE,
        &value::FIRMWARE,
        &value::SOFTWARE,
        &value::SERIAL,
        &value::MAKER,
        &value::MODEL,
        &ENGINE,
        &ENGINE_ENTERPRISE,
        &ENGINE_MAC,
    ],
    probe,
    max_message: 65_507,
    relates: true,
    open: || Box::<Snmp>::default(),
};

static ENGINE: Field = Field::new("snmp.engine_id", "by what its engine is told from all others, in hex (RFC 3411, 5)");
static ENGINE_ENTERPRISE: Field =
    Field::new("snmp.engine_enterprise", "the enterprise number of who made the engine, from its id (RFC 3411, 5)");
static ENGINE_MAC: Field = Field::new("snmp.engine_mac", "a MAC address of the engine, from its id (RFC 3411, 5)");

#[derive(Default)]
struct Snmp {
    pending: Pending<Asked>,
}

/// A request that waits for its response.
struct Asked {
    sender: Side,
    number: i64,
    operation: Operation,
    login: Option<Login>,
    /// What its answer makes of the login, where that is not what it makes of the request.
    ending: Option<Outcome>,
    /// Whether its user signs nothing.
    is_unguarded: bool,
    commands: Vec<Command>,
}

fn probe(front: &[u8], transport: Transport) -> Verdict {
    let mut reader = Reader::closed(front);
    match Message::read(&mut reader) {
        // Tags and lengths that agree down to the innermost, and the number of the version.
        Ok(_) if transport == Transport::Udp => Verdict::Bits(72),
        _ => Verdict::NotMine,
    }
}

impl Dissector for Snmp {
    fn message(&mut self, side: Side, reader: &mut Reader<'_>, out: &mut Out<'_>) -> Result<Next, Stop> {
        let message = Message::read(reader)?;
        match &message.body {
            Body::Pdu(pdu) if pdu.is_answer() => self.answer(side, &message, Some(pdu), out),
            Body::Encrypted if !message.is_reportable => self.answer(side, &message, None, out),
            Body::Pdu(pdu) => self.request(side, &message, Some(pdu), out),
            Body::Encrypted => self.request(side, &message, None, out),
        }
        Ok(Next::More)
    }

    fn gap(&mut self, side: Side, _bytes: u64) -> Footing {
        self.pending.excuse(side);
        Footing::Segment
    }

    fn tick(&mut self, now: Timestamp, out: &mut Out<'_>) {
        self.pending.give_up(now, out);
    }

    fn finish(&mut self, ending: Ending, out: &mut Out<'_>) {
        self.pending.finish(ending, out);
    }
}

impl Snmp {
    fn request(&mut self, side: Side, message: &Message<'_>, pdu: Option<&Pdu<'_>>, out: &mut Out<'_>) {
        out.server(side.other());
        let is_set = pdu.is_some_and(|pdu| pdu.kind == message::SET);
        let asked = Asked {
            sender: side,
            number: message.number,
            operation: operation(pdu),
            login: login(side.other(), message),
            ending: None,
            is_unguarded: matches!(message.guard, Guard::User { name: [_, ..], signature: None, .. }),
            commands: pdu.filter(|_| is_set).map(|pdu| value::commands(pdu)).unwrap_or_default(),
        };
        out.count(asked.count());
        match pdu {
            // Nobody owes an answer to what is only told (RFC 3416, 4.2.6); it speaks of who tells it.
            Some(pdu) if pdu.is_notice() => {
                value::tell(side, pdu, out);
                engine(side, message, out);
                if let Some(login) = asked.login {
                    out.login(login, Outcome::Unknown, out.place());
                }
            }
            _ => {
                let is_owed = !out.is_group(side.other());
                self.pending.push(asked, is_owed, out);
            }
        }
    }

    fn answer(&mut self, side: Side, message: &Message<'_>, pdu: Option<&Pdu<'_>>, out: &mut Out<'_>) {
        out.server(side);
        let is_report = pdu.is_some_and(|pdu| pdu.kind == message::REPORT);
        let is_refusal = is_report || pdu.is_some_and(|pdu| pdu.status != 0);
        let mark = if is_refusal { Mark::Exception } else { Mark::Plain };
        out.count(Count {
            sender: side,
            direction: Direction::Response,
            operation: operation(pdu),
            child: None,
            mark,
            is_control: false,
        });
        engine(side, message, out);
        // What refuses repeats what it was sent (RFC 3416, 4.2.5).
        if let Some(pdu) = pdu.filter(|_| !is_refusal) {
            value::tell(side, pdu, out);
        }
        if message.version == message::FIRST {
            let channel = Channel {
                client: out.host(side.other()),
                port: out.port(side),
                begun: out.place().time,
                version: Some(Version::Named("SNMP 1")),
                ..Channel::default()
            };
            let shown = out.place();
            out.channel(side, channel, shown);
        }
        let now = out.place().time;
        let is_it = |asked: &Asked| asked.sender != side && asked.number == message.number;
        let at = self.pending.position(now, |waiting| is_it(&waiting.request));
        let Some(mut waiting) = at.and_then(|at| self.pending.take(at)) else { return };
        let report = pdu.filter(|_| is_report).and_then(value::report);
        let asked = &mut waiting.request;
        asked.ending = Some(match (is_report, report, pdu.map_or(0, |pdu| pdu.status)) {
            (true, Some(value::UNKNOWN_USER | value::WRONG_DIGEST), _) | (false, _, value::AUTHORIZATION_ERROR) => {
                Outcome::Rejected
            }
            (true, ..) => Outcome::Unknown,
            (false, ..) => Outcome::Accepted,
        });
        if asked.is_unguarded && !is_report {
            out.lax(side, None, Laxity::NoLogin, "values for users without a password");
        }
        if !is_refusal && !asked.commands.is_empty() && matches!(message.guard, Guard::Community(_)) {
            out.lax(side, None, Laxity::Clear, "settings");
        }
        match pdu {
            Some(pdu) if is_refusal && !is_report => {
                let reason = u32::try_from(pdu.status).ok().and_then(|status| named(ERRORS, status));
                waiting.refused(reason.map(Words::from).as_ref(), out);
            }
            _ if is_refusal => waiting.answered(Outcome::Rejected, out),
            _ => waiting.answered(Outcome::Accepted, out),
        }
    }
}

/// The kind of a message; of one that is encrypted nobody knows.
fn operation(pdu: Option<&Pdu<'_>>) -> Operation {
    pdu.map_or(Operation::Verb("encrypted"), |pdu| Operation::Code(pdu.kind.into()))
}

/// By what a message is let in. A user who signs nothing shows nothing that could be a password.
fn login(server: Side, message: &Message<'_>) -> Option<Login> {
    let (scheme, username, proof) = match &message.guard {
        Guard::Community(community) => ("snmp_community", None, Proof::clear(community)),
        Guard::User { name: [], .. } | Guard::User { signature: None, .. } => return None,
        Guard::User { name, signature: Some(signature), .. } => {
            let response = Secret::new(signature);
            let challenge = Challenge { answering: Answering::Other, challenge: Box::default(), response };
            ("snmp_user", Some((*name).into()), Proof::Challenge(Box::new(challenge)))
        }
    };
    Some(Login { server, child: None, scheme, username, realm: None, proof: Arc::new(proof), encrypted: false })
}

/// Who made the engine of the one that sends: its first bit says that a number of an enterprise stands in front.
fn engine(side: Side, message: &Message<'_>, out: &mut Out<'_>) {
    let Guard::User { engine, .. } = &message.guard else { return };
    let Some((front, rest)) = engine.split_first_chunk() else { return };
    out.text(side, None, &ENGINE, hex(engine).as_bytes());
    let number = u32::from_be_bytes(*front);
    if number >> 31 == 1 {
        out.number(side, None, &ENGINE_ENTERPRISE, i64::from(number & (u32::MAX >> 1)));
    }
    if let [MAC_FORMAT, mac @ ..] = rest
        && let Ok(mac) = <[u8; 6]>::try_from(mac)
    {
        let text = CompactString::from(crate::observation::Mac(mac).to_string());
        out.text(side, None, &ENGINE_MAC, text.as_bytes());
    }
}

impl Request for Asked {
    const PATIENCE: Duration = Duration::from_secs(10);

    fn count(&self) -> Count {
        Count {
            sender: self.sender,
            direction: Direction::Request,
            operation: self.operation.clone(),
            child: None,
            mark: Mark::Plain,
            is_control: !self.commands.is_empty(),
        }
    }

    fn command(&self) -> Option<Command> {
        self.commands.first().cloned()
    }

    fn others(&self) -> &[Command] {
        self.commands.get(1..).unwrap_or_default()
    }

    fn login(&self) -> Option<Login> {
        self.login.clone()
    }

    fn login_ending(&self) -> Option<Outcome> {
        self.ending
    }

    fn client_user(&self) -> Option<Box<str>> {
        self.login.as_ref().and_then(Login::user)
    }
}

const MAC_FORMAT: u8 = 3;
/// Why a request is refused (RFC 3416, 3).
const ERRORS: &str = include_str!("../../data/snmp-errors.tsv");
