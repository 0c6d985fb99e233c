//! IPv4 (RFC 791) and IPv6 (RFC 8200) with its extension headers.

use super::{Headers, Layer, ends_in, length_of, transport};
use crate::observation::Address;
use crate::reader::{Reader, Stop};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const IPV4_HEADER: u16 = 20;
const IPV6_HEADER: u32 = 40;
/// More extension headers than any stack sends; the loop is bounded by this.
const MOST_EXTENSIONS: u8 = 16;

/// What an IP header says of what follows it.
struct Inner<'a> {
    protocol: u8,
    is_fragment: bool,
    /// Length of what follows the headers on the wire.
    payload_bytes: u32,
    /// What follows the headers in the frame, its padding too.
    rest: &'a [u8],
}

/// An IP packet of either version: its payload. `cut` bytes of the frame were not captured.
#[inline]
pub(super) fn any<'a>(headers: &mut Headers, packet: &'a [u8], cut: u32) -> Result<&'a [u8], Stop> {
    let inner = match packet.first().map(|first| first >> 4) {
        Some(4) => v4(headers, packet, cut)?,
        Some(6) => v6(headers, packet, cut)?,
        Some(_) => return Err(ends_in("the IP version is neither 4 nor 6")),
        None => return Err(ends_in("the frame ends before its IP header")),
    };
    let captured = inner.rest.get(..inner.payload_bytes as usize).unwrap_or(inner.rest);
    headers.cut_bytes = inner.payload_bytes.saturating_sub(length_of(captured));
    if inner.is_fragment {
        headers.layer = Layer::Fragment;
        return Ok(captured);
    }
    transport::any(headers, inner.protocol, captured)
}

/// What is in the frame and what the snap length cut off: the length of packets that do not know their own (offloaded
/// segments carry 0).
fn to_the_end(packet: &[u8], cut: u32) -> u32 {
    length_of(packet).saturating_add(cut)
}

#[inline]
fn v4<'a>(headers: &mut Headers, packet: &'a [u8], cut: u32) -> Result<Inner<'a>, Stop> {
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
    headers.source = Address::Ip(IpAddr::V4(Ipv4Addr::new(header[12], header[13], header[14], header[15])));
    headers.destination = Address::Ip(IpAddr::V4(Ipv4Addr::new(header[16], header[17], header[18], header[19])));
    headers.wire_bytes = wire_bytes;
    Ok(Inner {
        protocol: header[9],
        is_fragment: u16::from_be_bytes([header[6], header[7]]) & 0x3fff != 0,
        payload_bytes,
        rest,
    })
}

fn v6<'a>(headers: &mut Headers, packet: &'a [u8], cut: u32) -> Result<Inner<'a>, Stop> {
    let mut reader = Reader::closed(packet);
    reader.skip(4)?;
    let length = u32::from(reader.u16()?);
    let mut protocol = reader.u8()?;
    reader.skip(1)?;
    headers.source = Address::Ip(IpAddr::V6(Ipv6Addr::from(reader.array::<16>()?)));
    headers.destination = Address::Ip(IpAddr::V6(Ipv6Addr::from(reader.array::<16>()?)));
    // RFC 2675: a jumbogram has length 0; so have packets that offloading has not cut yet.
    let whole = to_the_end(packet, cut).saturating_sub(IPV6_HEADER);
    let mut payload_bytes = if length == 0 { whole } else { length.min(whole) };
    headers.wire_bytes = payload_bytes.saturating_add(IPV6_HEADER);
    let mut is_fragment = false;
    for _ in 0..MOST_EXTENSIONS {
        let Some((next, bytes, fragment)) = extension(&mut reader, protocol)? else { break };
        payload_bytes = payload_bytes
            .checked_sub(bytes)
            .ok_or_else(|| reader.malformed("the IPv6 length is shorter than its extension headers"))?;
        protocol = next;
        is_fragment |= fragment;
    }
    Ok(Inner { protocol, is_fragment, payload_bytes, rest: reader.rest() })
}

/// Passes over an extension header (RFC 8200, section 4; RFC 4302 for authentication): what follows, its own length in
/// bytes, and whether it makes the packet a fragment. `None` when `protocol` is none.
fn extension(reader: &mut Reader<'_>, protocol: u8) -> Result<Option<(u8, u32, bool)>, Stop> {
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
        reader.skip(4)?;
        // Offset 0 without more fragments is an atomic fragment (RFC 6946): a whole packet.
        let is_fragment = u16::from_be_bytes([high, low]) & 0xfff9 != 0;
        return Ok(Some((next, 8, is_fragment)));
    }
    let bytes = match protocol {
        AUTHENTICATION => u32::from(length).saturating_add(2).saturating_mul(unit),
        _ => u32::from(length).saturating_add(1).saturating_mul(unit),
    };
    reader.skip((bytes as usize).saturating_sub(4))?;
    Ok(Some((next, bytes, false)))
}
