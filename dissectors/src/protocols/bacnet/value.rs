//! Values: what primitive data says (ASHRAE 135-2020, clauses 20.2.2 to 20.2.14).

use super::object::Object;
use crate::reader::{Reader, Stop};
use compact_str::{CompactString, ToCompactString, format_compact};
use std::borrow::Cow;
use std::fmt::{self, Write as _};

/// A value whose type its tag says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value<'a> {
    Null,
    Boolean(bool),
    Unsigned(u64),
    Signed(i64),
    Real(f32),
    Double(f64),
    Octets(&'a [u8]),
    Text(Text<'a>),
    Bits(Bits<'a>),
    Enumerated(u64),
    Date(Date),
    Time(Time),
    Object(Object),
    /// A type that the standard reserves (13 and beyond).
    Reserved,
}

/// A character string as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Text<'a> {
    charset: u8,
    bytes: &'a [u8],
}

/// A string of bits, the first one in the highest bit of the first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bits<'a> {
    /// How many of the last byte are none.
    unused: u8,
    bytes: &'a [u8],
}

/// A date, any part of which may be left open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Date {
    year: u8,
    month: u8,
    day: u8,
    weekday: u8,
}

/// A time of day, any part of which may be left open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Time {
    hour: u8,
    minute: u8,
    second: u8,
    hundredths: u8,
}

impl<'a> Value<'a> {
    /// Takes all of the content of an application tag. A boolean has none: it stands in the tag.
    pub(super) fn read(tag: u8, mut content: Reader<'a>) -> Result<Self, Stop> {
        let value = match tag {
            0 => Self::Null,
            2 => Self::Unsigned(unsigned(&mut content)?),
            3 => Self::Signed(signed(&mut content)?),
            4 => Self::Real(f32::from_bits(content.u32()?)),
            5 => Self::Double(f64::from_bits(content.u64()?)),
            6 => Self::Octets(rest(&mut content)?),
            7 => Self::Text(Text::read(&mut content)?),
            8 => Self::Bits(Bits::read(&mut content)?),
            9 => Self::Enumerated(unsigned(&mut content)?),
            10 => Self::Date(Date::read(&mut content)?),
            11 => Self::Time(Time::read(&mut content)?),
            12 => Self::Object(Object::read(&mut content)?),
            _ => {
                rest(&mut content)?;
                Self::Reserved
            }
        };
        if content.is_empty() { Ok(value) } else { Err(content.malformed(WRONG_LENGTH)) }
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
            Self::Octets(bytes) => (bytes.len() <= LINE / 2).then(|| hex(bytes)),
            Self::Text(text) => text.line(),
            Self::Bits(bits) => bits.line(),
            Self::Date(date) => Some(date.to_compact_string()),
            Self::Time(time) => Some(time.to_compact_string()),
            Self::Object(object) => Some(object.to_compact_string()),
            Self::Reserved => None,
        }
    }
}

/// What is known of a value by its tag and its length alone.
pub(super) enum Short {
    /// Whatever it holds, it is a value.
    Sound,
    /// It is a string of bits: its first byte says how many of the last are unused.
    Bits,
    /// It is none.
    Wrong,
}

/// Whether content of so many bytes is one of an application tag, as [`Value::read`] judges it.
pub(super) const fn short(tag: u8, length: u8) -> Short {
    match (tag, length) {
        (8, 1..) => Short::Bits,
        (0, 0) | (2 | 3 | 9, 1..=8) | (4 | 10..=12, 4) | (5, 8) | (6 | 13.., _) | (7, 1..) => Short::Sound,
        _ => Short::Wrong,
    }
}

/// Bytes in hex.
pub(super) fn hex(bytes: &[u8]) -> CompactString {
    let mut text = CompactString::with_capacity(bytes.len().saturating_mul(2));
    for byte in bytes {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

impl<'a> Text<'a> {
    /// Clause 20.2.9: the character set, then the characters.
    pub(super) fn read(content: &mut Reader<'a>) -> Result<Self, Stop> {
        Ok(Self { charset: content.u8()?, bytes: rest(content)? })
    }

    /// In UTF-8, without the zeros that some devices end it with. What only a table of its code page could read is told
    /// as the bytes it is, unless it is ASCII, which code pages share; nothing for character sets of no standard.
    pub(super) fn utf8(&self) -> Option<Cow<'a, [u8]>> {
        match self.charset {
            UTF_8 => Some(Cow::Borrowed(without_zeros(self.bytes))),
            DBCS => {
                let (page, bytes) = self.bytes.split_first_chunk()?;
                let bytes = without_zeros(bytes);
                let foreign = || bytes_of(&format_compact!("code page {}", u16::from_be_bytes(*page)), bytes);
                Some(if bytes.is_ascii() { Cow::Borrowed(bytes) } else { foreign() })
            }
            JIS_X_0208 => Some(bytes_of("JIS X 0208", without_zeros(self.bytes))),
            UCS_4 => {
                let (letters, _) = self.bytes.as_chunks();
                let letters = letters.iter().map(|letter| char::from_u32(u32::from_be_bytes(*letter)));
                Some(owned(letters.map(|letter| letter.unwrap_or(char::REPLACEMENT_CHARACTER))))
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

    /// The characters as they came, for a secret: which set they are of is no part of it.
    pub(super) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    pub(super) fn line(&self) -> Option<CompactString> {
        let bytes = self.utf8()?;
        let text = std::str::from_utf8(&bytes).ok()?;
        (text.len() <= LINE && !text.contains(char::is_control)).then(|| text.into())
    }
}

fn without_zeros(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last.saturating_add(1));
    bytes.get(..end).unwrap_or(bytes)
}

/// Text in a character set that has no table here.
fn bytes_of(set: &str, bytes: &[u8]) -> Cow<'static, [u8]> {
    Cow::Owned(format!("{set}: {}", hex(bytes)).into_bytes())
}

fn owned(letters: impl Iterator<Item = char>) -> Cow<'static, [u8]> {
    let text: String = letters.collect();
    Cow::Owned(text.trim_end_matches('\0').to_owned().into_bytes())
}

impl<'a> Bits<'a> {
    /// Clause 20.2.10: how many bits of the last byte are unused, then the bits.
    fn read(content: &mut Reader<'a>) -> Result<Self, Stop> {
        let unused = content.u8()?;
        let bytes = rest(content)?;
        if unused > 7 || (unused > 0 && bytes.is_empty()) {
            return Err(content.malformed("more unused bits than there are"));
        }
        Ok(Self { unused, bytes })
    }

    /// `1010`.
    fn line(&self) -> Option<CompactString> {
        let length = self.bytes.len().saturating_mul(8).saturating_sub(usize::from(self.unused));
        let digit = |byte: &u8, place: u32| if byte.rotate_left(place) & 1 == 1 { '1' } else { '0' };
        let bits = self.bytes.iter().flat_map(|byte| (1..=8).map(move |place| digit(byte, place)));
        (length <= LINE).then(|| bits.take(length).collect())
    }
}

impl Date {
    /// Clause 20.2.12.
    fn read(content: &mut Reader<'_>) -> Result<Self, Stop> {
        let [year, month, day, weekday] = content.array()?;
        Ok(Self { year, month, day, weekday })
    }
}

/// `2026-11-24`; `*-12-25` where any year is meant, `*-odd-last` by clause 20.2.12, and ` Mon` only where the day is open.
impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.year {
            ANY => f.write_str("*")?,
            year => write!(f, "{}", u16::from(year).saturating_add(1900))?,
        }
        match self.month {
            ANY => f.write_str("-*")?,
            13 => f.write_str("-odd")?,
            14 => f.write_str("-even")?,
            month => write!(f, "-{month:02}")?,
        }
        match self.day {
            ANY => f.write_str("-*")?,
            32 => f.write_str("-last")?,
            33 => f.write_str("-odd")?,
            34 => f.write_str("-even")?,
            day => write!(f, "-{day:02}")?,
        }
        let weekday = usize::from(self.weekday).checked_sub(1).and_then(|day| WEEKDAYS.get(day));
        match weekday {
            Some(weekday) if [self.year, self.month, self.day].contains(&ANY) => write!(f, " {weekday}"),
            _ => Ok(()),
        }
    }
}

impl Time {
    /// Clause 20.2.13.
    pub(super) fn read(content: &mut Reader<'_>) -> Result<Self, Stop> {
        let [hour, minute, second, hundredths] = content.array()?;
        Ok(Self { hour, minute, second, hundredths })
    }
}

/// `08:05:00`, `08:05:00.25`, `*:30:00`.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [self.hour, self.minute, self.second];
        parts.iter().enumerate().try_for_each(|(place, part)| {
            let separator = if place == 0 { "" } else { ":" };
            match *part {
                ANY => write!(f, "{separator}*"),
                part => write!(f, "{separator}{part:02}"),
            }
        })?;
        match self.hundredths {
            0 | ANY => Ok(()),
            hundredths => write!(f, ".{hundredths:02}"),
        }
    }
}

/// What is left of some content, taken.
fn rest<'a>(content: &mut Reader<'a>) -> Result<&'a [u8], Stop> {
    content.take(content.remaining())
}

/// Clause 20.2.4: as many bytes as the number needs, up to eight.
pub(super) fn unsigned(content: &mut Reader<'_>) -> Result<u64, Stop> {
    widened(content, 0)
}

/// Clause 20.2.5.
pub(super) fn signed(content: &mut Reader<'_>) -> Result<i64, Stop> {
    let is_negative = content.peek(1)?.iter().any(|byte| byte & 0x80 != 0);
    widened(content, if is_negative { u64::MAX } else { 0 }).map(u64::cast_signed)
}

/// One to eight bytes behind those of `fill`.
fn widened(content: &mut Reader<'_>, fill: u64) -> Result<u64, Stop> {
    let bytes = rest(content)?;
    if !(1..=8).contains(&bytes.len()) {
        return Err(content.malformed(WRONG_LENGTH));
    }
    Ok(bytes.iter().fold(fill, |wide, byte| wide << 8 | u64::from(*byte)))
}

/// Clause 20.2.9.
const UTF_8: u8 = 0;
const DBCS: u8 = 1;
const JIS_X_0208: u8 = 2;
const UCS_4: u8 = 3;
const UCS_2: u8 = 4;
const LATIN_1: u8 = 5;

/// A part of a date or a time that is left open.
const ANY: u8 = 0xff;
static WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// The longest text that is told as a value, in bytes.
const LINE: usize = 64;
pub(super) const WRONG_LENGTH: &str = "a value of the wrong length";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::hex as bytes;

    /// A value of an application tag in a line, its content in hex.
    fn line(tag: u8, content: &str) -> Option<String> {
        let content = bytes(content);
        let value = Value::read(tag, Reader::closed(&content)).expect("whole");
        value.line().map(String::from)
    }

    fn stops(tag: u8, content: &str) -> bool {
        Value::read(tag, Reader::closed(&bytes(content))).is_err()
    }

    #[test]
    fn numbers_are_as_long_as_they_need() {
        for (content, number) in
            [("00", "0"), ("ff", "255"), ("0100", "256"), ("ffffffffffffffff", "18446744073709551615")]
        {
            assert_eq!(line(2, content).as_deref(), Some(number));
            assert_eq!(line(9, content).as_deref(), Some(number));
        }
        for (content, number) in
            [("ff", "-1"), ("80", "-128"), ("7fff", "32767"), ("8000000000000000", "-9223372036854775808")]
        {
            assert_eq!(line(3, content).as_deref(), Some(number));
        }
        for tag in [2, 3, 9] {
            assert!(stops(tag, "") && stops(tag, "000000000000000001"), "of none and of nine bytes");
        }
        assert!(stops(4, "42") && stops(4, "4291000000") && stops(5, "3fb9") && stops(12, "020000"));
        assert!(stops(0, "00"), "a null holds nothing");
    }

    #[test]
    fn dates_and_times_may_be_open() {
        assert_eq!(line(10, "7e 0b 18 02").as_deref(), Some("2026-11-24"));
        assert_eq!(line(10, "ff 0c 19 ff").as_deref(), Some("*-12-25"));
        assert_eq!(line(10, "ff ff ff 01").as_deref(), Some("*-*-* Mon"));
        assert_eq!(line(10, "ff 0d 20 07").as_deref(), Some("*-odd-last Sun"));
        assert_eq!(line(10, "7e 0e 21 ff").as_deref(), Some("2026-even-odd"));
        assert_eq!(line(10, "7e 0e 22 00").as_deref(), Some("2026-even-even"));
        assert_eq!(line(11, "08 05 00 00").as_deref(), Some("08:05:00"));
        assert_eq!(line(11, "17 3b 3b 63").as_deref(), Some("23:59:59.99"));
        assert_eq!(line(11, "ff 1e ff ff").as_deref(), Some("*:30:*"));
        assert!(stops(10, "7e0b18") && stops(11, "0805000000"));
    }

    #[test]
    fn strings_of_bits_and_bytes_are_written_out() {
        assert_eq!(line(8, "04 f0").as_deref(), Some("1111"));
        assert_eq!(line(8, "00 a5").as_deref(), Some("10100101"));
        assert_eq!(line(8, "07 a5 80").as_deref(), Some("101001011"));
        assert_eq!(line(8, "00").as_deref(), Some(""));
        assert_eq!(line(8, "00 ffffffffffffffff ff"), None, "more than fit a line");
        assert!(stops(8, "") && stops(8, "08 ff") && stops(8, "01"));
        assert_eq!(line(6, "c0a80a01").as_deref(), Some("c0a80a01"));
        assert_eq!(line(6, &"00".repeat(33)), None);
        assert_eq!(line(13, "0102"), None, "a type that is reserved");
    }

    #[test]
    fn text_is_read_in_the_standard_s_character_sets() {
        for (content, text) in [
            ("00 c3bc 41 20 00", "üA "),
            ("05 fc 41", "üA"),
            ("04 00fc 0041 0000", "üA"),
            ("04 d83d de00", "😀"),
            ("04 d83d", "\u{fffd}"),
            ("03 0001f600 00000041 00000000", "😀A"),
            ("03 00110000", "\u{fffd}"),
            ("01 0352 41 42 00", "AB"),
            ("01 03a4 82a0", "code page 932: 82a0"),
            ("02 2422", "JIS X 0208: 2422"),
            ("00", ""),
        ] {
            assert_eq!(line(7, content).as_deref(), Some(text), "{content}");
        }
        assert_eq!(line(7, "06 41"), None, "no such character set");
        assert_eq!(line(7, "01 03"), None, "half a code page");
        assert_eq!(line(7, "00 410a42"), None, "two lines");
        assert_eq!(line(7, "00 ff"), None, "no UTF-8");
        assert!(stops(7, ""), "without its character set");
    }
}
