"""The verbs for who changes the project."""

from pathlib import Path
from typing import Annotated

import typer

from larder.cli.options import CALLER, Json
from larder.core.settings import current_paths

verbs = typer.Typer()
GROUP = "develop"


@verbs.command(rich_help_panel=GROUP)
def dev(
    select: Annotated[
        list[str] | None,
        typer.Argument(help="Models in dbt's selection syntax; by default what has changed."),
    ] = None,
    sample: Annotated[
        int | None,
        typer.Option(metavar="DAYS", min=1, help="Only the last days of sales and promotions."),
    ] = None,
    show: Annotated[str | None, typer.Option(metavar="MODEL", help="Then print rows of a model.")] = None,
    diff: Annotated[
        bool, typer.Option("--diff", help="Then compare what was built with what is published.")
    ] = False,
    reset: Annotated[bool, typer.Option("--reset", help="Empty the workspace instead.")] = False,
) -> None:
    """Build your changes in a workspace of your own.

    Everything else is read from what is published. With `--sample`, reconciliations are left out: they compare with all days.

    Example: `larder dev --diff`, or `larder dev agg_sales_daily --sample 14 --show agg_sales_daily`
    """
    from larder.build import workspace
    from larder.warehouse.diff import render

    paths = current_paths()
    if reset:
        workspace.reset(paths)
        return
    failed = workspace.run(paths, select or [], sample)
    if show:
        workspace.show(paths, show)
    if diff:
        render(workspace.difference(paths))
    if failed:
        raise failed


@verbs.command("yaml", rich_help_panel=GROUP)
def yaml_(
    names: Annotated[
        list[str] | None, typer.Argument(help="Models, seeds or sources; all when none is named.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit with 1 where a file would change.")
    ] = False,
) -> None:
    """Fill the models' YAML from SQL and the column dictionary.

    Columns, types, classes and texts of models, seeds and sources come from governance/columns.yml and the compiled SQL. Exits
    with 1 when a column is not in the dictionary, or its type differs.

    Example: `larder yaml fct_baskets`
    """
    from larder.review import yaml_fill

    raise typer.Exit(int(not yaml_fill.run(current_paths(), names or [], check)))


@verbs.command(rich_help_panel=GROUP)
def lineage(
    name: Annotated[
        str, typer.Argument(metavar="MODEL[.COLUMN]", help="A model, seed or source, or a column of it.")
    ],
    down: Annotated[bool, typer.Option("--down", help="Show what derives from it instead.")] = False,
    as_json: Json = False,
) -> None:
    """Show where columns come from, or what derives from them.

    Columns are traced through the project's SQL as it is now, both branches of incremental models. A column is copied, computed, or only
    decides which rows there are.

    Example: `larder lineage fct_baskets.sales_usd`, or `larder lineage stg_loyalty__demographics.age_band --down`
    """
    from larder.build import lineage
    from larder.core import console

    project = lineage.of_project(current_paths())
    columns = lineage.find(project, name)
    if as_json:
        console.as_json(lineage.as_dict(project, columns, down))
    else:
        lineage.render(project, columns, down)


@verbs.command(rich_help_panel=GROUP)
def metadata(
    folder: Annotated[Path, typer.Argument(help="Where to write it. Tables that are there are replaced.")],
) -> None:
    """Write the metadata base of the project as its files are now: tables of models, columns, tests, lineage and more.

    The same tables lie beside every generation, there with what its build found: data/warehouse/current/metadata.

    Example: `larder metadata /tmp/base && duckdb -cmd ".cd /tmp/base" -cmd ".read views.sql"`
    """
    from larder.build import described

    described.project(current_paths(), CALLER / folder)
