"""Column lineage of one query: for every column of its result, the columns of relations that it derives from."""

import re
from collections.abc import Mapping

from sqlglot import exp
from sqlglot.errors import SqlglotError

from larder.project.lineage import sources
from larder.project.lineage.edges import Lineage, finished
from larder.project.lineage.names import (
    ROWS,
    Bag,
    Relation,
    Schema,
    Scope,
    Source,
    declared,
    distinct_names,
    merged,
    unknown,
    unresolved,
)
from larder.project.lineage.parsing import parsed
from larder.project.lineage.selects import Columns, Keys, in_order, select
from larder.project.lineage.sources import not_understood
from larder.project.lineage.turned import turned

SELECT = {
    *("with_", "expressions", "from_", "joins", "where", "group", "having", "qualify"),
    *("windows", "distinct", "order", "limit", "offset", "sample"),
}
SET = {"with_", "this", "expression", "distinct", "by_name", "order", "limit", "offset"}
RECURSIVE = {"this", "expression", "distinct", "by_name"}
CTE = {"this", "alias", "materialized"}
"""The parts of each kind of query that are understood."""

ROUNDS = 50
"""A recursive query is followed until nothing is new: each round adds a step of a path from column to column."""


def columns_of(sql: str, schema: Schema, doubts: Mapping[str, str] | None = None) -> Lineage:
    """Where the columns of a query's result come from.

    `schema` has the columns of each relation that the query reads; `doubts` says of some why they may have more. What cannot be told is unresolved, with the reason, and has an
    edge from everything that the query reads; nothing is raised.
    """
    doubts = doubts or {}
    try:
        tree = parsed(sql)
    except (SqlglotError, RecursionError) as error:
        found = unknown(f"sqlglot cannot read it: {str(error).splitlines()[0]}")
        return finished(found, mentioned(sql, schema), doubts)
    relations = {
        name.lower(): (name, declared(name, columns, doubts.get(name, "")))
        for name, columns in schema.items()
    }
    try:
        found = _query(tree, Scope(relations, _query))
        return finished(found, _tables(tree, schema), doubts)
    except Exception as error:  # a query of a shape that nobody thought of must not end a build
        return finished(unknown(f"it is not understood: {error!r}"), mentioned(sql, schema), doubts)


def mentioned(sql: str, schema: Schema) -> Schema:
    """The relations whose names are somewhere in a text: at least all that it reads."""
    words = set(re.findall(r"\w+", sql.lower()))
    return {
        name: columns
        for name, columns in schema.items()
        if words.issuperset(re.findall(r"\w+", name.rpartition(".")[2].lower()))
    }


def _tables(tree: exp.Expr, schema: Schema) -> Schema:
    """The tables that a query names, those without columns that the schema does not have; all, where a function may name any."""
    known = {name.lower(): name for name in schema}
    ctes = {cte.alias.lower() for cte in tree.find_all(exp.CTE)}
    tables = list(tree.find_all(exp.Table))
    names = (_table_name(table) for table in tables)
    found = {
        known.get(name.lower(), name) for name in names if name.lower() in known or name.lower() not in ctes
    }
    if not all(isinstance(table.this, exp.Identifier | exp.GenerateSeries) for table in tables):
        found |= schema.keys()
    return {name: schema.get(name, {}) for name in sorted(found)}


def _table_name(table: exp.Table) -> str:
    """A table with its schema; of a function in its place the call."""
    parts = [table.db, table.name] if isinstance(table.this, exp.Identifier) else [table.this.sql("duckdb")]
    return ".".join(filter(None, parts))


def _query(node: exp.Expr, outer: Scope) -> Relation:
    """The result of anything that can stand where a query can."""
    scope = outer.inner()
    if with_ := node.args.get("with_"):
        for cte in with_.expressions:
            scope.ctes[cte.alias.lower()] = _cte(cte, scope, bool(with_.args.get("recursive")))
    if isinstance(node, exp.Select):
        return not_understood(node, SELECT) or select(node, scope)
    if isinstance(node, exp.SetOperation):
        return not_understood(node, SET) or _sorted_as_named(node, _set(node, scope), scope)
    if isinstance(node, exp.Subquery):
        return not_understood(node, sources.SUBQUERY) or _sorted_as_named(
            node, _parenthesis(node, scope), scope
        )
    if isinstance(node, exp.Values):
        return sources.values(node, scope)
    if isinstance(node, exp.Pivot):
        return turned(node, sources.relation(node.this, scope), scope)
    return unknown(f"{node.key} is not understood")


def _cte(cte: exp.Expr, scope: Scope, recursive: bool) -> Relation:
    names = sources.column_names(cte)
    if other := not_understood(cte, CTE):
        return other
    query = cte.this
    if not recursive or not isinstance(query, exp.SetOperation) or not _reads(query, cte.alias):
        return _query(query, scope).renamed(names)
    return not_understood(query, RECURSIVE) or _recursive(query, cte.alias.lower(), names, scope)


def _reads(node: exp.Expr, name: str) -> bool:
    return any(table.name.lower() == name.lower() and not table.db for table in node.find_all(exp.Table))


def _recursive(node: exp.SetOperation, name: str, names: list[str], scope: Scope) -> Relation:
    """The first part of a recursive query, and what is added by its second until nothing is new."""
    found = _query(node.this, scope).renamed(names)
    for _ in range(ROUNDS):
        scope.ctes[name] = found
        added = _combined(node, found, _query(node.expression, scope))
        if _hows(added) == _hows(found):
            return added
        found = added
    return unknown(f"{name} does not come to an end")


def _hows(relation: Relation) -> list[object]:
    """What two relations are compared by: how each origin reaches each column."""
    columns = [*relation.columns, (ROWS, relation.rows)]
    known = [{origin: via.how for origin, via in column.origins.items()} for _, column in columns]
    return [relation.unknown, *known, *(column.unresolved for _, column in columns)]


def _sorted_as_named(node: exp.Expr, result: Relation, scope: Scope) -> Relation:
    """The same of a union or of a query in parentheses, whose result alone has names in ORDER BY."""
    scope.sources = [Source((), result)]
    return in_order(node, result, Keys(result, {}, scope))


def _set(node: exp.SetOperation, scope: Scope) -> Relation:
    return _combined(node, _query(node.this, scope), _query(node.expression, scope))


def _combined(node: exp.SetOperation, left: Relation, right: Relation) -> Relation:
    """UNION, INTERSECT or EXCEPT of two results; the last two take values from the first alone."""
    rows = Bag(left.rows)
    rows.add(right.rows, scan=True)
    if isinstance(node, exp.Union):
        columns = _by_name(left, right) if node.args.get("by_name") else _by_position(left, right)
    else:
        columns = left.columns
    if node.args.get("distinct") or not isinstance(node, exp.Union):
        rows.scan(column for _, column in [*left.columns, *right.columns])
    doubt = left.unknown or (right.unknown if node.args.get("by_name") else "")
    return Relation(columns, rows.column(), doubt)


def _by_position(left: Relation, right: Relation) -> Columns:
    reason = right.unknown
    if not reason and not left.unknown and len(left.columns) != len(right.columns):
        reason = "the parts of a union have different numbers of columns"
    reason = reason or left.unknown
    if reason:
        return [(name, merged([column, unresolved(reason)])) for name, column in left.columns]
    return [
        (name, merged([column, other]))
        for (name, column), (_, other) in zip(left.columns, right.columns, strict=True)
    ]


def _by_name(left: Relation, right: Relation) -> Columns:
    own = {name.lower() for name, _ in left.columns}
    both = [
        (name, merged([column, right.find(name.lower()) or unresolved(right.unknown)]))
        for name, column in left.columns
    ]
    more = [(n, merged([c, unresolved(left.unknown)])) for n, c in right.columns if n.lower() not in own]
    return [*both, *more]


def _parenthesis(node: exp.Subquery, scope: Scope) -> Relation:
    """A query in parentheses, or a join of tables in them."""
    if not isinstance(node.this, exp.Table):
        return sources.pivoted(node, _query(node.this, scope), scope)
    inside, rows = scope.inner(), Bag()
    sources.add(node.this, inside, rows)
    shown = distinct_names((name, column) for _, name, column in inside.star())
    return Relation(shown, rows.column(), inside.doubt())
