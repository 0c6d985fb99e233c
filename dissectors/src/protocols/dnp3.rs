//! DNP3 tells which outstations stand behind an address, which masters poll and command them, and how they are
//! (IEEE 1815-2012). Its link frames are found on any port: in TCP and UDP, and in what serial servers pass on of a line.
//!
//! Read: link frames with all of their checksums, segments and fragments put together, every function counted by
//! outstation; requests with their outcome, by the internal indications of their answers; confirmations that are
//! missing; what outstations say of their state. A link frame that carries no data is counted by its function (`l9`),
//! and so is each segment whose fragment never was whole (`l4`): every frame counts in one message or in its own.
//!
//! Who is master comes from the function of a message, then from the bit DIR, never from the port. An outstation is a
//! child of its host, by its link address.
//!
//! Skipped on purpose: the acknowledgement that a confirmed link frame is owed, and DNP3 over TLS (port 19999).

use self::application::{CONFIRM, Fragment, Indications};
use self::contents::Contents;
use self::link::{Header, Room};
use self::login::Login;
use self::pending::{Asked, LinkAsked, Wants};
use self::station::Stations;
use self::transport::Segment;
use self::turn::Turn;
use crate::dissector::{Carrier, Direction, Dissector, Ending, Footing, Next, Protocol, Side};
use crate::observation::{Operation, Outcome};
use crate::out::{Mark, Out};
use crate::pending::Pending;
use crate::reader::{Reader, Stop};
use crate::side::Sides;
use crate::time::Timestamp;

mod application;
mod attributes;
mod authentication;
#[cfg(test)]
mod captures;
mod command;
mod contents;
mod controls;
mod crc;
mod deed;
mod file;
mod link;
mod login;
mod objects;
mod pending;
mod station;
mod terminal;
#[cfg(test)]
mod tests;
mod time;
mod transport;
mod turn;
mod words;

pub(crate) static DNP3: Protocol = Protocol {
    name: "dnp3",
    spec: "IEEE 1815-2012",
    carriers: &[Carrier::Tcp(PORTS), Carrier::Udp(PORTS)],
    fields: &[
        &station::OUTSTATION_ADDRESS,
        &station::MASTER_ADDRESS,
        &station::NEED_TIME,
        &station::LOCAL_CONTROL,
        &station::DEVICE_TROUBLE,
        &station::DEVICE_RESTART,
        &station::EVENT_BUFFER_OVERFLOW,
        &station::CONFIGURATION_CORRUPT,
        &attributes::CONFIGURATION_ID,
        &attributes::CONFIGURATION_VERSION,
        &attributes::CONFIGURATION_BUILT,
        &attributes::CONFIGURATION_CHANGED,
        &attributes::CONFIGURATION_DIGEST,
        &attributes::CONFIGURATION_DIGEST_ALGORITHM,
        &attributes::MASTER_RESOURCE_ID,
        &attributes::ALTITUDE,
        &attributes::LONGITUDE,
        &attributes::LATITUDE,
        &attributes::SECONDARY_OPERATOR,
        &attributes::PRIMARY_OPERATOR,
        &attributes::SYSTEM_NAME,
        &attributes::AUTHENTICATION_VERSION,
        &attributes::SOFTWARE_VERSION,
        &attributes::HARDWARE_VERSION,
        &attributes::OWNER,
        &attributes::LOCATION,
        &attributes::IDENTIFICATION_CODE,
        &attributes::DEVICE_NAME,
        &attributes::SERIAL_NUMBER,
        &attributes::SUBSET,
        &attributes::PRODUCT,
        &attributes::MANUFACTURER,
        &attributes::WRITABLE_ATTRIBUTES,
        &attributes::ATTRIBUTE,
        &attributes::PRIVATE_ATTRIBUTE,
        &time::CLOCK_OFFSET,
        &authentication::MAC_ALGORITHM,
        &authentication::KEY_WRAP,
        &authentication::CHALLENGE,
        &authentication::SESSION_KEY_STATUS,
        &authentication::USER,
        &authentication::ERROR,
        &authentication::STATISTIC,
        &contents::OCTET_STRING,
        &contents::APPLICATION,
        &contents::PRIVATE_REGISTRATION,
        &contents::DEVICE_PROFILE,
        &contents::UNREAD_OBJECT,
        &terminal::TERMINAL,
        &terminal::TERMINAL_OCTETS,
    ],
    probe: link::probe,
    max_message: link::LONGEST,
    relates: true,
    open: || Box::new(Conversation::default()),
};

/// What stations say to each other over one connection, or one line.
#[derive(Default)]
struct Conversation {
    /// Who serves, by the latest message.
    server: Option<Side>,
    /// From whom anything was heard: a mirror that shows one direction proves no missing confirmation.
    heard: Sides<bool>,
    pending: Pending<Asked>,
    link_pending: Pending<LinkAsked>,
    stations: Stations,
    contents: Contents,
}

impl Dissector for Conversation {
    fn message(&mut self, side: Side, reader: &mut Reader<'_>, out: &mut Out<'_>) -> Result<Next, Stop> {
        let mut room = Room::default();
        let (header, data) = link::read(reader, &mut room)?;
        *self.heard.of_mut(side) = true;
        if header.carries_data() {
            self.data(side, header, data, reader.at(), out)?;
        } else {
            self.link_frame(Turn::of(side, header), header, out);
        }
        Ok(Next::More)
    }

    /// Answers may have been among what was lost: nobody can say that they did not come.
    fn gap(&mut self, side: Side, _bytes: u64) -> Footing {
        self.pending.excuse(side);
        self.link_pending.excuse(side);
        self.stations.lose(side);
        Footing::Segment
    }

    fn tick(&mut self, now: Timestamp, out: &mut Out<'_>) {
        self.pending.give_up(now, out);
        self.link_pending.give_up(now, out);
        self.stations.tick(now, out);
        self.contents.tick(now, out);
    }

    fn finish(&mut self, ending: Ending, out: &mut Out<'_>) {
        self.pending.finish(ending, out);
        self.link_pending.finish(ending, out);
        self.stations.finish(out);
        self.contents.finish(out);
    }
}

impl Conversation {
    /// A frame of the link itself.
    fn link_frame(&mut self, turn: Turn, header: Header, out: &mut Out<'_>) {
        self.learn(turn.server(), out);
        let mark = if header.is_refusal() { Mark::Exception } else { Mark::Plain };
        out.count(turn.count(link_operation(header.function), mark, false));
        self.stations.hear(turn, out);
        if header.is_primary {
            if header.wants_answer() && turn.is_to_one(out) {
                self.link_pending.push(LinkAsked { turn, function: header.function }, true, out);
            }
        } else {
            let is_it = |asked: &LinkAsked| turn.answers(asked.turn) && header.answers(asked.function);
            let asked = self.link_pending.position(out.place().time, |waiting| is_it(&waiting.request));
            asked.and_then(|at| self.link_pending.take(at));
        }
    }

    /// A segment, and the fragment that it ends.
    fn data(&mut self, side: Side, header: Header, data: &[u8], length: usize, out: &mut Out<'_>) -> Result<(), Stop> {
        let turn = Turn::of(side, header);
        let Some(segment) = Segment::of(data) else {
            return Err(Stop::Bad { what: "user data without a transport header", length });
        };
        let Some(whole) = self.stations.take(turn, segment, out) else { return Ok(()) };
        let Some(fragment) = Fragment::of(whole.bytes()) else {
            return Err(Stop::Bad { what: "a fragment without its header", length });
        };
        let turn = Turn::new(side, fragment.direction().unwrap_or(turn.direction), header);
        self.learn(turn.server(), out);
        self.pending.give_up(out.place().time, out);
        match turn.direction {
            _ if fragment.function == CONFIRM => self.confirmation(turn, &fragment, out),
            Direction::Request => self.request(turn, &fragment, out),
            Direction::Response => self.response(turn, &fragment, out),
        }
        Ok(())
    }

    fn confirmation(&mut self, turn: Turn, fragment: &Fragment<'_>, out: &mut Out<'_>) {
        out.count(turn.count(operation(CONFIRM), Mark::Plain, false));
        self.stations.hear(turn, out);
        let wants = Wants::Confirmation { is_unsolicited: fragment.control.is_unsolicited() };
        self.take(turn, fragment.control.sequence(), wants, out);
    }

    fn request(&mut self, turn: Turn, fragment: &Fragment<'_>, out: &mut Out<'_>) {
        let function = fragment.function;
        let deeds = if command::may_change(function) { self.contents.deeds(turn, fragment, out) } else { Vec::new() };
        let is_control = command::is_control(function) || !deeds.is_empty();
        out.count(turn.count(operation(function), Mark::Plain, is_control));
        self.stations.hear(turn, out);
        self.contents.read(turn, fragment, out);
        let objects = (function == command::SELECT).then(|| fragment.objects.into());
        if function == command::OPERATE {
            self.stations.operate(turn, fragment);
        }
        let is_owed_an_answer = command::is_answered(function) && turn.is_to_one(out);
        let wants = Wants::Response;
        let (sequence, login) = (fragment.control.sequence(), Login::of(fragment).map(Box::new));
        let asked = Asked { turn, function, sequence, wants, is_control, deeds, objects, login };
        self.ask(asked, is_owed_an_answer, out);
    }

    fn response(&mut self, turn: Turn, fragment: &Fragment<'_>, out: &mut Out<'_>) {
        let refusal = authentication::refusal(fragment);
        let (mark, outcome) = if refusal.is_some() || fragment.indications.is_some_and(Indications::refuse) {
            (Mark::Exception, Outcome::Rejected)
        } else {
            (Mark::Plain, Outcome::Accepted)
        };
        out.count(turn.count(operation(fragment.function), mark, false));
        self.stations.hear(turn, out);
        self.stations.indicate(turn, fragment, out);
        self.contents.read(turn, fragment, out);
        if let Some(reason) = &refusal {
            // Of a control that was challenged and of its proof, or of one that proves itself.
            while let Some(waiting) = self.take(turn, fragment.control.sequence(), Wants::Response, out) {
                waiting.refused(Some(reason), out);
            }
        }
        let answered = match fragment.function {
            application::UNSOLICITED_RESPONSE => None,
            // A challenge is no answer to what is challenged.
            application::AUTHENTICATION_RESPONSE => {
                let is_it = |asked: &Asked| asked.function == command::AUTHENTICATION_REQUEST;
                self.take_if(turn, fragment.control.sequence(), Wants::Response, is_it, out)
            }
            _ if fragment.control.is_first() => self.take(turn, fragment.control.sequence(), Wants::Response, out),
            _ => None,
        };
        if fragment.function == application::RESPONSE && fragment.control.is_first() {
            // Who was challenged gets one answer to what he asked and to his proof.
            let is_proof = |asked: &Asked| asked.function == command::AUTHENTICATION_REQUEST;
            self.take_if(turn, fragment.control.sequence(), Wants::Response, is_proof, out);
        }
        if let Some(mut waiting) = answered {
            deed::settle(&mut waiting.request.deeds, fragment, outcome);
            if let Some(login) = &mut waiting.request.login {
                login.hear(fragment);
            }
            if waiting.request.function == command::SELECT && waiting.request.is_accepted() {
                self.stations.select(waiting, out);
            } else {
                waiting.answered(outcome, out);
            }
        }
        if fragment.control.wants_confirmation() {
            let wants = Wants::Confirmation { is_unsolicited: fragment.control.is_unsolicited() };
            let is_owed_one = *self.heard.of(turn.sender.other()) && turn.is_to_one(out);
            let (function, sequence) = (fragment.function, fragment.control.sequence());
            let (is_control, deeds, objects, login) = (false, Vec::new(), None, None);
            let asked = Asked { turn, function, sequence, wants, is_control, deeds, objects, login };
            self.ask(asked, is_owed_one, out);
        }
    }

    /// A message waits for its answer; one that it repeats does so no more.
    fn ask(&mut self, asked: Asked, is_owed_an_answer: bool, out: &mut Out<'_>) {
        let now = out.place().time;
        let is_repeated = |before: &Asked| before.is_repeated_by(&asked);
        if let Some(at) = self.pending.position(now, |waiting| is_repeated(&waiting.request)) {
            self.pending.take(at).into_iter().for_each(|before| before.in_vain(out));
        }
        self.pending.push(asked, is_owed_an_answer, out);
    }

    /// The message that one of this turn answers.
    fn take(&mut self, turn: Turn, sequence: u8, wants: Wants, out: &Out<'_>) -> Option<Waiting> {
        self.take_if(turn, sequence, wants, |_| true, out)
    }

    fn take_if(
        &mut self,
        turn: Turn,
        sequence: u8,
        wants: Wants,
        is_it: impl Fn(&Asked) -> bool,
        out: &Out<'_>,
    ) -> Option<Waiting> {
        let is_it = |asked: &Asked| asked.is_answered_by(turn, sequence, wants) && is_it(asked);
        let at = self.pending.position(out.place().time, |waiting| is_it(&waiting.request))?;
        self.pending.take(at)
    }

    fn learn(&mut self, server: Side, out: &mut Out<'_>) {
        if self.server.replace(server) != Some(server) {
            out.server(server);
        }
    }
}

type Waiting = crate::pending::Waiting<Asked>;

fn operation(function: u8) -> Operation {
    Operation::Code(function.into())
}

fn link_operation(function: u8) -> Operation {
    Operation::Kind('l', function.into())
}

const PORTS: &[u16] = &[20000];
