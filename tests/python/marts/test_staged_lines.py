"""Staged till lines are incremental: a file delivered again replaces them, and the result equals staging everything at once."""

import shutil
from pathlib import Path
from typing import Any

import duckdb
from conftest import Instance, copy_of, dbt_run, own_warehouse


def correct(file: Path, sql: str) -> None:
    """Deliver a till file again, with what `sql` makes of its `lines`."""
    lines = f"with lines as (from read_parquet('{file}', hive_partitioning = false)) "
    found = duckdb.execute(lines + sql).to_arrow_table()
    duckdb.from_arrow(found).write_parquet(str(file))


def test_files_delivered_again_are_staged_as_if_all_had_come_at_once(
    published: Instance, tmp_path: Path
) -> None:
    """A correction leaves a line out, which the stream still has, and changes another."""
    made = Instance(tmp_path / "data")
    copy_of(published, made.data)
    shutil.copytree(published.data / "landing", made.data / "landing")
    warehouse = own_warehouse(published, made)
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
