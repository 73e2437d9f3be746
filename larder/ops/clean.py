"""`larder clean`: remove leftovers of failed runs; what is published, loaded or still pending stays."""

import shutil
from pathlib import Path

from ingestion.core import storage
from ingestion.lake.loads import dead_files
from ingestion.privacy.restricted import Restricted
from ingestion.quarantine.store import Quarantine
from ingestion.sources import SOURCES
from larder.core import console
from larder.core.errors import LarderError
from larder.core.settings import Paths
from larder.warehouse import export
from larder.warehouse.locks import lock, source_lock
from larder.warehouse.store import Store

STAGES = ("normalize/extracted", "load/new", "load/normalized")
"""Where in dlt's working directory a load waits to be completed, in folders of its id."""


def run(paths: Paths) -> list[str]:
    """Remove candidates, half-written exports, what reviews built, and files of loads that never completed; say what was removed.

    A source that is being loaded is left as it is, and so are the files of a load that the next run will complete.
    """
    with lock(paths.locks, "build"):
        removed = Store(paths.warehouse).clean()
    with lock(paths.locks, "export"):
        removed += export.sweep(paths)
    with lock(paths.locks, "review"):
        for folder in (paths.warehouse / "review", paths.data / "review" / "base"):
            if folder.exists():
                shutil.rmtree(folder)
                removed.append(f"{folder}: what reviews built")
    for source in SOURCES:
        try:
            with source_lock(paths, source):
                removed += _sweep(paths, source)
        except LarderError as error:
            console.note(f"{error}: its files are not touched")
    return removed


def _sweep(paths: Paths, source: str) -> list[str]:
    pending = _pending(paths.dlt / source)
    dead = dead_files(paths.lake / "raw" / source, pending)
    dead += Quarantine(paths.lake, source).dead_files(pending)
    dead += Restricted(paths.lake, source).dead_files(pending)
    size = sum(file.stat().st_size for file in dead)
    for file in dead:
        storage.remove(file)
    return [f"{source}: {len(dead)} files of loads that never completed ({size:,} bytes)"] if dead else []


def _pending(work: Path) -> set[str]:
    """Ids of the loads that wait in dlt's working directory."""
    return {folder.name for stage in STAGES for folder in (work / stage).glob("*")}
