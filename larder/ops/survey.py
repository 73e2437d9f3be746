"""What is known of an instance at one moment: status, problems and figures are read off one survey, so that they agree."""

from dataclasses import dataclass
from datetime import datetime

from larder.core import clock
from larder.core.settings import Paths
from larder.ops import history
from larder.ops.history import Run
from larder.project.manifest import Artifact, read
from larder.warehouse import freshness
from larder.warehouse.freshness import Freshness
from larder.warehouse.store import Manifest, Store


@dataclass(frozen=True)
class Survey:
    """What is `published`, of which `project` (else the candidate's); how old sources and marts are `now`; the runs.

    `last` is the last run, `judged` the one by which is judged what is wrong.
    """

    paths: Paths
    store: Store
    published: Manifest | None
    project: Artifact
    now: datetime
    sources: list[Freshness]
    marts: list[Freshness]
    last: Run | None
    judged: Run | None


def take(paths: Paths) -> Survey:
    """Look once at all of it. Reads files' footers only; takes no lock."""
    store, now = Store(paths.warehouse), clock.now(paths)
    published, known = store.published(), freshness.as_of(paths)
    project = read(store.artifacts(published) if published else paths.dbt / "candidate")
    last, judged = history.last_and_judged(paths)
    sources = freshness.of_sources(project, known, now)
    marts = freshness.of_marts(paths, project, published, known, now) if published else []
    return Survey(paths, store, published, project, now, sources, marts, last, judged)
