"""What the names of a query stand for: columns with what they derive from, relations, scopes."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from sqlglot import exp
from sqlglot.errors import SqlglotError

from larder.project.lineage.turns import AS_IT_IS, after

How = Literal["scan", "copy", "mod"]
"""Of weaker to stronger: decides which rows there are; the value as it is; computed."""

SEVERAL = "several computations of it"
"""The step in the place of two ways of which the stronger lets less through than the other."""

STRENGTH: Mapping[How, int] = {"scan": 0, "copy": 1, "mod": 2}

ROWS = "*"
"""In the place of a column: which rows a relation has."""

Schema = Mapping[str, Mapping[str, str]]
"""The ordered columns of each relation, with their types; relations by `<schema>.<name>`, all of them as they are written."""

Origin = tuple[str, str]
"""A relation that the query reads, and one of its columns or ROWS."""


@dataclass(frozen=True, slots=True)
class Via:
    """How one origin reaches a column; `steps` are the expressions that it passed, from the innermost."""

    how: How
    steps: tuple[exp.Expr | str, ...] = ()
    left: frozenset[str] = AS_IT_IS
    """What they leave of it (turns.left_of)."""

    def and_also(self, other: "Via") -> "Via":
        """Of two ways the one that says more, or the same in fewer steps; but never one by which less of the value gets through."""
        one, two = ((STRENGTH[via.how], -len(via.steps)) for via in (self, other))
        more, less = (other, self) if two > one else (self, other)
        if less.how == "scan" or more.left <= less.left:
            return more
        return replace(less, how="mod") if less.left < more.left else Via("mod", (SEVERAL,), frozenset())


@dataclass(frozen=True, slots=True)
class Column:
    """What a column derives from.

    `unresolved` says why it may derive from more than that. `type` is known where it is a copy of a declared column, `fields`
    where it is a struct whose parts are.
    """

    origins: Mapping[Origin, Via] = field(default_factory=dict)
    unresolved: str = ""
    type: str = ""
    fields: "Mapping[str, Column] | None" = None

    @property
    def is_struct(self) -> bool:
        """Whether it is known to have fields."""
        return self.fields is not None or self.type.lower().startswith("struct")

    def computed(self, step: exp.Expr | str) -> "Column":
        """What is computed from it by an expression."""
        left = {left: after(left, step) for left in {via.left for via in self.origins.values()}}
        passed = {
            origin: via if via.how == "scan" else Via("mod", (*via.steps, step), left[via.left])
            for origin, via in self.origins.items()
        }
        return Column(passed, self.unresolved)

    def decides(self, step: exp.Expr) -> "Column":
        """What an expression gives that says nothing but which rows these are, such as EXISTS."""
        decided = {
            origin: via if origin[1] == ROWS else Via("mod", (step,), frozenset())
            for origin, via in self.origins.items()
        }
        return Column(decided, self.unresolved)

    def part(self, names: list[str], step: exp.Expr | str) -> "Column":
        """A field of a struct, of a struct in it, and so on."""
        if not names:
            return self
        if self.fields is None:
            return self.computed(step)
        found = self.fields.get(names[0].lower())
        return found.part(names[1:], step) if found else unresolved(f"no field {names[0]}")


def unresolved(reason: str) -> Column:
    """A column of which nothing is known but why."""
    return Column(unresolved=reason)


class Bag:
    """Collects what something derives from."""

    def __init__(self, *columns: Column) -> None:
        self._origins: dict[Origin, Via] = {}
        self._unresolved = ""
        for column in columns:
            self.add(column)

    def add(self, column: Column, scan: bool = False) -> None:
        """Add all that a column derives from; with `scan` as what decides which rows there are."""
        self._unresolved = self._unresolved or column.unresolved
        for origin, via in column.origins.items():
            new = Via("scan") if scan else via
            known = self._origins.get(origin)
            self._origins[origin] = known.and_also(new) if known else new

    def scan(self, columns: Iterable[Column]) -> None:
        """Add all that columns derive from as what decides which rows there are."""
        for column in columns:
            self.add(column, scan=True)

    def column(self) -> Column:
        """All of it, as what one column derives from."""
        return Column(self._origins, self._unresolved)


def merged(columns: Iterable[Column]) -> Column:
    """A column that has its values from each of several."""
    return Bag(*columns).column()


@dataclass(frozen=True)
class Relation:
    """A table, or the result of a query: its columns in order, and what decides which rows it has.

    `unknown` says why it may have more columns than those; of a `table` that the schema does not have, they have the names
    that the query gives them.
    """

    columns: list[tuple[str, Column]]
    rows: Column = Column()
    unknown: str = ""
    table: str = ""

    def find(self, name: str) -> Column | None:
        return next((column for own, column in self.columns if own.lower() == name), None)

    def renamed(self, names: list[str]) -> "Relation":
        """With other names for its first columns."""
        if not names:
            return self
        if self.unknown:
            return unknown(self.unknown)
        rest = self.columns[len(names) :]
        columns = [(new, column) for new, (_, column) in zip(names, self.columns, strict=False)]
        return Relation(distinct_names([*columns, *rest]), self.rows)

    def whole(self, step: exp.Expr | str) -> Column:
        """A row of it as one value."""
        columns = [column for _, column in self.columns]
        return merged([*columns, unresolved(self.unknown)]).computed(step)


def distinct_names(columns: Iterable[tuple[str, Column]]) -> list[tuple[str, Column]]:
    """As DuckDB names the columns of a table: the second `k` is `k_1`."""
    found: dict[str, tuple[str, Column]] = {}
    for name, column in columns:
        unique, number = name, 0
        while unique.lower() in found:
            number += 1
            unique = f"{name}_{number}"
        found[unique.lower()] = (unique, column)
    return list(found.values())


def unknown(reason: str) -> Relation:
    """A relation of which nothing is known but why."""
    return Relation([], unresolved(reason), reason)


def declared(name: str, columns: Mapping[str, str], doubt: str) -> Relation:
    """A relation of the schema; `doubt` says why it may have more columns."""
    own = [
        (column, Column({(name, column): Via("copy")}, "", kind, _fields(name, column, kind)))
        for column, kind in columns.items()
    ]
    return Relation(own, Column({(name, ROWS): Via("scan")}), doubt, name if doubt else "")


def _fields(relation: str, column: str, kind: str) -> Mapping[str, Column] | None:
    """The fields of a column that is declared as a struct: each is a part of its value."""
    if not kind.lower().startswith("struct"):
        return None
    try:
        parts = exp.DataType.build(kind, dialect="duckdb").expressions
    except SqlglotError:
        return None
    fields = (part.name for part in parts)
    return {name.lower(): Column({(relation, column): Via("mod", (f"{column}.{name}",))}) for name in fields}


@dataclass(frozen=True)
class Source:
    """A relation in a FROM: the names that it answers to, and what a join by equal names has made of its columns.

    Of two columns one is left, in the place of the first: `joined` has what that is then, `hidden` the other's name.
    """

    names: tuple[str, ...]
    relation: Relation
    hidden: frozenset[str] = frozenset()
    joined: Mapping[str, Column] = field(default_factory=dict)

    def without(self, names: list[str]) -> "Source":
        """The same, of which a name without a qualifier does not find some columns."""
        return replace(self, hidden=self.hidden.union(name.lower() for name in names))

    def find(self, name: str) -> Column | None:
        """What a name without a qualifier finds in it."""
        return None if name in self.hidden else self.joined.get(name) or self.relation.find(name)

    def shown(self) -> "list[Shown]":
        """The columns that `*` shows of it, in order."""
        columns = self.relation.columns
        return [
            (self, name, self.joined.get(name.lower(), column))
            for name, column in columns
            if name.lower() not in self.hidden
        ]


@dataclass
class Scope:
    """What can be named in one query. `outer` is the scope around it, `run` how a query in an expression is traced."""

    schema: Mapping[str, tuple[str, Relation]]
    run: "Callable[[exp.Expr, Scope], Relation]"
    ctes: dict[str, Relation] = field(default_factory=dict)
    outer: "Scope | None" = None
    sources: list[Source] = field(default_factory=list)
    aliases: dict[str, Column] = field(default_factory=dict)
    windows: dict[str, exp.Expr] = field(default_factory=dict)
    parameters: frozenset[str] = frozenset()

    def inner(self) -> "Scope":
        """An empty scope in this one."""
        return Scope(self.schema, self.run, dict(self.ctes), self)

    def copy(self) -> "Scope":
        """The same scope, to which nothing is added that is added to this one."""
        return replace(self, sources=list(self.sources))

    def join(self, name: str, column: Column) -> None:
        """Let a join's column be what one of the sources has by its name; the first that can have it, if none is known to."""
        having = [number for number, source in enumerate(self.sources) if source.find(name)]
        doubtful = [number for number, source in enumerate(self.sources) if source.relation.unknown]
        for number in [*having, *doubtful][:1]:
            source = self.sources[number]
            self.sources[number] = replace(source, joined={**source.joined, name: column})

    def with_parameters(self, names: Iterable[str]) -> "Scope":
        """The same scope within a lambda, whose parameters are no columns."""
        return replace(self, parameters=self.parameters.union(name.lower() for name in names))

    def source(self, name: str) -> Relation | None:
        """The relation that is known by a name, here or further out."""
        found = next((source.relation for source in self.sources if name in source.names), None)
        return found or (self.outer.source(name) if self.outer else None)

    def relation(self, parts: list[str]) -> Relation:
        """The relation that a FROM names: a CTE, or one of the schema."""
        lowered = [part.lower() for part in parts]
        if len(parts) == 1 and lowered[0] in self.ctes:
            return self.ctes[lowered[0]]
        key = ".".join(lowered[-2:])
        if key in self.schema:
            return self.schema[key][1]
        name = ".".join(parts[-2:])
        return Relation([], Column({(name, ROWS): Via("scan")}), f"the columns of {name} are not known", name)

    def has(self, name: str) -> bool:
        """Whether a name stands for something."""
        return bool(self._find([name.lower()], [name], name))

    def column(self, parts: list[str], step: exp.Expr | str) -> Column:
        """What a name with its qualifiers stands for: a column, a field of a struct, a row as a whole."""
        lowered = [part.lower() for part in parts]
        if lowered[0] in self.parameters:
            return Column()
        return self._find(lowered, parts, step) or unresolved(f"no column {'.'.join(parts)}")

    def _find(self, lowered: list[str], parts: list[str], step: exp.Expr | str) -> Column | None:
        return (
            self._qualified(lowered, parts, step)
            or self._unqualified(lowered[0], parts, step)
            or self._alias(lowered, step)
            or (self.outer._find(lowered, parts, step) if self.outer else None)
            or self._row(lowered, step)
        )

    def _qualified(self, lowered: list[str], parts: list[str], step: exp.Expr | str) -> Column | None:
        for length in range(1, min(len(parts), 4)):
            name = ".".join(lowered[:length])
            for source in self.sources:
                if name in source.names:
                    found = _member(source.relation, lowered[length], parts[length])
                    if found:
                        return found.part(parts[length + 1 :], step)
        return None

    def _unqualified(self, name: str, parts: list[str], step: exp.Expr | str) -> Column | None:
        found = [column for source in self.sources if (column := source.find(name))]
        if len(found) > 1:
            return unresolved(f"{parts[0]} is in several relations")
        if found:
            return found[0].part(parts[1:], step)
        return self._undeclared(name, parts) if len(parts) == 1 else None

    def _undeclared(self, name: str, parts: list[str]) -> Column | None:
        """A column that a relation may have whose columns are not known."""
        doubtful = [source.relation for source in self.sources if source.relation.unknown]
        if not doubtful:
            return None
        elsewhere = name in self.aliases or (self.outer and self.outer._find([name], parts, name))
        if len(doubtful) == 1 and not elsewhere:
            return _member(doubtful[0], name, parts[0])
        return unresolved(doubtful[0].unknown)

    def _alias(self, lowered: list[str], step: exp.Expr | str) -> Column | None:
        found = self.aliases.get(lowered[0])
        return found.part(lowered[1:], step) if found else None

    def _row(self, lowered: list[str], step: exp.Expr | str) -> Column | None:
        named = [source.relation for source in self.sources if lowered[0] in source.names]
        return named[0].whole(step) if named and len(lowered) == 1 else None

    def star(self) -> "list[Shown]":
        """The columns of `*`, in order."""
        return [shown for source in self.sources for shown in source.shown()]

    def doubt(self) -> str:
        """Why `*` may have more columns than are known."""
        return next((source.relation.unknown for source in self.sources if source.relation.unknown), "")


Shown = tuple[Source, str, Column]
"""A column of `*`, and what it is of."""


def _member(relation: Relation, name: str, written: str) -> Column | None:
    """A column of a relation; if the schema does not have the table, the query is believed that it has the column."""
    if found := relation.find(name):
        return found
    if relation.table:
        return Column({(relation.table, written): Via("copy")})
    return unresolved(relation.unknown) if relation.unknown else None
