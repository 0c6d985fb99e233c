//! One message's turn in a conversation: who speaks to whom, what is counted of it, and what it says of the speaker.

use super::bvlc::{self, Body, Datagram};
use super::device::Speaker;
use super::npdu::{Destination, Npdu};
use super::pending::Key;
use crate::dissector::{Direction, Side};
use crate::observation::{Address, Child, ChildProof, Operation, Outcome};
use crate::out::{Action, Count, Mark, Out};
use crate::pending::Command;
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

    /// A request that wants no answer does something: what becomes of it is not known.
    pub(super) fn act(&self, operation: Operation, command: Command, out: &mut Out<'_>) {
        let Command { category, target, value } = command;
        let (sender, child, place) = (self.sender, self.to.clone(), out.place());
        let outcome = Outcome::Unknown;
        out.act(Action {
            sender,
            client_host: None,
            child,
            operation,
            category,
            target,
            value,
            outcome,
            reason: None,
            image: None,
            place,
        });
    }

    /// Who speaks, where it is known to stand.
    pub(super) fn speaker(&self, out: &mut Out<'_>) -> Option<Speaker<'_>> {
        if !self.speaks_for_itself {
            return None;
        }
        if let Some(station) = &self.from {
            out.child(self.sender, station, ChildProof::Routed);
        }
        Some(Speaker { side: self.sender, station: self.from.as_ref() })
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
