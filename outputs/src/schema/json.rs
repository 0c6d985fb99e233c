//! The schema as JSON Schema: what a line of the JSON lines may hold.

use serde_json::{Map, Value, json};

use super::{Column, TABLES, Table, VERSION};
use crate::cell::Kind;

/// A JSON Schema (2020-12) of a row as JSON lines tell it: `"table"` says which definition holds.
pub fn json() -> Value {
    let rows: Vec<Value> = TABLES.iter().map(|table| json!({"$ref": format!("#/$defs/{}", table.name)})).collect();
    let tables: Map<String, Value> = TABLES.iter().map(|table| (table.name.into(), row(table))).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A row of otoscope",
        "version": VERSION.to_string(),
        "oneOf": rows,
        "$defs": tables,
    })
}

fn row(table: &Table) -> Value {
    let mut row = object(table.columns);
    row["description"] = table.doc.into();
    row["properties"]["table"] = json!({"const": table.name});
    if let Some(required) = row["required"].as_array_mut() {
        required.insert(0, "table".into());
    }
    row
}

fn object(columns: &[Column]) -> Value {
    let names: Vec<&str> = columns.iter().map(|column| column.name).collect();
    let properties: Map<String, Value> = columns.iter().map(|column| (column.name.into(), property(column))).collect();
    json!({"type": "object", "properties": properties, "required": names})
}

fn property(column: &Column) -> Value {
    let mut value = of(column.kind);
    value["description"] = column.doc.into();
    if column.nullable {
        value["type"] = json!([value["type"], "null"]);
    }
    value
}

fn of(kind: Kind) -> Value {
    match kind {
        Kind::Bool => json!({"type": "boolean"}),
        Kind::Int32 | Kind::Int64 => json!({"type": "integer"}),
        Kind::Double => json!({"type": "number"}),
        Kind::Text => json!({"type": "string"}),
        Kind::Time => json!({"type": "string", "format": "date-time"}),
        Kind::List(element) => json!({"type": "array", "items": of(*element)}),
        Kind::Map(value) => json!({"type": "object", "additionalProperties": of(*value)}),
        Kind::Struct(columns) => object(columns),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_null_is_allowed_where_it_may_stand_and_only_there() {
        let schema = json();
        let assets = &schema["$defs"]["assets"]["properties"];
        assert_eq!(assets["vendor"]["type"], json!(["string", "null"]));
        assert_eq!(assets["asset_id"]["type"], "string");
        assert_eq!(assets["macs"]["items"]["type"], "string");
        assert_eq!(assets["table"]["const"], "assets");
        let frame = &schema["$defs"]["findings"]["properties"]["evidence"]["items"]["properties"]["frame"];
        assert_eq!(frame["type"], json!(["integer", "null"]));
    }
}
