//! What most packets are: an Ethernet frame, IPv4 without options, and in it TCP or UDP, all of it captured.
//!
//! The fields stand at fixed places, so few checks of lengths are enough for all of them. Whatever differs in anything
//! takes the way that reads everything, and would come to the same.

use super::{Ends, Headers, Layer, Link, TcpFlags, TcpHeader, tunnel};
use crate::observation::Mac;

const ETHERNET_HEADER: usize = 14;
const IP_HEADER: u8 = 20;
const TCP: u8 = 6;
const UDP: u8 = 17;
/// What is followed by others, and what follows others.
const FRAGMENT: u16 = 0x3fff;

/// The payload of a whole frame whose context is known; `None` where it is any other: then what was written is for the
/// other way to write again.
#[expect(clippy::inline_always, reason = "as where it is asked for")]
#[inline(always)]
pub(super) fn payload<'a>(headers: &mut Headers, frame: &'a [u8]) -> Option<&'a [u8]> {
    let front = frame.first_chunk::<34>()?;
    let is_plain = half(front[12], front[13]) == 0x0800
        && front[14] == 0x45
        && half(front[20], front[21]) & FRAGMENT == 0
        && matches!(front[23], TCP | UDP);
    if !is_plain {
        return None;
    }
    let wire_bytes = half(front[16], front[17]);
    let end = usize::from(wire_bytes).saturating_add(ETHERNET_HEADER);
    let segment = frame.get(front.len()..end)?;
    headers.link = Some(Link {
        destination: Mac([front[0], front[1], front[2], front[3], front[4], front[5]]),
        source: Mac([front[6], front[7], front[8], front[9], front[10], front[11]]),
    });
    headers.ends =
        Ends::of_v4([front[26], front[27], front[28], front[29]], [front[30], front[31], front[32], front[33]]);
    headers.wire_bytes = wire_bytes.into();
    headers.cut_bytes = 0;
    headers.ip_id = half(front[18], front[19]);
    (headers.ttl, headers.ip_header_bytes) = (front[22], IP_HEADER);
    if front[23] == TCP { tcp(headers, segment) } else { udp(headers, segment) }
}

#[expect(clippy::inline_always, reason = "as above")]
#[inline(always)]
fn tcp<'a>(headers: &mut Headers, segment: &'a [u8]) -> Option<&'a [u8]> {
    let header = segment.first_chunk::<20>()?;
    let header_bytes = (header[12] >> 4) << 2;
    if usize::from(header_bytes) < header.len() {
        return None;
    }
    headers.layer = Layer::Tcp(TcpHeader {
        source: half(header[0], header[1]),
        destination: half(header[2], header[3]),
        sequence: u32::from_be_bytes([header[4], header[5], header[6], header[7]]),
        acknowledgement: u32::from_be_bytes([header[8], header[9], header[10], header[11]]),
        flags: TcpFlags(header[13]),
    });
    headers.checksum = half(header[16], header[17]);
    headers.transport_bytes = header_bytes;
    segment.get(usize::from(header_bytes)..)
}

#[expect(clippy::inline_always, reason = "as above")]
#[inline(always)]
fn udp<'a>(headers: &mut Headers, segment: &'a [u8]) -> Option<&'a [u8]> {
    let header = segment.first_chunk::<8>()?;
    let (source, destination) = (half(header[0], header[1]), half(header[2], header[3]));
    if tunnel::is_port(destination) {
        return None;
    }
    headers.layer = Layer::Udp { source, destination };
    headers.checksum = half(header[6], header[7]);
    headers.transport_bytes = 8;
    segment.get(header.len()..usize::from(half(header[4], header[5])))
}

#[inline]
fn half(high: u8, low: u8) -> u16 {
    u16::from_be_bytes([high, low])
}

#[cfg(test)]
mod tests {
    use super::super::{LinkType, decode_any};
    use super::*;
    use etherparse::PacketBuilder;
    use proptest::prelude::*;

    fn frame(is_tcp: bool, options: usize, bytes: &[u8]) -> Vec<u8> {
        let builder = PacketBuilder::ethernet2([1; 6], [2; 6]).ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64);
        let mut frame = Vec::new();
        let written = if is_tcp {
            let builder = builder.tcp(502, 40_000, 7, 1_000).options_raw(&[1; 12][..options * 4]).expect("they fit");
            builder.write(&mut frame, bytes)
        } else {
            builder.udp(502, 40_000).write(&mut frame, bytes)
        };
        written.expect("a vector takes all");
        frame
    }

    proptest! {
        /// A frame that is plain, or nearly so, comes to the same either way.
        #[test]
        fn what_is_plain_is_read_as_all_else(
            is_tcp in any::<bool>(), bytes in prop::collection::vec(any::<u8>(), 0..40), options in 0_usize..4,
            padding in 0_usize..20, turned in prop::collection::vec((12_usize..54, any::<u8>()), 0..3),
            short in 0_usize..60,
        ) {
            let mut frame = frame(is_tcp, options, &bytes);
            frame.resize(frame.len() + padding, 0);
            for (at, byte) in turned {
                frame.get_mut(at).into_iter().for_each(|old| *old = byte);
            }
            frame.truncate(frame.len() - short.saturating_sub(30));
            let length = u32::try_from(frame.len()).expect("it is short");
            let (mut plain, mut other) = (Headers::default(), Headers::default());
            if let Some(bytes) = payload(&mut plain, &frame) {
                prop_assert_eq!(decode_any(&mut other, LinkType::Ethernet, &frame, length), Ok(bytes));
                prop_assert_eq!(plain, other);
            }
        }
    }

    #[test]
    fn plain_frames_take_the_short_way() {
        for is_tcp in [true, false] {
            let frame = [&frame(is_tcp, 0, b"hello")[..], &[0; 6]].concat();
            assert_eq!(payload(&mut Headers::default(), &frame), Some(b"hello".as_slice()));
        }
    }
}
