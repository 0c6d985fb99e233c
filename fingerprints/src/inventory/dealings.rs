//! What a client has had to do with a server: the ground of findings about the two.
//!
//! One entry per client, server (or device behind it), protocol and port.

use super::book::Book;
use super::deeds::Deeds;
use super::known::Key;
use super::matter::Matter;
use super::sums::at;
use dissectors::observation::{Activity, Control, Evidence, Host, Operation};
use dissectors::{Direction, Timestamp};
use smallvec::SmallVec;

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
    /// What was asked for, each once.
    pub(super) asked: SmallVec<[Operation; 2]>,
    /// When the first request came.
    pub(super) since: Option<Timestamp>,
    /// Where it is seen.
    pub(super) begun: Option<Evidence>,
    /// Answers, and those among them that refuse.
    pub(super) answers: u64,
    pub(super) refusals: Matter,
    /// Whether anything of the server was seen in it.
    pub(super) server_heard: bool,
    pub(super) unanswered: Matter,
    pub(super) control: Matter,
    pub(super) deeds: Deeds,
}

impl Dealing {
    /// As many operations are told apart: no client at work asks for more.
    const MOST_ASKED: usize = 32;

    fn ask(&mut self, operation: &Operation) {
        if self.asked.len() < Self::MOST_ASKED && !self.asked.contains(operation) {
            self.asked.push(operation.clone());
        }
    }

    fn answered(&mut self, activity: &Activity, evidence: &Evidence) {
        self.answers = self.answers.saturating_add(activity.messages);
        if activity.exceptions == 0 {
            return;
        }
        let span = (activity.first_seen, activity.last_seen);
        self.refusals.add(&activity.operation, activity.exceptions, span);
        // Of answers that are not all refusals nobody knows which the first refusal is.
        if activity.exceptions == activity.messages {
            self.refusals.prove(at(*evidence, activity.first));
        }
    }
}

/// All dealings.
pub(super) type Dealings = Book<DealingKey, Dealing>;

/// With as many servers, ports and children one client may deal: a sweep does not use up the room of all.
const MOST_OF_A_CLIENT: usize = 4_096;

impl Dealings {
    pub(super) fn within(cap: usize) -> Self {
        Self::new(cap, MOST_OF_A_CLIENT)
    }

    /// Takes in messages; says whether they are ground for a finding.
    pub(super) fn see(&mut self, key: DealingKey, activity: &Activity, evidence: &Evidence) -> bool {
        let client = key.client;
        let Some(dealing) = self.of(key, client) else { return false };
        dealing.server_heard |= !activity.server_silent || activity.direction == Direction::Response;
        let span = (activity.first_seen, activity.last_seen);
        if activity.direction == Direction::Response {
            dealing.answered(activity, evidence);
            return false;
        }
        dealing.requests = dealing.requests.saturating_add(activity.messages);
        dealing.ask(&activity.operation);
        if dealing.begun.is_none_or(|begun| activity.first.time < begun.time) {
            dealing.begun = Some(at(*evidence, activity.first));
        }
        dealing.since = Some(dealing.since.map_or(span.0, |since| since.min(span.0)));
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
        let client = key.client;
        let Some(dealing) = self.of(key, client) else { return };
        dealing.deeds.add(control);
        dealing.control.widen((control.first.time, control.first.time));
        dealing.control.prove(at(*evidence, control.first));
    }
}
