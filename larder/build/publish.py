"""`larder publish`: publish the audited candidate, atomically."""

from larder.core import console
from larder.core.settings import Paths
from larder.warehouse.locks import lock
from larder.warehouse.store import Manifest, Store


def run(paths: Paths) -> Manifest | None:
    """Publish the audited candidate and return it, or None when there is none."""
    with lock(paths.locks, "build"):
        store = Store(paths.warehouse)
        candidate = store.candidate()
        if candidate is None:
            console.done("nothing to publish")
            return None
        store.publish(candidate)
    console.done(f"published generation {candidate.id}")
    return candidate
