"""The verbs from the lake to a published generation."""

from typing import Annotated

import typer

from larder.cli.options import Json, Target
from larder.core.settings import current_paths, engine

verbs = typer.Typer()
GROUP = "build"


@verbs.command(rich_help_panel=GROUP)
def plan(
    as_json: Json = False,
    everything: Annotated[bool, typer.Option("--all", help="Every node, not only counts.")] = False,
    target: Target = None,
) -> None:
    """Show what a build would do, and why, before it runs.

    Example: `larder plan`
    """
    from larder.build import candidate, plan, plan_report
    from larder.core import console

    todo = candidate.plan_now(current_paths(), engine(target))
    console.as_json(plan.as_dict(todo)) if as_json else plan_report.render(todo, everything)


@verbs.command(rich_help_panel=GROUP)
def explain(
    model: Annotated[str, typer.Argument(help="A model, seed or test.")],
    as_json: Json = False,
    target: Target = None,
) -> None:
    """Show why a build would build or reuse one model.

    Example: `larder explain fct_basket_lines`
    """
    from dataclasses import asdict

    from larder.build import candidate, plan
    from larder.core import console

    step = plan.explain(candidate.plan_now(current_paths(), engine(target)), model)
    console.as_json(asdict(step)) if as_json else console.out.print(f"{step.action} {model}: {step.reason}")


@verbs.command(rich_help_panel=GROUP)
def build(
    everything: Annotated[
        bool, typer.Option("--all", help="Build everything from scratch, also when nothing has changed.")
    ] = False,
    target: Target = None,
) -> None:
    """Build and test a candidate, apart from what is published.

    Example: `larder build`
    """
    from larder.build import candidate

    candidate.run(current_paths(), everything, engine=engine(target))


@verbs.command(rich_help_panel=GROUP)
def publish() -> None:
    """Publish the candidate that passed its tests, atomically, and write the shares.

    Example: `larder publish`
    """
    from larder.build import publish

    publish.run(current_paths())


@verbs.command(rich_help_panel=GROUP)
def generations(as_json: Json = False) -> None:
    """List the generations, and which one is published.

    Example: `larder generations --json`
    """
    from larder.core import console
    from larder.warehouse import generations

    found = generations.collect(current_paths())
    console.as_json(found) if as_json else generations.render(found)


@verbs.command(rich_help_panel=GROUP)
def diff(
    before: Annotated[
        str | None, typer.Argument(help="A generation's id, or `current`; the parent by default.")
    ] = None,
    after: Annotated[str | None, typer.Argument(help="The other one; `current` by default.")] = None,
    as_json: Json = False,
) -> None:
    """Compare two generations: schema, rows, changed columns.

    It shows counts, never a value. Example: `larder diff 20170301T060000000Z current`
    """
    from larder.core import console
    from larder.warehouse import diff

    found = diff.compare(current_paths(), before, after)
    console.as_json(diff.as_dict(found)) if as_json else diff.render(found)


@verbs.command(rich_help_panel=GROUP)
def rollback(
    generation: Annotated[
        str | None, typer.Argument(help="Its id; the one before the current one by default.")
    ] = None,
) -> None:
    """Publish an earlier generation again, in under a second.

    Example: `larder rollback`
    """
    from larder.build import publish
    from larder.warehouse import generations

    generations.rollback(current_paths(), generation)
    publish.share(current_paths())
