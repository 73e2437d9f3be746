"""The command line of the demo retailer. Results go to stdout, progress and errors to stderr."""

import json
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated

import duckdb
import psycopg2
import typer
from nats.errors import Error as NatsError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from demo import processes
from demo.clock import MOST_YEARS, REAL_YEAR
from demo.errors import DemoError
from demo.paths import Paths
from demo.retailer import Ports, Retailer, Status
from demo.year import Report

# Where nobody looks at a terminal, nothing is folded to the width of one.
out = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
err = Console(stderr=True, highlight=False)

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    help="The demo retailer: the real year 2017 of a grocer, replayed as files, a stream of events, a PostgreSQL database and an HTTP API.\n\n"
    "Everything is kept below LARDER_DATA (default: data) and listens on 127.0.0.1 only.\n\n"
    "Example: larder demo start --to 2017-01-31",
)

To = Annotated[
    str | None,
    typer.Option("--to", metavar="DATE", help="Last day to replay; without --first-year a day of 2017."),
]
FirstYear = Annotated[
    int | None,
    typer.Option(
        min=REAL_YEAR, help="Move the real year to this one, by 364 days a year: every day keeps its weekday."
    ),
]
Years = Annotated[
    int | None,
    typer.Option(
        min=1, max=MOST_YEARS, help="Number of years to serve one after the other, each 364 days later."
    ),
]
Needed = Annotated[
    str, typer.Option("--to", metavar="DATE", help="Day to advance to; never earlier than the clock.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
PostgresPort = Annotated[
    int | None, typer.Option(min=1, max=65535, help="Port for PostgreSQL; fails if it is taken.")
]
ApiPort = Annotated[
    int | None, typer.Option(min=1, max=65535, help="Port for the campaign API; fails if it is taken.")
]
BrokerPort = Annotated[
    int | None, typer.Option(min=1, max=65535, help="Port for the NATS broker; fails if it is taken.")
]
From = Annotated[str, typer.Option("--from", metavar="DATE", help="First day.")]
Until = Annotated[str, typer.Option("--to", metavar="DATE", help="Last day, included.")]
Speed = Annotated[str, typer.Option(metavar="EVENTS", help="Events per second, or max.")]


@app.command()
def start(
    to: To = None,
    first_year: FirstYear = None,
    years: Years = None,
    postgres_port: PostgresPort = None,
    api_port: ApiPort = None,
    broker_port: BrokerPort = None,
) -> None:
    """Start the retailer's systems and replay the year.

    A new demo replays the whole year unless --to names an earlier day; an existing one stays at its day and keeps
    its years. Starting again restarts servers that have stopped, and loads nothing twice.

    Example: larder demo start --to 2017-01-31
    """
    retailer = Retailer(Paths.from_environment())
    calendar = retailer.choose_calendar(first_year, years)
    day = calendar.parse_day(to) if to else None
    with _progress() as report:
        retailer.start(calendar, day, Ports(postgres_port, api_port, broker_port), report)
    _show(retailer.status())


@app.command()
def advance(to: Needed) -> None:
    """Advance the clock to the end of a day: files appear, database rows and API answers change.

    Example: larder demo advance --to 2017-06-30
    """
    retailer = Retailer(Paths.from_environment())
    day = retailer.calendar.parse_day(to)
    with _progress() as report:
        retailer.advance(day, report)
    _show(retailer.status())


@app.command()
def stream(first: From, last: Until, speed: Speed = "max") -> None:
    """Publish the lines of these days as events of the tills, also of days whose files are or will be delivered.

    Starting and advancing the demo publish the last 7 of the new days; this publishes any day of the year.

    Example: larder demo stream --from 2017-01-09 --to 2017-01-09 --speed 500
    """
    retailer = Retailer(Paths.from_environment())
    calendar, rate = retailer.calendar, _rate(speed)
    days = calendar.parse_day(first), calendar.parse_day(last)
    with _progress() as report:
        count = retailer.stream(*days, rate, report)
    out.print(f"published: {count:,} events")


@app.command()
def stop() -> None:
    """Stop every server that the demo has started. Files and data stay for the next start.

    Example: larder demo stop
    """
    stopped = Retailer(Paths.from_environment()).stop()
    out.print(f"stopped: {', '.join(stopped)}" if stopped else "nothing was running")


@app.command()
def status(as_json: Json = False) -> None:
    """Show the clock, and every system with its address and its rows.

    Example: larder demo status --json
    """
    shown = Retailer(Paths.from_environment()).status()
    if as_json:
        typer.echo(json.dumps(_as_dict(shown), indent=2))
    else:
        _show(shown)


def main() -> None:
    """Run the command line: an expected failure is one line on stderr and exit code 1."""
    for each in processes.INTERRUPTS:
        signal.signal(each, _interrupt)
    try:
        app(prog_name="larder demo", standalone_mode=True)
    except DemoError as error:
        _fail(str(error))
    except (OSError, duckdb.Error, psycopg2.Error, NatsError) as error:
        _fail(" ".join(str(error).split()))


def _rate(speed: str) -> float | None:
    """Events per second; None for as fast as possible."""
    if speed == "max":
        return None
    try:
        rate = float(speed)
    except ValueError:
        rate = 0.0
    if not 0 < rate < float("inf"):
        raise DemoError(f"'{speed}' is not a speed: write events per second, for example 500, or max")
    return rate


def _fail(message: str) -> None:
    err.print(f"[bold red]error:[/] {message}", soft_wrap=True, markup=True)
    raise SystemExit(1)


def _interrupt(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt


def _show(status: Status) -> None:
    clock = status.clock
    day = f"replayed to the end of {clock.day}" if clock.day else "not started: larder demo start"
    moving = f", advancing to {clock.advancing_to}" if clock.advancing_to else ""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("system", "state", "table"):
        table.add_column(name, no_wrap=True)
    table.add_column("rows", justify="right", no_wrap=True)
    table.add_column("address", overflow="fold")
    for system in status.systems:
        lines = [(name, f"{count:,}") for name, count in system.rows.items()] or [("-", "-")]
        table.add_row(system.name, system.state, *lines[0], _shortest(system.address))
        for line in lines[1:]:
            table.add_row("", "", *line, "")
    out.print(table)
    out.print(f"Clock: {day}{moving}")


def _shortest(address: str) -> str:
    """A folder as seen from where the user is."""
    path = Path(address)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else address


def _as_dict(status: Status) -> dict[str, object]:
    clock = status.clock
    return {
        "data": str(status.data),
        "clock": clock.day.isoformat() if clock.day else None,
        "advancing_to": clock.advancing_to.isoformat() if clock.advancing_to else None,
        "systems": [vars(system) for system in status.systems],
    }


@contextmanager
def _progress() -> Iterator[Report]:
    """Bars on a terminal, one line per finished step elsewhere."""
    columns = (TextColumn("{task.description:<16}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    try:
        if err.is_terminal:
            with Progress(*columns, console=err) as progress:
                yield _bars(progress)
        else:
            yield _lines()
    except (KeyboardInterrupt, RuntimeError, duckdb.InterruptException) as error:
        if isinstance(error, RuntimeError) and str(error) != "Query interrupted":  # how DuckDB reports Ctrl-C
            raise
        raise DemoError("interrupted: run the same command again to continue") from None


def _bars(progress: Progress) -> Report:
    tasks: dict[str, TaskID] = {}

    def report(step: str, done: int, total: int) -> None:
        if step not in tasks:
            tasks[step] = progress.add_task(step, total=total)
        progress.update(tasks[step], completed=done, total=total)

    return report


def _lines() -> Report:
    begun: dict[str, float] = {}

    def report(step: str, done: int, total: int) -> None:
        begun.setdefault(step, time.monotonic())
        if done == total:
            err.print(f"{step}: {done} of {total} ({time.monotonic() - begun[step]:.1f} s)")

    return report
