"""Gzipped CSV: every value as text, so that each is judged for itself; one bad line is one bad row."""

import csv
import gzip
import io
import re
import sys
import zlib
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

from ingestion.connectors.delivered import Delivered, Malformed, Unreadable, require_few, require_names
from ingestion.contracts.contract import Table
from ingestion.core.text import first_line

ROW_BYTES = 256
"""Room for one line, of which a real one has some 90: a file that unpacks to more than its rows may have is refused."""

HEADER = re.compile(rb"[\r\n]*([^\r\n]{0,1048576})(?:\r\n|\r|\n|\Z)")
"""The first line that is not empty."""

SHOWN = 2_000
"""Characters that are kept of a line that is no row."""

csv.field_size_limit(sys.maxsize)


def read_csv(content: bytes, contract: Table) -> Delivered:
    """The rows of a gzipped CSV file with a header. Raises Unreadable."""
    text = _unpacked(content, contract.max_rows * ROW_BYTES)
    require_few(max(text.count(b"\n"), text.count(b"\r")), contract)
    header = HEADER.match(text)
    names = _names(header[1] if header else text[:40])
    require_names(names, contract)
    body = text[header.end() :] if header else b""
    table = _at_once(body, names)
    return Delivered(table, is_text=True) if table is not None else _line_by_line(body, names)


def _unpacked(content: bytes, most: int) -> bytes:
    try:
        with gzip.open(io.BytesIO(content)) as packed:
            text = packed.read(most + 1)
    except (OSError, EOFError, zlib.error) as error:
        reason = f"the file cannot be read: {first_line(error)}"
        raise Unreadable(reason, "a whole file", f"{len(content):,} bytes") from error
    if len(text) > most:
        raise Unreadable("the file is too large", f"at most {most:,} bytes unpacked", "more")
    return text


def _names(header: bytes) -> list[str]:
    try:
        text = header.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        bad = repr(header[error.start : error.start + 1])
        raise Unreadable(f"the encoding is wrong at byte {error.start}", "UTF-8", bad) from error
    names = _split(text)
    if names is None or "\0" in text:
        seen = "a NUL byte" if "\0" in text else "a quote that is not closed"
        raise Unreadable("the file has no header", "the names of the columns", seen)
    return names


def _at_once(body: bytes, names: list[str]) -> pa.Table | None:
    """The table of all lines, or None where one of them needs a closer look.

    The lines are counted without the parser: what it leaves out, or puts together, does not go unseen.
    """
    if re.search(rb'["\0]', body) or body.count(b"\r") != body.count(b"\r\n"):
        return None
    try:
        table = pacsv.read_csv(
            pa.BufferReader(body),
            read_options=pacsv.ReadOptions(use_threads=False, column_names=names),
            parse_options=pacsv.ParseOptions(quote_char=False),
            convert_options=pacsv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), null_values=[""], strings_can_be_null=True
            ),
        )
    except pa.ArrowException:
        return None
    lines = body.count(b"\n") + (not body.endswith(b"\n"))
    return table if table.num_rows == lines else None


def _line_by_line(body: bytes, names: list[str]) -> Delivered:
    rows, numbers, malformed = [], [], []
    for number, line in _records(body, len(names)):
        values = _values(line)
        if isinstance(values, str):
            malformed.append(Malformed(number, f"{len(names)} values", values, _shown(line)))
        elif len(values) != len(names):
            seen = f"{len(values)} values"
            malformed.append(Malformed(number, f"{len(names)} values", seen, _shown(line)))
        else:
            rows.append([value or None for value in values])
            numbers.append(number)
    columns = zip(*rows, strict=True) if rows else ([] for _ in names)
    table = pa.table(
        {name: pa.array(column, pa.string()) for name, column in zip(names, columns, strict=True)}
    )
    return Delivered(table, True, np.array(numbers, np.int64) if rows else None, malformed)


def _records(body: bytes, width: int) -> Iterator[tuple[int, bytes]]:
    """Each line that is not empty, with its number; lines that a quoted value spans, as one."""
    lines = body.splitlines()
    start = 0
    while start < len(lines):
        end = _end(lines, start, width)
        if lines[start]:
            yield start + 1, b"\n".join(lines[start:end])
        start = end


def _end(lines: list[bytes], start: int, width: int) -> int:
    """The line after the record that begins at `start`.

    A quote that is not closed goes on in the next lines, unless one of them is a row by itself: then it is a stray one.
    """
    end, quotes = start + 1, lines[start].count(b'"')
    while quotes % 2 and end < len(lines) and lines[end].count(b",") != width - 1:
        quotes += lines[end].count(b'"')
        end += 1
    if end == start + 1 or quotes % 2:
        return start + 1
    values = _values(b"\n".join(lines[start:end]))
    return end if len(values) == width and not isinstance(values, str) else start + 1


def _values(line: bytes) -> list[str] | str:
    """The values of a record, or what is wrong with it."""
    if b"\0" in line:
        return "a NUL byte"
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        return f"no UTF-8 at byte {error.start}"
    return _split(text) or "a quote that is not closed"


def _split(text: str) -> list[str] | None:
    if '"' not in text:
        return text.split(",")
    try:
        (values,) = csv.reader(io.StringIO(text, newline=""), strict=True)
    except (csv.Error, ValueError):
        return None
    return values


def _shown(line: bytes) -> str:
    text = line[: 4 * SHOWN].decode(errors="backslashreplace")
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
