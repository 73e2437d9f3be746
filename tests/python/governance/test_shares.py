"""What the policy grants is in a share, and nothing else is; whatever breaks leaves none."""

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import duckdb
import pytest
import shop as shops
from shop import Shop

from ingestion.privacy.pseudonyms import KEYS
from larder.catalog import metadata
from larder.core.errors import LarderError
from larder.governance import queries, shares, verify

HOUSEHOLDS = "select distinct household_id from marts.{} order by all"


def mostly_nightly(cases: Iterable[str], quick: int) -> list[Any]:
    """All cases for the night, and `quick` of them, the last one among them, in every run."""
    names = [*cases]
    return [
        pytest.param(name, marks=[] if place % -(-len(names) // quick) == 0 else pytest.mark.nightly)
        for place, name in enumerate(reversed(names))
    ]


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    return shops.made(tmp_path, monkeypatch)


def test_an_audience_gets_what_is_granted_and_nothing_else(shop: Shop) -> None:
    shop.share()
    items, lines = ["item_id", "maker", "cost"], ["household_id", "item_id", "sold_at", "units"]
    totals = {"agg_items": ["item_id", "households", "units"], "agg_weeks": ["week", "units"]}
    assert (
        shop.tables("analyst")
        == {"dim_items": items, "dim_people": ["household_id", "age"], "fct_lines": lines} | totals
    )
    assert (
        shop.tables("science")
        == {"dim_items": items, "dim_people": ["household_id", "age", "income"], "fct_lines": lines} | totals
    )
    assert shop.tables("supplier") == {"dim_items": items, "agg_items": totals["agg_items"]}
    assert shop.query("science", "select distinct income from marts.dim_people") == [(True,)]
    assert {
        kind
        for (kind,) in shop.query(
            "analyst", "select data_type from duckdb_columns() where column_name = 'sold_at'"
        )
    } == {"DATE"}
    for audience in shop.policy["audiences"]:
        folder = shop.paths.shares / audience
        assert {path.name for path in folder.iterdir()} == {
            "larder.duckdb",
            "share.json",
            *(f"marts.{table}.parquet" for table in shop.tables(audience)),
        }
        assert shop.query(audience, "select view_name from duckdb_views() where not internal") == []


def test_a_household_has_one_hash_for_an_audience_and_another_for_another(shop: Shop) -> None:
    shop.share()
    people, lines = (shop.query("analyst", HOUSEHOLDS.format(table)) for table in ("dim_people", "fct_lines"))
    others = shop.query("science", HOUSEHOLDS.format("dim_people"))
    own = {7000000000000 + i for i in range(60)}
    assert people == lines
    assert len(people) == len(others) == 60
    assert not {*people} & {*others}
    assert not {number for (number,) in people + others} & own
    with duckdb.connect(str(shop.store.reader_address()), read_only=True) as warehouse:
        spent = [
            row[1:]
            for row in warehouse.execute(
                "select household_id, sum(units) from marts.fct_lines group by all order by 2"
            ).fetchall()
        ]
    assert spent == [
        row[1:]
        for row in shop.query(
            "analyst", "select household_id, sum(units) from marts.fct_lines group by all order by 2"
        )
    ]


def test_the_order_of_rows_tells_no_household(shop: Shop) -> None:
    shop.share()
    for audience in ("analyst", "science"):
        found = shop.query(audience, "select household_id from marts.dim_people")
        assert found == sorted(found)


def test_a_supplier_sees_its_own_and_no_small_group(shop: Shop) -> None:
    shop.share()
    assert shop.query("supplier", "select distinct maker from marts.dim_items") == [("maker 1",)]
    assert shop.query("supplier", "select item_id from marts.agg_items order by 1") == [
        (i,) for i in range(10, 30) if i % 3 == 1
    ]
    about = shop.query(
        "supplier",
        "select row_count, rows_left_out, refused from share.about where table_name = 'marts.agg_items'",
    )
    assert about == [(7, 3, None)]  # those of other makers are not counted
    refused = dict(
        shop.query("supplier", "select table_name, refused from share.about where refused is not null")
    )
    assert refused.keys() == {"marts.dim_people", "marts.fct_lines", "marts.agg_weeks"}


def test_rows_of_rare_households_lose_what_points_at_them(shop: Shop) -> None:
    shop.share()
    ages = shop.query(
        "analyst", "select age, count(*) from marts.dim_people group by all order by 1 nulls last"
    )
    assert ages == [("30", 28), ("40", 29), (None, 3)]
    facts = ", ".join(queries.FACTS)
    about = f"select {facts} from share.about where table_name = 'marts.dim_people'"
    assert shop.query("analyst", about) == [(0, 3, 3, 0, 3)]
    assert shop.query("science", about) == [(0, 0, 3, 0, 3)]


def set_(path: str, value: Any) -> Callable[[Shop], None]:
    def change(shop: Shop) -> None:
        *folders, last = path.split("/")
        place = shop.policy
        for folder in folders:
            place = place[folder]
        place[last] = value

    return change


def class_of(table: str, column: str, class_: str | None) -> Callable[[Shop], None]:
    def change(shop: Shop) -> None:
        shop.columns[table][column] = class_  # type: ignore[assignment]
        shop.publish()

    return change


CLOSED = {
    "a class that there is not": (class_of("dim_items", "cost", "secret"), "analyst", "dim_items", "cost"),
    "no class": (class_of("dim_items", "cost", None), "analyst", "dim_items", "cost"),
    "a word that nobody knows": (
        set_("audiences/analyst/sees/internal", "as it is"),
        "analyst",
        "dim_items",
        "cost",
    ),
    "no word": (set_("audiences/analyst/sees", {}), "analyst", "dim_items", "cost"),
    "an empty list of rows": (
        set_("audiences/supplier/rows", {"dim_items.maker": []}),
        "supplier",
        "dim_items",
        "item_id",
    ),
    "a misspelt word for rows": (
        lambda shop: shop.policy["audiences"]["supplier"].update(
            row=shop.policy["audiences"]["supplier"].pop("rows")
        ),
        "supplier",
        "dim_items",
        "item_id",
    ),
    "no rows": (set_("audiences/supplier/rows", {}), "supplier", "dim_items", "item_id"),
    "rows of nothing": (
        set_("audiences/supplier/rows", {"dim_items.maker": [None]}),
        "supplier",
        "dim_items",
        "item_id",
    ),
    "an empty list of tables": (set_("audiences/analyst/tables", []), "analyst", "dim_items", "item_id"),
    "a table that is no list": (
        set_("audiences/analyst/tables", "dim_items"),
        "analyst",
        "dim_items",
        "item_id",
    ),
    "a part of a household": (
        set_("audiences/supplier/minimum_group", 0.5),
        "supplier",
        "dim_items",
        "item_id",
    ),
    "rows of no dimension": (
        set_("audiences/supplier/rows", {"dim_stores.region": [1]}),
        "supplier",
        "dim_items",
        "item_id",
    ),
    "no schema": (set_("audiences/analyst/schemas", []), "analyst", "dim_items", "item_id"),
    "no minimum": (set_("audiences/analyst/minimum_group", "few"), "analyst", "dim_items", "item_id"),
    "an expression that is none": (set_("generalisations/age", "case when"), "analyst", "dim_people", "age"),
    "another column": (set_("generalisations/age", "email"), "analyst", "dim_people", "age"),
    "another table": (
        set_("generalisations/age", "(select min(email) from marts.dim_people)"),
        "analyst",
        "dim_people",
        "age",
    ),
    "all rows": (set_("generalisations/age", "max(age)"), "analyst", "dim_people", "age"),
    "a file": (
        set_("generalisations/age", "(select any_value(content) from read_text('/etc/hostname'))"),
        "analyst",
        "dim_people",
        "age",
    ),
    "no way to make it coarser": (set_("generalisations", {}), "analyst", "dim_people", "age"),
    "a pseudonym that it does not see": (
        set_("audiences/analyst/sees/pseudonym", "not at all"),
        "analyst",
        "dim_people",
        "age",
    ),
    "a name that leads elsewhere": (
        lambda shop: shop.policy["audiences"].update({"../out": shop.policy["audiences"]["analyst"]}),
        "../out",
        "",
        "",
    ),
    "an audience that is gone": (
        lambda shop: shop.policy["audiences"].pop("analyst"),
        "analyst",
        "dim_items",
        "cost",
    ),
}


@pytest.mark.parametrize("case", mostly_nightly(CLOSED, 4))
def test_what_is_not_said_in_so_many_words_gives_nothing(shop: Shop, case: str) -> None:
    change, audience, table, column = CLOSED[case]
    shop.only("supplier" if audience == "supplier" else "analyst")
    change(shop)
    shop.share()
    gone = not (shop.paths.shares / audience).exists()
    assert gone or column not in shop.tables(audience).get(table, [])
    assert not shop.leftovers()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "audiences:\n  a: {sees: {public: not at all}}\n  a: {sees: {public: as is}}\n",
            "says a (line 3) twice",
        ),
        ("audiences:\n  a: {sees: {public: not at all, public: as is}}\n", "says public (line 2) twice"),
        ("audiences: [", "cannot be read"),
        ("", "has no sections"),
    ],
)
def test_a_policy_that_can_be_read_in_two_ways_is_none(shop: Shop, text: str, reason: str) -> None:
    shop.write_policy()
    (shop.paths.data / "governance" / "audiences.yml").write_text(text)
    published = shop.store.require_published()
    with pytest.raises(LarderError, match=re.escape(reason)):
        metadata.governed(shop.store.metadata(published), {})


def test_unresolved_lineage_gives_nothing(shop: Shop) -> None:
    file = shop.store.metadata(shop.store.require_published()) / "dbt.node_columns.parquet"
    with duckdb.connect() as base:
        base.execute(
            f"create table t as select * replace (if(column_name = 'cost', 'a macro', unresolved) as unresolved) from '{file}'"
        )
        base.execute(f"copy t to '{file}'")
    shop.share()
    assert shop.tables("analyst")["dim_items"] == ["item_id", "maker"]


BROKEN: dict[str, tuple[Any, str, Any]] = {
    "originals": (queries, "_cell", lambda column, hashed: f"chosen.{column.name}"),
    "all rows": (queries, "_chosen", lambda table: f"select * from {table.relation}"),
    "small groups": (queries, "_large", lambda table: "true"),
    "rare households": (queries, "K", 0),
    "whole tables": (queries, "rows", lambda table: f"select * from {table.relation}"),
    "files open to all": (
        shares,
        "give",
        lambda folder, group: [path.chmod(0o644) for path in folder.iterdir()],
    ),
    "a key of nobody": (shares, "pseudonym", lambda number, keys: number),
}


@pytest.mark.parametrize("case", mostly_nightly(BROKEN, 2))
def test_a_mistake_of_the_writer_leaves_no_share(
    shop: Shop, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    audience = "supplier" if case in ("all rows", "small groups") else "analyst"
    shop.only(audience)
    shop.share()
    place, name, wrong = BROKEN[case]
    monkeypatch.setattr(place, name, wrong)
    monkeypatch.setattr(shares, "FORMAT", 2)
    with pytest.raises(LarderError, match="what was written is not what the policy says"):
        shop.share()
    assert {path.name for path in shop.paths.shares.iterdir() if path.is_symlink()} < {
        "analyst",
        "science",
        "supplier",
    }
    assert not shop.leftovers()


@pytest.mark.parametrize(
    ("made", "found"),
    [
        (
            "alter table marts.dim_people add column email varchar; update marts.dim_people set email = 'a@example.com'",
            "the audience does not see",
        ),
        ("create table marts.unknown as select 1 as x", "is no model"),
        ("create view marts.all_of_it as from marts.dim_items", "is no table"),
        ("create macro marts.m() as 1", "is no table"),
        ("delete from marts.dim_items where item_id = 3", "is not what its Parquet file is"),
        ("drop table share.about", "share.about is missing"),
        (
            "update marts.dim_items set maker = 'seen by 7000000000007 today' where item_id = 3",
            "1 pseudonyms of the warehouse",
        ),
    ],
)
def test_the_verifier_sees_what_should_not_be_there(shop: Shop, made: str, found: str) -> None:
    shop.only("analyst")
    shop.share()
    share = shop.paths.shares / "analyst"
    with duckdb.connect(str(share / "larder.duckdb")) as file:
        file.execute(made)
    published = shop.store.require_published()
    manifest = json.loads((shop.store.artifacts(published) / "manifest.json").read_text())
    with shop.store.open(published, shares.SHARE) as warehouse:
        wrong = verify.problems(share.resolve(), "analyst", warehouse, [manifest])
    assert any(found in one for one in wrong), wrong


def inodes(shop: Shop, audience: str) -> dict[str, int]:
    return {path.name: path.stat().st_ino for path in (shop.paths.shares / audience).iterdir()}


def test_only_what_changed_is_written_again(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.share()
    before = inodes(shop, "analyst")
    shop.share()
    assert inodes(shop, "analyst") == before
    shop.publish(shops.CONTENT + "insert into marts.agg_weeks values (9, 9);", "20170102T000000000Z")
    shop.share()
    after = inodes(shop, "analyst")
    kept = {name for name in before if before[name] == after[name]}
    assert kept == {f"marts.{table}.parquet" for table in shops.TABLES} - {"marts.agg_weeks.parquet"}
    monkeypatch.setenv(KEYS, "another key of the tests which is long enough")
    shop.share()
    now = inodes(shop, "analyst")
    assert now["marts.dim_people.parquet"] != after["marts.dim_people.parquet"]


def test_a_renamed_column_is_given_by_its_new_name_and_class_alone(shop: Shop) -> None:
    shop.policy["audiences"].pop("supplier")
    shop.share()
    for build in range(3):
        shop.columns["dim_people"] = {
            "household_id": "pseudonym",
            f"band{build}": "quasi_identifier",
            f"mail{build}": "direct_identifier",
        }
        new = f"alter table marts.dim_people rename age to band{build}; alter table marts.dim_people rename email to mail{build};"
        shop.publish(shops.CONTENT + new, f"2017010{build + 2}T000000000Z")
        shop.share()
        assert shop.tables("analyst")["dim_people"] == ["household_id"]
        assert shop.tables("science")["dim_people"] == ["household_id", f"band{build}"]


STEPS = {
    "the table": (shares._Share, "_table"),
    "the database": (shares._Share, "_database"),
    "the check": (verify, "problems"),
    "the link": (Path, "symlink_to"),
    "the exchange": (Path, "replace"),
}


@pytest.mark.parametrize("step", mostly_nightly(STEPS, 1))
def test_a_crash_leaves_the_old_share_whole(shop: Shop, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.only("analyst")
    shop.share()
    before = shop.query("analyst", "select max(units) from marts.agg_weeks")
    shop.publish(shops.CONTENT.replace("i * 100", "i * 300"), "20170102T000000000Z")

    def crash(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken, pytest.raises(KeyboardInterrupt):
        broken.setattr(*STEPS[step], crash)
        shop.share()
    assert shop.query("analyst", "select max(units) from marts.agg_weeks") == before
    shop.share()
    assert shop.query("analyst", "select max(units) from marts.agg_weeks") == [(1200,)]
    assert not shop.leftovers()


def test_what_is_no_longer_granted_goes_before_anything_is_written(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.share()
    shop.policy["audiences"]["analyst"]["sees"]["quasi_identifier"] = "not at all"
    shop.policy["audiences"]["science"]["sees"]["sensitive"] = "as is"

    def crash(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(shares._Share, "kept", crash)
    with pytest.raises(KeyboardInterrupt):
        shop.share()
    # of another treatment, though it tells more, as well: nobody has to judge which one does
    assert {path.name for path in shop.paths.shares.iterdir() if path.is_symlink()} == {"supplier"}
    assert not shop.leftovers()


def test_a_reader_of_the_old_share_goes_on(shop: Shop) -> None:
    shop.share()
    with duckdb.connect(str(shop.paths.shares / "analyst" / "larder.duckdb"), read_only=True) as reader:
        shop.publish(shops.CONTENT.replace("i * 100", "i * 300"), "20170102T000000000Z")
        shop.share()
        assert reader.execute("select max(units) from marts.agg_weeks").fetchone() == (400,)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_user_reads_nothing_and_a_member_of_a_group_its_share(shop: Shop, tmp_path: Path) -> None:
    shop.policy["audiences"]["science"]["group"] = "games"
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_mode & 0o001 == 0:
            folder.chmod(folder.stat().st_mode | 0o011)
    shop.paths.warehouse.chmod(0o700)
    (tmp_path / "governance").mkdir(mode=0o700)
    shop.share()

    def readable(*groups: str) -> set[str]:
        folders = " ".join(
            f"{shop.paths.shares / audience}/larder.duckdb" for audience in shop.policy["audiences"]
        )
        command = [
            "setpriv",
            "--reuid",
            "65534",
            "--regid",
            "65534",
            *groups,
            "sh",
            "-c",
            f"ls {folders}; head -c1 {folders}",
        ]
        shown = subprocess.run(command, capture_output=True, text=True, cwd="/").stdout
        return {Path(line.strip("=> ")).parent.name for line in shown.splitlines() if line.startswith("==>")}

    assert readable("--clear-groups") == set()
    assert readable("--groups", "60") == {"science"}
