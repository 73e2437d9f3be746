"""What the command line shows: results on standard output, progress and errors on standard error.

Texts come from data, files and other programs. They are shown as they are: never as mark-up, an emoji or a link, and what
would move the cursor or turn the direction of writing shows as its number, for instance \\u001b.
"""

import json
import re
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ingestion.core.redaction import all_redacted, redacted

QUIET_SECONDS = 10
"""Seconds between two lines of progress in a log."""

NUMBER = (int, Decimal)

CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control codes of a terminal but for line ends and tabs, those that turn the direction of writing, halves of characters."""


class _Plain(Console):
    """A console that takes texts as they are."""

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, soft_wrap=True, highlight=False, markup=False, emoji=False)

    def print(self, *values: Any, **options: Any) -> None:
        super().print(*(plain(value) if isinstance(value, str) else value for value in values), **options)


def plain(text: str) -> str:
    """A text without anything that a terminal obeys."""
    return CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


out = _Plain()
if not out.is_terminal:
    out.width = 10_000  # what is piped on is not cut
err = _Plain(stderr=True)


@contextmanager
def progress(title: str) -> Iterator[Callable[[str], None]]:
    """Show progress: a live line on a terminal, a line every few seconds elsewhere."""
    if err.is_terminal:
        with err.status(title) as status:
            yield lambda text: status.update(Text(plain(f"{title}: {text}")))
        return
    err.print(f"… {title}")
    spoken = time.monotonic()

    def speak(text: str) -> None:
        nonlocal spoken
        if time.monotonic() - spoken >= QUIET_SECONDS:
            err.print(f"… {title}: {text}")
            spoken = time.monotonic()

    yield speak


def done(text: str) -> None:
    """One finished step."""
    err.print(marked("✓", "green", text))


def note(text: str) -> None:
    """Something that the user should know before relying on the result. Redacted, as it may come from a failure."""
    err.print(marked("!", "yellow", redacted(text)))


def failed(message: str, next_step: str) -> None:
    """One clear message, and what to do about it; both are redacted."""
    message, next_step = all_redacted([message, next_step])
    err.print(marked("✗", "bold red", message))
    err.print(f"  next: {next_step}")


def marked(mark: str, style: str, text: str) -> Text:
    """A text after a mark, for instance a green tick."""
    return Text.assemble((mark, style), " ", plain(text))


def heading(bold: str, rest: str = "") -> None:
    """A line of results that begins in bold."""
    out.print(Text.assemble((plain(bold), "bold"), plain(rest)))


def shown_path(path: Path) -> str:
    """A path as it can be pasted into a shell."""
    return shlex.quote(str(path))


def as_json(value: Any) -> None:
    """Machine-readable output, and nothing else on standard output."""
    out.print(json.dumps(value, indent=2, default=str, ensure_ascii=False))


def table(title: str, columns: list[str], rows: list[list[Any]]) -> None:
    """A listing; numbers are aligned to the right and grouped by thousands, None is left blank."""
    listing = Table(
        title=Text(plain(title)),
        title_justify="left",
        title_style="bold",
        box=None,
        pad_edge=False,
        padding=(0, 2),
    )
    for position, name in enumerate(columns):
        cells = [row[position] for row in rows if row[position] is not None]
        numeric = bool(cells) and all(isinstance(cell, NUMBER) for cell in cells)
        listing.add_column(
            Text(plain(name)),
            justify="right" if numeric else "left",
            header_style="dim",
            no_wrap=numeric,
            overflow="fold",
        )
    for row in rows:
        listing.add_row(*[Text(_shown(cell)) for cell in row])
    out.print(listing)


def _shown(cell: Any) -> str:
    if cell is None:
        return ""
    if isinstance(cell, NUMBER):
        return f"{cell:,}"
    return plain(str(cell)).replace("\n", "\\n").replace("\t", "\\t")
