"""Real Spark builds what DuckDB builds: the same rows, published by the same pointer. Needs `make setup-spark`."""

import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cluster import cluster
from conftest import PROJECT, Instance, copy_of
from stores import BUCKET, Store, use

from ingestion.core import storage
from larder.project import spark

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.skipif(not spark.ENVIRONMENT.exists(), reason="make setup-spark"),
]

NOT_THE_PROJECT = shutil.ignore_patterns("data", "target", "logs", "site", ".*", "*.egg-info", "__pycache__")

OF_RUNS = ("marts.agg_platform_", "marts.fct_platform_", "observe.", "raw.")
"""What tells of builds, and so is another thing after each."""


def differing(instance: Instance, one: str, other: str) -> dict[str, Any]:
    """The tables in which two generations differ, by what a reader can see: a fingerprint is its engine's own."""
    found = json.loads(instance.larder("diff", one, other, "--json").stdout)
    assert found["schema"] == []
    return {
        table["table"]: table
        for table in found["tables"]
        if not table["table"].startswith(OF_RUNS)
        and (
            table["added"] or table["removed"] or any("fingerprint" not in name for name in table["columns"])
        )
    }


def build_on_spark(instance: Instance, *options: str, **env: str) -> str:
    instance.larder("build", "--target", "spark", *options, **env)
    instance.larder("publish")
    return newest(instance)


@pytest.fixture(scope="module")
def shop(published: Instance, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """An instance that DuckDB has built, with its systems running."""
    made = Instance(tmp_path_factory.mktemp("spark"))
    copy_of(published, made.data)
    made.larder("demo", "start", "--to", "2017-01-04")
    made.larder("ingest")
    made.larder("build", "--all")
    made.larder("publish")
    yield made
    made.larder("demo", "stop")


def test_both_engines_build_the_same(shop: Instance) -> None:
    on_duckdb, lake = newest(shop), {*(shop.data / "lake").rglob("*")}
    on_spark = build_on_spark(shop)
    assert differing(shop, on_duckdb, on_spark) == {}
    assert {*(shop.data / "lake").rglob("*")} == lake, "the lake is only read"
    assert not spilled(shop)


def test_who_reads_need_not_know_the_engine(shop: Instance) -> None:
    query = ["metric", "net_sales", "--by", "day", "--json"]
    on_spark, answer = newest(shop), json.loads(shop.larder(*query).stdout)["rows"]
    shop.larder("export")
    shop.larder("shares")
    shop.larder("rollback")
    assert json.loads(shop.larder(*query).stdout)["rows"] == answer
    shop.larder("rollback", on_spark)
    steps = json.loads(shop.larder("plan", "--target", "spark", "--json").stdout)["steps"]
    assert {step["action"] for step in steps} == {"reuse"}


def test_a_day_more_is_built_as_an_increment(shop: Instance) -> None:
    before = files(shop)
    shop.larder("demo", "advance", "--to", "2017-01-05")
    shop.larder("ingest")
    on_spark = build_on_spark(shop)
    results = json.loads((shop.data / "history/dbt/spark/run_results.json").read_text())["results"]
    built = {one["unique_id"]: one for one in results}
    assert "model.larder.fct_basket_lines" in built
    kept = {path for path in before if "fct_baskets" in str(path)}
    assert kept and kept <= files(shop), "what was built before was written again"
    shop.larder("build", "--all")
    shop.larder("publish")
    assert differing(shop, on_spark, newest(shop)) == {}


def test_a_macro_that_is_wrong_on_one_engine_shows_in_the_report(shop: Instance, tmp_path: Path) -> None:
    """On DuckDB, which is quicker; no test of the project sees it, as on one engine all is consistent."""
    right, other = newest(shop), tmp_path / "project"
    shutil.copytree(PROJECT, other, ignore=NOT_THE_PROJECT)
    shutil.copytree(PROJECT / ".dlt", other / ".dlt")
    macro = other / "macros/time/utc_timestamp.sql"
    macro.write_text(macro.read_text().replace("timezone('UTC'", "timezone('Europe/Paris'"))
    wrong = Instance(shop.data, other)
    wrong.larder("build", "--all")
    wrong.larder("publish")
    assert differing(shop, right, newest(shop))
    shop.larder("rollback")


def test_a_killed_build_leaves_what_is_published(shop: Instance) -> None:
    was, marts, kept = newest(shop), shop.marts(), files(shop)
    for models in (20, 80):
        process = shop.start("build", "--target", "spark", "--all")
        wait_for_models(shop, models)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert (newest(shop), shop.marts()) == (was, marts)
    assert spilled(shop)
    shop.larder("clean")
    assert (files(shop), spilled(shop)) == (kept, [])


def test_a_cluster_reads_a_bucket_and_survives_a_worker(
    shop: Instance, store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What it is compared with was built from the same lake on a disk."""
    was = newest(shop)
    use(monkeypatch, store)
    lake = storage.location(f"s3://{BUCKET}/spark/lake")
    lake.fs.put(f"{shop.data}/lake/", lake.path, recursive=True)
    monkeypatch.setenv("LARDER_LAKE", str(lake))
    with cluster(tmp_path) as made:
        env = {"LARDER_SPARK_MASTER": made.master, "SPARK_LOCAL_IP": "127.0.0.1"}
        process = shop.start("build", "--target", "spark", "--all", **env)
        wait_for_models(shop, 40)
        made.workers[0].kill()
        out, err = process.communicate()
    assert process.returncode == 0, out + err
    shop.larder("publish")
    assert differing(shop, was, newest(shop)) == {}
    logs = [file.read_text() for file in tmp_path.glob("work*/*/*/stderr")]
    assert logs and not any(level in log for log in logs for level in ("INFO", "WARN", "ERROR")), "no values"


def newest(instance: Instance) -> str:
    """The id of the generation that readers see."""
    found = json.loads(instance.larder("generations", "--json").stdout)
    return next(str(one["id"]) for one in found if one["current"])


def files(instance: Instance) -> set[Path]:
    return {*(instance.data / "warehouse" / spark.TABLES).rglob("*.parquet")}


def spilled(instance: Instance) -> list[Path]:
    """Where processes of Spark have temporary files, rows among them."""
    return [*(instance.data / "warehouse").glob("spill-spark-*")]


def wait_for_models(instance: Instance, count: int) -> None:
    """Wait until a build has so many nodes behind it."""
    run = instance.data / "history/dbt/spark/run"
    shutil.rmtree(run, ignore_errors=True)
    deadline = time.monotonic() + 1800
    while sum(path.is_file() for path in run.rglob("*")) < count:
        assert time.monotonic() < deadline
        time.sleep(1)
