"""What a source promises of each table: `ingestion/contracts/<source>.yml`, read into frozen values."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cache, cached_property
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import yaml

from ingestion.core.errors import IngestionError

FOLDER = Path(__file__).parent

TYPES = {
    "int64": pa.int64(),
    "int32": pa.int32(),
    "string": pa.string(),
    "bool": pa.bool_(),
    "date": pa.date32(),
    "timestamp_utc": pa.timestamp("us", tz="UTC"),
}
"""Besides these: `decimal(<precision>,<scale>)`."""

LABEL = pa.dictionary(pa.int32(), pa.string())
"""Text of which a table has few different values: cheap to check, to carry and to write. In Parquet it is text."""

MAX_REJECTED_SHARE = 0.05
"""Share of a load's rows in quarantine above which the source is blocked, where its contract does not say otherwise."""


MAX_ROWS = 250_000
"""Rows of one file, or records of one answer of an API, where the contract does not say otherwise: 50 times a real day of tills.

What is delivered is read into memory: more is refused, so that no delivery fills the memory of the machine."""


@dataclass(frozen=True)
class Column:
    """One column: its type, and which of its values are legal: `min` and `max` of numbers, of dates and of times.

    `aliases` are other names by which it may come. A number that names a person is written as a `pseudonym`; what is
    `restricted` points at a person by itself, and is written to the restricted zone only.
    """

    name: str
    type: str
    required: bool = False
    allowed: tuple[str, ...] = ()
    min: int | date | None = None
    max: int | date | None = None
    personal: bool = False
    pseudonym: bool = False
    restricted: bool = False
    aliases: tuple[str, ...] = ()

    @cached_property
    def arrow(self) -> pa.DataType:
        found = re.fullmatch(r"decimal\((\d+),\s*(\d+)\)", self.type)
        return pa.decimal128(int(found[1]), int(found[2])) if found else TYPES[self.type]

    @cached_property
    def stored_as(self) -> pa.DataType:
        """The type in which values travel and are written: those of a short list as their positions in it."""
        return LABEL if self.allowed and pa.types.is_string(self.arrow) else self.arrow


@dataclass(frozen=True)
class ZoneOf:
    """Exceptions from a time zone: the rows whose `column` has one of these values are of that zone."""

    column: str
    zones: Mapping[int, str] = field(hash=False)


@dataclass(frozen=True)
class LocalDay:
    """The business day of a row: the day of the UTC time in `column` on the clocks of `zone`, or of an exception."""

    column: str
    zone: str
    zone_of: ZoneOf | None = None


@dataclass(frozen=True)
class Rule:
    """What must hold within a row: SQL over its columns. `column` is the one that is named where it does not."""

    column: str
    expected: str
    holds: str


@dataclass(frozen=True)
class Table:
    """The contract of one table. `money` names the column that the ledger adds up."""

    source: str
    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    key_may_repeat: bool = False
    money: str | None = None
    local_day: LocalDay | None = None
    rules: tuple[Rule, ...] = ()
    max_rejected_share: float = MAX_REJECTED_SHARE
    max_rows: int = MAX_ROWS
    by_name: Mapping[str, Column] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_name", {column.name: column for column in self.columns})

    @cached_property
    def schema(self) -> pa.Schema:
        """Names and types, as rows are checked; the lake gets all but those that are restricted."""
        return pa.schema([(column.name, column.stored_as) for column in self.columns])

    @cached_property
    def labels(self) -> list[str]:
        """Columns that travel as positions in a short list."""
        return [column.name for column in self.columns if column.stored_as == LABEL]

    def only(self, *names: str) -> "Table":
        """The contract of these columns alone, for instance of those that name a record."""
        return replace(self, columns=tuple(self.by_name[name] for name in names))

    @cached_property
    def pseudonymised(self) -> "Table":
        """The contract of rows that have pseudonyms already, as those in quarantine."""
        return replace(self, columns=tuple(replace(column, pseudonym=False) for column in self.columns))

    @cached_property
    def by_any_name(self) -> Mapping[str, Column]:
        """Columns by each name by which they may come."""
        return {**{alias: column for column in self.columns for alias in column.aliases}, **self.by_name}

    @property
    def personal(self) -> set[str]:
        """Columns whose values are masked wherever a violation is shown."""
        return {column.name for column in self.columns if column.personal}

    @property
    def pseudonyms(self) -> list[Column]:
        """Columns whose numbers are replaced before anything is written."""
        return [column for column in self.columns if column.pseudonym]

    @property
    def restricted(self) -> list[str]:
        """Columns that are written to the restricted zone only."""
        return [column.name for column in self.columns if column.restricted]

    @property
    def has_versions(self) -> bool:
        """Whether rows are records that their source updates."""
        return "updated_at" in self.by_name

    @property
    def is_of_people(self) -> bool:
        """Whether rows are of people: then a value that nobody knows may be personal."""
        return any(column.personal or column.pseudonym for column in self.columns)


def path(source: str) -> Path:
    """The file that states the contract of `source`."""
    return FOLDER / f"{source}.yml"


@cache
def contract(source: str) -> dict[str, Table]:
    """The contract of each table of `source`, by name. Raises IngestionError when its file cannot be understood."""
    return parse(source, path(source).read_text())


def parse(source: str, text: str) -> dict[str, Table]:
    """The contract that `text` states, by table."""
    try:
        stated = yaml.safe_load(text)
        return {name: _table(source, name, body) for name, body in stated.items()}
    except (AttributeError, KeyError, TypeError, ValueError, yaml.YAMLError) as error:
        raise IngestionError(
            f"{path(source)} cannot be understood: {error!r}", "Correct it; its neighbours show the form."
        ) from error


def _table(source: str, name: str, body: dict[str, Any]) -> Table:
    body = dict(body)
    columns = tuple(_column(name, said) for name, said in body.pop("columns").items())
    table = Table(
        source=source,
        name=name,
        columns=columns,
        key=tuple(body.pop("key")),
        local_day=_local_day(body.pop("local_day")) if "local_day" in body else None,
        rules=tuple(Rule(**rule) for rule in body.pop("rules", [])),
        **body,
    )
    if table.restricted and (
        table.pseudonyms != [table.by_name[table.key[0]]] or "updated_at" not in table.by_name
    ):
        raise ValueError(
            f"{name} has restricted columns, so its key must be a pseudonym, and it must have updated_at"
        )
    numbers = [*table.key]
    named = {*table.key, *filter(None, [table.money]), *(rule.column for rule in table.rules)}
    if table.local_day:
        numbers += [table.local_day.zone_of.column] if table.local_day.zone_of else []
        named |= {table.local_day.column, *numbers}
    unknown = named - set(table.by_name)
    if unknown:
        raise ValueError(f"{name} has no column {', '.join(sorted(unknown))}")
    if any(table.by_name[column].arrow not in (pa.int64(), pa.int32()) for column in numbers):
        raise ValueError(f"the key of {name}, and what tells its zones apart, must be of whole numbers")
    return table


def _local_day(said: dict[str, Any]) -> LocalDay:
    """Raises ValueError or KeyError for a zone that nobody knows."""
    exceptions = ZoneOf(**said["zone_of"]) if "zone_of" in said else None
    for zone in (said["zone"], *(exceptions.zones.values() if exceptions else ())):
        ZoneInfo(zone)
    if exceptions and not all(isinstance(value, int) for value in exceptions.zones):
        raise ValueError("the zones of local_day are listed by whole numbers")
    return LocalDay(**{**said, "zone_of": exceptions})


def _column(name: str, said: dict[str, Any]) -> Column:
    said = {key: tuple(value) if isinstance(value, list) else value for key, value in said.items()}
    column = Column(name=name, **said)
    if column.type not in TYPES and not re.fullmatch(r"decimal\(\d+,\s*\d+\)", column.type):
        raise ValueError(f"{name}: unknown type {column.type}")
    if column.pseudonym and (column.type, column.min, column.max, column.allowed) != ("int64", 0, None, ()):
        raise ValueError(f"{name}: a pseudonym is of type int64, with min 0 and no other limits")
    if column.restricted and not column.personal:
        raise ValueError(f"{name}: what is restricted is personal as well")
    return column
