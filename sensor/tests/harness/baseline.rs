//! A plant before and after, as the commands compare them.

use super::support::otoscope;
use predicates::str::contains;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const BEFORE: &str = "pcaps/mixed/before.pcap";
const AFTER: &str = "pcaps/mixed/after.pcap";

/// A lake of the plant as it was.
fn lake_of(folder: &TempDir, capture: &str) -> PathBuf {
    let lake = folder.path().join("lake");
    otoscope().args(["read", capture, "--quiet", "--out"]).arg(&lake).assert().code(0);
    lake
}

fn scratch() -> TempDir {
    tempfile::tempdir().expect("a folder of its own")
}

/// The findings of a capture against a lake: kind, title, and the frames that prove it.
fn findings(capture: &str, lake: &Path) -> Vec<(String, String, Vec<u64>)> {
    let mut command = otoscope();
    command.args(["findings", capture, "--format", "json", "--baseline"]).arg(lake);
    let output = command.assert().code(0).get_output().stdout.clone();
    let rows: Vec<Value> = serde_json::from_slice(&output).expect("an array");
    let text = |row: &Value, column: &str| row[column].as_str().unwrap_or_default().to_owned();
    let frames = |row: &Value| {
        let evidence = row["evidence"].as_array().cloned().unwrap_or_default();
        evidence.iter().filter_map(|packet| packet["frame"].as_u64()).collect()
    };
    rows.iter().map(|row| (text(row, "kind"), text(row, "title"), frames(row))).collect()
}

#[test]
fn what_changed_since_is_told_with_its_frames() {
    let folder = scratch();
    let lake = lake_of(&folder, BEFORE);
    let found = findings(AFTER, &lake);
    let of = |kind: &str| {
        let all = found.iter().filter(|(is, ..)| is == kind);
        all.map(|(_, title, frames)| format!("{title} {frames:?}")).collect::<Vec<_>>()
    };
    assert_eq!(
        of("firmware.changed"),
        ["Schneider Electric BMX P34 2020 runs another firmware: 2.70 -> 2.80 [8]"],
        "{found:?}"
    );
    let mut new = of("asset.new");
    new.sort();
    assert_eq!(new.len(), 3, "{new:?}");
    assert!(new[0].starts_with("10.30.0.70 is new"), "{new:?}");
    assert!(new[1].starts_with("Schneider Electric PowerLogic PM5110 is new"), "{new:?}");
    assert!(new[2].starts_with("WAGO 750-889 is new"), "{new:?}");
    assert!(of("asset.changed").is_empty(), "{found:?}");
    let same = findings(BEFORE, &lake_of(&scratch(), AFTER));
    assert!(same.iter().any(|(kind, title, _)| kind == "firmware.changed" && title.ends_with("2.80 -> 2.70")));
}

#[test]
fn the_summary_says_against_what() {
    let folder = scratch();
    let lake = lake_of(&folder, BEFORE);
    let workspace = super::support::workspace();
    let [before, after] = [BEFORE, AFTER].map(|capture| workspace.join(capture));
    let mut command = otoscope();
    command.current_dir(folder.path()).arg("read").arg(&after).args(["--baseline", "lake"]);
    let said = command.assert().code(0).get_output().stdout.clone();
    let said = String::from_utf8_lossy(&said).into_owned();
    let sums = ", 4 assets: 3 new, 1 changed, 2 not seen";
    assert!(said.lines().any(|line| line.starts_with("since lake, 2026-11-24") && line.ends_with(sums)), "{said}");
    assert!(said.lines().all(|line| line.chars().count() <= 80) && said.lines().count() <= 23, "{said}");
    let mut command = otoscope();
    command.args(["read", "--quiet", "--fail-on", "info", "--baseline"]).arg(&lake).arg(&after).assert().code(4);
    let config = folder.path().join("site.toml");
    fs::write(&config, "baseline = 'lake'\n").expect("the file can be written");
    let mut command = otoscope();
    command.current_dir(folder.path()).args(["--config", "site.toml", "read"]).arg(&after);
    command.assert().code(0).stdout(contains("since lake,"));
    let mut command = otoscope();
    command.args(["read", "--baseline"]).arg(&lake).arg(before).assert().code(1);
}

/// Every file below a folder, and what is in it.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("the folder can be read").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.insert(path.clone(), fs::read(&path).expect("the file can be read"));
        }
    }
    found
}

/// A lake may be its own baseline: a run is not compared with itself.
#[test]
fn the_same_captures_against_the_same_lake_write_the_same_bytes() {
    let folder = scratch();
    let lake = lake_of(&folder, BEFORE);
    let read = |workers: &str| {
        let mut command = otoscope();
        command.args(["read", AFTER, "--quiet", "--workers", workers, "--baseline"]).arg(&lake).arg("--out").arg(&lake);
        command.assert().code(0);
        files(&lake)
    };
    let first = read("1");
    assert_eq!(first, read("8"));
    let mut command = otoscope();
    command.args(["findings"]).arg(&lake).args(["--where", "kind = firmware.changed", "--format", "csv"]);
    command.assert().code(0).stdout(contains("2.70 -> 2.80"));
}

#[test]
fn what_is_no_baseline_is_refused_in_words() {
    let folder = scratch();
    let lake = lake_of(&folder, BEFORE);
    let refused = |arguments: &[&str], said: &str| {
        let mut command = otoscope();
        command.current_dir(folder.path()).arg("read").arg(super::support::workspace().join(AFTER));
        command.args(arguments).assert().code(1).stderr(contains(said));
    };
    refused(&["--baseline", "lak"], "there is no such file or folder; did you mean lake?");
    fs::create_dir(folder.path().join("hollow")).expect("a folder");
    refused(&["--baseline", "hollow"], "hollow: no lake");
    fs::write(folder.path().join("file"), "x").expect("a file");
    refused(&["--baseline", "file"], "it is a file, and a lake is a folder");
    refused(&["--baseline", "lake", "--site", "north"], "nothing of the site north stands in it");
    let runs = fs::read_dir(lake.join("_runs")).expect("it has runs").flatten().next().expect("one");
    let text = fs::read_to_string(runs.path()).expect("the notes of a run");
    let version = format!("\"schema_version\": \"{}\"", outputs::schema::VERSION);
    assert!(text.contains(&version), "{text}");
    fs::write(runs.path(), text.replace(&version, "\"schema_version\": \"99\"")).expect("notes");
    refused(&["--baseline", "lake"], "a later otoscope wrote it (schema 99");
}

/// What stands in two captures, and in a lake of the one and the other capture, differs in the same way.
#[test]
fn two_states_are_compared_row_by_row() {
    let folder = scratch();
    let lake = lake_of(&folder, BEFORE);
    let rows = |old: &Path| {
        let mut command = otoscope();
        let output = command.arg("diff").arg(old).args([AFTER, "--json"]).assert().code(0).get_output().stdout.clone();
        let text = String::from_utf8(output).expect("text");
        text.lines().map(|line| serde_json::from_str(line).expect("an object")).collect::<Vec<Value>>()
    };
    let found = rows(Path::new(BEFORE));
    assert_eq!(found, rows(&lake));
    let told: Vec<String> = found
        .iter()
        .map(|row| {
            let text = |column: &str| row[column].as_str().unwrap_or("-").to_owned();
            [text("change"), text("address"), text("attribute"), text("old"), text("new")].join(" ")
        })
        .collect();
    let expected = [
        "asset_new 10.30.0.23 - - Schneider Electric PowerLogic PM5110 02.20",
        "asset_new 10.30.0.31 - - WAGO 750-889 01.03.01",
        "asset_new 10.30.0.70 - - -",
        "asset_not_seen 10.30.0.22 - Siemens SENTRON PAC 2.21 -",
        "asset_not_seen 10.30.0.31 - WAGO 750-881 01.09.22 -",
        "asset_changed 10.30.0.10 firmware 2.70 2.80",
        "finding_opened 10.30.0.10 medium - protocol.unauthenticated_control",
    ];
    assert_eq!(told.iter().take(expected.len()).collect::<Vec<_>>(), expected.iter().collect::<Vec<_>>(), "{told:#?}");
    assert!(
        told.contains(&"service_new 10.30.0.10 502/tcp modbus - 10.30.0.70 uses 10.30.0.10 502/tcp modbus".to_owned())
    );
    let firmware = found.iter().find(|row| row["change"] == "asset_changed").expect("it is there");
    assert_eq!((&firmware["capture"], &firmware["frame"]), (&"after.pcap".into(), &8.into()));
    let mut command = otoscope();
    let page = command.arg("diff").arg(&lake).args([AFTER, "--fail-on", "medium"]).assert().code(4);
    let page = String::from_utf8_lossy(&page.get_output().stdout).into_owned();
    assert!(page.lines().all(|line| line.chars().count() <= 80), "{page}");
    assert!(page.contains("firmware 2.70 -> 2.80 (after.pcap frame 8)"), "{page}");
    otoscope().args(["diff", AFTER, AFTER]).assert().code(2);
    otoscope().args(["diff", "pcaps/http", "pcaps/http/web.pcap", "--format", "csv"]).assert().code(0);
}

#[test]
fn a_finding_is_told_whole_with_what_to_do_and_how_to_see_it() {
    let told = |id: &str| otoscope().args(["finding", id, AFTER]).assert();
    let mut command = otoscope();
    command.args(["findings", AFTER, "--where", "severity = medium", "--format", "json"]);
    let output = command.assert().code(0).get_output().stdout.clone();
    let rows: Vec<Value> = serde_json::from_slice(&output).expect("an array");
    let id = rows[0]["finding_id"].as_str().expect("an id");
    let said = told(&id[..8]).code(0);
    let page = String::from_utf8_lossy(&said.get_output().stdout).into_owned();
    for part in [
        id,
        "protocol.unauthenticated_control",
        "\nwhat was seen\n",
        "targets            register 5",
        "frame 9",
        "frame.number == 9",
        "\nwhat cures it, and what proves that\n",
        "NIS2 21(2)(i)",
        "T0855",
        "--from pcaps/mixed/after.pcap -o proof.pcapng",
    ] {
        assert!(page.contains(part), "{part} in\n{page}");
    }
    told("f-").code(2).stderr(contains("findings begin with f-; type more of the id"));
    told("nothing").code(2).stderr(contains("no finding is called nothing"));
}

#[test]
fn a_vendor_that_only_the_mac_tells_is_marked_where_people_read() {
    let table = |format: &str| {
        let mut command = otoscope();
        command.args(["assets", BEFORE, "--columns", "ips,vendor", "--format", format]);
        String::from_utf8_lossy(&command.assert().code(0).get_output().stdout).into_owned()
    };
    assert!(
        table("table").contains("Dell (by MAC)") && !table("table").contains("WAGO (by MAC)"),
        "{}",
        table("table")
    );
    assert!(!table("csv").contains("by MAC") && !table("json").contains("by MAC"));
    otoscope().args(["asset", "10.30.0.50", BEFORE]).assert().code(0).stdout(contains("Dell (by MAC)"));
}

/// Both answer who asks: two turns in one question would be one device replaced, the next question settles it.
#[test]
fn two_devices_with_one_address_are_a_conflict() {
    let mut command = otoscope();
    command.args(["findings", "pcaps/mixed/conflict.pcap", "--format", "json"]);
    command.args(["--where", "kind = asset.address_conflict"]);
    let output = command.assert().code(0).get_output().stdout.clone();
    let rows: Vec<Value> = serde_json::from_slice(&output).expect("an array");
    let [row] = rows.as_slice() else { panic!("{rows:?}") };
    assert_eq!(row["title"], "10.31.0.10 is claimed by two devices");
    let frames: Vec<u64> =
        row["evidence"].as_array().into_iter().flatten().filter_map(|it| it["frame"].as_u64()).collect();
    assert_eq!(frames, [3, 15, 16]);
}
