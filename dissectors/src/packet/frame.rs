//! What a frame carries, by its EtherType: VLAN tags, MPLS, `PPPoE`, provider backbones, and in the end IP or a protocol
//! of the frame's own.

use super::{Headers, Layer, ends_in, ip, length_of, link, llc, part};
use crate::observation::Tag;
use crate::reader::{Reader, Stop};

pub(super) const IPV4: u16 = 0x0800;
pub(super) const IPV6: u16 = 0x86dd;
pub(super) const MPLS: u16 = 0x8847;
const MPLS_UPSTREAM: u16 = 0x8848;
/// RFC 7042: PPP, here for whatever PPP carries that is not read.
pub(super) const PPP: u16 = 0x880b;
const PPPOE_SESSION: u16 = 0x8864;
/// IEEE 802.1ah: the backbone's service tag.
const BACKBONE: u16 = 0x88e7;
/// IEEE 802.1Q, IEEE 802.1ad, and those that older switches write.
const VLAN: [u16; 5] = [0x8100, 0x88a8, 0x9100, 0x9200, 0x9300];
/// More tags than any network stacks; the loop is bounded by this.
const MOST_TAGS: usize = 16;
const VLAN_ID: u16 = 0x0fff;
/// IEEE 802.3-2022, 3.2.6: up to here the field is a length.
pub(super) const LONGEST_LENGTH: u16 = 1500;
/// No EtherType is below.
const LEAST_TYPE: u16 = 1536;

/// Whether frames of this type carry IP.
#[inline]
pub(super) fn is_ip(ether_type: u16) -> bool {
    matches!(ether_type, IPV4 | IPV6)
}

/// Whether what frames of this type carry is looked into: a tunnel that carries anything else stays what it is.
pub(super) fn is_opened(ether_type: u16) -> bool {
    matches!(ether_type, IPV4 | IPV6 | MPLS | MPLS_UPSTREAM | PPPOE_SESSION | BACKBONE) || VLAN.contains(&ether_type)
}

/// Whether an Ethernet frame names a VLAN by itself.
pub(super) fn is_tagged(frame: &[u8]) -> bool {
    matches!(frame.get(12..14), Some([high, low]) if VLAN.contains(&u16::from_be_bytes([*high, *low])))
}

/// An Ethernet frame within a tunnel: from here on nothing else counts.
pub(super) fn ethernet<'a>(headers: &mut Headers, bytes: &'a [u8], cut: u32) -> Result<&'a [u8], Stop> {
    let (ether_type, rest) = link::ethernet(headers, bytes)?;
    headers.wire_bytes = length_of(bytes).saturating_add(cut);
    any(headers, ether_type, rest, cut)
}

/// What a frame of this type carries.
#[cold]
pub(super) fn any<'a>(
    headers: &mut Headers,
    mut ether_type: u16,
    mut rest: &'a [u8],
    cut: u32,
) -> Result<&'a [u8], Stop> {
    if VLAN.contains(&ether_type) {
        (ether_type, rest) = tagged(headers, ether_type, rest)?;
    }
    match ether_type {
        IPV4 | IPV6 => ip::any(headers, rest, cut),
        0..=LONGEST_LENGTH => {
            let (rest, cut) = part(rest, cut, ether_type.into());
            llc::any(headers, rest, cut)
        }
        _ if !is_opened(ether_type) || VLAN.contains(&ether_type) || !headers.enter() => {
            Ok(named(headers, ether_type, rest, cut))
        }
        MPLS | MPLS_UPSTREAM => mpls(headers, ether_type, rest, cut),
        PPPOE_SESSION => pppoe(headers, rest, cut),
        _ => backbone(headers, rest, cut),
    }
}

/// A frame without IP: what it carries is for the dissectors of this number.
pub(super) fn named<'a>(headers: &mut Headers, number: u16, rest: &'a [u8], cut: u32) -> &'a [u8] {
    headers.layer = Layer::Frame(number);
    headers.cut_bytes = cut;
    rest
}

/// A frame that has no number here.
pub(super) fn unnamed<'a>(headers: &mut Headers, rest: &'a [u8], cut: u32) -> &'a [u8] {
    named(headers, 0, rest, cut)
}

/// Passes over VLAN tags (IEEE 802.1Q-2022, 9): each becomes a part of the context.
fn tagged<'a>(headers: &mut Headers, mut ether_type: u16, mut rest: &'a [u8]) -> Result<(u16, &'a [u8]), Stop> {
    for _ in 0..MOST_TAGS {
        if !VLAN.contains(&ether_type) {
            break;
        }
        let Some(([high, low, next_high, next_low], behind)) = rest.split_first_chunk() else {
            return Err(ends_in("the frame ends in its VLAN tag"));
        };
        // A priority tag names no VLAN (IEEE 802.1Q-2022, 9.6).
        let id = u16::from_be_bytes([*high, *low]) & VLAN_ID;
        if id != 0 {
            headers.step_into(Tag::Vlan(id));
        }
        ether_type = u16::from_be_bytes([*next_high, *next_low]);
        rest = behind;
    }
    Ok((ether_type, rest))
}

/// Passes over a label stack (RFC 3032). Labels hold from one router to the next, and differ by direction: they are no
/// part of the context. Nothing says what follows them, so its first bytes have to.
fn mpls<'a>(headers: &mut Headers, ether_type: u16, bytes: &'a [u8], cut: u32) -> Result<&'a [u8], Stop> {
    const BOTTOM: u8 = 1;
    const CONTROL_WORD: usize = 4;
    let mut rest = bytes;
    for _ in 0..MOST_TAGS {
        let Some(([_, _, bits, _], behind)) = rest.split_first_chunk::<4>() else {
            return Err(ends_in("the frame ends in its MPLS labels"));
        };
        rest = behind;
        if bits & BOTTOM == 0 {
            continue;
        }
        if ip::is_packet(rest, cut) {
            return ip::any(headers, rest, cut);
        }
        // RFC 4385, section 3: a pseudowire's control word begins with four zero bits. So do many MAC addresses, and a
        // tagged frame looks like an untagged one behind a control word: what is a frame as it stands is one.
        let behind_word = rest.get(CONTROL_WORD..).filter(|_| rest.first().is_some_and(|first| first >> 4 == 0));
        return match [Some(rest), behind_word].into_iter().flatten().find(|frame| is_frame(frame, cut)) {
            Some(frame) => ethernet(headers, frame, cut),
            None => Ok(named(headers, ether_type, bytes, cut)),
        };
    }
    Ok(named(headers, ether_type, bytes, cut))
}

/// Whether bytes look like an Ethernet frame: its type is one that is looked into and fits what follows, or a length.
pub(super) fn is_frame(bytes: &[u8], cut: u32) -> bool {
    const ARP: u16 = 0x0806;
    /// ARP's hardware and protocol: Ethernet and IPv4.
    const ETHERNET_AND_IP: &[u8] = &[0, 1, 8, 0];
    const LLDP: u16 = 0x88cc;
    /// Its first TLV names the chassis in few bytes (IEEE 802.1AB-2016, 8.5.2).
    const CHASSIS: u8 = 1 << 1;
    let mut rest = bytes.get(12..).unwrap_or_default();
    for _ in 0..MOST_TAGS {
        let Some((ether_type, behind)) = rest.split_first_chunk::<2>() else { return false };
        let ether_type = u16::from_be_bytes(*ether_type);
        if VLAN.contains(&ether_type) {
            rest = behind.get(2..).unwrap_or_default();
            continue;
        }
        return match ether_type {
            IPV4 | IPV6 => ip::is_packet(behind, cut),
            ARP => behind.starts_with(ETHERNET_AND_IP),
            LLDP => behind.first() == Some(&CHASSIS),
            0..=LONGEST_LENGTH => {
                u32::from(ether_type) <= length_of(behind).saturating_add(cut) && llc::is_usual(behind)
            }
            other => is_opened(other),
        };
    }
    false
}

/// `PPPoE` in its session stage (RFC 2516, section 4), which knows its length: frames are padded.
pub(super) fn pppoe<'a>(headers: &mut Headers, bytes: &'a [u8], cut: u32) -> Result<&'a [u8], Stop> {
    const VERSION_AND_TYPE: u8 = 0x11;
    let mut reader = Reader::closed(bytes);
    if reader.u8()? != VERSION_AND_TYPE {
        return Err(ends_in("not version 1 of PPPoE"));
    }
    let (code, _session, length) = (reader.u8()?, reader.u16()?, reader.u16()?);
    if code != 0 {
        return Ok(named(headers, PPPOE_SESSION, bytes, cut));
    }
    let (rest, cut) = part(reader.rest(), cut, length.into());
    link::ppp(headers, rest, cut)
}

/// A provider backbone's service tag (IEEE 802.1Q-2022, 9.7): the customer's frame follows, of the network that the
/// tag's id names.
fn backbone<'a>(headers: &mut Headers, bytes: &'a [u8], cut: u32) -> Result<&'a [u8], Stop> {
    let mut reader = Reader::closed(bytes);
    reader.skip(1)?;
    let id = reader.u24()?;
    headers.step_into(Tag::Service(id));
    ethernet(headers, reader.rest(), cut)
}

/// What frames of a number are: `ethertype:0x88cc`, `llc:0x42`, `mstp:7`, `arcnet:0x0a`.
///
/// Numbers from 1536 on are an `EtherType`. Below them stand those of frames that have none: the service access point of
/// LLC, and above 255 the kinds of frames of field buses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameName(pub u16);

impl std::fmt::Display for FrameName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self(number) = *self;
        let [kind, low] = number.to_be_bytes();
        match (number, kind) {
            (0, _) => f.write_str("unnamed"),
            (LEAST_TYPE.., _) => write!(f, "ethertype:{number:#06x}"),
            (_, 0) => write!(f, "llc:{low:#04x}"),
            (_, super::bus::MS_TP) => write!(f, "mstp:{low}"),
            (_, super::bus::ARCNET) => write!(f, "arcnet:{low:#04x}"),
            _ => write!(f, "length:{number}"),
        }
    }
}
