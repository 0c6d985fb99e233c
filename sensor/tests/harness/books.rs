//! The books: every packet and byte that was seen ends in exactly one place that has a name.

use super::support::{captures_in, pcaps, public_captures, read, records_of};
use dissectors::observation::Tally;
use fingerprints::record::{HealthRow, Record};
use sensor::pipeline::Settings;
use sensor::reading::Reading;
use sensor::source::{CaptureFile, Input, OTHER_LINKS, Step};

/// Our captures, and those of public collections where they are.
fn captures() -> Vec<Input> {
    let mut inputs = captures_in(&pcaps());
    if let Some(folder) = public_captures() {
        let public = captures_in(&folder);
        assert!(public.len() > 600, "{} captures", public.len());
        inputs.extend(public);
    }
    inputs
}

/// What a capture holds, counted by nothing but a walk over its records.
fn walked(input: &Input) -> Tally {
    let mut file = CaptureFile::open(input).expect("the capture can be opened");
    let mut tally = Tally::default();
    loop {
        match file.step() {
            Step::Frame(frame) => tally.count(frame.wire_length),
            Step::Damaged(_) => {}
            Step::Cut { .. } | Step::End => return tally,
        }
    }
}

fn health(reading: &Reading) -> impl Iterator<Item = &HealthRow> {
    reading.records.iter().filter_map(|record| match record {
        Record::Health(row) => Some(row.as_ref()),
        _ => None,
    })
}

#[test]
fn the_books_of_every_capture_balance() {
    for input in captures() {
        for workers in [1, 2] {
            let settings = Settings { workers, ..Settings::default() };
            let reading = records_of(std::slice::from_ref(&input.path), settings);
            for (hour, count) in &reading.totals.hours {
                assert_eq!(count.difference(), (0, 0), "{} {hour:?}: {count:?}", input.name);
            }
            let (sum, seen) = (reading.totals.sum(), walked(&input));
            assert_eq!((sum.packets, sum.bytes), (seen.packets, seen.bytes), "{}", input.name);
        }
    }
}

/// Two frames in each of more hours than are counted apart, of two stations in each of more protocols than are.
#[test]
fn hours_and_frame_types_have_a_cap_and_the_books_balance() {
    const MOST_HOURS: usize = 24 * 366 * 2;
    let mut bytes = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 262_144, 1] {
        bytes.extend(word.to_le_bytes());
    }
    let mut add = |second: usize, ether_type: u16| {
        let second = u32::try_from(second).expect("it is before 2106");
        for word in [second, 0, 60, 60] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend([2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1]);
        bytes.extend(ether_type.to_be_bytes());
        bytes.extend([0; 46]);
    };
    (0..300).for_each(|kind| add(0, 0xa000 + kind));
    (0..2 * (MOST_HOURS + 50)).for_each(|at| add(at / 2 * 3_600 + at % 2, 0x88cd));
    for workers in [1, 2] {
        let settings = Settings { workers, ..Settings::default() };
        let (_, totals) = read(vec![Input::held("hours", bytes.clone())], settings);
        assert_eq!(totals.hours.len(), MOST_HOURS);
        assert!(totals.hours.values().all(|hour| hour.difference() == (0, 0)));
        let last = totals.hours.last_key_value().expect("there are hours").1;
        assert_eq!((last.packets > 100, totals.sum().packets), (true, 2 * (MOST_HOURS as u64 + 50) + 300));
        let first = totals.hours.first_key_value().expect("there are hours").1;
        assert_eq!((first.lanes.other_frames.len(), first.lanes.frame_types_over_cap > 200), (65, true));
    }
}

/// A capture of many interfaces, each of another link type that nobody reads.
#[test]
fn link_types_have_a_cap_and_the_books_balance() {
    let mut bytes = Vec::new();
    let mut block = |kind: u32, words: &[u32]| {
        let length = u32::try_from(words.len() * 4 + 12).expect("it is short");
        let all = [kind, length].into_iter().chain(words.iter().copied()).chain([length]);
        all.for_each(|word| bytes.extend(word.to_le_bytes()));
    };
    block(0x0a0d_0d0a, &[0x1a2b_3c4d, 1, u32::MAX, u32::MAX]);
    (0..300).for_each(|link| block(1, &[1_000 + link, 0]));
    (0..300).for_each(|link| block(6, &[link, 0, link, 4, 4, 0]));
    let (_, totals) = read(vec![Input::held("links", bytes)], Settings::default());
    let sum = totals.sum();
    assert_eq!((sum.packets, sum.difference(), sum.unread_links.len()), (300, (0, 0), 257));
    assert_eq!((sum.unread_links[&OTHER_LINKS].packets, totals.first_unread.len()), (44, 257));
    let links = &totals.accounts[0].link_types;
    let frames: u64 = links.iter().map(|(_, frames)| frames).sum();
    assert_eq!((links.len(), frames), (257, 300));
}

/// The same sums as anybody can make of the table, nulls aside.
#[test]
fn the_rows_of_health_balance() {
    for input in captures() {
        let reading = records_of(std::slice::from_ref(&input.path), Settings::default());
        let mut seen = Tally::default();
        for row in health(&reading) {
            let packets = row.used + row.filtered.unwrap_or(0) + row.duplicates.unwrap_or(0) + row.damaged + row.unread;
            assert_eq!(row.packets, packets, "{}: {row:?}", input.name);
            let left_out = row.filtered_bytes.unwrap_or(0) + row.duplicate_bytes.unwrap_or(0);
            let bytes = row.used_bytes + left_out + row.damaged_bytes + row.unread_bytes;
            assert_eq!(row.bytes, bytes, "{}: {row:?}", input.name);
            assert_eq!(row.unread, row.unread_by.values().sum::<i64>(), "{}: {row:?}", input.name);
            assert!(row.unread_by.values().all(|packets| *packets > 0), "{}: {row:?}", input.name);
            seen.add(Tally {
                packets: row.packets.try_into().expect("a count"),
                bytes: row.bytes.try_into().expect("a count"),
            });
        }
        assert_eq!(seen, walked(&input), "{}", input.name);
    }
}
