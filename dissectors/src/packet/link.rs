//! Frames: Ethernet II, 802.3, VLAN tags.

use super::{Headers, Link, ends_in};
use crate::observation::{Address, Mac, Tag};
use crate::reader::Stop;

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
/// IEEE 802.1Q, IEEE 802.1ad, and the two that older switches write.
const VLAN: [u16; 4] = [0x8100, 0x88a8, 0x9100, 0x9200];
/// More tags than any network stacks; the loop is bounded by this.
const MOST_TAGS: usize = 16;
const VLAN_ID: u16 = 0x0fff;

/// Whether frames of this type carry IP.
#[inline]
pub(super) fn is_ip(ether_type: u16) -> bool {
    matches!(ether_type, IPV4 | IPV6)
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
    if is_ip(ether_type) {
        return Ok((ether_type, rest));
    }
    headers.source = Address::Mac(source);
    headers.destination = Address::Mac(destination);
    if VLAN.contains(&ether_type) { tagged(headers, ether_type, rest) } else { Ok((ether_type, rest)) }
}

/// Passes over VLAN tags (IEEE 802.1Q-2022, 9): each becomes a part of the context.
#[cold]
fn tagged<'a>(headers: &mut Headers, mut ether_type: u16, mut rest: &'a [u8]) -> Result<(u16, &'a [u8]), Stop> {
    for _ in 0..MOST_TAGS {
        if !VLAN.contains(&ether_type) {
            break;
        }
        let Some(([high, low, next_high, next_low], behind)) = rest.split_first_chunk() else {
            return Err(ends_in("the frame ends in its VLAN tag"));
        };
        match u16::from_be_bytes([*high, *low]) & VLAN_ID {
            // A priority tag names no VLAN (IEEE 802.1Q-2022, 9.6).
            0 => {}
            id => match headers.context.within(Tag::Vlan(id)) {
                Some(inner) => headers.context = inner,
                None => headers.deeper_tags = headers.deeper_tags.saturating_add(1),
            },
        }
        ether_type = u16::from_be_bytes([*next_high, *next_low]);
        rest = behind;
    }
    Ok((ether_type, rest))
}
