//! The requests that wait for their answers.

use super::control::Control;
use super::pdu::Pdu;
use super::{Adu, child, operation};
use crate::dissector::{Direction, Side};
use crate::out::{Count, Mark};
use crate::pending::{Command, Request};
use std::time::Duration;

/// A request, as far as its answer needs it.
pub(super) struct Asked {
    pub(super) transaction: u16,
    pub(super) unit: u8,
    pub(super) function: u8,
    pub(super) front: [u8; 4],
    pub(super) asker: Side,
    pub(super) is_control: bool,
    pub(super) control: Option<Control>,
}

impl Asked {
    /// What a side asks, and what it changes.
    #[expect(clippy::inline_always, reason = "else it goes through memory, in pieces and back as a whole: that stalls")]
    #[inline(always)]
    pub(super) fn by(asker: Side, adu: &Adu<'_>, control: Option<Control>) -> Self {
        let Adu { transaction, unit, pdu } = adu;
        let is_control = pdu.is_control();
        Self {
            transaction: *transaction,
            unit: *unit,
            function: pdu.function,
            front: pdu.front(),
            asker,
            is_control,
            control,
        }
    }

    /// The answer repeats transaction, unit and function. Some servers refuse a function that they do not know under
    /// the code 0x80, as if it were function 0.
    pub(super) fn is_answered_by(&self, side: Side, adu: &Adu<'_>) -> bool {
        let Pdu { function, is_exception, .. } = adu.pdu;
        self.asker != side
            && self.transaction == adu.transaction
            && self.unit == adu.unit
            && (self.function == function || (function == 0 && is_exception))
    }
}

impl Request for Asked {
    const PATIENCE: Duration = Duration::from_secs(5);

    fn count(&self) -> Count {
        Count {
            sender: self.asker,
            direction: Direction::Request,
            operation: operation(self.function),
            child: Some(child(self.unit)),
            mark: Mark::Plain,
            is_control: self.is_control,
        }
    }

    fn command(&self) -> Option<Command> {
        self.control.map(|control| control.command())
    }
}
