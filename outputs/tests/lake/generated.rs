//! Rows of any table, filled with whatever its columns may hold.

use dissectors::Timestamp;
use outputs::schema::Column;
use outputs::{Cell, Kind, Row, Table};
use proptest::prelude::*;

/// Rows of a table. Their keys are few, so that some have several rows, and their times lie within two days, so that
/// there are few files.
pub(crate) fn rows(
    table: &'static Table,
    count: impl Into<prop::collection::SizeRange>,
) -> impl Strategy<Value = Vec<Row>> {
    prop::collection::vec(row(table), count)
}

fn row(table: &'static Table) -> impl Strategy<Value = Row> {
    let cells: Vec<_> = table.columns.iter().map(|column| cell_of(table, column)).collect();
    cells.prop_map(|mut row| {
        for (cell, text) in row.iter_mut().zip(["site", "sensor", "run"]) {
            *cell = Cell::Text(text.into());
        }
        row
    })
}

fn cell_of(table: &'static Table, column: &Column) -> BoxedStrategy<Cell> {
    let is_key = table.key.contains(&column.name);
    match column.kind {
        Kind::Text if is_key => "[ab]".prop_map(Cell::Text).boxed(),
        _ if column.nullable => prop_oneof![1 => Just(Cell::Null), 2 => cell(column.kind)].boxed(),
        _ => cell(column.kind),
    }
}

fn cell(kind: Kind) -> BoxedStrategy<Cell> {
    match kind {
        Kind::Bool => any::<bool>().prop_map(Cell::Bool).boxed(),
        Kind::Int32 => any::<i32>().prop_map(|value| Cell::Int(value.into())).boxed(),
        Kind::Int64 => any::<i64>().prop_map(Cell::Int).boxed(),
        Kind::Double => any::<f64>().prop_map(Cell::Double).boxed(),
        Kind::Text => any::<String>().prop_map(Cell::Text).boxed(),
        Kind::Time => (0..172_800_000_000i64)
            .prop_map(|micros| Cell::Time(Timestamp::from_micros(1_700_006_400_000_000 + micros)))
            .boxed(),
        Kind::List(element) => prop::collection::vec(cell(*element), 0..4).prop_map(Cell::List).boxed(),
        Kind::Map(value) => prop::collection::btree_map(any::<String>(), cell(*value), 0..4)
            .prop_map(|map| Cell::Map(map.into_iter().collect()))
            .boxed(),
        Kind::Struct(columns) => {
            let cells: Vec<_> = columns.iter().map(field).collect();
            cells.prop_map(Cell::Struct).boxed()
        }
    }
}

fn field(column: &Column) -> BoxedStrategy<Cell> {
    if column.nullable { prop_oneof![Just(Cell::Null), cell(column.kind)].boxed() } else { cell(column.kind) }
}
