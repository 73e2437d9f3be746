"""What a query means, however it is written: a hash of its rows and one of each column, to compare two versions of it.

Names of CTEs and aliases, their order, comments and layout are not in the hashes. A column's hash follows from its expression and
from all that this is computed of; that of the rows from everything that decides which rows there are. With equal rows, only columns
of another hash can have other values.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.qualify import qualify

from larder.project.lineage.expressions import is_aggregate
from larder.project.lineage.parsing import Plain, parsed
from larder.project.lineage.sources import column_names

CLAUSES = ("where", "having", "qualify", "order", "limit", "offset", "sample")
"""What decides by its expressions which rows a query has, and which come first."""

SELECT = {*CLAUSES, "with_", "expressions", "from_", "joins", "laterals", "group", "windows", "distinct"}
SET = {"with_", "this", "expression", "distinct", "order", "limit", "offset"}
TABLE = {"this", "db", "catalog", "alias", "joins"}
SUBQUERY = {"this", "alias", "joins", "with_"}
JOIN = {"this", "on", "side", "kind", "method"}
"""The parts that are understood: with any other one, the query is compared as it is written."""

Schema = Mapping[str, Iterable[str]]
"""The columns of relations, by `<schema>.<table>`."""


@dataclass(frozen=True)
class Meaning:
    """The hash of a result's rows, and of each column by its name in lower case."""

    rows: str
    columns: Mapping[str, str] = field(default_factory=dict)


class _Unclear(Exception):
    """A query of a shape that is not understood."""


Identity = tuple[str, Mapping[str, str]]
"""What a relation is known by in both versions, and those of its columns that have another name than there."""


def meaning(sql: str, schema: Schema, identity: Callable[[str], Identity]) -> Meaning:
    """What a query means. `identity` gives that of each relation.

    A query that is not understood is its normalised text, with the columns of all that it could read.
    """
    try:
        tree = parsed(sql)
    except (SqlglotError, RecursionError):
        return Meaning(_hash("text", sql))
    known = {table.sql(Plain).replace('"', "").lower() for table in tree.find_all(exp.Table)}
    read = {name: [*columns] for name, columns in schema.items() if any(name in one for one in known)}
    text = tree.sql(dialect=Plain, comments=False)
    try:
        return _Query(identity).meaning(_qualified(tree, read))
    except (SqlglotError, _Unclear, RecursionError):
        return Meaning(_hash("text", text, *(f"{name}{columns}" for name, columns in sorted(read.items()))))


def _qualified(tree: exp.Expr, read: Mapping[str, list[str]]) -> exp.Expr:
    """The tree with the relation of each column, and with all columns in place of stars."""
    tables: dict[str, Any] = {}
    for name, columns in read.items():
        group, _, table = name.partition(".")
        tables.setdefault(group, {})[table] = dict.fromkeys(columns, "unknown")
    for source in tree.find_all(exp.Table):
        source.set("catalog", None)
    return qualify(tree, schema=tables, dialect=Plain, quote_identifiers=False)


@dataclass(frozen=True)
class _Relation:
    """A table (`leaf`: any column is known by its name, or what `names` have for it) or a result with its columns in order.

    Those of a source after the first of its query are known by its `place` too: it can be the same relation, or have it inside.
    """

    rows: str
    columns: tuple[tuple[str, str], ...] = ()
    leaf: bool = False
    names: Mapping[str, str] = field(default_factory=dict)
    place: int = 0

    def column(self, name: str) -> str:
        if self.leaf:
            found = _hash("column", self.rows, self.names.get(name, name))
        elif not (found := dict(self.columns).get(name, "")):
            raise _Unclear(name)
        return _hash("of", str(self.place), found) if self.place else found

    def whole(self) -> str:
        return _hash("relation", self.rows, *(f"{name} {digest}" for name, digest in self.columns))


@dataclass(frozen=True)
class _Query:
    """One query, in the scope of those around it."""

    identity: Callable[[str], Identity]
    ctes: Mapping[str, _Relation] = field(default_factory=dict)
    outer: "_Query | None" = None
    sources: dict[str, _Relation] = field(default_factory=dict)
    items: dict[str, str] = field(default_factory=dict)
    windows: dict[str, exp.Window] = field(default_factory=dict)

    def meaning(self, node: exp.Expr) -> Meaning:
        result = self.relation(node)
        return Meaning(result.rows, dict(result.columns))

    def relation(self, node: exp.Expr) -> _Relation:
        """The result of a query."""
        ctes = dict(self.ctes)
        if with_ := node.args.get("with_"):
            if with_.args.get("recursive"):
                raise _Unclear("recursive")
            for cte in with_.expressions:
                inner = _Query(self.identity, ctes, self.outer).relation(cte.this)
                ctes[cte.alias.lower()] = _renamed(inner, cte)
        inside = _Query(self.identity, ctes, self.outer)
        if isinstance(node, exp.Subquery):
            _understood(node, SUBQUERY - {"joins"})
            return inside.relation(node.this)
        if isinstance(node, exp.SetOperation):
            return inside._set(node)
        if isinstance(node, exp.Select):
            return inside._select(node)
        raise _Unclear(node.key)

    def _set(self, node: exp.SetOperation) -> _Relation:
        _understood(node, SET)
        left, right = self.relation(node.this), self.relation(node.expression)
        if left.leaf or right.leaf or len(left.columns) != len(right.columns):
            raise _Unclear("union")
        both = zip(left.columns, right.columns, strict=True)
        columns = tuple((name, _hash("union", one, other)) for (name, one), (_, other) in both)
        rows = [node.key, str(bool(node.args.get("distinct"))), left.rows, right.rows]
        if not isinstance(node, exp.Union):
            columns = left.columns
        if node.args.get("distinct") or not isinstance(node, exp.Union):
            rows += [left.whole(), right.whole()]
        self.items.update(columns)
        rows += [self.digest(node.args[part]) for part in CLAUSES if node.args.get(part)]
        return _Relation(_hash(*rows), columns)

    def _select(self, node: exp.Select) -> _Relation:
        _understood(node, SELECT)
        rows = []
        for part in [
            node.args.get("from_"),
            *(node.args.get("joins") or []),
            *(node.args.get("laterals") or []),
        ]:
            rows += self._from(part) if part else []
        self.windows.update({window.name.lower(): window for window in node.args.get("windows") or []})
        for item in node.expressions:
            if item.find(exp.Star) and not item.find(exp.Count):
                raise _Unclear("star")
            name = item.alias_or_name.lower() or item.sql(Plain)
            if name in self.items:
                raise _Unclear(f"{name} twice")
            self.items[name] = self.digest(item.unalias())
            rows += [self.items[name]] if item.find(exp.Explode, exp.Unnest) else []
        rows += [self.digest(node.args[part]) for part in CLAUSES if node.args.get(part)]
        if group := node.args.get("group"):
            rows += sorted(self.digest(part) for part in group.expressions)
            rows += [_hash("group", *self._parts(group, {"expressions"}))]
            rows += self.items.values() if group.args.get("all") else ()
        elif any(is_aggregate(item) for item in node.expressions):
            rows.append("one row")
        if distinct := node.args.get("distinct"):
            on = distinct.args.get("on")
            rows += [_hash("distinct", *([self.digest(on)] if on else sorted(self.items.values())))]
        whole = rows[0] if len(rows) == 1 and node.args.get("from_") else _hash("select", *rows)
        return _Relation(whole, tuple(self.items.items()))

    def _from(self, node: exp.Expr) -> list[str]:
        """An item of FROM, or a join: what it says of the rows."""
        if isinstance(node, exp.Join):
            _understood(node, JOIN)
            inner = self._from(node.this)
            kind = node.args.get("kind") or ""
            how = [node.args.get("side") or "", "" if kind in {"INNER", "OUTER"} else kind, node.method]
            on = node.args.get("on")
            return [_hash("join", *how, *inner, self.digest(on) if on else "")]
        source = node.this if isinstance(node, exp.From) else node
        found = replace(self._source(source), place=len(self.sources))
        self.sources[source.alias_or_name.lower()] = found
        return [found.rows, *(row for join in source.args.get("joins") or [] for row in self._from(join))]

    def _source(self, node: exp.Expr) -> _Relation:
        if isinstance(node, exp.Table) and isinstance(node.this, exp.Identifier):
            _understood(node, TABLE)
            name = node.name.lower()
            found = None if node.db else self.ctes.get(name)
            known, names = ("", {}) if found else self.identity(f"{node.db.lower()}.{name}")
            return _renamed(found or _Relation(known, leaf=True, names=names), node)
        if isinstance(node, exp.Subquery) and isinstance(node.this, exp.Query):
            _understood(node, SUBQUERY)
            return _renamed(_Query(self.identity, self.ctes, self).relation(node.this), node)
        # unnest, values, a function: as it is written, but for the name that it is given
        return _Relation(_hash(node.key, *self._parts(node, {"alias"}), *_names(node)), leaf=True)

    def digest(self, node: exp.Expr) -> str:
        """The hash of an expression, in which each column stands for what it is computed of."""
        node = node.unnest()
        if isinstance(node, exp.Column):
            return self._column(node)
        if isinstance(node, exp.Query):
            return _Query(self.identity, self.ctes, self).relation(node).whole()
        if isinstance(node, exp.Table):
            return self._source(node).whole()
        if isinstance(node, exp.Identifier):
            return _hash("name", node.name.lower())
        if isinstance(node, exp.And | exp.Or):
            return _hash(node.key, *sorted({self.digest(part) for part in node.flatten()}))
        if isinstance(node, exp.Window) and node.alias:
            return self._window(node, {"alias"})
        if isinstance(node, exp.Ordered) and isinstance(node.this, exp.Var):
            raise _Unclear("order by all")
        return _hash(node.key, *self._parts(node))

    def _window(self, node: exp.Window, without: Iterable[str]) -> str:
        """A window that begins as a named one does, which can begin as another."""
        named = self.windows.get(node.alias.lower())
        begin = [self._window(named, {"alias", "this"})] if named else []
        return _hash("window", *self._parts(node, without), *begin)

    def _parts(self, node: exp.Expr, without: Iterable[str] = ()) -> list[str]:
        """The parts of a node by their names; a part that is missing or false counts as none."""
        found = []
        for name, part in sorted(node.args.items()):
            if name not in without and part not in (None, False, []):
                several = part if isinstance(part, list) else [part]
                found.append(
                    _hash(name, *(self.digest(p) if isinstance(p, exp.Expr) else repr(p) for p in several))
                )
        return found

    def _column(self, node: exp.Column) -> str:
        if not isinstance(node.this, exp.Identifier):
            raise _Unclear("column")
        name, table = node.name.lower(), node.table.lower()
        if not table:
            if name not in self.items:
                raise _Unclear(name)
            return self.items[name]
        scope: _Query | None = self
        further: list[str] = []
        while scope:
            if table in scope.sources:
                found = scope.sources[table].column(name)
                return _hash(*further, found) if further else found
            scope, further = scope.outer, [*further, "outer"]
        raise _Unclear(table)


def _renamed(relation: _Relation, node: exp.Expr) -> _Relation:
    """With the names that an alias gives to the columns."""
    names = _names(node)
    if not names:
        return relation
    if relation.leaf:
        raise _Unclear("names of columns")
    columns = [(new, digest) for new, (_, digest) in zip(names, relation.columns, strict=False)]
    return _Relation(relation.rows, (*columns, *relation.columns[len(names) :]))


def _names(node: exp.Expr) -> list[str]:
    return [name.lower() for name in column_names(node)]


def _understood(node: exp.Expr, parts: set[str]) -> None:
    for name, part in node.args.items():
        if part and name not in parts:
            raise _Unclear(f"{name} of {node.key}")


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:20]
