"""The rows of one table compared with those of another: exactly, by the key, or as whole rows where no key can match them.

Both are joined once: time and memory grow with the rows. What differs stays in `differing`, a temporary table of the connection, until
the next comparison.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ingestion.core import sql
from larder.warehouse.relations import BUILD_RECORDS

NUMBER = re.compile(r"U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)|FLOAT|DOUBLE|DECIMAL\(.*\)")
"""Types of which any two can be compared."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Table:
    """A table or view of an open database: its name as SQL, and the types of its columns."""

    name: str
    columns: Mapping[str, str]


@dataclass(frozen=True)
class Rows:
    """What became of the rows. `how` says how they were matched, `key` by which columns; without a key nothing counts as changed.

    `columns` gives for each column in how many of the changed rows it differs; without a key, how many of its values moved.
    """

    before: int
    after: int
    added: int
    removed: int
    changed: int
    how: str
    key: list[str] = field(default_factory=list)
    columns: dict[str, int] = field(default_factory=dict)

    @property
    def differing(self) -> int:
        return self.added + self.removed + self.changed


def rows(connection: duckdb.DuckDBPyConnection, before: Table, after: Table, grain: Sequence[str]) -> Rows:
    """Compare two tables over the columns that both have; `grain` is the declared key, empty where there is none."""
    shared = [_shared(name, before, after) for name in before.columns if name in after.columns]
    key, why = [column for column in shared if column["name"] in grain], "no key is declared"
    names = ", ".join(grain)
    if len(key) < len(grain):
        key, why = [], f"a column of the key ({names}) is not in both"
    counts = [
        one_row(connection, "comparison_keys.sql", table=table.name, key=[column[side] for column in key])
        for side, table in (("before", before), ("after", after))
    ]
    repeated, nulls = (sum(count[what] for count in counts) for what in ("repeated", "nulls"))
    if repeated:
        key, why = [], f"the key ({names}) repeats in {repeated:,} rows"
    how = f"by key ({names})" if key else f"as whole rows: {why}"
    if key and nulls:
        how += f", where null counts as a value ({nulls:,} rows)"
    others = [one for one in shared if one not in key]
    template = "comparison_by_key.sql" if key else "comparison_whole_rows.sql"
    connection.execute(fill(template, before=before.name, after=after.name, key=key, others=others))
    found = one_row(connection, "comparison_count.sql", by_key=bool(key), others=others)
    columns = {one["name"]: n for place, one in enumerate(others) if (n := found.pop(f"d{place}"))}
    return Rows(
        counts[0]["rows"],
        counts[1]["rows"],
        **found,
        how="; ".join([how, *(f"{one['name']} as text" for one in shared if "::" in one["before"])]),
        key=[one["name"] for one in key],
        columns=columns,
    )


def columns(connection: duckdb.DuckDBPyConnection, database: str) -> dict[str, dict[str, str]]:
    """Names and types of the columns of every table and view of an open database, by `<schema>.<table>`."""
    tables: dict[str, dict[str, str]] = {}
    for table, name, kind in connection.execute(
        "select schema_name || '.' || table_name, column_name, data_type from duckdb_columns()"
        " where database_name = ? and schema_name not in ? and not internal order by 1, column_index",
        [database, BUILD_RECORDS],
    ).fetchall():
        tables.setdefault(table, {})[name] = kind
    return tables


def fill(template: str, **given: Any) -> str:
    """SQL of a template next to this module."""
    return _templates().get_template(template).render(given)


def all_rows(connection: duckdb.DuckDBPyConnection, template: str, **given: Any) -> list[Row]:
    """The rows of a template's query, by the names of its columns."""
    found = connection.execute(fill(template, **given))
    names = [column[0] for column in found.description]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def one_row(connection: duckdb.DuckDBPyConnection, template: str, **given: Any) -> Row:
    """The only row of a template's query."""
    return all_rows(connection, template, **given)[0]


@cache
def _templates() -> Environment:
    loader = FileSystemLoader(Path(__file__).parent)
    made = Environment(loader=loader, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined)  # noqa: S701, it is SQL
    made.filters.update(name=sql.name, literal=sql.literal)
    return made


def _shared(name: str, before: Table, after: Table) -> Row:
    """A column of both tables, as SQL that can be compared: as text where the types are not of one kind."""
    kinds = before.columns[name], after.columns[name]
    alike = kinds[0] == kinds[1] or all(map(NUMBER.fullmatch, kinds))
    written = sql.name(name) + ("" if alike else "::varchar")
    return {"name": name, "before": written, "after": written}
