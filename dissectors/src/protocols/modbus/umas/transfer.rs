//! The transfer of a program, block by block: to the controller (0x30 to 0x32) or from it (0x33 to 0x35). What these are
//! called differs from source to source; that 0x34 is answered with the program is seen in a capture.
//!
//! A transfer is one row of operations, told when it ends. Its content is hashed as it comes and kept nowhere; where any
//! of it is missing there is no hash, and the row says what is missing.

use super::Asked;
use super::frame::Frame;
use crate::dissector::Side;
use crate::image::Hashing;
use crate::observation::{Category, Operation, Outcome, Place};
use crate::out::{Action, Out};
use compact_str::format_compact;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    ToController,
    FromController,
}

/// A request's part in a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Which file.
    Begin { way: Way, file: u8 },
    /// Which block, from 1.
    Block { way: Way, number: u16 },
    /// How many blocks there were.
    End { way: Way, blocks: u16 },
}

impl Step {
    pub(super) fn of(request: &Frame<'_>) -> Option<Self> {
        let way = if request.code <= END_TO { Way::ToController } else { Way::FromController };
        match (request.code, request.data) {
            (BEGIN_TO | BEGIN_FROM, [_, file, ..]) => Some(Self::Begin { way, file: *file }),
            (BLOCK_TO | BLOCK_FROM, [_, _, low, high, ..]) => {
                Some(Self::Block { way, number: u16::from_le_bytes([*low, *high]) })
            }
            (END_TO | END_FROM, [_, _, low, high, ..]) => {
                Some(Self::End { way, blocks: u16::from_le_bytes([*low, *high]) })
            }
            _ => None,
        }
    }

    fn way(self) -> Way {
        match self {
            Self::Begin { way, .. } | Self::Block { way, .. } | Self::End { way, .. } => way,
        }
    }
}

/// What a request to take a block holds: its length and as many bytes, behind its number.
pub(super) fn piece_to_controller<'a>(request: &Frame<'a>) -> Option<&'a [u8]> {
    match (request.code, request.data) {
        (BLOCK_TO, [_, _, _, _, piece @ ..]) => counted(piece),
        _ => None,
    }
}

/// What the answer to a request for a block holds: whether it is the last, a zero, its length and as many bytes.
pub(super) fn piece_from_controller(way: Way, answer: &[u8]) -> Option<&[u8]> {
    match (way, answer) {
        (Way::FromController, [_, _, piece @ ..]) => counted(piece),
        _ => None,
    }
}

fn counted(bytes: &[u8]) -> Option<&[u8]> {
    let (length, piece) = bytes.split_first_chunk()?;
    piece.get(..usize::from(u16::from_le_bytes(*length)))
}

/// A transfer under way.
pub(super) struct Transfer {
    way: Way,
    operation: Operation,
    asker: Side,
    unit: u8,
    client_host: Option<Box<str>>,
    begun: Place,
    file: Option<u8>,
    /// How many bytes the controller said there are.
    announced: Option<u64>,
    all: Hashing,
    /// As it was before the last block, which may come again.
    before_last: Hashing,
    last: u16,
    last_is_refused: bool,
    flaw: Option<&'static str>,
}

impl Transfer {
    /// One whose first request is this; if that does not begin it, its beginning was not seen.
    pub(super) fn new(step: Step, asked: &Asked, begun: Place) -> Self {
        let (file, flaw) = match step {
            Step::Begin { file, .. } => (Some(file), None),
            Step::Block { .. } | Step::End { .. } => (None, Some("its beginning was not seen")),
        };
        let way = step.way();
        let code = if way == Way::ToController { BEGIN_TO } else { BEGIN_FROM };
        Self {
            way,
            operation: super::operation(code, asked.is_signed),
            asker: asked.asker,
            unit: asked.unit,
            client_host: asked.client_host.clone(),
            begun,
            file,
            announced: None,
            all: Hashing::default(),
            before_last: Hashing::default(),
            last: 0,
            last_is_refused: false,
            flaw,
        }
    }

    /// Whether a request belongs to it.
    pub(super) fn has(&self, step: Step, asked: &Asked) -> bool {
        (self.way, self.asker, self.unit) == (step.way(), asked.asker, asked.unit)
    }

    /// The answer to its begin: of a transfer from the controller the number of bytes, behind a zero and the file.
    pub(super) fn announce(&mut self, answer: &[u8]) {
        if let (Way::FromController, [_, _, a, b, c, d]) = (self.way, answer) {
            self.announced = Some(u32::from_le_bytes([*a, *b, *c, *d]).into());
        }
    }

    /// A block; one that comes again takes its own place.
    pub(super) fn add(&mut self, number: u16, piece: &[u8]) {
        if self.last.checked_add(1) == Some(number) {
            self.note(self.last_is_refused, "a block was refused");
            self.before_last = self.all.clone();
            self.last = number;
        } else if self.last == number && number > 0 {
            self.all = self.before_last.clone();
        } else {
            self.note(true, "blocks are missing");
        }
        self.last_is_refused = false;
        self.all.add(piece);
    }

    /// The last block was not taken.
    pub(super) fn refuse(&mut self) {
        self.last_is_refused = true;
    }

    /// Bytes of the conversation were lost.
    pub(super) fn lose(&mut self) {
        self.note(true, "bytes were lost");
    }

    /// Its last request was answered, or its first one refused.
    pub(super) fn end(mut self, step: Step, outcome: Outcome, out: &mut Out<'_>) {
        if let Step::End { blocks, .. } = step {
            let bytes = self.all.clone().image().map_or(0, |image| image.bytes);
            self.note(self.last_is_refused, "a block was refused");
            self.note(self.last != blocks, "blocks are missing");
            self.note(self.announced.is_some_and(|announced| announced != bytes), "its length is not as announced");
        }
        self.tell(outcome, out);
    }

    /// It goes no further, as far as is seen.
    pub(super) fn leave(mut self, out: &mut Out<'_>) {
        self.note(true, "its end was not seen");
        self.tell(Outcome::Unknown, out);
    }

    fn note(&mut self, is_so: bool, flaw: &'static str) {
        if is_so {
            self.flaw.get_or_insert(flaw);
        }
    }

    fn tell(self, outcome: Outcome, out: &mut Out<'_>) {
        let target = match self.file {
            Some(APPLICATION) => "application".into(),
            Some(file) => format_compact!("file {file}").into(),
            None => "program".into(),
        };
        let image = self.all.image().filter(|_| self.flaw.is_none() && outcome == Outcome::Accepted);
        out.act(Action {
            sender: self.asker,
            client_host: self.client_host,
            client_user: None,
            child: Some(super::super::child(self.unit)),
            operation: self.operation,
            category: if self.way == Way::ToController { Category::Program } else { Category::Backup },
            target,
            value: self.flaw.map(Into::into),
            outcome,
            reason: None,
            image: image.map(Box::new),
            place: self.begun,
        });
    }
}

const BEGIN_TO: u8 = 0x30;
const BLOCK_TO: u8 = 0x31;
const END_TO: u8 = 0x32;
const BEGIN_FROM: u8 = 0x33;
const BLOCK_FROM: u8 = 0x34;
const END_FROM: u8 = 0x35;
/// The file of a program as it runs, which begins with `APX` (Metasploit, `modicon_stux_transfer`).
const APPLICATION: u8 = 1;
