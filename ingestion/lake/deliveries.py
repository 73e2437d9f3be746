"""The account of every load: what each place delivered, and what became of it."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ingestion.lake.loads import DELIVERIES, recorded_loads, table_files
from ingestion.quarantine.store import Quarantine

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
        ("key_sum", pa.decimal128(38, 0)),
        ("money_usd", pa.decimal128(18, 2)),
        ("drift", pa.string()),
    ]
)
"""One row for each place and business day that a load was given, and what became of it.

`kind` is new, correction, reload or replay. `key_sum` and `money_usd` are of the rows that were loaded; `first` and
`last` are numbers of rows or offsets within the place. A file that cannot be read has no row that could be counted.
"""


def deliveries(dataset: Path, loads: Collection[str]) -> list[dict[str, Any]]:
    """The account of `loads` of one source, each row with its `_dlt_load_id`."""
    return [
        row
        for file in table_files(dataset, DELIVERIES, set(loads))
        for row in pq.read_table(file, columns=[*SCHEMA.names, "_dlt_load_id"]).to_pylist()
        if row["_dlt_load_id"] in loads
    ]


@dataclass
class Account:
    """What one table was given, and what has become of it, in rows.

    A place that was delivered again counts as last delivered. Always: delivered = loaded + quarantined + discarded +
    superseded. `superseded` are records that broke the contract and have come again since.
    """

    delivered: int = 0
    loaded: int = 0
    quarantined: int = 0
    discarded: int = 0
    superseded: int = 0
    unreadable: int = 0
    """Files that cannot be read: nobody knows how many rows they have."""


def accounts(lake: Path, source: str) -> dict[str, Account]:
    """The account of each table of one source over all its loads, held ones included."""
    dataset = lake / "raw" / source
    rows = deliveries(dataset, recorded_loads(dataset))
    current = _current(rows)
    found: dict[str, Account] = {}
    for row in rows:
        account = found.setdefault(row["table_name"], Account())
        digest, load = current.get((row["table_name"], row["place"]), (row["digest"], ""))
        if row["digest"] == digest and row["_dlt_load_id"] >= load:
            account.delivered += row["delivered"] if row["kind"] != "replay" else 0
            account.loaded += row["loaded"]
    for entry in Quarantine(lake, source).entries():
        account = found.setdefault(entry["table_name"], Account())
        state = entry["resolution"].action if entry["resolution"] else "quarantined"
        digest, _ = current.get((entry["table_name"], entry["place"]), (entry["digest"], ""))
        if entry["row_number"] is None:
            account.unreadable += state == "quarantined"
        elif digest == entry["digest"] and state != "replayed":
            setattr(account, state, getattr(account, state) + 1)
    return found


def _current(rows: list[dict[str, Any]]) -> dict[tuple[str, str], tuple[str, str]]:
    """For each file (table, place) the delivery that counts: its digest, and the load from which on its rows do.

    As the macro `current_deliveries` has it: the last one of which anything was loaded, or that was empty.
    """
    files: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in sorted(rows, key=lambda row: row["_dlt_load_id"]):
        if row["digest"] and not row["is_unreadable"]:
            files.setdefault((row["table_name"], row["place"]), []).append(row)
    current = {}
    for file, given in files.items():
        digest = next(
            (r["digest"] for r in reversed(given) if r["loaded"] or not r["delivered"]), given[-1]["digest"]
        )
        loads = [r["_dlt_load_id"] for r in given if r["digest"] == digest and r["kind"] != "replay"]
        current[file] = digest, loads[-1]
    return current


def drift(dataset: Path, loads: Collection[str]) -> dict[tuple[str, str, str, str], list[str]]:
    """What has changed in the shape of deliveries, (table, kind, column, detail), each with the places where."""
    found: dict[tuple[str, str, str, str], list[str]] = {}
    for row in deliveries(dataset, loads):
        for change in json.loads(row["drift"] or "[]"):
            where = found.setdefault(
                (row["table_name"], change["kind"], change["column"], change["detail"]), []
            )
            where.append(row["place"])
    return found
