"""Events of a stream as rows: batch by batch, in their order, each exactly once, whatever broker keeps them.

What has been loaded is read from the lake, out of the account that each load commits with its rows; the broker is told
only afterwards. Killed in between, the next run goes on behind what the lake holds, and nothing comes twice.
"""

import io
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.json as pajson

from ingestion.connectors.brokers import RENAME, Broker, Event, Unreachable
from ingestion.contracts.contract import Table
from ingestion.core import storage
from ingestion.core.errors import IngestionError
from ingestion.core.request import LoadRequest
from ingestion.core.storage import Location
from ingestion.lake.loads import DELIVERIES, recorded_loads, table_files
from ingestion.validation.checks import Violation
from ingestion.validation.provenance import Provenance
from ingestion.validation.records import as_object, odd_values, records
from ingestion.validation.validator import Validator

Report = Callable[[str], None]

BATCH_EVENTS = 250_000
"""The most events in one load. A load takes all that is waiting, so its size follows the backlog."""

PAUSE_SECONDS = 1.0
"""How long to wait for new events when all have been loaded."""

LOCATION = pa.schema(
    [("_stream", pa.string()), ("_sequence", pa.int64()), ("published_at", pa.timestamp("us", tz="UTC"))]
)
"""What the broker says of an event, besides what the event itself says."""


TIMES = range(-62_135_596_800_000_000, 253_402_300_800_000_000)
"""Microseconds since the epoch from the year 1 to the year 9999: a producer may state any."""


class Offset(NamedTuple):
    """The last event of a stream that any load has taken in; `published_at` is None where an older load did not note it."""

    sequence: int
    published_at: int | None


def last_offsets(dataset: Location) -> dict[str, Offset]:
    """The last event of each stream that any load has taken in, be it into the table or into quarantine."""
    found: dict[str, Offset] = {}
    for file in table_files(dataset, DELIVERIES, recorded_loads(dataset)):
        accounts = (
            storage.table(file, columns=["place", "digest"]).group_by(["place", "digest"]).aggregate([])
        )
        for row in accounts.to_pylist():
            stream, _, span = row["place"].rpartition(":")
            published_at = row["digest"].partition("@")[2]
            offset = Offset(int(span.partition("-")[2]), int(published_at) if published_at else None)
            if stream not in found or offset.sequence > found[stream].sequence:
                found[stream] = offset
    return found


def new_events(events: Sequence[Event], offsets: Mapping[str, Offset]) -> list[Event]:
    """The events after `offsets`. Raises IngestionError where the last known one is another than it was.

    A broker that was restored from a backup uses the sequences after it again; behind them, events would be lost unseen.
    """
    new = []
    for event in events:
        last = offsets.get(event.stream)
        if last is None or event.sequence > last.sequence:
            new.append(event)
        elif event.sequence == last.sequence and last.published_at not in (None, event.published_at):
            raise IngestionError(
                f"{event.stream} has another event {event.sequence:,} than the lake holds, as after a restored backup",
                RENAME,
            )
    return new


def batches(
    broker: Broker, offsets: Mapping[str, Offset], forever: bool, report: Report
) -> Iterator[Sequence[Event]]:
    """Yield the events after `offsets`, micro-batch by micro-batch; to ask for the next one says that one is loaded.

    Ends when nothing is waiting; when it is to go on for ever, it waits for new events, and for a broker that is away.
    """
    offsets = dict(offsets)
    broker.start({stream: last.sequence for stream, last in offsets.items()})
    while True:
        try:
            waiting = broker.waiting()
            fetched = broker.fetch(min(waiting, BATCH_EVENTS)) if waiting else []
        except Unreachable as error:
            if not forever:
                raise
            report(f"{error}; waiting")
            waiting, fetched = 0, []
        if events := new_events(fetched, offsets):
            yield events
            offsets.update({event.stream: Offset(event.sequence, event.published_at) for event in events})
        if waiting:
            with suppress(Unreachable):  # it learns at the next start what the lake holds
                broker.acknowledge()
        elif forever:
            time.sleep(PAUSE_SECONDS)
        else:
            return


def again(broker: Broker, offsets: Mapping[str, Offset], asked: LoadRequest) -> Iterator[Sequence[Event]]:
    """Yield once more the events of the days asked for that the lake holds already; what is new comes in its own time."""
    broker.start({})
    while waiting := broker.waiting():
        fetched = broker.fetch(min(waiting, BATCH_EVENTS))
        new = set(map(Event.location, new_events(fetched, offsets)))
        if events := [event for event in fetched if event.location() not in new and _is_of(event, asked)]:
            yield events


def _is_of(event: Event, asked: LoadRequest) -> bool:
    row, _ = as_object(event.payload)
    try:
        day = date.fromisoformat((row or {})["business_date"])
    except (KeyError, TypeError, ValueError):
        return False  # it lies in quarantine, and belongs to no day
    return asked.covers(day, day)


def accept(validator: Validator, events: Sequence[Event], kind: str) -> Iterator[Any]:
    """Rows of events that fit the contract, and their account. What does not fit is quarantined by its sequence."""
    by_stream: dict[str, list[Event]] = {}
    for event in events:
        by_stream.setdefault(event.stream, []).append(event)
    for stream, mine in by_stream.items():
        span = f"{mine[0].sequence}-{mine[-1].sequence}"
        provenance = Provenance(f"{stream}:{span}", kind, digest=f"{span}@{mine[-1].published_at}")
        table, good, odd = _decode(mine, validator, provenance)
        if good:
            numbers = np.array([event.sequence for event in good], np.int64)
            yield from validator.accept(_with_location(table, good), provenance, numbers=numbers, odd=odd)
    yield from validator.close()


def _decode(
    events: list[Event], validator: Validator, provenance: Provenance
) -> tuple[pa.Table, list[Event], list[Violation]]:
    """All payloads at once; where one of them is odd, one by one, so that it is the only one quarantined."""
    table = _at_once([event.payload for event in events], validator.contract)
    if table is not None:
        return table, events, []
    good, rows = [], []
    for event in events:
        row, problem = as_object(event.payload)
        if row is None:
            text = event.payload.decode(errors="replace")
            validator.refuse_row(provenance, event.sequence, "one JSON object", problem, text)
        else:
            good.append(event)
            rows.append(row)
    return records(rows), good, odd_values(rows, validator.contract)


def _at_once(payloads: list[bytes], contract: Table) -> pa.Table | None:
    """The table of all payloads, or None where they are not one flat JSON object each in the types of the contract."""
    if not all(payload[:1] == b"{" and payload[-1:] == b"}" for payload in payloads):
        return None  # an empty one would go unseen, and hide that another one holds two
    joined = b"\n".join(payloads)
    if joined.count(b"{") != len(payloads) or b"[" in joined or not _is_unicode(joined):
        return None  # what is nested deeply ends the process: Arrow calls itself for each level
    types = [
        (c.name, c.arrow if pa.types.is_integer(c.arrow) else pa.string())
        for c in contract.columns
        if c.name not in LOCATION.names
    ]
    try:
        table = pajson.read_json(
            io.BytesIO(joined),
            read_options=pajson.ReadOptions(block_size=max(len(joined), 1)),
            parse_options=pajson.ParseOptions(explicit_schema=pa.schema(types)),
        )
    except pa.ArrowException:
        return None
    is_exact = not any(map(pa.types.is_floating, table.schema.types))
    return table if table.num_rows == len(payloads) and is_exact else None


def _is_unicode(text: bytes) -> bool:
    """Whether a text is UTF-8, and holds no NUL, also none that is written as an escape."""
    try:
        return b"\\u0000" not in text and bool(text.decode())
    except UnicodeDecodeError:
        return False


def _with_location(table: pa.Table, events: list[Event]) -> pa.Table:
    columns = [
        pa.array([event.stream for event in events], LOCATION.field("_stream").type),
        pa.array([event.sequence for event in events], LOCATION.field("_sequence").type),
        pa.array([at if at in TIMES else None for at in (e.published_at for e in events)], pa.int64()).cast(
            LOCATION.field("published_at").type
        ),
    ]
    for field, values in zip(LOCATION, columns, strict=True):
        if field.name in table.column_names:
            table = table.drop_columns([field.name])  # an event cannot say where it lies
        table = table.append_column(field, values)
    return table
