"""What the command line shows: results on standard output, progress and errors on standard error."""

import json
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

QUIET_SECONDS = 10
"""Seconds between two lines of progress in a log."""

NUMBER = (int, Decimal)

out = Console(soft_wrap=True, highlight=False)
if not out.is_terminal:
    out.width = 200  # what is piped on is not cut
err = Console(stderr=True, soft_wrap=True, highlight=False)


@contextmanager
def progress(title: str) -> Iterator[Callable[[str], None]]:
    """Show progress: a live line on a terminal, a line every few seconds elsewhere."""
    if err.is_terminal:
        with err.status(title) as status:
            yield lambda text: status.update(escape(f"{title}: {text}"))
        return
    err.print(f"… {title}")
    spoken = time.monotonic()

    def speak(text: str) -> None:
        nonlocal spoken
        if time.monotonic() - spoken >= QUIET_SECONDS:
            err.print(f"… {title}: {text}", markup=False)
            spoken = time.monotonic()

    yield speak


def done(text: str) -> None:
    """One finished step."""
    err.print(f"[green]✓[/] {escape(text)}")


def note(text: str) -> None:
    """Something that the user should know before relying on the result."""
    err.print(f"[yellow]![/] {escape(text)}")


def failed(message: str, next_step: str) -> None:
    """One clear message, and what to do about it."""
    err.print(f"[bold red]✗[/] {escape(message)}")
    err.print(f"  next: {next_step}", markup=False)


def shown_path(path: Path) -> str:
    """A path as it can be pasted into a shell."""
    return shlex.quote(str(path))


def as_json(value: Any) -> None:
    """Machine-readable output, and nothing else on standard output."""
    out.print_json(json.dumps(value, default=str))


def table(title: str, columns: list[str], rows: list[list[Any]]) -> None:
    """A listing; numbers are aligned to the right and grouped by thousands, None is left blank."""
    listing = Table(
        title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 2)
    )
    for position, name in enumerate(columns):
        cells = [row[position] for row in rows if row[position] is not None]
        numeric = bool(cells) and all(isinstance(cell, NUMBER) for cell in cells)
        listing.add_column(name, justify="right" if numeric else "left", header_style="dim")
    for row in rows:
        listing.add_row(*map(_shown, row))
    out.print(listing)


def _shown(cell: Any) -> str:
    if cell is None:
        return ""
    return f"{cell:,}" if isinstance(cell, NUMBER) else str(cell)
