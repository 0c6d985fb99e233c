//! What the objects of fragments tell: attributes, files, logins, terminals, clocks, security.

use super::application::Fragment;
use super::attributes::{self, Known};
use super::authentication;
use super::deed::{self, Deed};
use super::file::Files;
use super::objects::{self, Block, Blocks, Flaw};
use super::terminal::Terminals;
use super::time;
use super::turn::Turn;
use super::words::text;
use crate::dissector::{Direction, Field};
use crate::out::Out;
use crate::time::Timestamp;
use compact_str::{CompactString, format_compact};

pub(super) static UNREAD_OBJECT: Field = Field::new(
    "dnp3.unread_object",
    "an object that ended a message for who reads it: nobody says how long it is, or its bytes are not what the standard says",
);
pub(super) static OCTET_STRING: Field =
    Field::new("dnp3.octet_string", "text of the outstation, by its index (g110, A.41)");
pub(super) static APPLICATION: Field =
    Field::new("dnp3.application", "an application of the device, by its name (g90)");
pub(super) static PRIVATE_REGISTRATION: Field =
    Field::new("dnp3.private_registration", "the vendor's code and number of an object that is its own (g83v1)");
pub(super) static DEVICE_PROFILE: Field =
    Field::new("dnp3.device_profile", "that the outstation tells its profile, and how many octets it has (g82)");

/// What is kept of the objects of a conversation. Few have any of it.
#[derive(Default)]
pub(super) struct Contents(Option<Box<Kept>>);

#[derive(Default)]
struct Kept {
    known: Known,
    files: Files,
    terminals: Terminals,
}

impl Contents {
    /// Reads the objects of a fragment and tells of them.
    #[inline]
    pub(super) fn read(&mut self, turn: Turn, fragment: &Fragment<'_>, out: &mut Out<'_>) {
        let mut blocks = Blocks::of(fragment.function, fragment.objects);
        loop {
            blocks.pass(is_plain);
            let Some(block) = blocks.next() else { return };
            match block {
                Ok(block) if is_plain(block.kind.group) => {}
                Ok(block) => self.block(turn, fragment.function, &block, out),
                Err(flaw) => tell_unread(turn, flaw, out),
            }
        }
    }

    /// What a request does to the outstation.
    pub(super) fn deeds(&self, turn: Turn, fragment: &Fragment<'_>, out: &Out<'_>) -> Vec<Deed> {
        let nothing = Known::default();
        let known = self.0.as_ref().map_or(&nothing, |kept| &kept.known);
        deed::of(turn, fragment, known, out)
    }

    #[cold]
    fn block(&mut self, turn: Turn, function: u8, block: &Block<'_>, out: &mut Out<'_>) {
        let is_answer = turn.direction == Direction::Response;
        match block.kind.group {
            objects::ATTRIBUTES if is_answer => attributes::tell(turn, block, &mut self.kept().known, out),
            objects::TIME if is_answer => time::tell(turn, block, out),
            objects::FILE => self.kept().files.hear(turn, function, block, out),
            objects::TERMINAL_OUTPUT | objects::TERMINAL_INPUT if block.has_data() => {
                self.kept().terminals.hear(turn, block, out);
            }
            objects::AUTHENTICATION => authentication::tell(turn, block, out),
            objects::SECURITY_STATISTIC | objects::SECURITY_STATISTIC_EVENT if is_answer => {
                authentication::tell_statistics(turn, block, out);
            }
            _ if is_answer => tell_texts(turn, block, out),
            _ => {}
        }
    }

    fn kept(&mut self) -> &mut Kept {
        self.0.get_or_insert_default()
    }

    pub(super) fn tick(&mut self, now: Timestamp, out: &mut Out<'_>) {
        if let Some(kept) = &mut self.0 {
            kept.files.tick(now, out);
        }
    }

    pub(super) fn finish(&mut self, out: &mut Out<'_>) {
        if let Some(mut kept) = self.0.take() {
            kept.files.finish(out);
            kept.terminals.finish(out);
        }
    }
}

/// Whether objects of a group are measurements, or name what is asked for: nearly all are, and tell nothing.
fn is_plain(group: u8) -> bool {
    matches!(group, 1..=49 | 51..=69 | 85..=88)
}

/// Texts by which a device can be known.
fn tell_texts(turn: Turn, block: &Block<'_>, out: &mut Out<'_>) {
    let child = turn.child();
    for (place, item) in block.items().take(MOST_TEXTS).enumerate() {
        let index = item.index.or_else(|| u32::try_from(place).ok()).unwrap_or(0);
        let (field, words) = match block.kind.group {
            objects::OCTET_STRING => (&OCTET_STRING, readable(item.bytes)),
            objects::APPLICATION => (&APPLICATION, readable(item.bytes)),
            objects::REGISTRATION => (&PRIVATE_REGISTRATION, registration(item.bytes)),
            DEVICE_PROFILES => (&DEVICE_PROFILE, Some(format_compact!("{} octets", item.bytes.len()))),
            _ => return,
        };
        if let Some(words) = words {
            out.numbered(turn.sender, Some(&child), (field, index), &words);
        }
    }
}

/// Text of letters that can be read; nothing of other octets.
fn readable(bytes: &[u8]) -> Option<CompactString> {
    let words = text(bytes)?;
    let is_readable = words.chars().all(|letter| !letter.is_control() && letter != char::REPLACEMENT_CHARACTER);
    is_readable.then_some(words)
}

/// A.31.1: four letters of the vendor, then the object's number.
fn registration(bytes: &[u8]) -> Option<CompactString> {
    let [vendor @ .., low, high] = bytes.first_chunk::<6>()?;
    Some(format_compact!("{} object {}", readable(vendor)?, u16::from_le_bytes([*low, *high])))
}

/// Who reads a message to the end is told what could not be read of it.
#[cold]
fn tell_unread(turn: Turn, flaw: Flaw, out: &mut Out<'_>) {
    let (kind, words) = match flaw {
        Flaw::Unknown(kind) => (kind, format_compact!("{kind}: unknown")),
        Flaw::Malformed(kind) => (kind, format_compact!("{kind}: malformed")),
    };
    let child = (turn.direction == Direction::Response).then(|| turn.child());
    out.numbered(turn.sender, child.as_ref(), (&UNREAD_OBJECT, kind.group.into()), &words);
}

const DEVICE_PROFILES: u8 = 82;
/// As many texts of one block are told.
const MOST_TEXTS: usize = 64;

#[cfg(test)]
mod tests;
