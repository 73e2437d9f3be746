"""What a file turns out to hold when it is read: a table, lines that are no rows, or nothing that can be used."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import pyarrow as pa

from ingestion.contracts.contract import Table
from ingestion.validation.casts import Rows


class Malformed(NamedTuple):
    """A line that is no row: its number, and what a row would have been."""

    number: int
    expected: str
    seen: str
    text: str


class Delivered(NamedTuple):
    """The rows of a file as they came; without `numbers`, they are numbered from 1. A text file has no types."""

    table: pa.Table
    is_text: bool = False
    numbers: Rows | None = None
    malformed: Sequence[Malformed] = ()


class Unreadable(Exception):
    """A file of which nothing can be used, and why."""

    def __init__(self, reason: str, expected: str, seen: str) -> None:
        super().__init__(reason)
        self.reason, self.expected, self.seen = reason, expected, seen


def require_few(rows: int, contract: Table) -> None:
    """Raise Unreadable where a file has more rows than its table takes at once."""
    if rows > contract.max_rows:
        expected = f"at most {contract.max_rows:,} rows (max_rows of its contract)"
        raise Unreadable("the file is too large", expected, f"{rows:,} rows")


def require_names(names: Sequence[str], contract: Table) -> None:
    """Raise Unreadable where a file does not say what its columns are, or says it twice."""
    shown = ", ".join(names)[:200]
    if contract.by_any_name.keys().isdisjoint(names):  # so these may be the values of the first row
        seen = f"{len(names)} others" if contract.is_of_people else repr(shown)
        raise Unreadable("the file has no header", "the names of the columns", seen)
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise Unreadable(f"the column {twice[0]} comes twice", "each column once", shown)


def require_columns(delivered: Delivered, contract: Table) -> None:
    """Raise Unreadable for a file without rows that lacks what each row must have: no system writes it on a quiet day."""
    came = set(delivered.table.column_names)
    missing = [
        column.name
        for column in contract.columns
        if column.required and came.isdisjoint((column.name, *column.aliases))
    ]
    if missing and not delivered.table.num_rows and not delivered.malformed:
        reason = f"the file has no rows, and not the column {missing[0]}"
        raise Unreadable(reason, "the columns of the contract", ", ".join(sorted(came))[:200])
