//! One message's turn in a conversation: who speaks to whom, what is counted of it, and what it says of the speaker.

use super::bvlc::{self, Body, Datagram};
use super::npdu::{Destination, Npdu};
use super::object::Object;
use super::pending::Key;
use super::service::{Content, DeviceProperty, IAm};
use super::tag::Value;
use super::{
    APPLICATION_SOFTWARE_VERSION, DATABASE_REVISION, DESCRIPTION, DEVICE_INSTANCE, FIRMWARE_REVISION, LOCATION,
    MODEL_NAME, OBJECT_NAME, PROTOCOL_REVISION, PROTOCOL_VERSION, SERIAL_NUMBER, SYSTEM_STATUS, VENDOR_ID, VENDOR_NAME,
};
use crate::dissector::{Direction, Field, Side};
use crate::observation::{Address, Child, ChildProof, Operation};
use crate::out::{Count, Mark, Out};
use std::net::IpAddr;

/// Who speaks to whom in one message.
pub(super) struct Turn {
    pub(super) sender: Side,
    /// The station behind the sender that speaks.
    from: Option<Child>,
    /// The station behind the receiver that is spoken to.
    to: Option<Child>,
    /// Whether the sender is a host and speaks for itself or for a station behind it.
    pub(super) speaks_for_itself: bool,
    pub(super) is_owed_an_answer: bool,
}

impl Turn {
    pub(super) fn new(sender: Side, datagram: &Datagram<'_>, npdu: &Npdu<'_>, out: &Out<'_>) -> Self {
        let receiver = sender.other();
        let to = match &npdu.destination {
            Destination::Station(station) => Some(station.clone()),
            Destination::Receiver | Destination::Broadcast => None,
        };
        // What is passed on tells of the device at its origin, which is no end of this flow.
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
    pub(super) fn asking(&self, invoke: u8) -> Key {
        Key { asker: self.sender, invoke, client: self.from.clone(), server: self.to.clone() }
    }

    /// What an exchange is known by in which the sender answers.
    pub(super) fn answering(&self, invoke: u8) -> Key {
        Key { asker: self.sender.other(), invoke, client: self.to.clone(), server: self.from.clone() }
    }

    pub(super) fn count_request(&self, operation: Operation, is_control: bool, out: &mut Out<'_>) {
        let child = self.to.clone();
        let (sender, direction) = (self.sender, Direction::Request);
        out.count(Count { sender, direction, operation, child, mark: Mark::Plain, is_control });
    }

    pub(super) fn count_response(&self, operation: Operation, mark: Mark, out: &mut Out<'_>) {
        let child = self.from.clone();
        let (sender, direction) = (self.sender, Direction::Response);
        out.count(Count { sender, direction, operation, child, mark, is_control: false });
    }

    /// Tells of the device that speaks.
    pub(super) fn identify(&self, content: &Content<'_>, out: &mut Out<'_>) {
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
