//! What control requests do, in the words of the operations table. Passwords go into a [`Secret`](crate::Secret) at once.

use super::apdu::{Answer, AnswerKind};
use super::file::{self, Part};
use super::names;
use super::object::{Kind, Object, Property};
use super::service::{
    ACKNOWLEDGE_ALARM, ADD_LIST_ELEMENT, ATOMIC_READ_FILE, ATOMIC_WRITE_FILE, CREATE_OBJECT, DELETE_OBJECT,
    DEVICE_COMMUNICATION_CONTROL, LIFE_SAFETY_OPERATION, REINITIALIZE_DEVICE, REMOVE_LIST_ELEMENT,
    TIME_SYNCHRONIZATION, UTC_TIME_SYNCHRONIZATION, WRITE_GROUP, WRITE_PROPERTY, WRITE_PROPERTY_MULTIPLE, YOU_ARE,
};
use super::tag;
use super::value::{Text, Value, hex};
use crate::observation::{Category, Outcome};
use crate::pending::Command;
use crate::proof::Proof;
use crate::reader::{Reader, Stop};
use compact_str::{CompactString, ToCompactString, format_compact};
use std::sync::Arc;

/// What a request is to bring about.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Errand {
    /// In the order of the message.
    pub(super) commands: Vec<Command>,
    /// Of several writes in one message, which property each of them writes.
    pub(super) written: Vec<(Object, Property)>,
    /// Of a request that devices may guard by a password.
    pub(super) guarded: Option<Guarded>,
    /// The part of a file that is asked for or written.
    pub(super) part: Option<Part>,
}

/// A request that devices may guard by a password, and what came of that.
#[derive(Debug, PartialEq)]
pub(super) struct Guarded {
    /// What is asked for, in the words of [`Lax::what`](crate::observation::Lax::what).
    pub(super) what: &'static str,
    /// Nothing where none was given.
    pub(super) password: Option<Arc<Proof>>,
    pub(super) outcome: Option<Outcome>,
}

impl Guarded {
    /// An answer came. Any refusal but one says nothing of the password: it may have been looked at or not.
    pub(super) fn hear(&mut self, answer: &Answer<'_>) {
        self.outcome = Some(match answer.kind {
            AnswerKind::Acknowledged => Outcome::Accepted,
            AnswerKind::Error if answer.is_password_failure() => Outcome::Rejected,
            _ => Outcome::Unknown,
        });
    }

    /// What was done without any password.
    pub(super) fn left_open(&self) -> Option<&'static str> {
        (self.password.is_none() && self.outcome == Some(Outcome::Accepted)).then_some(self.what)
    }
}

impl Errand {
    /// Takes in the parameters of a confirmed request. Where these end too early, what stands in front of that is kept: it
    /// is enough of a segmented request whose other segments were not seen.
    pub(super) fn read(&mut self, service: u8, mut parameters: Reader<'_>) -> Result<(), Stop> {
        let parameters = &mut parameters;
        match service {
            WRITE_PROPERTY_MULTIPLE => return self.write_several(parameters),
            ATOMIC_READ_FILE => self.part = Some(file::asked(parameters)?),
            ATOMIC_WRITE_FILE => {
                let (part, command) = file::written(parameters)?;
                self.part = Some(part);
                self.commands.push(command);
            }
            REINITIALIZE_DEVICE => {
                let (what, command) = reinitialize(parameters)?;
                self.commands.push(command);
                self.guarded = Some(guarded(what, parameters, 1)?);
            }
            DEVICE_COMMUNICATION_CONTROL => {
                self.commands.push(silence(parameters)?);
                self.guarded = Some(guarded("communication control", parameters, 2)?);
            }
            _ => self.commands.extend(confirmed(service, parameters)?),
        }
        Ok(())
    }

    /// What an unconfirmed request does.
    #[cold]
    pub(super) fn of_unconfirmed(service: u8, mut parameters: Reader<'_>) -> Result<Box<Self>, Stop> {
        let parameters = &mut parameters;
        let command = match service {
            TIME_SYNCHRONIZATION => synchronize("clock", parameters)?,
            UTC_TIME_SYNCHRONIZATION => synchronize("clock (UTC)", parameters)?,
            WRITE_GROUP => write_group(parameters)?,
            YOU_ARE => assign(parameters)?,
            _ => return Ok(Box::default()),
        };
        Ok(Box::new(Self { commands: vec![command], ..Self::default() }))
    }

    /// Clause 15.10.1: every property of every object. Beyond so many the last one stands for the rest.
    fn write_several(&mut self, parameters: &mut Reader<'_>) -> Result<(), Stop> {
        let mut rest = 0_u32;
        let read = self.each_write(parameters, &mut rest);
        if let Some(last) = self.commands.last_mut() {
            let others = match (rest, read) {
                (_, Err(_)) => Some(CompactString::const_new(" and others")),
                (0, Ok(())) => None,
                (rest, Ok(())) => Some(format_compact!(" and {rest} others")),
            };
            let target = last.target.text();
            last.target = others.map_or(target.clone(), |others| format_compact!("{target}{others}")).into();
        }
        read
    }

    fn each_write(&mut self, parameters: &mut Reader<'_>, rest: &mut u32) -> Result<(), Stop> {
        while !parameters.is_empty() {
            let object = tag::object(parameters, 0)?;
            tag::opening(parameters, 1)?;
            while !tag::closes(parameters, 1)? {
                let (property, command) = assignment(object, 0, parameters)?;
                if self.commands.len() < MOST_WRITES {
                    self.commands.push(command);
                } else {
                    *rest = rest.saturating_add(1);
                }
                if self.written.len() < MOST_PLACES {
                    self.written.push((object, property));
                }
            }
        }
        if self.commands.is_empty() { Err(parameters.malformed("nothing is written")) } else { Ok(()) }
    }
}

/// The confirmed requests that do one thing.
fn confirmed(service: u8, parameters: &mut Reader<'_>) -> Result<Option<Command>, Stop> {
    let command = match service {
        ACKNOWLEDGE_ALARM => acknowledge(parameters),
        ADD_LIST_ELEMENT | REMOVE_LIST_ELEMENT => change_list(parameters),
        CREATE_OBJECT => create(parameters),
        DELETE_OBJECT => delete(parameters),
        WRITE_PROPERTY => write(parameters),
        LIFE_SAFETY_OPERATION => operate(parameters),
        _ => return Ok(None),
    };
    command.map(Some)
}

/// Clause 13.5.1: an operator has seen an alarm.
fn acknowledge(parameters: &mut Reader<'_>) -> Result<Command, Stop> {
    let _process = tag::number(parameters, 0)?;
    let object = tag::object(parameters, 1)?;
    let state = tag::number(parameters, 2)?;
    let target = format_compact!("alarm of {object}");
    Ok(Command::in_words(Category::Operate, target, Some(names::enumerated("event-state", state))))
}

/// Clause 15.9.1.
fn write(parameters: &mut Reader<'_>) -> Result<Command, Stop> {
    let object = tag::object(parameters, 0)?;
    assignment(object, 1, parameters).map(|(_, command)| command)
}

/// A property, its value and maybe a priority, in context tags from `first` on. The priority is a slot of the property
/// that is written: it belongs to the target.
fn assignment(object: Object, first: u8, parameters: &mut Reader<'_>) -> Result<(Property, Command), Stop> {
    let property = tag::property(parameters, first)?;
    let value = tag::first(tag::enclosed(parameters, first.saturating_add(2))?)?;
    let target = match tag::optional_number(parameters, first.saturating_add(3))? {
        Some(priority) => format_compact!("{object} {property} priority {priority}"),
        None => format_compact!("{object} {property}"),
    };
    let (category, value) = match (property.number, value) {
        // 12.22, Program_Change.
        (PROGRAM_CHANGE, Some(Value::Enumerated(request))) => {
            let category = match request {
                LOAD | UNLOAD => Category::Program,
                RUN => Category::Mode,
                HALT => Category::Stop,
                RESTART => Category::Restart,
                _ => Category::Write,
            };
            (category, Some(names::enumerated("program-change", request)))
        }
        (_, value) if object.is_device() || object.is_network_port() => {
            (Category::Config, line(object, property, value))
        }
        (_, value) => (Category::Write, line(object, property, value)),
    };
    Ok((property, Command::in_words(category, target, value)))
}

/// Clauses 15.1.1 and 15.2.1.
fn change_list(parameters: &mut Reader<'_>) -> Result<Command, Stop> {
    let object = tag::object(parameters, 0)?;
    let property = tag::property(parameters, 1)?;
    let element = tag::first(tag::enclosed(parameters, 3)?)?;
    let target = format_compact!("{object} {property}");
    Ok(Command::in_words(Category::Write, target, line(object, property, element)))
}

/// Clause 15.3.1: by its type alone, the device chooses the instance.
fn create(parameters: &mut Reader<'_>) -> Result<Command, Stop> {
    tag::opening(parameters, 0)?;
    let target = match tag::optional_number(parameters, 0)? {
        Some(kind) => format_compact!("a new {}", Kind(kind)),
        None => tag::object(parameters, 1)?.to_compact_string(),
    };
    Ok(Command::in_words(Category::Config, target, None))
}

/// Clause 15.4.1.
fn delete(parameters: &mut Reader<'_>) -> Result<Command, Stop> {
    let target = tag::own_object(parameters)?.to_compact_string();
    Ok(Command::in_words(Category::Config, target, None))
}

/// Clause 16.4.1. Who aborts a restore ends the procedure of clause 19.1, and restores nothing.
fn reinitialize(parameters: &mut Reader<'_>) -> Result<(&'static str, Command), Stop> {
    let state = tag::number(parameters, 0)?;
    let (what, category) = match state {
        2 | 3 | 6 => ("backup", Category::Backup),
        4 | 5 => ("restore", Category::Config),
        7 => ("activation of changes", Category::Config),
        _ => ("restart", Category::Restart),
    };
    let target = CompactString::const_new("device");
    Ok((what, Command::in_words(category, target, Some(names::enumerated("reinitialized-state", state)))))
}

/// Clause 16.1.1: for as many minutes, or until the opposite is told.
fn silence(parameters: &mut Reader<'_>) -> Result<Command, Stop> {
    let minutes = tag::optional_number(parameters, 0)?;
    let state = tag::number(parameters, 1)?;
    let category = if state == ENABLE { Category::Write } else { Category::Stop };
    let name = names::enumerated("enable-disable", state);
    let value = match minutes {
        Some(1) => format_compact!("{name} for 1 minute"),
        Some(minutes) => format_compact!("{name} for {minutes} minutes"),
        None => name,
    };
    Ok(Command::in_words(category, CompactString::const_new("communication"), Some(value)))
}

/// The password in context tag `number`, if there is one.
fn guarded(what: &'static str, parameters: &mut Reader<'_>, number: u8) -> Result<Guarded, Stop> {
    let text = tag::optional_text(parameters, number)?;
    let password = text.map(|text| Arc::new(Proof::clear(text.bytes())));
    Ok(Guarded { what, password, outcome: None })
}

/// Clause 13.13.1: of one object, or of all that it concerns.
fn operate(parameters: &mut Reader<'_>) -> Result<Command, Stop> {
    let _process = tag::number(parameters, 0)?;
    let _source = tag::optional(parameters, 1)?;
    let operation = tag::number(parameters, 2)?;
    let target = match tag::optional_object(parameters, 3)? {
        Some(object) => object.to_compact_string(),
        None => CompactString::const_new("device"),
    };
    Ok(Command::in_words(Category::Operate, target, Some(names::enumerated("life-safety-operation", operation))))
}

/// Clauses 16.7.1 and 16.8.1.
fn synchronize(target: &'static str, parameters: &mut Reader<'_>) -> Result<Command, Stop> {
    match (tag::value(parameters)?, tag::value(parameters)?) {
        (Value::Date(date), Value::Time(time)) => {
            let target = CompactString::const_new(target);
            Ok(Command::in_words(Category::Time, target, Some(format_compact!("{date} {time}"))))
        }
        _ => Err(parameters.malformed("no date with a time")),
    }
}

/// Clause 15.11.1: channels of a group, and what they are to hold; the first stands for all.
fn write_group(parameters: &mut Reader<'_>) -> Result<Command, Stop> {
    let group = tag::number(parameters, 0)?;
    let priority = tag::number(parameters, 1)?;
    let mut changes = tag::enclosed(parameters, 2)?;
    let channel = tag::number(&mut changes, 0)?;
    let priority = tag::optional_number(&mut changes, 1)?.unwrap_or(priority);
    let value = tag::first(changes.clone())?.and_then(|value| value.line());
    let target = format_compact!("group {group} channel {channel} priority {priority}");
    Ok(Command::in_words(Category::Write, target, value))
}

/// Clause 16.11, You-Are: the device that these words name is told which instance it is, and where.
fn assign(parameters: &mut Reader<'_>) -> Result<Command, Stop> {
    let (vendor, model, serial) = (tag::value(parameters)?, tag::value(parameters)?, tag::value(parameters)?);
    let (Value::Unsigned(vendor), Value::Text(model), Value::Text(serial)) = (vendor, model, serial) else {
        return Err(parameters.malformed("a You-Are that names no device"));
    };
    let words = |text: Text<'_>| text.line().unwrap_or_default();
    let target = format_compact!("vendor {vendor} {} {}", words(model), words(serial));
    let mut value = Vec::new();
    while !parameters.is_empty() {
        match tag::value(parameters)? {
            Value::Object(device) => value.push(device.to_compact_string()),
            Value::Octets(mac) => value.push(format_compact!("address {}", hex(mac.get(..LONGEST_MAC).unwrap_or(mac)))),
            _ => return Err(parameters.malformed("a You-Are that tells something else")),
        }
    }
    let value = (!value.is_empty()).then(|| value.join(", ").into());
    Ok(Command::in_words(Category::Config, target, value))
}

/// What is written, unless it may be a password or says who somebody is: cards and their holders, and keys.
fn line(object: Object, property: Property, value: Option<Value<'_>>) -> Option<CompactString> {
    let value = value?;
    let is_string = matches!(value, Value::Text(_) | Value::Octets(_));
    let may_be_secret = object.is_private() || (is_string && property.is_proprietary());
    if may_be_secret { None } else { value.line() }
}

const ENABLE: u32 = 0;
const PROGRAM_CHANGE: u32 = 90;
const LOAD: u64 = 1;
const RUN: u64 = 2;
const HALT: u64 = 3;
const RESTART: u64 = 4;
const UNLOAD: u64 = 5;

/// As many writes of one message are told one by one.
const MOST_WRITES: usize = 32;
/// The places of as many are kept, to know which of them an error came upon.
const MOST_PLACES: usize = 256;
/// The longest address that a station has, in bytes.
const LONGEST_MAC: usize = 18;
