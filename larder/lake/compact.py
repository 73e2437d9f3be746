"""`larder compact`: one file in place of the many small ones that loads have left in the lake."""

import re
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from pathlib import Path

import pyarrow as pa

from ingestion.core.text import first_line
from ingestion.lake import compaction
from ingestion.privacy.forgotten import require_none
from ingestion.sources import SOURCES
from larder.core import console
from larder.core.errors import Busy, LarderError
from larder.core.settings import Paths
from larder.warehouse.connection import LOOK, connect
from larder.warehouse.locks import lock, source_lock
from larder.warehouse.store import Store


def run(paths: Paths) -> None:
    """Compact every table, then remove what earlier compactions have replaced and nobody reads any more."""
    require_none(paths.lake)
    found = 0
    for source in SOURCES:
        try:
            with source_lock(paths, source):
                done = compaction.compact(paths.lake / "raw" / source)
        except pa.ArrowException as error:
            raise LarderError(
                f"a file of {source} in the lake cannot be read: {first_line(error)}",
                f"Load the source again: larder ingest {source} --full; then: larder compact",
            ) from error
        except Busy as error:
            console.note(f"{source} is left out: {error}")
            continue
        for each in done:
            console.done(f"{source}.{each.table}: {each.files:,} files into one, {each.rows:,} rows")
        found += len(done)
    removed, kept = collect(paths)
    if kept or removed:
        still = f"; {kept:,} stay while a generation names them, or for an hour" if kept else ""
        console.done(f"{removed:,} replaced files removed{still}")
    elif not found:
        console.done("nothing to compact")


def collect(paths: Paths, grace: float = compaction.GRACE, held: str = "") -> tuple[int, int]:
    """Remove replaced files that no generation and no workspace names; returns how many went and how many stay.

    No build may be running: one that has listed its files has not named them yet. `held` is a source whose lock the caller has.
    """
    datasets = [paths.lake / "raw" / source for source in SOURCES]
    if not any(map(compaction.replaced_files, datasets)):
        return 0, 0
    removed = kept = 0
    with lock(paths.locks, "build"):
        in_use = {name for file in _warehouses(paths) for name in _named_by(file, paths.warehouse)}
        for dataset in datasets:
            name = dataset.name
            with suppress(Busy), nullcontext() if name == held else source_lock(paths, name):
                removed += len(compaction.remove_replaced(dataset, in_use, grace))
                kept += len(compaction.replaced_files(dataset))
    return removed, kept


def tidy(paths: Paths, held: str = "") -> None:
    """The same in passing: what somebody has open is left for another time."""
    with suppress(LarderError):
        collect(paths, held=held)


def _warehouses(paths: Paths) -> Iterator[Path]:
    """Every DuckDB file that may have views over the lake: generations, failed candidates, developers' own."""
    store = Store(paths.warehouse)
    yield from (store.address(manifest) for manifest in store.all() if manifest.state != "building")
    yield from (paths.warehouse / "dev").glob("*.duckdb")


def _named_by(file: Path, warehouse: Path) -> Iterator[str]:
    """Names of the Parquet files that the raw views of a warehouse read."""
    try:
        with connect(file, LOOK, warehouse) as connection:
            views = connection.execute(
                "select sql from duckdb_views() where schema_name = 'raw' and not internal"
            ).fetchall()
    except Busy as error:
        raise LarderError(
            f"{file} is being written to, so that nobody knows which files it reads",
            "Everything is compacted. Close it, then run again to remove what was replaced: larder compact",
        ) from error
    for (text,) in views:
        yield from re.findall(r"([^/']+\.parquet)'", text)
