//! Which contexts are one network, by the packets that prove it.

use dissectors::observation::{Context, Evidence};
use std::collections::BTreeMap;

/// As many proofs are kept: more VLANs than a switch has are no site's.
const MOST: usize = 4_096;

/// Contexts that are proven to be one network, two by two.
#[derive(Debug, Default)]
pub(super) struct Networks {
    /// The smaller context first; with the earliest packet that proves it.
    proofs: BTreeMap<(Context, Context), Evidence>,
    /// How many proofs found no room.
    pub(super) refused: u64,
}

impl Networks {
    pub(super) fn join(&mut self, one: Context, other: Context, evidence: Evidence) {
        let pair = (one.min(other), one.max(other));
        let place = |evidence: &Evidence| (evidence.time, evidence.capture, evidence.frame);
        let has_room = self.proofs.len() < MOST;
        match self.proofs.get_mut(&pair) {
            Some(known) if place(&evidence) < place(known) => *known = evidence,
            Some(_) => {}
            None if has_room => drop(self.proofs.insert(pair, evidence)),
            None => self.refused += 1,
        }
    }

    /// Each context that is one with others: the first of them, and the proof.
    pub(super) fn settle(&self) -> BTreeMap<Context, (Context, Evidence)> {
        let mut networks: BTreeMap<Context, (Context, Evidence)> = BTreeMap::new();
        for ((one, other), evidence) in &self.proofs {
            let first = |context: &Context| networks.get(context).map_or(*context, |(first, _)| *first);
            let (mine, theirs) = (first(one), first(other));
            let (into, from) = (mine.min(theirs), mine.max(theirs));
            networks.values_mut().filter(|(first, _)| *first == from).for_each(|(first, _)| *first = into);
            for context in [one, other] {
                networks.entry(*context).or_insert((into, *evidence));
            }
        }
        networks
    }
}
