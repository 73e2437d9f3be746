"""The verbs for who changes the project."""

from pathlib import Path
from typing import Annotated

import typer

from larder.cli.options import CALLER, Json, only_one
from larder.core.settings import current_paths

verbs = typer.Typer()
GROUP = "develop"

new = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    short_help="Write the skeleton of a model, test or source.",
    help="Write a skeleton in the house style, from the columns and types that the project has. What only you can say is marked TODO.",
)
verbs.add_typer(new, name="new", rich_help_panel=GROUP)

From = Annotated[
    list[str],
    typer.Option(
        "--from", metavar="NAME", help="What it reads: a model, seed, or <source>.<table>; repeatable."
    ),
]


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


@verbs.command(rich_help_panel=GROUP)
def review(
    base: Annotated[
        str,
        typer.Option("--base", metavar="REF", help="What it is compared with; by default the main branch."),
    ] = "",
    as_json: Json = False,
) -> None:
    """Say what your change does, to the project and to the data.

    What it reaches is built next to what is published, and compared. Exits with 1 where a contract, test or text is lost that
    governance/waivers.yml does not waive, and where something fails.

    Example: `larder review --base origin/main`
    """
    from larder.core import console
    from larder.review import report, review

    paths = current_paths()
    found = review.run(paths, base)
    folder = report.write(paths, found)
    console.as_json(report.as_dict(found)) if as_json else report.show(found, folder)
    raise typer.Exit(int(found.state != "passed"))


@verbs.command(rich_help_panel=GROUP)
def check(
    fast: Annotated[bool, typer.Option("--fast", help="Only what needs no data and no tests.")] = False,
    full: Annotated[bool, typer.Option("--full", help="All files, and all tests, as CI does.")] = False,
    base: Annotated[
        str, typer.Option(metavar="REF", help="Compare with this branch or commit; main by default.")
    ] = "",
    sarif: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write what was found for a code host.")
    ] = None,
) -> None:
    """Check your change: files, house rules, contracts, privacy, what it does to the data, and the tests that it can break.

    Exits with 1 when a check has failed.

    Example: `larder check --fast`
    """
    from larder.review import check

    depth = check.Depth(only_one({"fast": fast, "full": full}) or "usual")
    passed = check.run(current_paths(), depth, base, CALLER / sarif if sarif else None)
    raise typer.Exit(int(not passed))


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
    from larder.review.properties import fill as yaml_fill

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


@new.command("model")
def new_model(name: str, parents: From, grain: str = "", domain: str = "") -> None:
    """Write the SQL and YAML of a model.

    The prefix of its name says the layer: stg_, int_, dim_, fct_, agg_, bridge_. With --grain it adds up its first parent to one row
    for each of these columns, separated by commas; without, it has all columns. Further parents are joined on their grain.
    --domain is the folder of the layer; by default that of the first parent's owner.

    Example: `larder new model agg_sales_daily_store --from fct_baskets --grain store_id,business_date`
    """
    from larder.review.scaffold import skeletons as scaffold

    scaffold.model(current_paths(), name, parents, grain.replace(",", " ").split(), domain)


@new.command("test")
def new_test(name: str, parents: From, purpose: str = "reconciliation") -> None:
    """Write a data test: the rows of a model that break a rule, or where two models do not add up to the same.

    --purpose is the folder below tests/. Example: `larder new test stores_match --from fct_baskets --from agg_sales_weekly_store`
    """
    from larder.review.scaffold import skeletons as scaffold

    scaffold.test(current_paths(), name, parents, purpose)


@new.command("report")
def new_report(
    name: str, mart: Annotated[str, typer.Option("--from", help="The mart that it shows.")]
) -> None:
    """Write a page of the site, reports/NAME.md, with a query, a finding and a chart.

    Example: `larder new report departments --from agg_sales_weekly_department`
    """
    from larder.review.scaffold import skeletons as scaffold

    scaffold.report(current_paths(), name, mart)


@new.command("unit-test")
def new_unit_test(model: str) -> None:
    """Add a unit test to a model, with masked rows of what is published.

    Example: `larder new unit-test agg_sales_weekly_store`
    """
    from larder.review.scaffold import rows as scaffold_rows

    scaffold_rows.unit_test(current_paths(), model)


@new.command("source")
def new_source(
    name: str,
    table: Annotated[str, typer.Option(help="The table that it delivers.")],
    file: Annotated[Path, typer.Option(help="A sample of it: CSV or Parquet, with a header.")],
    owner: Annotated[str, typer.Option(help="One of the groups in models/_groups.yml.")] = "platform",
) -> None:
    """Write a source that delivers a file a day: contract, module, staging model, lines of the dictionary.

    Example: `larder new source suppliers --table orders --file orders.csv`
    """
    from larder.review.scaffold import source as scaffold_source

    scaffold_source.source(current_paths(), name, table, CALLER / file, owner)
