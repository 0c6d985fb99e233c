//! No password stays in the memory of the process once it was judged: looked for in all memory that is nobody's file. (The
//! capture itself is mapped, and not ours to wipe.)
//!
//! It has a process of its own, so that no other test leaves what is looked for here. The needle stands in it backwards.
#![cfg(target_os = "linux")]

use etherparse::PacketBuilder;
use fingerprints::Credentials;
use fingerprints::inventory::Names;
use fingerprints::record::Record;
use sensor::pipeline::Settings;
use sensor::reading::{self, Job};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::UNIX_EPOCH;
use zeroize::Zeroizing;

/// `lab-secret-1`, which two devices of the capture accept, `lab-wrong-0`, which one refuses, and both in Base64 as they
/// stand behind `admin:`.
const BACKWARDS: [&str; 4] = ["1-terces-bal", "0-gnorw-bal", "x0CdlJ3YlNXLiFGb", "ATLn52bydXLiFGb"];

#[test]
fn no_password_stays_in_memory() {
    let found = control();
    assert!(found > 0, "what is there is not found");
    let folder = tempfile::tempdir().expect("a folder of its own");
    let in_pieces = folder.path().join("pieces.pcap");
    write_in_pieces(&in_pieces);
    let whole = folder.path().join("whole.pcap");
    fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("../pcaps/http/web.pcap"), &whole).expect("there is room");
    settle(&whole);
    let captures = [(&whole, 2), (&in_pieces, usize::from(IN_PIECES))];
    for ((capture, logins), workers) in captures.into_iter().flat_map(|capture| [(capture, 1), (capture, 2)]) {
        let records = read(capture, workers);
        let judged = records.iter().filter(|record| is_judged(record)).count();
        assert_eq!(judged, logins, "of {}", capture.display());
        for backwards in BACKWARDS {
            assert_eq!(count(backwards), 0, "{}, {workers} workers: {backwards} backwards", capture.display());
        }
    }
}

/// Logins whose heads are cut in three; of every other one the last pieces come in the wrong order. All begin before one
/// ends, so that what is kept of them is not soon written over.
fn write_in_pieces(path: &Path) {
    let secret = Zeroizing::new(BACKWARDS[2].bytes().rev().collect::<Vec<u8>>());
    let front = [b"GET / HTTP/1.1\r\nX: ".as_slice(), &[b'x'; 600], b"\r\n"].concat();
    let rest = Zeroizing::new([b"Authorization: Basic YWRtaW46".as_slice(), &secret, b"\r\n"].concat());
    let end = [b"Y: ".as_slice(), &[b'y'; 600], b"\r\n\r\n"].concat();
    let (first, second) = (100, 100 + length(&front));
    let third = second + length(&rest);
    let mut file = Zeroizing::new(Vec::with_capacity(1 << 18));
    file.extend_from_slice(&[0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0]);
    let pieces = [(first, front.as_slice()), (second, &rest), (third, &end)];
    for turn in 0..=pieces.len() {
        for number in 1..=IN_PIECES {
            let (client, server) = (([10, 0, 0, 9], 40_000), ([10, 0, 0, number], 80));
            let is_odd = number % 2 == 1;
            match turn.checked_sub(1) {
                None => frame(&mut file, client, server, 99, &[], true),
                Some(turn) => {
                    let (sequence, bytes) = pieces[if is_odd && turn > 0 { 3 - turn } else { turn }];
                    frame(&mut file, client, server, sequence, bytes, false);
                }
            }
        }
    }
    for number in 1..=IN_PIECES {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        frame(&mut file, ([10, 0, 0, number], 80), ([10, 0, 0, 9], 40_000), 1, answer, false);
    }
    fs::write(path, &*file).expect("written");
    settle(path);
}

/// What may still grow is not mapped, but read into memory as it comes.
fn settle(path: &Path) {
    let written = File::options().write(true).open(path).expect("it is there");
    written.set_modified(UNIX_EPOCH).expect("it is ours");
}

const IN_PIECES: u8 = 40;

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).expect("short")
}

fn frame(file: &mut Vec<u8>, from: ([u8; 4], u16), to: ([u8; 4], u16), sequence: u32, bytes: &[u8], opens: bool) {
    let ethernet = PacketBuilder::ethernet2([2; 6], [4; 6]).ipv4(from.0, to.0, 64);
    let segment = ethernet.tcp(from.1, to.1, sequence, 4_096);
    let segment = if opens { segment.syn() } else { segment.ack(1) };
    let size = u32::try_from(segment.size(bytes.len())).expect("short").to_le_bytes();
    for part in [[0, 0, 0, 100], [0; 4], size, size] {
        file.extend_from_slice(&part);
    }
    segment.write(file, bytes).expect("a vector takes all");
}

fn is_judged(record: &Record) -> bool {
    matches!(record, Record::Credentials(row) if row.strength == "strong")
}

fn read(capture: &Path, workers: usize) -> Vec<Record> {
    let job = Job {
        paths: vec![capture.to_owned()],
        site: "default".to_owned(),
        sensor: "otoscope".to_owned(),
        settings: Settings { workers, ..Settings::default() },
        filter: None,
        names: Names::default(),
        credentials: Credentials::default(),
        baseline: None,
    };
    reading::prepare(job).expect("the capture can be read").read(&mut |_| {}).records
}

/// How often something is found that is there.
fn control() -> usize {
    let backwards = "dnuof eb ot si sihT";
    let there: Vec<u8> = backwards.bytes().rev().collect();
    let found = count(backwards);
    drop(std::hint::black_box(there));
    found
}

/// How often a text stands in the memory of this process that is nobody's file.
fn count(backwards: &str) -> usize {
    let memory = File::open("/proc/self/mem").expect("the system shows a process its own memory");
    let maps = fs::read_to_string("/proc/self/maps").expect("and what it is");
    let mut found = 0;
    let mut buffer = vec![0; CHUNK];
    for (start, end) in maps.lines().filter_map(anonymous) {
        let mut at = start;
        while at < end {
            let length = usize::try_from(end - at).map_or(CHUNK, |left| left.min(CHUNK));
            let Ok(read) = memory.read_at(&mut buffer[..length], at) else { break };
            found += occurrences(&buffer[..read], backwards.as_bytes());
            // Chunks overlap by what the text may be cut at.
            let step = if read == CHUNK { CHUNK - backwards.len() } else { read.max(1) };
            at += step as u64;
            buffer.fill(0);
        }
    }
    found
}

const CHUNK: usize = 1 << 20;

/// The ends of a mapping that can be written and has no file.
fn anonymous(line: &str) -> Option<(u64, u64)> {
    let mut parts = line.split_whitespace();
    let (range, rights) = (parts.next()?, parts.next()?);
    let is_file = parts.nth(3).is_some_and(|name| name.starts_with('/'));
    let (start, end) = range.split_once('-')?;
    let number = |text| u64::from_str_radix(text, 16).ok();
    Some((number(start)?, number(end)?)).filter(|_| rights.starts_with("rw") && !is_file)
}

fn occurrences(bytes: &[u8], backwards: &[u8]) -> usize {
    bytes.windows(backwards.len()).filter(|window| window.iter().eq(backwards.iter().rev())).count()
}
