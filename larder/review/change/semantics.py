"""Metrics, semantic models, saved queries and exposures: what changed in them, and what they read by column."""

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import sqlglot
from sqlglot import exp

from larder.project.lineage.names import ROWS
from larder.project.manifest import Artifact
from larder.review.change.changes import NodeChange
from larder.review.change.states import Difference

ELEMENTS = ("entities", "dimensions", "measures")

NO_MEANING = {"label", "description", "config", "meta", "metadata"}
"""What says something of a definition, and changes no figure."""

NAMED = re.compile(r"(?:Dimension|TimeDimension|Entity)\(\s*['\"](\w+)['\"]")

METRIC = ("type", "type_params", "filter", "time_granularity")
SAVED_QUERY = ("query_params",)
EXPOSURE = ("depends_on", "type", "url")

Input = tuple[str, str, str]
"""A node that is read, its column or ROWS, and the own column or ROWS that follows from it."""


class Semantics:
    """The definitions of one manifest."""

    def __init__(self, manifest: Artifact) -> None:
        self.manifest = manifest

    @cached_property
    def order(self) -> list[str]:
        """Semantic models, metrics after those that they are made of, and saved queries."""
        metrics: dict[str, None] = {}

        def visit(name: str) -> None:
            for parent in self.manifest["metrics"][name]["depends_on"]["nodes"]:
                if parent in self.manifest["metrics"] and parent not in metrics:
                    visit(parent)
            metrics[name] = None

        for name in sorted(self.manifest["metrics"]):
            visit(name)
        return [*sorted(self.manifest["semantic_models"]), *metrics, *sorted(self.manifest["saved_queries"])]

    def node(self, name: str) -> Mapping[str, Any]:
        kinds = ("metrics", "semantic_models", "saved_queries", "exposures")
        found: Mapping[str, Any] = next(self.manifest[k][name] for k in kinds if name in self.manifest[k])
        return found

    def inputs(self, name: str) -> Iterator[Input]:
        node = self.node(name)
        if node["resource_type"] == "semantic_model":
            [model] = node["depends_on"]["nodes"]
            yield model, ROWS, ROWS
            for element in elements(node).values():
                yield from ((model, column, element["name"]) for column in _columns(element))
        elif node["resource_type"] == "metric":
            yield from ((parent, column, node["name"]) for parent, column in self._of_metric(node))
        else:
            asked = node["query_params"]
            metrics = {m["name"]: i for i, m in self.manifest["metrics"].items()}
            yield from ((metrics[metric], metric, metric) for metric in asked["metrics"])
            for parent, column in self._named([*asked["group_by"], asked["where"]]):
                yield parent, column, column

    def _of_metric(self, metric: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        params = metric["type_params"]
        for one in params.get("metrics") or []:
            yield next(
                (i, m["name"]) for i, m in self.manifest["metrics"].items() if m["name"] == one["name"]
            )
        used = [measure["name"] for measure in params["input_measures"]]
        for name, model in self.manifest["semantic_models"].items():
            for measure in (measure for measure in model["measures"] if measure["name"] in used):
                yield name, measure["name"]
                time = measure.get("agg_time_dimension") or (model["defaults"] or {}).get(
                    "agg_time_dimension"
                )
                yield name, time or ROWS
        yield from self._named([metric["filter"], params])

    def _named(self, said: Any) -> Iterator[tuple[str, str]]:
        """The dimensions and entities that a filter or a grouping names, of every semantic model that can be meant."""
        for name in NAMED.findall(repr(said).replace("\\", "")):
            *path, last = name.split("__")
            for model, node in self.manifest["semantic_models"].items():
                keys = {
                    node["primary_entity"],
                    *(e["name"] for e in node["entities"] if e["type"] != "foreign"),
                }
                if last in elements(node) and (not path or path[-1] in keys):
                    yield model, last


def changes(before: Artifact, after: Artifact) -> tuple[list[NodeChange], dict[str, Difference]]:
    """The definitions that are others, and the columns by which that reaches who reads them."""
    found: list[NodeChange] = []
    own: dict[str, Difference] = {}
    for kind in ("semantic_models", "metrics", "saved_queries", "exposures"):
        old, new = before[kind], after[kind]
        found += [
            NodeChange(n, "removed", (), "rows", (), (old[n]["original_file_path"],))
            for n in old.keys() - new
        ]
        for name, node in new.items():
            files = (node["original_file_path"],)
            if name not in old:
                found.append(NodeChange(name, "added", (), "additive", (node["name"],), files))
                continue
            parts, difference = (_model if kind == "semantic_models" else _definition)(old[name], node)
            if parts:
                own[name] = difference
                found.append(NodeChange(name, "changed", parts, difference.effect, difference.columns, files))
    return sorted(found, key=lambda change: change.node), own


def elements(model: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Entities, dimensions and measures of a semantic model; a dimension can bear the name of an entity's column."""
    return {element["name"]: {**element, "is": kind} for kind in ELEMENTS for element in model[kind]}


def _columns(element: Mapping[str, Any]) -> list[str]:
    tree = sqlglot.parse_one(element.get("expr") or element["name"], dialect="duckdb")
    return sorted({column.name for column in tree.find_all(exp.Column)}) or [ROWS]


def _model(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[tuple[str, ...], Difference]:
    """An entity or the relation decides what is joined, so it reaches all."""
    was, now = ({name: _bare(e) for name, e in elements(node).items()} for node in (old, new))
    other = [name for name in {**was, **now} if was.get(name) != now.get(name)]
    parts = [f"{(now.get(name) or was[name])['is']} {name}" for name in other]
    relations = [
        (n["node_relation"]["schema_name"], n["node_relation"]["alias"], n["defaults"]) for n in (old, new)
    ]
    whole = relations[0] != relations[1] or old["primary_entity"] != new["primary_entity"]
    whole |= any((now.get(name) or was[name])["is"] == "entities" for name in other if name in was)
    added = frozenset(name for name in other if name not in was)
    found = Difference(whole, frozenset(other) - added, added)
    return (*parts, *(["model"] if relations[0] != relations[1] else [])), found


def _definition(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[tuple[str, ...], Difference]:
    kinds = {"metric": METRIC, "saved_query": SAVED_QUERY, "exposure": EXPOSURE}
    parts = [part for part in kinds[new["resource_type"]] if _bare(old[part]) != _bare(new[part])]
    is_figure = new["resource_type"] != "exposure"
    return tuple(parts), Difference(changed=frozenset([new["name"]] if parts and is_figure else []))


def _bare(value: Any) -> Any:
    """A definition without texts, and with single spaces in its expressions."""
    if isinstance(value, Mapping):
        return {key: _bare(part) for key, part in value.items() if key not in NO_MEANING}
    if isinstance(value, list):
        return [_bare(part) for part in value]
    return " ".join(value.split()) if isinstance(value, str) else value
