"""The verbs that answer from what is published."""

from datetime import datetime
from typing import Annotated

import typer

from larder.cli.options import DAY, Json, day, only_one
from larder.core.settings import current_paths

verbs = typer.Typer()
GROUP = "read"


@verbs.command(rich_help_panel=GROUP)
def metric(
    names: Annotated[
        list[str] | None, typer.Argument(help="Metrics; all are listed when none is named.")
    ] = None,
    by: Annotated[
        list[str] | None, typer.Option(metavar="DIMENSION", help="Group by; may be repeated.")
    ] = None,
    where: Annotated[
        list[str] | None, typer.Option(metavar="CONDITION", help="Filter; may be repeated.")
    ] = None,
    since: Annotated[datetime | None, typer.Option("--from", formats=[DAY], help="First day.")] = None,
    until: Annotated[datetime | None, typer.Option("--to", formats=[DAY], help="Last day.")] = None,
    saved: Annotated[str | None, typer.Option(help="A saved query instead.")] = None,
    as_json: Json = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV, for a spreadsheet.")] = False,
    as_sql: Annotated[bool, typer.Option("--sql", help="Show the SQL instead of its result.")] = False,
    workspace: Annotated[
        bool, typer.Option("--workspace", help="Query your workspace (larder dev), by the project's metrics.")
    ] = False,
) -> None:
    """Query metrics by dimension, each with one definition.

    Example: `larder metric net_sales --by month --where "department = 'GROCERY'" --from 2017-07-01`
    """
    from larder.build.preview import Preview
    from larder.queries import metric
    from larder.queries.semantics import Question

    form = only_one({"json": as_json, "csv": as_csv, "sql": as_sql}) or "table"
    source = Preview(current_paths()) if workspace else metric.Published(current_paths())
    question = Question(names or [], list(dict.fromkeys(by or [])), where or [], day(since), day(until))
    metric.run(source, question, saved, form)


@verbs.command(rich_help_panel=GROUP)
def offers(
    household: Annotated[int, typer.Argument(help="A household's number.")],
    as_of: Annotated[
        datetime | None,
        typer.Option("--as-of", formats=[DAY], help="The day; by default the one after the last sales."),
    ] = None,
    as_json: Json = False,
) -> None:
    """List the next best offers of a household, with reasons.

    Example: `larder offers 3744637613688905 --as-of 2017-11-15`
    """
    from larder.core import console
    from larder.queries import offers

    found = offers.find(current_paths(), household, day(as_of))
    console.as_json(offers.as_dict(found)) if as_json else offers.render(found)


@verbs.command(rich_help_panel=GROUP)
def site(
    watch: Annotated[
        bool, typer.Option(help="Serve the reports, and write each again when its file changes.")
    ] = False,
) -> None:
    """Write reports, the catalog and dbt's docs of what is published, as pages to open from disk.

    Example: `larder site --watch`, then edit reports/index.md
    """
    from larder.site import publish, watching

    watching.run(current_paths()) if watch else publish.run(current_paths())


@verbs.command(rich_help_panel=GROUP)
def export(as_json: Json = False) -> None:
    """Export the published marts as Parquet, for any engine.

    Readers of the folder see one whole generation. Example: `larder export --json` lists the files
    """
    from larder.core import console
    from larder.warehouse import export

    found = export.run(current_paths())
    console.as_json(found) if as_json else export.render(found)


@verbs.command(rich_help_panel=GROUP)
def mcp() -> None:
    """Serve the catalog, metrics and SQL to agents.

    By the Model Context Protocol, on standard input and output: an agent's client starts it. Example: `larder mcp`
    """
    from larder.agents import server

    server.run(current_paths())
