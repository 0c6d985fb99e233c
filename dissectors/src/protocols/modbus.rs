//! Modbus tells who reads and writes what, which units answer behind one address, and what they call themselves
//! (Modbus Application Protocol V1.1b3). Three framings carry it over TCP and UDP, on any port, and one conversation
//! keeps to one of them: the MBAP header (Messaging on TCP/IP Implementation Guide V1.0b), and RTU and ASCII of serial
//! lines (Modbus over Serial Line V1.02), as serial servers and gateways pass them on.
//!
//! Read: every function, counted by unit, of which only requests carry `is_control`; writes, of files too, by the
//! addresses in the PDU, which count from zero, restarts and silences of the port and cleared counters, with their
//! outcome; device identification, server id, SunSpec's common model; states, counters and event logs; UMAS, which
//! function 90 carries; that Modicon's functions of old program a controller. Units 0 and 255 often mean the server itself
//! (Guide, 4.4.2.3) and are told as they stand.
//!
//! Who asks comes from the messages: their structure first, then the pairing of answers with requests, then what is
//! known already, then the port, then who spoke first. A request that breaks its function's structure is counted all
//! the same, because a server answers it (exception 3); a response that does is malformed.
//!
//! Skipped on purpose: the values that are read (where a client walks from address to address is told); what function 43/13 and the other functions of makers hold (they are taken
//! by their length); and Modbus over TLS (port 802).

use crate::dissector::{Carrier, Direction, Dissector, Ending, Field, Next, Protocol, Side, Verdict};
use crate::names::named;
use crate::observation::{Child, ChildProof, Operation, Outcome, Place, Transport};
use crate::out::{Count, Mark, Out, Words};
use crate::pending::{Pending, Request, Waiting};
use crate::reader::{Reader, Stop};
use crate::time::Timestamp;
use crate::{Footing, Sides};
use compact_str::{CompactString, format_compact};
use control::Control;
use files::Files;
use pdu::{Fits, Pdu};
use pending::Asked;
use registers::Registers;
use sunspec::Maps;
pub(crate) use umas::{UMAS, UMAS_SIGNED};

mod ascii;
mod control;
mod diagnostics;
mod files;
mod identity;
mod mbap;
mod pdu;
mod pending;
mod records;
mod registers;
mod rtu;
mod serial;
mod sunspec;
mod umas;
mod walk;
mod write;

pub(crate) static MODBUS: Protocol = Protocol {
    name: "modbus",
    spec: "Modbus Application Protocol V1.1b3; Messaging on TCP/IP Implementation Guide V1.0b; Modbus over Serial Line V1.02",
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
        &identity::PRIVATE_OBJECT,
        &identity::SERVER_ID,
        &walk::ADDRESS_WALK,
        &diagnostics::DEVICE_EXCEPTION,
        &diagnostics::EXCEPTION_STATUS,
        &diagnostics::DIAGNOSTIC_REGISTER,
        &diagnostics::BUS_MESSAGES,
        &diagnostics::BUS_ERRORS,
        &diagnostics::BUS_EXCEPTIONS,
        &diagnostics::SERVER_MESSAGES,
        &diagnostics::NO_RESPONSES,
        &diagnostics::NAKS,
        &diagnostics::BUSY,
        &diagnostics::OVERRUNS,
        &diagnostics::COMM_EVENTS,
        &diagnostics::COMM_MESSAGES,
        &diagnostics::LOGGED_RESTARTS,
        &diagnostics::LOGGED_SILENCES,
        &registers::MODEL,
        &registers::SERIAL,
        &sunspec::MANUFACTURER,
        &sunspec::MODEL,
        &sunspec::OPTIONS,
        &sunspec::VERSION,
        &sunspec::SERIAL,
        &sunspec::ADDRESS,
        &sunspec::MODELS,
        &umas::identity::MODEL,
        &umas::identity::FIRMWARE,
        &umas::identity::FIRMWARE_PATCH,
        &umas::identity::FAMILY,
        &umas::identity::KIND,
        &umas::identity::CONTROLLER_ID,
        &umas::identity::HARDWARE_ID,
        &umas::identity::MEMORY_CARD,
        &umas::identity::OPERATING_STATE,
        &umas::identity::PROJECT_NAME,
        &umas::identity::PROJECT_VERSION,
        &umas::identity::PROJECT_REBUILT,
        &umas::identity::PROJECT_BUILT,
        &umas::identity::PROJECT,
        &umas::identity::PROJECT_FILE,
        &umas::reservation::OWNER,
        &umas::reservation::CLIENT_HOST,
    ],
    probe,
    max_message: 1030, // the header and the longest of function 90; RTU has 256, ASCII 513
    relates: true,
    open: || Box::new(Conversation::default()),
};

static GATEWAY_EXCEPTION: Field = Field::new(
    "modbus.gateway_exception",
    "a gateway's own refusal: 10 path unavailable, 11 target failed to respond (section 7)",
);

/// What is known of a conversation, and which requests wait for an answer. Every message touches it: it fills two cache
/// lines, and what few conversations have stands in boxes.
#[derive(Default)]
#[repr(align(64))]
struct Conversation {
    framing: Option<Framing>,
    /// Who serves, by the messages' own proof.
    server: Option<Side>,
    /// Who sent the first message: who asks, when nothing else tells.
    first: Option<Side>,
    walk: walk::Walk,
    pending: Pending<Asked>,
    /// The unit told last of each side, so that a poll costs no look-up; then all that were told.
    latest: Sides<Option<u8>>,
    told: Option<Box<Sides<Units>>>,
    maps: Option<Box<Maps>>,
    rare: Option<Box<Rare>>,
}

/// What few conversations have.
#[derive(Default)]
struct Rare {
    files: Files,
    /// What function 90 carries.
    umas: umas::Talk,
}

const _: () = assert!(size_of::<Conversation>() == 128);

impl Dissector for Conversation {
    fn message(&mut self, side: Side, reader: &mut Reader<'_>, out: &mut Out<'_>) -> Result<Next, Stop> {
        if self.framing != Some(Framing::Mbap) {
            return self.other_message(side, reader, out);
        }
        let adu = mbap::read(reader)?;
        self.adu(side, &adu, reader.at(), out)
    }

    /// Answers may have been among what was lost: nobody can say that they did not come.
    fn gap(&mut self, side: Side, _bytes: u64) -> Footing {
        self.pending.excuse(side);
        self.rare.iter_mut().for_each(|rare| rare.umas.lose(side));
        Footing::Segment
    }

    fn tick(&mut self, now: Timestamp, out: &mut Out<'_>) {
        self.pending.give_up(now, out);
        if let Some(rare) = &mut self.rare {
            rare.files.tick(now, out);
            rare.umas.give_up(now, out);
        }
    }

    fn finish(&mut self, ending: Ending, out: &mut Out<'_>) {
        self.pending.finish(ending, out);
        if let Some(rare) = &mut self.rare {
            rare.files.finish(out);
            rare.umas.finish(ending, out);
        }
    }
}

/// What stands around a PDU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Mbap,
    Rtu,
    Ascii,
}

impl Framing {
    /// What each makes of a front, in the order in which they are believed: a request of two registers from address 0
    /// has the protocol id and the length of an MBAP header, and a CRC that such a message has by chance only.
    fn verdicts(front: &[u8], transport: Transport) -> [(Self, Verdict); 3] {
        let ask = |probe: fn(&[u8], Transport) -> Verdict| match transport {
            Transport::Tcp | Transport::Udp => probe(front, transport),
            _ => Verdict::NotMine,
        };
        [(Self::Rtu, ask(rtu::probe)), (Self::Mbap, ask(mbap::probe)), (Self::Ascii, ask(ascii::probe))]
    }

    /// The framing of a conversation, by its first message; none if that shows none.
    fn of(front: &[u8], transport: Transport) -> Result<Option<Self>, Stop> {
        let verdicts = Self::verdicts(front, transport);
        if let Some((framing, _)) = verdicts.into_iter().find(|(_, verdict)| verdict.is_mine()) {
            return Ok(Some(framing));
        }
        let goes_on = verdicts.iter().any(|(_, verdict)| *verdict == Verdict::More);
        if goes_on { Err(Stop::Short { missing: 1 }) } else { Ok(None) }
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
    /// A message of a serial line, or the first.
    #[cold]
    fn other_message(&mut self, side: Side, reader: &mut Reader<'_>, out: &mut Out<'_>) -> Result<Next, Stop> {
        if self.framing.is_none() {
            self.framing = Framing::of(reader.rest(), out.transport())?;
        }
        let mut room = ascii::Room::default();
        let adu = match self.framing {
            Some(Framing::Rtu) => rtu::read(reader)?,
            Some(Framing::Ascii) => ascii::read(reader, &mut room)?,
            Some(Framing::Mbap) | None => mbap::read(reader)?,
        };
        self.adu(side, &adu, reader.at(), out)
    }

    // All that a message comes by is one function, but for what is rare: what was read stays in registers, and each
    // function of its own would save and restore all of them. A tenth of a packet's time.
    #[expect(clippy::inline_always, reason = "measured, see above")]
    #[inline(always)]
    fn adu(&mut self, side: Side, adu: &Adu<'_>, length: usize, out: &mut Out<'_>) -> Result<Next, Stop> {
        let reading = self.reading(side, adu, out).ok_or_else(|| unreadable(length))?;
        self.first.get_or_insert(side);
        match reading {
            Reading::Request(grounds) => self.request(side, adu, grounds, out),
            Reading::Response(grounds, pair) => self.response(side, adu, grounds, pair, out),
        }
        Ok(Next::More)
    }

    /// How a message is to be read; `None` when it cannot be one.
    #[expect(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn reading(&self, side: Side, adu: &Adu<'_>, out: &Out<'_>) -> Option<Reading> {
        let fits = adu.pdu.fits();
        if fits == Fits::Request {
            return Some(Reading::Request(Grounds::Proof));
        }
        let pair = self.pair(side, adu, out.place().time);
        let serves = self.likely_server(out).map(|server| server == side);
        let asks = || serves.map_or(self.first.is_none_or(|first| first == side), |serves| !serves);
        match fits {
            Fits::Response | Fits::Either | Fits::Anything if pair.is_some() => {
                Some(Reading::Response(Grounds::Proof, pair))
            }
            Fits::Response if serves != Some(false) => Some(Reading::Response(Grounds::Proof, None)),
            Fits::Either | Fits::Anything if asks() => Some(Reading::Request(Grounds::Roles)),
            Fits::Either | Fits::Anything => Some(Reading::Response(Grounds::Roles, None)),
            _ if !adu.pdu.is_exception && asks() => Some(Reading::Request(Grounds::Broken)),
            _ if serves == Some(true) && adu.pdu.exception().is_some() => {
                Some(Reading::Response(Grounds::Broken, pair))
            }
            _ => None,
        }
    }

    /// The place of the request that a message answers. A serial line has no transactions, and a master that asks again
    /// has given up what it asked before.
    #[inline]
    fn pair(&self, side: Side, adu: &Adu<'_>, now: Timestamp) -> Option<usize> {
        let is_it = |waiting: &Waiting<Asked>| waiting.request.is_answered_by(side, adu);
        match self.framing {
            Some(Framing::Rtu | Framing::Ascii) => self.pending.latest(now, is_it),
            Some(Framing::Mbap) | None => self.pending.position(now, is_it),
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

    #[expect(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn request(&mut self, side: Side, adu: &Adu<'_>, grounds: Grounds, out: &mut Out<'_>) {
        if grounds == Grounds::Proof {
            self.learn(side.other(), out);
        }
        let request = Asked::by(side, adu, None);
        if adu.pdu.function == pdu::READ_FILE_RECORD && grounds != Grounds::Broken {
            self.rare.get_or_insert_default().files.ask(adu.transaction, adu.unit, adu.pdu.data);
        }
        let is_owed_an_answer = adu.unit != BROADCAST && !adu.pdu.silences() && !out.is_group(side.other());
        out.count(request.count());
        if grounds == Grounds::Proof
            && let Some(steps) = self.walk.step(adu.unit, request.function, request.front)
        {
            out.number(side, None, &walk::ADDRESS_WALK, steps.into());
        }
        // What UMAS asks in vain is counted as its own.
        let is_umas = request.function == pdu::UMAS && self.umas_request(side, adu, is_owed_an_answer, out);
        let is_owed_an_answer = is_owed_an_answer && !is_umas;
        if request.is_control && grounds != Grounds::Broken {
            self.command(side, adu, is_owed_an_answer, out);
        } else {
            self.pending.push(request, is_owed_an_answer, out);
        }
    }

    /// What changes something is told with its outcome. Apart from all other requests: what it does is made in memory, and
    /// they would have to wait for that.
    #[inline(never)]
    fn command(&mut self, side: Side, adu: &Adu<'_>, is_owed_an_answer: bool, out: &mut Out<'_>) {
        self.pending.push(Asked::by(side, adu, Control::of(&adu.pdu)), is_owed_an_answer, out);
    }

    #[expect(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn response(&mut self, side: Side, adu: &Adu<'_>, grounds: Grounds, pair: Option<usize>, out: &mut Out<'_>) {
        let exception = adu.pdu.exception();
        let answered = pair.and_then(|at| self.pending.take(at));
        self.pending.give_up(out.place().time, out);
        out.count(Count {
            sender: side,
            direction: Direction::Response,
            operation: operation(adu.pdu.function),
            child: Some(child(adu.unit)),
            mark: if exception.is_some() { Mark::Exception } else { Mark::Plain },
            is_control: false,
        });
        if let Some(waiting) = &answered
            && !self.transfers(side, adu, waiting.place(), out)
            && waiting.request.control.is_some()
        {
            match outcome(exception) {
                Outcome::Rejected => waiting.refused(exception.map(reason).as_ref(), out),
                outcome => waiting.answered(outcome, out),
            }
        }
        if grounds == Grounds::Proof {
            // The first message of a flow on another port, when nobody was seen to ask, may be one by chance.
            let is_certain = answered.is_some() || self.likely_server(out).is_some();
            self.learn(side, out);
            if is_certain {
                self.tell(side, adu, answered.as_ref().map(|waiting| waiting.request.front), out);
            }
        }
        let asked = answered.map_or(adu.pdu.function, |waiting| waiting.request.function);
        if asked == pdu::UMAS {
            self.umas_response(side, adu, out);
        }
    }

    #[cold]
    fn umas_request(&mut self, side: Side, adu: &Adu<'_>, is_owed_an_answer: bool, out: &mut Out<'_>) -> bool {
        let carried = self.carried(side, adu);
        self.rare.get_or_insert_default().umas.request(&carried, is_owed_an_answer, out)
    }

    #[cold]
    fn umas_response(&mut self, side: Side, adu: &Adu<'_>, out: &mut Out<'_>) {
        let refused = adu.pdu.exception().map(|code| outcome(Some(code)));
        let carried = self.carried(side, adu);
        self.rare.get_or_insert_default().umas.response(&carried, refused, out);
    }

    fn carried<'a>(&self, sender: Side, adu: &Adu<'a>) -> umas::Carried<'a> {
        let has_transactions = self.framing == Some(Framing::Mbap);
        umas::Carried { sender, has_transactions, transaction: adu.transaction, unit: adu.unit, data: adu.pdu.data }
    }

    /// Whether an answer is a part of a file, which is told when all of it came.
    fn transfers(&mut self, side: Side, adu: &Adu<'_>, asked: Place, out: &mut Out<'_>) -> bool {
        let Adu { transaction, unit, pdu: Pdu { function, is_exception, data } } = *adu;
        match function {
            _ if is_exception => return false,
            pdu::READ_FILE_RECORD => {
                let files = &mut self.rare.get_or_insert_default().files;
                files.read(side.other(), (transaction, unit), data, asked, out);
            }
            pdu::WRITE_FILE_RECORD => {
                self.rare.get_or_insert_default().files.written(side.other(), unit, data, asked, out);
            }
            _ => return false,
        }
        true
    }

    fn learn(&mut self, server: Side, out: &mut Out<'_>) {
        if self.server.replace(server) != Some(server) {
            out.server(server);
        }
    }

    /// What an answer says of who gives it; `asked` is what its request began with.
    #[expect(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn tell(&mut self, side: Side, adu: &Adu<'_>, asked: Option<[u8; 4]>, out: &mut Out<'_>) {
        if let Some(code @ (GATEWAY_PATH_UNAVAILABLE | GATEWAY_TARGET_FAILED)) = adu.pdu.exception() {
            return out.number(side, None, &GATEWAY_EXCEPTION, i64::from(code));
        }
        if *self.latest.of(side) != Some(adu.unit) {
            self.tell_unit(side, adu.unit, out);
        }
        if let Some(code) = adu.pdu.exception() {
            return diagnostics::tell_exception(side, &child(adu.unit), code, out);
        }
        match adu.pdu.function {
            pdu::READ_HOLDING_REGISTERS | pdu::READ_INPUT_REGISTERS => {
                if let Some(read) = asked.and_then(|asked| Registers::of(asked, &adu.pdu)) {
                    self.tell_registers(side, adu.unit, read, out);
                }
            }
            pdu::READ_EXCEPTION_STATUS | pdu::DIAGNOSTICS | pdu::GET_COMM_EVENT_COUNTER | pdu::GET_COMM_EVENT_LOG => {
                diagnostics::tell(side, &child(adu.unit), &adu.pdu, out);
            }
            pdu::REPORT_SERVER_ID => identity::tell_server_id(side, &child(adu.unit), adu.pdu.data, out),
            pdu::ENCAPSULATED if identity::is_identification(adu.pdu.data) => {
                identity::tell_objects(side, &child(adu.unit), adu.pdu.data, out);
            }
            _ => {}
        }
    }

    #[inline]
    fn tell_registers(&mut self, side: Side, unit: u8, read: Registers<'_>, out: &mut Out<'_>) {
        if self.maps.is_some() || read.may_be_of_a_map() {
            self.maps.get_or_insert_default().see(side, unit, read, out);
        }
        if read.may_name_a_device() {
            read.tell_names(side, &child(unit), out);
        }
    }

    fn tell_unit(&mut self, side: Side, unit: u8, out: &mut Out<'_>) {
        *self.latest.of_mut(side) = Some(unit);
        if self.told.get_or_insert_default().of_mut(side).insert(unit) {
            out.child(side, &child(unit), ChildProof::Answered);
        }
    }
}

/// An application data unit: who is spoken to or speaks, and a PDU.
struct Adu<'a> {
    /// 0 on a serial line, which has none.
    transaction: u16,
    unit: u8,
    pdu: Pdu<'a>,
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

fn probe(front: &[u8], transport: Transport) -> Verdict {
    let verdicts = Framing::verdicts(front, transport).map(|(_, verdict)| verdict);
    let mine = verdicts.into_iter().find(|verdict| verdict.is_mine());
    mine.unwrap_or(if verdicts.contains(&Verdict::More) { Verdict::More } else { Verdict::NotMine })
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

/// Why a server refuses, in the standard's words.
fn reason(exception: u8) -> Words {
    Words::Numbers([exception.into(), 0], |[code, _]| {
        named(EXCEPTIONS, code).map_or_else(|| format_compact!("exception {code}"), CompactString::const_new)
    })
}

/// The frame around the PDU is sound: what follows it can be read.
fn unreadable(length: usize) -> Stop {
    Stop::Bad { what: "no message of its function", length }
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

/// Exception codes (section 7); 7 stood in older editions.
static EXCEPTIONS: &str = include_str!("../../data/modbus-exceptions.tsv");

const ACKNOWLEDGE: u8 = 5;
const GATEWAY_PATH_UNAVAILABLE: u8 = 10;
const GATEWAY_TARGET_FAILED: u8 = 11;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dissector::Ending;
    use crate::rig::{Rig, hex};
    use proptest::prelude::*;

    /// One of each kind: a request, and what answers it.
    pub(super) fn exchanges() -> Vec<(Vec<u8>, Vec<u8>)> {
        [
            // trans proto len  unit fc addr qty        trans proto len  unit fc count values
            ("0001 0000 0006 01 01 0000 0010", "0001 0000 0005 01 01 02 6666"),
            ("0002 0000 0006 01 03 0000 0002", "0002 0000 0007 01 03 04 0007 0008"),
            ("0003 0000 0006 01 04 1388 000a", "0003 0000 0003 01 84 02"),
            // trans proto len  unit fc addr value
            ("0004 0000 0006 01 05 0003 ff00", "0004 0000 0006 01 05 0003 ff00"),
            ("0005 0000 0006 01 06 0005 05dc", "0005 0000 0006 01 06 0005 05dc"),
            // trans proto len  unit fc addr qty count values
            ("0006 0000 0008 01 0f 0008 0004 01 0d", "0006 0000 0006 01 0f 0008 0004"),
            ("0007 0000 000b 01 10 0014 0002 04 000a 0014", "0007 0000 0006 01 10 0014 0002"),
            // trans proto len  unit fc addr and or
            ("0008 0000 0008 01 16 0004 00f2 0025", "0008 0000 0008 01 16 0004 00f2 0025"),
            // trans proto len  unit fc read: addr qty write: addr qty count values
            ("0009 0000 000f 01 17 0000 0004 000a 0002 04 0001 0002", "0009 0000 000b 01 17 08 0100010101020103"),
            // trans proto len  unit fc                 count id run text
            ("000a 0000 0002 01 11", "000a 0000 0009 01 11 06 08 ff 504d3731"),
            // trans proto len  unit fc mei code object      conformity more next count (number length text)
            ("000b 0000 0005 01 2b 0e 01 00", "000b 0000 000f 01 2b 0e 01 83 00 00 02 00 03 414243 01 00"),
            // trans proto len  unit fc sub data
            ("000c 0000 0006 01 08 0000 a55a", "000c 0000 0006 01 08 0000 a55a"),
            ("000d 0000 0004 01 5a 00 02", "000d 0000 0006 01 5a 00 fe 10 ff"),
        ]
        .map(|(request, response)| (hex(request), hex(response)))
        .into()
    }

    fn modbus() -> Rig {
        Rig::tcp(&MODBUS)
    }

    /// What side A sends and B answers, told.
    pub(super) fn story_of(exchanges: &[(&str, &str)]) -> Vec<String> {
        let mut rig = modbus();
        for (request, response) in exchanges {
            rig.segment(Side::A, &hex(request));
            rig.segment(Side::B, &hex(response));
        }
        rig.story()
    }

    #[test]
    fn a_poll_tells_its_unit_once() {
        let poll = ("0001 0000 0006 11 03 0000 0002", "0001 0000 0007 11 03 04 0007 0008");
        assert_eq!(
            story_of(&[poll, poll]),
            [
                "B serves",
                "A request[17] 3",
                "B response[17] 3",
                "10.0.0.2[17] exists (Answered)",
                "A request[17] 3",
                "B response[17] 3",
            ]
        );
    }

    #[test]
    fn every_unit_is_told() {
        let mut rig = modbus();
        for unit in (0..=255).chain(0..=255) {
            rig.segment(Side::B, &[0, 1, 0, 0, 0, 5, unit, 3, 2, 0, 7]);
        }
        let units: Vec<_> = rig.story().into_iter().filter(|line| line.contains("exists")).collect();
        assert!(units.len() == 256 && units[255] == "10.0.0.2[255] exists (Answered)", "{units:?}");
    }

    #[test]
    fn only_requests_that_change_something_carry_control() {
        let mut rig = modbus();
        let mut control: Vec<u8> = Vec::new();
        for function in 1..=127 {
            // The sub-function of Diagnostics is 1: restart.
            rig.segment(Side::A, &[0, function, 0, 0, 0, 6, 1, function, 0, 1, 0, 0]);
            rig.segment(Side::B, &[0, function, 0, 0, 0, 3, 1, function | 0x80, 1]);
            let story = rig.story();
            assert!(story.iter().any(|line| *line == format!("B response[1] {function} exception")), "{story:?}");
            if story.contains(&format!("A request[1] {function} control")) {
                control.push(function);
            } else {
                assert!(story.contains(&format!("A request[1] {function}")), "{story:?}");
            }
        }
        assert_eq!(control, [5, 6, 8, 9, 13, 15, 16, 18, 19, 21, 22, 23, 40, 125, 126]);
    }

    #[test]
    fn a_capture_may_begin_with_an_answer() {
        let mut rig = modbus().with_ports(4001, 4002);
        rig.segment(Side::A, &hex("0001 0000 0005 01 03 02 0007"));
        // An echo, asked by B because A is known to serve.
        rig.segment(Side::B, &hex("0002 0000 0006 01 06 0005 05dc"));
        rig.segment(Side::A, &hex("0002 0000 0006 01 06 0005 05dc"));
        assert_eq!(
            rig.story(),
            [
                "A serves",
                "A response[1] 3",
                "B request[1] 6 control",
                "A response[1] 6",
                "B write[1] by 6: register 5 = 1500, accepted (frame 2)",
                "10.0.0.1[1] exists (Answered)",
            ]
        );
    }

    #[test]
    fn an_echo_is_judged_by_the_port_and_without_one_by_who_spoke_first() {
        let echo = hex("0002 0000 0006 01 06 0005 05dc");
        let first_line = |ports: (u16, u16)| {
            let mut rig = modbus().with_ports(ports.0, ports.1);
            rig.segment(Side::A, &echo);
            rig.story().concat()
        };
        assert_eq!(first_line((40000, 502)), "A request[1] 6 control");
        assert_eq!(first_line((502, 40000)), "A response[1] 6");
        assert_eq!(first_line((502, 502)), "A request[1] 6 control");
        let mut rig = modbus().with_ports(4001, 4002);
        rig.segment(Side::A, &echo);
        rig.segment(Side::B, &hex("0009 0000 0006 01 06 0005 05dc"));
        assert_eq!(rig.story(), ["A request[1] 6 control", "B response[1] 6"], "nothing is proven");

        let mut rig = modbus().with_ports(4001, 4002);
        rig.segment(Side::A, &echo);
        rig.segment(Side::B, &echo);
        let story = rig.story();
        assert_eq!(story.first().map(String::as_str), Some("A request[1] 6 control"));
        assert_eq!(story.get(1).map(String::as_str), Some("B serves"), "the pairing proves it");
    }

    #[test]
    fn content_wins_over_the_roles_that_were_known() {
        let mut rig = modbus();
        rig.segment(Side::A, &hex("0001 0000 0006 01 03 0000 0001"));
        rig.segment(Side::B, &hex("0001 0000 0006 02 03 0000 0001"));
        rig.segment(Side::A, &hex("0001 0000 0005 02 03 02 0009"));
        assert_eq!(
            rig.story(),
            [
                "B serves",
                "A request[1] 3",
                "A serves",
                "B request[2] 3",
                "A response[2] 3",
                "10.0.0.1[2] exists (Answered)",
            ]
        );
    }

    #[test]
    fn a_request_for_coils_that_looks_like_an_answer_is_a_request() {
        // Coils from 0x0300: as an answer, a byte count of 3 and three bytes.
        let mut rig = modbus();
        rig.segment(Side::A, &hex("0001 0000 0006 01 01 0300 0008"));
        rig.segment(Side::B, &hex("0001 0000 0004 01 01 01 ff"));
        assert_eq!(rig.story().first().map(String::as_str), Some("A request[1] 1"));
    }

    #[test]
    fn many_messages_share_a_segment_and_one_may_need_several() {
        let pipelined = hex("0001 0000 0006 01 03 0004 0002  0002 0000 0006 01 04 000a 0002  0003 0000 0006 01 01");
        let mut rig = modbus();
        assert_eq!(rig.segment(Side::A, &pipelined), 8);
        assert_eq!(rig.story(), ["B serves", "A request[1] 3", "A request[1] 4"]);
        let mut open = Reader::open(&pipelined[24..], 0);
        assert!(matches!(mbap::read(&mut open), Err(Stop::Short { missing: 4 })));
    }

    #[test]
    fn a_gateway_speaks_for_itself_and_not_for_the_unit() {
        let story = story_of(&[
            ("0001 0000 0006 09 03 0000 0001", "0001 0000 0003 09 83 0b"),
            ("0002 0000 0006 09 03 0000 0001", "0002 0000 0003 09 83 0a"),
            ("0003 0000 0006 09 03 0000 0001", "0003 0000 0003 09 83 04"),
        ]);
        let told: Vec<_> = story.iter().filter(|line| line.starts_with("10.")).collect();
        assert_eq!(
            told,
            [
                "10.0.0.2 modbus.gateway_exception = 11",
                "10.0.0.2 modbus.gateway_exception = 10",
                "10.0.0.2[9] exists (Answered)",
                "10.0.0.2[9] modbus.device_exception = 4",
            ]
        );
    }

    #[test]
    fn a_request_without_an_answer_is_given_up_after_five_seconds() {
        let mut rig = modbus();
        rig.segment(Side::A, &hex("0001 0000 0006 01 03 0000 0001"));
        rig.segment(Side::A, &hex("0002 0000 0006 01 06 0005 05dc"));
        rig.story();
        assert_eq!(rig.wait(4).story(), [""; 0]);
        assert_eq!(
            rig.wait(1).story(),
            [
                "A request[1] 3 unanswered since frame 1",
                "A request[1] 6 unanswered since frame 2 control",
                "A write[1] by 6: register 5 = 1500, unanswered (frame 2)",
            ]
        );
        assert_eq!(rig.wait(60).story(), [""; 0]);
    }

    #[test]
    fn what_pends_when_a_connection_is_closed_is_unanswered() {
        let mut rig = modbus();
        rig.segment(Side::A, &hex("0001 0000 0006 01 03 0000 0001  0002 0000 0006 01 06 0005 05dc"));
        rig.story();
        assert_eq!(
            rig.finish(Ending::Closed).story(),
            [
                "A request[1] 3 unanswered since frame 1",
                "A request[1] 6 unanswered since frame 1 control",
                "A write[1] by 6: register 5 = 1500, unanswered (frame 1)",
            ]
        );
        assert_eq!(rig.finish(Ending::Closed).story(), [""; 0], "all is told");
    }

    #[test]
    fn a_write_at_the_end_of_a_capture_is_told_and_nothing_is_unanswered() {
        let mut rig = modbus();
        rig.segment(Side::A, &hex("0001 0000 0006 01 03 0000 0001  0002 0000 0006 01 06 0005 05dc"));
        rig.story();
        assert_eq!(rig.finish(Ending::Unseen).story(), ["A write[1] by 6: register 5 = 1500, unknown (frame 1)"]);
    }

    #[test]
    fn a_request_of_yesterday_takes_no_answer_of_today() {
        let mut rig = modbus();
        rig.segment(Side::A, &hex("0001 0000 0006 01 06 0005 05dc"));
        rig.story();
        rig.later(5).segment(Side::B, &hex("0001 0000 0006 01 06 0005 05dc"));
        assert_eq!(
            rig.story(),
            [
                "A request[1] 6 unanswered since frame 1 control",
                "B response[1] 6",
                "A write[1] by 6: register 5 = 1500, unanswered (frame 1)",
            ]
        );
        rig.segment(Side::A, &hex("0001 0000 0006 01 06 0005 0000"));
        rig.later(86_400).segment(Side::A, &hex("0001 0000 0006 01 06 0005 0001"));
        rig.segment(Side::B, &hex("0001 0000 0006 01 06 0005 0001"));
        let acts: Vec<_> = rig.story().into_iter().filter(|line| line.contains("write")).collect();
        assert_eq!(
            acts,
            [
                "A write[1] by 6: register 5 = 0, unanswered (frame 5003)",
                "A write[1] by 6: register 5 = 1, accepted (frame 86405004)",
            ]
        );
    }

    #[test]
    fn a_write_whose_answer_may_be_lost_has_an_unknown_outcome() {
        let mut rig = modbus();
        rig.segment(Side::A, &hex("0001 0000 0006 01 06 0005 05dc"));
        assert_eq!(rig.lose(Side::B, 12), Footing::Segment);
        rig.story();
        assert_eq!(rig.wait(5).story(), ["A write[1] by 6: register 5 = 1500, unknown (frame 1)"]);
        // The loss may as well have been behind the answer.
        rig.segment(Side::A, &hex("0001 0000 0006 01 06 0005 05dc"));
        let _ = rig.lose(Side::B, 1);
        rig.segment(Side::B, &hex("0001 0000 0003 01 86 02"));
        assert!(
            rig.story().contains(
                &"A write[1] by 6: register 5 = 1500, rejected (illegal data address) (frame 5002)".to_owned()
            )
        );
    }

    #[test]
    fn an_answer_repeats_transaction_unit_and_function_from_the_other_side() {
        let mut rig = modbus();
        rig.segment(Side::A, &hex("0001 0000 0006 01 03 0000 0001"));
        for stranger in ["0002 0000 0005 01 03 02 0007", "0001 0000 0005 02 03 02 0007", "0001 0000 0005 01 04 02 0007"]
        {
            rig.segment(Side::B, &hex(stranger));
        }
        rig.segment(Side::A, &hex("0001 0000 0003 01 83 02"));
        rig.story();
        assert_eq!(rig.wait(5).story(), ["A request[1] 3 unanswered since frame 1"]);
    }

    #[test]
    fn what_nobody_owes_an_answer_is_never_unanswered() {
        // Unit 0 is the serial line's broadcast; 8/4 forbids the answer.
        let mut rig = modbus();
        rig.segment(Side::A, &hex("0001 0000 0006 00 06 0005 05dc  0002 0000 0006 01 08 0004 0000"));
        rig.story();
        assert_eq!(
            rig.wait(9).story(),
            ["A write[0] by 6: register 5 = 1500, unknown (frame 1)", "A stop[1] by 8: port, unknown (frame 1)"]
        );

        // The bytes that were lost may have held the answer.
        rig.segment(Side::A, &hex("0003 0000 0006 01 03 0000 0001"));
        assert_eq!(rig.lose(Side::B, 9), Footing::Segment);
        rig.segment(Side::A, &hex("0004 0000 0006 01 04 0000 0001"));
        assert_eq!(rig.lose(Side::A, 9), Footing::Segment);
        rig.story();
        assert_eq!(rig.wait(9).story().len(), 1);

        let mut rig = Rig::udp(&MODBUS).with_group();
        rig.datagram(Side::A, &hex("0001 0000 0006 01 03 0000 0001  0002 0000 0006 01 06 0005 05dc")).story();
        assert_eq!(rig.wait(9).story(), ["A write[1] by 6: register 5 = 1500, unknown (frame 1)"]);
    }

    #[test]
    fn only_so_many_requests_wait_and_the_oldest_is_given_up() {
        let mut rig = modbus();
        for number in 0..=64 {
            rig.segment(Side::A, &[0, number, 0, 0, 0, 6, 1, 3, 0, 0, 0, 1]);
        }
        let unanswered: Vec<_> = rig.story().into_iter().filter(|line| line.contains("unanswered")).collect();
        assert_eq!(unanswered, ["A request[1] 3 unanswered since frame 1"]);
        rig.segment(Side::B, &hex("0001 0000 0005 01 03 02 0007"));
        rig.story();
        assert_eq!(rig.wait(9).story().len(), 63);
    }

    #[test]
    fn a_broken_request_is_counted_because_the_server_answers_it() {
        let story = story_of(&[
            // A function 16 that ends after the quantity reads like a response; 22 lacks its mask; 0 is no function.
            ("0001 0000 0006 01 10 0000 0001", "0001 0000 0003 01 90 03"),
            ("0002 0000 0006 01 16 0000 0001", "0002 0000 0003 01 96 03"),
            ("0003 0000 0006 01 00 0000 0001", "0003 0000 0003 01 80 01"),
        ]);
        let counted: Vec<_> = story.iter().filter(|line| line.contains(" re")).map(String::as_str).collect();
        assert_eq!(
            counted,
            [
                "A request[1] 16 control",
                "B response[1] 16 exception",
                "A request[1] 22 control",
                "B response[1] 22 exception",
                "A request[1] 0",
                "B response[1] 0 exception",
            ]
        );
    }

    #[test]
    fn a_refusal_under_function_0_answers_any_function() {
        let mut rig = modbus();
        rig.segment(Side::A, &hex("0002 0000 0004 01 42 01 02"));
        rig.segment(Side::B, &hex("0002 0000 0003 01 80 01"));
        rig.story();
        assert_eq!(rig.wait(9).story(), [""; 0]);
    }

    #[test]
    fn an_exception_with_more_than_its_code_counts_from_the_servers_side_only() {
        let padded = hex("0001 0000 0004 0a 81 06 00");
        let mut rig = modbus();
        rig.segment(Side::B, &padded);
        rig.segment(Side::A, &padded);
        assert_eq!(
            rig.story(),
            ["B response[10] 1 exception", "A stops: no message of its function in a message of 10 bytes"]
        );
    }

    #[test]
    fn broken_responses_and_broken_headers_are_malformed() {
        for (broken, why) in [
            ("0001 0001 0006 01 03 0000 0001", "the protocol id is not 0 at byte 4"),
            ("0001 0000 0001 01 03", "the length is not 2 to 254 at byte 6"),
            ("0001 0000 00ff 01 03 0000", "the length is not 2 to 254 at byte 6"),
            ("0001 0000 0401 01 5a 0000", "the length is not 2 to 254 at byte 6"),
            // Of no function is 0 the code; nothing is no answer; byte count and length disagree; registers have two bytes; an exception has a code.
            ("0001 0000 0006 01 00 0000 0001", "no message of its function in a message of 12 bytes"),
            ("0001 0000 0003 01 03 00", "no message of its function in a message of 9 bytes"),
            ("0001 0000 0005 01 03 04 0001", "no message of its function in a message of 11 bytes"),
            ("0001 0000 0008 01 03 05 0001020304", "no message of its function in a message of 14 bytes"),
            ("0001 0000 0002 01 83", "no message of its function in a message of 8 bytes"),
        ] {
            let mut rig = modbus();
            rig.segment(Side::B, &hex(broken));
            assert_eq!(rig.story(), [format!("B stops: {why}")], "{broken}");
        }
    }

    #[test]
    fn a_message_of_no_sense_in_a_sound_frame_hides_nothing_behind_it() {
        let mut rig = modbus();
        let nonsense = "0001 0000 0005 01 03 04 0001";
        let answers = format!("0002 0000 0005 01 03 02 0007  {nonsense}  {nonsense}  0003 0000 0005 01 04 02 0008");
        assert_eq!(rig.segment(Side::B, &hex(&answers)), 0);
        let bad = "B stops: no message of its function in a message of 11 bytes";
        let unit = "10.0.0.2[1] exists (Answered)";
        assert_eq!(rig.story(), ["B serves", "B response[1] 3", unit, bad, bad, "B response[1] 4"]);
        let mut rig = Rig::udp(&MODBUS);
        rig.datagram(Side::B, &hex(&answers));
        assert_eq!(rig.story().last().map(String::as_str), Some("B response[1] 4"));
    }

    #[test]
    fn function_90_may_be_longer_than_the_standard_allows() {
        let mut long = hex("0007 0000 0100 00 5a 00 0a");
        long.resize(6 + 0x100, 7);
        let mut rig = modbus();
        assert_eq!(rig.segment(Side::A, &long[..200]), 200);
        assert_eq!(rig.segment(Side::A, &long), 0);
        assert_eq!(rig.story(), ["A request[0] 90", "A request[0] 0x0A"]);
    }

    #[test]
    fn a_message_cut_anywhere_changes_nothing() {
        let without_frame = |story: Vec<String>| -> Vec<String> {
            story
                .into_iter()
                .map(|line| line.split(" (frame").next().expect("lines are not empty").to_owned())
                .collect()
        };
        let (mut whole, mut cut, mut datagrams) = (modbus(), modbus(), Rig::udp(&MODBUS));
        for (request, response) in exchanges() {
            for (side, message) in [(Side::A, request), (Side::B, response)] {
                for end in 1..message.len() {
                    let front = &message[..end];
                    assert_eq!(cut.segment(side, front), end, "{front:x?}");
                    let stops = datagrams.datagram(side, front).story();
                    assert!(
                        matches!(&stops[..], [stop] if stop.contains("stops: the bytes end too early")),
                        "{stops:?}"
                    );
                }
                whole.segment(side, &message);
                cut.segment(side, &message);
                let story = without_frame(whole.story());
                assert!(story.iter().all(|line| !line.contains("stops")), "{story:?}");
                assert_eq!(without_frame(cut.story()), story);
                assert_eq!(without_frame(datagrams.datagram(side, &message).story()), story);
            }
        }
        assert_eq!(whole.wait(9).story(), [""; 0], "each request found its answer");
    }

    prop_compose! {
        /// A sound header around anything.
        fn framed()(pdu in prop::collection::vec(any::<u8>(), 1..40), unit: u8, transaction in 0..3_u8) -> Vec<u8> {
            let length = u8::try_from(pdu.len() + 1).expect("PDUs are short");
            [&[0, transaction, 0, 0, 0, length, unit % 3][..], &pdu].concat()
        }
    }

    proptest! {
        #[test]
        fn anything_is_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            modbus().segment(Side::A, &bytes);
            Rig::udp(&MODBUS).datagram(Side::B, &bytes);
            let verdict = modbus().probe(&bytes);
            prop_assert!(bytes.len() < 4 || bytes[2..4] == [0, 0] || !matches!(verdict, Verdict::Bits(_)));
        }

        #[test]
        fn anything_framed_is_read_without_a_panic(messages in prop::collection::vec((framed(), any::<bool>()), 1..200)) {
            let mut rig = modbus();
            for (message, is_a) in messages {
                rig.segment(if is_a { Side::A } else { Side::B }, &message);
                rig.probe(&message);
            }
            rig.wait(60);
        }
    }
}
