"""Column lineage of the whole project: every column of its models, seeds and sources, kept until what it follows from changes."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from graphlib import TopologicalSorter
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ingestion.core.files import write_atomically
from larder.project.lineage.edges import LAST, Edge, Edges, Lineage, finished, from_json
from larder.project.lineage.names import ROWS, STRENGTH, How, Origin, Schema, unknown
from larder.project.lineage.queries import columns_of, mentioned
from larder.project.manifest import RELATIONS, Artifact

Columns = dict[str, str]
"""Types by name, in order."""


@dataclass(frozen=True)
class ProjectLineage:
    """The lineage of each relation by `<schema>.<name>`, parents before children. `kinds` are model, seed and source.

    A column of a seed or a source comes from nothing. Relations that the project does not declare are only origins.
    """

    relations: Mapping[str, Lineage]
    kinds: Mapping[str, str]

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

    def upstream(self, relation: str, column: str) -> dict[Origin, How]:
        """All that a column derives from, near or far: computed where any step of the way is."""
        return _reached((relation, column), self._up)

    def downstream(self, relation: str, column: str) -> dict[Origin, How]:
        """All that derives from a column, near or far."""
        return _reached((relation, column), self._down)


def of_manifest(manifest: Artifact, increments: Mapping[str, str], kept: Path) -> ProjectLineage:
    """The lineage of a compiled project.

    `increments` has the other branch of each incremental model, by the model's id: a column derives from what either says.
    `kept` is a file with the lineage of an earlier project: what a model's SQL and its parents' columns leave unchanged is read from
    there, and the file is written again.
    """
    nodes = {name: node for name, node in manifest["nodes"].items() if _has_relation(node)}
    kinds = {
        f"{source['schema']}.{source['identifier']}": "source" for source in manifest["sources"].values()
    }
    schema: dict[str, Columns] = {
        f"{source['schema']}.{source['identifier']}": _columns(source)
        for source in manifest["sources"].values()
    }
    relations = {name: Lineage(dict.fromkeys(columns, ())) for name, columns in schema.items()}
    before, now = _read(kept), {}
    for node in _parents_first(nodes):
        relation = f"{node['schema']}.{node['alias']}"
        queries = [sql for sql in (node.get("compiled_code"), increments.get(node["unique_id"])) if sql]
        schema[relation] = _columns(node)  # an increment may read what is there
        key = _key(queries, relation, schema)
        entry = before.get(key) or _traced(node, queries, relation, schema).as_json()
        now[key] = entry
        relations[relation] = from_json(entry)
        kinds[relation] = node["resource_type"]
        schema[relation] = schema[relation] or dict.fromkeys(relations[relation].values, "")
    if now != before:
        write_atomically(kept, json.dumps(now))
    return ProjectLineage(relations, kinds)


def _has_relation(node: Mapping[str, Any]) -> bool:
    return node["resource_type"] in RELATIONS and node["config"]["materialized"] != "ephemeral"


def _parents_first(nodes: Mapping[str, Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    parents = {name: node["depends_on"].get("nodes", []) for name, node in sorted(nodes.items())}
    return (nodes[name] for name in TopologicalSorter(parents).static_order() if name in nodes)


def _columns(node: Mapping[str, Any]) -> Columns:
    return {name: column["data_type"] or "" for name, column in node["columns"].items()}


def _traced(node: Mapping[str, Any], queries: list[str], relation: str, schema: Schema) -> Lineage:
    """The lineage of one model or seed, with the columns of its contract if it has one."""
    declared = schema[relation]
    if node["resource_type"] == "seed":
        return Lineage(dict.fromkeys(declared, ()))
    if node["language"] != "sql" or not queries:
        return finished(unknown(f"there is no compiled SQL of {node['name']}"), schema).declared(declared)
    whole, *others = [columns_of(sql, schema) for sql in queries]
    for other in others:
        whole = whole.joined(other)
    return whole.declared(declared or whole.values).without_itself(relation)


def _key(queries: list[str], relation: str, schema: Schema) -> str:
    """A hash of all that a lineage follows from."""
    reads = {name: list(own.items()) for sql in queries for name, own in mentioned(sql, schema).items()}
    content = [_code(), queries, relation, list(schema[relation].items()), sorted(reads.items())]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:24]


@cache
def _code() -> str:
    """A hash of what reads the SQL."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(f.read_bytes() for f in files) + version("sqlglot").encode()).hexdigest()


def _read(kept: Path) -> dict[str, Any]:
    """What was kept; nothing where there is no file, or none that can be read."""
    try:
        found = json.loads(kept.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


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
