"""The metadata base: the same tables of a generation and of a project, right against the warehouse, and without personal values."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from conftest import Instance

from ingestion.privacy.restricted import Restricted
from larder.build import described
from larder.catalog import metadata, profiles, results
from larder.catalog.profiles import Column
from larder.catalog.results import Build
from larder.core.settings import Paths
from larder.project.dbt import Node
from larder.project.lineage import project

DUCKDB = Path(sys.executable).with_name("duckdb")


@pytest.fixture(scope="module")
def folder(published: Instance) -> Path:
    return published.warehouse.parent / "metadata"


@pytest.fixture(scope="module")
def base(folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with metadata.open_base(folder) as connection:
        yield connection


def shape(folder: Path) -> dict[str, list[tuple[str, str]]]:
    """The columns of each table, with their types."""
    return {
        file.name: duckdb.sql(f"select column_name, column_type from (describe from '{file}')").fetchall()
        for file in sorted(folder.glob("*.parquet"))
    }


def test_a_project_has_the_tables_of_a_generation(folder: Path, published: Instance, tmp_path: Path) -> None:
    kept = Path("history/compiled.json")
    (tmp_path / kept).parent.mkdir(parents=True)
    shutil.copyfile(published.data / kept, tmp_path / kept)
    described.project(Paths(tmp_path), tmp_path / "base")
    assert shape(tmp_path / "base") == shape(folder)
    files = sorted(path.name for path in (tmp_path / "base").iterdir())
    assert files == sorted(path.name for path in folder.iterdir())


def test_any_duckdb_reads_it_in_one_line(folder: Path) -> None:
    asked = "select count(*) from dbt.models join dbt_rt.run_results_latest using (unique_id) where status = 'success'"
    shown = subprocess.run(
        [DUCKDB, "-csv", "-noheader", "-cmd", ".read views.sql", "-c", asked],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert int(shown) == duckdb.sql(f"select count(*) from '{folder}/dbt.models.parquet'").fetchall()[0][0]


def test_what_a_build_found_is_what_there_is(base: duckdb.DuckDBPyConnection, published: Instance) -> None:
    tables = base.execute(
        "select schema_name || '.' || identifier, row_count from dbt_rt.relations"
        " inner join (from dbt.models union all by name from dbt.seeds) using (unique_id)"
    ).fetchall()
    assert len(tables) > 60
    for table, rows in tables:
        assert published.query(f"select count(*) from {table}") == [(rows,)], table
    ledger = published.query("select sum(delivered_rows), sum(loaded_rows) from observe.ledger")
    assert (
        base.execute("select sum(delivered_rows), sum(loaded_rows) from larder.deliveries").fetchall()
        == ledger
    )
    assert base.execute(
        "select count(*) from dbt.dag_nodes where resource_type in ('model', 'seed', 'test', 'unit_test')"
        " and unique_id not in (from dbt_rt.run_results select unique_id)"
    ).fetchall() == [(0,)]
    assert base.execute(
        "select count(*) from dbt.node_columns where data_type_inferred is null"
    ).fetchall() == [(0,)]


def test_profiles_are_right(base: duckdb.DuckDBPyConnection, published: Instance) -> None:
    found = base.execute(
        "select schema_name || '.' || identifier, column_name, row_count, null_count, distinct_count, min_value, max_value"
        " from larder.column_profiles inner join dbt.models on node_unique_id = unique_id"
        " where is_distinct_exact and shows_values and data_type not like '%[]%' order by hash(node_unique_id, column_name) limit 60"
    ).fetchall()
    for table, column, *profile in found:
        counted = published.query(
            f"select count(*), count(*) filter ({column} is null), count(distinct {column}),"
            f" min({column})::varchar, max({column})::varchar from {table}"
        )
        assert counted == [tuple(profile)], (table, column)


def test_a_shape_has_every_row_that_has_a_value() -> None:
    with duckdb.connect() as connection:
        connection.execute(
            "create table t as select range as n, range % 3 as few, if(range % 2 = 0, 'even', 'odd') as kind,"
            " date '2017-01-01' + range::integer as day, null::integer as nothing, 5 as one, 'a' || range as secret"
            " from range(1000)"
        )
        kinds = connection.execute(
            "select column_name, data_type from duckdb_columns() where table_name = 't'"
        )
        columns = [Column(name, kind.lower(), name != "secret") for name, kind in kinds.fetchall()]
        rows = {row[0]: row[1:] for row in profiles.of_table(connection, "main.t", columns)}
    tops = {name: row[10] for name, row in rows.items()}
    assert tops["kind"] == [{"label": "even", "rows": 500}, {"label": "odd", "rows": 500}]
    assert tops["few"] == [
        {"label": "0", "rows": 334},
        {"label": "1", "rows": 333},
        {"label": "2", "rows": 333},
    ]
    assert tops["one"] == [{"label": "5", "rows": 1000}]
    assert tops["nothing"] is None
    for name in ("n", "day"):
        histogram = rows[name][11]
        assert isinstance(histogram, list)
        assert sum(part["rows"] for part in histogram) == 1000
        assert len(histogram) == profiles.BINS
    assert rows["day"][11][0]["label"] == "2017-01-01"  # type: ignore[index]
    assert rows["secret"] == ("varchar", False, 1000, 0, 1000, True, None, None, 2, 4, None, None, None)


def test_odd_values_have_a_profile() -> None:
    with duckdb.connect() as connection:
        connection.execute(
            "create table t as select [range, 1]::integer[] as numbers, {'a': range} as parts,"
            " date '9990-01-01' + 1000 * range::integer as far, repeat('x', 5000) as long,"
            " if(range = 5, 'nan'::double, range::double) as odd from range(20)"
        )
        kinds = connection.execute(
            "select column_name, lower(data_type) from duckdb_columns() where table_name = 't'"
        ).fetchall()
        columns = [Column(name, kind, True) for name, kind in kinds]
        rows = {row[0]: row[1:] for row in profiles.of_table(connection, "main.t", columns)}
    assert {name: row[2:5] for name, row in rows.items() if name != "odd"} == {
        name: (20, 0, 20) if name != "long" else (20, 0, 1) for name in rows if name != "odd"
    }
    for name in ("numbers", "parts", "far", "odd"):
        assert rows[name][10:12] == (None, None)
    assert rows["long"][10] == [{"label": 100 * "x", "rows": 20}]
    assert rows["long"][6] == 100 * "x"


def test_a_sample_is_not_of_every_nth_row() -> None:
    with duckdb.connect() as connection:
        connection.execute("create table t as select range % 3 as few from range(90000)")
        (row,) = profiles.of_table(connection, "main.t", [Column("few", "bigint", True)])
    top = row[11]
    assert isinstance(top, list)
    assert [part["label"] for part in sorted(top, key=lambda part: part["label"])] == ["0", "1", "2"]
    assert all(2500 < part["rows"] < 4200 for part in top)


KEPT = [
    "CAST(id AS TEXT)",
    "COALESCE(id, 0)",
    "MAX(id)",
    "TRIM(id) → LOWER(id)",
    "CAST(id AS DECIMAL(18, 2))",
]
MADE = ["COUNT(DISTINCT id)", "id + 1", "NOT id IS NULL", "CASE WHEN a THEN id END", "MAX(id) → SUM(usd)"]


def test_what_is_cast_or_picked_is_still_the_value(compiled_base: duckdb.DuckDBPyConnection) -> None:
    def keeps(how: str, expression: str) -> object:
        return compiled_base.execute("select keeps_value(?, ?)", [how, expression]).fetchall()[0][0]

    assert [keeps("mod", one) for one in KEPT] == [True] * len(KEPT)
    assert [keeps("mod", one) for one in MADE] == [False] * len(MADE)
    assert keeps("copy", "")
    assert not keeps("scan", "CAST(id AS TEXT)")


def test_no_value_of_a_person_is_shown(base: duckdb.DuckDBPyConnection, published: Instance) -> None:
    shown = base.execute(
        "select count(*) from larder.column_profiles inner join dbt.node_columns using (node_unique_id, column_name)"
        " where classification not in ('public', 'internal') and (shows_values or min_value is not null"
        " or max_value is not null or top_values is not null or histogram is not null)"
    ).fetchall()
    assert shown == [(0,)]
    hidden = base.execute("select count(*) from larder.column_profiles where not shows_values").fetchall()
    assert hidden[0][0] > 50
    everything = " ".join(
        str(row)
        for schema, table in base.execute("select schema_name, table_name from duckdb_tables()").fetchall()
        for row in base.execute(f'from "{schema}"."{table}"').fetchall()
    )
    people = Restricted(published.data / "lake", "loyalty").rows("households").select(["email", "phone"])
    for email, phone in zip(*(column.to_pylist() for column in people.columns), strict=True):
        assert email not in everything
        assert phone not in everything


def test_files_of_others_stay(compiled_base: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    (tmp_path / "larder.gone.parquet").write_text("of an earlier version")
    metadata.save(compiled_base, tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "mine"
    assert not (tmp_path / "larder.gone.parquet").exists()
    assert (tmp_path / "dbt.models.parquet").exists()


@pytest.fixture
def compiled_base(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """The base of a project of one table, without a build."""
    column = {"name": "n", "data_type": "integer", "description": "", "config": {}}
    node = {
        **dict.fromkeys(("name", "alias", "unique_id"), "t"),
        **{"resource_type": "model", "schema": "main", "database": "memory", "package_name": "larder"},
        **{"columns": {"n": column}, "config": {"materialized": "table", "meta": {}}, "depends_on": {}},
        **{"language": "sql", "compiled_code": "select 1 as n"},
    }
    kinds = {kind: {} for kind in metadata.KINDS}
    manifest = {
        **kinds,
        "metadata": {"project_name": "larder"},
        "nodes": {"t": node},
        "parent_map": {},
    }
    traced = project.of_manifest(manifest, {}, tmp_path / "lineage.json")
    with metadata.begin(manifest, traced, {"main.t": {"n": "integer"}}, "") as connection:
        yield connection


def test_what_the_lineage_does_not_tell_is_unresolved(tmp_path: Path) -> None:
    """A model without a contract, and a snapshot, have the columns that the warehouse has."""
    column = {"name": "n", "data_type": "integer", "description": "", "config": {}}

    def node(name: str, kind: str, sql: str, columns: dict[str, Any], parents: list[str]) -> dict[str, Any]:
        return {
            **dict.fromkeys(("name", "alias", "unique_id"), name),
            **{"resource_type": kind, "schema": "main", "database": "memory", "package_name": "larder"},
            **{"columns": columns, "config": {"materialized": "table", "meta": {}}, "language": "sql"},
            **{"depends_on": {"nodes": parents}, "compiled_code": sql},
        }

    nodes = [
        node("t", "model", "select 1 as n", {"n": column}, []),
        node("hides", "model", "select columns('n') from main.t", {}, ["t"]),
        node("kept", "snapshot", "select * from main.t", {}, ["t"]),
    ]
    manifest = {
        **{kind: {} for kind in metadata.KINDS},
        "metadata": {"project_name": "larder"},
        "nodes": {node["unique_id"]: node for node in nodes},
        "parent_map": {},
    }
    traced = project.of_manifest(manifest, {}, tmp_path / "lineage.json")
    types = {"main.hides": {"n": "integer"}, "main.kept": {"n": "integer", "dbt_valid_to": "timestamp"}}
    with metadata.begin(manifest, traced, types, "") as base:
        found = base.execute(
            "select node_unique_id, column_name from traced_column where unresolved is not null"
            " and column_name in ('n', 'dbt_valid_to') order by all"
        ).fetchall()
        assert found == [("hides", "n"), ("kept", "dbt_valid_to")]
        edges = base.execute(
            "select parent_node_unique_id, parent_column_name from traced_edge"
            " where child_node_unique_id = 'hides' and child_column_name = 'n'"
        ).fetchall()
        assert edges == [("t", "n")]


def build(number: int, **more: object) -> Build:
    node = Node("t", "success", 0, "", float(number))
    return Build(f"g{number}", datetime(2017, 1, number), 1.0, "", [node], {}, 0, **more)  # type: ignore[arg-type]


def test_each_build_adds_to_what_its_parent_knows(
    compiled_base: duckdb.DuckDBPyConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "KEPT", 1)
    before = None
    for number in (1, 2, 3):
        with duckdb.connect() as warehouse, compiled_base.cursor() as now:
            warehouse.execute(f"create table t as select range::integer as n from range({number})")
            for table in (*results.HISTORIES, "larder.column_profiles", "larder.column_history"):
                now.execute(f"delete from {table}")
            if number == 3:
                now.execute("update traced_column set data_type = 'bigint'")
            results.add(now, build(number), warehouse, before)
            before = tmp_path / f"g{number}"
            metadata.save(now, before)
    with metadata.open_base(tmp_path / "g3") as found:
        sizes = found.execute("select invocation_id, row_count from dbt_rt.relations order by 1").fetchall()
        assert sizes == [("g2", 2), ("g3", 3)]
        (latest,) = found.execute(
            "select invocation_id, execution_time from dbt_rt.run_results_latest"
        ).fetchall()
        assert latest == ("g3", 3.0)
        history = found.execute("select * from larder.column_history order by first_invocation_id").fetchall()
        assert history == [("t", "n", "integer", "g1", "g3"), ("t", "n", "bigint", "g3", None)]
        assert found.execute("select row_count, max_value from larder.column_profiles").fetchall() == [
            (3, None)
        ]


def test_a_metric_is_traced_to_the_columns_of_its_measure(base: duckdb.DuckDBPyConnection) -> None:
    edges = base.execute(
        "select parent_node_unique_id, parent_column_name, expression from dbt.column_lineage"
        " where child_node_unique_id = 'metric.larder.net_sales'"
    ).fetchall()
    assert edges == [("model.larder.fct_basket_lines", "sales_usd", "sum(sales_usd)")]
    inputs = base.execute(
        "select parent_column_name from dbt.column_lineage where child_node_unique_id = 'metric.larder.basket_value' order by 1"
    ).fetchall()
    assert inputs == [("baskets",), ("net_sales",)]
