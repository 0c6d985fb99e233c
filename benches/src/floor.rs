//! The floor: what the machine can do with a capture at the very most.
//!
//! The bytes are walked, headers decoded by hand at fixed offsets, one look-up in a hash map of flows and one tally
//! a packet; nothing else. No batches, no prefetching: those are the sensor's to earn. `HashMap`, `HashTable` and a
//! look-up before the insertion came out alike; `HashTable::entry` was the quickest while the table grows.

use crate::capture::Frames;
use foldhash::fast::FixedState;
use hashbrown::HashTable;
use std::hash::BuildHasher;

/// What one pass over a capture counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Floor {
    /// All frames.
    pub packets: u64,
    /// All bytes of frames.
    pub bytes: u64,
    /// Conversations of TCP and UDP over IPv4, both directions one.
    pub flows: u64,
    /// Frames that are neither TCP nor UDP over IPv4.
    pub others: u64,
}

/// Packets and bytes of each direction: first from the lower end.
#[derive(Clone, Copy, Default)]
struct Tallies {
    packets: [u32; 2],
    bytes: [u64; 2],
}

/// One pass over a capture.
pub fn run(capture: &[u8]) -> Floor {
    let hasher = FixedState::with_seed(1);
    let mut flows: HashTable<(Key, Tallies)> = HashTable::new();
    let mut floor = Floor::default();
    for frame in Frames::of(capture) {
        floor.packets += 1;
        floor.bytes += frame.bytes.len() as u64;
        let Some(packet) = packet(frame.bytes) else {
            floor.others += 1;
            continue;
        };
        let flow = flows
            .entry(hasher.hash_one(packet.key), |(key, _)| *key == packet.key, |(key, _)| hasher.hash_one(*key))
            .or_insert_with(|| (packet.key, Tallies::default()));
        let (_, tallies) = flow.into_mut();
        tallies.packets[packet.side] += 1;
        tallies.bytes[packet.side] += u64::from(packet.bytes);
    }
    floor.flows = flows.len() as u64;
    floor
}

/// The lower end and the higher end, address before port; the protocol above the first.
type Key = (u64, u64);

struct Packet {
    key: Key,
    /// 0 from the lower end, 1 from the higher.
    side: usize,
    /// From the IP header on.
    bytes: u16,
}

/// Ethernet II, IPv4 without options, TCP or UDP: the one form that workloads have.
#[inline]
fn packet(frame: &[u8]) -> Option<Packet> {
    let front: &[u8; 38] = frame.first_chunk()?;
    let protocol = front[23];
    if front[12..15] != [0x08, 0x00, 0x45] || !matches!(protocol, TCP | UDP) {
        return None;
    }
    let end = |ip: usize, port: usize| {
        u64::from_be_bytes([0, 0, front[ip], front[ip + 1], front[ip + 2], front[ip + 3], front[port], front[port + 1]])
    };
    let (source, destination) = (end(26, 34), end(30, 36));
    let key = (source.min(destination) | u64::from(protocol) << 48, source.max(destination));
    let bytes = u16::from_be_bytes([front[16], front[17]]);
    Some(Packet { key, side: usize::from(source > destination), bytes })
}

const TCP: u8 = 6;
const UDP: u8 = 17;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::Capture;
    use std::time::Duration;

    #[test]
    fn both_directions_are_one_flow_and_the_transport_separates() {
        //                  Ethernet type   IPv4 ...                                                   ports
        let tcp: [u8; 26] = *b"\x08\x00\x45\x00\x00\x28\x00\x01\x40\x00\x40\x06\x00\x00\x0a\x00\x00\x01\x0a\x00\x00\x02\x01\xf6\xc0\x00";
        let back: [u8; 26] = *b"\x08\x00\x45\x00\x00\x28\x00\x01\x40\x00\x40\x06\x00\x00\x0a\x00\x00\x02\x0a\x00\x00\x01\xc0\x00\x01\xf6";
        let mut udp = tcp;
        udp[11] = UDP;
        let mut arp = tcp;
        arp[1] = 6;
        let mut capture = Capture::new();
        for front in [tcp, back, udp, arp] {
            let frame = [&[0; 12], front.as_slice(), &[0; 22]].concat();
            capture.push(Duration::ZERO, &frame);
        }
        assert_eq!(run(&capture.into_bytes()), Floor { packets: 4, bytes: 240, flows: 2, others: 1 });
    }
}
