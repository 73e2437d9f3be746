"""The verbs that decide what becomes of data that broke its contract, and of the contract."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from larder.cli.options import CALLER, Json
from larder.core.settings import current_paths

verbs = typer.Typer()
GROUP = "govern"

serve_verbs = typer.Typer(no_args_is_help=True)
verbs.add_typer(
    serve_verbs, name="serve", help="Let audiences query their shares by login.", rich_help_panel=GROUP
)
quarantine_verbs = typer.Typer(no_args_is_help=True)
verbs.add_typer(
    quarantine_verbs,
    name="quarantine",
    help="List, explain, replay or discard rejected rows.",
    rich_help_panel=GROUP,
)
Reason = Annotated[str, typer.Option(help="Why; it stays on record.")]
Household = Annotated[
    int | None, typer.Option(metavar="NUMBER", help="The number that its card has at the source.")
]
Pseudonym = Annotated[
    int | None, typer.Option(metavar="NUMBER", help="Its household_id in the marts instead.")
]


@verbs.command(rich_help_panel=GROUP)
def forget(
    household: Household = None,
    pseudonym: Pseudonym = None,
    reason: Reason = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what there is of it.")] = False,
    expired: Annotated[
        bool, typer.Option("--expired", help="Erase what is older than is kept instead.")
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with what was interrupted.")] = False,
) -> None:
    """Erase a household everywhere, with a receipt.

    The lake's files are rewritten, all else is built again. No source brings it back. The receipt is in audit/erasures.
    With --expired, what is older than governance/retention.yml keeps is erased instead.

    Example: `larder forget --household 2337 --reason "request 118 of 3 May" --dry-run`
    """
    from larder.ops import forget, retain

    if resume:
        forget.resume(current_paths())
    elif expired:
        retain.run(current_paths(), dry_run)
    else:
        forget.run(current_paths(), household, pseudonym, reason, dry_run)


@verbs.command("access-report", rich_help_panel=GROUP)
def access_report(
    out: Annotated[Path, typer.Option(metavar="FILE", help="The HTML file to write, for you alone to read.")],
    household: Household = None,
    pseudonym: Pseudonym = None,
) -> None:
    """Write all that is held of a household, on record.

    Example: `larder access-report --household 2337 --out request-118.html`
    """
    from larder.governance import access_report

    access_report.run(current_paths(), household, pseudonym, CALLER / out)


contract_verbs = typer.Typer(no_args_is_help=True)
verbs.add_typer(
    contract_verbs, name="contract", help="Propose changes of a source's contract.", rich_help_panel=GROUP
)

Ids = Annotated[list[str] | None, typer.Argument(help="Ids, or unique prefixes of ids.")]
Source = Annotated[str | None, typer.Option(help="All open entries of this source.")]
Location = Annotated[
    str | None, typer.Option("--location", help="All open entries of this file, table or endpoint.")
]


@verbs.command(rich_help_panel=GROUP)
def shares() -> None:
    """Write for each audience what the policy grants it of what is published.

    `larder publish` does that as well: this is for a change of governance/ alone. Example: `larder shares`
    """
    from larder.build import publish

    publish.share(current_paths())


@serve_verbs.command("postgres")
def serve_postgres(
    url: Annotated[
        str | None,
        typer.Option(
            envvar="LARDER_SERVE_URL", help="A server that there is; without it, one of our own on 127.0.0.1."
        ),
    ] = None,
    stop: Annotated[bool, typer.Option("--stop", help="Stop our own server.")] = False,
) -> None:
    """Load the shares into PostgreSQL: for each audience a database and a role.

    Later publications load it again, where LARDER_SERVE_URL names it or our own server runs. Example: `larder serve postgres`
    """
    from larder.build import publish
    from larder.governance import serve

    paths = current_paths()
    serve.stop(paths) if stop else publish.serve_shares(paths, url)


@quarantine_verbs.command("list")
def quarantine_list(
    source: Annotated[str | None, typer.Option(help="Only this source.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Include what is resolved.")] = False,
    as_json: Json = False,
) -> None:
    """List the rows and files that violate their contract and are not resolved.

    Example: `larder quarantine list --source pos`
    """
    from larder.core import console
    from larder.lake import quarantine

    found = quarantine.collect(current_paths(), source, everything)
    console.as_json([*map(quarantine.as_plain, found)]) if as_json else quarantine.render(found)


@quarantine_verbs.command("explain")
def quarantine_explain(entry: Annotated[str, typer.Argument(help="Its id.")], as_json: Json = False) -> None:
    """Show one entry: location, expected and seen value, the row as delivered, and what can be done.

    Example: `larder quarantine explain 3f2a`
    """
    from larder.core import console
    from larder.lake import quarantine

    found = quarantine.explain(current_paths(), entry)
    console.as_json(found) if as_json else quarantine.render_entry(found)


@quarantine_verbs.command("replay")
def quarantine_replay(ids: Ids = None, source: Source = None, location: Location = None) -> None:
    """Validate rows again, and load those that pass now.

    Example: `larder quarantine replay --source pos`
    """
    from larder.lake import quarantine

    quarantine.replay(current_paths(), ids or [], source, location)


@quarantine_verbs.command("discard")
def quarantine_discard(
    reason: Annotated[str, typer.Option(help="Why; it stays on record.")],
    ids: Ids = None,
    source: Source = None,
    location: Location = None,
) -> None:
    """Discard rows or files for good. They stay on record, with the reason.

    Example: `larder quarantine discard 3f2a --reason "a test till"`
    """
    from larder.lake import quarantine

    quarantine.discard(current_paths(), ids or [], reason, source, location)


@contract_verbs.command("accept")
def contract_accept(
    source: Annotated[str, typer.Argument(help="A source.")],
    write: Annotated[bool, typer.Option("--write", help="Change the file as proposed.")] = False,
) -> None:
    """Propose, as a diff of the contract's file, what would allow the schema drift of a source.

    Example: `larder contract accept pos`
    """
    from larder.lake import contract

    contract.accept(current_paths(), source, write)


@verbs.command(rich_help_panel=GROUP)
def contacts(
    purpose: Annotated[str, typer.Option(help="What they are for; it stays on record.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The CSV file to write, for you alone to read.")],
    households: Annotated[
        Path | None, typer.Option(metavar="FILE", help="One household_id a line; without it, as input.")
    ] = None,
) -> None:
    """Write names and addresses of households, on record.

    Example: `larder contacts --purpose "coupons of campaign 13" --households chosen.txt --out letters.csv`
    """
    from larder.governance import contacts

    text = contacts.read(CALLER / households) if households else sys.stdin.read()
    contacts.run(current_paths(), purpose, text.splitlines(), CALLER / out)
