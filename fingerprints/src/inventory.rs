//! Observations in, records out.

use crate::record::Record;
use crate::rules::Rules;
use dissectors::{Observation, Timestamp};
use std::collections::BTreeMap;

/// What an inventory is told once.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The site; part of every id.
    pub site: String,
    /// How many assets are kept at most.
    pub max_assets: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { site: "default".to_owned(), max_assets: 65_536 }
    }
}

/// A capture, by its place in the run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CaptureName {
    /// As the rows name it.
    pub path: String,
    /// Its row in `captures`.
    pub capture_id: String,
}

/// Observations in, records out.
pub struct Inventory {
    _settings: Settings,
    _rules: Rules,
}

impl Inventory {
    /// Knows nothing yet.
    pub fn new(settings: Settings, rules: Rules) -> Self {
        Self { _settings: settings, _rules: rules }
    }

    /// Takes in one observation, in capture order.
    pub fn observe(&mut self, _observation: Observation) {}

    /// Packet time has come so far: ends hours and days.
    pub fn advance(&mut self, _now: Timestamp) {}

    /// The run has ended: every row, by table and key. `captures` are named by their place in the run.
    pub fn finish(&mut self, _now: Timestamp, _captures: &[CaptureName]) -> Vec<Record> {
        Vec::new()
    }

    /// What had to be dropped or forgotten, by name; never an unnamed loss.
    pub fn counters(&self) -> BTreeMap<&'static str, u64> {
        BTreeMap::new()
    }
}
