"""Options and helpers that several verbs share."""

from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer

from ingestion.core.request import LoadRequest
from larder.core.errors import LarderError

DAY = "%Y-%m-%d"
CALLER = Path.cwd()
"""Where the command was called: afterwards the process works in the repository."""

Target = Annotated[
    str | None,
    typer.Option(help="The engine that builds: duckdb or spark. Default: LARDER_ENGINE, else duckdb."),
]

Json = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]


def day(given: datetime | None) -> date | None:
    """The day of an option that typer reads as a time."""
    return given.date() if given else None


def days(first: datetime | None, last: datetime | None) -> LoadRequest:
    """A request for the days of two options; one that is not given leaves its end open."""
    return LoadRequest(first=day(first) or date.min, last=day(last) or date.max)


def only_one(options: Mapping[str, bool]) -> str:
    """The one option that is given, of those that exclude each other; empty when none is."""
    given = [name for name, is_given in options.items() if is_given]
    if len(given) > 1:
        raise LarderError(
            f"{' and '.join(f'--{name}' for name in given)} exclude each other", "Name one of them."
        )
    return "".join(given)
