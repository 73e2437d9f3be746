"""Options and helpers that several verbs share."""

from datetime import date, datetime
from typing import Annotated

import typer

DAY = "%Y-%m-%d"

Json = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]


def day(given: datetime | None) -> date | None:
    """The day of an option that typer reads as a time."""
    return given.date() if given else None
