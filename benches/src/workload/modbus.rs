//! Modbus/TCP polling (MODBUS Messaging on TCP/IP Implementation Guide V1.0b): each master polls each server once a
//! second, eight fixed requests in turn, over a connection of their own that stays open.

use super::packing::Packing;
use super::random::Random;
use super::schedule::{Actor, Cast};
use super::wire::{Connection, End, FIRST_CLIENT_PORT, HOP, Wire};
use dissectors::Side;
use std::time::Duration;

pub(super) fn workload(random: &mut Random) -> Cast {
    pairs(50, 200, random)
}

/// So many masters that poll so many servers, all of them.
pub(super) fn pairs(masters: u32, servers: u32, random: &mut Random) -> Cast {
    let mut cast = Cast::new();
    for master in 0..masters {
        for server in 0..servers {
            let start = Duration::from_micros(u64::from(random.between(0, 999_999)));
            cast.push((start, Box::new(Pair::new(master, server, random))));
        }
    }
    cast
}

/// A master and a server that it polls.
struct Pair {
    connection: Connection,
    unit: u8,
    polls: [Poll; 8],
    step: usize,
    transaction: u16,
    /// Whether the master's stack acknowledges an answer at once in a packet of its own, or with the next request.
    acknowledges: bool,
}

/// One request that a master is configured to send.
#[derive(Clone, Copy)]
struct Poll {
    function: u8,
    address: u16,
    count: u16,
}

impl Pair {
    fn new(master: u32, server: u32, random: &mut Random) -> Self {
        let client = End::new(1, master, FIRST_CLIENT_PORT + server as u16);
        Self {
            connection: Connection::new(client, End::new(2, server, 502), random),
            unit: if server.is_multiple_of(4) { random.between(1, 16) as u8 } else { 1 },
            polls: std::array::from_fn(|_| Poll::draw(random)),
            step: 0,
            transaction: random.next() as u16,
            acknowledges: random.percent(50),
        }
    }

    /// The next request of the plan and its answer, as application data units.
    fn exchange(&mut self, random: &mut Random) -> (Vec<u8>, Vec<u8>) {
        let poll = self.polls[self.step % self.polls.len()];
        self.step += 1;
        self.transaction = self.transaction.wrapping_add(1);
        (self.unit_of(&poll.request(random)), self.unit_of(&poll.answer(random)))
    }

    /// An MBAP header before a protocol data unit.
    fn unit_of(&self, pdu: &[u8]) -> Vec<u8> {
        let mut adu = Vec::with_capacity(7 + pdu.len());
        adu.extend_from_slice(&self.transaction.to_be_bytes());
        adu.extend_from_slice(&[0, 0]);
        adu.extend_from_slice(&(pdu.len() as u16 + 1).to_be_bytes());
        adu.push(self.unit);
        adu.extend_from_slice(pdu);
        adu
    }

    /// Sends each of `segments`, from `at` on; returns when the last one was sent.
    fn send(&mut self, side: Side, mut at: Duration, segments: &[Vec<u8>], wire: &mut Wire) -> Duration {
        for segment in segments {
            self.connection.send(side, at, segment, wire);
            at += BETWEEN_SEGMENTS;
        }
        at
    }
}

impl Actor for Pair {
    fn turn(&mut self, now: Duration, wire: &mut Wire) -> Duration {
        let mut at = now;
        if !self.connection.is_open() {
            at = self.connection.open(at, wire) + HOP;
        }
        let pipelined = if wire.random.percent(20) { wire.random.between(2, 4) } else { 1 };
        let (requests, answers): (Vec<_>, Vec<_>) = (0..pipelined).map(|_| self.exchange(&mut wire.random)).unzip();
        let (cut, apart) = if pipelined == 1 { (5, 95) } else { (5, 10) };
        let requests = Packing::draw(cut, apart, &mut wire.random).segments(&requests, &mut wire.random);
        let (cut, apart) = if pipelined == 1 { (7, 93) } else { (10, 40) };
        let answers = Packing::draw(cut, apart, &mut wire.random).segments(&answers, &mut wire.random);
        let asked = self.send(Side::A, at, &requests, wire);
        let thinks = Duration::from_micros(u64::from(wire.random.between(800, 4_000)));
        let answered = self.send(Side::B, asked + thinks, &answers, wire);
        if self.acknowledges {
            self.connection.acknowledge(Side::A, answered + DELAYED_ACK, wire);
        }
        now + Duration::from_micros(u64::from(wire.random.between(990_000, 1_010_000)))
    }
}

impl Poll {
    fn draw(random: &mut Random) -> Self {
        let function = match random.between(0, 99) {
            0..60 => READ_HOLDING_REGISTERS,
            60..85 => READ_COILS,
            _ => WRITE_MULTIPLE_REGISTERS,
        };
        let count = match function {
            READ_COILS => random.short(8, 256),
            READ_HOLDING_REGISTERS => random.short(10, 110),
            _ => random.short(1, 10),
        };
        Self { function, address: random.short(0, 400) * 10, count }
    }

    fn request(self, random: &mut Random) -> Vec<u8> {
        let mut pdu = self.echo();
        if self.function == WRITE_MULTIPLE_REGISTERS {
            pdu.push((self.count * 2) as u8);
            extend_with_values(&mut pdu, self.count * 2, random);
        }
        pdu
    }

    fn answer(self, random: &mut Random) -> Vec<u8> {
        let bytes = match self.function {
            _ if random.percent(1) => return vec![self.function | EXCEPTION, ILLEGAL_DATA_ADDRESS],
            WRITE_MULTIPLE_REGISTERS => return self.echo(),
            READ_COILS => self.count.div_ceil(8),
            _ => self.count * 2,
        };
        let mut pdu = vec![self.function, bytes as u8];
        extend_with_values(&mut pdu, bytes, random);
        pdu
    }

    /// Function, address and count: a request to read, or the answer to a write.
    fn echo(self) -> Vec<u8> {
        let mut pdu = vec![self.function];
        pdu.extend_from_slice(&self.address.to_be_bytes());
        pdu.extend_from_slice(&self.count.to_be_bytes());
        pdu
    }
}

fn extend_with_values(pdu: &mut Vec<u8>, bytes: u16, random: &mut Random) {
    pdu.extend((0..bytes.div_ceil(8)).flat_map(|_| random.next().to_be_bytes()).take(usize::from(bytes)));
}

const READ_COILS: u8 = 1;
const READ_HOLDING_REGISTERS: u8 = 3;
const WRITE_MULTIPLE_REGISTERS: u8 = 16;
const EXCEPTION: u8 = 0x80;
const ILLEGAL_DATA_ADDRESS: u8 = 2;
const BETWEEN_SEGMENTS: Duration = Duration::from_micros(30);
const DELAYED_ACK: Duration = Duration::from_millis(40);
