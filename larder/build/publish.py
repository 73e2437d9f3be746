"""`larder publish`: publish the audited candidate, atomically, and write the shares of what is published."""

import duckdb
import yaml

from ingestion.core.text import first_line
from larder.build import described
from larder.catalog import relations
from larder.core import console, events
from larder.core.errors import LarderError
from larder.core.settings import Paths, use_demo_connections
from larder.governance import serve, shares
from larder.governance.grants import Audience
from larder.project.manifest import Artifact
from larder.warehouse.locks import lock
from larder.warehouse.store import Manifest, Store


def run(paths: Paths, erased: bool = False, live: bool = False) -> Manifest | None:
    """Publish the audited candidate and return it, or None when there is none. The shares are those of what is published then; after a
    `live` build they stay as they are, but for what may not be seen any more."""
    with lock(paths.locks, "build"):
        store = Store(paths.warehouse)
        candidate = store.candidate()
        if candidate:
            with lock(
                paths.locks, "shares"
            ):  # before readers see it: what has lost a grant must not outlive that
                shares.withdraw(paths, _granted(paths, store, candidate)[0])
            store.publish(candidate)
            events.emit("generation_published", candidate.id)
            _tell(paths, store, candidate)
    console.done(f"published generation {candidate.id}" if candidate else "nothing to publish")
    if not live and (candidate or Store(paths.warehouse).published()):
        share(paths, erased)
    return candidate


def _tell(paths: Paths, store: Store, published: Manifest) -> None:
    """Say what the generation consists of, for source `platform`. It is published whether that can be written or not."""
    try:
        relations.write(store.metadata(published), paths.history / "generations", published.id)
    except (OSError, duckdb.Error) as error:
        console.note(f"what generation {published.id} consists of is not recorded: {first_line(error)}")


def share(paths: Paths, erased: bool = False) -> None:
    """Write the shares of what is published, by the policy as it is now. `erased`, nothing of before is kept where they are served."""
    use_demo_connections(paths)
    with lock(paths.locks, "shares"):
        store = Store(paths.warehouse)
        published = store.require_published()
        audiences, declared = _granted(paths, store, published)
        try:
            shares.write(paths, store, published, audiences, declared)
        finally:
            serve.reload(paths, audiences, declared[0], afresh=erased)


def serve_shares(paths: Paths, url: str | None) -> None:
    """Load the shares into a PostgreSQL server, by the policy as it is now."""
    with lock(paths.locks, "shares"):
        store = Store(paths.warehouse)
        audiences, declared = _granted(paths, store, store.require_published())
        shares.withdraw(paths, audiences)
        serve.run(paths, audiences, declared[0], url)


def _granted(paths: Paths, store: Store, manifest: Manifest) -> tuple[list[Audience], list[Artifact]]:
    """Who may see what of a generation. Where that cannot be said, nobody may; an older one, of which it was never said, is none's."""
    if not store.metadata(manifest).exists():
        console.note(f"nobody gets a share of generation {manifest.id}: it has no metadata base, build again")
        return [], [{"nodes": {}}]
    try:
        return described.granted(paths, store, manifest)
    except (LarderError, duckdb.Error, yaml.YAMLError) as error:
        shares.withdraw(paths, [])
        serve.reload(paths, [], {"nodes": {}})
        raise LarderError(
            f"all shares were taken away, as nobody can say who may see what: {first_line(error)}",
            "Put governance/ and the project right (larder check), then write them: larder shares",
        ) from error
