//! Rows of a table as a Parquet file and back. The bytes are a function of the rows and of who tells, of nothing else.

use std::path::Path;

use bytes::Bytes;
use fingerprints::record::Provenance;
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

/// What every file says of itself.
pub(crate) const METADATA: [&str; 6] = [
    "otoscope.schema_version",
    "otoscope.version",
    "otoscope.sensor",
    "otoscope.site",
    "otoscope.run_id",
    "otoscope.knowledge",
];

fn metadata(run: &Run) -> Vec<KeyValue> {
    let Provenance { site, sensor, run_id } = run.provenance.clone();
    let values = [schema::VERSION.to_string(), run.version.clone(), sensor, site, run_id, run.knowledge.clone()];
    METADATA.into_iter().zip(values).map(|(key, value)| KeyValue::new(key.to_owned(), value)).collect()
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

#[cfg(test)]
mod tests {
    use fingerprints::record::{AssetRow, Record};
    use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};

    use super::*;
    use crate::schema::tables::ASSETS;
    use crate::schema::{FieldId, TABLES, field_ids};

    fn run() -> Run {
        let provenance = Provenance { site: "s".into(), sensor: "x".into(), run_id: "r".into() };
        Run { provenance, version: "1.2.3".into(), knowledge: "k".into(), inputs: Vec::new() }
    }

    fn assets() -> Vec<Row> {
        let asset = |id: &str| AssetRow { asset_id: id.into(), ips: vec!["10.0.0.1".into()], ..AssetRow::default() };
        ["b", "a"].map(|id| Table::row(&Record::from(asset(id)), &run().provenance).1).into()
    }

    fn metadata_of(file: &[u8]) -> ParquetMetaData {
        let reader = ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Required);
        reader.parse_and_finish(&Bytes::copy_from_slice(file)).unwrap()
    }

    /// The table as its first columns alone would be: an older schema.
    fn first(count: usize) -> Table {
        let Table { name, doc, grain, key, .. } = ASSETS;
        Table { name, doc, grain, key, bloom: &[], shown: &[], ranked: None, columns: &ASSETS.columns[..count] }
    }

    #[test]
    fn a_file_says_who_wrote_it_and_how_it_is_sorted() {
        let metadata = metadata_of(&encode(&ASSETS, assets(), &run()).unwrap());
        let file = metadata.file_metadata();
        assert_eq!(file.created_by(), Some("otoscope version 1.0.0 (build lake)"));
        let told: Vec<_> =
            file.key_value_metadata().unwrap().iter().map(|pair| pair.value.as_deref().unwrap()).collect();
        assert_eq!(told, [schema::VERSION.to_string().as_str(), "1.2.3", "x", "s", "r", "k"]);
        let group = metadata.row_group(0);
        let sorted = group.sorting_columns().unwrap().iter().map(|sorted| usize::try_from(sorted.column_idx).unwrap());
        let paths: Vec<_> = sorted.map(|leaf| group.column(leaf).column_path().string()).collect();
        assert_eq!(paths, ["asset_id", "as_of", "revision"]);
    }

    #[test]
    fn what_is_looked_up_has_a_bloom_filter_and_every_column_its_statistics() {
        let metadata = metadata_of(&encode(&ASSETS, assets(), &run()).unwrap());
        let columns = metadata.row_group(0).columns();
        let blooms = columns.iter().filter(|column| column.bloom_filter_offset().is_some());
        assert_eq!(
            blooms.map(|column| column.column_path().string()).collect::<Vec<_>>(),
            ["asset_id", "parent_asset_id", "macs.list.element", "ips.list.element", "serial"]
        );
        assert!(columns.iter().all(|column| column.statistics().is_some() && column.column_index_offset().is_some()));
        assert!(columns.iter().all(|column| matches!(column.compression(), Compression::ZSTD(_))));
    }

    #[test]
    fn the_file_carries_the_field_ids_of_the_schema() {
        fn ids_of(node: &parquet::schema::types::Type) -> Vec<i32> {
            let info = node.get_basic_info();
            let own = info.has_id().then(|| info.id());
            let nested =
                if node.is_group() { node.get_fields().iter().flat_map(|it| ids_of(it)).collect() } else { vec![] };
            own.into_iter().chain(nested).collect()
        }
        fn flat(ids: &[FieldId]) -> Vec<i32> {
            ids.iter().flat_map(|field| std::iter::once(field.id).chain(flat(&field.nested))).collect()
        }
        for table in TABLES {
            let metadata = metadata_of(&encode(table, Vec::new(), &run()).unwrap());
            let schema = metadata.file_metadata().schema_descr().root_schema();
            assert_eq!(ids_of(schema), flat(&field_ids(table.columns)), "{}", table.name);
        }
    }

    #[test]
    fn a_column_that_the_file_does_not_have_is_null() {
        let cut: Vec<Row> = assets().into_iter().map(|row| row[..10].to_vec()).collect();
        let file = encode(&first(10), cut, &run()).unwrap();
        let rows = decode(&ASSETS, file.into(), Path::new("old.parquet")).unwrap();
        for (row, whole) in rows.iter().rev().zip(assets()) {
            assert_eq!(row[..10], whole[..10]);
            assert!(row.len() == ASSETS.columns.len() && row[10..].iter().all(Cell::is_null));
        }
    }

    #[test]
    fn a_column_that_only_the_file_has_is_left_out() {
        let old: &'static Table = Box::leak(Box::new(first(10)));
        let file = encode(&ASSETS, assets(), &run()).unwrap();
        let rows = decode(old, file.into(), Path::new("new.parquet")).unwrap();
        assert!(rows.len() == 2 && rows.iter().all(|row| row.len() == 10));
    }

    #[test]
    fn a_column_of_another_type_is_an_error_that_names_it() {
        let file = encode(&ASSETS, assets(), &run()).unwrap();
        let columns = [ASSETS.columns[0], crate::schema::Column { kind: crate::Kind::Int64, ..ASSETS.columns[1] }];
        let other: &'static Table = Box::leak(Box::new(Table { columns: columns.to_vec().leak(), ..first(0) }));
        let error = decode(other, file.into(), Path::new("x.parquet")).unwrap_err();
        assert_eq!(error.to_string(), "x.parquet: column sensor is not of the type that the schema says");
    }

    #[test]
    fn what_is_no_parquet_is_an_error_that_names_the_file() {
        let error = decode(&ASSETS, Bytes::from_static(b"half a file"), Path::new("x.parquet")).unwrap_err();
        assert!(matches!(&error, OutputError::Parquet { path, .. } if path == Path::new("x.parquet")), "{error}");
    }
}
