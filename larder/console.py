"""What the command line shows: results on standard output, progress and errors on standard error."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.table import Table

out = Console(soft_wrap=True, highlight=False)
err = Console(stderr=True, soft_wrap=True, highlight=False)


@contextmanager
def progress(title: str) -> Iterator[Callable[[str], None]]:
    """Show what is going on: a moving line on a terminal, one line when it begins elsewhere."""
    if not err.is_terminal:
        err.print(f"… {title}")
        yield lambda _: None
        return
    with err.status(title) as status:
        yield lambda text: status.update(f"{title}: {text}")


def done(text: str) -> None:
    """One finished step."""
    err.print(f"[green]✓[/] {text}")


def failed(message: str, next_step: str) -> None:
    """One clear message, and what to do about it."""
    err.print(f"[bold red]✗[/] {message}", markup=True)
    err.print(f"  next: {next_step}", markup=False)


def as_json(value: Any) -> None:
    """Machine-readable output, and nothing else on standard output."""
    out.print_json(json.dumps(value, default=str))


def table(title: str, columns: list[str], rows: list[list[Any]]) -> None:
    """A listing; numbers are aligned to the right and grouped by thousands."""
    listing = Table(
        title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 2)
    )
    for position, name in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[position], int) for row in rows)
        listing.add_column(name, justify="right" if numeric else "left", header_style="dim")
    for row in rows:
        listing.add_row(*[f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row])
    out.print(listing)
