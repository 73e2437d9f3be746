"""`larder dev` on a published instance, in a copy of the project that the tests may edit."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb
import pytest
from conftest import PROJECT, Instance, copy_of

from larder.warehouse.store import Store

NOT_THE_PROJECT = shutil.ignore_patterns("data", "target", "logs", "site", ".*", "*.egg-info", "__pycache__")
SALES = "models/marts/sales/agg_sales_daily.sql"
REDEMPTIONS = "models/marts/promotions/bridge_redemption_lines.sql"


@dataclass(frozen=True)
class Checkout(Instance):
    """A data root with a copy of the project of its own: `python -m larder` there runs the copy."""

    project: Path

    def start(self, *arguments: str, **env: str) -> subprocess.Popen[str]:
        return self.run("-m", "larder", *arguments, **env)

    def run(self, *arguments: str, **env: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, *arguments],
            cwd=self.project,
            env={**self.env, **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def dbt(self, *arguments: str) -> str:
        process = self.run(str(Path(sys.executable).with_name("dbt")), "--quiet", *arguments)
        out, err = process.communicate()
        assert process.returncode == 0, out + err
        return out

    @contextmanager
    def edited(self, file: str, old: str, new: str) -> Iterator[None]:
        path = self.project / file
        before = path.read_text()
        assert before.count(old) == 1
        path.write_text(before.replace(old, new))
        try:
            yield
        finally:
            path.write_text(before)

    @property
    def workspace(self) -> Path:
        return self.data / "warehouse/dev/workspace.duckdb"

    def look(self, sql: str) -> list[tuple[Any, ...]]:
        """What an analyst sees who opens the workspace as `larder dev` says."""
        with duckdb.connect() as connection:
            connection.execute((self.data / "warehouse/workspace/open.sql").read_text())
            return connection.execute(sql).fetchall()

    def own(self) -> set[str]:
        """Names of the relations that the workspace holds itself."""
        found = self.look(
            "select table_name from information_schema.tables"
            " where table_catalog = 'workspace' and table_schema not in ('raw', 'observe')"
        )
        return {name for (name,) in found}


def digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def shop(published: Instance, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """What is published, beside a copy of the project that it was built from."""
    folder = tmp_path_factory.mktemp("dev")
    shutil.copytree(PROJECT, folder / "project", ignore=NOT_THE_PROJECT)
    shutil.copytree(PROJECT / ".dlt", folder / "project/.dlt")
    made = Checkout(folder / "data", folder / "project")
    copy_of(published, made.data)
    return made


@pytest.fixture
def checkout(shop: Checkout) -> Iterator[Checkout]:
    """The published instance; whatever a test does in its workspace, no byte of what is published may change."""
    file = shop.warehouse.resolve()
    before = digest(file)
    yield shop
    assert digest(file) == before
    shop.larder("dev", "--reset")


def test_without_anything_published_it_says_what_to_do(tmp_path: Path) -> None:
    refused = Instance(tmp_path).larder("dev", code=1)
    assert "nothing is published yet" in refused.stderr and "larder run" in refused.stderr


@pytest.mark.nightly
def test_an_unchanged_project_and_a_changed_layout_build_nothing(checkout: Checkout) -> None:
    assert "nothing differs" in checkout.larder("dev").stderr
    with checkout.edited(SALES, "    from baskets\n", "        from   baskets -- of every store\n"):
        assert "nothing differs" in checkout.larder("dev").stderr
    assert not checkout.workspace.exists()


@pytest.mark.nightly
def test_dbts_own_comparison_finds_nothing_in_an_unchanged_project(checkout: Checkout) -> None:
    """The generation was built into another file than the one that target dev names."""
    state = str(checkout.warehouse.resolve().parent / "dbt")
    assert checkout.dbt("ls", "--select", "state:modified", "--state", state) == ""


@pytest.mark.nightly
def test_a_changed_macro_builds_the_models_that_use_it(checkout: Checkout) -> None:
    with checkout.edited("macros/time/calendar_days.sql", "interval 1 day", "interval 24 hour"):
        checkout.larder("dev")
    assert checkout.own() == {"dim_dates"}
    assert checkout.look("from marts.dim_dates") == checkout.look("from larder.marts.dim_dates")


def test_changed_models_and_their_children_are_built_and_the_rest_is_read(checkout: Checkout) -> None:
    with checkout.edited(
        REDEMPTIONS, "coupon_match_discount_usd > 0\n", "coupon_match_discount_usd > 0.00\n"
    ):
        warned = checkout.larder("dev", "agg_campaign_performance")
        assert "reads bridge_redemption_lines as published" in warned.stderr
        assert checkout.own() == {"agg_campaign_performance"}
        checkout.larder("dev")
        assert checkout.own() == {
            "bridge_redemption_lines",
            "agg_campaign_performance",
            "agg_campaign_type_performance",
        }
        assert "models built" not in checkout.larder("dev").stderr, "built again, although nothing was edited"
    assert checkout.look("select count(*) from marts.fct_basket_lines") == checkout.query(
        "select count(*) from marts.fct_basket_lines"
    )


@pytest.mark.nightly
def test_a_mistake_fails_its_tests_and_is_gone_when_it_is_taken_back(checkout: Checkout) -> None:
    with checkout.edited(SALES, "cast(sum(lines) as bigint)", "cast(sum(lines) + 1 as bigint)"):
        failed = checkout.larder("dev", code=1)
        assert "question_sales_daily_adds_up" in failed.stderr
        ((more,),) = checkout.look(
            "select (select sum(lines) from marts.agg_sales_daily) - (select sum(lines) from larder.marts.agg_sales_daily)"
        )
        assert more > 0
    assert "nothing differs" in checkout.larder("dev").stderr
    assert checkout.own() == set()


@pytest.mark.nightly
def test_a_broken_check_names_its_rule_and_a_query_of_the_rows(checkout: Checkout) -> None:
    with checkout.edited(
        REDEMPTIONS.replace(".sql", ".yml"), "match_discount_usd > 0", "match_discount_usd > 1"
    ):
        failed = checkout.larder("dev", code=1).stderr
    assert (
        "model bridge_redemption_lines: breaks a rule of its contract:"
        " ((coupon_discount_usd + coupon_match_discount_usd) > 1)"
    ) in failed
    (file,) = re.findall(r"duckdb -init \S+ -f (\S+)", failed)
    ((rows, most),) = checkout.look(
        Path(file).read_text().replace("select *", "select count(*), max(coupon_discount_usd)", 1)
    )
    assert rows > 0 and most <= 1


@pytest.mark.nightly
def test_a_sample_holds_the_last_days_in_whole_weeks(checkout: Checkout) -> None:
    said = checkout.larder("dev", "agg_sales_daily", "agg_promotion_performance_weekly", "--sample", "2")
    assert "the last 2 delivered days" in said.stdout
    days = checkout.look(
        "select min(business_date)::varchar, max(business_date)::varchar from agg_sales_daily"
    )
    assert days == [("2017-01-02", "2017-01-04")]
    assert checkout.look("select distinct week_number from agg_promotion_performance_weekly") == [(2,)]
    checkout.larder("dev", "agg_sales_daily")
    assert checkout.own() == {"agg_sales_daily", "agg_sales_daily_v1"}, (
        "a slice may not stay beside the whole"
    )
    assert checkout.look("select min(business_date)::varchar from agg_sales_daily") == [("2017-01-01",)]


@pytest.mark.nightly
def test_a_selection_of_nothing_is_told(checkout: Checkout) -> None:
    assert "matches nothing" in checkout.larder("dev", "no_such_model", code=1).stderr


@pytest.mark.nightly
def test_a_workspace_can_write_nothing_published_and_is_not_moved_by_a_later_publish(
    checkout: Checkout,
) -> None:
    checkout.larder("dev", "agg_sales_weekly_department")
    for statement in (
        "drop table larder.marts.dim_stores",
        "create table larder.marts.mine as select 1 as n",
    ):
        with pytest.raises(duckdb.InvalidInputException, match="read-only"):
            checkout.look(statement)
    with duckdb.connect(str(checkout.workspace), read_only=True):
        assert "another program has" in checkout.larder("dev", code=1).stderr
    store = Store(checkout.data / "warehouse")
    old = store.published()
    assert old
    new = store.begin(fresh=False)
    store.keep_artifacts(new, store.artifacts(old))
    new = replace(new, **{name: getattr(old, name) for name in ("project", "git", "loads", "nodes", "marts")})
    store.audited(new)
    store.publish(new)
    stays = checkout.larder("dev").stdout
    assert f"generation {old.id}" in stays and f"{new.id} is published now" in stays
    assert old.id in (checkout.data / "warehouse/workspace/open.sql").read_text()
    checkout.larder("dev", "--reset")
    assert f"generation {new.id}" in checkout.larder("dev").stderr


@pytest.mark.nightly
def test_new_loads_do_not_reach_a_workspace(checkout: Checkout) -> None:
    """A changed staging model reads the loads of the generation, so that what it feeds can be compared like with like."""
    loads = checkout.data / "lake/raw/merchandising/_dlt_loads"
    (load,) = loads.glob("*.jsonl")
    late = loads / f"late{load.name}"
    late.write_text(json.dumps({**json.loads(load.read_text()), "load_id": "9999999999.9"}) + "\n")
    try:
        checkout.larder("dev", "stg_merchandising__stores")
        known = checkout.look(
            "select load_id from workspace.raw.completed_loads where source = 'merchandising'"
        )
        assert known == [(json.loads(load.read_text())["load_id"],)]
    finally:
        late.unlink()


@pytest.mark.nightly
def test_plain_dbt_needs_neither_a_generation_nor_a_workspace(shop: Checkout, tmp_path: Path) -> None:
    fresh = Checkout(tmp_path / "data", shop.project)
    shutil.copytree(shop.data / "lake", fresh.data / "lake")
    (fresh.data / "warehouse/dev").mkdir(parents=True)  # `larder ingest` makes it
    fresh.dbt("build", "--select", "+dim_campaigns", "--target-path", str(tmp_path / "target"))
    with duckdb.connect(str(fresh.data / "warehouse/dev/larder.duckdb"), read_only=True) as connection:
        assert connection.execute("select count(*) > 0 from marts.dim_campaigns").fetchall() == [(True,)]
