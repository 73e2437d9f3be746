"""What to say of a node of dbt's that failed: why, and where its user sees the rows."""

import re
from collections.abc import Mapping
from pathlib import Path

from larder.core import console
from larder.core.console import shown_path
from larder.project.dbt import Node, Outcome

SHOWN = 10
"""Failed nodes that are shown; dbt's log has all."""

HEADING = re.compile(r"\w+ Error in (model|seed|test|unit_test) .*")
"""How dbt begins a message; what is wrong comes in the next line."""

CHECK = re.compile(r"CHECK constraint failed on table \S+ with expression CHECK\((.*)\)$", re.MULTILINE)
NOT_NULL = re.compile(r"NOT NULL constraint failed: \S+\.(\w+)")


def show(outcome: Outcome, shell: str, hint: str = "", told: Mapping[str, str] | None = None) -> None:
    """Show the nodes that failed, each with its next step.

    `shell` is the command that opens the warehouse of that run, `hint` a step for what leaves no rows, with the node's
    name for `{name}`; `told` says of a node by its name what was wrong, where that is known better than from dbt.
    """
    for node in outcome.broken[:SHOWN]:
        what = (told or {}).get(node.name)
        query = rows(node, outcome.artifacts)
        console.failed(
            f"{node.kind} {node.name}: {f'{node.failures} rows. {what}' if what else reason(node)}",
            f"see the rows: {shell} -f {shown_path(query)}"
            if query
            else f"its SQL is in {outcome.artifacts}/compiled{hint.format(name=node.name)}",
        )


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
