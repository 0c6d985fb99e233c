//! The books: every packet and byte that was seen ends in exactly one place that has a name.

use super::support::{captures_in, pcaps, public_captures, records_of};
use dissectors::observation::Tally;
use fingerprints::record::{HealthRow, Record};
use sensor::pipeline::Settings;
use sensor::reading::Reading;
use sensor::source::{CaptureFile, Input, Step};

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
