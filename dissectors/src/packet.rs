//! One packet: from the frame to the innermost payload.
//!
//! Headers are decoded by hand on the path that nearly all packets take (Ethernet, VLAN tags, IPv4, IPv6, TCP, UDP):
//! a library that slices whole packets costs tens of nanoseconds more. What is decoded is `Copy`, so a reader thread
//! can hand it over beside a reference to the payload.

mod ip;
mod link;
mod transport;

use crate::observation::{Address, Context, Host, Mac, Place, Transport};
use crate::reader::Stop;
use std::net::IpAddr;
pub use transport::{TcpFlags, TcpHeader};

/// How frames of a capture begin (the LINKTYPE registry of pcap).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LinkType {
    /// `LINKTYPE_ETHERNET`, 1.
    Ethernet,
    /// `LINKTYPE_RAW`, 101 (and 12, 14 of old files), `LINKTYPE_IPV4`, 228, `LINKTYPE_IPV6`, 229: the IP header comes first.
    Raw,
    /// Anything else, by its number: its frames are counted, not read.
    Other(u32),
}

impl LinkType {
    /// From a capture's number.
    pub const fn from_number(number: u32) -> Self {
        match number {
            1 => Self::Ethernet,
            12 | 14 | 101 | 228 | 229 => Self::Raw,
            other => Self::Other(other),
        }
    }

    /// The number in the registry.
    pub const fn number(self) -> u32 {
        match self {
            Self::Ethernet => 1,
            Self::Raw => 101,
            Self::Other(number) => number,
        }
    }
}

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
    /// No IP: a frame of this EtherType (below 1536: the length of an 802.3 frame).
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
    /// Who sent it: by IP, or by MAC where there is no IP.
    pub source: Address,
    /// To whom.
    pub destination: Address,
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
    /// Tags beyond what a context holds.
    pub deeper_tags: u8,
}

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

    /// The sender in its context.
    pub fn sender(&self) -> Host {
        Host { context: self.context, address: self.source }
    }

    /// The receiver in its context.
    pub fn receiver(&self) -> Host {
        Host { context: self.context, address: self.destination }
    }

    /// Leaves nothing of an IP packet that was read before.
    #[inline]
    fn forget_ip(&mut self) {
        (self.ip_id, self.checksum) = (0, 0);
        (self.ttl, self.ip_header_bytes, self.transport_bytes) = (0, 0, 0);
    }

    /// Whether it goes to a group: by its IP address or by its MAC.
    pub fn is_to_group(&self) -> bool {
        self.destination.is_group() || self.link.is_some_and(|link| link.destination.is_group())
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
#[inline]
pub fn decode_into<'a>(
    headers: &mut Headers,
    link_type: LinkType,
    frame: &'a [u8],
    wire_length: u32,
) -> Result<&'a [u8], Unread> {
    headers.context = Context::default();
    headers.link = None;
    headers.deeper_tags = 0;
    headers.forget_ip();
    let cut = wire_length.saturating_sub(length_of(frame));
    let packet = match link_type {
        LinkType::Raw => frame,
        LinkType::Ethernet => {
            let (ether_type, packet) = link::ethernet(headers, frame).map_err(Unread::Damaged)?;
            if !link::is_ip(ether_type) {
                headers.layer = Layer::Frame(ether_type);
                headers.wire_bytes = wire_length;
                headers.cut_bytes = cut;
                return Ok(packet);
            }
            packet
        }
        LinkType::Other(_) => return Err(Unread::LinkType),
    };
    ip::any(headers, packet, cut).map_err(Unread::Damaged)
}

/// Takes apart what follows an IP header: the payload of a packet that was put together of fragments, whose `headers`
/// are those of one of them.
///
/// The IP header's own length is kept; the payload is whole. What it holds may be a tunnel, and in it a fragment again.
pub fn decode_transport<'a>(headers: &mut Headers, protocol: u8, payload: &'a [u8]) -> Result<&'a [u8], Unread> {
    headers.cut_bytes = 0;
    headers.ip_header_bytes = 0;
    let payload = match headers.source {
        Address::Ip(IpAddr::V6(_)) => ip::behind_v6(headers, protocol, payload),
        _ => transport::any(headers, protocol, payload),
    };
    payload.map_err(Unread::Damaged)
}

fn length_of(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

/// The stop of a header that the frame ends in.
#[cold]
const fn ends_in(what: &'static str) -> Stop {
    Stop::Malformed { what, at: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use etherparse::PacketBuilder;
    use proptest::prelude::*;

    fn packet_of(builder: etherparse::PacketBuilderStep<etherparse::UdpHeader>, payload: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        builder.write(&mut bytes, payload).expect("a vector takes all");
        bytes
    }

    #[test]
    fn udp_in_ipv4_in_a_vlan() {
        let builder = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2])
            .single_vlan(etherparse::VlanId::try_new(7).expect("7 is a VLAN id"))
            .ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
            .udp(47808, 47809);
        let mut frame = packet_of(builder, b"hello");
        let wire_length = u32::try_from(frame.len()).expect("it is short");
        let (headers, payload) = decode(LinkType::Ethernet, &frame, wire_length).expect("it is whole");
        assert_eq!(payload, b"hello");
        assert_eq!(headers.context.to_string(), "vlan:7");
        assert_eq!(headers.source.to_string(), "10.0.0.1");
        assert_eq!(headers.ports(), (47808, 47809));
        assert_eq!((headers.wire_bytes, headers.cut_bytes), (33, 0));

        frame.truncate(frame.len() - 2);
        let (headers, payload) = decode(LinkType::Ethernet, &frame, wire_length).expect("the headers are whole");
        assert_eq!((payload, headers.cut_bytes), (&b"hel"[..], 2));
    }

    #[test]
    fn padding_of_short_frames_is_no_payload() {
        let builder = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2])
            .ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
            .tcp(502, 40000, 7, 1000);
        let mut frame = Vec::new();
        builder.write(&mut frame, b"").expect("a vector takes all");
        frame.resize(60, 0);
        let (headers, payload) = decode(LinkType::Ethernet, &frame, 60).expect("it is whole");
        assert_eq!((payload.len(), headers.wire_bytes, headers.cut_bytes), (0, 40, 0));
    }

    #[test]
    fn a_fragment_is_told_as_such() {
        let builder = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2])
            .ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
            .udp(1, 2);
        let mut frame = packet_of(builder, b"hello");
        frame[20] = 0x20; // more fragments
        let (headers, _) = decode(LinkType::Ethernet, &frame, 47).expect("it is whole");
        assert_eq!(headers.layer, Layer::Fragment(Fragment { id: 0, offset: 0, more: true, protocol: 17 }));
        frame[20..22].copy_from_slice(&[0x00, 0xb9]); // the last one, behind 1480 bytes
        frame[18..20].copy_from_slice(&[0xab, 0xcd]);
        let (mut headers, _) = decode(LinkType::Ethernet, &frame, 47).expect("it is whole");
        assert_eq!(headers.layer, Layer::Fragment(Fragment { id: 0xabcd, offset: 1480, more: false, protocol: 17 }));
        let payload = decode_transport(&mut headers, 17, &frame[34..]).expect("it is whole");
        assert_eq!((payload, headers.ports()), (&b"hello"[..], (1, 2)));
    }

    #[test]
    fn a_fragment_of_ipv6_too() {
        let source = "fe80::1".parse::<std::net::Ipv6Addr>().expect("it is an address").octets();
        let mut frame = Vec::new();
        let builder = PacketBuilder::ipv6(source, source, 64).udp(7, 8);
        builder.write(&mut frame, b"hello").expect("a vector takes all");
        // A fragment header of a packet whose payload begins with destination options.
        frame[6] = 44;
        frame.splice(40..40, [60, 0, 0x05, 0xa9, 1, 2, 3, 4]);
        frame[5] += 8;
        let (mut headers, rest) = decode(LinkType::Raw, &frame, 61).expect("it is whole");
        assert_eq!(rest.len(), 13);
        assert_eq!(
            headers.layer,
            Layer::Fragment(Fragment { id: 0x0102_0304, offset: 1448, more: true, protocol: 60 })
        );
        let whole = [&[17, 0, 1, 4, 0, 0, 0, 0], rest].concat();
        let payload = decode_transport(&mut headers, 60, &whole).expect("it is whole");
        assert_eq!((payload, headers.ports()), (&b"hello"[..], (7, 8)));
    }

    #[test]
    fn what_tells_duplicates_and_checksums_is_kept() {
        let mut frame = Vec::new();
        let builder = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2])
            .ipv4([10, 0, 0, 1], [10, 0, 0, 2], 61)
            .tcp(502, 40000, 7, 1000)
            .options_raw(&[1, 1, 1, 1])
            .expect("they fit");
        builder.write(&mut frame, b"hello").expect("a vector takes all");
        frame[18..20].copy_from_slice(&[0xab, 0xcd]);
        let length = u32::try_from(frame.len()).expect("it is short");
        let (headers, _) = decode(LinkType::Ethernet, &frame, length).expect("it is whole");
        let checksum = u16::from_be_bytes([frame[50], frame[51]]);
        assert_eq!((headers.ip_id, headers.ttl, headers.checksum), (0xabcd, 61, checksum));
        assert_eq!((headers.ip_header_bytes, headers.transport_bytes), (20, 24));
        assert!(std::mem::size_of::<Headers>() <= 100, "{} bytes", std::mem::size_of::<Headers>());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), more in 0u32..9) {
            for link_type in [LinkType::Ethernet, LinkType::Raw, LinkType::Other(999)] {
                let wire_length = u32::try_from(bytes.len()).expect("it is short") + more;
                let _ = decode(link_type, &bytes, wire_length);
            }
        }

        #[test]
        fn headers_agree_with_etherparse(
            source in any::<[u8; 16]>(), destination in any::<[u8; 16]>(), ports in any::<(u16, u16)>(),
            sequence in any::<u32>(), payload in proptest::collection::vec(any::<u8>(), 0..64),
        ) {
            let mut frame = Vec::new();
            PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2])
                .ipv6(source, destination, 3)
                .tcp(ports.0, ports.1, sequence, 5)
                .syn()
                .write(&mut frame, &payload)
                .expect("a vector takes all");
            let wire_length = u32::try_from(frame.len()).expect("it is short");
            let (headers, rest) = decode(LinkType::Ethernet, &frame, wire_length).expect("it is whole");
            prop_assert_eq!(headers.source.to_string(), std::net::Ipv6Addr::from(source).to_string());
            prop_assert_eq!(headers.ports(), ports);
            prop_assert_eq!(rest, &payload[..]);
            let Layer::Tcp(tcp) = headers.layer else { panic!("it is TCP") };
            prop_assert_eq!(tcp.sequence, sequence);
            prop_assert!(tcp.flags.syn() && !tcp.flags.ack());
        }
    }
}
