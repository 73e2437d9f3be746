"""What the queries of a page give: run on the share of its audience, read-only, with what the metadata base says beside it."""

import json
import math
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Timer
from typing import Any

import duckdb
import pyarrow as pa

from ingestion.core import sql
from ingestion.core.text import first_line
from larder.catalog import metadata
from larder.core.errors import LarderError
from larder.core.settings import Paths
from larder.governance.shares import SAID
from larder.queries import guard
from larder.site.reports.formats import UNSHOWN
from larder.site.reports.page import Report
from larder.warehouse.connection import PAGE, attach
from larder.warehouse.store import FILE

MOST_ROWS = 200_000
"""Rows that a query may give, over all choices of the reader."""

MOST_BYTES = 100_000_000
"""Bytes that they may have, as text."""

SECONDS = 60
MARTS = guard.SCHEMAS
SCHEMAS = (*MARTS, "share", *metadata.SCHEMAS)
"""What pages read: the share, what it says of itself, and the metadata base, which the catalog shows as well."""


RECORDS = pa.schema([("register", pa.string()), ("recorded_at", pa.timestamp("us"))])


CARDS = pa.schema([("name", pa.string()), ("content", pa.string()), ("written_at", pa.timestamp("us"))])


class NoRows(Exception):
    """A text needs a row of a query that has none, as before the first delivery."""


class Row:
    """A row of a query, with its columns as attributes."""

    def __init__(self, query: str, values: dict[str, Any]) -> None:
        self._query, self._values = query, values

    def __getattr__(self, column: str) -> Any:
        if column.startswith("_"):
            raise AttributeError(column)
        if column not in self._values:
            raise ValueError(f"the query {self._query} has no column {column}, but {', '.join(self._values)}")
        return self._values[column]


class Rows:
    """Rows of a query for templates. A column of the only row is an attribute: `{{ total.sales_usd }}`."""

    def __init__(self, name: str, rows: list[dict[str, Any]]) -> None:
        self._name, self._rows = name, rows

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Row]:
        return (Row(self._name, row) for row in self._rows)

    def __getitem__(self, place: Any) -> Any:
        if not self._rows:
            raise NoRows(self._name)
        if isinstance(place, slice):
            return Rows(self._name, self._rows[place])
        return Row(self._name, self._rows[place])

    def __getattr__(self, column: str) -> Any:
        if column.startswith("_"):
            raise AttributeError(column)
        if len(self._rows) > 1:
            raise ValueError(
                f"the query {self._name} has {len(self._rows)} rows, {column} is of one: {self._name}[0].{column}"
            )
        return getattr(self[0], column)


@dataclass(frozen=True)
class Result:
    """The rows of a query, its columns, and the tables that it reads as `<schema>.<table>`."""

    rows: list[dict[str, Any]]
    columns: list[str]
    tables: frozenset[str]
    sql: str


@contextmanager
def opened(
    paths: Paths, audience: str, base: duckdb.DuckDBPyConnection
) -> Iterator[duckdb.DuckDBPyConnection]:
    """The share of an audience and the metadata base in one place, without a way out. Raises LarderError where there is no share.

    `share.about` has a row for each table of every audience's share, `share.records` one for each time that somebody asked for a
    household's identifiers or report, or erased it, and `share.cards` one for each card of a model that was learned.
    """
    if not (paths.shares / audience / SAID).exists():
        step = "Name one of governance/audiences.yml, or write its share: larder shares"
        raise LarderError(f"the audience {audience} has no share", step)
    with closing(attach({"own": paths.shares / audience / FILE}, PAGE, paths.warehouse)) as connection:
        for schema, name in _tables(connection, "own", MARTS):
            connection.execute(f"create schema if not exists {sql.name(schema)}")
            connection.execute(
                f"create view {sql.name(schema, name)} as from {sql.name('own', schema, name)}"
            )
        copied = {
            (schema, name): base.sql(f"from {sql.name(schema, name)}").to_arrow_table()
            for schema, name in _tables(base, "memory", metadata.SCHEMAS)
        }
        for (schema, name), table in {
            **copied,
            ("share", "about"): _about(paths),
            ("share", "records"): _records(paths),
            ("share", "cards"): _cards(paths),
        }.items():
            connection.execute(f"create schema if not exists {sql.name(schema)}")
            connection.from_arrow(table).create(f"{schema}.{name}")
        yield connection


def results(report: Report, connection: duckdb.DuckDBPyConnection) -> dict[str, Result]:
    """Run the queries of a page, and give the rows of those that it shows. Raises LarderError, with the line, for one that is refused
    or does not run."""
    reads = tables(report)
    shown = {filter_.query for filter_ in report.filters}.union(*(block.uses for block in report.blocks))
    try:
        for name, (line, text) in report.queries.items():
            _run(report, connection, line, name, text)
        return {
            name: _result(report, connection, name, reads[name]) for name in report.queries if name in shown
        }
    finally:
        for name in report.queries:
            connection.execute(f"drop table if exists temp.{sql.name(name)}")


def _run(report: Report, connection: duckdb.DuckDBPyConnection, line: int, name: str, text: str) -> None:
    timer = Timer(SECONDS, connection.interrupt)
    timer.start()
    try:
        connection.execute(f"create temp table {sql.name(name)} as {text.strip().rstrip(';')}")
    except duckdb.InterruptException as error:
        reason = f"the query {name} took more than {SECONDS} seconds"
        raise report.wrong(line, reason, "Put the work into a mart.") from error
    except duckdb.Error as error:
        step = f"What the share of {report.audience} has stands in its table share.about and on the catalog's page Access."
        raise report.wrong(line, f"the query {name}: {first_line(error)}", step) from error
    finally:
        timer.cancel()


def _result(report: Report, connection: duckdb.DuckDBPyConnection, name: str, read: frozenset[str]) -> Result:
    line, text = report.queries[name]
    [(size,)] = connection.execute(
        f"select sum(strlen(one::varchar)) from temp.{sql.name(name)} as one"
    ).fetchall()
    if (size or 0) > MOST_BYTES:
        reason = f"the query {name} gives more than {MOST_BYTES:,} bytes"
        raise report.wrong(line, reason, "Select what is shown.")
    found = metadata.rows(connection, f"from temp.{sql.name(name)} limit {MOST_ROWS + 1}")
    rows = [{column: _shown(value) for column, value in row.items()} for row in found]
    if len(rows) > MOST_ROWS:
        reason = f"the query {name} has more than {MOST_ROWS:,} rows"
        raise report.wrong(line, reason, "Add up, or choose the first ones.")
    return Result(rows, [column for column, *_ in connection.description], read, text.strip())


def _shown(value: Any) -> Any:
    """A value as a page can show it: what was divided by nothing is no figure."""
    match value:
        case float():
            return value if math.isfinite(value) else None
        case str():
            return UNSHOWN.sub("\ufffd", value)
        case list():
            return [_shown(one) for one in value]
        case dict():
            return {str(_shown(key)): _shown(one) for key, one in value.items()}
    return value


def tables(report: Report) -> dict[str, frozenset[str]]:
    """What each query reads as `<schema>.<table>`, by itself or by those before it. Raises LarderError for one that is refused."""
    found: dict[str, frozenset[str]] = {}
    for name, (line, text) in report.queries.items():
        try:
            nodes = guard.require_select(text, SCHEMAS, found.keys())
        except LarderError as error:
            raise report.wrong(line, f"the query {name}: {error}", error.next_step) from error
        read = [
            (node["schema_name"].lower(), node["table_name"])
            for node in nodes
            if node.get("type") == "BASE_TABLE"
        ]
        own = {f"{schema}.{table}" for schema, table in read if schema}
        found[name] = frozenset(own.union(*(found.get(table, ()) for schema, table in read if not schema)))
    return found


def _tables(
    connection: duckdb.DuckDBPyConnection, database: str, schemas: tuple[str, ...]
) -> list[tuple[str, str]]:
    return connection.execute(
        "select schema_name, table_name from duckdb_tables() where database_name = ? and list_contains(?, schema_name)",
        [database, list(schemas)],
    ).fetchall()


def _about(paths: Paths) -> pa.Table:
    found = []
    for shown in sorted(path for path in paths.shares.iterdir() if path.is_symlink()):
        with closing(attach({"other": shown / FILE}, PAGE, paths.warehouse)) as share:
            found.append(share.sql("from other.share.about").to_arrow_table())
    return pa.concat_tables(found)


def _records(paths: Paths) -> pa.Table:
    """When something was put on record, and in which register; not of whom, nor by whom."""
    found = [
        {"register": file.stem, "recorded_at": datetime.fromisoformat(json.loads(line)["at"])}
        for file in sorted((paths.data / "audit").glob("*.jsonl"))
        for line in file.read_text().splitlines()
    ]
    return pa.Table.from_pylist(found, RECORDS)


def _cards(paths: Paths) -> pa.Table:
    found = [
        {
            "name": file.stem,
            "content": file.read_text(),
            "written_at": datetime.fromtimestamp(file.stat().st_mtime, UTC),
        }
        for file in sorted((paths.data / "science").glob("*.md"))
    ]
    return pa.Table.from_pylist(found, CARDS)
