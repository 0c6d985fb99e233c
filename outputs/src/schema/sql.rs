//! The schema as SQL: a view of each table over the files of a lake, and `TABLE_now` for what holds now.

use super::{Column, Grain, TABLES, Table, VERSION};
use crate::cell::Kind;

/// Whose SQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// DuckDB reads the files where they are.
    DuckDb,
    /// Spark keeps external tables in its catalog.
    Spark,
    /// Trino keeps external tables in its Hive catalog.
    Trino,
}

/// Statements that make each table, and each state table's `TABLE_now`, of the lake at `lake`.
///
/// DuckDB refuses a view over files when there are none, so `has_files` says of which tables there are some; the others
/// become empty views of the same columns. The statements may be run again at any time.
pub fn sql(dialect: Dialect, lake: &str, has_files: impl Fn(&Table) -> bool) -> String {
    let lake = lake.trim_end_matches('/');
    let mut statements = vec![format!("-- otoscope schema, version {VERSION}, for {}", dialect.preamble())];
    for table in TABLES {
        statements.push(match dialect {
            Dialect::DuckDb => over_files(table, lake, has_files(table)),
            Dialect::Spark | Dialect::Trino => external(dialect, table, lake),
        });
        if table.grain == Grain::State {
            statements.push(now(dialect, table));
        }
    }
    statements.join("\n\n") + "\n"
}

/// A view over files. Typed empty rows give every column its place and type, also when all files are of an older schema.
fn over_files(table: &Table, lake: &str, has_files: bool) -> String {
    let dialect = Dialect::DuckDb;
    let name = table.name;
    let columns = list(table.columns, ",\n    ", |column| {
        format!("NULL::{} AS {}", dialect.type_name(column.kind), dialect.name(column))
    });
    let files = quoted(&format!("{lake}/{name}/*/*/*.parquet"));
    let rows = if has_files {
        format!(
            "\nUNION ALL BY NAME\nSELECT * FROM read_parquet({files}, union_by_name = true, hive_partitioning = false)"
        )
    } else {
        String::new()
    };
    format!("CREATE OR REPLACE VIEW {name} AS\nSELECT\n    {columns}\nWHERE false{rows};")
}

/// A table of a catalog that keeps its rows in our files; it reads columns by their names.
fn external(dialect: Dialect, table: &Table, lake: &str) -> String {
    let name = table.name;
    let columns =
        list(table.columns, ",\n    ", |column| format!("{} {}", dialect.name(column), dialect.type_name(column.kind)));
    let text = dialect.type_name(Kind::Text);
    let location = quoted(&format!("{lake}/{name}"));
    let (storage, find_days) = if dialect == Dialect::Spark {
        (
            format!("USING parquet PARTITIONED BY (p_site, p_day) LOCATION {location}"),
            format!("MSCK REPAIR TABLE {name}"),
        )
    } else {
        (
            format!(
                "WITH (external_location = {location}, format = 'PARQUET', partitioned_by = ARRAY['p_site', 'p_day'])"
            ),
            format!("CALL system.sync_partition_metadata('otoscope', '{name}', 'FULL')"),
        )
    };
    format!(
        "DROP TABLE IF EXISTS {name};\n\
         CREATE TABLE {name} (\n    {columns},\n    p_site {text},\n    p_day {text}\n)\n\
         {storage};\n\
         {find_days};"
    )
}

/// The newest row of each key. The last two columns only decide between equals, so that all engines show the same row.
fn now(dialect: Dialect, table: &Table) -> String {
    let name = table.name;
    let columns = list(table.columns, ", ", |column| dialect.name(column));
    let key = table.key.join(", ");
    format!(
        "CREATE OR REPLACE VIEW {name}_now AS\nSELECT {columns}\nFROM (\n    \
         SELECT *, row_number() OVER (\n        \
         PARTITION BY {key} ORDER BY as_of DESC, revision DESC, run_id DESC, sensor DESC\n    \
         ) AS age FROM {name}\n) AS aged\nWHERE age = 1;"
    )
}

fn list(columns: &[Column], between: &str, write: impl Fn(&Column) -> String) -> String {
    columns.iter().map(write).collect::<Vec<_>>().join(between)
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

impl Dialect {
    const fn preamble(self) -> &'static str {
        match self {
            Self::DuckDb => "DuckDB.\n-- Run it again when a table got its first file: until then its view is empty.",
            Self::Spark => "Spark.\n-- Run it again to find new days.",
            Self::Trino => {
                "Trino with a Hive catalog `hive` and hive.timestamp-precision = MICROSECONDS.\n\
                 -- Run it again to find new days.\n\
                 CREATE SCHEMA IF NOT EXISTS hive.otoscope;\nUSE hive.otoscope;"
            }
        }
    }

    fn type_name(self, kind: Kind) -> String {
        match (self, kind) {
            (_, Kind::Bool) => "BOOLEAN".into(),
            (Self::Spark, Kind::Int32) => "INT".into(),
            (_, Kind::Int32) => "INTEGER".into(),
            (_, Kind::Int64) => "BIGINT".into(),
            (_, Kind::Double) => "DOUBLE".into(),
            (Self::Spark, Kind::Text) => "STRING".into(),
            (_, Kind::Text) => "VARCHAR".into(),
            (Self::DuckDb, Kind::Time) => "TIMESTAMPTZ".into(),
            (Self::Spark, Kind::Time) => "TIMESTAMP".into(),
            (Self::Trino, Kind::Time) => "TIMESTAMP(6)".into(),
            (Self::DuckDb, Kind::List(element)) => format!("{}[]", self.type_name(*element)),
            (Self::Spark, Kind::List(element)) => format!("ARRAY<{}>", self.type_name(*element)),
            (Self::Trino, Kind::List(element)) => format!("ARRAY({})", self.type_name(*element)),
            (Self::Spark, Kind::Map(value)) => format!("MAP<STRING, {}>", self.type_name(*value)),
            (_, Kind::Map(value)) => format!("MAP(VARCHAR, {})", self.type_name(*value)),
            (Self::DuckDb, Kind::Struct(columns)) => format!("STRUCT({})", self.fields(columns, " ")),
            (Self::Spark, Kind::Struct(columns)) => format!("STRUCT<{}>", self.fields(columns, ": ")),
            (Self::Trino, Kind::Struct(columns)) => format!("ROW({})", self.fields(columns, " ")),
        }
    }

    fn fields(self, columns: &[Column], between: &str) -> String {
        list(columns, ", ", |column| format!("{}{between}{}", self.name(column), self.type_name(column.kind)))
    }

    fn name(self, column: &Column) -> String {
        let quote = if self == Self::Spark { '`' } else { '"' };
        format!("{quote}{}{quote}", column.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_without_files_is_an_empty_view_of_the_same_columns() {
        let all = sql(Dialect::DuckDb, "/lake/", |_| true);
        let some = sql(Dialect::DuckDb, "/lake/", |table| table.name == "assets");
        assert_eq!(all.matches("read_parquet").count(), TABLES.len());
        assert_eq!(some.matches("read_parquet('/lake/assets/*/*/*.parquet'").count(), 1);
        assert_eq!(some.matches("read_parquet").count(), 1);
        assert_eq!(some.matches("WHERE false").count(), TABLES.len());
    }

    #[test]
    fn each_state_table_and_no_other_has_a_view_of_what_holds_now() {
        for dialect in [Dialect::DuckDb, Dialect::Spark, Dialect::Trino] {
            let sql = sql(dialect, "s3://bucket/lake", |_| true);
            assert!(
                sql.contains("VIEW assets_now") && sql.contains("VIEW claims_now") && sql.contains("VIEW findings_now")
            );
            assert_eq!(sql.matches("_now AS").count(), 3);
        }
    }

    #[test]
    fn a_quote_in_the_path_stays_inside_its_quotes() {
        assert!(sql(Dialect::Spark, "/it's", |_| true).contains("LOCATION '/it''s/assets'"));
    }

    #[test]
    fn nested_types_are_spelled_as_each_engine_spells_them() {
        const FIELDS: &[Column] = &[Column::of::<Vec<String>>("a", 1, ""), Column::of::<i32>("b", 1, "")];
        let kind = Kind::List(&Kind::Struct(FIELDS));
        assert_eq!(Dialect::DuckDb.type_name(kind), r#"STRUCT("a" VARCHAR[], "b" INTEGER)[]"#);
        assert_eq!(Dialect::Spark.type_name(kind), "ARRAY<STRUCT<`a`: ARRAY<STRING>, `b`: INT>>");
        assert_eq!(Dialect::Trino.type_name(kind), r#"ARRAY(ROW("a" ARRAY(VARCHAR), "b" INTEGER))"#);
    }
}
