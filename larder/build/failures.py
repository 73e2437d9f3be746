"""What to say of a node of dbt's that failed: where its author wrote it, what is wrong, and how its user sees the rows."""

import json
import re
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from larder.core import console
from larder.core.console import shown_path
from larder.core.settings import PROJECT
from larder.project.complaints import line_of
from larder.project.dbt import Node, Outcome

SHOWN = 10
"""Failed nodes that are shown in full; the others are named."""

HEADING = re.compile(r"\w+ Error in (model|seed|test|unit_test|snapshot) .*\n")
"""How dbt begins a message; what is wrong comes after it."""

TAIL = re.compile(r"\n\s*compiled code at .*", re.DOTALL)
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
CHECK = re.compile(r"CHECK constraint failed on table \S+ with expression CHECK\((.*)\)$", re.MULTILINE)
NOT_NULL = re.compile(r"NOT NULL constraint failed: \S+\.(\w+)")
EXCERPT = re.compile(r"LINE \d+: (.*)")
"""DuckDB's excerpt: the line of the compiled SQL, cut at both ends where it is long."""

MISMATCH = re.compile(r"^\s*\| (\w+) +\| (\S.*?)? *\| (\S.*?)? *\| (.+?) *\|$", re.MULTILINE)
"""A line of dbt's table of a contract and a model that differ: column, type in the SQL, type in the YAML, reason."""

ADVICE = re.compile(r"Fails\? (.*?)#\}", re.DOTALL)
"""What the header of a data test says to do when it fails."""


def show(outcome: Outcome, shell: str, told: Mapping[str, str] | None = None) -> None:
    """Show the nodes that failed, each with the author's file, what is wrong, and a query of the rows where there are any.

    `shell` is the command that opens the warehouse of that run; `told` says of a node by its name what was wrong, where that is
    known better than from dbt.
    """
    described = _described(outcome.artifacts)
    for node in outcome.broken[:SHOWN]:
        of_node = described.get(node.unique_id, {})
        what = (told or {}).get(node.name) or reason(node)
        query = rows(node, outcome.artifacts)
        steps = [advice(of_node), f"see the rows: {shell} -f {shown_path(query)}" if query else ""]
        console.failed(
            f"{location(node, of_node)}: {node.kind.replace('_', ' ')} {node.name}: {what}",
            "\n        ".join(filter(None, steps)) or f"its SQL is in {outcome.artifacts}/compiled",
        )
    if more := outcome.broken[SHOWN:]:
        console.note(f"and {len(more)} more failed: {', '.join(node.name for node in more)}")


def _described(artifacts: Path) -> Mapping[str, Mapping[str, Any]]:
    try:
        manifest = json.loads((artifacts / "manifest.json").read_text())
    except (OSError, ValueError):
        return {}
    return {**manifest["nodes"], **manifest["unit_tests"]}


def location(node: Node, described: Mapping[str, Any]) -> str:
    """The author's file, with the line where it can be told: that of DuckDB's excerpt, or of the unit test's name."""
    path = str(described.get("original_file_path", node.name))
    if (_rule(node) or MISMATCH.search(node.message)) and described.get("patch_path"):
        path = described["patch_path"].partition("://")[2]
    excerpt = EXCERPT.search(node.message)
    sought = f"name: {node.unique_id.split('.')[-1]}" if node.kind == "unit_test" else ""
    line = line_of(PROJECT / path, excerpt[1].strip(". ") if excerpt else sought)
    return f"{path}:{line}" if line else path


def reason(node: Node) -> str:
    """The broken rule of a contract, how many rows a test found, or all that dbt and DuckDB complained of."""
    if rule := _rule(node):
        return f"breaks a rule of its contract: {rule}"
    message = node.message if console.err.is_terminal else COLOUR.sub("", node.message)
    if node.kind == "test" and node.failures:
        return f"{node.failures:,} {'row' if node.failures == 1 else 'rows'} that should not be"
    message = TAIL.sub("", HEADING.sub("", message, count=1))
    parts = [textwrap.dedent(message).strip() or node.status, _yaml_to_paste(node.message)]
    return "\n".join(filter(None, parts))


def _yaml_to_paste(message: str) -> str:
    """For a model that differs from its contract, the columns as its YAML should have them."""
    lines = []
    for column, is_type, _, why in MISMATCH.findall(message):
        if column == "column_name":
            continue
        if "missing in definition" in why:
            lines.append(f"remove from the YAML, or select it: {column}")
        else:
            kind = _as_sql(is_type)
            lines.append(f"- {{name: {column}, data_type: {kind}, …}}")
    return "the YAML that fits the SQL (`larder yaml` writes it):\n  " + "\n  ".join(lines) if lines else ""


def _as_sql(named: str) -> str:
    """A type as YAML has it: quoted where it contains a comma."""
    return f'"{named.lower()}"' if "," in named else named.lower()


def advice(described: Mapping[str, Any]) -> str:
    """What the header of a data test's file tells its user to do."""
    found = ADVICE.search(str(described.get("raw_code", "")))
    file = PROJECT / str(described.get("original_file_path", ""))
    if not found and described.get("resource_type") == "test" and file.suffix == ".sql" and file.is_file():
        found = ADVICE.search(file.read_text())
    return " ".join(found[1].split()) if found else ""


def rows(node: Node, artifacts: Path) -> Path | None:
    """Write the query of the rows that break the contract's rule, or that a data test found; None for other failures.

    It reads what the node read, from the warehouse of that run.
    """
    if rule := _rule(node):
        query = f"select *\nfrom (\n{node.sql}\n) as model\nwhere not coalesce({rule}, true)"
    elif node.kind == "test" and node.failures and node.sql:
        query = f"select *\nfrom (\n{node.sql}\n) as found\nlimit 100"
    else:
        return None
    file = artifacts / "broken" / f"{node.unique_id.split('.', 2)[2]}.sql"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"set timezone = 'UTC';\n{query};\n")
    return file


def _rule(node: Node) -> str | None:
    """The condition that a row did not keep, as DuckDB repeats it."""
    if found := CHECK.search(node.message):
        return found[1]
    if found := NOT_NULL.search(node.message):
        return f"({found[1]} IS NOT NULL)"
    return None
