//! Any number of workers tells the same, in the same order, also where every cap overflows.

use super::support::{Recording, captures_in, pcaps, read};
use sensor::lane::{Caps, LaneCount};
use sensor::pipeline::{Hour, Settings};
use sensor::source::Input;

/// All that is told and counted, as text.
fn told(inputs: Vec<Input>, settings: Settings) -> (Vec<String>, Hour) {
    let (notebook, totals) = read(inputs, settings);
    let sum = totals.sum();
    assert_eq!(notebook.observations.len() as u64, totals.observations);
    assert_eq!(sum.difference(), (0, 0), "the books balance");
    let mut lines: Vec<String> = notebook.observations.iter().map(|told| format!("{told:?}")).collect();
    lines.push(format!("{:?}", totals.hours));
    (lines, sum)
}

fn same_for_all(inputs: &[Input], settings: Settings) -> Hour {
    let (alone, sum) = told(inputs.to_vec(), Settings { workers: 1, ..settings });
    assert!(!alone.is_empty());
    for workers in [2, 3, 8] {
        let (together, _) = told(inputs.to_vec(), Settings { workers, ..settings });
        let differs = alone.iter().zip(&together).find(|(one, other)| one != other);
        assert_eq!(differs, None, "{workers} workers");
        assert_eq!(alone.len(), together.len(), "{workers} workers");
    }
    sum
}

#[test]
fn our_captures_as_one_timeline() {
    let inputs = captures_in(&pcaps());
    same_for_all(&inputs, Settings::default());
    same_for_all(&inputs, Settings { epoch_packets: 7, epochs_in_flight: 1, ..Settings::default() });
}

#[test]
fn every_cap_overflows() {
    let mut inputs = captures_in(&pcaps());
    inputs.push(flooding().input("flood.pcap"));
    assert_overflowed(&same_for_all(&inputs, overflowing()).lanes);
}

/// Caps so small that each of them overflows.
pub(crate) fn overflowing() -> Settings {
    let caps = Caps {
        flows: 3,
        newcomers: 2,
        conversations: 2,
        known: 2,
        flow_rows: 20,
        rows: 40,
        sums: 64,
        waiting_bytes: 16,
    };
    Settings { caps, epoch_packets: 100, ..Settings::default() }
}

/// Each of them did.
pub(crate) fn assert_overflowed(lanes: &LaneCount) {
    for (name, count) in [
        ("flows", lanes.flows_evicted),
        ("known", lanes.known_forgotten),
        ("waiting", lanes.waiting_dropped),
        ("counters", lanes.summed_early),
    ] {
        assert!(count > 0, "{name}: {lanes:?}");
    }
}

#[test]
fn one_host_pair_with_eight_workers_and_queues_of_length_one() {
    let settings = Settings { epochs_in_flight: 1, epoch_packets: 1, ..Settings::default() };
    same_for_all(&[flooding().input("flood.pcap")], settings);
}

/// One connection that asks more different things than a flow counts apart, and many that ask in pieces.
pub(crate) fn flooding() -> Recording {
    let mut recording = Recording::new();
    let (master, slave) = ((1, 40_000), (2, 502));
    let mut sequence = 1;
    for unit in 1..=50u8 {
        for function in 1..=100u8 {
            let request = [0, unit, 0, 0, 0, 6, unit, function, 0, 0, 0, 1];
            recording.tcp(master, slave, sequence, 1, &request);
            sequence += 12;
        }
    }
    for port in 0..200u16 {
        let pieces = [[0, 1, 0, 0, 0, 6, 1, 3], [0, 0, 0, 1, 0, 2, 0, 0]];
        let request = pieces.concat();
        recording.tcp((1, 41_000 + port), slave, 1, 1, &[request.as_slice(), &[0, 200]].concat());
        recording.tcp((1, 41_000 + port), slave, 40, 1, &[7; 64]);
    }
    recording
}
