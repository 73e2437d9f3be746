"""What the columns of a table contain, as counts and shapes; values only of columns that reveal nothing about a person."""

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import duckdb

from ingestion.core import sql
from larder.warehouse.relations import quoted

SAMPLE = 10_000
"""Rows from which frequent values and histograms are taken; counts, minimum and maximum are of all rows."""

EXACT, ESTIMATED = 200_000, 1_000_000
"""Rows up to which different values are counted, and up to which their number is estimated, within a tenth: it costs most."""

TOP = 8
BINS = 10
SHOWN = 100
"""Characters of a value that are shown."""

NUMBERS = re.compile(r"u?(tinyint|smallint|integer|bigint|hugeint)|float|double|decimal\(\d+, \d+\)")
TIMES = re.compile(r"date|timestamp( with time zone|_s|_ms|_ns)?")
YEARS = (-62_135_596_800, 253_402_300_799)
"""The years 1 to 9999, in seconds since 1970: beyond them a day has no name in Python."""

EPOCH = datetime(1970, 1, 1)

Row = tuple[object, ...]
"""A row of larder.column_profiles, from `column_name` on."""


@dataclass(frozen=True)
class Column:
    """A column of the warehouse by its name and type there, and whether its values may be shown."""

    name: str
    type: str
    shows_values: bool

    @property
    def is_text(self) -> bool:
        return self.type == "varchar"

    @property
    def is_range(self) -> bool:
        return self.is_time or NUMBERS.fullmatch(self.type) is not None

    @property
    def is_time(self) -> bool:
        return TIMES.fullmatch(self.type) is not None

    @property
    def is_scalar(self) -> bool:
        return self.is_text or self.is_range or self.type == "boolean"

    @property
    def number(self) -> str:
        """SQL for a value as a number: of a time its seconds since 1970."""
        name = sql.name(self.name)
        return f"epoch({name})" if self.is_time else f"{name}::double"

    def can_be_cut(self, low: float | None, high: float | None) -> bool:
        """Whether there are ranges between two values, each with a name."""
        if low is None or high is None or not math.isfinite(high - low) or low == high:
            return False
        return not self.is_time or (YEARS[0] <= low and high <= YEARS[1])

    def label(self, number: float) -> str:
        """Such a number as people read it."""
        if self.is_time:
            return f"{EPOCH + timedelta(seconds=number):%Y-%m-%d}"
        return f"{number:.6g}"


def of_table(
    connection: duckdb.DuckDBPyConnection, relation: str, columns: Iterable[Column]
) -> Iterator[Row]:
    """The profile of each column of `<schema>.<table>`: one pass over all rows, and one over a sample of them."""
    columns = [*columns]
    table = quoted(relation)
    rows: int = _one(connection, table, ["count(*)"])[0]
    if not columns:
        return
    found = _one(connection, table, [part for column in columns for part in _counted(column, rows)])
    counts = [_Counts(*found[8 * n : 8 * n + 8]) for n in range(len(columns))]
    step = max(1, rows // SAMPLE)
    shapes = [_shape(column, count) for column, count in zip(columns, counts, strict=True)]
    sampled, *shaped = _one(connection, f"{table} where hash(rowid) % {step} = 0", ["count(*)", *shapes])
    for column, count, shape in zip(columns, counts, shaped, strict=True):
        is_histogram = column.is_range and count.has_many
        yield (
            column.name,
            column.type,
            column.shows_values,
            rows,
            rows - count.filled,
            None if count.distinct is None else min(count.distinct, count.filled),
            rows <= EXACT,
            count.minimum,
            count.maximum,
            count.shortest,
            count.longest,
            None if is_histogram else shape,
            _histogram(column, count, shape) if is_histogram and shape else None,
            sampled if shape else None,
        )


@dataclass(frozen=True)
class _Counts:
    """What is counted over all rows of a column; `low` and `high` are its ends as numbers, of times in seconds."""

    filled: int
    distinct: int | None
    minimum: str | None
    maximum: str | None
    low: float | None
    high: float | None
    shortest: int | None
    longest: int | None

    @property
    def has_many(self) -> bool:
        """Whether there are more values than can be listed."""
        return self.distinct is None or self.distinct > TOP

    @property
    def width(self) -> float:
        """Of one of BINS equal ranges from the lowest to the highest value; 0 where there is none."""
        return (self.high - self.low) / BINS if self.low is not None and self.high is not None else 0


def _counted(column: Column, rows: int) -> list[str]:
    """The aggregates of `_Counts`."""
    name = sql.name(column.name)
    nothing = ["null", "null"]
    ends = (
        [f"left({f}({name})::varchar, {SHOWN})" for f in ("min", "max")]
        if column.shows_values and column.is_scalar
        else nothing
    )
    span = (
        [f"{f}({column.number})" for f in ("min", "max")]
        if column.shows_values and column.is_range
        else nothing
    )
    lengths = [f"{f}(length({name}))" for f in ("min", "max")] if column.is_text else nothing
    distinct = f"count(distinct {name})" if rows <= EXACT else f"approx_count_distinct({name})"
    if rows > ESTIMATED:
        distinct = "null"
    return [f"count({name})", distinct, *ends, *span, *lengths]


def _shape(column: Column, count: _Counts) -> str:
    """The aggregate that gives the most frequent values, or of many ordered ones how many lie in each range."""
    name = sql.name(column.name)
    if not column.shows_values or not column.is_scalar or not count.filled:
        return "null"
    if column.is_range and count.has_many:
        if not column.can_be_cut(count.low, count.high):
            return "null"
        return f"histogram(least(floor(({column.number} - {count.low!r}) / {count.width!r}), {BINS - 1})::integer)"
    return (
        f"list_transform(list_sort(list_transform(map_entries(histogram(left({name}::varchar, {SHOWN}))),"
        f" lambda e: {{'rank': -e.value::bigint, 'label': e.key}}))[:{TOP}],"
        " lambda e: {'label': e.label, 'rows': -e.rank})"
    )


def _histogram(column: Column, count: _Counts, shape: dict[int, int]) -> list[dict[str, object]]:
    """The rows in each range, by its lower bound."""
    bounds = [(count.low or 0) + number * count.width for number in range(BINS)]
    return [{"label": column.label(low), "rows": shape.get(number, 0)} for number, low in enumerate(bounds)]


def _one(connection: duckdb.DuckDBPyConnection, source: str, parts: list[str]) -> tuple[Any, ...]:
    """The one row of aggregates."""
    found: tuple[Any, ...] | None = connection.execute(f"select {', '.join(parts)} from {source}").fetchone()
    return found or ()
