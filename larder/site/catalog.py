"""The catalog: a page for each table, metric and report of a metadata base, and what leads to them."""

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

from jinja2 import Environment

from larder.core.settings import EVERYBODY
from larder.site import render, search
from larder.site.facts import Facts
from larder.site.pages import Page, pages, place_of
from larder.site.reports.page import Report
from larder.site.text import Descriptions


def write(found: Facts, folder: Path, reports: Sequence[Report] = ()) -> None:
    """All pages of a metadata base, into a folder. The same base gives the same bytes."""
    write_pages(found, pages(found), folder, reports)


def write_pages(found: Facts, some: Iterable[Page], folder: Path, reports: Sequence[Report] = ()) -> None:
    """Some pages, with what all of them load; the search finds the reports as well."""
    render.write(some, templates(found), folder)
    (folder / "search.js").write_text(
        search.script(found, [one for one in reports if one.audience == EVERYBODY]), encoding="utf-8"
    )


def templates(found: Facts) -> Environment:
    """The templates of the site, with what all of them may use."""
    return render.environment(
        {
            "nodes": found.nodes,
            "generation": found.generation,
            "classes": {row["class"]: row["description"] for row in found.rows("from larder.classes")},
            "describe": Descriptions(partial(place_of, found)).html,
        }
    )
