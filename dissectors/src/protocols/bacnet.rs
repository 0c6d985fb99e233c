//! BACnet/IP tells which devices stand where, behind routers too, who made them and what they run, and who commands them.
//!
//! ANSI/ASHRAE 135-2020: the virtual link layer of annex J, the network layer of clause 6, the application layer of
//! clauses 20 and 21. Read: I-Am, acknowledged `ReadProperty` of Device objects, and what `WriteProperty`,
//! `ReinitializeDevice` and `DeviceCommunicationControl` do. All else is counted: every datagram by its link function
//! (`b10`), and the message in it by its own operation (`12`, `u8`, `n1`).
//!
//! Skipped on purpose: passwords (never read), `ReadPropertyMultiple`'s contents, the contents of segmented messages,
//! router and broadcast tables, segment acknowledgements (they name no service and `b10` has counted them), and what
//! a broadcast management device passes on for others, whose own datagram says it better.

mod apdu;
mod bvlc;
mod npdu;
mod object;
mod pending;
mod service;
mod tag;

use self::apdu::{Answer, AnswerKind, Apdu, Request};
use self::bvlc::{Body, Datagram};
use self::npdu::{Destination, Message, Npdu};
use self::object::Object;
use self::pending::{Answered, Key, Pending, Waiting};
use self::service::{Content, DeviceProperty, IAm};
use self::tag::Value;
use crate::dissector::{Carrier, Direction, Dissector, Field, Next, Protocol, Side, Verdict};
use crate::observation::{Address, Child, ChildProof, Operation, Outcome, Transport};
use crate::out::{Count, Mark, Out};
use crate::reader::{Reader, Stop};
use crate::time::Timestamp;
use std::net::IpAddr;

pub(crate) static BACNET: Protocol = Protocol {
    name: "bacnet",
    spec: "ANSI/ASHRAE 135-2020, annex J",
    carriers: &[Carrier::Udp(&[47808, 47809, 47810, 47811, 47812])],
    fields: &[
        &DEVICE_INSTANCE,
        &VENDOR_ID,
        &OBJECT_NAME,
        &VENDOR_NAME,
        &MODEL_NAME,
        &FIRMWARE_REVISION,
        &APPLICATION_SOFTWARE_VERSION,
        &SERIAL_NUMBER,
        &LOCATION,
        &DESCRIPTION,
        &PROTOCOL_VERSION,
        &PROTOCOL_REVISION,
        &DATABASE_REVISION,
        &SYSTEM_STATUS,
    ],
    probe,
    max_message: 0xffff,
    relates: true,
    open: || Box::new(Conversation { pending: Pending::default() }),
};

static DEVICE_INSTANCE: Field =
    Field::new("bacnet.device_instance", "instance of the Device object, unique on the internetwork (12.11, 16.10)");
static VENDOR_ID: Field = Field::new("bacnet.vendor_id", "number that ASHRAE gave to the maker (12.11, 16.10)");
static OBJECT_NAME: Field = Field::new("bacnet.object_name", "name of the device (12.11, Object_Name)");
static VENDOR_NAME: Field = Field::new("bacnet.vendor_name", "who made the device (12.11, Vendor_Name)");
static MODEL_NAME: Field = Field::new("bacnet.model_name", "the maker's name of the model (12.11, Model_Name)");
static FIRMWARE_REVISION: Field =
    Field::new("bacnet.firmware_revision", "level of the firmware (12.11, Firmware_Revision)");
static APPLICATION_SOFTWARE_VERSION: Field = Field::new(
    "bacnet.application_software_version",
    "version of the application software (12.11, Application_Software_Version)",
);
static SERIAL_NUMBER: Field =
    Field::new("bacnet.serial_number", "the maker's serial number of the device (12.11, Serial_Number)");
static LOCATION: Field = Field::new("bacnet.location", "where the device stands (12.11, Location)");
static DESCRIPTION: Field = Field::new("bacnet.description", "what somebody noted of the device (12.11, Description)");
static PROTOCOL_VERSION: Field =
    Field::new("bacnet.protocol_version", "version of the protocol (12.11, Protocol_Version)");
static PROTOCOL_REVISION: Field =
    Field::new("bacnet.protocol_revision", "revision of the standard that is followed (12.11, Protocol_Revision)");
static DATABASE_REVISION: Field =
    Field::new("bacnet.database_revision", "goes up when the configuration changes (12.11, Database_Revision)");
static SYSTEM_STATUS: Field =
    Field::new("bacnet.system_status", "0 operational, 4 not operational (12.11, System_Status)");

/// Properties of the Device object that are text, by their numbers (clause 21, `BACnetPropertyIdentifier`).
static TEXTS: [(u32, &Field); 8] = [
    (12, &APPLICATION_SOFTWARE_VERSION),
    (28, &DESCRIPTION),
    (44, &FIRMWARE_REVISION),
    (58, &LOCATION),
    (70, &MODEL_NAME),
    (77, &OBJECT_NAME),
    (121, &VENDOR_NAME),
    (372, &SERIAL_NUMBER),
];

/// Properties of the Device object that are numbers.
static NUMBERS: [(u32, &Field); 5] = [
    (98, &PROTOCOL_VERSION),
    (112, &SYSTEM_STATUS),
    (120, &VENDOR_ID),
    (139, &PROTOCOL_REVISION),
    (155, &DATABASE_REVISION),
];

/// What two hosts say to each other; either may ask.
struct Conversation {
    pending: Pending,
}

impl Dissector for Conversation {
    fn message(&mut self, side: Side, reader: &mut Reader<'_>, out: &mut Out<'_>) -> Result<Next, Stop> {
        let datagram = Datagram::read(reader)?;
        let content = match datagram.npdu().map(|npdu| &npdu.message) {
            Some(Message::Application(apdu)) => Content::read(apdu)?,
            _ => Content::Nothing,
        };
        out.count(link_count(side, &datagram));
        if let Some(npdu) = datagram.npdu() {
            let turn = Turn::new(side, &datagram, npdu, out);
            turn.identify(&content, out);
            match &npdu.message {
                Message::Network(kind) => turn.count_request(Operation::Kind('n', (*kind).into()), false, out),
                Message::Application(apdu) => self.apdu(apdu, content, &turn, out),
            }
        }
        Ok(Next::More)
    }

    fn tick(&mut self, now: Timestamp, out: &mut Out<'_>) {
        self.pending.tick(now, out);
    }
}

impl Conversation {
    fn apdu(&mut self, apdu: &Apdu<'_>, content: Content<'_>, turn: &Turn, out: &mut Out<'_>) {
        let now = out.place().time;
        match *apdu {
            Apdu::Request(ref request) => self.request(request, content, turn, out),
            Apdu::Unconfirmed { service, .. } => turn.count_request(Operation::Kind('u', service.into()), false, out),
            Apdu::Answer(ref answer) => self.answer(answer, turn, out),
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
        if turn.is_owed_an_answer {
            if !service::is_notification(service) {
                out.server(turn.sender.other());
            }
            let parameters = request.parameters.rest();
            self.pending
                .ask(Waiting::new(turn.asking(invoke), service, parameters, content.command(), out.place()), out);
        }
    }

    /// The segments of one answer are one message: the first sign of it counts.
    fn answer(&mut self, answer: &Answer<'_>, turn: &Turn, out: &mut Out<'_>) {
        let key = turn.answering(answer.invoke);
        let answered = self.pending.answer(&key, answer.service, answer.segment, out.place().time);
        let Answered::Now(waiting) = answered else { return };
        let service = answer.service.or(waiting.as_ref().map(|waiting| waiting.service));
        if service.is_some_and(|service| !service::is_notification(service)) {
            out.server(turn.sender);
        }
        let (mark, outcome) = match answer.kind {
            AnswerKind::Acknowledged => (Mark::Plain, Outcome::Accepted),
            AnswerKind::Error | AnswerKind::Reject | AnswerKind::Abort => (Mark::Exception, Outcome::Rejected),
        };
        turn.count_response(service.map_or(answer.kind.operation(), |code| Operation::Code(code.into())), mark, out);
        if let Some(waiting) = waiting {
            waiting.settle(outcome, out);
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

/// Who speaks to whom in one message.
struct Turn {
    sender: Side,
    /// The station behind the sender that speaks.
    from: Option<Child>,
    /// The station behind the receiver that is spoken to.
    to: Option<Child>,
    /// Whether the sender is a host and speaks for itself or for a station behind it.
    speaks_for_itself: bool,
    is_owed_an_answer: bool,
}

impl Turn {
    fn new(sender: Side, datagram: &Datagram<'_>, npdu: &Npdu<'_>, out: &Out<'_>) -> Self {
        let receiver = sender.other();
        let to = match &npdu.destination {
            Destination::Station(station) => Some(station.clone()),
            Destination::Receiver | Destination::Broadcast => None,
        };
        let is_foreign = match datagram.body {
            Body::Forwarded { origin, .. } => out.host(sender).address != Address::Ip(IpAddr::V4(origin)),
            _ => false,
        };
        let is_to_one = datagram.function == bvlc::ORIGINAL_UNICAST && npdu.destination != Destination::Broadcast;
        Self {
            sender,
            from: npdu.source.clone().filter(|station| !is_itself(sender, station, out)),
            to: to.filter(|station| !is_itself(receiver, station, out)),
            speaks_for_itself: !is_foreign && !out.is_group(sender),
            is_owed_an_answer: is_to_one && !out.is_group(receiver),
        }
    }

    /// What an exchange is known by in which the sender asks.
    fn asking(&self, invoke: u8) -> Key {
        Key { asker: self.sender, invoke, client: self.from.clone(), server: self.to.clone() }
    }

    /// What an exchange is known by in which the sender answers.
    fn answering(&self, invoke: u8) -> Key {
        Key { asker: self.sender.other(), invoke, client: self.to.clone(), server: self.from.clone() }
    }

    fn count_request(&self, operation: Operation, is_control: bool, out: &mut Out<'_>) {
        let child = self.to.clone();
        let (sender, direction) = (self.sender, Direction::Request);
        out.count(Count { sender, direction, operation, child, mark: Mark::Plain, is_control });
    }

    fn count_response(&self, operation: Operation, mark: Mark, out: &mut Out<'_>) {
        let child = self.from.clone();
        let (sender, direction) = (self.sender, Direction::Response);
        out.count(Count { sender, direction, operation, child, mark, is_control: false });
    }

    /// Tells of the device that speaks.
    fn identify(&self, content: &Content<'_>, out: &mut Out<'_>) {
        if !self.speaks_for_itself {
            return;
        }
        if let Some(station) = &self.from {
            out.child(self.sender, station, ChildProof::Routed);
        }
        match content {
            Content::IAm(IAm { device, vendor }) => {
                self.instance(*device, out);
                self.number(&VENDOR_ID, *vendor, out);
            }
            Content::DeviceProperty(property) => self.property(property, out),
            Content::Nothing | Content::Command(_) => {}
        }
    }

    fn property(&self, property: &DeviceProperty<'_>, out: &mut Out<'_>) {
        self.instance(property.device, out);
        match property.value {
            Value::Text(text) => {
                if let (Some(field), Some(text)) = (field_of(&TEXTS, property.number), text.utf8()) {
                    out.text(self.sender, self.from.as_ref(), field, &text);
                }
            }
            Value::Unsigned(number) | Value::Enumerated(number) => {
                if let Some(field) = field_of(&NUMBERS, property.number) {
                    self.number(field, number, out);
                }
            }
            // Object_Identifier: whoever was asked as 4194303 tells its true instance here.
            Value::Object(device) => self.instance(device, out),
            _ => {}
        }
    }

    fn instance(&self, device: Object, out: &mut Out<'_>) {
        if let Some(instance) = device.device_instance() {
            self.number(&DEVICE_INSTANCE, instance.into(), out);
        }
    }

    fn number(&self, field: &'static Field, number: u64, out: &mut Out<'_>) {
        if let Ok(number) = i64::try_from(number) {
            out.number(self.sender, self.from.as_ref(), field, number);
        }
    }
}

/// Whether a station is the host on this side itself: its address on the BACnet network is the host's own IP address
/// and port (annex J.1.2).
fn is_itself(side: Side, station: &Child, out: &Out<'_>) -> bool {
    let (Child::Station { address, .. }, Address::Ip(IpAddr::V4(ip))) = (station, out.host(side).address) else {
        return false;
    };
    let own = ip.octets().into_iter().chain(out.port(side).to_be_bytes());
    address.iter().copied().eq(own)
}

fn field_of(fields: &[(u32, &'static Field)], number: u32) -> Option<&'static Field> {
    fields.iter().find(|(code, _)| *code == number).map(|(_, field)| *field)
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
    if transport != Transport::Udp {
        return Verdict::NotMine;
    }
    match Datagram::read(&mut Reader::closed(front)) {
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
/// One of seven codes in 16 bits.
const RESULT_BITS: u32 = 13;
/// The version, and two reserved control bits. What the APDU adds is not needed any more.
const NPDU_BITS: u32 = 8 + 2;
