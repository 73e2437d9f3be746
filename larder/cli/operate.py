"""The verbs for who runs Larder."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from larder.cli.options import CALLER, DAY, Json, days
from larder.core.settings import current_paths

verbs = typer.Typer()
GROUP = "operate"

incident_verbs = typer.Typer(no_args_is_help=True)
verbs.add_typer(
    incident_verbs,
    name="incident",
    help="Label days that anomaly checks learn nothing from.",
    rich_help_panel=GROUP,
)


@verbs.command(rich_help_panel=GROUP)
def run(
    events: Annotated[
        str | None,
        typer.Option("--events", help="A file to add to, or -, for one JSON line per thing that happens."),
    ] = None,
    since: Annotated[
        datetime | None, typer.Option("--since", formats=[DAY], help="Load again from this day.")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option("--until", formats=[DAY], help="Load again up to this day.")
    ] = None,
    follow: Annotated[
        bool,
        typer.Option(
            "--follow", help="Then publish the live marts as the stream brings lines, until Ctrl-C."
        ),
    ] = False,
) -> None:
    """Run everything: ingest, build, publish, docs, export.

    Example: `larder run`, `larder run --follow`, `larder run --since 2017-03-01 --until 2017-03-07` to load these days again and
    build what they affect, or `larder run --events -` for a program that reads what happens
    """
    from larder.ops import run

    target = str(CALLER / events) if events and events != "-" else events
    run.run(current_paths(), target, days(since, until), follow)


@verbs.command(rich_help_panel=GROUP)
def backfill(
    file: Annotated[Path, typer.Argument(help="A YAML file: first, last, reason, owner, step_days.")],
) -> None:
    """Load a range of days again, in steps.

    Each step is a run; called again, it goes on where it stopped. Example: `larder backfill governance/backfills/march.yml`
    """
    from larder.ops import backfill

    backfill.start(current_paths(), CALLER / file)


@verbs.command(rich_help_panel=GROUP)
def status(
    as_json: Json = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Stay, and show it again every few seconds.")
    ] = False,
) -> None:
    """Show what is published, how fresh it is, what fails.

    Also what is loaded, what is at work and what waits. Example: `larder status --json`
    """
    from larder.core import console
    from larder.ops import status

    if watch:
        status.watch(current_paths())
    else:
        found = status.collect(current_paths())
        console.as_json(found) if as_json else status.render(found)


@verbs.command(rich_help_panel=GROUP)
def watch(as_json: Json = False) -> None:
    """Check runs, freshness and failures; send alerts.

    For a timer of its own, apart from the run's: so a run that did not begin is noticed. Exits with 1 when something is wrong,
    and with 0 when there are warnings only.
    docs/alerts.md says where alerts go. Example: `larder watch`
    """
    from larder.core import console
    from larder.ops import alerts

    found = alerts.check(current_paths())
    if as_json:
        console.as_json([{**vars(problem), "runbook": problem.runbook} for problem in found])
    elif not found:
        console.done("nothing is wrong")
    else:
        console.out.print("\n".join(f"- {problem.what} ({problem.runbook})" for problem in found))
    raise typer.Exit(int(any(not problem.is_warning for problem in found)))


@verbs.command(rich_help_panel=GROUP)
def doctor(as_json: Json = False) -> None:
    """Check the machine and the data folder, with fixes.

    It looks at the system, Python, versions, memory, disk, ports and locks. Exits with 1 when something is broken.

    Example: `larder doctor`
    """
    from larder.ops import doctor

    findings = doctor.examine(current_paths())
    doctor.render(findings, as_json)
    raise typer.Exit(int(any(finding.level == "error" for finding in findings)))


@verbs.command(rich_help_panel=GROUP)
def clean() -> None:
    """Remove leftovers of failed runs.

    What is published or loaded stays. Example: `larder clean`
    """
    from larder.core import console
    from larder.ops import clean

    removed = clean.run(current_paths())
    console.done(f"removed {', '.join(removed)}" if removed else "nothing to clean")


@incident_verbs.command("label")
def incident_label(
    relation: Annotated[str, typer.Argument(help="A model that is watched.")],
    measure: Annotated[str, typer.Argument(help="As observe.anomalies names it, or all.")],
    first: Annotated[datetime, typer.Option(formats=[DAY], help="First day.")],
    last: Annotated[datetime, typer.Option(formats=[DAY], help="Last day.")],
    reason: Annotated[str, typer.Option(help="What happened; it stays in git.")],
    member: Annotated[
        str, typer.Option(help="As observe.anomalies names it; without it, every one.")
    ] = "all",
) -> None:
    """Label days as an incident: they are not reported, and the days after learn nothing from them.

    Example: `larder incident label fct_baskets all --first 2017-11-22 --last 2017-11-23 --reason Thanksgiving`
    """
    from larder.ops import incidents

    incidents.label(current_paths(), relation, measure, member, first.date(), last.date(), reason)
