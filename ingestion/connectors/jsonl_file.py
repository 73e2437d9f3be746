"""JSON lines: one flat object a line; a line that is none, as the last one of a file that was cut off, is one bad row."""

import numpy as np

from ingestion.connectors.delivered import Delivered, Malformed, require_few
from ingestion.contracts.contract import Table
from ingestion.validation.records import as_object, odd_values, records

SHOWN = 2_000
"""Bytes that are kept of a line that is no row."""


def read_jsonl(content: bytes, contract: Table) -> Delivered:
    """The rows of a file of JSON lines. Raises Unreadable."""
    lines = content.splitlines()
    require_few(len(lines), contract)
    found = [as_object(line) for line in lines]
    numbers = [number for number, (row, _) in enumerate(found) if row is not None]
    rows = [row for row, _ in found if row is not None]
    odd = {numbers[row] for one in odd_values(rows, contract) for row in one.rows}
    malformed = [
        Malformed(
            number + 1, "one flat JSON object", problem or "a value within a value", _shown(lines[number])
        )
        for number, (row, problem) in enumerate(found)
        if row is None or number in odd
    ]
    good = [number for number in numbers if number not in odd]
    table = records([row for number, (row, _) in enumerate(found) if row is not None and number not in odd])
    return Delivered(table, numbers=np.array(good, np.int64) + 1 if good else None, malformed=malformed)


def _shown(line: bytes) -> str:
    return line[:SHOWN].decode(errors="backslashreplace")
