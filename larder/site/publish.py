"""`larder docs`: the site of what is published, written from its metadata base and by dbt."""

import duckdb

from ingestion.core.files import open_to_all
from larder.catalog import docs, formats, metadata
from larder.core import console
from larder.core.errors import LarderError
from larder.core.settings import Paths
from larder.site import catalog, render
from larder.warehouse.locks import lock
from larder.warehouse.store import Store


def run(paths: Paths) -> None:
    """Write the catalog of the published generation, then dbt's docs; who reads either sees the old or the new one.

    Raises LarderError for a generation without metadata, or with those of an earlier version.
    """
    store = Store(paths.warehouse)
    published = store.require_published()
    folder = store.metadata(published)
    with lock(paths.locks, "catalog"), render.replaced(paths.catalog) as fresh:
        try:
            with metadata.open_base(folder) as base:
                catalog.write(base, fresh)
                formats.write(base, fresh / "data")
        except (duckdb.BinderException, duckdb.CatalogException) as error:
            raise LarderError(
                f"no catalog: generation {published.id} was built by an earlier version of Larder, {folder} has not all"
                " that the pages show",
                "Build it again: larder build --all, then larder publish",
            ) from error
    open_to_all(paths.catalog.resolve(), paths.site)
    console.done(f"catalog of generation {published.id}: {paths.catalog / 'index.html'}")
    docs.run(paths)
