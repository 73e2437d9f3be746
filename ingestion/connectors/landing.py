"""Files that other systems drop into a landing folder: which are new, and how they are read."""

import csv
import gzip
import hashlib
import io
import zlib
from collections.abc import Callable, Generator, Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import dlt
import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from ingestion.connectors.prefetch import prefetch
from ingestion.contracts.contract import Table
from ingestion.core.errors import REDELIVER, IngestionError
from ingestion.core.request import ExtractContext
from ingestion.core.text import first_line
from ingestion.quarantine.store import FUTURE
from ingestion.validation.provenance import Provenance
from ingestion.validation.validator import Validator

Span = Callable[[str], tuple[date, date]]
"""From a file's name below the landing folder: the first and the last day that it is about."""

Describe = Callable[[str, str, str], Provenance]
"""From a file's name below the landing folder, the kind of its delivery and its digest: where its rows come from."""


class NewFile(NamedTuple):
    """A file to load, read from the disk once: its digest is that of the content which its rows come from."""

    path: Path
    kind: str
    digest: str
    content: bytes

    @property
    def is_csv(self) -> bool:
        return self.path.name.endswith(".csv.gz")


def load_files(
    context: ExtractContext,
    validator: Validator,
    root: Path,
    pattern: str,
    describe: Describe,
    span: Span,
    future: set[str] | None = None,
) -> Generator[Any]:
    """Yield the rows of the files below `root` that no completed load has brought yet, and their account.

    A file that cannot be read goes to the quarantine whole; so does one of the `future`, until its day has come.
    """
    seen = dlt.current.resource_state().setdefault("files", {})
    files = new_files(context, root, pattern, span, future or set(), seen)
    for file, found in prefetch(_read_all(files, validator.contract)):
        name = file.path.relative_to(root).as_posix()
        provenance = describe(name, file.kind, file.digest)
        if name in (future or set()):
            validator.refuse(
                provenance, FUTURE, "a day that the other files have reached", str(provenance.day)
            )
        else:
            yield from _accept(validator, file, found, provenance)
    yield from validator.close()


def new_files(
    context: ExtractContext,
    root: Path,
    pattern: str,
    span: Span,
    future: set[str],
    seen: dict[str, list[Any]],
) -> Iterator[NewFile]:
    """Yield each file below `root` that no completed load has brought yet, in order of names.

    A file is known by its path and content: the same content delivered again is skipped, changed content is yielded
    as a correction. What was loaded, `seen`, is kept in dlt's resource state, and so travels with the load itself. A
    reload yields the files of its days whether they are known or not.
    """
    paths = {path.relative_to(root).as_posix(): path for path in landed(root, pattern)}
    if context.is_reload:
        paths = {name: path for name, path in paths.items() if context.covers(*span(name))}
        known = {name: stamp[0] for name, stamp in seen.items() if context.covers(*span(name))}
        left = sum(path.stat().st_size for name, path in paths.items() if name in known)
        if not context.accepts(f"landing folder {root}", left, sum(known.values()), "bytes"):
            return
    for name, path in paths.items():
        status = path.stat()
        stamp = [status.st_size, status.st_mtime_ns]
        if name in seen and seen[name][:2] == stamp and not context.is_reload:
            continue
        content = _content(path)
        digest = hashlib.sha256(content).hexdigest()
        if context.is_reload or name not in seen or seen[name][2] != digest:
            kind = context.kind if context.is_reload else "correction" if name in seen else "new"
            yield NewFile(path, kind, digest, content)
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


def _read_all(files: Iterable[NewFile], contract: Table) -> Generator[tuple[NewFile, pa.Table | Exception]]:
    """Each file with its table, or with what speaks against it."""
    for file in files:
        try:
            yield file, _read_csv(file, contract) if file.is_csv else _read_parquet(file, contract)
        except (OSError, EOFError, zlib.error, pa.ArrowException) as error:
            yield file, error


def _read_parquet(file: NewFile, contract: Table) -> pa.Table:
    """Without PyArrow's threads, which cost more than they bring with the files of a day or a week."""
    parquet = pq.ParquetFile(pa.BufferReader(file.content))
    came = parquet.schema_arrow
    labels = [
        name for name in contract.labels if name in came.names and pa.types.is_string(came.field(name).type)
    ]
    if labels:
        parquet = pq.ParquetFile(
            pa.BufferReader(file.content), metadata=parquet.metadata, read_dictionary=labels
        )
    return parquet.read(use_threads=False)


def _read_csv(file: NewFile, contract: Table) -> pa.Table:
    return pacsv.read_csv(
        pa.BufferReader(gzip.decompress(file.content)),
        read_options=pacsv.ReadOptions(use_threads=False),
        convert_options=pacsv.ConvertOptions(
            column_types={column.name: column.arrow for column in contract.columns}
        ),
    )


def _accept(
    validator: Validator, file: NewFile, found: pa.Table | Exception, provenance: Provenance
) -> Iterator[Any]:
    """The good rows of a file go on, what cannot be read as a row is quarantined, if need be the whole file."""
    if isinstance(found, pa.Table):
        yield from validator.accept(found, provenance, is_text=file.is_csv)
    elif file.is_csv and isinstance(found, pa.ArrowException):
        yield from _accept_lines(validator, gzip.decompress(file.content), provenance)
    else:
        reason = f"the file cannot be read: {first_line(found)}"
        validator.refuse(provenance, reason, "a whole file", f"{len(file.content):,} bytes")


def _accept_lines(validator: Validator, content: bytes, provenance: Provenance) -> Iterator[Any]:
    """A CSV file of which something does not fit: every value as text, so that each is judged for itself."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        validator.refuse(
            provenance,
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
            validator.refuse_row(
                provenance, number, f"{len(header)} values", f"{len(values)} values", ",".join(values)
            )
    if not header or "\0" in text:
        validator.refuse(provenance, "the file has no header", "the names of the columns", repr(text[:40]))
        return
    columns = zip(*rows, strict=True) if rows else ([] for _ in header)
    table = pa.table(
        {name: pa.array(column, pa.string()) for name, column in zip(header, columns, strict=True)}
    )
    yield from validator.accept(table, provenance, numbers=np.array(numbers, np.int64), is_text=True)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise IngestionError(f"cannot read {path}: {error}", REDELIVER) from error
