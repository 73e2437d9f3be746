"""The checks of contracts bite: no table lacks one, and a row that breaks one is written neither at first nor later."""

import json
from pathlib import Path

import duckdb
import pytest
from conftest import Instance, dbt_run, own_warehouse

DEPARTMENTS = "agg_sales_daily_department"

A_NEGATIVE_LINE = """
update marts.fct_basket_lines set sales_usd = -10000, customer_paid_usd = -10000 - coupon_discount_usd
where (basket_id, product_id) = (select min((basket_id, product_id)) from marts.fct_basket_lines where business_date = '2017-01-03')
"""


def test_every_check_is_in_its_table(published: Instance) -> None:
    manifest = json.loads((published.warehouse.parent / "dbt/manifest.json").read_text())
    stated = {}
    for node in manifest["nodes"].values():
        constraints = [c for part in (node, *node["columns"].values()) for c in part.get("constraints", [])]
        if checks := sum(c["type"] == "check" for c in constraints):
            stated[node["alias"]] = checks
    built = published.query(
        "select table_name, count(*) from duckdb_constraints() where constraint_type = 'CHECK' group by table_name"
    )
    assert stated == dict(built)
    assert {"stg_pos__transactions", "fct_basket_lines", "dim_households", "agg_sales_daily_v1"} <= set(
        stated
    )


@pytest.mark.nightly
def test_a_row_that_breaks_a_check_is_refused_at_first_and_later(published: Instance, tmp_path: Path) -> None:
    made = Instance(tmp_path / "data")
    warehouse = own_warehouse(published, made)

    def change(sql: str) -> None:
        with duckdb.connect(str(warehouse)) as connection:
            connection.execute(sql)

    def refused() -> str:
        lake = str(published.data / "lake")
        done = dbt_run(made, "--select", "agg_sales_days", DEPARTMENTS, LARDER_LAKE=lake)
        return done.stdout if done.returncode else "nothing"

    def days() -> int:
        with duckdb.connect(str(warehouse), read_only=True) as connection:
            found = connection.execute(f"select count(distinct business_date) from marts.{DEPARTMENTS}")
            ((number,),) = found.fetchall()
        return int(number)

    change(A_NEGATIVE_LINE)
    assert "CHECK((sales_usd >= 0))" in refused()
    assert days() == 4, "the table is not what it was"
    change(f"drop table marts.{DEPARTMENTS}")
    assert "CHECK((sales_usd >= 0))" in refused()
