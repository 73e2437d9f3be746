"""What a build does, and why: the nodes that it runs, those that it reuses, those that it drops."""

import difflib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from functools import partial
from typing import Any

from larder.core.errors import LarderError
from larder.project.fingerprint import Fingerprint, typed
from larder.project.manifest import Artifact, edited_files, short_name

ARRIVED = "new loads of "
FOLLOWS = "upstream of it changed: "
ALWAYS = "judges the whole catalogue in every build"
BEHIND = "live builds left it as it was"

THREADS = 2
"""Nodes that dbt runs at a time, as profiles.yml says."""

START = 20
"""Seconds that dbt needs before its first node, and the audit after the last."""

Loads = Mapping[str, Mapping[str, str | int]]
"""The last load of each source that readers see, and its position; as older generations have it, a list of ids."""


@dataclass(frozen=True)
class Step:
    """One node: `action` is build, reuse or drop; `reason` says why in words, `files` what was edited for it."""

    node: str
    action: str
    reason: str
    files: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Plan:
    """The steps in the project's order, and what a person should know before they are taken.

    `breaks` are changes that a consumer of a mart notices, `unversioned` those of them that a build refuses: a public mart
    loses a column, and no version keeps it. `seconds` is about what the build takes, None where nothing is known. `backfills` are the incremental models that are built again
    from all their loads, because their logic changed. `behind` is what a live build leaves older than what it builds.
    """

    steps: list[Step]
    breaks: list[str] = field(default_factory=list)
    backfills: list[str] = field(default_factory=list)
    unversioned: list[str] = field(default_factory=list)
    seconds: int | None = None
    behind: list[str] = field(default_factory=list)

    def nodes(self, action: str, *kinds: str) -> list[str]:
        return [
            s.node for s in self.steps if s.action == action and (not kinds or s.node.split(".")[0] in kinds)
        ]

    @property
    def is_empty(self) -> bool:
        """True when everything that is published can stay as it is."""
        return not self.nodes("build") and not self.nodes("drop")


def make(
    now: Mapping[str, Fingerprint],
    loads: Loads,
    before: Mapping[str, Fingerprint],
    loads_before: Loads,
    everything: str = "",
    own: Collection[str] = (),
    behind: Collection[str] = (),
) -> Plan:
    """Compare the project's nodes and loads with those of the published generation, and what live builds have left `behind` in it.

    `everything` gives the reason to build all nodes regardless; it is empty where the comparison decides. Loads of the sources `own`
    make nothing be built by themselves, as each build would have the next one follow: they go along where something else is built.
    """
    fresh = {source for source, last in loads.items() if last != loads_before.get(source)}
    steps = _steps(now, before, fresh.difference(own), everything, behind)
    tables = {node.relation for node in now.values()}
    gone = [name for name, node in before.items() if name not in now and node.relation not in tables]
    dropped = [Step(node, "drop", "no longer in the project") for node in gone]
    steps += dropped
    if any(step.action != "reuse" for step in steps):
        steps = [*map(partial(_always, now), _steps(now, before, fresh, everything, behind)), *dropped]
    built = {step.node for step in steps if step.action == "build"}
    backfills = (
        []
        if everything
        else [n for n in built if now[n].incremental and n in before and _logic_changed(n, now, before)]
    )
    found = breaks(now, before)
    unversioned = [one.text for one in found if not one.was_versioned]
    return Plan(steps, [one.text for one in found], sorted(backfills), unversioned)


def live(plan: Plan, now: Mapping[str, Fingerprint]) -> Plan:
    """What a live build takes of a plan: the models that follow a stream with all that they are made of, and the tests of these.

    A test that looks at anything besides that is stale would compare two moments: it is left behind as well.
    """
    stale, followed, behind = {*plan.nodes("build")}, _with_parents(now), set[str]()
    for name, node in now.items():  # parents come first
        is_left = name in stale and name.startswith("model.") and name not in followed
        if is_left or behind.intersection(node.parents):
            behind.add(name)
    steps = [
        replace(step, action="reuse", reason=BEHIND)
        if step.node in behind and step.node in stale and not now[step.node].always
        else step
        for step in plan.steps
    ]
    return replace(plan, steps=steps, behind=sorted(behind))


def _with_parents(now: Mapping[str, Fingerprint]) -> set[str]:
    """The live models, and all that they are made of."""
    found: set[str] = set()
    todo = [name for name, node in now.items() if node.live]
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += now[name].parents
    return found


def informed(plan: Plan, before: Artifact, now: Artifact, times: Mapping[str, float]) -> Plan:
    """The plan with the files that were edited, by dbt's two manifests, and the seconds by what each node took last time."""
    steps = [
        replace(step, files=edited_files(step.node, before, now)) if is_changed(step) else step
        for step in plan.steps
    ]
    known = [times[node] for node in plan.nodes("build") if node in times]
    return replace(plan, steps=steps, seconds=round(START + sum(known) / THREADS) if known else None)


def is_changed(step: Step) -> bool:
    """Whether the node itself changed: it neither follows from another nor from new loads."""
    return step.action == "drop" or (
        step.action == "build" and not step.reason.startswith((FOLLOWS, ARRIVED, ALWAYS, BEHIND))
    )


def _steps(
    now: Mapping[str, Fingerprint],
    before: Mapping[str, Fingerprint],
    fresh: set[str],
    everything: str,
    behind: Collection[str],
) -> list[Step]:
    return [Step(node, *_decide(node, now, before, fresh, everything, behind)) for node in now if _runs(node)]


def _always(now: Mapping[str, Fingerprint], step: Step) -> Step:
    if step.action == "reuse" and now[step.node].always:
        return Step(step.node, "build", ALWAYS)
    return step


def _runs(node: str) -> bool:
    return not node.startswith("exposure.")


def _decide(
    node: str,
    now: Mapping[str, Fingerprint],
    before: Mapping[str, Fingerprint],
    fresh: set[str],
    everything: str,
    behind: Collection[str],
) -> tuple[str, str]:
    if everything:
        return "build", everything
    if node not in before:
        return "build", "new"
    changed = _own_changes(now[node], before[node])
    if changed:
        return "build", f"its {', '.join(changed)} changed"
    if _logic_changed(node, now, before):
        roots = sorted(map(short_name, _roots(node, now, before)))
        return "build", f"{FOLLOWS}{', '.join(roots) or 'a parent is gone'}"
    if now[node].reads_data:
        arrived = sorted(fresh.intersection(now[node].sources))
        if arrived:
            return "build", f"{ARRIVED}{', '.join(arrived)}"
        if node in behind:
            return "build", BEHIND
    return "reuse", "unchanged" if now[node].reads_data else "unchanged; reads the new loads as it stands"


def _own_changes(now: Fingerprint, before: Fingerprint) -> list[str]:
    return [part for part in now.parts if now.parts[part] != before.parts.get(part)]


def _logic_changed(node: str, now: Mapping[str, Fingerprint], before: Mapping[str, Fingerprint]) -> bool:
    return node not in before or now[node].logic != before[node].logic


def _roots(node: str, now: Mapping[str, Fingerprint], before: Mapping[str, Fingerprint]) -> set[str]:
    """The nearest ancestors that themselves changed or are new."""
    found: set[str] = set()
    for parent in now[node].parents:
        if parent not in before or _own_changes(now[parent], before[parent]):
            found.add(parent)
        elif _logic_changed(parent, now, before):
            found |= _roots(parent, now, before)
    return found


@dataclass(frozen=True)
class Break:
    """A column of a mart that readers miss: `what` becomes of it, who in the project reads the mart, and whether a build accepts it."""

    node: str
    relation: str
    column: str
    kind: str
    what: str
    readers: list[str]
    was_versioned: bool

    @property
    def text(self) -> str:
        readers = ", ".join(self.readers) or "nobody in the project"
        return f"{self.relation}.{self.column} ({self.kind}) {self.what}; read by {readers}"


def breaks(now: Mapping[str, Fingerprint], before: Mapping[str, Fingerprint]) -> list[Break]:
    """Columns of marts that go away, change their type or promise less.

    Whoever reads it knows its table by name: that may have become the table of another version.
    """
    found = []
    tables = {node.relation: node for node in now.values()}
    for old in before.values():
        table = tables.get(old.relation)
        new = table.columns if table else {}
        for column, kind in old.columns.items():
            if not _keeps(new.get(column), kind):
                what = f"becomes {new[column]}" if column in new else "goes away"
                made_by = {old.node, table.node} if table else {old.node}
                readers, versioned = _readers(made_by, now.values()), _may_go(old, column, now)
                found.append(Break(old.node, old.relation, column, kind, what, readers, versioned))
    return found


def _keeps(now: str | None, before: str) -> bool:
    """Whether a column still has its type and all that was promised of it: more may be promised."""
    return now is not None and typed(now)[0] == typed(before)[0] and typed(now)[1] >= typed(before)[1]


def _may_go(old: Fingerprint, column: str, now: Mapping[str, Fingerprint]) -> bool:
    """Whether readers of a column could prepare: it is in no public mart, its day has come, or a version keeps its type.

    A version helps only where the name of the table passed on to another one.
    """
    if not old.relation.startswith("marts.") or (old.until and old.until <= date.today().isoformat()):
        return True
    named = [node for node in now.values() if node.relation == old.relation]
    versions = [n for n in now.values() if n.node.startswith("model.") and n.node.count(".") > 2]
    offered = [*named, *(version for version in versions if named and _family(version) == _family(old))]
    return any(typed(n.columns.get(column, ""))[0] == typed(old.columns[column])[0] for n in offered)


def _family(model: Fingerprint) -> str:
    return model.node.split(".")[2]


def _readers(models: set[str], nodes: Iterable[Fingerprint]) -> list[str]:
    return sorted(
        {
            short_name(n.node)
            for n in nodes
            if models.intersection(n.parents) and not n.node.startswith(("test.", "unit_test."))
        }
    )


def as_dict(plan: Plan) -> dict[str, Any]:
    """What `larder plan --json` says."""
    return asdict(plan)


def explain(plan: Plan, model: str) -> Step:
    """The step of one model, seed or test by its short name."""
    steps = {short_name(step.node): step for step in plan.steps}
    if model not in steps:
        near = ", ".join(difflib.get_close_matches(model, steps))
        raise LarderError(
            f"there is no node named {model}{near and f'; near it: {near}'}",
            "See the names: larder plan --json, or dbt ls",
        )
    return steps[model]
