"""Column lineage of the whole project: nothing is unresolved, every column begins at a source or a seed."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import pytest
from conftest import Instance

from larder.build import lineage
from larder.build.compiled import Compiled
from larder.build.compiled import compiled as compile_project
from larder.core.errors import LarderError
from larder.core.settings import Paths
from larder.project.lineage import project
from larder.project.lineage.edges import Edge, Lineage
from larder.project.lineage.names import ROWS
from larder.project.lineage.project import ProjectLineage

CONSTANT: set[tuple[str, str]] = set()
"""Columns of marts that no row of a source or a seed has a part in."""


@pytest.fixture(scope="module")
def whole(compiled: Compiled, tmp_path_factory: pytest.TempPathFactory) -> ProjectLineage:
    file = tmp_path_factory.mktemp("kept") / "lineage.json"
    return project.of_manifest(compiled.manifest, compiled.increments, file)


def test_every_column_of_the_project_is_resolved(compiled: Compiled, whole: ProjectLineage) -> None:
    assert whole.unresolved() == {}
    for node in compiled.manifest["nodes"].values():
        if node["resource_type"] in {"model", "seed"}:
            assert list(whole.relations[f"{node['schema']}.{node['alias']}"].values) == list(node["columns"])
    assert len(whole.relations) == sum(
        node["resource_type"] in {"model", "seed"} for node in compiled.manifest["nodes"].values()
    ) + len(compiled.manifest["sources"])


@pytest.mark.nightly
def test_a_build_compiles_what_a_project_without_data_does(compiled: Compiled, tmp_path: Path) -> None:
    """In the build's session the tables are there, on its own they are empty ones."""
    alone = compile_project(Paths(tmp_path))
    assert compiled.increments == alone.increments
    for name, node in alone.manifest["nodes"].items():
        assert compiled.manifest["nodes"][name].get("compiled_code") == node.get("compiled_code")


def test_every_column_begins_at_a_source_or_a_seed(whole: ProjectLineage) -> None:
    begins_nowhere = {
        (relation, column)
        for relation, found in whole.relations.items()
        for column in found.values
        if whole.kinds[relation] == "model"
        and not any(
            whole.kinds.get(there) in {"source", "seed"} for there, _ in whole.upstream(relation, column)
        )
    }
    assert begins_nowhere == CONSTANT


def test_only_what_larder_records_of_its_builds_is_not_declared(whole: ProjectLineage) -> None:
    read = {edge.relation for _, edge in whole.edges()}
    assert read - set(whole.relations) == {"observe.built_loads", "observe.built_partitions"}


def test_no_relation_derives_from_itself(whole: ProjectLineage) -> None:
    """Two increments read their own table: in its place stands what that derives from."""
    assert not [edge for (relation, _), edge in whole.edges() if edge.relation == relation]


def test_known_columns(whole: ProjectLineage) -> None:
    """What an author of these models would say."""
    sales = whole.upstream("marts.fct_baskets", "sales_usd")
    assert (
        sales["raw.pos__transactions", "sales_value"]
        == sales["raw.pos_stream__transactions", "sales_value"]
        == "mod"
    )
    assert sales["raw.pos__transactions", "_dlt_load_id"] == "scan"
    household = whole.upstream("marts.fct_baskets", "household_id")
    assert household["raw.pos__transactions", "household_id"] == "copy"
    assert ("raw.pos__transactions", "sales_value") not in household
    reached = whole.downstream("raw.loyalty__demographics", "age")
    assert reached["staging.stg_loyalty__demographics", "age_band"] == "copy"
    assert reached["marts.dim_households", "age_band"] == "mod"


def test_both_branches_of_an_increment_count(compiled: Compiled, whole: ProjectLineage) -> None:
    name = "model.larder.fct_baskets"
    assert compiled.manifest["nodes"][name]["compiled_code"] != compiled.increments[name]
    edges = {(e.relation, e.column): e for e in whole.relations["marts.fct_baskets"].columns["sales_usd"]}
    assert edges["marts.fct_basket_lines", "sales_usd"].expression == "CAST(SUM(sales_usd) AS DECIMAL(18, 2))"
    assert edges["marts.agg_sales_days", "business_date"].how == "scan"
    assert set(compiled.increments) == {
        name
        for name, node in compiled.manifest["nodes"].items()
        if node["config"]["materialized"] == "incremental"
    }


def test_only_what_has_changed_is_traced_again(
    compiled: Compiled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, manifest = tmp_path / "lineage.json", json.loads(json.dumps(compiled.manifest))
    first = project.of_manifest(manifest, compiled.increments, file)
    traced, trace = [], project._traced

    def counted(node: Mapping[str, Any], *more: Any) -> Lineage:
        traced.append(node["name"])
        return trace(node, *more)

    monkeypatch.setattr(project, "_traced", counted)
    assert project.of_manifest(manifest, compiled.increments, file) == first
    assert traced == []
    manifest["nodes"]["model.larder.agg_household_profile"]["compiled_code"] += "\nlimit 1"
    project.of_manifest(manifest, compiled.increments, file)
    assert traced == ["agg_household_profile"]


# Small projects


def model(name: str, sql: str, columns: Mapping[str, str], *parents: str, **more: Any) -> dict[str, Any]:
    return {
        "unique_id": f"model.x.{name}",
        "resource_type": "model",
        "language": "sql",
        "name": name,
        "schema": "marts",
        "alias": name,
        "config": {"materialized": "table"},
        "compiled_code": sql,
        "columns": {column: {"data_type": kind} for column, kind in columns.items()},
        "depends_on": {"nodes": [f"model.x.{parent}" for parent in parents]},
        **more,
    }


def manifest_of(*models: dict[str, Any]) -> dict[str, Any]:
    source = {
        "resource_type": "source",
        "schema": "raw",
        "identifier": "orders",
        "unique_id": "source.x.raw.orders",
        "columns": {"id": {"data_type": "integer"}, "usd": {"data_type": "integer"}},
    }
    return {"nodes": {m["unique_id"]: m for m in models}, "sources": {"source.x.raw.orders": source}}


ORDERS = model("orders", "select id, usd from raw.orders", {"id": "integer", "usd": "integer"})


def test_what_a_model_hides_counts_as_derived_from_all_that_it_reads(tmp_path: Path) -> None:
    turned = model("turned", "pivot marts.orders on id using sum(usd)", {"one": "integer"}, "orders")
    last = model("last", "select one + 1 as more from marts.turned", {"more": "integer"}, "turned")
    python = model("learned", "", {"score": "double"}, "orders", language="python")
    found = project.of_manifest(manifest_of(ORDERS, turned, last, python), {}, tmp_path / "kept")
    assert set(found.unresolved()) == {
        ("marts.turned", ROWS),
        ("marts.turned", "one"),
        ("marts.learned", ROWS),
        ("marts.learned", "score"),
    }
    assert {("raw.orders", "id"), ("raw.orders", "usd")} <= set(found.upstream("marts.last", "more"))
    assert ("marts.last", "more") in found.downstream("raw.orders", "usd")
    learned = {edge.relation for edge in found.relations["marts.learned"].columns["score"]}
    assert learned == {"marts.orders"}


def test_a_column_that_the_sql_does_not_give_is_unresolved(tmp_path: Path) -> None:
    odd = model("odd", "select id from marts.orders", {"id": "integer", "gone": "integer"}, "orders")
    found = project.of_manifest(manifest_of(ORDERS, odd), {}, tmp_path / "kept")
    assert found.unresolved() == {("marts.odd", "gone"): "the SQL does not give it"}


def test_rows_of_a_model_without_a_column_of_it(tmp_path: Path) -> None:
    """A count of rows derives from what decides those rows, however far away."""
    some = model("some", "select usd from marts.orders where id > 3", {"usd": "integer"}, "orders")
    count = model("count", "select count(*) as n from marts.some", {"n": "bigint"}, "some")
    found = project.of_manifest(manifest_of(ORDERS, some, count), {}, tmp_path / "kept")
    assert found.upstream("marts.count", "n")["raw.orders", "id"] == "scan"
    assert ("raw.orders", "usd") not in found.upstream("marts.count", "n")


def test_an_increment_that_reads_its_own_table(tmp_path: Path) -> None:
    columns = {"id": "integer", "usd": "integer"}
    sums = model("sums", "select id, usd from marts.orders", columns, "orders")
    more = "select o.id, o.usd + coalesce(s.usd, 0) as usd from marts.orders as o left join marts.sums as s on o.id = s.id"
    found = project.of_manifest(manifest_of(ORDERS, sums), {"model.x.sums": more}, tmp_path / "kept")
    edges = {(e.relation, e.column): e.how for e in found.relations["marts.sums"].columns["usd"]}
    assert edges == {("marts.orders", "usd"): "mod", ("marts.orders", "id"): "scan"}


def test_a_model_is_traced_again_when_its_parent_has_other_columns(tmp_path: Path) -> None:
    star = model("star", "select * from marts.orders", {}, "orders")
    kept = tmp_path / "kept"
    first = project.of_manifest(manifest_of(ORDERS, star), {}, kept)
    assert list(first.relations["marts.star"].values) == ["id", "usd"]
    wider = model("orders", "select id, usd, 1 as one from raw.orders", {"id": "", "usd": "", "one": ""})
    second = project.of_manifest(manifest_of(wider, star), {}, kept)
    assert list(second.relations["marts.star"].values) == ["id", "usd", "one"]


def test_a_file_that_is_no_lineage_is_written_again(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    whole = project.of_manifest(manifest_of(ORDERS), {}, kept)
    written = kept.read_text()
    for content in ("[]", "{", "1", '{"raw.orders": 1}'):
        kept.write_text(content)
        assert project.of_manifest(manifest_of(ORDERS), {}, kept) == whole
        assert kept.read_text() == written


HIDDEN = (
    "select columns('i.*') from marts.orders",
    "pivot marts.orders on id using sum(usd)",
    "from query_table('marts.orders')",
)


@pytest.mark.parametrize("sql", HIDDEN)
def test_what_a_model_without_a_contract_may_have(sql: str, tmp_path: Path) -> None:
    """Its columns are not known, so whatever reads it may derive from all that it reads."""
    hides = model("hides", sql, {}, "orders")
    star = model("star", "select * from marts.hides", {}, "hides")
    one = model("one", "select id + 1 as next from marts.hides", {"next": "integer"}, "hides")
    found = project.of_manifest(manifest_of(ORDERS, hides, star, one), {}, tmp_path / "kept")
    assert found.unresolved()["marts.star", ROWS]
    assert found.unresolved()["marts.hides", "id"]
    for column in ("id", "usd"):
        reached = found.downstream("raw.orders", column)
        assert {("marts.hides", ROWS), ("marts.star", ROWS), ("marts.one", "next")} <= set(reached)
    whole = found.completed({"marts.hides": ["id", "usd"], "marts.star": ["ID", "usd"]})
    assert {("marts.hides", "usd"), ("marts.star", "ID")} <= set(whole.unresolved())
    assert {("marts.hides", "usd"), ("marts.star", "ID")} <= set(whole.downstream("raw.orders", "id"))
    assert project.of_manifest(manifest_of(ORDERS, hides, star, one), {}, tmp_path / "kept") == found


def test_a_source_without_columns(tmp_path: Path) -> None:
    star = model("star", "select * from raw.orders", {}, "raw.orders")
    one = model("one", "select usd from raw.orders", {}, "raw.orders")
    manifest = manifest_of(star, one)
    manifest["sources"]["source.x.raw.orders"]["columns"] = {}
    found = project.of_manifest(manifest, {}, tmp_path / "kept")
    assert set(found.unresolved()) == {("marts.star", ROWS)}
    assert found.upstream("marts.one", "usd")["raw.orders", "usd"] == "copy"


def test_a_column_that_only_the_types_know_is_unresolved(tmp_path: Path) -> None:
    found = project.of_manifest(manifest_of(ORDERS), {}, tmp_path / "kept")
    whole = found.completed({"marts.orders": ["id", "usd", "more"], "raw.orders": ["_loaded"]})
    assert whole.unresolved() == {("marts.orders", "more"): "the SQL does not give it"}
    assert ("raw.orders", "usd") in whole.upstream("marts.orders", "more")


def test_what_lies_behind_an_ephemeral_model_goes_first(tmp_path: Path) -> None:
    base = model("z_base", "select id, usd from raw.orders", {})
    between = model("b", "select * from marts.z_base", {}, "z_base", config={"materialized": "ephemeral"})
    inlined = "with __dbt__cte__b as (select * from marts.z_base) select * from __dbt__cte__b"
    child = model("a_child", inlined, {}, "b")
    found = project.of_manifest(manifest_of(child, between, base), {}, tmp_path / "kept")
    assert found.unresolved() == {}
    assert found.upstream("marts.a_child", "usd")["raw.orders", "usd"] == "copy"


def test_a_snapshot(tmp_path: Path) -> None:
    named = {"materialized": "snapshot", "snapshot_meta_column_names": {"dbt_valid_to": "until"}}
    snapshot = model(
        "snap", "select * from marts.orders", {}, "orders", resource_type="snapshot", config=named
    )
    child = model("child", "select id, until from marts.snap", {"id": "", "until": ""}, "snap")
    found = project.of_manifest(manifest_of(ORDERS, snapshot, child), {}, tmp_path / "kept")
    assert found.kinds["marts.snap"] == "snapshot"
    unresolved = {column for relation, column in found.unresolved() if relation == "marts.snap"}
    assert unresolved == {"dbt_scd_id", "dbt_updated_at", "dbt_valid_from", "until"}
    assert found.upstream("marts.child", "id")["raw.orders", "id"] == "copy"
    assert found.upstream("marts.child", "until")["raw.orders", "usd"] == "mod"


def test_edges_follow_each_other() -> None:
    inner, outer = Edge("a", "x", "mod", "x + 1"), Edge("b", "y", "mod", "y * 2")
    assert inner.through(outer) == Edge("a", "x", "mod", "x + 1 → y * 2")
    assert inner.through(Edge("b", "y", "scan")) == Edge("a", "x", "scan")
    assert Edge("a", "x", "copy").through(Edge("b", "y", "copy")) == Edge("a", "x", "copy")
    assert Lineage({"x": (Edge("a", "x", "copy"),)}).joined(Lineage({"x": (inner,)})).values == {
        "x": (inner,)
    }


# The command


def test_find(whole: ProjectLineage) -> None:
    assert lineage.find(whole, "fct_baskets.sales_usd") == [("marts.fct_baskets", "sales_usd")]
    assert lineage.find(whole, "marts.FCT_BASKETS.Sales_USD") == [("marts.fct_baskets", "sales_usd")]
    assert ("marts.fct_baskets", "lines") in lineage.find(whole, "fct_baskets")
    with pytest.raises(LarderError) as error:
        lineage.find(whole, "fct_baskets.sales_us")
    assert "fct_baskets.sales_usd" in error.value.next_step


def test_find_by_the_names_that_the_project_uses(whole: ProjectLineage) -> None:
    there = [("raw.pos__transactions", "sales_value")]
    for short in ("raw.pos__transactions", "pos__transactions", "pos.transactions"):
        assert lineage.find(whole, f"{short}.sales_value") == there
    latest = lineage.find(whole, "agg_sales_daily.sales_usd")
    for version in ("agg_sales_daily_v2", "agg_sales_daily.v2"):
        assert lineage.find(whole, f"{version}.sales_usd") == latest
    assert lineage.find(whole, "fct_baskets.*") == [("marts.fct_baskets", ROWS)]
    (rows,) = lineage.as_dict(whole, [("marts.fct_baskets", ROWS)], down=False)
    assert rows["edges"]
    with pytest.raises(LarderError) as error:
        lineage.find(whole, " ")
    assert "no name" in str(error.value)


def test_shown(whole: ProjectLineage, capsys: pytest.CaptureFixture[str]) -> None:
    lineage.render(whole, [("marts.fct_baskets", "sales_usd")], down=False)
    shown = capsys.readouterr().out
    assert "computed  marts.fct_basket_lines.sales_usd  CAST(SUM(sales_usd)" in shown
    assert "computed  raw.pos__transactions.sales_value" in shown
    lineage.render(whole, [("raw.loyalty__demographics", "age")], down=True)
    assert "marts.dim_households" in capsys.readouterr().out
    (told,) = lineage.as_dict(whole, [("marts.fct_baskets", "sales_usd")], down=False)
    assert ["raw.pos__transactions", "sales_value", "mod"] in told["derives_from"]


# DuckDB as a witness, on what a few days of sales give


class Parents:
    """What a published generation has of some relations, to be changed column by column."""

    def __init__(self, published: Instance, relations: set[str]) -> None:
        self.connection = duckdb.connect()
        self.connection.execute(
            "attach ':memory:' as larder; use larder; set timezone = 'UTC'; set threads = 1"
        )
        with duckdb.connect(str(published.warehouse), read_only=True) as theirs:
            theirs.execute("set timezone = 'UTC'")
            for relation in sorted(relations):
                rows = theirs.execute(f"select * from {relation} order by all").to_arrow_table()
                self.connection.register("arrived", rows)
                self.connection.execute(f"create schema if not exists {relation.partition('.')[0]}")
                self.connection.execute(f"create table {relation} as select * from arrived")

    def answer(self, sql: str) -> dict[str, int]:
        """A hash of each column's values, whatever the order of the rows."""
        columns = [column[0] for column in self.connection.execute(f"describe ({sql})").fetchall()]
        hashes = ", ".join(f'sum(hash("{column}")::hugeint)' for column in columns)
        (row,) = self.connection.execute(f"select {hashes} from ({sql}\n)").fetchall()
        return dict(zip(columns, row, strict=True))

    def changed(self, relation: str, column: str, sql: str) -> dict[str, int]:
        """The answer where a column has, in half of the rows, what it had in another row."""
        self.connection.execute(
            f"create or replace table kept as select *, row_number() over () as n from {relation}"
        )
        self.connection.execute(
            f"create or replace table {relation} as select kept.* exclude (n)"
            f' replace (if(kept.n % 2 = 0, other."{column}", kept."{column}") as "{column}")'
            " from kept positional join (select * from kept order by hash(n)) as other"
        )
        answer = self.answer(sql)
        self.connection.execute(
            f"create or replace table {relation} as select * exclude (n) from kept order by n"
        )
        return answer


@pytest.mark.parametrize("relation", ["marts.fct_baskets", "marts.dim_households"])
def test_what_changes_a_column_of_a_model_has_an_edge(
    relation: str, compiled: Compiled, whole: ProjectLineage, published: Instance
) -> None:
    nodes = compiled.manifest["nodes"].values()
    (sql,) = (node["compiled_code"] for node in nodes if f"{node['schema']}.{node.get('alias')}" == relation)
    edges = {
        column: {(edge.relation, edge.column) for edge in own}
        for column, own in whole.relations[relation].columns.items()
    }
    read = {there for own in edges.values() for there, _ in own if there in whole.relations}
    parents = Parents(published, read)
    before = parents.answer(sql)
    for parent in read:
        for column in whole.relations[parent].values:
            after = parents.changed(parent, column, sql)
            for name in before:
                assert after[name] == before[name] or (parent, column) in edges[name], (name, parent, column)
