//! One message's turn in a conversation: who speaks to whom, by link addresses and not by ports.

use super::link::Header;
use crate::dissector::{Direction, Side};
use crate::observation::{Child, Operation};
use crate::out::{Count, Mark, Out};

/// Who speaks to whom in one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) sender: Side,
    /// A request is what a master sends, a response what an outstation sends, asked or not.
    pub(super) direction: Direction,
    pub(super) pair: Pair,
}

/// A master and an outstation, by their link addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) master: u16,
    pub(super) outstation: u16,
}

impl Turn {
    /// As the header says it.
    pub(super) fn of(sender: Side, header: Header) -> Self {
        Self::new(sender, if header.is_from_master { Direction::Request } else { Direction::Response }, header)
    }

    /// As the function says it: some stations set DIR wrongly.
    pub(super) fn new(sender: Side, direction: Direction, header: Header) -> Self {
        let Header { source, destination, .. } = header;
        let pair = match direction {
            Direction::Request => Pair { master: source, outstation: destination },
            Direction::Response => Pair { master: destination, outstation: source },
        };
        Self { sender, direction, pair }
    }

    /// The side on which the outstation is.
    pub(super) fn server(self) -> Side {
        match self.direction {
            Direction::Request => self.sender.other(),
            Direction::Response => self.sender,
        }
    }

    /// The outstation behind its host.
    pub(super) fn child(self) -> Child {
        Child::Number(self.pair.outstation.into())
    }

    /// A message of this turn, to be counted.
    #[inline]
    pub(super) fn count(self, operation: Operation, mark: Mark, is_control: bool) -> Count {
        let Self { sender, direction, .. } = self;
        Count { sender, direction, operation, child: Some(self.child()), mark, is_control }
    }

    /// Whether who is spoken to would answer: one station, on one host.
    pub(super) fn is_to_one(self, out: &Out<'_>) -> bool {
        let is_broadcast = self.direction == Direction::Request && self.pair.outstation >= FIRST_BROADCAST;
        !is_broadcast && !out.is_group(self.sender.other())
    }

    /// Whether this answers what was asked in another turn. Who is asked as "yourself" answers by its own address.
    pub(super) fn answers(self, asked: Self) -> bool {
        let is_outstation = self.pair.outstation == asked.pair.outstation || asked.pair.outstation == SELF;
        self.sender != asked.sender
            && self.direction != asked.direction
            && self.pair.master == asked.pair.master
            && is_outstation
    }
}

impl Pair {
    /// Whether the outstation's address names one station: those above are reserved (table 9-3).
    pub(super) fn names_a_station(self) -> bool {
        self.outstation < FIRST_RESERVED
    }
}

const FIRST_RESERVED: u16 = 0xfff0;
/// Whoever hears it is meant.
const SELF: u16 = 0xfffc;
/// 0xFFFD to 0xFFFF are all outstations, by what they are to confirm.
const FIRST_BROADCAST: u16 = 0xfffd;
