"""`larder review`: what a change does, in the project and to the data, against the commit where its branch left the main one."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from larder.build import failures, scratch
from larder.build.compiled import compiled
from larder.core.settings import Paths
from larder.project.dbt import PASSED, Node
from larder.project.manifest import short_name
from larder.queries.semantics import Semantics
from larder.review import waivers
from larder.review.change import base
from larder.review.change.between import between, state_of
from larder.review.change.changes import Change
from larder.review.change.states import State
from larder.review.effect import metrics, pages
from larder.review.effect import tables as data
from larder.review.effect.metrics import MetricReview
from larder.review.effect.tables import TableReview
from larder.review.waivers import Finding, Waiver
from larder.site.reports.preview import PageReview
from larder.warehouse.locks import lock
from larder.warehouse.store import Store


@dataclass(frozen=True)
class Review:
    """All that a review found. `not_verified` says why the data were not compared though the change may have moved them.

    `findings` are what fails it, `waived` what would, `intended` the waivers of tables that change.
    """

    commit: str
    change: Change
    generation: str = ""
    not_verified: str = ""
    is_compared: bool = True
    tables: list[TableReview] = field(default_factory=list)
    metrics: list[MetricReview] = field(default_factory=list)
    pages: list[PageReview] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    waived: list[tuple[Finding, Waiver]] = field(default_factory=list)
    intended: Mapping[str, Waiver] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def state(self) -> str:
        """The verdict's last word."""
        return "FAILED" if self.findings else "NOT VERIFIABLE" if self.not_verified else "passed"

    @property
    def verdict(self) -> str:
        """One line, the worst last."""
        counted = [
            (sum(one.changes_data for one in self.tables), "table changes data", "tables change data"),
            (sum(one.moves for one in self.metrics), "metric moves", "metrics move"),
            (len(self.pages), "page differs", "pages differ"),
            (len(self.waived), "finding waived", "findings waived"),
            (len(self.findings), "finding", "findings"),
        ]
        said = [f"{count:,} {one if count == 1 else many}" for count, one, many in counted if count]
        if not self.change.nodes:
            said.insert(0, "nothing that dbt builds changes")
        elif not self.is_compared:
            said.insert(0, f"{len(self.change.build):,} tables can change (larder review compares them)")
        elif not counted[0][0] and not self.not_verified:
            said.insert(0, "no data change")
        return f"review: {', '.join(said) or self.not_verified}: {self.state}"


def run(paths: Paths, ref: str, with_data: bool = True) -> Review:
    """Compare the files as they are now, committed or not, with the last commit that they share with `ref`.

    Raises LarderError where there is no such commit, the project does not compile, or another review is under way.
    """
    started = time.monotonic()
    with lock(paths.locks, "review"):
        known = waivers.read(paths.project)
        found = base.find(paths, ref)
        before, after = (state_of(of, compiled(of, "review")) for of in (found.paths, paths))
        change = between(before, after)
        made = (
            _compared(paths, found, before, after, change)
            if with_data
            else Review(found.commit, change, is_compared=False)
        )
        review = _judged(made, known)
    return replace(review, seconds=round(time.monotonic() - started, 1))


def _compared(paths: Paths, found: base.Base, before: State, after: State, change: Change) -> Review:
    """Build what the change reaches, and compare it, where it reaches any data."""
    review = Review(found.commit, change)
    was = {one.node: one.was for one in change.nodes if one.was}
    gone = [one.node for one in change.nodes if one.kind == "removed" and one.node.startswith(scratch.KINDS)]
    pairs = [(node, was.get(node, node)) for node in (*change.build, *gone)]
    asked = [one.node.rpartition(".")[2] for one in change.reached if one.kind == "metric"]
    touched = pages.find(found.paths.project, paths.project)
    edited = [one for one in touched if one.is_edited]
    if not (pairs or asked or change.tests_to_run or edited):
        return review
    generation = Store(paths.warehouse).published()
    if generation is None:
        return replace(review, not_verified="nothing is published yet, so no data were compared")
    run = [*change.build, *change.tests_to_run]
    nodes = {**after.manifest["nodes"], **after.manifest["unit_tests"]}
    read = {parent for node in run for parent in nodes[node]["depends_on"].get("nodes", [])}
    read |= {before.ids[table] for one in edited for table in one.reads if table in before.ids}
    old = scratch.base(found.paths, before.compiled, {*(old for _, old in pairs), *read}, generation)
    new = scratch.head(paths, change.build, change.tests_to_run, old) if run else None
    built = new.nodes if new else {}
    times = {**generation.times, **{name: node.seconds for name, node in old.nodes.items()}}
    with scratch.opened(paths, old, new) as connection, scratch.opened(paths, old, None) as earlier:
        data.describe(connection, before, after)
        tables = data.compare(connection, pairs, built, times)
        sides = [
            metrics.Side(Semantics(state.compiled.semantics), tables_of_state)
            for state, tables_of_state in ((before, earlier), (after, connection))
        ]
        missing = sum(one.is_missing for one in tables)
        changed = {one.relation for one in tables if one.changes_data}
        differing = pages.compare(touched, changed, earlier, connection)
        moved = [] if missing else metrics.compare(sides[0], sides[1], asked, data.shown_names(connection))
    return replace(
        review,
        generation=generation.id,
        tables=tables,
        metrics=moved,
        pages=differing,
        findings=[
            *(_failure(node) for node in built.values() if node.status not in {*PASSED, "skipped"}),
            *(Finding(short_name(one.node), None, one.note, False) for one in tables if one.is_broken),
            *(Finding(one.name, None, one.note, False) for one in moved if one.is_broken),
        ],
        notes=[f"metrics were not compared: {missing} tables were not built"] if missing and asked else [],
    )


def _failure(node: Node) -> Finding:
    what, _, _ = data.without_values(failures.reason(node)).partition("\n")
    return Finding(node.name, None, f"{node.kind.replace('_', ' ')} {node.status}: {what}", waivable=False)


def _judged(made: Review, known: Sequence[Waiver]) -> Review:
    """The review with its verdict: what is waived, and what is wrong with the waivers."""
    today = datetime.now(UTC).date()
    valid = [waiver for waiver in known if waiver.until >= today]
    stay, waived = waivers.split([*made.findings, *_lost(made.change)], valid)
    changed = {short_name(one.node): one.node for one in made.tables if one.changes_data}
    intended = {changed[waiver.node]: waiver for waiver in valid if waiver.node in changed}
    used = [by for _, by in waived] + [*intended.values()]
    notes = [
        *made.notes,
        *(
            f"the waiver of {one.node} ended on {one.until}: it counts no more"
            for one in known
            if one not in valid
        ),
        *(f"the waiver of {one.node} is not needed by this change" for one in valid if one not in used),
    ]
    return replace(made, findings=stay, waived=waived, intended=intended, notes=notes)


def _lost(change: Change) -> list[Finding]:
    """What readers and reviewers lose."""
    said = [(one.node, one.column, f"contract: {one.what}") for one in change.breaks if not one.was_versioned]
    for test in change.tests:
        if test.kind == "lost" or test.is_weaker:
            became = "is lost" if test.kind == "lost" else f"catches less: {test.what}"
            said.append((test.node or test.test, None, f"test {short_name(test.test)} {became}"))
    said += [(one.node, one.column, f"{one.what} lost") for one in change.documented if not one.after]
    return [Finding(short_name(node) if "." in node else node, column, what) for node, column, what in said]
