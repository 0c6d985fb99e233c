//! BACnet tells which devices stand where, behind routers too, who made them and what they run, and who commands them.
//!
//! ANSI/ASHRAE 135-2020: the virtual link layers of annexes J (IPv4) and U (IPv6; on 802.2 LLC, MS/TP and ARCNET there is
//! none: clauses 7 to 9), the network layer of clause 6, the application layer of clauses 20 and 21. Read: what devices say
//! of themselves and of their ports, by whatever service, what requests do that control, files that cross, which networks
//! routers lead to, who manages broadcasts for whom. What comes in segments is put together first; what is forwarded is told
//! of the device at its origin. All else is counted: every datagram by its link function (`b10`, `v1` of IPv6), and the
//! message in it by its own operation (`12`, `u8`, `n1`).
//!
//! Skipped on purpose: what `service.rs` names, the requests of what is forwarded (whose own datagram says them better), and
//! segment acknowledgements, which name no service: they keep their exchange alive, and `b10` has counted them.

mod apdu;
mod application;
mod bvlc;
#[cfg(test)]
mod carriers;
mod command;
mod device;
mod file;
mod link;
mod lists;
mod names;
mod network;
mod network_port;
mod npdu;
mod object;
mod pending;
mod plain;
mod property;
mod segment;
mod service;
mod tag;
#[cfg(test)]
mod tests;
mod turn;
mod value;

use self::apdu::{Answer, AnswerKind, Apdu, Request, Segment};
use self::application::Application;
use self::bvlc::{Body, Datagram, Management};
use self::link::Upkeep;
use self::npdu::Message;
use self::pending::{Answered, Asked, Key};
use self::plain::Plain;
use self::segment::Transfers;
use self::service::{Content, Said};
use self::turn::Turn;
use crate::dissector::{Carrier, Direction, Dissector, Ending, Next, Protocol, Side, Verdict};
use crate::observation::{Operation, Transport};
use crate::out::{Count, Mark, Out};
use crate::pending::{Pending, Waiting};
use crate::reader::{Reader, Stop};
use crate::time::Timestamp;

pub(crate) static BACNET: Protocol = Protocol {
    name: "bacnet",
    spec: "ANSI/ASHRAE 135-2020, annexes J and U",
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
        &link::NETWORKS_ROUTED,
        &link::NETWORK_REACHABLE,
        &link::NETWORK_REJECTED,
        &link::ROUTER_BUSY,
        &link::ROUTING_TABLE,
        &link::NETWORK_NUMBER,
        &link::BROADCAST_TABLE,
        &link::FOREIGN_TABLE,
        &link::BROADCAST_MANAGEMENT,
        &link::FOREIGN_DEVICE_OF,
        &link::FOREIGN_DEVICE_TTL,
        &link::FOREIGN_DEVICE_REFUSED,
        &link::VIRTUAL_ADDRESS,
    ],
    probe,
    max_message: 0xffff,
    relates: true,
    open: || Box::new(Conversation::default()),
};

/// What two hosts say to each other; either may ask. Every message touches it: it fills two cache lines, and what few
/// conversations have stands in a box.
#[derive(Default)]
#[repr(align(64))]
struct Conversation {
    pending: Pending<Asked>,
    rare: Option<Box<Rare>>,
}

const _: () = assert!(size_of::<Conversation>() == 128);

/// What is left of messages in segments, of lists and files, and of what was said about the network itself.
#[derive(Default)]
struct Rare {
    transfers: Transfers,
    application: Application,
    upkeep: Upkeep,
}

impl Dissector for Conversation {
    #[expect(clippy::match_same_arms, reason = "each kind of message is compiled for itself")]
    fn message(&mut self, side: Side, reader: &mut Reader<'_>, out: &mut Out<'_>) -> Result<Next, Stop> {
        if out.transport() == Transport::Ethernet {
            return self.other_message(side, reader, out);
        }
        // Each of the three has its own way: most of what is asked of a message is known on it.
        match Plain::read(reader) {
            Some(Plain { head, apdu: apdu @ Apdu::Request(_) }) => self.plain(side, head, &apdu, reader, out),
            Some(Plain { head, apdu: apdu @ Apdu::Unconfirmed { .. } }) => self.plain(side, head, &apdu, reader, out),
            Some(Plain { head, apdu: apdu @ Apdu::Answer(_) }) => self.plain(side, head, &apdu, reader, out),
            _ => self.other_message(side, reader, out),
        }
    }

    fn tick(&mut self, now: Timestamp, out: &mut Out<'_>) {
        self.give_up(now, out);
        self.rare.iter_mut().for_each(|rare| rare.application.tick(now, out));
    }

    fn finish(&mut self, ending: Ending, out: &mut Out<'_>) {
        self.pending.finish(ending, out);
        if let Some(rare) = &mut self.rare {
            rare.transfers.finish(out);
            rare.application.finish(out);
            rare.upkeep.finish(ending, out);
        }
    }
}

impl Conversation {
    #[expect(clippy::inline_always, reason = "once for each kind of message, see above")]
    #[inline(always)]
    fn plain(
        &mut self,
        side: Side,
        head: plain::Head,
        apdu: &Apdu<'_>,
        reader: &mut Reader<'_>,
        out: &mut Out<'_>,
    ) -> Result<Next, Stop> {
        reader.skip(reader.remaining())?;
        let content = Content::read(apdu)?;
        let turn = Turn::between_hosts(side, head.is_to_one, out);
        self.give_up(out.place().time, out);
        let operation = Operation::Kind('b', head.function.into());
        out.count(Count::of(side, Direction::Request, operation, Mark::Plain));
        self.said(&content.said, &turn, out);
        self.apdu(apdu, content, (false, false), &turn, out);
        Ok(Next::More)
    }

    /// A message that is not plain.
    #[inline(never)]
    fn other_message(&mut self, side: Side, reader: &mut Reader<'_>, out: &mut Out<'_>) -> Result<Next, Stop> {
        let is_framed = out.transport() == Transport::Ethernet;
        let datagram = if is_framed { Datagram::framed(reader)? } else { Datagram::read(reader)? };
        let Some(npdu) = datagram.npdu() else {
            self.begin(side, &datagram, out);
            self.rare().upkeep.manage(side, &datagram, out);
            return Ok(Next::More);
        };
        let turn = Turn::new(side, &datagram, npdu, out);
        match &npdu.message {
            Message::Network(message) => {
                self.begin(side, &datagram, out);
                self.rare().upkeep.network(message, &turn, out);
            }
            Message::Application(apdu) => {
                let piece = turn.piece(apdu);
                let whole = piece.as_ref().and_then(|piece| self.rare.as_ref()?.transfers.whole(piece));
                let assembled = whole.as_ref().and_then(|bytes| apdu.with(bytes));
                let content = Content::read(assembled.as_ref().unwrap_or(apdu))?;
                self.begin(side, &datagram, out);
                let mut is_within = false;
                if let Some(piece) = &piece {
                    let transfers = &mut self.rare().transfers;
                    is_within = transfers.is_within(piece);
                    transfers.take(piece, out);
                }
                self.said(&content.said, &turn, out);
                self.apdu(apdu, content, (is_within, whole.is_some()), &turn, out);
            }
        }
        Ok(Next::More)
    }

    fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// A datagram was read: what waits no more is told first.
    fn begin(&mut self, side: Side, datagram: &Datagram<'_>, out: &mut Out<'_>) {
        self.give_up(out.place().time, out);
        if let Some(operation) = datagram.operation() {
            out.count(link_count(side, operation, datagram));
            link::tell(side, datagram, out);
        }
    }

    #[expect(clippy::inline_always, reason = "of a plain message most of what is asked here is known")]
    #[inline(always)]
    fn give_up(&mut self, now: Timestamp, out: &mut Out<'_>) {
        self.pending.give_up(now, out);
        if let Some(rare) = &mut self.rare {
            rare.transfers.give_up(now, out);
            rare.upkeep.tick(now, out);
        }
    }

    /// What a message says of who sends it.
    #[expect(clippy::inline_always, reason = "of a plain message most of what is asked here is known")]
    #[inline(always)]
    fn said(&mut self, said: &Said<'_>, turn: &Turn, out: &mut Out<'_>) {
        let Some(speaker) = turn.speaker(out) else { return };
        match *said {
            Said::Nothing | Said::File(_) => {}
            Said::Device(device) => speaker.instance(device, out),
            // What goes to a function stands in memory: a copy does, where it is needed.
            ref said => self.rare().application.tell(&said.clone(), speaker, out),
        }
    }

    /// `is_within`: it is a segment that follows others; `is_complete`: it makes a message in segments whole.
    #[expect(clippy::inline_always, reason = "of a plain message most of what is asked here is known")]
    #[inline(always)]
    fn apdu(
        &mut self,
        apdu: &Apdu<'_>,
        content: Content<'_>,
        (is_within, is_complete): (bool, bool),
        turn: &Turn,
        out: &mut Out<'_>,
    ) {
        let now = out.place().time;
        match *apdu {
            Apdu::Request(ref request) if is_within || !request.segment.is_first => {
                let key = turn.asking(request.invoke);
                self.pending.keep(&key, now);
                if is_complete {
                    self.pending.complete(&key, content.errand, now);
                }
            }
            Apdu::Request(ref request) => self.request(request, content, turn, out),
            Apdu::Unconfirmed { service, .. } => {
                let operation = || Operation::Kind('u', service.into());
                turn.count_request(operation(), service::is_unconfirmed_control(service), out);
                if let Some(errand) = content.errand
                    && turn.speaks_for_itself
                {
                    errand.commands.into_iter().for_each(|command| turn.act(operation(), command, out));
                }
            }
            Apdu::Answer(ref answer) => {
                let segment = Segment { is_first: answer.segment.is_first && !is_within, ..answer.segment };
                let is_complete = is_complete || segment == Segment::WHOLE;
                self.answer(answer, (segment, is_complete), content.said, turn, out);
            }
            Apdu::SegmentAck { invoke, is_from_server: true } => self.pending.keep(&turn.answering(invoke), now),
            Apdu::SegmentAck { invoke, is_from_server: false } => self.pending.keep(&turn.asking(invoke), now),
            Apdu::Withdrawal { invoke } => {
                turn.count_request(Operation::Verb("abort"), false, out);
                self.forget(&turn.asking(invoke), out);
                self.pending.withdraw(&turn.asking(invoke), out);
            }
        }
    }

    /// The segments of one request are one message: the first one counts.
    #[expect(clippy::inline_always, reason = "of a plain message most of what is asked here is known")]
    #[inline(always)]
    fn request(&mut self, request: &Request<'_>, content: Content<'_>, turn: &Turn, out: &mut Out<'_>) {
        let &Request { invoke, service, .. } = request;
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
    #[expect(clippy::inline_always, reason = "of a plain message most of what is asked here is known")]
    #[inline(always)]
    fn answer(
        &mut self,
        answer: &Answer<'_>,
        (segment, is_complete): (Segment, bool),
        said: Said<'_>,
        turn: &Turn,
        out: &mut Out<'_>,
    ) {
        let key = turn.answering(answer.invoke);
        if answer.kind != AnswerKind::Acknowledged {
            self.forget(&key, out);
        }
        let waiting = match self.pending.answer(&key, answer.service, (segment, is_complete), out) {
            Answered::Now(waiting) => waiting,
            Answered::Before => return,
            Answered::Whole(waiting) => return self.answered(waiting, answer, said, out),
        };
        let service = answer.service.or(waiting.as_ref().map(|waiting| waiting.request.service));
        if service.is_some_and(|service| !service::is_notification(service)) {
            out.server(turn.sender);
        }
        let mark = if answer.kind == AnswerKind::Acknowledged { Mark::Plain } else { Mark::Exception };
        match service {
            Some(code) => turn.count_response(Operation::Code(code.into()), mark, out),
            None => turn.count_response(answer.kind.operation(), mark, out),
        }
        if let Some(waiting) = waiting {
            self.answered(waiting, answer, said, out);
        }
    }

    /// Who only asked has brought nothing about.
    #[expect(clippy::inline_always, reason = "of a plain message most of what is asked here is known")]
    #[inline(always)]
    fn answered(&mut self, waiting: Waiting<Asked>, answer: &Answer<'_>, said: Said<'_>, out: &mut Out<'_>) {
        if waiting.request.errand.is_some() {
            self.rare().application.answered(waiting, &answer.clone(), said, out);
        }
    }

    /// An exchange has ended: no segments of it are missing.
    #[cold]
    fn forget(&mut self, key: &Key, out: &mut Out<'_>) {
        self.rare.iter_mut().for_each(|rare| rare.transfers.forget(key, out));
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
fn link_count(sender: Side, operation: Operation, datagram: &Datagram<'_>) -> Count {
    let is_control = matches!(&datagram.body, Body::Management(Management::WriteTable(_) | Management::Delete(_)));
    Count {
        sender,
        direction: datagram.direction(),
        operation,
        child: None,
        mark: if matches!(datagram.body, Body::Result(1..)) { Mark::Exception } else { Mark::Plain },
        is_control,
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
            (Body::Management(_), true) => Verdict::Bits(FUNCTION_BITS + LENGTH_BITS),
            (Body::Own(npdu), false) if npdu.message.is_sound() => Verdict::Bits(FUNCTION_BITS + NPDU_BITS),
            _ => Verdict::NotMine,
        },
        _ => Verdict::NotMine,
    }
}

impl Datagram<'_> {
    fn is_known(&self) -> bool {
        self.is_standard() && self.npdu().is_none_or(|npdu| npdu.message.is_known())
    }
}

impl Message<'_> {
    fn is_known(&self) -> bool {
        match self {
            Self::Network(message) => message.is_known(),
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
