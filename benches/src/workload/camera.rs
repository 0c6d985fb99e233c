//! Cameras that are watched over RTSP, with a login: half send their video within the connection (RFC 2326, 10.12), a third of
//! those in segments that begin anywhere; the others send RTP beside it. 25 pictures a second each, made of noise.

use super::random::Random;
use super::schedule::{Actor, Cast};
use super::video::{PER_SEGMENT, PICTURE, Segments, Stream, picture_bytes};
use super::wire::{Connection, Datagrams, End, FIRST_CLIENT_PORT, HOP, SEGMENT, Wire};
use dissectors::Side;
use std::time::Duration;

/// As many streams: a recorder each for some hundred of them.
const STREAMS: u32 = 5_000;
const RECORDERS: u32 = 16;

pub(super) fn workload(random: &mut Random) -> Cast {
    (0..STREAMS)
        .map(|number| {
            let start = Duration::from_micros(u64::from(random.between(0, PICTURE.as_micros() as u32)));
            (start, Box::new(Watched::new(number, random)) as Box<dyn Actor>)
        })
        .collect()
}

/// A camera, and who watches it.
struct Watched {
    number: u32,
    connection: Connection,
    /// RTP beside the connection.
    beside: Option<Datagrams>,
    stream: Stream,
    segments: Segments,
}

impl Watched {
    fn new(number: u32, random: &mut Random) -> Self {
        let port = FIRST_CLIENT_PORT + 2 * (number / RECORDERS) as u16;
        let recorder = |port| End::new(7, number % RECORDERS, port);
        let camera = |port| End::new(6, number, port);
        let beside = (number % 2 == 1).then(|| Datagrams::new(camera(SERVER_PORT), recorder(port), random));
        Self {
            number,
            connection: Connection::new(recorder(port), camera(RTSP_PORT), random),
            beside,
            stream: Stream::new(random),
            segments: Segments::new(!number.is_multiple_of(6)),
        }
    }

    /// What is said before the first picture: asked without a login, then with one.
    fn begin(&mut self, at: Duration, wire: &mut Wire) -> Duration {
        let at = self.connection.open(at, wire);
        let transport = if self.beside.is_some() {
            let port = FIRST_CLIENT_PORT + 2 * (self.number / RECORDERS) as u16;
            let (client, server) = (format!("{port}-{}", port + 1), format!("{SERVER_PORT}-{}", SERVER_PORT + 1));
            format!("RTP/AVP;unicast;client_port={client};server_port={server}")
        } else {
            "RTP/AVP/TCP;unicast;interleaved=0-1".to_owned()
        };
        let length = DESCRIPTION.len();
        let turns = [
            ("OPTIONS", String::new(), format!("200 OK\r\n{SERVER}\r\nPublic: DESCRIBE, SETUP, PLAY\r\n"), ""),
            ("DESCRIBE", String::new(), format!("401 Unauthorized\r\n{SERVER}\r\n{CHALLENGE}\r\n"), ""),
            (
                "DESCRIBE",
                LOGIN.to_owned(),
                format!("200 OK\r\n{SERVER}\r\nContent-Type: application/sdp\r\nContent-Length: {length}\r\n"),
                DESCRIPTION,
            ),
            (
                "SETUP",
                format!("{LOGIN}Transport: {transport}\r\n"),
                format!("200 OK\r\nTransport: {transport}\r\nSession: 1\r\n"),
                "",
            ),
            ("PLAY", format!("{LOGIN}Session: 1\r\n"), "200 OK\r\nSession: 1\r\n".to_owned(), ""),
        ];
        converse(&mut self.connection, at, &turns, wire)
    }
}

impl Actor for Watched {
    fn turn(&mut self, now: Duration, wire: &mut Wire) -> Duration {
        let mut at = if self.connection.is_open() { now } else { self.begin(now, wire) };
        let mut left = picture_bytes(wire);
        // A frame's header and its packet fill a segment, or are cut by it.
        let most = if self.beside.is_some() { BESIDE } else { SEGMENT - FRAME_HEADER - RTP_HEADER };
        self.stream.next_picture();
        while left > 0 {
            let length = left.min(most);
            left -= length;
            let packet = self.stream.packet(left == 0, length, wire);
            if let Some(beside) = &mut self.beside {
                beside.send(Side::A, at, &packet, wire);
                at += PER_SEGMENT;
            } else {
                self.segments.pending.extend_from_slice(&[b'$', 0]);
                self.segments.pending.extend_from_slice(&(packet.len() as u16).to_be_bytes());
                self.segments.pending.extend_from_slice(&packet);
                if self.segments.is_aligned {
                    self.segments.send(&mut self.connection, at, wire);
                    at += 2 * PER_SEGMENT;
                }
            }
        }
        self.segments.send(&mut self.connection, at, wire);
        now + PICTURE
    }
}

/// What a client asks: the method, more headers; and its answer: the status and headers, and a body.
type Asked<'a> = (&'a str, String, String, &'a str);

/// Questions and their answers, one after the other; tells when all is said.
pub(super) fn converse(
    connection: &mut Connection,
    mut at: Duration,
    turns: &[Asked<'_>],
    wire: &mut Wire,
) -> Duration {
    for (turn, (method, more, answer, body)) in turns.iter().enumerate() {
        let asked =
            format!("{method} rtsp://camera.example/live/ch1 RTSP/1.0\r\nCSeq: {turn}\r\n{AGENT}\r\n{more}\r\n");
        let (status, headers) = answer.split_once("\r\n").unwrap_or((answer, ""));
        let answer = format!("RTSP/1.0 {status}\r\nCSeq: {turn}\r\n{headers}\r\n{body}");
        connection.send(Side::A, at, asked.as_bytes(), wire);
        connection.send(Side::B, at + HOP, answer.as_bytes(), wire);
        at += 2 * HOP;
    }
    connection.acknowledge(Side::A, at, wire);
    at + HOP
}

/// Where the cameras listen.
pub(super) const RTSP_PORT: u16 = 554;
/// Where they send from.
pub(super) const SERVER_PORT: u16 = 6_970;

const FRAME_HEADER: usize = 4;
const RTP_HEADER: usize = 12;
const BESIDE: usize = 1_388; // with its header 1,400
const AGENT: &str = "User-Agent: recorder/1.4";
pub(super) const SERVER: &str = "Server: camera/2.1";
const CHALLENGE: &str = "WWW-Authenticate: Digest realm=\"camera\", nonce=\"8b0c6a4d2f9e1735\"";
const LOGIN: &str = "Authorization: Digest username=\"viewer\", realm=\"camera\", nonce=\"8b0c6a4d2f9e1735\", \
    uri=\"rtsp://camera.example/live/ch1\", response=\"5f2c8d1e7a3b4c6d9e0f1a2b3c4d5e6f\"\r\n";
pub(super) const DESCRIPTION: &str = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=Gate\r\nt=0 0\r\na=control:*\r\nm=video 0 RTP/AVP 96\r\n\
    a=rtpmap:96 H264/90000\r\na=control:track1\r\n";
