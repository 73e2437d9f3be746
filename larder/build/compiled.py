"""The compiled project: the SQL of every node, and of both branches of incremental models. dbt compiles it once for a state of the files."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ingestion.core.files import exclusive, write_atomically
from ingestion.core.sql import name
from larder.core import console
from larder.core.errors import LarderError
from larder.core.settings import Paths
from larder.project import dbt, fingerprint, rules
from larder.project import manifest as project_manifest
from larder.project.manifest import SEMANTICS, Artifact
from larder.warehouse.connection import BUILD, connect
from larder.warehouse.store import FILE

PARSED = "partial_parse.msgpack"
"""dbt's file of what it has parsed."""


@dataclass(frozen=True)
class Compiled:
    """A state of the project's files, by their hash: dbt's manifest, where incremental models have the SQL of a whole build, and by
    their ids the SQL of an increment; dbt's semantic manifest; and what no manifest has, by `fingerprint.settings`."""

    project: str
    manifest: Artifact
    semantics: str
    increments: dict[str, str]
    settings: dict[str, Any]


def compiled(paths: Paths, folder: str = "compile") -> Compiled:
    """The project as it is now. dbt runs only if a file has changed since the last call.

    It compiles against an empty warehouse of the same name as every other. `folder` keeps its artifacts apart from those of a build
    that may be running. Raises LarderError when a node does not compile.
    """
    if found := _kept(paths):
        return found
    warehouse = paths.dbt / folder / "empty" / FILE
    warehouse.parent.mkdir(parents=True, exist_ok=True)
    with exclusive(warehouse.parent):
        return _kept(paths) or _compile_alone(paths, warehouse, folder)


def _compile_alone(paths: Paths, warehouse: Path, folder: str) -> Compiled:
    warehouse.unlink(missing_ok=True)
    with (
        console.progress("compile the project") as report,
        dbt.session(paths, "candidate", folder, LARDER_CANDIDATE=str(warehouse)) as command,
    ):
        _create(warehouse, project_manifest.read(command(["parse"], report).artifacts))
        return _compile(paths, command, report, folder)


def keep(paths: Paths, command: dbt.Command, report: Callable[[str], None], parsed: Path) -> None:
    """The same within a session whose warehouse has all tables, for the next call of `compiled`.

    `parsed` is the folder of artifacts whose parse of the project is taken over: they stay as they are.
    """
    if not _kept(paths):
        _compile(paths, command, report, "compile", ["--partial-parse-file-path", str(parsed / PARSED)])


def write(paths: Paths, folder: Path) -> None:
    """Write dbt's artifacts of the project as it is, compiled for DuckDB, as a build there leaves them."""
    found = compiled(paths)
    write_atomically(folder / "manifest.json", json.dumps(found.manifest))
    write_atomically(folder / SEMANTICS, found.semantics)


def _compile(
    paths: Paths,
    command: dbt.Command,
    report: Callable[[str], None],
    folder: str,
    options: Sequence[str] = (),
) -> Compiled:
    """Compile both branches."""
    now = fingerprint.project(paths.project)
    select = ["--select", "config.materialized:incremental"]
    increments = _required(command(["compile", *select, *options], report, folder)).nodes
    whole = _required(command(["compile", "--full-refresh", *options], report, folder))
    rules.require_nodes(paths.project, project_manifest.read(whole.artifacts))
    found = Compiled(
        project=now,
        manifest=project_manifest.read(whole.artifacts),
        semantics=(whole.artifacts / SEMANTICS).read_text(),
        increments={node.unique_id: node.sql for node in increments if node.kind == "model"},
        settings=fingerprint.settings(paths.project),
    )
    if fingerprint.project(paths.project) == now:
        write_atomically(_file(paths), json.dumps(asdict(found)))
    return found


def _file(paths: Paths) -> Path:
    return paths.dbt.with_name("compiled.json")  # where no dbt may write


def _kept(paths: Paths) -> Compiled | None:
    """What was compiled last, if it was of the files as they are now."""
    try:
        found = Compiled(**json.loads(_file(paths).read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return found if found.manifest and found.project == fingerprint.project(paths.project) else None


def _create(warehouse: Path, manifest: Artifact) -> None:
    """An empty table for each incremental model: dbt compiles the SQL of an increment where it finds one."""
    nodes = manifest["nodes"].values()
    with connect(warehouse, BUILD, warehouse.parent) as connection:
        for node in (node for node in nodes if node["config"]["materialized"] == "incremental"):
            columns = ", ".join(
                f"{name(c['name'])} {c['data_type'] or 'varchar'}" for c in node["columns"].values()
            )
            connection.execute(f"create schema if not exists {name(node['schema'])}")
            connection.execute(
                f"create table {name(node['schema'], node['alias'])} ({columns or 'x integer'})"
            )


def _required(outcome: dbt.Outcome) -> dbt.Outcome:
    for node in outcome.broken:
        raise LarderError(
            f"{node.name} does not compile: {node.message}", f"Look at it: dbt compile --select {node.name}"
        )
    return outcome
