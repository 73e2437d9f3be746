"""The verbs. Each reads its options here and does its work in the module of its name."""

import errno
import os
import signal
import sys
import traceback
from datetime import datetime
from typing import Annotated

import typer

from larder.core.errors import LarderError
from larder.core.settings import PROJECT, paths

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode="markdown",
    help="Run Larder: ingest a grocery retailer's data, build and test the warehouse, publish it.\n\n"
    "`LARDER_DATA` (default `data/`) holds everything that a run writes.",
)

quarantine_verbs = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown")
app.add_typer(
    quarantine_verbs,
    name="quarantine",
    help="Look at rows that broke their contract, and decide what becomes of them.",
)
contract_verbs = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown")
app.add_typer(contract_verbs, name="contract", help="Change what a source promises.")

DAY = "%Y-%m-%d"

INTERRUPTED = 130
"""The exit code that typer gives to Ctrl-C."""

DAY = "%Y-%m-%d"

Json = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]


@app.command(
    "demo", context_settings={"allow_extra_args": True, "ignore_unknown_options": True}, add_help_option=False
)
def demo_(context: typer.Context) -> None:
    """Start, stop, look at or advance the demo retailer. `larder demo --help` lists its verbs.

    Example: `larder demo start`
    """
    from larder.cli import demo

    raise typer.Exit(demo.run(paths(), context.args))


@app.command()
def ingest(
    sources: Annotated[
        list[str] | None, typer.Argument(help="Sources to load; all when none is named.")
    ] = None,
    first: Annotated[
        datetime | None, typer.Option("--from", formats=[DAY], help="Read the days from this one on again.")
    ] = None,
    last: Annotated[
        datetime | None, typer.Option("--to", formats=[DAY], help="Read the days up to this one again.")
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Read everything of the named sources again.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Believe the named sources also when much of them is gone.")
    ] = False,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on loading what a stream brings, until Ctrl-C.")
    ] = False,
) -> None:
    """Load what is new in the source systems into the lake; or some days, or everything, again.

    A stream is drained of what is there; with `--follow` it goes on. A source that has less than 80 % left of what the lake
    holds is not believed, and the lake stays as it was.
    Example: `larder ingest pos campaigns`, or `larder ingest pos --from 2017-01-03 --to 2017-01-05`
    """
    from ingestion.core.request import LoadRequest
    from larder.lake import ingest

    days = {"first": first and first.date(), "last": last and last.date()}
    asked = LoadRequest(**{name: day for name, day in days.items() if day}, full=full, force=force)
    if follow:
        ingest.run_for_ever(paths(), sources or [], asked)
    else:
        ingest.run(paths(), sources or [], asked)


@app.command()
def build(
    everything: Annotated[
        bool, typer.Option("--all", help="Build from nothing, also when nothing has changed.")
    ] = False,
) -> None:
    """Build and test a candidate generation; readers keep what is published.

    Example: `larder build`
    """
    from larder.build import candidate

    candidate.run(paths(), everything)


@app.command()
def plan(
    as_json: Json = False,
    everything: Annotated[bool, typer.Option("--all", help="As for `larder build --all`.")] = False,
) -> None:
    """Say what a build would do, and why, before anything runs.

    Example: `larder plan`
    """
    from larder.build import candidate, plan
    from larder.core import console

    todo = candidate.plan_now(paths(), everything)
    console.as_json(plan.as_dict(todo)) if as_json else plan.render(todo)


@app.command()
def explain(
    model: Annotated[str, typer.Argument(help="A model, seed or test.")], as_json: Json = False
) -> None:
    """Say for one model whether a build would build or reuse it, and why.

    Example: `larder explain fct_basket_lines`
    """
    from dataclasses import asdict

    from larder.build import candidate, plan
    from larder.core import console

    step = plan.explain(candidate.plan_now(paths(), everything=False), model)
    console.as_json(asdict(step)) if as_json else console.out.print(f"{step.action} {model}: {step.reason}")


@app.command()
def generations(as_json: Json = False) -> None:
    """List the generations of the warehouse, and which one readers see.

    Example: `larder generations --json`
    """
    from larder.core import console
    from larder.warehouse import generations

    found = generations.collect(paths())
    console.as_json(found) if as_json else generations.render(found)


@app.command()
def diff(
    before: Annotated[
        str | None, typer.Argument(help="A generation's id, or `current`; the parent by default.")
    ] = None,
    after: Annotated[str | None, typer.Argument(help="The other one; `current` by default.")] = None,
    as_json: Json = False,
) -> None:
    """Compare two generations: schema, row counts, rows changed by column. Shows counts, never a value.

    Example: `larder diff 20170301T060000000Z current`
    """
    from larder.core import console
    from larder.warehouse import diff

    found = diff.compare(paths(), before, after)
    console.as_json(diff.as_dict(found)) if as_json else diff.render(found)


@app.command()
def rollback(
    generation: Annotated[
        str | None, typer.Argument(help="Its id; the one before the current one by default.")
    ] = None,
) -> None:
    """Show readers an earlier generation again, in under a second.

    Example: `larder rollback`
    """
    from larder.warehouse import generations

    generations.rollback(paths(), generation)


@app.command()
def clean() -> None:
    """Remove what interrupted and failed runs left behind; what is published or loaded stays.

    Example: `larder clean`
    """
    from larder.core import console
    from larder.ops import clean

    removed = clean.run(paths())
    console.done(f"removed {', '.join(removed)}" if removed else "nothing to clean")


@app.command()
def compact() -> None:
    """Put the small files that many loads have left into one for each table; readers notice nothing.

    Example: `larder compact`
    """
    from larder.lake import compact

    compact.run(paths())


@app.command()
def publish() -> None:
    """Show readers the candidate that passed its tests, in one step.

    Example: `larder publish`
    """
    from larder.build import publish

    publish.run(paths())


@app.command()
def run() -> None:
    """Ingest, build, publish, docs, export: bring the warehouse up to its sources.

    Example: `larder run`
    """
    from larder.ops import run

    run.run(paths())


@app.command()
def dev(
    select: Annotated[
        list[str] | None, typer.Argument(help="Models in dbt's words; what has changed when none is named.")
    ] = None,
    sample: Annotated[
        int | None,
        typer.Option(metavar="DAYS", min=1, help="Only the last delivered days of sales and promotions."),
    ] = None,
    reset: Annotated[bool, typer.Option("--reset", help="Empty the workspace instead.")] = False,
) -> None:
    """Build what you have changed in a workspace of your own; the rest is read from what is published.

    Reconciliations are left out with `--sample`: they hold the slice against the whole.
    Example: `larder dev`, or `larder dev agg_sales_daily --sample 14`
    """
    from larder.build import workspace

    workspace.reset(paths()) if reset else workspace.run(paths(), select or [], sample)


@app.command()
def metric(
    names: Annotated[
        list[str] | None, typer.Argument(help="Metrics; all are listed when none is named.")
    ] = None,
    by: Annotated[
        list[str] | None, typer.Option(metavar="DIMENSION", help="Tell apart by this; may be given again.")
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(metavar="CONDITION", help="Only what fulfils this; may be given again."),
    ] = None,
    since: Annotated[datetime | None, typer.Option("--from", formats=[DAY], help="First day.")] = None,
    until: Annotated[datetime | None, typer.Option("--to", formats=[DAY], help="Last day.")] = None,
    saved: Annotated[str | None, typer.Option(help="Ask a saved question instead.")] = None,
    as_json: Json = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="For a spreadsheet.")] = False,
    as_sql: Annotated[bool, typer.Option("--sql", help="Show the SQL instead of its answer.")] = False,
) -> None:
    """Answer with figures that everyone agrees on, from what is published.

    Example: `larder metric net_sales --by month --where "department = 'GROCERY'" --from 2017-07-01`
    """
    from larder.queries import metric
    from larder.queries.semantics import Question

    asked = Question(
        names or [],
        list(dict.fromkeys(by or [])),
        where or [],
        since and since.date(),
        until and until.date(),
    )
    metric.run(
        paths(), asked, saved, "json" if as_json else "csv" if as_csv else "sql" if as_sql else "table"
    )


@app.command()
def offers(
    household: Annotated[int, typer.Argument(help="A household's number.")],
    as_of: Annotated[
        datetime | None,
        typer.Option("--as-of", formats=[DAY], help="The day; the one after the last delivered by default."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Say which offers a household should get next, and why, from what is published.

    Example: `larder offers 771 --as-of 2017-11-15`
    """
    from larder.core import console
    from larder.queries import offers

    found = offers.find(paths(), household, as_of.date() if as_of else None)
    console.as_json(offers.as_dict(found)) if as_json else offers.render(found)


@app.command()
def docs() -> None:
    """Write the catalogue of what is published as one static page.

    Example: `larder docs`
    """
    from larder.catalog import docs

    docs.run(paths())


@app.command()
def export(as_json: Json = False) -> None:
    """Write the marts of what is published as Parquet, for any engine; readers of the folder see one generation.

    Example: `larder export --json` lists the files
    """
    from larder.core import console
    from larder.warehouse import export

    found = export.run(paths())
    console.as_json(found) if as_json else export.render(found)


@app.command()
def status(as_json: Json = False) -> None:
    """Show what is loaded, what is published, and who is at work.

    Example: `larder status --json`
    """
    from larder.core import console
    from larder.ops import status

    found = status.collect(paths())
    console.as_json(found) if as_json else status.render(found)


Ids = Annotated[list[str] | None, typer.Argument(help="Ids, or the beginnings of ids.")]
Source = Annotated[str | None, typer.Option(help="All that is open of this source.")]
Place = Annotated[str | None, typer.Option(help="All that is open of this file, table or endpoint.")]


@quarantine_verbs.command("list")
def quarantine_list(
    source: Annotated[str | None, typer.Option(help="Only this source.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Also what is settled.")] = False,
    as_json: Json = False,
) -> None:
    """List the rows and files that broke their contract and are not settled.

    Example: `larder quarantine list --source pos`
    """
    from larder.core import console
    from larder.lake import quarantine

    found = quarantine.collect(paths(), source, everything)
    console.as_json([*map(quarantine.as_plain, found)]) if as_json else quarantine.render(found)


@quarantine_verbs.command("explain")
def quarantine_explain(entry: Annotated[str, typer.Argument(help="Its id.")], as_json: Json = False) -> None:
    """Show one entry: where, what was expected and seen, the row as delivered, and what can be done.

    Example: `larder quarantine explain 3f2a`
    """
    from larder.core import console
    from larder.lake import quarantine

    found = quarantine.explain(paths(), entry)
    console.as_json(found) if as_json else quarantine.render_entry(found)


@quarantine_verbs.command("replay")
def quarantine_replay(ids: Ids = None, source: Source = None, place: Place = None) -> None:
    """Hold rows to the contract again, and load those that fit it now.

    Example: `larder quarantine replay --source pos`
    """
    from larder.lake import quarantine

    quarantine.replay(paths(), ids or [], source, place)


@quarantine_verbs.command("discard")
def quarantine_discard(
    reason: Annotated[str, typer.Option(help="Why; it stays on record.")],
    ids: Ids = None,
    source: Source = None,
    place: Place = None,
) -> None:
    """Give rows or files up for good. They stay on record, with the reason.

    Example: `larder quarantine discard 3f2a --reason "a test till"`
    """
    from larder.lake import quarantine

    quarantine.discard(paths(), ids or [], reason, source, place)


@contract_verbs.command("accept")
def contract_accept(
    source: Annotated[str, typer.Argument(help="A source.")],
    write: Annotated[bool, typer.Option("--write", help="Change the file as proposed.")] = False,
) -> None:
    """Propose, as a diff of its contract's file, what would make the drift of a source legal.

    Example: `larder contract accept pos`
    """
    from larder.lake import contract

    contract.accept(paths(), source, write)


@app.command()
def doctor(as_json: Json = False) -> None:
    """Check Python, versions, memory, disk, ports and leases: what is wrong, and how to mend it.

    Exits with 1 when something is broken. Example: `larder doctor`
    """
    from larder.ops import doctor

    findings = doctor.examine(paths())
    doctor.render(findings, as_json)
    raise typer.Exit(int(any(finding.level == "error" for finding in findings)))


def main() -> None:
    """Run a verb; turn an expected failure into one message and exit code 1, Ctrl-C into 130."""
    os.environ["LARDER_DATA"] = str(paths().data)
    os.chdir(PROJECT)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        app()
    except SystemExit as end:
        if end.code == INTERRUPTED:
            _say("interrupted", "Run the same command again: nothing is lost, nothing is doubled.")
        raise
    except Exception as error:
        _say(*_explain(error))
        sys.exit(1)


def _explain(error: Exception) -> tuple[str, str]:
    """The message and the next step for what a verb raised."""
    if isinstance(error, LarderError):
        return str(error), error.next_step
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return (
            "the disk is full",
            "Free space (larder doctor shows how much), then run again: nothing is lost.",
        )
    if isinstance(error, PermissionError):
        return f"no permission: {error.filename}", "Change its owner, or move everything with LARDER_DATA."
    log = paths().history / "fault.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("".join(traceback.format_exception(error)))
    return f"Larder met a fault of its own: {error!r}", f"Report it with {log}, then run again."


def _say(message: str, next_step: str) -> None:
    from larder.core import console

    console.failed(message, next_step)
