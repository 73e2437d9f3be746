"""`larder run`: ingest, build, publish, export, site; then say what there is now, and follow the stream where that is asked for."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from ingestion.core.request import LoadRequest
from ingestion.pipelines import NEWS
from larder.build import candidate, publish
from larder.core import clock, console, events
from larder.core.errors import Busy, NotLoaded
from larder.core.settings import Paths, engine
from larder.lake import compact, ingest
from larder.ops import alerts, live, status
from larder.project.manifest import read
from larder.site import publish as site
from larder.warehouse import export, freshness
from larder.warehouse.store import Store


def run(paths: Paths, target: str | None = None, request: LoadRequest = NEWS, follow: bool = False) -> None:
    """Bring the warehouse up to its sources. The events of the run go to `target` as well: a file, or `-` for standard output.

    Where `request` names days, they are loaded again, and what they affect is built again.

    A source that fails or is blocked keeps its last state and the others are loaded; NotLoaded at the end names it. Any other step
    that fails ends the run, and what is published stays. What the run did is loaded into the lake, unless it found nothing to do. To
    `follow` is to go on with what the stream brings, as a run of its own, until Ctrl-C; a source that was not loaded keeps nobody from that.
    """
    ingest.require_order(request)
    engine()  # a misspelt one is said before anything is loaded
    with events.target(target) as wanted:
        try:
            _run_once(paths, request, wanted, shows=target != "-")
        except NotLoaded as error:
            if not follow:
                raise
            console.failed(str(error), error.next_step)
        if follow:
            with events.run(paths.history, live.COMMAND, wanted):
                live.follow(paths)


def _run_once(paths: Paths, request: LoadRequest, wanted: BinaryIO | None, shows: bool) -> None:
    with alerts.checked(paths), _recorded(paths), events.run(paths.history, "run", wanted):
        with events.step("ingest"):
            loaded, failures = ingest.load(paths, [], request)
        with events.step("build"):
            candidate.run(paths, everything=False, engine=engine())
        with events.step("publish"):
            publish.run(paths)
        _tell_ages(paths)
        compact.tidy(paths)
        with events.step("export"):
            export.run(paths)
        with events.step("site"):
            site.reports(paths) if _site_is_current(paths) else site.run(paths)
        if shows:
            console.out.print()
            status.render(status.collect(paths))
        ingest.complain(loaded, failures)


def _tell_ages(paths: Paths) -> None:
    """Say how old each source's data are, by the promises of what is published."""
    store = Store(paths.warehouse)
    project = read(store.artifacts(store.require_published()))
    for source in freshness.of_sources(project, freshness.as_of(paths), clock.now(paths)):
        events.emit(
            "source_aged",
            source.name,
            status="late" if source.is_late else "fresh",
            seconds=None if source.hours is None else source.hours * 3600,
            promised_hours=round(source.warn_after),
        )


@contextmanager
def _recorded(paths: Paths) -> Iterator[None]:
    """Record that a run came to its end, and load what it did into the lake when it has failed or published something.

    Who only met another run at work has not run.
    """
    address = Store(paths.warehouse).reader_address()
    before = address.resolve()
    try:
        yield
    except Busy:
        raise
    except Exception:
        freshness.record_run(paths)
        ingest.load_own(paths)
        raise
    freshness.record_run(paths)
    if address.resolve() != before:
        ingest.load_own(paths)


def _site_is_current(paths: Paths) -> bool:
    """Whether both the catalog and dbt's docs were written after the pointer moved."""
    published = Store(paths.warehouse).reader_address().parent.lstat().st_mtime
    return all(
        page.exists() and page.stat().st_mtime >= published
        for page in (paths.catalog / "index.html", paths.docs)
    )
