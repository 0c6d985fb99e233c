//! DNP3 over TCP (IEEE 1815-2012): each master polls its outstations once a second, for events and for values; outstations
//! send some events unasked; some outputs are operated, and lines that are quiet are kept alive. Every frame has its
//! checksums, in its header and behind each block.

use super::packing::Packing;
use super::random::Random;
use super::schedule::{Actor, Cast};
use super::wire::{Connection, End, FIRST_CLIENT_PORT, HOP, Wire};
use dissectors::Side;
use std::time::Duration;

pub(super) fn workload(random: &mut Random) -> Cast {
    lines(10, 100, random)
}

/// So many masters, and as many outstations for each of them.
pub(super) fn lines(masters: u32, outstations: u32, random: &mut Random) -> Cast {
    let mut cast = Cast::new();
    for master in 0..masters {
        for outstation in 0..outstations {
            let start = Duration::from_micros(u64::from(random.between(0, 999_999)));
            cast.push((start, Box::new(Line::new(master, master * outstations + outstation, random))));
        }
    }
    cast
}

/// A master and an outstation.
struct Line {
    connection: Connection,
    master: Station,
    outstation: Station,
    /// Of what the master asks, and of what the outstation sends unasked.
    asked: u8,
    unasked: u8,
    /// Whether the master's stack acknowledges an answer at once in a packet of its own, or with the next request.
    acknowledges: bool,
}

/// One end of a line.
#[derive(Clone, Copy)]
struct Station {
    address: u16,
    is_master: bool,
    /// The next number of its transport function.
    segment: u8,
}

impl Line {
    fn new(master: u32, outstation: u32, random: &mut Random) -> Self {
        let client = End::new(6, master, FIRST_CLIENT_PORT + outstation as u16);
        Self {
            connection: Connection::new(client, End::new(7, outstation, PORT), random),
            master: Station { address: 1 + master as u16, is_master: true, segment: 0 },
            outstation: Station { address: 100 + outstation as u16, is_master: false, segment: 0 },
            asked: random.next() as u8,
            unasked: random.next() as u8,
            acknowledges: random.percent(50),
        }
    }

    /// Sends a fragment in frames; returns when it was sent.
    fn send(&mut self, side: Side, at: Duration, fragment: &[u8], wire: &mut Wire) -> Duration {
        let (from, to) = match side {
            Side::A => (&mut self.master, self.outstation.address),
            Side::B => (&mut self.outstation, self.master.address),
        };
        let frames = from.frames(to, fragment);
        let segments = Packing::draw(3, 0, &mut wire.random).segments(&frames, &mut wire.random);
        let mut at = at;
        for segment in segments {
            self.connection.send(side, at, &segment, wire);
            at += BETWEEN_SEGMENTS;
        }
        at
    }

    /// A request, its answer, and the confirmation that some answers want.
    fn exchange(&mut self, now: Duration, wire: &mut Wire) -> Duration {
        self.asked = self.asked.wrapping_add(1) & SEQUENCE;
        let (request, answer) = match wire.random.between(0, 99) {
            0..55 => (read(&CLASSES[1..]), events(&mut wire.random)),
            55..85 => (read(&[[30, 0, ALL], [1, 0, ALL]]), values(8, &mut wire.random)),
            85..92 => (read(&CLASSES), values(90, &mut wire.random)),
            92..96 => (control(SELECT), control(0)),
            _ => (control(DIRECT_OPERATE), control(0)),
        };
        let asked = self.send(Side::A, now, &[&[WHOLE | self.asked], request.as_slice()].concat(), wire);
        let wants_confirmation = answer.first() == Some(&EVENT);
        let control = WHOLE | self.asked | if wants_confirmation { CONFIRM } else { 0 };
        let thinks = Duration::from_micros(u64::from(wire.random.between(2_000, 9_000)));
        let objects = if request[0] == READ { &answer[..] } else { &request[1..] };
        let fragment = [&[control, RESPONSE, 0, 0], objects].concat();
        let answered = self.send(Side::B, asked + thinks, &fragment, wire);
        if wants_confirmation {
            return self.send(Side::A, answered + HOP, &[WHOLE | self.asked, 0], wire);
        }
        if self.acknowledges {
            self.connection.acknowledge(Side::A, answered + DELAYED_ACK, wire);
        }
        answered
    }

    /// An event that nobody asked for, and its confirmation.
    fn tell(&mut self, at: Duration, wire: &mut Wire) {
        self.unasked = self.unasked.wrapping_add(1) & SEQUENCE;
        let control = WHOLE | CONFIRM | UNSOLICITED | self.unasked;
        let fragment = [&[control, UNSOLICITED_RESPONSE, 0, 0], event(&mut wire.random).as_slice()].concat();
        let told = self.send(Side::B, at, &fragment, wire);
        self.send(Side::A, told + HOP, &[WHOLE | UNSOLICITED | self.unasked, 0], wire);
    }

    /// A frame of the link that asks whether the other is there, and its answer.
    fn keep_alive(&mut self, at: Duration, wire: &mut Wire) {
        let asks = frame(REQUEST_LINK_STATUS, self.outstation.address, self.master.address, &[]);
        let answers = frame(LINK_STATUS, self.master.address, self.outstation.address, &[]);
        self.connection.send(Side::A, at, &asks, wire);
        self.connection.send(Side::B, at + HOP, &answers, wire);
    }
}

impl Actor for Line {
    fn turn(&mut self, now: Duration, wire: &mut Wire) -> Duration {
        let mut at = now;
        if !self.connection.is_open() {
            at = self.connection.open(at, wire) + HOP;
        }
        if wire.random.percent(4) {
            self.keep_alive(at, wire);
        } else {
            let done = self.exchange(at, wire);
            if wire.random.percent(8) {
                self.tell(done + Duration::from_millis(100), wire);
            }
        }
        now + Duration::from_micros(u64::from(wire.random.between(990_000, 1_010_000)))
    }
}

impl Station {
    /// A fragment in segments of the transport function (clause 8), each in a frame of its own.
    fn frames(&mut self, to: u16, fragment: &[u8]) -> Vec<Vec<u8>> {
        let count = fragment.len().div_ceil(MOST_OF_A_SEGMENT);
        let segments = fragment.chunks(MOST_OF_A_SEGMENT).enumerate().map(|(place, bytes)| {
            let (first, last) = (u8::from(place == 0) << 6, u8::from(place + 1 == count) << 7);
            let header = first | last | self.segment;
            self.segment = self.segment.wrapping_add(1) & 0x3f;
            let direction = if self.is_master { 0x80 } else { 0 };
            frame(UNCONFIRMED_DATA | direction, to, self.address, &[&[header], bytes].concat())
        });
        segments.collect()
    }
}

/// A link frame: a header of ten bytes, then blocks of sixteen, each with its checksum (clause 9).
fn frame(control: u8, to: u16, from: u16, data: &[u8]) -> Vec<u8> {
    let mut header = vec![0x05, 0x64, data.len() as u8 + 5, control];
    header.extend_from_slice(&to.to_le_bytes());
    header.extend_from_slice(&from.to_le_bytes());
    let mut frame = Vec::with_capacity(10 + data.len() / 16 * 18 + 18);
    for block in [header.as_slice()].into_iter().chain(data.chunks(16)) {
        frame.extend_from_slice(block);
        frame.extend_from_slice(&checksum(block).to_le_bytes());
    }
    frame
}

/// 9.2.4.3: the polynomial 0x3D65, low bit first, sent inverted.
fn checksum(block: &[u8]) -> u16 {
    !block.iter().fold(0, |crc: u16, byte| crc >> 8 ^ TABLE[usize::from(crc as u8 ^ byte)])
}

static TABLE: [u16; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u16;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xa6bc } else { crc >> 1 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

fn read(headers: &[[u8; 3]]) -> Vec<u8> {
    [&[READ], headers.concat().as_slice()].concat()
}

/// One relay, closed for a tenth of a second (A.8.1).
fn control(function: u8) -> Vec<u8> {
    [&[function, 12, 1, 0x17, 1, 3, 0x41, 1], 100_u32.to_le_bytes().as_slice(), &[0; 5]].concat()
}

/// The events of a second: none in half of them.
fn events(random: &mut Random) -> Vec<u8> {
    if random.percent(50) { Vec::new() } else { event(random) }
}

/// Changes of binary inputs with their time (A.3.2), and of analog inputs (A.15.1).
fn event(random: &mut Random) -> Vec<u8> {
    let changes = random.between(1, 3) as u8;
    let mut objects = vec![EVENT, 2, 0x28, changes, 0];
    for _ in 0..changes {
        objects.extend_from_slice(&random.short(0, 63).to_le_bytes());
        objects.push(if random.percent(50) { 0x81 } else { 0x01 });
        objects.extend_from_slice(&random.next().to_le_bytes()[..6]);
    }
    objects.extend_from_slice(&[32, 1, 0x28, 1, 0]);
    objects.extend_from_slice(&random.short(0, 31).to_le_bytes());
    objects.push(1);
    objects.extend_from_slice(&random.between(0, 100_000).to_le_bytes());
    objects
}

/// So many analog inputs with their flags (A.14.1), and as many binary inputs (A.2.2).
fn values(count: u8, random: &mut Random) -> Vec<u8> {
    let mut objects = vec![30, 1, 0, 0, count - 1];
    for _ in 0..count {
        objects.push(1);
        objects.extend_from_slice(&random.between(0, 100_000).to_le_bytes());
    }
    objects.extend_from_slice(&[1, 2, 0, 0, count - 1]);
    objects.extend((0..count).map(|_| if random.percent(50) { 0x81 } else { 0x01 }));
    objects
}

pub(super) const PORT: u16 = 20_000;
/// Object headers that name the classes 0 to 3 (A.25).
const CLASSES: [[u8; 3]; 4] = [[60, 1, ALL], [60, 2, ALL], [60, 3, ALL], [60, 4, ALL]];
/// The qualifier that names all there are.
const ALL: u8 = 6;
/// The group of a change of a binary input: by it an answer is known that wants to be confirmed.
const EVENT: u8 = 2;

const READ: u8 = 1;
const SELECT: u8 = 3;
const DIRECT_OPERATE: u8 = 5;
const RESPONSE: u8 = 129;
const UNSOLICITED_RESPONSE: u8 = 130;

/// FIR and FIN.
const WHOLE: u8 = 0xc0;
const CONFIRM: u8 = 0x20;
const UNSOLICITED: u8 = 0x10;
const SEQUENCE: u8 = 0x0f;

/// PRM is set, and FCB is not valid.
const UNCONFIRMED_DATA: u8 = 0x44;
const REQUEST_LINK_STATUS: u8 = 0xc9;
const LINK_STATUS: u8 = 0x0b;
const MOST_OF_A_SEGMENT: usize = 249;

const BETWEEN_SEGMENTS: Duration = Duration::from_micros(30);
const DELAYED_ACK: Duration = Duration::from_millis(40);
