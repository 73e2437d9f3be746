"""Bring back from the quarantine what fits the contract now: a load of its own, counted as kind `replay`."""

import json
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import dlt
import pyarrow as pa
from psycopg2 import sql

from ingestion.connectors.postgres import Snapshot, select
from ingestion.contracts.contract import Table, contract
from ingestion.quarantine.store import FUTURE
from ingestion.sources import SOURCES
from ingestion.validation.checks import AGAIN
from ingestion.validation.records import NO_TEXT, records
from ingestion.validation.validator import FROZEN, Validator

Entry = dict[str, Any]


def obstacle(entry: Entry) -> str | None:
    """Why a replay cannot bring an entry back, and what can; None where it can be tried."""
    if entry["reason"] == FUTURE:
        return "it is loaded when its day has come"
    is_row = entry["row_number"] is not None and isinstance(json.loads(entry["payload"]), dict)
    if not is_row or NO_TEXT in entry["reason"]:
        return "it cannot be read: have the file delivered again, or discard it"
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
    validator = Validator({table.name: table}, table.name)
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
    rows = [json.loads(entry["payload"]) for entry in entries]
    if not table.personal:
        return records(rows), [entry["quarantine_id"] for entry in entries]
    key = table.key[0]
    ids = {
        row[key]: e["quarantine_id"]
        for row, e in zip(rows, entries, strict=True)
        if isinstance(row.get(key), int)
    }
    found = _records(table, sorted(ids))
    return found, [ids[value] for value in found[key].to_pylist()]


def _records(table: Table, keys: list[int]) -> pa.Table:
    """The records of a database table that have one of `keys`, as they are now."""
    name = f"{table.source}.{table.name}"
    wanted = sql.SQL("{} = any({})").format(sql.Identifier(table.key[0]), sql.Literal(keys))
    with Snapshot(dlt.secrets[f"sources.{table.source}.credentials"]) as database:
        columns = database.columns(name)
        found = list(database.read(select(name, columns.names, wanted), columns))
    return pa.concat_tables(found, promote_options="permissive") if found else columns.empty_table()
