"""Rows that broke their contract, kept next to the raw lake until somebody has decided what becomes of them.

`<lake>/quarantine/<source>/<table>/<load_id>.<n>.parquet` holds the rows, `resolutions/*.jsonl` what was decided, and
`held/<load_id>` marks a blocked load, which nobody is to see yet. All of it counts only with a load that is complete.
"""

import hashlib
import json
import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ingestion.contracts.contract import Table, contract
from ingestion.core import storage
from ingestion.core.errors import IngestionError
from ingestion.core.redaction import CONTACT, MASKED, without_contacts
from ingestion.core.storage import Location
from ingestion.core.text import first_line
from ingestion.lake.loads import load_id, recorded_loads, row_counts
from ingestion.lake.visible import refresh

MARKERS = "held"
"""The folder of the markers of blocked loads. It keeps the name that it has in existing lakes."""

SCHEMA = pa.schema(
    [
        ("quarantine_id", pa.string()),
        ("source", pa.string()),
        ("table_name", pa.string()),
        ("load_id", pa.string()),
        ("place", pa.string()),
        ("digest", pa.string()),
        ("row_number", pa.int64()),
        ("business_date", pa.date32()),
        ("column_name", pa.string()),
        ("expected", pa.string()),
        ("seen", pa.string()),
        ("reason", pa.string()),
        ("payload", pa.string()),
    ]
)
"""One row of a delivery that was quarantined; without `row_number` and `payload`, a whole file that cannot be read."""

SHOWN = {
    "seen": MASKED,
    "payload": json.dumps(MASKED),
    "reason": "masked: it names a person's contact details",
}
"""Text of an entry that comes from the delivery, and what stands there instead."""

NO_PYTHON = (ValueError, OverflowError, LookupError, pa.ArrowException)
"""What is raised for a value that Python cannot have: a far year, a nanosecond, a zone that nobody knows."""


@dataclass(frozen=True)
class Resolution:
    """What became of one entry. With a `load_id` it counts only when that load is complete."""

    quarantine_id: str
    action: str
    reason: str
    at: str
    by: str
    load_id: str | None = None


class Quarantine:
    """The quarantine of one source."""

    def __init__(self, lake: Location, source: str) -> None:
        self.source = source
        self.folder = lake / "quarantine" / source
        self.dataset = lake / "raw" / source

    def write(self, load: str, entries: list[dict[str, Any]]) -> None:
        """Keep `entries` (all of one table) for a load that is under way; whether it will be blocked is open until then.

        Contact details that are still in them, as in a line that is no row, are masked whatever the table.
        """
        folder = self.folder / str(entries[0]["table_name"])
        self._mark(load, "")
        rows = pa.Table.from_pylist([{**entry, "load_id": load} for entry in entries], schema=SCHEMA)
        for name, instead in SHOWN.items():
            texts = rows[name]
            has = pc.fill_null(pc.match_substring_regex(texts, CONTACT), False)
            rows = rows.set_column(rows.schema.get_field_index(name), name, pc.if_else(has, instead, texts))
        number = sum(1 for _ in storage.found(folder, f"{load}.*.parquet"))
        with storage.atomically(folder / f"{load}.{number}.parquet") as beside:
            pq.write_table(rows, beside, compression="zstd")

    def entries(self) -> list[dict[str, Any]]:
        """Everything that complete loads quarantined, oldest first, each with the `resolution` that it has or None."""
        complete, resolved = recorded_loads(self.dataset), self.resolutions()
        found: dict[str, dict[str, Any]] = {}
        for file in self._files():
            if load_id(file) in complete:
                rows = _read(file)
                found.update((row["quarantine_id"], row) for row in sorted(rows, key=_order))
        return [
            {**row, "resolution": _since(resolved.get(one), row["load_id"])} for one, row in found.items()
        ]

    def open_entries(self) -> list[dict[str, Any]]:
        """The entries of which nothing has become yet."""
        return [entry for entry in self.entries() if entry["resolution"] is None]

    def resolutions(self) -> dict[str, Resolution]:
        """The last word about each entry."""
        complete = recorded_loads(self.dataset)
        said = [
            Resolution(**json.loads(line))
            for file in storage.found(self.folder / "resolutions", "*.jsonl")
            for line in storage.read(file).decode().splitlines()
        ]
        return {one.quarantine_id: one for one in said if one.load_id is None or one.load_id in complete}

    def resolve(
        self, ids: Collection[str], action: str, reason: str, by: str, load: str | None = None
    ) -> None:
        """Write down what becomes of entries. Nothing is taken away: the record is only appended to."""
        at = datetime.now(UTC).isoformat(timespec="microseconds")
        lines = [
            json.dumps(asdict(Resolution(one, action, reason, at, by, load))) + "\n" for one in sorted(ids)
        ]
        name = f"{at.replace(':', '')}-{secrets.token_hex(4)}.jsonl"
        storage.write(self.folder / "resolutions" / name, "".join(lines))

    def erase(self, ids: Collection[str]) -> None:
        """Take entries away, with what was decided about them. Their account is the caller's."""
        for file in self._files() if ids else ():
            rows = _read(file)
            others = [row for row in rows if row["quarantine_id"] not in ids]
            if not others:
                storage.remove(file)
            elif len(others) < len(rows):
                with storage.atomically(file) as beside:
                    pq.write_table(pa.Table.from_pylist(others, schema=SCHEMA), beside, compression="zstd")
        for file in storage.found(self.folder / "resolutions", "*.jsonl") if ids else ():
            lines = storage.read(file).decode().splitlines(keepends=True)
            kept = [line for line in lines if json.loads(line)["quarantine_id"] not in ids]
            if len(kept) < len(lines):
                storage.write(file, "".join(kept))

    def of_household(self, pseudonym: int) -> list[dict[str, Any]]:
        """All entries whose row is of a household."""
        return [entry for entry in self.entries() if self._is_of(entry, pseudonym)]

    def _is_of(self, entry: Mapping[str, Any], pseudonym: int) -> bool:
        row = json.loads(entry["payload"] or "null")
        columns = contract(self.source)[entry["table_name"]].pseudonyms if isinstance(row, dict) else ()
        return any(
            row.get(name) == pseudonym for column in columns for name in (column.name, *column.aliases)
        )

    def blocked(self) -> dict[str, dict[str, Any]]:
        """The complete loads that are blocked, oldest first, each with its reasons and since when."""
        complete = recorded_loads(self.dataset)
        markers = [file for file in storage.found(self.folder / MARKERS, "*") if file.name in complete]
        return {file.name: json.loads(storage.read(file).decode() or "{}") for file in markers}

    def review(self) -> None:
        """Decide for each marked load whether it is blocked: not when little of it, or nothing any more, is in quarantine."""
        blocked = self.blocked()
        if not blocked:
            return
        opened = self.open_entries()
        for load, before in blocked.items():
            reasons = self._reasons(
                load, [entry for entry in opened if entry["load_id"] == load], bool(before)
            )
            if reasons:
                since = before.get("since") or datetime.now(UTC).isoformat(timespec="seconds")
                self._mark(load, json.dumps({"since": since, "reasons": reasons}))
            else:
                storage.remove(self.folder / MARKERS / load)
        refresh(self.dataset)

    def dead_files(self, pending: Collection[str] = ()) -> list[Location]:
        """What loads left here that never completed and are not `pending`."""
        alive = recorded_loads(self.dataset).union(pending)
        dead = [file for file in self._files() if load_id(file) not in alive]
        dead += [file for file in storage.found(self.folder / MARKERS, "*") if file.name not in alive]
        return dead + [file for file in storage.found(self.folder, "*/.*") if file not in dead]

    def sweep(self) -> None:
        """Remove the dead files. Call it only when no load of the source is running or pending."""
        for file in self.dead_files():
            storage.remove(file)

    def _reasons(self, load: str, entries: list[dict[str, Any]], was_blocked: bool) -> list[str]:
        """Why a load is blocked; once it is, it is until nothing of it is open."""
        tables: dict[str, Table] = contract(self.source)
        loaded = row_counts(self.dataset, {load})
        reasons = []
        for name in sorted({entry["table_name"] for entry in entries}):
            mine = [entry for entry in entries if entry["table_name"] == name]
            unreadable = {e["place"] for e in mine if e["row_number"] is None and e["reason"] != FUTURE}
            rows = sum(entry["row_number"] is not None for entry in mine)
            share = rows / (rows + loaded.get(name, 0)) if rows else 0
            if unreadable:
                reasons.append(f"{name}: cannot be read: {', '.join(sorted(unreadable))}")
            if rows and (was_blocked or share > tables[name].max_rejected_share):
                reasons.append(f"{name}: {rows:,} rows in quarantine, {loaded.get(name, 0):,} loaded")
        return reasons

    def _mark(self, load: str, text: str) -> None:
        marker = self.folder / MARKERS / load
        if text or not marker.exists():
            storage.write(marker, text)

    def _files(self) -> list[Location]:
        """The files of entries, oldest load first."""
        return sorted(storage.found(self.folder, "*/*.parquet"), key=load_id)


FUTURE = "the file's day has not come yet"
"""Reason of a file that is not read before the others have reached its day; nothing is missing, so nothing is blocked."""


def _order(row: Mapping[str, Any]) -> tuple[str, int]:
    return row["place"], row["row_number"] or 0


def _since(resolution: Resolution | None, load: str) -> Resolution | None:
    """A decision about an earlier delivery of the same row does not count for a later one."""
    is_later = resolution and datetime.fromisoformat(resolution.at).timestamp() > float(load)
    return resolution if is_later else None


def entry_id(contract: Table, location: str, content: str) -> str:
    """The same row of the same delivery always has the same id."""
    return hashlib.sha256(f"{contract.source}\0{contract.name}\0{location}\0{content}".encode()).hexdigest()[
        :16
    ]


def delivered_rows(table: pa.Table, rows: Sequence[int]) -> list[dict[str, Any]]:
    """Some rows of a delivery for people: a value for which Python has no type is told as text, contact details are masked."""
    columns = [_delivered_values(table.column(number), rows) for number in range(table.num_columns)]
    shown = [
        values if _is_number(field.type) else without_contacts(values)
        for field, values in zip(table.schema, columns, strict=True)
    ]
    names = without_contacts(table.column_names)
    return [dict(zip(names, values, strict=True)) for values in zip(*shown, strict=True)]


def _is_number(kind: pa.DataType) -> bool:
    """Whether no value of it can name anybody."""
    return bool(pa.types.is_primitive(kind) or pa.types.is_decimal(kind))


def _delivered_values(column: pa.ChunkedArray, rows: Sequence[int]) -> list[Any]:
    try:
        return list(column.take(pa.array(rows, pa.int64())).to_pylist())
    except NO_PYTHON:
        return [_delivered_value(column[row]) for row in rows]


def _delivered_value(value: pa.Scalar) -> Any:
    try:
        return value.as_py()
    except NO_PYTHON:
        pass
    if pa.types.is_temporal(value.type):  # Arrow's own text of a far year is that of another one
        return f"{value.value} as {value.type}"
    try:
        return value.cast(pa.string()).as_py()
    except pa.ArrowException:
        return f"a value of type {value.type}"


def payload(row: Mapping[str, Any], contract: Table) -> str:
    """A row as JSON text, as delivered. Personal values are masked, and where rows are of people, so are unknown columns."""
    shown = {
        name: MASKED if value is not None and is_masked(contract, name) else value
        for name, value in row.items()
    }
    try:
        return json.dumps(shown, default=_text, ensure_ascii=False, allow_nan=False)
    except ValueError:  # JSON has no word for a float that is no number
        return json.dumps(
            {
                name: _text(value) if isinstance(value, float | list | dict) else value
                for name, value in shown.items()
            },
            default=_text,
            ensure_ascii=False,
        )


def seen(value: Any, contract: Table, column: str) -> str:
    """A value for people: shortened, and masked where it is personal."""
    if value is None:
        return "null"
    return MASKED if is_masked(contract, column) else str(_text(value))[:200]


def sentence(entry: Mapping[str, Any]) -> str:
    """An entry in one line: where, what, and how to name it."""
    where = (
        f"{entry['place']}, row {entry['row_number']:,}"
        if entry["row_number"] is not None
        else entry["place"]
    )
    column = f"column {entry['column_name']}: " if entry["column_name"] else ""
    return (
        f"{entry['source']}.{entry['table_name']}: {where}: {column}{entry['reason']}"
        f" (expected {entry['expected']}, seen {entry['seen']}) [{entry['quarantine_id']}]"
    )


def is_masked(contract: Table, column: str) -> bool:
    """Whether a column's values are personal, or may be."""
    known = contract.by_any_name.get(column)
    return known.personal if known else contract.is_of_people


def _text(value: Any) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def all_sources(lake: Location) -> Iterator[Quarantine]:
    """The quarantines that hold anything, by source."""
    for folder in storage.found(lake / "quarantine", "*"):
        yield Quarantine(lake, folder.name)


def _read(file: Location) -> list[dict[str, Any]]:
    try:
        rows: list[dict[str, Any]] = storage.table(file, schema=SCHEMA).to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise IngestionError(
            f"{file} cannot be read: {first_line(error)}",
            "Restore it from a backup: it is the only record of these rows.",
        ) from error
    return rows
