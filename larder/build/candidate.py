"""`larder build`: build and test a candidate generation, apart from what readers see."""

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from importlib import metadata

import duckdb

from ingestion.core.text import few
from ingestion.lake.visible import last_filled_load, refresh_all
from ingestion.sources import SOURCES
from larder.build import audit, compiled, described, failures, on_spark, plan
from larder.build.plan import Loads, Plan
from larder.core import console, events
from larder.core.console import shown_path
from larder.core.errors import Busy, LarderError
from larder.core.settings import ENGINES, PROJECT, Paths
from larder.project import dbt, fingerprint, spark
from larder.project import manifest as project_manifest
from larder.project.fingerprint import Fingerprint
from larder.project.manifest import RELATIONS
from larder.warehouse import freshness, ledger, table_hash
from larder.warehouse.connection import BUILD, LOOK, QUERY
from larder.warehouse.locks import lock
from larder.warehouse.relations import drop, quoted, relations
from larder.warehouse.store import Manifest, Store

AGES = "observe.table_ages"
"""The view of ages, over what `_record_ages` records."""

PLANNED = {"build": "node_planned", "reuse": "node_reused", "drop": "node_dropped"}
"""What is said of a node before anything is built, by what the plan does with it. Where all is built, nothing is."""


def run(paths: Paths, everything: bool, live: bool = False, engine: str = ENGINES[0]) -> Manifest | None:
    """Build an audited candidate as planned, or return None when nothing has changed since the published generation.

    The candidate starts as a copy of the published generation. When all of it is to be built, also because another engine has built that
    generation, it starts empty. A `live` one builds only what follows a stream, of the project as it is published. Raises LarderError
    when a model or a test fails.
    """
    with lock(paths.locks, "build"):
        store = Store(paths.warehouse)
        published, version = store.published(), engine_version(paths, engine)
        project, loads = fingerprint.project(paths.project), loads_of(paths)
        _require_loads(loads, published)
        if live:
            _require_live(store, published, project)
        if published and _elsewhere(paths, published, version):
            everything = True
        if published and not everything:
            todo, wanted = _compare(paths, published, project, loads, "compile", reason="")
        else:  # there is nothing to compare: dbt's own manifest tells afterwards what was built
            todo, wanted = Plan(steps=[]), {}
        if live:
            todo = plan.live(todo, wanted)
            if not todo.nodes("build", "model"):
                return None
        _refuse_breaks(todo.unversioned)
        if published and not everything and todo.is_empty:
            store.withdraw()  # built from what is no longer so: an edit that was taken back
            console.done(f"nothing has changed since generation {published.id}: nothing to build")
            return None
        if engine == spark.TARGET and not wanted:
            # Its SQL is another: what a node depends on is told by that on DuckDB.
            wanted = fingerprint.nodes(compiled.compiled(paths).manifest)
        manifest = store.begin(fresh=not todo.nodes("reuse", *RELATIONS))
        manifest.engine, manifest.lake = version, _lake(paths)
        # Those that the plan was made for: a load that came since is new to the next build.
        manifest.project, manifest.loads, manifest.nodes = project, loads, wanted
        manifest.as_of = freshness.as_of(paths)
        manifest.behind = todo.behind
        manifest.git, manifest.versions = fingerprint.git_revision(), _versions()
        return _build(paths, store, manifest, todo)


def _require_live(store: Store, published: Manifest | None, project: str) -> None:
    """Raise LarderError where a live build would publish an edit, or take the place of a candidate that somebody has built."""
    if published is None or published.project != project:
        raise LarderError(
            "the project is not as it was published: live marts follow again when it is",
            "Build it: larder run",
        )
    if published.engine != ENGINES[0]:
        raise LarderError(
            f"what is published was built on {published.engine.split()[0]}, which does not follow a stream",
            "Build it with larder run, as often as it should be new.",
        )
    waiting = store.candidate()
    if waiting and not waiting.behind:
        raise Busy(f"generation {waiting.id} waits to be published", "Publish it: larder publish")


def engine_version(paths: Paths, engine: str) -> str:
    """What manifests say of the engine. DuckDB's dependencies are part of the nodes' fingerprints."""
    return spark.version(paths) if engine == spark.TARGET else engine


def _elsewhere(paths: Paths, published: Manifest, version: str) -> str:
    """Why nothing can be taken over from what is published; empty where something can."""
    if published.engine != version:
        return f"what is published was built on {published.engine}"
    if published.lake != _lake(paths):  # its views name the lake's files
        return f"what is published was built from {published.lake or 'the lake in the data folder'}"
    return ""


def _lake(paths: Paths) -> str:
    """Where the lake is; empty where it is in the data folder, with which it moves."""
    return "" if paths.lake == paths.data / "lake" else str(paths.lake)


def plan_now(paths: Paths, engine: str = ENGINES[0]) -> Plan:
    """What a build would do now. May run during a build."""
    store = Store(paths.warehouse)
    published, loads = store.published(), loads_of(paths)
    _require_loads(loads, published)
    version = engine_version(paths, engine)
    reason = _elsewhere(paths, published, version) if published else "nothing is published yet"
    project = fingerprint.project(paths.project)
    found, _ = _compare(paths, published, project, loads, "plan", reason)
    if reason or published is None:
        return found
    before = project_manifest.read(store.artifacts(published))
    now = before if published.project == project else compiled.compiled(paths, "plan").manifest
    return plan.informed(found, before, now, published.times)


def _compare(
    paths: Paths, published: Manifest | None, project: str, loads: Loads, folder: str, reason: str
) -> tuple[Plan, dict[str, Fingerprint]]:
    """Compare the project and the lake with what is published. Compiles the project only when a file has changed.

    `folder` takes dbt's artifacts; `reason` says why all is built, and is empty where the comparison
    decides.
    """
    if published and published.project == project:
        now: dict[str, Fingerprint] = published.nodes
    else:
        manifest = compiled.compiled(paths, folder).manifest
        audit.require_strict(manifest)
        now = fingerprint.nodes(manifest)
    before = published.nodes if published else {}
    own = [name for name, source in SOURCES.items() if source.is_own]
    loads_before, behind = (published.loads, published.behind) if published else ({}, [])
    return plan.make(now, loads, before, loads_before, reason, own, behind), now


def _build(paths: Paths, store: Store, manifest: Manifest, todo: Plan) -> Manifest:
    started = time.monotonic()
    for step in todo.steps:
        events.emit(PLANNED[step.action], step.node, reason=step.reason)
    try:
        if manifest.engine == ENGINES[0]:
            _make_room(store, manifest, todo)
            outcome = _run_dbt(paths, store, manifest, todo)
        else:
            run_nodes = partial(_run_nodes, manifest=manifest, todo=todo)
            outcome = on_spark.build(paths, store, manifest, todo, run_nodes)
    except BaseException:
        store.discard(manifest)
        raise
    manifest.seconds = round(time.monotonic() - started, 1)
    manifest.results = _summary(outcome, todo)
    if outcome.broken:
        _refuse(store, manifest, outcome)
    try:
        _audit(paths, store, manifest, outcome, todo)
        _describe(paths, store, manifest, outcome)
    except LarderError:
        store.failed(manifest)
        raise
    if manifest.engine == ENGINES[0]:
        store.keep_artifacts(manifest, outcome.artifacts)
    else:
        compiled.write(paths, store.artifacts(manifest))
    store.audited(manifest)
    results = manifest.results
    events.emit("generation_audited", manifest.id, seconds=manifest.seconds)
    console.done(
        f"generation {manifest.id}: {results['models_built']} of {results['models']} models built,"
        f" {results['tests_run']} of {results['tests']} tests run, all pass ({manifest.seconds:.1f} s)"
    )
    return manifest


def _run_dbt(paths: Paths, store: Store, manifest: Manifest, todo: Plan) -> dbt.Outcome:
    """Build the candidate. A unit test whose model stays as it is runs afterwards: `dbt build` would leave it out."""
    address = str(store.building_address())
    with (
        console.progress("build") as report,
        dbt.session(paths, "candidate", LARDER_CANDIDATE=address) as command,
    ):
        outcome = _run_nodes(command, report, manifest, todo)
        if not outcome.broken:
            compiled.keep(paths, command, report, outcome.artifacts)
    return outcome


def _run_nodes(
    command: dbt.Command, report: Callable[[str], None], manifest: Manifest, todo: Plan
) -> dbt.Outcome:
    outcome = command(["build", *_selection(todo)], report)
    alone = unit_tests_alone(manifest.nodes, todo)
    if alone and not outcome.broken:
        outcome = outcome.with_more(command(["test", "--select", *alone], report, "unit-tests"))
    return outcome


def unit_tests_alone(nodes: Mapping[str, Fingerprint], todo: Plan) -> list[str]:
    """The names of the planned unit tests whose models stay: `dbt build` leaves them out, `dbt test` does not."""
    built = set(todo.nodes("build"))
    return [selector(node) for node in todo.nodes("build", "unit_test") if not built & {*nodes[node].parents}]


def _audit(paths: Paths, store: Store, manifest: Manifest, outcome: dbt.Outcome, todo: Plan) -> None:
    """Fill in what the candidate is. Raises LarderError unless all that was planned ran, and the whole can be published."""
    project = project_manifest.read(outcome.artifacts)
    audit.require_strict(project)
    audit.require_complete(outcome, todo.nodes("build") or audit.runnable(project))
    if fingerprint.project(paths.project) != manifest.project:
        raise LarderError("the project was changed while it was built", "Build again: larder build")
    manifest.nodes = manifest.nodes or fingerprint.nodes(project)
    parent = store.parent(manifest)
    _refuse_breaks(plan.make(manifest.nodes, {}, parent.nodes if parent else {}, {}).unversioned)
    times = {**(parent.times if parent else {}), **{node.unique_id: node.seconds for node in outcome.nodes}}
    manifest.times = {name: round(times[name], 2) for name in manifest.nodes if name in times}
    _finish(store, manifest, todo)
    if project["metrics"] and not manifest.behind:
        from larder.queries import metric  # a second to import
        from larder.queries.semantics import Semantics

        with store.open(manifest, QUERY) as connection:
            metric.require_answers(Semantics.of(outcome.artifacts), connection)


def _describe(paths: Paths, store: Store, manifest: Manifest, outcome: dbt.Outcome) -> None:
    """Write the metadata base, or take over the one that is published: live builds would fill its histories."""
    parent = store.parent(manifest)
    if manifest.behind and parent:
        store.keep_metadata(manifest, parent)
    else:
        described.candidate(paths, store, manifest, outcome)


def _refuse_breaks(unversioned: list[str]) -> None:
    if unversioned:
        lost = [text.partition("; read by")[0] for text in unversioned[:3]]
        raise LarderError(
            f"readers of public marts lose {len(unversioned)} columns without a new version: {'; '.join(lost)}",
            f"Keep them, or add a version: {PROJECT / 'docs/decisions/0021-changing-a-public-mart.md'}",
        )


def _make_room(store: Store, manifest: Manifest, todo: Plan) -> None:
    """Drop from the copy what is built completely: the new tables reuse its blocks, so the file does not grow.

    An incremental model whose table is missing is built from all its loads: a backfill.
    """
    parent = store.parent(manifest)
    kept = parent.nodes if parent else {}
    with store.open(manifest, BUILD) as connection:
        for node in todo.nodes("build", *RELATIONS):
            if not manifest.nodes[node].incremental or node in todo.backfills or node not in kept:
                drop(connection, manifest.nodes[node].relation)
        connection.execute("checkpoint")


def _selection(todo: Plan) -> list[str]:
    """dbt's arguments for exactly the nodes that the plan builds."""
    if not todo.nodes("reuse"):
        return []
    return ["--select", *map(selector, todo.nodes("build")), "--indirect-selection", "empty"]


def selector(node: str) -> str:
    """The name by which `dbt --select` finds exactly this node."""
    return node.split(".")[3] if node.startswith("unit_test.") else project_manifest.short_name(node)


def _summary(outcome: dbt.Outcome, todo: Plan) -> dict[str, int]:
    """Counts of what is in the generation, and of what this build did."""
    models, tests = ("model",), ("test", "unit_test")
    return {
        "models": outcome.count(*models) + len(todo.nodes("reuse", *models)),
        "models_built": outcome.count(*models),
        "seeds": outcome.count("seed") + len(todo.nodes("reuse", "seed")),
        "tests": outcome.count(*tests) + len(todo.nodes("reuse", *tests)),
        "tests_run": outcome.count(*tests),
        "warnings": sum(node.status == "warn" for node in outcome.nodes),
        "broken": len(outcome.broken),
    }


def _refuse(store: Store, manifest: Manifest, outcome: dbt.Outcome) -> None:
    kept = store.failed(manifest)
    shell = f"duckdb -readonly {shown_path(kept)}"
    told = {}
    on_duckdb = manifest.engine == ENGINES[0]  # of what failed on Spark, nothing was taken into DuckDB's file
    if on_duckdb and any(node.name == ledger.TEST for node in outcome.broken):
        with store.open(manifest, LOOK) as connection:
            account = ledger.read(connection)
        told = {ledger.TEST: account.sentence} if account else {}
    names = few([node.name for node in outcome.broken])
    if not manifest.behind:  # it is told once for many live builds, by its sentence
        failures.show(outcome, shell, told)
    published = store.published()
    for node in outcome.broken:
        events.emit(
            "node_failed", node.unique_id, kind=node.kind, failures=node.failures, reason=node.message
        )
    events.emit("generation_refused", manifest.id, failures=len(outcome.broken))
    raise LarderError(
        f"{len(outcome.broken)} of {len(outcome.nodes)} nodes failed ({names});"
        f" still published: {published.id if published else 'nothing'}",
        f"Look into the candidate, which is kept: {shell}"
        if on_duckdb
        else "Correct it, then build again. With DuckDB, larder build keeps such a candidate to look into.",
    )


def _finish(store: Store, manifest: Manifest, todo: Plan) -> None:
    """Drop what is no longer in the project, and record rows and hashes of the marts."""
    parent = store.parent(manifest)
    wanted = {node.relation for node in manifest.nodes.values()} - {""}
    with store.open(manifest, BUILD) as connection:
        for relation in {node.relation for node in parent.nodes.values()} - wanted if parent else ():
            if relation:
                drop(connection, relation)
        existing = relations(connection, without=())
        if missing := wanted - existing:
            raise LarderError(
                f"the candidate lacks {', '.join(sorted(missing))}, which the project says it has",
                "Build everything again: larder build --all. What is published stays.",
            )
        marts = sorted(relation for relation in existing if relation.startswith("marts."))
        reused = {manifest.nodes[node].relation for node in todo.nodes("reuse", "model")}
        known = {mart: known for mart, known in parent.marts.items() if mart in reused} if parent else {}
        manifest.marts = {mart: known.get(mart) or _content(connection, mart) for mart in marts}
        if AGES in existing:
            _record_ages(connection, manifest)


def _record_ages(connection: duckdb.DuckDBPyConnection, manifest: Manifest) -> None:
    """Record for each relation until when it has all that was loaded; what a live build leaves behind keeps the time that it had."""
    at = datetime.fromisoformat(manifest.created_at).astimezone(UTC).replace(tzinfo=None)
    behind = {manifest.nodes[name].relation for name in manifest.behind} - {""}
    current = sorted({node.relation for node in manifest.nodes.values()} - behind - {""})
    connection.execute("update observe.built_relations set is_behind = true")
    connection.execute(
        "delete from observe.built_relations where not list_contains(?, relation)", [[*behind]]
    )
    connection.execute(
        "insert into observe.built_relations select unnest(?::varchar[]), ?::timestamp, false", [current, at]
    )


def _content(connection: duckdb.DuckDBPyConnection, mart: str) -> dict[str, int | str]:
    """Rows, and a hash of all their columns that does not depend on their order."""
    found = connection.execute(f"select {table_hash.COLUMNS} from {quoted(mart)} as t").fetchone()
    rows, *hashes = found or (0, 0, 0)
    return {"rows": rows, "hash": table_hash.digest(*hashes)}


def _versions() -> dict[str, str]:
    return {name: metadata.version(name) for name in ("dbt-core", "dbt-duckdb", "dlt", "duckdb")}


def loads_of(paths: Paths) -> dict[str, dict[str, str | int]]:
    """The last load of every source that brought anything, and its position in the source's log; empty before there is one.

    First the record of visible files is brought up to date: a killed ingestion may have left it behind.
    """
    refresh_all(paths.lake)
    found = {source: last_filled_load(paths.lake / "raw" / source) for source in SOURCES}
    return {
        source: {"load_id": last[0], "position": last[1]} if last else {} for source, last in found.items()
    }


def _require_loads(loads: Loads, published: Manifest | None) -> None:
    """A source that a retailer may not have must not vanish: what was published has its rows."""
    had = {source for source, last in published.loads.items() if last} if published else set()
    missing = [
        source
        for source, last in loads.items()
        if not last and ((source in had and not SOURCES[source].is_own) or not SOURCES[source].optional)
    ]
    if missing:
        raise LarderError(
            f"the lake has no completed load of: {', '.join(missing)}", "Load them first: larder ingest"
        )
