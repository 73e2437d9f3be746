"""`larder docs`: the site of what is published, written from its metadata base and by dbt."""

from larder.catalog import docs, metadata
from larder.core import console
from larder.core.errors import LarderError
from larder.core.settings import Paths
from larder.site import catalog, render
from larder.warehouse.locks import lock
from larder.warehouse.store import Store


def run(paths: Paths) -> None:
    """Write the catalog of the published generation, then dbt's docs; who reads either sees the old or the new one."""
    store = Store(paths.warehouse)
    published = store.require_published()
    folder = store.metadata(published)
    if not folder.is_dir():
        raise LarderError(
            f"no catalog: generation {published.id} was built by an earlier version of Larder, without metadata",
            "Build it again: larder build --all, then larder publish",
        )
    with lock(paths.locks, "catalog"), render.replaced(paths.catalog) as fresh:
        catalog.write(metadata.open_base(folder), fresh)
    console.done(f"catalog of generation {published.id}: {paths.catalog / 'index.html'}")
    docs.run(paths)
