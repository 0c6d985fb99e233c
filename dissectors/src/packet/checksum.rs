//! The Internet checksum (RFC 1071) of IPv4, TCP and UDP.
//!
//! Nothing is refused because of it: a network card that computes checksums by itself gets packets without one, and a
//! capture on that machine shows them so. What does not hold is told apart and counted.

use super::{Ends, Family, Headers, Layer};

/// What a checksum says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// The bytes are those that were sent.
    Good,
    /// They are not.
    Bad,
    /// The sender's network card was to compute it after the packet was captured.
    Offloaded,
    /// There is none, or a part of what it covers is missing.
    Untold,
}

/// Of an IPv4 header (RFC 791, section 3.1), options included.
pub fn of_ipv4(header: &[u8]) -> Checksum {
    const AT: usize = 10;
    match header.get(AT..).and_then(<[u8]>::first_chunk) {
        None => Checksum::Untold,
        Some(_) if is_ones(sum(header)) => Checksum::Good,
        Some([0, 0]) => Checksum::Offloaded,
        Some(_) => Checksum::Bad,
    }
}

/// Of a TCP segment (RFC 9293, section 3.1) or a UDP datagram (RFC 768): `segment` is the transport header and its payload,
/// [`Headers::transport_bytes`] and what follows. UDP's checksum 0 is none.
#[expect(clippy::inline_always, reason = "once a packet, in one place")]
#[inline(always)]
pub fn of_transport(headers: &Headers, segment: &[u8]) -> Checksum {
    let (protocol, is_none) = match headers.layer {
        Layer::Tcp(_) => (6, false),
        Layer::Udp { .. } => (17, headers.checksum == 0),
        _ => return Checksum::Untold,
    };
    if is_none || headers.cut_bytes != 0 || segment.is_empty() {
        return Checksum::Untold;
    }
    let ends = ends(headers).wrapping_add(protocol);
    let pseudo = ends.wrapping_add(u64::try_from(segment.len()).unwrap_or(u64::MAX));
    if is_ones(pseudo.wrapping_add(sum(segment))) { Checksum::Good } else { of_others(headers, [pseudo, ends]) }
}

/// What does not hold.
#[cold]
fn of_others(headers: &Headers, prepared: [u64; 2]) -> Checksum {
    // The card expects the pseudo-header's sum in the field; for a segment that it cuts up too, some leave out the length.
    let is_prepared = prepared.into_iter().any(|prepared| folded(prepared) == headers.checksum);
    if is_prepared { Checksum::Offloaded } else { Checksum::Bad }
}

const ALL_ONES: u16 = 0xffff;

/// The addresses of the pseudo-header.
#[inline]
fn ends(headers: &Headers) -> u64 {
    let Ends { source, destination, family } = headers.ends;
    match family {
        Family::V4 => source.low.wrapping_add(destination.low),
        Family::V6 => [source, destination]
            .iter()
            .fold(0, |sum, bits| halves(bits.high).wrapping_add(halves(bits.low)).wrapping_add(sum)),
        Family::Mac | Family::MsTp | Family::Arcnet => 0,
    }
}

/// A number that leaves the same remainder by 65,535 as the sum of the 16-bit words in network order, below 2^42. Words of
/// any size fold to the same sum, and in the other byte order to 256 times of it (RFC 1071, section 2): so 64 bits are
/// added at a time, and their carries kept above them.
#[inline]
fn sum(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let start = u128::from(tail(bytes, rest));
    let all = words.iter().fold(start, |sum, word| sum.wrapping_add(u128::from(u64::from_le_bytes(*word))));
    let [low, high] = [all & u128::from(u64::MAX), all >> 64].map(|half| u64::try_from(half).unwrap_or(u64::MAX));
    halves(low).wrapping_add(high).wrapping_mul(256)
}

/// Words of twice 32 bits, added.
#[inline]
fn halves(word: u64) -> u64 {
    (word >> 32).wrapping_add(word & 0xffff_ffff)
}

/// Whether words that are not all 0 fold to ones alone.
#[inline]
fn is_ones(sum: u64) -> bool {
    sum != 0 && sum.is_multiple_of(ALL_ONES.into())
}

/// The fewer than eight bytes at the end, with zeros behind them. Where eight bytes are at hand, those before them are
/// shifted out of the last eight.
#[inline]
fn tail(bytes: &[u8], rest: &[u8]) -> u64 {
    match bytes.last_chunk::<8>() {
        Some(last) => {
            let before = 8_usize.saturating_sub(rest.len()).saturating_mul(8);
            let before = u32::try_from(before).unwrap_or(u64::BITS);
            u64::from_le_bytes(*last).checked_shr(before).unwrap_or(0)
        }
        None => rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    }
}

/// Adds the carries back in: of 64 bits, three times until none is left.
#[inline]
fn folded(sum: u64) -> u16 {
    let fold = |sum: u64| (sum >> 16).wrapping_add(sum & 0xffff);
    let halves = (sum >> 32).wrapping_add(sum & 0xffff_ffff);
    u16::try_from(fold(fold(fold(halves)))).unwrap_or(ALL_ONES)
}

#[cfg(test)]
mod tests {
    use super::super::{LinkType, decode};
    use super::*;
    use etherparse::PacketBuilder;
    use proptest::prelude::*;

    /// What is said of a frame's IPv4 header and of its segment.
    fn verdicts(frame: &[u8], cut: usize) -> (Checksum, Checksum) {
        let wire_length = u32::try_from(frame.len() + cut).expect("it is short");
        let (headers, payload) = decode(LinkType::Ethernet, frame, wire_length).expect("it is whole");
        let start = payload.as_ptr().addr() - frame.as_ptr().addr();
        let transport = start - usize::from(headers.transport_bytes);
        let ip = &frame[transport - usize::from(headers.ip_header_bytes)..transport];
        (of_ipv4(ip), of_transport(&headers, &frame[transport..start + payload.len()]))
    }

    fn frame(is_tcp: bool, payload: &[u8]) -> Vec<u8> {
        let ip = PacketBuilder::ethernet2([2; 6], [4; 6]).ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64);
        let mut frame = Vec::new();
        let written = if is_tcp {
            ip.tcp(502, 40000, 7, 1000).options_raw(&[1, 1, 1, 1]).expect("they fit").write(&mut frame, payload)
        } else {
            ip.udp(502, 40000).write(&mut frame, payload)
        };
        written.expect("a vector takes all");
        frame
    }

    #[test]
    fn wrong_offloaded_and_missing_are_told_apart() {
        use Checksum::{Bad, Good, Offloaded, Untold};
        for (is_tcp, at) in [(true, 50), (false, 40)] {
            let whole = frame(is_tcp, b"hello");
            assert_eq!(verdicts(&whole, 0), (Good, Good));
            let mut wrong = whole.clone();
            *wrong.last_mut().expect("it is not empty") ^= 1;
            assert_eq!(verdicts(&wrong, 0), (Good, Bad));
            wrong[22] ^= 1; // the time to live
            assert_eq!(verdicts(&wrong, 0), (Bad, Bad));
            wrong[24..26].fill(0);
            assert_eq!(verdicts(&wrong, 0).0, Offloaded);
            // 10.0.0.1, 10.0.0.2, the protocol, and the length or none.
            let pseudo = 0x0a00 + 1 + 0x0a00 + 2 + if is_tcp { 6 } else { 17 };
            for length in [whole.len() - 34, 0] {
                let mut prepared = whole.clone();
                let value = u16::try_from(pseudo + length).expect("it is small");
                prepared[at..at + 2].copy_from_slice(&value.to_be_bytes());
                assert_eq!(verdicts(&prepared, 0).1, Offloaded);
            }
            assert_eq!(verdicts(&whole[..whole.len() - 2], 2).1, Untold);
            let mut none = whole.clone();
            none[at..at + 2].fill(0);
            assert_eq!(verdicts(&none, 0).1, if is_tcp { Bad } else { Untold });
        }
        let mut fragment = frame(false, b"hello");
        fragment[20] = 0x20;
        let (headers, _) = decode(LinkType::Ethernet, &fragment, 47).expect("it is whole");
        assert_eq!(of_transport(&headers, &fragment[34..]), Untold);
        assert_eq!(of_ipv4(&[0; 11]), Untold);
    }

    proptest! {
        #[test]
        fn what_another_library_computed_holds(
            is_tcp in any::<bool>(), is_v6 in any::<bool>(), ends in any::<([u8; 16], [u8; 16])>(),
            payload in prop::collection::vec(any::<u8>(), 0..200), flipped in any::<prop::sample::Index>(), bit in 0u8..8,
        ) {
            let ethernet = PacketBuilder::ethernet2([2; 6], [4; 6]);
            let ip = if is_v6 {
                ethernet.ipv6(ends.0, ends.1, 9)
            } else {
                ethernet.ipv4([ends.0[0], 1, 2, 3], [ends.1[0], 4, 5, 6], 9)
            };
            let mut frame = Vec::new();
            let written = if is_tcp {
                ip.tcp(1, 2, 3, 4).write(&mut frame, &payload)
            } else {
                ip.udp(1, 2).write(&mut frame, &payload)
            };
            written.expect("a vector takes all");
            let (of_ip, of_segment) = verdicts(&frame, 0);
            prop_assert_eq!(of_segment, Checksum::Good);
            prop_assert_eq!(of_ip, if is_v6 { Checksum::Untold } else { Checksum::Good });
            if !payload.is_empty() {
                let at = frame.len() - 1 - flipped.index(payload.len());
                frame[at] ^= 1 << bit;
                prop_assert_ne!(verdicts(&frame, 0).1, Checksum::Good);
            }
        }
    }
}
