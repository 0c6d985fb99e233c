//! UMAS, by which Schneider Electric's Modicon controllers are programmed: function 90 of Modbus. No document of the
//! maker's describes it. What is read here was found by others (Liras en la red, The Unity (UMAS) protocol, parts I to V;
//! Metasploit, `modicon_stux_transfer`; Redpoint, modicon-info; Kaspersky ICS CERT, The secrets of Schneider Electric's UMAS
//! protocol; Zaltzman, UMAS-Wireshark-Dissector; Apache PLC4X), and holds in the capture of a Quantum's program being read.
//!
//! Read: every function, counted under its own protocol's name; which controller it is, its firmware, memory card and
//! state; the project's name, version and times of build; who holds the reservation; starts, stops, writes and transfers
//! of the program, with their outcome, and the SHA-256 of what was transferred. A message in a signed envelope is told as
//! one of `umas_signed`: what is signed is not free to everybody.
//!
//! Skipped on purpose: values that are read, what function 0x50 monitors or forces, racks and modules (0x72 to 0x74),
//! whose layouts nobody has published. Keys of reservations, nonces and passwords are passed over, never kept.

use crate::dissector::{Direction, Ending, Side};
use crate::observation::{Operation, Outcome};
use crate::out::{Count, Mark, Out};
use crate::pending::{Command, Pending, Request, Waiting};
use crate::time::Timestamp;
pub(super) use frame::is_response;
use frame::{Frame, Verdict};
use std::time::Duration;
use transfer::{Step, Transfer};

mod command;
mod frame;
pub(super) mod identity;
pub(super) mod reservation;
mod transfer;

#[cfg(test)]
mod tests;

/// Under which name it is told.
pub(crate) const UMAS: &str = "umas";
/// And what comes in signed envelopes.
pub(crate) const UMAS_SIGNED: &str = "umas_signed";

/// What a Modbus message carries behind its function.
#[derive(Clone, Copy)]
pub(super) struct Carried<'a> {
    pub(super) sender: Side,
    /// Those of a serial line have none: there, the latest request is answered.
    pub(super) has_transactions: bool,
    pub(super) transaction: u16,
    pub(super) unit: u8,
    pub(super) data: &'a [u8],
}

/// What is known of a conversation.
#[derive(Default)]
pub(super) struct Talk {
    pending: Pending<Asked>,
    /// The host name that the client gave itself.
    client_host: Option<Box<str>>,
    transfer: Option<Transfer>,
}

impl Talk {
    /// Takes in a request; whether it is one at all.
    pub(super) fn request(&mut self, carried: &Carried<'_>, is_owed_an_answer: bool, out: &mut Out<'_>) -> bool {
        let Some(frame) = Frame::request(carried.data) else { return false };

        if let Some(name) = reservation::claimed_by(&frame) {
            self.client_host = Some(reservation::tell_client(carried.sender, name, out));
        }
        let asked = Asked::new(carried, &frame, self.client_host.as_deref());
        out.count(asked.count());
        if let Ask::Step(step) = asked.ask {
            self.step(&asked, step, &frame, out);
        }
        self.pending.push(asked, is_owed_an_answer, out);
        true
    }

    /// Takes in a response; `refused` is what an exception of Modbus makes of what was asked.
    pub(super) fn response(&mut self, carried: &Carried<'_>, refused: Option<Outcome>, out: &mut Out<'_>) {
        let now = out.place().time;
        let is_it = |waiting: &Waiting<Asked>| waiting.request.is_answered_by(carried);
        let at =
            if carried.has_transactions { self.pending.position(now, is_it) } else { self.pending.latest(now, is_it) };
        let answered = at.and_then(|at| self.pending.take(at));
        self.pending.give_up(now, out);

        let asked = answered.as_ref().map(|waiting| &waiting.request);
        let is_signed = asked.is_some_and(|asked| asked.is_signed);
        let frame = if refused.is_some() { None } else { Frame::response(carried.data, is_signed) };
        let verdict = frame.and_then(|frame| frame.verdict());
        let operation = match (asked, frame) {
            (Some(asked), _) => asked.operation(),
            (None, Some(frame)) => operation(frame.code, false),
            (None, None) => return,
        };
        let is_refused = refused.is_some() || verdict == Some(Verdict::Error);
        out.count(Count {
            sender: carried.sender,
            direction: Direction::Response,
            operation,
            child: Some(super::child(carried.unit)),
            mark: if is_refused { Mark::Exception } else { Mark::Plain },
            is_control: false,
        });
        let Some(waiting) = answered else { return };
        let outcome = refused.or(verdict.map(Verdict::outcome)).unwrap_or(Outcome::Unknown);
        waiting.answered(outcome, out);
        self.answered(&waiting.request, outcome, frame, out);
    }

    /// Answers, or pieces of what is transferred, may have been among what was lost.
    pub(super) fn lose(&mut self, side: Side) {
        self.pending.excuse(side);
        if let Some(transfer) = &mut self.transfer {
            transfer.lose();
        }
    }

    pub(super) fn give_up(&mut self, now: Timestamp, out: &mut Out<'_>) {
        self.pending.give_up(now, out);
    }

    pub(super) fn finish(&mut self, ending: Ending, out: &mut Out<'_>) {
        self.pending.finish(ending, out);
        self.leave(out);
    }

    fn answered(&mut self, asked: &Asked, outcome: Outcome, frame: Option<Frame<'_>>, out: &mut Out<'_>) {
        let is_accepted = outcome == Outcome::Accepted;
        let data = frame.map(|frame| frame.data).unwrap_or_default();
        match asked.ask {
            Ask::Step(step) => self.step_answered(step, outcome, data, out),
            _ if !is_accepted => {}
            Ask::Identity(tell) => tell(asked.asker.other(), &super::child(asked.unit), data, out),
            Ask::Command(_) | Ask::Other => {}
        }
    }

    /// A step of a transfer is asked for. What a block to the controller holds stands in its request.
    fn step(&mut self, asked: &Asked, step: Step, frame: &Frame<'_>, out: &mut Out<'_>) {
        let is_of_it = self.transfer.as_ref().is_some_and(|transfer| transfer.has(step, asked));
        if matches!(step, Step::Begin { .. }) || !is_of_it {
            self.leave(out);
            self.transfer = Some(Transfer::new(step, asked, out.place()));
        }
        if let (Step::Block { number, .. }, Some(piece), Some(transfer)) =
            (step, transfer::piece_to_controller(frame), &mut self.transfer)
        {
            transfer.add(number, piece);
        }
    }

    fn step_answered(&mut self, step: Step, outcome: Outcome, data: &[u8], out: &mut Out<'_>) {
        let Some(transfer) = &mut self.transfer else { return };
        let is_accepted = outcome == Outcome::Accepted;
        match step {
            Step::Begin { .. } if is_accepted => transfer.announce(data),
            Step::Block { number, way } if is_accepted => {
                if let Some(piece) = transfer::piece_from_controller(way, data) {
                    transfer.add(number, piece);
                }
            }
            Step::Block { .. } => transfer.refuse(),
            Step::Begin { .. } | Step::End { .. } => {
                if let Some(transfer) = self.transfer.take() {
                    transfer.end(step, outcome, out);
                }
            }
        }
    }

    /// A transfer of which no end is seen.
    fn leave(&mut self, out: &mut Out<'_>) {
        if let Some(transfer) = self.transfer.take() {
            transfer.leave(out);
        }
    }
}

/// A request, as far as its answer needs it.
struct Asked {
    transaction: u16,
    unit: u8,
    asker: Side,
    code: u8,
    is_signed: bool,
    client_host: Option<Box<str>>,
    ask: Ask,
}

/// What a request is about.
enum Ask {
    Other,
    /// Something that the answer says of the controller.
    Identity(identity::Tell),
    Command(Command),
    /// A part of a transfer.
    Step(Step),
}

impl Ask {
    fn of(frame: &Frame<'_>) -> Self {
        if let Some(step) = Step::of(frame) {
            return Self::Step(step);
        }
        let identity = identity::of(frame).map(Self::Identity);
        let command = || command::of(frame).map(Self::Command);
        identity.or_else(command).unwrap_or(Self::Other)
    }
}

impl Asked {
    fn new(carried: &Carried<'_>, frame: &Frame<'_>, client_host: Option<&str>) -> Self {
        let Carried { sender, transaction, unit, .. } = *carried;
        let Frame { code, is_signed, .. } = *frame;
        let ask = Ask::of(frame);
        let client_host = client_host.filter(|_| matches!(ask, Ask::Command(_) | Ask::Step(_))).map(Box::from);
        Self { transaction, unit, asker: sender, code, is_signed, client_host, ask }
    }

    fn is_answered_by(&self, carried: &Carried<'_>) -> bool {
        self.asker != carried.sender && self.transaction == carried.transaction && self.unit == carried.unit
    }

    fn operation(&self) -> Operation {
        operation(self.code, self.is_signed)
    }
}

impl Request for Asked {
    /// A controller takes its time to start, to stop and to take over a program.
    const PATIENCE: Duration = Duration::from_secs(30);

    fn count(&self) -> Count {
        Count {
            sender: self.asker,
            direction: Direction::Request,
            operation: self.operation(),
            child: Some(super::child(self.unit)),
            mark: Mark::Plain,
            is_control: command::is_control(self.code),
        }
    }

    fn command(&self) -> Option<Command> {
        match &self.ask {
            Ask::Command(command) => Some(command.clone()),
            Ask::Other | Ask::Identity(_) | Ask::Step(_) => None,
        }
    }

    fn client_host(&self) -> Option<Box<str>> {
        self.client_host.clone()
    }
}

fn operation(code: u8, is_signed: bool) -> Operation {
    Operation::Within(if is_signed { UMAS_SIGNED } else { UMAS }, code)
}

/// A name as it stands in messages, without the zeros that fill it up; nothing if it is none.
fn name(bytes: &[u8]) -> Option<&[u8]> {
    let name = bytes.split(|byte| *byte == 0).next()?.trim_ascii();
    let is_name = !name.is_empty() && name.iter().all(|byte| *byte >= b' ' && *byte != 0x7f);
    is_name.then_some(name)
}
