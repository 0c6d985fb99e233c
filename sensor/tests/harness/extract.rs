//! The packets that prove a finding, taken out of their captures: the same bytes at the same times, or a reason why not.

use super::support::{captures_in, otoscope, pcaps, records_of};
use assert_cmd::assert::Assert;
use fingerprints::record::{FindingRow, Record};
use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;
use sensor::pipeline::Settings;
use sensor::source::{CaptureFile, Frame, Input, Step};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

const FAILED: i32 = 1;
const WRONG_USE: i32 = 2;

/// `otoscope extract FINDING --from FROM -o OUT OPTIONS...`
fn extract(finding: &str, from: &Path, out: &Path, options: &[&str]) -> Assert {
    otoscope().args(["extract", finding, "--from"]).arg(from).arg("-o").arg(out).args(options).assert()
}

fn scratch() -> TempDir {
    tempfile::tempdir().expect("a folder of its own")
}

fn findings(paths: &[PathBuf]) -> Vec<FindingRow> {
    let reading = records_of(paths, Settings::default());
    let rows = reading.records.into_iter().filter_map(|record| match record {
        Record::Findings(row) => Some(*row),
        _ => None,
    });
    rows.collect()
}

/// The frames of a capture, with their bytes.
fn frames(input: &Input) -> Vec<(Frame, Vec<u8>)> {
    let mut file = CaptureFile::open(input).expect("the capture can be opened");
    let mut frames = Vec::new();
    while let Step::Frame(frame) = file.step() {
        let bytes = file.bytes[frame.bytes.clone()].to_vec();
        frames.push((frame, bytes));
    }
    frames
}

fn frames_of(path: &Path) -> Vec<(Frame, Vec<u8>)> {
    let inputs = captures_in(path);
    assert_eq!(inputs.len(), 1, "{}", path.display());
    frames(&inputs[0])
}

/// What makes frames the same, wherever they stand in a file.
fn told((frame, bytes): &(Frame, Vec<u8>)) -> (i64, u32, u32, &[u8]) {
    (frame.time.nanos(), frame.link_type.number(), frame.wire_length, bytes)
}

#[test]
fn the_evidence_of_every_finding_is_taken_out_as_it_was() {
    let folder = scratch();
    let lake = folder.path().join("lake");
    otoscope().arg("read").arg(pcaps()).arg("--out").arg(&lake).assert().success();
    let originals: BTreeMap<String, Vec<(Frame, Vec<u8>)>> =
        captures_in(&pcaps()).iter().map(|input| (input.name.clone(), frames(input))).collect();
    let all = findings(&[pcaps()]);
    let proven: Vec<&FindingRow> = all.iter().filter(|row| !row.evidence.is_empty()).collect();
    assert!(proven.len() >= 20, "{} findings", proven.len());
    for (number, finding) in proven.into_iter().enumerate() {
        let out = folder.path().join(format!("{number}.pcapng"));
        let options = ["--lake", lake.to_str().expect("it is text")];
        let said = contains(&finding.title).or(contains("packet"));
        extract(&finding.finding_id, &pcaps(), &out, &options).success().stdout(said);
        let mut expected: Vec<_> = finding
            .evidence
            .iter()
            .map(|proof| {
                let capture = proof.capture.as_ref().expect("it is of a capture");
                let frame = usize::try_from(proof.frame.expect("it has a frame")).expect("it is small");
                (
                    told(&originals[capture][frame - 1]),
                    format!("frame {frame} of {capture}: evidence of {}", finding.kind),
                )
            })
            .collect();
        let taken = frames_of(&out);
        let mut taken: Vec<_> = taken.iter().map(told).zip(comments(&out)).collect();
        expected.sort();
        taken.sort();
        assert_eq!(taken.len(), expected.len(), "{finding:?}");
        for ((taken, comment), (frame, what)) in taken.iter().zip(&expected) {
            assert_eq!(taken, frame, "{}", finding.finding_id);
            assert!(comment.is_empty() || *comment == format!("{what} ({})", finding.finding_id), "{comment}");
        }
    }
}

/// The comment on each frame as tshark reads it; nothing where there is no tshark.
fn comments(capture: &Path) -> Vec<String> {
    let count = frames_of(capture).len();
    let mut command = Command::new("tshark");
    command.arg("-r").arg(capture).args(["-T", "fields", "-e", "frame.comment"]);
    let Ok(output) = command.output() else {
        assert!(std::env::var_os("CI").is_none(), "tshark is missing");
        return vec![String::new(); count];
    };
    let comments: Vec<String> = String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
    assert_eq!(comments.len(), count, "tshark reads as many frames as we do");
    assert!(comments.iter().all(|comment| !comment.is_empty()), "{comments:?}");
    comments
}

/// A control finding of one capture.
fn a_finding(path: &Path) -> FindingRow {
    let found = findings(&[path.to_owned()]).into_iter().find(|row| row.kind == "protocol.unauthenticated_control");
    found.expect("somebody commands")
}

/// The whole conversation is what Wireshark shows for the ends that the evidence names.
#[test]
fn a_flow_is_the_conversation() {
    let folder = scratch();
    let path = pcaps().join("bacnet/site.pcap");
    let finding = a_finding(&path);
    let out = folder.path().join("flow.pcapng");
    extract(&finding.finding_id, &path, &out, &["--flow"]).success();
    let taken = frames_of(&out);
    assert!(taken.len() > finding.evidence.len());
    let filters: Vec<String> = finding
        .evidence
        .iter()
        .map(|proof| {
            let filter = proof.display_filter.as_deref().expect("it has a filter");
            format!("({})", filter.split_once(" && ").expect("the ends stand behind the number").1)
        })
        .collect();
    let output = Command::new("tshark").arg("-r").arg(&path).args(["-Y", &filters.join(" || ")]).output();
    let Ok(output) = output else { return };
    assert_eq!(taken.len(), String::from_utf8_lossy(&output.stdout).lines().count());
}

#[test]
fn frames_around_are_told_from_evidence() {
    let folder = scratch();
    let path = pcaps().join("bacnet/site.pcap");
    let finding = a_finding(&path);
    let out = folder.path().join("around.pcapng");
    extract(&finding.finding_id, &path, &out, &["--context", "2"]).success();
    let numbers: Vec<i64> = finding.evidence.iter().filter_map(|proof| proof.frame).collect();
    let last = i64::try_from(frames_of(&path).len()).expect("it is small");
    let near = (1..=last).filter(|frame| numbers.iter().any(|number| (number - frame).abs() <= 2));
    let comments = comments(&out);
    assert_eq!(comments.len(), near.count());
    let beside = comments.iter().filter(|comment| comment.contains(": beside evidence of ")).count();
    assert!(comments[0].is_empty() || beside == comments.len() - numbers.len(), "{comments:?}");
}

#[test]
fn what_is_asked_wrongly_is_answered() {
    let folder = scratch();
    let path = pcaps().join("bacnet/site.pcap");
    let finding = a_finding(&path);
    let out = folder.path().join("x.pcapng");
    let id = &finding.finding_id;
    let typo = format!("{}zz", &id[..8]);
    let said = contains(format!("no finding is called {typo}; the nearest:\n  {id}  "));
    extract(&typo, &path, &out, &[]).code(WRONG_USE).stdout("").stderr(said);
    let none = contains("no finding is called nothing-like-it; `otoscope findings` lists them");
    extract("nothing-like-it", &path, &out, &[]).code(WRONG_USE).stderr(none);
    let several = contains(" findings begin with f-; type more of the id:\n  f-");
    extract("f-", &path, &out, &[]).code(WRONG_USE).stderr(several);
    assert!(!out.exists());

    fs::write(&out, "mine").expect("it can be written");
    let exists = contains("it exists already; --force replaces it");
    extract(&id[..12], &path, &out, &[]).code(WRONG_USE).stderr(exists);
    assert_eq!(fs::read(&out).expect("it is there"), b"mine");
    extract(&id[..12], &path, &out, &["--force"]).success();
    assert_eq!(frames_of(&out).len(), finding.evidence.len());

    let copy = folder.path().join("copy.pcap");
    fs::copy(&path, &copy).expect("it can be copied");
    let own = contains("it is one of the captures");
    extract(id, &copy, &copy, &["--force"]).code(WRONG_USE).stderr(own);
    assert_eq!(fs::read(&copy).expect("it is there"), fs::read(&path).expect("it is there"));

    let nowhere = folder.path().join("no/such/folder/x.pcapng");
    extract(id, &path, &nowhere, &[]).code(FAILED).stdout("").stderr(contains("no/such/folder"));
    let files = fs::read_dir(folder.path()).expect("it is there").count();
    assert_eq!(files, 2, "nothing is left beside them");
}

/// A capture is known by its content: moved and renamed it is found, changed it proves nothing.
#[test]
fn a_capture_is_known_by_its_content() {
    let folder = scratch();
    let captures = folder.path().join("captures");
    fs::create_dir(&captures).expect("a folder");
    let capture = captures.join("day.pcap");
    fs::copy(pcaps().join("bacnet/site.pcap"), &capture).expect("it can be copied");
    let lake = folder.path().join("lake");
    otoscope().arg("read").arg(&captures).arg("--out").arg(&lake).assert().success();
    let finding = a_finding(&capture);
    let options = ["--lake", lake.to_str().expect("it is text"), "--force"];
    let out = folder.path().join("x.pcapng");
    let asked = |from: &Path| extract(&finding.finding_id, from, &out, &options);

    let moved = folder.path().join("archive/2026/renamed.pcap");
    fs::create_dir_all(moved.parent().expect("it has one")).expect("a folder");
    fs::rename(&capture, &moved).expect("it can be moved");
    asked(&folder.path().join("archive")).success();
    let comment = format!(": evidence of {} ({})", finding.kind, finding.finding_id);
    let named = |text: &String| text.is_empty() || text.contains(" of day.pcap") && text.ends_with(&comment);
    assert!(comments(&out).iter().all(named), "{:?}", comments(&out));
    fs::remove_file(&out).expect("it is there");
    let gone = contains("day.pcap: the capture with frame ").and(contains("is not there any more; --from names"));
    asked(&pcaps().join("modbus")).code(FAILED).stderr(gone);

    let mut bytes = fs::read(&moved).expect("it is there");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&capture, &bytes).expect("it can be written");
    let changed = contains("day.pcap: the capture has changed since it was read");
    asked(&captures).code(FAILED).stdout("").stderr(changed);
    assert!(!out.exists());
}

/// The front and the end of a large capture are the same, and what is between them is not: the time tells.
#[test]
fn a_frame_of_another_time_is_no_proof() {
    let folder = scratch();
    let capture = folder.path().join("day.pcap");
    let original = fs::read(pcaps().join("bacnet/site.pcap")).expect("it is there");
    // Records without meaning, so many that the samples of front and end do not meet.
    let filler = [&[0; 8][..], &60_u32.to_le_bytes(), &60_u32.to_le_bytes(), &[0; 60]].concat();
    let filler = filler.repeat(65_536 / filler.len() + 2);
    let mut bytes = [&original[..24], &filler, &original[24..], &filler].concat();
    fs::write(&capture, &bytes).expect("it can be written");
    let lake = folder.path().join("lake");
    otoscope().arg("read").arg(&capture).arg("--out").arg(&lake).output().expect("it starts");
    let finding = a_finding(&capture);
    // Every packet's seconds are one more.
    let mut at = 24 + filler.len();
    while at < bytes.len() - filler.len() {
        bytes[at] = bytes[at].wrapping_add(1);
        let size: [u8; 4] = bytes[at + 8..at + 12].try_into().expect("four bytes");
        at += 16 + u32::from_le_bytes(size) as usize;
    }
    fs::write(&capture, &bytes).expect("it can be written");
    let out = folder.path().join("x.pcapng");
    let options = ["--lake", lake.to_str().expect("it is text")];
    let said = contains(" was of ").and(contains("the capture has changed since it was read"));
    extract(&finding.finding_id, &capture, &out, &options).code(FAILED).stdout("").stderr(said);
    assert!(!out.exists());
}

#[test]
fn standard_output_takes_the_packets_alone() {
    let folder = scratch();
    let path = pcaps().join("bacnet/site.pcap");
    let finding = a_finding(&path);
    let assert = extract(&finding.finding_id, &path, Path::new("-"), &[]).success().stderr(contains("of 1 capture"));
    let out = folder.path().join("x.pcapng");
    fs::write(&out, &assert.get_output().stdout).expect("it can be written");
    assert_eq!(frames_of(&out).len(), finding.evidence.len());
}
