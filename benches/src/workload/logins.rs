//! A site that looks in on its cameras again and again: 500 of them, each watched for a second twenty times over, with a
//! login by Digest each time (RFC 2617), whose nonce is new. Some cameras have a default password, most have one of their own.

use super::camera::{DESCRIPTION, RTSP_PORT, SERVER, converse};
use super::random::Random;
use super::schedule::{Actor, Cast};
use super::video::{PER_SEGMENT, PICTURE, Stream, picture_bytes};
use super::wire::{Connection, End, FIRST_CLIENT_PORT, HOP, SEGMENT, Wire};
use dissectors::Side;
use md5::{Digest as _, Md5};
use std::time::Duration;

const CAMERAS: u32 = 500;
const RECORDERS: u32 = 4;
/// Pictures of each visit.
const PICTURES: u32 = 30;

/// With logins that can be tried.
pub(super) fn workload(random: &mut Random) -> Cast {
    cast(random, true)
}

/// The same conversations, byte for byte as long, with logins that prove nothing: what is left is the price of the checks.
pub(super) fn blind(random: &mut Random) -> Cast {
    cast(random, false)
}

fn cast(random: &mut Random, is_readable: bool) -> Cast {
    (0..CAMERAS)
        .map(|number| {
            let start = Duration::from_micros(u64::from(random.between(0, PICTURE.as_micros() as u32)));
            (start, Box::new(Visited::new(number, is_readable, random)) as Box<dyn Actor>)
        })
        .collect()
}

/// A camera, and who looks in on it.
struct Visited {
    number: u32,
    is_readable: bool,
    connection: Connection,
    stream: Stream,
    pictures: u32,
}

impl Visited {
    fn new(number: u32, is_readable: bool, random: &mut Random) -> Self {
        let recorder = End::new(7, number % RECORDERS, FIRST_CLIENT_PORT + 25 * (number / RECORDERS) as u16);
        let connection = Connection::new(recorder, End::new(6, number, RTSP_PORT), random);
        Self { number, is_readable, connection, stream: Stream::new(random), pictures: 0 }
    }

    /// A third calls itself like all of its make; the others bear their numbers.
    fn realm(&self) -> String {
        if self.number.is_multiple_of(3) { "camera".to_owned() } else { format!("Login to 4F0{:08}", self.number) }
    }

    fn password(&self) -> String {
        match self.number % 10 {
            0 => "12345".to_owned(),
            1 => "admin".to_owned(),
            _ => format!("qX4!{:06}-p", self.number),
        }
    }

    fn login(&self, method: &str, nonce: &str) -> String {
        let hash = |text: String| dissectors::hex(&Md5::digest(text));
        let (realm, uri) = (self.realm(), "rtsp://camera.example/live/ch1");
        let secret = hash(format!("admin:{realm}:{}", self.password()));
        let response = hash(format!("{secret}:{nonce}:{}", hash(format!("{method}:{uri}"))));
        let login = format!(
            "Digest username=\"admin\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", response=\"{response}\""
        );
        // A ticket tells nothing of what it stands for.
        let ticket = |login: &str| format!("Bearer {}", "0".repeat(login.len() - "Bearer ".len()));
        format!("Authorization: {}\r\n", if self.is_readable { login } else { ticket(&login) })
    }

    /// What is said before the first picture: asked without a login, then with one.
    fn begin(&mut self, at: Duration, wire: &mut Wire) -> Duration {
        let at = self.connection.open(at, wire);
        let nonce = format!("{:016x}", wire.random.next());
        let challenge = format!("WWW-Authenticate: Digest realm=\"{}\", nonce=\"{nonce}\"", self.realm());
        let (length, transport) = (DESCRIPTION.len(), "Transport: RTP/AVP/TCP;unicast;interleaved=0-1");
        let turns = [
            ("DESCRIBE", String::new(), format!("401 Unauthorized\r\n{SERVER}\r\n{challenge}\r\n"), ""),
            (
                "DESCRIBE",
                self.login("DESCRIBE", &nonce),
                format!("200 OK\r\n{SERVER}\r\nContent-Type: application/sdp\r\nContent-Length: {length}\r\n"),
                DESCRIPTION,
            ),
            (
                "SETUP",
                format!("{}{transport}\r\n", self.login("SETUP", &nonce)),
                format!("200 OK\r\n{transport}\r\nSession: 1\r\n"),
                "",
            ),
            (
                "PLAY",
                format!("{}Session: 1\r\n", self.login("PLAY", &nonce)),
                "200 OK\r\nSession: 1\r\n".to_owned(),
                "",
            ),
        ];
        converse(&mut self.connection, at, &turns, wire)
    }
}

impl Actor for Visited {
    fn turn(&mut self, now: Duration, wire: &mut Wire) -> Duration {
        let mut at = if self.connection.is_open() { now } else { self.begin(now, wire) };
        let mut left = picture_bytes(wire);
        self.stream.next_picture();
        while left > 0 {
            let length = left.min(SEGMENT - FRAME_HEADER - RTP_HEADER);
            left -= length;
            let packet = self.stream.packet(left == 0, length, wire);
            let frame = [[b'$', 0].as_slice(), &(packet.len() as u16).to_be_bytes(), &packet].concat();
            self.connection.send(Side::B, at, &frame, wire);
            at += PER_SEGMENT;
        }
        self.pictures += 1;
        if self.pictures.is_multiple_of(PICTURES) {
            let end = self.connection.close(at + HOP, wire);
            return end + PICTURE;
        }
        (now + PICTURE).max(at + HOP)
    }
}

const FRAME_HEADER: usize = 4;
const RTP_HEADER: usize = 12;
