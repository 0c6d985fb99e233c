"""Reads a lake with the engines that its users have, and holds what they see against the files and the program.

    engines.py LAKE COMMAND...

COMMAND is the program (`otoscope`, or `cargo run -q -p outputs --example lake --`). Needs duckdb, pandas, polars,
pyarrow and pyiceberg[sql-sqlite,pyarrow]. Ends with `N passed, N failed`.
"""

import datetime
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

import duckdb
import pandas
import polars
import pyarrow
import pyarrow.dataset
import pyarrow.parquet
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.io.pyarrow import pyarrow_to_schema
from pyiceberg.schema import Schema

TABLES = ["assets", "claims", "services", "activity", "operations", "findings", "captures", "coverage", "health"]
STATE = ["assets", "claims", "findings"]
NEW_COLUMNS = 3  # what the older schema of this test does not have yet

passed, failed = 0, []


def check(name, is_right, detail=""):
    global passed
    if is_right:
        passed += 1
    else:
        failed.append(name)
        print(f"FAILED {name} {detail}")


def files(lake, table):
    return sorted(map(str, lake.glob(f"{table}/*/*/*.parquet")))


def canonical(value):
    """A value as JSON lines tell it, so that engines with types of their own can be compared."""
    if isinstance(value, datetime.datetime):
        value = value.astimezone(datetime.timezone.utc)
        return value.strftime("%Y-%m-%dT%H:%M:%S.%f").rjust(26, "0") + "Z"
    if isinstance(value, dict):
        return {key: canonical(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [canonical(inner) for inner in value]
    if isinstance(value, tuple):
        return tuple(canonical(inner) for inner in value)
    return value


def is_map(field):
    return pyarrow.types.is_map(field.type)


def rows(table):
    """The rows of an Arrow table as JSON texts, in an order of their own."""
    maps = {field.name for field in table.schema if is_map(field)}

    def plain(name, value):
        return dict(canonical(value)) if name in maps and value is not None else canonical(value)

    return sorted(json.dumps({k: plain(k, v) for k, v in row.items()}, sort_keys=True) for row in table.to_pylist())


def same_rows(name, seen, expected):
    difference = next(((a, b) for a, b in zip(seen, expected) if a != b), "")
    check(name, seen == expected, f"{len(seen)} rows, {len(expected)} expected; first difference: {str(difference)[:600]}")


def reference(paths):
    return pyarrow.concat_tables(pyarrow.parquet.ParquetFile(path).read() for path in paths)


def views(command, lake):
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(run(command, "schema", "--sql", "duckdb", "--lake", str(lake)))
    return connection


def run(command, *arguments):
    return subprocess.run([*command, *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout


def iceberg(lake, table, scratch):
    """Every value through an Iceberg table, by the field ids of our files; files of version 1 stand in it as well.

    Iceberg numbers by itself: a new table's columns first, then what is nested in them; a column that is added later
    after all that there is, and at once what is nested in it. So the table is made of the columns of version 1 (their
    ids count from 1 without a gap) and then grown, as one was that took our files before there were other columns.
    Made of all columns at once it would number the later ones as our files number what is nested in the first ones,
    and no numbering of ours could help that without moving ids of files that are written.
    """
    paths = files(lake, table)
    expected = reference(paths)
    schema = pyarrow_to_schema(expected.schema, format_version=2)
    first = Schema(*[field for place, field in enumerate(schema.fields, 1) if field.field_id == place])
    later = schema.fields[len(first.fields) :]
    catalog = SqlCatalog("test", uri=f"sqlite:///{scratch}/{table}.db", warehouse=f"file://{scratch}/{table}")
    catalog.create_namespace("otoscope")
    made = catalog.create_table(f"otoscope.{table}", first)
    check(f"{table}: a new Iceberg table numbers as version 1", ids(made.schema()) == ids(first))
    old = expected.select([field.name for field in first.fields])
    pyarrow.parquet.write_table(old, f"{scratch}/{table}-1.parquet")
    made.add_files([f"{scratch}/{table}-1.parquet"])
    with made.update_schema() as update:
        for field in later:
            update.add_column(field.name, field.field_type)
    check(f"{table}: an Iceberg table that grew numbers as we do", ids(made.schema()) == ids(schema))
    made.add_files(paths)
    seen = made.scan().to_arrow()
    check(f"{table}: Iceberg keeps the order of columns", seen.column_names == expected.column_names)
    both = pyarrow.concat_tables([expected, old], promote_options="default")
    same_rows(f"{table}: Iceberg, every value of both versions", rows(seen), rows(both))
    same_rows(
        f"{table}: Iceberg finds a row by its site",
        rows(made.scan(row_filter="site = 'no such site'").to_arrow()),
        [],
    )


def ids(schema):
    return {schema.find_column_name(i): i for i in schema.field_ids}


def engines(lake, table):
    paths = files(lake, table)
    expected = reference(paths)
    count = expected.num_rows
    check(f"{table}: pandas", len(pandas.read_parquet(lake / table)) == count)
    check(f"{table}: pandas, file by file", sum(len(pandas.read_parquet(path)) for path in paths) == count)
    frame = polars.scan_parquet(f"{lake}/{table}/*/*/*.parquet", hive_partitioning=False).collect()
    check(f"{table}: Polars", frame.height == count and frame.columns == expected.column_names)
    times = [field.name for field in expected.schema if pyarrow.types.is_timestamp(field.type)]
    check(f"{table}: Polars sees times in UTC", all(frame[time].dtype.time_zone == "UTC" for time in times))
    by_glob = duckdb.sql(f"FROM read_parquet('{lake}/{table}/*/*/*.parquet', hive_partitioning = false)")
    check(f"{table}: DuckDB", by_glob.columns == expected.column_names)
    with_keys = duckdb.sql(f"SELECT DISTINCT p_site FROM read_parquet('{lake}/{table}/*/*/*.parquet', hive_partitioning = true)")
    check(f"{table}: DuckDB sees the path's keys", all(site.startswith("s-") for (site,) in with_keys.fetchall()))
    statistics = [pyarrow.parquet.ParquetFile(path).metadata.row_group(0).column(0).statistics for path in paths]
    check(f"{table}: statistics", all(found is not None and found.has_min_max for found in statistics))
    metadata = {key.decode() for path in paths for key in pyarrow.parquet.ParquetFile(path).metadata.metadata}
    names = ["schema_version", "version", "sensor", "site", "run_id", "knowledge"]
    check(f"{table}: metadata", metadata == {f"otoscope.{name}" for name in names}, metadata)


def program_and_views(command, lake, title):
    """The views see what the program sees, row by row and value by value."""
    connection = views(command, lake)
    for table in TABLES:
        view = f"{table}_now" if table in STATE else table
        seen = connection.sql(f"FROM {view}").to_arrow_table()
        told = json.loads(run(command, table, str(lake), "--format", "json"))
        same_rows(f"{table}: the view of {title}", rows(seen), sorted(json.dumps(row, sort_keys=True) for row in told))


def older_file(lake, table):
    """A file as an older schema would have written it: without the newest columns, by another run.

    Its states are as of the same moments, so that which of two rows is the newest hangs on the run alone.
    """
    path = pathlib.Path(files(lake, table)[0])
    whole = pyarrow.parquet.ParquetFile(path).read()
    run = whole.schema.get_field_index("run_id")
    whole = whole.set_column(run, whole.schema.field(run), pyarrow.array(["old"] * whole.num_rows))
    old = lake / table / "p_site=s-old" / "p_day=2020-01-01" / "sensor-old-0000.parquet"
    old.parent.mkdir(parents=True)
    pyarrow.parquet.write_table(whole.select(whole.column_names[:-NEW_COLUMNS]), old, compression="zstd")
    return old


def two_versions(command, lake, scratch):
    mixed = scratch / "mixed"
    shutil.copytree(lake, mixed)
    present = [table for table in TABLES if files(lake, table)]
    older = {table: older_file(mixed, table) for table in present}
    connection = views(command, mixed)
    for table, old in older.items():
        new = reference(files(lake, table))
        count = new.num_rows + pyarrow.parquet.read_metadata(old).num_rows
        seen = connection.sql(f"FROM {table}").to_arrow_table()
        check(f"{table}: view of two versions", seen.num_rows == count and seen.column_names == new.column_names)
        frame = polars.scan_parquet(
            files(lake, table) + [str(old)], hive_partitioning=False, missing_columns="insert"
        ).collect()
        check(f"{table}: Polars of two versions", frame.height == count)
        dataset = pyarrow.dataset.dataset(files(lake, table) + [str(old)], schema=optional(new.schema))
        check(f"{table}: pyarrow of two versions", dataset.to_table().num_rows == count)
    program_and_views(command, mixed, "two versions")

    only_old = scratch / "only_old"
    for table, old in older.items():
        target = only_old / old.relative_to(mixed)
        target.parent.mkdir(parents=True)
        shutil.copy(old, target)
    connection = views(command, only_old)
    for table in present:
        names = connection.sql(f"FROM {table}").columns
        check(f"{table}: a view of old files has all columns", names == reference(files(lake, table)).column_names)
        lost = connection.sql(f"SELECT count({names[-1]}) FROM {table}").fetchall()
        check(f"{table}: a column that came later is null", lost == [(0,)])


def optional(schema):
    return pyarrow.schema([field.with_nullable(True) for field in schema])


def empty(command, scratch):
    lake = scratch / "empty"
    lake.mkdir()
    (lake / "_lake.json").write_text('{"site": "default"}')
    connection = views(command, lake)
    for table in TABLES + [f"{table}_now" for table in STATE]:
        check(f"{table}: an empty lake", connection.sql(f"SELECT count(*) FROM {table}").fetchall() == [(0,)])


def main():
    lake, command = pathlib.Path(sys.argv[1]).resolve(), sys.argv[2:]
    with tempfile.TemporaryDirectory() as folder:
        scratch = pathlib.Path(folder)
        for table in TABLES:
            if files(lake, table):
                engines(lake, table)
                iceberg(lake, table, scratch)
        program_and_views(command, lake, "the lake")
        two_versions(command, lake, scratch)
        empty(command, scratch)
    print(f"{passed} passed, {len(failed)} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
