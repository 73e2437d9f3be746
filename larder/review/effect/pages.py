"""The pages that a change touches: by their own files, or by the tables that they read."""

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from larder.core.errors import LarderError
from larder.review.effect.tables import without_values
from larder.review.properties import exposures
from larder.site.reports import data, preview, write
from larder.site.reports.page import Report
from larder.site.reports.preview import PageReview

SAID = re.compile(r"(: the query \w+: )(.*)")
"""What DuckDB says of a page's query."""


@dataclass(frozen=True)
class Touched:
    """A page on either side, where it is there. `reads` are the tables that it needs, as `<schema>.<table>`; `note` says why it cannot
    be shown."""

    name: str
    before: Report | None
    after: Report | None
    is_edited: bool
    reads: frozenset[str]
    note: str = ""


def find(before: Path, after: Path) -> list[Touched]:
    """The pages of two states of a project that a review can show, and those that the change breaks."""
    (old, _), (new, wrong) = _pages(before), _pages(after)
    found = [Touched(name, None, None, True, frozenset(), str(error)) for name, error in wrong.items()]
    for name in sorted({*old, *new} - wrong.keys()):
        before_it, after_it = old.get(name), new.get(name)
        sides = [one for one in (before_it, after_it) if one]
        reads = {table for one in sides for tables in data.tables(one).values() for table in tables}
        is_edited = len({one.file.read_text() for one in sides}) > 1 or len(sides) == 1
        found.append(Touched(name, before_it, after_it, is_edited, frozenset(reads)))
    return found


def _pages(project: Path) -> tuple[dict[str, Report], dict[str, LarderError]]:
    """Those that a review can show, which read what everybody in the house may see, and what is wrong with others."""
    found, wrong = write.read(project)
    policy = exposures.audiences(project) if found else {}
    shown = {}
    for one in found:
        try:
            exposures.require_granted(one, policy)
            if preview.readable(one):
                shown[one.name] = one
        except LarderError as error:
            wrong[one.name] = error
    return shown, wrong


def compare(
    touched: Collection[Touched],
    changed: Collection[str],
    before: duckdb.DuckDBPyConnection,
    after: duckdb.DuckDBPyConnection,
) -> list[PageReview]:
    """The pages that readers will see differently, of those that are edited or read a relation that changes."""
    reviews = [
        PageReview(one.name, one.name, note=one.note)
        if one.note
        else preview.compare((one.before, before), (one.after, after))
        for one in touched
        if one.is_edited or one.reads & {*changed}
    ]
    return [
        replace(one, note=SAID.sub(lambda said: said[1] + without_values(said[2]), one.note))
        for one in reviews
        if one.pieces or one.note
    ]
