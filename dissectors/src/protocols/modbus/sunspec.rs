//! SunSpec: who made a device, which model it is and what it does, put together from ordinary reads of registers
//! (SunSpec Device Information Model Specification 1.1; SunSpec Information Model Reference, model 1).
//!
//! A map begins with the words `SunS` at register 0, 40000 or 50000, or beside it where somebody counts from one; behind
//! them stand models, each with its number and length, the common one first. A client reads it in pieces of any size and
//! order. At 40000 and 50000 they are put together from whatever is read there; at 0, where every device has registers,
//! from the read on that holds `SunS`.
//!
//! Skipped on purpose: what stands behind a second common model, for it speaks of another device, and measured values.

use super::child;
use super::registers::{Registers, Word, text};
use crate::dissector::{Field, Side};
use crate::observation::Child;
use crate::out::Out;
use compact_str::{CompactString, format_compact};

pub(super) static MANUFACTURER: Field = Field::new("modbus.sunspec_manufacturer", "SunSpec model 1, Mn: who made it");
pub(super) static MODEL: Field = Field::new("modbus.sunspec_model", "SunSpec model 1, Md: which model it is");
pub(super) static OPTIONS: Field = Field::new("modbus.sunspec_options", "SunSpec model 1, Opt: what the maker adds");
pub(super) static VERSION: Field =
    Field::new("modbus.sunspec_version", "SunSpec model 1, Vr: the version of what runs");
pub(super) static SERIAL: Field = Field::new("modbus.sunspec_serial", "SunSpec model 1, SN: the serial number");
pub(super) static ADDRESS: Field = Field::new("modbus.sunspec_address", "SunSpec model 1, DA: the unit it answers as");
pub(super) static MODELS: Field = Field::new(
    "modbus.sunspec_models",
    "SunSpec: the numbers of the models behind the common one, as far as they were read, `103 120 121`",
);

/// The strings of the common model: how many words behind its number they begin, and how many they fill.
static STRINGS: [(usize, usize, &Field); 5] =
    [(2, 16, &MANUFACTURER), (18, 16, &MODEL), (34, 8, &OPTIONS), (42, 8, &VERSION), (50, 16, &SERIAL)];
const DEVICE_ADDRESS: usize = 66;

impl Registers<'_> {
    /// Whether a map may be there. Every poll is asked: a comparison or two.
    #[inline]
    pub(super) fn may_be_of_a_map(&self) -> bool {
        match self.first {
            0 | 1 => self.begins_a_map(),
            2..FAR => false,
            _ => WINDOWS.iter().skip(1).any(|window| self.reaches(*window)),
        }
    }

    fn begins_a_map(&self) -> bool {
        self.words.windows(2).take(2).any(|pair| pair == SUNS)
    }

    /// Whether some of the registers stand in a window.
    fn reaches(&self, window: u16) -> bool {
        let end = usize::from(self.first).saturating_add(self.words.len());
        usize::from(self.first) < usize::from(window).saturating_add(WORDS) && end > usize::from(window)
    }
}

/// The maps of a conversation's units.
#[derive(Default)]
pub(super) struct Maps(Vec<Map>);

impl Maps {
    /// Takes in what a unit answered, and tells what it makes known.
    pub(super) fn see(&mut self, side: Side, unit: u8, read: Registers<'_>, out: &mut Out<'_>) {
        for window in WINDOWS {
            let known = self.0.iter().position(|map| (map.unit, map.window) == (unit, window));
            let at = known.or_else(|| self.open(unit, window, read));
            if let Some(map) = at.and_then(|at| self.0.get_mut(at)) {
                map.see(side, read, out);
            }
        }
    }

    /// A new map, where one may be; the oldest goes if there are too many.
    fn open(&mut self, unit: u8, window: u16, read: Registers<'_>) -> Option<usize> {
        if !read.reaches(window) || (window == 0 && !read.begins_a_map()) {
            return None;
        }
        if self.0.len() >= MOST_MAPS {
            self.0.remove(0);
        }
        self.0.push(Map { unit, window, words: [None; WORDS], next: None, models: Models::default() });
        self.0.len().checked_sub(1)
    }
}

/// What was read of one map.
struct Map {
    unit: u8,
    /// Where the window begins.
    window: u16,
    words: [Option<Word>; WORDS],
    /// Where the next model's number stands.
    next: Option<u16>,
    models: Models,
}

/// The models behind the common one.
#[derive(Default)]
struct Models {
    numbers: CompactString,
    count: u32,
}

impl Map {
    fn see(&mut self, side: Side, read: Registers<'_>, out: &mut Out<'_>) {
        let child = child(self.unit);
        if self.take(read)
            && let Some((at, length)) = self.common()
        {
            self.tell(side, &child, at, out);
            let next = [at, 2, usize::from(length)].into_iter().fold(usize::from(self.window), usize::saturating_add);
            self.next = self.next.or(u16::try_from(next).ok());
        }
        while let Some((number, length)) = self.next.and_then(|at| self.model(at, read)) {
            if matches!(number, COMMON | END) || self.models.count >= MOST_MODELS {
                self.next = Some(NOWHERE);
                return;
            }
            let behind = self.next.and_then(|at| at.checked_add(2)?.checked_add(length));
            self.next = behind.or(Some(NOWHERE));
            self.models.add(number);
            out.numbered(side, Some(&child), (&MODELS, self.models.count), &self.models.numbers);
        }
    }

    /// Keeps the registers in the window; says whether one is new. One that has changed is another device's, or a new
    /// firmware's: the models are counted anew.
    fn take(&mut self, read: Registers<'_>) -> bool {
        let mut is_new = false;
        // What stands around the map are measured values, which change all the time.
        let map = self.common().map_or(0..WORDS, |(at, length)| {
            at.saturating_sub(2)..at.saturating_add(usize::from(length)).saturating_add(4)
        });
        let registers = (self.window..).zip(&mut self.words).enumerate();
        for (_, (register, kept)) in registers.filter(|(place, _)| map.contains(place)) {
            let Some(word) = read.at(register).filter(|word| kept.as_ref() != Some(word)) else { continue };
            if kept.replace(word).is_some() {
                (self.next, self.models) = (None, Models::default());
            }
            is_new = true;
        }
        is_new
    }

    /// Where the common model's number stands, as a place in the window, and its length.
    fn common(&self) -> Option<(usize, u16)> {
        (0..=2_usize).find_map(|at| {
            let head: [Option<Word>; 4] = *self.words.get(at..)?.first_chunk()?;
            let [Some(s), Some(n), Some(number), Some(length)] = head else { return None };
            let length = u16::from_be_bytes(length);
            let is_it = [s, n] == SUNS && u16::from_be_bytes(number) == COMMON && matches!(length, 65 | 66);
            is_it.then_some((at.saturating_add(2), length))
        })
    }

    /// Tells what of the common model is there.
    fn tell(&self, side: Side, child: &Child, at: usize, out: &mut Out<'_>) {
        for (place, length, field) in STRINGS {
            let from = at.saturating_add(place);
            let words = self.words.get(from..from.saturating_add(length)).unwrap_or_default();
            let bytes: Option<Vec<Word>> = words.iter().copied().collect();
            let bytes = bytes.unwrap_or_default();
            if let Some(text) = text(bytes.as_flattened()) {
                out.text(side, Some(child), field, text.as_bytes());
            }
        }
        let address = self.words.get(at.saturating_add(DEVICE_ADDRESS)).copied().flatten().map(u16::from_be_bytes);
        if let Some(address @ 1..=247) = address {
            out.number(side, Some(child), &ADDRESS, address.into());
        }
    }

    /// Number and length of the model at a register, from what was read just now or stands in the window.
    fn model(&self, at: u16, read: Registers<'_>) -> Option<(u16, u16)> {
        let word = |register: u16| {
            let kept = register.checked_sub(self.window).and_then(|place| self.words.get(usize::from(place)));
            read.at(register).or_else(|| kept.copied().flatten()).map(u16::from_be_bytes)
        };
        Some((word(at)?, word(at.checked_add(1)?)?))
    }
}

impl Models {
    fn add(&mut self, number: u16) {
        let blank = if self.count == 0 { "" } else { " " };
        self.numbers.push_str(&format_compact!("{blank}{number}"));
        self.count = self.count.saturating_add(1);
    }
}

const SUNS: [Word; 2] = [*b"Su", *b"nS"];
const COMMON: u16 = 1;
/// Stands where no model follows.
const END: u16 = 0xFFFF;
/// No model has its number in the last register: its length would have no room.
const NOWHERE: u16 = u16::MAX;

/// Where maps may begin: one register before the base, where there is one.
const WINDOWS: [u16; 3] = [0, 39_999, 49_999];
/// A map that begins two words into its window: `SunS`, the common model, and the next one's number and length.
const WORDS: usize = 2 + 2 + 68 + 2;
/// No read below this reaches a map at 40000: one asks for 125 registers at most (6.3).
const FAR: u16 = 39_999 - 125;

/// As many maps are kept of one conversation, and as many models followed of one map.
const MOST_MAPS: usize = 16;
const MOST_MODELS: u32 = 32;

#[cfg(test)]
mod tests {
    use super::super::MODBUS;
    use crate::dissector::Side;
    use crate::rig::Rig;
    use proptest::prelude::*;

    /// The common model of an inverter, as a public example shows it, and three more models behind it.
    fn map() -> Vec<u8> {
        let text = |text: &str, words: usize| {
            let mut bytes = text.as_bytes().to_vec();
            bytes.resize(2 * words, 0);
            bytes
        };
        let word = |word: u16| word.to_be_bytes().to_vec();
        [
            text("SunS", 2),
            word(1),
            word(65),
            text("SolarEdge ", 16),
            text("SE25K-RW00IBNM4", 16),
            text("", 8),
            text("0004.0018.0518", 8),
            text("7E13C5A2", 16),
            word(1),
            [word(11), word(2), word(7), word(7)].concat(),
            [word(103), word(50), vec![0; 100]].concat(),
            [word(120), word(1), word(4)].concat(),
            // Of a meter behind it: another device.
            [word(1), word(65), vec![65; 130]].concat(),
            [word(203), word(1), word(9)].concat(),
        ]
        .concat()
    }

    fn read(rig: &mut Rig, base: u16, at: u16, quantity: u16) {
        let [high, low] = (base + at).to_be_bytes();
        let [many, few] = quantity.to_be_bytes();
        rig.segment(Side::A, &[0, 1, 0, 0, 0, 6, 5, 3, high, low, many, few]);
        let map = map();
        let bytes: Vec<u8> =
            (0..2 * quantity).map(|at_byte| map.get(usize::from(2 * at + at_byte)).copied().unwrap_or(0)).collect();
        let count = u8::try_from(bytes.len()).expect("reads are short");
        rig.segment(Side::B, &[&[0, 1, 0, 0, 0, count + 3, 5, 3, count][..], &bytes].concat());
    }

    fn told(rig: &mut Rig) -> Vec<String> {
        let lines = rig.story().into_iter();
        lines.filter_map(|line| Some(line.strip_prefix("10.0.0.2[5] modbus.sunspec_")?.to_owned())).collect()
    }

    const COMMON: [&str; 5] = [
        "manufacturer = SolarEdge",
        "model = SE25K-RW00IBNM4",
        "version = 0004.0018.0518",
        "serial = 7E13C5A2",
        "address = 1",
    ];

    #[test]
    fn a_map_is_told_wherever_it_begins() {
        for base in [0, 1, 39_999, 40_000, 40_001, 49_999, 50_000, 50_001] {
            let mut rig = Rig::tcp(&MODBUS);
            read(&mut rig, base, 0, 69);
            assert_eq!(told(&mut rig), COMMON, "{base}");
            read(&mut rig, base, 69, 125);
            assert_eq!(told(&mut rig), ["models = 11", "models = 11 103", "models = 11 103 120"]);
            for at in [0, 69, 100] {
                read(&mut rig, base, at, 100);
            }
            assert_eq!(told(&mut rig), [""; 0], "nothing is new");
        }
        for base in [2, 3, 39_998, 40_002, 41_000, 49_000, 60_000] {
            let mut rig = Rig::tcp(&MODBUS);
            read(&mut rig, base, 0, 100);
            assert_eq!(told(&mut rig), [""; 0], "{base}");
        }
    }

    #[test]
    fn a_read_of_a_map_may_begin_before_it() {
        let mut rig = Rig::tcp(&MODBUS);
        // Register 39999 does not exist: map() is read from one word before its first.
        rig.segment(Side::A, &[0, 1, 0, 0, 0, 6, 5, 3, 0x9c, 0x3e, 0, 71]);
        let bytes = [&[0, 9, 0, 9][..], &map()[..138]].concat();
        rig.segment(Side::B, &[&[0, 1, 0, 0, 0, 145, 5, 3, 142][..], &bytes].concat());
        assert_eq!(told(&mut rig), COMMON);
    }

    #[test]
    fn what_breaks_the_structure_is_no_map() {
        // `SunS`, then a model that is not the common one, or has another length.
        for head in [[0, 2, 0, 65], [0, 1, 0, 64]] {
            let mut rig = Rig::tcp(&MODBUS);
            rig.segment(Side::A, &[0, 1, 0, 0, 0, 6, 5, 3, 0x9c, 0x40, 0, 70]);
            let mut bytes = map()[..140].to_vec();
            bytes[4..8].copy_from_slice(&head);
            rig.segment(Side::B, &[&[0, 1, 0, 0, 0, 143, 5, 3, 140][..], &bytes].concat());
            assert_eq!(told(&mut rig), [""; 0], "{head:?}");
        }
    }

    proptest! {
        /// Whatever the pieces and their order, the same is told.
        #[test]
        fn pieces_of_any_size_and_order_tell_the_same(size in 1..20_u16, order in any::<prop::sample::Index>()) {
            let mut rig = Rig::tcp(&MODBUS);
            let mut pieces: Vec<u16> = (0..70_u16.div_ceil(size)).collect();
            let length = pieces.len();
            pieces.rotate_left(order.index(length));
            for piece in pieces {
                read(&mut rig, 40_000, piece * size, size);
            }
            let mut told = told(&mut rig);
            told.retain(|line| !line.starts_with("models"));
            told.sort_unstable();
            let mut common = COMMON.to_vec();
            common.sort_unstable();
            prop_assert_eq!(told, common);
        }

        #[test]
        fn anything_read_near_a_map_is_taken_without_a_panic(reads in prop::collection::vec((39_900..40_200_u16, 1..125_u16), 1..30)) {
            let mut rig = Rig::tcp(&MODBUS);
            for (at, quantity) in reads {
                read(&mut rig, at, at % 90, quantity);
                read(&mut rig, at.wrapping_mul(3), 0, quantity);
            }
        }
    }
}
