//! The schema for people.

use super::{Column, FieldId, Grain, TABLES, Table, VERSION, field_ids};
use crate::cell::Kind;

/// All tables with their columns, as text: number, name, type and meaning of each.
pub fn text() -> String {
    let tables: String = TABLES.iter().map(|table| self::table(table)).collect();
    format!("otoscope schema, version {VERSION}\n{tables}")
}

fn table(table: &Table) -> String {
    let grain = match table.grain {
        Grain::Delta => "delta",
        Grain::State => "state",
        Grain::Log => "log",
    };
    let columns = columns(table.columns, &field_ids(table.columns), 1);
    format!("\n{} ({grain}; key {})\n{}\n{columns}", table.name, table.key.join(", "), table.doc)
}

fn columns(columns: &[Column], ids: &[FieldId], depth: usize) -> String {
    columns.iter().zip(ids).map(|(column, id)| line(column, id, depth)).collect()
}

/// A column's line, and those of the struct that it lists.
fn line(column: &Column, id: &FieldId, depth: usize) -> String {
    let inner = match (column.kind, &id.nested[..]) {
        (Kind::List(Kind::Struct(fields)), [element]) => columns(fields, &element.nested, depth + 1),
        _ => String::new(),
    };
    let indent = "  ".repeat(depth);
    let null = if column.nullable { "?" } else { "" };
    format!("{indent}{:>3} {}: {}{null}  {}\n{inner}", id.id, column.name, name(column.kind), column.doc)
}

fn name(kind: Kind) -> String {
    match kind {
        Kind::Bool => "boolean".into(),
        Kind::Int32 => "int32".into(),
        Kind::Int64 => "int64".into(),
        Kind::Double => "double".into(),
        Kind::Text => "string".into(),
        Kind::Time => "timestamp(us, UTC)".into(),
        Kind::List(element) => format!("list of {}", name(*element)),
        Kind::Map(value) => format!("map of string to {}", name(*value)),
        Kind::Struct(_) => "struct".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_a_line_with_its_number_type_and_meaning() {
        let text = text();
        assert!(text.contains("\nfindings (state; key finding_id)\n"));
        assert!(text.contains("\n    1 site: string  "));
        assert!(text.contains(" details: map of string to string  "));
        assert!(text.contains(" evidence: list of struct  "));
        assert!(text.contains(" frame: int64?  The frame, from 1 as Wireshark counts"));
    }
}
