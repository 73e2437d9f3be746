"""The whole path on a slice of the real year, by the commands that a user types."""

import csv
import fnmatch
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import duckdb
import only_the_past
import pyarrow.parquet as pq
import pytest
from conftest import PROJECT, Instance, copy_of

from larder.warehouse import ledger

TOTALS = PROJECT / "seeds" / "control_totals_daily.csv"


def expected_sales(to: str) -> list[tuple[int, str]]:
    """Lines and sales up to a day, straight from the committed control totals."""
    return duckdb.execute(
        f"select sum(lines)::bigint, sum(sales_usd)::decimal(18, 2)::varchar from '{TOTALS}' where business_date <= '{to}'"
    ).fetchall()


def sales(instance: Instance) -> list[tuple[int, str]]:
    return instance.query(
        "select count(*), sum(sales_usd + gift_card_usd)::varchar from marts.fct_basket_lines"
    )


def generation(instance: Instance) -> str:
    published = json.loads(instance.larder("status", "--json").stdout)["published"]
    return str(published["id"])


@pytest.fixture(scope="module")
def built(published: Instance, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """One instance that was run once, at the end of 4 January, with its systems."""
    made = Instance(tmp_path_factory.mktemp("built"))
    copy_of(published, made.data)
    made.larder("demo", "start", "--to", "2017-01-04")
    yield made
    made.larder("demo", "stop")


def test_the_figures_are_those_of_the_source(built: Instance) -> None:
    assert sales(built) == expected_sales("2017-01-04")


def test_of_the_real_data_nothing_is_quarantined(built: Instance) -> None:
    tables = json.loads(built.larder("status", "--json").stdout)["sources"]
    assert {table["source"] for table in tables} >= {
        "pos",
        "promotions",
        "merchandising",
        "loyalty",
        "campaigns",
    }
    for table in tables:
        assert table["delivered"] == table["loaded"] == table["rows"] > 0, table
        assert table["quarantined"] == table["discarded"] == 0, table


def test_docs_are_one_page_that_names_the_marts(built: Instance) -> None:
    page = (built.data / "site/docs/index.html").read_text()
    assert "fct_basket_lines" in page
    assert "<script src" not in page


def test_the_query_in_every_public_marts_description_runs(built: Instance) -> None:
    """Each of them once, on what is published; on four days some have no rows to show, but all have columns."""
    manifest = json.loads((built.warehouse.parent / "dbt/manifest.json").read_text())
    public = [node for node in manifest["nodes"].values() if node.get("access") == "public"]
    assert public
    for node in public:
        (query,) = re.findall(r"^```sql\n(.*?)^```", node["description"], flags=re.DOTALL | re.MULTILINE)
        assert node["alias"] in query
        built.query(query)


def test_the_overview_names_tables_that_there_are(built: Instance) -> None:
    manifest = json.loads((built.warehouse.parent / "dbt/manifest.json").read_text())
    page = manifest["docs"]["doc.larder.__overview__"]["block_contents"]
    tables = [name for (name,) in built.query("select schema_name || '.' || table_name from duckdb_tables()")]
    named = set(re.findall(r"`(?:marts\.)?((?:agg|bridge|dim|fct)_[a-z_0-9*]*[a-z0-9*])`", page))
    assert len(named) > 10
    assert not {name for name in named if not fnmatch.filter(tables, f"marts.{name}")}


def test_a_metric_adds_up_to_the_control_totals(built: Instance) -> None:
    """Asked by the command, of the definitions and tables that were published together."""
    lines = built.larder("metric", "takings", "--by", "day", "--csv").stdout.splitlines()
    rows = list(csv.DictReader(lines))
    with TOTALS.open() as file:
        totals = {row["business_date"]: row["sales_usd"] for row in csv.DictReader(file)}
    assert len(rows) == 4
    assert all(row["takings"] == totals[row["day"]] for row in rows)


def test_the_ledger_accounts_for_every_row(built: Instance) -> None:
    lines, money = expected_sales("2017-01-04")[0]
    accounts = built.query(
        "select sum(delivered_rows)::bigint, sum(mart_rows)::bigint, sum(mart_usd)::varchar"
        " from observe.ledger where source_system = 'pos'"
    )
    assert accounts == [(lines, lines, money)]
    assert "nothing is missing" in built.larder("status").stdout


@pytest.mark.nightly
def test_the_ledger_names_the_day_of_what_was_lost_behind_its_back(built: Instance, tmp_path: Path) -> None:
    """A raw file without one of its rows, a line that the mart has lost, one of which a cent has; and promotions as well."""
    copy, lake = Instance(tmp_path / "data"), tmp_path / "lake"
    shutil.copytree(built.data / "lake", lake)
    file = next(lake.glob("raw/pos/transactions/*.parquet"))
    kept = duckdb.execute(
        f"from '{file}' qualify business_date <> '2017-01-02' or row_number() over (partition by business_date order by basket_id, product_id) > 1"
    ).to_arrow_table()
    pq.write_table(kept, file)
    warehouse = copy.data / "warehouse/dev/larder.duckdb"
    warehouse.parent.mkdir(parents=True)
    warehouse.write_bytes(built.warehouse.read_bytes())
    with duckdb.connect(str(warehouse)) as connection:
        first = "(select min((basket_id, product_id)) from marts.fct_basket_lines where business_date = '{}')"
        line = "where (basket_id, product_id) = " + first
        connection.execute("delete from marts.fct_basket_lines " + line.format("2017-01-03"))
        connection.execute(
            "update marts.fct_basket_lines set sales_usd = sales_usd - 0.01 " + line.format("2017-01-04")
        )
        connection.execute(
            "update marts.fct_promotions set product_id = product_id + 1"
            " where (product_id, store_id) = (select max((product_id, store_id)) from marts.fct_promotions where week_number = 1)"
            " and week_number = 1"
        )
        connection.execute(
            "delete from marts.fct_promotions"
            " where (product_id, store_id) = (select min((product_id, store_id)) from marts.fct_promotions where week_number = 2)"
            " and week_number = 2"
        )
    command = [Path(sys.executable).with_name("dbt"), "--quiet", "build", "--select"]
    command += ["ledger_promotions", "ledger", ledger.TEST]
    env = {**copy.env, "LARDER_LAKE": str(lake)}
    assert subprocess.run(command, cwd=PROJECT, env=env, capture_output=True).returncode == 1
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        found = ledger.read(connection)
    assert found and found.missing == [
        "pos.transactions, day 2017-01-02: 4251 loaded, 4250 in the lake",
        "pos.transactions, day 2017-01-03: 4462 loaded, 4461 in the mart",
        "pos.transactions, day 2017-01-04: USD 12194.08 loaded, 12194.07 in the mart",
        "pos_stream.transactions, day 2017-01-03: 4462 loaded, 4461 in the mart",
        "promotions.placements, day 2016-12-26: 386086 loaded, other keys in the mart",
        "promotions.placements, day 2017-01-02: 355244 loaded, 355243 in the mart",
    ]


def test_offers_are_those_of_the_marts_with_their_reasons(built: Instance) -> None:
    household, offers = built.query(
        "select household_id, count(*) from marts.agg_household_offers where is_latest group by 1 order by 2 desc, 1 limit 1"
    )[0]
    found = json.loads(built.larder("offers", str(household), "--json").stdout)
    assert (found["household_id"], found["as_of"]) == (household, "2017-01-05")
    assert len(found["offers"]) == min(offers, 10)
    assert [offer["score"] for offer in found["offers"]] == sorted(
        (o["score"] for o in found["offers"]), reverse=True
    )
    first = found["offers"][0]
    shown = built.larder("offers", str(household)).stdout
    assert first["reason"] in shown and str(first["coupon_upc"]) in shown
    before_the_campaign = json.loads(
        built.larder("offers", str(household), "--as-of", "2017-01-04", "--json").stdout
    )
    assert {offer["reason_code"] for offer in before_the_campaign["offers"]} == {"no history"}


def test_offers_that_cannot_be_shown_say_why_and_what_to_do(built: Instance) -> None:
    untargeted = built.query(
        "from marts.dim_households as h anti join marts.fct_campaign_targets using (household_id) select min(household_id)"
    )[0][0]
    for arguments, why, what in [
        (["999999999"], "no household 999999999", "duckdb -readonly"),
        (
            [str(untargeted)],
            f"no campaign runs for household {untargeted} on 2017-01-05",
            "No campaign has targeted",
        ),
        (["1", "--as-of", "2018-06-01"], "2018-06-01 is outside", "from 2017-01-01 to 2017-01-05"),
    ]:
        refused = built.larder("offers", *arguments, code=1).stderr
        assert why in refused and what in refused


def test_offers_and_features_see_only_the_past(built: Instance, tmp_path: Path) -> None:
    """Built from data that end before an as-of date, its rows are the same; a comparison off by one day shows, each by itself."""
    nodes = json.loads((built.warehouse.parent / "dbt/manifest.json").read_text())["nodes"]
    compiled = {model: nodes[f"model.larder.{model}"]["compiled_code"] for model in only_the_past.MODELS}
    campaign, weights = only_the_past.Campaign(7, date(2017, 4, 24)), PROJECT / "seeds/offer_weights.csv"
    later = only_the_past.build(compiled, weights, tmp_path, campaign, date(2017, 6, 1))
    then = only_the_past.build(compiled, weights, tmp_path, campaign, campaign.day)
    for model in only_the_past.MODELS:
        rows = then.rows(model)
        assert rows and rows == later.rows(model), f"{model} sees its as-of date or later"
        for place, leaking in enumerate(later.leaking(model), start=1):
            assert leaking != rows, (
                f"{model}: comparison {place} may be off by one day, and nobody would know"
            )


def test_a_second_run_loads_builds_and_publishes_nothing(built: Instance) -> None:
    before, marts = generation(built), built.marts()
    again = built.larder("run")
    assert "nothing to build" in again.stderr and "nothing to publish" in again.stderr
    assert (generation(built), built.marts()) == (before, marts)


@pytest.mark.nightly
def test_a_wrong_delivery_fails_the_reconciliation_and_leaves_what_is_published(built: Instance) -> None:
    """A till file is delivered again with other money: loaded as a correction, caught by the control totals, taken back."""
    before = generation(built)
    file = built.data / "landing/pos/business_date=2017-01-03/sales_a.parquet"
    right = file.read_bytes()
    wrong = duckdb.execute(
        f"select * replace (sales_value + 1 as sales_value) from read_parquet('{file}', hive_partitioning = false)"
    ).to_arrow_table()
    duckdb.from_arrow(wrong).write_parquet(str(file))
    refused = built.larder("run", code=1)
    assert "control_totals" in refused.stderr and "still published" in refused.stderr
    assert generation(built) == before
    assert sales(built) == expected_sales("2017-01-04")
    assert list((built.data / "warehouse/generations").glob("*-failed/larder.duckdb"))
    file.write_bytes(right)
    built.larder("run")
    assert sales(built) == expected_sales("2017-01-04")


@pytest.mark.nightly
def test_day_by_day_ends_in_the_same_marts_as_one_run(built: Instance, instance: Instance) -> None:
    """A day that only the stream has delivered adds up as well; its files settle it, and leave no trace of the order."""
    built.larder("demo", "stream", "--from", "2017-01-05", "--to", "2017-01-05")
    built.larder("run")
    assert sales(built) == expected_sales("2017-01-05")
    assert built.query(
        "select distinct business_date::varchar from marts.fct_basket_lines where not is_settled"
    ) == [("2017-01-05",)]
    for day in ("2017-01-05", "2017-01-08"):
        built.larder("demo", "advance", "--to", day)
        built.larder("run")
        assert sales(built) == expected_sales(day)
        built.larder("compact")
    assert list(built.data.glob("lake/raw/pos/transactions/compacted-*"))
    instance.larder("demo", "start", "--to", "2017-01-08")
    instance.larder(
        "run", LARDER_THREADS="1"
    )  # the other one had all: which thread was faster must not show either
    assert built.marts() == instance.marts()
    assert built.query("select count(*) from marts.fct_basket_lines where not is_settled") == [(0,)]


@pytest.mark.nightly
def test_a_source_that_is_blocked_stays_as_it_was_and_the_others_go_on(instance: Instance) -> None:
    instance.larder("demo", "start", "--to", "2017-01-02")
    instance.larder("run")
    instance.larder("demo", "advance", "--to", "2017-01-03")
    file = instance.data / "landing/pos/business_date=2017-01-03/sales_a.parquet"
    whole = file.read_bytes()
    file.write_bytes(whole[:-100])
    settled = "select count(*), sum(sales_usd + gift_card_usd)::varchar from marts.fct_basket_lines where is_settled"
    households = "select count(*) from marts.dim_households"
    before = instance.query(households)
    held = instance.larder("run", code=1)
    assert "pos is blocked since" in held.stderr and "published generation" in held.stderr
    assert held.stderr.count("blocked: pos") == 1, "the closing summary says it"
    assert instance.query(settled) == expected_sales("2017-01-02"), "of the next day, events only"
    assert instance.query(households) > before
    file.write_bytes(whole)
    instance.larder("run")
    assert instance.query(settled) == sales(instance) == expected_sales("2017-01-03")


@pytest.mark.nightly
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_ingestion_is_completed_by_the_next(instance: Instance, how: signal.Signals) -> None:
    """Interrupted while the first files of the largest source are on their way into the lake."""
    instance.larder("demo", "start", "--to", "2017-01-08")
    process = instance.start("ingest", "promotions")
    deadline = time.monotonic() + 60
    while not list((instance.data / "dlt").glob("promotions/**/*.parquet")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(how)
    _, err = process.communicate(timeout=60)
    assert process.returncode in (130, -signal.SIGKILL), err
    assert "Traceback" not in err
    instance.larder("ingest", "promotions")
    expected = 386_086 + 355_244  # weeks 1 and 2
    assert instance.lake_rows("promotions", "placements") == expected


@pytest.mark.nightly
def test_docs_that_fail_after_compiling_leave_the_last_page(published: Instance, tmp_path: Path) -> None:
    """dbt has compiled everything and cannot write its catalog: the page of the run before was taken for a new one."""
    copied = Instance(tmp_path / "data")
    copy_of(published, copied.data)
    page = copied.data / "site/docs/index.html"
    before = page.read_bytes()
    catalog = copied.data / "history/dbt/published/catalog.json"
    catalog.unlink()
    catalog.mkdir()
    failed = copied.larder("docs", code=1)
    assert "dbt docs stopped" in failed.stderr and "docs of generation" not in failed.stderr
    assert page.read_bytes() == before


@pytest.mark.nightly
def test_a_build_that_is_terminated_ends_dbt_first(instance: Instance, built: Instance) -> None:
    """As a service manager ends it: the candidate was removed while dbt was still writing it."""
    shutil.copytree(built.data / "lake", instance.data / "lake")
    process = instance.start("build")
    written = instance.data / "history/dbt/candidate/run"
    deadline = time.monotonic() + 60
    while not written.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.terminate()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "interrupted" in err, err
    log = (instance.data / "history/dbt/logs/dbt.log").read_text()
    assert "KeyboardInterrupt" in log, "dbt itself was interrupted, and not only its parent"
    assert not list((instance.data / "warehouse/generations").glob("*"))


def test_a_second_build_beside_the_first_leaves_at_once(instance: Instance, built: Instance) -> None:
    shutil.copytree(built.data / "lake", instance.data / "lake")
    first = instance.start("build")
    lock = instance.data / "history/locks/build.lock"
    while first.poll() is None and not (lock.exists() and lock.read_text()):
        time.sleep(0.02)
    second = instance.larder("build", code=1)
    assert f"build is locked by process {first.pid}" in second.stderr
    first.send_signal(signal.SIGINT)
    _, err = first.communicate(timeout=60)
    assert first.returncode == 130, err
    assert not list(Path(instance.data / "warehouse/generations").glob("*"))
