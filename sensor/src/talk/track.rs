//! A capture may begin in the midst of a long message, which nothing names. Where it ends another one begins, and so on:
//! several in a row, each where the one before it ends, are no chance.

use crate::talk::MANY_IN_A_ROW;
use dissectors::observation::Transport;
use dissectors::{Protocol, Verdict};

/// One side's messages, as long as they prove too little.
pub(super) struct Track {
    pub(super) protocol: &'static Protocol,
    /// How many bytes before the next message.
    pub(super) next: usize,
    /// The front of a message that is too short to tell.
    pub(super) front: Vec<u8>,
    /// How many messages fitted.
    met: u8,
    /// How many bytes were passed over.
    pub(super) passed: u64,
}

/// What the next bytes make of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It is too early to tell.
    On,
    /// The protocol is certain: a message starts with what is kept, or behind so many bytes.
    Named,
    /// No message starts where one should.
    Lost,
}

impl Track {
    /// A message may start behind so many of the next bytes.
    pub(super) fn new(protocol: &'static Protocol, next: usize) -> Self {
        Self { protocol, next, front: Vec::new(), met: 0, passed: 0 }
    }

    /// The next bytes.
    pub(super) fn step(&mut self, bytes: &[u8], transport: Transport) -> Step {
        let lacking = Self::ENOUGH.saturating_sub(self.front.len());
        if !self.front.is_empty() {
            let mut front = self.front.clone();
            front.extend_from_slice(bytes.get(..lacking).unwrap_or(bytes));
            if front.len() < Self::ENOUGH {
                self.passed += bytes.len() as u64;
                self.front = front;
                return Step::On;
            }
            match self.message(&front, transport) {
                Step::On => self.next = self.next.saturating_sub(self.front.len()),
                step => return step,
            }
            self.front.clear();
        }
        while let Some(rest @ [_, ..]) = bytes.get(self.next..) {
            if rest.len() < Self::ENOUGH {
                self.front = rest.to_vec();
                self.next = 0;
                self.passed += bytes.len() as u64;
                return Step::On;
            }
            let at = self.next;
            match self.message(rest, transport) {
                Step::On => self.next = self.next.saturating_add(at),
                step => return step,
            }
        }
        self.next = self.next.saturating_sub(bytes.len());
        self.passed += bytes.len() as u64;
        Step::On
    }

    /// A message should start here; if it does, the next one starts behind it.
    fn message(&mut self, front: &[u8], transport: Transport) -> Step {
        match (self.protocol.probe)(front, transport) {
            Verdict::Within { at: 0, length } if length > 0 => {
                self.met = self.met.saturating_add(1);
                if self.met >= MANY_IN_A_ROW {
                    return Step::Named;
                }
                self.next = length;
                Step::On
            }
            verdict if verdict.is_mine() => Step::Named,
            _ => Step::Lost,
        }
    }

    /// So many bytes tell whether a message starts.
    const ENOUGH: usize = 16;
}
