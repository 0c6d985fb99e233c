//! Confirmed requests that wait for their answer.

use super::apdu::Segment;
use super::service::{self, Command};
use crate::dissector::{Direction, Side};
use crate::observation::{Child, Operation, Outcome, Place};
use crate::out::{Action, Count, Mark, Out};
use crate::time::Timestamp;
use foldhash::fast::FixedState;
use std::hash::BuildHasher;
use std::time::Duration;

/// The requests of a flow that wait, the oldest first.
#[derive(Default)]
pub(super) struct Pending(Vec<Waiting>);

/// What request and answer have in common (clause 5.4): who asks whom, and the number that the asker gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) asker: Side,
    pub(super) invoke: u8,
    /// The station behind the asker's side.
    pub(super) client: Option<Child>,
    /// The station behind the other side.
    pub(super) server: Option<Child>,
}

/// A confirmed request without its answer.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    key: Key,
    pub(super) service: u8,
    /// Of service and parameters: the same request sent again has the same.
    digest: u64,
    command: Option<Command>,
    place: Place,
    /// When it was sent, or when the last of its segments came through.
    alive: Timestamp,
    /// Whether the first segment of its answer has come.
    is_answered: bool,
}

/// What a segment of an answer is to its request.
pub(super) enum Answered {
    /// It is the first sign of an answer; to which request, if that was seen.
    Now(Option<Waiting>),
    /// It continues an answer.
    Before,
}

impl Pending {
    /// A request was sent. When it is one that waits already, sent again, nothing changes.
    pub(super) fn ask(&mut self, request: Waiting, out: &mut Out<'_>) {
        if let Some(at) = self.0.iter().position(|other| other.key == request.key) {
            if self.0.get(at).is_some_and(|other| other.digest == request.digest && !other.is_answered) {
                return;
            }
            self.0.remove(at).give_up(out);
        }
        if self.0.len() >= CAP {
            self.0.remove(0).give_up(out);
        }
        self.0.push(request);
    }

    /// A segment of the request or of its answer came through.
    pub(super) fn keep(&mut self, key: &Key, now: Timestamp) {
        if let Some(request) = self.0.iter_mut().find(|request| request.key == *key) {
            request.alive = now;
        }
    }

    /// An answer came, or a segment of one. An answer to another service than the one asked for answers nothing.
    pub(super) fn answer(&mut self, key: &Key, service: Option<u8>, segment: Segment, now: Timestamp) -> Answered {
        let fits = |request: &Waiting| request.key == *key && service.is_none_or(|service| service == request.service);
        let Some(at) = self.0.iter().position(fits) else {
            return if segment.is_first { Answered::Now(None) } else { Answered::Before };
        };
        let request = self.0.remove(at);
        let is_answered = request.is_answered;
        if !segment.is_last {
            self.0.push(request.answered(now));
        }
        if is_answered && segment != Segment::WHOLE { Answered::Before } else { Answered::Now(Some(request)) }
    }

    /// The asker wants no answer any more.
    pub(super) fn withdraw(&mut self, key: &Key, out: &mut Out<'_>) {
        if let Some(at) = self.0.iter().position(|request| request.key == *key) {
            self.0.remove(at).give_up(out);
        }
    }

    /// Gives up what has waited for too long.
    pub(super) fn tick(&mut self, now: Timestamp, out: &mut Out<'_>) {
        for request in self.0.extract_if(.., |request| now.since(request.alive) > PATIENCE) {
            request.give_up(out);
        }
    }
}

impl Waiting {
    pub(super) fn new(key: Key, service: u8, parameters: &[u8], command: Option<Command>, place: Place) -> Self {
        let digest = FixedState::default().hash_one((service, parameters));
        Self { key, service, digest, command, place, alive: place.time, is_answered: false }
    }

    /// What is kept until the last segment of the answer.
    fn answered(&self, now: Timestamp) -> Self {
        Self { key: self.key.clone(), command: None, alive: now, is_answered: true, ..*self }
    }

    /// Tells what became of a command.
    pub(super) fn settle(self, outcome: Outcome, out: &mut Out<'_>) {
        let Some(Command { category, target, value }) = self.command else { return };
        out.act(Action {
            sender: self.key.asker,
            child: self.key.server,
            operation: Operation::Code(self.service.into()),
            category,
            target,
            value,
            outcome,
            place: self.place,
        });
    }

    fn give_up(self, out: &mut Out<'_>) {
        if self.is_answered {
            return;
        }
        let count = Count {
            sender: self.key.asker,
            direction: Direction::Request,
            operation: Operation::Code(self.service.into()),
            child: self.key.server.clone(),
            mark: Mark::Unanswered,
            is_control: service::is_control(self.service),
        };
        out.unanswered(count, self.place);
        self.settle(Outcome::Unanswered, out);
    }
}

/// How many requests of a flow may wait: a client has at most 256 numbers per device, and few use more than a handful.
const CAP: usize = 64;
/// A client waits 3 s by default, or 6 s by later editions, and asks three times more (12.11, `APDU_Timeout`). 10 s leave
/// time for the answer to a request sent again, whichever the default, and tell of a dead device before the last try
/// has ended.
const PATIENCE: Duration = Duration::from_secs(10);
