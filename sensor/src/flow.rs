//! A flow: who talks to whom, how much, and the box in which the talk itself stands.

use crate::conversation::Conversation;
use crate::lane::LANES;
use crate::talk::{Lent, Life, Talk, is_usual_port};
use dissectors::bounded::GOLDEN;
use dissectors::observation::{Context, Host, RolesFrom, Tally, Transport};
use dissectors::packet::{Bits, Ends, Family, Headers, Layer, TcpFlags, TcpHeader};
use dissectors::{Packet, Place, Scene, Side, Sides, Timestamp};
use std::hash::BuildHasher;
use std::time::Duration;

/// The two ends of a flow as the first packet named them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FlowKey {
    a: Bits,
    b: Bits,
    context: Context,
    /// Side A's in the upper half.
    ports: u32,
    kind: Kind,
}

/// What carries a flow between which kind of addresses, in numbers that are compared at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Kind(u32);

const V4: u32 = Family::V4 as u32;
const V6: u32 = Family::V6 as u32;

impl Kind {
    const ETHERNET: u32 = 0;
    const TCP: u32 = 1;
    const UDP: u32 = 2;
    const OTHER: u32 = 3;

    #[inline]
    fn new(transport: Transport, family: Family) -> Self {
        let transport = match transport {
            Transport::Tcp => Self::TCP,
            Transport::Udp => Self::UDP,
            Transport::Ethernet => Self::ETHERNET,
            Transport::Other(number) => u32::from(number) << 8 | Self::OTHER,
        };
        Self((family as u32) << 16 | transport)
    }

    #[inline]
    fn transport(self) -> Transport {
        match self.0 & 0xff {
            Self::TCP => Transport::Tcp,
            Self::UDP => Transport::Udp,
            Self::ETHERNET => Transport::Ethernet,
            _ => Transport::Other((self.0 >> 8) as u8),
        }
    }

    fn family(self) -> Family {
        const FAMILIES: [Family; 4] = [Family::V4, Family::V6, Family::Mac, Family::MsTp];
        FAMILIES.into_iter().find(|family| *family as u32 == self.0 >> 16).unwrap_or(Family::Arcnet)
    }
}

/// Seeds of the flow hash, drawn anew for each lane: nobody can prepare packets whose flows collide.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FlowHasher {
    ends: u64,
    flow: u64,
}

/// Both halves of the product: every bit of one number moves every bit of what comes out.
#[inline]
pub(crate) fn mix(left: u64, right: u64) -> u64 {
    let product = u128::from(left) * u128::from(right);
    (product >> 64) as u64 ^ product as u64
}

impl FlowHasher {
    pub(crate) fn new() -> Self {
        let random = std::hash::RandomState::new();
        // Odd, so that no bit is lost by multiplication.
        Self { ends: random.hash_one(0) | 1, flow: random.hash_one(1) | 1 }
    }

    #[inline]
    fn end(self, end: Bits, port: u32) -> u64 {
        mix(end.low ^ u64::from(port) << 40 ^ self.flow, end.high ^ self.ends)
    }

    /// The same for both directions.
    #[inline]
    pub(crate) fn hash(self, key: &FlowKey) -> u64 {
        let ends = self.end(key.a, key.ports >> 16).wrapping_add(self.end(key.b, key.ports & 0xffff));
        mix(ends ^ self.ends, self.flow)
    }
}

impl FlowKey {
    /// The key of the flow that a packet belongs to, its sender being side A.
    #[inline]
    pub(crate) fn of(headers: &Headers) -> Self {
        let Ends { source, destination, family } = headers.ends;
        let (a, b) = match headers.layer {
            Layer::Frame(ether_type) => (ether_type, ether_type),
            _ => headers.ports(),
        };
        let kind = Kind::new(headers.transport(), family);
        Self { a: source, b: destination, context: headers.context, ports: ports(a, b), kind }
    }

    /// The lane that the pair of hosts belongs to: the same for both directions, and for the addresses alone, so that what
    /// two hosts say on different ports meets in one lane.
    #[inline]
    pub(crate) fn lane(&self) -> usize {
        let end = |bits: Bits| match self.kind.0 >> 16 {
            V4 => bits.low,
            V6 => bits.high ^ bits.low.rotate_left(23),
            family => u64::from(family) << 48 | bits.low,
        };
        let mix = |bits: u64| bits.wrapping_mul(GOLDEN).rotate_left(29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let pair = mix(end(self.a)).wrapping_add(mix(end(self.b)));
        const { assert!(LANES == 1 << 6) };
        (mix(pair) >> 58) as usize
    }

    /// Which side of this flow sent the packet that `other` is the key of; `None` if it belongs to another flow.
    #[inline]
    pub(crate) fn side_of(&self, other: &Self) -> Option<Side> {
        if self.context == other.context { self.ends_as(other) } else { None }
    }

    /// The same, whatever the context.
    #[inline]
    pub(crate) fn ends_as(&self, other: &Self) -> Option<Side> {
        if self.kind != other.kind {
            None
        } else if self.ports == other.ports && self.a == other.a && self.b == other.b {
            Some(Side::A)
        } else if self.ports == other.ports.rotate_left(16) && self.a == other.b && self.b == other.a {
            Some(Side::B)
        } else {
            None
        }
    }

    /// What carries it.
    #[inline]
    pub(crate) fn transport(&self) -> Transport {
        self.kind.transport()
    }

    /// The ends' ports; 0 where there are none, the EtherType of frames without IP.
    #[inline]
    pub(crate) fn ports(&self) -> Sides<u16> {
        Sides::new((self.ports >> 16) as u16, self.ports as u16)
    }

    /// The network in which the ends' addresses hold.
    pub(crate) fn context(&self) -> Context {
        self.context
    }

    /// The same flow with its sides exchanged.
    pub(crate) fn crossed(self) -> Self {
        Self { a: self.b, b: self.a, ports: self.ports.rotate_left(16), ..self }
    }

    /// The same flow, read as one of another network.
    pub(crate) fn within(self, context: Context) -> Self {
        Self { context, ..self }
    }

    /// A number that tells the sender of this key's packet from its receiver.
    #[inline]
    pub(crate) fn sender(&self) -> u64 {
        self.a.low ^ self.a.high.rotate_left(31) ^ u64::from(self.ports >> 16) << 48
    }

    /// The host on a side.
    pub(crate) fn host(&self, side: Side) -> Host {
        let end = match side {
            Side::A => self.a,
            Side::B => self.b,
        };
        Host { context: self.context, address: end.address(self.kind.family()) }
    }
}

fn ports(a: u16, b: u16) -> u32 {
    u32::from(a) << 16 | u32::from(b)
}

/// Within this time a datagram the other way round is an answer.
const ANSWER: Duration = Duration::from_secs(2);

/// Whether an acknowledgement is for about what was sent: a window behind it at the most, or shown before it.
fn is_near(next: u32, acknowledgement: u32) -> bool {
    const WINDOW: u32 = 1 << 16;
    next.wrapping_sub(acknowledgement) <= WINDOW || acknowledgement.wrapping_sub(next) <= WINDOW
}

/// A flow in its lane's table. What all packets touch stands here, in two cache lines; the rest in a box.
pub(crate) struct Flow {
    pub(crate) key: FlowKey,
    /// When the first and the last packet of this window came.
    pub(crate) first: Timestamp,
    pub(crate) last: Timestamp,
    pub(crate) packets: Sides<u32>,
    pub(crate) bytes: Sides<u64>,
    /// The sequence number of the opening SYN, if there was one: see [`Flow::opening`].
    opening: u32,
    /// Which capture showed it first.
    pub(crate) capture: u32,
    /// [`Flow::HAS_OPENING`], [`Flow::SILENT`]: in one byte, for a flow has no other left.
    marks: u8,
    pub(crate) opened_by: Option<Side>,
    pub(crate) life: Life,
    pub(crate) finished: Sides<bool>,
    /// Whether packets of side B were seen at all.
    pub(crate) answered: bool,
    /// Whether it was counted as begun before.
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
            opening: 0,
            marks: 0,
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
        self.first = if self.is_idle() { now } else { self.first.min(now) };
        let packets = self.packets.of_mut(side);
        *packets = packets.saturating_add(1);
        *self.bytes.of_mut(side) += u64::from(wire_bytes);
        self.answered |= side == Side::B;
        self.last = self.last.max(now);
    }

    /// What was counted so far has been told.
    pub(crate) fn begin_window(&mut self) {
        self.uncount();
        self.marks &= !Self::GOES_ON;
        if let Some(conversation) = &mut self.conversation {
            conversation.talk.begin_window();
        }
    }

    /// What was counted so far has been told, and the window goes on.
    pub(crate) fn go_on_counting(&mut self) {
        self.uncount();
        self.marks |= Self::GOES_ON;
        if let Some(conversation) = &mut self.conversation {
            conversation.talk.go_on_counting();
        }
    }

    fn uncount(&mut self) {
        self.packets = Sides::default();
        self.bytes = Sides::default();
        self.counted = true;
    }

    /// A TCP segment from `side`; tells how many bytes more (or fewer) wait for others since.
    #[inline]
    pub(crate) fn segment(&mut self, side: Side, tcp: &TcpHeader, packet: &Packet<'_>, lent: &mut Lent<'_>) -> isize {
        if tcp.flags.0 & TcpFlags::OPEN_OR_CLOSE == 0 && self.conversation.is_some() {
            self.go_on(side, tcp, packet, lent)
        } else {
            self.turn(side, tcp, packet, lent)
        }
    }

    /// A segment that opens or closes, or the first that says something.
    #[cold]
    fn turn(&mut self, side: Side, tcp: &TcpHeader, packet: &Packet<'_>, lent: &mut Lent<'_>) -> isize {
        let before = self.conversation.as_ref().map_or(0, |conversation| conversation.waiting());
        if tcp.flags.0 & TcpFlags::OPEN_OR_CLOSE != 0 {
            self.open_or_close(side, tcp, packet.place, lent);
        }
        if self.conversation.is_none() {
            if packet.payload.is_empty() {
                return 0;
            }
            let (opened_by, opening) = (self.opened_by, self.opening());
            let conversation = self.converse();
            conversation.talk.begun_at = Some(packet.place);
            if let Some((opener, sequence)) = opened_by.zip(opening) {
                conversation.opened(opener, sequence);
            }
        }
        self.go_on(side, tcp, packet, lent);
        let after = self.conversation.as_ref().map_or(0, |conversation| conversation.waiting());
        after.cast_signed() - before.cast_signed()
    }

    #[inline]
    fn go_on(&mut self, side: Side, tcp: &TcpHeader, packet: &Packet<'_>, lent: &mut Lent<'_>) -> isize {
        let Some(conversation) = &mut self.conversation else { return 0 };
        let waiting = if conversation.talk.is_quiet() {
            conversation.talk.hear_nothing(packet.payload);
            0
        } else {
            conversation.segment(side, tcp, packet.payload, &packet.place, lent)
        };
        self.hush();
        waiting
    }

    /// A datagram or frame from `side`; tells how many bytes more (or fewer) wait for others since.
    #[inline]
    pub(crate) fn datagram(&mut self, side: Side, packet: &Packet<'_>, lent: &mut Lent<'_>) -> isize {
        let talk = match &mut self.conversation {
            Some(conversation) => &mut conversation.talk,
            None => self.begin_talk(packet.place),
        };
        if talk.is_quiet() {
            talk.hear_nothing(packet.payload);
            return 0;
        }
        let waiting = talk.hear(side, packet.payload, &packet.place, lent);
        self.hush();
        waiting
    }

    /// There was an opening SYN.
    const HAS_OPENING: u8 = 1;
    /// It is named and has told what it can.
    const SILENT: u8 = 2;
    /// Both its directions were told of before in this window.
    const GOES_ON: u8 = 4;

    /// Whether both its directions were told of before in this window.
    pub(crate) fn goes_on(&self) -> bool {
        self.marks & Self::GOES_ON != 0
    }

    /// Whether it is named and has told what it can: its packets are counted, and nobody looks at them.
    #[inline]
    pub(crate) fn is_silent(&self) -> bool {
        self.marks & Self::SILENT != 0
    }

    /// Falls silent, once it is quiet and named: it stays so.
    #[inline]
    fn hush(&mut self) {
        if self.talk().is_some_and(|talk| talk.is_quiet() && talk.is_named()) {
            self.marks |= Self::SILENT;
        }
    }

    /// Whether nothing of a packet has to be looked at: all was told, or it is video under way.
    #[inline]
    pub(crate) fn coasts(&mut self, side: Side, packet: &Packet<'_>) -> bool {
        match packet.headers.layer {
            Layer::Tcp(tcp) if tcp.flags.0 & TcpFlags::OPEN_OR_CLOSE != 0 => false,
            _ if self.is_silent() => true,
            Layer::Tcp(tcp) if !packet.payload.is_empty() => {
                let conversation = self.conversation.as_mut();
                conversation.is_some_and(|conversation| conversation.coast(side, &tcp, packet.payload))
            }
            _ => false,
        }
    }

    /// Waits no longer for what is missing; tells how many bytes fewer wait since.
    #[cold]
    pub(crate) fn wait_no_longer(&mut self, lent: &mut Lent<'_>) -> usize {
        let Some(conversation) = &mut self.conversation else { return 0 };
        let waiting = conversation.waiting();
        conversation.wait_no_longer(lent);
        waiting.saturating_sub(conversation.waiting())
    }

    /// Whether a side is a group address, which is no device. One that answers is a device all the same: clusters share
    /// a multicast MAC.
    pub(crate) fn is_group(&self, side: Side) -> bool {
        side == Side::B && self.to_group && !self.answered
    }

    /// Whether a packet of side B, whom nobody has heard yet, is an answer to what side A has sent.
    pub(crate) fn is_answered_by(&self, headers: &Headers, now: Timestamp) -> bool {
        let is_open = !self.answered && !self.to_group && self.life != Life::Closed;
        is_open && self.fits_as_answer(headers, now).unwrap_or(false)
    }

    /// Whether a packet of side B answers what side A has sent; nothing where it does not say.
    pub(crate) fn fits_as_answer(&self, headers: &Headers, now: Timestamp) -> Option<bool> {
        match headers.layer {
            Layer::Tcp(tcp) if tcp.flags.ack() => {
                let opens = self.opening().is_some_and(|opening| opening.wrapping_add(1) == tcp.acknowledgement);
                let sent = self.conversation.as_ref().and_then(|conversation| conversation.sent(Side::A));
                Some(opens || sent.is_some_and(|next| is_near(next, tcp.acknowledgement)))
            }
            Layer::Udp { .. } => (now.since(self.last) <= ANSWER && self.last.since(now) <= ANSWER).then_some(true),
            _ => None,
        }
    }

    /// The flow of the connection that a SYN-ACK has confirmed to be a new one on the ports of this one, its client being
    /// side A.
    pub(crate) fn reopened(&self, key: FlowKey, capture: u32, now: Timestamp) -> Self {
        let claim = self.conversation.as_ref().and_then(|conversation| conversation.claim);
        let mut flow = Self::new(key, false, capture, now);
        if let Some((_, sequence)) = claim {
            (flow.opening, flow.marks, flow.opened_by) = (sequence, Flow::HAS_OPENING, Some(Side::A));
        }
        flow
    }

    /// Whether a SYN or SYN-ACK of `side` opens a new connection on the ports of this one. Once this one is closed, a SYN
    /// does. While it lives, anybody can send one: it is a claim, and the SYN-ACK that acknowledges it opens.
    #[cold]
    pub(crate) fn is_reopened(&mut self, side: Side, tcp: &TcpHeader) -> bool {
        let is_again = self.opened_by == Some(side) && self.opening() == Some(tcp.sequence);
        let Some(conversation) = &mut self.conversation else {
            return !tcp.flags.ack() && !is_again && (self.answered || self.life == Life::Closed);
        };
        if tcp.flags.ack() {
            return conversation.claim == Some((side.other(), tcp.acknowledgement.wrapping_sub(1)));
        }
        if !is_again && self.life == Life::Open {
            conversation.claim = Some((side, tcp.sequence));
        }
        !is_again && self.life == Life::Closed
    }

    #[cold]
    fn open_or_close(&mut self, side: Side, tcp: &TcpHeader, place: Place, lent: &mut Lent<'_>) {
        let flags = tcp.flags;
        if flags.syn() && flags.ack() {
            self.opened_by.get_or_insert(side.other());
            let conversation = self.converse();
            conversation.opened(side, tcp.sequence);
            conversation.talk.begun_at.get_or_insert(place);
        } else if flags.syn()
            && let Some(conversation) = &mut self.conversation
        {
            if conversation.claim == Some((side, tcp.sequence)) && !conversation.talk.is_quiet() {
                conversation.claimed(side, tcp.sequence, place, lent);
            }
        } else if flags.syn() && self.opened_by.is_none() {
            self.opened_by = Some(side);
            (self.opening, self.marks) = (tcp.sequence, self.marks | Self::HAS_OPENING);
        }
        if let (true, Some(sequence)) = (flags.syn() && flags.ack(), self.opening()) {
            self.converse().opened(side.other(), sequence);
        }
        *self.finished.of_mut(side) |= flags.fin();
        if flags.rst() || (self.finished.a && self.finished.b) {
            self.life = Life::Closed;
        }
    }

    /// The sequence number of the opening SYN.
    fn opening(&self) -> Option<u32> {
        (self.marks & Self::HAS_OPENING != 0).then_some(self.opening)
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
            Some(conversation) if conversation.talk.is_named() => 3,
            _ if self.answered => 2,
            Some(_) => 1,
            None => 0,
        }
    }

    /// How many rows its messages are counted in.
    #[inline]
    pub(crate) fn rows(&self) -> usize {
        self.talk().map_or(0, |talk| talk.counters.rows())
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

    /// The first datagram is here.
    #[cold]
    fn begin_talk(&mut self, place: Place) -> &mut Talk {
        let talk = &mut self.converse().talk;
        talk.begun_at = Some(place);
        talk
    }

    /// The talk's setting.
    pub(crate) fn scene(&self) -> Scene {
        Scene {
            hosts: Sides::new(self.key.host(Side::A), self.key.host(Side::B)),
            ports: self.key.ports(),
            group: Sides::new(false, self.to_group),
            transport: self.key.transport(),
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
            port if is_usual_port(port, self.key.transport()) => 0,
            0 => 4,
            1..1024 => 1,
            1024..32768 => 2,
            _ => 3,
        };
        let Sides { a, b } = self.key.ports();
        let server = if rank(a) < rank(b) { Side::A } else { Side::B };
        (server, RolesFrom::Port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dissectors::Mac;
    use dissectors::observation::{Address, Bus};

    #[test]
    fn both_directions_are_one_flow_and_nothing_else_is() {
        let host = |text: &str| Address::Ip(text.parse().expect("it is an address"));
        let headers = |source: Address, destination: Address, ports: (u16, u16)| Headers {
            ends: Ends::between(source, destination),
            layer: Layer::Udp { source: ports.0, destination: ports.1 },
            ..Headers::default()
        };
        let hasher = FlowHasher::new();
        for (one, other) in [("10.0.0.1", "10.0.0.2"), ("fe80::1", "2001:db8::2")] {
            let key = FlowKey::of(&headers(host(one), host(other), (1, 2)));
            let answer = FlowKey::of(&headers(host(other), host(one), (2, 1)));
            assert_eq!((key.side_of(&key), key.side_of(&answer)), (Some(Side::A), Some(Side::B)));
            assert_eq!(hasher.hash(&key), hasher.hash(&answer));
            assert_eq!((key.host(Side::A).address, key.host(Side::B).address), (host(one), host(other)));
            let crossed = FlowKey::of(&headers(host(other), host(one), (1, 2)));
            assert_eq!(key.side_of(&crossed), None);
        }
        let mapped = FlowKey::of(&headers(host("::a00:1"), host("::a00:2"), (1, 2)));
        let plain = FlowKey::of(&headers(host("10.0.0.1"), host("10.0.0.2"), (1, 2)));
        assert_eq!(plain.side_of(&mapped), None, "an IPv6 address with the bits of an IPv4 address is another");
        let mac = Address::Mac(Mac([2, 3, 4, 5, 6, 7]));
        let frame = Headers { ends: Ends::between(mac, mac), layer: Layer::Frame(0x0806), ..Headers::default() };
        assert_eq!(FlowKey::of(&frame).host(Side::B).address, mac);
        let node = Address::Node(Bus::MsTp, 5);
        let bus = Headers { ends: Ends::between(node, Address::Node(Bus::MsTp, 255)), ..Headers::default() };
        assert_eq!(FlowKey::of(&bus).host(Side::A).address, node);
    }

    #[test]
    fn a_flow_is_small() {
        let bytes = std::mem::size_of::<Flow>();
        assert!(bytes <= 120, "{bytes} bytes a flow: with what its table keeps beside it, it has two cache lines");
    }
}
