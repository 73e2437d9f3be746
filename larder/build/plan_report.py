"""`larder plan` for people: what it amounts to, then what was changed, then what follows, as counts."""

from collections import Counter
from collections.abc import Iterable

from ingestion.core.text import few
from larder.build.plan import Plan, Step, is_changed
from larder.core import console
from larder.project.manifest import kind, short_name

KINDS = {"model": "models", "seed": "seeds", "test": "tests", "saved_query": "saved queries"}
SHOWN = 12
"""Rows of a table; `--all` and `--json` have everything."""
NAMES = 4
"""Nodes that a row names."""


def render(plan: Plan, everything: bool) -> None:
    """Print what would be built and why; what is reused is only counted."""
    if plan.is_empty:
        console.out.print("Nothing to build: project and loads are those of the published generation.")
        return
    _summarise(plan)
    taken = [step for step in plan.steps if step.action != "reuse"]
    if everything:
        rows = [[s.action, kind(s.node), short_name(s.node), s.reason, ", ".join(s.files)] for s in taken]
        console.table("Plan", ["action", "kind", "node", "why", "edited"], rows)
        return
    _table("Changed", ["node", "why", "edited"], _changed(filter(is_changed, taken)))
    _table("Follows", ["why", "builds"], _following(step for step in taken if not is_changed(step)))
    console.out.print("\nevery node: larder plan --all, or --json")


def _summarise(plan: Plan) -> None:
    counts = [
        f"{_count(plan, one, 'build')} of {_count(plan, one, 'build', 'reuse')} {KINDS[one]}"
        for one in ("model", "seed", "test")
    ]
    about = "" if plan.seconds is None else f", about {plan.seconds:,} s by the last run's times"
    console.heading("build", f" {', '.join(counts)}{about}")
    if plan.backfills:
        console.out.print(f"backfill, from all loads: {few([*map(short_name, plan.backfills)], NAMES)}")
    for change in plan.breaks:
        refused = "refused, without a new version: " if change in plan.unversioned else ""
        console.out.print(f"breaks a consumer: {refused}{change}")


def _count(plan: Plan, one: str, *actions: str) -> int:
    return sum(kind(step.node) == one and step.action in actions for step in plan.steps)


def _changed(steps: Iterable[Step]) -> list[list[str]]:
    """What was changed, a row for all that changed alike."""
    alike: dict[tuple[str, str, str], list[str]] = {}
    for step in steps:
        alike.setdefault((step.action, step.reason, ", ".join(step.files)), []).append(short_name(step.node))
    return [
        [few(names, NAMES), f"{reason}" if action == "build" else f"dropped: {reason}", files]
        for (action, reason, files), names in alike.items()
    ]


def _following(steps: Iterable[Step]) -> list[list[str]]:
    """How many nodes of each kind are built for the same reason, the most first."""
    counts: dict[str, Counter[str]] = {}
    for step in steps:
        counts.setdefault(step.reason, Counter())[kind(step.node)] += 1
    ranked = sorted(counts.items(), key=lambda item: -item[1].total())
    return [
        [reason, ", ".join(f"{found[one]:,} {KINDS[one]}" for one in KINDS if found[one])]
        for reason, found in ranked
    ]


def _table(title: str, columns: list[str], rows: list[list[str]]) -> None:
    if rows:
        console.out.print()
        console.table(title, columns, [[*row] for row in rows[:SHOWN]])
    if len(rows) > SHOWN:
        console.out.print(f"and {len(rows) - SHOWN:,} more")
