"""What stands in a FROM: tables, joins, queries, unnested lists, series."""

from sqlglot import exp

from larder.project.lineage.expressions import collect, value
from larder.project.lineage.names import Bag, Column, Relation, Scope, Source, merged, unknown, unresolved
from larder.project.lineage.turned import turned

TABLE = {"this", "db", "catalog", "alias", "joins", "sample", "pivots"}
SUBQUERY = {"with_", "this", "alias", "order", "limit", "offset", "sample", "pivots"}
JOIN = {"this", "on", "using", "side", "kind", "method"}
LATERAL = {"this", "alias"}
UNNEST = {"expressions", "alias", "offset"}
"""The parts of each kind of node that are understood: with any other one, nothing is said about its relation."""

METHODS = {"", "ASOF", "POSITIONAL", "NATURAL"}


def not_understood(node: exp.Expr, understood: set[str]) -> Relation | None:
    """An unknown relation, if a node has parts that are not understood."""
    others = [name for name, part in node.args.items() if part and name not in understood]
    return unknown(f"{others[0]} of a {node.key} is not understood") if others else None


def column_names(node: exp.Expr) -> list[str]:
    """The names that an alias gives to columns."""
    alias = node.args.get("alias")
    return (
        [part.name for part in alias.args.get("columns") or []] if isinstance(alias, exp.TableAlias) else []
    )


def add(node: exp.Expr, scope: Scope, rows: Bag) -> None:
    """Add an item of a FROM to the scope, and what decides its rows to the bag."""
    nested = node.this if isinstance(node, exp.Subquery) and not node.alias else None
    if isinstance(nested, exp.Table) and not not_understood(node, SUBQUERY):
        add(nested, scope, rows)  # (t join r on …): their names are seen outside
        return
    found = relation(node, scope)
    scope.sources.append(Source(_known_as(node), found))
    rows.add(found.rows)
    for other in node.args.get("joins") or []:
        join(other, scope, rows)


def join(node: exp.Expr, scope: Scope, rows: Bag) -> None:
    """Add the right side of a join to the scope, and what decides which rows match to the bag."""
    method, kind = node.args.get("method") or "", node.args.get("kind") or ""
    if not_understood(node, JOIN) or method not in METHODS:
        rows.add(unresolved(f"{node.sql('duckdb')} is not understood"))
    left, right = scope.copy(), scope.inner()
    add(node.this, right, rows)
    using = [part.name for part in node.args.get("using") or []]
    if method == "NATURAL":
        using = _shared(left, right, rows)
    scope.sources += [source.without(using) for source in right.sources]
    for name in using:
        mine, theirs = left.column([name], name), right.column([name], name)
        rows.scan([mine, theirs])
        scope.join(name.lower(), _joined(name, mine, theirs, node.args.get("side") or ""))
    if on := node.args.get("on"):
        collect(on, scope, rows, scan=True)
    if kind in {"SEMI", "ANTI"}:
        scope.sources = left.sources


def values(node: exp.Values, scope: Scope) -> Relation:
    """VALUES: a column has the value of each row at its position."""
    rows = [row.expressions for row in node.expressions]
    columns = [merged(value(part, scope) for part in parts) for parts in zip(*rows, strict=True)]
    return Relation([(f"col{number}", column) for number, column in enumerate(columns)])


def pivoted(node: exp.Expr, found: Relation, scope: Scope) -> Relation:
    """A relation after the PIVOTs and UNPIVOTs that follow it."""
    for pivot in node.args.get("pivots") or []:
        found = turned(pivot, found, scope)
    return found


def _known_as(node: exp.Expr) -> tuple[str, ...]:
    """The names by which columns are qualified: an alias, or the table with and without its schema."""
    pivots = node.args.get("pivots")
    if alias := pivots[-1].alias if pivots else node.alias:
        return (alias.lower(),)
    if pivots or not isinstance(node, exp.Table) or not isinstance(node.this, exp.Identifier):
        return ()
    parts = [part.name.lower() for part in node.parts]
    return tuple(".".join(parts[-length:]) for length in range(1, len(parts) + 1))


def relation(node: exp.Expr, scope: Scope) -> Relation:
    """One item of a FROM, by the names of its columns."""
    names = column_names(node)
    if isinstance(node, exp.Table):
        return not_understood(node, TABLE) or pivoted(node, _table(node, scope).renamed(names), scope)
    if isinstance(node, exp.Unnest):
        return not_understood(node, UNNEST) or _unnest(node, scope, names)
    if isinstance(node, exp.Lateral):
        return not_understood(node, LATERAL) or relation(node.this, scope).renamed(names)
    return scope.run(node, scope).renamed(names)


def _table(node: exp.Table, scope: Scope) -> Relation:
    if isinstance(node.this, exp.Identifier):
        return scope.relation([part.name for part in node.parts])
    if isinstance(node.this, exp.GenerateSeries):
        name = "range" if node.this.args.get("is_end_exclusive") else "generate_series"
        return _generated(node.this, [node.this], scope, name)
    return unknown(f"the columns of {node.this.sql('duckdb')} are not known")


def _unnest(node: exp.Unnest, scope: Scope, names: list[str]) -> Relation:
    """Each element of lists as a row; a position with it, if it is asked for."""
    lists = [value(part, scope) for part in node.expressions]
    if any(column.unresolved or column.is_struct for column in lists):
        return unknown(f"the columns of {node.sql('duckdb')} are not known")
    found = _generated(node, node.expressions, scope, "unnest").renamed(names)
    offset = node.args.get("offset")
    if not offset:
        return found
    position = Bag()
    position.add(found.rows, scan=True)
    name = offset.name if isinstance(offset, exp.Expr) else "ordinality"
    return Relation([*found.columns, (name, position.column())], found.rows)


def _generated(node: exp.Expr, parts: list[exp.Expr], scope: Scope, name: str) -> Relation:
    """A relation whose values and rows are made of expressions."""
    columns = [value(part, scope).computed(node) for part in parts]
    rows = Bag()
    rows.scan(columns)
    return Relation([(name, column) for column in columns], rows.column())


def _shared(left: Scope, right: Scope, rows: Bag) -> list[str]:
    """The columns by which a NATURAL join matches."""
    if reason := left.doubt() or right.doubt():
        rows.add(unresolved(reason))
    theirs = {name.lower() for _, name, _ in right.star()}
    return [name for _, name, _ in left.star() if name.lower() in theirs]


def _joined(name: str, left: Column, right: Column, side: str) -> Column:
    """The one column that `using` makes of two."""
    if side == "FULL":
        return merged([left, right]).computed(f"coalesce of both {name}")
    return right if side == "RIGHT" else left
