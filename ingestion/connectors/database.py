"""Records of a relational database: what has changed or is gone, the records of some days, or all of them.

Every run compares key and time of each record with what the lake has: a record that was committed late, with a time
that is past already, is as new as any other, and one that is missing is a delete. Rows are read from the earliest of
the changes on, and only when there are any; rows whose key or time is none are among them in every run.
"""

from collections.abc import Generator, Iterator, Mapping
from typing import Any

import dlt
import pyarrow as pa
from psycopg2 import sql

from ingestion.connectors.known_versions import (
    CURSOR,
    VERSION,
    Difference,
    KnownVersions,
    deletions,
    identity,
    versions,
)
from ingestion.connectors.postgres import Snapshot, TableUnavailable, select
from ingestion.connectors.prefetch import prefetch
from ingestion.contracts.contract import Table
from ingestion.core.request import ExtractContext
from ingestion.validation.provenance import Provenance
from ingestion.validation.validator import FROZEN, Validator

NO_RECORDS = pa.array([], pa.int64())


def records(
    context: ExtractContext, address: str, schema: str, contracts: Mapping[str, Table]
) -> Iterator[Any]:
    """One dlt resource for each table of the database's `schema`, all read from one snapshot."""
    snapshot = context.closing.enter_context(Snapshot(address))
    for name in contracts:
        validator = Validator(contracts, name)
        rows = _read(context, snapshot, f"{schema}.{name}", validator)
        yield dlt.resource(prefetch(rows), name=name, schema_contract=FROZEN)


def _read(context: ExtractContext, snapshot: Snapshot, table: str, validator: Validator) -> Generator[Any]:
    try:
        columns = snapshot.columns(table)
    except TableUnavailable as error:
        context.refusals.append(str(error))
        return
    if context.is_range:
        yield from _read_range(context, snapshot, table, columns, validator)
        return
    provenance, contract = Provenance(table, kind=context.kind), validator.contract
    everything = snapshot.read(select(table, columns.names), columns)
    with KnownVersions(context, contract) as known:
        compared = identity(columns.names, contract)
        if known.is_empty or len(compared) < len(VERSION):
            yield from validator.accept_all(everything, provenance, NO_RECORDS)
            return
        found = known.compare(_versions(snapshot, table, columns, contract))
    is_accepted = context.accepts(table, found.left, found.live)
    deleted = found.deleted if is_accepted else None
    rows: Iterator[pa.Table] = iter(())
    if context.full and is_accepted:
        rows = everything
    elif len(found.changed) and not context.full:
        since = snapshot.read(select(table, columns.names, _since(columns, compared[1], found)), columns)
        rows = (part.filter(_is_changed(part, contract, found)) for part in since)
    yield from validator.accept_all(rows, provenance, deleted)
    if deleted is not None:
        yield from deletions(contract.name, deleted)


def _read_range(
    context: ExtractContext, snapshot: Snapshot, table: str, columns: pa.Schema, validator: Validator
) -> Iterator[Any]:
    if not _has_times(columns, CURSOR):
        context.refusals.append(f"the days of {table} cannot be told: it has no {CURSOR} with a time zone")
        return
    first, end = map(sql.Literal, context.instants)
    between = sql.SQL("{0} >= {1} and {0} < {2}").format(sql.Identifier(CURSOR), first, end)
    rows = snapshot.read(select(table, columns.names, between), columns)
    yield from validator.accept_all(rows, Provenance(table, kind=context.kind))


def _has_times(columns: pa.Schema, name: str) -> bool:
    return name in columns.names and bool(columns.field(name).type == VERSION.field(CURSOR).type)


def _since(columns: pa.Schema, cursor: str, found: Difference) -> sql.Composable | None:
    """The rows from the earliest change on, and those whose time is none: missing, infinite, before our era."""
    if not _has_times(columns, cursor):
        return None
    before = sql.SQL("({0} >= '0001-01-01' and {0} < {1}) is not true")
    return before.format(sql.Identifier(cursor), sql.Literal(found.since))


def _is_changed(rows: pa.Table, contract: Table, found: Difference) -> pa.Array:
    return pa.array(found.of_changed(versions(rows, contract)["record_key"]))


def _versions(snapshot: Snapshot, table: str, columns: pa.Schema, contract: Table) -> Iterator[pa.Table]:
    names = identity(columns.names, contract)
    schema = pa.schema([columns.field(name) for name in names])
    return (versions(part, contract) for part in snapshot.read(select(table, names), schema))
