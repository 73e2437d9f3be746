"""Hold what a source delivers to what the source module declares: names and types, stated once as an Arrow schema."""

from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa
from dlt.common.schema.typing import TSchemaContractDict

from ingestion.errors import IngestionError

BATCH_ROWS = 500_000
"""Rows handed to dlt at a time: large enough for good Parquet row groups, small enough for memory."""

UTC_TIMESTAMP = pa.timestamp("us", tz="UTC")
MONEY = pa.decimal128(18, 2)

FROZEN: TSchemaContractDict = {"tables": "evolve", "columns": "freeze", "data_type": "freeze"}
"""dlt's schema contract for every resource: a table may be new, a column or a type may not."""


def conform(table: pa.Table, schema: pa.Schema, place: str) -> pa.Table:
    """Return `table` with exactly the columns and types of `schema`, or say what is wrong and where.

    `place` names the file or table for the message. Values are cast only where nothing is lost.
    """
    missing = [name for name in schema.names if name not in table.column_names]
    unexpected = [name for name in table.column_names if name not in schema.names]
    if missing or unexpected:
        raise IngestionError(
            f"{place}: columns differ from the contract (missing: {missing or 'none'}, unexpected: {unexpected or 'none'})",
            "Ask the owner of the source, or change the schema in the source's module under ingestion/sources/.",
        )
    return pa.table([_cast(table[field.name], field, place) for field in schema], schema=schema)


def rows_to_arrow(rows: list[dict[str, Any]], schema: pa.Schema, place: str) -> pa.Table:
    """Turn JSON records (one dict a row; dates and timestamps as ISO text) into a table of `schema`."""
    names = {name for row in rows for name in row}
    raw = {name: pa.array([row.get(name) for row in rows]) for name in sorted(names)}
    return conform(pa.table(raw), schema, place)


def batches(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Gather small tables until they hold `BATCH_ROWS`, so that small files do not become small row groups."""
    pending: list[pa.Table] = []
    for table in tables:
        pending.append(table)
        if sum(part.num_rows for part in pending) >= BATCH_ROWS:
            yield pa.concat_tables(pending)
            pending = []
    if pending:
        yield pa.concat_tables(pending)


def _cast(column: pa.ChunkedArray, field: pa.Field, place: str) -> pa.ChunkedArray:
    try:
        return column.cast(field.type)
    except pa.ArrowException as error:
        raise IngestionError(
            f"{place}: column {field.name} is {column.type}, the contract says {field.type} ({error})",
            "Ask the owner of the source to correct the delivery; it is loaded as soon as it fits.",
        ) from error
