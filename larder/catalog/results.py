"""What a build found, for the metadata base of its generation: results, sizes, profiles, deliveries, schemas over time."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow as pa

from ingestion.core import sql
from larder.catalog import profiles
from larder.catalog.metadata import Types
from larder.catalog.profiles import Column
from larder.project.dbt import Node
from larder.project.types import written
from larder.warehouse.relations import quoted, relations

BLOCK = 262_144
"""Bytes of a block of a DuckDB file."""

KEPT = 200
"""Builds of which results and sizes are kept."""

LEDGER = "observe.ledger"

HISTORIES = ("dbt_rt.invocations", "dbt_rt.run_results", "dbt_rt.relations")
"""Tables to which each build adds."""


@dataclass(frozen=True)
class Build:
    """A build: the generation's `id`, when it began (UTC), the seconds that it took, what dbt said of each node, and the last load
    of each source with its position in the log."""

    id: str
    began_at: datetime
    seconds: float
    git: str
    nodes: list[Node]
    loads: dict[str, dict[str, str | int]]
    warnings: int


def types(warehouse: duckdb.DuckDBPyConnection) -> Types:
    """The columns of all tables and views of an open warehouse, with their types as the project writes them."""
    found: dict[str, dict[str, str]] = {}
    rows = warehouse.execute(
        "select schema_name || '.' || table_name, column_name, data_type from duckdb_columns()"
        " where database_name = current_database() and not internal order by table_oid, column_index"
    ).fetchall()
    for relation, column, kind in rows:
        found.setdefault(relation, {})[column] = written(kind)
    return found


def add(
    base: duckdb.DuckDBPyConnection, build: Build, warehouse: duckdb.DuckDBPyConnection, before: Path | None
) -> None:
    """Fill the tables of `build_results.sql` with what a build found, after what the base of the generation `before` it has."""
    for table in (*HISTORIES, "larder.column_profiles", "larder.column_history"):
        if before and (before / f"{table}.parquet").exists():
            base.execute(f"insert into {table} by name {_known(base, table, before)}")
    for table in HISTORIES:
        base.execute(
            f"delete from {table} where invocation_id not in"
            f" (select invocation_id from dbt_rt.invocations order by invocation_id desc limit {KEPT})"
        )
    _add_results(base, build)
    _add_tables(base, build, warehouse)
    _add_history(base, build.id)
    _add_deliveries(base, build, warehouse)


def _known(base: duckdb.DuckDBPyConnection, table: str, before: Path) -> str:
    """SQL for the earlier rows of a table, by the columns that it still has."""
    file = sql.literal(str(before / f"{table}.parquet"))
    old = {name for name, *_ in base.execute(f"describe from {file}").fetchall()}
    kept = [name for name, *_ in base.execute(f"describe {table}").fetchall() if name in old]
    return f"select {', '.join(kept)} from {file}"


def _add_results(base: duckdb.DuckDBPyConnection, build: Build) -> None:
    models = sum(node.kind == "model" for node in build.nodes)
    tests = sum(node.kind in ("test", "unit_test") for node in build.nodes)
    base.execute(
        "insert into dbt_rt.invocations values (?, ?, ?, ?, ?, ?, ?)",
        [build.id, build.began_at, build.seconds, build.git, models, tests, build.warnings],
    )
    _insert(
        base,
        "dbt_rt.run_results",
        (
            (
                build.id,
                n.unique_id,
                n.kind,
                n.status,
                n.seconds,
                n.failures,
                n.message or None,
                build.began_at,
            )
            for n in build.nodes
        ),
    )


def _add_tables(base: duckdb.DuckDBPyConnection, build: Build, warehouse: duckdb.DuckDBPyConnection) -> None:
    """Size and profile of each table that was built, or has none from an earlier build; a view has neither."""
    built = {node.unique_id for node in build.nodes}
    known = {
        name
        for (name,) in base.execute("select distinct node_unique_id from larder.column_profiles").fetchall()
    }
    tables = [(name, relation) for name, relation in _tables(base) if name in built or name not in known]
    base.execute(
        "delete from larder.column_profiles where list_contains(?, node_unique_id)"
        " or node_unique_id not in (from dbt.dag_nodes select unique_id)",
        [[name for name, _ in tables]],
    )
    sizes = [(build.id, name, *_size(warehouse, relation), build.began_at) for name, relation in tables]
    _insert(base, "dbt_rt.relations", sizes)
    columns = _columns(base)
    found = (
        (build.id, name, *row)
        for name, relation in tables
        for row in profiles.of_table(warehouse, relation, columns.get(name, []))
    )
    _insert(base, "larder.column_profiles", found)


def _tables(base: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    """The id and the relation of each model and seed that leaves a table."""
    return base.execute(
        "select unique_id, schema_name || '.' || identifier from dbt.models where materialized in ('table', 'incremental')"
        " union all select unique_id, schema_name || '.' || identifier from dbt.seeds order by unique_id"
    ).fetchall()


def _size(warehouse: duckdb.DuckDBPyConnection, relation: str) -> tuple[int, int]:
    """The rows and bytes of a table: its blocks of the file."""
    found: tuple[int, int] | None = warehouse.execute(
        f"select (select count(*) from {quoted(relation)}), count(distinct block_id) * {BLOCK}"
        f" from pragma_storage_info({sql.literal(relation)}) where persistent"
    ).fetchone()
    return found or (0, 0)


def _columns(base: duckdb.DuckDBPyConnection) -> dict[str, list[Column]]:
    """The columns of each node. A value is shown of a class that reveals nothing about a person, unless it is kept from one that does."""
    found: dict[str, list[Column]] = {}
    for node, *column in base.execute("from larder.shown_columns").fetchall():
        found.setdefault(node, []).append(Column(*column))
    return found


def _add_history(base: duckdb.DuckDBPyConnection, generation: str) -> None:
    """Close the spans of columns that are gone or have another type, and open those of new ones."""
    now = "select node_unique_id, column_name, coalesce(data_type_inferred, data_type_declared) as data_type from dbt.node_columns"
    base.execute(
        "update larder.column_history set last_invocation_id = ? where last_invocation_id is null"
        f" and (node_unique_id, column_name, data_type) not in ({now})",
        [generation],
    )
    base.execute(
        f"insert into larder.column_history select *, ?, null from ({now}) where (node_unique_id, column_name) not in"
        " (select (node_unique_id, column_name) from larder.column_history where last_invocation_id is null)",
        [generation],
    )


def _add_deliveries(
    base: duckdb.DuckDBPyConnection, build: Build, warehouse: duckdb.DuckDBPyConnection
) -> None:
    _insert(
        base,
        "larder.loads",
        (
            (source, str(last["load_id"]), last["position"], None)
            for source, last in sorted(build.loads.items())
            if last
        ),
    )
    base.execute("update larder.loads set loaded_at = make_timestamp((load_id::double * 1000000)::bigint)")
    if LEDGER not in relations(warehouse, without=()):
        return
    rows = warehouse.execute(
        "select source_system, table_name, period, business_date, load_id, delivered_rows, quarantined_rows, loaded_rows,"
        f" mart_rows, is_accounted_for from {LEDGER}"
    ).fetchall()
    _insert(base, "larder.deliveries", rows)


def _insert(base: duckdb.DuckDBPyConnection, table: str, rows: Iterable[tuple[object, ...]]) -> None:
    schema = base.execute(f"from {table} limit 0").to_arrow_table().schema
    found = pa.Table.from_pylist([dict(zip(schema.names, row, strict=True)) for row in rows], schema)
    base.from_arrow(found).insert_into(table)
