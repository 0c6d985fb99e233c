//! Tagged data: what the parameters of every service are made of (ASHRAE 135-2020, clause 20.2).
//!
//! Dates, times, octet and bit strings are walked over: no parameter that is told is one.

use super::names;
use super::object::Object;
use crate::reader::{Reader, Stop};
use arrayvec::ArrayVec;
use compact_str::{CompactString, ToCompactString};
use std::borrow::Cow;
use std::fmt;

/// One tag with what it holds.
enum Item<'a> {
    /// Constructed data of this context tag begins.
    Opening(u8),
    /// Constructed data of this context tag ends.
    Closing(u8),
    /// Primitive data, whose type the service says.
    Context(u8, Reader<'a>),
    /// Primitive data, whose type the tag says.
    Application(Value<'a>),
}

/// A value whose type its tag says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value<'a> {
    Null,
    Boolean(bool),
    Unsigned(u64),
    Signed(i64),
    Real(f32),
    Double(f64),
    Text(Text<'a>),
    Enumerated(u64),
    Object(Object),
    /// Another type, or constructed data.
    Other,
}

/// A character string as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Text<'a> {
    charset: u8,
    bytes: &'a [u8],
}

/// Why something is refused (clause 18).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    class: u64,
    code: u64,
}

/// `property: write-access-denied`.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (class, code) = (names::enumerated("error-class", self.class), names::enumerated("error-code", self.code));
        write!(f, "{class}: {code}")
    }
}

/// The number in context tag `number`, which must come next.
pub(super) fn number(reader: &mut Reader<'_>, number: u8) -> Result<u32, Stop> {
    optional_number(reader, number)?.ok_or_else(|| reader.malformed(MISSING))
}

/// The number in context tag `number`, if that comes next.
pub(super) fn optional_number(reader: &mut Reader<'_>, number: u8) -> Result<Option<u32>, Stop> {
    let Some(mut content) = optional(reader, number)? else { return Ok(None) };
    let value = unsigned(&mut content)?;
    u32::try_from(value).map(Some).map_err(|_| content.malformed(WRONG_LENGTH))
}

/// The object identifier in context tag `number`, which must come next.
pub(super) fn object(reader: &mut Reader<'_>, number: u8) -> Result<Object, Stop> {
    optional_object(reader, number)?.ok_or_else(|| reader.malformed(MISSING))
}

/// The object identifier in context tag `number`, if that comes next.
pub(super) fn optional_object(reader: &mut Reader<'_>, number: u8) -> Result<Option<Object>, Stop> {
    let Some(mut content) = optional(reader, number)? else { return Ok(None) };
    let object = Object::read(&mut content)?;
    if content.is_empty() { Ok(Some(object)) } else { Err(content.malformed(WRONG_LENGTH)) }
}

/// The content of context tag `number`, if that comes next.
pub(super) fn optional<'a>(reader: &mut Reader<'a>, number: u8) -> Result<Option<Reader<'a>>, Stop> {
    if reader.is_empty() {
        return Ok(None);
    }
    let mut ahead = reader.clone();
    match Item::read(&mut ahead)? {
        Item::Context(found, content) if found == number => {
            *reader = ahead;
            Ok(Some(content))
        }
        _ => Ok(None),
    }
}

/// The value that must come next.
pub(super) fn value<'a>(reader: &mut Reader<'a>) -> Result<Value<'a>, Stop> {
    match Item::read(reader)? {
        Item::Application(value) => Ok(value),
        _ => Err(reader.malformed(MISSING)),
    }
}

/// The opening tag `number` must come next.
pub(super) fn opening(reader: &mut Reader<'_>, number: u8) -> Result<(), Stop> {
    if any_opening(reader)? == number { Ok(()) } else { Err(reader.malformed(MISSING)) }
}

/// The number of the opening tag that must come next.
pub(super) fn any_opening(reader: &mut Reader<'_>) -> Result<u8, Stop> {
    match Item::read(reader)? {
        Item::Opening(number) => Ok(number),
        _ => Err(reader.malformed(MISSING)),
    }
}

/// Passes over the closing tag `number`, if that comes next.
pub(super) fn closes(reader: &mut Reader<'_>, number: u8) -> Result<bool, Stop> {
    let mut ahead = reader.clone();
    let closes = !reader.is_empty() && matches!(Item::read(&mut ahead)?, Item::Closing(found) if found == number);
    if closes {
        *reader = ahead;
    }
    Ok(closes)
}

/// What stands first between the opening and the closing tag `number`, which must come next; the rest is walked over.
pub(super) fn enclosed<'a>(reader: &mut Reader<'a>, number: u8) -> Result<Value<'a>, Stop> {
    opening(reader, number)?;
    let mut first = None;
    let mut open = ArrayVec::<u8, DEPTH>::from_iter([number]);
    while let Some(innermost) = open.last() {
        match Item::read(reader)? {
            Item::Opening(inner) => {
                first.get_or_insert(Value::Other);
                open.try_push(inner).map_err(|_| reader.malformed("tags are nested too deep"))?;
            }
            Item::Closing(ended) if ended == *innermost => drop(open.pop()),
            Item::Closing(_) => return Err(reader.malformed("a closing tag closes nothing")),
            Item::Context(..) => drop(first.get_or_insert(Value::Other)),
            Item::Application(value) => drop(first.get_or_insert(value)),
        }
    }
    Ok(first.unwrap_or(Value::Other))
}

/// An error's class and code, which stand alone or in context tag 0 (clause 21, `Error` and the errors of services).
pub(super) fn error(reader: &mut Reader<'_>) -> Result<Refusal, Stop> {
    let mut ahead = reader.clone();
    if let Item::Opening(0) = Item::read(&mut ahead)? {
        *reader = ahead;
    }
    match (value(reader)?, value(reader)?) {
        (Value::Enumerated(class), Value::Enumerated(code)) => Ok(Refusal { class, code }),
        _ => Err(reader.malformed("an error without class or code")),
    }
}

/// Whether all that is left is tagged data, to its very end.
pub(super) fn is_sound(mut reader: Reader<'_>) -> bool {
    let mut open = ArrayVec::<u8, DEPTH>::new();
    while !reader.is_empty() {
        let fits = match Item::read(&mut reader) {
            Ok(Item::Opening(number)) => open.try_push(number).is_ok(),
            Ok(Item::Closing(number)) => open.pop() == Some(number),
            Ok(Item::Context(..) | Item::Application(_)) => true,
            Err(_) => false,
        };
        if !fits {
            return false;
        }
    }
    open.is_empty()
}

impl<'a> Item<'a> {
    /// Clause 20.2.1: tag number, class, and length, value or type share the first byte as far as they fit.
    fn read(reader: &mut Reader<'a>) -> Result<Self, Stop> {
        let initial = reader.u8()?;
        let is_context = initial & CONTEXT != 0;
        let number = match initial >> 4 {
            EXTENDED_NUMBER => reader.u8()?,
            number => number,
        };
        match initial & LENGTH_VALUE_TYPE {
            OPENING if is_context => Ok(Self::Opening(number)),
            CLOSING if is_context => Ok(Self::Closing(number)),
            OPENING | CLOSING => Err(reader.malformed("an application tag opens or closes")),
            value if number == BOOLEAN && !is_context => Ok(Self::Application(Value::Boolean(value != 0))),
            short => {
                let length = length(short, reader)?;
                let mut content = reader.sub(length)?;
                if is_context {
                    return Ok(Self::Context(number, content));
                }
                let value = Value::read(number, &mut content)?;
                if content.is_empty() { Ok(Self::Application(value)) } else { Err(content.malformed(WRONG_LENGTH)) }
            }
        }
    }
}

/// Clause 20.2.1.3.1.
fn length(short: u8, reader: &mut Reader<'_>) -> Result<usize, Stop> {
    let length = match short {
        EXTENDED_LENGTH => match reader.u8()? {
            LENGTH_IN_TWO => u32::from(reader.u16()?),
            LENGTH_IN_FOUR => reader.u32()?,
            length => u32::from(length),
        },
        length => u32::from(length),
    };
    usize::try_from(length).map_err(|_| reader.malformed("the bytes end too early"))
}

impl<'a> Value<'a> {
    fn read(number: u8, content: &mut Reader<'a>) -> Result<Self, Stop> {
        match number {
            0 => Ok(Self::Null),
            2 => unsigned(content).map(Self::Unsigned),
            3 => signed(content).map(Self::Signed),
            4 => content.u32().map(|bits| Self::Real(f32::from_bits(bits))),
            5 => content.u64().map(|bits| Self::Double(f64::from_bits(bits))),
            7 => Ok(Self::Text(Text { charset: content.u8()?, bytes: rest(content)? })),
            9 => unsigned(content).map(Self::Enumerated),
            12 => Object::read(content).map(Self::Object),
            _ => rest(content).map(|_| Self::Other),
        }
    }

    /// As it stands in a line; nothing where it does not fit one.
    pub(super) fn line(&self) -> Option<CompactString> {
        match self {
            Self::Null => Some(CompactString::const_new("null")),
            Self::Boolean(value) => Some(value.to_compact_string()),
            Self::Unsigned(number) | Self::Enumerated(number) => Some(number.to_compact_string()),
            Self::Signed(number) => Some(number.to_compact_string()),
            Self::Real(number) => Some(number.to_compact_string()),
            Self::Double(number) => Some(number.to_compact_string()),
            Self::Text(text) => text.line(),
            Self::Object(object) => Some(object.to_compact_string()),
            Self::Other => None,
        }
    }
}

impl<'a> Text<'a> {
    /// In UTF-8, without the zeros that some devices end it with; nothing for the character sets that need tables
    /// (clause 20.2.9).
    pub(super) fn utf8(&self) -> Option<Cow<'a, [u8]>> {
        match self.charset {
            UTF_8 => {
                let end = self.bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last.saturating_add(1));
                self.bytes.get(..end).map(Cow::Borrowed)
            }
            UCS_2 => {
                let (units, _) = self.bytes.as_chunks();
                let letters = char::decode_utf16(units.iter().map(|unit| u16::from_be_bytes(*unit)));
                Some(owned(letters.map(|letter| letter.unwrap_or(char::REPLACEMENT_CHARACTER))))
            }
            LATIN_1 => Some(owned(self.bytes.iter().map(|byte| char::from(*byte)))),
            _ => None,
        }
    }

    fn line(&self) -> Option<CompactString> {
        let bytes = self.utf8()?;
        let text = std::str::from_utf8(&bytes).ok()?;
        (text.len() <= LINE && !text.contains(char::is_control)).then(|| text.into())
    }
}

fn owned(letters: impl Iterator<Item = char>) -> Cow<'static, [u8]> {
    let text: String = letters.collect();
    Cow::Owned(text.trim_end_matches('\0').to_owned().into_bytes())
}

/// What is left of some content, taken.
fn rest<'a>(content: &mut Reader<'a>) -> Result<&'a [u8], Stop> {
    content.take(content.remaining())
}

/// Clause 20.2.4.
fn unsigned(content: &mut Reader<'_>) -> Result<u64, Stop> {
    widened(content, 0).map(u64::from_be_bytes)
}

/// Clause 20.2.5.
fn signed(content: &mut Reader<'_>) -> Result<i64, Stop> {
    let is_negative = content.peek(1)?.iter().any(|byte| byte & 0x80 != 0);
    widened(content, if is_negative { 0xff } else { 0 }).map(i64::from_be_bytes)
}

fn widened(content: &mut Reader<'_>, fill: u8) -> Result<[u8; 8], Stop> {
    let bytes = rest(content)?;
    let mut wide = [fill; 8];
    let place = wide.len().checked_sub(bytes.len()).and_then(|start| wide.get_mut(start..));
    match place {
        Some(place) if !bytes.is_empty() => place.copy_from_slice(bytes),
        _ => return Err(content.malformed(WRONG_LENGTH)),
    }
    Ok(wide)
}

const CONTEXT: u8 = 0x08;
const LENGTH_VALUE_TYPE: u8 = 0x07;
const EXTENDED_NUMBER: u8 = 15;
const EXTENDED_LENGTH: u8 = 5;
const OPENING: u8 = 6;
const CLOSING: u8 = 7;
const LENGTH_IN_TWO: u8 = 254;
const LENGTH_IN_FOUR: u8 = 255;
/// The one application tag whose value stands in the tag itself.
const BOOLEAN: u8 = 1;

const UTF_8: u8 = 0;
const UCS_2: u8 = 4;
const LATIN_1: u8 = 5;

/// How deep constructed data may be nested; the standard's own services need five.
const DEPTH: usize = 16;
/// The longest text that is told as a value, in bytes.
const LINE: usize = 64;
const WRONG_LENGTH: &str = "a value of the wrong length";
const MISSING: &str = "a parameter is missing";
