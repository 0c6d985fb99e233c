//! However captures come, and whatever was done to them: what can be read is read, what cannot is said with its place.

use super::support::{Recording, captures_in, otoscope, pcaps, public_captures, read, records_of};
use super::workers::flooding;
use dissectors::Timestamp;
use fingerprints::record::Record;
use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;
use sensor::pipeline::{Hour, Settings};
use sensor::source::{CaptureFile, Damage, Input, Step, find};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// Exit codes.
const READ: i32 = 0;
const WRONG_USE: i32 = 2;
const DAMAGED: i32 = 3;

/// A frame: time, link type, bytes, length on the wire.
type Seen = (Timestamp, u32, Vec<u8>, u32);

/// All frames of a capture, and its damages.
fn walked(input: &Input) -> (Vec<Seen>, Vec<Damage>) {
    let (mut frames, mut damages) = (Vec::new(), Vec::new());
    let Ok(mut file) = CaptureFile::open(input) else { return (frames, damages) };
    loop {
        match file.step() {
            Step::Frame(frame) => {
                let bytes = file.bytes[frame.bytes].to_vec();
                frames.push((frame.time, frame.link_type.number(), bytes, frame.wire_length));
            }
            Step::Damaged(damage) => damages.push(damage),
            Step::Cut { .. } | Step::End => return (frames, damages),
        }
    }
}

fn held(bytes: &[u8]) -> Input {
    Input::held("held.pcap", bytes.to_vec())
}

fn file(path: &Path) -> Input {
    find(&[path.to_owned()]).expect("it is a capture").inputs.remove(0)
}

fn scratch() -> TempDir {
    tempfile::tempdir().expect("a folder of its own")
}

fn write(folder: &TempDir, name: &str, content: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, content).expect("the file can be written");
    path
}

fn shown(path: &Path) -> &str {
    path.to_str().expect("the paths of tests are text")
}

fn polling() -> Vec<u8> {
    fs::read(pcaps().join("modbus/polling.pcap")).expect("the capture can be read")
}

// Variants.

/// What capinfos says of files: packets, first and last time in seconds. Of a file that it gives up it says the packets.
fn capinfos(files: &[PathBuf]) -> BTreeMap<PathBuf, (u64, String, String)> {
    let mut said = BTreeMap::new();
    for some in files.chunks(200) {
        let output = Command::new("capinfos").args(["-T", "-r", "-M", "-S", "-c", "-a", "-e"]).args(some).output();
        let output = output.expect("capinfos is installed, as .ci/setup does it");
        let [rows, errors] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).expect("it is text"));
        for line in errors.lines() {
            let Some(rest) = line.strip_prefix("capinfos: An error occurred after reading ") else { continue };
            let (packets, path) = rest.split_once(" packets from \"").expect("it says how many, and of what");
            let path = PathBuf::from(path.trim_end_matches("\"."));
            said.insert(path, (packets.parse().expect("a number"), String::new(), String::new()));
        }
        for line in rows.lines() {
            let columns: Vec<&str> = line.split('\t').collect();
            let [path, packets, first, last] = columns.as_slice() else { panic!("four columns: {line}") };
            let packets = packets.parse().unwrap_or_else(|_| panic!("packets: {line}"));
            said.insert(PathBuf::from(path), (packets, (*first).to_owned(), (*last).to_owned()));
        }
    }
    said
}

/// The earliest and the latest time as capinfos writes them, as far as microseconds.
fn times(frames: &[Seen]) -> (String, String) {
    let times = || frames.iter().map(|(time, ..)| time.micros());
    let seconds = |micros: Option<i64>| {
        micros.map_or("n/a".to_owned(), |micros| {
            format!("{}.{:06}", micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000))
        })
    };
    (seconds(times().min()), seconds(times().max()))
}

/// Times that cannot be the same: ours end in 2262, and what has no time has the last one's.
const OTHER_TIMES: [&str; 3] = [
    "damaged/tcpdump-timestamp_invalid_micro.pcap", // more microseconds than a second has
    "dhcp/nfstream-dhcp_big_endian.pcapng",         // the year 150,000
    "it/gopacket-test100.pcapng",                   // simple packet blocks
];

/// What differs from what capinfos says.
fn difference(path: &Path, said: &(u64, String, String)) -> Option<String> {
    let (frames, _) = walked(&file(path));
    let (first, last) = times(&frames);
    let is_time = |said: &str, ours: &str| said.is_empty() || said.starts_with(ours);
    let is_same = is_time(&said.1, &first) && is_time(&said.2, &last);
    let agrees = frames.len() as u64 == said.0 && (is_same || OTHER_TIMES.iter().any(|other| path.ends_with(other)));
    (!agrees).then(|| format!("{}: {} {first} {last}, capinfos says {said:?}", path.display(), frames.len()))
}

/// Each variant that editcap writes, in both byte orders where it can be turned, says what capinfos says.
#[test]
fn variants_of_pcap_are_read_as_capinfos_reads_them() {
    let folder = scratch();
    let source = pcaps().join("modbus/silent.pcap");
    let mut paths = Vec::new();
    for variant in ["pcap", "nsecpcap", "modpcap", "nokiapcap", "rh6_1pcap", "suse6_3pcap", "pcapng"] {
        let path = folder.path().join(variant);
        let written = Command::new("editcap").args(["-F", variant]).args([&source, &path]).status();
        assert!(written.expect("editcap is installed, as .ci/setup does it").success(), "{variant}");
        paths.push(path);
    }
    let content = fs::read(&source).expect("the capture can be read");
    let length = u32::try_from(content.len() - 24).expect("it is short");
    let of_ixia = [&0x1c00_01ab_u32.to_le_bytes()[..], &content[4..24], &length.to_le_bytes(), &content[24..]];
    paths.push(write(&folder, "lcap", &of_ixia.concat()));
    let said = capinfos(&paths);
    let expected = walked(&file(&source));
    for path in &paths {
        assert_eq!(said[path].0, 16, "{path:?}");
        assert_eq!(difference(path, &said[path]), None);
        let bare = |(frames, damages): (Vec<Seen>, Vec<Damage>)| {
            let bytes: Vec<_> = frames.into_iter().map(|(time, link, bytes, _)| (time.micros(), link, bytes)).collect();
            (bytes, damages)
        };
        assert_eq!(bare(walked(&file(path))), bare(expected.clone()), "{path:?}");
    }
}

/// Every public capture has as many packets as capinfos counts, and begins and ends when it says.
#[test]
fn public_captures_have_the_packets_that_capinfos_counts() {
    let Some(folder) = public_captures() else { return };
    let inputs = captures_in(&folder);
    let paths: Vec<PathBuf> = inputs.iter().map(|input| input.path.clone()).collect();
    let said = capinfos(&paths);
    assert!(said.len() >= 659 && said.len() == paths.len(), "{} of {}", said.len(), paths.len());
    let wrong: Vec<String> = paths.iter().filter_map(|path| difference(path, &said[path])).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let (_, totals) = read(inputs, Settings::default());
    let mut packets = totals.inputs.iter().zip(&totals.accounts).map(|(input, account)| (&input.path, account.packets));
    assert!(packets.all(|(path, packets)| packets == said[path].0), "as one timeline too");
    assert_balance(&totals.sum());
}

fn assert_balance(sum: &Hour) {
    assert_eq!(sum.difference(), (0, 0), "the books balance");
}

// Streams.

/// A capture larger than any window: frames of all lengths, up to what a loopback hands over.
fn large() -> Vec<u8> {
    let mut recording = flooding();
    for number in 0..600_u32 {
        let length = if number % 100 == 0 { 60_000 } else { 60 + number as usize * 2 };
        let noise = (0..length).map(|at| (at as u32).wrapping_mul(number.wrapping_mul(2_654_435_761)).to_be_bytes()[0]);
        let mut frame: Vec<u8> = noise.collect();
        frame[12..14].copy_from_slice(&[0x88, 0xb5]);
        recording.frame(&frame);
    }
    recording.into_bytes()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory takes all")
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).expect("memory takes all");
    encoder.include_checksum(true).expect("as the command does it");
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory takes all")
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 0);
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory takes all")
}

/// How bytes are packed.
type Pack = fn(&[u8]) -> Vec<u8>;
const PACKS: [(&str, Pack); 3] = [("gzip", gzip), ("zstd", zstd), ("xz", xz)];

/// Fresh files are streamed, packed ones always; in several members too, and whatever their names say.
#[test]
fn what_is_streamed_or_packed_is_read_as_if_it_were_mapped() {
    let folder = scratch();
    let mut captures: Vec<Vec<u8>> =
        captures_in(&pcaps()).iter().map(|input| fs::read(&input.path).expect("it can be read")).collect();
    captures.push(large());
    for bytes in &captures {
        let expected = walked(&held(bytes));
        assert!(!expected.0.is_empty());
        let half = bytes.len() / 2;
        let mut ways = vec![("plain", bytes.clone())];
        for (name, pack) in PACKS {
            ways.push((name, pack(bytes)));
            ways.push((name, [pack(&bytes[..half]), pack(&bytes[half..])].concat()));
        }
        for (name, content) in ways {
            let path = write(&folder, "some.name", &content);
            assert_eq!(walked(&file(&path)), expected, "{name}");
        }
    }
}

/// However a stream is cut into windows, damage is found at the same places and gone over the same way.
#[test]
fn damage_is_the_same_in_a_stream_and_in_a_map() {
    let folder = scratch();
    let whole = large();
    for seed in 0..60_usize {
        let mut bytes = whole.clone();
        for hit in 0..=seed % 7 {
            let at = 24 + (seed * 7_919 + hit * 104_729) * 31 % (bytes.len() - 64);
            bytes[at..at + 40].fill((seed * 37) as u8);
        }
        bytes.truncate(bytes.len() - seed * 10);
        let expected = walked(&held(&bytes));
        assert_eq!(walked(&file(&write(&folder, "x", &bytes))), expected, "{seed}");
        assert_eq!(walked(&file(&write(&folder, "x", &zstd(&bytes)))), expected, "{seed}");
    }
}

#[test]
fn a_packing_that_breaks_gives_what_came_before_and_its_place() {
    let folder = scratch();
    let bytes = large();
    let (whole, _) = walked(&held(&bytes));
    for (name, pack) in PACKS {
        let packed = pack(&bytes);
        let cut = file(&write(&folder, "cut", &packed[..packed.len() * 2 / 3]));
        let (frames, damages) = walked(&cut);
        assert!(frames.len() > whole.len() / 4 && whole.starts_with(&frames), "{name}: {}", frames.len());
        let [damage] = damages.as_slice() else { panic!("{name}: {damages:?}") };
        assert_eq!((damage.what, damage.packed_at), (cut_short(name), Some(packed.len() as u64 * 2 / 3)), "{damage:?}");
        assert!(damage.at > 100_000, "{damage:?}");
        let mut broken = packed.clone();
        let at = broken.len() * 2 / 3;
        broken[at..at + 100].fill(0xff);
        // gzip notices it at the end of a member: until then what is odd is in the frames.
        let (frames, damages) = walked(&file(&write(&folder, "broken", &broken)));
        let same = frames.iter().zip(&whole).take_while(|(one, other)| one == other).count();
        assert!(same > whole.len() / 4, "{name}: {same}");
        let damage = damages.iter().find(|damage| damage.what.contains("packing is damaged"));
        let place = damage.and_then(|damage| damage.packed_at).unwrap_or_else(|| panic!("{name}: {damages:?}"));
        assert!(place >= at as u64 / 2 && place <= packed.len() as u64, "{damages:?} {at}");
    }
}

fn cut_short(packing: &str) -> &'static str {
    match packing {
        "gzip" => "the gzip packing is cut short",
        "zstd" => "the zstd packing is cut short",
        _ => "the xz packing is cut short",
    }
}

/// Rows of a table, without what a capture is called.
fn rows(arguments: &[&str], stdin: Option<&[u8]>) -> Vec<Value> {
    let mut command = otoscope();
    command.args(arguments).args(["--format", "json"]);
    if let Some(stdin) = stdin {
        command.write_stdin(stdin);
    }
    let output = command.assert().code(READ).get_output().stdout.clone();
    let mut rows: Vec<Value> = serde_json::from_slice(&output).expect("an array of objects");
    for row in &mut rows {
        for column in ["run_id", "capture", "capture_id", "path", "bytes"] {
            row.as_object_mut().expect("an object").remove(column);
        }
    }
    rows
}

#[test]
fn standard_input_gives_what_the_file_gives_packed_or_not() {
    let bytes = polling();
    for table in ["assets", "activity", "captures", "health"] {
        let expected = rows(&[table, "pcaps/modbus/polling.pcap"], None);
        assert!(!expected.is_empty());
        assert_eq!(rows(&[table, "-"], Some(&bytes)), expected, "{table}");
        for (name, pack) in PACKS {
            assert_eq!(rows(&[table, "-"], Some(&pack(&bytes))), expected, "{table} {name}");
        }
    }
    let said = contains("- is named twice; it is read once");
    otoscope().args(["read", "-", "-"]).write_stdin(bytes).assert().code(READ).stderr(said);
}

/// The run of a pipe is known by what came through it.
#[test]
fn a_lake_of_a_pipe_is_the_same_each_time_and_counts_nothing_twice() {
    let folder = scratch();
    let lake = folder.path().join("lake");
    let read = |bytes: Vec<u8>| {
        let mut command = otoscope();
        command.args(["read", "-", "--out", shown(&lake)]).write_stdin(bytes).assert().code(READ);
        contents(&lake)
    };
    let first = read(polling());
    assert!(first.len() > 3);
    assert_eq!(read(polling()), first);
    let other = fs::read(pcaps().join("modbus/gateway.pcap")).expect("the capture can be read");
    assert!(read(other).len() > first.len(), "another capture is another run");
}

/// All files below a folder, and what they hold.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() {
            files.extend(contents(&path));
        } else {
            files.insert(path.clone(), fs::read(&path).expect("the file can be read"));
        }
    }
    files
}

/// A packet at a time, through a pipe that has a name: what has come is read before the rest does.
#[test]
#[cfg(unix)]
fn a_pipe_with_a_name_is_read_as_it_comes() {
    let folder = scratch();
    let path = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&path).status().expect("mkfifo is there").success());
    let bytes = polling();
    let expected = walked(&held(&bytes));
    let writer = std::thread::spawn({
        let (path, bytes) = (path.clone(), bytes.clone());
        move || {
            let mut pipe = fs::File::create(path).expect("a reader comes");
            bytes.chunks(7).for_each(|some| pipe.write_all(some).expect("the reader stays"));
        }
    });
    assert_eq!(walked(&file(&path)), expected);
    writer.join().expect("all is written");
    // Frames come while the writer still holds the pipe open: nobody waits for its end.
    let (go_on, wait) = std::sync::mpsc::channel::<()>();
    let writer = std::thread::spawn(move || {
        let mut pipe = fs::File::create(path).expect("a reader comes");
        pipe.write_all(&bytes[..bytes.len() / 2]).expect("the reader stays");
        wait.recv().expect("half is read");
        pipe.write_all(&bytes[bytes.len() / 2..]).expect("the reader stays");
    });
    let mut capture = CaptureFile::open(&file(&folder.path().join("pipe"))).expect("it is a capture");
    for _ in 0..expected.0.len() / 3 {
        assert!(matches!(capture.step(), Step::Frame(_)));
    }
    go_on.send(()).expect("the writer waits");
    let rest = std::iter::from_fn(|| matches!(capture.step(), Step::Frame(_)).then_some(())).count();
    assert_eq!(rest, expected.0.len() - expected.0.len() / 3);
    writer.join().expect("all is written");
}

/// A gigabyte through a pipe is held in pieces.
#[test]
#[cfg(target_os = "linux")]
fn memory_is_bounded_for_streams() {
    let mut frame = vec![0xff; 1_400];
    frame[12..14].copy_from_slice(&[0x88, 0xb5]);
    let mut recording = Recording::new();
    (0..1_000).for_each(|_| recording.frame(&frame));
    let bytes = recording.into_bytes();
    for workers in ["1", "2"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_otoscope"));
        command.args(["read", "-", "--workers", workers]);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
        let mut stdin = child.stdin.take().expect("a pipe");
        stdin.write_all(&bytes).expect("it reads");
        for _ in 0..260 {
            stdin.write_all(&bytes[24..]).expect("it reads");
        }
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).expect("it runs still");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
        let kibibytes: u64 = peak.expect("Linux tells the peak").parse().expect("a number");
        drop(stdin);
        let mut said = String::new();
        child.stdout.take().expect("a pipe").read_to_string(&mut said).expect("it is text");
        assert!(child.wait().expect("it ends").success(), "{said}");
        assert!(said.contains("261000 packets"), "{said}");
        assert!(kibibytes < 300 * 1_024, "{workers} workers: {kibibytes} KiB for {} MB", bytes.len() * 261 / 1_000_000);
    }
}

// Order.

/// A request and its answer at this second.
fn exchange(recording: &mut Recording, second: u64, client: u32) {
    recording.at(second * 1_000_000_000);
    let (master, slave) = ((client, 40_000), (200, 502));
    recording.tcp(master, slave, 1, 1, &[0, 1, 0, 0, 0, 6, 1, 3, 0, 0, 0, 1]);
    recording.tcp(slave, master, 1, 13, &[0, 1, 0, 0, 0, 5, 1, 3, 2, 0, 7]);
}

/// A capture with exchanges at these seconds, of clients that only it has.
fn at_seconds(name: u32, seconds: &[u64]) -> Vec<u8> {
    let mut recording = Recording::new();
    for (number, second) in (1..).zip(seconds) {
        exchange(&mut recording, *second, name * 1_000 + number);
    }
    recording.into_bytes()
}

const START: u64 = 1_700_000_000;
/// The last second that 31 bits count.
const IN_2038: u64 = 2_147_483_647;

/// The order in which frames are fed: capture, frame, packet time of the timeline in seconds.
fn timeline(captures: &[Vec<u8>]) -> Vec<(u32, u64, u64)> {
    let inputs = captures.iter().map(|bytes| held(bytes)).collect();
    let mut feed = sensor::source::Feed::new(inputs).expect("they are captures");
    let frames = std::iter::from_fn(|| feed.next_frame());
    let seconds = |time: Timestamp| u64::try_from(time.nanos() / 1_000_000_000).expect("after 1970");
    frames.map(|fed| (fed.capture, fed.number, seconds(fed.clock))).collect()
}

#[test]
fn overlapping_captures_are_one_timeline() {
    let one = at_seconds(1, &[START, START + 10, START + 20]);
    let other = at_seconds(2, &[START + 5, START + 10, START + 15]);
    let order: Vec<(u32, u64)> =
        timeline(&[one, other]).into_iter().map(|(capture, number, _)| (capture, number)).collect();
    let expected = [(0, 1), (0, 2), (1, 1), (1, 2), (0, 3), (0, 4), (1, 3), (1, 4), (1, 5), (1, 6), (0, 5), (0, 6)];
    // A frame's answer comes a millisecond later, so frames of the same second alternate between the captures.
    let mut by_second = expected;
    by_second[4..8].copy_from_slice(&[(0, 3), (1, 3), (0, 4), (1, 4)]);
    assert_eq!(order, by_second);
}

/// A packet at each of these seconds, from clients that differ.
fn packets_at(seconds: &[u64]) -> Vec<u8> {
    let mut recording = Recording::new();
    for (number, second) in (1..).zip(seconds) {
        recording.at(second * 1_000_000_000);
        recording.tcp((number, 40_000), (200, 502), 1, 1, &[0; 4]);
    }
    recording.into_bytes()
}

/// Up to three packets whose time leaps are not believed, wherever they stand, and time goes on.
#[test]
fn a_time_that_leaps_to_2038_and_back_moves_nothing() {
    let calm = at_seconds(1, &[START + 1, START + 3, START + 5]);
    // Where the capture begins, three packets outvote one; where it ends, two that agree are believed.
    let glitches = (1..=3_u64).flat_map(|leaping| (0..=8 - leaping).map(move |first| first..first + leaping));
    let is_glitch = |leap: &std::ops::Range<u64>| match leap.end - leap.start {
        1 => true,
        leaping => leap.start >= leaping - 1 && leap.end < 8,
    };
    for leap in glitches.filter(is_glitch) {
        let seconds: Vec<u64> =
            (0..8).map(|number| if leap.contains(&number) { IN_2038 + number } else { START + number }).collect();
        let fed = timeline(&[packets_at(&seconds), calm.clone()]);
        assert!(fed.iter().all(|(.., clock)| *clock <= START + 7), "{seconds:?}: {fed:?}");
        assert!(fed.is_sorted_by_key(|(.., clock)| *clock), "{seconds:?}: {fed:?}");
        assert_eq!(fed.len(), 14, "{seconds:?}");
    }
}

/// Four are believed, and four more that go back: what leaps is due after all others, and each is counted in its hour.
#[test]
fn a_time_that_four_packets_tell_is_believed_there_and_back() {
    let calm = at_seconds(1, &[START + 1, START + 3, START + 5]);
    let there: Vec<u64> = (0..4).map(|number| IN_2038 + number).collect();
    let back: Vec<u64> = (2..6).map(|number| START + number).collect();
    let leaping = packets_at(&[&[START, START][..], &there, &back].concat());
    let fed = timeline(&[leaping.clone(), calm]);
    let of_leaping = |(capture, _, clock): &(u32, u64, u64)| (*capture == 0).then_some(*clock);
    let order: Vec<Option<u64>> = fed.iter().map(of_leaping).collect();
    let expected = [vec![Some(START); 2], vec![None; 6], there.into_iter().chain(back).map(Some).collect()].concat();
    assert_eq!(order, expected, "{fed:?}");
    for workers in [1, 3] {
        let settings = Settings { workers, epoch_packets: 3, ..Settings::default() };
        let (_, totals) = read(vec![held(&leaping)], settings);
        let hours: Vec<(i64, u64, u64)> = totals
            .hours
            .iter()
            .map(|(begin, hour)| (begin.nanos() / 3_600_000_000_000, hour.packets, hour.lanes.used.packets))
            .collect();
        let hour = |second: u64| i64::try_from(second / 3_600).expect("it is small");
        assert_eq!(hours, [(hour(START), 6, 6), (hour(IN_2038), 4, 4)], "{workers} workers");
        assert!(totals.hours.values().all(|hour| hour.difference() == (0, 0)));
    }
}

/// However times leap: no row tells of a packet beyond its hour, and streams tell what maps tell.
#[test]
fn what_is_seen_in_an_hour_is_seen_within_it() {
    let folder = scratch();
    let far = [IN_2038, START + 90_000, START - 90_000, 7];
    for seed in 0..40_usize {
        let mut recording = Recording::new();
        let mut second = START;
        for number in 0..60_usize {
            let roll = (seed * 7_919 + number * 104_729) * 31 % 97;
            second += roll as u64 / 40 * 60;
            let leaps = roll % (3 + seed % 9) == 0;
            let told = if leaps { far[roll % far.len()] + number as u64 } else { second };
            exchange(&mut recording, told, 1 + number as u32 % 3);
        }
        let bytes = recording.into_bytes();
        let path = write(&folder, "leaps.pcap", &bytes);
        let rows = |path: &Path| records_of(&[path.to_owned()], Settings::default()).records;
        let mut told = 0;
        for record in rows(&path) {
            let span = match &record {
                Record::Services(row) => (row.window_start, row.first_seen, row.last_seen, row.window_end),
                Record::Activity(row) => (row.window_start, row.first_seen, row.last_seen, row.window_end),
                _ => continue,
            };
            let (start, first, last, end) = span;
            assert!(start <= first && first <= last && last < end, "{seed}: {record:?}");
            told += 1;
        }
        assert!(told > 0);
        let streamed = write(&folder, "leaps.pcap.zst", &zstd(&bytes));
        let clocks = |path: &Path| {
            let mut feed = sensor::source::Feed::new(vec![file(path)]).expect("it is a capture");
            let frames = std::iter::from_fn(|| feed.next_frame());
            frames.map(|fed| (fed.number, fed.clock, fed.frame.time)).collect::<Vec<_>>()
        };
        assert_eq!(clocks(&path), clocks(&streamed), "{seed}");
    }
}

/// All that a lake holds, for arguments in this order.
fn lake_of(folder: &TempDir, order: &[&Path], extra: &[&str]) -> BTreeMap<PathBuf, Vec<u8>> {
    let lake = folder.path().join("lake");
    let _ = fs::remove_dir_all(&lake);
    let arguments = order.iter().map(|path| shown(path));
    otoscope().arg("read").args(arguments).args(["--out", shown(&lake)]).args(extra).assert().code(READ);
    contents(&lake)
}

#[test]
fn the_order_of_arguments_changes_no_byte_of_a_lake() {
    let folder = scratch();
    let captures = scratch();
    let seconds = [
        vec![START, START + 10, IN_2038, START + 20],
        vec![START + 5, START + 10],
        vec![START + 10, START + 11, IN_2038, IN_2038, START + 12],
        vec![IN_2038, START + 1],
    ];
    let mut paths: Vec<PathBuf> = Vec::new();
    for (name, seconds) in (1..).zip(&seconds) {
        paths.push(write(&captures, &format!("{name}.pcap"), &at_seconds(name, seconds)));
    }
    let within = captures.path().join("folder");
    fs::create_dir(&within).expect("a folder");
    fs::write(within.join("1.pcap"), at_seconds(9, &[START + 10, START + 12])).expect("it can be written");
    paths.push(within);
    let mut expected = None;
    let mut order: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
    for turn in 0..6 {
        for workers in ["1", "3"] {
            let lake = lake_of(&folder, &order, &["--workers", workers]);
            assert!(lake.len() > 5);
            assert!(*expected.get_or_insert_with(|| lake.clone()) == lake, "{order:?} with {workers} workers");
        }
        order.rotate_left(1 + turn % 2);
        order.swap(0, 2);
    }
}

// Sites.

#[test]
fn separate_paths_are_sites_of_their_own_in_one_lake() {
    let captures = scratch();
    let bytes = polling();
    let north = write(&captures, "north.pcap", &bytes);
    let west = captures.path().join("west");
    fs::create_dir(&west).expect("a folder");
    // The same devices, as another site has them; another capture, for a lake knows each again.
    fs::write(west.join("x.pcap.gz"), gzip(&bytes)).expect("it can be written");
    let paths = [north.as_path(), &west];
    let folder = scratch();
    let lake = lake_of(&folder, &paths, &["--separate"]);
    assert_eq!(lake_of(&folder, &[&west, &north], &["--separate"]), lake, "whatever the order");
    let assets = |source: &[&str]| -> Vec<(String, String)> {
        let mut command = otoscope();
        let output = command.arg("assets").args(source).args(["--format", "json", "--columns", "site,asset_id"]);
        let output = output.assert().code(READ).get_output().stdout.clone();
        let rows: Vec<Value> = serde_json::from_slice(&output).expect("an array of objects");
        let text = |row: &Value, column: &str| row[column].as_str().expect("text").to_owned();
        let mut assets: Vec<_> = rows.iter().map(|row| (text(row, "site"), text(row, "asset_id"))).collect();
        assets.sort();
        assets
    };
    let of_lake = assets(&[shown(&folder.path().join("lake"))]);
    assert_eq!(assets(&[shown(&north), shown(&west), "--separate"]), of_lake);
    let of = |site: &str| of_lake.iter().filter(|row| row.0 == site).map(|row| row.1.as_str()).collect::<Vec<_>>();
    assert!(of("north").len() > 1 && of("north").len() == of("west").len() && of_lake.len() == 2 * of("west").len());
    assert!(of("north").iter().all(|id| !of("west").contains(id)), "no id is of two sites");
    let read = otoscope().args(["read", shown(&north), shown(&west), "--separate"]).assert().code(READ);
    let said = String::from_utf8_lossy(&read.get_output().stdout).into_owned();
    assert!(said.contains("site north:\n") && said.contains("site west:\n"), "{said}");
    let same =
        otoscope().args(["read", "pcaps/modbus", shown(&north), shown(&west), "--separate", "--site", "x"]).assert();
    same.code(WRONG_USE);
    let twice = captures.path().join("twice");
    fs::create_dir(&twice).expect("a folder");
    fs::write(twice.join("west.pcapng"), &bytes).expect("it can be written");
    let told = contains("would both be the site west");
    otoscope()
        .args(["read", shown(&west), shown(&twice.join("west.pcapng")), "--separate"])
        .assert()
        .code(WRONG_USE)
        .stderr(told);
}

// Filters.

#[test]
#[cfg(target_os = "linux")]
fn a_filter_lets_through_what_tcpdump_would_and_counts_the_rest() {
    let health = |expression: &[&str]| rows(&[&["health", "pcaps/modbus/gateway.pcap"], expression].concat(), None);
    let whole = health(&[]);
    let packets = whole[0]["packets"].as_i64().expect("a count");
    assert!(whole[0]["filtered"].is_null(), "nothing is filtered without a filter");
    for expression in ["tcp port 502", "host 10.20.0.20", "not arp", "tcp[13] & 2 != 0", "greater 100"] {
        let expected = judged(&pcaps().join("modbus/gateway.pcap"), expression);
        let row = &health(&["--filter", expression])[0];
        assert_eq!(row["packets"].as_i64(), Some(packets), "{expression}");
        assert_eq!(row["filtered"].as_i64(), Some(packets - expected), "{expression}");
        assert!(expected > 0 && row["used"].as_i64() <= Some(expected), "{expression}");
    }
    let read = |expression: &str| otoscope().args(["read", "pcaps/modbus", "--filter", expression]).assert();
    let said = contains("otoscope: --filter 'tcp prot 502': ").and(contains("syntax error"));
    read("tcp prot 502").code(WRONG_USE).stdout("").stderr(said);
    let unknown = contains("--filter 'host nowhere.invalid': ").and(contains("unknown host"));
    read("host nowhere.invalid").code(WRONG_USE).stdout("").stderr(unknown);
    read("udp port 1").code(READ);
}

/// How many packets the kernel's language lets through, as another program compiles it.
fn judged(capture: &Path, expression: &str) -> i64 {
    let program = pcap::Capture::dead(pcap::Linktype::ETHERNET).and_then(|dead| dead.compile(expression, false));
    let program = program.expect("it is a filter");
    let frames = walked(&file(capture)).0;
    i64::try_from(frames.iter().filter(|(_, _, bytes, _)| program.filter(bytes)).count()).expect("a few")
}

/// Where a filter means nothing for some frames, they are left out, and that is said.
#[test]
#[cfg(target_os = "linux")]
fn link_types_for_which_a_filter_means_nothing_are_said() {
    let folder = scratch();
    write(&folder, "a.pcap", &polling());
    let mut odd = polling();
    odd[20] = 250; // nobody's
    write(&folder, "b.pcap", &odd);
    let frames = walked(&held(&odd)).0.len();
    let said = contains(format!("{frames} frames of link type 250, for which the filter means nothing: "));
    otoscope().args(["read", shown(folder.path()), "--filter", "tcp"]).assert().code(DAMAGED).stdout(said);
}

// Faults.

/// A record that lies about its length swallows what follows it, or runs into nothing: the others are found again.
#[test]
fn behind_a_lie_the_records_go_on() {
    let whole = polling();
    let (frames, _) = walked(&held(&whole));
    let starts = record_starts(&whole);
    for victim in [0, 1, 7, 30] {
        for lie in [0xffff_ffff_u32, 0x7fff_ffff, 300_000] {
            let mut bytes = whole.clone();
            let at = starts[victim];
            bytes[at + 8..at + 12].copy_from_slice(&lie.to_le_bytes());
            let (found, damages) = walked(&held(&bytes));
            let others: Vec<_> =
                frames.iter().enumerate().filter(|(number, _)| *number != victim).map(|it| it.1.clone()).collect();
            assert_eq!(found, others, "{victim} {lie:x}");
            let unread = starts[victim + 1] - at;
            let [damage] = damages.as_slice() else { panic!("{damages:?}") };
            assert_eq!((damage.at, damage.bytes), (at as u64, unread as u64), "{damage:?}");
            assert_eq!(damage.to_string(), format!("a record claims a length that no frame has at byte {at}"));
        }
        // A length that could be, and is not: what it swallows is found when nothing follows it.
        let mut bytes = whole.clone();
        let at = starts[victim];
        bytes[at + 8..at + 12].copy_from_slice(&1_000_u32.to_le_bytes());
        let (found, damages) = walked(&held(&bytes));
        assert_eq!(found.len(), frames.len(), "{victim}: {damages:?}");
        assert_eq!(damages.len(), 1, "{victim}: {damages:?}");
    }
}

/// Where the records of a little-endian pcap file begin.
fn record_starts(bytes: &[u8]) -> Vec<usize> {
    let mut starts = vec![24];
    while let Some(length) = bytes.get(starts[starts.len() - 1] + 8..).and_then(|rest| rest.first_chunk::<4>()) {
        let next = starts[starts.len() - 1] + 16 + u32::from_le_bytes(*length) as usize;
        starts.push(next);
    }
    starts
}

/// Fifty cuts, typed: each says that and where the capture is damaged.
#[test]
fn fifty_cuts_by_command_name_their_place() {
    let folder = scratch();
    let whole = polling();
    let starts = record_starts(&whole);
    for number in 1..=50 {
        let length = 24 + number * (whole.len() - 24) / 51;
        if starts.contains(&length) {
            continue;
        }
        let start = starts.iter().rev().find(|start| **start < length).expect("the first record");
        let path = write(&folder, "cut.pcap", &whole[..length]);
        let place = format!("is cut short at byte {start}; ");
        otoscope().args(["read", shown(&path)]).assert().code(DAMAGED).stdout(contains(place));
        let packed = write(&folder, "cut.pcap.gz", &gzip(&whole)[..gzip(&whole).len() * number / 51]);
        let output = otoscope().args(["read", shown(&packed)]).output().expect("it starts");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let is_told = said.contains("the gzip packing is cut short at byte ") && output.status.code() == Some(DAMAGED);
        assert!(is_told || output.status.code() == Some(1), "{number}: {said}");
    }
}

#[test]
fn what_interfaces_dropped_stands_in_health_and_nothing_where_they_say_nothing() {
    let folder = scratch();
    let block = |kind: u32, body: &[u8]| {
        let length = u32::try_from(body.len() + 12).expect("it is short").to_le_bytes();
        [&kind.to_le_bytes()[..], &length, body, &length].concat()
    };
    let section =
        block(0x0a0d_0d0a, &[0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    let interface = block(1, &[1, 0, 0, 0, 0, 0, 4, 0]);
    let frame = [&[0xff; 12][..], &[8, 6], &[0; 46]].concat();
    let mut packet: Vec<u8> = [0_u32, 400_000, 0, 60, 60].iter().flat_map(|word| word.to_le_bytes()).collect();
    packet.extend(&frame);
    let option = |code: u8, value: u64| [&[code, 0, 8, 0][..], &value.to_le_bytes()].concat();
    let statistics = block(5, &[&[0; 12][..], &option(5, 3), &option(7, 40)].concat());
    let silent = [section, interface, block(6, &packet)].concat();
    let drops = |bytes: &[u8]| {
        let path = write(&folder, "x.pcapng", bytes);
        let output = otoscope().args(["health", shown(&path), "--format", "json"]).output().expect("it starts").stdout;
        let rows: Vec<Value> = serde_json::from_slice(&output).expect("an array of objects");
        (rows[0]["dropped_interface"].as_i64(), rows[0]["dropped_kernel"].as_i64())
    };
    assert_eq!(drops(&silent), (None, None));
    assert_eq!(drops(&[silent.clone(), statistics].concat()), (Some(3), Some(40)));
    // So many that what is missing matters, and so few that it does not.
    let lost = |kernel: u64| {
        let path = write(
            &folder,
            "lossy.pcapng",
            &[silent.clone(), block(5, &[&[0; 12][..], &option(7, kernel)].concat())].concat(),
        );
        let output =
            otoscope().args(["findings", shown(&path), "--format", "json"]).output().expect("it starts").stdout;
        let rows: Vec<Value> = serde_json::from_slice(&output).expect("an array of objects");
        let losses = rows.into_iter().filter(|row| row["kind"] == "coverage.loss");
        losses.map(|row| (row["count"].clone(), row["title"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(lost(9), []);
    assert_eq!(lost(10), [(10.into(), "Traffic of lossy.pcapng is missing".into())]);
}

#[test]
#[cfg(unix)]
fn what_a_folder_hides_is_said_and_the_rest_is_read() {
    use std::os::unix::fs::symlink;
    let folder = scratch();
    write(&folder, "good.pcap", &polling());
    write(&folder, "empty.pcap", b"");
    write(&folder, "notes.txt", b"nothing here\n");
    symlink(".", folder.path().join("loop")).expect("a link");
    symlink("good.pcap", folder.path().join("again.pcap")).expect("a link");
    let inner = folder.path().join("inner");
    fs::create_dir(&inner).expect("a folder");
    symlink(folder.path(), inner.join("back")).expect("a link");
    symlink("/no/such/place", inner.join("dangling.pcap")).expect("a link");
    let found = find(std::slice::from_ref(&inner)).expect("the folder leads back to captures");
    // Whichever of the names of one file comes first.
    assert_eq!(found.inputs.len(), 1, "{found:?}");
    assert_eq!(found.left_out.no_captures.len(), 1, "{found:?}");
    assert_eq!(found.left_out.closed, [inner.join("dangling.pcap")]);
}
