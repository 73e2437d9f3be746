"""What the project declares of its tables, read from the manifest that dbt writes."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

KINDS = {"model", "seed", "snapshot"}


@dataclass(frozen=True)
class Declared:
    """One table: `grain` names the columns of its key, `classes` the classification of each column (None: it has none)."""

    grain: list[str]
    classes: dict[str, str | None]


def tables(artifacts: Path) -> dict[str, Declared]:
    """Every model, seed and snapshot by `<schema>.<table>`; empty where dbt has left no manifest that can be read."""
    try:
        manifest: dict[str, Any] = json.loads((artifacts / "manifest.json").read_text())
    except (OSError, ValueError):
        return {}
    nodes = [node for node in manifest["nodes"].values() if node["resource_type"] in KINDS]
    return {f"{node['schema']}.{node['alias'] or node['name']}": _declared(node) for node in nodes}


def _declared(node: dict[str, Any]) -> Declared:
    columns = node["columns"].values()
    return Declared(
        grain=node["config"].get("meta", {}).get("grain", []),
        classes={c["name"]: c.get("config", {}).get("meta", {}).get("classification") for c in columns},
    )
