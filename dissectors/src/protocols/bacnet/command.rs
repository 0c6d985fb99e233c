//! What control requests do, in the words of the operations table. Passwords are never read.

use super::names;
use super::object::{Kind, Object, Property};
use super::service::{
    ADD_LIST_ELEMENT, ATOMIC_WRITE_FILE, CREATE_OBJECT, DELETE_OBJECT, DEVICE_COMMUNICATION_CONTROL,
    LIFE_SAFETY_OPERATION, REINITIALIZE_DEVICE, REMOVE_LIST_ELEMENT, WRITE_PROPERTY, WRITE_PROPERTY_MULTIPLE,
};
use super::tag::{self, Value};
use crate::observation::Category;
use crate::pending::Command;
use crate::reader::{Reader, Stop};
use compact_str::{CompactString, ToCompactString, format_compact};

/// Reads the parameters of a confirmed request; nothing for those that control nothing. The front of a segmented
/// request is enough where what is told stands in it.
pub(super) fn read(service: u8, mut parameters: Reader<'_>) -> Result<Option<Command>, Stop> {
    let parameters = &mut parameters;
    let command = match service {
        WRITE_PROPERTY => write(parameters),
        WRITE_PROPERTY_MULTIPLE => write_several(parameters),
        ADD_LIST_ELEMENT | REMOVE_LIST_ELEMENT => change_list(parameters),
        CREATE_OBJECT => create(parameters),
        DELETE_OBJECT => delete(parameters),
        ATOMIC_WRITE_FILE => write_file(parameters),
        REINITIALIZE_DEVICE => reinitialize(parameters),
        DEVICE_COMMUNICATION_CONTROL => silence(parameters),
        LIFE_SAFETY_OPERATION => operate(parameters),
        _ => return Ok(None),
    };
    command.map(Some)
}

/// Clause 15.9.1.
fn write(parameters: &mut Reader<'_>) -> Result<Command, Stop> {
    let object = tag::object(parameters, 0)?;
    let (target, value) = assignment(object, 1, parameters)?;
    Ok(Command::in_words(Category::Write, target, value))
}

/// Clause 15.10.1: the first property of the first object stands for all.
fn write_several(parameters: &mut Reader<'_>) -> Result<Command, Stop> {
    let object = tag::object(parameters, 0)?;
    tag::opening(parameters, 1)?;
    let (mut target, value) = assignment(object, 0, parameters)?;
    let is_alone = tag::closes(parameters, 1)? && parameters.is_empty();
    if !is_alone {
        target.push_str(" and others");
    }
    Ok(Command::in_words(Category::Write, target, value))
}

/// A property, its value and maybe a priority, in context tags from `first` on: a target and a value. The priority is a
/// slot of the property that is written: it belongs to the target.
fn assignment(
    object: Object,
    first: u8,
    parameters: &mut Reader<'_>,
) -> Result<(CompactString, Option<CompactString>), Stop> {
    let property = property(first, parameters)?;
    let value = tag::enclosed(parameters, first.saturating_add(2))?;
    let target = match tag::optional_number(parameters, first.saturating_add(3))? {
        Some(priority) => format_compact!("{object} {property} priority {priority}"),
        None => format_compact!("{object} {property}"),
    };
    Ok((target, line(property, value)))
}

/// Clauses 15.1.1 and 15.2.1.
fn change_list(parameters: &mut Reader<'_>) -> Result<Command, Stop> {
    let object = tag::object(parameters, 0)?;
    let property = property(1, parameters)?;
    let element = tag::enclosed(parameters, 3)?;
    let target = format_compact!("{object} {property}");
    Ok(Command::in_words(Category::Write, target, line(property, element)))
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
    let target = own_object(parameters)?.to_compact_string();
    Ok(Command::in_words(Category::Config, target, None))
}

/// Clause 14.2.1: a file comes in many pieces, which are one action; the first tells where it begins.
fn write_file(parameters: &mut Reader<'_>) -> Result<Command, Stop> {
    let target = own_object(parameters)?.to_compact_string();
    let unit = match tag::any_opening(parameters)? {
        0 => "byte",
        1 => "record",
        _ => return Err(parameters.malformed("no such access to a file")),
    };
    let value = match tag::value(parameters)? {
        Value::Signed(-1) => Some(CompactString::const_new("at the end")),
        Value::Signed(start) => Some(format_compact!("from {unit} {start}")),
        _ => return Err(parameters.malformed("a file without a start")),
    };
    Ok(Command::in_words(Category::File, target, value))
}

/// Clause 16.4.1. Who aborts a restore ends the procedure of clause 19.1, and restores nothing.
fn reinitialize(parameters: &mut Reader<'_>) -> Result<Command, Stop> {
    let state = tag::number(parameters, 0)?;
    let category = match state {
        2 | 3 | 6 => Category::Backup,
        4 | 5 | 7 => Category::Config,
        _ => Category::Restart,
    };
    let target = CompactString::const_new("device");
    Ok(Command::in_words(category, target, Some(names::enumerated("reinitialized-state", state))))
}

/// Clause 16.1.1.
fn silence(parameters: &mut Reader<'_>) -> Result<Command, Stop> {
    let _minutes = tag::optional_number(parameters, 0)?;
    let state = tag::number(parameters, 1)?;
    let category = if state == ENABLE { Category::Write } else { Category::Stop };
    let target = CompactString::const_new("communication");
    Ok(Command::in_words(category, target, Some(names::enumerated("enable-disable", state))))
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

/// A property in context tags from `first` on, and its place in it.
fn property(first: u8, parameters: &mut Reader<'_>) -> Result<Property, Stop> {
    let number = tag::number(parameters, first)?;
    Ok(Property { number, index: tag::optional_number(parameters, first.saturating_add(1))? })
}

/// An object whose type its tag says.
fn own_object(parameters: &mut Reader<'_>) -> Result<Object, Stop> {
    match tag::value(parameters)? {
        Value::Object(object) => Ok(object),
        _ => Err(parameters.malformed("no object is named")),
    }
}

/// What is written, unless it may be a password.
fn line(property: Property, value: Value<'_>) -> Option<CompactString> {
    let may_be_secret = property.is_proprietary() && matches!(value, Value::Text(_));
    if may_be_secret { None } else { value.line() }
}

const ENABLE: u32 = 0;
