"""PIVOT and UNPIVOT, where the query itself says which columns there will be."""

from sqlglot import exp

from larder.project.lineage.expressions import collect, value
from larder.project.lineage.names import Bag, Column, Relation, Scope, Source, distinct_names, merged, unknown

PARTS = {
    "this",
    "with_",
    "expressions",
    "fields",
    "using",
    "group",
    "into",
    "unpivot",
    "include_nulls",
    "alias",
}
"""The parts of a node that are understood; there are several ways to write the same."""

NOTES = {"columns", "pivot_column_naming"}
"""What sqlglot adds of its own."""


def turned(node: exp.Expr, before: Relation, scope: Scope) -> Relation:
    """A relation after PIVOT or UNPIVOT. It is unknown where its columns depend on data, or their names are not certain."""
    others = [name for name, part in node.args.items() if part and name not in PARTS | NOTES]
    turn = _unpivoted if node.args.get("unpivot") else _pivoted
    found = None if others or before.unknown else turn(node, before, scope)
    return found or unknown(before.unknown or f"the columns of {node.sql('duckdb')} are not known")


def _unpivoted(node: exp.Expr, before: Relation, scope: Scope) -> Relation | None:
    """The listed columns one below the other, and the name of each: what is null is left out, unless it is asked for."""
    fields, into = node.args.get("fields") or [], node.args.get("into")
    label = fields[0].this if fields else into.this if into else exp.to_identifier("name")
    values = node.expressions if fields else into.expressions if into else [exp.to_identifier("value")]
    listed = fields[0].expressions if fields else node.expressions
    names = [
        part.name.lower() for part in (item.unalias() for item in listed) if isinstance(part, exp.Column)
    ]
    columns = [column for name in names if (column := before.find(name))]
    if len(columns) != len(listed) or len(values) != 1 or len(fields) > 1:
        return None
    kept = [(name, column) for name, column in before.columns if name.lower() not in names]
    rows = Bag(before.rows)
    if not node.args.get("include_nulls"):
        rows.scan(columns)
    new = [(label.name, Column()), (values[0].name, merged(columns))]
    return Relation(distinct_names([*kept, *new]), rows.column())


def _pivoted(node: exp.Expr, before: Relation, scope: Scope) -> Relation | None:
    """A column for each value of a list: an aggregate over the rows with that value."""
    fields = node.args.get("fields") or node.expressions
    aggregates = node.expressions if node.args.get("fields") else node.args.get("using") or []
    if len(fields) != 1 or not isinstance(fields[0], exp.In) or len(aggregates) != 1:
        return None
    field, aggregate, group = fields[0], aggregates[0], node.args.get("group")
    within = scope.inner()
    within.sources = [Source((), before)]
    used = {column.name.lower() for part in (field.this, aggregate) for column in part.find_all(exp.Column)}
    keys = (
        [part.name.lower() for part in group.expressions]
        if group
        else [name.lower() for name, _ in before.columns if name.lower() not in used]
    )
    kept = [(name, column) for name, column in before.columns if name.lower() in keys]
    labels = [
        item.alias or item.name
        for item in field.expressions
        if isinstance(item, exp.Literal | exp.PivotAlias)
    ]
    if len(kept) != len(keys) or len(labels) != len(field.expressions):
        return None
    bag, rows = Bag(), Bag(before.rows)
    collect(aggregate.unalias(), within, bag)
    bag.scan([value(field.this, within)])
    rows.scan(column for _, column in kept)
    cell = bag.column().computed(aggregate.unalias())
    ending = f"_{aggregate.alias}" if aggregate.alias else ""
    cells = [(f"{label}{ending}", cell) for label in labels]
    return Relation(distinct_names([*kept, *cells]), rows.column())
