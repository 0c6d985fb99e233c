//! BACnet tells which devices stand where, behind routers too, who made them and what they run, and who commands them.
//!
//! ANSI/ASHRAE 135-2020: the virtual link layer of annex J (on 802.2 LLC, MS/TP and ARCNET there is none: clauses 7 to
//! 9), the network layer of clause 6, the application layer of clauses 20 and 21. Read: what devices say of themselves and of their ports, by whatever service, what requests do
//! that control, and files that cross. All else is counted: every datagram by its link function
//! (`b10`), and the message in it by its own operation (`12`, `u8`, `n1`).
//!
//! Skipped on purpose: what `service.rs` names, the contents of segmented messages, router and broadcast tables, segment acknowledgements (they name no service and `b10` has counted them), and what
//! a broadcast management device passes on for others, whose own datagram says it better.

mod apdu;
mod application;
mod bvlc;
mod command;
mod device;
mod file;
mod lists;
mod names;
mod network_port;
mod npdu;
mod object;
mod pending;
mod property;
mod service;
mod tag;
#[cfg(test)]
mod tests;
mod turn;
mod value;

use self::apdu::{Answer, AnswerKind, Apdu, Request};
use self::application::Application;
use self::bvlc::{Body, Datagram};
use self::npdu::Message;
use self::pending::{Answered, Asked};
use self::service::{Content, Said};
use self::turn::Turn;
use crate::dissector::{Carrier, Direction, Dissector, Ending, Next, Protocol, Side, Verdict};
use crate::observation::{Operation, Transport};
use crate::out::{Count, Mark, Out};
use crate::pending::Pending;
use crate::reader::{Reader, Stop};
use crate::time::Timestamp;

pub(crate) static BACNET: Protocol = Protocol {
    name: "bacnet",
    spec: "ANSI/ASHRAE 135-2020, annex J",
    carriers: &[Carrier::Udp(&[47808, 47809, 47810, 47811, 47812]), Carrier::Llc(0x82)],
    fields: &[
        &device::DEVICE_INSTANCE,
        &device::VENDOR_ID,
        &device::OBJECT_NAME,
        &device::VENDOR_NAME,
        &device::MODEL_NAME,
        &device::FIRMWARE_REVISION,
        &device::APPLICATION_SOFTWARE_VERSION,
        &device::SERIAL_NUMBER,
        &device::DEVICE_UUID,
        &device::LOCATION,
        &device::DESCRIPTION,
        &device::PROFILE_NAME,
        &device::PROTOCOL_VERSION,
        &device::PROTOCOL_REVISION,
        &device::DATABASE_REVISION,
        &device::SYSTEM_STATUS,
        &device::BACKUP_STATE,
        &device::LAST_RESTART_REASON,
        &device::TIME_OF_RESTART,
        &device::OBJECTS,
        &device::OBJECT_COUNT,
        &network_port::NETWORK_TYPE,
        &network_port::NETWORK_NUMBER,
        &network_port::MAC_ADDRESS,
        &network_port::IP_ADDRESS,
        &network_port::IP_SUBNET_MASK,
        &network_port::IP_GATEWAY,
        &network_port::IP_DNS_SERVER,
        &network_port::IP_DHCP,
        &network_port::UDP_PORT,
        &network_port::IP_MODE,
        &network_port::ACCEPTS_FOREIGN,
        &network_port::HUB,
        &application::PRIVATE_SERVICE,
        &application::TEXT_MESSAGE,
        &application::VIRTUAL_TERMINAL,
    ],
    probe,
    max_message: 0xffff,
    relates: true,
    open: || Box::new(Conversation { pending: Pending::default(), application: Application::default() }),
};

/// What two hosts say to each other; either may ask.
struct Conversation {
    pending: Pending<Asked>,
    application: Application,
}

impl Dissector for Conversation {
    fn message(&mut self, side: Side, reader: &mut Reader<'_>, out: &mut Out<'_>) -> Result<Next, Stop> {
        let is_framed = out.transport() == Transport::Ethernet;
        let datagram = if is_framed { Datagram::framed(reader)? } else { Datagram::read(reader)? };
        let content = match datagram.npdu().map(|npdu| &npdu.message) {
            Some(Message::Application(apdu)) => Content::read(apdu)?,
            _ => Content::default(),
        };
        self.pending.give_up(out.place().time, out);
        if !is_framed {
            out.count(link_count(side, &datagram));
        }
        if let Some(npdu) = datagram.npdu() {
            let turn = Turn::new(side, &datagram, npdu, out);
            if let Some(speaker) = turn.speaker(out) {
                self.application.tell(&content.said, speaker, out);
            }
            match &npdu.message {
                Message::Network(kind) => turn.count_request(Operation::Kind('n', (*kind).into()), false, out),
                Message::Application(apdu) => self.apdu(apdu, content, &turn, out),
            }
        }
        Ok(Next::More)
    }

    fn tick(&mut self, now: Timestamp, out: &mut Out<'_>) {
        self.pending.give_up(now, out);
        self.application.tick(now, out);
    }

    fn finish(&mut self, ending: Ending, out: &mut Out<'_>) {
        self.pending.finish(ending, out);
        self.application.finish(out);
    }
}

impl Conversation {
    fn apdu(&mut self, apdu: &Apdu<'_>, content: Content<'_>, turn: &Turn, out: &mut Out<'_>) {
        let now = out.place().time;
        match *apdu {
            Apdu::Request(ref request) => self.request(request, content, turn, out),
            Apdu::Unconfirmed { service, .. } => {
                let operation = Operation::Kind('u', service.into());
                turn.count_request(operation.clone(), service::is_unconfirmed_control(service), out);
                let commands = content.errand.commands.into_iter().filter(|_| turn.speaks_for_itself);
                commands.for_each(|command| turn.act(operation.clone(), command, out));
            }
            Apdu::Answer(ref answer) => self.answer(answer, content.said, turn, out),
            Apdu::SegmentAck { invoke, is_from_server: true } => self.pending.keep(&turn.answering(invoke), now),
            Apdu::SegmentAck { invoke, is_from_server: false } => self.pending.keep(&turn.asking(invoke), now),
            Apdu::Withdrawal { invoke } => {
                turn.count_request(Operation::Verb("abort"), false, out);
                self.pending.withdraw(&turn.asking(invoke), out);
            }
        }
    }

    /// The segments of one request are one message: the first one counts.
    fn request(&mut self, request: &Request<'_>, content: Content<'_>, turn: &Turn, out: &mut Out<'_>) {
        let &Request { invoke, service, .. } = request;
        if !request.segment.is_first {
            return self.pending.keep(&turn.asking(invoke), out.place().time);
        }
        turn.count_request(Operation::Code(service.into()), service::is_control(service), out);
        if turn.is_owed_an_answer && !service::is_notification(service) {
            out.server(turn.sender.other());
        }
        if turn.speaks_for_itself {
            let parameters = request.parameters.rest();
            let asked = Asked::new(turn.asking(invoke), service, parameters, content.errand);
            self.pending.ask(asked, turn.is_owed_an_answer, out);
        }
    }

    /// The segments of one answer are one message: the first sign of it counts.
    fn answer(&mut self, answer: &Answer<'_>, said: Said<'_>, turn: &Turn, out: &mut Out<'_>) {
        let key = turn.answering(answer.invoke);
        let answered = self.pending.answer(&key, answer.service, answer.segment, out);
        let Answered::Now(waiting) = answered else { return };
        let service = answer.service.or(waiting.as_ref().map(|waiting| waiting.request.service));
        if service.is_some_and(|service| !service::is_notification(service)) {
            out.server(turn.sender);
        }
        let mark = if answer.kind == AnswerKind::Acknowledged { Mark::Plain } else { Mark::Exception };
        turn.count_response(service.map_or(answer.kind.operation(), |code| Operation::Code(code.into())), mark, out);
        if let Some(waiting) = waiting {
            self.application.answered(&waiting, answer, said, out);
        }
    }
}

impl AnswerKind {
    /// What an answer is called that names no service, when its request was not seen.
    fn operation(self) -> Operation {
        match self {
            Self::Acknowledged => Operation::Verb("ack"),
            Self::Error => Operation::Verb("error"),
            Self::Reject => Operation::Verb("reject"),
            Self::Abort => Operation::Verb("abort"),
        }
    }
}

/// The datagram itself, by its link function.
fn link_count(sender: Side, datagram: &Datagram<'_>) -> Count {
    let is_response = matches!(datagram.function, bvlc::RESULT | bvlc::READ_TABLE_ACK | bvlc::READ_FOREIGN_TABLE_ACK);
    Count {
        sender,
        direction: if is_response { Direction::Response } else { Direction::Request },
        operation: Operation::Kind('b', datagram.function.into()),
        child: None,
        mark: if matches!(datagram.body, Body::Result(1..)) { Mark::Exception } else { Mark::Plain },
        is_control: false,
    }
}

/// Only what the standard knows is taken for BACnet; numbers beyond it are read where a flow is named already. Where the
/// length is wrong, everything else must be right to the last tag, and a second message must be so too.
fn probe(front: &[u8], transport: Transport) -> Verdict {
    let mut front = Reader::closed(front);
    let datagram = match transport {
        Transport::Udp => Datagram::read(&mut front),
        // Nothing but BACnet has this service access point.
        Transport::Ethernet => {
            let is_known = Datagram::framed(&mut front).is_ok_and(|datagram| datagram.is_known());
            return if is_known { Verdict::Bits(ACCESS_POINT_BITS + NPDU_BITS) } else { Verdict::NotMine };
        }
        _ => return Verdict::NotMine,
    };
    match datagram {
        Ok(datagram) if datagram.is_known() => match (&datagram.body, datagram.is_whole) {
            (Body::Own(_) | Body::Forwarded { .. }, true) => Verdict::Bits(FUNCTION_BITS + LENGTH_BITS + NPDU_BITS),
            (Body::Result(_), true) => Verdict::Bits(FUNCTION_BITS + LENGTH_BITS + RESULT_BITS),
            (Body::Management, true) => Verdict::Bits(FUNCTION_BITS + LENGTH_BITS),
            (Body::Own(npdu), false) if npdu.message.is_sound() => Verdict::Bits(FUNCTION_BITS + NPDU_BITS),
            _ => Verdict::NotMine,
        },
        _ => Verdict::NotMine,
    }
}

impl Datagram<'_> {
    fn is_known(&self) -> bool {
        let is_content_known = match &self.body {
            Body::Own(npdu) | Body::Forwarded { npdu, .. } => npdu.message.is_known(),
            Body::Result(code) => bvlc::RESULTS.contains(code),
            Body::Management => true,
        };
        self.function <= bvlc::LAST && is_content_known
    }
}

impl Message<'_> {
    fn is_known(&self) -> bool {
        match self {
            Self::Network(kind) => *kind <= npdu::LAST_STANDARD || *kind >= npdu::FIRST_PROPRIETARY,
            Self::Application(Apdu::Request(request)) => request.service <= service::LAST_CONFIRMED,
            Self::Application(Apdu::Unconfirmed { service, .. }) => *service <= service::LAST_UNCONFIRMED,
            Self::Application(Apdu::Answer(answer)) => {
                answer.service.is_none_or(|service| service <= service::LAST_CONFIRMED)
            }
            Self::Application(Apdu::SegmentAck { .. } | Apdu::Withdrawal { .. }) => true,
        }
    }

    /// Whether the parameters are tagged data to the end.
    fn is_sound(&self) -> bool {
        match self {
            Self::Application(
                Apdu::Request(Request { parameters, .. })
                | Apdu::Unconfirmed { parameters, .. }
                | Apdu::Answer(Answer { parameters, .. }),
            ) => tag::is_sound(parameters.clone()),
            _ => false,
        }
    }
}

/// The type, and one of 13 functions.
const FUNCTION_BITS: u32 = 8 + 4;
const LENGTH_BITS: u32 = 16;
/// Both service access points, and the control field.
const ACCESS_POINT_BITS: u32 = 24;
/// One of seven codes in 16 bits.
const RESULT_BITS: u32 = 13;
/// The version, and two reserved control bits. What the APDU adds is not needed any more.
const NPDU_BITS: u32 = 8 + 2;
