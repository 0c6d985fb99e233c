//! The sensor under measurement. This file alone knows how it is called.

use fingerprints::inventory::{self, Inventory};
use fingerprints::rules::Rules;
use sensor::pipeline;
use sensor::source::{Bytes, Feed, Input, Origin};
use std::path::PathBuf;
use std::sync::Arc;

/// What is measured here, in the words that stand under the table.
pub const WHAT: &str =
    "captures walked, dissected and taken into the inventory, rows made at the end; no files written";

/// The sensor, started: what happens once per start (the rules) happens in `new` and is not measured.
pub struct Pipeline {
    workers: usize,
}

/// What one capture gave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Packets read.
    pub packets: u64,
    /// Observations that the lanes handed to the inventory.
    pub observations: u64,
}

impl Pipeline {
    /// A sensor with so many workers.
    pub fn new(workers: usize) -> Self {
        Self { workers }
    }

    /// Reads a capture from its first byte to its last, as one run of its own: no state is left from the run before.
    ///
    /// # Panics
    ///
    /// When the bytes are no capture.
    pub fn read(&self, capture: &Arc<Bytes>) -> Told {
        let input = Input {
            path: PathBuf::from("workload"),
            name: "workload".into(),
            origin: Origin::Held(Arc::clone(capture)),
        };
        let feed = Feed::new(vec![input]).expect("a workload is a capture");
        let settings = pipeline::Settings { workers: self.workers, ..pipeline::Settings::default() };
        let mut inventory =
            Inventory::new(inventory::Settings::default().within(settings.inventory_bytes), Rules::builtin());
        let totals = pipeline::read(feed, settings, &mut inventory, &mut |_| {});
        drop(inventory.finish(totals.clock, &[]));
        Told { packets: totals.sum().packets, observations: totals.observations }
    }
}
