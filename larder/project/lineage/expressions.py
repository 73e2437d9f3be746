"""What the value of an expression derives from.

Only what is known to be harmless is walked through: any other kind of node makes its expression unresolved.
"""

from collections.abc import Callable, Mapping
from functools import cache

import duckdb
from sqlglot import exp

from larder.project.lineage.names import Bag, Column, Scope, merged, unresolved

CONSTANTS = (
    exp.Literal,
    exp.Null,
    exp.Boolean,
    exp.DataType,
    exp.JSONPath,
    exp.IntervalSpan,
)
TRANSPARENT = (
    exp.Func,
    exp.Binary,
    exp.Unary,
    exp.SubqueryPredicate,
    exp.Between,
    exp.In,
    exp.Case,
    exp.Bracket,
    exp.Slice,
    exp.Tuple,
    exp.Distinct,
    exp.Ordered,
    exp.IgnoreNulls,
    exp.RespectNulls,
    exp.AtTimeZone,
    exp.HavingMax,
)
"""Kinds of nodes that give nothing but what is computed from their parts."""

RANKS = (exp.RowNumber, exp.Rank, exp.DenseRank, exp.PercentRank, exp.CumeDist, exp.Ntile)


def value(node: exp.Expr, scope: Scope) -> Column:
    """What an expression derives from: the same as a column where it is nothing but its name."""
    node = node.unnest()
    if isinstance(node, exp.Column):
        return scope.column([part.name for part in node.parts], node)
    if isinstance(node, exp.Query):
        return _answer(node, scope)
    if isinstance(node, exp.Struct):
        return _struct(node, scope)
    if isinstance(node, exp.Dot) and isinstance(node.expression, exp.Identifier):
        return _member(node, scope)
    if isinstance(node, exp.Bracket) and (key := _key(node)):
        return value(node.this, scope).part([key], node)
    bag = Bag()
    collect(node, scope, bag)
    return bag.column().computed(node)


def collect(node: exp.Expr, scope: Scope, bag: Bag, scan: bool = False) -> None:
    """Put what an expression derives from in a bag."""
    todo = [node]  # a chain of conditions can be deeper than Python's stack
    while todo:
        part = todo.pop()
        if isinstance(part, CONSTANTS):
            continue
        if isinstance(part, exp.Column | exp.Query | exp.Struct | exp.Dot):
            bag.add(_single(part, scope), scan)
        elif isinstance(part, exp.Bracket) and _key(part):
            bag.add(value(part, scope), scan)
        elif type(part) in SPECIAL:
            SPECIAL[type(part)](part, scope, bag, scan)
        elif isinstance(part, exp.Anonymous) and part.name.lower() not in functions():
            bag.add(unresolved(f"{part.name}() is no function of DuckDB's"), scan)
        elif isinstance(part, TRANSPARENT):
            todo += reversed(list(part.iter_expressions()))
        else:
            _not_understood(part, scope, bag, scan)


def is_aggregate(node: exp.Expr) -> bool:
    """Whether a projection has one value for a group of rows."""
    return any(
        is_call_of_aggregate(found) and not found.find_ancestor(exp.Window, exp.Query)
        for found in node.copy().find_all(exp.AggFunc, exp.Anonymous)
    )


def is_call_of_aggregate(node: exp.Expr) -> bool:
    """Whether a call is one of an aggregate."""
    return isinstance(node, exp.AggFunc) or functions().get(node.name.lower()) == "aggregate"


@cache
def take_lambdas() -> frozenset[str]:
    """DuckDB's functions to which an arrow is a lambda; to all others it reads JSON."""
    with duckdb.connect() as connection:
        found = connection.execute(
            "select distinct function_name from duckdb_functions() where list_contains(parameter_types, 'LAMBDA')"
        )
        return frozenset(name for (name,) in found.fetchall())


@cache
def functions() -> Mapping[str, str]:
    """The functions that come with DuckDB, and the kind of each; none of them reads a table by its name."""
    with duckdb.connect() as connection:
        found = connection.execute(
            "select function_name, function_type from duckdb_functions()"
            " where internal and function_type in ('scalar', 'aggregate', 'macro')"
        )
        return dict(found.fetchall())


def _single(node: exp.Expr, scope: Scope) -> Column:
    if isinstance(node, exp.Dot) and not isinstance(node.expression, exp.Identifier):
        return _method(node, scope)
    if isinstance(node, exp.Column) and isinstance(node.this, exp.Star):
        return unresolved(f"{node.sql('duckdb')} is not understood")
    return value(node, scope)


def _answer(node: exp.Expr, scope: Scope) -> Column:
    """The value of a query in an expression, and what decides its rows."""
    found = scope.run(node, scope)
    bag = Bag(*(column for _, column in found.columns), unresolved(found.unknown))
    bag.add(found.rows.decides(node))
    return bag.column()


def _struct(node: exp.Struct, scope: Scope) -> Column:
    fields: dict[str, Column] = {}
    for part in node.expressions:
        named = isinstance(part, exp.PropertyEQ)
        fields[part.name.lower() if named else str(len(fields))] = value(
            part.expression if named else part, scope
        )
    whole = merged(fields.values()).computed(node)
    return Column(whole.origins, whole.unresolved, fields=fields)


def _key(node: exp.Bracket) -> str:
    """The field that `s['name']` reads."""
    keys = node.expressions
    return keys[0].name if len(keys) == 1 and isinstance(keys[0], exp.Literal) and keys[0].is_string else ""


def _member(node: exp.Dot, scope: Scope) -> Column:
    """A field of a struct that is no plain name: `(s).p`, `list[1].p`."""
    if names := _path(node):
        return scope.column(names, node)
    return value(node.this, scope).part([node.expression.name], node)


def _method(node: exp.Dot, scope: Scope) -> Column:
    """A function after what it is applied to: `name.upper()`."""
    bag = Bag()
    if names := _path(node.this):
        bag.add(scope.column(names, node))
    else:
        collect(node.this, scope, bag)
    collect(node.expression, scope, bag)
    return bag.column().computed(node)


def _path(node: exp.Expr) -> list[str]:
    """The names of a path, where there is nothing else in it."""
    if isinstance(node, exp.Identifier | exp.Placeholder):
        return [node.name]
    if isinstance(node, exp.Dot) and isinstance(node.expression, exp.Identifier):
        before = _path(node.this)
        return [*before, node.expression.name] if before else []
    return []


def _window(node: exp.Expr, scope: Scope, bag: Bag, scan: bool) -> None:
    """The function's arguments give the value, partition and order only say of which rows; but the value of a rank is that of its order."""
    if node.this and not isinstance(node.this, exp.Identifier):
        collect(node.this, scope, bag, scan)
    frame(node, scope, bag, scan or not isinstance(node.this, RANKS))


def frame(node: exp.Expr, scope: Scope, bag: Bag, scan: bool) -> None:
    """Put what says of which rows a window is in a bag, as scans; what it orders by as a value where `scan` says so."""
    named = node.args.get("alias")
    if named:
        known = scope.windows.get(named.name.lower())
        frame(known, scope, bag, scan) if known else bag.add(unresolved(f"no window {named.name}"))
    spec = node.args.get("spec")
    bounds = [spec.args.get("start"), spec.args.get("end")] if spec else []
    order = node.args.get("order")
    for part in order.expressions if order else []:
        collect(part, scope, bag, scan)
    for part in [*(node.args.get("partition_by") or []), *bounds]:
        if isinstance(part, exp.Expr):
            collect(part, scope, bag, scan=True)


def _filter(node: exp.Expr, scope: Scope, bag: Bag, scan: bool) -> None:
    collect(node.this, scope, bag, scan)
    collect(node.expression.this, scope, bag, scan)


def _ordered_argument(node: exp.Expr, scope: Scope, bag: Bag, scan: bool) -> None:
    """`list(a order by b)`."""
    if node.this:
        collect(node.this, scope, bag, scan)
    for part in node.expressions:
        collect(part, scope, bag, scan=True)


def _within_group(node: exp.Expr, scope: Scope, bag: Bag, scan: bool) -> None:
    """`quantile_cont(0.5) within group (order by a)`: what it orders by is its argument."""
    collect(node.this, scope, bag, scan)
    for part in node.expression.expressions:
        collect(part, scope, bag, scan)


def _exists(node: exp.Expr, scope: Scope, bag: Bag, scan: bool) -> None:
    if isinstance(node.this, exp.Query):
        bag.add(scope.run(node.this, scope).rows.decides(node), scan)
    else:
        collect(node.this, scope, bag, scan)


def _count(node: exp.Expr, scope: Scope, bag: Bag, scan: bool) -> None:
    if node.this and not isinstance(node.this, exp.Star):
        collect(node.this, scope, bag, scan)
    for part in node.expressions:
        collect(part, scope, bag, scan)


def _lambda(node: exp.Expr, scope: Scope, bag: Bag, scan: bool) -> None:
    """A lambda; sqlglot also takes `column -> 'json path'` for one."""
    names = [parameter.name for parameter in node.expressions]
    called = node.parent.sql("duckdb").partition("(")[0].lower() if node.parent else ""
    for name in names if called not in take_lambdas() else []:
        bag.add(scope.column([name], node).computed(node), scan)
    collect(node.this, scope.with_parameters(names), bag, scan)


def _comprehension(node: exp.Expr, scope: Scope, bag: Bag, scan: bool) -> None:
    """`[x + 1 for x in list if x > 0]`."""
    collect(node.args["iterator"], scope, bag, scan)
    within = scope.with_parameters([node.expression.name])
    for part in (node.this, node.args.get("condition")):
        if part:
            collect(part, within, bag, scan)


def _identifier(node: exp.Expr, scope: Scope, bag: Bag, scan: bool) -> None:
    if node.name.lower() not in scope.parameters:
        bag.add(unresolved(f"{node.name} is not understood"), scan)


def _named_argument(node: exp.Expr, scope: Scope, bag: Bag, scan: bool) -> None:
    collect(node.expression, scope, bag, scan)


def _named(node: exp.Expr, scope: Scope, bag: Bag, scan: bool) -> None:
    """What sqlglot takes for a parameter or a word: the bound in `l[:id]`, the unit in `time_trunc(g, at)`."""
    bag.add(scope.column([node.name], node), scan)


def _before_a_word(node: exp.Expr, scope: Scope, bag: Bag, scan: bool) -> None:
    """`interval (a) day`, `s collate nocase`."""
    collect(node.this, scope, bag, scan)


def _extract(node: exp.Expr, scope: Scope, bag: Bag, scan: bool) -> None:
    """`extract(year from a)`."""
    collect(node.expression, scope, bag, scan)


def _not_understood(node: exp.Expr, scope: Scope, bag: Bag, scan: bool) -> None:
    bag.add(unresolved(f"{node.sql('duckdb')} is not understood"), scan)


Reader = Callable[[exp.Expr, Scope, Bag, bool], None]

SPECIAL: Mapping[type[exp.Expr], Reader] = {
    exp.Window: _window,
    exp.Filter: _filter,
    exp.Order: _ordered_argument,
    exp.WithinGroup: _within_group,
    exp.Exists: _exists,
    exp.Count: _count,
    exp.Lambda: _lambda,
    exp.Comprehension: _comprehension,
    exp.Identifier: _identifier,
    exp.PropertyEQ: _named_argument,
    exp.Placeholder: _named,
    exp.Var: _named,
    exp.Interval: _before_a_word,
    exp.Collate: _before_a_word,
    exp.Extract: _extract,
    exp.Columns: _not_understood,
    exp.Star: _not_understood,
}
"""Kinds of nodes of which a part is no value."""
