"""`larder build`: build and test a candidate generation aside from what readers see."""

import time
from collections import Counter

import duckdb

from larder import console, dbt, fingerprint
from larder.errors import LarderError
from larder.leases import lease
from larder.settings import Paths
from larder.store import Manifest, Store


def run(where: Paths, everything: bool) -> Manifest | None:
    """Make an audited candidate, or return None when project and loads are those of the published generation.

    The candidate starts as a copy of the published generation and takes in the new loads. When the project has
    changed, or `everything` is asked for, it starts empty. Raises LarderError when a model or a test fails.
    """
    with lease(where.leases, "build"):
        store = Store(where.warehouse)
        project, loads = fingerprint.project(), fingerprint.loads(where.lake)
        _require_loads(loads)
        published, wanted = store.published(), fingerprint.combined(project, loads)
        if published and published.fingerprint == wanted and not everything:
            console.done(f"nothing has changed since generation {published.id}: nothing to build")
            return None
        manifest = store.begin(fresh=everything or not published or published.project != project)
        manifest.project, manifest.loads, manifest.fingerprint = project, loads, wanted
        manifest.git = fingerprint.git_revision()
        return _build(where, store, manifest)


def _build(where: Paths, store: Store, manifest: Manifest) -> Manifest:
    started = time.monotonic()
    try:
        with console.progress("build") as report:
            outcome = dbt.run(
                where, "candidate", ["build"], report, LARDER_CANDIDATE=str(store.address(manifest))
            )
    except BaseException:
        store.discard(manifest)
        raise
    manifest.seconds = round(time.monotonic() - started, 1)
    manifest.results = _summary(outcome)
    if outcome.broken:
        _refuse(store, manifest, outcome)
    _seal(store, manifest)
    store.audited(manifest)
    console.done(
        f"generation {manifest.id}: {manifest.results['models']} models, {manifest.results['tests']} tests passed"
        f" ({manifest.seconds:.1f} s)"
    )
    return manifest


def _summary(outcome: dbt.Outcome) -> dict[str, int]:
    return {
        "models": outcome.count("model", "snapshot"),
        "seeds": outcome.count("seed"),
        "tests": outcome.count("test", "unit_test"),
        "warnings": Counter(node.status for node in outcome.nodes)["warn"],
        "broken": len(outcome.broken),
    }


def _refuse(store: Store, manifest: Manifest, outcome: dbt.Outcome) -> None:
    kept = store.failed(manifest)
    for node in outcome.broken[:10]:
        console.failed(
            f"{node.kind} {node.name}: {node.message}",
            f"larder build, or look: dbt build --select {node.name}",
        )
    published = store.published()
    raise LarderError(
        f"{len(outcome.broken)} of {len(outcome.nodes)} nodes failed; still published: {published.id if published else 'nothing'}",
        f"The candidate is kept at {kept}; the tests' SQL is under {outcome.artifacts}/compiled.",
    )


def _seal(store: Store, manifest: Manifest) -> None:
    """Leave one closed file: no write-ahead log beside it, and nobody may write to it again."""
    address = store.address(manifest)
    with duckdb.connect(str(address)) as connection:
        connection.execute("checkpoint")
    address.chmod(0o444)


def _require_loads(loads: dict[str, list[str]]) -> None:
    missing = [source for source, ids in loads.items() if not ids]
    if missing:
        raise LarderError(
            f"the lake has no completed load of: {', '.join(missing)}", "Load them first: larder ingest"
        )
