//! What a flow counts of its messages between two flushes.

use dissectors::observation::{Child, Operation, Place};
use dissectors::out::Tallies;
use dissectors::{Action, Count, Direction, Mark, Side, Timestamp};

/// Different operations that one flow counts apart; what is beyond is counted as lost.
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
    pub(crate) messages: u64,
    pub(crate) exceptions: u64,
    pub(crate) unanswered: u64,
    pub(crate) first: Place,
    pub(crate) last: Timestamp,
    pub(crate) first_unanswered: Option<Place>,
}

impl OperationCount {
    fn is_of(&self, count: &Count) -> bool {
        self.operation == count.operation
            && self.child == count.child
            && self.sender == count.sender
            && self.direction == count.direction
    }
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
    /// Which side serves, if its messages have said so.
    pub(crate) server: Option<Side>,
    pub(crate) operations: Vec<OperationCount>,
    pub(crate) actions: Vec<ActionCount>,
    /// Messages and actions beyond the caps.
    pub(crate) over_cap: u64,
    /// Where the last message was counted: polls repeat in cycles, so the next one's place is near.
    hint: usize,
}

impl Counters {
    /// Whether nothing was counted in this window.
    pub(crate) fn is_empty(&self) -> bool {
        self.operations.is_empty() && self.actions.is_empty()
    }

    /// Starts a new window; what the messages said of the roles stays.
    pub(crate) fn clear(&mut self) {
        self.operations.clear();
        self.actions.clear();
        self.hint = 0;
    }

    /// The row of a message: looked for from the last one's place on, round once.
    fn row_of(&mut self, count: &Count, place: Place) -> Option<&mut OperationCount> {
        let (before, behind) = self.operations.split_at(self.hint.min(self.operations.len()));
        let found = behind.iter().position(|row| row.is_of(count)).map(|at| at + before.len());
        let at = found.or_else(|| before.iter().position(|row| row.is_of(count)));
        let at = match at {
            Some(at) => at,
            None if self.operations.len() < MOST_OPERATIONS => {
                self.operations.push(OperationCount {
                    sender: count.sender,
                    direction: count.direction,
                    operation: count.operation.clone(),
                    child: count.child.clone(),
                    is_control: count.is_control,
                    messages: 0,
                    exceptions: 0,
                    unanswered: 0,
                    first: place,
                    last: place.time,
                    first_unanswered: None,
                });
                self.operations.len() - 1
            }
            None => return None,
        };
        self.hint = at;
        self.operations.get_mut(at)
    }
}

impl Tallies for Counters {
    fn serves(&mut self, server: Side) {
        self.server = Some(server);
    }

    #[inline]
    fn count(&mut self, count: &Count, place: Place) {
        let Some(row) = self.row_of(count, place) else {
            self.over_cap += 1;
            return;
        };
        match count.mark {
            Mark::Unanswered => {
                row.unanswered += 1;
                row.first_unanswered.get_or_insert(place);
                return;
            }
            Mark::Exception => row.exceptions += 1,
            Mark::Plain => {}
        }
        row.messages += 1;
        row.last = row.last.max(place.time);
    }

    fn act(&mut self, action: Action) {
        if let Some(known) = self.actions.iter_mut().find(|known| known.is_of(&action)) {
            known.count += 1;
        } else if self.actions.len() < MOST_ACTIONS {
            self.actions.push(ActionCount { action, count: 1 });
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
        let rows: Vec<_> =
            counters.operations.iter().map(|row| (row.messages, row.exceptions, row.unanswered)).collect();
        assert_eq!(rows, [(2, 1, 1), (1, 0, 0)]);
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
