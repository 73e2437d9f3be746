"""Column lineage of one query: for every column of its result, the columns of relations that it derives from."""

import re
from collections.abc import Iterable, Mapping

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from larder.project.lineage.edges import Lineage, finished
from larder.project.lineage.expressions import collect, is_aggregate, value
from larder.project.lineage.names import (
    ROWS,
    Bag,
    Column,
    Relation,
    Schema,
    Scope,
    Source,
    declared,
    merged,
    unknown,
    unresolved,
)

SELECT = {
    "with_",
    "expressions",
    "from_",
    "joins",
    "where",
    "group",
    "having",
    "qualify",
    "windows",
    "distinct",
    "order",
    "limit",
    "offset",
    "sample",
}
SET = {"with_", "this", "expression", "distinct", "by_name", "order", "limit", "offset"}
SUBQUERY = {"with_", "this", "alias", "order", "limit", "offset", "sample"}
TABLE = {"this", "db", "catalog", "alias", "joins", "sample"}
JOIN = {"this", "on", "using", "side", "kind", "method"}
CTE = {"this", "alias", "materialized"}
LATERAL = {"this", "alias"}
UNNEST = {"expressions", "alias", "offset"}
"""The parts of each kind of clause that are understood: with any other one, nothing is said about its relation."""

METHODS = {"", "ASOF", "POSITIONAL", "NATURAL"}

ROUNDS = 50
"""A recursive query is followed until nothing is new: each round adds a step of a path from column to column."""


def columns_of(sql: str, schema: Schema) -> Lineage:
    """Where the columns of a query's result come from.

    `schema` has the columns of each relation that the query reads. What cannot be told is unresolved, with the reason, and has an
    edge from everything that the query reads; nothing is raised.
    """
    reads = mentioned(sql, schema)
    try:
        tree = sqlglot.parse_one(sql, dialect="duckdb")
    except (SqlglotError, RecursionError) as error:
        return finished(unknown(f"sqlglot cannot read it: {str(error).splitlines()[0]}"), reads)
    relations = {name.lower(): (name, declared(name, columns)) for name, columns in schema.items()}
    try:
        found = _query(tree, Scope(relations, _query))
    except RecursionError:
        found = unknown("it is too deep")
    return finished(found, {**_undeclared(tree, relations), **reads})


def mentioned(sql: str, schema: Schema) -> Schema:
    """The relations whose names are somewhere in a text: at least all that it reads."""
    words = set(re.findall(r"\w+", sql.lower()))
    return {
        name: columns
        for name, columns in schema.items()
        if words.issuperset(re.findall(r"\w+", name.rpartition(".")[2].lower()))
    }


def _undeclared(tree: exp.Expr, relations: Mapping[str, tuple[str, Relation]]) -> Schema:
    """The tables of a query that the schema does not have."""
    ctes = {cte.alias.lower() for cte in tree.find_all(exp.CTE)}
    names = (".".join(filter(None, [table.db, table.name])) for table in tree.find_all(exp.Table))
    return {name: {} for name in names if name and name.lower() not in {*relations, *ctes}}


def _query(node: exp.Expr, outer: Scope) -> Relation:
    """The result of anything that can stand where a query can."""
    scope = outer.inner()
    if with_ := node.args.get("with_"):
        for cte in with_.expressions:
            scope.ctes[cte.alias.lower()] = _cte(cte, scope, bool(with_.args.get("recursive")))
    if isinstance(node, exp.Select):
        return _others(node, SELECT) or _select(node, scope)
    if isinstance(node, exp.SetOperation):
        return _others(node, SET) or _sorted_as_named(node, _set(node, scope), scope)
    if isinstance(node, exp.Subquery):
        return _others(node, SUBQUERY) or _sorted_as_named(node, _parenthesis(node, scope), scope)
    if isinstance(node, exp.Values):
        return _values(node, scope)
    return unknown(f"{node.key} is not understood")


def _others(node: exp.Expr, understood: set[str]) -> Relation | None:
    """An unknown relation, if a clause has parts that are not understood."""
    others = [name for name, part in node.args.items() if part and name not in understood]
    return unknown(f"{others[0]} of a {node.key} is not understood") if others else None


def _cte(cte: exp.Expr, scope: Scope, recursive: bool) -> Relation:
    names = _names(cte)
    if other := _others(cte, CTE):
        return other
    if not recursive or not isinstance(cte.this, exp.SetOperation) or not _reads(cte.this, cte.alias):
        return _query(cte.this, scope).renamed(names)
    return _recursive(cte.this, cte.alias.lower(), names, scope)


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


def _select(node: exp.Select, scope: Scope) -> Relation:
    rows = Bag()
    if from_ := node.args.get("from_"):
        _from(from_.this, scope, rows)
    for join in node.args.get("joins") or []:
        _join(join, scope, rows)
    scope.windows = {window.name.lower(): window for window in node.args.get("windows") or []}
    projected: list[tuple[exp.Expr, str, Column]] = []
    doubt = ""
    for expression in node.expressions:
        new, reason = _projection(expression, scope)
        projected += [(expression, name, column) for name, column in new]
        doubt = doubt or reason
        scope.aliases = {name.lower(): column for _, name, column in reversed(projected)}
        if expression.find(exp.Explode):
            _scan(new, rows)
    _clauses(node, projected, scope, rows)
    result = Relation(_distinct_names((name, column) for _, name, column in projected), rows.column(), doubt)
    return _sorted(node, result, scope)


def _projection(expression: exp.Expr, scope: Scope) -> tuple[list[tuple[str, Column]], str]:
    """The columns that one item of a SELECT gives, and why it may give more."""
    if isinstance(expression, exp.Star):
        return _star(expression, list(scope.star()), scope, scope.doubt())
    if isinstance(expression, exp.Column) and isinstance(expression.this, exp.Star):
        return _qualified_star(expression, scope)
    bare = expression.unalias()
    column = value(bare, scope)
    several = (
        not _is_list(expression, bare, scope)
        if isinstance(bare, exp.Explode)
        else column.unresolved and expression.find(exp.Columns, exp.Star)
    )
    if several:
        return [], f"the columns of {expression.sql('duckdb')} are not known"
    return [(_name(expression), column)], ""


def _is_list(expression: exp.Expr, unnest: exp.Explode, scope: Scope) -> bool:
    """Whether an unnest in a SELECT gives one column: that of a struct, which cannot have an alias for it, gives several."""
    inside = value(unnest.this, scope)
    is_struct = inside.fields is not None or inside.type.lower().startswith("struct")
    return isinstance(expression, exp.Alias) and not unnest.expressions and not is_struct


def _name(expression: exp.Expr) -> str:
    """The name of an item of a SELECT; of an expression without one, its text."""
    if isinstance(expression, exp.Alias | exp.Column | exp.Dot):
        return expression.alias_or_name
    return expression.sql("duckdb").lower()


def _qualified_star(expression: exp.Column, scope: Scope) -> tuple[list[tuple[str, Column]], str]:
    """`t.*` of a relation, or of a struct."""
    parts = [part.name.lower() for part in expression.parts[:-1]]
    here: Scope | None = scope
    while here:
        for source in here.sources:
            if ".".join(parts) in source.names:
                return _star(expression.this, source.relation.columns, scope, source.relation.unknown)
        here = here.outer
    column = scope.column(parts, expression)
    if column.fields is None:
        return [], f"the columns of {expression.sql('duckdb')} are not known"
    return _star(expression.this, list(column.fields.items()), scope, column.unresolved)


def _star(
    star: exp.Expr, columns: list[tuple[str, Column]], scope: Scope, doubt: str
) -> tuple[list[tuple[str, Column]], str]:
    """The columns of a star, with EXCLUDE, REPLACE and RENAME."""
    excluded = {part.name.lower() for part in star.args.get("except_") or []}
    replaced = {part.alias.lower(): value(part.this, scope) for part in star.args.get("replace") or []}
    renamed = {part.this.name.lower(): part.alias for part in star.args.get("rename") or []}
    return [
        (renamed.get(name.lower(), name), replaced.get(name.lower(), column))
        for name, column in columns
        if name.lower() not in excluded
    ], doubt


def _distinct_names(columns: Iterable[tuple[str, Column]]) -> list[tuple[str, Column]]:
    """As DuckDB names the columns of a table: the second `k` is `k_1`."""
    found: dict[str, tuple[str, Column]] = {}
    for name, column in columns:
        unique, number = name, 0
        while unique.lower() in found:
            number += 1
            unique = f"{name}_{number}"
        found[unique.lower()] = (unique, column)
    return list(found.values())


def _from(node: exp.Expr, scope: Scope, rows: Bag, hidden: frozenset[str] = frozenset()) -> None:
    """Add what stands in a FROM to the scope, and what decides its rows."""
    nested = node.this if isinstance(node, exp.Subquery) and not node.alias else None
    if isinstance(nested, exp.Table) and not _others(node, SUBQUERY):
        _from(nested, scope, rows)  # (t join r on …): their names are seen outside
        return
    relation = _relation(node, scope)
    scope.sources.append(Source(_known_as(node), relation, hidden))
    rows.add(relation.rows)
    for join in node.args.get("joins") or []:
        _join(join, scope, rows)


def _known_as(node: exp.Expr) -> tuple[str, ...]:
    if node.alias:
        return (node.alias.lower(),)
    if not isinstance(node, exp.Table) or not isinstance(node.this, exp.Identifier):
        return ()
    parts = [part.name.lower() for part in node.parts]
    return tuple(".".join(parts[-length:]) for length in range(1, len(parts) + 1))


def _relation(node: exp.Expr, scope: Scope) -> Relation:
    """One item of a FROM, by the names of its columns."""
    names = _names(node)
    if isinstance(node, exp.Table):
        return _others(node, TABLE) or _table(node, scope, names)
    if isinstance(node, exp.Unnest):
        return _unnest(node, scope, names)
    if isinstance(node, exp.Lateral):
        inside = node.this
        found = _unnest(inside, scope, names) if isinstance(inside, exp.Unnest) else _query(inside, scope)
        return _others(node, LATERAL) or found.renamed(names)
    return _query(node, scope).renamed(names)


def _table(node: exp.Table, scope: Scope, names: list[str]) -> Relation:
    if isinstance(node.this, exp.Identifier):
        return scope.relation([part.name for part in node.parts]).renamed(names)
    if isinstance(node.this, exp.GenerateSeries):
        name = "range" if node.this.args.get("is_end_exclusive") else "generate_series"
        return _generated(node.this, [node.this], scope, [name]).renamed(names)
    return unknown(f"the columns of {node.this.sql('duckdb')} are not known")


def _unnest(node: exp.Expr, scope: Scope, names: list[str]) -> Relation:
    """Each element of lists as a row; a position with it, if it is asked for."""
    if other := _others(node, UNNEST):
        return other
    found = _generated(node, node.expressions, scope, ["unnest"] * len(node.expressions)).renamed(names)
    for _, column in found.columns:
        if column.unresolved or column.type.lower().startswith("struct"):
            return unknown(f"the columns of {node.sql('duckdb')} are not known")
    offset = node.args.get("offset")
    if not offset:
        return found
    name = offset.name if isinstance(offset, exp.Expr) else "ordinality"
    position = Bag()
    position.add(found.rows, scan=True)
    return Relation([*found.columns, (name, position.column())], found.rows)


def _generated(node: exp.Expr, parts: list[exp.Expr], scope: Scope, names: list[str]) -> Relation:
    """A relation whose values and rows are made of expressions."""
    columns = [value(part, scope) for part in parts]
    rows = Bag()
    _scan(zip(names, columns, strict=True), rows)
    typed = [Column(c.computed(node).origins, c.unresolved, c.type) for c in columns]
    return Relation(list(zip(names, typed, strict=True)), rows.column())


def _names(node: exp.Expr) -> list[str]:
    """The names that an alias gives to columns."""
    alias = node.args.get("alias")
    return (
        [part.name for part in alias.args.get("columns") or []] if isinstance(alias, exp.TableAlias) else []
    )


def _join(join: exp.Expr, scope: Scope, rows: Bag) -> None:
    """Add the right side of a join, and what decides which rows match."""
    method, kind = join.args.get("method") or "", join.args.get("kind") or ""
    if _others(join, JOIN) or method not in METHODS:
        rows.add(unresolved(f"{join.sql('duckdb')} is not understood"))
    left = Scope(scope.schema, scope.run, scope.ctes, scope.outer, list(scope.sources), dict(scope.joined))
    using = [part.name for part in join.args.get("using") or []]
    right = scope.inner()
    right.sources, right.joined = [], {}
    _from(join.this, right, rows)
    if method == "NATURAL":
        using = _shared(left, right, rows)
    hidden = frozenset(name.lower() for name in using)
    scope.sources += [Source(s.names, s.relation, s.hidden | hidden) for s in right.sources]
    for name in using:
        mine, theirs = left.column([name], name), right.column([name], name)
        rows.add(mine, scan=True)
        rows.add(theirs, scan=True)
        scope.joined[name.lower()] = _joined(name, mine, theirs, join.args.get("side") or "")
    if on := join.args.get("on"):
        collect(on, scope, rows, scan=True)
    if kind in {"SEMI", "ANTI"}:
        scope.sources, scope.joined = left.sources, left.joined


def _shared(left: Scope, right: Scope, rows: Bag) -> list[str]:
    """The columns by which a NATURAL join matches."""
    if reason := left.doubt() or right.doubt():
        rows.add(unresolved(reason))
    theirs = {name.lower() for name, _ in right.star()}
    return [name for name, _ in left.star() if name.lower() in theirs]


def _joined(name: str, left: Column, right: Column, side: str) -> Column:
    """The one column that `using` makes of two."""
    if side == "FULL":
        return merged([left, right]).computed(f"coalesce of both {name}")
    return right if side == "RIGHT" else left


def _clauses(
    node: exp.Select, projected: list[tuple[exp.Expr, str, Column]], scope: Scope, rows: Bag
) -> None:
    """Put what decides which rows a SELECT has in a bag."""
    where, group, having = (node.args.get(part) for part in ("where", "group", "having"))
    qualify, distinct = node.args.get("qualify"), node.args.get("distinct")
    columns = [column for _, _, column in projected]
    if where:
        collect(where.this, scope, rows, scan=True)
    if group:
        _group(group, projected, scope, rows)
    if having:
        _having(having.this, group, scope, rows)
    if qualify:
        collect(qualify.this, scope, rows, scan=True)
    if distinct and distinct.args.get("on"):
        for part in distinct.args["on"].expressions:
            _item(part, columns, scope, rows)
    elif distinct:
        _scan(enumerate(columns), rows)


def _group(group: exp.Expr, projected: list[tuple[exp.Expr, str, Column]], scope: Scope, rows: Bag) -> None:
    columns = [column for _, _, column in projected]
    for part in group.expressions:
        _item(part, columns, scope, rows)
    if group.args.get("all"):
        _scan([(name, column) for part, name, column in projected if not is_aggregate(part)], rows)
    if group.args.get("rollup") or group.args.get("cube") or group.args.get("grouping_sets"):
        rows.add(unresolved("the grouping is not understood"))


def _having(condition: exp.Expr, group: exp.Expr | None, scope: Scope, rows: Bag) -> None:
    """A name in HAVING is a column where that is grouped, or in an aggregate; else an alias goes first."""
    grouped = {part.name.lower() for part in group.expressions} if group else set()
    names = [
        (
            c.name.lower(),
            not isinstance(c.find_ancestor(exp.AggFunc, exp.Anonymous, exp.Query, exp.Having), exp.Having),
        )
        for c in condition.find_all(exp.Column)
        if not c.table
    ]
    aggregated = {name for name, is_inside in names if is_inside}
    aliases = {name for name, _ in names if name in scope.aliases} - grouped - aggregated
    for name in sorted(aliases):
        rows.add(scope.aliases[name], scan=True)
    collect(condition, scope.with_parameters(aliases), rows, scan=True)


def _item(part: exp.Expr, columns: list[Column], scope: Scope, rows: Bag) -> None:
    """One item of GROUP BY, ORDER BY or DISTINCT ON, which may be the position of a column."""
    if isinstance(part, exp.Literal) and part.is_int and 0 < int(part.name) <= len(columns):
        rows.add(columns[int(part.name) - 1], scan=True)
    else:
        collect(part, scope, rows, scan=True)


def _sorted(node: exp.Expr, result: Relation, scope: Scope) -> Relation:
    """With what decides the order, and how many rows are left."""
    rows = Bag(result.rows)
    columns = [column for _, column in result.columns]
    order = node.args.get("order")
    for ordered in order.expressions if order else []:
        part = ordered.this
        alias = result.find(part.name.lower()) if isinstance(part, exp.Column) and not part.table else None
        if isinstance(part, exp.Var):  # all
            _scan(result.columns, rows)
        elif alias:
            rows.add(alias, scan=True)
        else:
            _item(part, columns, scope, rows)
    for part in (node.args.get("limit"), node.args.get("offset")):
        if part:
            collect(part.expression, scope, rows, scan=True)
    return Relation(result.columns, rows.column(), result.unknown, result.table)


def _sorted_as_named(node: exp.Expr, result: Relation, scope: Scope) -> Relation:
    """The same of a union or of a query in parentheses, whose result alone has names in ORDER BY."""
    scope.sources = [Source((), result)]
    return _sorted(node, result, scope)


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
        _scan([*left.columns, *right.columns], rows)
    doubt = left.unknown or (right.unknown if node.args.get("by_name") else "")
    return Relation(columns, rows.column(), doubt)


def _by_position(left: Relation, right: Relation) -> list[tuple[str, Column]]:
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


def _by_name(left: Relation, right: Relation) -> list[tuple[str, Column]]:
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
        return _query(node.this, scope)
    inside, rows = scope.inner(), Bag()
    _from(node.this, inside, rows)
    return Relation(_distinct_names(inside.star()), rows.column(), inside.doubt())


def _values(node: exp.Values, scope: Scope) -> Relation:
    """VALUES: a column has the value of each row at its position."""
    rows = [row.expressions for row in node.expressions]
    columns = [merged(value(part, scope) for part in parts) for parts in zip(*rows, strict=True)]
    return Relation([(f"col{number}", column) for number, column in enumerate(columns)])


def _scan(columns: Iterable[tuple[object, Column]], rows: Bag) -> None:
    for _, column in columns:
        rows.add(column, scan=True)
