"""`larder dev`: a private workspace that holds what was changed; everything else is read from what is published.

A workspace is based on one generation from its first build to its reset: a later publish does not change that. It has no
relation that differs from the project's code, so a model whose change is undone is read from the generation again.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from pathlib import Path

import duckdb

from ingestion.core import sql, storage
from ingestion.core.files import write_atomically
from ingestion.core.text import few
from larder.build import candidate, failures, plan
from larder.build.plan import Plan
from larder.core import console
from larder.core.console import shown_path
from larder.core.errors import LarderError
from larder.core.settings import Paths
from larder.project import dbt, fingerprint, rules
from larder.project import manifest as project_manifest
from larder.project.fingerprint import Fingerprint
from larder.project.manifest import RELATIONS, short_name
from larder.warehouse import diff
from larder.warehouse.connection import BUILD, LOOK, Purpose, attach, connect
from larder.warehouse.diff import Difference
from larder.warehouse.locks import lock
from larder.warehouse.relations import drop, quoted, relations
from larder.warehouse.store import Manifest, Store

SCHEMAS = ("marts", "semantic", "intermediate", "staging", "seeds")
"""Where a name without a schema is looked for, first in the workspace, then in the generation."""

NAME, BASE = "workspace", "larder"
"""What views call the workspace's own database, and that of its generation."""

FILE = f"{NAME}.duckdb"

SHOWN_ROWS = 20
"""Rows of a model that are printed."""

MOST_NAMES = 12
"""How many of its relations a workspace names."""


@dataclass
class Workspace:
    """A workspace: the generation that it is based on, its sample in days, the logic of each node in it by name."""

    generation: str = ""
    days: int | None = None
    holds: dict[str, str] = field(default_factory=dict)


def run(paths: Paths, select: list[str], days: int | None) -> LarderError | None:
    """Build what was changed, or what `select` says in dbt's words, on the last `days` delivered days or on all.

    Returns what to raise in the end when a node has failed; what was built stays. Raises LarderError when nothing is
    published, or the workspace is in use.
    """
    with lock(paths.locks, "dev"):
        store, space = Store(paths.warehouse), _read(paths)
        starts = space.days != days or not _file(paths).exists()
        if starts:
            space = Workspace(days=days)
        base = _base(store, space)
        space.generation = base.id
        if starts:
            _empty(paths)
        before, failed = fingerprint.as_written(base.nodes), None
        if base.project == fingerprint.project(paths.project) and not select:
            _drop_what_changed(paths, space, before)
            _write(paths, space)
        else:
            failed = _build(paths, store, base, space, before, select)
        if space.holds or not failed:
            _show_what_there_is(paths, store, base, space)
        return failed


def show(paths: Paths, model: str) -> None:
    """Print the first rows of a model: the workspace's, or the generation's where the workspace has none."""
    if not _file(paths).exists():
        raise LarderError("the workspace is empty", "Build something first: larder dev MODEL")
    opener = _opener(paths).read_text()
    with lock(paths.locks, "dev"), storage.let_read(duckdb.connect(), paths.lake) as connection:
        connection.execute(opener)
        try:
            found = connection.execute(f"select * from {quoted(model)} limit {SHOWN_ROWS}")
        except duckdb.CatalogException as error:
            near = str(error).partition("Did you mean ")[2].partition("?")[0]
            raise LarderError(
                f"there is no model {model}{near and f'; did you mean {near}?'}",
                "See the names: dbt ls --resource-type model",
            ) from error
        columns = [name for name, *_ in found.description or ()]
        console.table(model, columns, [list(row) for row in found.fetchall()])


def difference(paths: Paths) -> Difference:
    """Compare what the workspace has built with its generation, row by row."""
    with lock(paths.locks, "dev"):
        base = _base(Store(paths.warehouse), _read(paths))
        if not _file(paths).exists():
            raise LarderError("the workspace is empty: nothing differs", "Change a model, then: larder dev")
        return diff.compare_workspace(paths, base, _file(paths))


def reset(paths: Paths) -> None:
    """Empty the workspace; the next one stands on what is published then."""
    with lock(paths.locks, "dev"):
        _empty(paths)
    console.done("the workspace is empty")


def layers(paths: Paths) -> tuple[Manifest, Path | None]:
    """The generation that the workspace is based on, and the workspace's own file where it has one."""
    base = _base(Store(paths.warehouse), _read(paths))
    return base, _file(paths) if _file(paths).exists() else None


def layered(files: Mapping[str, Path], purpose: Purpose, warehouse: Path) -> duckdb.DuckDBPyConnection:
    """Files by the names of their databases, read-only; a relation is looked for in the first one first."""
    return attach(files, purpose, warehouse, SCHEMAS)


def deferred(artifacts: Path) -> list[str]:
    """dbt's arguments to read what it does not build from the generation of these artifacts."""
    return ["--defer", "--state", str(artifacts)]


def _empty(paths: Paths) -> None:
    """Remove the workspace's files, unless another program has them open."""
    if _file(paths).exists():
        _open(paths).close()
    for file in (_file(paths), _file(paths).with_name(f"{FILE}.wal"), _state(paths), _opener(paths)):
        file.unlink(missing_ok=True)


def _base(store: Store, space: Workspace) -> Manifest:
    """The generation that the workspace is based on: its own while it is not empty, else the published one."""
    published = store.require_published()
    base = published
    if space.holds and space.generation != published.id:
        found = next((m for m in store.all() if m.id == space.generation), None)
        if found is None:
            raise LarderError(
                f"the workspace is based on generation {space.generation}, which was removed",
                "Start again on what is published: larder dev --reset, then larder dev",
            )
        base = found
    if not all(node.written for node in base.nodes.values()):
        raise LarderError(
            f"generation {base.id} was built by an earlier version of Larder",
            "Build and publish a new one: larder build --all, then larder publish",
        )
    return base


def _drop_what_changed(paths: Paths, space: Workspace, now: Mapping[str, Fingerprint]) -> None:
    """Drop every relation that differs from the project's code: only current ones may hide published ones."""
    space.holds = {n: logic for n, logic in space.holds.items() if n in now and now[n].logic == logic}
    if not _file(paths).exists():
        return
    kept = {now[node].relation for node in space.holds}
    with _open(paths) as connection:
        for relation in relations(connection) - kept:
            drop(connection, relation)


def _changed(todo: Plan) -> list[str]:
    """dbt's arguments for exactly what the plan builds; none when it builds nothing."""
    names = sorted({candidate.selector(node) for node in todo.nodes("build")})
    return [] if todo.is_empty else ["--select", *names, "--indirect-selection", "empty"]


def _build(
    paths: Paths,
    store: Store,
    base: Manifest,
    space: Workspace,
    before: Mapping[str, Fingerprint],
    select: list[str],
) -> LarderError | None:
    """Parse the project, and build in the same process of dbt what differs from the generation, or what was asked for."""
    with dbt.session(
        paths, "dev", reads=[store.artifacts(base)], LARDER_BASE=str(store.address(base))
    ) as command:
        with console.progress("read the project") as report:
            parsed = command(["parse"], report)
        manifest = project_manifest.read(parsed.artifacts)
        rules.require_nodes(paths.project, manifest)
        now = fingerprint.nodes(manifest, is_compiled=False)
        _drop_what_changed(paths, space, now)
        held = {node: now[node] for node in space.holds}
        todo = plan.make(now, base.loads, {**before, **held}, base.loads)
        # eager: whatever a test compares a chosen model with is there, in the workspace or in the generation.
        chosen = ["--select", *select, "--indirect-selection", "eager"] if select else _changed(todo)
        _write(paths, space)
        # Whole models only: what an incremental one would keep from an earlier edit is what a developer must not see.
        rest = deferred(store.artifacts(base))
        arguments = ["build", *chosen, "--full-refresh", *rest]
        if space.days:
            # A reconciliation compares the sample with all days, which must fail.
            arguments += ["--sample", _slice(store, base, space.days), "--exclude", "test_type:singular"]
        if chosen:
            with console.progress("build what changed") as report:
                outcome = command(arguments, report)
                alone = [] if select else candidate.unit_tests_alone(now, todo)
                if alone and not outcome.broken:
                    outcome = outcome.with_more(command(["test", "--select", *alone, *rest], report))
    if not chosen:
        if not space.holds:
            _empty(paths)  # dbt makes the file where it only reads the project
        return None
    if not outcome.nodes:
        raise LarderError(
            "the selection matches nothing", "Look at what there is: dbt ls --resource-type model"
        )
    _remember(space, before, now, outcome)
    _write(paths, space)
    _write_opener(paths, store, base)
    return _report(paths, outcome, base)


def _slice(store: Store, base: Manifest, days: int) -> str:
    """The last `days` delivered days, widened to whole weeks because promotions are weekly, in dbt's notation."""
    with store.open(base, LOOK) as connection:
        found = connection.execute("select max(business_date) from marts.fct_basket_lines").fetchone()
    last = found[0] if found else None
    if not isinstance(last, date):
        raise LarderError(
            "no till line has been delivered, so there is nothing to slice", "Leave out --sample."
        )
    first = last - timedelta(days=days - 1)
    monday = first - timedelta(days=first.weekday())
    return json.dumps({"start": monday.isoformat(), "end": (last + timedelta(days=1)).isoformat()})


def _remember(
    space: Workspace, before: Mapping[str, Fingerprint], now: Mapping[str, Fingerprint], outcome: dbt.Outcome
) -> None:
    """Write down what was built as the project says: a node counts only when all that it reads counts as well."""
    built = {node.unique_id for node in outcome.nodes if node.status in dbt.PASSED}
    for name in now:  # parents come first
        if name in built:
            old = [p for p in now[name].parents if not _is_current(p, space, before, now)]
            if not old:
                space.holds[name] = now[name].logic
            elif name.startswith("model."):
                console.note(
                    f"{short_name(name)} reads {', '.join(map(short_name, old))} as published,"
                    " although the project has changed it: larder dev builds both"
                )


def _is_current(
    node: str, space: Workspace, before: Mapping[str, Fingerprint], now: Mapping[str, Fingerprint]
) -> bool:
    return node in space.holds or (node in before and before[node].logic == now[node].logic)


def _report(paths: Paths, outcome: dbt.Outcome, base: Manifest) -> LarderError | None:
    failures.show(outcome, f"duckdb -init {shown_path(_opener(paths))}")
    models, tests = outcome.count("model", "seed"), outcome.count("test", "unit_test")
    if models or not outcome.broken:
        console.done(
            f"{models} models built, {tests} tests passed; the rest is read from generation {base.id}"
        )
    if not outcome.broken:
        return None
    return LarderError(
        f"{len(outcome.broken)} of {len(outcome.nodes)} nodes failed", "Correct it, then: larder dev"
    )


def _show_what_there_is(paths: Paths, store: Store, base: Manifest, space: Workspace) -> None:
    built = [node for node in space.holds if node.split(".")[0] in RELATIONS]
    if not built:
        console.done(f"nothing differs from generation {base.id}: the workspace is empty")
        return
    published = store.published()
    names = sorted(map(short_name, built))
    console.out.print(f"workspace  {_file(paths)}", markup=False)
    console.out.print(f"  models   {few(names, MOST_NAMES)}", markup=False)
    if space.days:
        console.out.print(f"  sample   the last {space.days} delivered days, in whole weeks")
    console.out.print(f"  base     generation {base.id}")
    if published and published.id != base.id:
        console.out.print(f"           {published.id} is published now: larder dev --reset moves to it")
    console.out.print(f"  next     duckdb -init {shown_path(_opener(paths))}", markup=False)


def _write_opener(paths: Paths, store: Store, base: Manifest) -> None:
    """SQL that opens the workspace before its generation, both read-only, so that `marts.x` finds the changed one."""
    with _open(paths) as connection:
        own = _schemas(connection)
    with store.open(base, LOOK) as connection:
        rest = _schemas(connection)
    path = [f"workspace.{s}" for s in SCHEMAS if s in own] + [f"larder.{s}" for s in SCHEMAS if s in rest]
    lines = [
        f"attach {sql.literal(str(_file(paths)))} as workspace (read_only);",
        f"attach {sql.literal(str(store.address(base)))} as larder (read_only);",
        f"set search_path = '{','.join(path)}';",
        "set timezone = 'UTC';",
    ]
    write_atomically(_opener(paths), "\n".join(lines) + "\n")


def _opener(paths: Paths) -> Path:
    return _state(paths).with_name("open.sql")


def _schemas(connection: duckdb.DuckDBPyConnection) -> set[str]:
    return {name for (name,) in connection.execute("select schema_name from duckdb_schemas()").fetchall()}


def _open(paths: Paths) -> duckdb.DuckDBPyConnection:
    return connect(_file(paths), BUILD, paths.warehouse)


def _file(paths: Paths) -> Path:
    return paths.warehouse / "dev" / FILE


def _state(paths: Paths) -> Path:
    """What the workspace is: apart from its file, in a folder where no dbt may write."""
    return paths.warehouse / "workspace" / "workspace.json"


def _read(paths: Paths) -> Workspace:
    try:
        return Workspace(**json.loads(_state(paths).read_text()))
    except (OSError, ValueError, TypeError):
        return Workspace()


def _write(paths: Paths, space: Workspace) -> None:
    _state(paths).parent.mkdir(parents=True, exist_ok=True)
    write_atomically(_state(paths), json.dumps(asdict(space), indent=2) + "\n")
