"""The metadata base of a candidate, and of the project as its files are now: both are written by the same function."""

from datetime import datetime
from pathlib import Path

import duckdb

from larder.build import lineage
from larder.build.compiled import compiled
from larder.catalog import metadata, results
from larder.catalog.results import Build
from larder.core import console
from larder.core.errors import LarderError
from larder.core.settings import Paths
from larder.governance import grants
from larder.governance.grants import Audience
from larder.project import dbt, fingerprint, types
from larder.project.manifest import Artifact, declared, leaves_a_relation, read
from larder.project.manifest import relation as relation_of
from larder.warehouse.connection import LOOK
from larder.warehouse.store import Manifest, Store


def project(paths: Paths, folder: Path) -> None:
    """Write the base of the project as it is: no build, so what builds find is empty. Raises LarderError where no folder can be."""
    if folder.exists() and not folder.is_dir():
        raise LarderError(f"{folder} is no folder", "Name one that is empty, or a new one.")
    found = compiled(paths, "metadata")
    traced = lineage.of_compiled(paths, found)
    known = types.of_relations(found.manifest)
    with metadata.begin(found.manifest, traced, known, fingerprint.git_revision()) as base:
        metadata.save(base, folder)


def granted(paths: Paths, store: Store, manifest: Manifest) -> tuple[list[Audience], list[Artifact]]:
    """What each audience may see of a generation by the policy as it is now, and the manifests that say its classes: that with which
    it was built, and that of the project as it is."""
    built, now = read(store.artifacts(manifest)), compiled(paths).manifest
    classes = {
        relation_of(node): declared(node).classes for node in now["nodes"].values() if leaves_a_relation(node)
    }
    with metadata.governed(store.metadata(manifest), classes) as base:
        return grants.read(base), [built, now]


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
        _require_classes(base)


def _require_classes(base: duckdb.DuckDBPyConnection) -> None:
    """Raises LarderError where a column is of a lower class than what its value comes from: shares would give it away."""
    found = metadata.rows(
        base,
        "select split_part(node_unique_id, '.', 3) || '.' || column_name as name, min(reason) as reason"
        " from larder.class_violations group by all order by all",
    )
    if found:
        raise LarderError(
            f"{len(found)} columns have a class that is too low: "
            + "; ".join(f"{one['name']} is {one['reason']}" for one in found[:3]),
            "Raise the class in the YAML of the model, or have a declassifier reviewed: governance/declassifiers.yml.",
        )
