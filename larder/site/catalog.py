"""The catalog of the published generation as static pages: `data/site/catalog`."""

from pathlib import Path

import duckdb

from larder.catalog import metadata
from larder.core import console
from larder.core.errors import LarderError
from larder.core.settings import Paths
from larder.site import facts, render, search
from larder.site.pages import pages
from larder.site.text import Descriptions
from larder.warehouse.locks import lock
from larder.warehouse.store import Store


def run(paths: Paths) -> None:
    """Write the catalog of what is published; who reads it sees the old one or the new one."""
    store = Store(paths.warehouse)
    published = store.require_published()
    folder = store.metadata(published)
    if not folder.is_dir():
        raise LarderError(
            f"generation {published.id} was built by an earlier version of Larder and has no metadata",
            "Build it again: larder build --all, then larder publish",
        )
    with lock(paths.locks, "catalog"), render.replaced(paths.catalog) as beside:
        write(metadata.open_base(folder), beside)
    console.done(f"catalog of generation {published.id}: {paths.catalog / 'index.html'}")


def write(base: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """All pages of a metadata base, into a folder. The same base gives the same bytes."""
    found = facts.read(base)
    describe = Descriptions(lambda name: (node := found.by_name(name)) and node["page"]).html
    shared = {
        "nodes": found.nodes,
        "generation": found.generation,
        "classes": dict(base.execute("select class, description from larder.classes").fetchall()),
        "describe": describe,
    }
    render.write(pages(found), render.environment(shared), folder)
    (folder / "search.js").write_text(search.script(found), encoding="utf-8")
