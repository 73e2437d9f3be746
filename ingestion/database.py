"""Records of a relational database: what has changed or is gone, the records of some days, or all of them.

Every run holds key and time of each record against what the lake has: a record that was committed late, with a time
that is past already, is as new as any other, and one that is missing is a delete. Rows are read from the earliest of
the changes on, and only when there are any.
"""

from collections.abc import Generator, Iterator, Mapping
from typing import Any

import dlt
import pyarrow as pa
from psycopg2 import sql

from ingestion.ahead import ahead
from ingestion.contract import Table
from ingestion.held import CURSOR, VERSION, Held, deletions
from ingestion.intake import FROZEN, Intake, Origin
from ingestion.postgres import Snapshot, select
from ingestion.reading import Reading


def records(reading: Reading, address: str, schema: str, contracts: Mapping[str, Table]) -> Iterator[Any]:
    """One dlt resource for each table of the database's `schema`, all read from one snapshot."""
    snapshot = reading.closing.enter_context(Snapshot(address))
    for name in contracts:
        intake = Intake(contracts, name)
        rows = _read(reading, snapshot, f"{schema}.{name}", intake)
        yield dlt.resource(ahead(rows), name=name, schema_contract=FROZEN)


def _read(reading: Reading, snapshot: Snapshot, place: str, intake: Intake) -> Generator[Any]:
    origin = Origin(place, kind=reading.kind)
    columns = snapshot.columns(place)
    if reading.is_range:
        first, end = map(sql.Literal, reading.instants)
        between = sql.SQL("{0} >= {1} and {0} < {2}").format(sql.Identifier(CURSOR), first, end)
        yield from intake.admit_all(snapshot.read(select(place, columns.names, between), columns), origin)
        return
    with Held(reading, intake.contract) as held:
        if held.is_empty:
            yield from intake.admit_all(snapshot.read(select(place, columns.names), columns), origin)
            return
        found = held.compare(_versions(snapshot, place, intake.contract))
    is_believed = reading.believes(place, found.left, found.held)
    if reading.full and is_believed:
        yield from intake.admit_all(snapshot.read(select(place, columns.names), columns), origin)
    elif len(found.changed) and not reading.full:
        since = sql.SQL("{0} >= {1} or {0} is null").format(sql.Identifier(CURSOR), sql.Literal(found.since))
        rows = snapshot.read(select(place, columns.names, since), columns)
        yield from intake.admit_all(
            (found.of_changed(table, intake.contract.key[0]) for table in rows), origin
        )
    if is_believed:
        yield from deletions(intake.contract.name, found.deleted)


def _versions(snapshot: Snapshot, place: str, table: Table) -> pa.RecordBatchReader:
    query = sql.SQL("select {}::bigint, {}::timestamptz from {}").format(
        sql.Identifier(table.key[0]), sql.Identifier(CURSOR), sql.Identifier(*place.split("."))
    )
    batches = (batch for rows in snapshot.read(query, VERSION) for batch in rows.to_batches())
    return pa.RecordBatchReader.from_batches(VERSION, batches)
