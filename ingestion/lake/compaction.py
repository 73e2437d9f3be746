"""Put the many small files of a raw table into one, row for row, without anybody noticing.

A load's rows keep their load id as a column. The record `_compactions/<table>.jsonl` says which loads a compacted file
holds; it is replaced in one rename, and from then on readers take that file in place of those loads' own
(`ingestion/lake/loads.py`, `ingestion/lake/visible.py`). Killed at any step, either the record or all it stands for is as
before. The replaced files lie on until nobody can be reading them: `remove_replaced`.
"""

import secrets
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ingestion.core import storage
from ingestion.core.errors import IngestionError
from ingestion.core.storage import Location
from ingestion.lake import loads as lake
from ingestion.lake.loads import COMPACTED, Compacted
from ingestion.lake.visible import refresh

SMALL = 16 * 2**20
"""Bytes from which on a file is left alone: it costs little to open, and much to write again."""

MANY = 50
"""So many small files of one table are compacted without being asked."""

BATCH_ROWS = 500_000
"""Rows written at a time: large enough for good row groups, small enough for memory."""

GRACE = 3_600.0
"""Seconds for which replaced files stay in any case: a run that listed them before may still be about to read them."""

LOAD_ID = "_dlt_load_id"


@dataclass(frozen=True)
class Compaction:
    """What was put together of one table."""

    table: str
    files: int
    rows: int


def compact(dataset: Location, least: int = 2) -> list[Compaction]:
    """Compact each table of one source that has `least` small files or more. The caller holds the source's lock.

    A load that is not complete, or is blocked, is left alone. Raises nothing that is no fault of the disk: what was there
    stays there until the new file is registered.
    """
    loads = lake.completed_loads(dataset)
    done = []
    for table in lake.tables(dataset):
        small = _small(lake.table_files(dataset, table, loads))
        if len(small) >= max(least, 2):
            done.append(_compact(dataset, table, small))
    if done:
        refresh(dataset)
    return done


def replaced_files(dataset: Location) -> list[Location]:
    """Files that no reader needs any more, unless it has listed them before: their rows are in a compacted file."""
    found = []
    for table in lake.tables(dataset):
        record = lake.compacted(dataset, table)
        found += [
            file
            for file in lake.parquet_files(dataset, table)
            if (
                file.name not in record.files
                if lake.is_compacted(file)
                else lake.load_id(file) in record.loads
            )
        ]
    return found


def remove_replaced(dataset: Location, in_use: Collection[str], grace: float = GRACE) -> list[Location]:
    """Remove replaced files whose names are not `in_use` and whose record is older than `grace` seconds.

    The caller holds the source's lock. Returns what was removed.
    """
    refresh(dataset)  # a kill may have left it at the replaced files
    removed = []
    for file in replaced_files(dataset):
        record = lake.record_of(dataset, file.parent.name)
        is_old = not record.exists() or time.time() - record.stat().st_mtime >= grace
        if is_old and file.name not in in_use:
            storage.remove(file)
            removed.append(file)
    return removed


def _small(files: list[Location]) -> list[Location]:
    """Those worth putting together. A load goes whole or not at all, so the small files of a large one stay too."""
    large = {_name(file) for file in files if file.stat().st_size >= SMALL}
    return [file for file in files if _name(file) not in large]


def _name(file: Location) -> str:
    return file.name if lake.is_compacted(file) else lake.load_id(file)


def _compact(dataset: Location, table: str, small: list[Location]) -> Compaction:
    folder, before = dataset / table, lake.compacted(dataset, table)
    target = folder / f"{COMPACTED}{secrets.token_hex(8)}.parquet"
    for leftover in [*storage.found(folder, f".{COMPACTED}*"), *storage.found(folder, f"{COMPACTED}*.new")]:
        storage.remove(leftover)
    with storage.atomically(target) as beside:
        rows = _write(beside, small)
        expected = sum(storage.row_count(file) for file in small)
        if sum(rows.values()) != expected:
            raise IngestionError(
                f"{beside} has {sum(rows.values()):,} rows, the files that it was made of have {expected:,}",
                "Nothing was replaced. Check the disk, then run again: larder compact",
            )
    kept = {name: loads for name, loads in before.files.items() if folder / name not in small}
    lake.write_record(dataset, table, Compacted({**kept, target.name: dict(rows)}))
    return Compaction(table, len(small), expected)


def _write(target: Path, files: list[Location]) -> Counter[str]:
    """Write the rows of `files`, in their order, to one file; returns how many each load has."""
    schema = pa.unify_schemas([_plain(storage.schema(file)) for file in files])
    rows: Counter[str] = Counter()
    with pq.ParquetWriter(target, schema, compression="zstd") as writer:
        for table in batches(_tables(files, schema)):
            writer.write_table(table)
            for count in pc.value_counts(table[LOAD_ID]).to_pylist():
                rows[count["values"]] += count["counts"]
    return rows


def _plain(schema: pa.Schema) -> pa.Schema:
    """The same types as values: what came as a dictionary of few load ids may hold more of them together."""
    types = [field.type.value_type if pa.types.is_dictionary(field.type) else field.type for field in schema]
    return pa.schema([pa.field(field.name, kind) for field, kind in zip(schema, types, strict=True)])


def batches(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Gather small tables until they hold `BATCH_ROWS`, so that small files do not become small row groups."""
    pending: list[pa.Table] = []
    for table in tables:
        pending.append(table)
        if sum(part.num_rows for part in pending) >= BATCH_ROWS:
            yield pa.concat_tables(pending)
            pending = []
    if pending:
        yield pa.concat_tables(pending)


def _tables(files: list[Location], schema: pa.Schema) -> Iterator[pa.Table]:
    for path in files:
        with storage.parquet(path) as file:
            for group in file.iter_batches():
                table = pa.Table.from_batches([group])
                missing = [field for field in schema if field.name not in table.column_names]
                for field in missing:
                    table = table.append_column(field, pa.nulls(table.num_rows, field.type))
                yield table.select(schema.names).cast(schema)
