//! Commands to outputs (IEEE 1815-2012, A.8 and A.20): each with its point, what is asked of it, and its status.

use super::deed::{AnsweredBy, Deed};
use super::objects::{self, Block, Item, Range};
use super::words::name;
use crate::observation::Category;
use crate::pending::Command;
use compact_str::{CompactString, ToCompactString, format_compact};

/// A command to one point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Control<'a> {
    pub(super) point: Point,
    order: Order<'a>,
    /// 0 in a request; in its answer what became of it.
    pub(super) status: u8,
}

/// An output: by the group of its commands, and its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Point {
    pub(super) group: u8,
    pub(super) index: u32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Order<'a> {
    Relay(Relay),
    /// The outputs that a pattern is for: one bit for each.
    Mask {
        first: u32,
        last: u32,
        bits: &'a [u8],
    },
    Integer(i32),
    Float(f64),
}

/// A control relay output block, or a pattern control block (A.8.1, A.8.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Relay {
    code: u8,
    count: u8,
    /// In milliseconds.
    on: u32,
    off: u32,
}

impl<'a> Control<'a> {
    /// The commands of a block; none of one that holds other objects.
    pub(super) fn all<'b>(block: &'b Block<'a>) -> impl Iterator<Item = Control<'a>> + use<'a, 'b> {
        let items = if is_mask(block) { None } else { Some(block.items()) };
        let commands = items.into_iter().flatten().filter_map(|item| Self::of(block, item));
        commands.chain(Self::mask(block))
    }

    fn of(block: &Block<'a>, item: Item<'a>) -> Option<Self> {
        let index = item.index.unwrap_or(0);
        let bytes = item.bytes;
        let (order, status) = match (block.kind.group, block.kind.variation) {
            (objects::BINARY_COMMAND, 1 | 2) => {
                let [code, count, times @ .., status] = *bytes.first_chunk::<11>()?;
                let on = times.first_chunk().map(|time| u32::from_le_bytes(*time))?;
                let off = times.last_chunk().map(|time| u32::from_le_bytes(*time))?;
                (Order::Relay(Relay { code, count, on, off }), status)
            }
            (objects::ANALOG_COMMAND, variation) => {
                let (status, value) = bytes.split_last()?;
                let order = match variation {
                    1 => Order::Integer(i32::from_le_bytes(*value.first_chunk()?)),
                    2 => Order::Integer(i16::from_le_bytes(*value.first_chunk()?).into()),
                    3 => Order::Float(f32::from_le_bytes(*value.first_chunk()?).into()),
                    _ => Order::Float(f64::from_le_bytes(*value.first_chunk()?)),
                };
                (order, *status)
            }
            _ => return None,
        };
        Some(Self { point: Point { group: block.kind.group, index }, order, status: status & STATUS })
    }

    fn mask(block: &Block<'a>) -> Option<Self> {
        let Range::Span(first, last) = block.range else { return None };
        let point = Point { group: block.kind.group, index: first };
        is_mask(block).then(|| Self { point, order: Order::Mask { first, last, bits: block.data() }, status: 0 })
    }

    /// What it does, in the words of the operations table.
    pub(super) fn deed(self) -> Deed {
        let command = Command::in_words(Category::Operate, self.target(), Some(self.value()));
        let answered_by = match self.order {
            Order::Mask { .. } => AnsweredBy::Indications,
            _ => AnsweredBy::Control(self.point),
        };
        Deed::answered_by(answered_by, command)
    }

    fn target(self) -> CompactString {
        let index = self.point.index;
        match self.order {
            Order::Mask { first, last, .. } => format_compact!("binary outputs {first}-{last}"),
            Order::Relay(_) => format_compact!("binary output {index}"),
            Order::Integer(_) | Order::Float(_) => format_compact!("analog output {index}"),
        }
    }

    fn value(self) -> CompactString {
        match self.order {
            Order::Relay(relay) => relay.words(),
            Order::Mask { bits, .. } => format_compact!("pattern mask {}", super::words::hex(bits)),
            Order::Integer(value) => value.to_compact_string(),
            Order::Float(value) => value.to_compact_string(),
        }
    }
}

fn is_mask(block: &Block<'_>) -> bool {
    (block.kind.group, block.kind.variation) == (objects::BINARY_COMMAND, MASK)
}

impl Relay {
    /// `close, pulse on, 3 times, 100 ms on, 200 ms off`: of a pulse alone the times count.
    fn words(self) -> CompactString {
        let Self { code, count, on, off } = self;
        let kind = code & 0x0f;
        let mut words = match code >> 6 {
            0 => CompactString::default(),
            trip => format_compact!("{}, ", name("trip", trip)),
        };
        words.push_str(&name("operation", kind));
        match count {
            0 => words.push_str(", not once"),
            1 => {}
            count => words.push_str(&format_compact!(", {count} times")),
        }
        if matches!(kind, 1 | 2) {
            words.push_str(&format_compact!(", {on} ms on, {off} ms off"));
        }
        for (bit, word) in [(QUEUE, ", queued"), (CLEAR, ", others cleared")] {
            if code & bit != 0 {
                words.push_str(word);
            }
        }
        words
    }
}

const MASK: u8 = 3;
const QUEUE: u8 = 0x10;
const CLEAR: u8 = 0x20;
const STATUS: u8 = 0x7f;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocols::dnp3::objects::Blocks;
    use crate::rig::hex;

    /// Target, value and status of each command.
    fn told(function: u8, bytes: &str) -> Vec<String> {
        let bytes = hex(bytes);
        let blocks: Vec<Block<'_>> = Blocks::of(function, &bytes).map(|block| block.expect("a whole block")).collect();
        let controls = blocks.iter().flat_map(Control::all);
        controls.map(|control| format!("{} = {} [{}]", control.target(), control.value(), control.status)).collect()
    }

    /// A.8.1: operation type, queue, clear and trip/close in the control code.
    #[test]
    fn relays_are_told_with_all_that_they_are_asked_for() {
        //                    index code count on-time  off-time status
        let bytes = "0c 01 28 0500  0100 03 01 64000000 64000000 00   0200 41 03 64000000 c8000000 00   \
                     0300 81 01 0a000000 00000000 07   0400 74 00 00000000 00000000 00   0500 0f 01 00000000 00000000 04";
        let told = told(5, bytes);
        assert_eq!(
            told,
            [
                "binary output 1 = latch on [0]",
                "binary output 2 = close, pulse on, 3 times, 100 ms on, 200 ms off [0]",
                "binary output 3 = trip, pulse on, 10 ms on, 0 ms off [7]",
                "binary output 4 = close, latch off, not once, queued, others cleared [0]",
                "binary output 5 = 15 [4]",
            ]
        );
    }

    /// A.8.2 and A.8.3: a pattern, and the outputs that it is for.
    #[test]
    fn patterns_are_told_with_their_mask() {
        let bytes = "0c 02 07 01 41 01 64000000 64000000 00   0c 03 00 00 09 ff02";
        assert_eq!(
            told(3, bytes),
            [
                "binary output 0 = close, pulse on, 100 ms on, 100 ms off [0]",
                "binary outputs 0-9 = pattern mask ff02 [0]",
            ]
        );
    }

    /// A.20: the value, then the status.
    #[test]
    fn analog_outputs_are_told_in_each_of_their_sizes() {
        let bytes = "29 01 17 01 07 ffffffff 00   29 02 17 01 08 e803 0c   29 03 28 0100 0900 0000c03f 00   \
                     29 04 39 01000000 0a000000 0000000000000440 80";
        assert_eq!(
            told(129, bytes),
            [
                "analog output 7 = -1 [0]",
                "analog output 8 = 1000 [12]",
                "analog output 9 = 1.5 [0]",
                "analog output 10 = 2.5 [0]",
            ]
        );
    }
}
