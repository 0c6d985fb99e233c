//! Frames: Ethernet II, 802.3, VLAN tags.

use super::{Headers, Layer, Link, ip};
use crate::observation::{Address, Context, Mac, Tag};
use crate::reader::{Reader, Stop};

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
/// IEEE 802.1Q, IEEE 802.1ad, and the two that older switches write.
const VLAN: [u16; 4] = [0x8100, 0x88a8, 0x9100, 0x9200];
/// More tags than any network stacks; the loop is bounded by this.
const MOST_TAGS: u8 = 16;
const VLAN_ID: u16 = 0x0fff;

/// An Ethernet frame without its preamble and check sequence (IEEE 802.3-2022, 3).
#[inline(always)]
pub(super) fn ethernet<'a>(reader: &mut Reader<'a>, wire_length: u32, cut: u32) -> Result<(Headers, &'a [u8]), Stop> {
    let destination = Mac(reader.array()?);
    let source = Mac(reader.array()?);
    let link = Some(Link { source, destination });
    let mut context = Context::default();
    let mut deeper_tags: u8 = 0;
    let mut ether_type = reader.u16()?;
    let mut tags: u8 = 0;
    while VLAN.contains(&ether_type) && tags < MOST_TAGS {
        match context.within(Tag::Vlan(reader.u16()? & VLAN_ID)) {
            Some(inner) => context = inner,
            None => deeper_tags = deeper_tags.saturating_add(1),
        }
        ether_type = reader.u16()?;
        tags = tags.saturating_add(1);
    }
    let (mut headers, payload) = match ether_type {
        IPV4 | IPV6 => ip::any(reader, context, link, cut)?,
        other => {
            let headers = Headers {
                context,
                link,
                source: Address::Mac(source),
                destination: Address::Mac(destination),
                layer: Layer::Frame(other),
                wire_bytes: wire_length,
                cut_bytes: cut,
                deeper_tags: 0,
            };
            (headers, reader.rest())
        }
    };
    headers.deeper_tags = deeper_tags;
    Ok((headers, payload))
}
