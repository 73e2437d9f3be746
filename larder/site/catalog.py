"""The catalog: a page for each table, metric and report of a metadata base, and what leads to them."""

from collections.abc import Iterable
from functools import partial
from pathlib import Path

import duckdb

from larder.site import facts, render, search
from larder.site.facts import Facts
from larder.site.pages import Page, pages, place_of
from larder.site.text import Descriptions


def write(base: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """All pages of a metadata base, into a folder. The same base gives the same bytes."""
    found = facts.read(base)
    write_pages(found, pages(found), folder)


def write_pages(found: Facts, some: Iterable[Page], folder: Path) -> None:
    """Some pages, with what all of them load."""
    shared = {
        "nodes": found.nodes,
        "generation": found.generation,
        "classes": {row["class"]: row["description"] for row in found.rows("from larder.classes")},
        "describe": Descriptions(partial(place_of, found)).html,
    }
    render.write(some, render.environment(shared), folder)
    (folder / "search.js").write_text(search.script(found), encoding="utf-8")
