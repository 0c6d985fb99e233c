//! Any bytes as a capture: read to their end by one thread and by two, with small caps, and the books balance.
#![no_main]

use dissectors::{Observation, Timestamp};
use libfuzzer_sys::fuzz_target;
use sensor::lane::Caps;
use sensor::pipeline::{self, Settings, Witness};
use sensor::source::{Feed, Input};

#[derive(Default)]
struct Count(u64);

impl Witness for Count {
    fn observe(&mut self, _observation: Observation) {
        self.0 += 1;
    }

    fn advance(&mut self, _now: Timestamp) {}
}

fuzz_target!(|bytes: &[u8]| {
    let caps = Caps {
        flows: 4,
        newcomers: 2,
        conversations: 2,
        known: 4,
        flow_rows: 20,
        rows: 40,
        sums: 4,
        waiting_bytes: 512,
    };
    let input = Input::held("fuzz", bytes.to_vec());
    let told = [1, 2].map(|workers| {
        let feed = Feed::new(vec![input.clone()]).ok()?;
        let settings = Settings { workers, epoch_packets: 8, caps, ..Settings::default() };
        let mut witness = Count::default();
        let totals = pipeline::read(feed, settings, &mut witness, &mut |_| {});
        let sum = totals.sum();
        assert_eq!(witness.0, totals.observations);
        assert_eq!(sum.difference(), (0, 0), "the books balance");
        assert_eq!(sum.lanes.panics, 0, "a dissector panicked");
        Some(witness.0)
    });
    assert_eq!(told[0], told[1], "two threads tell what one tells");
});
