//! Tunnels on IP: packets and frames within packets.
//!
//! What is inside counts, as if it had been captured alone; the tunnel leaves its network's id in the context, if it has
//! one. A tunnel that carries what is not read, or what cannot be read, stays a packet of its own protocol between its ends.

use super::{Headers, Layer, frame, ip, link};
use crate::observation::{Context, Tag};
use crate::reader::{Reader, Stop};

const IPV4: u8 = 4;
const IPV6: u8 = 41;
const GRE: u8 = 47;
const ETHERNET: u8 = 97;
const MPLS: u8 = 137;

const VXLAN: u16 = 4789;
/// Linux's port of VXLAN before it was assigned one.
const VXLAN_BEFORE: u16 = 8472;
const GENEVE: u16 = 6081;

/// RFC 1701: an Ethernet frame is bridged.
const BRIDGED: u16 = 0x6558;
const ERSPAN: u16 = 0x88be;
const ERSPAN_3: u16 = 0x22eb;
/// What routers send to web caches (RFC 3040's WCCP).
const REDIRECTED: u16 = 0x883e;

/// A packet of an IP protocol that is neither TCP nor UDP.
#[cold]
pub(super) fn on_ip<'a>(headers: &mut Headers, protocol: u8, bytes: &'a [u8]) -> Result<&'a [u8], Stop> {
    headers.layer = Layer::Other(protocol);
    (headers.checksum, headers.transport_bytes) = (0, 0);
    let cut = headers.cut_bytes;
    or_as_it_is(headers, bytes, |headers| match protocol {
        IPV4 | IPV6 if headers.enter_packet() => ip::any(headers, bytes, cut),
        GRE => gre(headers, bytes, cut),
        // RFC 3378: version 3, the rest reserved.
        ETHERNET => match bytes {
            [0x30, 0, inner @ ..] if headers.enter_packet() => frame::ethernet(headers, inner, cut),
            _ => Ok(bytes),
        },
        MPLS if headers.enter_packet() => inside(headers, frame::MPLS, bytes, cut),
        _ => Ok(bytes),
    })
}

/// What a tunnel carries; where all of it was captured and it cannot be read, it is no tunnel that is known here, and the
/// packet stays one between its outer ends. What the snap length cut off would have been read: that packet is damaged, for
/// its outer ends are not who spoke.
fn or_as_it_is<'a>(
    headers: &mut Headers,
    bytes: &'a [u8],
    inside: impl FnOnce(&mut Headers) -> Result<&'a [u8], Stop>,
) -> Result<&'a [u8], Stop> {
    let outer = *headers;
    inside(headers).or_else(|stop| {
        if outer.cut_bytes != 0 {
            return Err(stop);
        }
        *headers = outer;
        Ok(bytes)
    })
}

/// Whether a port may be a tunnel's: all that the common path asks.
#[inline]
pub(super) fn is_port(port: u16) -> bool {
    matches!(port, VXLAN | VXLAN_BEFORE | GENEVE)
}

/// A datagram to a tunnel's port, which may be a client's by chance. Only its structure proves that it is a tunnel's, and
/// that what is inside can be read.
#[cold]
pub(super) fn on_udp<'a>(headers: &mut Headers, port: u16, bytes: &'a [u8]) -> Result<&'a [u8], Stop> {
    let cut = headers.cut_bytes;
    let opened = if port == GENEVE { geneve(bytes) } else { vxlan(bytes, cut) };
    or_as_it_is(headers, bytes, |headers| match opened {
        Some((id, carried, inner)) if is_carried(carried) && headers.enter_packet() => {
            headers.step_into(Tag::Network(id));
            inside(headers, carried, inner, cut)
        }
        _ => Ok(bytes),
    })
}

fn is_carried(carried: u16) -> bool {
    carried == BRIDGED || frame::is_opened(carried)
}

/// What a tunnel carries, by its EtherType.
fn inside<'a>(headers: &mut Headers, carried: u16, bytes: &'a [u8], cut: u32) -> Result<&'a [u8], Stop> {
    if carried == BRIDGED { frame::ethernet(headers, bytes, cut) } else { frame::any(headers, carried, bytes, cut) }
}

/// RFC 7348, section 5; with the group policy that some switches write into its reserved bits, where a frame follows.
fn vxlan(bytes: &[u8], cut: u32) -> Option<(u32, u16, &[u8])> {
    const HAS_ID: u8 = 0x08;
    const HAS_POLICY: u8 = 0x80;
    const POLICY_BITS: u8 = 0x48;
    let ([flags, more, group @ .., high, middle, low, 0], inner) = bytes.split_first_chunk::<8>()? else { return None };
    let is_plain = *flags == HAS_ID && *more == 0 && *group == [0, 0];
    let has_policy = flags & !HAS_POLICY == HAS_ID && more & !POLICY_BITS == 0 && frame::is_frame(inner, cut);
    (is_plain || has_policy).then(|| (u32::from_be_bytes([0, *high, *middle, *low]), BRIDGED, inner))
}

/// RFC 8926, section 3.4.
fn geneve(bytes: &[u8]) -> Option<(u32, u16, &[u8])> {
    const OPTIONS: u8 = 0x3f;
    const RESERVED: u8 = 0x3f;
    let ([version, flags, type_high, type_low, high, middle, low, 0], rest) = bytes.split_first_chunk::<8>()? else {
        return None;
    };
    if version & !OPTIONS != 0 || flags & RESERVED != 0 {
        return None;
    }
    let inner = rest.get(usize::from(version & OPTIONS).saturating_mul(4)..)?;
    Some((u32::from_be_bytes([0, *high, *middle, *low]), u16::from_be_bytes([*type_high, *type_low]), inner))
}

/// Generic routing encapsulation (RFC 2784, RFC 2890), and the enhanced version of PPTP (RFC 2637, section 4.1) and
/// `MikroTik`.
fn gre<'a>(headers: &mut Headers, bytes: &'a [u8], cut: u32) -> Result<&'a [u8], Stop> {
    const HAS_CHECKSUM: u16 = 0x8000;
    const HAS_ROUTING: u16 = 0x4000;
    const HAS_KEY: u16 = 0x2000;
    const HAS_SEQUENCE: u16 = 0x1000;
    const HAS_ACKNOWLEDGEMENT: u16 = 0x0080;
    const VERSION: u16 = 0x0007;
    const ENHANCED: u16 = 1;
    /// Ethernet over IP of `MikroTik`: the key holds a length, and the tunnel's id with its low byte first.
    const EOIP: u16 = 0x6400;
    let mut reader = Reader::closed(bytes);
    let (flags, carried) = (reader.u16()?, reader.u16()?);
    let has = |flag: u16| flags & flag != 0;
    if flags & VERSION > ENHANCED || has(HAS_ROUTING) {
        return Ok(bytes);
    }
    if has(HAS_CHECKSUM) {
        reader.skip(4)?;
    }
    let key = if has(HAS_KEY) { Some(reader.u32()?) } else { None };
    if has(HAS_SEQUENCE) {
        reader.skip(4)?;
    }
    if flags & VERSION == ENHANCED {
        if has(HAS_ACKNOWLEDGEMENT) {
            reader.skip(4)?;
        }
        return match (carried, key.map(u32::to_be_bytes)) {
            (EOIP, Some([_, _, low, high])) if headers.enter_packet() => {
                headers.step_into(Tag::Key(u32::from(u16::from_be_bytes([high, low]))));
                frame::ethernet(headers, reader.rest(), cut)
            }
            // A call's id differs by direction: it is no network.
            (frame::PPP, _) if link::is_ppp_opened(reader.rest()) && headers.enter_packet() => {
                link::ppp(headers, reader.rest(), cut)
            }
            _ => Ok(bytes),
        };
    }
    let inner = reader.rest();
    match carried {
        ERSPAN | ERSPAN_3 if headers.enter_packet() => {
            mirrored(headers, carried == ERSPAN_3, has(HAS_SEQUENCE), reader, cut)
        }
        // A keepalive or another protocol.
        _ if !is_carried(carried) && carried != REDIRECTED => Ok(bytes),
        _ if !headers.enter_packet() => Ok(bytes),
        _ => {
            if let Some(key) = key {
                headers.step_into(Tag::Key(key));
            }
            match carried {
                // WCCP 2 puts four bytes before the packet.
                REDIRECTED if !ip::is_packet(inner, cut) => {
                    reader.skip(4)?;
                    ip::any(headers, reader.rest(), cut)
                }
                REDIRECTED => ip::any(headers, inner, cut),
                _ => inside(headers, carried, inner, cut),
            }
        }
    }
}

/// ERSPAN (draft-foschiano-erspan-03): a frame as a switch saw it. The tunnel is the mirror's cable and no part of the
/// network: neither its session nor the VLANs on its way say where an address holds, so the context begins anew. What
/// the switch took off the frame does: its VLAN.
fn mirrored<'a>(
    headers: &mut Headers,
    is_third: bool,
    has_header: bool,
    mut reader: Reader<'a>,
    cut: u32,
) -> Result<&'a [u8], Stop> {
    const VLAN_ID: u16 = 0x0fff;
    const IS_CUT: u16 = 0x0400;
    /// How the frame was tagged: not at all, by ISL, by 802.1Q, or so that its tag is still there.
    const TAGGING: u16 = 0x1800;
    const TAG_WAS_TAKEN: [u16; 2] = [0x0800, 0x1000];
    const CARRIES: u16 = 0x7c00;
    const PACKET: u16 = 0x0800;
    const HAS_PLATFORM: u16 = 0x0001;
    headers.context = Context::default();
    headers.deeper_tags = 0;
    if !is_third && !has_header {
        return frame::ethernet(headers, reader.rest(), cut);
    }
    let (vlan, bits) = (reader.u16()? & VLAN_ID, reader.u16()?);
    let mut is_packet = false;
    // The third version does not say whether the tag was taken: then the frame has none.
    let mut was_taken = TAG_WAS_TAKEN.contains(&(bits & TAGGING));
    if is_third {
        reader.skip(6)?;
        let bits = reader.u16()?;
        is_packet = bits & CARRIES == PACKET;
        if bits & HAS_PLATFORM != 0 {
            reader.skip(8)?;
        }
        was_taken = is_packet || !frame::is_tagged(reader.rest());
    } else {
        reader.skip(4)?;
    }
    if was_taken && vlan != 0 {
        headers.step_into(Tag::Vlan(vlan));
    }
    // A mirror that cuts its copies does not say by how much: the length of an IP packet does.
    let lost = if bits & IS_CUT != 0 { u32::from(u16::MAX) } else { 0 };
    let all_cut = cut.saturating_add(lost);
    if is_packet {
        return ip::any(headers, reader.rest(), all_cut);
    }
    let payload = frame::ethernet(headers, reader.rest(), all_cut)?;
    if let Layer::Frame(_) = headers.layer {
        headers.wire_bytes = headers.wire_bytes.saturating_sub(lost);
        headers.cut_bytes = headers.cut_bytes.checked_sub(lost).unwrap_or(headers.cut_bytes);
    }
    Ok(payload)
}
