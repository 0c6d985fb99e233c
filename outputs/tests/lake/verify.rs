//! A lake is sound until a file of it is changed, and then the change is named.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use arrow_schema::{Field, Schema};
use bytes::Bytes;
use fingerprints::record::{AssetRow, ClaimRow, HealthRow, Record};
use outputs::lake::Verdict;
use outputs::{Input, Lake, Run, Table};
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::arrow::arrow_writer::{ArrowWriter, ArrowWriterOptions};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use tempfile::TempDir;

use crate::{run, write_records};

const ASSETS: &str = "assets/p_site=s-site/p_day=1970-01-01/sensor-r-0000.parquet";
const CLAIMS: &str = "claims/p_site=s-site/p_day=1970-01-01/sensor-r-0000.parquet";
const HEALTH: &str = "health/p_site=s-site/p_day=1970-01-01/sensor-r-0000.parquet";
const MEND: &str = "read the captures of its run again: a.pcap, b.pcap and 1 more";

fn records() -> Vec<Record> {
    let asset =
        |id: &str| Record::from(AssetRow { asset_id: id.into(), ips: vec!["10.0.0.1".into()], ..AssetRow::default() });
    vec![asset("a"), asset("b"), ClaimRow::default().into(), HealthRow::default().into()]
}

/// A lake of one run.
fn lake() -> TempDir {
    let folder = TempDir::new().unwrap();
    write_records(folder.path(), run("r", &["a", "b", "c"]), &records()).unwrap();
    folder
}

fn verdict(lake: &TempDir) -> Verdict {
    Lake::verify(lake.path()).unwrap()
}

#[track_caller]
fn assert_said(lake: &TempDir, expected: &[&str]) {
    let said: Vec<String> = verdict(lake).problems.iter().map(ToString::to_string).collect();
    assert_eq!(said, expected);
}

/// A file of a lake in pieces: its columns, its rows, what it says of itself.
struct Pieces {
    fields: Vec<Field>,
    arrays: Vec<ArrayRef>,
    told: Vec<KeyValue>,
}

/// Writes a file anew with something changed, and lets the run know it as it is now, so that only the change is wrong.
fn rewrite(lake: &TempDir, path: &str, change: impl FnOnce(&mut Pieces)) {
    let file = lake.path().join(path);
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let bytes = Bytes::from(fs::read(&file).unwrap());
    let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(bytes, options).unwrap();
    let told = builder.metadata().file_metadata().key_value_metadata().unwrap().clone();
    let batch = builder.build().unwrap().next().unwrap().unwrap();
    let fields = batch.schema().fields().iter().map(|field| field.as_ref().clone()).collect();
    let mut pieces = Pieces { fields, arrays: batch.columns().to_vec(), told };
    change(&mut pieces);
    let batch = RecordBatch::try_new(Arc::new(Schema::new(pieces.fields)), pieces.arrays).unwrap();
    let properties = WriterProperties::builder().set_key_value_metadata(Some(pieces.told)).build();
    let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new_with_options(&mut bytes, batch.schema(), options).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    fs::write(&file, &bytes).unwrap();
    // The hash of a file is that which the same bytes have as a capture's first 64 KiB.
    let look = Input::look(&file, path.into()).unwrap();
    let notes = lake.path().join("_runs/r.json");
    let mut run: serde_json::Value = serde_json::from_slice(&fs::read(&notes).unwrap()).unwrap();
    let known = run["files"].as_array_mut().unwrap().iter_mut().find(|known| known["path"] == path).unwrap();
    (known["bytes"], known["sha256"]) = (look.bytes.into(), look.head_sha256.into());
    fs::write(&notes, run.to_string()).unwrap();
}

fn tell(pieces: &mut Pieces, key: &str, value: &str) {
    let pair = pieces.told.iter_mut().find(|pair| pair.key == key).unwrap();
    pair.value = Some(value.into());
}

#[test]
fn a_lake_as_it_was_written_is_sound() {
    let lake = lake();
    let verdict = verdict(&lake);
    assert!(verdict.problems.is_empty() && verdict.notes.is_empty(), "{verdict:?}");
    assert_eq!((verdict.runs, verdict.files, verdict.rows, verdict.older), (1, 3, 4, 0));
    rewrite(&lake, ASSETS, |_| {});
    assert_said(&lake, &[]);
    Lake::verify(Path::new("no/such/lake")).unwrap_err();
}

#[test]
fn a_file_is_known_by_its_bytes() {
    let lake = lake();
    let path = lake.path().join(ASSETS);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let cut = format!("{ASSETS}: it was cut short: {} of {} bytes are there; {MEND}", whole.len() / 2, whole.len());
    assert_said(&lake, &[&cut]);
    let mut changed = whole.clone();
    changed[whole.len() / 3] ^= 1;
    fs::write(&path, &changed).unwrap();
    assert_said(&lake, &[&format!("{ASSETS}: it was changed after it was written (its hash is another); {MEND}")]);
    fs::remove_file(&path).unwrap();
    assert_said(&lake, &[&format!("{ASSETS}: it is missing, though a run wrote it; {MEND}")]);
}

/// Whatever byte is changed, the change is found.
#[test]
fn no_byte_can_be_changed_unseen() {
    let lake = lake();
    let path = lake.path().join(HEALTH);
    let whole = fs::read(&path).unwrap();
    for at in (0..whole.len()).step_by(41) {
        let mut changed = whole.clone();
        changed[at] ^= 0x55;
        fs::write(&path, &changed).unwrap();
        let problems = verdict(&lake).problems;
        assert!(problems.iter().any(|problem| problem.path == HEALTH), "byte {at}: {problems:?}");
    }
}

#[test]
fn files_that_were_exchanged_are_named() {
    let lake = lake();
    let [assets, claims] = [ASSETS, CLAIMS].map(|path| lake.path().join(path));
    let kept = fs::read(&assets).unwrap();
    fs::rename(&claims, &assets).unwrap();
    fs::write(&claims, kept).unwrap();
    assert_said(
        &lake,
        &[
            &format!("{ASSETS}: its columns are those of the table claims; {MEND}"),
            &format!("{CLAIMS}: its columns are those of the table assets; {MEND}"),
        ],
    );
    // Of one table, but another day.
    let lake = self::lake();
    let day = lake.path().join("assets/p_site=s-site/p_day=1999-12-31");
    fs::rename(lake.path().join("assets/p_site=s-site/p_day=1970-01-01"), &day).unwrap();
    assert_said(
        &lake,
        &[
            &format!(
                "assets/p_site=s-site/p_day=1999-12-31/sensor-r-0000.parquet: it holds a row of p_day=1970-01-01; {MEND}"
            ),
            &format!("{ASSETS}: it is missing, though a run wrote it; {MEND}"),
        ],
    );
}

#[test]
fn a_column_that_differs_is_named() {
    let column = |name: &str| Table::named("assets").unwrap().index(name).unwrap();
    let vendor = column("vendor");
    let check = |change: &dyn Fn(&mut Pieces), said: &str| {
        let lake = lake();
        rewrite(&lake, ASSETS, change);
        assert_said(&lake, &[&format!("{ASSETS}: {said}; {MEND}")]);
    };
    check(
        &|it| it.fields[vendor] = it.fields[vendor].clone().with_name("maker"),
        "column vendor: it is called maker here",
    );
    check(
        &|it| {
            it.fields.remove(vendor);
            it.arrays.remove(vendor);
        },
        "column vendor: it is missing",
    );
    check(
        &|it| {
            it.fields.swap(vendor, vendor + 1);
            it.arrays.swap(vendor, vendor + 1);
        },
        "column vendor: model stands in its place",
    );
    check(
        &|it| {
            let metadata: std::collections::HashMap<_, _> = [("PARQUET:field_id".to_owned(), "999".to_owned())].into();
            it.fields[vendor] = it.fields[vendor].clone().with_metadata(metadata);
        },
        &format!("column vendor: its field id is 999, and should be {}", vendor + 1),
    );
    check(
        &|it| {
            let other = column("first_seen");
            let name = it.fields[vendor].name().clone();
            let metadata = it.fields[vendor].metadata().clone();
            it.fields[vendor] = it.fields[other].clone().with_name(name).with_metadata(metadata).with_nullable(true);
            it.arrays[vendor] = Arc::clone(&it.arrays[other]);
        },
        "column vendor: it is of the type Timestamp(µs, \"UTC\"), and should be of Utf8",
    );
    check(
        &|it| {
            it.fields.push(Field::new("colour", arrow_schema::DataType::Utf8, true));
            it.arrays.push(Arc::clone(&it.arrays[vendor]));
        },
        "column colour: the schema does not have it",
    );
    let id = column("asset_id");
    check(&|it| it.arrays[id] = Arc::new(StringArray::from(vec!["b", "a"])), "its rows are not sorted by asset_id");
    check(&|it| drop(it.told.remove(1)), "its metadata has no otoscope.version");
    check(&|it| tell(it, "otoscope.run_id", "other"), "column run_id: a row says r, and the file is of other");
}

#[test]
fn an_older_schema_is_fine_and_a_later_one_is_read_as_far_as_it_is_known() {
    let later = Table::named("health").unwrap().columns.iter().filter(|column| column.since > 1).count();
    assert!(later > 0, "the schema has grown since");
    let lake = lake();
    let shorten = |it: &mut Pieces| {
        it.fields.truncate(it.fields.len() - later);
        it.arrays.truncate(it.arrays.len() - later);
    };
    rewrite(&lake, HEALTH, |it| {
        shorten(it);
        tell(it, "otoscope.schema_version", "1");
    });
    assert_said(&lake, &[]);
    assert_eq!(verdict(&lake).older, 1);
    // The same columns, but said to be of today.
    let today = outputs::schema::VERSION.to_string();
    rewrite(&lake, HEALTH, |it| tell(it, "otoscope.schema_version", &today));
    let said: Vec<String> = verdict(&lake).problems.iter().map(ToString::to_string).collect();
    assert!(said.len() == 1 && said[0].contains("it is missing, though the file says that it has schema"), "{said:?}");

    let lake = self::lake();
    rewrite(&lake, ASSETS, |it| {
        it.fields.push(Field::new("colour", arrow_schema::DataType::Utf8, true));
        it.arrays.push(Arc::clone(it.arrays.last().unwrap()));
        tell(it, "otoscope.schema_version", "99");
    });
    assert_said(&lake, &[]);
    assert_eq!(verdict(&lake).newer, 1);
}

#[test]
fn what_lies_about_is_told() {
    let lake = lake();
    let put = |path: &str| {
        let path = lake.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, b"x").unwrap();
    };
    let copy = |path: &str| {
        let to = lake.path().join(path);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(lake.path().join(ASSETS), to).unwrap();
    };
    put("assets/p_site=s-site/p_day=1970-01-01/.sensor-r-0001.parquet.tmp");
    put("_runs/.r.json.tmp");
    put("assets/loose.parquet");
    put("_delta_log/0.json");
    put("notes.txt");
    put("elephants/p_site=s-site/p_day=1970-01-01/x.parquet");
    copy("assets/p_site=s-site/p_day=1970-01-01/sensor-r-0001.parquet");
    copy("assets/p_site=s-north/p_day=1970-01-01/sensor-r-0000.parquet");
    let left = "it was left by a run that came to no end; delete it";
    assert_said(
        &lake,
        &[
            &format!("_runs/.r.json.tmp: {left}"),
            "assets/loose.parquet: it does not stand in a folder TABLE/p_site=.../p_day=..., and is not read; \
             move it there, or delete it",
            &format!(
                "assets/p_site=s-north/p_day=1970-01-01/sensor-r-0000.parquet: it was written for site site, \
             sensor sensor, run r, and its name says otherwise; {MEND}"
            ),
            &format!("assets/p_site=s-site/p_day=1970-01-01/.sensor-r-0001.parquet.tmp: {left}"),
            &format!(
                "assets/p_site=s-site/p_day=1970-01-01/sensor-r-0001.parquet: its run does not list it: an earlier \
             try of it left it behind; {MEND}"
            ),
        ],
    );
    let notes: Vec<String> = verdict(&lake).notes.iter().map(ToString::to_string).collect();
    assert_eq!(
        notes,
        [
            "elephants/p_site=s-site/p_day=1970-01-01/x.parquet: it is of no table that this otoscope knows; it is not read",
            "notes.txt: it is no file of a table; it is not read",
        ]
    );
}

#[test]
fn a_lake_that_was_copied_in_parts_is_sound() {
    let lake = lake();
    fs::remove_dir_all(lake.path().join("_runs")).unwrap();
    assert_said(&lake, &[]);
    assert_eq!(verdict(&lake).notes.len(), 3);
    fs::remove_file(lake.path().join("_lake.json")).unwrap();
    assert_said(&lake, &[]);
}

#[test]
fn notes_that_cannot_be_read_are_told() {
    let lake = lake();
    fs::write(lake.path().join("_lake.json"), b"{").unwrap();
    fs::write(lake.path().join("_runs/r.json"), b"[]").unwrap();
    fs::write(lake.path().join("_runs/s.json"), serde_json::to_vec(&serde_json::json!({})).unwrap()).unwrap();
    let said: Vec<String> = verdict(&lake).problems.iter().map(ToString::to_string).collect();
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(said[0].starts_with("_lake.json: it cannot be read (EOF"), "{said:?}");
    assert!(said[1].starts_with("_runs/r.json: it cannot be read ("), "{said:?}");
    let renamed = self::lake();
    fs::rename(renamed.path().join("_runs/r.json"), renamed.path().join("_runs/q.json")).unwrap();
    assert_said(
        &renamed,
        &["_runs/q.json: it bears another name than its run, r; delete it, and read the captures of that run again"],
    );
}

/// What the rows of a run are made of is read again, and all is well.
#[test]
fn what_is_wrong_is_mended_by_the_run() {
    let lake = lake();
    let again = || {
        let run: Run = run("r", &["a", "b", "c"]);
        write_records(lake.path(), run, &records()).unwrap();
        assert_said(&lake, &[]);
    };
    fs::write(lake.path().join(ASSETS), b"half").unwrap();
    again();
    fs::remove_file(lake.path().join(CLAIMS)).unwrap();
    again();
    fs::write(lake.path().join("assets/p_site=s-site/p_day=1970-01-01/.sensor-r-0000.parquet.tmp"), b"half").unwrap();
    again();
    fs::copy(lake.path().join(HEALTH), lake.path().join("health/p_site=s-site/p_day=1970-01-01/sensor-r-0007.parquet"))
        .unwrap();
    again();
}
