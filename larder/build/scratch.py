"""Warehouses for one review: what a change builds, next to a generation that was built as the base of the change has it.

Nobody reads them but the review, and each review begins them anew. A generation that was built from another state of the project than
the base, or from other loads, is copied, and what differs is built there: then only the change is left between both.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from ingestion.core import storage
from larder.build import candidate, failures, plan, workspace
from larder.build.compiled import Compiled
from larder.core import console
from larder.core.console import shown_path
from larder.core.errors import LarderError
from larder.core.settings import Paths
from larder.project import dbt, fingerprint
from larder.project.dbt import Node, Outcome
from larder.project.manifest import RELATIONS
from larder.warehouse.connection import DIFF
from larder.warehouse.store import FILE, Manifest, Store

KINDS = ("model", "seed", "snapshot")


@dataclass(frozen=True)
class Side:
    """A warehouse file, dbt's manifest of it, and how each node went that was built for the review."""

    file: Path
    artifacts: Path
    nodes: Mapping[str, Node] = field(default_factory=dict)


def base(paths: Paths, before: Compiled, nodes: Collection[str], generation: Manifest) -> Side:
    """The generation, if all of `nodes` and what they stand on is in it as the base has it, else a copy where that is built.

    `paths` are those of the base's files.
    """
    store = Store(paths.warehouse)
    known = fingerprint.nodes(before.manifest, root=paths.project)
    todo = plan.make(known, candidate.loads_of(paths), generation.nodes, generation.loads)
    wanted = _above(known, nodes)
    stale = [node for node in todo.nodes("build", *RELATIONS) if node in wanted]
    if not stale:
        return Side(store.address(generation), store.artifacts(generation))
    file = paths.warehouse / "review" / "base" / FILE
    store.copy(generation, file)
    console.note(
        f"generation {generation.id} differs from the base in {len(stale)} nodes: they are built as the base has them"
    )
    with (
        console.progress("build the base") as report,
        dbt.session(paths, "candidate", "review-base", LARDER_CANDIDATE=str(file)) as command,
    ):
        outcome = command(_build(stale), report)
    if outcome.broken:
        failures.show(outcome, f"duckdb {shown_path(file)}")
        raise LarderError(
            f"{len(outcome.broken)} nodes of the base do not build, so there is nothing to compare with",
            "Fix the branch that it comes from, or name another base: larder review --base REF",
        )
    return Side(file, outcome.artifacts, {node.unique_id: node for node in outcome.nodes})


def head(paths: Paths, nodes: Sequence[str], tests: Sequence[str], base: Side) -> Side:
    """The nodes as the project has them now, from all loads; what they read besides is the base's. Then the tests are run."""
    own = Paths(paths.warehouse / "review" / "head")
    file = own.warehouse / "dev" / workspace.FILE
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    file.with_suffix(".duckdb.wal").unlink(missing_ok=True)
    deferred = workspace.deferred(base.artifacts)
    with (
        console.progress("build the change") as report,
        dbt.session(
            own,
            "dev",
            reads=[base.artifacts, *storage.of_disk(paths.lake / "raw")],
            LARDER_BASE=str(base.file),
            LARDER_LAKE=str(paths.lake),
        ) as command,
    ):
        outcome = command([*_build(nodes), *deferred], report) if nodes else Outcome([], base.artifacts)
        if tests and not outcome.broken:
            chosen = ["--select", *map(candidate.selector, tests)]
            outcome = outcome.with_more(command(["test", *chosen, *deferred], report, "review-tests"))
    return Side(file, outcome.artifacts, {node.unique_id: node for node in outcome.nodes})


@contextmanager
def opened(paths: Paths, base: Side, head: Side | None) -> Iterator[duckdb.DuckDBPyConnection]:
    """Both sides, read-only: `larder` is the base, `workspace` the change. A name without either is the change's, else the base's."""
    files = {workspace.NAME: head.file} if head else {}
    with workspace.layered({**files, workspace.BASE: base.file}, DIFF, paths.warehouse) as connection:
        yield connection


def _build(nodes: Collection[str]) -> list[str]:
    """dbt's arguments for exactly these nodes, none of their tests, from all loads."""
    kinds = [word for kind in KINDS for word in ("--resource-type", kind)]
    return ["build", *kinds, "--select", *map(candidate.selector, nodes), "--full-refresh"]


def _above(known: Mapping[str, fingerprint.Fingerprint], nodes: Collection[str]) -> set[str]:
    """The nodes, and all that they stand on."""
    found, todo = set(), list(nodes)
    while todo:
        node = todo.pop()
        if node in known and node not in found:
            found.add(node)
            todo += known[node].parents
    return found
