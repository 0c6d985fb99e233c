//! How frames begin: Ethernet, Linux cooked captures, loopback, PPP.

use super::{Ends, Headers, Link, bus, ends_in, frame, ip, length_of};
use crate::observation::{Address, Mac};
use crate::reader::{Reader, Stop};
use std::fmt;

/// How frames of a capture begin (the LINKTYPE registry of pcap).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LinkType {
    /// `LINKTYPE_ETHERNET`, 1.
    Ethernet,
    /// `LINKTYPE_RAW`, 101 (and 12, 14 of old files), `LINKTYPE_IPV4`, 228, `LINKTYPE_IPV6`, 229: the IP header comes first.
    Raw,
    /// `LINKTYPE_NULL`, 0: BSD loopback, the address family in the byte order of the machine that captured.
    Null,
    /// `LINKTYPE_LOOP`, 108: OpenBSD loopback, the address family big-endian.
    Loop,
    /// `LINKTYPE_LINUX_SLL`, 113: Linux cooked capture.
    LinuxCooked,
    /// `LINKTYPE_LINUX_SLL2`, 276: Linux cooked capture, version 2.
    LinuxCooked2,
    /// `LINKTYPE_PPP`, 9.
    Ppp,
    /// `LINKTYPE_PPP_HDLC`, 50, and `LINKTYPE_C_HDLC`, 104: PPP in HDLC framing, or Cisco's HDLC.
    Hdlc(u32),
    /// `LINKTYPE_PPP_ETHER`, 51: the `PPPoE` header comes first.
    PppEther,
    /// `LINKTYPE_BACNET_MS_TP`, 165.
    MsTp,
    /// `LINKTYPE_ARCNET_BSD`, 7, and `LINKTYPE_ARCNET_LINUX`, 129.
    Arcnet(u32),
    /// Anything else, by its number: its frames are counted, not read.
    Other(u32),
}

impl LinkType {
    /// From a capture's number.
    pub const fn from_number(number: u32) -> Self {
        match number {
            0 => Self::Null,
            1 => Self::Ethernet,
            7 | 129 => Self::Arcnet(number),
            9 => Self::Ppp,
            12 | 14 | 101 | 228 | 229 => Self::Raw,
            50 | 104 => Self::Hdlc(number),
            51 => Self::PppEther,
            108 => Self::Loop,
            113 => Self::LinuxCooked,
            165 => Self::MsTp,
            276 => Self::LinuxCooked2,
            other => Self::Other(other),
        }
    }

    /// The number in the registry.
    pub const fn number(self) -> u32 {
        match self {
            Self::Null => 0,
            Self::Ethernet => 1,
            Self::Ppp => 9,
            Self::PppEther => 51,
            Self::Raw => 101,
            Self::Loop => 108,
            Self::LinuxCooked => 113,
            Self::MsTp => 165,
            Self::LinuxCooked2 => 276,
            Self::Hdlc(number) | Self::Arcnet(number) | Self::Other(number) => number,
        }
    }
}

impl fmt::Display for LinkType {
    /// As people call it, with its number: `BACnet MS/TP (165)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.number();
        match NAMES.iter().find(|(known, _)| *known == number) {
            Some((_, name)) => write!(f, "{name} ({number})"),
            None => write!(f, "{number}"),
        }
    }
}

/// An Ethernet frame without its preamble and check sequence (IEEE 802.3-2022, 3): its type, and what it carries.
#[inline]
pub(super) fn ethernet<'a>(headers: &mut Headers, frame: &'a [u8]) -> Result<(u16, &'a [u8]), Stop> {
    let Some((front, rest)) = frame.split_first_chunk::<14>() else {
        return Err(ends_in("the frame ends in its Ethernet header"));
    };
    let destination = Mac([front[0], front[1], front[2], front[3], front[4], front[5]]);
    let source = Mac([front[6], front[7], front[8], front[9], front[10], front[11]]);
    let ether_type = u16::from_be_bytes([front[12], front[13]]);
    headers.link = Some(Link { source, destination });
    if !frame::is_ip(ether_type) {
        headers.ends = Ends::between(Address::Mac(source), Address::Mac(destination));
    }
    Ok((ether_type, rest))
}

/// A frame of any link type but Ethernet and raw IP.
#[cold]
pub(super) fn uncommon<'a>(
    headers: &mut Headers,
    link_type: LinkType,
    bytes: &'a [u8],
    cut: u32,
) -> Result<&'a [u8], Stop> {
    headers.ends = Ends::default();
    headers.wire_bytes = length_of(bytes).saturating_add(cut);
    match link_type {
        LinkType::Null | LinkType::Loop => loopback(headers, bytes, cut),
        LinkType::LinuxCooked => cooked(headers, bytes, cut),
        LinkType::LinuxCooked2 => cooked_2(headers, bytes, cut),
        LinkType::Ppp => ppp(headers, bytes, cut),
        LinkType::Hdlc(_) => hdlc(headers, bytes, cut),
        LinkType::PppEther => frame::pppoe(headers, bytes, cut),
        LinkType::MsTp => bus::ms_tp(headers, bytes, cut),
        LinkType::Arcnet(_) => bus::arcnet(headers, bytes, cut),
        LinkType::Ethernet => frame::ethernet(headers, bytes, cut),
        LinkType::Raw | LinkType::Other(_) => ip::any(headers, bytes, cut),
    }
}

/// The address family comes first, in the byte order of whoever captured: below 65536 in one of the two.
fn loopback<'a>(headers: &mut Headers, bytes: &'a [u8], cut: u32) -> Result<&'a [u8], Stop> {
    let Some((family, rest)) = bytes.split_first_chunk::<4>() else {
        return Err(ends_in("the frame ends in its address family"));
    };
    let family = u32::from_be_bytes(*family).min(u32::from_le_bytes(*family));
    match family {
        INET => ip::any(headers, rest, cut),
        family if INET6.contains(&family) => ip::any(headers, rest, cut),
        _ => Ok(frame::unnamed(headers, rest, cut)),
    }
}

/// `LINKTYPE_LINUX_SLL`: packet type, ARPHRD type, the sender's address, protocol.
fn cooked<'a>(headers: &mut Headers, bytes: &'a [u8], cut: u32) -> Result<&'a [u8], Stop> {
    let mut reader = Reader::closed(bytes);
    let (direction, _, length) = (reader.u16()?, reader.u16()?, reader.u16()?);
    let (address, protocol) = (reader.array::<8>()?, reader.u16()?);
    sent(headers, direction, length, address);
    cooked_frame(headers, protocol, reader.rest(), cut)
}

/// `LINKTYPE_LINUX_SLL2`: protocol, 2 reserved bytes, interface, ARPHRD type, packet type, the sender's address.
fn cooked_2<'a>(headers: &mut Headers, bytes: &'a [u8], cut: u32) -> Result<&'a [u8], Stop> {
    let mut reader = Reader::closed(bytes);
    let protocol = reader.u16()?;
    reader.skip(8)?;
    let (direction, length, address) = (reader.u8()?, reader.u8()?, reader.array::<8>()?);
    sent(headers, direction.into(), length.into(), address);
    cooked_frame(headers, protocol, reader.rest(), cut)
}

/// The sender's MAC; the receiver's is not recorded, only whether it is a group.
fn sent(headers: &mut Headers, direction: u16, length: u16, address: [u8; 8]) {
    const TO_ALL: u16 = 1;
    const TO_GROUP: u16 = 2;
    let [bytes @ .., _, _] = address;
    let source = Mac(if length == 6 { bytes } else { [0; 6] });
    let destination = Mac(match direction {
        TO_ALL => [0xff; 6],
        TO_GROUP => [1, 0, 0, 0, 0, 0],
        _ => [0; 6],
    });
    headers.link = (source.0 != [0; 6]).then_some(Link { source, destination });
    headers.ends = Ends::between(Address::Mac(source), Address::Mac(destination));
}

fn cooked_frame<'a>(headers: &mut Headers, protocol: u16, rest: &'a [u8], cut: u32) -> Result<&'a [u8], Stop> {
    /// Below 1536 the numbers are Linux's own: this one says that an LLC header follows.
    const LLC: u16 = 4;
    match protocol {
        LLC => super::llc::any(headers, rest, cut),
        0..=frame::LONGEST_LENGTH => Ok(frame::unnamed(headers, rest, cut)),
        ether_type => frame::any(headers, ether_type, rest, cut),
    }
}

/// PPP (RFC 1661, section 2), with or without the address and control fields of RFC 1662.
pub(super) fn ppp<'a>(headers: &mut Headers, bytes: &'a [u8], cut: u32) -> Result<&'a [u8], Stop> {
    let Some((protocol, rest)) = ppp_protocol(bytes) else { return Err(ends_in("the frame ends in its PPP protocol")) };
    match protocol {
        PPP_IPV4 | PPP_IPV6 => ip::any(headers, rest, cut),
        PPP_MPLS => frame::any(headers, frame::MPLS, rest, cut),
        _ => Ok(frame::named(headers, frame::PPP, rest, cut)),
    }
}

/// Whether what PPP carries here is looked into.
pub(super) fn is_ppp_opened(bytes: &[u8]) -> bool {
    ppp_protocol(bytes).is_some_and(|(protocol, _)| matches!(protocol, PPP_IPV4 | PPP_IPV6 | PPP_MPLS))
}

fn ppp_protocol(bytes: &[u8]) -> Option<(u16, &[u8])> {
    const ADDRESS_AND_CONTROL: &[u8] = &[0xff, 0x03];
    match bytes.strip_prefix(ADDRESS_AND_CONTROL).unwrap_or(bytes) {
        // RFC 1661, section 6.5: a protocol's high byte may be left out; the last byte is the odd one.
        [low, rest @ ..] if low & 1 == 1 => Some((u16::from(*low), rest)),
        [high, low, rest @ ..] => Some((u16::from_be_bytes([*high, *low]), rest)),
        _ => None,
    }
}

/// Cisco's HDLC (RFC 1547, section 4.3.1) is told from PPP by its address byte.
fn hdlc<'a>(headers: &mut Headers, bytes: &'a [u8], cut: u32) -> Result<&'a [u8], Stop> {
    match bytes {
        [0x0f | 0x8f, _, high, low, rest @ ..] => frame::any(headers, u16::from_be_bytes([*high, *low]), rest, cut),
        _ => ppp(headers, bytes, cut),
    }
}

const PPP_IPV4: u16 = 0x0021;
const PPP_IPV6: u16 = 0x0057;
const PPP_MPLS: u16 = 0x0281;

const INET: u32 = 2;
/// `AF_INET6` of Linux, Windows, NetBSD and OpenBSD, FreeBSD, macOS.
const INET6: [u32; 5] = [10, 23, 24, 28, 30];

/// What people call the link types that are met in the wild.
static NAMES: [(u32, &str); 40] = [
    (0, "BSD loopback"),
    (1, "Ethernet"),
    (6, "token ring"),
    (7, "ARCNET"),
    (8, "SLIP"),
    (9, "PPP"),
    (10, "FDDI"),
    (50, "PPP in HDLC framing"),
    (51, "PPPoE"),
    (101, "raw IP"),
    (104, "Cisco HDLC"),
    (105, "802.11 wireless LAN"),
    (107, "frame relay"),
    (108, "OpenBSD loopback"),
    (113, "Linux cooked"),
    (114, "LocalTalk"),
    (119, "802.11 with Prism header"),
    (127, "802.11 with radiotap header"),
    (129, "ARCNET"),
    (143, "DOCSIS"),
    (147, "private use"),
    (165, "BACnet MS/TP"),
    (177, "Linux LAPD"),
    (187, "Bluetooth HCI"),
    (189, "USB"),
    (192, "per-packet information"),
    (195, "802.15.4"),
    (201, "Bluetooth HCI with direction"),
    (209, "I2C"),
    (210, "FlexRay"),
    (212, "LIN"),
    (220, "USB"),
    (227, "CAN"),
    (230, "802.15.4 without FCS"),
    (239, "netfilter log"),
    (249, "USB"),
    (251, "Bluetooth low energy"),
    (253, "netlink"),
    (276, "Linux cooked 2"),
    (283, "802.15.4 TAP"),
];
