"""The metadata base of a candidate, and of the project as its files are now: both are written by the same function."""

from datetime import datetime
from pathlib import Path

from larder.build import lineage
from larder.build.compiled import compiled
from larder.catalog import metadata, results
from larder.catalog.results import Build
from larder.core import console
from larder.core.errors import LarderError
from larder.core.settings import Paths
from larder.project import dbt, fingerprint, types
from larder.project.manifest import relation as relation_of
from larder.warehouse.connection import LOOK
from larder.warehouse.store import Manifest, Store


def project(paths: Paths, folder: Path) -> None:
    """Write the base of the project as it is: no build, so what builds find is empty. Raises LarderError where no folder can be."""
    if folder.exists() and not folder.is_dir():
        raise LarderError(f"{folder} is no folder", "Name one that is empty, or a new one.")
    found = compiled(paths, "metadata")
    traced = lineage.of_compiled(paths, found)
    known = {
        relation_of(found.manifest["nodes"][name]): columns
        for name, columns in types.of_models(found.manifest).items()
    }
    with metadata.begin(found.manifest, traced, known, fingerprint.git_revision()) as base:
        metadata.save(base, folder)


def candidate(paths: Paths, store: Store, manifest: Manifest, outcome: dbt.Outcome) -> None:
    """Write the base of a candidate that has been built and tested, after what its parent's knows of earlier builds."""
    found = compiled(paths)
    traced = lineage.of_compiled(paths, found)
    parent = store.parent(manifest)
    build = Build(
        id=manifest.id,
        began_at=datetime.fromisoformat(manifest.created_at).replace(tzinfo=None),
        seconds=manifest.seconds,
        git=manifest.git,
        nodes=outcome.nodes,
        loads=manifest.loads,
        warnings=manifest.results["warnings"],
    )
    with (
        console.progress("describe the tables"),
        store.open(manifest, LOOK) as warehouse,
        metadata.begin(found.manifest, traced, results.types(warehouse), manifest.git) as base,
    ):
        results.add(base, build, warehouse, store.metadata(parent) if parent else None)
        metadata.save(base, store.metadata(manifest))
