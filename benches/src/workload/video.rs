//! Cameras, 25 pictures a second each: half answer one HTTP request with a body that does not end, half send RTP
//! (RFC 3550) datagrams. What the pictures are made of is noise.

use super::random::Random;
use super::schedule::{Actor, Cast};
use super::wire::{Connection, Datagrams, End, FIRST_CLIENT_PORT, HOP, SEGMENT, Wire};
use dissectors::Side;
use std::time::Duration;

pub(super) fn workload(random: &mut Random) -> Cast {
    cameras(200, random)
}

/// So many cameras.
pub(super) fn cameras(count: u32, random: &mut Random) -> Cast {
    (0..count)
        .map(|number| {
            let start = Duration::from_micros(u64::from(random.between(0, PICTURE.as_micros() as u32)));
            let camera: Box<dyn Actor> = match number % 2 {
                0 => Box::new(Streaming::new(number, random)),
                _ => Box::new(Sending::new(number, random)),
            };
            (start, camera)
        })
        .collect()
}

/// A camera that streams over HTTP.
struct Streaming {
    connection: Connection,
    /// Each picture is a chunk (RFC 9112, section 7.1); otherwise the body has a length that is never reached.
    is_chunked: bool,
    segments: Segments,
}

impl Streaming {
    fn new(number: u32, random: &mut Random) -> Self {
        let viewer = End::new(5, number % 8, FIRST_CLIENT_PORT + number as u16);
        Self {
            connection: Connection::new(viewer, End::new(4, number, HTTP_PORT), random),
            is_chunked: !number.is_multiple_of(3),
            segments: Segments::new(number % 3 == 1),
        }
    }

    fn begin(&mut self, at: Duration, wire: &mut Wire) -> Duration {
        let at = self.connection.open(at, wire);
        let length = if self.is_chunked { "Transfer-Encoding: chunked" } else { "Content-Length: 1099511627776" };
        let answer = format!("HTTP/1.1 200 OK\r\nServer: camera/2.1\r\nContent-Type: video/mp2t\r\n{length}\r\n\r\n");
        self.connection.send(Side::A, at, REQUEST, wire);
        self.connection.send(Side::B, at + HOP, answer.as_bytes(), wire);
        self.connection.acknowledge(Side::A, at + 2 * HOP, wire);
        at + 3 * HOP
    }

    fn take_picture(&mut self, wire: &mut Wire) {
        let length = picture_bytes(wire);
        if self.is_chunked {
            self.segments.pending.extend_from_slice(format!("{length:x}\r\n").as_bytes());
        }
        self.segments.pending.extend_from_slice(wire.noise(length));
        if self.is_chunked {
            self.segments.pending.extend_from_slice(b"\r\n");
        }
    }
}

impl Actor for Streaming {
    fn turn(&mut self, now: Duration, wire: &mut Wire) -> Duration {
        let at = if self.connection.is_open() { now } else { self.begin(now, wire) };
        self.take_picture(wire);
        self.segments.send(&mut self.connection, at, wire);
        now + PICTURE
    }
}

/// What side B of a connection sends, cut into segments of which side A acknowledges every second.
pub(super) struct Segments {
    /// A picture's last segment is short; otherwise segments are full and pictures begin anywhere in them.
    pub(super) is_aligned: bool,
    /// What waits for a full segment.
    pub(super) pending: Vec<u8>,
    sent: u64,
}

impl Segments {
    pub(super) fn new(is_aligned: bool) -> Self {
        Self { is_aligned, pending: Vec::new(), sent: 0 }
    }

    pub(super) fn send(&mut self, connection: &mut Connection, mut at: Duration, wire: &mut Wire) {
        let ready = if self.is_aligned { self.pending.len() } else { self.pending.len() / SEGMENT * SEGMENT };
        for segment in self.pending[..ready].chunks(SEGMENT) {
            connection.send(Side::B, at, segment, wire);
            at += PER_SEGMENT;
            self.sent += 1;
            if self.sent.is_multiple_of(2) {
                connection.acknowledge(Side::A, at, wire);
                at += PER_SEGMENT;
            }
        }
        self.pending.drain(..ready);
    }
}

/// A camera that sends RTP.
struct Sending {
    datagrams: Datagrams,
    stream: Stream,
}

impl Sending {
    fn new(number: u32, random: &mut Random) -> Self {
        let viewer = End::new(5, number % 8, FIRST_CLIENT_PORT + 2 * number as u16);
        Self { datagrams: Datagrams::new(End::new(4, number, RTP_PORT), viewer, random), stream: Stream::new(random) }
    }
}

/// The packets of a source of RTP.
pub(super) struct Stream {
    sequence: u16,
    clock: u32,
    source: [u8; 4],
}

impl Stream {
    pub(super) fn new(random: &mut Random) -> Self {
        Self {
            sequence: random.next() as u16,
            clock: random.next() as u32,
            source: (random.next() as u32).to_be_bytes(),
        }
    }

    pub(super) fn next_picture(&mut self) {
        self.clock = self.clock.wrapping_add(RTP_CLOCK / 25);
    }

    /// Version 2, dynamic payload type 96, the marker on a picture's last packet (RFC 6184, section 5.1).
    pub(super) fn packet(&mut self, is_last: bool, length: usize, wire: &mut Wire) -> Vec<u8> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut packet = vec![0x80, if is_last { MARKER | DYNAMIC } else { DYNAMIC }];
        packet.extend_from_slice(&self.sequence.to_be_bytes());
        packet.extend_from_slice(&self.clock.to_be_bytes());
        packet.extend_from_slice(&self.source);
        packet.extend_from_slice(wire.noise(length));
        packet
    }
}

impl Actor for Sending {
    fn turn(&mut self, now: Duration, wire: &mut Wire) -> Duration {
        self.stream.next_picture();
        let mut left = picture_bytes(wire);
        let mut at = now;
        while left > 0 {
            let length = left.min(RTP_PAYLOAD);
            left -= length;
            let packet = self.stream.packet(left == 0, length, wire);
            self.datagrams.send(Side::A, at, &packet, wire);
            at += PER_SEGMENT;
        }
        // RTP has no acknowledgements: a quarter more pictures make the halves equal in packets.
        now + PICTURE * 4 / 5
    }
}

/// One in 25 pictures is whole, the others tell what changed.
pub(super) fn picture_bytes(wire: &mut Wire) -> usize {
    let whole = wire.random.percent(4);
    let bytes = if whole { wire.random.between(30_000, 50_000) } else { wire.random.between(4_000, 9_000) };
    bytes as usize
}

/// Where the HTTP cameras listen.
pub(super) const HTTP_PORT: u16 = 8_080;
/// Where the RTP cameras send from.
pub(super) const RTP_PORT: u16 = 5_004;

pub(super) const PICTURE: Duration = Duration::from_millis(40);
pub(super) const PER_SEGMENT: Duration = Duration::from_micros(13); // 1,514 bytes at 1 Gbit/s
const MARKER: u8 = 0x80;
const DYNAMIC: u8 = 0x60;
const RTP_CLOCK: u32 = 90_000;
const RTP_PAYLOAD: usize = 1_188; // with its header 1,200
const REQUEST: &[u8] =
    b"GET /live/main.ts HTTP/1.1\r\nHost: camera.example\r\nUser-Agent: recorder/1.4\r\nAccept: */*\r\n\r\n";
