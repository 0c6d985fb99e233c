//! The messages that wait for their answers.

use super::deed::Deed;
use super::login::Login;
use super::turn::Turn;
use crate::observation::{Operation, Outcome};
use crate::out::{Count, Mark, Words};
use crate::pending::{Command, Request};
use std::time::Duration;

/// An application message that is owed an answer: a request its response, a response its confirmation.
pub(super) struct Asked {
    pub(super) turn: Turn,
    pub(super) function: u8,
    pub(super) sequence: u8,
    pub(super) wants: Wants,
    pub(super) is_control: bool,
    /// What it does to the outstation.
    pub(super) deeds: Vec<Deed>,
    /// Of a selection, the objects that an operation repeats.
    pub(super) objects: Option<Box<[u8]>>,
    /// The login for files that it is.
    pub(super) login: Option<Box<Login>>,
}

/// What answers a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wants {
    Response,
    Confirmation { is_unsolicited: bool },
}

impl Asked {
    /// Whether all that it does was accepted.
    pub(super) fn is_accepted(&self) -> bool {
        self.deeds.iter().all(|deed| deed.outcome == Some(Outcome::Accepted))
    }

    /// Whether a message of this turn and sequence is what it wants.
    pub(super) fn is_answered_by(&self, turn: Turn, sequence: u8, wants: Wants) -> bool {
        self.sequence == sequence && self.wants == wants && turn.answers(self.turn)
    }

    /// Whether another message takes its place: it is sent again. A proof bears the sequence of what it proves.
    pub(super) fn is_repeated_by(&self, other: &Self) -> bool {
        let same = (self.function, self.sequence, self.wants) == (other.function, other.sequence, other.wants);
        same && self.turn == other.turn
    }
}

impl Request for Asked {
    /// Radio links take seconds.
    const PATIENCE: Duration = Duration::from_secs(10);

    fn count(&self) -> Count {
        self.turn.count(Operation::Code(self.function.into()), Mark::Plain, self.is_control)
    }

    fn command(&self) -> Option<Command> {
        self.command_at(0)
    }

    fn command_at(&self, at: usize) -> Option<Command> {
        self.deeds.get(at).map(|deed| deed.command.clone())
    }

    fn ending_at(&self, at: usize) -> Option<(Outcome, Option<Words>)> {
        let deed = self.deeds.get(at)?;
        Some((deed.outcome?, deed.reason.clone().map(Words::from)))
    }

    fn login(&self) -> Option<crate::login::Login> {
        self.login.as_ref().map(|login| login.told(self.turn))
    }

    fn login_ending(&self) -> Option<Outcome> {
        self.login.as_ref()?.outcome
    }
}

/// A frame of the link itself that is owed an answer.
pub(super) struct LinkAsked {
    pub(super) turn: Turn,
    pub(super) function: u8,
}

impl Request for LinkAsked {
    const PATIENCE: Duration = Duration::from_secs(5);
    /// Who looks for stations asks a hundred addresses at once.
    const MOST: u8 = 200;

    fn count(&self) -> Count {
        self.turn.count(super::link_operation(self.function), Mark::Plain, false)
    }
}
