//! What a client has had to do with a server: the ground of findings about the two.
//!
//! One entry per client, server (or device behind it), protocol and port. None is ever given up for another; when there
//! is no room, or one client deals with too many, newcomers are counted as refused.

use super::known::Key;
use super::sums::at;
use compact_str::CompactString;
use dissectors::observation::{Activity, Control, Evidence, Host, Operation, Outcome};
use dissectors::{Direction, Timestamp};
use foldhash::fast::RandomState;
use hashbrown::HashMap;

/// Who deals with whom, in what.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct DealingKey {
    pub(super) server: Key,
    pub(super) client: Host,
    pub(super) protocol: &'static str,
    pub(super) port: u16,
}

/// What there was.
#[derive(Clone, Debug, Default)]
pub(super) struct Dealing {
    pub(super) requests: u64,
    /// Whether anything of the server was seen in it.
    pub(super) server_heard: bool,
    pub(super) unanswered: Matter,
    pub(super) control: Matter,
    pub(super) deeds: Deeds,
}

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

    fn add(&mut self, operation: &Operation, count: u64, span: (Timestamp, Timestamp)) {
        self.count = self.count.saturating_add(count);
        self.widen(span);
        if let Some((_, sum)) = self.operations.iter_mut().find(|(known, _)| known == operation) {
            *sum = sum.saturating_add(count);
        } else if self.operations.len() < Self::MOST_OPERATIONS {
            self.operations.push((operation.clone(), count));
        }
    }

    fn widen(&mut self, (first, last): (Timestamp, Timestamp)) {
        let (known_first, known_last) = self.span.unwrap_or((first, last));
        self.span = Some((known_first.min(first), known_last.max(last)));
    }

    fn prove(&mut self, evidence: Evidence) {
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

/// Control actions whose outcome is known.
#[derive(Clone, Debug, Default)]
pub(super) struct Deeds {
    pub(super) accepted: u64,
    pub(super) rejected: u64,
    pub(super) unanswered: u64,
    pub(super) unknown: u64,
    pub(super) targets: Vec<CompactString>,
}

impl Deeds {
    /// As many targets are named as a sample.
    const MOST_TARGETS: usize = 8;

    fn add(&mut self, control: &Control) {
        let sum = match control.outcome {
            Outcome::Accepted => &mut self.accepted,
            Outcome::Rejected => &mut self.rejected,
            Outcome::Unanswered => &mut self.unanswered,
            Outcome::Unknown => &mut self.unknown,
        };
        *sum = sum.saturating_add(control.count);
        self.name(&control.target);
    }

    fn name(&mut self, target: &CompactString) {
        if self.targets.len() < Self::MOST_TARGETS && !self.targets.contains(target) {
            self.targets.push(target.clone());
        }
    }

    /// Adds those of another dealing of the same assets.
    pub(super) fn join(&mut self, other: &Self) {
        self.accepted = self.accepted.saturating_add(other.accepted);
        self.rejected = self.rejected.saturating_add(other.rejected);
        self.unanswered = self.unanswered.saturating_add(other.unanswered);
        self.unknown = self.unknown.saturating_add(other.unknown);
        other.targets.iter().for_each(|target| self.name(target));
    }
}

/// All dealings.
pub(super) struct Dealings {
    /// Seeded anew in each run, for keys come from strangers; told in the order of the keys.
    all: HashMap<DealingKey, Dealing, RandomState>,
    by_client: HashMap<Host, usize, RandomState>,
    cap: usize,
    pub(super) refused: u64,
}

/// With as many servers, ports and children one client may deal: a sweep does not use up the room of all.
const MOST_OF_A_CLIENT: usize = 4_096;

impl Dealings {
    pub(super) fn new(cap: usize) -> Self {
        Self { all: HashMap::default(), by_client: HashMap::default(), cap, refused: 0 }
    }

    /// Takes in messages; says whether they are ground for a finding.
    pub(super) fn see(&mut self, key: DealingKey, activity: &Activity, evidence: &Evidence) -> bool {
        let Some(dealing) = self.of(key) else { return false };
        dealing.server_heard |= !activity.server_silent || activity.direction == Direction::Response;
        if activity.direction == Direction::Response {
            return false;
        }
        dealing.requests = dealing.requests.saturating_add(activity.messages);
        let span = (activity.first_seen, activity.last_seen);
        if activity.unanswered > 0 {
            dealing.unanswered.add(&activity.operation, activity.unanswered, span);
            let (place, flow) = activity.first_unanswered.unwrap_or((activity.first, evidence.flow));
            dealing.unanswered.prove(at(Evidence { flow, ..*evidence }, place));
        }
        if activity.is_control && activity.messages > 0 {
            dealing.control.add(&activity.operation, activity.messages, span);
            dealing.control.prove(at(*evidence, activity.first));
        }
        activity.unanswered > 0 || activity.is_control
    }

    /// Takes in a control action, if it commands anything.
    pub(super) fn act(&mut self, key: DealingKey, control: &Control, evidence: &Evidence) {
        if !control.category.is_command() {
            return;
        }
        let Some(dealing) = self.of(key) else { return };
        dealing.deeds.add(control);
        dealing.control.widen((control.first.time, control.first.time));
        dealing.control.prove(at(*evidence, control.first));
    }

    fn of(&mut self, key: DealingKey) -> Option<&mut Dealing> {
        if !self.all.contains_key(&key) {
            let of_client = self.by_client.get(&key.client).copied().unwrap_or(0);
            if self.all.len() >= self.cap || of_client >= MOST_OF_A_CLIENT {
                self.refused += 1;
                return None;
            }
            // Who is refused leaves nothing behind: there is no end of strangers.
            self.by_client.insert(key.client, of_client + 1);
        }
        Some(self.all.entry(key).or_default())
    }

    /// All of them, in the order of their keys.
    pub(super) fn sorted(&self) -> Vec<(&DealingKey, &Dealing)> {
        let mut sorted: Vec<_> = self.all.iter().collect();
        sorted.sort_unstable_by_key(|(key, _)| *key);
        sorted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dissectors::observation::{Address, Context};

    #[test]
    fn who_is_refused_leaves_nothing_behind() {
        let mut dealings = Dealings::new(3);
        for number in 0..100u8 {
            let host = |last| Host { context: Context::ROOT, address: Address::Ip([10, 0, 0, last].into()) };
            let key = DealingKey { server: Key::host(host(200)), client: host(number), protocol: "modbus", port: 502 };
            dealings.of(key);
        }
        assert_eq!((dealings.all.len(), dealings.by_client.len(), dealings.refused), (3, 3, 97));
    }
}
