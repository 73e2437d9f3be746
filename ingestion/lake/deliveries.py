"""The account of every load: what each location delivered, and what became of it."""

import json
from collections.abc import Collection
from typing import Any

import pyarrow as pa

from ingestion.core import storage
from ingestion.core.storage import Location
from ingestion.lake.loads import DELIVERIES, table_files

SCHEMA = pa.schema(
    [
        ("source", pa.string()),
        ("table_name", pa.string()),
        ("place", pa.string()),
        ("kind", pa.string()),
        ("digest", pa.string()),
        ("first", pa.int64()),
        ("last", pa.int64()),
        ("business_date", pa.date32()),
        ("is_unreadable", pa.bool_()),
        ("delivered", pa.int64()),
        ("loaded", pa.int64()),
        ("quarantined", pa.int64()),
        ("erased", pa.int64()),
        ("key_sum", pa.decimal128(38, 0)),
        ("money_usd", pa.decimal128(18, 2)),
        ("drift", pa.string()),
    ]
)
"""One row for each location (column `place`) and business day that a load was given, and what became of it.

`kind` is new, correction, reload or replay. `key_sum` and `money_usd` are of the rows that were loaded; `first` and
`last` are numbers of rows or offsets within the location. A file that cannot be read has no row that could be counted.
`erased` are rows that an erasure or a retention has taken out of the other two, or that were of somebody who is forgotten.
"""


def deliveries(dataset: Location, loads: Collection[str]) -> list[dict[str, Any]]:
    """The account of `loads` of one source, each row with its `_dlt_load_id`. What earlier versions wrote has erased nothing."""
    return [
        {**row, "erased": row.get("erased") or 0}
        for file in table_files(dataset, DELIVERIES, set(loads))
        for row in storage.table(file).to_pylist()
        if row["_dlt_load_id"] in loads
    ]


def drift(dataset: Location, loads: Collection[str]) -> dict[tuple[str, str, str, str], list[str]]:
    """What has changed in the shape of deliveries, (table, kind, column, detail), each with the locations where."""
    found: dict[tuple[str, str, str, str], list[str]] = {}
    for row in deliveries(dataset, loads):
        for change in json.loads(row["drift"] or "[]"):
            where = found.setdefault(
                (row["table_name"], change["kind"], change["column"], change["detail"]), []
            )
            where.append(row["place"])
    return found
