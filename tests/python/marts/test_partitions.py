"""Marts that are built by partition: what has changed of the past is built again, with the same result as a full refresh."""

from pathlib import Path
from typing import Any

import duckdb
import pytest
from conftest import PROJECT, Instance, dbt_run, own_warehouse

FINGERPRINTS = ["agg_sales_days", "agg_feature_dates", "agg_offer_dates"]

BY_PARTITION = sorted(
    file.stem for file in (PROJECT / "models/marts").glob("*/*.yml") if "{{ delete_stale" in file.read_text()
)

AN_AS_OF_DATE = """
insert into marts.bridge_offer_households
select date '2017-01-03', campaign_id, household_id, false from marts.bridge_offer_households where is_latest
"""
"""An as-of date that sees two days; the real ones of these days see none, or all four."""

THE_PAST_CHANGES = """
update marts.fct_basket_lines set product_id = (select max(product_id) from marts.dim_products)
where (basket_id, product_id) = (select min((basket_id, product_id)) from marts.fct_basket_lines where business_date = '2017-01-02');
update marts.dim_products set product_category = 'OTHER', product_type = 'OTHER', department = 'OTHER'
where product_id = (
    select product_id from marts.fct_basket_lines where business_date = '2017-01-02' and not is_volume
    group by product_id order by count(*) desc, product_id limit 1
);
delete from marts.bridge_offer_households where before_date = (select min(before_date) from marts.bridge_offer_households);
delete from marts.fct_basket_lines where business_date in ('2017-01-01', '2017-01-04');
"""
"""A corrected line, a reclassified product, an as-of date that is gone, a day and a week without sales.

Week 1 has one day.
"""


def contents(warehouse: Path) -> dict[str, Any]:
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        return {
            mart: connection.execute(
                f"select count(*), bit_xor(hash(t)), sum(hash(t)::hugeint) from marts.{mart} as t"
            ).fetchone()
            for mart in BY_PARTITION
        }


@pytest.mark.nightly
def test_what_has_changed_of_the_past_is_built_again(published: Instance, tmp_path: Path) -> None:
    made = Instance(tmp_path / "data")
    warehouse = own_warehouse(published, made)

    def change(sql: str) -> None:
        with duckdb.connect(str(warehouse)) as connection:
            connection.execute("set timezone = 'UTC'")
            connection.execute(sql)

    def build(*flags: str) -> dict[str, Any]:
        lake = str(published.data / "lake")
        done = dbt_run(made, *flags, "--select", *FINGERPRINTS, *BY_PARTITION, LARDER_LAKE=lake)
        assert done.returncode == 0, done.stdout
        return contents(warehouse)

    assert len(BY_PARTITION) > 10
    change(AN_AS_OF_DATE)
    before = build()
    change(THE_PAST_CHANGES)
    after = build()
    assert {mart for mart in BY_PARTITION if before[mart] == after[mart]} <= {
        "agg_household_features"  # the first date of the features is later
    }
    assert after == build("--full-refresh")


def test_records_of_builds_name_relations_by_schema(published: Instance) -> None:
    """Two relations of one name in two schemas must not share a record."""
    recorded = {
        model
        for (model,) in published.query(
            "select model from observe.built_loads union select model from observe.built_partitions"
        )
    }
    relations = published.query("select table_schema || '.' || table_name from information_schema.tables")
    assert len(recorded & {f"marts.{mart}" for mart in BY_PARTITION}) > 3
    assert recorded <= {relation for (relation,) in relations}
