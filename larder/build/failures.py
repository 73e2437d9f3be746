"""What to say of a node of dbt's that failed: why, and where its user sees the rows."""

import re
from pathlib import Path

from larder.project.dbt import Node

HEADING = re.compile(r"\w+ Error in (model|seed|test|unit_test) .*")
"""How dbt begins a message; what is wrong comes in the next line."""

CHECK = re.compile(r"CHECK constraint failed on table \S+ with expression CHECK\((.*)\)$", re.MULTILINE)
NOT_NULL = re.compile(r"NOT NULL constraint failed: \S+\.(\w+)")


def reason(node: Node) -> str:
    """One line: the broken rule of a contract, how many rows a test found, or what dbt complained of."""
    if rule := _rule(node):
        return f"breaks a rule of its contract: {rule}"
    lines = [line.strip() for line in node.message.splitlines()] or [node.status]
    what = lines[1] if len(lines) > 1 and HEADING.fullmatch(lines[0]) else lines[0]
    return f"{node.failures} rows. {what}" if node.kind == "test" and node.failures else what


def rows(node: Node, artifacts: Path) -> Path | None:
    """Write the query of the rows that break the contract's rule, which are in no table; None for other failures.

    It reads what the model read, from the warehouse of that run.
    """
    rule = _rule(node)
    if rule is None:
        return None
    file = artifacts / "broken" / f"{node.unique_id.split('.', 2)[2]}.sql"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(
        f"set timezone = 'UTC';\nselect *\nfrom (\n{node.sql}\n) as model\nwhere not coalesce({rule}, true);\n"
    )
    return file


def _rule(node: Node) -> str | None:
    """The condition that a row did not keep, as DuckDB repeats it."""
    if found := CHECK.search(node.message):
        return found[1]
    if found := NOT_NULL.search(node.message):
        return f"({found[1]} IS NOT NULL)"
    return None
