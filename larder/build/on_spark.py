"""A candidate that Spark builds: the same nodes, by the same dbt, into Iceberg tables, from which DuckDB's file of it is filled.

Each generation has a catalog of its own, a copy of its parent's, so that what fails, or is killed, changes nothing that readers see.
"""

import json
import re
import time
from collections.abc import Callable

from ingestion.core import storage
from ingestion.core.text import few
from ingestion.lake.visible import copy_record, gone
from larder.build import compiled
from larder.build.plan import Plan
from larder.core import console
from larder.core.errors import LarderError
from larder.core.settings import Paths
from larder.project import dbt, spark, types
from larder.project.manifest import RELATIONS, relation
from larder.warehouse import tables
from larder.warehouse.connection import BUILD
from larder.warehouse.store import Manifest, Store

VIEWS = "config.materialized:view"
STORED = {"table", "incremental", "seed"}
"""How what leaves files is materialized."""

PATIENCE = 30
"""Seconds between two looks at the store, while Spark builds from a bucket."""
GONE = re.compile(r"\[Errno 111\]|Answer from Java side is empty|Error while sending or receiving")
"""What py4j says when there is no Java to talk to."""

UNUSABLE = set("'\"`\\;,:")
"""Characters of a path that mean something else in Spark's SQL, in its lists of files or in the address of its catalog."""


def build(
    paths: Paths,
    store: Store,
    manifest: Manifest,
    todo: Plan,
    run: Callable[[dbt.Command, Callable[[str], None]], dbt.Outcome],
) -> dbt.Outcome:
    """Run dbt's commands of a build (`run`) on Spark, then take what they built into DuckDB's file. Broken nodes are in the outcome."""
    if unusable := UNUSABLE & set(f"{paths.data}{paths.lake}".replace(storage.SCHEME, "")):
        raise LarderError(
            f"Spark cannot use {paths.data} with {paths.lake}: a path has {' '.join(sorted(unusable))}",
            "Put LARDER_DATA and LARDER_LAKE at another path, or build with DuckDB: larder build",
        )
    record = store.record(manifest)
    copy_record(paths.lake, record)
    with (
        console.progress("build on Spark") as report,
        dbt.session(
            paths, spark.TARGET, LARDER_CATALOG=str(store.catalog(manifest)), LARDER_RECORD=str(record)
        ) as command,
    ):
        _operate(command, report, "drop_relations", relations=_outdated(store, manifest, todo))
        outcome = run(command, asking(paths, report))
        if outcome.broken:
            require_alive(outcome)
            _require_store(paths)
            return outcome
        if lost := gone(paths.lake, record):  # Spark passes over them
            raise LarderError(
                f"files of the lake went while Spark built from it: {few(lost)}",
                "Build again. What is published stays.",
            )
        _operate(command, report, "record_files", folder=str(record / "tables"))
    _take(paths, store, manifest, todo)
    return outcome


def asking(paths: Paths, report: Callable[[str], None]) -> Callable[[str], None]:
    """`report`, which asks the store now and then: without an answer, the build ends with what the store's client says of it."""
    asked = time.monotonic()

    def told(text: str) -> None:
        nonlocal asked
        if time.monotonic() - asked > PATIENCE:
            _require_store(paths)
            asked = time.monotonic()
        report(text)

    return told


def _require_store(paths: Paths) -> None:
    """Raise IngestionError where the lake's store does not answer: Spark's words for it would blame a node."""
    storage.found(paths.lake, "*")


def require_alive(outcome: dbt.Outcome) -> None:
    """Raise LarderError where Java ended before dbt: each node after it has failed, for nothing of its own."""
    if any(GONE.search(node.message) for node in outcome.broken):
        raise LarderError(
            "Spark's Java ended before the build did: it was killed, or had too little memory",
            "Give it more by LARDER_SPARK_MEMORY, or leave it more of this machine, then build again. What is published stays.",
        )


def _operate(command: dbt.Command, report: Callable[[str], None], macro: str, **arguments: object) -> None:
    """Run a macro by itself, next to the artifacts of the build. Without it the tables would not be those of the build."""
    outcome = command(["run-operation", macro, "--args", json.dumps(arguments)], report, "spark-operation")
    _require(outcome, f"{macro} failed on Spark")


def _require(outcome: dbt.Outcome, what: str) -> None:
    if outcome.broken or outcome.code:
        said = [f"{node.name}: {node.message}" for node in outcome.broken] or outcome.errors
        raise LarderError(
            f"{what}: {'; '.join(said[:3])}", "Correct it, then build again. What is published stays."
        )


def _outdated(store: Store, manifest: Manifest, todo: Plan) -> list[str]:
    """The incremental tables of the parent that are built anew, and what is in the project no more. Other tables are replaced as a whole."""
    parent = store.parent(manifest)
    if parent is None or not store.catalog(manifest).exists():
        return []
    removed = {node.relation for node in parent.nodes.values()} - {
        node.relation for node in manifest.nodes.values()
    }
    anew = {
        manifest.nodes[node].relation for node in todo.nodes("build", *RELATIONS) if node in todo.backfills
    }
    return sorted((removed | anew) - {""})


def _take(paths: Paths, store: Store, manifest: Manifest, todo: Plan) -> None:
    """Fill DuckDB's file with the tables that were built, and have dbt make its views, over the same loads."""
    reused = {manifest.nodes[node].relation for node in todo.nodes("reuse", *RELATIONS)}
    project = compiled.compiled(paths).manifest
    known = types.of_relations(project)
    files = tables.files_of(store.record(manifest))
    stored = {
        relation(node) for node in project["nodes"].values() if node["config"]["materialized"] in STORED
    }
    if missing := stored - files.keys():
        raise LarderError(
            f"Spark has no record of the files of {', '.join(sorted(missing))}",
            "Build everything again: larder build --target spark --all. What is published stays.",
        )
    with store.open(manifest, BUILD) as connection:
        tables.take(
            connection, {name: files[name] for name in known if name in files and name not in reused}, known
        )
    with (
        console.progress("take what Spark has built") as report,
        dbt.session(
            paths,
            "candidate",
            LARDER_CANDIDATE=str(store.building_address()),
            LARDER_RECORD=str(store.record(manifest)),
        ) as command,
    ):
        _require(command(["run", "--select", VIEWS], report), "DuckDB cannot make the views")
