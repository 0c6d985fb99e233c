//! What is made to fill memory does not: entities that stand for entities, nests without a floor, heads, chunks, parts and
//! descriptions without an end. Each kind costs what its caps allow, however long it goes on.

#[path = "harness/support.rs"]
#[expect(dead_code, reason = "the harness uses the rest")]
mod support;

use flate2::Compression;
use flate2::write::GzEncoder;
use peak_alloc::PeakAlloc;
use sensor::pipeline::Settings;
use std::io::Write;
use support::{Recording, read};

/// So much crosses the wire of each kind.
const BOMB: usize = 4 << 20;
/// Enough of one for all that every reading needs to be there.
const HANDFUL: usize = 64 << 10;
/// What a reading takes at a time: half a MiB for itself, the front of a message, as much of a body, its elements, and what a
/// decoder keeps.
const MOST: usize = 1_536 << 10;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// A kind of bomb: how it begins, and what goes on and on behind that.
struct Bomb {
    name: &'static str,
    port: u16,
    front: Vec<u8>,
    endless: Vec<u8>,
}

impl Bomb {
    fn new(name: &'static str, port: u16, front: &str, endless: &str) -> Self {
        Self { name, port, front: front.as_bytes().to_vec(), endless: endless.as_bytes().to_vec() }
    }

    /// The client's half of a conversation.
    fn recording(&self, bytes: usize) -> Recording {
        let (client, server) = ((0x0000_0001, 40_000), (0x0000_0002, self.port));
        let mut recording = Recording::new();
        recording.syn(client, server, 0);
        recording.opening(server, client, 0, 1);
        let repeats = bytes / self.endless.len();
        let mut all = self.front.clone();
        (0..repeats).for_each(|_| all.extend(&self.endless));
        let mut sequence = 1_u32;
        for segment in all.chunks(1_400) {
            recording.tcp(client, server, sequence, 1, segment);
            sequence += u32::try_from(segment.len()).expect("segments are short");
        }
        recording
    }
}

fn bombs() -> Vec<Bomb> {
    let soap = "POST /onvif/device_service HTTP/1.1\r\nContent-Type: application/soap+xml\r\n";
    let chunked = format!("{soap}Transfer-Encoding: chunked\r\n\r\n");
    let sized = format!("{soap}Content-Length: 4000000000\r\n\r\n");
    let entity = |number: u8| format!("<!ENTITY l{number} '{}'>", format!("&l{};", number - 1).repeat(10));
    let entities: Vec<String> = (1..10).map(entity).collect();
    let laughs = format!("{sized}<?xml version='1.0'?><!DOCTYPE l [<!ENTITY l0 'ha'>{}]><l>&l9;", entities.concat());
    let described = "ANNOUNCE rtsp://10.0.0.2/1 RTSP/1.0\r\nCSeq: 1\r\nContent-Type: application/sdp\r\nContent-Length: 60000\r\n\r\n";
    let parts =
        "POST /x HTTP/1.1\r\nContent-Type: multipart/related; boundary=b\r\nContent-Length: 4000000000\r\n\r\n--b\r\n";
    let tunnel = "POST /x HTTP/1.0\r\nAccept: application/x-rtsp-tunnelled\r\nContent-Length: 4000000000\r\n\r\n";
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(&vec![b' '; 64 << 20]).expect("memory does not fail");
    let packed = gzip.finish().expect("memory does not fail");
    let gzip_head = format!("{soap}Content-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", packed.len());
    vec![
        Bomb::new("entities of entities", 80, &laughs, "&l9;"),
        Bomb::new("a nest without a floor", 80, &sized, "<a>"),
        Bomb::new("elements without an end", 80, &format!("{sized}<a>"), "<b/>"),
        Bomb::new("prefixes without an end", 80, &format!("{sized}<a"), " xmlns:x='urn:x'"),
        Bomb::new("a head without an end", 80, "GET / HTTP/1.1\r\n", "X-Header: x\r\n"),
        Bomb::new("a header without an end", 80, "GET / HTTP/1.1\r\nX-Header: ", "xxxxxxxxxxxxxxxx"),
        Bomb::new("a head of RTSP without an end", 554, "PLAY rtsp://10.0.0.2/1 RTSP/1.0\r\n", "X-Header: x\r\n"),
        Bomb::new("chunks without an end", 80, &chunked, "8\r\n<a></a>\n\r\n"),
        Bomb::new("trailers without an end", 80, &format!("{chunked}0\r\n"), "X-Trailer: x\r\n"),
        Bomb::new("parts without an end", 80, parts, "Content-Type: text/xml\r\n\r\n<a>\r\n--b\r\n"),
        Bomb::new("a part's head without an end", 80, parts, "X-Header: x\r\n"),
        Bomb::new("requests that nobody answers", 80, "", "GET / HTTP/1.1\r\nAuthorization: Basic YTpi\r\n\r\n"),
        Bomb::new("descriptions of streams", 554, "", &format!("{described}{}", "a=x-".repeat(15_000))),
        Bomb::new("base64 without an end", 8554, tunnel, "UExBWSBydHNwOi8v"),
        Bomb { name: "a packed bomb", port: 80, front: Vec::new(), endless: [gzip_head.into_bytes(), packed].concat() },
    ]
}

#[test]
fn bombs_stay_within_the_caps() {
    // What every reading needs is there before the first one is measured.
    for bomb in bombs() {
        taken(&bomb, HANDFUL);
    }
    for bomb in bombs() {
        let taken = taken(&bomb, BOMB);
        eprintln!("{}: {} KiB", bomb.name, taken >> 10);
        assert!(taken < MOST, "{}: {} KiB", bomb.name, taken >> 10);
    }
}

/// The most memory that reading so much of a bomb takes at a time.
fn taken(bomb: &Bomb, bytes: usize) -> usize {
    let input = bomb.recording(bytes).input(bomb.name);
    MEMORY.reset_peak_usage();
    let before = MEMORY.current_usage();
    read(vec![input], Settings { workers: 1, ..Settings::default() });
    MEMORY.peak_usage().saturating_sub(before)
}
