//! Control actions of a client on a server, summed: how they ended, on what, and the first one as it was.
//!
//! Most of them are one sum for the two. Those whose category is a kind of finding by itself (a restart, a stop, a program
//! that is loaded) are kept by operation and hour too; they are few, and each of them matters.

use super::book::Book;
use super::dealings::DealingKey;
use super::matter::Matter;
use super::sums::at;
use compact_str::CompactString;
use dissectors::observation::{Category, Control, Evidence, Operation, Outcome};
use dissectors::{Image, Place, Timestamp};

/// How often control actions ended how.
#[derive(Clone, Debug, Default)]
pub(super) struct Deeds {
    pub(super) accepted: u64,
    pub(super) rejected: u64,
    pub(super) unanswered: u64,
    /// The capture does not show the answer.
    pub(super) unknown: u64,
    pub(super) targets: Vec<CompactString>,
    /// What was done, each once.
    pub(super) ways: Vec<(Operation, Category)>,
    /// The first of those that ended best for the client: what was obeyed says more than what was refused.
    pub(super) first: Option<Deed>,
}

/// One control action, as it was.
#[derive(Clone, Debug)]
pub(super) struct Deed {
    pub(super) place: Place,
    pub(super) target: CompactString,
    pub(super) value: Option<CompactString>,
    pub(super) image: Option<Image>,
    /// What the client calls itself.
    pub(super) client_host: Option<Box<str>>,
    pub(super) outcome: Outcome,
}

impl Deed {
    /// `register 40 = 1500`.
    pub(super) fn words(&self) -> String {
        match &self.value {
            Some(value) => format!("{} = {value}", self.target),
            None => self.target.to_string(),
        }
    }

    fn rank(&self) -> (u8, Place) {
        (rank(self.outcome), self.place)
    }
}

const fn rank(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Accepted => 0,
        Outcome::Unknown => 1,
        Outcome::Unanswered => 2,
        Outcome::Rejected => 3,
    }
}

impl Deeds {
    /// As many targets are named as a sample.
    const MOST_TARGETS: usize = 8;
    /// As many ways of acting are told apart.
    const MOST_WAYS: usize = 16;

    pub(super) fn add(&mut self, control: &Control) {
        let sum = match control.outcome {
            Outcome::Accepted => &mut self.accepted,
            Outcome::Rejected => &mut self.rejected,
            Outcome::Unanswered => &mut self.unanswered,
            Outcome::Unknown => &mut self.unknown,
        };
        *sum = sum.saturating_add(control.count);
        self.name(&control.target);
        self.note(&control.operation, control.category);
        let (place, outcome) = (control.first, control.outcome);
        if self.first.as_ref().is_none_or(|first| (rank(outcome), place) < first.rank()) {
            let (target, value, image) = (control.target.clone(), control.value.clone(), control.image);
            let client_host = control.client_host.clone();
            self.first = Some(Deed { place, target, value, image, client_host, outcome });
        }
    }

    fn name(&mut self, target: &CompactString) {
        if self.targets.len() < Self::MOST_TARGETS && !self.targets.contains(target) {
            self.targets.push(target.clone());
        }
    }

    fn note(&mut self, operation: &Operation, category: Category) {
        let is_known = self.ways.iter().any(|(known, as_what)| (known, *as_what) == (operation, category));
        if self.ways.len() < Self::MOST_WAYS && !is_known {
            self.ways.push((operation.clone(), category));
        }
    }

    /// Adds those of another dealing of the same assets.
    pub(super) fn join(&mut self, other: &Self) {
        self.accepted = self.accepted.saturating_add(other.accepted);
        self.rejected = self.rejected.saturating_add(other.rejected);
        self.unanswered = self.unanswered.saturating_add(other.unanswered);
        self.unknown = self.unknown.saturating_add(other.unknown);
        other.targets.iter().for_each(|target| self.name(target));
        other.ways.iter().for_each(|(operation, category)| self.note(operation, *category));
        let firsts = [self.first.take(), other.first.clone()];
        self.first = firsts.into_iter().flatten().min_by_key(Deed::rank);
    }

    /// How they ended, by name; what did not occur is left out.
    pub(super) fn ends(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let ends = [
            (Outcome::Accepted.name(), self.accepted),
            (Outcome::Rejected.name(), self.rejected),
            (Outcome::Unanswered.name(), self.unanswered),
            (Outcome::Unknown.name(), self.unknown),
        ];
        ends.into_iter().filter(|(_, count)| *count > 0)
    }
}

/// Control actions that matter one by one, within an hour.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct GraveKey {
    pub(super) dealing: DealingKey,
    pub(super) operation: Operation,
    pub(super) category: Category,
    pub(super) window: Timestamp,
}

/// What they came to.
#[derive(Clone, Debug, Default)]
pub(super) struct Grave {
    pub(super) deeds: Deeds,
    /// Those that were accepted.
    pub(super) accepted: Matter,
    /// Those of which the capture does not show the answer.
    pub(super) unknown: Matter,
}

impl Grave {
    /// Adds those of another dealing of the same assets.
    pub(super) fn join(&mut self, other: &Self) {
        self.deeds.join(&other.deeds);
        self.accepted.join(&other.accepted);
        self.unknown.join(&other.unknown);
    }
}

/// All of those.
pub(super) type Graves = Book<GraveKey, Grave>;

/// As many one client may have, in all hours: one that restarts things all day does not use up the room of all.
const MOST_OF_A_CLIENT: usize = 1_024;

impl Graves {
    pub(super) fn within(cap: usize) -> Self {
        Self::new(cap, MOST_OF_A_CLIENT)
    }

    /// Takes in a control action that matters by itself.
    pub(super) fn act(&mut self, dealing: DealingKey, control: &Control, evidence: &Evidence) {
        let (client, operation, category) = (dealing.client, control.operation.clone(), control.category);
        let key = GraveKey { dealing, operation, category, window: control.window };
        let Some(grave) = self.of(key, client) else { return };
        grave.deeds.add(control);
        let matter = match control.outcome {
            Outcome::Accepted => &mut grave.accepted,
            Outcome::Unknown => &mut grave.unknown,
            Outcome::Rejected | Outcome::Unanswered => return,
        };
        matter.add(&control.operation, control.count, (control.first.time, control.first.time));
        matter.prove(at(*evidence, control.first));
    }
}
