//! What the objects of a request do to an outstation, one deed each, and what the answer says of each.

use super::application::Fragment;
use super::attributes::{self, Known};
use super::authentication;
use super::command;
use super::controls::{Control, Point};
use super::file;
use super::objects::{self, Block, Blocks};
use super::time;
use super::turn::Turn;
use super::words::{name, points, text};
use crate::observation::{Category, Outcome};
use crate::out::{Out, Words};
use crate::pending::Command;
use compact_str::{CompactString, ToCompactString, format_compact};

/// One thing that a request does.
#[derive(Clone, Debug)]
pub(super) struct Deed {
    pub(super) command: Command,
    pub(super) answered_by: AnsweredBy,
    /// What the answer says of it.
    pub(super) outcome: Option<Outcome>,
    /// Why it was refused, where the answer says so.
    pub(super) reason: Option<CompactString>,
}

/// Where an answer says what became of a deed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AnsweredBy {
    /// In its internal indications alone.
    Indications,
    /// In the status of the same command.
    Control(Point),
    /// In the status of a file.
    File,
    /// In a list of statuses (A.38).
    Activation,
}

impl Deed {
    pub(super) fn of(command: Command) -> Self {
        Self::answered_by(AnsweredBy::Indications, command)
    }

    pub(super) fn answered_by(answered_by: AnsweredBy, command: Command) -> Self {
        Self { command, answered_by, outcome: None, reason: None }
    }

    fn new(category: Category, target: impl Into<CompactString>, value: Option<CompactString>) -> Self {
        Self::of(Command::in_words(category, target.into(), value))
    }
}

/// What a request does. Files that are read or written are told by themselves, as a whole.
pub(super) fn of(turn: Turn, fragment: &Fragment<'_>, known: &Known, out: &Out<'_>) -> Vec<Deed> {
    let mut deeds = Vec::new();
    for block in Blocks::of(fragment.function, fragment.objects).map_while(Result::ok) {
        match fragment.function {
            command::WRITE => deeds.extend(write(turn, &block, known, out)),
            command::SELECT..=command::DIRECT_OPERATE_NO_ACK => deeds.extend(Control::all(&block).map(Control::deed)),
            command::DELETE_FILE => deeds.extend(file::delete(&block)),
            command::ACTIVATE_CONFIGURATION => deeds.extend(activate(&block)),
            command::AUTHENTICATION_REQUEST | command::AUTHENTICATION_REQUEST_NO_ACK => {
                deeds.extend(authentication::deed(&block));
            }
            command::ASSIGN_CLASS => assign(&block, &mut deeds),
            command::INITIALIZE_APPLICATION..=command::STOP_APPLICATION => deeds.extend(application(fragment, &block)),
            command::FREEZE..=command::FREEZE_AT_TIME_NO_ACK if block.kind.group != objects::TIME => {
                deeds.extend(command::of(fragment).map(|command| aimed(command, points(&block))));
            }
            _ => {}
        }
        if deeds.len() >= MOST {
            deeds.truncate(MOST);
            break;
        }
    }
    if deeds.is_empty() && !file::is_written(fragment) {
        deeds.extend(command::of(fragment).map(Deed::of));
    }
    deeds
}

/// A.1 to A.44: what is written.
fn write(turn: Turn, block: &Block<'_>, known: &Known, out: &Out<'_>) -> Option<Deed> {
    match block.kind.group {
        objects::ATTRIBUTES => attributes::write(turn, block, known).map(Deed::of),
        objects::TIME => time::set(block, out).map(Deed::of),
        objects::DEADBAND => Some(Deed::new(Category::Config, points(block), deadband(block))),
        objects::INDICATIONS => indication(block),
        objects::FILE => None,
        objects::BINARY_OUTPUT => {
            let state = block.items().next().map(|item| if item.bits & 1 == 1 { "on" } else { "off" });
            Some(Deed::new(Category::Write, points(block), state.map(Into::into)))
        }
        _ => Some(Deed::new(Category::Write, points(block), None)),
    }
}

/// A.18: how far a value has to move until it is told.
fn deadband(block: &Block<'_>) -> Option<CompactString> {
    let bytes = block.items().next()?.bytes;
    Some(match block.kind.variation {
        1 => u16::from_le_bytes(*bytes.first_chunk()?).to_compact_string(),
        2 => u32::from_le_bytes(*bytes.first_chunk()?).to_compact_string(),
        _ => f32::from_le_bytes(*bytes.first_chunk()?).to_compact_string(),
    })
}

/// A.28: masters clear the indication of a restart, and may write no other.
fn indication(block: &Block<'_>) -> Option<Deed> {
    let item = block.items().next()?;
    let target = match item.index {
        Some(RESTART) => "restart indication".into(),
        _ => points(block),
    };
    let value = if item.bits == 0 { "cleared" } else { "set" };
    Some(Deed::new(Category::Write, target, Some(value.into())))
}

/// 4.4.12: a class, then the points that belong to it from now on.
fn assign(block: &Block<'_>, deeds: &mut Vec<Deed>) {
    let class = (block.kind.group == CLASS).then(|| block.kind.name()).flatten();
    match (class, deeds.last_mut()) {
        (Some(class), Some(last)) if last.command.target.text().is_empty() => last.command.value = Some(class.into()),
        (Some(class), _) => deeds.push(Deed::new(Category::Config, "", Some(class.into()))),
        (None, Some(last)) if last.command.target.text().is_empty() => last.command.target = points(block).into(),
        (None, last) => {
            let value = last.and_then(|last| last.command.value.as_ref().map(Words::text));
            deeds.push(Deed::new(Category::Config, points(block), value));
        }
    }
}

/// A.30: the files, or the stored configurations, that are to hold from now on.
fn activate(block: &Block<'_>) -> Option<Deed> {
    let first = block.items().next()?;
    let target = match block.kind.group {
        objects::FILE | objects::OCTET_STRING => text(first.bytes),
        _ => None,
    };
    let target = target.map_or_else(|| "configuration".into(), |file| format_compact!("configuration {file}"));
    let command = Command::in_words(Category::Config, target, Some("activated".into()));
    Some(Deed::answered_by(AnsweredBy::Activation, command))
}

/// A.37: which application.
fn application(fragment: &Fragment<'_>, block: &Block<'_>) -> Option<Deed> {
    let command = command::of(fragment)?;
    let name = block.items().next().filter(|_| block.kind.group == objects::APPLICATION)?.bytes;
    Some(aimed(command, format_compact!("application {}", text(name)?)))
}

fn aimed(command: Command, target: CompactString) -> Deed {
    Deed::of(Command { target: target.into(), ..command })
}

/// Asks an answer what became of each deed. `by_indications` is what it says of all.
pub(super) fn settle(deeds: &mut [Deed], answer: &Fragment<'_>, by_indications: Outcome) {
    let blocks: Vec<Block<'_>> = match deeds {
        [] => return,
        _ => Blocks::of(answer.function, answer.objects).map_while(Result::ok).collect(),
    };
    for deed in deeds {
        let status = match deed.answered_by {
            AnsweredBy::Indications => None,
            AnsweredBy::Control(point) => control_status(&blocks, point),
            AnsweredBy::File => blocks.iter().find_map(file::status).map(|status| ("file", status)),
            AnsweredBy::Activation => blocks.iter().find_map(activation_status).map(|status| ("file", status)),
        };
        let status = status.filter(|(_, status)| *status != 0);
        deed.outcome = Some(if status.is_some() { Outcome::Rejected } else { by_indications });
        deed.reason = status.map(|(table, status)| name(table, status));
    }
}

fn control_status(blocks: &[Block<'_>], point: Point) -> Option<(&'static str, u8)> {
    let controls = blocks.iter().flat_map(Control::all);
    controls.filter(|control| control.point == point).map(|control| ("control", control.status)).next()
}

/// A.38.1: a delay, how many statuses, and the statuses; the first that is not good.
fn activation_status(block: &Block<'_>) -> Option<u8> {
    let [_, _, _, _, _count, statuses @ ..] = block.items().next()?.bytes else { return None };
    let is_it = block.kind.group == objects::ACTIVATION;
    is_it.then(|| statuses.iter().copied().find(|status| *status != 0).unwrap_or(0))
}

/// As many deeds of one request are told.
const MOST: usize = 64;
const CLASS: u8 = 60;
/// IIN1.7.
const RESTART: u32 = 7;
