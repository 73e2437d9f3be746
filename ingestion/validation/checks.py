"""Check delivered rows against their contract: first names and types, then values. All good costs next to nothing."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from difflib import get_close_matches
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ingestion.contracts.contract import Column, LocalDay, Table
from ingestion.core.redaction import CONTACT, without_contacts
from ingestion.privacy.pseudonyms import pseudonyms
from ingestion.validation.casts import Rows, cast, is_retyped

AGAIN = "the key comes again"
"""Reason of a row whose key an earlier row of the same location has."""

CONTACTS = "the value is an e-mail address or a telephone number"
"""Reason of a row that is masked in quarantine: no replay brings it back."""

OTHER_DAY = "the row is of another day"

BUSINESS_DATE = "business_date"
"""The column of a row's store-local day: its location says it, or the row, or the validator adds it."""

SOURCE_NUMBER = "source_number"
"""The column that a table with restricted columns has as well: the number by which the source knows a person."""

Mask = npt.NDArray[np.bool_]
"""One truth for each row of a table."""

MAX_AMOUNT = 10**9
"""No amount of one row is as large: the sum of ten million rows still fits decimal(18,2), in which all of them are counted."""

PRIME = 1_048_573
"""Below 2^20: the product of three remainders fits 64 bits, here and in SQL."""

CACHED_ROWS = 1 << 15
"""So many numbers stay in the processor's cache while they are calculated with."""


@dataclass(frozen=True)
class Violation:
    """Rows that break the contract in the same way."""

    column: str
    expected: str
    reason: str
    rows: Rows

    def shifted(self, start: int) -> "Violation":
        """The same in a table in which the rows begin at `start`."""
        return replace(self, rows=self.rows + start)


@dataclass(frozen=True)
class Drift:
    """What has changed in the shape of a delivery: `kind` is new, missing, renamed or retyped."""

    kind: str
    column: str
    detail: str

    def __str__(self) -> str:
        return {
            "new": f"new column {self.column} ({self.detail}): its rows are loaded without it",
            "missing": f"column {self.column} is missing ({self.detail})",
            "renamed": f"column {self.column} is missing, it seems to be renamed to {self.detail}",
            "retyped": f"column {self.column} comes as {self.detail}: values that cast exactly are loaded",
        }[self.kind]


@dataclass(frozen=True)
class Fitted:
    """A delivered table in the names and types of its contract: what did not fit is null, and named in `violations`."""

    table: pa.Table
    violations: list[Violation]
    drift: list[Drift]


def fit(delivered: pa.Table, contract: Table, is_text: bool = False) -> Fitted:
    """Bring `delivered` to the names and types of the contract; values are cast only where nothing is lost.

    `is_text` says that the delivery has no types of its own (CSV), so that text is no drift. From here on a person's number is
    its pseudonym; the number itself goes along in `SOURCE_NUMBER` where the contract has restricted columns.
    """
    found = {column.name: _delivered_as(delivered, column) for column in contract.columns}
    drift = _drift(delivered, contract, found, is_text)
    columns, violations = [], []
    schema, numbers = contract.schema, pa.chunked_array([pa.nulls(delivered.num_rows, pa.int64())])
    for column in contract.columns:
        name = found[column.name]
        if name is None:
            columns.append(pa.chunked_array([pa.nulls(delivered.num_rows, column.stored_as)]))
            if column.required:
                renamed = next(
                    (d.detail for d in drift if d.kind == "renamed" and d.column == column.name), None
                )
                reason = (
                    f"the column is missing; renamed to {renamed}?" if renamed else "the column is missing"
                )
                violations.append(Violation(column.name, column.type, reason, np.arange(delivered.num_rows)))
        else:
            values, broken = _cast(delivered[name], column)
            if column.pseudonym:
                numbers, values = values, pseudonyms(values)
            columns.append(values if values.type == column.stored_as else values.dictionary_encode())
            violations += broken
    if contract.restricted:
        schema, columns = schema.append(pa.field(SOURCE_NUMBER, pa.int64())), [*columns, numbers]
    return Fitted(pa.table(columns, schema=schema), [b for b in violations if len(b.rows)], drift)


def violations(table: pa.Table, contract: Table, starts: Sequence[int]) -> Iterator[Violation]:
    """What breaks the contract's values, rules and keys in a table that fits its names and types.

    `starts` are the rows at which another location begins: a key may come again in another location, but not in the same.
    """
    for column in contract.columns:
        yield from _of_contacts(table[column.name], column)
        yield from _of_values(table[column.name], column, column.required or column.name in contract.key)
    for rule in contract.rules:
        rows = _where(table, rule.holds)
        if len(rows):
            yield Violation(rule.column, rule.expected, "the rule does not hold", rows)
    if contract.local_day:
        yield from _in_the_future(table[contract.local_day.column], contract.local_day.column)
    if contract.local_day and BUSINESS_DATE in contract.by_name:
        yield from _of_stated_day(table, contract.local_day)
    if not contract.key_may_repeat:
        rows = _repeats(table, contract.key, starts)
        if len(rows):
            yield Violation(contract.key[0], f"each {', '.join(contract.key)} once", AGAIN, rows)


def of_claim(values: pa.ChunkedArray, column: str, claimed: Any) -> Iterator[Violation]:
    """Rows whose value is not the one that their location names."""
    bounds = pc.min_max(values).as_py()
    if bounds != {"min": claimed, "max": claimed} and len(values) > values.null_count:
        other = pc.fill_null(pc.not_equal(values, pa.scalar(claimed, values.type)), False)
        yield Violation(
            column, f"{claimed}, as its location says", "the row is of another location", _true(other)
        )


def of_day(table: pa.Table, local: LocalDay, day: date) -> Iterator[Violation]:
    """Rows that are not of the store-local `day` that their location names."""
    for zone, values in _by_zone(table, local):
        first, end = (_midnight(day + timedelta(days=n), zone) for n in (0, 1))
        bounds = pc.min_max(values).as_py()
        if bounds["min"] is not None and not first <= bounds["min"] <= bounds["max"] < end:
            outside = pc.or_(
                pc.less(values, pa.scalar(first, values.type)),
                pc.greater_equal(values, pa.scalar(end, values.type)),
            )
            expected = f"a time on {day} in {zone}, the day of the file"
            yield Violation(local.column, expected, OTHER_DAY, _true(pc.fill_null(outside, False)))


def local_day(table: pa.Table, local: LocalDay) -> pa.ChunkedArray:
    """The store-local date of each row; null where its time is."""
    days = [
        pc.local_timestamp(values.cast(pa.timestamp("us", tz=zone))).cast(pa.date32())
        for zone, values in _by_zone(table, local)
    ]
    return days[0] if len(days) == 1 else pc.coalesce(*days)


def _by_zone(table: pa.Table, local: LocalDay) -> Iterator[tuple[str, pa.ChunkedArray]]:
    """Each zone with the times of its rows, null in the others; without exceptions, all times as they are."""
    times, exceptions = table[local.column], local.zone_of
    if exceptions is None or not exceptions.zones:
        yield local.zone, times
        return
    ids = table[exceptions.column]
    nothing = pa.scalar(None, times.type)
    yield local.zone, pc.if_else(_is_in(ids, exceptions.zones), nothing, times)
    for zone in dict.fromkeys(exceptions.zones.values()):
        mine = [one for one, of in exceptions.zones.items() if of == zone]
        yield zone, pc.if_else(_is_in(ids, mine), times, nothing)


def _is_in(values: pa.ChunkedArray, numbers: Iterable[int]) -> pa.ChunkedArray:
    return pc.is_in(values, value_set=pa.array(list(numbers), values.type))


def _of_stated_day(table: pa.Table, local: LocalDay) -> Iterator[Violation]:
    """Rows that state another business day than that of their time."""
    other = pc.fill_null(pc.not_equal(table[BUSINESS_DATE], local_day(table, local)), False)
    rows = _true(other)
    if len(rows):
        yield Violation(BUSINESS_DATE, f"the store-local day of {local.column}", OTHER_DAY, rows)


def key_sum(table: pa.Table, key: Sequence[str]) -> int:
    """The checksum of the rows' keys: for each row the product of each column's remainder by `PRIME`, plus one, added up.

    In SQL: `sum((k1 % 1048573 + 1) * (k2 % 1048573 + 1))`, the same for keys that are not negative.
    """
    parts = table.select(key).to_batches(max_chunksize=CACHED_ROWS)
    return sum(exact_sum(_key_numbers(part)) for part in parts)


def _key_numbers(keys: pa.RecordBatch) -> Rows:
    product: Rows | None = None
    for column in keys.columns:
        values = _numbers(column)
        if len(values) and (values.max() >= PRIME or values.min() <= -PRIME):
            values = np.fmod(values, PRIME)
        product = values + 1 if product is None else np.multiply(product, values + 1, out=product)
    return product if product is not None else np.zeros(keys.num_rows, np.int64)


def exact_sum(numbers: Rows) -> int:
    """The sum of numbers, which may not fit 64 bits."""
    return (int((numbers >> 30).sum()) << 30) + int((numbers & (2**30 - 1)).sum())


def cents(values: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """Amounts of decimal(18,2) as whole cents, null as 0."""
    filled = (values.fill_null(Decimal(0)) if values.null_count else values).combine_chunks()
    if not len(filled):
        return np.empty(0, np.int64)
    words = np.frombuffer(filled.buffers()[1], np.int64)
    return words[2 * filled.offset : 2 * (filled.offset + len(filled)) : 2].copy()


def _midnight(day: date, zone: str) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).astimezone(UTC)


def _delivered_as(delivered: pa.Table, column: Column) -> str | None:
    return next((name for name in (column.name, *column.aliases) if name in delivered.column_names), None)


def _drift(
    delivered: pa.Table, contract: Table, found: Mapping[str, str | None], is_text: bool
) -> list[Drift]:
    taken = set(found.values())
    came = {field.name: str(field.type) for field in delivered.schema if field.name not in taken}
    types = dict(zip(without_contacts([*came]), came.values(), strict=True)) if came else {}
    new = [*types]
    missing = [name for name, came in found.items() if came is None]
    drift = []
    for name in missing:
        guess = get_close_matches(name, new, 1, cutoff=0.5) or (new if len(new) == len(missing) == 1 else [])
        if guess:
            drift.append(Drift("renamed", name, guess[0]))
        else:
            required = contract.by_name[name].required
            drift.append(Drift("missing", name, "required" if required else "its rows are loaded with nulls"))
    renamed = {d.detail for d in drift if d.kind == "renamed"}
    drift += [Drift("new", name, types[name]) for name in new if name not in renamed]
    if not is_text:
        drift += [
            Drift("retyped", name, str(delivered[came].type))
            for name, came in found.items()
            if came and is_retyped(delivered[came].type, contract.by_name[name].arrow)
        ]
    return drift


def _cast(values: pa.ChunkedArray, column: Column) -> tuple[pa.ChunkedArray, list[Violation]]:
    if values.type == column.stored_as and column.stored_as != column.arrow:
        return values, []
    found, broken = cast(values, column.arrow, column.type)
    return found, [Violation(column.name, column.type, reason, rows) for reason, rows in broken.items()]


def _of_values(values: pa.ChunkedArray, column: Column, required: bool) -> Iterator[Violation]:
    if required and values.null_count:
        yield Violation(column.name, "a value", "the value is missing", _true(values.is_null()))
    if column.allowed:
        rows = _not_in(values, column.allowed)
        if len(rows):
            yield Violation(
                column.name, f"one of {', '.join(column.allowed)}", "the value is not allowed", rows
            )
    is_amount = pa.types.is_decimal(column.arrow)
    if column.min is None and column.max is None and not is_amount:
        return
    bounds = pc.min_max(values).as_py()
    if is_amount and bounds["min"] is not None and max(-bounds["min"], bounds["max"]) >= MAX_AMOUNT:
        large = _true(pc.fill_null(pc.greater_equal(pc.abs(values), MAX_AMOUNT), False))
        yield Violation(column.name, f"below {MAX_AMOUNT:,}", "the amount is too large to be added up", large)
    if column.min is not None and bounds["min"] is not None and bounds["min"] < column.min:
        below = _true(pc.fill_null(pc.less(values, column.min), False))
        yield Violation(column.name, f"at least {column.min}", f"the value is below {column.min}", below)
    if column.max is not None and bounds["max"] is not None and bounds["max"] > column.max:
        above = _true(pc.fill_null(pc.greater(values, column.max), False))
        yield Violation(column.name, f"at most {column.max}", f"the value is above {column.max}", above)


def _of_contacts(values: pa.ChunkedArray, column: Column) -> Iterator[Violation]:
    """Rows whose text names an e-mail address or a telephone number, in a column that is not said to be personal."""
    if column.personal or column.allowed or not pa.types.is_string(column.arrow):
        return
    texts = values.unique()
    found = texts.filter(pc.match_substring_regex(texts, CONTACT))
    if len(found):
        yield Violation(column.name, "no contact details", CONTACTS, _true(pc.is_in(values, value_set=found)))


def _in_the_future(values: pa.ChunkedArray, column: str) -> Iterator[Violation]:
    """Sales that have not happened yet: of a till whose clock is wrong. A day's grace is for clocks that are fast."""
    latest, limit = pc.max(values).as_py(), datetime.now(UTC) + timedelta(days=1)
    if latest is not None and latest > limit:
        rows = _true(pc.fill_null(pc.greater(values, pa.scalar(limit, values.type)), False))
        yield Violation(column, "a time that has come", "the time lies in the future", rows)


def _not_in(values: pa.ChunkedArray, allowed: Sequence[str]) -> Rows:
    legal = set(allowed)
    if all(legal.issuperset(chunk.dictionary.to_pylist()) for chunk in values.chunks):
        return np.empty(0, np.int64)
    inside = pc.is_in(values.cast(pa.string()), value_set=pa.array([*allowed, None], pa.string()))
    return _true(pc.invert(inside))


def _where(table: pa.Table, holds: str) -> Rows:
    """Rows of which the SQL condition `holds` is false. Null is no violation: whether a value must be there is said elsewhere."""
    with duckdb.connect() as connection:
        connection.register("delivered", table)
        if not connection.sql(f"select count(*) from delivered where not ({holds})").fetchone()[0]:  # type: ignore[index]
            return np.empty(0, np.int64)
        connection.sql("set threads = 1")
        verdict = connection.sql(
            f"select coalesce(not ({holds}), false) as broken from delivered"
        ).to_arrow_table()
        return _true(verdict["broken"])


def _repeats(table: pa.Table, key: Sequence[str], starts: Sequence[int]) -> Rows:
    """Rows whose key an earlier row of the same location has; nulls are no key."""
    if table.num_rows < 2:
        return np.empty(0, np.int64)
    location = np.zeros(table.num_rows, np.int64)
    location[list(starts)[1:]] = 1
    location = np.cumsum(location)
    mixed = location * -0x61C8864680B583EB
    for name in key:
        mixed = (mixed ^ _numbers(table[name])) * -0x61C8864680B583EB
        mixed ^= mixed >> 29
    ordered = np.sort(mixed)
    if not (ordered[1:] == ordered[:-1]).any():
        return np.empty(0, np.int64)
    seen: set[tuple[int, ...]] = set()
    again = []
    for row, parts in enumerate(
        zip(location.tolist(), *(table[name].to_pylist() for name in key), strict=True)
    ):
        if None in parts:
            continue
        if parts in seen:
            again.append(row)
        seen.add(parts)
    return np.array(again, np.int64)


def _numbers(values: pa.ChunkedArray | pa.Array) -> npt.NDArray[np.int64]:
    filled = values.fill_null(0) if values.null_count else values
    numbers: Rows = filled.to_numpy().astype(np.int64, copy=False)
    return numbers


def _true(mask: pa.ChunkedArray | pa.Array) -> Rows:
    return np.flatnonzero(mask.to_numpy(zero_copy_only=False)).astype(np.int64)
