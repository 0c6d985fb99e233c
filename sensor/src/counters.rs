//! What a flow counts of its messages between two flushes.

use crate::source::prefetch;
use dissectors::observation::{Child, Operation, Place};
use dissectors::out::Tallies;
use dissectors::{Action, Count, Direction, Mark, Side, Timestamp};
use foldhash::fast::FixedState;
use std::hash::BuildHasher;

/// Different operations that one segment may add before they are summed up; what is beyond is counted as lost.
const MOST_OPERATIONS: usize = 4096;
/// Different control actions that one flow keeps apart within a window.
const MOST_ACTIONS: usize = 1024;

/// Messages of one operation.
#[derive(Clone, Debug)]
pub(crate) struct OperationCount {
    pub(crate) sender: Side,
    pub(crate) direction: Direction,
    pub(crate) operation: Operation,
    pub(crate) child: Option<Child>,
    pub(crate) is_control: bool,
    pub(crate) first: Place,
    pub(crate) unanswered: u64,
    pub(crate) first_unanswered: Option<Place>,
}

impl OperationCount {
    fn new(count: &Count, first: Place) -> Self {
        Self {
            sender: count.sender,
            direction: count.direction,
            operation: count.operation.clone(),
            child: count.child.clone(),
            is_control: count.is_control,
            first,
            unanswered: 0,
            first_unanswered: None,
        }
    }

    fn is_of(&self, count: &Count) -> bool {
        self.operation == count.operation
            && self.child == count.child
            && self.sender == count.sender
            && self.direction == count.direction
            && self.is_control == count.is_control
    }
}

/// What every message touches of a row: three of them fit a cache line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tally {
    /// What is counted, packed; rows that cannot be packed share [`UNPACKED`].
    key: u64,
    last: Timestamp,
    pub(crate) messages: u32,
    pub(crate) exceptions: u32,
}

impl Tally {
    pub(crate) fn last(&self) -> Timestamp {
        self.last
    }
}

const UNPACKED: u64 = u64::MAX;

/// Sender, direction, operation, child and whether it controls, in 64 bits, if all are numbers: an exact key, not a hash.
fn packed(count: &Count) -> u64 {
    const CODES: u32 = 1 << 21;
    let (kind, code) = match &count.operation {
        Operation::Code(code) => (0, *code),
        Operation::Kind(kind, code) if kind.is_ascii() => (*kind as u32, *code),
        _ => return UNPACKED,
    };
    let (has_child, child) = match &count.child {
        None => (0, 0),
        Some(Child::Number(number)) => (1, *number),
        Some(_) => return UNPACKED,
    };
    if code >= CODES {
        return UNPACKED;
    }
    let sender = u32::from(count.sender == Side::B);
    let direction = u32::from(count.direction == Direction::Response);
    let is_control = u32::from(count.is_control);
    let high = sender << 31 | direction << 30 | has_child << 29 | is_control << 28 | kind << 21 | code;
    u64::from(high) << 32 | u64::from(child)
}

/// A control action and its equal repeats.
#[derive(Clone, Debug)]
pub(crate) struct ActionCount {
    pub(crate) action: Action,
    pub(crate) count: u64,
}

impl ActionCount {
    fn is_of(&self, action: &Action) -> bool {
        let own = &self.action;
        own.outcome == action.outcome
            && own.operation == action.operation
            && own.target == action.target
            && own.child == action.child
            && own.sender == action.sender
    }
}

/// The counters of a flow.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    tallies: Vec<Tally>,
    /// What each tally is of, in the same order.
    operations: Vec<OperationCount>,
    pub(crate) actions: Vec<ActionCount>,
    /// A hash of each action, so that a repeat is found without touching all the others.
    action_hashes: Vec<u64>,
    /// Messages and actions beyond the caps.
    pub(crate) over_cap: u64,
    /// Where the last message was counted: polls repeat in cycles, so the next one's place is near.
    hint: usize,
    /// Which side serves, if its messages have said so.
    pub(crate) server: Option<Side>,
}

impl Counters {
    /// Whether nothing was counted in this window.
    pub(crate) fn is_empty(&self) -> bool {
        self.operations.is_empty() && self.actions.is_empty()
    }

    /// How many rows there are.
    #[inline]
    pub(crate) fn rows(&self) -> usize {
        self.tallies.len() + self.actions.len()
    }

    /// Starts a new window; what the messages said of the roles stays. What has grown large is given back.
    pub(crate) fn clear(&mut self) {
        const KEPT: usize = 64;
        self.tallies.clear();
        self.operations.clear();
        self.actions.clear();
        self.action_hashes.clear();
        if self.tallies.capacity() > KEPT || self.actions.capacity() > KEPT {
            (self.tallies, self.operations) = (Vec::new(), Vec::new());
            (self.actions, self.action_hashes) = (Vec::new(), Vec::new());
        }
        self.hint = 0;
    }

    /// Asks for the memory of the rows that are likely to be counted in next.
    #[inline]
    pub(crate) fn prefetch(&self) {
        prefetch(self.tallies.as_slice(), 3);
    }

    /// What was counted in this window.
    pub(crate) fn operations(&self) -> impl Iterator<Item = (&OperationCount, Tally)> {
        self.operations.iter().zip(self.tallies.iter().copied())
    }

    /// The row of a message: looked for from the last one's place on, round once.
    #[inline]
    fn row_of(&mut self, count: &Count, place: Place) -> Option<usize> {
        let key = packed(count);
        let is_it = |at: &usize| self.tallies[*at].key == key && (key != UNPACKED || self.operations[*at].is_of(count));
        let found = (self.hint..self.tallies.len()).find(is_it).or_else(|| (0..self.hint).find(is_it));
        let at = found.or_else(|| self.add(key, count, place))?;
        self.hint = at;
        Some(at)
    }

    #[cold]
    fn add(&mut self, key: u64, count: &Count, place: Place) -> Option<usize> {
        if self.tallies.len() >= MOST_OPERATIONS {
            return None;
        }
        self.tallies.push(Tally { key, last: place.time, messages: 0, exceptions: 0 });
        self.operations.push(OperationCount::new(count, place));
        Some(self.tallies.len() - 1)
    }
}

impl Tallies for Counters {
    fn serves(&mut self, server: Side) {
        self.server = Some(server);
    }

    #[inline]
    fn count(&mut self, count: &Count, place: Place) {
        let Some(at) = self.row_of(count, place) else {
            self.over_cap += 1;
            return;
        };
        if count.mark == Mark::Unanswered {
            let row = &mut self.operations[at];
            row.unanswered += 1;
            row.first_unanswered.get_or_insert(place);
            return;
        }
        let tally = &mut self.tallies[at];
        tally.exceptions += u32::from(count.mark == Mark::Exception);
        tally.messages += 1;
        tally.last = tally.last.max(place.time);
    }

    fn act(&mut self, action: Action) {
        let hash = FixedState::default().hash_one((&action.target, &action.operation, action.outcome, action.sender));
        let mut same_hash = self.action_hashes.iter().enumerate().filter(|(_, other)| **other == hash);
        if let Some((known, _)) = same_hash.find(|(at, _)| self.actions[*at].is_of(&action)) {
            self.actions[known].count += 1;
        } else if self.actions.len() < MOST_ACTIONS {
            self.actions.push(ActionCount { action, count: 1 });
            self.action_hashes.push(hash);
        } else {
            self.over_cap += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(code: u32, mark: Mark) -> Count {
        Count {
            sender: Side::A,
            direction: Direction::Request,
            operation: Operation::Code(code),
            child: Some(Child::Number(1)),
            mark,
            is_control: false,
        }
    }

    #[test]
    fn equal_messages_share_a_row_and_unanswered_ones_are_no_new_messages() {
        let mut counters = Counters::default();
        let place = Place { capture: 0, frame: Some(7), time: Timestamp::from_nanos(9) };
        for (code, mark) in [(3, Mark::Plain), (4, Mark::Plain), (3, Mark::Exception), (3, Mark::Unanswered)] {
            counters.count(&count(code, mark), place);
        }
        let rows = counters.operations().map(|(row, tally)| (tally.messages, tally.exceptions, row.unanswered));
        let rows: Vec<_> = rows.collect();
        assert_eq!(rows, [(2, 1, 1), (1, 0, 0)]);
    }

    #[test]
    fn what_differs_in_anything_is_counted_apart() {
        let place = Place { capture: 0, frame: None, time: Timestamp::default() };
        let station = Child::Station { network: 7, address: [1].into_iter().collect() };
        let children = [None, Some(Child::Number(0)), Some(Child::Number(u32::MAX)), Some(station)];
        let operations = [
            Operation::Code(0),
            Operation::Code(1 << 21),
            Operation::Kind('u', 0),
            Operation::Kind('n', 0),
            Operation::Kind('\u{fc}', 0),
            Operation::Verb("GET"),
            Operation::Word("GET ".into()),
        ];
        let mut counters = Counters::default();
        let mut different = 0;
        for _ in 0..2 {
            different = 0;
            for child in &children {
                for operation in &operations {
                    for sender in Side::BOTH {
                        for direction in [Direction::Request, Direction::Response] {
                            let (child, operation) = (child.clone(), operation.clone());
                            let count =
                                Count { sender, direction, operation, child, mark: Mark::Plain, is_control: false };
                            counters.count(&count, place);
                            different += 1;
                        }
                    }
                }
            }
        }
        assert_eq!(counters.operations.len(), different);
        assert!(counters.operations().all(|(_, tally)| tally.messages == 2));
    }

    #[test]
    fn what_is_beyond_the_cap_is_counted() {
        let mut counters = Counters::default();
        let place = Place { capture: 0, frame: None, time: Timestamp::default() };
        for code in 0..5_000 {
            counters.count(&count(code, Mark::Plain), place);
        }
        assert_eq!((counters.operations.len(), counters.over_cap), (MOST_OPERATIONS, 904));
    }
}
