"""The verbs that bring data into the lake."""

from dataclasses import replace
from datetime import datetime
from typing import Annotated

import typer

from larder.cli.options import DAY, days
from larder.core.settings import current_paths

verbs = typer.Typer()
GROUP = "load"


@verbs.command(
    "demo",
    rich_help_panel=GROUP,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    add_help_option=False,
)
def demo_(context: typer.Context) -> None:
    """Start, advance or stop the demo retailer.

    `larder demo --help` lists its verbs. Example: `larder demo start`
    """
    from larder.cli import demo

    raise typer.Exit(demo.run(current_paths(), context.args))


@verbs.command(rich_help_panel=GROUP)
def ingest(
    sources: Annotated[
        list[str] | None, typer.Argument(help="Sources to load; all when none is named.")
    ] = None,
    first: Annotated[
        datetime | None, typer.Option("--from", formats=[DAY], help="Reload from this day.")
    ] = None,
    last: Annotated[
        datetime | None, typer.Option("--to", formats=[DAY], help="Reload up to this day.")
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Reload the named sources completely.")] = False,
    force: Annotated[
        bool,
        typer.Option("--force", help="Accept the named sources even if their row count fell by over 20 %."),
    ] = False,
    follow: Annotated[bool, typer.Option("--follow", help="Keep consuming the stream until Ctrl-C.")] = False,
) -> None:
    """Load new data from the source systems into the lake.

    With `--from`, `--to` or `--full`, days that were loaded before are loaded again. A stream is read to its end; with
    `--follow` consumption goes on. A source whose row count fell by more than 20 % is refused, and the lake stays as it was.

    Example: `larder ingest pos campaigns`, or `larder ingest pos --from 2017-01-03 --to 2017-01-05`
    """
    from larder.lake import ingest

    request = replace(days(first, last), full=full, force=force)
    if follow:
        ingest.follow_stream(current_paths(), sources or [], request)
    else:
        ingest.run(current_paths(), sources or [], request)


@verbs.command(rich_help_panel=GROUP)
def compact() -> None:
    """Merge the small files of many loads into one per table.

    Readers notice nothing. Example: `larder compact`
    """
    from larder.lake import compact

    compact.run(current_paths())
