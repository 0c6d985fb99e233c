//! Rows through a lake and through lines: what goes in comes out, and the same goes in always as the same bytes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use fingerprints::record::{AssetRow, HealthRow, Provenance, Record};
use outputs::schema::TABLES;
use outputs::{Cell, Input, Kind, Lake, Lines, OutputError, Overlap, Row, Run, Sink, Table, Written, rfc3339};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};
use tempfile::TempDir;

mod generated;
mod verify;

fn run(id: &str, inputs: &[&str]) -> Run {
    let provenance = Provenance { site: "site".into(), sensor: "sensor".into(), run_id: id.into() };
    let input = |content: &&str| Input {
        path: format!("{content}.pcap"),
        bytes: 1,
        head_sha256: (*content).into(),
        tail_sha256: (*content).into(),
    };
    Run { provenance, version: "0.1.0".into(), knowledge: "k".into(), inputs: inputs.iter().map(input).collect() }
}

fn lake_of(folder: &Path) -> Lake {
    Lake::create(folder, Some("site")).unwrap()
}

fn write_rows(folder: &Path, run: Run, rows: &[(&'static Table, Row)]) -> Result<Written, OutputError> {
    let mut sink = lake_of(folder).begin(run, Overlap::Refuse)?;
    rows.iter().try_for_each(|(table, row)| sink.row(table, row.clone()))?;
    Box::new(sink).finish()
}

fn write_records(folder: &Path, run: Run, records: &[Record]) -> Result<Written, OutputError> {
    let mut sink = lake_of(folder).begin(run, Overlap::Refuse)?;
    records.iter().try_for_each(|record| sink.record(record))?;
    Box::new(sink).finish()
}

fn asset(id: &str) -> Record {
    AssetRow { asset_id: id.into(), ..AssetRow::default() }.into()
}

/// Every file below a folder, hidden ones too, with its bytes.
fn content(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(content(&path));
        } else {
            files.insert(path.clone(), fs::read(path).unwrap());
        }
    }
    files
}

fn ids(folder: &Path) -> Vec<String> {
    let assets = Lake::open(folder).unwrap().read(Table::named("assets").unwrap()).unwrap();
    let column = assets.table.index("asset_id").unwrap();
    assets.rows.iter().map(|row| row[column].text().unwrap().to_owned()).collect()
}

/// A cell as JSON should tell it, said in another way than the sink says it.
fn as_json(kind: Kind, cell: &Cell) -> Value {
    match (kind, cell) {
        (_, Cell::Null) => Value::Null,
        (_, Cell::Bool(value)) => json!(value),
        (_, Cell::Int(value)) => json!(value),
        // The reader of this test rounds the last digit of some numbers; the writer does not.
        (_, Cell::Double(value)) => serde_json::from_str(&json!(value).to_string()).unwrap(),
        (_, Cell::Text(value)) => json!(value),
        (_, Cell::Time(value)) => json!(rfc3339(*value)),
        (Kind::List(element), Cell::List(cells)) => cells.iter().map(|cell| as_json(*element, cell)).collect(),
        (Kind::Map(value), Cell::Map(entries)) => {
            entries.iter().map(|(key, cell)| (key.clone(), as_json(*value, cell))).collect()
        }
        (Kind::Struct(columns), Cell::Struct(cells)) => {
            let fields = columns.iter().zip(cells);
            fields.map(|(column, cell)| (column.name.to_owned(), as_json(column.kind, cell))).collect()
        }
        _ => panic!("{cell:?} is not of {kind:?}"),
    }
}

fn some_rows() -> impl Strategy<Value = (&'static Table, Vec<Row>)> {
    (0..TABLES.len()).prop_flat_map(|i| (Just(TABLES[i]), generated::rows(TABLES[i], 1..12)))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_column_of_every_table_comes_back_from_the_lake((table, mut rows) in some_rows()) {
        let folder = TempDir::new().unwrap();
        let told: Vec<_> = rows.iter().map(|row| (table, row.clone())).collect();
        write_rows(folder.path(), run("r", &[]), &told).unwrap();
        let mut read = Lake::open(folder.path()).unwrap().read(table).unwrap().rows;
        rows.sort();
        read.sort();
        prop_assert_eq!(read, rows);
    }

    #[test]
    fn every_column_of_every_table_stands_in_its_line((table, rows) in some_rows()) {
        let mut stream = Vec::new();
        let mut sink = Lines::new(&mut stream, Provenance::default());
        rows.iter().try_for_each(|row| sink.row(table, row)).unwrap();
        Box::new(sink).finish().unwrap();
        let lines = String::from_utf8(stream).unwrap();
        prop_assert_eq!(lines.lines().count(), rows.len());
        for (line, row) in lines.lines().zip(&rows) {
            let Value::Object(mut object) = serde_json::from_str(line).unwrap() else { panic!("{line}") };
            prop_assert_eq!(object.remove("table"), Some(json!(table.name)));
            prop_assert_eq!(object.len(), table.columns.len());
            for (column, cell) in table.columns.iter().zip(row) {
                prop_assert_eq!(&object[column.name], &as_json(column.kind, cell), "{}", column.name);
            }
        }
    }

    #[test]
    fn rows_in_another_order_are_the_same_bytes((table, rows) in some_rows(), at in any::<Index>()) {
        let (one, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let mut told: Vec<_> = rows.into_iter().map(|row| (table, row)).collect();
        write_rows(one.path(), run("r", &[]), &told).unwrap();
        let at = at.index(told.len());
        told.rotate_left(at);
        told.reverse();
        write_rows(other.path(), run("r", &[]), &told).unwrap();
        prop_assert!(content(one.path()).values().eq(content(other.path()).values()));
    }
}

#[test]
fn a_table_without_rows_has_no_folder() {
    let folder = TempDir::new().unwrap();
    write_records(folder.path(), run("r", &["1"]), &[asset("a"), HealthRow::default().into()]).unwrap();
    let mut names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["_lake.json", "_runs", "assets", "health"]);
    assert!(folder.path().join("assets/p_site=s-site/p_day=1970-01-01/sensor-r-0000.parquet").is_file());
    assert!(Lake::open(folder.path()).unwrap().read(Table::named("claims").unwrap()).unwrap().rows.is_empty());
}

#[test]
fn reading_the_same_again_changes_no_byte_and_touches_no_file() {
    let folder = TempDir::new().unwrap();
    let write = || write_records(folder.path(), run("r", &["1", "2"]), &[asset("a"), HealthRow::default().into()]);
    let times = || -> Vec<_> {
        content(folder.path()).keys().map(|path| fs::metadata(path).unwrap().modified().unwrap()).collect()
    };
    write().unwrap();
    let (before, touched) = (content(folder.path()), times());
    write().unwrap();
    assert_eq!(content(folder.path()), before);
    assert_eq!(times(), touched);
}

#[test]
fn a_run_that_reads_more_takes_the_place_of_the_older_one() {
    let folder = TempDir::new().unwrap();
    write_records(folder.path(), run("old", &["1"]), &[asset("a"), HealthRow::default().into()]).unwrap();
    write_records(folder.path(), run("apart", &["3"]), &[asset("c")]).unwrap();
    write_records(folder.path(), run("new", &["1", "2"]), &[asset("a"), asset("b")]).unwrap();
    assert_eq!(ids(folder.path()), ["a", "b", "c"]);
    assert!(!folder.path().join("_runs/old.json").exists());
    assert!(!folder.path().join("health").exists(), "a folder without files goes too");
}

#[test]
fn a_run_that_tells_less_the_second_time_leaves_none_of_the_first() {
    let folder = TempDir::new().unwrap();
    write_records(folder.path(), run("r", &["1"]), &[asset("a"), HealthRow::default().into()]).unwrap();
    write_records(folder.path(), run("r", &["1"]), &[asset("b")]).unwrap();
    assert_eq!(ids(folder.path()), ["b"]);
    assert!(!folder.path().join("health").exists());
}

#[test]
fn a_partial_overlap_is_refused_before_anything_is_written_unless_it_is_meant() {
    let folder = TempDir::new().unwrap();
    write_records(folder.path(), run("old", &["1", "2"]), &[asset("a")]).unwrap();
    let before = content(folder.path());
    let refused = write_records(folder.path(), run("new", &["2"]), &[asset("b")]);
    assert!(matches!(refused, Err(OutputError::Overlap { run, .. }) if run == "old"));
    assert_eq!(content(folder.path()), before);

    let mut sink = lake_of(folder.path()).begin(run("new", &["2"]), Overlap::Append).unwrap();
    sink.record(&asset("b")).unwrap();
    Box::new(sink).finish().unwrap();
    assert_eq!(ids(folder.path()), ["a", "b"]);
}

#[test]
fn a_run_that_did_not_end_leaves_no_file_that_an_engine_sees() {
    let folder = TempDir::new().unwrap();
    write_records(folder.path(), run("old", &["1"]), &[asset("a")]).unwrap();
    let before = content(folder.path());
    let mut sink = lake_of(folder.path()).begin(run("new", &["1", "2"]), Overlap::Refuse).unwrap();
    sink.record(&asset("b")).unwrap();
    drop(sink);
    assert_eq!(content(folder.path()), before);
    assert_eq!(ids(folder.path()), ["a"]);
}

/// The plug was pulled after the files appeared, before the run was written down.
#[test]
fn what_a_run_left_that_was_not_written_down_goes_when_it_runs_again() {
    let folder = TempDir::new().unwrap();
    write_records(folder.path(), run("r", &["1"]), &[asset("a"), HealthRow::default().into()]).unwrap();
    let of_another = folder.path().join("health/p_site=s-site/p_day=1970-01-01/sensor-r-other-0000.parquet");
    fs::copy(folder.path().join("health/p_site=s-site/p_day=1970-01-01/sensor-r-0000.parquet"), &of_another).unwrap();
    fs::remove_file(folder.path().join("_runs/r.json")).unwrap();
    assert_eq!(ids(folder.path()), ["a"], "what no run names is read");
    write_records(folder.path(), run("r", &["1"]), &[asset("b")]).unwrap();
    assert_eq!(ids(folder.path()), ["b"]);
    assert_eq!(fs::read_dir(of_another.parent().unwrap()).unwrap().count(), 1, "another run's file stays");
    assert!(of_another.exists());
}

#[test]
fn a_manifest_cannot_reach_out_of_its_lake() {
    let folder = TempDir::new().unwrap();
    let lake = folder.path().join("lake");
    write_records(&lake, run("old", &["1"]), &[asset("a")]).unwrap();
    let outside = folder.path().join("precious.parquet");
    fs::write(&outside, "x").unwrap();
    let path = lake.join("_runs/old.json");
    let mut manifest: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    manifest["files"][0]["path"] = json!("../precious.parquet");
    fs::write(&path, manifest.to_string()).unwrap();
    write_records(&lake, run("new", &["1", "2"]), &[asset("b")]).unwrap();
    assert!(outside.exists());
}

#[test]
fn a_lake_remembers_its_first_site() {
    let folder = TempDir::new().unwrap();
    assert_eq!(Lake::create(&folder.path().join("plain"), None).unwrap().site(), "default");
    let plant = folder.path().join("plant");
    for (named, site) in [(Some("plant"), "plant"), (None, "plant"), (Some("other"), "other"), (None, "plant")] {
        assert_eq!(Lake::create(&plant, named).unwrap().site(), site);
    }
}

#[test]
fn a_folder_of_captures_is_no_lake() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("a.pcap"), "").unwrap();
    assert!(!Lake::is_lake(folder.path()));
    assert!(matches!(Lake::open(folder.path()), Err(OutputError::NoLake(_))));
    lake_of(folder.path());
    assert!(Lake::is_lake(folder.path()));
}
