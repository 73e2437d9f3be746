"""The catalog: a page for each table, metric and report of a metadata base, and what leads to them."""

from functools import partial
from pathlib import Path

import duckdb

from larder.site import facts, render, search
from larder.site.pages import pages, place_of
from larder.site.text import Descriptions


def write(base: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """All pages of a metadata base, into a folder. The same base gives the same bytes."""
    found = facts.read(base)
    shared = {
        "nodes": found.nodes,
        "generation": found.generation,
        "classes": dict(base.execute("select class, description from larder.classes").fetchall()),
        "describe": Descriptions(partial(place_of, found)).html,
    }
    render.write(pages(found), render.environment(shared), folder)
    (folder / "search.js").write_text(search.script(found), encoding="utf-8")
