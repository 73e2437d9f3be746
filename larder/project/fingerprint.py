"""What a node's result depends on, in one place: its logic, the logic above it, and the loads that flow in.

Two nodes with the same fingerprint give the same table. White space and comments do not count; a macro counts where it
is used; a description does not change a table.
"""

import hashlib
import json
import re
import subprocess
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import yaml

from larder.core.errors import LarderError
from larder.core.settings import PROJECT
from larder.project.manifest import RELATIONS

PROJECT_PARTS = (
    "dbt_project.yml",
    "profiles.yml",
    "requirements/run.txt",
    "macros",
    "models",
    "seeds",
    "tests",
)
SUFFIXES = {".sql", ".yml", ".yaml", ".csv", ".md", ".txt"}

CONFIG = (
    "materialized",
    "incremental_strategy",
    "unique_key",
    "on_schema_change",
    "column_types",
    "delimiter",
    "quote_columns",
    "sql_header",
)
PROMISES = {"not_null", "unique", "primary_key", "foreign_key"}
"""Constraints of a column that a reader relies on."""

TEST_CONFIG = ("severity", "error_if", "warn_if", "where", "limit", "fail_calc")
BUILTINS = {"ref", "source", "config", "var", "env_var", "adapter", "load_result", "store_result", "return"}
"""Functions of dbt that are no macros: one of the project by such a name goes before them."""
EVERY_BUILD = "every_build"
"""The tag of tests that look at all there is, whatever they name by `ref`."""
LIVE = "live"
"""The tag of models that follow a stream; what they are made of follows with them."""
METRIC = ("name", "label", "description", "type", "type_params", "filter", "meta")
SEMANTIC_MODEL = ("primary_entity", "entities", "dimensions", "measures", "defaults")
FOR_SPARK = ("spark__", "dbt_spark_")
"""How the names of macros begin that only Spark's adapter calls."""
OWN = "larder"
"""The project's own package: its macros can change, those of dbt come with the lock file, which counts as well."""


@dataclass(frozen=True)
class Fingerprint:
    """One node of the project: hashes of its own `parts`, and of its `logic` with everything above it.

    `relation` is the table or view that it leaves in the warehouse, as `<schema>.<name>`, empty for a test; a model with
    versions leaves one for each. `sources` are the sources whose loads reach it, `columns` the contracted names and types. `reads_data` is False
    for views, seeds and unit tests: new loads do not make them run again. `always` is True for a test that judges the whole
    catalogue: it runs in every build, `live` for a model that follows a stream. `until` is the day after which a version of a model may go. `written` is a hash of the node
    as its author wrote it, which can be told before anything is compiled: it may change where `parts` do not.
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
    always: bool = False
    live: bool = False
    until: str = ""
    written: str = ""


def project(root: Path) -> str:
    """A hash of every file that may decide what dbt builds: the quick answer to "has anything changed?"."""
    digest = hashlib.sha256()
    for path in _files(root):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def nodes(
    manifest: Mapping[str, Any], is_compiled: bool = True, root: Path = PROJECT
) -> dict[str, Fingerprint]:
    """Fingerprints of all models, seeds, tests, unit tests, saved queries and exposures of a manifest.

    Parents come before their children. Where dbt has only parsed the project, nodes consist of what is written: see `as_written`.
    """
    kinds = ("nodes", "unit_tests", "saved_queries", "exposures")
    everything = {name: node for kind in kinds for name, node in manifest[kind].items()}
    wanted = {name: node for name, node in everything.items() if node["resource_type"] != "operation"}
    everywhere = {part: _hash(value) for part, value in counts_everywhere(manifest, root).items()}
    found: dict[str, Fingerprint] = {}
    for name in _parents_first(wanted):
        if name.startswith("model.") and not wanted[name]["raw_code"].strip():
            raise LarderError(
                f"{wanted[name]['original_file_path']} is empty", "Write it: dbt leaves it out."
            )
        found[name] = _fingerprint(wanted[name], manifest, everywhere, found, is_compiled)
    return found


def as_written(nodes: Mapping[str, Fingerprint]) -> dict[str, Fingerprint]:
    """The same nodes, with what is written as their one part: to compare with a project that is not compiled."""
    found: dict[str, Fingerprint] = {}
    for name, node in nodes.items():
        parts = {"definition": node.written}
        logic = _hash([parts, [found[parent].logic for parent in node.parents]])
        found[name] = replace(node, parts=parts, logic=logic)
    return found


def counts_everywhere(manifest: Mapping[str, Any], root: Path = PROJECT) -> dict[str, Any]:
    """What no node names and each depends on: the hooks of the run, and macros that dbt calls in place of its own."""
    operations = [
        node for _, node in sorted(manifest["nodes"].items()) if node["resource_type"] == "operation"
    ]
    named = [name for node in operations for name in _own_macros(node["raw_code"], manifest)]
    return {
        "engine": settings(root)["engine"],
        "hooks of the run": [[plain_text(node["raw_code"]) for node in operations], _macros(named, manifest)],
        "macros in place of dbt's": _macros(overriding(manifest), manifest),
    }


def overriding(manifest: Mapping[str, Any]) -> list[str]:
    """The macros of the project that dbt calls in place of its own, but for those that name a relation, and those for Spark:
    DuckDB's SQL depends on none, and `rules` has a list of them."""
    theirs = {macro["name"] for macro in manifest["macros"].values() if macro["package_name"] != OWN}
    return [
        name
        for name, macro in manifest["macros"].items()
        if macro["package_name"] == OWN
        and not macro["name"].startswith(FOR_SPARK)
        and _overrides(macro["name"], theirs)
    ]


def settings(root: Path) -> dict[str, Any]:
    """What counts and no manifest has: the variables, the settings that SQL runs with, and the locked versions of what runs it."""
    lock = (root / "requirements" / "run.txt").read_text()
    return {
        "engine": [
            json.dumps(_yaml((root / "profiles.yml").read_text()), sort_keys=True, default=str),
            *re.findall(r"^(?:dbt-core|dbt-duckdb|duckdb)==\S+", lock, re.MULTILINE),
        ],
        "variables": _yaml((root / "dbt_project.yml").read_text()).get("vars"),
    }


@lru_cache(maxsize=4)
def _yaml(text: str) -> Any:
    return yaml.safe_load(text) or {}


def _overrides(macro: str, theirs: Collection[str]) -> bool:
    """Whether dbt calls a macro of the project by itself. What names a relation shows in the relation's name."""
    if macro in {"generate_alias_name", "generate_schema_name"}:
        return False
    return (
        macro.startswith("materialization_")
        or macro.partition("__")[2] in theirs
        or macro in theirs
        or macro in BUILTINS
    )


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
    node: Mapping[str, Any],
    manifest: Mapping[str, Any],
    everywhere: Mapping[str, str],
    above: Mapping[str, Fingerprint],
    is_compiled: bool,
) -> Fingerprint:
    kind, depends = node["resource_type"], _depends_on(node)
    parents = [name for name in depends if name in above]
    shared = everywhere if kind in {*RELATIONS, "test", "unit_test"} else {}
    written = _hash([_written(node, manifest), *shared.values()])
    parts = {"definition": written}
    if is_compiled:
        parts = {**{part: _hash(value) for part, value in parts_of(node, manifest).items()}, **shared}
    sources = {name.split(".")[2] for name in depends if name.startswith("source.")}
    sources.update(source for parent in parents for source in above[parent].sources)
    materialized = node["config"].get("materialized")
    return Fingerprint(
        node=node["unique_id"],
        relation=f"{node['schema']}.{node['alias']}"
        if kind in RELATIONS and materialized != "ephemeral"
        else "",
        parts=parts,
        logic=_hash([parts, [above[parent].logic for parent in sorted(parents)]]),
        parents=sorted(parents),
        sources=sorted(sources),
        columns=_columns(node) if kind == "model" else {},
        incremental=materialized == "incremental",
        reads_data=kind == "test" or (kind == "model" and materialized not in {"view", "ephemeral"}),
        always=kind == "test" and EVERY_BUILD in node["tags"],
        live=kind == "model" and LIVE in node["tags"],
        until=(node.get("deprecation_date") or "")[:10],
        written=written,
    )


def parts_of(node: Mapping[str, Any], manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What the node itself consists of, by the words in which a person would name a change."""
    config, kind = node["config"], node["resource_type"]
    if kind == "seed":
        return {
            "name": [node["schema"], node["alias"]],
            "rows": _rows(node),
            "configuration": {k: config.get(k) for k in CONFIG},
            **_hook_parts(node, manifest),
        }
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
    if config["materialized"] == "incremental":
        # Compiled, such a model shows one of its two branches: the other one counts as it is written.
        parts["incremental logic"] = _as_written(node["raw_code"], manifest)
    return {**parts, **_hook_parts(node, manifest)}


def _written(node: Mapping[str, Any], manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What the node consists of before it is compiled."""
    if node["resource_type"] not in {"model", "test"}:
        return parts_of(node, manifest)
    written = parts_of({**node, "compiled_code": ""}, manifest)
    written["SQL"] = _as_written(node["raw_code"], manifest)
    return {**written, "arguments": node.get("test_metadata")}


def _hook_parts(node: Mapping[str, Any], manifest: Mapping[str, Any]) -> dict[str, Any]:
    hooks = _hooks(node)
    return {"hooks": _as_written(hooks, manifest)} if hooks else {}


def _as_written(code: str, manifest: Mapping[str, Any]) -> list[Any]:
    """Jinja that does not show in compiled SQL, with the macros and the variables of the project that it may use."""
    macros = _macros(_own_macros(code, manifest), manifest)
    return [
        plain_text(code),
        *macros,
        settings(PROJECT)["variables"] if "var(" in " ".join([code, *macros]) else None,
    ]


def _rows(node: Mapping[str, Any]) -> str:
    """A hash of a seed's file. dbt's own, of a large one, is its path."""
    if node["checksum"]["name"] != "path":
        return str(node["checksum"]["checksum"])
    with Path(node["root_path"], node["original_file_path"]).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _hooks(node: Mapping[str, Any]) -> str:
    """The SQL of a node's hooks, as it is written."""
    return " ; ".join(hook["sql"] for when in ("pre-hook", "post-hook") for hook in node["config"][when])


def _own_macros(code: str, manifest: Mapping[str, Any]) -> list[str]:
    """The project's macros that a piece of Jinja names.

    dbt's own list is a part of these, without those of the branch that it did not take.
    """
    words = set(re.findall(r"\w+", code))
    return [
        name
        for name, macro in manifest["macros"].items()
        if macro["package_name"] == OWN and macro["name"] in words
    ]


def _definitions(manifest: Mapping[str, Any]) -> list[Any]:
    """All that `larder metric` answers by: every metric joins with whatever the semantic models offer.

    A relation is named without its database, which is another one for each target.
    """
    return [
        {
            **{part: node.get(part) for part in (*METRIC, *SEMANTIC_MODEL)},
            "relation": [(node.get("node_relation") or {}).get(part) for part in ("schema_name", "alias")],
        }
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


def typed(column: str) -> tuple[list[str], set[str]]:
    """The words of a contracted column's type, and those of its constraints."""
    words = column.split()
    return [w for w in words if w not in PROMISES], PROMISES.intersection(words)


def _promises(column: Mapping[str, Any]) -> list[str]:
    return [constraint["type"] for constraint in column["constraints"] if constraint["type"] != "check"]


def _checks(node: Mapping[str, Any]) -> list[str]:
    """The conditions that the contract checks for every row: an existing table does not get new ones by itself."""
    constraints = [c for part in (node, *node["columns"].values()) for c in part.get("constraints", [])]
    checks = [c["expression"] for c in constraints if c["type"] == "check"]
    if not all(checks):
        where = str(node.get("patch_path") or node["name"]).rpartition("://")[2]
        raise LarderError(f"{where}: a check has no expression", "Say what must hold, or delete it.")
    return sorted(map(plain_text, checks))


def _macros(names: list[str], manifest: Mapping[str, Any]) -> list[str]:
    """The project's own macros that a node uses, directly or through others, as text."""
    seen: dict[str, str] = {}
    todo = list(names)
    while todo:
        name = todo.pop()
        if name not in seen:
            macro = manifest["macros"][name]
            seen[name] = plain_text(macro["macro_sql"])
            todo += _own_macros(macro["macro_sql"], manifest)
            todo += [above for above in macro["depends_on"]["macros"] if above.startswith(f"macro.{OWN}.")]
    return [seen[name] for name in sorted(seen)]


@cache
def normalised(sql: str) -> str:
    """SQL without what does not matter: layout, comments, case of keywords. What cannot be parsed stays as text."""
    import sqlglot  # slow to load, and most commands only read fingerprints
    from sqlglot.errors import SqlglotError

    try:
        return ";".join(
            tree.sql(dialect="duckdb", comments=False)
            for tree in sqlglot.parse(sql, dialect="duckdb")
            if tree
        )
    except SqlglotError:
        return plain_text(sql)


def plain_text(code: str) -> str:
    """Code without comments, and with single spaces outside of its strings."""
    pieces = re.split(r"('(?:[^']|'')*'|\{#.*?#\}|--[^\n]*|/\*.*?\*/)", code, flags=re.DOTALL)
    kept = [
        p if p.startswith("'") else " " if p.startswith(("{#", "--", "/*")) else re.sub(r"\s+", " ", p)
        for p in pieces
    ]
    return re.sub(r" +", " ", "".join(kept)).strip()


def _parents_first(wanted: Mapping[str, Mapping[str, Any]]) -> list[str]:
    parents = {
        name: [above for above in _depends_on(node) if above in wanted] for name, node in wanted.items()
    }
    try:
        return [*TopologicalSorter(parents).static_order()]
    except CycleError as error:
        ring = [wanted[name] for name in error.args[1]]
        names = " → ".join(node["name"] for node in ring)
        files = ", ".join(dict.fromkeys(node["original_file_path"] for node in ring))
        raise LarderError(
            f"models read each other in a ring: {names}", f"Take one of the refs out, in one of: {files}"
        ) from error


def _depends_on(node: Mapping[str, Any]) -> list[str]:
    found: list[str] = node["depends_on"].get("nodes", [])  # seeds have none
    return found


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def _files(root: Path) -> list[Path]:
    found = []
    for part in PROJECT_PARTS:
        path = root / part
        found += (
            [path]
            if path.is_file()
            else [
                p for p in path.rglob("*") if p.suffix in SUFFIXES or (part == "models" and p.suffix == ".py")
            ]
        )
    return sorted(found)
