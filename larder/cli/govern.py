"""The verbs that decide what becomes of data that broke its contract, and of the contract."""

from typing import Annotated

import typer

from larder.cli.options import Json
from larder.core.settings import current_paths

verbs = typer.Typer()
GROUP = "govern"

quarantine_verbs = typer.Typer(no_args_is_help=True)
verbs.add_typer(
    quarantine_verbs,
    name="quarantine",
    help="List, explain, replay or discard rejected rows.",
    rich_help_panel=GROUP,
)
contract_verbs = typer.Typer(no_args_is_help=True)
verbs.add_typer(
    contract_verbs, name="contract", help="Propose changes of a source's contract.", rich_help_panel=GROUP
)

Ids = Annotated[list[str] | None, typer.Argument(help="Ids, or unique prefixes of ids.")]
Source = Annotated[str | None, typer.Option(help="All open entries of this source.")]
Location = Annotated[
    str | None, typer.Option("--location", help="All open entries of this file, table or endpoint.")
]


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
