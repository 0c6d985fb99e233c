//! Captures in, observations out.

use dissectors::observation::{Activity, Fact};
use dissectors::{Observation, Timestamp};
use sensor::pipeline::{self, Settings, Totals, Witness};
use sensor::source::{self, Feed, Input};
use std::path::{Path, PathBuf};

/// Keeps all that is told.
#[derive(Default)]
pub(crate) struct Notebook {
    pub(crate) observations: Vec<Observation>,
}

impl Witness for Notebook {
    fn observe(&mut self, observation: Observation) {
        self.observations.push(observation);
    }

    fn advance(&mut self, _now: Timestamp) {}
}

impl Notebook {
    /// The sums of messages that were told.
    pub(crate) fn activity(&self) -> impl Iterator<Item = &Activity> {
        self.observations.iter().filter_map(|observation| match &observation.fact {
            Fact::Activity(activity) => Some(activity.as_ref()),
            _ => None,
        })
    }
}

/// The captures that we recorded.
pub(crate) fn pcaps() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../pcaps")
}

/// The captures of public collections, where they are.
pub(crate) fn public_captures() -> Option<PathBuf> {
    std::env::var_os("OTOSCOPE_CAPTURES").map(PathBuf::from)
}

/// The captures of a folder, by their names relative to it.
pub(crate) fn captures_in(folder: &Path) -> Vec<Input> {
    source::find(&[folder.to_owned()]).expect("the folder holds captures").inputs
}

/// All that captures tell.
pub(crate) fn read(inputs: Vec<Input>, settings: Settings) -> (Notebook, Totals) {
    let feed = Feed::new(inputs).expect("the captures can be opened");
    let mut notebook = Notebook::default();
    let totals = pipeline::read(feed, settings, &mut notebook, &mut |_| {});
    (notebook, totals)
}
