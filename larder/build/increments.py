"""The other branch of incremental models: the SQL that dbt runs where the model's table is there already."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ingestion.core.sql import name
from larder.core import console
from larder.core.errors import LarderError
from larder.core.settings import Paths
from larder.project import dbt
from larder.project.manifest import Artifact
from larder.warehouse.connection import BUILD, connect

FOLDER = "lineage-increments"
SELECTION = ["compile", "--select", "config.materialized:incremental"]


def compiled(paths: Paths, manifest: Artifact) -> dict[str, str]:
    """The SQL of an increment for each incremental model, by the model's id.

    dbt compiles that branch where it finds the tables: here they are empty, with the columns of the contracts. Raises LarderError
    when dbt does not compile one.
    """
    incremental = [
        node for node in manifest["nodes"].values() if node["config"]["materialized"] == "incremental"
    ]
    if not incremental:
        return {}
    warehouse = paths.dbt / FOLDER / "empty" / "larder.duckdb"
    _create(warehouse, incremental)
    with console.progress("compile the increments") as report:
        outcome = dbt.run(paths, "candidate", SELECTION, report, FOLDER, LARDER_CANDIDATE=str(warehouse))
    for node in outcome.broken:
        raise LarderError(
            f"the increment of {node.name} does not compile: {node.message}",
            f"Look at it: dbt compile --select {node.name}",
        )
    return {node.unique_id: node.sql for node in outcome.nodes if node.kind == "model"}


def _create(warehouse: Path, nodes: list[Mapping[str, Any]]) -> None:
    """An empty table for each of the models: dbt looks no further than whether there is one."""
    warehouse.parent.mkdir(parents=True, exist_ok=True)
    warehouse.unlink(missing_ok=True)
    with connect(warehouse, BUILD, warehouse.parent) as connection:
        for node in nodes:
            columns = ", ".join(
                f"{name(c['name'])} {c['data_type'] or 'varchar'}" for c in node["columns"].values()
            )
            connection.execute(f"create schema if not exists {name(node['schema'])}")
            connection.execute(
                f"create table {name(node['schema'], node['alias'])} ({columns or 'x integer'})"
            )
