//! IPv4 (RFC 791) and IPv6 (RFC 8200) with its extension headers.

use super::{Ends, Fragment, Headers, Layer, ends_in, length_of, transport};
use crate::observation::Address;
use crate::reader::{Reader, Stop};
use std::net::{IpAddr, Ipv6Addr};

const IPV4_HEADER: u16 = 20;
/// More fragments follow; and where this one begins, in units of 8 bytes.
const MORE: u16 = 0x2000;
const OFFSET: u16 = 0x1fff;
const IPV6_HEADER: u32 = 40;
/// More extension headers than any stack sends; the loop is bounded by this.
const MOST_EXTENSIONS: u8 = 16;

/// What an IP header says of what follows it.
struct Inner<'a> {
    protocol: u8,
    fragment: Option<Fragment>,
    /// Length of what follows the headers on the wire.
    payload_bytes: u32,
    /// What follows the headers in the frame, its padding too.
    rest: &'a [u8],
}

/// An IP packet of either version: its payload. `cut` bytes of the frame were not captured.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "tunnels call it again, and would keep the common path from being one function"
)]
pub(super) fn outermost<'a>(headers: &mut Headers, packet: &'a [u8], cut: u32) -> Result<&'a [u8], Stop> {
    match packet.first().map(|first| first >> 4) {
        Some(4) => v4(headers, packet, cut),
        Some(6) => v6(headers, packet, cut),
        Some(_) => Err(ends_in("the IP version is neither 4 nor 6")),
        None => Err(ends_in("the frame ends before its IP header")),
    }
}

/// The same where the common path does not come by.
#[cold]
#[inline(never)]
pub(super) fn any<'a>(headers: &mut Headers, packet: &'a [u8], cut: u32) -> Result<&'a [u8], Stop> {
    outermost(headers, packet, cut)
}

/// What was captured of a payload of so many bytes.
#[inline]
fn captured<'a>(headers: &mut Headers, rest: &'a [u8], payload_bytes: u32) -> &'a [u8] {
    let captured = rest.get(..payload_bytes as usize).unwrap_or(rest);
    headers.cut_bytes = payload_bytes.saturating_sub(length_of(captured));
    captured
}

#[cold]
fn piece<'a>(headers: &mut Headers, fragment: Fragment, payload: &'a [u8]) -> &'a [u8] {
    headers.layer = Layer::Fragment(fragment);
    payload
}

/// Whether bytes begin as an IP packet that fits in them does.
#[cold]
pub(super) fn is_packet(bytes: &[u8], cut: u32) -> bool {
    let whole = to_the_end(bytes, cut);
    let fits =
        |high: u8, low: u8, header: u32| u32::from(u16::from_be_bytes([high, low])).saturating_add(header) <= whole;
    match bytes {
        [0x45..=0x4f, _, high, low, ..] => fits(*high, *low, 0),
        [0x60..=0x6f, _, _, _, high, low, ..] => fits(*high, *low, IPV6_HEADER),
        _ => false,
    }
}

/// What is in the frame and what the snap length cut off: the length of packets that do not know their own (offloaded
/// segments carry 0).
fn to_the_end(packet: &[u8], cut: u32) -> u32 {
    length_of(packet).saturating_add(cut)
}

#[inline]
fn v4<'a>(headers: &mut Headers, packet: &'a [u8], cut: u32) -> Result<&'a [u8], Stop> {
    let Some((header, rest)) = packet.split_first_chunk::<20>() else {
        return Err(ends_in("the frame ends in its IPv4 header"));
    };
    let header_bytes = u16::from(header[0] & 0x0f).saturating_mul(4);
    let rest = match header_bytes.checked_sub(IPV4_HEADER) {
        Some(0) => rest,
        Some(options) => {
            rest.get(usize::from(options)..).ok_or_else(|| ends_in("the frame ends in its IPv4 options"))?
        }
        None => return Err(ends_in("the IPv4 header is shorter than 20 bytes")),
    };
    // A packet is never longer than the frame that carried it, whatever it says.
    let whole = to_the_end(packet, cut);
    let wire_bytes = match u32::from(u16::from_be_bytes([header[2], header[3]])) {
        0 => whole,
        told => told.min(whole),
    };
    let Some(payload_bytes) = wire_bytes.checked_sub(u32::from(header_bytes)) else {
        return Err(ends_in("the IPv4 length is shorter than its header"));
    };
    headers.ends =
        Ends::of_v4([header[12], header[13], header[14], header[15]], [header[16], header[17], header[18], header[19]]);
    headers.wire_bytes = wire_bytes;
    headers.ip_id = u16::from_be_bytes([header[4], header[5]]);
    headers.ttl = header[8];
    headers.ip_header_bytes = (header[0] & 0x0f) << 2;
    let (protocol, place) = (header[9], u16::from_be_bytes([header[6], header[7]]));
    let payload = captured(headers, rest, payload_bytes);
    if place & (MORE | OFFSET) == 0 {
        return transport::any(headers, protocol, payload);
    }
    let (offset, more) = ((place & OFFSET) << 3, place & MORE != 0);
    Ok(piece(headers, Fragment { id: headers.ip_id.into(), offset, more, protocol }, payload))
}

fn v6<'a>(headers: &mut Headers, packet: &'a [u8], cut: u32) -> Result<&'a [u8], Stop> {
    let mut reader = Reader::closed(packet);
    reader.skip(4)?;
    let length = u32::from(reader.u16()?);
    let protocol = reader.u8()?;
    headers.ttl = reader.u8()?;
    headers.ip_id = 0;
    headers.ip_header_bytes = 0;
    let mut address = || Ok::<_, Stop>(Address::Ip(IpAddr::V6(Ipv6Addr::from(reader.array::<16>()?))));
    headers.ends = Ends::between(address()?, address()?);
    // RFC 2675: a jumbogram has length 0; so have packets that offloading has not cut yet.
    let whole = to_the_end(packet, cut).saturating_sub(IPV6_HEADER);
    let payload_bytes = if length == 0 { whole } else { length.min(whole) };
    headers.wire_bytes = payload_bytes.saturating_add(IPV6_HEADER);
    let inner = extensions(reader, protocol, payload_bytes)?;
    let payload = captured(headers, inner.rest, inner.payload_bytes);
    match inner.fragment {
        Some(fragment) => Ok(piece(headers, fragment, payload)),
        None => transport::any(headers, inner.protocol, payload),
    }
}

/// What follows the IPv6 header of a packet that was put together.
#[cold]
pub(super) fn behind_v6<'a>(headers: &mut Headers, protocol: u8, payload: &'a [u8]) -> Result<&'a [u8], Stop> {
    let inner = extensions(Reader::closed(payload), protocol, length_of(payload))?;
    match inner.fragment {
        // RFC 8200, section 4.5: nobody fragments a fragment.
        Some(_) => Err(ends_in("a fragment within a fragment of IPv6")),
        None => transport::any(headers, inner.protocol, inner.rest),
    }
}

/// Passes over extension headers, up to the one that makes a fragment.
fn extensions(mut reader: Reader<'_>, mut protocol: u8, mut payload_bytes: u32) -> Result<Inner<'_>, Stop> {
    let mut fragment = None;
    for _ in 0..MOST_EXTENSIONS {
        let Some(extension) = extension(&mut reader, protocol)? else { break };
        payload_bytes = payload_bytes
            .checked_sub(extension.bytes)
            .ok_or_else(|| reader.malformed("the IPv6 length is shorter than its extension headers"))?;
        protocol = extension.next;
        fragment = extension.fragment;
        if fragment.is_some() {
            break;
        }
    }
    Ok(Inner { protocol, fragment, payload_bytes, rest: reader.rest() })
}

/// An extension header: what follows it, its own length, and whether it makes the packet a fragment.
struct Extension {
    next: u8,
    bytes: u32,
    fragment: Option<Fragment>,
}

/// Passes over an extension header (RFC 8200, section 4; RFC 4302 for authentication). `None` when `protocol` is none.
fn extension(reader: &mut Reader<'_>, protocol: u8) -> Result<Option<Extension>, Stop> {
    const HOP_BY_HOP: u8 = 0;
    const ROUTING: u8 = 43;
    const FRAGMENT: u8 = 44;
    const AUTHENTICATION: u8 = 51;
    const DESTINATION: u8 = 60;
    let unit: u32 = match protocol {
        HOP_BY_HOP | ROUTING | DESTINATION | FRAGMENT => 8,
        AUTHENTICATION => 4,
        _ => return Ok(None),
    };
    let [next, length, high, low] = reader.array()?;
    if protocol == FRAGMENT {
        let (place, id) = (u16::from_be_bytes([high, low]), reader.u32()?);
        let (offset, more) = (place & 0xfff8, place & 1 != 0);
        // Offset 0 without more fragments is an atomic fragment (RFC 6946): a whole packet.
        let is_fragment = offset != 0 || more;
        let fragment = is_fragment.then_some(Fragment { id, offset, more, protocol: next });
        return Ok(Some(Extension { next, bytes: 8, fragment }));
    }
    let bytes = match protocol {
        AUTHENTICATION => u32::from(length).saturating_add(2).saturating_mul(unit),
        _ => u32::from(length).saturating_add(1).saturating_mul(unit),
    };
    reader.skip((bytes as usize).saturating_sub(4))?;
    Ok(Some(Extension { next, bytes, fragment: None }))
}
