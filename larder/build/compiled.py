"""The compiled project: the SQL of every node, and of both branches of incremental models. dbt compiles it once for a state of the files."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ingestion.core.files import write_atomically
from ingestion.core.sql import name
from larder.core import console
from larder.core.errors import LarderError
from larder.core.settings import Paths
from larder.project import dbt, fingerprint
from larder.project import manifest as project_manifest
from larder.project.manifest import SEMANTICS, Artifact
from larder.warehouse.connection import BUILD, connect
from larder.warehouse.store import FILE


@dataclass(frozen=True)
class Compiled:
    """A state of the project's files, by their hash: dbt's manifest, where incremental models have the SQL of a whole build, and by
    their ids the SQL of an increment; and dbt's semantic manifest."""

    project: str
    manifest: Artifact
    semantics: str
    increments: dict[str, str]


def compiled(paths: Paths, folder: str = "compile") -> Compiled:
    """The project as it is now. dbt runs only if a file has changed since the last call.

    It compiles against an empty warehouse of the same name as every other. `folder` keeps its artifacts apart from those of a build
    that may be running. Raises LarderError when a node does not compile.
    """
    file, now = paths.dbt / "compiled.json", fingerprint.project()
    if found := _kept(file, now):
        return found
    warehouse = paths.dbt / folder / "empty" / FILE
    warehouse.parent.mkdir(parents=True, exist_ok=True)
    warehouse.unlink(missing_ok=True)
    with (
        console.progress("compile the project") as report,
        dbt.session(paths, "candidate", folder, LARDER_CANDIDATE=str(warehouse)) as command,
    ):
        parsed = project_manifest.read(command(["parse"], report).artifacts)
        incremental = [n for n in parsed["nodes"].values() if n["config"]["materialized"] == "incremental"]
        _create(warehouse, incremental)
        whole = _required(command(["compile", "--full-refresh"], report))
        manifest = project_manifest.read(whole.artifacts)
        semantics = (whole.artifacts / SEMANTICS).read_text()
        increments: dict[str, str] = {}
        if incremental:
            select = ["--select", "config.materialized:incremental"]
            nodes = _required(command(["compile", *select], report)).nodes
            increments = {node.unique_id: node.sql for node in nodes if node.kind == "model"}
    result = Compiled(now, manifest, semantics, increments)
    if fingerprint.project() == now:
        write_atomically(file, json.dumps(asdict(result)))
    return result


def _kept(file: Path, project: str) -> Compiled | None:
    try:
        found = Compiled(**json.loads(file.read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return found if found.project == project else None


def _create(warehouse: Path, nodes: list[Mapping[str, Any]]) -> None:
    """An empty table for each incremental model: dbt compiles the SQL of an increment where it finds one."""
    with connect(warehouse, BUILD, warehouse.parent) as connection:
        for node in nodes:
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
