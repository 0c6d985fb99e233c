//! `otoscope verify`: a lake is sound, or it is said what is not, and reading again mends it.

use super::support::otoscope;
use assert_cmd::assert::Assert;
use predicates::prelude::PredicateBooleanExt;
use predicates::str::{contains, starts_with};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const READ: i32 = 0;
const FAILED: i32 = 1;
const DAMAGED: i32 = 3;

const CAPTURE: &str = "pcaps/modbus/polling.pcap";

fn lake() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder of its own");
    read(folder.path());
    folder
}

fn read(lake: &Path) {
    otoscope().args(["read", CAPTURE, "--out"]).arg(lake).assert().code(READ);
}

fn verify(lake: &Path) -> Assert {
    otoscope().arg("verify").arg(lake).assert()
}

/// The one file of a table, and its path within the lake.
fn file_of(lake: &Path, table: &str) -> (PathBuf, String) {
    let mut path = lake.join(table);
    while path.is_dir() {
        let mut entries = fs::read_dir(&path).expect("a folder");
        path = entries.next().expect("it is not empty").expect("it can be read").path();
    }
    let within = path.strip_prefix(lake).expect("it lies in the lake").to_string_lossy().into_owned();
    (path, within)
}

/// Something is wrong, which the line says, and reading again mends it.
#[track_caller]
fn assert_mended(lake: &TempDir, path: &str, what: &str) {
    let line = contains(format!("{path}: {what}")).and(contains("1 fault found"));
    verify(lake.path()).code(FAILED).stdout(line.and(contains("read the captures of its run again: polling.pcap")));
    read(lake.path());
    verify(lake.path()).code(READ);
}

#[test]
fn a_sound_lake_is_said_to_be_so() {
    let lake = lake();
    let said =
        starts_with(format!("{}: 1 run, ", lake.path().display())).and(contains(": every file is as it was written\n"));
    verify(lake.path()).code(READ).stdout(said).stderr("");
}

#[test]
fn what_is_wrong_is_named_and_mended() {
    let lake = lake();
    let (assets, path) = file_of(lake.path(), "assets");
    let whole = fs::read(&assets).expect("the file can be read");
    fs::write(&assets, &whole[..100]).expect("the file can be written");
    assert_mended(&lake, &path, &format!("it was cut short: 100 of {} bytes are there", whole.len()));
    assert_eq!(fs::read(&assets).expect("it is there"), whole);

    fs::remove_file(&assets).expect("the file is there");
    assert_mended(&lake, &path, "it is missing, though a run wrote it");

    let (claims, _) = file_of(lake.path(), "claims");
    fs::copy(&claims, &assets).expect("the file can be copied");
    assert_mended(&lake, &path, "its columns are those of the table claims");
}

#[test]
fn a_leftover_is_said_to_be_one() {
    let lake = lake();
    let (assets, path) = file_of(lake.path(), "assets");
    let name = assets.file_name().expect("a name").to_string_lossy().into_owned();
    let leftover = assets.with_file_name(".other.tmp");
    fs::write(&leftover, b"half").expect("the file can be written");
    let said = path.replace(&name, ".other.tmp") + ": it was left by a run that came to no end; delete it\n";
    verify(lake.path()).code(FAILED).stdout(starts_with(said));
    fs::remove_file(&leftover).expect("it is there");
    verify(lake.path()).code(READ);
    fs::write(lake.path().join("README"), b"mine").expect("the file can be written");
    verify(lake.path()).code(READ).stderr("README: it is no file of a table; it is not read\n");
}

/// A run that says it wrote a later schema.
#[test]
fn a_lake_of_a_later_schema_is_read_as_far_as_it_is_known_and_not_written_to() {
    let lake = lake();
    let (notes, _) = file_of(lake.path(), "_runs");
    let text = fs::read_to_string(&notes).expect("the notes of the run");
    let now = format!("\"schema_version\": \"{}\"", outputs::schema::VERSION);
    assert!(text.contains(&now), "{text}");
    fs::write(&notes, text.replace(&now, "\"schema_version\": \"99\"")).expect("the file can be written");
    let later = contains("a later otoscope wrote it (schema 99, and this one knows");
    otoscope()
        .arg("assets")
        .arg(lake.path())
        .assert()
        .code(DAMAGED)
        .stdout(contains("Schneider"))
        .stderr(later.clone());
    otoscope()
        .args(["read", "pcaps/bacnet/site.pcap", "--out"])
        .arg(lake.path())
        .assert()
        .code(FAILED)
        .stdout("")
        .stderr(later.and(contains("update otoscope, or name another lake")));
}
