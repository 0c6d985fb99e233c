//! Messages that nobody asked for, by who sends them: the ground of `communication.storm`. Which those are stands in
//! `data/protocols.toml`, how many are too many in `data/findings.toml`.
//!
//! Broadcasts are such, and what devices send unasked. They are counted by hours of packet time, as lanes tell them, and of
//! each sender the hour is kept in which they came fastest.

use super::book::Book;
use super::key_of;
use super::known::Key;
use super::sums::at;
use crate::protocol::Facts;
use dissectors::observation::{Activity, Evidence, Operation, Subject};
use dissectors::{Direction, Timestamp};
use smallvec::SmallVec;

/// Who sends what.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct StormKey {
    pub(super) sender: Key,
    pub(super) protocol: &'static str,
    pub(super) kind: StormKind,
    pub(super) operation: Operation,
}

/// Why nobody asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum StormKind {
    Broadcast,
    Unsolicited,
}

impl StormKind {
    /// As the data names it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Broadcast => "broadcasts",
            Self::Unsolicited => "unsolicited messages",
        }
    }
}

/// How many there were.
#[derive(Clone, Debug, Default)]
pub(super) struct Storm {
    /// Those that may go on: lanes tell what belongs to an hour up to one later.
    hours: SmallVec<[Hour; 1]>,
    /// The fastest of those before.
    fastest: Option<Hour>,
}

/// The messages of an hour.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hour {
    window: Timestamp,
    pub(super) count: u64,
    pub(super) span: (Timestamp, Timestamp),
    /// Where the first stands.
    pub(super) evidence: Evidence,
}

impl Hour {
    /// How many a minute, while they came.
    pub(super) fn a_minute(&self) -> u64 {
        let (first, last) = self.span;
        let seconds = last.since(first).as_secs().max(MINUTE);
        self.count.saturating_mul(MINUTE) / seconds
    }

    fn add(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        self.span = (self.span.0.min(other.span.0), self.span.1.max(other.span.1));
        if other.evidence.time < self.evidence.time {
            self.evidence = other.evidence;
        }
    }
}

impl Storm {
    const MOST_HOURS: usize = 3;

    fn add(&mut self, hour: Hour) {
        if let Some(known) = self.hours.iter_mut().find(|known| known.window == hour.window) {
            return known.add(&hour);
        }
        if self.hours.len() >= Self::MOST_HOURS {
            let over = self.hours.remove(0);
            self.fastest = self.fastest.into_iter().chain([over]).max_by_key(Hour::a_minute);
        }
        self.hours.push(hour);
    }

    /// The hour in which they came fastest.
    pub(super) fn fastest(&self) -> Option<Hour> {
        self.fastest.iter().chain(&self.hours).max_by_key(|hour| hour.a_minute()).copied()
    }
}

/// All of them.
pub(super) type Storms = Book<StormKey, Storm>;

/// As many kinds of messages one sender may have, with the devices behind it.
const MOST_OF_A_SENDER: usize = 512;

impl Storms {
    pub(super) fn within(cap: usize) -> Self {
        Self::new(cap, MOST_OF_A_SENDER)
    }

    /// Takes in messages, if nobody asked for them.
    pub(super) fn hear(&mut self, server: &Subject, activity: &Activity, facts: &Facts, evidence: Evidence) {
        let is_to_all = activity.server_is_group || server.host.address.is_group();
        let (kind, sender) = match activity.direction {
            Direction::Request if is_to_all => (StormKind::Broadcast, Key::host(activity.client)),
            Direction::Response if facts.is_unsolicited(&activity.operation.to_string()) => {
                (StormKind::Unsolicited, key_of(server, evidence.protocol))
            }
            _ => return,
        };
        if activity.messages == 0 || !facts.industrial || !sender.host.address.is_host() {
            return;
        }
        let host = sender.host;
        let key = StormKey { sender, protocol: activity.protocol, kind, operation: activity.operation.clone() };
        if let Some(storm) = self.of(key, host) {
            let span = (activity.first_seen, activity.last_seen);
            let evidence = at(evidence, activity.first);
            storm.add(Hour { window: activity.window, count: activity.messages, span, evidence });
        }
    }
}

/// In seconds.
const MINUTE: u64 = 60;
