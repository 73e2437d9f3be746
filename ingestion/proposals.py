"""Propose a change of a contract from what was delivered: an edit of its file, for a person to review."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from math import ceil, floor
from pathlib import Path
from typing import Any

import yaml

from ingestion.contracts.contract import Table, contract, parse, path
from ingestion.core.errors import IngestionError
from ingestion.core.redaction import MASKED
from ingestion.core.storage import Location
from ingestion.lake.deliveries import drift
from ingestion.lake.loads import recorded_loads
from ingestion.quarantine.store import Quarantine

TYPES = {
    "int8": "int64",
    "int16": "int64",
    "int32": "int64",
    "int64": "int64",
    "bool": "bool",
    "double": "string",
    "date32[day]": "date",
}
"""From the type in which a new column came to the one that the contract offers for it; text where nothing is sure."""

Said = dict[str, Any]


@dataclass
class Proposal:
    """The contract's file as it is and as it could be; `notes` say what a contract alone cannot take in."""

    file: Path
    before: str
    after: str
    notes: list[str] = field(default_factory=list)


def propose(lake: Location, source: str) -> Proposal:
    """What `source` would have to promise for the drift and the violations that were seen to be legal.

    A change of type is not proposed: the lake holds the column in its old type, so it is a new column.
    """
    file = path(source)
    proposal = Proposal(file, file.read_text(), file.read_text())
    dataset = lake / "raw" / source
    for (table, kind, column, detail), locations in drift(dataset, recorded_loads(dataset)).items():
        where = f"{table}.{column}, first in {locations[0]}"
        if kind == "retyped":
            proposal.notes.append(f"{where}: comes as {detail}. What casts exactly is loaded as it is.")
        elif kind == "new" and column not in contract(source)[table].by_any_name:
            proposal.after = _add(proposal.after, contract(source)[table], column, detail)
        elif kind == "missing" and contract(source)[table].by_name[column].required:
            proposal.after = _edit(proposal.after, table, column, _optional)
        elif kind == "renamed" and detail not in contract(source)[table].by_name[column].aliases:
            proposal.after = _edit(proposal.after, table, column, _alias(detail))
    _take_in_values(proposal, source, Quarantine(lake, source).open_entries())
    parse(source, proposal.after)
    return proposal


def _take_in_values(proposal: Proposal, source: str, entries: Iterable[dict[str, Any]]) -> None:
    """Widen lists and bounds to the values that were quarantined for them; say of the rest why that is not the way."""
    others: Counter[tuple[str, str, str]] = Counter()
    seen: dict[tuple[str, str, str], list[Any]] = {}
    for entry in entries:
        where = entry["table_name"], entry["column_name"] or "", entry["reason"].partition(";")[0]
        values = json.loads(entry["payload"]) if entry["payload"] else None
        value = values.get(entry["column_name"]) if isinstance(values, dict) else None
        if value not in (None, MASKED) and where[2].startswith(
            ("the value is not allowed", "the value is below", "the value is above")
        ):
            seen.setdefault(where, []).append(value)
        elif "column is missing" not in where[2]:
            others[where] += 1
    for (table, column, reason), values in seen.items():
        proposal.after = _edit(proposal.after, table, column, _widened(reason, values))
    proposal.notes += [
        f"{table}{'.' if column else ''}{column}: {reason} ({count:,} in quarantine). No contract can promise this:"
        " have it delivered again, or discard it."
        for (table, column, reason), count in others.items()
    ]


def _optional(said: Said) -> None:
    said.pop("required", None)


def _alias(name: str) -> Callable[[Said], None]:
    def edit(said: Said) -> None:
        said["aliases"] = [*said.get("aliases", []), name]

    return edit


def _widened(reason: str, values: list[Any]) -> Callable[[Said], None]:
    def edit(said: Said) -> None:
        if "allowed" in reason:
            said["allowed"] = [*said["allowed"], *sorted(set(map(str, values)) - set(said["allowed"]))]
            return
        numbers = [Decimal(str(value)) for value in values]
        if "below" in reason:
            said["min"] = floor(min(numbers))
        else:
            said["max"] = ceil(max(numbers))

    return edit


def _add(text: str, table: Table, column: str, came: str) -> str:
    """A line for a new column after the last one of its table. Where a table has personal columns, it may be one."""
    said: Said = {
        "type": TYPES.get(
            came, "timestamp_utc" if came.startswith("timestamp") and "tz=" in came else "string"
        )
    }
    if table.personal:
        said["personal"] = True
    last = _line(text, table.name, table.columns[-1].name)
    return text[: last.end()] + f"\n    {column}: {_flow(said)}" + text[last.end() :]


def _edit(text: str, table: str, column: str, edit: Callable[[Said], None]) -> str:
    line = _line(text, table, column)
    said: Said = yaml.safe_load(line[2])
    edit(said)
    return text[: line.start()] + f"{line[1]}{_flow(said)}" + text[line.end() :]


def _line(text: str, table: str, column: str) -> re.Match[str]:
    """The line that states a column: its name, then what is said of it."""
    start = re.search(rf"^{re.escape(table)}:$", text, re.MULTILINE)
    line = re.compile(rf"^(    {re.escape(column)}: )(\{{.*\}})$", re.MULTILINE).search(
        text, start.end() if start else 0
    )
    if line is None:
        raise IngestionError(
            f"{table}.{column} has no line of its own in its contract, so that nothing can be proposed",
            "Write the column in one line, as its neighbours are, then propose again.",
        )
    return line


def _flow(said: Said) -> str:
    return str(yaml.safe_dump(said, default_flow_style=True, sort_keys=False, width=1_000)).strip()
