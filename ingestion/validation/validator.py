"""The one door through which rows enter the lake: good rows go on, the others to quarantine, and all are counted."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import Any

import dlt
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from dlt.common.schema.typing import TSchemaContractDict
from dlt.common.storages.load_package import load_package_state

from ingestion.contracts.contract import Table
from ingestion.core import storage
from ingestion.core.redaction import MASKED, redacted
from ingestion.core.storage import Location
from ingestion.lake import deliveries
from ingestion.lake.loads import DELIVERIES, ERASED
from ingestion.privacy.forgotten import forgotten
from ingestion.privacy.restricted import Restricted
from ingestion.quarantine.store import Quarantine, delivered_rows, entry_id, payload, seen
from ingestion.validation import checks
from ingestion.validation.casts import Rows
from ingestion.validation.checks import Drift, Mask, Violation
from ingestion.validation.provenance import Provenance
from ingestion.validation.records import as_text, records

BATCH_ROWS = 250_000
"""Rows handed to dlt at a time: large enough for good Parquet row groups, small enough for memory and to begin writing soon."""

MOST_REJECTED = 50_000
"""Rows that are quarantined of one file: it is refused whole where more would be. Each is kept as text for people to look at."""

FROZEN: TSchemaContractDict = {"tables": "evolve", "columns": "evolve", "data_type": "freeze"}
"""dlt's schema contract for every resource: what may come is decided here, and a type in the lake stays what it is."""

REASONS = {"replayed": "fits the contract now", "superseded": "delivered again, or gone from the source"}


@dataclass(frozen=True)
class _Piece:
    """What one call of `accept` brought: the rows as they came, their numbers, and the same in the contract's form."""

    provenance: Provenance
    delivered: pa.Table
    fitted: checks.Fitted
    first: int
    numbers: Rows | None
    replays: Sequence[str]

    def number(self, row: int) -> int:
        return self.first + row if self.numbers is None else int(self.numbers[row])


@dataclass
class _Tally:
    """What came from one location for one day. Money in cents."""

    first: int
    last: int
    delivered: int = 0
    quarantined: int = 0
    erased: int = 0
    key_sum: int = 0
    money: int = 0
    drift: list[Drift] = field(default_factory=list)


class Validator:
    """Validates the rows of one table in one run.

    Call `accept` for whatever arrives and `close` at the end, and yield all that they yield. Rows are gathered until
    they make a batch. What breaks the contract is written to the quarantine before the load can be completed, and
    every row is counted in the table `deliveries`, which is committed with the load.
    """

    def __init__(self, contracts: Mapping[str, Table], table: str) -> None:
        self.contract = contracts[table]
        self._pieces: list[_Piece] = []
        self._gathered = 0
        self._reset()

    def _reset(self) -> None:
        self._tallies: dict[tuple[Provenance, date | None], _Tally] = {}
        self._malformed: list[dict[str, Any]] = []
        self._refused: list[Provenance] = []
        self._broken: set[str] = set()
        self._replayed: set[str] = set()
        self._superseded: set[str] = set()
        self._contents: Counter[str] = Counter()

    @property
    def has_unidentified(self) -> bool:
        """Whether records without a key are in quarantine: only a read of all records tells whether they are fixed."""
        return bool(self._waiting.get(None))

    def accept(
        self,
        table: pa.Table,
        provenance: Provenance,
        first: int = 1,
        numbers: Rows | None = None,
        is_text: bool = False,
        replays: Sequence[str] = (),
        odd: Sequence[Violation] = (),
    ) -> Iterator[pa.Table]:
        """Take in the rows of `table` as delivered; `first` is the number of its first row, or `numbers` those of all.

        `is_text` says that the delivery has no types of its own. `replays` are the quarantine ids of rows that come
        from there: those that still do not fit stay there. `odd` names what the table cannot show as it came.
        """
        fitted = checks.fit(table, self.contract, is_text)
        fitted.violations.extend(odd)
        self._pieces.append(_Piece(provenance, table, fitted, first, numbers, replays))
        self._gathered += table.num_rows
        if self._gathered >= BATCH_ROWS:
            yield from self._flush()

    def accept_all(
        self, tables: Iterable[pa.Table], provenance: Provenance, deleted: pa.Array | None = None
    ) -> Iterator[Any]:
        """Take in a stream of tables as delivered, and close."""
        first = 1
        for table in tables:
            if table.num_rows:
                yield from self.accept(table, provenance, first)
                first += table.num_rows
        yield from self.close(deleted)

    def refuse(self, provenance: Provenance, reason: str, expected: str, seen: str) -> None:
        """Quarantine a whole file; one that is there already is no news."""
        values = {"business_date": provenance.day, "expected": expected, "reason": redacted(reason)}
        values["seen"] = MASKED if self.contract.personal else seen
        entry = self._entry(provenance, provenance.digest, **values)
        if entry["quarantine_id"] not in self._known:
            self._refused.append(provenance)
        self._write([entry])

    def refuse_row(self, provenance: Provenance, number: int, expected: str, seen: str, text: str) -> None:
        """Quarantine a malformed row: one line of a file, one item of an answer, one event."""
        shown = MASKED if self.contract.is_of_people else text
        entry = self._entry(
            provenance,
            self._content(provenance, number, shown),
            business_date=provenance.day,
            row_number=number,
            expected=expected,
            seen=seen,
            reason="malformed row",
            payload=json.dumps(shown),
        )
        if provenance.digest or entry["quarantine_id"] not in self._known:
            tally = self._tallies.setdefault((provenance, provenance.day), _Tally(number, number))
            tally.delivered += 1
            tally.quarantined += 1
        self._malformed.append(entry)

    def close(self, deleted: pa.Array | None = None) -> Iterator[Any]:
        """Hand on what is still gathered, and the account of all that was accepted since the last call.

        `deleted` says that the source was compared as a whole, and which keys it has no more: what is in quarantine of
        records that are gone is settled.
        """
        yield from self._flush()
        self._write(self._malformed)
        if deleted is not None:
            self._note_gone(deleted)
        rows = [self._delivery(provenance, day, tally) for (provenance, day), tally in self._tallies.items()]
        rows += [self._delivery(provenance, provenance.day, _Tally(0, 0)) for provenance in self._refused]
        rows = [row for row in rows if row["delivered"] or (row["digest"] and row["kind"] != "replay")]
        self._settle(_load_id() if rows else None)  # without a row there will be no load
        if rows:
            account = pa.Table.from_pylist(rows, schema=deliveries.SCHEMA)
            yield dlt.mark.with_hints(account, dlt.mark.make_hints(DELIVERIES), create_table_variant=True)
        self._reset()

    def _flush(self) -> Iterator[pa.Table]:
        pieces, self._pieces, self._gathered = self._pieces, [], 0
        if not pieces:
            return
        table = self._with_day(
            pa.concat_tables([_with_constants(piece) for piece in pieces])
        ).unify_dictionaries()
        starts = np.cumsum([0, *(piece.delivered.num_rows for piece in pieces)])
        erased, violations = self._of_forgotten(table), self._violations(table, pieces, starts)
        violations = [replace(one, rows=one.rows[~erased[one.rows]]) for one in violations]
        if hopeless := self._refuse_hopeless(violations, pieces, starts):
            self._pieces = [piece for number, piece in enumerate(pieces) if number not in hopeless]
            yield from self._flush()
            return
        if erased.any():
            yield from self._erased_versions(table.filter(pa.array(erased)))
        bad, again = self._quarantine_rows(table, violations, pieces, starts)
        self._count(table, pieces, starts, bad, again, erased)
        self._note_replayed(pieces, starts, bad)
        if bad.any() or erased.any():
            table = table.filter(pa.array(~(bad | erased)))
        self._note_again(table)
        if table.num_rows:
            yield self._without_identifiers(table)

    def _of_forgotten(self, table: pa.Table) -> Mask:
        """Which rows are of somebody who is forgotten: they are counted, and go nowhere."""
        found = np.zeros(table.num_rows, bool)
        for column in self.contract.pseudonyms:
            if len(self._forgotten):
                found |= pc.is_in(table[column.name], self._forgotten).to_numpy()
        return found

    def _erased_versions(self, table: pa.Table) -> Iterator[Any]:
        """The versions of such records as known ones, so that they are not read in every run: their keys name nobody."""
        if self.contract.has_versions and not self.contract.by_name[self.contract.key[0]].pseudonym:
            names = [pa.repeat(pa.scalar(self.contract.name), table.num_rows)]
            rows = [*names, table[self.contract.key[0]].cast(pa.int64()), table["updated_at"]]
            yield dlt.mark.with_table_name(pa.table(rows, ["table_name", "record_key", "updated_at"]), ERASED)

    def _without_identifiers(self, table: pa.Table) -> pa.Table:
        """What the lake gets: the columns that point at a person by themselves go to the restricted zone."""
        apart = self.contract.restricted
        if not apart:
            return table
        rows = table.select([checks.SOURCE_NUMBER, self.contract.key[0], *apart, "updated_at"])
        Restricted(self._lake, self.contract.source).write(_load_id(), self.contract.name, rows)
        return table.drop_columns([checks.SOURCE_NUMBER, *apart])

    def _refuse_hopeless(self, violations: list[Violation], pieces: list[_Piece], starts: Rows) -> set[int]:
        """Quarantine those files whole of which too many rows would be, and say which pieces they are."""
        if sum(len(violation.rows) for violation in violations) <= MOST_REJECTED:
            return set()
        rows = np.unique(np.concatenate([violation.rows for violation in violations]))
        counts = np.diff(np.searchsorted(rows, starts)).tolist()
        hopeless = {
            n for n, piece in enumerate(pieces) if counts[n] > MOST_REJECTED and piece.provenance.is_whole
        }
        for number in hopeless:
            worst = max(violations, key=lambda one: np.diff(np.searchsorted(one.rows, starts))[number])
            self.refuse(
                pieces[number].provenance,
                f"too many rows break the contract: column {worst.column}: {worst.reason}",
                f"at most {MOST_REJECTED:,} such rows in a file",
                f"{counts[number]:,}",
            )
        return hopeless

    def _with_day(self, table: pa.Table) -> pa.Table:
        """Add the business day where the contract says how it is told and the location does not say it."""
        local = self.contract.local_day
        if local is None or "business_date" in table.column_names:
            return table
        return table.append_column("business_date", checks.local_day(table, local))

    def _violations(self, table: pa.Table, pieces: list[_Piece], starts: Rows) -> list[Violation]:
        found = []
        for piece, start in zip(pieces, starts, strict=False):
            found += [
                violation.shifted(start)
                for violation in (*piece.fitted.violations, *self._of_location(piece))
            ]
        occupied = [int(s) for piece, s in zip(pieces, starts, strict=False) if piece.delivered.num_rows]
        return found + list(checks.violations(table, self.contract, occupied))

    def _of_location(self, piece: _Piece) -> Iterator[Violation]:
        """Rows that are of another day or week than their location says."""
        local, table = self.contract.local_day, piece.fitted.table
        if local and piece.provenance.day:
            yield from checks.of_day(table, local, piece.provenance.day)
        for column, value in piece.provenance.claims.items():
            yield from checks.of_claim(table[column], column, value)

    def _quarantine_rows(
        self, table: pa.Table, violations: list[Violation], pieces: list[_Piece], starts: Rows
    ) -> tuple[Mask, Mask]:
        """Write the rows that broke the contract to the quarantine.

        Returns which rows those are, and which of them had been quarantined before and do not count again.
        """
        bad, again = np.zeros(table.num_rows, bool), np.zeros(table.num_rows, bool)
        if not violations:
            return bad, again
        by_row: dict[int, list[Violation]] = {}
        for violation in violations:
            bad[violation.rows] = True
            for row in violation.rows.tolist():
                by_row.setdefault(row, []).append(violation)
        days = table["business_date"].to_pylist() if "business_date" in table.column_names else None
        entries = []
        for piece, start, end in zip(pieces, starts, starts[1:], strict=False):
            rows = np.flatnonzero(bad[start:end])
            came = delivered_rows(piece.delivered, rows.tolist())
            _hide_numbers(came, piece.fitted.table, rows, self.contract)
            for row, values in zip(rows.tolist(), came, strict=True):
                entry = self._entry_of_row(piece, row, values, by_row[start + row])
                entry["business_date"] = days[start + row] if days else None
                again[start + row] = bool(piece.replays) or (
                    entry["quarantine_id"] in self._known and not piece.provenance.is_whole
                )
                if not piece.replays:
                    entries.append(entry)
        self._write(entries)
        return bad, again

    def _entry_of_row(
        self, piece: _Piece, row: int, came: dict[str, Any], broken: list[Violation]
    ) -> dict[str, Any]:
        number, first = piece.number(row), broken[0]
        also = [f"{violation.column}: {violation.reason}" for violation in broken[1:]]
        text = payload(came, self.contract)
        return self._entry(
            piece.provenance,
            self._content(piece.provenance, number, _canonical(text)),
            row_number=number,
            column_name=first.column,
            expected=first.expected,
            seen=seen(came[first.column], self.contract, first.column)
            if first.column in came
            else "no such column",
            reason="; also ".join([first.reason, *also]),
            payload=text,
        )

    def _content(self, provenance: Provenance, number: int, text: str) -> str:
        """What tells a row from the others of its location: its number in a delivery, otherwise its text, counted."""
        if provenance.digest:
            return f"{provenance.digest}\0{number}"
        self._contents[text] += 1
        return text if self._contents[text] == 1 else f"{text}\0{self._contents[text]}"

    def _entry(self, provenance: Provenance, content: str, **values: Any) -> dict[str, Any]:
        return {
            "quarantine_id": entry_id(self.contract, provenance.location, content),
            "source": self.contract.source,
            "table_name": self.contract.name,
            "place": provenance.location,
            "digest": provenance.digest,
            **values,
        }

    def _count(
        self, table: pa.Table, pieces: list[_Piece], starts: Rows, bad: Mask, again: Mask, erased: Mask
    ) -> None:
        money = self.contract.money
        counted = table.select([*self.contract.key, *filter(None, [money])])
        for piece, start, end in zip(pieces, starts, starts[1:], strict=False):
            for day, rows in _by_day(table, piece, int(start), int(end)):
                tally = self._tallies.setdefault((piece.provenance, day), _Tally(piece.number(0), 0))
                tally.last = piece.number(max(piece.delivered.num_rows - 1, 0))
                tally.delivered += int((~again[rows]).sum())
                tally.quarantined += int((bad[rows] & ~again[rows]).sum())
                tally.erased += int(erased[rows].sum())
                loaded = _loaded(counted, rows, bad | erased)
                tally.key_sum += checks.key_sum(loaded, self.contract.key)
                tally.money += checks.exact_sum(checks.cents(loaded[money])) if money else 0
                tally.drift += piece.fitted.drift

    def _delivery(self, provenance: Provenance, day: date | None, tally: _Tally) -> dict[str, Any]:
        return {
            "source": self.contract.source,
            "table_name": self.contract.name,
            "place": provenance.location,
            "kind": provenance.kind,
            "digest": provenance.digest,
            "first": tally.first,
            "last": tally.last,
            "business_date": day,
            "is_unreadable": provenance in self._refused,
            "delivered": tally.delivered,
            "loaded": tally.delivered - tally.quarantined - tally.erased,
            "quarantined": tally.quarantined,
            "erased": tally.erased,
            "key_sum": Decimal(tally.key_sum),
            "money_usd": Decimal(tally.money).scaleb(-2) if self.contract.money else None,
            "drift": json.dumps([asdict(d) for d in dict.fromkeys(tally.drift)]) if tally.drift else None,
        }

    def _write(self, entries: list[dict[str, Any]]) -> None:
        """Quarantine entries that are not there yet: what is delivered again as it was has its entry."""
        self._broken.update(entry["quarantine_id"] for entry in entries)
        new = [entry for entry in entries if entry["quarantine_id"] not in self._known]
        if new:
            self._quarantine.write(_load_id(), new)

    def _note_replayed(self, pieces: list[_Piece], starts: Rows, bad: Mask) -> None:
        for piece, start in zip(pieces, starts, strict=False):
            self._replayed.update(one for row, one in enumerate(piece.replays) if not bad[start + row])

    def _note_again(self, loaded: pa.Table) -> None:
        """Remember open entries of single records whose key has now been loaded."""
        firsts = {key[0] for key in self._waiting if key}
        if firsts:
            candidates = loaded.filter(
                pc.is_in(loaded[self.contract.key[0]], pa.array(firsts, loaded[self.contract.key[0]].type))
            )
            for key in zip(*(candidates[name].to_pylist() for name in self.contract.key), strict=True):
                self._superseded.update(self._waiting.get(key, ()))

    def _note_gone(self, deleted: pa.Array) -> None:
        """Remember open entries of records that the source does not have any more, those without a key included."""
        for key in deleted.to_pylist():
            self._superseded.update(self._waiting.get((key,), ()))
        self._superseded.update(self._waiting.get(None, ()))

    def _settle(self, load: str | None) -> None:
        """Write down which open entries are closed: rows replayed, locations and records delivered again, or gone."""
        locations = {provenance.location for provenance, _ in self._tallies if provenance.is_whole}
        settled = (
            {e["quarantine_id"] for e in self._open if e["digest"] and e["place"] in locations}
            if locations
            else set()
        )
        settled = (settled | self._superseded) - self._broken - self._replayed
        for action, ids in (("replayed", self._replayed), ("superseded", settled)):
            if ids:
                self._quarantine.resolve(ids, action, REASONS[action], "larder", load)

    @cached_property
    def _waiting(self) -> dict[tuple[int, ...] | None, set[str]]:
        """The open entries of single records by the key that the contract reads in them, or None."""
        entries = [entry for entry in self._open if entry["payload"] and not entry["digest"]]
        found: dict[tuple[int, ...] | None, set[str]] = {}
        if entries:
            rows = [json.loads(entry["payload"]) for entry in entries]
            table = records([row if isinstance(row, dict) else {} for row in rows])
            keys = checks.fit(table, self.contract.only(*self.contract.key).pseudonymised).table
            for entry, *key in zip(entries, *(column.to_pylist() for column in keys.columns), strict=True):
                found.setdefault(None if None in key else tuple(key), set()).add(entry["quarantine_id"])
        return found

    @cached_property
    def _quarantine(self) -> Quarantine:
        return Quarantine(self._lake, self.contract.source)

    @cached_property
    def _lake(self) -> Location:
        return storage.location(dlt.current.pipeline().destination.config_params["bucket_url"]).parent

    @cached_property
    def _forgotten(self) -> pa.Array:
        return forgotten(self._lake)

    @cached_property
    def _open(self) -> list[dict[str, Any]]:
        """What this table has in quarantine as the run begins."""
        return [e for e in self._entries if e["resolution"] is None]

    @cached_property
    def _known(self) -> set[str]:
        """Ids that need not be quarantined again: open, or discarded for good."""
        return {
            e["quarantine_id"]
            for e in self._entries
            if not e["resolution"] or e["resolution"].action == "discarded"
        }

    @cached_property
    def _entries(self) -> list[dict[str, Any]]:
        """What this table has in quarantine as the run begins."""
        return [e for e in self._quarantine.entries() if e["table_name"] == self.contract.name]


def _by_day(
    table: pa.Table, piece: _Piece, start: int, end: int
) -> Iterator[tuple[date | None, slice | Mask]]:
    """The rows of a piece by business day: all on the day of its location, or each on its own."""
    if piece.provenance.day or "business_date" not in table.column_names or start == end:
        yield piece.provenance.day, slice(start, end)
        return
    days = table["business_date"].slice(start, end - start)
    for day in days.unique().to_pylist():
        same = pc.is_null(days) if day is None else pc.fill_null(pc.equal(days, pa.scalar(day)), False)
        mask = np.zeros(table.num_rows, bool)
        mask[start:end] = same.to_numpy()
        yield day, mask


def _loaded(table: pa.Table, rows: slice | Mask, bad: Mask) -> pa.Table:
    """Those of `rows` that are not bad."""
    if not isinstance(rows, slice):
        return table.filter(pa.array(rows & ~bad))
    part = table.slice(rows.start, rows.stop - rows.start)
    return part.filter(pa.array(~bad[rows])) if bad[rows].any() else part


def _hide_numbers(came: list[dict[str, Any]], fitted: pa.Table, rows: Rows, contract: Table) -> None:
    """Put the pseudonym in place of each number of a person, and mask what is no such number."""
    for column in contract.pseudonyms:
        for row, value in zip(came, fitted[column.name].take(pa.array(rows)).to_pylist(), strict=True):
            names = [name for name in (column.name, *column.aliases) if row.get(name) is not None]
            row.update(dict.fromkeys(names, MASKED))
            if names and value is not None and value >= 0:
                row[names[0]] = value


def _canonical(row: str) -> str:
    """A row in quarantine as the same text whatever rows came with it: these decide on types, nulls and order."""
    values = json.loads(row).items()
    return json.dumps({name: as_text(value) for name, value in values if value is not None}, sort_keys=True)


def _with_constants(piece: _Piece) -> pa.Table:
    table = piece.fitted.table
    for name, value in piece.provenance.constants.items():
        table = table.append_column(name, _repeated(value, table.num_rows))
    return table


def _repeated(value: pa.Scalar, times: int) -> pa.Array:
    if not pa.types.is_string(value.type):
        return pa.repeat(value, times)
    return pa.DictionaryArray.from_arrays(np.zeros(times, np.int32), pa.array([value]))


def _load_id() -> str:
    """The load that is being extracted."""
    return str(load_package_state()["load_id"])
