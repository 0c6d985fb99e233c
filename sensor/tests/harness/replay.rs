//! Each capture of `pcaps` gives exactly its snapshot, `CASE.snap` beside it: every row of every table, for people to review.
//!
//! A row is a line: its key, then the other columns in the schema's order. Left out is what says nothing there: site,
//! sensor, run, names and hashes of captures and flows; what hangs on a finding's kind alone; what is unknown; a zero, a
//! no and an empty list where the column cannot be unknown. Ids are shortened, times are seconds since the capture's
//! first packet, and what all rows of a table have in common of their windows or states stands in its heading. Files of
//! one CASE in several formats share their snapshot.
//!
//! Before the tables stands what dissectors told of whom, each value where it was told first: a rule may speak of it or
//! not yet.

use super::support::{captures_in, pcaps, read, records_of};
use dissectors::observation::Fact;
use dissectors::{Subject, Timestamp};
use fingerprints::record::Record;
use outputs::schema::{Column, TABLES};
use outputs::{Cell, Kind, Row, Rows, Table};
use sensor::pipeline::Settings;
use sensor::reading::Reading;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};

const HOW: &str = "OTOSCOPE_BLESS=1 cargo test -p sensor --test harness replay";

/// Columns that say nothing of the packets, repeat what the file's name says, or what a finding's kind says.
const LEFT_OUT: [&str; 11] = [
    "site",
    "sensor",
    "run_id",
    "capture",
    "capture_id",
    "path",
    "community_id",
    "display_filter",
    "controls",
    "techniques",
    "verification",
];

/// Columns that stand in the heading when all rows agree.
const COMMON: [&str; 4] = ["window_start", "window_end", "as_of", "revision"];

/// What a reviewer reads to the end. Three controllers that are asked for everything, seven devices behind two gateways,
/// three stations of one line that are in trouble, three cameras that are read and changed, three devices with all kinds of
/// passwords, five screens and three consoles with theirs, mail read in three ways, half a minute of a whole plant, and a minute of a smaller one, take more.
const MOST_BYTES: usize = 21_000;
const LONG: [&str; 13] = [
    "bacnet/foreign.snap",
    "bacnet/site.snap",
    "dnp3/line_tcp.snap",
    "http/passwords.snap",
    "imap/logins.snap",
    "mixed/plant.snap",
    "modbus/gateway.snap",
    "modbus/nmap.snap",
    "modbus/stranger.snap",
    "onvif/cameras.snap",
    "onvif/changes.snap",
    "telnet/logins.snap",
    "vnc/screens.snap",
];

#[test]
fn each_capture_gives_its_snapshot() {
    let mut wrong = Vec::new();
    for (snapshot, captures) in cases() {
        let name = named(&snapshot);
        let stories: Vec<String> = captures.iter().map(|capture| story_of(capture)).collect();
        let (heads, rows): (Vec<&str>, BTreeSet<&str>) =
            stories.iter().map(|story| story.split_once("\n\n").expect("captures stand first")).unzip();
        if rows.len() > 1 {
            wrong.push(format!("{name}: its files tell different stories: {captures:?}"));
            continue;
        }
        let rows: String = rows.into_iter().collect();
        let story = format!("{}\n\n{rows}", heads.join("\n"));
        if story.len() > MOST_BYTES && !LONG.contains(&name.as_str()) {
            wrong.push(format!("{name}: {} bytes are more than anybody reviews; cut the capture", story.len()));
        }
        compare(&snapshot, &story, &mut wrong);
    }
    assert!(wrong.is_empty(), "{}\nwhen all of it is meant: {HOW}", wrong.join("\n"));
}

#[test]
fn each_snapshot_has_its_capture() {
    let cases = cases();
    let mut folders: BTreeSet<&Path> = BTreeSet::new();
    folders.extend(cases.keys().filter_map(|snapshot| snapshot.parent()));
    for folder in folders {
        let files = std::fs::read_dir(folder).expect("the folder can be read");
        for path in files.map(|file| file.expect("the folder can be read").path()) {
            let is_snapshot = path.extension().is_some_and(|end| end == "snap");
            assert!(!is_snapshot || cases.contains_key(&path), "{} is of no capture: delete it", named(&path));
        }
    }
}

/// The captures of each snapshot.
fn cases() -> BTreeMap<PathBuf, Vec<PathBuf>> {
    let mut cases: BTreeMap<PathBuf, Vec<PathBuf>> = BTreeMap::new();
    for input in captures_in(&pcaps()) {
        cases.entry(input.path.with_extension("snap")).or_default().push(input.path);
    }
    cases
}

fn named(snapshot: &Path) -> String {
    snapshot.strip_prefix(pcaps()).expect("it is one of ours").display().to_string()
}

fn compare(snapshot: &Path, story: &str, wrong: &mut Vec<String>) {
    let kept = std::fs::read_to_string(snapshot).unwrap_or_default();
    if kept == story {
        return;
    }
    if std::env::var_os("OTOSCOPE_BLESS").is_some() {
        std::fs::write(snapshot, story).expect("the snapshot can be written");
        return;
    }
    if kept.is_empty() {
        wrong.push(format!("{}: a new capture has no snapshot yet", named(snapshot)));
        return;
    }
    let (old, new): (Vec<&str>, Vec<&str>) = (kept.lines().collect(), story.lines().collect());
    let gone = old.iter().filter(|line| !new.contains(line)).map(|line| format!("-{line}"));
    let come = new.iter().filter(|line| !old.contains(line)).map(|line| format!("+{line}"));
    let lines: Vec<String> = gone.chain(come).collect();
    let lines = if lines.is_empty() { "only the order of lines".to_owned() } else { lines.join("\n") };
    wrong.push(format!("{} differs:\n{lines}", named(snapshot)));
}

fn story_of(capture: &Path) -> String {
    let reading = records_of(&[capture.to_owned()], Settings::default());
    let story = Story { start: start_of(&reading) };
    let records = || reading.records.iter().chain(&reading.earlier);
    let captures = Table::named("captures").expect("a table of the schema");
    let others = TABLES.into_iter().filter(|table| table.name != captures.name);
    let table = |table| story.table(&Rows::of(table, records(), &reading.run.provenance));
    let sections = [table(captures), told_in(capture)].into_iter().chain(others.map(table));
    let sections: Vec<String> = sections.filter(|text| !text.is_empty()).collect();
    sections.join("\n")
}

/// What was told of hosts and of children behind them: field, value, and the first frame that told it.
fn told_in(capture: &Path) -> String {
    let (notebook, _) = read(captures_in(capture), Settings::default());
    let mut told: BTreeMap<(String, &str, String), u64> = BTreeMap::new();
    for observation in &notebook.observations {
        let Fact::Attribute { field, value } = &observation.fact else { continue };
        let Subject { host, child } = &observation.subject;
        let context = if host.context.is_root() { String::new() } else { format!(" in {}", host.context) };
        let child = child.as_ref().map(|child| format!("/{child}")).unwrap_or_default();
        let frame = observation.evidence.frame.unwrap_or_default();
        let first = told.entry((format!("{}{child}{context}", host.address), field.name, worded(&value.as_text())));
        first.and_modify(|first| *first = frame.min(*first)).or_insert(frame);
    }
    let lines = told.iter().map(|((whom, field, value), frame)| format!("  {whom}: {field} = {value} frame={frame}\n"));
    if told.is_empty() { String::new() } else { format!("told\n{}", lines.collect::<String>()) }
}

fn start_of(reading: &Reading) -> Timestamp {
    let firsts = reading.records.iter().filter_map(|record| match record {
        Record::Captures(capture) => capture.first_packet,
        _ => None,
    });
    firsts.min().expect("there is a packet")
}

/// Writes rows down.
struct Story {
    start: Timestamp,
}

impl Story {
    fn table(&self, rows: &Rows) -> String {
        let Some(first) = rows.rows.first() else { return String::new() };
        let columns = rows.table.columns;
        let agree = |at: usize| rows.rows.iter().all(|row| row[at] == first[at]);
        let (mut key, mut common, mut rest) = (Vec::new(), Vec::new(), Vec::new());
        for (at, column) in columns.iter().enumerate() {
            match column.name {
                name if LEFT_OUT.contains(&name) => {}
                name if COMMON.contains(&name) && agree(at) => common.push(at),
                name if rows.table.key.contains(&name) => key.push(at),
                _ => rest.push(at),
            }
        }
        key.sort_by_key(|at| rows.table.key.iter().position(|name| *name == columns[*at].name));
        let names: Vec<&str> = key.iter().map(|at| columns[*at].name).collect();
        let common: String = common.iter().map(|at| self.pair(&columns[*at], &first[*at])).collect();
        let names = if names.is_empty() { String::new() } else { format!(" ({})", names.join(" ")) };
        let mut text = format!("{}{names}{common}\n", rows.table.name);
        for row in &rows.rows {
            let values: Vec<String> = key.iter().map(|at| self.value(&row[*at])).collect();
            let key = if values.is_empty() { String::from("-") } else { values.join(" ") };
            let pairs: String = rest.iter().map(|at| self.seen_or_pair(columns, row, *at)).collect();
            let _ = writeln!(text, "  {key}:{pairs}");
        }
        text
    }

    /// `first_seen` and `last_seen` are one range.
    fn seen_or_pair(&self, columns: &[Column], row: &Row, at: usize) -> String {
        match columns[at].name {
            "first_seen" if row[at] == row[at + 1] => format!(" seen={}", self.value(&row[at])),
            "first_seen" => format!(" seen={}..{}", self.value(&row[at]), self.value(&row[at + 1])),
            "last_seen" => String::new(),
            _ => self.pair(&columns[at], &row[at]),
        }
    }

    /// ` column=value`, or nothing where that says nothing. Structs stand in lines of their own.
    fn pair(&self, column: &Column, cell: &Cell) -> String {
        let name = column.name;
        match (column.kind, cell) {
            (_, Cell::Null) => String::new(),
            // A zero of a column that may be unknown says that it is known.
            (_, Cell::Bool(false) | Cell::Int(0)) if !column.nullable => String::new(),
            (_, Cell::Bool(true)) => format!(" {name}"),
            (_, Cell::List(cells)) if cells.is_empty() => String::new(),
            (_, Cell::Map(entries)) if entries.is_empty() => String::new(),
            (Kind::List(Kind::Struct(fields)), Cell::List(elements)) => {
                let line = |element: &Cell| format!("\n      {name}:{}", self.fields(fields, element));
                elements.iter().map(line).collect()
            }
            _ => format!(" {name}={}", self.value(cell)),
        }
    }

    fn fields(&self, fields: &[Column], cell: &Cell) -> String {
        let told = fields.iter().zip(cell.inner()).filter(|(field, _)| !LEFT_OUT.contains(&field.name));
        told.map(|(field, cell)| self.pair(field, cell)).collect()
    }

    fn value(&self, cell: &Cell) -> String {
        match cell {
            Cell::Null => "-".to_owned(),
            Cell::Bool(value) => value.to_string(),
            Cell::Int(value) => value.to_string(),
            Cell::Double(value) => value.to_string(),
            Cell::Text(text) => worded(text),
            Cell::Time(time) => seconds(time.micros() - self.start.micros()),
            Cell::List(cells) | Cell::Struct(cells) => {
                let cells: Vec<String> = cells.iter().map(|cell| self.value(cell)).collect();
                format!("[{}]", cells.join(", "))
            }
            Cell::Map(entries) => {
                let entries: Vec<String> =
                    entries.iter().map(|(key, value)| format!("{key}: {}", self.value(value))).collect();
                format!("{{{}}}", entries.join(", "))
            }
        }
    }
}

/// Text as it is when it is a word, else in quotes. Ids are known by their front.
fn worded(text: &str) -> String {
    let is_id = text.len() == 34
        && ["a-", "f-", "r-"].iter().any(|front| text.starts_with(front))
        && text[2..].bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_id {
        return text[..10].to_owned();
    }
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || "._:/+-".contains(letter);
    if !text.is_empty() && text.chars().all(is_word) { text.to_owned() } else { format!("{text:?}") }
}

fn seconds(micros: i64) -> String {
    let sign = if micros < 0 { "-" } else { "" };
    let micros = micros.unsigned_abs();
    format!("{sign}{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}
