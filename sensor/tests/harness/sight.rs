//! What could not be seen is a finding where the capture proves it, and never where it is whole.

use super::support::{Recording, captures_in, otoscope, pcaps, public_captures, records_of};
use fingerprints::finding::{BLIND, LOSS, ONE_WAY};
use fingerprints::record::{FindingRow, Record};
use sensor::pipeline::Settings;
use sensor::source::{CaptureFile, Input, Step};
use std::path::Path;
use tempfile::TempDir;

/// The findings of this sort that a capture gives.
fn unseen_in(path: &Path) -> Vec<FindingRow> {
    let records = records_of(&[path.to_owned()], Settings::default()).records;
    let findings = records.into_iter().filter_map(|record| match record {
        Record::Findings(row) if row.kind.starts_with("coverage.") => Some(*row),
        _ => None,
    });
    findings.collect()
}

/// A capture in a folder of its own.
fn saved(recording: Recording) -> (TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().expect("a folder of its own");
    let path = folder.path().join("made.pcap");
    std::fs::write(&path, recording.into_bytes()).expect("the file can be written");
    (folder, path)
}

fn unseen_of(recording: Recording) -> Vec<FindingRow> {
    let (_folder, path) = saved(recording);
    unseen_in(&path)
}

/// The frames of a capture that are chosen, each at its time.
fn chosen(input: &Input, choose: impl Fn(&[u8]) -> bool) -> Recording {
    let mut file = CaptureFile::open(input).expect("the capture can be opened");
    let mut recording = Recording::new();
    while let Step::Frame(frame) = file.step() {
        let bytes = &file.bytes[frame.bytes];
        if choose(bytes) {
            recording.at(u64::try_from(frame.time.nanos()).expect("after 1970"));
            recording.frame(bytes);
        }
    }
    recording
}

/// So many polls of a PLC and their answers, a hundredth of a second apart, without some of the packets; `nanos` is when
/// a packet comes.
fn polls(count: u32, is_seen: impl Fn(u32) -> bool, nanos: impl Fn(u64) -> u64) -> Recording {
    let mut recording = Recording::new();
    let (client, server) = ((1, 40_000), (2, 502));
    let values = [7; 100];
    let answer = [&[0, 1, 0, 0, 0, 103, 1, 3, 100][..], &values].concat();
    let length = u32::try_from(answer.len()).expect("it is short");
    for poll in 0..count {
        let (asked, answered) = (1 + poll * 12, 1 + poll * length);
        for part in [0, 1] {
            let packet = 2 * poll + part;
            if !is_seen(packet) {
                continue;
            }
            recording.at(nanos(1_700_000_000_000_000_000 + u64::from(packet) * 10_000_000));
            if part == 0 {
                recording.tcp(client, server, asked, answered, &[0, 1, 0, 0, 0, 6, 1, 3, 0, 0, 0, 50]);
            } else {
                recording.tcp(server, client, answered, asked + 12, &answer);
            }
        }
    }
    recording
}

fn only(findings: &[FindingRow]) -> &FindingRow {
    let [finding] = findings else { panic!("one finding: {findings:#?}") };
    finding
}

fn frame_of(finding: &FindingRow) -> Option<i64> {
    finding.evidence.first()?.frame
}

#[test]
fn whole_captures_give_no_such_finding() {
    for input in captures_in(&pcaps()) {
        assert!(unseen_in(&input.path).is_empty(), "{}: {:#?}", input.name, unseen_in(&input.path));
    }
    assert!(unseen_in(&pcaps()).is_empty());
    assert!(unseen_of(polls(400, |_| true, |nanos| nanos)).is_empty());
}

/// Four captures of a public collection, of which tshark says so too: `tcp.analysis.lost_segment`, `-z conv,tcp`.
#[test]
fn ordinary_traffic_gives_it_where_it_is_true() {
    let Some(folder) = public_captures() else { return };
    let mut told = Vec::new();
    for input in captures_in(&folder.join("it")) {
        let of_mirrors = unseen_in(&input.path).into_iter().filter(|finding| finding.kind != BLIND);
        told.extend(of_mirrors.map(|finding| (input.name.clone(), finding.kind)));
    }
    let attack = |name: &str| format!("PCAP-ATTACK-{name}.pcapng");
    let expected = [
        (attack("CredAccess_BackupMasterKey_LSARPC_43_RetrievePrivateData"), LOSS),
        (attack("DCShadow_add_primarygroupid_512_to_std_account"), LOSS),
        (attack("LM_dcom_mmc20.application_dcerpc"), LOSS),
        ("ndpi-whatsapp.pcap".to_owned(), ONE_WAY),
    ];
    assert_eq!(told, expected.map(|(name, kind)| (name, kind.to_owned())));
}

#[test]
fn a_mirror_of_one_direction_is_told() {
    for capture in ["modbus/polling.pcap", "mixed/plant.pcap", "bacnet/site.pcap"] {
        let input = captures_in(&pcaps()).into_iter().find(|input| input.name == capture).expect("it is ours");
        let ends = |frame: &[u8]| Some((frame.get(26..30)?.to_vec(), frame.get(30..34)?.to_vec()));
        for keeps_low in [true, false] {
            let one_way = |frame: &[u8]| ends(frame).is_some_and(|(from, to)| (from < to) == keeps_low);
            let findings = unseen_of(chosen(&input, one_way));
            let finding = only(&findings);
            assert_eq!((finding.kind.as_str(), finding.severity.as_str()), (ONE_WAY, "medium"), "{capture}");
            assert_eq!(finding.title, "Only one direction is seen of 10.20.0.0/24");
            assert_eq!(finding.details["share"], "100");
            assert!(frame_of(finding).is_some(), "{finding:?}");
            assert_eq!(finding.asset_id, None);
        }
    }
}

#[test]
fn lost_packets_are_told_with_the_frame_behind_the_hole() {
    let findings = unseen_of(polls(400, |packet| !(200..300).contains(&packet), |nanos| nanos));
    let finding = only(&findings);
    assert_eq!(finding.kind, LOSS);
    assert_eq!(finding.title, "Traffic of 10.0.0.0/24 is missing");
    // Fifty polls of 12 bytes, and fifty answers of 109.
    assert_eq!(finding.details["lost_bytes"], (50 * (12 + 109)).to_string());
    assert_eq!(frame_of(finding), Some(201));
    // Two packets are the odd loss of any switch.
    assert!(unseen_of(polls(400, |packet| packet != 100 && packet != 601, |nanos| nanos)).is_empty());
}

#[test]
fn a_hole_in_time_is_told() {
    let late = |minutes: u64| {
        let start = 1_700_000_000_000_000_000 + 4_000_000_000;
        polls(400, |_| true, move |nanos| nanos + if nanos < start { 0 } else { minutes * 60_000_000_000 })
    };
    let findings = unseen_of(late(10));
    let finding = only(&findings);
    assert_eq!((finding.kind.as_str(), frame_of(finding)), (BLIND, Some(401)));
    assert_eq!(finding.title, "Nothing is seen of 2023-11-14 22:13 to 2023-11-14 22:23 UTC");
    assert!(unseen_of(late(2_000)).is_empty(), "two captures in one");
}

#[test]
fn a_link_type_that_is_not_read_is_told() {
    let recording = polls(400, |_| true, |nanos| nanos);
    let folder = tempfile::tempdir().expect("a folder of its own");
    let path = folder.path().join("made.pcap");
    let mut bytes = recording.into_bytes();
    // LINKTYPE_USER0: never anybody's.
    bytes[20] = 147;
    std::fs::write(&path, bytes).expect("the file can be written");
    let findings = unseen_in(&path);
    let finding = only(&findings);
    assert_eq!((finding.kind.as_str(), frame_of(finding)), (BLIND, Some(1)));
    assert_eq!(finding.title, "Nothing is seen of frames of link type private use (147)");
    otoscope().args(["read".as_ref(), path.as_os_str()]).assert().code(3);
}
