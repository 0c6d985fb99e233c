//! Registers that an answer holds; and those in which makers keep the name of a device, by the table
//! `data/identity_registers.tsv`.
//!
//! A row of the table is believed only where the same answer holds its marker, a text that nobody else has there: so
//! the same registers of another maker's device say nothing.

use super::identity::printable;
use super::pdu::Pdu;
use crate::dissector::{Field, Side};
use crate::observation::Child;
use crate::out::Out;
use std::ops::RangeInclusive;
use std::sync::LazyLock;

pub(super) static MODEL: Field = Field::new(
    "modbus.register_model",
    "a model in registers where its maker keeps it, which begin as no other maker's do",
);
pub(super) static SERIAL: Field =
    Field::new("modbus.register_serial", "a serial number in registers behind such a model, read with it");

/// The two bytes of a register.
pub(super) type Word = [u8; 2];

/// Registers that a server answered, and where they stand.
#[derive(Clone, Copy)]
pub(super) struct Registers<'a> {
    pub(super) first: u16,
    pub(super) words: &'a [Word],
}

impl<'a> Registers<'a> {
    /// What an answer holds, if it is as much as the request asked for (address and quantity).
    #[inline]
    pub(super) fn of([high, low, many, few]: [u8; 4], answer: &Pdu<'a>) -> Option<Self> {
        let (words, _) = answer.data.get(1..)?.as_chunks();
        let quantity = u16::from_be_bytes([many, few]);
        (words.len() == usize::from(quantity)).then_some(Self { first: u16::from_be_bytes([high, low]), words })
    }

    pub(super) fn at(&self, register: u16) -> Option<Word> {
        self.words.get(usize::from(register.checked_sub(self.first)?)).copied()
    }

    /// Whether a row of the table may be among them. Every poll is asked.
    #[inline]
    pub(super) fn may_name_a_device(&self) -> bool {
        NEAR.contains(&self.first)
    }

    /// Tells what the rows of the table make of them.
    #[cold]
    pub(super) fn tell_names(&self, side: Side, child: &Child, out: &mut Out<'_>) {
        for row in TABLE.iter().filter(|row| self.bytes(row.marker_at, row.marker.len()).starts_with(row.marker)) {
            if let Some(text) = text(self.bytes(row.first, usize::from(row.registers).saturating_mul(2))) {
                out.text(side, Some(child), row.field, text.as_bytes());
            }
        }
    }

    /// As many bytes from a register on; none if they are not all there.
    fn bytes(&self, register: u16, length: usize) -> &'a [u8] {
        let from = register.checked_sub(self.first).map(|skipped| usize::from(skipped).saturating_mul(2));
        let all = self.words.as_flattened();
        from.and_then(|from| all.get(from..from.checked_add(length)?)).unwrap_or_default()
    }
}

/// The text that registers hold, filled up with zeros or blanks.
pub(super) fn text(bytes: &[u8]) -> Option<&str> {
    printable(bytes.split(|byte| *byte == 0).next()?.trim_ascii())
}

/// A row of the table.
struct Row {
    marker_at: u16,
    marker: &'static [u8],
    first: u16,
    registers: u16,
    field: &'static Field,
}

static TABLE: LazyLock<Vec<Row>> = LazyLock::new(|| TEXT.lines().skip(1).filter_map(row).collect());
const TEXT: &str = include_str!("../../../data/identity_registers.tsv");

fn row(line: &'static str) -> Option<Row> {
    let mut cells = line.split('\t');
    let mut cell = || cells.next();
    let (marker_at, marker) = (cell()?.parse().ok()?, cell()?.as_bytes());
    let (first, registers, name) = (cell()?.parse().ok()?, cell()?.parse().ok()?, cell()?);
    let field = [&MODEL, &SERIAL].into_iter().find(|field| field.name == name)?;
    Some(Row { marker_at, marker, first, registers, field })
}

/// Where a read begins that reaches a marker of the table: 125 registers is the most (6.3).
const NEAR: RangeInclusive<u16> = 29_876..=30_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocols::modbus::MODBUS;
    use crate::rig::Rig;

    fn told(first: u16, text: &[u8]) -> Vec<String> {
        let mut rig = Rig::tcp(&MODBUS);
        let [high, low] = first.to_be_bytes();
        let count = u8::try_from(text.len()).expect("reads are short");
        rig.segment(Side::A, &[0, 1, 0, 0, 0, 6, 5, 3, high, low, 0, count / 2]);
        rig.segment(Side::B, &[&[0, 1, 0, 0, 0, count + 3, 5, 3, count][..], text].concat());
        let lines = rig.story().into_iter();
        lines.filter_map(|line| Some(line.strip_prefix("10.0.0.2[5] modbus.register_")?.to_owned())).collect()
    }

    #[test]
    fn a_model_is_told_where_its_marker_stands_and_the_serial_number_with_it() {
        let mut both = b"SUN2000-8KTL-M1".to_vec();
        both.resize(30, 0);
        assert_eq!(told(30_000, &both), ["model = SUN2000-8KTL-M1"]);
        both.extend(b"HV2140012345");
        both.resize(50, 0);
        assert_eq!(told(30_000, &both), ["model = SUN2000-8KTL-M1", "serial = HV2140012345"]);
        let earlier = [&[0; 20][..], &both].concat();
        assert_eq!(told(29_990, &earlier), ["model = SUN2000-8KTL-M1", "serial = HV2140012345"]);
        assert_eq!(told(30_000, &both[..28]), [""; 0], "the model is cut");
        assert_eq!(told(30_015, &both[30..]), [""; 0], "without its marker");
        assert_eq!(told(30_001, &both), [""; 0], "elsewhere");
        both[0] = b'X';
        assert_eq!(told(30_000, &both), [""; 0], "another maker's");
    }

    #[test]
    fn every_row_of_the_table_is_read_and_near() {
        assert_eq!(TABLE.len(), TEXT.lines().count() - 1);
        for row in TABLE.iter() {
            assert!(*NEAR.start() + 124 <= row.marker_at && row.marker_at <= *NEAR.end() && row.marker.len() >= 7);
            assert!(row.first >= row.marker_at && row.registers > 0);
        }
    }
}
