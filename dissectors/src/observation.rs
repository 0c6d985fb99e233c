//! What a dissector or a lane has to say: who, what, when, and the proof.

use crate::bounded::GOLDEN;
use crate::certificate::Certificate;
use crate::field::Field;
use crate::image::Image;
use crate::login::Laxity;
use crate::packet::Bits;
use crate::proof::{Exposure, Proof};
use crate::side::Direction;
use crate::time::Timestamp;
use arrayvec::{ArrayString, ArrayVec};
use compact_str::{CompactString, ToCompactString};
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// One new fact. Owns its values; moves to the inventory.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// When the message was whole, in packet time.
    pub time: Timestamp,
    /// Whom it is about.
    pub subject: Subject,
    /// What was learned.
    pub fact: Fact,
    /// Where it can be seen.
    pub evidence: Evidence,
}

/// A MAC address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// Whether it names a group (broadcast or multicast): the lowest bit of the first byte (IEEE 802-2014, 8.2).
    pub fn is_group(self) -> bool {
        let Self([first, ..]) = self;
        first & 1 == 1
    }

    /// Whether it can name one device: not a group, not all zeros.
    pub fn is_device(self) -> bool {
        !self.is_group() && self.0 != [0; 6]
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().enumerate().try_for_each(|(index, byte)| {
            let separator = if index == 0 { "" } else { ":" };
            write!(f, "{separator}{byte:02x}")
        })
    }
}

/// One step of the way that led to a packet: a VLAN tag or a tunnel's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tag {
    /// IEEE 802.1Q or 802.1ad: the VLAN id, 0 to 4095.
    Vlan(u16),
    /// VXLAN or GENEVE: the id of the virtual network, 24 bits.
    Network(u32),
    /// IEEE 802.1ah: the service id of a provider backbone, 24 bits.
    Service(u32),
    /// GRE: the key that tells a tunnel from the others of its ends.
    Key(u32),
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vlan(id) => write!(f, "vlan:{id}"),
            Self::Network(id) => write!(f, "vni:{id}"),
            Self::Service(id) => write!(f, "isid:{id}"),
            Self::Key(key) => write!(f, "gre:{key}"),
        }
    }
}

/// The path of VLANs and tunnels in which an address holds: 10.0.0.1 in VLAN 5 is not 10.0.0.1 in VLAN 6.
///
/// Sixteen bytes, because every packet's is compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Context {
    tags: [u32; Self::DEPTH],
}

impl Context {
    /// No tag at all.
    pub const ROOT: Self = Self { tags: [0; Self::DEPTH] };
    /// How many tags a context holds; what is nested deeper is counted and belongs to the deepest context.
    pub const DEPTH: usize = 4;
    /// Above the 24 bits of an id: that there is one, and of which kind.
    const VLAN: u32 = 1 << 24;
    const NETWORK: u32 = 2 << 24;
    const SERVICE: u32 = 3 << 24;
    const KEY: u32 = 4 << 24;
    /// The high byte of the key in the next slot: few have one.
    const KEY_HIGH: u32 = 5 << 24;
    const ID: u32 = Self::VLAN.wrapping_sub(1);

    /// The context one tag further in, or `None` when it is full.
    #[must_use]
    pub fn within(self, tag: Tag) -> Option<Self> {
        let (kind, id) = match tag {
            Tag::Vlan(id) => (Self::VLAN, u32::from(id)),
            Tag::Network(id) => (Self::NETWORK, id),
            Tag::Service(id) => (Self::SERVICE, id),
            Tag::Key(key) if key > Self::ID => {
                return self.with(Self::KEY_HIGH | key >> 24)?.with(Self::KEY | key & Self::ID);
            }
            Tag::Key(key) => (Self::KEY, key),
        };
        self.with(kind | id & Self::ID)
    }

    fn with(mut self, packed: u32) -> Option<Self> {
        let free = self.tags.iter_mut().find(|slot| **slot == 0)?;
        *free = packed;
        Some(self)
    }

    /// The tunnels alone: what is left where VLANs are no networks of their own.
    #[must_use]
    pub fn without_vlans(&self) -> Self {
        let tunnels = self.tags().filter(|tag| !matches!(tag, Tag::Vlan(_)));
        tunnels.fold(Self::default(), |context, tag| context.within(tag).unwrap_or(context))
    }

    /// Whether there was no tag at all.
    pub fn is_root(&self) -> bool {
        self.tags.first() == Some(&0)
    }

    /// The tags, the outermost one in the highest bits.
    #[inline]
    fn bits(&self) -> u128 {
        self.tags.iter().fold(0, |bits, tag| bits << 32 | u128::from(*tag))
    }

    /// The tags, the outermost first.
    pub fn tags(&self) -> impl Iterator<Item = Tag> {
        let mut high = 0;
        self.tags.iter().take_while(|packed| **packed != 0).filter_map(move |packed| {
            let id = packed & Self::ID;
            Some(match packed & !Self::ID {
                Self::KEY_HIGH => {
                    high = id << 24;
                    return None;
                }
                Self::NETWORK => Tag::Network(id),
                Self::SERVICE => Tag::Service(id),
                Self::KEY => Tag::Key(std::mem::take(&mut high) | id),
                _ => Tag::Vlan(u16::try_from(id).unwrap_or(u16::MAX)),
            })
        })
    }
}

// Contexts and addresses are ordered and hashed as numbers: rows are sorted and looked up by them, millions of times in a
// run, and tag by tag and byte by byte it would cost several times as much.
impl Ord for Context {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        self.bits().cmp(&other.bits())
    }
}

impl PartialOrd for Context {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for Context {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u128(self.bits());
    }
}

impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tags().enumerate().try_for_each(|(index, tag)| {
            let separator = if index == 0 { "" } else { "/" };
            write!(f, "{separator}{tag}")
        })
    }
}

/// A network address. Ordered as they stand here, IPv4 before IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Address {
    /// IPv4 or IPv6.
    Ip(IpAddr),
    /// Ethernet, of a host that speaks without IP.
    Mac(Mac),
    /// A node of a field bus, by its number there.
    Node(Bus, u8),
}

impl Ord for Address {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        let [(one, of_one), (two, of_two)] = [self, other].map(|address| Bits::of(*address));
        (of_one, one).cmp(&(of_two, two))
    }
}

impl PartialOrd for Address {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for Address {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        let (bits, family) = Bits::of(*self);
        state.write_u64(bits.low);
        state.write_u64(bits.high ^ family as u64);
    }
}

/// A field bus whose frames captures hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bus {
    /// BACnet master-slave/token-passing: 255 is all nodes, 128 to 254 are slaves.
    MsTp,
    /// ARCNET: 0 is all nodes.
    Arcnet,
}

impl Bus {
    /// The number that means all nodes.
    pub const fn everybody(self) -> u8 {
        match self {
            Self::MsTp => 255,
            Self::Arcnet => 0,
        }
    }
}

impl fmt::Display for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MsTp => "mstp",
            Self::Arcnet => "arcnet",
        })
    }
}

impl Default for Address {
    /// The unspecified address.
    fn default() -> Self {
        Self::Ip(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
    }
}

impl Address {
    /// Whether it names a group by itself: a multicast or broadcast address.
    pub fn is_group(&self) -> bool {
        match self {
            Self::Ip(IpAddr::V4(ip)) => ip.is_multicast() || ip.is_broadcast(),
            Self::Ip(IpAddr::V6(ip)) => ip.is_multicast(),
            Self::Mac(mac) => mac.is_group(),
            Self::Node(bus, number) => *number == bus.everybody(),
        }
    }

    /// Whether it can name one host: neither a group nor the unspecified address.
    pub fn is_host(&self) -> bool {
        match self {
            Self::Ip(ip) => !self.is_group() && !ip.is_unspecified(),
            Self::Mac(mac) => mac.is_device(),
            Self::Node(..) => !self.is_group(),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(IpAddr::V4(ip)) => f.pad(&dotted(*ip)),
            Self::Ip(IpAddr::V6(ip)) => ip.fmt(f),
            Self::Mac(mac) => mac.fmt(f),
            Self::Node(bus, number) => write!(f, "{bus}:{number}"),
        }
    }
}

/// `10.0.0.1`. Rows name addresses by the ten thousand, and the standard library's way goes through its formatter four times.
fn dotted(ip: Ipv4Addr) -> ArrayString<15> {
    let mut text = ArrayString::new();
    let mut push = |letter| {
        // Four numbers of three digits and their dots have room.
        let _ = text.try_push(letter);
    };
    for (place, octet) in ip.octets().into_iter().map(u32::from).enumerate() {
        if place > 0 {
            push('.');
        }
        for (digit, is_told) in [(octet / 100, octet >= 100), (octet / 10 % 10, octet >= 10), (octet % 10, true)] {
            if is_told {
                push(char::from_digit(digit, 10).unwrap_or('0'));
            }
        }
    }
    text
}

/// A network address in its context.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Host {
    /// Where the address holds.
    pub context: Context,
    /// The address.
    pub address: Address,
}

/// A device behind a host, in the protocol's own numbering.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Child {
    /// A number: a Modbus unit, a DNP3 link address.
    Number(u32),
    /// A station of a network behind a router: BACnet's SNET and SADR (ASHRAE 135, 6.2.2).
    Station {
        /// The network's number.
        network: u16,
        /// The station's address there, 1 to 7 bytes.
        address: ArrayVec<u8, 7>,
    },
}

impl fmt::Display for Child {
    /// `17`, `8601:63` for a one-byte address, `3:c0a80018bac0` for a longer one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Station { network, address } => {
                write!(f, "{network}:")?;
                if let [one] = address.as_slice() {
                    return one.fmt(f);
                }
                address.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
    }
}

/// A host, and a child key or none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject {
    /// The host that was spoken to or spoke.
    pub host: Host,
    /// Which device behind it, if the message says so.
    pub child: Option<Child>,
}

impl From<Host> for Subject {
    fn from(host: Host) -> Self {
        Self { host, child: None }
    }
}

/// A kind of knowledge. It grows when the inventory learns a new kind, never with a dissector.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    /// The subject says something of itself, or is said to be something.
    Attribute {
        /// Which property.
        field: &'static Field,
        /// What it is.
        value: Value,
    },
    /// The subject's IP address and this MAC belong together.
    Binding {
        /// The hardware address.
        mac: Mac,
        /// How that is known.
        proof: Binding,
    },
    /// The subject's child stands behind the host, by this proof.
    Child(ChildProof),
    /// The subject's context and another are one network: a mirror shows the two directions of a conversation in one
    /// each, or the same packet in both. An address in the one is the same host in the other.
    SameNetwork {
        /// The other one.
        other: Context,
    },
    /// The subject has shown a certificate.
    Certificate {
        /// The port at which it serves; 0 of a client.
        port: u16,
        /// What it has shown.
        certificate: Box<Certificate>,
    },
    /// How the subject's conversations with a client are protected. The subject is the server.
    Channel(Box<Channel>),
    /// Attributes and children told before were told again: what is not new is counted.
    Again {
        /// Which property.
        field: &'static Field,
        /// Which of its codes, where each is counted for itself; else it is the value that was told last.
        code: Option<u32>,
        /// How often in this window.
        count: u64,
    },
    /// A conversation within one window: the application, device and port relationship. The subject is the server.
    Traffic(Box<Traffic>),
    /// Messages of one operation within one window, summed. The subject is the server and its child.
    Activity(Box<Activity>),
    /// A control action, cyclic repeats within one window summed. The subject is the server and its child.
    Control(Box<Control>),
    /// Conversations that nobody answered, summed by source. The subject is the source.
    Attempts(Box<Attempts>),
    /// A login, or how often one was repeated. The subject is the server and its child.
    Credential(Box<Credential>),
    /// Something that should have asked for a login, or should never have crossed the wire. The subject is the server and
    /// its child.
    Lax(Box<Lax>),
}

/// The version of what protects a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// TLS, by the number on the wire.
    Tls(u16),
    /// SSH, as the server writes it: `2.0`, `1.99`.
    Ssh(CompactString),
    /// Any other protocol's that has versions which nobody should speak any more, as people call it: `SNMP 1`.
    Named(&'static str),
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tls(number) => write!(f, "{number:#06x}"),
            Self::Ssh(version) => write!(f, "SSH {version}"),
            Self::Named(version) => f.write_str(version),
        }
    }
}

/// How conversations of a client with a server are protected, as far as was seen. Numbers are those of the registries
/// (TLS Cipher Suites; the versions of RFC 8446, 4.2.1).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Channel {
    /// Who asks.
    pub client: Host,
    /// The server's port.
    pub port: u16,
    /// When they began to agree.
    pub begun: Timestamp,
    /// The version that was chosen.
    pub version: Option<Version>,
    /// The cipher suite that was chosen.
    pub cipher: Option<u16>,
    /// The name that the client calls the server by.
    pub server_name: Option<CompactString>,
    /// The protocol inside, by its registered name (RFC 7301).
    pub alpn: Option<CompactString>,
    /// The shape of the client's hello, and of the server's.
    pub ja3: Option<CompactString>,
    /// The server's.
    pub ja3s: Option<CompactString>,
    /// The client's, in a form that does not depend on the order of what it offers.
    pub ja4: Option<CompactString>,
    /// What an SSH client offers, hashed.
    pub hassh: Option<CompactString>,
    /// What an SSH server offers, hashed.
    pub hassh_server: Option<CompactString>,
    /// Whether the server's certificate could be seen; `None` where it need not have been sent.
    pub is_certificate_visible: Option<bool>,
}

/// How an IP address and a MAC are known to belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Binding {
    /// Only by an IP packet that came in a frame from that MAC: a router's MAC carries many such addresses.
    Frame,
    /// The host said so itself (ARP's sender fields).
    Told,
}

/// How a child is known to be a device of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChildProof {
    /// It answered.
    Answered,
    /// The host is a router or gateway for it, by the protocol's own word.
    Routed,
}

/// What a property may be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// Text as it came, made valid UTF-8.
    Text(CompactString),
    /// A number.
    Integer(i64),
}

impl Value {
    /// How many bytes of a text are told: enough for any name, and no way to fill the memory of who listens.
    pub const LONGEST: usize = 512;

    /// Text from the wire, its front if it is too long; what is no UTF-8 becomes U+FFFD.
    pub fn text(bytes: &[u8]) -> Self {
        Self::Text(clipped(bytes, Self::LONGEST))
    }

    /// As text, the form that rules match.
    pub fn as_text(&self) -> CompactString {
        match self {
            Self::Text(text) => text.clone(),
            Self::Integer(number) => number.to_compact_string(),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => text.fmt(f),
            Self::Integer(number) => number.fmt(f),
        }
    }
}

/// The name of an operation, as the standard writes it: `3`, `u8`, `GET`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// A code: Modbus function `3`, HTTP status `200`.
    Code(u32),
    /// A code of one of several kinds: BACnet `u8`, `n1`, `b5`.
    Kind(char, u32),
    /// A verb of the standard: `GET`.
    Verb(&'static str),
    /// Any other word: see [`Operation::word`].
    Word(CompactString),
    /// A code of a protocol that the conversation's own one carries: UMAS `0x31` within Modbus. Its rows bear that
    /// protocol's name.
    Within(&'static str, u8),
    /// A verb of such a protocol: ONVIF's `GetDeviceInformation` within HTTP.
    VerbWithin(&'static str, &'static str),
    /// Any other word of such a protocol.
    WordWithin(&'static str, CompactString),
}

impl Operation {
    /// How many bytes of a word are told: rows are counted by it, so whoever sends it must not decide how large they are.
    pub const LONGEST: usize = 64;

    /// A word from the wire, its front if it is too long; what is no UTF-8 becomes U+FFFD.
    pub fn word(bytes: &[u8]) -> Self {
        Self::Word(clipped(bytes, Self::LONGEST))
    }

    /// Likewise, of a protocol that is carried.
    pub fn word_within(protocol: &'static str, bytes: &[u8]) -> Self {
        Self::WordWithin(protocol, clipped(bytes, Self::LONGEST))
    }

    /// The protocol that it is of, where that is not the conversation's own.
    pub fn protocol(&self) -> Option<&'static str> {
        match self {
            Self::Within(protocol, _) | Self::VerbWithin(protocol, _) | Self::WordWithin(protocol, _) => Some(protocol),
            Self::Code(_) | Self::Kind(..) | Self::Verb(_) | Self::Word(_) => None,
        }
    }
}

/// The front of a text, cut between letters.
fn clipped(bytes: &[u8], longest: usize) -> CompactString {
    // A letter that begins before the cut ends within three bytes behind it.
    let front = bytes.get(..longest.saturating_add(3)).unwrap_or(bytes);
    let mut text = CompactString::from_utf8_lossy(front);
    text.truncate(text.floor_char_boundary(longest));
    text
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => code.fmt(f),
            Self::Kind(kind, code) => write!(f, "{kind}{code}"),
            Self::Verb(verb) | Self::VerbWithin(_, verb) => f.write_str(verb),
            Self::Word(word) | Self::WordWithin(_, word) => word.fmt(f),
            Self::Within(_, code) => write!(f, "{code:#04X}"),
        }
    }
}

/// A login with its outcome, told once an hour of packet time with what proves its password; then its repeats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// Who logs in.
    pub client: Host,
    /// The server's port.
    pub server_port: u16,
    /// How, by the name in the tables.
    pub scheme: &'static str,
    /// The user name, its front if it is too long.
    pub username: Option<CompactString>,
    /// What is logged in to, by its own name.
    pub realm: Option<CompactString>,
    /// What the server made of it; never unanswered.
    pub outcome: Outcome,
    /// Whether nobody but the two could read it, if this capture held no keys.
    pub encrypted: bool,
    /// What those who listened have.
    pub exposure: Option<Exposure>,
    /// What proves the password; `None` of a login that was refused, and of repeats.
    pub proof: Option<Arc<Proof>>,
    /// How many in this window: 1, or so many repeats.
    pub count: u64,
    /// Where the first of them stands: what repeats are of.
    pub told: Place,
}

/// Something open that should be closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lax {
    /// To whom, or from whom.
    pub client: Host,
    /// The server's port.
    pub server_port: u16,
    /// What kind of openness it is.
    pub laxity: Laxity,
    /// What was open: `live video`, `restart`, `private key`.
    pub what: &'static str,
}

/// Where a fact can be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// Which capture or interface, by its place in the run.
    pub capture: u32,
    /// The frame's number there, from 1 as Wireshark counts; `None` when listening.
    pub frame: Option<u64>,
    /// The frame's own time; that of the timeline where it has leapt alone.
    pub time: Timestamp,
    /// The protocol that told it.
    pub protocol: &'static str,
    /// The conversation.
    pub flow: FlowId,
}

impl Evidence {
    /// The frame alone.
    pub fn place(&self) -> Place {
        Place { time: self.time, capture: self.capture, frame: self.frame }
    }
}

/// A display filter of Wireshark that selects exactly this frame: by its number, or by its time where it has none; and by
/// the ends of its conversation, so that in another file of the same traffic (merged, cut, rotated) it selects nothing
/// rather than a stranger, and finds the whole conversation once its first term is taken away.
///
/// It names neither direction nor VLAN nor protocol: a sum of both directions is proved by a frame of either, mirrors may
/// tag the two differently, and Wireshark knows a protocol on its usual ports only.
impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.frame {
            Some(frame) => write!(f, "frame.number == {frame}")?,
            None => write!(f, "frame.time_epoch == {}", Seconds(self.time))?,
        }
        let FlowId { transport, source, source_port, destination, destination_port } = self.flow;
        let addresses = [source, destination].map(Some);
        let [source, destination] = if source == destination { [Some(source), None] } else { addresses };
        for address in [source, destination].into_iter().flatten() {
            let name = match address {
                Address::Ip(IpAddr::V4(_)) => "ip.addr",
                Address::Ip(IpAddr::V6(_)) => "ipv6.addr",
                // Linux's cooked captures hold the sender's alone. A group is no end.
                Address::Mac(mac) if mac.is_device() => {
                    write!(f, " && (eth.addr == {mac} || sll.src.eth == {mac})")?;
                    continue;
                }
                Address::Mac(_) => continue,
                Address::Node(bus, number) => {
                    write!(f, " && ({bus}.src == {number} || {bus}.dst == {number})")?;
                    continue;
                }
            };
            write!(f, " && {name} == {address}")?;
        }
        let name = match transport {
            Transport::Tcp => "tcp.port",
            Transport::Udp => "udp.port",
            Transport::Ethernet | Transport::Other(_) => return Ok(()),
        };
        let ports = [Some(source_port), Some(destination_port).filter(|port| *port != source_port)];
        ports.into_iter().flatten().try_for_each(|port| write!(f, " && {name} == {port}"))
    }
}

/// A time as Wireshark writes it: seconds since 1970, all nine digits behind the point.
struct Seconds(Timestamp);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NANOS: u64 = 1_000_000_000;
        let nanos = self.0.nanos().unsigned_abs();
        let sign = if self.0.nanos() < 0 { "-" } else { "" };
        write!(f, "{sign}{}.{:09}", nanos / NANOS, nanos % NANOS)
    }
}

/// What carries messages between two hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// Frames without IP (the protocol's own frames).
    Ethernet,
    /// TCP, RFC 9293.
    Tcp,
    /// UDP, RFC 768.
    Udp,
    /// Any other IP protocol, by its number.
    Other(u8),
}

impl Transport {
    /// Whether its messages have a type and a code instead of ports.
    pub const fn is_icmp(self) -> bool {
        const ICMP: u8 = 1;
        const ICMPV6: u8 = 58;
        matches!(self, Self::Other(ICMP | ICMPV6))
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ethernet => f.write_str("ethernet"),
            Self::Tcp => f.write_str("tcp"),
            Self::Udp => f.write_str("udp"),
            Self::Other(number) => write!(f, "ip:{number}"),
        }
    }
}

/// A conversation, as the packet that told a fact saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowId {
    /// What carries it.
    pub transport: Transport,
    /// Who sent the packet.
    pub source: Address,
    /// From which port; 0 where there are none, the EtherType of frames without IP. Of an ICMP message its type, or
    /// [`FlowId::UNTOLD`] where several are summed.
    pub source_port: u16,
    /// To whom.
    pub destination: Address,
    /// To which port, likewise. Of an ICMP message its code.
    pub destination_port: u16,
}

impl FlowId {
    /// What stands for the type and code of ICMP messages that are summed: no type is so high.
    pub const UNTOLD: u16 = u16::MAX;
}

/// How it is known who serves and who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RolesFrom {
    /// The smaller or better-known port: the weakest.
    Port,
    /// The opening of the connection was seen.
    Syn,
    /// The messages say so.
    Content,
}

/// One conversation's share of a window, or several of the same client, server, port and protocol summed.
#[derive(Clone, Debug, PartialEq)]
pub struct Traffic {
    /// The full hour of packet time that these counts belong to.
    pub window: Timestamp,
    /// Who asks.
    pub client: Host,
    /// Whether the server is a group address, which is no device.
    pub server_is_group: bool,
    /// The server's port; 0 where there are none.
    pub server_port: u16,
    /// What carries it.
    pub transport: Transport,
    /// Which protocol, when its structure named it.
    pub protocol: Option<&'static str>,
    /// How the roles are known.
    pub roles_from: RolesFrom,
    /// When the first packet of the window came.
    pub first_seen: Timestamp,
    /// When the last packet of the window came.
    pub last_seen: Timestamp,
    /// How many conversations began in this window, and how many of the ones seen in it had packets both ways.
    pub flows: u64,
    /// Conversations with packets both ways, of those that ended or were cut in this window.
    pub flows_two_way: u64,
    /// Packets and bytes (of IP packets or frames, as captured on the wire) from the client.
    pub to_server: Tally,
    /// Packets and bytes from the server.
    pub to_client: Tally,
    /// Bytes that the capture lost within streams.
    pub lost_bytes: u64,
    /// Payload bytes of conversations that no dissector could name.
    pub unknown_bytes: u64,
    /// Where the first packet of a conversation stands that says something or agrees to, and of which.
    pub begun_at: Option<(Place, FlowId)>,
    /// The first packet behind a hole in a stream, and in which.
    pub lost_at: Option<(Place, FlowId)>,
    /// Whether both directions were told of before in this hour: the rest of it may be of one.
    pub goes_on: bool,
}

/// Packets and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many packets.
    pub packets: u64,
    /// How many bytes on the wire, from the IP header (or the frame's header where there is no IP).
    pub bytes: u64,
}

impl Tally {
    /// One more packet.
    #[inline]
    pub fn count(&mut self, bytes: u32) {
        self.packets = self.packets.saturating_add(1);
        self.bytes = self.bytes.saturating_add(u64::from(bytes));
    }

    /// Adds another tally.
    pub fn add(&mut self, other: Self) {
        self.packets = self.packets.saturating_add(other.packets);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

/// Messages of one operation in one direction, within one window.
#[derive(Clone, Debug, PartialEq)]
pub struct Activity {
    /// The full hour of packet time that these counts belong to.
    pub window: Timestamp,
    /// Who asks.
    pub client: Host,
    /// Whether the server is a group address, which is no device.
    pub server_is_group: bool,
    /// The server's port.
    pub server_port: u16,
    /// Which protocol.
    pub protocol: &'static str,
    /// Which operation.
    pub operation: Operation,
    /// Request or response.
    pub direction: Direction,
    /// Whether the operation changes the process or the device.
    pub is_control: bool,
    /// How many messages.
    pub messages: u64,
    /// How many of them refuse: exceptions, errors, rejects.
    pub exceptions: u64,
    /// How many requests found no answer although there was time enough.
    pub unanswered: u64,
    /// Whether not one packet of the server was seen in these conversations: then a mirror that shows one direction
    /// explains the missing answers as well, unless the client is seen to get answers elsewhere.
    pub server_silent: bool,
    /// When the first came.
    pub first_seen: Timestamp,
    /// When the last came.
    pub last_seen: Timestamp,
    /// The first message's place.
    pub first: Place,
    /// The first unanswered request's place and conversation, if any.
    pub first_unanswered: Option<(Place, FlowId)>,
}

/// A frame of a capture. The earlier one is the smaller one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The frame's own time; that of the timeline where it has leapt alone.
    pub time: Timestamp,
    /// Which capture, by its place in the run.
    pub capture: u32,
    /// The frame's number there; `None` when listening.
    pub frame: Option<u64>,
}

/// What a control action does, in the words of the public tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Category {
    /// A value is written.
    Write,
    /// An output is operated.
    Operate,
    /// The device starts anew.
    Restart,
    /// The device, or its part in the talk, is stopped.
    Stop,
    /// Its mode of operation is changed.
    Mode,
    /// Its program is loaded or changed.
    Program,
    /// Its firmware is loaded.
    Firmware,
    /// A file is written.
    File,
    /// Its configuration is changed.
    Config,
    /// Its users or their rights are changed.
    User,
    /// Its certificates or keys are changed.
    Certificate,
    /// What it holds is copied from it: its program, its configuration, a file.
    Backup,
    /// Its clock is set.
    Time,
}

impl Category {
    /// Every one.
    pub const ALL: &[Self] = &[
        Self::Write,
        Self::Operate,
        Self::Restart,
        Self::Stop,
        Self::Mode,
        Self::Program,
        Self::Firmware,
        Self::File,
        Self::Config,
        Self::User,
        Self::Certificate,
        Self::Backup,
        Self::Time,
    ];

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|category| category.name() == name)
    }

    /// Whether it changes the process or the device: a copy of what it holds does not.
    pub const fn is_command(self) -> bool {
        !matches!(self, Self::Backup)
    }

    /// As the tables write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Operate => "operate",
            Self::Restart => "restart",
            Self::Stop => "stop",
            Self::Mode => "mode",
            Self::Program => "program",
            Self::Firmware => "firmware",
            Self::File => "file",
            Self::Config => "config",
            Self::User => "user",
            Self::Certificate => "certificate",
            Self::Backup => "backup",
            Self::Time => "time",
        }
    }
}

/// What became of a control action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// The device confirmed it.
    Accepted,
    /// The device refused it.
    Rejected,
    /// Nobody answered.
    Unanswered,
    /// The capture does not show it.
    Unknown,
}

impl Outcome {
    /// As the tables write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Unanswered => "unanswered",
            Self::Unknown => "unknown",
        }
    }
}

/// A control action with its outcome; equal ones of a window are summed, the first keeps its value, reason and place.
#[derive(Clone, Debug, PartialEq)]
pub struct Control {
    /// The full hour of packet time that the count belongs to.
    pub window: Timestamp,
    /// Who acts.
    pub client: Host,
    /// The host name that the client gave itself.
    pub client_host: Option<Box<str>>,
    /// The user that it was logged in as.
    pub client_user: Option<Box<str>>,
    /// The server's port.
    pub server_port: u16,
    /// Which protocol.
    pub protocol: &'static str,
    /// Which operation.
    pub operation: Operation,
    /// What it does.
    pub category: Category,
    /// On what, in the protocol's own terms.
    pub target: CompactString,
    /// The first value, if it fits a line.
    pub value: Option<CompactString>,
    /// What became of it.
    pub outcome: Outcome,
    /// Why it was refused, where the answer says so.
    pub reason: Option<CompactString>,
    /// What was transferred, if anything was.
    pub image: Option<Image>,
    /// How many in this window.
    pub count: u64,
    /// The first one's place (its request).
    pub first: Place,
}

/// Conversations without an answer, summed by source.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempts {
    /// The full hour of packet time that these counts belong to.
    pub window: Timestamp,
    /// What carried them.
    pub transport: Transport,
    /// How many.
    pub flows: u64,
    /// Their packets and bytes.
    pub sent: Tally,
    /// When the first packet came.
    pub first_seen: Timestamp,
    /// When the last packet came.
    pub last_seen: Timestamp,
    /// The ports that were tried first, as many as [`Aim::MOST`].
    pub aims: Vec<Aim>,
}

/// Conversations without an answer at one port, of however many hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aim {
    /// The port.
    pub port: u16,
    /// How many.
    pub flows: u64,
    /// A bit for each 64th of all addresses: so few tell whether one host was tried or hundreds, and cost nothing to keep.
    pub hosts: u64,
}

impl Aim {
    /// As many ports of one source are told apart.
    pub const MOST: usize = 8;

    /// One conversation.
    pub fn at(port: u16, host: Address) -> Self {
        let number = match host {
            Address::Ip(IpAddr::V4(ip)) => u64::from(ip.to_bits()),
            Address::Ip(IpAddr::V6(ip)) => {
                let [high, low] = [ip.to_bits() >> 64, ip.to_bits() & u128::from(u64::MAX)];
                u64::try_from(high ^ low).unwrap_or_default()
            }
            Address::Mac(_) | Address::Node(..) => 0,
        };
        let bit = u32::try_from(number.wrapping_mul(GOLDEN) >> 58).unwrap_or_default();
        Self { port, flows: 1, hosts: 1_u64.rotate_left(bit) }
    }

    /// Adds others at the same port.
    pub fn add(&mut self, other: Self) {
        self.flows = self.flows.saturating_add(other.flows);
        self.hosts |= other.hosts;
    }
}
