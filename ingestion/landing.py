"""Files that other systems drop into a landing folder: which are new, and how they are read."""

import gzip
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dlt
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from ingestion.contracts import conform
from ingestion.errors import IngestionError

REDELIVER = "Have the file delivered again (or restore it), then run `larder ingest` again: nothing else is loaded twice."

Extra = Callable[[Path], dict[str, pa.Scalar]]
"""For a file: the columns that its place says and its content does not, as constants."""


def new_files(root: Path, pattern: str) -> Iterator[Path]:
    """Yield the files below `root` that no completed load has brought yet, in order of their names.

    A file is known by its path and content: the same content delivered again is skipped, changed content is yielded
    as a correction. What was loaded is kept in dlt's resource state, and so travels with the load itself.
    """
    if not root.is_dir():
        raise IngestionError(
            f"landing folder {root} does not exist", "Start the delivering system or correct its path."
        )
    seen: dict[str, list[Any]] = dlt.current.resource_state().setdefault("files", {})
    for path in sorted(root.glob(pattern)):
        name = path.relative_to(root).as_posix()
        status = path.stat()
        stamp = [status.st_size, status.st_mtime_ns]
        if name in seen and seen[name][:2] == stamp:
            continue
        digest = _sha256(path)
        if name not in seen or seen[name][2] != digest:
            yield path
        seen[name] = [*stamp, digest]


def known_files() -> set[str]:
    """Paths, relative to the landing folder, of all files that were loaded or are being loaded now."""
    return set(dlt.current.resource_state().get("files", {}))


def read_file(root: Path, path: Path, schema: pa.Schema, extra: Extra) -> Iterator[pa.Table]:
    """Read one Parquet or gzipped CSV file as tables of `schema` plus the file's name and `extra` columns.

    Raises IngestionError when the file is gone, cut off, of another format, or breaks the schema.
    """
    constants = {**extra(path), "_source_file": pa.scalar(path.relative_to(root).as_posix())}
    try:
        for table in _tables(path, schema):
            table = conform(table, schema, str(path))
            for name, value in constants.items():
                table = table.append_column(name, pa.repeat(value, table.num_rows))
            yield table
    except (OSError, EOFError, pa.ArrowException) as error:
        raise IngestionError(f"cannot read {path}: {error}", REDELIVER) from error


def _tables(path: Path, schema: pa.Schema) -> Iterator[pa.Table]:
    if path.name.endswith(".csv.gz"):
        types = {field.name: field.type for field in schema}
        with gzip.open(path) as stream:
            yield pacsv.read_csv(stream, convert_options=pacsv.ConvertOptions(column_types=types))
        return
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=131_072):
            yield pa.Table.from_batches([batch])


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise IngestionError(f"cannot read {path}: {error}", REDELIVER) from error
