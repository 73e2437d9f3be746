"""`larder publish`: show readers the audited candidate, in one atomic step."""

from larder.core import console
from larder.core.settings import Paths
from larder.warehouse.locks import lease
from larder.warehouse.store import Manifest, Store


def run(where: Paths) -> Manifest | None:
    """Publish the audited candidate and return it, or None when there is none."""
    with lease(where.leases, "build"):
        store = Store(where.warehouse)
        candidate = store.candidate()
        if candidate is None:
            console.done("nothing to publish")
            return None
        store.publish(candidate)
    console.done(f"published generation {candidate.id}")
    return candidate
