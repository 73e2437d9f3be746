"""The verbs for who runs Larder."""

from typing import Annotated

import typer

from larder.cli.options import CALLER, Json
from larder.core.settings import current_paths

verbs = typer.Typer()
GROUP = "operate"


@verbs.command(rich_help_panel=GROUP)
def run(
    events: Annotated[
        str | None,
        typer.Option("--events", help="A file, or -, for one JSON line per thing that happens."),
    ] = None,
) -> None:
    """Run everything: ingest, build, publish, docs, export.

    Example: `larder run`, or `larder run --events -` for a program that reads what happens
    """
    from larder.ops import run

    run.run(current_paths(), str(CALLER / events) if events and events != "-" else events)


@verbs.command(rich_help_panel=GROUP)
def status(as_json: Json = False) -> None:
    """Show what is loaded, what is published, what is running.

    Example: `larder status --json`
    """
    from larder.core import console
    from larder.ops import status

    found = status.collect(current_paths())
    console.as_json(found) if as_json else status.render(found)


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
