//! Something that a finding may be about: how often, from when to when, by which operations, and where it is seen.

use dissectors::Timestamp;
use dissectors::observation::{Evidence, Operation};

/// Something that a finding may be about.
#[derive(Clone, Debug, Default)]
pub(super) struct Matter {
    pub(super) count: u64,
    /// From when to when.
    pub(super) span: Option<(Timestamp, Timestamp)>,
    pub(super) operations: Vec<(Operation, u64)>,
    pub(super) evidence: Vec<Evidence>,
}

impl Matter {
    /// As many packets prove a finding; the first are kept.
    const MOST_EVIDENCE: usize = 8;
    /// As many operations are told apart.
    const MOST_OPERATIONS: usize = 16;

    pub(super) fn add(&mut self, operation: &Operation, count: u64, span: (Timestamp, Timestamp)) {
        self.count = self.count.saturating_add(count);
        self.widen(span);
        if let Some((_, sum)) = self.operations.iter_mut().find(|(known, _)| known == operation) {
            *sum = sum.saturating_add(count);
        } else if self.operations.len() < Self::MOST_OPERATIONS {
            self.operations.push((operation.clone(), count));
        }
    }

    pub(super) fn widen(&mut self, (first, last): (Timestamp, Timestamp)) {
        let (known_first, known_last) = self.span.unwrap_or((first, last));
        self.span = Some((known_first.min(first), known_last.max(last)));
    }

    pub(super) fn prove(&mut self, evidence: Evidence) {
        let is_known = |known: &Evidence| {
            (known.capture, known.frame, known.time) == (evidence.capture, evidence.frame, evidence.time)
        };
        if self.evidence.len() < Self::MOST_EVIDENCE && !self.evidence.iter().any(is_known) {
            self.evidence.push(evidence);
        }
    }

    /// Adds what another dealing of the same assets came to.
    pub(super) fn join(&mut self, other: &Self) {
        let Some(span) = other.span else { return };
        let told: u64 = other.operations.iter().map(|(_, count)| count).sum();
        self.widen(span);
        self.count = self.count.saturating_add(other.count.saturating_sub(told));
        other.operations.iter().for_each(|(operation, count)| self.add(operation, *count, span));
        other.evidence.iter().for_each(|evidence| self.prove(*evidence));
    }
}
