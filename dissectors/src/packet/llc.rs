//! 802.2 LLC and SNAP (IEEE 802.2-1998; IEEE 802-2014, 9.2).

use super::{Headers, bus, ends_in, frame};
use crate::reader::Stop;

/// Service access points: BACnet's (ASHRAE 135, clause 7), SNAP's, and those of spanning tree and IS-IS.
pub(super) const BACNET: u8 = 0x82;
const SNAP: u8 = 0xaa;
const SPANNING_TREE: u8 = 0x42;
const ROUTERS: u8 = 0xfe;
/// An unnumbered information frame: all that these protocols send.
const INFORMATION: u8 = 0x03;

/// Whether an LLC header looks like one of those that Ethernet mostly carries.
pub(super) fn is_usual(bytes: &[u8]) -> bool {
    matches!(bytes, [BACNET | SNAP | SPANNING_TREE | ROUTERS, _, INFORMATION, ..])
}

/// What follows an LLC header, by the receiver's service access point. What is no information is the link's own affair
/// and leaves nothing to read.
pub(super) fn any<'a>(headers: &mut Headers, bytes: &'a [u8], cut: u32) -> Result<&'a [u8], Stop> {
    match bytes {
        [SNAP, SNAP, INFORMATION, rest @ ..] => snap(headers, rest, cut),
        [to, _, INFORMATION, rest @ ..] => Ok(frame::named(headers, u16::from(*to), rest, cut)),
        [to, _, _, rest @ ..] => Ok(frame::named(headers, u16::from(*to), rest.get(..0).unwrap_or(rest), cut)),
        _ => Err(ends_in("the frame ends in its LLC header")),
    }
}

/// An EtherType where nobody or Apple's bridges name it (RFC 1042; 802.1H); the protocols of others are numbered by
/// themselves and stay together.
fn snap<'a>(headers: &mut Headers, bytes: &'a [u8], cut: u32) -> Result<&'a [u8], Stop> {
    match bytes {
        [0, 0, 0x00 | 0xf8, high, low, rest @ ..] if *high >= 6 => {
            frame::any(headers, u16::from_be_bytes([*high, *low]), rest, cut)
        }
        [0x00, 0x10, 0x90, 0, 1, rest @ ..] => bus::ms_tp_on_ethernet(headers, rest, cut),
        [_, _, _, _, _, ..] => Ok(frame::named(headers, u16::from(SNAP), bytes, cut)),
        _ => Err(ends_in("the frame ends in its SNAP header")),
    }
}
