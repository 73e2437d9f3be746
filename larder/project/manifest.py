"""What the project declares of its tables, read from the manifest that dbt writes."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RELATIONS = {"model", "seed"}
"""Kinds of nodes that leave a relation in the warehouse."""


@dataclass(frozen=True)
class Declared:
    """One table: `grain` names the columns of its key, `classes` the classification of each column (None: it has none)."""

    grain: list[str]
    classes: dict[str, str | None]


def tables(artifacts: Path) -> dict[str, Declared]:
    """Every model and seed by `<schema>.<table>`; empty where dbt has left no manifest that can be read."""
    return {_table(node): _declared(node) for node in _nodes(artifacts).values()}


def deprecated(artifacts: Path) -> list[dict[str, str]]:
    """The versions of models that will go: their `table`, `until` which day, and the table to `use`."""
    nodes = _nodes(artifacts)
    return [
        {
            "table": _table(node),
            "until": node["deprecation_date"][:10],
            "use": _table(nodes[f"{name.rpartition('.')[0]}.v{node['latest_version']}"]),
        }
        for name, node in sorted(nodes.items())
        if node.get("version") and node["deprecation_date"]
    ]


def _nodes(artifacts: Path) -> dict[str, dict[str, Any]]:
    try:
        manifest: dict[str, Any] = json.loads((artifacts / "manifest.json").read_text())
    except (OSError, ValueError):
        return {}
    return {name: node for name, node in manifest["nodes"].items() if node["resource_type"] in RELATIONS}


def _table(node: dict[str, Any]) -> str:
    return f"{node['schema']}.{node['alias'] or node['name']}"


def _declared(node: dict[str, Any]) -> Declared:
    columns = node["columns"].values()
    return Declared(
        grain=node["config"].get("meta", {}).get("grain", []),
        classes={c["name"]: c.get("config", {}).get("meta", {}).get("classification") for c in columns},
    )
