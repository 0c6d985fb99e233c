//! Frames as they stand on the wire: Ethernet, IPv4, and TCP connections or UDP conversations over them.

use super::random::{Noise, Random};
use dissectors::{Side, Sides};
use std::net::Ipv4Addr;
use std::time::Duration;

/// Where actors send to, and draw their chance from.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) random: Random,
    noise: Noise,
    sent: Vec<(Duration, Vec<u8>)>,
    spare: Vec<Vec<u8>>,
}

impl Wire {
    pub(super) fn new(random: Random, noise: Noise) -> Self {
        Self { random, noise, sent: Vec::new(), spare: Vec::new() }
    }

    /// Opaque bytes.
    pub(super) fn noise(&mut self, length: usize) -> &[u8] {
        self.noise.some(&mut self.random, length)
    }

    /// What was sent since the last call.
    pub(super) fn sent(&mut self) -> impl Iterator<Item = (Duration, Vec<u8>)> {
        self.sent.drain(..)
    }

    /// Takes the buffer of a frame that is captured, for one to come.
    pub(super) fn recycle(&mut self, frame: Vec<u8>) {
        self.spare.push(frame);
    }

    /// Sends one IPv4 packet (RFC 791, without options, not to be fragmented), padded to an Ethernet frame.
    fn send(&mut self, at: Duration, Ip { from, to, id, protocol }: Ip, header: &[u8], payload: &[u8]) {
        let length = (IPV4_HEADER + header.len() + payload.len()) as u16;
        let mut frame = self.spare.pop().unwrap_or_default();
        frame.clear();
        frame.extend_from_slice(&to.mac());
        frame.extend_from_slice(&from.mac());
        frame.extend_from_slice(&[0x08, 0x00, 0x45, 0x00]);
        frame.extend_from_slice(&length.to_be_bytes());
        frame.extend_from_slice(&id.to_be_bytes());
        frame.extend_from_slice(&[0x40, 0x00, TIME_TO_LIVE, protocol, 0, 0]);
        frame.extend_from_slice(&from.ip.octets());
        frame.extend_from_slice(&to.ip.octets());
        frame.extend_from_slice(header);
        frame.extend_from_slice(payload);
        let transport = ETHERNET_HEADER + IPV4_HEADER;
        // The pseudo-header: both addresses, the protocol, the segment's length.
        let pseudo = [u32::from(protocol), u32::from(length) - IPV4_HEADER as u32];
        let field = transport + if protocol == TCP { 16 } else { 6 };
        let checksum = checksum(&frame[transport - 8..], pseudo);
        // A checksum of 0 would be none (RFC 768).
        frame[field..field + 2].copy_from_slice(&if checksum == 0 { [0xff; 2] } else { checksum.to_be_bytes() });
        if frame.len() < SHORTEST_FRAME {
            frame.resize(SHORTEST_FRAME, 0);
        }
        self.sent.push((at, frame));
    }
}

/// What an IPv4 header says.
struct Ip {
    from: End,
    to: End,
    id: u16,
    protocol: u8,
}

/// An address and a port.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    pub(super) ip: Ipv4Addr,
    pub(super) port: u16,
}

impl End {
    /// Host `number` of the network `10.net.0.0/16`; numbers that would be a broadcast address are passed over.
    pub(super) fn new(net: u8, number: u32, port: u16) -> Self {
        let (third, last) = (number / 250, number % 250 + 1);
        Self { ip: Ipv4Addr::new(10, net, third as u8, last as u8), port }
    }

    /// The broadcast address of `10.net.0.0/16`.
    pub(super) fn broadcast(net: u8, port: u16) -> Self {
        Self { ip: Ipv4Addr::new(10, net, 255, 255), port }
    }

    fn mac(self) -> [u8; 6] {
        match self.ip.octets() {
            [.., 255, 255] => [0xff; 6],
            [a, b, c, d] => [0x02, 0x00, a, b, c, d],
        }
    }
}

/// A TCP connection (RFC 9293), opened by side A.
#[derive(Debug)]
pub(super) struct Connection {
    ends: Sides<End>,
    /// The next sequence number of each side.
    next: Sides<u32>,
    ids: Sides<u16>,
    is_open: bool,
}

impl Connection {
    pub(super) fn new(client: End, server: End, random: &mut Random) -> Self {
        let mut two = || Sides::new(random.next() as u32, random.next() as u32);
        let (next, ids) = (two(), two());
        Self { ends: Sides::new(client, server), next, ids: Sides::new(ids.a as u16, ids.b as u16), is_open: false }
    }

    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    /// The three packets of the handshake; returns when the client may send.
    pub(super) fn open(&mut self, at: Duration, wire: &mut Wire) -> Duration {
        self.syn(at, wire);
        self.segment(Side::B, at + HOP, SYN | ACK, &[], wire);
        self.segment(Side::A, at + 2 * HOP, ACK, &[], wire);
        self.is_open = true;
        at + 3 * HOP
    }

    /// The first packet of a handshake alone.
    pub(super) fn syn(&mut self, at: Duration, wire: &mut Wire) {
        self.segment(Side::A, at, SYN, &[], wire);
    }

    /// Sends `payload`, which fits one segment, and acknowledges all that came.
    pub(super) fn send(&mut self, side: Side, at: Duration, payload: &[u8], wire: &mut Wire) {
        self.segment(side, at, PSH | ACK, payload, wire);
    }

    /// Acknowledges all that came, and sends nothing.
    pub(super) fn acknowledge(&mut self, side: Side, at: Duration, wire: &mut Wire) {
        self.segment(side, at, ACK, &[], wire);
    }

    /// Both sides say that they are through; the client's port is used up, so it comes back with another.
    pub(super) fn close(&mut self, at: Duration, wire: &mut Wire) -> Duration {
        self.segment(Side::A, at, FIN | ACK, &[], wire);
        self.segment(Side::B, at + HOP, FIN | ACK, &[], wire);
        self.segment(Side::A, at + 2 * HOP, ACK, &[], wire);
        self.is_open = false;
        self.ends.a.port = if self.ends.a.port == u16::MAX { FIRST_CLIENT_PORT } else { self.ends.a.port + 1 };
        self.next = Sides::new(wire.random.next() as u32, wire.random.next() as u32);
        at + 3 * HOP
    }

    fn segment(&mut self, side: Side, at: Duration, flags: u8, payload: &[u8], wire: &mut Wire) {
        let (from, to) = (*self.ends.of(side), *self.ends.of(side.other()));
        let sequence = *self.next.of(side);
        let acknowledged = if flags & ACK == 0 { 0 } else { *self.next.of(side.other()) };
        let mut header = [0; TCP_HEADER];
        header[0..2].copy_from_slice(&from.port.to_be_bytes());
        header[2..4].copy_from_slice(&to.port.to_be_bytes());
        header[4..8].copy_from_slice(&sequence.to_be_bytes());
        header[8..12].copy_from_slice(&acknowledged.to_be_bytes());
        header[12] = (TCP_HEADER as u8 / 4) << 4;
        header[13] = flags;
        header[14..16].copy_from_slice(&WINDOW.to_be_bytes());
        let ip = Ip { from, to, id: next_id(self.ids.of_mut(side)), protocol: TCP };
        wire.send(at, ip, &header, payload);
        let counted = payload.len() as u32 + u32::from(flags & (SYN | FIN) != 0);
        *self.next.of_mut(side) = sequence.wrapping_add(counted);
    }
}

/// Datagrams between two ends (RFC 768).
#[derive(Debug)]
pub(super) struct Datagrams {
    ends: Sides<End>,
    ids: Sides<u16>,
}

impl Datagrams {
    pub(super) fn new(a: End, b: End, random: &mut Random) -> Self {
        Self { ends: Sides::new(a, b), ids: Sides::new(random.next() as u16, random.next() as u16) }
    }

    /// Sends one datagram across.
    pub(super) fn send(&mut self, side: Side, at: Duration, payload: &[u8], wire: &mut Wire) {
        let (from, to) = (*self.ends.of(side), *self.ends.of(side.other()));
        let mut header = [0; UDP_HEADER];
        header[0..2].copy_from_slice(&from.port.to_be_bytes());
        header[2..4].copy_from_slice(&to.port.to_be_bytes());
        header[4..6].copy_from_slice(&((UDP_HEADER + payload.len()) as u16).to_be_bytes());
        let ip = Ip { from, to, id: next_id(self.ids.of_mut(side)), protocol: UDP };
        wire.send(at, ip, &header, payload);
    }
}

/// The Internet checksum (RFC 1071) of some bytes and a few words more.
fn checksum(bytes: &[u8], more: [u32; 2]) -> u16 {
    let words = bytes.chunks(2).map(|word| u32::from(word[0]) << 8 | word.get(1).map_or(0, |low| u32::from(*low)));
    let sum: u32 = words.chain(more).sum();
    let fold = |sum: u32| (sum >> 16) + (sum & 0xffff);
    !(fold(fold(sum)) as u16)
}

fn next_id(id: &mut u16) -> u16 {
    *id = id.wrapping_add(1);
    *id
}

/// From the client to the server, by way of the mirror port.
pub(super) const HOP: Duration = Duration::from_micros(150);
/// The first of the ports that clients draw from (RFC 6335, section 6).
pub(super) const FIRST_CLIENT_PORT: u16 = 49_152;
/// The most payload of a TCP segment in an Ethernet frame.
pub(super) const SEGMENT: usize = 1_460;

const SHORTEST_FRAME: usize = 60;
const ETHERNET_HEADER: usize = 14;
const IPV4_HEADER: usize = 20;
const TIME_TO_LIVE: u8 = 64;
const TCP: u8 = 6;
const UDP: u8 = 17;
const TCP_HEADER: usize = 20;
const UDP_HEADER: usize = 8;
const WINDOW: u16 = 64_240;
const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const PSH: u8 = 0x08;
const ACK: u8 = 0x10;
