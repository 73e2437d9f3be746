"""`larder compact`: one file in place of the many small ones that loads have left in the lake."""

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import duckdb

from ingestion.lake import compaction
from ingestion.sources import NAMES
from larder.core import console
from larder.core.errors import Busy, LarderError
from larder.core.settings import Paths
from larder.warehouse.locks import lease
from larder.warehouse.store import Store


def run(where: Paths) -> None:
    """Compact every table, then remove what earlier compactions have replaced and nobody reads any more."""
    found = 0
    for source in NAMES:
        try:
            with lease(where.leases, f"ingest-{source}"):
                done = compaction.compact(where.lake / "raw" / source)
        except Busy as error:
            console.note(f"{source} is left out: {error}")
            continue
        for each in done:
            console.done(f"{source}.{each.table}: {each.files:,} files into one, {each.rows:,} rows")
        found += len(done)
    removed, kept = collect(where)
    if kept or removed:
        still = f"; {kept:,} stay while a generation names them, or for an hour" if kept else ""
        console.done(f"{removed:,} replaced files removed{still}")
    elif not found:
        console.done("nothing to compact")


def collect(where: Paths, grace: float = compaction.GRACE) -> tuple[int, int]:
    """Remove replaced files that no generation and no workspace names; returns how many went and how many stay.

    No build may be running: one that has listed its files has not named them yet.
    """
    datasets = [where.lake / "raw" / source for source in NAMES]
    if not any(map(compaction.replaced_files, datasets)):
        return 0, 0
    removed = kept = 0
    with lease(where.leases, "build"):
        in_use = {name for file in _warehouses(where) for name in _named_by(file)}
        for dataset in datasets:
            with suppress(Busy), lease(where.leases, f"ingest-{dataset.name}"):
                removed += len(compaction.remove_replaced(dataset, in_use, grace))
                kept += len(compaction.replaced_files(dataset))
    return removed, kept


def tidy(where: Paths) -> None:
    """The same in passing: what somebody has open is left for another time."""
    with suppress(LarderError):
        collect(where)


def _warehouses(where: Paths) -> Iterator[Path]:
    """Every DuckDB file that may have views over the lake: generations, failed candidates, developers' own."""
    store = Store(where.warehouse)
    yield from (store.address(manifest) for manifest in store.all() if manifest.state != "building")
    yield from (where.warehouse / "dev").glob("*.duckdb")


def _named_by(file: Path) -> Iterator[str]:
    """Names of the Parquet files that the raw views of a warehouse read."""
    try:
        with duckdb.connect(str(file), read_only=True) as connection:
            views = connection.execute(
                "select sql from duckdb_views() where schema_name = 'raw' and not internal"
            ).fetchall()
    except duckdb.IOException as error:
        raise LarderError(
            f"{file} is being written to, so that nobody knows which files it reads",
            "Everything is compacted. Close it, then run again to remove what was replaced: larder compact",
        ) from error
    for (text,) in views:
        yield from re.findall(r"([^/']+\.parquet)'", text)
