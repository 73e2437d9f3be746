"""What to say of a node of dbt's that failed: where its author wrote it, what is wrong, and how its user sees the rows."""

import re
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from larder.core import console
from larder.core.console import shown_path
from larder.core.settings import PROJECT
from larder.project import manifest, templates
from larder.project.complaints import EXCERPT, at
from larder.project.dbt import Node, Outcome
from larder.project.fingerprint import OWN

SHOWN = 10
"""Failed nodes that are shown in full; the others are named."""

HEADING = re.compile(r"\w+ Error in (model|seed|test|unit_test|snapshot) .*\n")
"""How dbt begins a message; what is wrong comes after it."""

TAIL = re.compile(r"\n\s*compiled code at .*", re.DOTALL)
STACK = re.compile(r"^\s*> (?:in|called by) .*$\n?", re.MULTILINE)
"""The macros that dbt was in, which its user did not call."""
PLAN = re.compile(
    r";?\n\s*'?[A-Z]\w*(?: .*)?\n\s*[:+][- ].*|\n\s*(?:JVM stacktrace:|at [\w.$/]+\().*", re.DOTALL
)
"""What Spark adds to a message: its plan of the query, or where its Java was."""

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
CHECK = re.compile(r"CHECK constraint failed on table \S+ with expression CHECK\((.*)\)$", re.MULTILINE)
NOT_NULL = re.compile(r"NOT NULL constraint failed: \S+\.(\w+)")
IN_CHECK = re.compile(r"column (\w+) referenced in check|LINE \d+:\s+check \((.*)\),?$", re.MULTILINE)
"""What DuckDB says of a check that is wrong in itself: a name in it, or all of it."""

MISMATCH = re.compile(r"^\s*\| (\w+) +\| (\S.*?)? *\| (\S.*?)? *\| (.+?) *\|$", re.MULTILINE)
"""A line of dbt's table of a contract and a model that differ: column, type in the SQL, type in the YAML, reason."""

HINTS = {
    "unit_test 'unit_test.": "a unit test gives rows for all that its model reads, if only `rows: []`: add it under given",
    "syntax error at or near": "is a comma, a parenthesis or a quote missing before it?",
    "could not cast value inf": "a division by zero: divide by nullif(…, 0), or by a macro such as money_per_unit",
    "could not cast value nan": "zero divided by zero: divide by nullif(…, 0), or by a macro such as money_per_unit",
    "when casting from source column": "both sides of a comparison need one type: cast one, or compare another column",
}
"""What is mostly meant by words of DuckDB's."""

DIVIDED = re.compile(r"value (?:inf|nan)", re.IGNORECASE)

ADVICE = re.compile(r"Fails\? (.*?)#\}", re.DOTALL)
"""What the header of a data test says to do when it fails."""


def show(outcome: Outcome, shell: str, told: Mapping[str, str] | None = None) -> None:
    """Show the nodes that failed, each with the author's file, what is wrong, and a query of the rows where there are any.

    `shell` is the command that opens the warehouse of that run; `told` says of a node by its name what was wrong, where that is
    known better than from dbt.
    """
    artifact = manifest.read(outcome.artifacts)
    described = {**artifact.get("nodes", {}), **artifact.get("unit_tests", {})}
    macros = manifest.macros(artifact)
    for node in outcome.broken[:SHOWN]:
        of_node = described.get(node.unique_id, {})
        what = (told or {}).get(node.name) or reason(node) + (_asked(of_node) if node.failures else "")
        where = location(node, of_node)
        if faulty := next(templates.faults(str(of_node.get("raw_code", "")), macros), None):
            own = where.partition(":")[0]
            where = (
                f"{own}:{faulty[0]}" if own.endswith(".sql") else where
            )  # YAML has no line of a generic test
            what = f"{faulty[1]}\n{what}"
        query = rows(node, outcome.artifacts)
        steps = [advice(of_node), f"see the rows: {shell} -f {shown_path(query)}" if query else ""]
        compiled = outcome.artifacts / "compiled" / OWN / str(of_node.get("original_file_path", ""))
        console.failed(
            f"{where}: {node.kind.replace('_', ' ')} {node.name}: {what}",
            "\n        ".join(filter(None, steps))
            or f"correct it; what dbt made of it is in {shown_path(compiled)}",
        )
    if more := outcome.broken[SHOWN:]:
        console.note(f"and {len(more)} more failed: {', '.join(node.name for node in more)}")


def _lines_with(file: Path, text: str) -> str:
    """The lines of a file of SQL that contain a text, as they follow its path."""
    code = file.read_text().splitlines() if file.is_file() else []
    found = [str(n) for n, line in enumerate(code, 1) if text in line.partition("--")[0]]
    return f":{', '.join(found)}" if found else ""


def location(node: Node, described: Mapping[str, Any]) -> str:
    """The author's file, with the line where it can be told: that of DuckDB's excerpt, or of the unit test's name."""
    path = str(described.get("original_file_path", node.name))
    if DIVIDED.search(node.message):
        return f"{path}{_lines_with(PROJECT / path, '/')}"
    check, excerpt = IN_CHECK.search(node.message), EXCERPT.search(node.message)
    if (_rule(node) or MISMATCH.search(node.message) or check) and described.get("patch_path"):
        path = described["patch_path"].partition("://")[2]
    sought = f"name: {node.unique_id.split('.')[-1]}" if node.kind == "unit_test" else ""
    if check or excerpt:
        sought = (check[1] or check[2]) if check else excerpt[1].strip(". ") if excerpt else ""
    return at(path, sought)


def reason(node: Node) -> str:
    """The broken rule of a contract, how many rows a test found, or all that dbt and DuckDB complained of."""
    if rule := _rule(node):
        return f"breaks a rule of its contract: {rule}"
    message = node.message if console.err.is_terminal else COLOUR.sub("", node.message)
    if node.kind == "test" and node.failures:
        return f"{node.failures:,} {'row' if node.failures == 1 else 'rows'} that should not be"
    differs = [_differs(found, node.name) for found in MISMATCH.findall(message) if found[0] != "column_name"]
    if differs:
        return "\n  ".join(["its SQL and its YAML differ:", *differs])
    message = textwrap.dedent(
        STACK.sub("", TAIL.sub("", PLAN.sub("", HEADING.sub("", message, count=1))))
    ).strip()
    hints = [hint for words, hint in HINTS.items() if words in message.lower()]
    return "\n".join([message or node.status, *hints])


def _asked(described: Mapping[str, Any]) -> str:
    """Of a generic test, what it is and of which columns: its name alone may be cut."""
    test = described.get("test_metadata") or {}
    given = {name: value for name, value in test.get("kwargs", {}).items() if name != "model" and value}
    said = ", ".join(f"{name}: {value}" for name, value in given.items())
    return f", by {test['name']} ({said})" if test else ""


def _differs(found: tuple[str, str, str, str], model: str) -> str:
    """One column that the SQL and the contract do not have in common, and what to do."""
    column, in_sql, in_yaml, why = found
    if "missing in definition" in why:
        return f"{column} is not in the SQL (is the comma before it missing?); select it, or: larder yaml {model}"
    if "missing in contract" in why:
        return f"{column} ({in_sql.lower()}) is not in the YAML; add it: larder yaml {model}"
    kinds = in_sql.lower(), in_yaml.lower()
    return f"{column} is {kinds[0]} in the SQL, {kinds[1]} in the YAML; cast it, or, if it is meant: larder yaml {model}"


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
