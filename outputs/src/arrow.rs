//! Cells as Arrow arrays and back.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{
    Array, ArrayRef, BooleanArray, Float64Array, Int32Array, Int64Array, ListArray, MapArray, RecordBatch, StringArray,
    StructArray, TimestampMicrosecondArray,
};
use arrow_buffer::{ArrowNativeType, NullBuffer, OffsetBuffer};
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Fields, Schema, TimeUnit};
use dissectors::Timestamp;
use parquet::arrow::PARQUET_FIELD_ID_META_KEY;

use crate::cell::{Cell, Kind, Row};
use crate::schema::{Column, FieldId, field_ids};

/// Rows as one batch.
pub(crate) fn batch(columns: &[Column], rows: &[Row]) -> Result<RecordBatch, ArrowError> {
    let schema = Arc::new(schema(columns));
    let arrays = schema.fields().iter().enumerate().map(|(i, field)| {
        let cells: Vec<&Cell> = rows.iter().map(|row| &row[i]).collect();
        array(&cells, field.data_type())
    });
    let arrays = arrays.collect();
    RecordBatch::try_new(schema, arrays)
}

/// The cells of an array, or nothing when it is not of this kind.
pub(crate) fn cells(array: &dyn Array, kind: Kind) -> Option<Vec<Cell>> {
    let known = known_cells(array, kind)?;
    let cells = known.into_iter().enumerate();
    Some(cells.map(|(i, cell)| if array.is_null(i) { Cell::Null } else { cell }).collect())
}

/// The schema of these columns, with their field ids.
pub(crate) fn schema(columns: &[Column]) -> Schema {
    Schema::new(fields(columns, &field_ids(columns)))
}

fn fields(columns: &[Column], ids: &[FieldId]) -> Fields {
    let named = columns.iter().zip(ids);
    named.map(|(column, id)| field(column.name, column.kind, column.nullable, id)).collect()
}

fn field(name: &str, kind: Kind, nullable: bool, id: &FieldId) -> Field {
    let id_text = (PARQUET_FIELD_ID_META_KEY.to_owned(), id.id.to_string());
    Field::new(name, data_type(kind, &id.nested), nullable).with_metadata(HashMap::from([id_text]))
}

fn data_type(kind: Kind, nested: &[FieldId]) -> DataType {
    match kind {
        Kind::Bool => DataType::Boolean,
        Kind::Int32 => DataType::Int32,
        Kind::Int64 => DataType::Int64,
        Kind::Double => DataType::Float64,
        Kind::Text => DataType::Utf8,
        Kind::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        Kind::List(element) => DataType::List(Arc::new(field("element", *element, false, &nested[0]))),
        Kind::Map(value) => {
            let entry = [field("key", Kind::Text, false, &nested[0]), field("value", *value, false, &nested[1])];
            DataType::Map(Arc::new(Field::new("key_value", DataType::Struct(Fields::from_iter(entry)), false)), false)
        }
        Kind::Struct(columns) => DataType::Struct(fields(columns, nested)),
    }
}

fn array(cells: &[&Cell], data_type: &DataType) -> ArrayRef {
    match data_type {
        DataType::Boolean => Arc::new(cells.iter().map(|cell| cell.bool()).collect::<BooleanArray>()),
        DataType::Int32 => Arc::new(cells.iter().map(|cell| cell.int()?.try_into().ok()).collect::<Int32Array>()),
        DataType::Int64 => Arc::new(cells.iter().map(|cell| cell.int()).collect::<Int64Array>()),
        DataType::Float64 => Arc::new(cells.iter().map(|cell| cell.double()).collect::<Float64Array>()),
        DataType::Timestamp(_, zone) => {
            let micros = cells.iter().map(|cell| Some(cell.time()?.micros()));
            Arc::new(micros.collect::<TimestampMicrosecondArray>().with_timezone_opt(zone.clone()))
        }
        DataType::List(element) => Arc::new(list(cells, element)),
        DataType::Map(entry, _) => Arc::new(map(cells, entry)),
        DataType::Struct(fields) => Arc::new(structs(cells, fields)),
        _ => Arc::new(cells.iter().map(|cell| cell.text()).collect::<StringArray>()),
    }
}

fn list(cells: &[&Cell], element: &FieldRef) -> ListArray {
    let lists: Vec<&[Cell]> = cells.iter().map(|cell| cell.inner()).collect();
    let elements: Vec<&Cell> = lists.iter().copied().flatten().collect();
    let offsets = OffsetBuffer::from_lengths(lists.iter().map(|list| list.len()));
    ListArray::new(Arc::clone(element), offsets, array(&elements, element.data_type()), known(cells))
}

fn map(cells: &[&Cell], entry: &FieldRef) -> MapArray {
    let maps: Vec<&[(String, Cell)]> = cells.iter().map(|cell| cell.entries()).collect();
    let DataType::Struct(fields) = entry.data_type() else { unreachable!("a map's entries are structs") };
    let keys = StringArray::from_iter_values(maps.iter().copied().flatten().map(|(key, _)| key));
    let values: Vec<&Cell> = maps.iter().copied().flatten().map(|(_, value)| value).collect();
    let columns: Vec<ArrayRef> = vec![Arc::new(keys), array(&values, fields[1].data_type())];
    let offsets = OffsetBuffer::from_lengths(maps.iter().map(|map| map.len()));
    let entries = StructArray::new(fields.clone(), columns, None);
    MapArray::new(Arc::clone(entry), offsets, entries, known(cells), false)
}

fn structs(cells: &[&Cell], fields: &Fields) -> StructArray {
    let columns = fields.iter().enumerate().map(|(i, field)| {
        let column: Vec<&Cell> = cells.iter().map(|cell| cell.inner().get(i).unwrap_or(&Cell::Null)).collect();
        array(&column, field.data_type())
    });
    StructArray::new(fields.clone(), columns.collect(), None)
}

fn known(cells: &[&Cell]) -> Option<NullBuffer> {
    let known: Vec<bool> = cells.iter().map(|cell| !cell.is_null()).collect();
    Some(NullBuffer::from(known)).filter(|known| known.null_count() > 0)
}

/// The cells of an array; what stands where the array is null says nothing.
fn known_cells(array: &dyn Array, kind: Kind) -> Option<Vec<Cell>> {
    Some(match kind {
        Kind::Bool => array.as_boolean_opt()?.values().iter().map(Cell::Bool).collect(),
        Kind::Int32 => {
            array.as_primitive_opt::<Int32Type>()?.values().iter().map(|&v| Cell::Int(i64::from(v))).collect()
        }
        Kind::Int64 => array.as_primitive_opt::<Int64Type>()?.values().iter().map(|&v| Cell::Int(v)).collect(),
        Kind::Double => array.as_primitive_opt::<Float64Type>()?.values().iter().map(|&v| Cell::Double(v)).collect(),
        Kind::Text => {
            let texts = array.as_string_opt::<i32>()?;
            (0..texts.len()).map(|i| Cell::Text(texts.value(i).to_owned())).collect()
        }
        Kind::Time => {
            let micros = array.as_primitive_opt::<TimestampMicrosecondType>()?.values();
            micros.iter().map(|&v| Cell::Time(Timestamp::from_micros(v))).collect()
        }
        Kind::List(element) => {
            let lists = array.as_list_opt::<i32>()?;
            let elements = cells(lists.values(), *element)?;
            ranges(lists.offsets()).map(|range| Cell::List(elements[range].to_vec())).collect()
        }
        Kind::Map(value) => {
            let maps = array.as_map_opt()?;
            let keys = maps.keys().as_string_opt::<i32>()?;
            let values = cells(maps.values(), *value)?;
            let entry = |i: usize| (keys.value(i).to_owned(), values[i].clone());
            ranges(maps.offsets()).map(|range| Cell::Map(range.map(entry).collect())).collect()
        }
        Kind::Struct(columns) => {
            let structs = array.as_struct_opt()?;
            let fields: Option<Vec<Vec<Cell>>> =
                columns.iter().map(|column| cells(structs.column_by_name(column.name)?, column.kind)).collect();
            transposed(fields?, array.len()).into_iter().map(Cell::Struct).collect()
        }
    })
}

fn ranges(offsets: &OffsetBuffer<i32>) -> impl Iterator<Item = std::ops::Range<usize>> {
    offsets.windows(2).map(|pair| pair[0].as_usize()..pair[1].as_usize())
}

/// Columns as rows.
pub(crate) fn transposed(columns: Vec<Vec<Cell>>, rows: usize) -> Vec<Row> {
    let mut columns: Vec<_> = columns.into_iter().map(Vec::into_iter).collect();
    (0..rows).map(|_| columns.iter_mut().map(|column| column.next().unwrap_or_default()).collect()).collect()
}
