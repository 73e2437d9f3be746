"""`larder run`: ingest, build, publish, export, site; then say what there is now."""

from larder.build import candidate, publish
from larder.core import console, events
from larder.core.settings import Paths
from larder.lake import compact, ingest
from larder.ops import status
from larder.site import publish as site
from larder.warehouse import export
from larder.warehouse.store import Store


def run(paths: Paths, target: str | None = None) -> None:
    """Bring the warehouse up to its sources. The events of the run go to `target` as well: a file, or `-` for standard output.

    A source that fails or is blocked keeps its last state and the others are loaded; LarderError at the end names it. Any other step
    that fails ends the run, and what is published stays.
    """
    with events.target(target) as wanted, events.run(paths.history, "run", wanted):
        with events.step("ingest"):
            loaded, failures = ingest.load(paths, [])
        with events.step("build"):
            candidate.run(paths, everything=False)
        with events.step("publish"):
            publish.run(paths)
        compact.tidy(paths)
        with events.step("export"):
            export.run(paths)
        with events.step("site"):
            site.reports(paths) if _site_is_current(paths) else site.run(paths)
        if target != "-":
            console.out.print()
            status.render(status.collect(paths))
        ingest.complain(loaded, failures)


def _site_is_current(paths: Paths) -> bool:
    """Whether both the catalog and dbt's docs were written after the pointer moved."""
    published = Store(paths.warehouse).reader_address().parent.lstat().st_mtime
    return all(
        page.exists() and page.stat().st_mtime >= published
        for page in (paths.catalog / "index.html", paths.docs)
    )
