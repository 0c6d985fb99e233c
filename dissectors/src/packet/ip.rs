//! IPv4 (RFC 791) and IPv6 (RFC 8200) with its extension headers.

use super::{Headers, Layer, Link, transport};
use crate::observation::{Address, Context};
use crate::reader::{Reader, Stop};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const IPV4_HEADER: u16 = 20;
const IPV6_HEADER: u32 = 40;
/// More extension headers than any stack sends; the loop is bounded by this.
const MOST_EXTENSIONS: u8 = 16;

/// What an IP header says of what follows it.
struct Inner {
    source: IpAddr,
    destination: IpAddr,
    protocol: u8,
    is_fragment: bool,
    /// Length of the whole packet on the wire.
    wire_bytes: u32,
    /// Length of what follows the headers on the wire.
    payload_bytes: u32,
}

/// An IP packet of either version. `cut` bytes of the frame were not captured.
#[inline(always)]
pub(super) fn any<'a>(
    reader: &mut Reader<'a>,
    context: Context,
    link: Option<Link>,
    cut: u32,
) -> Result<(Headers, &'a [u8]), Stop> {
    let first = reader.peek(1)?.first().copied().unwrap_or_default();
    let inner = match first >> 4 {
        4 => v4(reader, cut)?,
        6 => v6(reader, cut)?,
        _ => return Err(reader.malformed("the IP version is neither 4 nor 6")),
    };
    let wanted = inner.payload_bytes as usize;
    let captured = reader.rest().get(..wanted).unwrap_or(reader.rest());
    let cut_bytes = inner.payload_bytes.saturating_sub(u32::try_from(captured.len()).unwrap_or(u32::MAX));
    let (layer, payload) = if inner.is_fragment {
        (Layer::Fragment, captured)
    } else {
        transport::any(inner.protocol, captured, cut_bytes)?
    };
    let headers = Headers {
        context,
        link,
        source: Address::Ip(inner.source),
        destination: Address::Ip(inner.destination),
        layer,
        wire_bytes: inner.wire_bytes,
        cut_bytes,
        deeper_tags: 0,
    };
    Ok((headers, payload))
}

/// What is left in the frame and what the snap length cut off: the length of packets that do not know their own
/// (offloaded segments carry 0).
fn to_the_end(reader: &Reader<'_>, cut: u32) -> u32 {
    u32::try_from(reader.remaining()).unwrap_or(u32::MAX).saturating_add(cut)
}

#[inline(always)]
fn v4(reader: &mut Reader<'_>, cut: u32) -> Result<Inner, Stop> {
    let whole = to_the_end(reader, cut);
    let [version_and_length, _, high, low, _, _, offset_high, offset_low, _, protocol, _, _] = reader.array()?;
    let source = IpAddr::V4(Ipv4Addr::from(reader.array::<4>()?));
    let destination = IpAddr::V4(Ipv4Addr::from(reader.array::<4>()?));
    let header_bytes = u16::from(version_and_length & 0x0f).saturating_mul(4);
    let options = header_bytes
        .checked_sub(IPV4_HEADER)
        .ok_or_else(|| reader.malformed("the IPv4 header is shorter than 20 bytes"))?;
    reader.skip(usize::from(options))?;
    let wire_bytes = match u32::from(u16::from_be_bytes([high, low])) {
        0 => whole,
        told => told,
    };
    let payload_bytes = wire_bytes
        .checked_sub(u32::from(header_bytes))
        .ok_or_else(|| reader.malformed("the IPv4 length is shorter than its header"))?;
    let fragment = u16::from_be_bytes([offset_high, offset_low]);
    Ok(Inner { source, destination, protocol, is_fragment: fragment & 0x3fff != 0, wire_bytes, payload_bytes })
}

fn v6(reader: &mut Reader<'_>, cut: u32) -> Result<Inner, Stop> {
    let whole = to_the_end(reader, cut);
    reader.skip(4)?;
    let length = u32::from(reader.u16()?);
    let mut protocol = reader.u8()?;
    reader.skip(1)?;
    let source = Ipv6Addr::from(reader.array::<16>()?);
    let destination = Ipv6Addr::from(reader.array::<16>()?);
    // RFC 2675: a jumbogram has length 0; so have packets that offloading has not cut yet.
    let mut payload_bytes = if length == 0 { whole.saturating_sub(IPV6_HEADER) } else { length };
    let wire_bytes = payload_bytes.saturating_add(IPV6_HEADER);
    let mut is_fragment = false;
    for _ in 0..MOST_EXTENSIONS {
        let Some((next, bytes, fragment)) = extension(reader, protocol)? else { break };
        payload_bytes = payload_bytes
            .checked_sub(bytes)
            .ok_or_else(|| reader.malformed("the IPv6 length is shorter than its extension headers"))?;
        protocol = next;
        is_fragment |= fragment;
    }
    Ok(Inner {
        source: IpAddr::V6(source),
        destination: IpAddr::V6(destination),
        protocol,
        is_fragment,
        wire_bytes,
        payload_bytes,
    })
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
