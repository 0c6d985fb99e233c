//! Files that cross the wire (IEEE 1815-2012, 4.4.16 and A.27): each is one action, from its opening to its end, with the
//! hash of what it held. Names are told, contents never.
//!
//! Hashed are the blocks in their order. One that does not follow makes the transfer one that is not whole, and no hash is
//! told. What stands in a directory is no file of a device: that it was read is told without a hash.

use super::application::Fragment;
use super::command;
use super::deed::{AnsweredBy, Deed};
use super::objects::{self, Block, Blocks};
use super::turn::{Pair, Turn};
use super::words::{name, text};
use crate::dissector::Direction;
use crate::image::Hashing;
use crate::login::Laxity;
use crate::observation::{Category, Operation, Outcome, Place};
use crate::out::{Action, Out, Words};
use crate::pending::Command;
use crate::reader::{Reader, Stop};
use crate::time::Timestamp;
use compact_str::{CompactString, format_compact};
use std::time::Duration;

/// What an object of group 70 says. One of v2 holds a password: it is passed over unread here (`login`).
#[derive(Clone, Copy)]
pub(super) enum Object<'a> {
    /// v3: a file to open or delete.
    Command { key: u32, mode: u16, request: u16, name: &'a [u8] },
    /// v4: an opening or an end, or what became of one.
    Status { handle: u32, request: u16, status: u8 },
    /// v5: a block.
    Block { handle: u32, number: u32, is_last: bool, content: &'a [u8] },
    /// v6: what became of a block.
    BlockStatus { handle: u32, status: u8 },
}

impl<'a> Object<'a> {
    /// The first of a block of group 70; nothing of one that says nothing of a transfer.
    pub(super) fn first(block: &Block<'a>) -> Option<Self> {
        let item = block.items().next().filter(|_| block.kind.group == objects::FILE)?;
        Self::read(block.kind.variation, item.bytes).ok().flatten()
    }

    fn read(variation: u8, bytes: &'a [u8]) -> Result<Option<Self>, Stop> {
        let reader = &mut Reader::closed(bytes);
        Ok(Some(match variation {
            3 => {
                let name = piece(reader, bytes)?;
                // Time of creation, permissions.
                reader.skip(8)?;
                let (key, _size) = (reader.u32_le()?, reader.u32_le()?);
                let (mode, _longest) = (reader.u16_le()?, reader.u16_le()?);
                Self::Command { key, mode, request: reader.u16_le()?, name }
            }
            4 => {
                let (handle, _size, _longest) = (reader.u32_le()?, reader.u32_le()?, reader.u16_le()?);
                Self::Status { handle, request: reader.u16_le()?, status: reader.u8()? }
            }
            5 => {
                let (handle, number) = (reader.u32_le()?, reader.u32_le()?);
                let (number, is_last) = (number & !LAST, number & LAST != 0);
                Self::Block { handle, number, is_last, content: reader.rest() }
            }
            6 => {
                let (handle, _number) = (reader.u32_le()?, reader.u32_le()?);
                Self::BlockStatus { handle, status: reader.u8()? }
            }
            _ => return Ok(None),
        }))
    }
}

/// An offset from the start of the object, a length, and the text there.
pub(super) fn piece<'a>(reader: &mut Reader<'_>, bytes: &'a [u8]) -> Result<&'a [u8], Stop> {
    let (offset, length) = (reader.u16_le()?, reader.u16_le()?);
    let piece = bytes.get(usize::from(offset)..).and_then(|rest| rest.get(..usize::from(length)));
    piece.ok_or(reader.malformed("a text beyond its object"))
}

/// A file is deleted.
pub(super) fn delete(block: &Block<'_>) -> Option<Deed> {
    let Object::Command { name, .. } = Object::first(block)? else { return None };
    let command = Command::in_words(Category::File, file_name(name), Some("deleted".into()));
    Some(Deed::answered_by(AnsweredBy::File, command))
}

/// The status that an answer gives a file.
pub(super) fn status(block: &Block<'_>) -> Option<u8> {
    match Object::first(block)? {
        Object::Status { status, .. } | Object::BlockStatus { status, .. } => Some(status),
        _ => None,
    }
}

/// Whether a request writes a block of a file.
pub(super) fn is_written(fragment: &Fragment<'_>) -> bool {
    let mut blocks = Blocks::of(fragment.function, fragment.objects).map_while(Result::ok);
    fragment.function == command::WRITE && blocks.any(|block| block.kind.group == objects::FILE)
}

fn file_name(name: &[u8]) -> CompactString {
    text(name).unwrap_or_else(|| "file".into())
}

/// The files of a conversation.
#[derive(Default)]
pub(super) struct Files {
    openings: Vec<Opening>,
    transfers: Vec<Transfer>,
}

/// A request to open a file, until its answer comes.
struct Opening {
    turn: Turn,
    /// Whether it bears the key that a login gave.
    has_key: bool,
    request: u16,
    mode: u16,
    name: CompactString,
    place: Place,
}

/// A file under way.
struct Transfer {
    opening: Opening,
    handle: u32,
    /// The block that is due.
    due: u32,
    is_whole: bool,
    flaw: Option<&'static str>,
    /// Why the outstation refused it.
    refusal: Option<u8>,
    is_directory: bool,
    content: Hashing,
    heard: Timestamp,
}

impl Files {
    /// A message about files.
    pub(super) fn hear(&mut self, turn: Turn, function: u8, block: &Block<'_>, out: &mut Out<'_>) {
        let Some(object) = Object::first(block) else { return };
        match (turn.direction, object) {
            (Direction::Request, Object::Command { key, mode, request, name }) if function == command::OPEN_FILE => {
                let (has_key, name) = (key != 0, file_name(name));
                self.ask(Opening { turn, has_key, request, mode, name, place: out.place() }, out);
            }
            (Direction::Response, Object::Status { handle, request, status, .. }) => {
                self.opened(turn, (handle, request, status), out);
            }
            // A request for a block names it, and holds nothing.
            (direction, Object::Block { handle, number, is_last, content })
                if direction == Direction::Response || function == command::WRITE =>
            {
                self.pass(turn, (handle, number, is_last), content, out);
            }
            (Direction::Response, Object::BlockStatus { handle, status }) if status != 0 => {
                if let Some(transfer) = self.transfer(turn.pair, handle) {
                    transfer.refusal = Some(status);
                }
            }
            (Direction::Request, Object::Status { handle, .. }) => {
                let is_aborted = function == command::ABORT_FILE;
                self.end(turn.pair, handle, is_aborted, out);
            }
            _ => {}
        }
    }

    fn ask(&mut self, opening: Opening, out: &mut Out<'_>) {
        let is_it = |before: &Opening| before.turn.pair == opening.turn.pair && before.request == opening.request;
        self.openings.retain(|before| !is_it(before));
        if self.openings.len() >= MOST {
            self.openings.remove(0).tell(Outcome::Unknown, None, out);
        }
        self.openings.push(opening);
    }

    /// An outstation answers an opening; its answer to an end looks the same, and names a transfer that is over.
    fn opened(&mut self, turn: Turn, (handle, request, status): (u32, u16, u8), out: &mut Out<'_>) {
        let is_it = |opening: &Opening| opening.turn.pair == turn.pair && opening.request == request;
        let Some(at) = self.openings.iter().position(is_it) else { return };
        let opening = self.openings.remove(at);
        if status != 0 {
            return opening.tell(Outcome::Rejected, Some(name("file", status).into()), out);
        }
        if opening.is_writing() && !opening.has_key {
            out.lax(turn.sender, Some(&turn.child()), Laxity::NoLogin, "file write");
        }
        self.add(Transfer::new(opening, handle, out.place().time), out);
    }

    /// A block.
    fn pass(&mut self, turn: Turn, block: (u32, u32, bool), content: &[u8], out: &mut Out<'_>) {
        let (handle, number, is_last) = block;
        if self.transfer(turn.pair, handle).is_none() {
            // Its opening was not seen.
            let mode = if turn.direction == Direction::Request { WRITE } else { READ_MODE };
            let asker = Turn { sender: turn.server().other(), direction: Direction::Request, ..turn };
            let name = format_compact!("file with handle {handle:#010x}");
            let opening = Opening { turn: asker, has_key: true, request: 0, mode, name, place: out.place() };
            let mut transfer = Transfer::new(opening, handle, out.place().time);
            transfer.check(number == 0, "its start was not seen");
            transfer.due = number;
            self.add(transfer, out);
        }
        if let Some(transfer) = self.transfer(turn.pair, handle) {
            transfer.pass(number, is_last, content, out.place().time);
        }
    }

    fn end(&mut self, pair: Pair, handle: u32, is_aborted: bool, out: &mut Out<'_>) {
        let is_it = |transfer: &Transfer| transfer.opening.turn.pair == pair && transfer.handle == handle;
        if let Some(at) = self.transfers.iter().position(is_it) {
            let mut transfer = self.transfers.remove(at);
            transfer.check(!is_aborted, "aborted");
            transfer.tell(out);
        }
    }

    fn add(&mut self, transfer: Transfer, out: &mut Out<'_>) {
        self.end(transfer.opening.turn.pair, transfer.handle, false, out);
        if self.transfers.len() >= MOST {
            self.transfers.remove(0).tell(out);
        }
        self.transfers.push(transfer);
    }

    fn transfer(&mut self, pair: Pair, handle: u32) -> Option<&mut Transfer> {
        let is_it = |transfer: &&mut Transfer| transfer.opening.turn.pair == pair && transfer.handle == handle;
        self.transfers.iter_mut().find(is_it)
    }

    /// Tells those of which nothing was heard for long.
    pub(super) fn tick(&mut self, now: Timestamp, out: &mut Out<'_>) {
        while let Some(at) = self.transfers.iter().position(|transfer| now.since(transfer.heard) >= PATIENCE) {
            self.transfers.remove(at).tell(out);
        }
        while let Some(at) = self.openings.iter().position(|opening| now.since(opening.place.time) >= PATIENCE) {
            self.openings.remove(at).tell(Outcome::Unknown, None, out);
        }
    }

    /// Tells all.
    pub(super) fn finish(&mut self, out: &mut Out<'_>) {
        self.transfers.drain(..).for_each(|transfer| transfer.tell(out));
        self.openings.drain(..).for_each(|opening| opening.tell(Outcome::Unknown, None, out));
    }
}

impl Opening {
    /// It came to nothing.
    fn tell(self, outcome: Outcome, reason: Option<Words>, out: &mut Out<'_>) {
        out.act(Action { reason, ..self.action(outcome) });
    }

    fn is_writing(&self) -> bool {
        matches!(self.mode, WRITE | APPEND)
    }

    fn action(self, outcome: Outcome) -> Action {
        let category = if self.is_writing() { Category::File } else { Category::Backup };
        Action {
            sender: self.turn.sender,
            client_host: None,
            client_user: None,
            child: Some(self.turn.child()),
            operation: Operation::Code(command::OPEN_FILE.into()),
            category,
            target: self.name.into(),
            value: None,
            outcome,
            reason: None,
            image: None,
            place: self.place,
        }
    }
}

impl Transfer {
    fn new(opening: Opening, handle: u32, heard: Timestamp) -> Self {
        let (content, flaw, refusal) = (Hashing::default(), None, None);
        Self { opening, handle, due: 0, is_whole: false, flaw, refusal, is_directory: false, content, heard }
    }

    fn pass(&mut self, number: u32, is_last: bool, content: &[u8], now: Timestamp) {
        self.heard = now;
        if number.wrapping_add(1) == self.due || self.is_whole {
            return; // Sent again.
        }
        self.check(number == self.due, "blocks are missing");
        self.is_directory |= number == 0 && is_descriptor(content);
        self.content.add(content);
        self.due = number.wrapping_add(1);
        self.is_whole = is_last;
    }

    fn check(&mut self, is_well: bool, flaw: &'static str) {
        if !is_well {
            self.flaw.get_or_insert(flaw);
        }
    }

    fn tell(mut self, out: &mut Out<'_>) {
        self.check(self.is_whole, "its end was not seen");
        if self.due == 0 && self.refusal.is_none() {
            // Opened and closed again: nothing was transferred.
            return;
        }
        let reason = self.refusal.map(|status| Words::from(name("file", status)));
        let outcome = if reason.is_some() { Outcome::Rejected } else { Outcome::Accepted };
        let is_told = self.flaw.is_none() && self.refusal.is_none() && !self.is_directory;
        let image = self.content.image().filter(|_| is_told);
        if self.is_directory {
            self.opening.name = format_compact!("directory {}", self.opening.name);
        }
        let (image, value) = (image.map(Box::new), self.flaw.map(Words::from));
        out.act(Action { value, reason, image, ..self.opening.action(outcome) });
    }
}

/// Whether a file begins as a directory does: with a descriptor (A.27.7), whose name stands right behind its other fields.
fn is_descriptor(content: &[u8]) -> bool {
    let reader = &mut Reader::closed(content);
    let fields = (|| Ok::<_, Stop>((reader.u16_le()?, reader.u16_le()?, reader.u16_le()?)))();
    matches!(fields, Ok((20, 1.., 0 | 1)))
}

/// As many files are under way at once in one conversation, and as many openings wait.
const MOST: usize = 8;
/// A transfer has ended when nothing of it was heard for as long: outstations close a file by themselves after a while.
const PATIENCE: Duration = Duration::from_mins(1);
/// Of a block's number: it is the last one.
const LAST: u32 = 1 << 31;

// Modes of an opening (A.27.3).
const READ_MODE: u16 = 1;
const WRITE: u16 = 2;
const APPEND: u16 = 3;
