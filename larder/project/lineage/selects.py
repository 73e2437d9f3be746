"""One SELECT: what its items derive from, and what its clauses say of its rows."""

from collections.abc import Iterable

from sqlglot import exp

from larder.project.lineage import sources
from larder.project.lineage.expressions import collect, is_aggregate, value
from larder.project.lineage.names import Bag, Column, Relation, Scope, unresolved

Columns = list[tuple[str, Column]]
"""Columns with their names, in order."""

Items = tuple[Columns, str]
"""The columns that an item of a SELECT gives, and why it may give more."""


def select(node: exp.Select, scope: Scope) -> Relation:
    """The result of a SELECT. `scope` has its CTEs, and takes what its FROM brings."""
    rows = Bag()
    if from_ := node.args.get("from_"):
        sources.add(from_.this, scope, rows)
    for join in node.args.get("joins") or []:
        sources.join(join, scope, rows)
    scope.windows = {window.name.lower(): window for window in node.args.get("windows") or []}
    items: list[tuple[exp.Expr, Columns]] = []
    doubts = []
    for expression in node.expressions:
        new, doubt = _item(expression, scope)
        items.append((expression, new))
        doubts.append(doubt)
        for name, column in new:
            scope.aliases.setdefault(name.lower(), column)
        if expression.find(exp.Explode):
            rows.scan(column for _, column in new)
    _clauses(node, items, scope, rows)
    named = distinct_names(column for _, columns in items for column in columns)
    return in_order(node, Relation(named, rows.column(), next(filter(None, doubts), "")), scope)


def distinct_names(columns: Iterable[tuple[str, Column]]) -> Columns:
    """As DuckDB names the columns of a table: the second `k` is `k_1`."""
    found: dict[str, tuple[str, Column]] = {}
    for name, column in columns:
        unique, number = name, 0
        while unique.lower() in found:
            number += 1
            unique = f"{name}_{number}"
        found[unique.lower()] = (unique, column)
    return list(found.values())


def in_order(node: exp.Expr, result: Relation, scope: Scope) -> Relation:
    """The same result, with what decides its order and how many of its rows are left."""
    rows = Bag(result.rows)
    columns = [column for _, column in result.columns]
    order = node.args.get("order")
    for ordered in order.expressions if order else []:
        part = ordered.this
        alias = result.find(part.name.lower()) if isinstance(part, exp.Column) and not part.table else None
        if isinstance(part, exp.Var):  # all
            rows.scan(columns)
        elif alias:
            rows.scan([alias])
        else:
            _key(part, columns, scope, rows)
    for part in (node.args.get("limit"), node.args.get("offset")):
        if part:
            collect(part.expression, scope, rows, scan=True)
    return Relation(result.columns, rows.column(), result.unknown, result.table)


def _item(expression: exp.Expr, scope: Scope) -> Items:
    if isinstance(expression, exp.Star):
        return _star(expression, list(scope.star()), scope), scope.doubt()
    if isinstance(expression, exp.Column) and isinstance(expression.this, exp.Star):
        return _qualified_star(expression, scope)
    bare = expression.unalias()
    column = value(bare, scope)
    if isinstance(bare, exp.Explode):
        several = not isinstance(expression, exp.Alias) or not _is_list(bare, scope)
    else:
        several = bool(column.unresolved and expression.find(exp.Columns, exp.Star))
    if several:
        return [], f"the columns of {expression.sql('duckdb')} are not known"
    return [(_name(expression), column)], ""


def _is_list(unnest: exp.Explode, scope: Scope) -> bool:
    """Whether an unnest gives one column: that of a struct, or one that goes further down, gives several."""
    return not unnest.expressions and not value(unnest.this, scope).is_struct


def _name(expression: exp.Expr) -> str:
    """The name of an item; of an expression without one, its text."""
    if isinstance(expression, exp.Alias | exp.Column | exp.Dot):
        return expression.alias_or_name
    return expression.sql("duckdb").lower()


def _qualified_star(expression: exp.Column, scope: Scope) -> Items:
    """`t.*` of a relation, or of a struct."""
    names = [part.name for part in expression.parts[:-1]]
    if relation := scope.source(".".join(names).lower()):
        return _star(expression.this, relation.columns, scope), relation.unknown
    column = scope.column(names, expression)
    if column.fields is None:
        return [], f"the columns of {expression.sql('duckdb')} are not known"
    return _star(expression.this, list(column.fields.items()), scope), column.unresolved


def _star(star: exp.Expr, columns: Columns, scope: Scope) -> Columns:
    """The columns of a star, with EXCLUDE, REPLACE and RENAME."""
    excluded = {part.name.lower() for part in star.args.get("except_") or []}
    replaced = {part.alias.lower(): value(part.this, scope) for part in star.args.get("replace") or []}
    renamed = {part.this.name.lower(): part.alias for part in star.args.get("rename") or []}
    return [
        (renamed.get(name.lower(), name), replaced.get(name.lower(), column))
        for name, column in columns
        if name.lower() not in excluded
    ]


def _clauses(node: exp.Select, items: list[tuple[exp.Expr, Columns]], scope: Scope, rows: Bag) -> None:
    """Put what decides which rows a SELECT has in a bag."""
    where, group, having, qualify, distinct = (
        node.args.get(part) for part in ("where", "group", "having", "qualify", "distinct")
    )
    columns = [column for _, own in items for _, column in own]
    if where:
        collect(where.this, scope, rows, scan=True)
    if group:
        for part in group.expressions:
            _key(part, columns, scope, rows)
        if group.args.get("all"):
            rows.scan(column for part, own in items if not is_aggregate(part) for _, column in own)
    if group and sources.not_understood(group, {"expressions", "all"}):
        rows.add(unresolved("the grouping is not understood"))
    if having:
        _having(having.this, group, scope, rows)
    if qualify:
        collect(qualify.this, scope, rows, scan=True)
    if distinct and distinct.args.get("on"):
        for part in distinct.args["on"].expressions:
            _key(part, columns, scope, rows)
    elif distinct:
        rows.scan(columns)


def _having(condition: exp.Expr, group: exp.Expr | None, scope: Scope, rows: Bag) -> None:
    """A name in HAVING is a column where that is grouped, or in an aggregate; else an alias goes first."""
    grouped = {part.name.lower() for part in group.expressions} if group else set()
    names = [column for column in condition.find_all(exp.Column) if not column.table]
    inside = {column.name.lower() for column in names if _is_inside(column)}
    aliases = {column.name.lower() for column in names}.intersection(scope.aliases) - grouped - inside
    rows.scan(scope.aliases[name] for name in sorted(aliases))
    collect(condition, scope.with_parameters(aliases), rows, scan=True)


def _is_inside(column: exp.Column) -> bool:
    """Whether a column of a HAVING is in an aggregate or a query."""
    above = column.find_ancestor(exp.AggFunc, exp.Anonymous, exp.Query, exp.Having)
    return not isinstance(above, exp.Having)


def _key(part: exp.Expr, columns: list[Column], scope: Scope, rows: Bag) -> None:
    """One item of GROUP BY, ORDER BY or DISTINCT ON, which may be the position of a column."""
    if isinstance(part, exp.Literal) and part.is_int and 0 < int(part.name) <= len(columns):
        rows.scan([columns[int(part.name) - 1]])
    else:
        collect(part, scope, rows, scan=True)
