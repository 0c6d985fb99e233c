//! Tagged data: what the parameters of every service are made of (ASHRAE 135-2020, clause 20.2.1).
//!
//! A service's own parameters stand in context tags, in order and some of them optional; what they hold bears
//! application tags, or opening and closing ones around more of the same.

use super::names;
use super::object::{Object, Property};
use super::value::{self, Short, Text, Value, WRONG_LENGTH};
use crate::reader::{Reader, Stop};
use arrayvec::ArrayVec;
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

/// Why something is refused (clause 18).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    class: u64,
    pub(super) code: u64,
}

/// `property: write-access-denied`.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (class, code) = (names::enumerated("error-class", self.class), names::enumerated("error-code", self.code));
        write!(f, "{class}: {code}")
    }
}

/// The number in context tag `number`, which must come next.
#[inline]
pub(super) fn number(reader: &mut Reader<'_>, number: u8) -> Result<u32, Stop> {
    optional_number(reader, number)?.ok_or_else(|| reader.malformed(MISSING))
}

/// The number in context tag `number`, if that comes next.
#[expect(clippy::inline_always, reason = "several times a message; what it finds stays in registers")]
#[inline(always)]
pub(super) fn optional_number(reader: &mut Reader<'_>, number: u8) -> Result<Option<u32>, Stop> {
    match *reader.rest() {
        [initial, value, ..] if number < EXTENDED_NUMBER && initial == number << 4 | CONTEXT | 1 => {
            reader.skip(2)?;
            Ok(Some(value.into()))
        }
        [initial, ..] if is_surely_another(initial, number) => Ok(None),
        _ => optional_long_number(reader, number),
    }
}

/// The same of more than one byte, or where the first byte does not tell all.
#[inline(never)]
fn optional_long_number(reader: &mut Reader<'_>, number: u8) -> Result<Option<u32>, Stop> {
    let Some(mut content) = optional(reader, number)? else { return Ok(None) };
    let value = value::unsigned(&mut content)?;
    u32::try_from(value).map(Some).map_err(|_| content.malformed(WRONG_LENGTH))
}

/// The object identifier in context tag `number`, which must come next.
#[inline]
pub(super) fn object(reader: &mut Reader<'_>, number: u8) -> Result<Object, Stop> {
    optional_object(reader, number)?.ok_or_else(|| reader.malformed(MISSING))
}

/// The object identifier in context tag `number`, if that comes next.
#[expect(clippy::inline_always, reason = "several times a message; what it finds stays in registers")]
#[inline(always)]
pub(super) fn optional_object(reader: &mut Reader<'_>, number: u8) -> Result<Option<Object>, Stop> {
    match *reader.rest() {
        [initial, a, b, c, d, ..] if number < EXTENDED_NUMBER && initial == number << 4 | CONTEXT | 4 => {
            reader.skip(5)?;
            Ok(Some(Object::of(u32::from_be_bytes([a, b, c, d]))))
        }
        _ => optional_odd_object(reader, number),
    }
}

/// The same where the first byte does not tell all, or nothing of the kind comes next.
#[inline(never)]
fn optional_odd_object(reader: &mut Reader<'_>, number: u8) -> Result<Option<Object>, Stop> {
    let Some(mut content) = optional(reader, number)? else { return Ok(None) };
    let object = Object::read(&mut content)?;
    if content.is_empty() { Ok(Some(object)) } else { Err(content.malformed(WRONG_LENGTH)) }
}

/// The text in context tag `number`, which must come next.
pub(super) fn text<'a>(reader: &mut Reader<'a>, number: u8) -> Result<Text<'a>, Stop> {
    optional_text(reader, number)?.ok_or_else(|| reader.malformed(MISSING))
}

/// The text in context tag `number`, if that comes next.
pub(super) fn optional_text<'a>(reader: &mut Reader<'a>, number: u8) -> Result<Option<Text<'a>>, Stop> {
    optional(reader, number)?.map(|mut content| Text::read(&mut content)).transpose()
}

/// A property in context tags from `first` on, and its place in it.
#[expect(clippy::inline_always, reason = "several times a message; what it finds stays in registers")]
#[inline(always)]
pub(super) fn property(reader: &mut Reader<'_>, first: u8) -> Result<Property, Stop> {
    let number = number(reader, first)?;
    Ok(Property { number, index: optional_number(reader, first.saturating_add(1))? })
}

/// Whether a first byte begins no context tag `number`, and nothing else has to be read to know it.
#[inline]
fn is_surely_another(initial: u8, number: u8) -> bool {
    initial < FIRST_EXTENDED && initial & !LENGTH_VALUE_TYPE != number << 4 | CONTEXT
}

/// The content of primitive context tag `number`, if that comes next.
#[inline]
pub(super) fn optional<'a>(reader: &mut Reader<'a>, number: u8) -> Result<Option<Reader<'a>>, Stop> {
    match reader.rest().first() {
        None => Ok(None),
        Some(initial) if *initial >= FIRST_EXTENDED => optional_at_length(reader, number),
        Some(initial) if is_surely_another(*initial, number) => Ok(None),
        Some(initial) => match initial & LENGTH_VALUE_TYPE {
            short if short < EXTENDED_LENGTH => {
                reader.skip(1)?;
                reader.sub(short.into()).map(Some)
            }
            _ => optional_at_length(reader, number),
        },
    }
}

/// The same where the first byte does not tell all.
#[cold]
fn optional_at_length<'a>(reader: &mut Reader<'a>, number: u8) -> Result<Option<Reader<'a>>, Stop> {
    let mut ahead = reader.clone();
    match Item::read(&mut ahead)? {
        Item::Context(found, content) if found == number => {
            *reader = ahead;
            Ok(Some(content))
        }
        _ => Ok(None),
    }
}

/// The value of an application tag that must come next.
pub(super) fn value<'a>(reader: &mut Reader<'a>) -> Result<Value<'a>, Stop> {
    match Item::read(reader)? {
        Item::Application(value) => Ok(value),
        _ => Err(reader.malformed(MISSING)),
    }
}

/// The object identifier of an application tag that must come next.
pub(super) fn own_object(reader: &mut Reader<'_>) -> Result<Object, Stop> {
    match value(reader)? {
        Value::Object(object) => Ok(object),
        _ => Err(reader.malformed("no object is named")),
    }
}

/// The opening tag `number` must come next.
#[inline]
pub(super) fn opening(reader: &mut Reader<'_>, number: u8) -> Result<(), Stop> {
    if passes(reader, number, OPENING)? {
        return Ok(());
    }
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
#[inline]
pub(super) fn closes(reader: &mut Reader<'_>, number: u8) -> Result<bool, Stop> {
    passes(reader, number, CLOSING)
}

/// What stands between the opening and the closing tag `number`, which must come next. It is sound: whatever opens in
/// it closes.
#[expect(clippy::inline_always, reason = "as above: of what is only passed over no reader is made")]
#[inline(always)]
pub(super) fn enclosed<'a>(reader: &mut Reader<'a>, number: u8) -> Result<Reader<'a>, Stop> {
    optional_enclosed(reader, number)?.ok_or_else(|| reader.malformed(MISSING))
}

/// What stands between the opening and the closing tag `number`, if they come next.
#[expect(clippy::inline_always, reason = "several times a message; what it finds stays in registers")]
#[inline(always)]
pub(super) fn optional_enclosed<'a>(reader: &mut Reader<'a>, number: u8) -> Result<Option<Reader<'a>>, Stop> {
    if reader.is_empty() || !passes(reader, number, OPENING)? {
        return Ok(None);
    }
    let Some(length) = length_of_enclosed(reader.rest(), number) else {
        return enclosed_at_length(reader, number).map(Some);
    };
    let content = reader.sub(length)?;
    reader.skip(1)?;
    Ok(Some(content))
}

/// How long that is of which the opening tag `number` was passed, up to its closing tag, which fills one byte; nothing
/// where a first byte does not tell all, or something is not sound. Nearly all is short, and so costs little.
#[inline(never)]
fn length_of_enclosed(content: &[u8], number: u8) -> Option<usize> {
    // Numbers of what is open, the innermost in the lowest four bits; below all of them stands one bit.
    let mut open = 1 << 4 | u64::from(number);
    if number >= EXTENDED_NUMBER {
        return None;
    }
    let mut rest = content;
    loop {
        let (initial, behind) = rest.split_first()?;
        let first = *FIRST_BYTES.get(usize::from(*initial))?;
        if let FirstByte::Holds(length) = first {
            rest = behind.get(usize::from(length)..)?;
            continue;
        }
        rest = match first {
            FirstByte::HoldsBits(length) => {
                let unused = *behind.first()?;
                if unused > 7 || (unused > 0 && length < 2) {
                    return None;
                }
                behind.get(usize::from(length)..)?
            }
            FirstByte::Opens if open >> OPEN_BITS == 0 => {
                open = open << 4 | u64::from(*initial >> 4);
                behind
            }
            FirstByte::Closes if open & 0x0f == u64::from(*initial >> 4) => {
                open >>= 4;
                if open == 1 {
                    return content.len().checked_sub(rest.len());
                }
                behind
            }
            FirstByte::Opens | FirstByte::Closes | FirstByte::Holds(_) | FirstByte::Odd => return None,
        };
    }
}

/// What a first byte says of what follows it.
#[derive(Clone, Copy)]
enum FirstByte {
    /// So many bytes, whatever they are.
    Holds(u8),
    /// So many bytes of a string of bits.
    HoldsBits(u8),
    Opens,
    Closes,
    /// It does not tell all, or is not sound.
    Odd,
}

impl FirstByte {
    const fn of(initial: u8) -> Self {
        let number = initial >> 4;
        let is_context = initial & CONTEXT != 0;
        match initial & LENGTH_VALUE_TYPE {
            _ if number == EXTENDED_NUMBER => Self::Odd,
            OPENING if is_context => Self::Opens,
            CLOSING if is_context => Self::Closes,
            OPENING | CLOSING => Self::Odd,
            _ if !is_context && number == BOOLEAN => Self::Holds(0),
            EXTENDED_LENGTH => Self::Odd,
            length if is_context => Self::Holds(length),
            length => match value::short(number, length) {
                Short::Sound => Self::Holds(length),
                Short::Bits => Self::HoldsBits(length),
                Short::Wrong => Self::Odd,
            },
        }
    }
}

static FIRST_BYTES: [FirstByte; 256] = {
    let mut all = [FirstByte::Odd; 256];
    let mut left: &mut [FirstByte] = &mut all;
    let mut initial: u8 = 0;
    while let Some((first, others)) = left.split_first_mut() {
        *first = FirstByte::of(initial);
        left = others;
        initial = initial.wrapping_add(1);
    }
    all
};

/// What was opened with tag `number` just before, as far as it goes, whatever stands in it; the closing tag is passed too.
#[cold]
fn enclosed_at_length<'a>(reader: &mut Reader<'a>, number: u8) -> Result<Reader<'a>, Stop> {
    let mut ahead = reader.clone();
    let mut open = ArrayVec::<u8, DEPTH>::from_iter([number]);
    let mut left = ahead.remaining();
    while let Some(innermost) = open.last() {
        left = ahead.remaining();
        if passes(&mut ahead, *innermost, CLOSING)? {
            open.pop();
        } else {
            nest(&mut open, &Item::read(&mut ahead)?, &ahead)?;
        }
    }
    let content = reader.sub(reader.remaining().saturating_sub(left))?;
    *reader = ahead;
    Ok(content)
}

/// The value that stands first in some content; nothing where that is constructed, or there is none.
pub(super) fn first(mut content: Reader<'_>) -> Result<Option<Value<'_>>, Stop> {
    if content.is_empty() {
        return Ok(None);
    }
    match Item::read(&mut content)? {
        Item::Application(value) => Ok(Some(value)),
        Item::Opening(_) | Item::Closing(_) | Item::Context(..) => Ok(None),
    }
}

/// An error's class and code, which stand alone or in context tag 0 (clause 21, `Error` and the errors of services).
pub(super) fn error(reader: &mut Reader<'_>) -> Result<Refusal, Stop> {
    let is_wrapped = passes(reader, 0, OPENING)?;
    let (class, code) = (value(reader)?, value(reader)?);
    if is_wrapped && !closes(reader, 0)? {
        return Err(reader.malformed(MISSING));
    }
    match (class, code) {
        (Value::Enumerated(class), Value::Enumerated(code)) => Ok(Refusal { class, code }),
        _ => Err(reader.malformed("an error without class or code")),
    }
}

/// Whether all that is left is tagged data, to its very end.
pub(super) fn is_sound(mut reader: Reader<'_>) -> bool {
    let mut open = ArrayVec::<u8, DEPTH>::new();
    while !reader.is_empty() {
        let fits = Item::read(&mut reader).and_then(|item| nest(&mut open, &item, &reader));
        if fits.is_err() {
            return false;
        }
    }
    open.is_empty()
}

/// Keeps count of what is open.
fn nest(open: &mut ArrayVec<u8, DEPTH>, item: &Item<'_>, reader: &Reader<'_>) -> Result<(), Stop> {
    match item {
        Item::Opening(inner) => open.try_push(*inner).map_err(|_| reader.malformed("tags are nested too deep")),
        Item::Closing(ended) if open.last() == Some(ended) => {
            open.pop();
            Ok(())
        }
        Item::Closing(_) => Err(reader.malformed("a closing tag closes nothing")),
        Item::Context(..) | Item::Application(_) => Ok(()),
    }
}

/// Passes over the next item if it opens or closes with this number.
#[inline]
fn passes(reader: &mut Reader<'_>, number: u8, kind: u8) -> Result<bool, Stop> {
    let length = match reader.rest() {
        [initial, extended, ..] if *initial == FIRST_EXTENDED | CONTEXT | kind && *extended == number => 2,
        [initial, ..] if number < EXTENDED_NUMBER && *initial == number << 4 | CONTEXT | kind => 1,
        _ => return Ok(false),
    };
    reader.skip(length).map(|()| true)
}

impl<'a> Item<'a> {
    /// Tag number, class, and length, value or type share the first byte as far as they fit.
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
                let content = reader.sub(length)?;
                if is_context {
                    return Ok(Self::Context(number, content));
                }
                Value::read(number, content).map(Self::Application)
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

const CONTEXT: u8 = 0x08;
const LENGTH_VALUE_TYPE: u8 = 0x07;
const EXTENDED_NUMBER: u8 = 15;
/// First bytes from here on leave the number to the next.
const FIRST_EXTENDED: u8 = EXTENDED_NUMBER << 4;
const EXTENDED_LENGTH: u8 = 5;
const OPENING: u8 = 6;
const CLOSING: u8 = 7;
const LENGTH_IN_TWO: u8 = 254;
const LENGTH_IN_FOUR: u8 = 255;
/// The one application tag whose value stands in the tag itself.
const BOOLEAN: u8 = 1;

/// How deep constructed data may be nested; the standard's own services need five.
const DEPTH: usize = 16;
/// When anything stands above so many bits, 15 numbers are open; who is deeper is read at length.
const OPEN_BITS: u32 = 60;
const MISSING: &str = "a parameter is missing";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::hex;
    use proptest::prelude::*;

    #[test]
    fn what_is_enclosed_ends_at_its_own_closing_tag() {
        let bytes = hex("3e 0e 21 05 0f 3e 3f 91 02 3f 49 08");
        let mut reader = Reader::closed(&bytes);
        assert!(optional_enclosed(&mut reader, 4).expect("sound").is_none());
        let content = enclosed(&mut reader, 3).expect("sound");
        assert_eq!(content.rest(), hex("0e 21 05 0f 3e 3f 91 02"));
        assert_eq!(number(&mut reader, 4), Ok(8));
        assert!(reader.is_empty());
        let (mut short, mut crossed) = (Reader::closed(&bytes[..8]), Reader::closed(&[0x3e, 0x4e, 0x3f, 0x4f]));
        assert!(enclosed(&mut short, 3).is_err() && enclosed(&mut crossed, 3).is_err());
        let (mut deepest, mut deeper) = ([0x3e; 32], [0x3e; 34]);
        deepest[16..].fill(0x3f);
        deeper[17..].fill(0x3f);
        assert!(
            enclosed(&mut Reader::closed(&deepest), 3).is_ok() && enclosed(&mut Reader::closed(&deeper), 3).is_err()
        );
    }

    /// What stands in tag 3 by the quick way and at length: where there is a quick way, both say the same.
    fn quick(content: &[u8]) -> Option<usize> {
        let quick = length_of_enclosed(content, 3)?;
        let mut reader = Reader::closed(content);
        let long = enclosed_at_length(&mut reader, 3).expect("what is read the quick way is sound");
        assert_eq!(long.rest(), &content[..quick]);
        assert_eq!(reader.at(), quick + 1);
        Some(quick)
    }

    #[test]
    fn what_is_short_has_a_quick_way() {
        for (content, length) in [
            ("3f", 0),
            ("44 42290000 3f 00", 5),
            ("00 11 91 3e 82 04 40 3f", 7),
            ("0e 09 55 2e c4 00000001 2f 1a 0102 0f b4 08050000 3f", 19),
        ] {
            assert_eq!(quick(&hex(content)), Some(length), "{content}");
        }
        for odd in [
            "",
            "44 42290000",
            "4f",
            "21 05 4f",
            "75 02 00 41 3f",
            "82 08 00 3f",
            "81 01 3f",
            "80 3f",
            "06 3f",
            "41 00 3f",
        ] {
            assert_eq!(quick(&hex(odd)), None, "{odd}");
        }
    }

    proptest! {
        #[test]
        fn the_quick_way_leads_where_the_long_one_does(
            content in prop::collection::vec(prop::sample::select(hex("00 0e 0f 11 19 21 3e 3f 44 75 82 91 c4 fe 05")), 0..40),
        ) {
            quick(&content);
        }
    }

    #[test]
    fn numbers_and_lengths_are_extended_as_far_as_they_go() {
        for (context, content) in
            [("fa c8 0102", "0102"), ("fd c8 05 0102030405", "0102030405"), ("fd c8 fe 0001 07", "07")]
        {
            let bytes = hex(context);
            let found = optional(&mut Reader::closed(&bytes), 200).expect("sound").expect("tag 200");
            assert_eq!(found.rest(), hex(content));
        }
        let long = [hex("65 ff 00010001"), vec![7; 65_537]].concat();
        assert_eq!(value(&mut Reader::closed(&long)), Ok(Value::Octets(&long[6..])));
        let bytes = hex("fe c8 21 05 ff c8");
        assert_eq!(enclosed(&mut Reader::closed(&bytes), 200).map(|content| content.remaining()), Ok(2));
        for beyond in ["65 fe ffff 01", "65 ff ffffffff 01", "65 05 01", "fd c8", "f5"] {
            let bytes = hex(beyond);
            assert!(Item::read(&mut Reader::closed(&bytes)).is_err(), "{beyond}");
        }
    }

    #[test]
    fn errors_stand_alone_or_in_the_error_of_their_service() {
        for bytes in ["91 02 91 28", "0e 91 02 91 28 0f 1e 0c 00400001 19 55 1f"] {
            let bytes = hex(bytes);
            let refusal = error(&mut Reader::closed(&bytes)).expect("sound");
            assert_eq!(refusal.to_string(), "property: write-access-denied");
        }
        for bytes in ["91 02", "21 02 21 28", "0e 91 02 91 28", ""] {
            assert!(error(&mut Reader::closed(&hex(bytes))).is_err(), "{bytes}");
        }
    }
}
