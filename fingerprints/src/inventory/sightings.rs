//! Scanners' marks that were seen: who bore them, and whom it touched first.

use super::book::Book;
use super::known::Seen;
use dissectors::observation::{Address, Evidence, Host};

/// A mark of a client.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Sighting {
    pub(super) client: Host,
    pub(super) target: Address,
    /// Its place among the marks.
    pub(super) mark: usize,
}

/// All of them.
pub(super) type Sightings = Book<Sighting, Option<Seen>>;

/// As many one client may have.
pub(super) const MOST_OF_A_CLIENT: usize = 64;

impl Sightings {
    pub(super) fn sight(&mut self, client: Host, mark: usize, evidence: Evidence) {
        let flow = evidence.flow;
        let target = if flow.source == client.address { flow.destination } else { flow.source };
        let entry = self.of(Sighting { client, target, mark }, client);
        if let Some(seen) = entry {
            match seen {
                Some(known) => known.add(Seen::once(evidence)),
                none => *none = Some(Seen::once(evidence)),
            }
        }
    }
}
