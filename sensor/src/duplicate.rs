//! Packets that a mirror shows twice.
//!
//! A duplicate is the same inner packet within 2 ms: addresses, ports, IP id, length, transport checksum and sequence
//! numbers, whatever its TTL and VLAN, for it may have passed a router or a trunk between its two showings. A
//! retransmission has another IP id or comes later. Where the id tells nothing (UDP with id 0, IPv6, bare
//! acknowledgements with id 0) the same again is taken for sent twice, as embedded stacks do on purpose, unless MAC, TTL
//! or VLAN show that it took another way.
//!
//! Each lane has a small table, one place for each fingerprint: a mirror's second showing comes within microseconds.

use crate::flow::mix;
use dissectors::Timestamp;
use dissectors::bounded::GOLDEN;
use dissectors::observation::{Context, Tag};
use dissectors::packet::{Family, Headers, Layer};
use std::ops::AddAssign;

/// 4 KiB a lane, so that all lanes together stay in the second cache.
const PLACES: usize = 256;
/// The bits of a fingerprint that say in which place it stands.
const PLACE: u64 = PLACES as u64 - 1;

/// Within this time the same packet is a duplicate, in units of [`UNIT_BITS`]: 2 ms.
const WINDOW: u32 = 1_953;
/// Times are kept in units of 1,024 ns; the 32 bits wrap after 73 minutes, and what was sent again by then has another id.
const UNIT_BITS: u32 = 10;

/// Packets that were shown before, by what the mirror looks like that does it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DuplicateCount {
    /// The same frame again: one port mirrored twice, or both ports that it passed.
    pub same_frame: u64,
    /// Another TTL: both sides of a router.
    pub routed: u64,
    /// Another VLAN: both sides of a trunk, or two VLANs.
    pub other_vlan: u64,
    /// Other MAC addresses, and nothing else: both sides of something that rewrites them.
    pub other_macs: u64,
}

impl DuplicateCount {
    /// All of them.
    pub fn sum(&self) -> u64 {
        self.same_frame + self.routed + self.other_vlan + self.other_macs
    }

    pub(crate) fn count(&mut self, way: Way) {
        let count = match way {
            Way::SameFrame => &mut self.same_frame,
            Way::Routed => &mut self.routed,
            Way::OtherVlan => &mut self.other_vlan,
            Way::OtherMacs => &mut self.other_macs,
        };
        *count += 1;
    }
}

impl AddAssign for DuplicateCount {
    fn add_assign(&mut self, other: Self) {
        self.same_frame += other.same_frame;
        self.routed += other.routed;
        self.other_vlan += other.other_vlan;
        self.other_macs += other.other_macs;
    }
}

/// By which way a duplicate came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    SameFrame,
    Routed,
    OtherVlan,
    OtherMacs,
}

/// What the second showing of a packet is compared by: the way is no part of the fingerprint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Entry {
    fingerprint: u64,
    time: u32,
    look: Look,
}

/// TTL, VLANs and MAC addresses, the latter two mixed down to 12 bits each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Look(u32);

impl Look {
    const TTL: u32 = 0xff;
    const VLANS: u32 = 0xfff << 8;

    #[inline]
    fn of(headers: &Headers, vlans: u32) -> Self {
        let macs = headers.link.map_or(0, |link| {
            let (source, destination) = (link.source.0, link.destination.0);
            let bits = |mac: [u8; 6]| u32::from_be_bytes([0, mac[3], mac[4], mac[5]]);
            bits(source).wrapping_mul(0x9e37_79b1) ^ bits(destination).wrapping_mul(0x85eb_ca77)
        });
        Self(u32::from(headers.ttl) | (vlans & 0xfff) << 8 | macs >> 20 << 20)
    }

    fn way_from(self, other: Self) -> Way {
        let differs = self.0 ^ other.0;
        match differs {
            0 => Way::SameFrame,
            _ if differs & Self::VLANS != 0 => Way::OtherVlan,
            _ if differs & Self::TTL != 0 => Way::Routed,
            _ => Way::OtherMacs,
        }
    }
}

/// The packets of a lane that were shown last.
pub(crate) struct Duplicates {
    places: Box<[Entry; PLACES]>,
    seed: u64,
    /// The context that was seen last, its VLANs and its tunnels mixed: the next packet has the same one, most likely.
    context: (Context, u32, u64),
    /// Whether VLANs are networks of their own: then nothing is shown twice in two of them.
    separate: bool,
}

impl Duplicates {
    pub(crate) fn new(separate: bool) -> Self {
        use std::hash::BuildHasher;
        let seed = std::hash::RandomState::new().hash_one(0) | 1;
        Self { places: Box::new([Entry::default(); PLACES]), seed, context: Default::default(), separate }
    }

    /// What tells this packet from others, but for its context; `flow` is the hash of its flow, `sender` tells its ends
    /// apart. Nothing where duplicates cannot be told.
    #[inline]
    pub(crate) fn fingerprint(&self, headers: &Headers, flow: u64, sender: u64) -> u64 {
        let numbers = match &headers.layer {
            Layer::Tcp(tcp) => {
                u64::from(tcp.sequence) << 32 | u64::from(tcp.acknowledgement) ^ u64::from(tcp.flags.0) << 24
            }
            _ => 0,
        };
        let fields = u64::from(headers.ip_id) << 48 | u64::from(headers.checksum) << 32 | u64::from(headers.wire_bytes);
        let seeded =
            mix(mix(flow ^ self.seed, sender ^ numbers.rotate_left(17) ^ GOLDEN), fields ^ self.seed) ^ numbers;
        // Packets that push each other out are the same in every run: what is told never depends on a seed.
        let place = (fields ^ numbers.rotate_left(23)).wrapping_mul(GOLDEN) >> (u64::BITS - PLACES.ilog2());
        (seeded & !PLACE) | place
    }

    /// The memory in which a packet of this fingerprint would stand.
    #[inline]
    pub(crate) fn memory_of(&self, fingerprint: u64) -> &impl Sized {
        &self.places[(fingerprint & PLACE) as usize]
    }

    /// Whether this packet was shown before, and by which other way; the first showing is remembered.
    #[inline]
    pub(crate) fn ask(
        &mut self,
        fingerprint: u64,
        headers: &Headers,
        has_payload: bool,
        time: Timestamp,
    ) -> Option<Way> {
        if headers.context != self.context.0 {
            self.turn_to(headers.context);
        }
        let (_, vlans, tunnels) = self.context;
        let place = &mut self.places[(fingerprint & PLACE) as usize];
        let fingerprint = fingerprint ^ tunnels;
        let now = (time.nanos().cast_unsigned() >> UNIT_BITS) as u32;
        let look = Look::of(headers, vlans);
        let elapsed = now.wrapping_sub(place.time);
        let is_near = elapsed <= WINDOW || elapsed.wrapping_neg() <= WINDOW;
        if place.fingerprint == fingerprint && is_near {
            let way = look.way_from(place.look);
            if way != Way::SameFrame || tells_itself_apart(headers, has_payload) {
                return Some(way);
            }
        }
        *place = Entry { fingerprint, time: now, look };
        None
    }

    /// Packets of another context come.
    #[cold]
    fn turn_to(&mut self, context: Context) {
        let (mut vlans, mut tunnels) = (0u32, 0u64);
        for (depth, tag) in context.tags().enumerate() {
            match (tag, self.separate) {
                (Tag::Vlan(id), false) => {
                    vlans = vlans.rotate_left(5) ^ (u32::from(id) + 1).wrapping_mul(0x9e37_79b1) >> 16;
                }
                (tag, _) => tunnels = mix(tunnels ^ hash_of(tag) ^ self.seed, self.seed).wrapping_add(depth as u64),
            }
        }
        self.context = (context, vlans, tunnels);
    }
}

fn hash_of(tag: Tag) -> u64 {
    use std::hash::BuildHasher;
    foldhash::fast::FixedState::default().hash_one(tag)
}

/// Whether the sender would not have sent the same packet twice: another would have another id, or another sequence
/// number.
#[inline]
fn tells_itself_apart(headers: &Headers, has_payload: bool) -> bool {
    let is_v4 = headers.ends.family == Family::V4;
    let is_tcp = matches!(headers.layer, Layer::Tcp(_));
    is_v4 && (headers.ip_id != 0 || (is_tcp && has_payload))
}

/// Whether duplicates of such packets can be told at all. A datagram without a checksum says nothing of its payload: some
/// stacks number all of them alike.
#[inline]
pub(crate) fn can_be_told(headers: &Headers) -> bool {
    match headers.layer {
        Layer::Tcp(_) => true,
        Layer::Udp { .. } => headers.checksum != 0,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{FlowHasher, FlowKey};
    use dissectors::Mac;
    use dissectors::observation::Address;
    use dissectors::packet::{Ends, Link, TcpFlags, TcpHeader};

    struct Mirror {
        duplicates: Duplicates,
        hasher: FlowHasher,
    }

    impl Mirror {
        fn new() -> Self {
            Self { duplicates: Duplicates::new(false), hasher: FlowHasher::new() }
        }

        fn shows(&mut self, headers: &Headers, micros: i64) -> Option<Way> {
            self.shows_with(headers, true, micros)
        }

        fn shows_with(&mut self, headers: &Headers, has_payload: bool, micros: i64) -> Option<Way> {
            let key = FlowKey::of(headers);
            let fingerprint = self.duplicates.fingerprint(headers, self.hasher.hash(&key), key.sender());
            self.duplicates.ask(fingerprint, headers, has_payload, Timestamp::from_micros(micros))
        }
    }

    fn ends(source: &str, destination: &str) -> Ends {
        let address = |text: &str| Address::Ip(text.parse().expect("an address"));
        Ends::between(address(source), address(destination))
    }

    fn tcp() -> Headers {
        let header =
            TcpHeader { source: 502, destination: 40_000, sequence: 7, acknowledgement: 9, flags: TcpFlags(0x18) };
        Headers {
            ends: ends("10.0.0.1", "10.0.0.2"),
            link: Some(Link { source: Mac([0, 1, 2, 3, 4, 5]), destination: Mac([0, 1, 2, 3, 4, 6]) }),
            layer: Layer::Tcp(header),
            ip_id: 17,
            ttl: 64,
            checksum: 0x1234,
            wire_bytes: 60,
            ..Headers::default()
        }
    }

    fn udp(id: u16) -> Headers {
        Headers { layer: Layer::Udp { source: 47_808, destination: 47_808 }, ip_id: id, ..tcp() }
    }

    fn in_vlan(id: u16, headers: Headers) -> Headers {
        Headers { context: Context::default().within(Tag::Vlan(id)).expect("there is room"), ..headers }
    }

    #[test]
    fn the_same_packet_within_two_milliseconds_by_whatever_way() {
        let other_macs = Some(Link { source: Mac([0, 1, 2, 9, 9, 9]), destination: Mac([0, 1, 2, 8, 8, 8]) });
        for (second, way) in [
            (tcp(), Way::SameFrame),
            (Headers { ttl: 63, link: other_macs, ..tcp() }, Way::Routed),
            (in_vlan(7, tcp()), Way::OtherVlan),
            (Headers { link: other_macs, ..tcp() }, Way::OtherMacs),
        ] {
            let mut mirror = Mirror::new();
            assert_eq!(mirror.shows(&tcp(), 1_000), None);
            assert_eq!(mirror.shows(&second, 1_500), Some(way));
            assert_eq!(mirror.shows(&second, 2_900), Some(way), "and a third time");
            assert_eq!(mirror.shows(&second, 3_100), None, "it is too late to be the mirror's doing");
            assert_eq!(mirror.shows(&tcp(), 2_000), Some(way), "captures of two mirrors are out of step");
        }
    }

    #[test]
    fn whatever_differs_is_another_packet() {
        let layer = |change: fn(&mut TcpHeader)| {
            let Layer::Tcp(mut header) = tcp().layer else { panic!("it is TCP") };
            change(&mut header);
            Layer::Tcp(header)
        };
        let answer = Headers { ends: ends("10.0.0.2", "10.0.0.1"), ..tcp() };
        for other in [
            Headers { ip_id: 18, ..tcp() },
            Headers { wire_bytes: 61, ..tcp() },
            Headers { checksum: 1, ..tcp() },
            Headers { layer: layer(|tcp| tcp.sequence += 1), ..tcp() },
            Headers { layer: layer(|tcp| tcp.acknowledgement += 1), ..tcp() },
            Headers { layer: layer(|tcp| tcp.source += 1), ..tcp() },
            Headers { layer: layer(|tcp| std::mem::swap(&mut tcp.source, &mut tcp.destination)), ..answer },
            Headers { ends: ends("10.0.0.1", "10.0.0.3"), ..tcp() },
        ] {
            let mut mirror = Mirror::new();
            assert_eq!(mirror.shows(&tcp(), 0), None);
            assert_eq!(mirror.shows(&other, 1), None, "{other:?}");
        }
    }

    #[test]
    fn what_stacks_repeat_on_purpose_is_no_duplicate_unless_it_took_another_way() {
        let v6 = Headers { ends: ends("fe80::1", "fe80::2"), ip_id: 0, ..tcp() };
        let bare = Headers { ip_id: 0, ..tcp() };
        for (headers, has_payload) in [(udp(0), true), (v6, true), (bare, false)] {
            let mut mirror = Mirror::new();
            assert_eq!(mirror.shows_with(&headers, has_payload, 0), None);
            assert_eq!(mirror.shows_with(&headers, has_payload, 100), None);
            let routed = Headers { ttl: 63, ..headers };
            assert_eq!(mirror.shows_with(&routed, has_payload, 200), Some(Way::Routed));
        }
        let mut mirror = Mirror::new();
        assert_eq!((mirror.shows(&udp(5), 0), mirror.shows(&udp(5), 1)), (None, Some(Way::SameFrame)));
        assert_eq!((mirror.shows(&bare, 0), mirror.shows(&bare, 1)), (None, Some(Way::SameFrame)), "it has payload");
    }

    #[test]
    fn datagrams_without_a_checksum_are_never_duplicates() {
        assert!(can_be_told(&udp(1)) && can_be_told(&tcp()));
        assert!(!can_be_told(&Headers { checksum: 0, ..udp(1) }));
    }

    #[test]
    fn networks_that_are_kept_apart_have_no_packets_in_common() {
        let mut mirror = Mirror { duplicates: Duplicates::new(true), hasher: FlowHasher::new() };
        assert_eq!(mirror.shows(&in_vlan(1, tcp()), 0), None);
        assert_eq!(mirror.shows(&in_vlan(2, tcp()), 1), None);
        assert_eq!(mirror.shows(&in_vlan(2, tcp()), 2), Some(Way::SameFrame));
    }

    #[test]
    fn a_million_different_packets_are_all_different() {
        let mut mirror = Mirror::new();
        for number in 0..1_000_000u32 {
            let headers = Headers { ip_id: (number & 0xffff) as u16, checksum: (number >> 16) as u16, ..udp(0) };
            assert_eq!(mirror.shows(&headers, i64::from(number / 1_000)), None);
        }
    }

    /// More packets come within the time of a duplicate than there are places: which of them are remembered is no matter
    /// of luck.
    #[test]
    fn every_run_tells_the_same_duplicates() {
        let story = || {
            let mut mirror = Mirror::new();
            let packets = (0..2).flat_map(|_| 0..500u16);
            let shown =
                packets.map(|number| mirror.shows(&Headers { ip_id: number + 1, checksum: number, ..udp(0) }, 0));
            shown.collect::<Vec<_>>()
        };
        let once = story();
        assert!((0..20).all(|_| story() == once));
        let told = once.iter().filter(|way| way.is_some()).count();
        assert!((1..500).contains(&told), "{told}");
    }
}
