"""`larder clean`: away with what interrupted and failed runs left; what is published, loaded or still pending stays."""

from pathlib import Path

from ingestion.lake.loads import dead_files
from ingestion.quarantine.store import Quarantine
from ingestion.sources import NAMES
from larder.core import console
from larder.core.errors import LarderError
from larder.core.settings import Paths
from larder.warehouse import export
from larder.warehouse.locks import lease
from larder.warehouse.store import Store

STAGES = ("normalize/extracted", "load/new", "load/normalized")
"""Where in dlt's working directory a load waits to be completed, in folders of its id."""


def run(where: Paths) -> list[str]:
    """Remove candidates, half-written exports, and files of loads that never completed; say what was removed.

    A source that is being loaded is left as it is, and so are the files of a load that the next run will complete.
    """
    with lease(where.leases, "build"):
        removed = Store(where.warehouse).clean()
    with lease(where.leases, "export"):
        removed += export.sweep(where)
    for source in NAMES:
        try:
            with lease(where.leases, f"ingest-{source}"):
                removed += _sweep(where, source)
        except LarderError as error:
            console.note(f"{error}: its files are left as they are")
    return removed


def _sweep(where: Paths, source: str) -> list[str]:
    pending = _pending(where.dlt / source)
    dead = dead_files(where.lake / "raw" / source, pending)
    dead += Quarantine(where.lake, source).dead_files(pending)
    size = sum(file.stat().st_size for file in dead)
    for file in dead:
        file.unlink()
    return [f"{source}: {len(dead)} files of loads that never completed ({size:,} bytes)"] if dead else []


def _pending(work: Path) -> set[str]:
    """Ids of the loads that wait in dlt's working directory."""
    return {folder.name for stage in STAGES for folder in (work / stage).glob("*")}
