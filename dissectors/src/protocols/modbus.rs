//! Modbus/TCP tells who reads and writes what, which units answer behind one address, and what they call themselves
//! (Modbus Application Protocol V1.1b3; Messaging on TCP/IP Implementation Guide V1.0b).
//!
//! Read: every function, counted by unit; writes with their outcome; device identification and server id. The roles
//! come from the messages: structure first, then the pairing of answers with requests, then what is known already;
//! the port is the last resort. Only requests carry `is_control`. A request that breaks its function's structure is
//! counted all the same, because the server answers it (exception 3); a response that does is malformed. Functions
//! whose structure is not known here are taken by their length.
//!
//! Skipped on purpose: the values that are read, private identification objects (128 and up), what vendors put into
//! functions of their own, and Modbus over TLS (port 802).

use crate::dissector::{Carrier, Direction, Dissector, Field, Next, Protocol, Side, Verdict};
use crate::observation::{Category, Child, ChildProof, Operation, Outcome, Place, Transport};
use crate::out::{Action, Count, Mark, Out};
use crate::reader::{Reader, Stop};
use crate::time::Timestamp;
use crate::{Footing, Sides};
use pdu::{Fits, Pdu};
use std::collections::VecDeque;
use std::time::Duration;
use write::Write;

mod identity;
mod pdu;
mod write;

pub(crate) static MODBUS: Protocol = Protocol {
    name: "modbus",
    spec: "Modbus Application Protocol V1.1b3; Messaging on TCP/IP Implementation Guide V1.0b",
    carriers: &[Carrier::Tcp(PORTS), Carrier::Udp(PORTS)],
    fields: &[
        &identity::VENDOR_NAME,
        &identity::PRODUCT_CODE,
        &identity::REVISION,
        &identity::VENDOR_URL,
        &identity::PRODUCT_NAME,
        &identity::MODEL_NAME,
        &identity::USER_APPLICATION_NAME,
        &identity::CONFORMITY_LEVEL,
        &identity::SERVER_ID_TEXT,
        &identity::RUN_INDICATOR,
        &GATEWAY_EXCEPTION,
    ],
    probe,
    max_message: 260,
    relates: true,
    open: || Box::new(Conversation::default()),
};

static GATEWAY_EXCEPTION: Field = Field::new(
    "modbus.gateway_exception",
    "a gateway's own refusal: 10 path unavailable, 11 target failed to respond (section 7)",
);

/// What is known of a conversation, and which requests wait for an answer.
#[derive(Default)]
struct Conversation {
    /// Who serves, by the messages' own proof.
    server: Option<Side>,
    /// Who sent the first message: who asks, when nothing else tells.
    first: Option<Side>,
    /// Oldest first.
    pending: VecDeque<Pending>,
    /// The units told of each side, so that a poll costs no look-up.
    told: Sides<Units>,
}

impl Dissector for Conversation {
    fn message(&mut self, side: Side, reader: &mut Reader<'_>, out: &mut Out<'_>) -> Result<Next, Stop> {
        let adu = Adu::read(reader)?;
        let reading = self.reading(side, &adu, out).ok_or_else(|| reader.malformed("no message of its function"))?;

        self.first.get_or_insert(side);
        match reading {
            Reading::Request(grounds) => self.request(side, &adu, grounds, out),
            Reading::Response(grounds, pair) => self.response(side, &adu, grounds, pair, out),
        }
        Ok(Next::More)
    }

    /// Answers may have been among what was lost: nobody can say that they did not come.
    fn gap(&mut self, side: Side, _bytes: u64) -> Footing {
        for request in self.pending.iter_mut().filter(|request| request.asker != side) {
            request.is_owed_an_answer = false;
        }
        Footing::Segment
    }

    fn tick(&mut self, now: Timestamp, out: &mut Out<'_>) {
        while let Some(oldest) = self.pending.pop_front_if(|oldest| now.since(oldest.place.time) >= PATIENCE) {
            oldest.give_up(out);
        }
    }
}

/// A message's direction, and how sure it is.
#[derive(Clone, Copy, Debug)]
enum Reading {
    Request(Grounds),
    /// And the place of its request among the pending ones.
    Response(Grounds, Option<usize>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Grounds {
    /// The structure or the pairing admits nothing else.
    Proof,
    /// It is an echo, and the roles are taken from elsewhere.
    Roles,
    /// Its structure is broken: the roles admit nothing else.
    Broken,
}

impl Conversation {
    /// How a message is to be read; `None` when it cannot be one.
    fn reading(&self, side: Side, adu: &Adu<'_>, out: &Out<'_>) -> Option<Reading> {
        let fits = adu.pdu.fits();
        if fits == Fits::Request {
            return Some(Reading::Request(Grounds::Proof));
        }
        let pair = self.pending.iter().position(|request| request.is_answered_by(side, adu));
        let serves = self.likely_server(out).map(|server| server == side);
        let is_exception = adu.pdu.exception().is_some();
        match (fits, serves) {
            (Fits::Response | Fits::Either | Fits::Anything, _) if pair.is_some() => {
                Some(Reading::Response(Grounds::Proof, pair))
            }
            (Fits::Response, Some(true) | None) => Some(Reading::Response(Grounds::Proof, None)),
            (Fits::Either | Fits::Anything, _) => {
                let asks = serves.map_or(self.first.is_none_or(|first| first == side), |serves| !serves);
                Some(if asks { Reading::Request(Grounds::Roles) } else { Reading::Response(Grounds::Roles, None) })
            }
            (Fits::Neither | Fits::Response, Some(false)) if !adu.pdu.is_exception => {
                Some(Reading::Request(Grounds::Broken))
            }
            (Fits::Neither, Some(true)) if is_exception => Some(Reading::Response(Grounds::Broken, pair)),
            _ => None,
        }
    }

    fn likely_server(&self, out: &Out<'_>) -> Option<Side> {
        let is_known = |side| PORTS.contains(&out.port(side));
        self.server.or_else(|| match (is_known(Side::A), is_known(Side::B)) {
            (true, false) => Some(Side::A),
            (false, true) => Some(Side::B),
            _ => None,
        })
    }

    fn request(&mut self, side: Side, adu: &Adu<'_>, grounds: Grounds, out: &mut Out<'_>) {
        if grounds == Grounds::Proof {
            self.learn(side.other(), out);
        }
        if self.pending.len() >= MAX_PENDING
            && let Some(oldest) = self.pending.pop_front()
        {
            oldest.give_up(out);
        }
        let request = Pending {
            transaction: adu.transaction,
            unit: adu.unit,
            function: adu.pdu.function,
            asker: side,
            is_control: adu.pdu.is_control(),
            is_owed_an_answer: adu.unit != BROADCAST && !adu.pdu.silences() && !out.is_group(side.other()),
            write: if grounds == Grounds::Broken { None } else { Write::of(&adu.pdu) },
            place: out.place(),
        };
        out.count(request.count());
        self.pending.push_back(request);
    }

    fn response(&mut self, side: Side, adu: &Adu<'_>, grounds: Grounds, pair: Option<usize>, out: &mut Out<'_>) {
        let exception = adu.pdu.exception();
        out.count(Count {
            sender: side,
            direction: Direction::Response,
            operation: operation(adu.pdu.function),
            child: Some(child(adu.unit)),
            mark: if exception.is_some() { Mark::Exception } else { Mark::Plain },
            is_control: false,
        });
        if let Some(request) = pair.and_then(|place| self.pending.remove(place)) {
            request.act(outcome(exception), out);
        }
        if grounds == Grounds::Proof {
            self.learn(side, out);
            self.tell(side, adu, out);
        }
    }

    fn learn(&mut self, server: Side, out: &mut Out<'_>) {
        if self.server.replace(server) != Some(server) {
            out.server(server);
        }
    }

    /// What an answer says of who gives it.
    fn tell(&mut self, side: Side, adu: &Adu<'_>, out: &mut Out<'_>) {
        let exception = adu.pdu.exception();
        if let Some(code @ (GATEWAY_PATH_UNAVAILABLE | GATEWAY_TARGET_FAILED)) = exception {
            return out.number(side, None, &GATEWAY_EXCEPTION, i64::from(code));
        }
        let unit = child(adu.unit);
        if self.told.of_mut(side).insert(adu.unit) {
            out.child(side, &unit, ChildProof::Answered);
        }
        match adu.pdu.function {
            _ if exception.is_some() => {}
            pdu::REPORT_SERVER_ID => identity::tell_server_id(side, &unit, adu.pdu.data, out),
            pdu::ENCAPSULATED if identity::is_identification(adu.pdu.data) => {
                identity::tell_objects(side, &unit, adu.pdu.data, out);
            }
            _ => {}
        }
    }
}

/// A request that waits for its answer.
struct Pending {
    transaction: u16,
    unit: u8,
    function: u8,
    asker: Side,
    is_control: bool,
    is_owed_an_answer: bool,
    write: Option<Write>,
    place: Place,
}

impl Pending {
    /// The answer repeats transaction, unit and function. Some servers refuse a function that they do not know under
    /// the code 0x80, as if it were function 0.
    fn is_answered_by(&self, side: Side, adu: &Adu<'_>) -> bool {
        let Pdu { function, is_exception, .. } = adu.pdu;
        self.asker != side
            && self.transaction == adu.transaction
            && self.unit == adu.unit
            && (self.function == function || (function == 0 && is_exception))
    }

    fn count(&self) -> Count {
        Count {
            sender: self.asker,
            direction: Direction::Request,
            operation: operation(self.function),
            child: Some(child(self.unit)),
            mark: Mark::Plain,
            is_control: self.is_control,
        }
    }

    fn give_up(&self, out: &mut Out<'_>) {
        if self.is_owed_an_answer {
            out.unanswered(self.count(), self.place);
        }
        self.act(Outcome::Unanswered, out);
    }

    fn act(&self, outcome: Outcome, out: &mut Out<'_>) {
        let Some(write) = self.write else {
            return;
        };
        out.act(Action {
            sender: self.asker,
            child: Some(child(self.unit)),
            operation: operation(self.function),
            category: Category::Write,
            target: write.target(),
            value: write.value(),
            outcome,
            place: self.place,
        });
    }
}

/// An application data unit: the MBAP header (Messaging Guide, 3.1.3) and a PDU.
struct Adu<'a> {
    transaction: u16,
    unit: u8,
    pdu: Pdu<'a>,
}

impl<'a> Adu<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Stop> {
        let transaction = reader.u16()?;
        if reader.u16()? != 0 {
            return Err(reader.malformed("the protocol id is not 0"));
        }
        let length = reader.u16()?;
        if !(2..=254).contains(&length) {
            return Err(reader.malformed("the length is not 2 to 254"));
        }
        let mut rest = reader.sub(usize::from(length))?;
        Ok(Self { transaction, unit: rest.u8()?, pdu: Pdu::read(&mut rest)? })
    }
}

/// A set of units.
#[derive(Default)]
struct Units([u64; 4]);

impl Units {
    /// Adds a unit; whether it is new.
    fn insert(&mut self, unit: u8) -> bool {
        let bit = 1_u64.rotate_left(u32::from(unit));
        let Some(word) = self.0.get_mut(usize::from(unit / 64)) else {
            return false;
        };
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }
}

/// Protocol id, upper half of the length and, where the structure is known or the bytes end with the message, its
/// lower half could all have been otherwise.
fn probe(front: &[u8], transport: Transport) -> Verdict {
    let mut reader = match transport {
        Transport::Tcp => Reader::open(front, 0),
        Transport::Udp => Reader::closed(front),
        _ => return Verdict::NotMine,
    };
    let adu = match Adu::read(&mut reader) {
        Ok(adu) => adu,
        Err(Stop::Short { .. }) => return Verdict::More,
        Err(Stop::Malformed { .. }) => return Verdict::NotMine,
    };
    let ends = reader.is_empty();
    match adu.pdu.fits() {
        _ if !ends && !reader.is_open() => Verdict::NotMine,
        Fits::Request | Fits::Response | Fits::Either => Verdict::Bits(32),
        Fits::Anything if ends => Verdict::Bits(32),
        Fits::Anything => Verdict::Bits(24),
        Fits::Neither if ends && adu.pdu.function != 0 => Verdict::Bits(24),
        Fits::Neither => Verdict::NotMine,
    }
}

/// What an exception makes of a write (section 7): a server that acknowledges goes on working at it, and of a target
/// that failed to respond nothing is known.
fn outcome(exception: Option<u8>) -> Outcome {
    match exception {
        None | Some(ACKNOWLEDGE) => Outcome::Accepted,
        Some(GATEWAY_TARGET_FAILED) => Outcome::Unanswered,
        Some(_) => Outcome::Rejected,
    }
}

fn operation(function: u8) -> Operation {
    Operation::Code(u32::from(function))
}

fn child(unit: u8) -> Child {
    Child::Number(u32::from(unit))
}

const PORTS: &[u16] = &[502, 503];
/// On a serial line all servers obey unit 0 and none answers (Modbus over Serial Line V1.02, 2.1), whatever a TCP
/// server does.
const BROADCAST: u8 = 0;
const PATIENCE: Duration = Duration::from_secs(5);
const MAX_PENDING: usize = 64;

const ACKNOWLEDGE: u8 = 5;
const GATEWAY_PATH_UNAVAILABLE: u8 = 10;
const GATEWAY_TARGET_FAILED: u8 = 11;
