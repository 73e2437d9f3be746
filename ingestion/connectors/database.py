"""Records of a relational database: what has changed or is gone, the records of some days, or all of them.

Every run compares key and time of each record with what the lake has: a record that was committed late, with a time
that is past already, is as new as any other, and one that is missing is a delete. Rows are read from the earliest of
the changes on, and only when there are any.
"""

from collections.abc import Generator, Iterator, Mapping
from typing import Any

import dlt
import pyarrow as pa
from psycopg2 import sql

from ingestion.connectors.postgres import Snapshot, select
from ingestion.connectors.prefetch import prefetch
from ingestion.contracts.contract import Table
from ingestion.core.request import ExtractContext
from ingestion.lake.known_versions import CURSOR, VERSION, KnownVersions, deletions
from ingestion.validation.provenance import Provenance
from ingestion.validation.validator import FROZEN, Validator


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
    provenance = Provenance(table, kind=context.kind)
    columns = snapshot.columns(table)
    if context.is_range:
        first, end = map(sql.Literal, context.instants)
        between = sql.SQL("{0} >= {1} and {0} < {2}").format(sql.Identifier(CURSOR), first, end)
        yield from validator.accept_all(
            snapshot.read(select(table, columns.names, between), columns), provenance
        )
        return
    with KnownVersions(context, validator.contract) as known:
        if known.is_empty:
            yield from validator.accept_all(snapshot.read(select(table, columns.names), columns), provenance)
            return
        found = known.compare(_versions(snapshot, table, validator.contract))
    is_accepted = context.accepts(table, found.left, found.live)
    if context.full and is_accepted:
        yield from validator.accept_all(snapshot.read(select(table, columns.names), columns), provenance)
    elif len(found.changed) and not context.full:
        since = sql.SQL("{0} >= {1} or {0} is null").format(sql.Identifier(CURSOR), sql.Literal(found.since))
        rows = snapshot.read(select(table, columns.names, since), columns)
        yield from validator.accept_all(
            (found.of_changed(part, validator.contract.key[0]) for part in rows), provenance
        )
    if is_accepted:
        yield from deletions(validator.contract.name, found.deleted)


def _versions(snapshot: Snapshot, name: str, table: Table) -> pa.RecordBatchReader:
    query = sql.SQL("select {}::bigint, {}::timestamptz from {}").format(
        sql.Identifier(table.key[0]), sql.Identifier(CURSOR), sql.Identifier(*name.split("."))
    )
    batches = (batch for rows in snapshot.read(query, VERSION) for batch in rows.to_batches())
    return pa.RecordBatchReader.from_batches(VERSION, batches)
