//! Object headers of whole captures: as many of each group and variation as tshark counts, or the difference is explained.

use super::application::Fragment;
use super::link::{self, Room};
use super::objects::{Blocks, Kind};
use super::transport::{Assembly, Segment};
use crate::reader::{Reader, Stop};
use crate::recorded::{captures, streams};
use crate::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Of each kind of objects how many headers.
type Counts = BTreeMap<(u8, u8), i64>;

/// A capture, of which kinds by how many headers we count more than tshark 4.0, and why.
type Difference = (&'static str, &'static [(u8, u8, i64)], &'static str);

static DIFFERENCES: [Difference; 6] = [
    (
        "attributes.pcap",
        &[(0, 200, 1), (0, 201, 1), (0, 202, 1), (0, 203, 1), (0, 204, 1), (0, 205, 1), (0, 209, 1), (0, 224, 1)],
        "tshark takes an attribute that is a time, and one that is octets, for something else, and goes astray behind it",
    ),
    ("attributes.pcap", &[(0, 239, 1), (0, 240, 1), (0, 241, 1), (6, 0, -1), (80, 196, -1), (200, 0, -1)], "the same"),
    (
        "attributes.pcap",
        &[(60, 2, 1), (60, 3, 1), (1, 0, 1), (30, 0, 1), (110, 0, -2), (110, 4, 1), (110, 11, 1)],
        "tshark does not walk what Assign Class names, and calls octet strings by variation 0, however long they are",
    ),
    (
        "files.pcap",
        &[(70, 2, 2), (70, 4, 1), (70, 7, 1), (70, 8, 1)],
        "tshark walks no request of functions 28 to 31: who logs in for files, asks for one, aborts, activates one",
    ),
    (
        "line_tcp.pcap",
        &[(60, 1, 1), (60, 2, 1), (60, 3, 1), (60, 4, 1)],
        "tshark misses the request that stands behind the noise of the line",
    ),
    (
        "security.pcap",
        &[(120, 1, 2), (120, 2, 2), (120, 4, 1), (120, 5, 2), (120, 6, 1), (120, 7, 1), (120, 8, 1), (120, 10, 1)],
        "tshark does not walk requests and answers of secure authentication",
    ),
];

#[test]
fn our_captures_have_the_object_headers_that_tshark_counts() {
    let table = fs::read_to_string("../pcaps/dnp3/objects.tsv").expect("`pcaps/lab/objects` writes it");
    let mut wrong = Vec::new();
    let captures = captures("dnp3");
    assert!(captures.len() >= 11, "{captures:?}");
    for capture in captures {
        let name = capture.file_name().expect("a name").to_string_lossy().into_owned();
        let (ours, theirs) = (walked(&capture), counted(&table, &name));
        for kind in ours.keys().chain(theirs.keys()).collect::<BTreeSet<_>>() {
            let [ours, theirs] = [&ours, &theirs].map(|counts| counts.get(kind).copied().unwrap_or(0));
            if ours - theirs != explained(&name, *kind) {
                wrong.push(format!("{name} g{}v{}: ours {ours}, tshark {theirs}", kind.0, kind.1));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn explained(capture: &str, kind: (u8, u8)) -> i64 {
    let of_capture = DIFFERENCES.iter().filter(|(name, ..)| *name == capture).flat_map(|(_, kinds, _)| *kinds);
    of_capture.filter(|(group, variation, _)| (*group, *variation) == kind).map(|(.., by)| by).sum()
}

fn counted(table: &str, capture: &str) -> Counts {
    let rows = table.lines().map(|line| line.split('\t').collect::<Vec<_>>()).filter(|row| row[0] == capture);
    rows.map(|row| {
        ((row[1].parse().expect("a group"), row[2].parse().expect("a variation")), row[3].parse().expect("a count"))
    })
    .collect()
}

/// The object headers of a capture, by the walk that the dissector makes.
fn walked(capture: &Path) -> Counts {
    let mut counts = Counts::new();
    let mut assemblies: BTreeMap<(u16, u16), Assembly> = BTreeMap::new();
    for bytes in streams(capture) {
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let (mut reader, mut room) = (Reader::closed(rest), Room::default());
            match link::read(&mut reader, &mut room) {
                Ok((header, data)) => {
                    rest = reader.rest();
                    let segment = Segment::of(data).filter(|_| header.carries_data());
                    let assembly = assemblies.entry((header.source, header.destination)).or_default();
                    let whole = segment.and_then(|segment| assembly.take(segment, usize::MAX, Timestamp::default()));
                    let Some(fragment) = whole.as_ref().and_then(|whole| Fragment::of(whole.bytes())) else { continue };
                    for block in Blocks::of(fragment.function, fragment.objects) {
                        let Ok(Kind { group, variation }) = block.map(|block| block.kind) else { continue };
                        *counts.entry((group, variation)).or_default() += 1;
                    }
                }
                Err(Stop::Bad { length, .. }) => rest = rest.get(length.max(1)..).unwrap_or_default(),
                Err(_) => break,
            }
        }
    }
    counts
}
