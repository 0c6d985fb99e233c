//! A value of a row, whatever its table: what files, filters and printers work on.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use dissectors::Timestamp;
use fingerprints::record::Shared;
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use crate::schema::Column;

/// A row of any table: one cell for each of its columns, in their order.
pub type Row = Vec<Cell>;

/// What a column holds. Nothing else is public: these types survive every engine.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// BOOLEAN.
    Bool,
    /// INT32.
    Int32,
    /// INT64.
    Int64,
    /// DOUBLE.
    Double,
    /// STRING, UTF-8.
    Text,
    /// timestamp(us, UTC).
    Time,
    /// A list of these; it never holds a null.
    List(&'static Kind),
    /// A map from text to these; it never holds a null.
    Map(&'static Kind),
    /// A struct of these fields.
    Struct(&'static [Column]),
}

impl Kind {
    /// What is nested directly inside.
    pub(crate) fn children(&self) -> Vec<Kind> {
        match self {
            Self::List(element) => vec![**element],
            Self::Map(value) => vec![Self::Text, **value],
            Self::Struct(columns) => columns.iter().map(|column| column.kind).collect(),
            _ => Vec::new(),
        }
    }
}

/// One value. Its [`Kind`] stands in its column.
///
/// The order is total, a null comes first, text goes by its bytes: as Parquet sorts.
#[derive(Clone, Debug, Default)]
pub enum Cell {
    /// Unknown.
    #[default]
    Null,
    /// Yes or no.
    Bool(bool),
    /// An INT32 or INT64.
    Int(i64),
    /// A finite number.
    Double(f64),
    /// Text, from the wire perhaps.
    Text(String),
    /// A moment, in whole microseconds.
    Time(Timestamp),
    /// The elements of a list.
    List(Vec<Cell>),
    /// The entries of a map, by key.
    Map(Vec<(String, Cell)>),
    /// The fields of a struct, in their order.
    Struct(Vec<Cell>),
}

impl Cell {
    /// Whether this is unknown.
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Yes or no, when it is that.
    pub const fn bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The integer, when it is one.
    pub const fn int(&self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(*value),
            _ => None,
        }
    }

    /// The number with a fraction, when it is one.
    pub const fn double(&self) -> Option<f64> {
        match self {
            Self::Double(value) => Some(*value),
            _ => None,
        }
    }

    /// The text, when it is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The moment, when it is one.
    pub const fn time(&self) -> Option<Timestamp> {
        match self {
            Self::Time(time) => Some(*time),
            _ => None,
        }
    }

    /// The elements of a list or the fields of a struct; of anything else none.
    pub fn inner(&self) -> &[Cell] {
        match self {
            Self::List(cells) | Self::Struct(cells) => cells,
            _ => &[],
        }
    }

    /// The entries of a map; of anything else none.
    pub fn entries(&self) -> &[(String, Cell)] {
        match self {
            Self::Map(entries) => entries,
            _ => &[],
        }
    }

    /// About how many bytes this takes in memory, and uncompressed in a file.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Null | Self::Bool(_) => 1,
            Self::Int(_) | Self::Double(_) | Self::Time(_) => 8,
            Self::Text(text) => 4 + text.len(),
            Self::List(cells) | Self::Struct(cells) => cells.iter().map(Self::bytes).sum(),
            Self::Map(entries) => entries.iter().map(|(key, value)| 4 + key.len() + value.bytes()).sum(),
        }
    }

    const fn rank(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Bool(_) => 1,
            Self::Int(_) => 2,
            Self::Double(_) => 3,
            Self::Text(_) => 4,
            Self::Time(_) => 5,
            Self::List(_) => 6,
            Self::Map(_) => 7,
            Self::Struct(_) => 8,
        }
    }
}

impl Ord for Cell {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            (Self::Int(a), Self::Int(b)) => a.cmp(b),
            (Self::Double(a), Self::Double(b)) => a.total_cmp(b),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            (Self::Time(a), Self::Time(b)) => a.cmp(b),
            (Self::List(a), Self::List(b)) | (Self::Struct(a), Self::Struct(b)) => a.cmp(b),
            (Self::Map(a), Self::Map(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Cell {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Cell {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Cell {}

/// A Rust type that a column can hold: its kind follows from the type, so the two cannot disagree.
pub(crate) trait Value {
    const KIND: Kind;
    const NULLABLE: bool = false;

    fn cell(&self) -> Cell;
}

impl Value for bool {
    const KIND: Kind = Kind::Bool;

    fn cell(&self) -> Cell {
        Cell::Bool(*self)
    }
}

impl Value for i32 {
    const KIND: Kind = Kind::Int32;

    fn cell(&self) -> Cell {
        Cell::Int(i64::from(*self))
    }
}

impl Value for i64 {
    const KIND: Kind = Kind::Int64;

    fn cell(&self) -> Cell {
        Cell::Int(*self)
    }
}

impl Value for f64 {
    const KIND: Kind = Kind::Double;

    /// What is no number is unknown: neither JSON nor a sort has a place for it.
    fn cell(&self) -> Cell {
        if self.is_finite() { Cell::Double(*self) } else { Cell::Null }
    }
}

impl Value for String {
    const KIND: Kind = Kind::Text;

    fn cell(&self) -> Cell {
        Cell::Text(self.clone())
    }
}

impl Value for &'static str {
    const KIND: Kind = Kind::Text;

    fn cell(&self) -> Cell {
        Cell::Text((*self).to_owned())
    }
}

impl Value for Shared {
    const KIND: Kind = Kind::Text;

    fn cell(&self) -> Cell {
        Cell::Text(self.as_ref().to_owned())
    }
}

impl Value for Timestamp {
    const KIND: Kind = Kind::Time;

    fn cell(&self) -> Cell {
        Cell::Time(Timestamp::from_micros(self.micros()))
    }
}

impl<T: Value> Value for Option<T> {
    const KIND: Kind = T::KIND;
    const NULLABLE: bool = true;

    fn cell(&self) -> Cell {
        self.as_ref().map_or(Cell::Null, Value::cell)
    }
}

impl<T: Value> Value for Vec<T> {
    const KIND: Kind = Kind::List(&T::KIND);

    fn cell(&self) -> Cell {
        Cell::List(self.iter().map(Value::cell).collect())
    }
}

impl<T: Value> Value for BTreeMap<String, T> {
    const KIND: Kind = Kind::Map(&T::KIND);

    fn cell(&self) -> Cell {
        Cell::Map(self.iter().map(|(key, value)| (key.clone(), value.cell())).collect())
    }
}

/// A moment as every output writes it: RFC 3339, UTC, microseconds.
pub fn rfc3339(time: Timestamp) -> String {
    format_time(time, "%Y-%m-%dT%H:%M:%S.%6fZ")
}

/// A moment in a format of `strftime`, in UTC.
pub(crate) fn format_time(time: Timestamp, format: &str) -> String {
    jiff::Timestamp::from_microsecond(time.micros())
        .expect("64 bits of nanoseconds end in 2262, long before a calendar does")
        .strftime(format)
        .to_string()
}

/// A cell together with its kind, which knows the names of a struct's fields: as JSON.
pub(crate) struct Json<'a>(pub(crate) Kind, pub(crate) &'a Cell);

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (self.0, self.1) {
            (_, Cell::Bool(value)) => serializer.serialize_bool(*value),
            (_, Cell::Int(value)) => serializer.serialize_i64(*value),
            (_, Cell::Double(value)) => serializer.serialize_f64(*value),
            (_, Cell::Text(value)) => serializer.serialize_str(value),
            (_, Cell::Time(value)) => serializer.serialize_str(&rfc3339(*value)),
            (Kind::List(element), Cell::List(cells)) => {
                let mut list = serializer.serialize_seq(Some(cells.len()))?;
                for cell in cells {
                    list.serialize_element(&Json(*element, cell))?;
                }
                list.end()
            }
            (Kind::Map(kind), Cell::Map(entries)) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    map.serialize_entry(key, &Json(*kind, value))?;
                }
                map.end()
            }
            (Kind::Struct(columns), Cell::Struct(cells)) => {
                let mut map = serializer.serialize_map(Some(cells.len()))?;
                for (column, cell) in columns.iter().zip(cells) {
                    map.serialize_entry(column.name, &Json(column.kind, cell))?;
                }
                map.end()
            }
            _ => serializer.serialize_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_null_sorts_first_and_text_goes_by_its_bytes() {
        let mut cells = vec![Cell::Text("ä".into()), Cell::Text("Z".into()), Cell::Null, Cell::Text("a".into())];
        cells.sort();
        assert_eq!(cells, [Cell::Null, Cell::Text("Z".into()), Cell::Text("a".into()), Cell::Text("ä".into())]);
    }

    #[test]
    fn what_is_no_number_is_unknown() {
        assert_eq!(f64::NAN.cell(), Cell::Null);
        assert_eq!(Some(f64::INFINITY).cell(), Cell::Null);
        assert_eq!(0.5.cell(), Cell::Double(0.5));
    }

    #[test]
    fn times_are_whole_microseconds_in_utc() {
        let time = Timestamp::from_nanos(1_700_000_000_123_456_789);
        assert_eq!(rfc3339(time), "2023-11-14T22:13:20.123456Z");
        assert_eq!(time.cell(), Cell::Time(Timestamp::from_micros(1_700_000_000_123_456)));
        assert_eq!(rfc3339(Timestamp::from_nanos(i64::MIN)), "1677-09-21T00:12:43.145224Z");
        assert_eq!(rfc3339(Timestamp::MAX), "2262-04-11T23:47:16.854775Z");
    }
}
