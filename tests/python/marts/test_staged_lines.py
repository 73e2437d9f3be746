"""Staged till lines are incremental: a file delivered again replaces them, and the result equals staging everything at once."""

import gzip
import shutil
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
from conftest import Instance, copy_of, dbt_run, own_warehouse


def copy_with_landing(published: Instance, folder: Path) -> tuple[Instance, Path]:
    """A copy of what is published with the files that it came from, and its developer's warehouse."""
    made = Instance(folder / "data")
    copy_of(published, made.data)
    shutil.copytree(published.data / "landing", made.data / "landing")
    return made, own_warehouse(published, made)


def correct(file: Path, sql: str) -> None:
    """Deliver a till file again, with what `sql` makes of its `lines`."""
    lines = f"with lines as (from read_parquet('{file}', hive_partitioning = false)) "
    found = duckdb.execute(lines + sql).to_arrow_table()
    duckdb.from_arrow(found).write_parquet(str(file))


@pytest.mark.nightly
def test_files_delivered_again_are_staged_as_if_all_had_come_at_once(
    published: Instance, tmp_path: Path
) -> None:
    """A correction leaves a line out, which the stream still has, and changes another."""
    made, warehouse = copy_with_landing(published, tmp_path)
    file = made.data / "landing/pos/business_date=2017-01-03/sales_a.parquet"
    [left_out, changed] = duckdb.execute(
        f"select (basket_id, product_id) from read_parquet('{file}') where quantity > 0 order by all limit 2"
    ).fetchall()
    correct(
        file,
        f"from lines select * replace (if((basket_id, product_id) = {changed[0]}, 5, sales_value) as sales_value)"
        f" where (basket_id, product_id) <> {left_out[0]}",
    )
    made.larder("ingest", "pos", SOURCES__POS__LANDING=str(made.data / "landing/pos"))

    def stage(*flags: str) -> list[Any]:
        done = dbt_run(made, *flags, "--select", "stg_pos__transactions")
        assert done.returncode == 0, done.stdout
        with duckdb.connect(str(warehouse), read_only=True) as connection:
            return connection.execute(
                "select basket_id, product_id, sales_usd::double, is_in_file, source_file, load_id, hash(t)"
                " from staging.stg_pos__transactions as t order by all"
            ).fetchall()

    kept = stage()
    staged = {line[:2]: line[2:5] for line in kept}
    assert staged[tuple(left_out[0])][1] is False, "left out by the correction, still in the stream"
    assert staged[tuple(changed[0])][:2] == (5.0, True)
    assert kept == stage("--full-refresh")


@pytest.mark.nightly
def test_a_day_and_a_week_delivered_again_as_empty_leave_the_marts(
    published: Instance, tmp_path: Path
) -> None:
    """Nothing of them is left, as if they had been empty from the first: no row of them tells a run that they have changed."""
    made, warehouse = copy_with_landing(published, tmp_path)
    day, week = made.data / "landing/pos/business_date=2017-01-03", made.data / "landing/promotions/week=01"
    for file in (day / "sales_a.parquet", week / "placements.parquet"):
        pq.write_table(pq.read_schema(file).empty_table(), file)
    header = gzip.decompress((day / "sales_b.csv.gz").read_bytes()).partition(b"\n")[0]
    (day / "sales_b.csv.gz").write_bytes(gzip.compress(header + b"\n"))
    folders = {
        f"SOURCES__{name.upper()}__LANDING": str(made.data / "landing" / name)
        for name in ("pos", "promotions")
    }
    made.larder("ingest", "pos", "promotions", "--force", **folders)
    models = [
        "fct_basket_lines",
        "fct_promotions",
        "agg_promotion_stores_weekly",
        "agg_promotion_cases_weekly",
    ]

    def build(*flags: str) -> list[Any]:
        done = dbt_run(made, *flags, "--select", "stg_pos__transactions", *models)
        assert done.returncode == 0, done.stdout
        with duckdb.connect(str(warehouse), read_only=True) as connection:
            count = "select count(*), sum(hash(t)::hugeint) from marts.{} as t"
            return [connection.execute(count.format(model)).fetchone() for model in models]

    kept = build()
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        settled = (
            "select count(*) from marts.fct_basket_lines where business_date = '2017-01-03' and is_settled"
        )
        assert connection.execute(settled).fetchone() == (0,), "what the stream has of it stays, not settled"
        assert connection.execute(
            "select count(*) from marts.fct_promotions where week_number = 1"
        ).fetchone() == (0,)
    assert kept == build("--full-refresh")
