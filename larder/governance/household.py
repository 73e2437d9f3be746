"""One household: what it is called, who it is, and which tables have rows of it."""

from collections.abc import Iterator
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from ingestion.contracts.contract import contract
from ingestion.privacy import pseudonyms
from ingestion.privacy.forgotten import forgotten
from ingestion.privacy.restricted import Restricted
from ingestion.sources import SOURCES
from larder.core.errors import LarderError
from larder.core.settings import Paths, use_demo_connections


def named(paths: Paths, number: int | None, pseudonym: int | None) -> int:
    """The pseudonym of the household that the source calls `number`, by the keys that the lake was written with; or as it is given."""
    use_demo_connections(paths)
    if number is not None:
        people = next(source for source in SOURCES if pseudonyms.has_pseudonyms(source))
        pseudonyms.bind(paths.lake, people)
        return pseudonyms.pseudonym(number, pseudonyms.ring())
    if pseudonym is None:
        raise LarderError("no household is named", "Name one: --household NUMBER, or --pseudonym NUMBER")
    return pseudonym


def identifiers(paths: Paths, household: int) -> Iterator[tuple[pa.Table, dict[str, Any]]]:
    """What the restricted zone has of it: each table, and the household's row. Raises IngestionError where another machine has the zone
    and the household is not forgotten there.
    """
    is_forgotten = household in forgotten(paths.lake).to_pylist()
    for source in SOURCES:
        zone = Restricted(paths.lake, source)
        if not is_forgotten:
            zone.require_here()
        for table in zone.tables():
            rows = zone.rows(table)
            if rows.num_rows:
                key = contract(source)[table].key[0]
                yield from ((rows, row) for row in rows.filter(pc.equal(rows[key], household)).to_pylist())


def tables(connection: duckdb.DuckDBPyConnection, kind: str = "BASE TABLE") -> list[str]:
    """The tables, or also the views, of an open generation whose rows are of one household each; who and what it bought first."""
    found = connection.execute(
        "select table_schema || '.' || table_name from information_schema.columns inner join information_schema.tables"
        " using (table_catalog, table_schema, table_name)"
        " where column_name = 'household_id' and table_type in ('BASE TABLE', ?) and table_schema in ('marts', 'staging')"
        " order by table_schema, table_name not like 'dim%', table_name not like 'fct%', table_name",
        [kind],
    ).fetchall()
    return [table for (table,) in found]
