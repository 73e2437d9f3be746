"""Two generations compared, on small tables that differ in known ways. On real days: test_export.py."""

import json
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from larder.core import console
from larder.core.errors import LarderError
from larder.core.settings import Paths
from larder.warehouse import diff
from larder.warehouse.store import Store

GRAINS = {"marts.things": ["day", "thing"], "marts.repeats": ["thing"]}


def publish(where: Paths, *statements: str) -> str:
    """A generation that holds what the statements make of its parent. Returns its id."""
    store = Store(where.warehouse)
    manifest = store.begin(fresh=False)
    with duckdb.connect(str(store.address(manifest))) as connection:
        connection.execute("create schema if not exists marts")
        for statement in statements:
            connection.execute(statement)
    store.audited(manifest)
    store.publish(manifest)
    return manifest.id


def row(found: diff.Difference, table: str) -> diff.TableChange:
    return next(change for change in found.tables if change.table == table)


def declared(data: Path) -> Paths:
    """A data root whose last build declared the keys of GRAINS."""
    where = Paths(data)
    (where.dbt / "candidate").mkdir(parents=True)
    nodes = {
        table: {
            "resource_type": "model",
            "schema": "marts",
            "alias": table.partition(".")[2],
            "config": {"meta": {"grain": grain}},
            "columns": {},
        }
        for table, grain in GRAINS.items()
    }
    (where.dbt / "candidate/manifest.json").write_text(json.dumps({"nodes": nodes}))
    return where


@pytest.fixture
def small(tmp_path: Path) -> Paths:
    """Two generations: of 8 things, one went, one came, two changed; one has no day, which is part of the key."""
    where = declared(tmp_path)
    publish(
        where,
        "create table marts.things as select case when n > 0 then n // 2 end as day, n as thing, 'secret' as name, n as size"
        " from range(8) as numbers (n)",
        "create table marts.repeats as select 1 as thing, n as size from range(2) as numbers (n)",
        "create table marts.keyless as select 1 as thing",
        "create table marts.gone as select 1 as thing",
        "create view marts.a_view as select * from marts.keyless",
    )
    publish(
        where,
        "delete from marts.things where thing = 7",
        "insert into marts.things values (9, 9, 'secret', 9)",
        "update marts.things set name = null, size = -1 where thing = 0",
        "update marts.things set size = -1 where thing = 3",
        "update marts.repeats set size = size + 1",
        "drop table marts.gone",
        "create table marts.came as select 1 as thing",
        "drop view marts.a_view",
        "alter table marts.keyless alter thing type varchar",
        "alter table marts.keyless add column size integer",
    )
    return where


def test_rows_are_counted_by_what_became_of_them(small: Paths) -> None:
    things = row(diff.compare(small, None, None), "marts.things")
    assert (things.rows_before, things.rows_after) == (8, 8)
    assert (things.added, things.removed, things.changed) == (1, 1, 2)
    assert things.columns == {"name": 1, "size": 2}


def test_tables_larger_than_memory_are_compared_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys of many groups, with braces and quotes in their values: no part of them may end in SQL."""
    monkeypatch.setattr(diff, "DIFF", replace(diff.DIFF, memory="80MB", threads=1))
    where = declared(tmp_path)
    many = (
        "create or replace table marts.things as select '{' || (n % 4000) || '} it''s' as day, n as thing,"
        " repeat(md5(n::varchar), 3) as name, case when n % 1000 = 0 then {} else 0 end as size from range({}) as numbers (n)"
    )
    publish(where, many.replace("then {}", "then 0").replace("range({})", "range(600000)"))
    publish(where, many.replace("then {}", "then 1").replace("range({})", "range(600001)"))
    things = row(diff.compare(where, None, None), "marts.things")
    assert (things.added, things.removed, things.changed) == (1, 0, 600)
    assert things.columns == {"size": 600}


def test_what_no_key_can_match_is_compared_as_whole_rows(small: Paths) -> None:
    found = diff.compare(small, None, None)
    repeats, keyless = row(found, "marts.repeats"), row(found, "marts.keyless")
    assert (repeats.added, repeats.removed, repeats.changed) == (1, 1, 0)
    assert repeats.note == "as whole rows: the key (thing) repeats in 4 rows"
    assert (keyless.added, keyless.removed) == (0, 0)
    assert keyless.note == "as whole rows: no key is declared; thing as text"


def test_schema_changes_are_listed(small: Paths) -> None:
    found = diff.compare(small, None, None)
    assert [(change.table, change.column, change.before, change.after) for change in found.schema] == [
        ("marts.a_view", None, "there", None),
        ("marts.came", None, None, "there"),
        ("marts.gone", None, "there", None),
        ("marts.keyless", "thing", "INTEGER", "VARCHAR"),
        ("marts.keyless", "size", None, "INTEGER"),
    ]


def test_no_value_is_shown(small: Paths) -> None:
    found = diff.compare(small, None, None)
    with console.out.capture() as shown:
        diff.render(found)
    assert "name 1, size 2" in shown.get()
    assert "secret" not in shown.get() + json.dumps(diff.as_dict(found))


def test_backwards_is_the_mirror_image(small: Paths) -> None:
    new, old = (manifest.id for manifest in Store(small.warehouse).all())
    there, back = (row(diff.compare(small, *names), "marts.things") for names in ((old, new), (new, old)))
    assert (there.added, there.removed, there.changed) == (back.removed, back.added, back.changed)


def test_a_generation_that_is_not_there_is_said_plainly(small: Paths) -> None:
    with pytest.raises(LarderError, match="no generation nonsense"):
        diff.compare(small, "nonsense", None)
    first = Store(small.warehouse).all()[-1].id
    with pytest.raises(LarderError, match="has no parent"):
        diff.compare(small, None, first)


def test_a_table_that_became_a_view_is_named(small: Paths) -> None:
    publish(small, "drop table marts.came", "create view marts.came as select 1 as thing")
    found = diff.compare(small, None, None)
    assert [(c.table, c.before, c.after) for c in found.schema] == [("marts.came", "table", "view")]
