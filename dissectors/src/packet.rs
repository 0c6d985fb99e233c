//! One packet: from the frame to the innermost payload.
//!
//! What is innermost counts, as if it had been captured alone: the hosts, the lengths, the identification. Of the way to
//! it only what says where an address holds is left, in the context.
//!
//! Headers are decoded by hand on the path that nearly all packets take (Ethernet, VLAN tags, IPv4, IPv6, TCP, UDP):
//! a library that slices whole packets costs tens of nanoseconds more. What is decoded is `Copy`, so a reader thread
//! can hand it over beside a reference to the payload.

mod bus;
pub mod checksum;
mod ends;
mod frame;
mod ip;
mod link;
mod llc;
mod plain;
#[cfg(test)]
mod tests;
mod transport;
mod tunnel;

use crate::observation::{Address, Context, Host, Mac, Place, Tag, Transport};
use crate::reader::Stop;
pub use ends::{Bits, Ends, Family};
pub use frame::FrameName;
pub use link::LinkType;
pub use transport::{TcpFlags, TcpHeader};

/// The MAC addresses of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Who sent the frame.
    pub source: Mac,
    /// To whom.
    pub destination: Mac,
}

/// What puts a fragment in its place (RFC 791, section 3.2; RFC 8200, section 4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// What the fragments of one packet have in common; 16 bits of it in IPv4.
    pub id: u32,
    /// Where in the packet's payload it begins, in bytes.
    pub offset: u16,
    /// Whether others follow: without them the packet has no end yet.
    pub more: bool,
    /// What the whole payload is, by its IP number: [`decode_transport`] takes it when it is put together.
    pub protocol: u8,
}

/// What stands on the network layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// TCP.
    Tcp(TcpHeader),
    /// UDP, with its source and destination port.
    Udp {
        /// Source port.
        source: u16,
        /// Destination port.
        destination: u16,
    },
    /// Another IP protocol, by its number.
    Other(u8),
    /// A fragment of an IP packet: its payload alone says nothing, the first one's ports neither.
    Fragment(Fragment),
    /// No IP: a frame of this number, which [`FrameName`] explains. It is the EtherType of most.
    Frame(u16),
}

impl Default for Layer {
    fn default() -> Self {
        Self::Frame(0)
    }
}

/// What the headers of a packet say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Headers {
    /// VLANs and tunnels on the way in.
    pub context: Context,
    /// The frame's MAC addresses, where it has any.
    pub link: Option<Link>,
    /// Who sent it, and to whom: by IP, or by MAC where there is no IP.
    pub ends: Ends,
    /// What the network layer carries.
    pub layer: Layer,
    /// Bytes on the wire, from the IP header (or from the frame's start where there is no IP).
    pub wire_bytes: u32,
    /// Payload bytes that were on the wire and that the snap length cut off.
    pub cut_bytes: u32,
    /// The identification of an IPv4 packet; 0 of all else.
    pub ip_id: u16,
    /// The checksum of TCP or UDP as it came; 0 of all else.
    pub checksum: u16,
    /// How many routers an IP packet may still pass (IPv6: its hop limit).
    pub ttl: u8,
    /// How long the IPv4 header is that stands right before the transport header; 0 if none does.
    pub ip_header_bytes: u8,
    /// How long the TCP or UDP header is that stands right before the payload; 0 of all else.
    pub transport_bytes: u8,
    /// How many tunnels it came through.
    pub tunnels: u8,
    /// Tags beyond what a context holds, and tunnels beyond those that are opened.
    pub deeper_tags: u8,
}

/// More tunnels within tunnels than any network has; what is deeper is counted and stays a packet of its own protocol.
const MOST_TUNNELS: u8 = 8;

impl Headers {
    /// What carries the messages.
    pub fn transport(&self) -> Transport {
        match self.layer {
            Layer::Tcp(_) => Transport::Tcp,
            Layer::Udp { .. } => Transport::Udp,
            Layer::Other(number) => Transport::Other(number),
            Layer::Fragment(fragment) => Transport::Other(fragment.protocol),
            Layer::Frame(_) => Transport::Ethernet,
        }
    }

    /// Source and destination port; 0 where there are none.
    pub fn ports(&self) -> (u16, u16) {
        match &self.layer {
            Layer::Tcp(tcp) => (tcp.source, tcp.destination),
            Layer::Udp { source, destination } => (*source, *destination),
            Layer::Other(_) | Layer::Fragment(_) | Layer::Frame(_) => (0, 0),
        }
    }

    /// Who sent it.
    pub fn source(&self) -> Address {
        self.ends.source.address(self.ends.family)
    }

    /// To whom.
    pub fn destination(&self) -> Address {
        self.ends.destination.address(self.ends.family)
    }

    /// The sender in its context.
    pub fn sender(&self) -> Host {
        Host { context: self.context, address: self.source() }
    }

    /// The receiver in its context.
    pub fn receiver(&self) -> Host {
        Host { context: self.context, address: self.destination() }
    }

    /// Leaves nothing of an IP packet that was read before.
    #[inline]
    fn forget_ip(&mut self) {
        (self.ip_id, self.checksum) = (0, 0);
        (self.ttl, self.ip_header_bytes, self.transport_bytes) = (0, 0, 0);
    }

    /// One tag further in.
    #[cold]
    fn step_into(&mut self, tag: Tag) {
        match self.context.within(tag) {
            Some(inner) => self.context = inner,
            None => self.deeper_tags = self.deeper_tags.saturating_add(1),
        }
    }

    /// One tunnel further in, whose frames keep their MAC addresses; `false` if there were too many.
    #[cold]
    fn enter(&mut self) -> bool {
        if self.tunnels >= MOST_TUNNELS {
            self.deeper_tags = self.deeper_tags.saturating_add(1);
            return false;
        }
        self.tunnels = self.tunnels.saturating_add(1);
        true
    }

    /// One tunnel on IP further in: the MAC addresses are those of its ends.
    #[cold]
    fn enter_packet(&mut self) -> bool {
        let is_entered = self.enter();
        if is_entered {
            self.link = None;
            self.forget_ip();
        }
        is_entered
    }

    /// Whether it goes to a group: by its IP address or by its MAC.
    pub fn is_to_group(&self) -> bool {
        self.destination().is_group() || self.link.is_some_and(|link| link.destination.is_group())
    }
}

/// One packet, for one turn of the loop.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// Its capture, frame and time.
    pub place: Place,
    /// What its headers say.
    pub headers: &'a Headers,
    /// What they carry.
    pub payload: &'a [u8],
    /// The transport header right before the payload, if any, and the payload: what a checksum covers.
    pub segment: &'a [u8],
    /// How long the frame was on the wire, link headers and padding included.
    pub frame_bytes: u32,
}

/// Why a frame could not be taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    /// Its link type is not known here.
    LinkType,
    /// A header is cut or contradicts itself.
    Damaged(Stop),
}

/// Takes a frame apart. `wire_length` is its length on the wire, of which `frame` may hold only the front.
///
/// Returns the headers and the innermost payload, or why there is none.
pub fn decode(link_type: LinkType, frame: &[u8], wire_length: u32) -> Result<(Headers, &[u8]), Unread> {
    let mut headers = Headers::default();
    let payload = decode_into(&mut headers, link_type, frame, wire_length)?;
    Ok((headers, payload))
}

/// [`decode`] into headers that have their place already: what is decoded once a packet is not moved once a packet.
#[expect(clippy::inline_always, reason = "what is plain is read where it is used, without a way through memory")]
#[inline(always)]
pub fn decode_into<'a>(
    headers: &mut Headers,
    link_type: LinkType,
    frame: &'a [u8],
    wire_length: u32,
) -> Result<&'a [u8], Unread> {
    headers.context = Context::default();
    (headers.tunnels, headers.deeper_tags) = (0, 0);
    if link_type == LinkType::Ethernet
        && wire_length <= length_of(frame)
        && let Some(payload) = plain::payload(headers, frame)
    {
        return Ok(payload);
    }
    decode_any(headers, link_type, frame, wire_length)
}

/// The same of whatever it is.
#[inline(never)]
fn decode_any<'a>(
    headers: &mut Headers,
    link_type: LinkType,
    frame: &'a [u8],
    wire_length: u32,
) -> Result<&'a [u8], Unread> {
    headers.link = None;
    headers.forget_ip();
    let cut = wire_length.saturating_sub(length_of(frame));
    let payload = match link_type {
        LinkType::Raw => ip::outermost(headers, frame, cut),
        LinkType::Ethernet => match link::ethernet(headers, frame) {
            Ok((ether_type, packet)) if frame::is_ip(ether_type) => ip::outermost(headers, packet, cut),
            Ok((ether_type, rest)) => {
                headers.wire_bytes = wire_length;
                frame::any(headers, ether_type, rest, cut)
            }
            Err(stop) => Err(stop),
        },
        LinkType::Other(_) => return Err(Unread::LinkType),
        link_type => link::uncommon(headers, link_type, frame, cut),
    };
    payload.map_err(Unread::Damaged)
}

/// Takes apart what follows an IP header: the payload of a packet that was put together of fragments, whose `headers`
/// are those of one of them.
///
/// The IP header's own length is kept; the payload is whole. What it holds may be a tunnel, and in it a fragment again.
pub fn decode_transport<'a>(headers: &mut Headers, protocol: u8, payload: &'a [u8]) -> Result<&'a [u8], Unread> {
    headers.cut_bytes = 0;
    headers.ip_header_bytes = 0;
    let payload = match headers.ends.family {
        Family::V6 => ip::behind_v6(headers, protocol, payload),
        _ => transport::any(headers, protocol, payload),
    };
    payload.map_err(Unread::Damaged)
}

fn length_of(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

/// The part of what follows that a length tells of, and how much of it the snap length cut off. Nothing is longer than
/// what carries it, whatever it says.
fn part(rest: &[u8], cut: u32, told: u32) -> (&[u8], u32) {
    let whole = told.min(length_of(rest).saturating_add(cut));
    let captured = rest.get(..whole as usize).unwrap_or(rest);
    (captured, whole.saturating_sub(length_of(captured)))
}

/// The stop of a header that the frame ends in.
#[cold]
const fn ends_in(what: &'static str) -> Stop {
    Stop::Malformed { what, at: 0 }
}
