"""Runs the SQL of a README on a lake, and holds what it prints against what the README says that it prints.

    readme.py LAKE README.md COMMAND... [--print] [--at-least N]

COMMAND is the program (`otoscope`): its `schema --sql duckdb --lake LAKE` makes the views. A block is ```sql with SQL
of DuckDB, and after it, blank lines aside, ```text with the rows: a line of column names, then a line for each row, as
`--print` prints them. Columns stand two spaces apart, `-` is null or a list of nothing, a list is its elements with
commas between them, a time is UTC. SQL without ```text after it is not run. Write the SQL with an ORDER BY that leaves
nothing open, run

    otoscope read pcaps --out lake && readme.py lake README.md otoscope --print

and paste. Without `--print`, ends with `N blocks, N wrong`, and fails when one is wrong or there are fewer than N.
"""

import argparse
import datetime
import pathlib
import re
import subprocess
import sys

import duckdb

LINES = r"((?:(?!```).*\n)*)"  # up to the next fence
BLOCK = re.compile(rf"^```sql\n{LINES}```\n\s*^```text\n{LINES}```$", re.MULTILINE)


def shown(value):
    if value is None or value == [] or value == {}:
        return "-"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, list):
        return ", ".join(map(shown, value))
    if isinstance(value, dict):
        return ", ".join(f"{key}={shown(inner)}" for key, inner in value.items())
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(value))


def printed(relation):
    rows = [relation.columns] + [[shown(value) for value in row] for row in relation.fetchall()]
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
    return "\n".join(lines) + "\n"


def blocks(text):
    """Line, SQL and expected rows of each block."""
    for block in BLOCK.finditer(text):
        yield text.count("\n", 0, block.start()) + 1, block[1], block[2]


def result(connection, sql):
    """What the SQL gives, and whether it gives rows at all."""
    try:
        relation = connection.sql(sql)
        return (printed(relation), True) if relation else ("no rows: it is no query\n", False)
    except duckdb.Error as error:
        return f"{error}\n", False


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("lake", type=pathlib.Path)
    parser.add_argument("readme", type=pathlib.Path)
    parser.add_argument("command", nargs="+")
    parser.add_argument("--print", action="store_true", help="print the blocks as they should be")
    parser.add_argument("--at-least", type=int, default=0, metavar="N", help="fail when there are fewer blocks")
    arguments = parser.parse_args()

    views = [*arguments.command, "schema", "--sql", "duckdb", "--lake", str(arguments.lake.resolve())]
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(subprocess.run(views, check=True, stdout=subprocess.PIPE, text=True).stdout)

    found, wrong = 0, 0
    for line, sql, expected in blocks(arguments.readme.read_text()):
        found += 1
        seen, is_query = result(connection, sql)
        if arguments.print and is_query:
            print(f"```sql\n{sql}```\n\n```text\n{seen}```\n")
        elif not is_query or seen != expected:
            wrong += 1
            print(f"{arguments.readme}:{line}: the block says\n{expected}and it gives\n{seen}")
    if not arguments.print:
        print(f"{found} blocks, {wrong} wrong")
    if found < arguments.at_least:
        print(f"at least {arguments.at_least} are expected")
    sys.exit(1 if wrong or found < arguments.at_least else 0)


if __name__ == "__main__":
    main()
