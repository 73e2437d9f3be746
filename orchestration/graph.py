"""What Larder makes, as assets and checks of Dagster: made from dbt's manifest of what is published."""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg

from orchestration.project import DATA, MANIFEST, PROJECT, read

GENERATION = dg.AssetKey(["published", "generation"])
DELIVERED = "delivered"
"""The check of a raw table: whether its source could be loaded."""

LOADS = "lake"
"""dbt's source of what ingestion says of itself: all loads write it."""

Node = Mapping[str, Any]


@dataclass
class Graph:
    """Assets and checks, and what an event's subject means: dbt's id of a node, a source, a step."""

    specs: list[dg.AssetSpec] = field(default_factory=list)
    checks: list[dg.AssetCheckSpec] = field(default_factory=list)
    nodes: dict[str, dg.AssetKey] = field(default_factory=dict)
    tests: dict[str, dg.AssetCheckSpec] = field(default_factory=dict)
    sources: dict[str, list[dg.AssetKey]] = field(default_factory=lambda: defaultdict(list))
    steps: dict[str, list[dg.AssetKey]] = field(default_factory=lambda: defaultdict(list))

    def add(self, key: dg.AssetKey, deps: Iterable[dg.AssetKey] = (), **said: Any) -> None:
        """One more asset. A run may leave it as it is."""
        self.specs.append(dg.AssetSpec(key, deps=sorted(set(deps)), skippable=True, **said))


def graph() -> Graph:
    """All that a run makes. Before anything is published that is one asset for each source, and the generation."""
    made = Graph()
    if MANIFEST.exists():
        manifest = json.loads(MANIFEST.read_text(encoding="utf-8"))
        _sources(made, manifest["sources"])
        _nodes(made, manifest["nodes"])
        _ends(made, manifest["exposures"])
        _tests(made, manifest)
    else:
        for contract in sorted((PROJECT / "ingestion/contracts").glob("*.yml")):
            _raw(made, contract.stem, dg.AssetKey(["raw", contract.stem]))
        made.add(GENERATION, [spec.key for spec in made.specs], group_name="published")
    return made


def _sources(made: Graph, sources: Mapping[str, Node]) -> None:
    for name, source in sorted(sources.items()):
        key = made.nodes[name] = dg.AssetKey([source["schema"], source["identifier"]])
        said = {"description": source["description"], "owners": _owners(source)}
        if source["source_name"] == LOADS:
            made.steps["ingest"].append(key)
            made.add(key, group_name="raw", kinds={"parquet"}, **said)
        else:
            _raw(made, source["source_name"], key, **said)


def _raw(made: Graph, source: str, key: dg.AssetKey, **said: Any) -> None:
    made.sources[source].append(key)
    made.add(key, group_name="raw", kinds={"parquet"}, **said)
    made.checks.append(dg.AssetCheckSpec(DELIVERED, asset=key, description=f"{source} could be loaded"))


def _nodes(made: Graph, nodes: Mapping[str, Node]) -> None:
    tables = {
        name: node for name, node in sorted(nodes.items()) if node["resource_type"] in ("model", "seed")
    }
    made.nodes |= {name: dg.AssetKey([node["schema"], node["alias"]]) for name, node in tables.items()}
    for name, node in tables.items():
        made.add(
            made.nodes[name],
            [made.nodes[one] for one in node["depends_on"].get("nodes", []) if one in made.nodes],
            group_name=_group(node),
            description=node["description"],
            owners=_owners(node),
            kinds={"dbt", node["config"]["materialized"]},
            code_version=node["checksum"]["checksum"],
        )


def _group(node: Node) -> str:
    """The layer, and of marts the folder."""
    folders = Path(node["original_file_path"]).parts[:-1]
    return "_".join(folders[1:3] if "marts" in folders else folders[1:2] or folders)


def _owners(node: Node) -> list[str]:
    owner = node["config"].get("meta", {}).get("owner")
    return [f"team:{owner}"] if owner else []


def _ends(made: Graph, exposures: Mapping[str, Node]) -> None:
    """The generation, and what is made of it: a share for each audience, a page for each file."""
    inner = {dep.asset_key for spec in made.specs for dep in spec.deps}
    made.add(GENERATION, set(made.nodes.values()) - inner, group_name="published")
    for audience in sorted(read("governance/audiences.yml")["audiences"]):
        key = dg.AssetKey(["shares", audience])
        made.steps["publish"].append(key)
        made.add(key, [GENERATION], group_name="shares", metadata={"folder": str(DATA / "shares" / audience)})
    read_by = {name.rpartition(".")[2]: one["depends_on"]["nodes"] for name, one in exposures.items()}
    for page in sorted((PROJECT / "reports").glob("*.md")):
        key = dg.AssetKey(["pages", page.stem])
        made.steps["site"].append(key)
        deps = [made.nodes[one] for one in read_by.get(f"report_{page.stem}", []) if one in made.nodes]
        made.add(key, deps or [GENERATION], group_name="pages", kinds={"html"})


def _tests(made: Graph, manifest: Mapping[str, Any]) -> None:
    """Each test as a check of the asset that it is written at, or else of the first that it reads."""
    tests = {name: node for name, node in manifest["nodes"].items() if node["resource_type"] == "test"}
    taken: set[tuple[dg.AssetKey, str]] = set()
    for name, test in sorted((tests | manifest["unit_tests"]).items()):
        read_by = [test.get("attached_node"), *test["depends_on"].get("nodes", [])]
        asset = next((made.nodes[one] for one in read_by if one in made.nodes), GENERATION)
        label = re.sub(r"\W+", "_", test["name"])
        while (asset, label) in taken:
            label += "_"
        taken.add((asset, label))
        made.tests[name] = dg.AssetCheckSpec(label, asset=asset, description=test.get("description") or None)
    made.checks.extend(made.tests.values())
