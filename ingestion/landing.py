"""Files that other systems drop into a landing folder: which are new, and how they are read."""

import csv
import gzip
import hashlib
import io
import zlib
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import dlt
import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from ingestion.contract import Table
from ingestion.errors import IngestionError
from ingestion.intake import Intake, Origin
from ingestion.quarantine import FUTURE
from ingestion.reading import Reading

REDELIVER = "Have the file delivered again (or restore it), then run `larder ingest` again: nothing else is loaded twice."

Span = Callable[[str], tuple[date, date]]
"""From a file's name below the landing folder: the first and the last day that it is about."""

Describe = Callable[[str, str, str], Origin]
"""From a file's name below the landing folder, the kind of its delivery and its digest: where its rows come from."""


def load_files(
    reading: Reading,
    intake: Intake,
    root: Path,
    pattern: str,
    describe: Describe,
    span: Span,
    future: set[str] | None = None,
) -> Iterator[Any]:
    """Yield the rows of the files below `root` that no completed load has brought yet, and their account.

    A file that cannot be read goes to the quarantine whole; so does one of the `future`, until its day has come.
    """
    for path, kind, digest in new_files(reading, root, pattern, span, future or set()):
        name = path.relative_to(root).as_posix()
        origin = describe(name, kind, digest)
        if name in (future or set()):
            intake.refuse(origin, FUTURE, "a day that the other files have reached", str(origin.day))
        else:
            yield from _admit(intake, path, origin)
    yield from intake.close()


def new_files(
    reading: Reading, root: Path, pattern: str, span: Span, future: set[str]
) -> Iterator[tuple[Path, str, str]]:
    """Yield each file below `root` that no completed load has brought yet, in order of names: path, kind, digest.

    A file is known by its path and content: the same content delivered again is skipped, changed content is yielded
    as a correction. What was loaded is kept in dlt's resource state, and so travels with the load itself. A reload
    yields the files of its days whether they are known or not.
    """
    seen: dict[str, list[Any]] = dlt.current.resource_state().setdefault("files", {})
    paths = {path.relative_to(root).as_posix(): path for path in landed(root, pattern)}
    if reading.is_reload:
        paths = {name: path for name, path in paths.items() if reading.covers(*span(name))}
        known = {name: stamp[0] for name, stamp in seen.items() if reading.covers(*span(name))}
        left = sum(path.stat().st_size for name, path in paths.items() if name in known)
        if not reading.believes(f"landing folder {root}", left, sum(known.values()), "bytes"):
            return
    for name, path in paths.items():
        status = path.stat()
        stamp = [status.st_size, status.st_mtime_ns]
        if name in seen and seen[name][:2] == stamp and not reading.is_reload:
            continue
        digest = _sha256(path)
        if reading.is_reload or name not in seen or seen[name][2] != digest:
            yield path, reading.kind if reading.is_reload else "correction" if name in seen else "new", digest
        if name not in future:
            seen[name] = [*stamp, digest]


def landed(root: Path, pattern: str) -> list[Path]:
    """All files that lie below the landing folder, in order of their names."""
    if not root.is_dir():
        raise IngestionError(
            f"landing folder {root} does not exist", "Start the delivering system or correct its path."
        )
    return sorted(root.glob(pattern))


def known_files() -> set[str]:
    """Paths, relative to the landing folder, of all files that were loaded or are being loaded now."""
    return set(dlt.current.resource_state().get("files", {}))


def _admit(intake: Intake, path: Path, origin: Origin) -> Iterator[Any]:
    """One Parquet or gzipped CSV file: its good rows go on, what cannot be read as a row is put aside."""
    try:
        if path.name.endswith(".csv.gz"):
            yield from _admit_csv(intake, path, origin)
        else:
            yield from intake.admit(_read(path, intake.contract), origin)
    except (OSError, EOFError, zlib.error, pa.ArrowException) as error:
        if isinstance(error, OSError) and error.errno:
            raise IngestionError(f"cannot read {path}: {error}", REDELIVER) from error
        intake.refuse(
            origin,
            f"the file cannot be read: {_first_line(error)}",
            "a whole file",
            f"{path.stat().st_size:,} bytes",
        )


def _read(path: Path, contract: Table) -> pa.Table:
    came = pq.read_schema(path) if contract.labels else pa.schema([])
    labels = [
        name for name in contract.labels if name in came.names and pa.types.is_string(came.field(name).type)
    ]
    return pq.read_table(path, partitioning=None, read_dictionary=labels)


def _admit_csv(intake: Intake, path: Path, origin: Origin) -> Iterator[Any]:
    with gzip.open(path) as stream:
        content = stream.read()
    types = {column.name: column.arrow for column in intake.contract.columns}
    try:
        table = pacsv.read_csv(io.BytesIO(content), convert_options=pacsv.ConvertOptions(column_types=types))
    except pa.ArrowException:
        yield from _admit_lines(intake, content, origin)
    else:
        yield from intake.admit(table, origin, is_text=True)


def _admit_lines(intake: Intake, content: bytes, origin: Origin) -> Iterator[Any]:
    """A CSV file of which something does not fit: every value as text, so that each is judged for itself."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        intake.refuse(
            origin,
            f"the encoding is wrong at byte {error.start}",
            "UTF-8",
            repr(content[error.start : error.start + 8]),
        )
        return
    lines = csv.reader(io.StringIO(text))
    header = next(lines, [])
    rows, numbers = [], []
    for number, values in enumerate(lines, start=1):
        if len(values) == len(header):
            rows.append([value or None for value in values])
            numbers.append(number)
        elif values:
            intake.refuse_row(
                origin, number, f"{len(header)} values", f"{len(values)} values", ",".join(values)
            )
    if not header or "\0" in text:
        intake.refuse(origin, "the file has no header", "the names of the columns", repr(text[:40]))
        return
    columns = zip(*rows, strict=True) if rows else ([] for _ in header)
    table = pa.table(
        {name: pa.array(column, pa.string()) for name, column in zip(header, columns, strict=True)}
    )
    yield from intake.admit(table, origin, numbers=np.array(numbers, np.int64), is_text=True)


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise IngestionError(f"cannot read {path}: {error}", REDELIVER) from error
