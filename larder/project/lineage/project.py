"""Column lineage of the whole project: every column of its models, seeds and sources, kept until what it follows from changes."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property, reduce
from graphlib import TopologicalSorter
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ingestion.core.files import write_atomically
from larder.project.lineage.edges import LAST, Edge, Edges, Lineage, finished, from_json
from larder.project.lineage.names import ROWS, STRENGTH, How, Origin, Schema, unknown
from larder.project.lineage.queries import columns_of, mentioned
from larder.project.manifest import Artifact, leaves_a_relation
from larder.project.manifest import relation as relation_of

BEGINNINGS = {"source", "seed"}
"""Kinds of relations whose columns come from nothing."""

SNAPSHOT = ("dbt_scd_id", "dbt_updated_at", "dbt_valid_from", "dbt_valid_to")
"""The columns that dbt adds to those of a snapshot."""

Columns = dict[str, str]
"""Types by name, in order."""


@dataclass(frozen=True)
class ProjectLineage:
    """The lineage of each relation by `<schema>.<name>`, parents before children. `kinds` are model, seed and source, `called`
    has the names by which the project speaks of a relation.

    Snapshots are of kind snapshot. A column of a seed or a source comes from nothing. Relations that the project does not declare are only origins.
    """

    relations: Mapping[str, Lineage]
    kinds: Mapping[str, str]
    called: Mapping[str, list[str]] = field(default_factory=dict)

    @cached_property
    def _up(self) -> dict[Origin, Edges]:
        return {
            (name, column): edges
            for name, lineage in self.relations.items()
            for column, edges in [*lineage.columns.items(), (ROWS, lineage.rows)]
        }

    @cached_property
    def _down(self) -> dict[Origin, list[Edge]]:
        """The same edges, each with the column that it leads to."""
        found: dict[Origin, list[Edge]] = {}
        for (name, column), edges in self._up.items():
            for edge in edges:
                there = Edge(name, column, edge.how, edge.expression)
                found.setdefault((edge.relation, edge.column), []).append(there)
        return found

    def edges(self) -> Iterator[tuple[Origin, Edge]]:
        """Every edge, after the column that it leads to."""
        return ((column, edge) for column, edges in self._up.items() for edge in edges)

    def unresolved(self) -> dict[Origin, str]:
        """The columns that cannot be told, each with the reason: they count as derived from all that their model reads."""
        return {
            (name, column): reason
            for name, lineage in self.relations.items()
            for column, reason in lineage.unresolved.items()
        }

    def completed(self, types: Mapping[str, Iterable[str]]) -> "ProjectLineage":
        """With the columns that a model is known to have, by `types` or as another relation reads them, and its SQL does not tell of."""
        more: dict[str, dict[str, None]] = {name: dict.fromkeys(own) for name, own in types.items()}
        for _, edge in self.edges():
            if (
                edge.column != ROWS
                and edge.relation in self.relations
                and self.relations[edge.relation].unknown
            ):
                more.setdefault(edge.relation, {})[edge.column] = None
        relations = {
            name: self._with_more(name, more[name]) if name in more else found
            for name, found in self.relations.items()
        }
        return replace(self, relations=relations)

    def _with_more(self, name: str, columns: Iterable[str]) -> Lineage:
        found = self.relations[name]
        if self.kinds[name] in BEGINNINGS:
            return found.with_more(columns, "") if found.unknown else found
        return found.with_more(columns, found.unknown or "the SQL does not give it")

    def upstream(self, relation: str, column: str) -> dict[Origin, How]:
        """All that a column derives from, near or far: computed where any step of the way is."""
        return _reached((relation, column), self._up)

    def downstream(self, relation: str, column: str) -> dict[Origin, How]:
        """All that derives from a column, near or far."""
        return _reached((relation, column), self._down)


def of_manifest(manifest: Artifact, increments: Mapping[str, str], file: Path) -> ProjectLineage:
    """The lineage of a compiled project.

    `increments` has the other branch of each incremental model, by the model's id: a column derives from what either says.
    `file` keeps each lineage under a fingerprint of the SQL, and of the columns that it can read: what is unchanged is not traced
    again.
    """
    before = _read(file)
    now: dict[str, Any] = {}
    schema: dict[str, Columns] = {}
    names: dict[str, str] = {}
    doubts: dict[str, str] = {}
    for node in _parents_first(manifest):
        relation, declared = relation_of(node), _columns(node)
        reads: dict[str, Mapping[str, str]] = {
            names[parent]: schema[names[parent]] for parent in _parents(node) if parent in names
        }
        names[node["unique_id"]] = relation
        schema[relation] = declared  # an increment may read what is there
        if not declared:
            doubts[relation] = f"the columns of {relation} are not declared"
        queries = [sql for sql in (node.get("compiled_code"), increments.get(node["unique_id"])) if sql]
        for sql in queries:
            reads |= mentioned(sql, schema)
        known = [(name, list(columns.items()), doubts.get(name)) for name, columns in reads.items()]
        key = _key([queries, relation, list(declared.items()), known, node["resource_type"]])
        if before.get(relation, {}).get("key") == key:
            now[relation] = before[relation]
        else:
            lineage = _traced(node, queries, relation, reads, doubts).as_json()
            now[relation] = {"key": key, "kind": node["resource_type"], **lineage}
        schema[relation] = declared or dict.fromkeys(now[relation]["values"], "")
        doubts.pop(relation, None)
        if now[relation]["unknown"]:
            doubts[relation] = now[relation]["unknown"]
    if now != before:
        write_atomically(file, json.dumps(now))
    called = {names[node["unique_id"]]: _called(node) for node in _parents_first(manifest)}
    return replace(_of_entries(now), called=called).completed({})


def _of_entries(entries: Mapping[str, Any]) -> ProjectLineage:
    return ProjectLineage(
        {relation: from_json(entry) for relation, entry in entries.items()},
        {relation: entry["kind"] for relation, entry in entries.items()},
    )


def _called(node: Mapping[str, Any]) -> list[str]:
    """The names of a relation in the project: a source's with and without its group, a version's, and the latest one's without it."""
    name, version = node.get("name", ""), node.get("version")
    if node["resource_type"] == "source":
        return [f"{node.get('source_name')}.{name}", name]
    versions = [f"{name}_v{version}", f"{name}.v{version}"] if version else []
    return [*versions, *([name] if version == node.get("latest_version") else [])]


def _parents_first(manifest: Artifact) -> Iterator[Mapping[str, Any]]:
    """Sources, then seeds, models and snapshots, as far as they leave a relation."""
    nodes = dict(sorted(manifest["nodes"].items()))
    parents = {name: _parents(node) for name, node in nodes.items()}  # also of those that leave none
    yield from manifest["sources"].values()
    yield from (
        nodes[name]
        for name in TopologicalSorter(parents).static_order()
        if name in nodes and leaves_a_relation(nodes[name])
    )


def _parents(node: Mapping[str, Any]) -> list[str]:
    found: list[str] = node.get("depends_on", {}).get("nodes", [])  # seeds and sources have none
    return found


def _columns(node: Mapping[str, Any]) -> Columns:
    return {name: column["data_type"] or "" for name, column in node["columns"].items()}


def _traced(
    node: Mapping[str, Any], queries: list[str], relation: str, reads: Schema, doubts: Mapping[str, str]
) -> Lineage:
    """The lineage of one relation, with the columns of its contract if it has one."""
    declared = _columns(node)
    if node["resource_type"] in BEGINNINGS:
        return Lineage(dict.fromkeys(declared, ()), unknown=doubts.get(relation, ""))
    if node.get("language") != "sql" or not queries:
        whole = finished(unknown(f"there is no compiled SQL of {node['name']}"), reads, doubts)
    else:
        whole = reduce(Lineage.joined, [columns_of(sql, reads, doubts) for sql in queries])
    if node["resource_type"] == "snapshot":
        whole = whole.with_more(_of_snapshots(node), "dbt fills it")
    return (whole.declared(declared) if declared else whole.certain()).without_itself(relation)


def _of_snapshots(node: Mapping[str, Any]) -> list[str]:
    """The names of the columns that dbt adds, which a project can choose."""
    chosen = node["config"].get("snapshot_meta_column_names") or {}
    return [chosen.get(name) or name for name in SNAPSHOT]


def _key(follows_from: list[Any]) -> str:
    """A hash of all that a lineage follows from."""
    return hashlib.sha256(json.dumps([_code(), follows_from]).encode()).hexdigest()[:24]


@cache
def _code() -> str:
    """A hash of what reads the SQL."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(f.read_bytes() for f in files) + version("sqlglot").encode()).hexdigest()


def _read(file: Path) -> dict[str, dict[str, Any]]:
    """The lineage of each relation that was kept; nothing of a file that cannot be read."""
    try:
        relations: dict[str, dict[str, Any]] = json.loads(file.read_text())
        _of_entries(relations)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
    return relations


def _reached(start: Origin, edges: Mapping[Origin, Edges | list[Edge]]) -> dict[Origin, How]:
    """What can be reached from a column; of several ways the strongest counts."""
    found: dict[Origin, How] = {}
    todo: list[tuple[Origin, How]] = [(start, "copy")]
    while todo:
        here, how = todo.pop()
        for edge in edges.get(here, ()):
            there, through = (edge.relation, edge.column), max(how, edge.how, key=LAST.index)
            if there not in found or STRENGTH[through] > STRENGTH[found[there]]:
                found[there] = through
                todo.append((there, through))
    return found
