//! A flow: who talks to whom, how much, and the box in which the talk itself stands.

use crate::conversation::Conversation;
use crate::talk::{Lent, Talk, is_usual_port};
use dissectors::observation::{Address, Context, Host, RolesFrom, Tally, Transport};
use dissectors::packet::{Headers, Layer, TcpFlags, TcpHeader};
use dissectors::{Packet, Scene, Side, Sides, Timestamp};
use std::hash::{BuildHasher, Hash, Hasher};
use std::net::IpAddr;

/// The two ends of a flow as the first packet named them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FlowKey {
    pub(crate) context: Context,
    pub(crate) a: Address,
    pub(crate) b: Address,
    pub(crate) ports: Sides<u16>,
    pub(crate) transport: Transport,
}

impl FlowKey {
    /// The key of the flow that a packet belongs to, its sender being side A.
    #[inline]
    pub(crate) fn of(headers: &Headers) -> Self {
        let (source, destination) = match headers.layer {
            Layer::Frame(ether_type) => (ether_type, ether_type),
            _ => headers.ports(),
        };
        Self {
            context: headers.context,
            a: headers.source,
            b: headers.destination,
            ports: Sides::new(source, destination),
            transport: headers.transport(),
        }
    }

    /// A hash that is the same for both directions.
    #[inline]
    pub(crate) fn hash(&self, hasher: &impl BuildHasher) -> u64 {
        let end = |address: &Address, port: u16| {
            let mut state = hasher.build_hasher();
            match address {
                Address::Ip(IpAddr::V4(ip)) => {
                    state.write_u64(u64::from(ip.to_bits()) << 16 | u64::from(port));
                }
                other => {
                    other.hash(&mut state);
                    state.write_u16(port);
                }
            }
            state.finish()
        };
        end(&self.a, self.ports.a).wrapping_add(end(&self.b, self.ports.b))
    }

    /// Which side of this flow sent the packet that `other` is the key of; `None` if it belongs to another flow.
    #[inline]
    pub(crate) fn side_of(&self, other: &Self) -> Option<Side> {
        if self == other {
            return Some(Side::A);
        }
        let is_reverse = self.a == other.b
            && self.b == other.a
            && self.ports.a == other.ports.b
            && self.ports.b == other.ports.a
            && self.transport == other.transport
            && self.context == other.context;
        is_reverse.then_some(Side::B)
    }

    /// The host on a side.
    pub(crate) fn host(&self, side: Side) -> Host {
        let address = match side {
            Side::A => self.a,
            Side::B => self.b,
        };
        Host { context: self.context, address }
    }
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// Packets may come.
    Open,
    /// Both ends have said goodbye, or one has broken it off.
    Closed,
}

/// A flow in its lane's table. What all packets touch stands here, in two cache lines; the rest in a box.
pub(crate) struct Flow {
    pub(crate) key: FlowKey,
    /// When the first and the last packet of this window came.
    pub(crate) first: Timestamp,
    pub(crate) last: Timestamp,
    pub(crate) packets: Sides<u32>,
    pub(crate) bytes: Sides<u64>,
    /// The sequence number of the opening SYN.
    pub(crate) opening: Option<u32>,
    /// Which capture showed it first.
    pub(crate) capture: u32,
    pub(crate) opened_by: Option<Side>,
    pub(crate) life: Life,
    pub(crate) finished: Sides<bool>,
    /// Whether packets of side B were seen at all.
    pub(crate) answered: bool,
    /// Whether it was counted as begun in an earlier window.
    pub(crate) counted: bool,
    /// Whether side B is a group address.
    pub(crate) to_group: bool,
    pub(crate) conversation: Option<Box<Conversation>>,
}

impl Flow {
    /// A flow that begins with the packet of this key.
    pub(crate) fn new(key: FlowKey, to_group: bool, capture: u32, now: Timestamp) -> Self {
        Self {
            key,
            first: now,
            last: now,
            packets: Sides::default(),
            bytes: Sides::default(),
            opening: None,
            capture,
            opened_by: None,
            life: Life::Open,
            finished: Sides::default(),
            answered: false,
            counted: false,
            to_group,
            conversation: None,
        }
    }

    /// One more packet from `side`.
    #[inline]
    pub(crate) fn tally(&mut self, side: Side, wire_bytes: u32, now: Timestamp) {
        if self.is_idle() {
            self.first = now;
        }
        let packets = self.packets.of_mut(side);
        *packets = packets.saturating_add(1);
        *self.bytes.of_mut(side) += u64::from(wire_bytes);
        self.answered |= side == Side::B;
        self.last = self.last.max(now);
    }

    /// What was counted so far has been told.
    pub(crate) fn begin_window(&mut self) {
        self.packets = Sides::default();
        self.bytes = Sides::default();
        self.counted = true;
        if let Some(conversation) = &mut self.conversation {
            conversation.talk.begin_window();
        }
    }

    /// A TCP segment from `side`; tells how many bytes more (or fewer) wait for others since.
    #[inline]
    pub(crate) fn segment(&mut self, side: Side, tcp: &TcpHeader, packet: &Packet<'_>, lent: &mut Lent<'_>) -> isize {
        if tcp.flags.0 & TcpFlags::OPEN_OR_CLOSE != 0 {
            self.open_or_close(side, tcp);
        }
        if self.conversation.is_none() {
            if packet.payload.is_empty() {
                return 0;
            }
            let (opened_by, opening) = (self.opened_by, self.opening);
            let conversation = self.converse();
            if let Some((opener, sequence)) = opened_by.zip(opening) {
                conversation.opened(opener, sequence);
            }
        }
        let Some(conversation) = &mut self.conversation else { return 0 };
        if conversation.talk.is_quiet() {
            conversation.talk.hear_nothing(packet.payload);
            return 0;
        }
        let before = conversation.waiting();
        conversation.segment(side, tcp, packet.payload, packet.place, lent);
        conversation.waiting().cast_signed() - before.cast_signed()
    }

    /// A datagram or frame from `side`.
    #[inline]
    pub(crate) fn datagram(&mut self, side: Side, packet: &Packet<'_>, lent: &mut Lent<'_>) {
        let talk = &mut self.converse().talk;
        if talk.is_quiet() {
            talk.hear_nothing(packet.payload);
        } else {
            talk.piece(side, packet.payload, packet.place, lent);
        }
    }

    /// Drops what waits, as if it had been lost; tells how much that was.
    #[cold]
    pub(crate) fn drop_waiting(&mut self) -> usize {
        let Some(conversation) = &mut self.conversation else { return 0 };
        let waiting = conversation.waiting();
        conversation.drop_waiting();
        waiting
    }

    /// Whether a SYN of `side` opens a new connection on the ports of this one.
    pub(crate) fn is_reopened(&self, side: Side, sequence: u32) -> bool {
        let is_again = self.opened_by == Some(side) && self.opening == Some(sequence);
        !is_again && (self.answered || self.conversation.is_some() || self.life == Life::Closed)
    }

    #[cold]
    fn open_or_close(&mut self, side: Side, tcp: &TcpHeader) {
        let flags = tcp.flags;
        if flags.syn() && flags.ack() {
            self.opened_by.get_or_insert(side.other());
            self.converse().opened(side, tcp.sequence);
        } else if flags.syn() && self.opened_by.is_none() {
            self.opened_by = Some(side);
            self.opening = Some(tcp.sequence);
        }
        if let (true, Some(sequence)) = (flags.syn() && flags.ack(), self.opening) {
            self.converse().opened(side.other(), sequence);
        }
        *self.finished.of_mut(side) |= flags.fin();
        if flags.rst() || (self.finished.a && self.finished.b) {
            self.life = Life::Closed;
        }
    }

    /// What a side sent in this window.
    pub(crate) fn sent(&self, side: Side) -> Tally {
        Tally { packets: u64::from(*self.packets.of(side)), bytes: *self.bytes.of(side) }
    }

    /// Whether anything came in this window.
    pub(crate) fn is_idle(&self) -> bool {
        self.packets.a == 0 && self.packets.b == 0
    }

    /// How many rounds of the evicting hand it survives: speaking before two-sided before one-sided.
    pub(crate) fn chances(&self) -> u8 {
        match &self.conversation {
            Some(conversation) if conversation.talk.protocol().is_some() => 3,
            _ if self.answered => 2,
            Some(_) => 1,
            None => 0,
        }
    }

    /// What was said, if anything.
    pub(crate) fn talk(&self) -> Option<&Talk> {
        self.conversation.as_ref().map(|conversation| &conversation.talk)
    }

    /// The conversation, begun if need be.
    pub(crate) fn converse(&mut self) -> &mut Conversation {
        if self.conversation.is_none() {
            self.conversation = Some(Box::new(Conversation::new(self.scene())));
        }
        self.conversation.as_mut().expect("it was begun just now")
    }

    /// The talk's setting.
    pub(crate) fn scene(&self) -> Scene {
        Scene {
            hosts: Sides::new(self.key.host(Side::A), self.key.host(Side::B)),
            ports: self.key.ports,
            group: Sides::new(false, self.to_group),
            transport: self.key.transport,
            protocol: "",
        }
    }

    /// Which side serves, and how that is known: by content, then by who opened, then by the ports.
    pub(crate) fn server(&self) -> (Side, RolesFrom) {
        if let Some(server) = self.talk().and_then(|talk| talk.counters.server) {
            return (server, RolesFrom::Content);
        }
        if let Some(client) = self.opened_by {
            return (client.other(), RolesFrom::Syn);
        }
        let rank = |port: u16| match port {
            port if is_usual_port(port, self.key.transport) => 0,
            0 => 4,
            1..1024 => 1,
            1024..32768 => 2,
            _ => 3,
        };
        let server = if rank(self.key.ports.a) < rank(self.key.ports.b) { Side::A } else { Side::B };
        (server, RolesFrom::Port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_is_small() {
        let bytes = std::mem::size_of::<Flow>();
        assert!(bytes <= 152, "{bytes} bytes a flow: a million of them have to fit 256 MiB");
    }
}
