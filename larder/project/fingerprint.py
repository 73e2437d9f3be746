"""What a node's result depends on, in one place: its logic, the logic above it, and the loads that flow in.

Two nodes with the same fingerprint give the same table. White space and comments do not count; a macro counts where it
is used; a description does not change a table.
"""

import hashlib
import json
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlglot
from sqlglot.errors import SqlglotError

from ingestion.lake.visible import last_filled_load, refresh_all
from ingestion.sources import NAMES
from larder.core.settings import PROJECT

PROJECT_PARTS = (
    "dbt_project.yml",
    "profiles.yml",
    "requirements/run.txt",
    "macros",
    "models",
    "seeds",
    "snapshots",
    "tests",
)
CONFIG = (
    "materialized",
    "incremental_strategy",
    "unique_key",
    "on_schema_change",
    "pre-hook",
    "post-hook",
    "column_types",
)
TEST_CONFIG = ("severity", "error_if", "warn_if", "where", "limit", "fail_calc")
METRIC = ("name", "label", "description", "type", "type_params", "filter", "meta")
SEMANTIC_MODEL = ("node_relation", "primary_entity", "entities", "dimensions", "measures", "defaults")
DATA_KINDS = {"model", "seed", "snapshot"}


@dataclass(frozen=True)
class Fingerprint:
    """One node of the project: hashes of its own `parts`, and of its `logic` with everything above it.

    `relation` is the table or view that it leaves in the warehouse, empty for a test; a model with versions leaves one for
    each. `sources` are the sources whose loads reach it, `columns` the contracted names and types. `reads_data` is False
    for views, seeds and unit tests: new loads do not make them run again.
    """

    node: str
    relation: str
    parts: dict[str, str]
    logic: str
    parents: list[str]
    sources: list[str]
    columns: dict[str, str]
    incremental: bool
    reads_data: bool


def loads(lake: Path) -> dict[str, dict[str, str | int]]:
    """The last load of every source that brought anything, and its position in the source's log; empty before there is one.

    First brings the record of what readers see up to what the lake holds: a killed ingestion may have left it behind.
    """
    refresh_all(lake)
    found = {source: last_filled_load(lake / "raw" / source) for source in NAMES}
    return {
        source: {"load_id": last[0], "position": last[1]} if last else {} for source, last in found.items()
    }


def project() -> str:
    """A hash of every file that may decide what dbt builds: the quick answer to "has anything changed?"."""
    digest = hashlib.sha256()
    for path in _files():
        digest.update(path.relative_to(PROJECT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def nodes(manifest: Mapping[str, Any]) -> dict[str, Fingerprint]:
    """Fingerprints of all models, seeds, snapshots, tests, unit tests, saved queries and exposures of a compiled manifest.

    Parents come before their children.
    """
    kinds = ("nodes", "unit_tests", "saved_queries", "exposures")
    everything = {name: node for kind in kinds for name, node in manifest[kind].items()}
    wanted = {name: node for name, node in everything.items() if node["resource_type"] != "operation"}
    found: dict[str, Fingerprint] = {}
    for name in _parents_first(wanted):
        found[name] = _fingerprint(wanted[name], manifest, found)
    return found


def git_revision() -> str:
    """The checked-out revision, with `+changes` when the tree is not clean; empty outside a git checkout."""
    result = subprocess.run(
        ["git", "describe", "--always", "--dirty=+changes", "--abbrev=12"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
    )
    return result.stdout.strip()


def _fingerprint(
    node: Mapping[str, Any], manifest: Mapping[str, Any], above: Mapping[str, Fingerprint]
) -> Fingerprint:
    kind, depends = node["resource_type"], _depends_on(node)
    parents = [name for name in depends if name in above]
    parts = {part: _hash(value) for part, value in _parts(node, manifest).items()}
    sources = {name.split(".")[2] for name in depends if name.startswith("source.")}
    sources.update(source for parent in parents for source in above[parent].sources)
    materialized = node["config"].get("materialized")
    return Fingerprint(
        node=node["unique_id"],
        relation=node["alias"] if kind in DATA_KINDS else "",
        parts=parts,
        logic=_hash([parts, [above[parent].logic for parent in sorted(parents)]]),
        parents=sorted(parents),
        sources=sorted(sources),
        columns=_columns(node) if kind == "model" else {},
        incremental=materialized == "incremental",
        reads_data=kind == "test"
        or (kind in {"model", "snapshot"} and materialized not in {"view", "ephemeral"}),
    )


def _parts(node: Mapping[str, Any], manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What the node itself consists of, by the words in which a person would name a change."""
    config, kind = node["config"], node["resource_type"]
    if kind == "seed":
        return {"rows": node["checksum"]["checksum"], "configuration": {k: config.get(k) for k in CONFIG}}
    if kind == "unit_test":
        return {"definition": {k: node[k] for k in ("model", "given", "expect", "overrides")}}
    if kind == "exposure":
        return {}
    if kind == "saved_query":  # dbt builds nothing for it: it carries the definitions into the generation
        return {"definition": node["query_params"], "metrics": _definitions(manifest)}
    if kind == "test":
        return {
            "SQL": normalised(node["compiled_code"]),
            "configuration": {k: config.get(k) for k in TEST_CONFIG},
        }
    parts: dict[str, Any] = {
        "name": [node["schema"], node["alias"]],
        "SQL": normalised(node["compiled_code"]),
        "configuration": {k: config.get(k) for k in CONFIG},
        "contract": [_columns(node), _checks(node)],
    }
    if config["materialized"] in {"incremental", "snapshot"}:
        # Compiled, such a model shows one of its two branches: the other one counts as it is written.
        parts["incremental logic"] = [
            _text(node["raw_code"]),
            *_macros(_named_macros(node, manifest), manifest),
        ]
    return parts


def _named_macros(node: Mapping[str, Any], manifest: Mapping[str, Any]) -> list[str]:
    """The project's macros that an incremental model and its hooks name.

    dbt's own list is a part of these, without those of the branch that it did not take.
    """
    hooks = [hook["sql"] for when in ("pre-hook", "post-hook") for hook in node["config"][when]]
    words = set(re.findall(r"\w+", " ".join([node["raw_code"], *hooks])))
    return [
        name
        for name, macro in manifest["macros"].items()
        if macro["package_name"] == "larder" and macro["name"] in words
    ]


def _definitions(manifest: Mapping[str, Any]) -> list[Any]:
    """All that `larder metric` answers by: every metric joins with whatever the semantic models offer."""
    return [
        {part: node.get(part) for part in (*METRIC, *SEMANTIC_MODEL)}
        for kind in ("metrics", "semantic_models")
        for _, node in sorted(manifest[kind].items())
    ]


def _columns(node: Mapping[str, Any]) -> dict[str, str]:
    """Names, types and constraints that the contract promises to a reader; what it checks of the rows is in `_checks`."""
    return {
        name: " ".join([column["data_type"] or "", *sorted(_promises(column))]).strip()
        for name, column in node["columns"].items()
        if node["config"]["contract"]["enforced"]
    }


def _promises(column: Mapping[str, Any]) -> list[str]:
    return [constraint["type"] for constraint in column["constraints"] if constraint["type"] != "check"]


def _checks(node: Mapping[str, Any]) -> list[str]:
    """The conditions that the contract holds every row to: a table that stands does not get them by itself."""
    constraints = [c for part in (node, *node["columns"].values()) for c in part.get("constraints", [])]
    return sorted(_text(c["expression"]) for c in constraints if c["type"] == "check")


def _macros(names: list[str], manifest: Mapping[str, Any]) -> list[str]:
    """The project's own macros that a node uses, directly or through others, as text."""
    seen: dict[str, str] = {}
    todo = list(names)
    while todo:
        name = todo.pop()
        if name not in seen:
            macro = manifest["macros"][name]
            seen[name] = _text(macro["macro_sql"])
            todo += [above for above in macro["depends_on"]["macros"] if above.startswith("macro.larder.")]
    return [seen[name] for name in sorted(seen)]


def normalised(sql: str) -> str:
    """SQL without what does not matter: layout, comments, case of keywords. What cannot be parsed stays as text."""
    try:
        return ";".join(
            tree.sql(dialect="duckdb", comments=False)
            for tree in sqlglot.parse(sql, dialect="duckdb")
            if tree
        )
    except SqlglotError:
        return _text(sql)


def _text(code: str) -> str:
    """Code without comments, and with single spaces outside of its strings."""
    pieces = re.split(r"('(?:[^']|'')*'|\{#.*?#\}|--[^\n]*|/\*.*?\*/)", code, flags=re.DOTALL)
    kept = [
        p if p.startswith("'") else " " if p.startswith(("{#", "--", "/*")) else re.sub(r"\s+", " ", p)
        for p in pieces
    ]
    return re.sub(r" +", " ", "".join(kept)).strip()


def _parents_first(wanted: Mapping[str, Mapping[str, Any]]) -> list[str]:
    order: dict[str, None] = {}

    def visit(name: str) -> None:
        if name in wanted and name not in order:
            for parent in _depends_on(wanted[name]):
                visit(parent)
            order[name] = None

    for name in sorted(wanted):
        visit(name)
    return list(order)


def _depends_on(node: Mapping[str, Any]) -> list[str]:
    found: list[str] = node["depends_on"].get("nodes", [])  # seeds have none
    return found


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def _files() -> list[Path]:
    found = []
    for part in PROJECT_PARTS:
        path = PROJECT / part
        found += (
            [path]
            if path.is_file()
            else [p for p in path.rglob("*") if p.suffix in {".sql", ".yml", ".csv", ".md", ".txt"}]
        )
    return sorted(found)
