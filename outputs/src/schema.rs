//! The public contract: tables, columns, units, meanings. One place, from which all that is written and printed follows.
//!
//! The tables themselves stand in [`tables`]. A column's type is the type of the row's field, checked by the compiler in
//! both directions: a field without a column does not compile, nor does a column without a field.
//!
//! **How a table grows.** Only at its end, in a new `since N` block, never inside a struct; [`VERSION`] becomes N.
//! Field ids follow from that: see [`field_ids`].

use fingerprints::record::{Provenance, Record};

use crate::cell::{Kind, Row, Value};

mod json;
mod sql;
pub mod tables;
mod text;

pub use json::json;
pub use sql::{Dialect, sql};
pub use tables::TABLES;
pub use text::text;

/// The version of the schema that this program writes.
pub const VERSION: u32 = 3;

/// A public table.
#[derive(Debug)]
pub struct Table {
    /// Its name: a folder of the lake, and `"table"` in JSON lines.
    pub name: &'static str,
    /// What a row tells.
    pub doc: &'static str,
    /// What a row is of.
    pub grain: Grain,
    /// The columns that say which thing a row is of.
    pub key: &'static [&'static str],
    /// The ids and addresses that are looked up, each with a bloom filter in every file.
    pub bloom: &'static [&'static str],
    /// The columns that fit a screen.
    pub shown: &'static [&'static str],
    /// How a screen ranks the rows (as `--sort` is written), if not by the key.
    pub ranked: Option<&'static str>,
    /// All columns, those of the provenance first.
    pub columns: &'static [Column],
}

/// What a row is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grain {
    /// Counts of one window (`window_start`, `window_end`): they can be summed.
    Delta,
    /// What holds as of a moment (`as_of`, `revision`): the newest row of a key is the truth.
    State,
    /// One event.
    Log,
}

impl Grain {
    /// The columns that tell rows of one key apart, oldest first.
    pub(crate) const fn order(self) -> &'static [&'static str] {
        match self {
            Self::Delta => &["window_start"],
            Self::State => &["as_of", "revision"],
            Self::Log => &[],
        }
    }
}

/// A column of a table, or a field of a struct.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its name, with its unit where it has one.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Whether it may be unknown.
    pub nullable: bool,
    /// What it means.
    pub doc: &'static str,
    /// The version of the schema that brought it.
    pub since: u32,
}

impl Column {
    /// A column that holds what a row's field of this type holds. One that came later is null in files from before.
    const fn of<T: Value>(name: &'static str, since: u32, doc: &'static str) -> Self {
        Self { name, kind: T::KIND, nullable: T::NULLABLE || since > 1, doc, since }
    }
}

impl Table {
    /// The table of this name.
    pub fn named(name: &str) -> Option<&'static Table> {
        TABLES.into_iter().find(|table| table.name == name)
    }

    /// The table of a record, and the record as its row.
    pub fn row(record: &Record, provenance: &Provenance) -> (&'static Table, Row) {
        let Provenance { site, sensor, run_id } = provenance;
        let (table, cells) = tables::row(record);
        let row = [site, sensor, run_id].map(Value::cell).into_iter().chain(cells).collect();
        (table, row)
    }

    /// Where a column stands.
    pub fn index(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|candidate| candidate.name == column)
    }

    /// Where the columns stand by which rows are sorted: the key, then what tells rows of one key apart.
    pub fn order(&self) -> Vec<usize> {
        let later = self.grain.order().iter().filter(|column| !self.key.contains(column)).copied();
        self.indices(self.key.iter().copied().chain(later)).collect()
    }

    /// Where those of these columns stand that the table has.
    pub(crate) fn indices<'a>(&self, columns: impl Iterator<Item = &'a str>) -> impl Iterator<Item = usize> {
        columns.filter_map(|column| self.index(column))
    }
}

/// The field id of a column, and of what is nested in it.
#[derive(Debug, PartialEq, Eq)]
pub struct FieldId {
    /// The id, unique within its table.
    pub id: i32,
    /// The ids of a list's element, of a map's key and value, or of a struct's fields.
    pub nested: Vec<FieldId>,
}

/// Numbers columns for good: those of version 1 first, then what is nested in them; then each later column, and at once
/// what is nested in it.
///
/// So no id ever moves. Iceberg numbers a new table's columns, and each that is added to it, in the same way; any other
/// way would swap columns there in silence. An Iceberg table of our files is made of the columns of version 1, and grown.
pub fn field_ids(columns: &[Column]) -> Vec<FieldId> {
    let mut last = 0;
    let (first, later) = columns.split_at(columns.partition_point(|column| column.since == 1));
    let kinds: Vec<Kind> = first.iter().map(|column| column.kind).collect();
    let mut ids = number(&kinds, &mut last);
    for column in later {
        ids.extend(number(&[column.kind], &mut last));
    }
    ids
}

fn number(kinds: &[Kind], last: &mut i32) -> Vec<FieldId> {
    let ids: Vec<i32> = std::iter::repeat_with(|| {
        *last += 1;
        *last
    })
    .take(kinds.len())
    .collect();
    ids.into_iter().zip(kinds).map(|(id, kind)| FieldId { id, nested: number(&kind.children(), last) }).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const fn column(name: &'static str, kind: Kind, since: u32) -> Column {
        Column { name, kind, nullable: true, doc: "", since }
    }

    fn flat(ids: &[FieldId]) -> Vec<i32> {
        ids.iter().flat_map(|field| std::iter::once(field.id).chain(flat(&field.nested))).collect()
    }

    #[test]
    fn columns_are_numbered_before_what_is_nested_in_them() {
        const INNER: &[Column] = &[column("x", Kind::Int64, 1), column("y", Kind::List(&Kind::Text), 1)];
        let columns = [
            column("a", Kind::List(&Kind::Struct(INNER)), 1),
            column("b", Kind::Map(&Kind::Int64), 1),
            column("c", Kind::Text, 1),
        ];
        //  a  element  x  y  y.element  b  key value c
        assert_eq!(flat(&field_ids(&columns)), [1, 4, 5, 6, 7, 2, 8, 9, 3]);
    }

    #[test]
    fn a_later_column_moves_no_id() {
        let first = [column("a", Kind::List(&Kind::Text), 1), column("b", Kind::Map(&Kind::Text), 1)];
        let grown = [first[0], first[1], column("c", Kind::List(&Kind::Text), 2), column("d", Kind::Text, 2)];
        let (before, after) = (field_ids(&first), field_ids(&grown));
        assert_eq!(before[..], after[..2]);
        //  c  element  d: as Iceberg adds them, one by one
        assert_eq!(flat(&after[2..]), [6, 7, 8]);
    }

    #[test]
    fn ids_are_unique_and_whole() {
        for table in TABLES {
            let ids = flat(&field_ids(table.columns));
            let unique: BTreeSet<i32> = ids.iter().copied().collect();
            assert_eq!(unique, (1..=i32::try_from(ids.len()).unwrap()).collect(), "{}", table.name);
        }
    }

    #[test]
    fn tables_grow_at_their_end_and_know_no_future() {
        for table in TABLES {
            assert!(table.columns.is_sorted_by_key(|column| column.since), "{}", table.name);
            assert!(table.columns.iter().all(|column| (1..=VERSION).contains(&column.since)), "{}", table.name);
            assert!(table.columns.iter().all(|column| column.since == 1 || column.nullable), "{}", table.name);
        }
    }

    #[test]
    fn a_table_names_only_columns_that_it_has_and_names_each_once() {
        for table in TABLES {
            let names: BTreeSet<&str> = table.columns.iter().map(|column| column.name).collect();
            assert_eq!(names.len(), table.columns.len(), "{}", table.name);
            let used = [table.key, table.bloom, table.shown, table.grain.order()].concat();
            assert!(used.iter().all(|name| names.contains(name)), "{}: {used:?}", table.name);
        }
    }
}
