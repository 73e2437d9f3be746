"""What is wrong now, one problem for each root cause.

What fails because something else does is folded into that: tests and models below a model that failed, marts below a source that is
late, everything below a run that did not happen.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import duckdb

from ingestion.core.text import first_line
from larder.ops.history import Event, Run
from larder.ops.survey import Survey
from larder.project.manifest import Artifact, read, short_name
from larder.warehouse import freshness
from larder.warehouse.freshness import Freshness
from larder.warehouse.store import Manifest, Store

RUNBOOKS = {
    "missed": "run-missed",
    "run": "run-missed",
    "disk": "disk-full",
    "source": "source-late",
    "late": "source-late",
    "contract": "contract-broken",
    "node": "test-failed",
    "warning": "test-failed",
    "mart": "run-missed",
    "metadata": "bad-publish",
}
"""The page in docs/runbooks for each kind of problem."""

NOT_LOADED = {
    "source_failed": "was not loaded",
    "source_refused": "was refused",
    "source_blocked": "is blocked",
}
"""The events of a source that a run could not load, in words."""

SHOWN = 5
"""Marts that are named of those that a problem reaches."""


@dataclass(frozen=True)
class Problem:
    """One root cause: what is wrong with which subject, who owns it, and the public marts and exposures that it `reaches`."""

    kind: str
    subject: str
    what: str
    owner: str
    reaches: list[str] = field(default_factory=list)
    is_warning: bool = False

    @property
    def key(self) -> str:
        """What makes it the same problem the next time."""
        return f"{self.kind} {self.subject}{' (warning)' if self.is_warning else ''}"

    @property
    def runbook(self) -> str:
        return f"docs/runbooks/{RUNBOOKS[self.kind]}.md"

    @property
    def text(self) -> str:
        """Three lines at most for people."""
        named = ", ".join(self.reaches[:SHOWN])
        more = f" and {len(self.reaches) - SHOWN} more" if len(self.reaches) > SHOWN else ""
        reached = f"\n  reaches {named}{more}" if self.reaches else ""
        return f"{self.what}\n  owner {self.owner} · {self.runbook}{reached}"


def found(known: Survey) -> list[Problem]:
    """What is wrong now, by the last run that ended, the promises of freshness and what is published. Changes nothing."""
    run, project = known.judged, known.project
    if missed := freshness.run_missed(known.paths, known.now):
        return [_missed(run, missed)]
    failed = _of_sources(run, project) if run else []
    nodes = _of_nodes(known)
    whole = [_of_run(run)] if run and _failed_otherwise(run, failed, nodes) else []
    late = [one for one in known.sources if one.is_late] if run else []
    told = {event["subject"] for event in run.of(*NOT_LOADED)} if run else set()
    failed += [_late(one, project) for one in late if one.name not in told]
    told |= {one.name for one in late}
    alone = [mart for mart in known.marts if mart.is_late and mart.because not in told]
    behind = [] if nodes or whole else _behind(alone)
    warned = _warned(known.store, known.published, project) if known.published else []
    return [*whole, *failed, *nodes, *behind, *warned]


def _failed_otherwise(run: Run, sources: list[Problem], nodes: list[Problem]) -> bool:
    """Whether a run did not end well for another reason than sources that it has named or nodes that failed."""
    steps = [one for one in run.of("step_finished") if one.get("status") == "failed"]
    return run.status == "killed" or (run.status == "failed" and not nodes and (bool(steps) or not sources))


def _missed(run: Run | None, missed: Freshness) -> Problem:
    last = f"; the last one, {run.run_id}: {run.status}" if run else ""
    return Problem(
        "missed", "run", f"no run has come to its end since {missed.as_of or 'the first'}{last}", missed.owner
    )


def _of_run(run: Run) -> Problem:
    end = run.events[-1]
    reason = end.get("reason", "it does not say why") if run.status == "failed" else "its process is gone"
    kind = "disk" if "disk is full" in reason else "run"
    return Problem(kind, "run", f"run {run.run_id} {run.status}: {reason}", "platform")


def _of_sources(run: Run, project: Artifact) -> list[Problem]:
    """The sources that the run could not load, with the first reason; those that fail for one and the same are one problem."""
    first = {event["subject"]: event for event in reversed(run.of(*NOT_LOADED))}
    alike: dict[tuple[str, str], list[str]] = {}
    for source, event in sorted(first.items()):
        alike.setdefault((event["event"], event.get("reason", "")), []).append(source)
    found = []
    for (event_name, reason), sources in alike.items():
        kind, named = "contract" if event_name == "source_blocked" else "source", ", ".join(sources)
        tables = [table for source in sources for table in _tables(source, project)]
        what = f"source {named} {NOT_LOADED[event_name]}: {reason}"
        found.append(Problem(kind, named, what, *_facts(tables, project)))
    return found


def _late(source: Freshness, project: Artifact) -> Problem:
    age = f"is as of {source.as_of}, {source.hours:.0f} hours ago" if source.hours else "was never read"
    what = f"source {source.name} {age}; promised: {source.warn_after:.0f} hours at most"
    facts = _facts(_tables(source.name, project), project)
    return Problem("late", source.name, what, *facts, is_warning=not source.is_broken)


def _behind(marts: list[Freshness]) -> list[Problem]:
    """All marts that are older than their sources: a build or a publication did not come."""
    if not marts:
        return []
    what = f"{len(marts)} marts are older than promised, and their sources are not"
    return [Problem("mart", "marts", what, "platform", [mart.name for mart in marts])]


def _of_nodes(known: Survey) -> list[Problem]:
    """The nodes that failed, by the model that they are about, without those that only read what another one made wrong.

    Those of a run that goes on count as well, as who follows a stream never ends. A test of two models is explained by either. The
    node with the fewest above it comes first, and nothing explains that.
    """
    at_work = known.last if known.last and known.last.status == "running" else None
    runs = [run for run in (known.judged, at_work) if run]
    failures = {event["subject"]: event for run in runs for event in run.failures}
    if not failures:
        return []
    project = read(known.paths.dbt / "candidate")
    above = {node: _above(node, project) for node in failures}
    about: dict[str, list[Event]] = {}
    for event in sorted(
        failures.values(), key=lambda event: (len(above[event["subject"]]), event["subject"])
    ):
        about.setdefault(_about(event["subject"], project), []).append(event)
    roots: list[str] = []
    for node, failed in about.items():
        if not all(above[event["subject"]] & {*roots} - {node} for event in failed):
            roots.append(node)
    return [_broken(node, about[node], project) for node in roots]


def _broken(node: str, events: list[Event], project: Artifact) -> Problem:
    first = events[0]
    more = f" (and {len(events) - 1} more)" if len(events) > 1 else ""
    what = f"{short_name(node)}: {short_name(first['subject'])} failed{more}: {first.get('reason', '')}"
    return Problem("node", str(first["subject"]), what, *_facts([node], project))


def _warned(store: Store, published: Manifest, project: Artifact) -> list[Problem]:
    """The tests that warn of what is published, by the model that they are about. Tables that cannot be read are a problem."""
    results = store.metadata(published) / "dbt_rt.run_results_latest.parquet"
    if not results.exists():
        return []
    query = "select unique_id from read_parquet(?) where status = 'warn' order by unique_id"
    try:
        rows = duckdb.execute(query, [str(results)]).fetchall()
    except duckdb.Error as error:
        what = f"the results of generation {published.id} cannot be read: {first_line(error)}"
        return [Problem("metadata", published.id, what, "platform")]
    about: dict[str, list[str]] = {}
    for (test,) in rows:
        about.setdefault(_about(test, project), []).append(short_name(test))
    return [
        Problem("warning", node, f"{short_name(node)}: {', '.join(tests)}", *_facts([node], project), True)
        for node, tests in about.items()
    ]


def _about(node: str, project: Artifact) -> str:
    """The model that a test is about, else the node itself."""
    said = project.get("nodes", {}).get(node) or project.get("unit_tests", {}).get(node) or {}
    parents = project.get("parent_map", {}).get(node) or [node]
    if node.startswith(("test.", "unit_test.")):
        return str(said.get("attached_node") or said.get("tested_node_unique_id") or parents[0])
    return node


def _tables(source: str, project: Artifact) -> list[str]:
    return [name for name, node in project.get("sources", {}).items() if node["source_name"] == source]


def _facts(nodes: Iterable[str], project: Artifact) -> tuple[str, list[str]]:
    """Who owns some nodes, and the public marts and exposures below them."""
    nodes = list(nodes)
    said = [project.get(kind, {}).get(node) for node in nodes for kind in ("nodes", "sources")]
    owners = [one.get("config", {}).get("meta", {}).get("owner") for one in said if one]
    below = set[str]().union(*(_reach(node, project.get("child_map", {})) for node in nodes))
    shown = [name for name in below if name.startswith("exposure.") or _is_public(name, project)]
    return next(filter(None, owners), "platform"), sorted(map(short_name, shown))


def _is_public(node: str, project: Artifact) -> bool:
    return bool(project.get("nodes", {}).get(node, {}).get("access") == "public")


def _above(node: str, project: Artifact) -> set[str]:
    return _reach(node, project.get("parent_map", {}))


def _reach(node: str, edges: dict[str, list[str]]) -> set[str]:
    """All nodes that the edges lead to."""
    seen: set[str] = set()
    todo = [*edges.get(node, [])]
    while todo:
        if (one := todo.pop()) not in seen:
            seen.add(one)
            todo += edges.get(one, [])
    return seen
