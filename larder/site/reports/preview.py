"""A page as it would be before and after a change: what `larder review` shows of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import zip_longest

import duckdb
from markupsafe import Markup

from larder.core.errors import LarderError
from larder.core.settings import EVERYBODY
from larder.site import render
from larder.site.reports import data
from larder.site.reports.blocks import Blocks
from larder.site.reports.page import Report
from larder.site.text import Descriptions


@dataclass(frozen=True)
class PageReview:
    """A page with the pieces of it that differ, each before and after; a piece or a page that one side has not is empty there.

    `note` says why a page could not be written.
    """

    name: str
    title: str
    pieces: list[tuple[str, str]] = field(default_factory=list)
    note: str = ""


def readable(report: Report) -> bool:
    """Whether a review can show a page: it is for everybody in the house, and reads nothing but tables that dbt builds."""
    schemas = {table.partition(".")[0] for tables in data.tables(report).values() for table in tables}
    return report.audience == EVERYBODY and schemas <= {*data.MARTS}


def compare(
    before: tuple[Report | None, duckdb.DuckDBPyConnection],
    after: tuple[Report | None, duckdb.DuckDBPyConnection],
) -> PageReview:
    """What a reader sees differently of one page, without having chosen anything."""
    known = after[0] or before[0]
    assert known  # noqa: S101, one side has it
    try:
        sides = [_pieces(report, connection) if report else {} for report, connection in (before, after)]
    except LarderError as error:
        return PageReview(known.name, known.title, note=str(error))
    pairs = zip_longest(sides[0].values(), sides[1].values(), fillvalue="")
    return PageReview(known.name, known.title, [pair for pair in pairs if pair[0] != pair[1]])


def _pieces(report: Report, connection: duckdb.DuckDBPyConnection) -> Mapping[str, str]:
    """The blocks of a page as HTML, in its first state."""
    describe = Descriptions(lambda name: None).html

    def html(text: str) -> Markup:
        return describe(text, "")

    blocks = Blocks(report, data.results(report, connection), render.environment({}), html, lambda block: {})
    return {one.id: one.states[one.first]["html"] for one in blocks.shown(first_only=True)}
