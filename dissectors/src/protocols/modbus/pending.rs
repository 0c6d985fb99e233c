//! The requests that wait for their answers.

use super::pdu::Pdu;
use super::write::Write;
use super::{Adu, child, operation};
use crate::dissector::{Direction, Side};
use crate::observation::{Category, Outcome, Place};
use crate::out::{Action, Count, Mark, Out};
use crate::time::Timestamp;
use std::collections::VecDeque;
use std::time::Duration;

/// Requests without an answer yet, the oldest first.
#[derive(Default)]
pub(super) struct Pending(VecDeque<Request>);

/// A request, as far as its answer needs it.
pub(super) struct Request {
    pub(super) transaction: u16,
    pub(super) unit: u8,
    pub(super) function: u8,
    pub(super) asker: Side,
    pub(super) is_control: bool,
    pub(super) is_owed_an_answer: bool,
    pub(super) write: Option<Write>,
    pub(super) place: Place,
}

impl Pending {
    /// Where the request stands that a message from `side` answers.
    pub(super) fn position(&self, side: Side, adu: &Adu<'_>) -> Option<usize> {
        self.0.iter().position(|request| request.is_answered_by(side, adu))
    }

    pub(super) fn take(&mut self, position: usize) -> Option<Request> {
        self.0.remove(position)
    }

    /// Adds a request; when there are too many, the oldest is given up.
    pub(super) fn push(&mut self, request: Request, out: &mut Out<'_>) {
        if self.0.len() >= CAP
            && let Some(oldest) = self.0.pop_front()
        {
            oldest.give_up(out);
        }
        self.0.push_back(request);
    }

    /// Nobody can say any more that `server` did not answer what was asked so far.
    pub(super) fn excuse(&mut self, server: Side) {
        for request in self.0.iter_mut().filter(|request| request.asker != server) {
            request.is_owed_an_answer = false;
        }
    }

    /// Gives up the requests that have waited too long.
    pub(super) fn give_up(&mut self, now: Timestamp, out: &mut Out<'_>) {
        while let Some(oldest) = self.0.pop_front_if(|oldest| now.since(oldest.place.time) >= PATIENCE) {
            oldest.give_up(out);
        }
    }
}

impl Request {
    /// The answer repeats transaction, unit and function. Some servers refuse a function that they do not know under
    /// the code 0x80, as if it were function 0.
    fn is_answered_by(&self, side: Side, adu: &Adu<'_>) -> bool {
        let Pdu { function, is_exception, .. } = adu.pdu;
        self.asker != side
            && self.transaction == adu.transaction
            && self.unit == adu.unit
            && (self.function == function || (function == 0 && is_exception))
    }

    pub(super) fn count(&self) -> Count {
        Count {
            sender: self.asker,
            direction: Direction::Request,
            operation: operation(self.function),
            child: Some(child(self.unit)),
            mark: Mark::Plain,
            is_control: self.is_control,
        }
    }

    fn give_up(&self, out: &mut Out<'_>) {
        if self.is_owed_an_answer {
            out.unanswered(self.count(), self.place);
        }
        self.act(Outcome::Unanswered, out);
    }

    /// Tells what was written, and with what outcome.
    pub(super) fn act(&self, outcome: Outcome, out: &mut Out<'_>) {
        let Some(write) = self.write else {
            return;
        };
        out.act(Action {
            sender: self.asker,
            child: Some(child(self.unit)),
            operation: operation(self.function),
            category: Category::Write,
            target: write.target(),
            value: write.value(),
            outcome,
            place: self.place,
        });
    }
}

const CAP: usize = 64;
const PATIENCE: Duration = Duration::from_secs(5);
