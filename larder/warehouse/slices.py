"""Which slice holds a difference: the few values of one or two dimensions that most of the differing rows have, and few others.

A slice scores the share of the differing rows that it covers, times the bits by which it is rarer among all rows: covered * log2(covered
/ of all). Further values, a range and a second condition each cost some bits, so that the shortest description wins. Of equal ones the
first in the alphabet is taken: the same tables give the same slice.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import duckdb

from ingestion.core import sql
from larder.warehouse.comparison import Row, Rows, Table, all_rows, one_row

MOST_VALUES = 2000
"""Different values that a dimension has at most."""

COVERS = 0.8
"""Share of the differing rows that a slice holds at least."""

TRIED = 3
"""First conditions to which a second one is added."""

SECOND = 0.5
"""Bits that a second condition costs."""


@dataclass(frozen=True)
class Lookup:
    """Another table (`table`, as SQL), where a row is found by its `key`, given by `column` of the table that is compared."""

    column: str
    table: str
    key: str


@dataclass(frozen=True)
class Dimension:
    """A column of the table that is compared, or of another where it is looked up."""

    name: str
    lookup: Lookup | None = None


@dataclass(frozen=True)
class Slice:
    """Rows that fulfil `condition`: how many of those that differ, and how many of all."""

    condition: str
    differing: int
    all_differing: int
    rows: int
    all_rows: int


def find(
    connection: duckdb.DuckDBPyConnection, before: Table, after: Table, found: Rows, by: Sequence[Dimension]
) -> Slice | None:
    """The slice that holds what `differing` has; None where nothing or most of it differs, or no slice holds it."""
    total = found.after + found.removed
    if not by or not 0 < found.differing <= total / 2:
        return None
    lookups = list(dict.fromkeys(one.lookup for one in by if one.lookup))
    common: Row = {
        "before": before.name,
        "after": after.name,
        "key": [
            sql.name(n) + ("" if before.columns[n] == after.columns[n] else "::varchar") for n in found.key
        ],
        "columns": [one for one in before.columns if one in after.columns and one not in found.key],
        "lookups": lookups,
        "dimensions": [
            (f"l{lookups.index(one.lookup)}" if one.lookup else "t", place, one.name)
            for place, one in enumerate(by)
        ],
        "differing": found.differing,
        "total": total,
        "covers": COVERS,
    }
    counts = one_row(connection, "slices_values.sql", **common)
    common["dimensions"] = [one for one in common["dimensions"] if 1 < counts[f"x{one[1]}"] <= MOST_VALUES]
    places = {place for _, place, _ in common["dimensions"]}

    def best(tried: Collection[int], where: str = "true", said: str = "", paid: float = 0) -> list[Row]:
        given = {"tried": sorted(tried), "where": where, "said": said, "paid": paid}
        return all_rows(connection, "slices_score.sql", **given, **common) if tried else []

    slices = best(places)
    for one in slices[:TRIED]:
        slices += best(places - {one["dimension"]}, one["condition"], f"{one['said']} and ", SECOND)
    slices.sort(key=lambda one: (-one["score"], one["said"]))
    return next((Slice(s["said"], s["hits"], found.differing, s["total"], total) for s in slices), None)
