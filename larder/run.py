"""`larder run`: ingest, build, publish, docs, export; then say what there is now."""

from larder import build, compact, console, docs, export, ingest, publish, status
from larder.settings import Paths
from larder.store import Store


def run(where: Paths) -> None:
    """Bring the warehouse up to the sources. Stops at the first step that fails; what is published stays."""
    ingest.run(where, [])
    build.run(where, everything=False)
    publish.run(where)
    compact.tidy(where)
    if not _docs_are_current(where):
        docs.run(where)
    export.run(where)
    console.out.print()
    status.render(status.collect(where))


def _docs_are_current(where: Paths) -> bool:
    pointer = Store(where.warehouse).reader_address().parent
    return where.docs.exists() and where.docs.stat().st_mtime >= pointer.lstat().st_mtime
