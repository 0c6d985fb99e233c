//! A flood of strangers costs what `--memory` says and pushes out strangers alone: every device that was known before is
//! known after, with all that it said.
//!
//! A hundredth of the flood, unless `OTOSCOPE_FLOOD` names another share; 1 is a million spoofed sources, ten million
//! flows and a hundred thousand open fragments.

use fingerprints::Credentials;
use fingerprints::inventory::Names;
use fingerprints::record::{AssetRow, Record};
use sensor::pipeline::{Entry, Settings};
use sensor::reading::{self, Job, Reading};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

/// 2030, after all captures of ours.
const START: u64 = 1_893_456_000_000_000_000;
const MEMORY: usize = 512 << 20;

/// A capture of frames one microsecond apart.
struct Flood {
    file: BufWriter<File>,
    nanos: u64,
}

impl Flood {
    fn new(path: &Path) -> Self {
        let mut file = BufWriter::new(File::create(path).expect("the folder can be written to"));
        for word in [0xa1b2_3c4d_u32, 0x0004_0002, 0, 0, 262_144, 1] {
            file.write_all(&word.to_le_bytes()).expect("there is room");
        }
        Self { file, nanos: START }
    }

    fn frame(&mut self, frame: &[u8]) {
        let length = u32::try_from(frame.len()).expect("frames are short");
        let seconds = u32::try_from(self.nanos / 1_000_000_000).expect("before 2106");
        let nanos = u32::try_from(self.nanos % 1_000_000_000).expect("below a second");
        for word in [seconds, nanos, length, length] {
            self.file.write_all(&word.to_le_bytes()).expect("there is room");
        }
        self.file.write_all(frame).expect("there is room");
        self.nanos += 1_000;
    }

    /// An IPv4 packet; `place` are its flags and fragment offset.
    fn ip(&mut self, (from, to): (u32, u32), (id, place): (u16, u16), protocol: u8, payload: &[u8]) {
        let [_, a, b, c] = from.to_be_bytes();
        let mut frame = vec![2, 0, 0, 0, 0, 9, 2, 0xbb, 0, a, b, c, 8, 0, 0x45, 0];
        frame.extend(u16::try_from(20 + payload.len()).expect("it is short").to_be_bytes());
        frame.extend(id.to_be_bytes());
        frame.extend(place.to_be_bytes());
        frame.extend([64, protocol, 0, 0]);
        frame.extend(from.to_be_bytes());
        frame.extend(to.to_be_bytes());
        frame.extend(payload);
        self.frame(&frame);
    }

    fn tcp(&mut self, ends: (u32, u32), ports: (u16, u16), numbers: (u32, u32), flags: u8, payload: &[u8]) {
        let mut segment = [ports.0.to_be_bytes(), ports.1.to_be_bytes()].concat();
        segment.extend(numbers.0.to_be_bytes());
        segment.extend(numbers.1.to_be_bytes());
        segment.extend([0x50, flags, 16, 0, 0, 0, 0, 0]);
        segment.extend(payload);
        self.ip(ends, (1, 0), 6, &segment);
    }

    fn udp(&mut self, ends: (u32, u32), ports: (u16, u16), payload: &[u8]) {
        let length = u16::try_from(8 + payload.len()).expect("it is short");
        let mut datagram = [ports.0.to_be_bytes(), ports.1.to_be_bytes(), length.to_be_bytes(), [0, 0]].concat();
        datagram.extend(payload);
        self.ip(ends, (1, 0), 17, &datagram);
    }
}

/// A number that looks like any other.
fn scattered(number: u32) -> u32 {
    number.wrapping_mul(0x9e37_79b1) ^ number >> 7
}

/// 10/8, 172.16/12 and addresses of the internet by turns.
fn stranger(number: u32) -> u32 {
    match number % 3 {
        0 => 0x0a00_0000 | scattered(number) & 0x00ff_ffff,
        1 => 0xac10_0000 | scattered(number) & 0x000f_ffff,
        _ => 0x2000_0000 | scattered(number) & 0x0fff_ffff,
    }
}

const TARGET: u32 = 0x0a00_0001;
const SYN: u8 = 2;
const SYN_ACK: u8 = 0x12;
const ACK: u8 = 0x18;

fn write(path: &Path, share: f64) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a number is one")]
    let of = |all: u32| (f64::from(all) * share) as u32;
    let mut flood = Flood::new(path);
    // Strangers who call once, by SYN and by datagram.
    for number in 0..of(1_000_000) {
        flood.tcp((stranger(number), TARGET), (40_000, 502), (number, 0), SYN, &[]);
        flood.udp((stranger(number), TARGET), (47_808, 47_808), &scattered(number).to_be_bytes());
    }
    // Flows: most are called once, some are answered, some speak Modbus and write, each to somebody else.
    for number in 0..of(10_000_000) {
        let ends = (stranger(number), stranger(number / 7 + 5));
        let back = (ends.1, ends.0);
        let port = 1_024 + (number % 60_000) as u16;
        flood.tcp(ends, (port, 502), (9, 0), SYN, &[]);
        if number % 5 == 0 {
            flood.tcp(back, (502, port), (99, 10), SYN_ACK, &[]);
        }
        if number % 10 == 0 {
            let [high, low, value, unit] = scattered(number).to_be_bytes();
            let write = [high, low, 0, 0, 0, 6, unit, 6, low, high, 0, value];
            flood.tcp(ends, (port, 502), (10, 100), ACK, &write);
            flood.tcp(back, (502, port), (100, 22), ACK, &write);
        }
    }
    // Devices that introduce themselves, and tell whatever they like.
    for number in 0..of(1_000_000) {
        let [_, a, b, c] = scattered(number).to_be_bytes();
        let i_am =
            [0x81, 0x0b, 0, 21, 1, 0x20, 0xff, 0xff, 0, 0xff, 0x10, 0, 0xc4, 2, a & 0x3f, b, c, 0x22, 5, 0xc4, 0x91];
        let rest = [3, 0x21, c];
        let mut message = [i_am.as_slice(), &rest].concat();
        message[3] = u8::try_from(message.len()).expect("it is short");
        flood.udp((stranger(number), 0x0aff_ffff), (47_808, 47_808), &message);
    }
    for number in 0..of(100_000).max(5_000) {
        flood.ip((stranger(number), TARGET), (number as u16, 0x2000), 17, &[7; 1_024]);
    }
    flood.file.flush().expect("there is room");
    let file = flood.file.into_inner().expect("it is flushed");
    // A file that has settled is mapped, and not read into memory.
    file.set_modified(SystemTime::now() - Duration::from_mins(5)).expect("it is ours");
    (flood.nanos - START) / 1_000
}

/// Memory that is nobody's file, now.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").trim().parse::<usize>().ok()).unwrap_or(0) << 10
}

fn read(paths: Vec<PathBuf>, settings: Settings) -> (Reading, usize) {
    let job = Job {
        paths,
        site: "default".to_owned(),
        sensor: "otoscope".to_owned(),
        settings,
        filter: None,
        names: Names::default(),
        credentials: Credentials::default(),
        baseline: None,
    };
    let prepared = reading::prepare(job).expect("the captures can be read");
    let (is_done, peak) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_done.load(Ordering::Relaxed) {
                peak.fetch_max(resident(), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(2));
            }
        });
        let reading = prepared.read(&mut |_| {});
        is_done.store(true, Ordering::Relaxed);
        (reading, peak.load(Ordering::Relaxed))
    })
}

fn assets(reading: &Reading) -> BTreeMap<&str, &AssetRow> {
    let rows = reading.records.iter().filter_map(|record| match record {
        Record::Assets(row) => Some((&*row.asset_id, &**row)),
        _ => None,
    });
    rows.collect()
}

#[test]
fn strangers_push_out_strangers_alone() {
    let share = std::env::var("OTOSCOPE_FLOOD").ok().and_then(|share| share.parse().ok()).unwrap_or(0.01);
    let pcaps = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pcaps");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("flood.pcap");
    let packets = write(&path, share);
    // A small part of the flood has to fill a small part of the memory.
    let memory = if share < 0.5 { 128 << 20 } else { MEMORY };
    let settings = Settings { workers: 2, ..Settings::default() }.within(memory);
    let before = resident();
    // First: what another reading left behind is none of its memory.
    let (flooded, peak) = read(vec![pcaps.clone(), path], settings);
    let (alone, _) = read(vec![pcaps], settings);
    let sum = flooded.totals.sum();
    eprintln!("{packets} packets; {} MiB before, {} MiB at the most", before >> 20, peak >> 20);
    eprintln!("assets {}, records {}, dropped {:?}", assets(&flooded).len(), flooded.records.len(), flooded.dropped);
    eprintln!("{:?} fragments {:?}", sum.lanes, sum.fragments);

    let known = assets(&flooded);
    // A hardware address without more, whose network address another one has too, is a stranger like others.
    let is_bare = |row: &AssetRow| row.ips.is_empty() && row.protocols.iter().all(|name| name == "arp");
    for (id, row) in assets(&alone).into_iter().filter(|(_, row)| !is_bare(row)) {
        let Some(still) = known.get(id) else { panic!("{:?} is lost: {row:?}", row.name) };
        let said =
            |row: &AssetRow| [&row.vendor, &row.model, &row.firmware, &row.serial, &row.order_code].map(Clone::clone);
        assert_eq!(said(row), said(still), "{:?}", row.name);
    }
    assert_eq!(sum.difference(), (0, 0), "the books balance");
    assert!(peak <= memory, "{} MiB", peak >> 20);
    assert!(sum.lanes.flows_evicted > 0 && sum.fragments.evicted > 0, "{sum:?}");
    assert!(sum.ended(Entry::Fragment).packets > 0);
    for name in ["assets_evicted", "service_rows_lumped"] {
        assert!(flooded.dropped.get(name).is_some_and(|count| *count > 0), "{name}: {:?}", flooded.dropped);
    }
}
