"""Bring back from the quarantine what fits the contract now: a load of its own, counted as kind `replay`."""

import json
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import dlt
import pyarrow as pa
import pyarrow.compute as pc

from ingestion.connectors.postgres import Snapshot, select
from ingestion.contracts.contract import Table, contract
from ingestion.core.redaction import MASKED
from ingestion.quarantine.store import FUTURE
from ingestion.sources import SOURCES
from ingestion.validation.checks import AGAIN, CONTACTS, fit
from ingestion.validation.records import NO_TEXT, records
from ingestion.validation.validator import FROZEN, Validator

Entry = dict[str, Any]


def obstacle(entry: Entry) -> str | None:
    """Why a replay cannot bring an entry back, and what can; None where it can be tried."""
    if entry["reason"] == FUTURE:
        return "it is loaded when its day has come"
    row = json.loads(entry["payload"]) if entry["row_number"] is not None else None
    if not isinstance(row, dict) or NO_TEXT in entry["reason"]:
        return "it cannot be read: have the file delivered again, or discard it"
    if CONTACTS in entry["reason"]:
        return "its value is masked: have it corrected at its source and delivered again, or discard it"
    table = contract(entry["source"])[entry["table_name"]]
    masked = [name for name, value in row.items() if value == MASKED and name in table.by_any_name]
    if masked and not table.personal:
        day = entry["business_date"]
        again = f"--from {day} --to {day}" if day else "--full"
        return f"{masked[0]} was unknown and masked: larder ingest {table.source} {again}, or discard it"
    if entry["reason"].startswith(AGAIN):
        return "an earlier row has its key: have the file delivered again, or discard it"
    return None


def replays(source: str, entries: list[Entry]) -> Any:
    """A dlt source of the rows of `entries`. What was quarantined as a record with personal values is read again."""

    @dlt.source(name=source)
    def again() -> Iterator[Any]:
        for table, group in groupby(sorted(entries, key=_by_table), key=_by_table):
            rows = _rows(contract(source)[table], list(group))
            yield dlt.resource(rows, name=f"{table}_replayed", table_name=table, schema_contract=FROZEN)

    return again()


def _by_table(entry: Entry) -> str:
    return str(entry["table_name"])


def _by_delivery(entry: Entry) -> tuple[str, str]:
    return entry["place"], entry["digest"]


def _rows(table: Table, entries: list[Entry]) -> Iterator[Any]:
    """What was kept as it came has pseudonyms already, what is read again has not."""
    accepted = table if table.personal else table.pseudonymised
    validator = Validator({table.name: accepted}, table.name)
    provenance = SOURCES[table.source].provenance
    for (location, digest), group in groupby(sorted(entries, key=_by_delivery), key=_by_delivery):
        delivered, ids = _again(table, list(group))
        if ids:
            yield from validator.accept(
                delivered, provenance(location, "replay", digest), is_text=True, replays=ids
            )
    yield from validator.close()


def _again(table: Table, entries: list[Entry]) -> tuple[pa.Table, list[str]]:
    """The rows of entries, and the id of the entry that each answers."""
    rows = records([json.loads(entry["payload"]) for entry in entries])
    if not table.personal:
        return rows, [entry["quarantine_id"] for entry in entries]
    ids = {
        key: entry["quarantine_id"]
        for key, entry in zip(_keys(rows, table.pseudonymised).to_pylist(), entries, strict=True)
        if key is not None
    }
    found = _records(table, pa.array(ids, pa.int64()))
    return found, [ids[key] for key in _keys(found, table).to_pylist()]


def _keys(rows: pa.Table, table: Table) -> pa.ChunkedArray:
    """The key of each row as the contract reads it: it may have come as text."""
    return fit(rows, table.only(table.key[0])).table[table.key[0]].cast(pa.int64())


def _records(table: Table, keys: pa.Array) -> pa.Table:
    """The records of a database table that have one of `keys`, as they are now: only we know which those are."""
    name = f"{table.source}.{table.name}"
    with Snapshot(dlt.secrets[f"sources.{table.source}.credentials"]) as database:
        columns = database.columns(name)
        parts = database.read(select(name, columns.names), columns)
        found = [part.filter(pc.is_in(_keys(part, table), keys)) for part in parts]
    return pa.concat_tables(found, promote_options="permissive") if found else columns.empty_table()
