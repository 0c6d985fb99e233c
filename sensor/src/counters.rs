//! What a flow counts of its messages between two flushes.

use crate::source::{prefetch, prefetch_ahead};
use dissectors::bounded::GOLDEN;
use dissectors::observation::{Child, Operation, Place};
use dissectors::out::Tallies;
use dissectors::{Action, Count, Direction, Mark, PackedCount, Side, Timestamp, Words};
use foldhash::fast::FixedState;
use smallvec::SmallVec;
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
/// Codes that the packed keys of actions have room for.
const CODES: u32 = 1 << 22;

/// Everything by which actions are told apart, in 128 bits, if all are numbers: an exact key, not a hash.
fn packed_action(action: &Action) -> Option<u128> {
    let (Operation::Code(code), Words::Numbers([one, other], _)) = (&action.operation, &action.target) else {
        return None;
    };
    let (has_child, child) = match &action.child {
        None => (0, 0),
        Some(Child::Number(number)) => (1, *number),
        Some(_) => return None,
    };
    if *code >= CODES || action.image.is_some() {
        return None;
    }
    let sender = u32::from(action.sender == Side::B);
    let high = (action.outcome as u32) << 24 | sender << 23 | has_child << 22 | code;
    Some([high, child, *one, *other].into_iter().fold(0, |key, part| key << 32 | u128::from(part)))
}

/// The key of an action that cannot be packed: a hash, above all exact keys.
fn hashed_action(action: &Action) -> u128 {
    let hash = FixedState::default().hash_one((action.target.text(), &action.operation, action.outcome, action.sender));
    HASHED | u128::from(hash)
}

const HASHED: u128 = 1 << 127;

/// What every repeat of an action touches.
#[derive(Clone, Copy, Debug)]
struct ActionTally {
    /// What is counted, packed or hashed, in two halves: as one number it would take up half as much again.
    key: [u64; 2],
    count: u64,
}

fn halves(key: u128) -> [u64; 2] {
    [(key >> 64) as u64, key as u64]
}

/// The tallies of actions: nearly always a few, which stand here together, in two cache lines.
#[derive(Debug, Default)]
#[repr(align(64))]
struct ActionTallies(SmallVec<[ActionTally; 4]>);

const _: () = assert!(size_of::<ActionTallies>() == 128);

fn is_same(one: &Action, other: &Action) -> bool {
    one.outcome == other.outcome
        && one.operation == other.operation
        && one.category == other.category
        && one.child == other.child
        && one.sender == other.sender
        && one.image == other.image
        && one.target.text() == other.target.text()
}

/// The counters of a flow. Small, for every message touches it.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    tallies: Vec<Tally>,
    /// What every repeat of an action touches.
    action_tallies: Option<Box<ActionTallies>>,
    /// What no message touches whose like was counted before.
    rest: Option<Box<Rest>>,
    /// Where a key's row stands, most likely, four bits for each of 16 kinds of keys: a search would cost a branch that
    /// nobody foresees.
    likely: u64,
    /// How many rows there are.
    rows: u16,
    /// Which side serves, if its messages have said so.
    pub(crate) server: Option<Side>,
    /// Whether another conversation has said so before.
    pub(crate) is_settled: bool,
}

/// What is counted, and what is rarely counted.
#[derive(Debug, Default)]
struct Rest {
    /// What each tally is of, in the same order.
    operations: Vec<OperationCount>,
    /// What each action's tally is of, in the same order.
    actions: Vec<Action>,
    /// Messages and actions beyond the caps.
    over_cap: u64,
}

impl Counters {
    /// Whether nothing was counted since it was told last.
    pub(crate) fn is_empty(&self) -> bool {
        self.operations().next().is_none() && self.actions().next().is_none()
    }

    /// How many rows there are.
    #[inline]
    pub(crate) fn rows(&self) -> usize {
        usize::from(self.rows)
    }

    /// Starts a new window; what the messages said of the roles stays. What has grown large is given back.
    pub(crate) fn clear(&mut self) {
        const KEPT: usize = 64;
        self.tallies.clear();
        if let Some(actions) = &mut self.action_tallies {
            actions.0.clear();
        }
        if self.tallies.capacity() > KEPT || self.action_tallies.as_ref().is_some_and(|it| it.0.capacity() > KEPT) {
            *self = Self { server: self.server, is_settled: self.is_settled, ..Self::default() };
        }
        self.rows = 0;
        if let Some(rest) = &mut self.rest {
            rest.operations.clear();
            rest.actions.clear();
        }
    }

    /// What was counted has been told, and the window goes on: the rows stay, so that what is counted in them again is no
    /// news.
    pub(crate) fn go_on(&mut self) {
        self.tallies.iter_mut().for_each(|tally| (tally.messages, tally.exceptions) = (0, 0));
        if let Some(actions) = &mut self.action_tallies {
            actions.0.iter_mut().for_each(|tally| tally.count = 0);
        }
        if let Some(rest) = &mut self.rest {
            rest.operations.iter_mut().for_each(|row| (row.unanswered, row.first_unanswered) = (0, None));
        }
    }

    /// Asks for the memory of the rows that are likely to be counted in next.
    #[inline]
    pub(crate) fn prefetch(&self) {
        // Nearly all flows have few operations: these are all their rows.
        prefetch_ahead::<3, _>(self.tallies.as_slice(), 0);
        if let Some(actions) = &self.action_tallies {
            prefetch::<2, _>(actions.as_ref());
        }
    }

    /// What was counted since it was told last.
    pub(crate) fn operations(&self) -> impl Iterator<Item = (&OperationCount, Tally)> {
        let rows = self.rest.iter().flat_map(|rest| &rest.operations).zip(self.tallies.iter().copied());
        rows.filter(|(row, tally)| tally.messages > 0 || row.unanswered > 0)
    }

    /// The control actions since then, each with the number of its repeats.
    pub(crate) fn actions(&self) -> impl Iterator<Item = (&Action, u64)> {
        let actions = self.rest.iter().flat_map(|rest| &rest.actions);
        let tallies = self.action_tallies.iter().flat_map(|tallies| tallies.0.iter());
        actions.zip(tallies.map(|tally| tally.count)).filter(|(_, count)| *count > 0)
    }

    /// How many messages and actions were beyond the caps since the last call.
    pub(crate) fn take_over_cap(&mut self) -> u64 {
        self.rest.as_mut().map_or(0, |rest| std::mem::take(&mut rest.over_cap))
    }

    fn rest(&mut self) -> &mut Rest {
        self.rest.get_or_insert_default()
    }

    /// The row of a packed key.
    #[expect(clippy::inline_always, reason = "once a message")]
    #[inline(always)]
    fn row_of(&mut self, key: u64) -> Option<usize> {
        let shift = key.wrapping_mul(GOLDEN) >> 60 << 2;
        let likely = (self.likely >> shift & 0xf) as usize;
        if self.tallies.get(likely).is_some_and(|tally| tally.key == key) {
            return Some(likely);
        }
        self.search(key, shift)
    }

    #[cold]
    fn search(&mut self, key: u64, shift: u64) -> Option<usize> {
        let found = self.tallies.iter().position(|tally| tally.key == key);
        let at = found.unwrap_or(self.tallies.len()) as u64;
        if at <= 0xf {
            self.likely = self.likely & !(0xf << shift) | at << shift;
        }
        found
    }

    #[cold]
    fn add(&mut self, key: u64, count: &Count, place: &Place) -> Option<usize> {
        if self.tallies.len() >= MOST_OPERATIONS {
            self.rest().over_cap += 1;
            return None;
        }
        self.tallies.push(Tally { key, last: place.time, messages: 0, exceptions: 0 });
        self.rest().operations.push(OperationCount::new(count, *place));
        self.rows += 1;
        Some(self.tallies.len() - 1)
    }

    #[expect(clippy::inline_always, reason = "it is called in two places, of which one is all that counts")]
    #[inline(always)]
    fn tally(&mut self, at: usize, mark: Mark, place: &Place) {
        if mark == Mark::Unanswered {
            return self.unanswered(at, place);
        }
        let tally = &mut self.tallies[at];
        tally.exceptions += u32::from(mark == Mark::Exception);
        tally.messages += 1;
        tally.last = tally.last.max(place.time);
    }

    #[cold]
    fn unanswered(&mut self, at: usize, place: &Place) {
        let row = &mut self.rest().operations[at];
        row.unanswered += 1;
        row.first_unanswered.get_or_insert(*place);
    }
}

impl Tallies for Counters {
    fn serves(&mut self, server: Side) {
        if !self.is_settled {
            self.server = Some(server);
        }
    }

    fn count(&mut self, count: &Count, place: &Place) {
        let rest = self.rest.as_ref();
        let is_of = |at: usize| rest.is_some_and(|rest| rest.operations[at].is_of(count));
        let found = self.tallies.iter().enumerate().position(|(at, tally)| tally.key == UNPACKED && is_of(at));
        let found = found.or_else(|| self.add(UNPACKED, count, place));
        if let Some(at) = found {
            self.tally(at, count.mark, place);
        }
    }

    #[expect(clippy::inline_always, reason = "once a message")]
    #[inline(always)]
    fn count_packed(&mut self, count: PackedCount, place: &Place) {
        let found = self.row_of(count.key).or_else(|| self.add(count.key, &count.count(), place));
        if let Some(at) = found {
            self.tally(at, count.mark, place);
        }
    }

    fn act(&mut self, action: Action) {
        let key = packed_action(&action).unwrap_or_else(|| hashed_action(&action));
        let Self { action_tallies, rest, .. } = self;
        let ActionTallies(tallies) = &mut **action_tallies.get_or_insert_default();
        let halves = halves(key);
        let is_of = |at: usize| rest.as_ref().is_some_and(|rest| is_same(&rest.actions[at], &action));
        let mut same_key = tallies.iter_mut().enumerate().filter(|(_, tally)| tally.key == halves);
        if let Some((_, known)) = same_key.find(|(at, _)| key < HASHED || is_of(*at)) {
            known.count += 1;
        } else if tallies.len() < MOST_ACTIONS {
            tallies.push(ActionTally { key: halves, count: 1 });
            self.rows += 1;
            self.rest().actions.push(action);
        } else {
            self.rest().over_cap += 1;
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

    fn tell(counters: &mut Counters, count: &Count, place: Place) {
        match count.packed() {
            Some(packed) => {
                assert_eq!(packed.count(), *count);
                counters.count_packed(packed, &place);
            }
            None => counters.count(count, &place),
        }
    }

    #[test]
    fn equal_messages_share_a_row_and_unanswered_ones_are_no_new_messages() {
        let mut counters = Counters::default();
        let place = Place { capture: 0, frame: Some(7), time: Timestamp::from_nanos(9) };
        for (code, mark) in [(3, Mark::Plain), (4, Mark::Plain), (3, Mark::Exception), (3, Mark::Unanswered)] {
            tell(&mut counters, &count(code, mark), place);
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
                            tell(&mut counters, &count, place);
                            different += 1;
                        }
                    }
                }
            }
        }
        assert_eq!(counters.operations().count(), different);
        assert!(counters.operations().all(|(_, tally)| tally.messages == 2));
    }

    #[test]
    fn what_is_beyond_the_cap_is_counted() {
        let mut counters = Counters::default();
        let place = Place { capture: 0, frame: None, time: Timestamp::default() };
        for code in 0..5_000 {
            tell(&mut counters, &count(code, Mark::Plain), place);
        }
        assert_eq!((counters.operations().count(), counters.take_over_cap()), (MOST_OPERATIONS, 904));
    }
}
