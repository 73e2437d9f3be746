"""What the project declares of its tables, read from the manifest that dbt writes."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Artifact = Mapping[str, Any]
"""dbt's manifest.json."""

SEMANTICS = "semantic_manifest.json"
"""dbt's file of metrics and semantic models."""

RELATIONS = {"model", "seed"}
"""Kinds of nodes that leave a relation in the warehouse."""


@dataclass(frozen=True)
class Declared:
    """One table: `grain` names the columns of its key, `classes` the classification of each column (None: it has none)."""

    grain: list[str]
    classes: dict[str, str | None]


def tables(artifacts: Path) -> dict[str, Declared]:
    """Every model and seed by `<schema>.<table>`; empty where dbt has left no manifest that can be read."""
    return {relation(node): declared(node) for node in _nodes(read(artifacts)).values()}


def deprecated(project: Artifact) -> list[dict[str, str]]:
    """The versions of models that will go: their `table`, `until` which day, and the table to `use`."""
    nodes = _nodes(project)
    return [
        {
            "table": relation(node),
            "until": node["deprecation_date"][:10],
            "use": relation(nodes[f"{name.rpartition('.')[0]}.v{node['latest_version']}"]),
        }
        for name, node in sorted(nodes.items())
        if node.get("version") and node["deprecation_date"]
    ]


def relation(node: Mapping[str, Any]) -> str:
    """`<schema>.<table>` of a model, seed, snapshot or source."""
    return f"{node['schema']}.{node.get('identifier') or node['alias'] or node['name']}"


def leaves_a_relation(node: Mapping[str, Any]) -> bool:
    """Whether a node of dbt's graph is a table or view in the warehouse, snapshots included."""
    kinds = {*RELATIONS, "snapshot"}
    return node["resource_type"] in kinds and node["config"].get("materialized") != "ephemeral"


def kind(node: str) -> str:
    """The kind of a node by its id, where a unit test is a test."""
    return node.partition(".")[0].removeprefix("unit_")


def short_name(node: str) -> str:
    """The name that people and `dbt --select` use: `model.larder.dim_stores` is dim_stores, with its version if it has one."""
    kind, _, *names = node.split(".")
    return ".".join(names) if kind in {"model", "unit_test"} else names[0]


def read(artifacts: Path) -> Artifact:
    """The manifest in a folder of artifacts; empty where there is none that can be read."""
    try:
        found: Artifact = json.loads((artifacts / "manifest.json").read_text())
    except (OSError, ValueError):
        return {}
    return found


def macros(manifest: Artifact) -> dict[str, str]:
    """The code of each macro by its name: of two of a name, that of the project."""
    ours = manifest.get("metadata", {}).get("project_name")
    found = sorted(manifest.get("macros", {}).values(), key=lambda macro: macro["package_name"] == ours)
    return {macro["name"]: macro["macro_sql"] for macro in found}


def edited_files(node: str, before: Artifact, now: Artifact) -> list[str]:
    """The files that make a node another one than it was: its own, the macros that it uses, else its YAML."""
    new, old = _find(node, now), _find(node, before)
    if not new:
        return [old["original_file_path"]] if old else []
    if not old:
        return [new["original_file_path"]]
    parts = ("raw_code", "checksum", "test_metadata", "given", "expect", "overrides", "query_params")
    own = [new["original_file_path"]] if any(new.get(p) != old.get(p) for p in parts) else []
    macros = [
        macro["original_file_path"]
        for name, macro in used_macros(new, now)
        if macro["macro_sql"] != before["macros"].get(name, {}).get("macro_sql")
    ]
    if new.get("resource_type") == "saved_query":  # it carries all definitions
        own += _edited_definitions(before, now)
    declared = (new.get("patch_path") or new["original_file_path"]).rpartition("://")[2]
    changed = any(new.get(part) != old.get(part) for part in ("config", "columns", "constraints"))
    return sorted({*own, *macros}) or ([declared] if changed else [])


def _edited_definitions(before: Artifact, now: Artifact) -> list[str]:
    """The files of metrics and semantic models that are not what they were."""
    return [
        definition["original_file_path"]
        for kind in ("metrics", "semantic_models")
        for name, definition in now[kind].items()
        if {**definition, "created_at": 0} != {**before[kind].get(name, {}), "created_at": 0}
    ]


def _find(node: str, manifest: Artifact) -> dict[str, Any]:
    kinds = ("nodes", "unit_tests", "saved_queries", "exposures")
    return next((manifest[k][node] for k in kinds if node in manifest.get(k, {})), {})


def used_macros(node: Mapping[str, Any], manifest: Artifact) -> Iterator[tuple[str, dict[str, Any]]]:
    """The macros that a node uses, directly or through others."""
    todo, seen = [*node["depends_on"].get("macros", [])], set()
    while todo:
        name = todo.pop()
        if name not in seen and name in manifest["macros"]:
            seen.add(name)
            macro = manifest["macros"][name]
            todo += macro["depends_on"]["macros"]
            yield name, macro


def _nodes(project: Artifact) -> dict[str, dict[str, Any]]:
    nodes = project.get("nodes", {})
    return {name: node for name, node in nodes.items() if node["resource_type"] in RELATIONS}


def declared(node: Mapping[str, Any]) -> Declared:
    """What a node's YAML says of its table."""
    columns = node["columns"].values()
    return Declared(
        grain=node["config"].get("meta", {}).get("grain", []),
        classes={c["name"]: c.get("config", {}).get("meta", {}).get("classification") for c in columns},
    )
