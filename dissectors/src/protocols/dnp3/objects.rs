//! The objects of a fragment, header by header (IEEE 1815-2012, 4.2.2.7 and annex A): a pure function of bytes.
//!
//! How long an object is stands in `data/dnp3-objects.tsv`, which names every group and variation of the standard. Where
//! that is not known, nothing behind the header can be found any more: the walk ends there and says so.

use crate::reader::{Reader, Stop};
use std::sync::LazyLock;

/// The objects of a fragment in blocks, one for each object header.
#[derive(Clone, Debug)]
pub(super) struct Blocks<'a> {
    reader: Reader<'a>,
    function: u8,
}

/// An object header and the objects that follow it.
#[derive(Clone, Debug)]
pub(super) struct Block<'a> {
    pub(super) kind: Kind,
    pub(super) qualifier: u8,
    pub(super) range: Range,
    size: Size,
    data: Reader<'a>,
}

/// What objects of a block are: group and variation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) group: u8,
    pub(super) variation: u8,
}

/// Which objects a header names (4.2.2.7.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Range {
    /// All there are.
    All,
    /// Those from a first to a last index.
    Span(u32, u32),
    /// So many.
    Count(u32),
}

/// One object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Item<'a> {
    /// Its point, where the header tells one.
    pub(super) index: Option<u32>,
    /// What it holds: nothing where only its header stands in the message. Of a packed object the octet that it is in.
    pub(super) bytes: &'a [u8],
    /// Of a packed object its value.
    pub(super) bits: u8,
}

/// Why a walk ended too early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// Nobody says how long objects of this kind are.
    Unknown(Kind),
    /// The bytes are not what the standard says.
    Malformed(Kind),
}

/// How long an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Size {
    Bytes(u8),
    /// Packed, so many bits each.
    Bits(u8),
    /// As many octets as its variation says (A.41 to A.44).
    Variation,
    /// Type, length and value (A.1).
    Attribute,
    /// A vendor's code, a number, a length and so many octets (A.31.1).
    Registration,
    /// As long as a size in front of it says, and only then known (4.2.2.7.3.3, prefixes 4 to 6).
    Sized,
    /// Only its header is ever sent.
    Nothing,
    Unknown,
}

impl<'a> Blocks<'a> {
    /// The objects behind the head of a fragment with this function.
    pub(super) fn of(function: u8, objects: &'a [u8]) -> Self {
        Self { reader: Reader::closed(objects), function }
    }

    /// Passes over blocks of groups that tell nothing, as far as a look at their headers is enough for it.
    #[inline]
    pub(super) fn pass(&mut self, tells_nothing: impl Fn(u8) -> bool) {
        while let Some(length) = self.length_of_next(&tells_nothing) {
            if self.reader.skip(length).is_err() {
                return;
            }
        }
    }

    /// How long the next block is, if it is of such a group, its header is one of the usual ones and it is all here.
    #[inline]
    fn length_of_next(&self, tells_nothing: impl Fn(u8) -> bool) -> Option<usize> {
        let [group, variation, qualifier, range @ ..] = self.reader.rest() else { return None };
        let (group, variation) = (*group, *variation);
        let kind = Kind { group, variation };
        let (count, header, prefix) = match (qualifier, range) {
            (0x00, [first, last, ..]) => (usize::from(last.checked_sub(*first)?).saturating_add(1), 5, 0),
            (0x01, [a, b, c, d, ..]) => {
                let (first, last) = (u16::from_le_bytes([*a, *b]), u16::from_le_bytes([*c, *d]));
                (usize::from(last.checked_sub(first)?).saturating_add(1), 7, 0)
            }
            (0x06, _) => (0, 3, 0),
            (0x07, [count, ..]) => (usize::from(*count), 4, 0),
            (0x17, [count, ..]) => (usize::from(*count), 4, 1),
            (0x28, [low, high, ..]) => (usize::from(u16::from_le_bytes([*low, *high])), 5, 2),
            _ => return None,
        };
        if !tells_nothing(group) {
            return None;
        }
        let data = match if self.carries(kind) { Size::of(kind) } else { Size::Nothing } {
            Size::Bytes(length) => count.checked_mul(usize::from(length).saturating_add(prefix))?,
            Size::Nothing => count.checked_mul(prefix)?,
            Size::Bits(width) if prefix == 0 => count.checked_mul(usize::from(width))?.div_ceil(8),
            _ => return None,
        };
        let length = data.saturating_add(header);
        (length <= self.reader.remaining()).then_some(length)
    }

    fn block(&mut self) -> Result<Block<'a>, Flaw> {
        let header = (|| Ok::<_, Stop>([self.reader.u8()?, self.reader.u8()?, self.reader.u8()?]))();
        let [group, variation, qualifier] = header.map_err(|_| Flaw::Malformed(Kind { group: 0, variation: 0 }))?;
        let kind = Kind { group, variation };
        let malformed = |_| Flaw::Malformed(kind);
        let range = Range::read(qualifier, &mut self.reader).map_err(malformed)?;
        let size = if self.carries(kind) { Size::of(kind) } else { Size::Nothing };
        let mut end = self.reader.clone();
        let data = self.reader.clone();
        let mut block = Block { kind, qualifier, range, size, data };
        let length = block.pass(&mut end)?;
        block.data = self.reader.sub(length).map_err(malformed)?;
        Ok(block)
    }

    /// Whether the objects themselves follow a header, or the message only names them.
    fn carries(&self, kind: Kind) -> bool {
        match self.function {
            WRITE..=DIRECT_OPERATE_NO_ACK | OPEN_FILE..=AUTHENTICATION_REQUEST_NO_ACK | RESPONSE.. => true,
            FREEZE_AT_TIME | FREEZE_AT_TIME_NO_ACK => kind.group == TIME,
            _ => kind.group == AUTHENTICATION,
        }
    }
}

impl<'a> Iterator for Blocks<'a> {
    type Item = Result<Block<'a>, Flaw>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.reader.is_empty() {
            return None;
        }
        let block = self.block();
        if block.is_err() {
            self.reader = Reader::closed(&[]);
        }
        Some(block)
    }
}

impl<'a> Block<'a> {
    /// Its objects; none where the header names all, or a range of which nothing is sent.
    pub(super) fn items(&self) -> Items<'a, '_> {
        let has_items = self.prefix_length() > 0 || !matches!(self.size, Size::Nothing | Size::Bytes(0));
        let left = if has_items { self.range.count() } else { 0 };
        Items { block: self, reader: self.data.clone(), at: 0, left }
    }

    /// The octets of all its objects, with their prefixes.
    pub(super) fn data(&self) -> &'a [u8] {
        self.data.rest()
    }

    /// Whether objects follow the header.
    pub(super) fn has_data(&self) -> bool {
        !self.data.is_empty()
    }

    /// Octets of an index or a size in front of each object.
    fn prefix_length(&self) -> usize {
        match self.qualifier >> 4 & 7 {
            1 | 4 => 1,
            2 | 5 => 2,
            3 | 6 => 4,
            _ => 0,
        }
    }

    fn has_size_prefix(&self) -> bool {
        matches!(self.qualifier >> 4 & 7, 4..=6)
    }

    /// How many octets the objects take.
    fn pass(&self, reader: &mut Reader<'a>) -> Result<usize, Flaw> {
        let malformed = Flaw::Malformed(self.kind);
        let count = usize::try_from(self.range.count()).map_err(|_| malformed)?;
        if count == 0 {
            return Ok(0);
        }
        let prefix = self.prefix_length();
        let each = match self.size {
            _ if self.has_size_prefix() => None,
            Size::Bytes(length) => Some(usize::from(length)),
            Size::Variation => Some(usize::from(self.kind.variation)),
            Size::Nothing => Some(0),
            // Points are packed in the order of a range; an index in front of a bit there is none (A.2.1).
            Size::Bits(width) if prefix == 0 => {
                let bits = count.checked_mul(usize::from(width)).ok_or(malformed)?;
                return Ok(bits.div_ceil(8));
            }
            Size::Attribute | Size::Registration => None,
            Size::Bits(_) | Size::Sized | Size::Unknown => return Err(Flaw::Unknown(self.kind)),
        };
        if let Some(each) = each {
            return each.checked_add(prefix).and_then(|each| each.checked_mul(count)).ok_or(malformed);
        }
        let before = reader.remaining();
        for _ in 0..count {
            self.object(reader).map_err(|_| malformed)?;
        }
        Ok(before.saturating_sub(reader.remaining()))
    }

    /// The next object that is not packed, and what stands in front of it.
    fn object(&self, reader: &mut Reader<'a>) -> Result<(Option<u32>, &'a [u8]), Stop> {
        let prefix = match self.prefix_length() {
            1 => Some(u32::from(reader.u8()?)),
            2 => Some(u32::from(reader.u16_le()?)),
            4 => Some(reader.u32_le()?),
            _ => None,
        };
        let length = match (self.size, prefix) {
            (_, Some(size)) if self.has_size_prefix() => {
                let size = usize::try_from(size).map_err(|_| reader.malformed("an object too large"))?;
                return Ok((None, reader.take(size)?));
            }
            (Size::Bytes(length), _) => usize::from(length),
            (Size::Variation, _) => usize::from(self.kind.variation),
            (Size::Attribute, _) => attribute_length(reader)?,
            (Size::Registration, _) => {
                let [.., low, high] = *reader.peek(8)? else { return Err(reader.malformed("no length")) };
                usize::from(u16::from_le_bytes([low, high])).saturating_add(8)
            }
            _ => 0,
        };
        Ok((prefix, reader.take(length)?))
    }
}

/// Type, length and so many octets; those of an extended list are 256 more (5.5.4.3).
fn attribute_length(reader: &Reader<'_>) -> Result<usize, Stop> {
    let [kind, length] = *reader.peek(2)? else { return Err(reader.malformed("no length")) };
    let more = if kind == EXTENDED_LIST { 256 } else { 0 };
    Ok(usize::from(length).saturating_add(more).saturating_add(2))
}

/// The objects of a block.
#[derive(Clone, Debug)]
pub(super) struct Items<'a, 'b> {
    block: &'b Block<'a>,
    reader: Reader<'a>,
    at: u32,
    left: u32,
}

impl<'a> Iterator for Items<'a, '_> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let at = self.at;
        self.at = at.saturating_add(1);
        let item = match self.block.size {
            Size::Bits(width) => self.packed(at, u32::from(width)),
            _ => self.block.object(&mut self.reader).ok().map(|(index, bytes)| Item { index, bytes, bits: 0 }),
        };
        let Range::Span(first, _) = self.block.range else { return item };
        item.map(|item| Item { index: item.index.or(first.checked_add(at)), ..item })
    }
}

impl<'a> Items<'a, '_> {
    fn packed(&self, at: u32, width: u32) -> Option<Item<'a>> {
        let bit = at.checked_mul(width)?;
        let octet = usize::try_from(bit >> 3).ok()?;
        let bytes = self.reader.rest().get(octet..)?.get(..1)?;
        let bits = bytes.first()? >> (bit & 7) & if width == 2 { 3 } else { 1 };
        Some(Item { index: None, bytes, bits })
    }
}

impl Range {
    fn read(qualifier: u8, reader: &mut Reader<'_>) -> Result<Self, Stop> {
        let is_reserved = qualifier & 0x80 != 0 || qualifier >> 4 == 7;
        let has_size_prefix = matches!(qualifier >> 4, 4..=6);
        let mut pair = |length| -> Result<Self, Stop> {
            let mut one = || match length {
                1 => reader.u8().map(u32::from),
                2 => reader.u16_le().map(u32::from),
                _ => reader.u32_le(),
            };
            let (first, last) = (one()?, one()?);
            if last < first {
                return Err(reader.malformed("a range that ends before it begins"));
            }
            Ok(Self::Span(first, last))
        };
        match qualifier & 0x0f {
            _ if is_reserved => Err(reader.malformed("a reserved qualifier")),
            0 | 3 => pair(1),
            1 | 4 => pair(2),
            2 | 5 => pair(4),
            6 => Ok(Self::All),
            7 => Ok(Self::Count(reader.u8()?.into())),
            8 => Ok(Self::Count(reader.u16_le()?.into())),
            9 => Ok(Self::Count(reader.u32_le()?)),
            0xb if has_size_prefix => Ok(Self::Count(reader.u8()?.into())),
            _ => Err(reader.malformed("a reserved qualifier")),
        }
    }

    fn count(self) -> u32 {
        match self {
            Self::All => 0,
            Self::Span(first, last) => last.saturating_sub(first).saturating_add(1),
            Self::Count(count) => count,
        }
    }
}

impl Kind {
    /// What the standard calls it.
    pub(super) fn name(self) -> Option<&'static str> {
        rows().find(|row| row.kind == self).map(|row| row.name)
    }

    /// The kind of points or things that it is about: what its group is called.
    pub(super) fn group_name(self) -> Option<&'static str> {
        Self { variation: 0, ..self }.name()
    }
}

/// `g12v1`, as the standard's users write it.
impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "g{}v{}", self.group, self.variation)
    }
}

impl Size {
    fn of(kind: Kind) -> Self {
        match kind.group {
            0 => Self::Attribute,
            110..=113 => Self::Variation,
            _ => SIZES.get(slot(kind)).copied().unwrap_or(Self::Unknown),
        }
    }

    fn read(word: &str) -> Self {
        match word {
            "none" => Self::Nothing,
            "1 bit" => Self::Bits(1),
            "2 bits" => Self::Bits(2),
            "variation" => Self::Variation,
            "attribute" => Self::Attribute,
            "registration" => Self::Registration,
            "sized" => Self::Sized,
            bytes => bytes.parse().map_or(Self::Unknown, Self::Bytes),
        }
    }
}

/// Sixteen variations of each group: those of the other groups need no table.
static SIZES: LazyLock<Vec<Size>> = LazyLock::new(|| {
    let mut sizes = vec![Size::Unknown; 256 * VARIATIONS];
    for row in rows().filter(|row| usize::from(row.kind.variation) < VARIATIONS) {
        if let Some(size) = sizes.get_mut(slot(row.kind)) {
            *size = row.size;
        }
    }
    sizes
});

const VARIATIONS: usize = 16;

fn slot(kind: Kind) -> usize {
    let is_in = usize::from(kind.variation) < VARIATIONS;
    if is_in {
        usize::from(kind.group).saturating_mul(VARIATIONS).saturating_add(kind.variation.into())
    } else {
        usize::MAX
    }
}

struct Row {
    kind: Kind,
    size: Size,
    name: &'static str,
}

fn rows() -> impl Iterator<Item = Row> {
    OBJECTS.lines().filter_map(|line| {
        let mut cells = line.split('\t');
        let group = cells.next()?.parse().ok()?;
        let variation = cells.next()?.parse().ok()?;
        let size = Size::read(cells.next()?);
        Some(Row { kind: Kind { group, variation }, size, name: cells.next()? })
    })
}

static OBJECTS: &str = include_str!("../../../data/dnp3-objects.tsv");

const EXTENDED_LIST: u8 = 255;

// Groups, by what is done with them.
pub(super) const ATTRIBUTES: u8 = 0;
pub(super) const BINARY_OUTPUT: u8 = 10;
pub(super) const BINARY_COMMAND: u8 = 12;
pub(super) const DEADBAND: u8 = 34;
pub(super) const ANALOG_COMMAND: u8 = 41;
pub(super) const TIME: u8 = 50;
pub(super) const FILE: u8 = 70;
pub(super) const INDICATIONS: u8 = 80;
pub(super) const REGISTRATION: u8 = 83;
pub(super) const APPLICATION: u8 = 90;
pub(super) const ACTIVATION: u8 = 91;
pub(super) const OCTET_STRING: u8 = 110;
pub(super) const TERMINAL_OUTPUT: u8 = 112;
pub(super) const TERMINAL_INPUT: u8 = 113;
pub(super) const AUTHENTICATION: u8 = 120;
pub(super) const SECURITY_STATISTIC: u8 = 121;
pub(super) const SECURITY_STATISTIC_EVENT: u8 = 122;

// Functions, by whether objects follow their headers.
const WRITE: u8 = 2;
const DIRECT_OPERATE_NO_ACK: u8 = 6;
const FREEZE_AT_TIME: u8 = 11;
const FREEZE_AT_TIME_NO_ACK: u8 = 12;
const OPEN_FILE: u8 = 25;
const AUTHENTICATION_REQUEST_NO_ACK: u8 = 33;
const RESPONSE: u8 = 129;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::hex;
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use std::fmt::Write as _;

    const READ: u8 = 1;

    /// What is told of each block: its kind, and of its objects the index and the octets or bits.
    fn walked(function: u8, bytes: &str) -> Vec<String> {
        let bytes = hex(bytes);
        let blocks = Blocks::of(function, &bytes).map(|block| match block {
            Ok(block) => {
                let mut line = format!("{} {:02x} {:?}", block.kind, block.qualifier, block.range);
                for Item { index, bytes, bits } in block.items() {
                    let index = index.map(|index| format!("{index}=")).unwrap_or_default();
                    match block.size {
                        Size::Bits(_) => write!(line, " {index}{bits}"),
                        _ => write!(
                            line,
                            " {index}{}",
                            bytes.iter().fold(String::new(), |all, byte| format!("{all}{byte:02x}"))
                        ),
                    }
                    .expect("a string has room");
                }
                line
            }
            Err(flaw) => format!("{flaw:?}"),
        });
        blocks.collect()
    }

    #[test]
    fn every_row_of_the_table_is_a_kind_of_its_own_with_a_size_and_a_name() {
        let mut kinds = BTreeSet::new();
        let rows: Vec<Row> = rows().collect();
        assert_eq!(rows.len() + 1, OBJECTS.lines().count(), "the heading alone is no row");
        for row in rows {
            assert!(kinds.insert((row.kind.group, row.kind.variation)), "{} stands twice", row.kind);
            assert!(row.size != Size::Unknown && !row.name.is_empty(), "{}", row.kind);
            assert!(row.size == Size::of(row.kind) || row.kind.group == 0, "{}", row.kind);
        }
        assert_eq!(kinds.iter().filter(|(group, _)| *group == 0).count(), 60);
    }

    /// How many blocks are passed over by their headers alone, and how many octets are left then; each must be as long as
    /// the walk says.
    fn passed(function: u8, objects: &[u8]) -> (usize, usize) {
        let (mut blocks, mut count) = (Blocks::of(function, objects), 0);
        while let Some(length) = blocks.length_of_next(|_| true) {
            let before = blocks.reader.remaining();
            blocks.block().expect("what is passed over is sound");
            assert_eq!(before - blocks.reader.remaining(), length);
            count += 1;
        }
        let left = blocks.reader.remaining();
        let mut at_once = Blocks::of(function, objects);
        at_once.pass(|_| true);
        assert_eq!(at_once.reader.remaining(), left);
        (count, left)
    }

    #[test]
    fn usual_headers_are_enough_to_pass_over_blocks() {
        let reads = hex(
            "3c 02 06   01 00 00 00 07   1e 00 01 0000 ff00   02 00 07 0a   28 00 17 02 03 05   28 00 28 0100 0700",
        );
        assert_eq!(passed(READ, &reads), (6, 0));
        let values = hex(
            "01 02 00 00 01 81 01   01 01 01 0000 0900 ff 03   20 01 17 01 05 01 0a000000   1e 02 28 0100 0700 01 0a00",
        );
        assert_eq!(passed(RESPONSE, &values), (4, 0));
        for odd in [
            "01 02 00 01 00",
            "01 01 17 01 05 01",
            "01 02 00 00 01 81",
            "01 02 02 00000000 01000000",
            "ff 01 06 00 07 01",
        ] {
            let odd = hex(odd);
            let whole = odd.len();
            assert!(passed(RESPONSE, &odd).1 > 0, "{odd:x?} of {whole}");
        }
        let mut measurements = Blocks::of(READ, &reads);
        measurements.pass(|group| group == 0x3c);
        assert_eq!(measurements.reader.at(), 3);
    }

    proptest! {
        #[test]
        fn whatever_is_passed_over_is_as_long_as_the_walk_says(
            function in prop::sample::select(vec![READ, WRITE, 5, 7, FREEZE_AT_TIME, RESPONSE, 130]),
            objects in prop::collection::vec(prop::sample::select(hex("00 01 02 03 05 06 07 08 0a 0c 17 1e 28 32 3c 5b 6e 78")), 0..40),
        ) {
            passed(function, &objects);
        }
    }

    /// 4.2.2.7.3: the four ways to name points in a request, which sends none.
    #[test]
    fn requests_name_objects_and_send_none() {
        //                             g  v  qualifier range
        let bytes = "3c 02 06   01 00 00 00 07   1e 00 01 0000 ff00   02 00 07 0a   16 00 08 0a00   28 00 17 02 03 05 28 00 28 0100 0700";
        let told = [
            "g60v2 06 All",
            "g1v0 00 Span(0, 7)",
            "g30v0 01 Span(0, 255)",
            "g2v0 07 Count(10)",
            "g22v0 08 Count(10)",
            "g40v0 17 Count(2) 3= 5=",
            "g40v0 28 Count(1) 7=",
        ];
        assert_eq!(walked(READ, bytes), told);
    }

    /// A.2.1, A.4.1, A.14.2, A.8.1: packed, fixed, with indexes in front.
    #[test]
    fn responses_carry_what_they_name() {
        let bytes = "01 01 00 03 0c  a5 03   03 01 00 00 02 24   1e 02 00 01 02  01 1000  01 2000   \
                     0c 01 17 01 05  41 01 64000000 00000000 00   20 07 28 0100 0300  01 0000803f 102030405060";
        let told = [
            "g1v1 00 Span(3, 12) 3=1 4=0 5=1 6=0 7=0 8=1 9=0 10=1 11=1 12=1",
            "g3v1 00 Span(0, 2) 0=0 1=1 2=2",
            "g30v2 00 Span(1, 2) 1=011000 2=012000",
            "g12v1 17 Count(1) 5=4101640000000000000000",
            "g32v7 28 Count(1) 3=010000803f102030405060",
        ];
        assert_eq!(walked(RESPONSE, bytes), told);
    }

    /// A.1, A.41: type, length and value; a length in the variation; a size in front; 32-bit ranges and indexes.
    #[test]
    fn objects_that_say_how_long_they_are() {
        let bytes = "00 fa 00 00 00 01 03 414243   6e 05 00 02 02 6162630000   46 04 5b 01 0d00 785634120000000004040000 00   \
                     1e 04 02 0a000000 0b000000 0100 0200   1e 03 39 01000000 0a000000 efbeadde";
        let told = [
            "g0v250 00 Span(0, 0) 0=0103414243",
            "g110v5 00 Span(2, 2) 2=6162630000",
            "g70v4 5b Count(1) 78563412000000000404000000",
            "g30v4 02 Span(10, 11) 10=0100 11=0200",
            "g30v3 39 Count(1) 10=efbeadde",
        ];
        assert_eq!(walked(RESPONSE, bytes), told);
        // An extended list: 256 octets more than its length says.
        let list = [&[0, 255, 0, 0, 0, 255, 2][..], &[7; 258], &[60, 2, 6]].concat();
        let kinds: Vec<_> = Blocks::of(RESPONSE, &list).map(|block| block.map(|block| block.data().len())).collect();
        assert_eq!(kinds, [Ok(260), Ok(0)]);
    }

    /// 4.4.4 and 7.6: a freeze at a time sends the time and names the counters; who proves himself in a request sends that.
    #[test]
    fn some_requests_send_one_object_and_name_others() {
        let freeze = "32 02 07 01 010203040506 0a000000   14 00 06";
        assert_eq!(walked(FREEZE_AT_TIME, freeze), ["g50v2 07 Count(1) 0102030405060a000000", "g20v0 06 All"]);
        let read = "78 03 07 01 05000000 0100   3c 02 06   78 09 5b 01 0400 aabbccdd";
        assert_eq!(
            walked(READ, read),
            ["g120v3 07 Count(1) 050000000100", "g60v2 06 All", "g120v9 5b Count(1) aabbccdd"]
        );
        assert_eq!(walked(READ, "46 05 5b 01 0800 7856341200000000"), ["g70v5 5b Count(1) 7856341200000000"]);
    }

    #[test]
    fn what_is_not_known_or_cut_ends_the_walk() {
        let unknown = "Unknown(Kind { group: 240, variation: 1 })";
        assert_eq!(walked(RESPONSE, "f0 01 00 00 00 01   3c 02 06"), [unknown]);
        assert_eq!(walked(READ, "f0 01 00 00 00   3c 02 06").len(), 2, "its header is enough in a request");
        assert_eq!(walked(RESPONSE, "f0 01 5b 01 0200 0102  3c 02 06").len(), 2, "and a size in front");
        let malformed = "Malformed(Kind { group: 30, variation: 2 })";
        for bytes in
            ["1e 02 00 00 01 01 1000", "1e 02 00 05 04", "1e 02 80 00 00", "1e 02 0b 01", "1e 02 70 00 00", "1e 02"]
        {
            let told = walked(RESPONSE, bytes);
            assert!(told == [malformed] || bytes == "1e 02", "{bytes}: {told:?}");
            assert_eq!(told.len(), 1, "{bytes}");
        }
        assert_eq!(walked(RESPONSE, "1e 02 09 ffffffff 01 0000"), [malformed]);
        assert_eq!(walked(RESPONSE, "0a 01 17 01 05 01").len(), 1, "no bit has an index in front");
        // Four thousand million objects of no length are none.
        assert_eq!(
            walked(READ, "3c 02 02 00000000 ffffffff   3c 03 06"),
            ["g60v2 02 Span(0, 4294967295)", "g60v3 06 All"]
        );
    }

    proptest! {
        /// Whatever comes, the walk ends, and what it tells stands in the bytes.
        #[test]
        fn any_bytes_are_walked(function in 0_u8..140, bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut total = 0;
            for block in Blocks::of(function, &bytes).flatten() {
                total += 3 + block.data().len();
                prop_assert!(block.items().take(5000).map(|item| item.bytes.len()).max() <= Some(bytes.len()));
            }
            prop_assert!(total <= bytes.len());
        }
    }
}
