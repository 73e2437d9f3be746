"""One SELECT: what its items derive from, and what its clauses say of its rows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from sqlglot import exp

from larder.project.lineage import sources
from larder.project.lineage.expressions import collect, is_aggregate, is_call_of_aggregate, value
from larder.project.lineage.names import (
    Bag,
    Column,
    Relation,
    Scope,
    Shown,
    Source,
    distinct_names,
    unresolved,
)

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
    aliases: dict[str, Column] = {}
    doubt = ""
    for expression in node.expressions:
        new, why = _item(expression, scope)
        items.append((expression, new))
        doubt = doubt or why
        given = _given(expression)
        aliases |= {name.lower(): column for name, column in new if name.lower() in given}
        scope.aliases = {**{name.lower(): column for name, column in new}, **scope.aliases, **aliases}
        if expression.find(exp.Explode):
            rows.scan(column for _, column in new)
    named = Relation(distinct_names(column for _, columns in items for column in columns), Column(), doubt)
    keys = Keys(named, aliases, scope)
    _clauses(node, items, keys, rows)
    return in_order(node, replace(named, rows=rows.column()), keys)


@dataclass(frozen=True)
class Keys:
    """What the items of GROUP BY, ORDER BY and DISTINCT ON are of a `result`: its positions, its `aliases`, or what is in the scope."""

    result: Relation
    aliases: Mapping[str, Column]
    scope: Scope

    def grouped(self, part: exp.Expr, rows: Bag) -> None:
        """Put an item of GROUP BY in a bag."""
        columns = self.result.columns
        if not isinstance(part, exp.Literal) or not part.is_int:
            collect(part, self.scope, rows, scan=True)
        elif self.result.unknown:
            rows.add(unresolved(self.result.unknown))
        elif 0 < int(part.name) <= len(columns):
            rows.scan([columns[int(part.name) - 1][1]])

    def ordered(self, part: exp.Expr, rows: Bag) -> None:
        """Put an item of ORDER BY or DISTINCT ON, which looks for an alias first, in a bag."""
        part = part.unnest()
        alias = self.aliases.get(part.name.lower()) if _is_plain(part) else None
        if alias:
            rows.scan([alias])
        else:
            self.grouped(part, rows)


def _is_plain(part: exp.Expr) -> bool:
    """Whether it is a name without a qualifier."""
    return isinstance(part, exp.Column) and not part.table


def _given(item: exp.Expr) -> set[str]:
    """The names that an item gives to columns itself, in lower case."""
    star = item.this if isinstance(item, exp.Column) else item
    parts = (
        [*(star.args.get("replace") or []), *(star.args.get("rename") or [])]
        if isinstance(star, exp.Star)
        else [item]
    )
    return {part.alias.lower() for part in parts if isinstance(part, exp.Alias)}


def in_order(node: exp.Expr, result: Relation, keys: Keys) -> Relation:
    """The same result, with what decides its order and how many of its rows are left."""
    rows = Bag(result.rows)
    order = node.args.get("order")
    for ordered in order.expressions if order else []:
        if isinstance(ordered.this, exp.Var):  # all
            rows.scan(column for _, column in result.columns)
        else:
            keys.ordered(ordered.this, rows)
    for part in (node.args.get("limit"), node.args.get("offset")):
        if part:
            collect(part.expression, keys.scope, rows, scan=True)
    return Relation(result.columns, rows.column(), result.unknown, result.table)


def _item(expression: exp.Expr, scope: Scope) -> Items:
    if isinstance(expression, exp.Star):
        return _star(expression, scope.star(), scope, scope.doubt())
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
        of = Source((names[-1].lower(), ".".join(names).lower()), relation)
        return _star(expression.this, of.shown(), scope, relation.unknown)
    column = scope.column(names, expression)
    if column.fields is None:
        return [], f"the columns of {expression.sql('duckdb')} are not known"
    return _star(
        expression.this, Source((), Relation([*column.fields.items()])).shown(), scope, column.unresolved
    )


def _star(star: exp.Expr, shown: list[Shown], scope: Scope, doubt: str) -> Items:
    """The columns of a star, with EXCLUDE, REPLACE and RENAME; REPLACE leaves one column of each name."""
    excluded = star.args.get("except_") or []
    replaced = {part.alias.lower(): value(part.this, scope) for part in star.args.get("replace") or []}
    renamed = [(part.this, part.alias) for part in star.args.get("rename") or []]
    found: Columns = []
    done: set[str] = set()
    for source, name, column in shown:
        if any(_names(part, source, name) for part in excluded) or name.lower() in done:
            continue
        done |= {name.lower()}.intersection(replaced)
        new = next((alias for part, alias in renamed if _names(part, source, name)), name)
        found.append((new, replaced.get(name.lower(), column)))
    return found, doubt or _half_excluded(excluded, shown)


def _names(part: exp.Expr, source: Source, name: str) -> bool:
    """Whether a part of EXCLUDE or RENAME names a column of a source."""
    return part.name.lower() == name.lower() and (not _qualifier(part) or _qualifier(part) in source.names)


def _qualifier(part: exp.Expr) -> str:
    return ".".join(above.name for above in part.parts[:-1]).lower() if isinstance(part, exp.Column) else ""


def _half_excluded(excluded: list[exp.Expr], shown: list[Shown]) -> str:
    """Where only one of two columns is excluded that a join has made one of, the other shows in its own place."""
    joined = [(source, name) for source, name, _ in shown if name.lower() in source.joined]
    halves = [
        part.sql("duckdb")
        for part in excluded
        if _qualifier(part) and any(_names(part, *found) for found in joined)
    ]
    return f"what is left of {halves[0]} is not known" if halves else ""


def _clauses(node: exp.Select, items: list[tuple[exp.Expr, Columns]], keys: Keys, rows: Bag) -> None:
    """Put what decides which rows a SELECT has in a bag."""
    scope = keys.scope
    where, group, having, qualify, distinct = (
        node.args.get(part) for part in ("where", "group", "having", "qualify", "distinct")
    )
    columns = [column for _, own in items for _, column in own]
    if where:
        collect(where.this, scope, rows, scan=True)
    if group:
        for part in _flat(group.expressions):
            keys.grouped(part, rows)
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
            keys.ordered(part, rows)
    elif distinct:
        rows.scan(columns)


def _having(condition: exp.Expr, group: exp.Expr | None, scope: Scope, rows: Bag) -> None:
    """A name in HAVING is a column where that is grouped, or in an aggregate; else an alias goes first."""
    grouped = {part.name.lower() for part in _flat(group.expressions)} if group else set()
    names = [column for column in condition.find_all(exp.Column) if not column.table]
    inside = {column.name.lower() for column in names if _is_inside(column)}
    aliases = {column.name.lower() for column in names}.intersection(scope.aliases) - grouped - inside
    rows.scan(scope.aliases[name] for name in sorted(aliases))
    collect(condition, scope.with_parameters(aliases), rows, scan=True)


def _is_inside(column: exp.Column) -> bool:
    """Whether a column of a HAVING is in an aggregate or a query."""
    above = column.find_ancestor(exp.AggFunc, exp.Anonymous, exp.Query, exp.Having)
    while isinstance(above, exp.Anonymous) and not is_call_of_aggregate(above):
        above = above.find_ancestor(exp.AggFunc, exp.Anonymous, exp.Query, exp.Having)
    return not isinstance(above, exp.Having)


def _flat(parts: list[exp.Expr]) -> Iterator[exp.Expr]:
    """The items of GROUP BY, also those in parentheses and in sets."""
    for part in (part.unnest() for part in parts):
        if isinstance(part, exp.Tuple | exp.GroupingSets | exp.Rollup | exp.Cube):
            yield from _flat(part.expressions)
        else:
            yield part
