//! A sweep of ports in the manner of fast scanners: hosts and ports in no order, one SYN each, no answers.

use super::random::Random;
use super::schedule::{Actor, Cast};
use super::wire::{Connection, End, FIRST_CLIENT_PORT, Wire};
use std::net::Ipv4Addr;
use std::time::Duration;

pub(super) fn workload(random: &mut Random) -> Cast {
    let start = random.next() as u32;
    (0..SOURCES)
        .map(|source| {
            let sweep = Sweep { source: End::new(7, source, FIRST_CLIENT_PORT + source as u16), next: start };
            (PER_PACKET * source, Box::new(sweep) as Box<dyn Actor>)
        })
        .collect()
}

/// One source that asks each port of each host of 10.128.0.0/10 that the counter leads to.
struct Sweep {
    source: End,
    next: u32,
}

impl Actor for Sweep {
    fn turn(&mut self, now: Duration, wire: &mut Wire) -> Duration {
        // An odd factor makes every number lead to another target: 2^32 of them before one comes again.
        let target = self.next.wrapping_mul(GOLDEN_RATIO);
        self.next = self.next.wrapping_add(1);
        let [high, low, third, last] = target.to_be_bytes();
        let server = End { ip: Ipv4Addr::new(10, 128, third, last), port: u16::from_be_bytes([high, low]) };
        Connection::new(self.source, server, &mut wire.random).syn(now, wire);
        now + PER_PACKET * SOURCES
    }
}

const SOURCES: u32 = 4;
const PER_PACKET: Duration = Duration::from_micros(10);
const GOLDEN_RATIO: u32 = 0x9e37_79b1;
