//! One message's turn in a conversation: who speaks to whom, what is counted of it, and what it says of the speaker.

use super::apdu::{Answer, Apdu, Request, Segment};
use super::bvlc::{Body, Datagram};
use super::device::Speaker;
use super::npdu::{Destination, Npdu};
use super::pending::Key;
use super::segment::Piece;
use crate::dissector::{Direction, Side};
use crate::observation::{Address, Child, ChildProof, Host, Operation, Outcome};
use crate::out::{Action, Count, Mark, Out, Whom};
use crate::pending::Command;
use std::net::IpAddr;

/// Who speaks to whom in one message.
pub(super) struct Turn {
    pub(super) sender: Side,
    /// The host that speaks, or that a station behind it speaks through: of what is passed on, that at its origin.
    whom: Option<Whom>,
    /// The station behind it that speaks.
    from: Option<Child>,
    /// The station behind the receiver that is spoken to.
    to: Option<Child>,
    /// Whether the sender is a host and speaks for itself or for a station behind it.
    pub(super) speaks_for_itself: bool,
    pub(super) is_owed_an_answer: bool,
}

impl Turn {
    /// The sender's own message, in which no station is named.
    #[expect(clippy::inline_always, reason = "nearly all of it is known where it is called")]
    #[inline(always)]
    pub(super) fn between_hosts(sender: Side, is_to_one: bool, out: &Out<'_>) -> Self {
        let is_sound = !out.is_group(sender);
        Self {
            sender,
            whom: is_sound.then_some(Whom::End(sender)),
            from: None,
            to: None,
            speaks_for_itself: is_sound,
            is_owed_an_answer: is_to_one && !out.is_group(sender.other()),
        }
    }

    pub(super) fn new(sender: Side, datagram: &Datagram<'_>, npdu: &Npdu<'_>, out: &Out<'_>) -> Self {
        let receiver = sender.other();
        let to = match &npdu.destination {
            Destination::Station(station) => Some(station.clone()),
            Destination::Receiver | Destination::Broadcast => None,
        };
        // What is passed on tells of the device at its origin, which is no end of this flow.
        let own = out.host(sender);
        let origin = match datagram.body {
            Body::Forwarded { origin, .. } if own.address != Address::Ip(origin.ip()) => Some(origin),
            _ => None,
        };
        let (host, port) = match origin {
            Some(origin) => (Host { address: Address::Ip(origin.ip()), ..own }, origin.port()),
            None => (own, out.port(sender)),
        };
        let is_to_one = datagram.is_to_one() && npdu.destination != Destination::Broadcast;
        let between = Self::between_hosts(sender, is_to_one, out);
        let whom = match origin {
            Some(_) => between.whom.filter(|_| host.address.is_host()).map(|_| Whom::Elsewhere(host, port)),
            None => between.whom,
        };
        Self {
            whom,
            from: npdu.source.clone().filter(|station| !is_itself(station, host, port)),
            to: to.filter(|station| !is_itself(station, out.host(receiver), out.port(receiver))),
            speaks_for_itself: between.speaks_for_itself && origin.is_none(),
            ..between
        }
    }

    /// What an exchange is known by in which the sender asks.
    #[expect(clippy::inline_always, reason = "of a plain message nothing remains but numbers")]
    #[inline(always)]
    pub(super) fn asking(&self, invoke: u8) -> Key {
        Key { asker: self.sender, invoke, client: self.from.clone(), server: self.to.clone() }
    }

    /// What an exchange is known by in which the sender answers.
    #[expect(clippy::inline_always, reason = "of a plain message nothing remains but numbers")]
    #[inline(always)]
    pub(super) fn answering(&self, invoke: u8) -> Key {
        Key { asker: self.sender.other(), invoke, client: self.to.clone(), server: self.from.clone() }
    }

    #[expect(clippy::inline_always, reason = "of a plain message nothing remains but numbers")]
    #[inline(always)]
    pub(super) fn count_request(&self, operation: Operation, is_control: bool, out: &mut Out<'_>) {
        let child = self.to.clone();
        let (sender, direction) = (self.sender, Direction::Request);
        out.count(Count { sender, direction, operation, child, mark: Mark::Plain, is_control });
    }

    #[expect(clippy::inline_always, reason = "of a plain message nothing remains but numbers")]
    #[inline(always)]
    pub(super) fn count_response(&self, operation: Operation, mark: Mark, out: &mut Out<'_>) {
        let child = self.from.clone();
        let (sender, direction) = (self.sender, Direction::Response);
        out.count(Count { sender, direction, operation, child, mark, is_control: false });
    }

    /// A request that wants no answer does something: what becomes of it is not known.
    #[expect(clippy::inline_always, reason = "else who speaks to whom stands in memory for every message")]
    #[inline(always)]
    pub(super) fn act(&self, operation: Operation, command: Command, out: &mut Out<'_>) {
        let Command { category, target, value } = command;
        let (sender, child, place) = (self.sender, self.to.clone(), out.place());
        let outcome = Outcome::Unknown;
        out.act(Action {
            sender,
            client_host: None,
            client_user: None,
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
    #[expect(clippy::inline_always, reason = "of a plain message nothing remains but numbers")]
    #[inline(always)]
    pub(super) fn speaker(&self, out: &mut Out<'_>) -> Option<Speaker<'_>> {
        let whom = self.whom?;
        if let Some(station) = &self.from {
            out.child(whom, station, ChildProof::Routed);
        }
        Some(Speaker { whom, station: self.from.as_ref() })
    }

    /// The station behind the sender that speaks.
    pub(super) fn station(&self) -> Option<&Child> {
        self.from.as_ref()
    }

    /// The station behind the receiver that is spoken to.
    pub(super) fn receiver(&self) -> Option<&Child> {
        self.to.as_ref()
    }

    /// The segment of a message that this is, if it is one.
    pub(super) fn piece<'a>(&self, apdu: &Apdu<'a>) -> Option<Piece<'a>> {
        let (key, is_request, service, segment, parameters) = match apdu {
            Apdu::Request(Request { invoke, segment, service, parameters }) if *segment != Segment::WHOLE => {
                (self.asking(*invoke), true, *service, *segment, parameters)
            }
            Apdu::Answer(Answer { invoke, segment, service: Some(service), parameters, .. })
                if *segment != Segment::WHOLE =>
            {
                (self.answering(*invoke), false, *service, *segment, parameters)
            }
            _ => return None,
        };
        self.speaks_for_itself.then(|| Piece { key, is_request, service, segment, bytes: parameters.rest() })
    }
}

/// Whether a station is the host itself: its address on the BACnet network is the host's own IP address and port (annex
/// J.1.2).
fn is_itself(station: &Child, host: Host, port: u16) -> bool {
    let (Child::Station { address, .. }, Address::Ip(IpAddr::V4(ip))) = (station, host.address) else {
        return false;
    };
    let own = ip.octets().into_iter().chain(port.to_be_bytes());
    address.iter().copied().eq(own)
}
