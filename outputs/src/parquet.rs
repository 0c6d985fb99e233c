//! Rows of a table as a Parquet file and back. The bytes are a function of the rows and of who tells, of nothing else.

use std::path::Path;

use bytes::Bytes;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::arrow::arrow_writer::{ArrowWriter, ArrowWriterOptions};
use parquet::arrow::{ArrowSchemaConverter, ProjectionMask};
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::WriterProperties;
use parquet::schema::types::{ColumnPath, SchemaDescriptor};

use crate::arrow;
use crate::cell::{Cell, Row};
use crate::error::OutputError;
use crate::rows::sort;
use crate::runs::Run;
use crate::schema::{self, Table};

/// Who wrote a file, in the form that readers of Parquet expect. It never changes: the program's version stands in the
/// metadata, where a reader that works around bugs of writers does not look.
const CREATED_BY: &str = "otoscope version 1.0.0 (build lake)";

const LEVEL: i32 = 3;

/// A file of these rows, in the table's order whatever order they came in.
pub(crate) fn encode(table: &Table, mut rows: Vec<Row>, run: &Run) -> Result<Vec<u8>, ParquetError> {
    sort(table, &mut rows);
    let batch = arrow::batch(table.columns, &rows)?;
    let leaves = ArrowSchemaConverter::new().convert(&batch.schema())?;
    let options = ArrowWriterOptions::new()
        .with_properties(properties(table, &leaves, rows.len(), run)?)
        .with_skip_arrow_metadata(true);
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new_with_options(&mut bytes, batch.schema(), options)?;
    writer.write(&batch)?;
    writer.close()?;
    Ok(bytes)
}

/// The rows of a file. A column that the file does not have (it is of an older schema) is null; one that the schema does
/// not have (the file is of a newer one) is left out.
pub(crate) fn decode(table: &'static Table, bytes: Bytes, path: &Path) -> Result<Vec<Row>, OutputError> {
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let builder =
        ParquetRecordBatchReaderBuilder::try_new_with_options(bytes, options).map_err(OutputError::parquet(path))?;
    let fields = builder.schema().fields().iter().enumerate();
    let known: Vec<usize> = fields.filter(|(_, field)| table.index(field.name()).is_some()).map(|(i, _)| i).collect();
    let mask = ProjectionMask::roots(builder.parquet_schema(), known);
    let mut rows = Vec::new();
    for batch in builder.with_projection(mask).build().map_err(OutputError::parquet(path))? {
        let batch = batch.map_err(|error| OutputError::parquet(path)(error.into()))?;
        let columns = table.columns.iter().map(|column| match batch.column_by_name(column.name) {
            Some(array) => arrow::cells(array, column.kind)
                .ok_or_else(|| OutputError::Type { path: path.to_owned(), column: column.name }),
            None => Ok(vec![Cell::Null; batch.num_rows()]),
        });
        rows.extend(arrow::transposed(columns.collect::<Result<_, _>>()?, batch.num_rows()));
    }
    Ok(rows)
}

fn properties(
    table: &Table,
    leaves: &SchemaDescriptor,
    rows: usize,
    run: &Run,
) -> Result<WriterProperties, ParquetError> {
    let properties = WriterProperties::builder()
        .set_created_by(CREATED_BY.into())
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(LEVEL)?))
        .set_key_value_metadata(Some(metadata(run)))
        .set_sorting_columns(Some(sorting(table, leaves)));
    let looked_up = table.bloom.iter().flat_map(|column| leaves_of(leaves, column)).map(|(_, path)| path);
    let with_blooms = looked_up.fold(properties, |properties, leaf| {
        properties
            .set_column_bloom_filter_enabled(leaf.clone(), true)
            .set_column_bloom_filter_max_ndv(leaf, rows as u64)
    });
    Ok(with_blooms.build())
}

fn metadata(run: &Run) -> Vec<KeyValue> {
    [
        ("otoscope.schema_version", schema::VERSION.to_string()),
        ("otoscope.version", run.version.clone()),
        ("otoscope.sensor", run.provenance.sensor.clone()),
        ("otoscope.site", run.provenance.site.clone()),
        ("otoscope.run_id", run.provenance.run_id.clone()),
        ("otoscope.knowledge", run.knowledge.clone()),
    ]
    .map(|(key, value)| KeyValue::new(key.to_owned(), value))
    .into()
}

/// Declares the order in which the rows stand.
fn sorting(table: &Table, leaves: &SchemaDescriptor) -> Vec<SortingColumn> {
    let columns = table.order().into_iter().map(|i| table.columns[i].name);
    columns
        .flat_map(|column| leaves_of(leaves, column))
        .map(|(leaf, _)| SortingColumn { column_idx: leaf, descending: false, nulls_first: true })
        .collect()
}

/// The leaves of a column: itself, or what it lists (`ips.list.element`).
fn leaves_of<'a>(leaves: &'a SchemaDescriptor, column: &'a str) -> impl Iterator<Item = (i32, ColumnPath)> + 'a {
    let paths = (0..).zip(leaves.columns()).map(|(leaf, description)| (leaf, description.path().clone()));
    paths.filter(move |(_, path)| path.parts()[0] == column)
}
