"""dbt's docs of the published generation, as one static page."""

from ingestion.core.files import open_to_all, write_atomically
from larder.core import console
from larder.core.errors import LarderError
from larder.core.settings import Paths
from larder.project import dbt
from larder.warehouse.store import Store

PAGE = "static_index.html"


def run(paths: Paths) -> None:
    """Generate dbt's docs from what is published, without writing to it; readers of the page see old or new."""
    published = Store(paths.warehouse).require_published()
    with console.progress("docs") as report:
        outcome = dbt.run(paths, "published", ["docs", "generate", "--static"], report)
    if outcome.broken:
        node = outcome.broken[0]
        raise LarderError(
            f"no docs: {node.name} does not compile: {node.message}",
            f"Look at it: dbt compile --select {node.name}. The last page stays.",
        )
    write_atomically(paths.docs, (outcome.artifacts / PAGE).read_bytes())
    open_to_all(paths.docs.parent, paths.site)
    console.done(f"docs of generation {published.id}: {paths.docs}")
