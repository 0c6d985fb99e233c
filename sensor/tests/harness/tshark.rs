//! Messages counted by us and by tshark: equal, or the difference is explained with its frame.

use super::support::{captures_in, pcaps, public_captures, read};
use dissectors::Direction;
use sensor::pipeline::Settings;
use sensor::source::Input;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Protocol, operation, direction.
type Key = (String, String, Direction);
/// Messages, and those of them that refuse.
type Counts = BTreeMap<Key, i64>;

/// Where we and tshark count differently, each with its frame and its reason.
const DIFFERENCES: &str = include_str!("differences.tsv");

#[test]
fn our_captures() {
    let folder = pcaps();
    let mut seen = 0;
    let mut report = Vec::new();
    for input in captures_in(&folder) {
        let Some(expected) = counted_beside(&input.path) else { continue };
        seen += 1;
        compare(&input, &expected, &mut report);
    }
    assert!(seen >= 20, "{seen} captures with counts");
    assert!(report.is_empty(), "{}", report.join("\n"));
}

#[test]
fn public_captures_of_our_protocols() {
    let Some(folder) = public_captures() else { return };
    let table = std::fs::read_to_string(folder.join("EXPECTED.tsv")).expect("the counts stand beside the captures");
    let mut report = Vec::new();
    let mut seen = 0;
    let rows = table.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let is_of_cameras = |name: &str| ["http/", "onvif/", "rtsp/"].iter().any(|folder| name.starts_with(folder));
    let spoken = rows.filter(|row| ["modbus", "bacnet", "dnp3", "rtsp"].contains(&row[1]) || is_of_cameras(row[0]));
    let names: BTreeSet<String> = spoken.map(|row| row[0].to_owned()).collect();
    for name in names {
        let expected = counted_in(&table, &name);
        for mut input in captures_in(&folder.join(&name)) {
            input.name.clone_from(&name);
            seen += 1;
            compare(&input, &expected, &mut report);
        }
    }
    assert!(seen >= 100, "{seen} captures with counts");
    assert!(report.is_empty(), "{}", report.join("\n"));
}

/// Every explained difference names a frame and a reason, and stands once.
#[test]
fn differences_are_explained() {
    let mut keys = BTreeSet::new();
    for line in DIFFERENCES.lines().skip(1) {
        let columns: Vec<&str> = line.split('\t').collect();
        let [capture, protocol, operation, direction, difference, frames, why] = columns.as_slice() else {
            panic!("seven columns: {line}");
        };
        assert!(keys.insert((*capture, *protocol, *operation, *direction)), "twice: {line}");
        assert!(difference.parse::<i64>().is_ok_and(|number| number != 0), "{line}");
        assert!(frames.starts_with(|letter: char| letter.is_ascii_digit()) && why.len() > 10, "{line}");
    }
}

fn compare(input: &Input, expected: &Counts, report: &mut Vec<String>) {
    let (notebook, _) = read(vec![input.clone()], Settings::default());
    let protocols: BTreeSet<&str> = expected.keys().map(|(protocol, ..)| protocol.as_str()).collect();
    let mut ours = Counts::new();
    for activity in notebook.activity().filter(|activity| protocols.contains(activity.protocol)) {
        let key = (activity.protocol.to_owned(), activity.operation.to_string(), activity.direction);
        *ours.entry(key).or_default() += i64::try_from(activity.messages).expect("captures are short");
    }
    let explained = explained_for(&input.name);
    let keys: BTreeSet<&Key> = expected.keys().chain(ours.keys()).chain(explained.keys()).collect();
    for key in keys {
        let [ours, theirs, explained] =
            [&ours, expected, &explained].map(|counts| counts.get(key).copied().unwrap_or(0));
        if ours - theirs != explained {
            let (protocol, operation, direction) = key;
            let direction = direction.name();
            report.push(format!(
                "{}\t{protocol}\t{operation}\t{direction}\tours {ours}, tshark {theirs}, explained {explained}",
                input.name
            ));
        }
    }
}

fn explained_for(capture: &str) -> Counts {
    let rows = DIFFERENCES.lines().skip(1).map(|line| line.split('\t').collect::<Vec<_>>());
    rows.filter(|row| row[0] == capture)
        .map(|row| ((row[1].to_owned(), row[2].to_owned(), direction(row[3])), row[4].parse().expect("a number")))
        .collect()
}

fn direction(name: &str) -> Direction {
    if name == "request" { Direction::Request } else { Direction::Response }
}

/// What was counted by `pcaps/lab/count`, with what it says tshark misses.
fn counted_beside(capture: &Path) -> Option<Counts> {
    let table = std::fs::read_to_string(capture.with_extension("tshark.tsv")).ok()?;
    // What tshark misses, and what was sent, by those who sent it, in protocols that tshark does not count.
    let [missed, sent] = ["missed.tsv", "expected.tsv"]
        .map(|kind| std::fs::read_to_string(capture.with_extension(kind)).unwrap_or_default());
    let mut counts = Counts::new();
    for line in table.lines().skip(1).chain(missed.lines().skip(1)).chain(sent.lines().skip(1)) {
        let columns: Vec<&str> = line.split('\t').collect();
        // Segments after the first, and their acknowledgements, are no messages of their own.
        if columns[1].starts_with("segment") {
            continue;
        }
        let key = (columns[0].to_owned(), columns[1].to_owned(), direction(columns[2]));
        *counts.entry(key).or_default() += columns[3].parse::<i64>().expect("a number");
    }
    Some(counts)
}

/// What the table of the public captures says: `protocol  what  count`, exceptions apart from responses.
fn counted_in(table: &str, capture: &str) -> Counts {
    let mut counts = Counts::new();
    for line in table.lines() {
        let columns: Vec<&str> = line.split('\t').collect();
        let [path, protocol, what, count, ..] = columns.as_slice() else { continue };
        if *path != capture {
            continue;
        }
        if let Some((operation, direction)) = operation_of(protocol, what) {
            let key = ((*protocol).to_owned(), operation, direction);
            *counts.entry(key).or_default() += count.parse::<i64>().expect("a number");
        }
    }
    counts
}

fn operation_of(protocol: &str, what: &str) -> Option<(String, Direction)> {
    let number = what.rsplit_once('=').map(|(_, number)| number.to_owned());
    match protocol {
        "modbus" => {
            let (function, kind) = what.strip_prefix("func=")?.split_once(' ')?;
            Some((function.to_owned(), direction(kind)))
        }
        "bacnet" if what.starts_with("bvlc function=") => {
            let number = number?;
            let direction = if number == "0" { Direction::Response } else { Direction::Request };
            Some((format!("b{number}"), direction))
        }
        "bacnet" if what.starts_with("network message=") => Some((format!("n{}", number?), Direction::Request)),
        "bacnet" if what.contains("(unconfirmed-request)") => Some((format!("u{}", number?), Direction::Request)),
        "bacnet" if what.contains("(confirmed-request)") => Some((number?, Direction::Request)),
        "bacnet" if what.contains("-ack) service=") || what.contains("(error) service=") => {
            Some((number?, Direction::Response))
        }
        "rtsp" | "http" if what.starts_with("method=") => Some((number?, Direction::Request)),
        "rtsp" | "http" if what.starts_with("status=") => Some((number?, Direction::Response)),
        "bacnet" if what.contains("(reject)") => Some(("reject".to_owned(), Direction::Response)),
        "bacnet" if what.contains("(abort)") => Some(("abort".to_owned(), Direction::Response)),
        "dnp3" if what.starts_with("func=") => number.map(|number| (number.clone(), dnp3_direction(&number))),
        // What carries user data is no message of its own.
        "dnp3" if matches!(number.as_deref(), Some("3" | "4")) => None,
        "dnp3" if what.starts_with("link primary") => Some((format!("l{}", number?), Direction::Request)),
        "dnp3" if what.starts_with("link secondary") => Some((format!("l{}", number?), Direction::Response)),
        _ => None,
    }
}

/// Which side sends a function, but for confirmations, which nearly always are the master's.
fn dnp3_direction(function: &str) -> Direction {
    if function.len() == 3 { Direction::Response } else { Direction::Request }
}
