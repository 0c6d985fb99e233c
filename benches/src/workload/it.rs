//! The IT of a site: HTTP, TLS that is opaque after its hellos (RFC 8446), and DNS (RFC 1035).

use super::http;
use super::random::Random;
use super::schedule::{Actor, Cast};
use super::wire::{Connection, Datagrams, End, FIRST_CLIENT_PORT, HOP, SEGMENT, Wire};
use dissectors::Side;
use std::time::Duration;

/// So many clients of each kind.
pub(super) fn clients(count: u32, random: &mut Random) -> Cast {
    let mut cast = http::clients(count, random);
    for number in 0..count {
        let mut start = || Duration::from_micros(u64::from(random.between(0, 999_999)));
        let (tls_start, dns_start) = (start(), start());
        cast.push((tls_start, Box::new(Browser::new(number, random))));
        cast.push((dns_start, Box::new(Resolver { client: number })));
    }
    cast
}

/// A client that loads something over TLS every now and then.
struct Browser {
    connection: Connection,
    number: u32,
    exchanges_left: u32,
}

impl Browser {
    fn new(number: u32, random: &mut Random) -> Self {
        let client = End::new(8, number, FIRST_CLIENT_PORT + random.short(0, 9_999));
        let server = End::new(10, number % 12, 443);
        Self { connection: Connection::new(client, server, random), number, exchanges_left: 0 }
    }

    fn begin(&mut self, at: Duration, wire: &mut Wire) -> Duration {
        let at = self.connection.open(at, wire);
        let client_hello = client_hello(&format!("cloud{}.example", self.number % 12), wire);
        self.connection.send(Side::A, at, &client_hello, wire);
        let mut flight = server_hello(wire);
        flight.extend_from_slice(&[20, 3, 3, 0, 1, 1]); // change cipher spec
        flight.extend(application_data(900, wire));
        self.connection.send(Side::B, at + 4 * HOP, &flight, wire);
        self.connection.acknowledge(Side::A, at + 5 * HOP, wire);
        self.exchanges_left = wire.random.between(5, 40);
        at + 6 * HOP
    }
}

impl Actor for Browser {
    fn turn(&mut self, now: Duration, wire: &mut Wire) -> Duration {
        let mut at = if self.connection.is_open() { now } else { self.begin(now, wire) };
        let asked = wire.random.between(80, 600) as usize;
        let request = application_data(asked, wire);
        self.connection.send(Side::A, at, &request, wire);
        at += Duration::from_micros(u64::from(wire.random.between(2_000, 20_000)));
        let told = wire.random.between(200, 6_000) as usize;
        for segment in application_data(told, wire).chunks(SEGMENT) {
            self.connection.send(Side::B, at, segment, wire);
            at += HOP;
        }
        self.connection.acknowledge(Side::A, at, wire);
        self.exchanges_left -= 1;
        if self.exchanges_left == 0 {
            at = self.connection.close(at + Duration::from_millis(1), wire);
        }
        at + Duration::from_micros(u64::from(wire.random.between(100_000, 900_000)))
    }
}

/// A record of cipher text.
fn application_data(length: usize, wire: &mut Wire) -> Vec<u8> {
    let mut record = vec![23, 3, 3];
    record.extend_from_slice(&(length as u16).to_be_bytes());
    record.extend_from_slice(wire.noise(length));
    record
}

/// A client's hello with a server name and TLS 1.3 (RFC 8446, section 4.1.2; RFC 6066, section 3).
fn client_hello(name: &str, wire: &mut Wire) -> Vec<u8> {
    let name = with_length::<2>(name.as_bytes());
    let names = with_length::<2>(&[&[0], name.as_slice()].concat());
    let extensions = [&[0, 0], with_length::<2>(&names).as_slice(), &[0, 43, 0, 3, 2, 3, 4]].concat();
    let suites = [0, 4, 0x13, 0x01, 0xc0, 0x2f];
    let random = wire.noise(32);
    let body = [&[3, 3], random, &[0], &suites, &[1, 0], &with_length::<2>(&extensions)].concat();
    let handshake = [&[1], with_length::<3>(&body).as_slice()].concat();
    [&[22, 3, 1], with_length::<2>(&handshake).as_slice()].concat()
}

/// A server's hello that takes TLS 1.3.
fn server_hello(wire: &mut Wire) -> Vec<u8> {
    let random = wire.noise(32);
    let body = [&[3, 3], random, &[0, 0x13, 0x01, 0], &with_length::<2>(&[0, 43, 0, 2, 3, 4])].concat();
    let handshake = [&[2], with_length::<3>(&body).as_slice()].concat();
    [&[22, 3, 3], with_length::<2>(&handshake).as_slice()].concat()
}

/// `bytes` after their length in `N` bytes.
fn with_length<const N: usize>(bytes: &[u8]) -> Vec<u8> {
    let length = (bytes.len() as u64).to_be_bytes();
    [&length[8 - N..], bytes].concat()
}

/// A client that asks for names, each time from another port.
struct Resolver {
    client: u32,
}

impl Actor for Resolver {
    fn turn(&mut self, now: Duration, wire: &mut Wire) -> Duration {
        let client = End::new(8, self.client, wire.random.short(FIRST_CLIENT_PORT, u16::MAX));
        let mut datagrams = Datagrams::new(client, End::new(10, 53, 53), &mut wire.random);
        let id = (wire.random.next() as u16).to_be_bytes();
        let host = format!("host{}", wire.random.between(1, 200));
        let question = [&[host.len() as u8], host.as_bytes(), b"\x07example\x00", &[0, 1, 0, 1]].concat();
        let query = [&id, [1, 0, 0, 1, 0, 0, 0, 0, 0, 0].as_slice(), &question].concat();
        // The name by its place in the message, type A, class IN, an hour, 4 bytes.
        let record = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0x0e, 0x10, 0, 4, 192, 0, 2, 1];
        let answer = [&id, [0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0].as_slice(), &question, &record].concat();
        datagrams.send(Side::A, now, &query, wire);
        datagrams.send(Side::B, now + 8 * HOP, &answer, wire);
        now + Duration::from_micros(u64::from(wire.random.between(200_000, 3_000_000)))
    }
}
