"""A compiled project with its lineage, and what two of them have in common."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from larder.build.compiled import Compiled
from larder.project.lineage.names import ROWS
from larder.project.lineage.project import ProjectLineage
from larder.project.manifest import Artifact, leaves_a_relation
from larder.project.manifest import relation as relation_of
from larder.review.change.changes import Effect
from larder.review.change.meaning import Identity

DATA = {"model", "seed", "snapshot", "source"}
"""Kinds of nodes with columns."""


@dataclass(frozen=True)
class State:
    """A compiled project. `renamed` gives the id that a node had in the state before, where that is another one; `spelt` the same
    for the columns of a node."""

    compiled: Compiled
    lineage: ProjectLineage
    renamed: dict[str, str] = field(default_factory=dict)
    spelt: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def manifest(self) -> Artifact:
        return self.compiled.manifest

    @cached_property
    def data(self) -> dict[str, Mapping[str, Any]]:
        """The nodes with columns, by their ids: relations after all that they read."""
        everything = {**self.manifest["sources"], **self.manifest["nodes"]}
        ordered = [*(self.ids[name] for name in self.lineage.relations if name in self.ids), *everything]
        return {name: everything[name] for name in ordered if everything[name]["resource_type"] in DATA}

    @cached_property
    def ids(self) -> dict[str, str]:
        """The node of each relation."""
        everything = [*self.manifest["sources"].values(), *self.manifest["nodes"].values()]
        return {
            relation_of(node): node["unique_id"]
            for node in everything
            if node["resource_type"] == "source" or leaves_a_relation(node)
        }

    @cached_property
    def columns(self) -> dict[str, list[str]]:
        """The columns of each relation, in order."""
        return {name: [*lineage.values] for name, lineage in self.lineage.relations.items()}

    def columns_of(self, node: str) -> list[str]:
        return next((self.columns.get(relation, []) for relation, own in self.ids.items() if own == node), [])

    def identity(self, relation: str) -> Identity:
        """What a relation and its columns are known by in both states."""
        node = self.ids.get(relation, relation)
        return self.renamed.get(node, node), self.spelt.get(node, {})

    def queries(self, node: str) -> list[str]:
        """The SQL of a node; of an incremental model that of a whole build, and that of an increment."""
        found = [self.data[node].get("compiled_code"), self.compiled.increments.get(node)]
        return [sql for sql in found if sql]

    def read_columns(self, node: str) -> dict[str, list[str]]:
        """The columns of what a node reads, by what both states know it by."""
        parents = self.data[node].get("depends_on", {}).get("nodes", [])
        relations = [relation for relation, own in self.ids.items() if own in parents]
        return {self.identity(name)[0]: self.columns.get(name, []) for name in relations}


@dataclass(frozen=True)
class Difference:
    """What happens to a relation's data: to any of its `rows`, or to columns that are `changed` (or gone) or `new`, in lower case."""

    rows: bool = False
    changed: frozenset[str] = frozenset()
    new: frozenset[str] = frozenset()

    def __or__(self, other: "Difference") -> "Difference":
        return Difference(self.rows or other.rows, self.changed | other.changed, self.new | other.new)

    @property
    def effect(self) -> Effect:
        return "rows" if self.rows else "columns" if self.changed else "additive" if self.new else "nothing"

    @property
    def columns(self) -> tuple[str, ...]:
        return () if self.rows else tuple(sorted(self.changed | self.new))

    @property
    def reaches(self) -> frozenset[str]:
        """The columns by which others are reached, or ROWS."""
        return frozenset({ROWS}) if self.rows else self.changed


ANY = Difference(rows=True)
