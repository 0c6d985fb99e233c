//! Captures read into lakes: the same bytes from any number of workers, and nothing counted twice.

use super::support::{otoscope, pcaps, records_of};
use super::workers;
use outputs::schema::TABLES;
use outputs::{Lake, Overlap, Sink};
use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;
use sensor::pipeline::Settings;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const WORKERS: [usize; 3] = [1, 2, 8];

/// A lake's files, hidden ones too, with all their bytes.
type Files = BTreeMap<PathBuf, Vec<u8>>;

fn files_of(lake: &Path) -> Files {
    let mut files = Files::new();
    let mut folders = vec![lake.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the folder can be read") {
            let path = entry.expect("the folder can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(lake).expect("it lies in the lake").to_owned();
                files.insert(name, fs::read(&path).expect("the file can be read"));
            }
        }
    }
    files
}

/// Two lakes in words that a failed test can print.
fn difference(one: &Files, other: &Files) -> Vec<String> {
    let names = one.keys().chain(other.keys());
    let mut differ: Vec<String> =
        names.filter(|name| one.get(*name) != other.get(*name)).map(|name| name.display().to_string()).collect();
    differ.sort();
    differ.dedup();
    differ
}

#[track_caller]
fn assert_same(one: &Files, other: &Files, what: &str) {
    assert_eq!(difference(one, other), [""; 0], "{what}");
}

fn scratch() -> TempDir {
    tempfile::tempdir().expect("a folder of its own")
}

/// `otoscope read PATHS... --out LAKE OPTIONS...`
fn read(paths: &[&str], lake: &Path, options: &[&str]) -> assert_cmd::assert::Assert {
    otoscope().arg("read").args(paths).arg("--out").arg(lake).args(options).assert()
}

/// A lake made of paths alone.
fn made_of(paths: &[&str]) -> Files {
    let lake = scratch();
    read(paths, lake.path(), &[]).success();
    files_of(lake.path())
}

#[test]
fn any_number_of_workers_writes_the_same_bytes() {
    let made = WORKERS.map(|workers| {
        let lake = scratch();
        read(&["pcaps"], lake.path(), &["--workers", &workers.to_string()]).success();
        files_of(lake.path())
    });
    let has = |table: &str| made[0].keys().any(|name| name.starts_with(table));
    assert!(TABLES.into_iter().all(|table| has(table.name)), "{:?}", made[0].keys());
    for (workers, files) in WORKERS.iter().zip(&made) {
        assert_same(&made[0], files, &format!("{workers} workers"));
    }
}

/// Small caps, so that each of them overflows.
#[test]
fn any_number_of_workers_writes_the_same_bytes_of_a_flood() {
    let folder = scratch();
    let flood = folder.path().join("flood.pcap");
    fs::write(&flood, workers::flooding().into_bytes()).expect("the capture can be written");
    let made = WORKERS.map(|workers| {
        let settings = Settings { workers, ..workers::overflowing() };
        let reading = records_of(&[pcaps(), flood.clone()], settings);
        workers::assert_overflowed(&reading.totals.sum().lanes);
        let lake = scratch();
        let mut sink = Lake::create(lake.path(), None)
            .and_then(|lake| lake.begin(reading.run.clone(), Overlap::Refuse))
            .expect("the lake can be written");
        let mut records = reading.records.iter().chain(&reading.earlier);
        records.try_for_each(|record| sink.record(record)).expect("the lake can be written");
        Box::new(sink).finish().expect("the lake can be written");
        files_of(lake.path())
    });
    for (workers, files) in WORKERS.iter().zip(&made) {
        assert_same(&made[0], files, &format!("{workers} workers"));
    }
}

#[test]
fn reading_the_same_again_changes_no_byte() {
    let lake = scratch();
    read(&["pcaps"], lake.path(), &[]).success();
    let before = files_of(lake.path());
    read(&["pcaps"], lake.path(), &[]).success();
    assert_same(&before, &files_of(lake.path()), "read again");
    read(&["pcaps"], lake.path(), &["--append", "--site", "default"]).success();
    assert_same(&before, &files_of(lake.path()), "read again, to append");
}

/// Also when they are named in another way: each capture is known by its content.
#[test]
fn more_captures_take_the_place_of_fewer() {
    let lake = scratch();
    read(&["pcaps/modbus"], lake.path(), &[]).success();
    read(&["pcaps/bacnet/site.pcap"], lake.path(), &[]).success();
    assert_eq!(runs(&files_of(lake.path())), 2);
    read(&["pcaps"], lake.path(), &[]).success();
    assert_same(&made_of(&["pcaps"]), &files_of(lake.path()), "read after two parts of it");
}

fn runs(files: &Files) -> usize {
    files.keys().filter(|name| name.starts_with("_runs")).count()
}

#[test]
fn a_partial_overlap_is_refused_unless_appended() {
    let [one, two, three] = ["pcaps/modbus/polling.pcap", "pcaps/modbus/mbpoll.pcap", "pcaps/bacnet/site.pcap"];
    let lake = scratch();
    read(&[one, two], lake.path(), &[]).success();
    let before = files_of(lake.path());
    let refused = contains("polling.pcap was read before").and(contains("mbpoll.pcap")).and(contains("--append"));
    read(&[one, three], lake.path(), &[]).code(1).stdout("").stderr(refused);
    assert_same(&before, &files_of(lake.path()), "refused");
    read(&[one, three], lake.path(), &["--append"]).success();
    let after = files_of(lake.path());
    assert!(before.iter().all(|(name, bytes)| after.get(name) == Some(bytes)), "the older run stays as it was");
    assert_eq!(runs(&after), 2);
    let asked = |table: &str| {
        let output = otoscope().args([table, "--format", "json"]).arg(lake.path()).output().expect("it starts");
        let rows: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).expect("an array");
        rows.into_iter().map(|row| row["path"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    let mut captures = asked("captures");
    captures.sort();
    assert_eq!(captures, ["mbpoll.pcap", "polling.pcap", "polling.pcap", "site.pcap"], "what --append counts twice");
}

#[test]
fn a_lake_remembers_its_site() {
    let lake = scratch();
    read(&["pcaps/modbus/polling.pcap"], lake.path(), &["--site", "north"]).success();
    read(&["pcaps/modbus/mbpoll.pcap"], lake.path(), &[]).success();
    let sites = |files: &Files| {
        let of = |name: &PathBuf| name.iter().nth(1).map(|part| part.to_string_lossy().into_owned());
        let mut sites: Vec<String> = files.keys().filter_map(of).filter(|part| part.starts_with("p_site=")).collect();
        sites.sort();
        sites.dedup();
        sites
    };
    assert_eq!(sites(&files_of(lake.path())), ["p_site=s-north"]);
    read(&["pcaps/modbus/mbpoll.pcap"], lake.path(), &["--site", "south"]).success();
    assert_eq!(sites(&files_of(lake.path())), ["p_site=s-north", "p_site=s-south"]);
    read(&["pcaps/bacnet/site.pcap"], lake.path(), &[]).success();
    let assets = otoscope().args(["assets", "--format", "json"]).arg(lake.path()).output().expect("it starts");
    let assets: Vec<serde_json::Value> = serde_json::from_slice(&assets.stdout).expect("an array");
    let site = |address: &str| {
        let has = |row: &&serde_json::Value| row["ips"].as_array().is_some_and(|ips| ips.contains(&address.into()));
        assets.iter().filter(has).map(|row| row["site"].as_str().unwrap_or_default()).collect::<Vec<_>>()
    };
    assert_eq!(site("10.20.0.110"), ["north"], "the first site stays the lake's");
    assert_eq!(site("10.20.0.30").len(), 2, "one address at two sites is two assets");
}

#[test]
fn what_cannot_be_read_leaves_no_lake() {
    let folder = scratch();
    let lake = folder.path().join("lake");
    read(&["no/such/place"], &lake, &["--site", "mistyped"]).code(1);
    assert!(!lake.exists());
}
