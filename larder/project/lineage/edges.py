"""The lineage of one relation, as it is handed out and kept."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from larder.project.lineage.names import ROWS, SEVERAL, STRENGTH, Column, How, Origin, Relation, Schema, Via
from larder.project.lineage.turns import STEP, left_of

LAST: list[How] = ["copy", "mod", "scan"]
"""Of two steps the later in this list tells what both do: what is computed and then decides rows only decides rows."""


@dataclass(frozen=True, order=True, slots=True)
class Edge:
    """One column that another one derives from, or with ROWS as `column` which rows a relation has.

    `how` is `copy` (the value as it is), `mod` (computed, by `expression`: its steps from the innermost) or `scan` (it only decides
    which rows there are). Where several are true, it is the strongest: mod before copy before scan.
    """

    relation: str
    column: str
    how: How
    expression: str = ""

    def through(self, later: "Edge") -> "Edge":
        """This edge, and then another one that begins where it ends."""
        how = max(self.how, later.how, key=LAST.index)
        steps = [edge.expression for edge in (self, later) if edge.expression and how == "mod"]
        return Edge(self.relation, self.column, how, STEP.join(steps))


Edges = tuple[Edge, ...]


@dataclass(frozen=True)
class Lineage:
    """Where the columns of a relation come from: `values` by their names, in order, and spelt as the relation spells them.

    `rows` is what decides which rows there are, for all columns alike. `unresolved` says why not all is known of a column, or of
    ROWS; such a column has an edge from `everything` that is read. `unknown` says why there may be more columns.
    """

    values: Mapping[str, Edges] = field(default_factory=dict)
    rows: Edges = ()
    unresolved: Mapping[str, str] = field(default_factory=dict)
    unknown: str = ""
    everything: Edges = ()

    @property
    def columns(self) -> dict[str, Edges]:
        """All edges of each column. ROWS of a relation is an origin only where none of its columns is one."""
        return {name: _together(edges, self.rows) for name, edges in self.values.items()}

    def declared(self, names: Iterable[str]) -> "Lineage":
        """With exactly the columns that a contract names, in its order and spelling; one that is not known is unresolved."""
        known = {name.lower(): name for name in self.values}
        values: dict[str, Edges] = {}
        unresolved = {ROWS: self.unresolved[ROWS]} if ROWS in self.unresolved else {}
        for name in names:
            own = known.get(name.lower(), "")
            values[name] = self.values.get(own, self.everything)
            if reason := self.unresolved.get(own, "") if own else self.unknown or "the SQL does not give it":
                unresolved[name] = reason
        return replace(self, values=values, unresolved=unresolved, unknown="")

    def certain(self) -> "Lineage":
        """Nothing but doubt where there may be more columns: whoever reads its rows may read those, and all that they derive from."""
        if not self.unknown:
            return self
        reasons = dict.fromkeys([*self.values, ROWS], self.unknown)
        return replace(
            self,
            values=dict.fromkeys(self.values, self.everything),
            rows=self.everything,
            unresolved={**reasons, **self.unresolved},
        )

    def with_more(self, names: Iterable[str], reason: str) -> "Lineage":
        """With columns that it does not have: they are unresolved."""
        own = {name.lower() for name in self.values}
        more = [name for name in names if name.lower() not in own]
        return replace(
            self,
            values={**self.values, **dict.fromkeys(more, self.everything)},
            unresolved={**self.unresolved, **dict.fromkeys(more, reason)} if reason else self.unresolved,
        )

    def joined(self, other: "Lineage") -> "Lineage":
        """What is true of either of two queries that write the same relation."""
        values = {name: _strongest(edges, other.values.get(name, ())) for name, edges in self.values.items()}
        return Lineage(
            {**other.values, **values},
            _strongest(self.rows, other.rows),
            {**other.unresolved, **self.unresolved},
            self.unknown or other.unknown,
            _strongest(self.everything, other.everything),
        )

    def without_itself(self, relation: str) -> "Lineage":
        """In place of edges from the relation's own columns, as an increment has them that reads what is there, the edges of those."""
        own = {**self.values, ROWS: self.rows}

        def followed(edges: Edges) -> Edges:
            found, todo, seen = list(edges), list(edges), set()
            while todo:
                edge = todo.pop()
                if edge.relation == relation and (edge.column, edge.how) not in seen:
                    seen.add((edge.column, edge.how))
                    further = [next_.through(edge) for next_ in own.get(edge.column, ())]
                    found += further
                    todo += further
            return tuple(edge for edge in _strongest(found) if edge.relation != relation)

        values = {name: followed(edges) for name, edges in self.values.items()}
        return replace(self, values=values, rows=followed(self.rows), everything=followed(self.everything))

    def as_json(self) -> dict[str, Any]:
        """What `from_json` takes."""
        return {
            "values": {name: [_row(edge) for edge in edges] for name, edges in self.values.items()},
            "rows": [_row(edge) for edge in self.rows],
            "unresolved": self.unresolved,
            "unknown": self.unknown,
            "everything": [_row(edge) for edge in self.everything],
        }


def from_json(kept: Mapping[str, Any]) -> Lineage:
    """The lineage that was kept."""
    values = {name: _edges_of(edges) for name, edges in kept["values"].items()}
    rows, everything = _edges_of(kept["rows"]), _edges_of(kept["everything"])
    return Lineage(values, rows, kept["unresolved"], kept["unknown"], everything)


def _edges_of(rows: Iterable[Iterable[Any]]) -> Edges:
    return tuple(Edge(*row) for row in rows)


def finished(relation: Relation, reads: Schema, doubts: Collection[str] = ()) -> Lineage:
    """The lineage of a query's result, which reads no more than the relations of `reads`; those of `doubts` may have more columns."""
    everything = tuple(
        Edge(name, column, "mod")
        for name, columns in reads.items()
        for column in ([*columns, ROWS] if name in doubts else columns or (ROWS,))
    )
    rows = relation.rows
    reasons = {name: column.unresolved or rows.unresolved for name, column in relation.columns}
    texts: dict[int, str] = {}
    return Lineage(
        {name: everything if reasons[name] else _edges(column, texts) for name, column in relation.columns},
        everything if rows.unresolved else _edges(rows, texts),
        {name: reason for name, reason in {**reasons, ROWS: rows.unresolved}.items() if reason},
        relation.unknown,
        everything,
    )


def _edges(column: Column, texts: dict[int, str]) -> Edges:
    return tuple(_edge(origin, via, texts) for origin, via in column.origins.items())


def _edge(origin: Origin, via: Via, texts: dict[int, str]) -> Edge:
    """`texts` keeps what has been written already: the columns of a query share most of their steps."""
    for step in via.steps:
        if id(step) not in texts:
            text = step if isinstance(step, str) else step.sql("duckdb", comments=False)
            texts[id(step)] = text.replace(STEP, " ")  # a text of the query that has it would make two of one
    return Edge(*origin, via.how, STEP.join(texts[id(step)] for step in via.steps))


def _row(edge: Edge) -> tuple[str, ...]:
    whole = (edge.relation, edge.column, edge.how, edge.expression)
    return whole if edge.expression else whole[:3]


def _strongest(*several: Iterable[Edge]) -> Edges:
    """One edge for each origin."""
    found: dict[Origin, Edge] = {}
    for edge in (edge for edges in several for edge in edges):
        origin = (edge.relation, edge.column)
        found[origin] = _either(found[origin], edge) if origin in found else edge
    return tuple(found.values())


def _either(one: Edge, other: Edge) -> Edge:
    """Of two edges the one that says more, but never by a computation that lets less through than the other."""
    more, less = (other, one) if STRENGTH[other.how] > STRENGTH[one.how] else (one, other)
    if less.how == "scan" or left_of(more.expression) <= left_of(less.expression):
        return more
    return replace(more, how="mod", expression=SEVERAL)


def _together(values: Edges, rows: Edges) -> Edges:
    edges = _strongest(values, rows)
    named = {edge.relation for edge in edges if edge.column != ROWS}
    return tuple(edge for edge in edges if edge.column != ROWS or edge.relation not in named)
