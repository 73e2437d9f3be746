"""House rules that neither dbt-bouncer has nor a query over the metadata base can state."""

from typing import Any

import sqlglot
from dbt_bouncer.check_framework.decorator import check, fail
from sqlglot import exp

ROW_TESTS = {"expression_is_true", "accepted_values"}
"""Tests that judge each row by itself, which a check does as well."""

NULL_BY_OPERANDS = (
    *(exp.And, exp.Or, exp.Not, exp.Paren, exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE),
    *(exp.Between, exp.In, exp.Add, exp.Sub, exp.Mul, exp.Neg, exp.Abs, exp.Length, exp.Least, exp.Greatest),
)
"""Expressions that are null only if one of their operands is; a quotient is not among them, nor any unknown function."""


@check
def check_model_rules_are_in_its_contract(model: Any, ctx: Any) -> None:
    """A rule on a table's rows is a check of its contract, evaluated when they are written; a view has tests for it."""
    found = sorted(
        test.name
        for test in ctx.tests_by_attached_node.get(model.unique_id, [])
        if getattr(test, "test_metadata", None) and test.test_metadata.name in ROW_TESTS
    )
    if found and model.config.materialized != "view":
        fail(f"`{model.name}` is a table: make a constraint of type check of {', '.join(found)}.")


@check
def check_model_checks_are_never_null(model: Any) -> None:
    """A check lets null pass, so none can be null: by not_null on its columns, or by coalesce, which states what null means."""
    columns = model.columns.values()
    known = {c.name for c in columns if any(one.type.value == "not_null" for one in c.constraints or [])}
    for constraint in [one for part in (model, *columns) for one in part.constraints or []]:
        if constraint.type.value == "check" and _may_be_null(
            sqlglot.parse_one(constraint.expression, dialect="duckdb"), known
        ):
            fail(
                f"`{model.name}`: null would pass `{constraint.expression}`; wrap it: coalesce(…, false), or true if it may."
            )


@check
def check_model_access_is_as_narrow_as_its_readers(model: Any, ctx: Any) -> None:
    """Private where all that read it are of its group, protected where another group does; never public."""
    readers = {child.config.group for child in ctx.children_by_unique_id.get(model.unique_id, [])}
    access = "private" if readers <= {model.config.group} else "protected"
    if model.access.value != access:
        fail(f"`{model.name}` is read by {sorted(map(str, readers))}: its access is {access}.")


@check
def check_model_reads_the_sources_of_its_directory(model: Any, ctx: Any) -> None:
    """A staging model is in the folder that declares the sources it reads; any may read the lake's own records."""
    sources = ctx.manifest_obj.manifest.sources
    folder = model.original_file_path.rpartition("/")[0]
    foreign = [
        name
        for name in model.depends_on.nodes
        if name in sources
        and sources[name].source_name != "lake"
        and sources[name].original_file_path.rpartition("/")[0] != folder
    ]
    if foreign:
        fail(f"`{model.name}` is in {folder} and reads {', '.join(foreign)}.")


def _may_be_null(node: exp.Expression, known: set[str]) -> bool:
    """Whether an expression can be null, by its form, when the columns in `known` cannot."""
    if isinstance(node, exp.Column):
        return node.name not in known
    if isinstance(node, exp.Case):
        return node.args.get("default") is None or _any_null(
            [node.args["default"], *(branch.args["true"] for branch in node.args["ifs"])], known
        )
    if isinstance(node, exp.Coalesce):
        return all(_may_be_null(part, known) for part in (node.this, *node.expressions))
    if isinstance(node, NULL_BY_OPERANDS):
        return _any_null(list(node.iter_expressions()), known)
    return not isinstance(node, exp.Is | exp.Literal | exp.Boolean)


def _any_null(nodes: list[exp.Expression], known: set[str]) -> bool:
    return any(_may_be_null(node, known) for node in nodes)
