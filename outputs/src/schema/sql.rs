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

/// Statements that make a view of each table, and `TABLE_now` of each state table, of the lake at `lake`: an absolute path
/// or a URL, because each engine takes others from a place of its own.
///
/// Engines refuse files where there are none, so `has_files` says of which tables there are some; the others become
/// empty views of the same columns. The statements may be run again at any time, and must be after a table's first file.
pub fn sql(dialect: Dialect, lake: &str, has_files: impl Fn(&Table) -> bool) -> String {
    let lake = lake.trim_end_matches('/');
    let mut statements = vec![format!("-- otoscope schema, version {VERSION}, for {}", dialect.preamble())];
    for table in TABLES {
        statements.push(match dialect {
            _ if !has_files(table) => format!("CREATE OR REPLACE VIEW {} AS\n{};", table.name, no_rows(dialect, table)),
            Dialect::DuckDb => over_files(table, lake),
            Dialect::Spark | Dialect::Trino => over_external(dialect, table, lake),
        });
        if table.grain == Grain::State {
            statements.push(now(dialect, table));
        }
    }
    statements.join("\n\n") + "\n"
}

/// A query of no rows that has every column in its place and of its type.
fn no_rows(dialect: Dialect, table: &Table) -> String {
    let null = |(name, kind)| format!("CAST(NULL AS {kind}) AS {name}");
    let columns: Vec<String> = dialect.columns(table).into_iter().map(null).collect();
    format!("SELECT\n    {}\nWHERE false", columns.join(",\n    "))
}

/// A view over files. The query of no rows adds the columns that files of an older schema do not have.
fn over_files(table: &Table, lake: &str) -> String {
    let name = table.name;
    let files = quoted(&format!("{lake}/{name}/*/*/*.parquet"));
    let columns = no_rows(Dialect::DuckDb, table);
    format!(
        "CREATE OR REPLACE VIEW {name} AS\n{columns}\nUNION ALL BY NAME\n\
         SELECT * FROM read_parquet({files}, union_by_name = true, hive_partitioning = false);"
    )
}

/// A view over `TABLE_files`, a table of a catalog that keeps its rows in our files and reads columns by their names.
fn over_external(dialect: Dialect, table: &Table, lake: &str) -> String {
    let name = table.name;
    let location = quoted(&format!("{lake}/{name}"));
    let columns: Vec<String> =
        dialect.columns(table).into_iter().map(|(name, kind)| format!("{name} {kind}")).collect();
    let (storage, find_days) = if dialect == Dialect::Spark {
        (
            format!("USING parquet PARTITIONED BY (p_site, p_day) LOCATION {location}"),
            format!("MSCK REPAIR TABLE {name}_files"),
        )
    } else {
        (
            format!(
                "WITH (external_location = {location}, format = 'PARQUET', partitioned_by = ARRAY['p_site', 'p_day'])"
            ),
            format!("CALL system.sync_partition_metadata('otoscope', '{name}_files', 'FULL')"),
        )
    };
    format!(
        "DROP TABLE IF EXISTS {name}_files;\n\
         CREATE TABLE {name}_files (\n    {}\n)\n{storage};\n\
         {find_days};\n\
         CREATE OR REPLACE VIEW {name} AS\nSELECT * FROM {name}_files;",
        columns.join(",\n    ")
    )
}

/// The newest row of each key. The last two columns only decide between equals, so that all engines show the same row.
fn now(dialect: Dialect, table: &Table) -> String {
    let name = table.name;
    let columns: Vec<String> = dialect.columns(table).into_iter().map(|(name, _)| name).collect();
    let columns = columns.join(", ");
    let key = table.key.join(", ");
    format!(
        "CREATE OR REPLACE VIEW {name}_now AS\nSELECT {columns}\nFROM (\n    \
         SELECT *, row_number() OVER (\n        \
         PARTITION BY {key} ORDER BY as_of DESC, revision DESC, run_id DESC, sensor DESC\n    \
         ) AS age FROM {name}\n) AS aged\nWHERE age = 1;"
    )
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

    /// The names and types of a table's columns, with the path's keys where the engine knows those, to leave out days by.
    fn columns(self, table: &Table) -> Vec<(String, String)> {
        let columns = table.columns.iter().map(|column| (column.name, column.kind));
        let keys = [("p_site", Kind::Text), ("p_day", Kind::Text)];
        let keys = keys.into_iter().filter(|_| self != Self::DuckDb);
        columns.chain(keys).map(|(name, kind)| (self.name(name), self.type_name(kind))).collect()
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
        let field = |column: &Column| format!("{}{between}{}", self.name(column.name), self.type_name(column.kind));
        columns.iter().map(field).collect::<Vec<_>>().join(", ")
    }

    fn name(self, name: &str) -> String {
        let quote = if self == Self::Spark { '`' } else { '"' };
        format!("{quote}{name}{quote}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_without_files_is_an_empty_view_of_the_same_columns() {
        for (dialect, files) in [
            (Dialect::DuckDb, "read_parquet('/lake/assets/*/*/*.parquet'"),
            (Dialect::Spark, "LOCATION '/lake/assets'"),
            (Dialect::Trino, "external_location = '/lake/assets'"),
        ] {
            let sql = sql(dialect, "/lake/", |table| table.name == "assets");
            assert!(sql.contains(files), "{sql}");
            assert_eq!(sql.matches("/lake/").count(), 1);
            for table in TABLES {
                assert!(sql.contains(&format!("CREATE OR REPLACE VIEW {} AS\nSELECT", table.name)));
            }
        }
    }

    #[test]
    fn each_state_table_and_no_other_has_a_view_of_what_holds_now() {
        for dialect in [Dialect::DuckDb, Dialect::Spark, Dialect::Trino] {
            let sql = sql(dialect, "s3://bucket/lake", |_| true);
            for table in ["assets", "claims", "certificates", "findings"] {
                assert!(sql.contains(&format!("VIEW {table}_now")), "{table}");
            }
            assert_eq!(sql.matches("_now AS").count(), 4);
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
