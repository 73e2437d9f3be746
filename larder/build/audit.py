"""What a candidate must have passed: everything that was planned ran and passed, and nothing made a test see less.

dbt offers many ways to run less than all of it: flags, environment, configuration, selectors, macros in place of its own.
They are not listed here one by one. What ran is compared with what was planned, and what a test looks at with its own words.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cache
from typing import Any

import duckdb
import sqlglot
import yaml
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.simplify import simplify

from ingestion.core.text import few
from larder.core.errors import LarderError
from larder.core.settings import PROJECT
from larder.project import fingerprint
from larder.project.dbt import Outcome

SUCCESS = {
    "model": {"success"},
    "seed": {"success"},
    "test": {"pass", "warn"},
    "unit_test": {"pass"},
    "saved_query": {"no-op"},
}
"""The kinds of nodes that a build runs, and what dbt says of one that did what it should."""

PACKAGES = {"larder", "dbt", "dbt_duckdb", "dbt_spark"}
"""The packages whose macros dbt may call: another one could replace how a test is run."""

WEAKENING = {
    "enabled",
    "severity",
    "warn_if",
    "error_if",
    "where",
    "limit",
    "fail_calc",
    "store_failures",
    "store_failures_as",
}
"""What makes a test see or say less. It stands at the test, with its reason, and never over a folder of them."""

TOP_KEYS = {
    "version",
    "models",
    "seeds",
    "sources",
    "macros",
    "groups",
    "exposures",
    "data_tests",
    "unit_tests",
    "semantic_models",
    "metrics",
    "saved_queries",
}
NODE_KEYS = {
    "name",
    "description",
    "config",
    "columns",
    "constraints",
    "data_tests",
    "versions",
    "latest_version",
    "deprecation_date",
    "time_spine",
}
COLUMN_KEYS = {
    "name",
    "description",
    "config",
    "constraints",
    "data_tests",
    "data_type",
    "quote",
    "granularity",
}
"""What a YAML file, a model or seed in it, and a column of these may state. Another word is one that dbt does not read."""

FIX = "Take it back, or state it at the test, with its reason. Then: larder build"

Node = Mapping[str, Any]


def require_complete(outcome: Outcome, planned: Collection[str]) -> None:
    """Raise LarderError unless dbt ended well, and exactly the planned nodes ran, and each succeeded.

    Exposures have nothing to run, and the project's hooks run in every build: dbt reports both.
    """
    succeeded = {node.unique_id for node in outcome.nodes if node.status in SUCCESS.get(node.kind, set())}
    ran = {node.unique_id for node in outcome.nodes if node.kind not in {"exposure", "operation"}}
    if missing := sorted(set(planned) - succeeded):
        raise _incomplete(f"{len(missing)} of {len(planned)} planned nodes did not run", missing)
    if extra := sorted(ran.difference(planned)):
        raise _incomplete(f"{len(extra)} nodes ran that were not planned", extra)
    if outcome.code:
        raise LarderError(
            f"every node passed, but dbt ended with exit code {outcome.code}: {' '.join(outcome.errors[:3])}",
            "Find out why in dbt's log, then build again. What is published stays.",
        )


def runnable(manifest: Node) -> set[str]:
    """The nodes of a manifest that a build of everything runs."""
    named = {**manifest["nodes"], **manifest["unit_tests"], **manifest["saved_queries"]}
    return {
        name
        for name, node in named.items()
        if node["resource_type"] in SUCCESS and node["config"].get("materialized") != "ephemeral"
    }


def require_strict(manifest: Node) -> None:
    """Raise LarderError when something in the project keeps a test from being run, or from seeing what is wrong.

    A test whose author made it a warning, at the test, is a policy of the project, and stays one.
    """
    checks = (
        _disabled,
        _unread,
        _misspelt_keys,
        _foreign_macros,
        _tests_that_see_nothing,
        _rules_over_many_tests,
        _after_the_tests,
    )
    if found := next((what for check in checks for what in check(manifest)), None):
        raise LarderError(f"{found}: a candidate without all of its tests is none", FIX)


def _disabled(manifest: Node) -> Iterator[str]:
    for name in sorted(manifest["disabled"]):
        yield f"{name} is disabled"


def _unread(manifest: Node) -> Iterator[str]:
    """Files of tests that dbt did not read as such: an ignore file, or other paths than the project's."""
    if (PROJECT / ".dbtignore").exists():
        yield ".dbtignore hides files from dbt"
    tests = [node for node in manifest["nodes"].values() if node["resource_type"] == "test"]
    read = {node["original_file_path"] for node in (*tests, *manifest["macros"].values())}
    for file in sorted((PROJECT / "tests").rglob("*.sql")):
        path = file.relative_to(PROJECT).as_posix()
        if path not in read:
            yield f"dbt does not read the test {path}"


def _after_the_tests(manifest: Node) -> Iterator[str]:
    """Hooks that run when all tests have passed: what they change is published, and no test has seen it."""
    for name, node in manifest["nodes"].items():
        if node["resource_type"] == "operation" and "on-run-end" in node["tags"]:
            yield f"the hook {name} of on-run-end runs after the tests"


def _misspelt_keys(_: Node) -> Iterator[str]:
    """Keys in YAML that dbt passes over in silence, with the tests below them."""
    for folder in ("models", "seeds", "tests"):
        for file in sorted((PROJECT / folder).rglob("*.y*ml")):
            for key in _unknown_keys(file.read_text()):
                yield f"{file.relative_to(PROJECT)} has the key {key}, which dbt does not know"


@cache
def _unknown_keys(text: str) -> list[str]:
    declared = yaml.load(text, yaml.CSafeLoader) or {}
    nodes = [node for kind in ("models", "seeds") for node in declared.get(kind) or ()]
    columns = [column for node in nodes for column in node.get("columns") or ()]
    return [
        *(declared.keys() - TOP_KEYS),
        *(key for node in nodes for key in node.keys() - NODE_KEYS),
        *(key for column in columns for key in column.keys() - COLUMN_KEYS),
    ]


def _foreign_macros(manifest: Node) -> Iterator[str]:
    """Macros in place of dbt's own: by one, every test could pass without having looked at a row."""
    for package in sorted({macro["package_name"] for macro in manifest["macros"].values()} - PACKAGES):
        yield f"the package {package} brings macros that dbt may call in place of its own"
    for name in fingerprint.overriding(manifest):
        macro = manifest["macros"][name]
        yield f"the macro {macro['name']} in {macro['original_file_path']} takes the place of dbt's own"


def _tests_that_see_nothing(manifest: Node) -> Iterator[str]:
    for node in manifest["nodes"].values():
        if node["resource_type"] == "test":
            for what in _blinders(node["config"]):
                yield f"the test {node['name']} has {what}"


def _blinders(config: Node) -> Iterator[str]:
    if config["where"] and _is_constant(config["where"]):
        yield f"`where: {config['where']}`, which chooses all rows or none"
    if config["limit"] is not None:
        yield f"`limit: {config['limit']}`, which hides failures"
    if config["fail_calc"] != "count(*)":
        yield f"`fail_calc: {config['fail_calc']}`, which may count no failure"
    if config["store_failures"]:
        yield "`store_failures`, which publishes the rows that it finds"
    if config["severity"].lower() == "error" and not _can_fail(config["error_if"]):
        yield f"`error_if: {config['error_if']}`, which no count of failures meets"


def _is_constant(condition: str) -> bool:
    """Whether an expression looks at no row."""
    try:
        tree = simplify(sqlglot.parse_one(condition, dialect="duckdb"))
    except SqlglotError:
        return False
    return not tree.find(exp.Column, exp.Table)


@cache
def _can_fail(condition: str) -> bool:
    """Whether some number of failing rows above none meets the condition, for instance `> 10`."""
    bounds = [int(number) for number in re.findall(r"\d{1,18}", condition)]
    counts = {1, *(max(1, bound + step) for bound in bounds for step in (-1, 0, 1))}
    asked = ", ".join(f"{count} {condition}" for count in sorted(counts))
    try:
        with duckdb.connect() as connection:
            answer = connection.sql(f"select list_bool_or([{asked}])").fetchone()
    except duckdb.Error:
        return True  # the test ends in this error
    return bool(answer and answer[0])


def _rules_over_many_tests(_: Node) -> Iterator[str]:
    """Settings of dbt_project.yml that reach every test of a folder."""
    project = yaml.safe_load((PROJECT / "dbt_project.yml").read_text())
    for kind in ("data_tests", "tests", "unit_tests"):
        for key in _keys(project.get(kind)):
            if key.removeprefix("+") in WEAKENING:
                yield f"dbt_project.yml sets {key} for many tests at once"


def _keys(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for key, below in value.items():
            yield str(key)
            yield from _keys(below)


def _incomplete(what: str, nodes: Iterable[str]) -> LarderError:
    return LarderError(
        f"{what} ({few([*nodes])}): no candidate",
        "Look for what filters them, in selectors.yml and dbt_project.yml, then build again. What is published stays.",
    )
