"""What is read again changes no mart; what a source deletes stays in the dimensions, flagged, as facts refer to it."""

import json
from contextlib import closing
from urllib.parse import urlsplit

import psycopg2
import pytest
from conftest import Instance, connections


@pytest.mark.nightly
def test_reloads_change_no_mart_and_deletes_keep_every_fact(instance: Instance) -> None:
    instance.larder("demo", "start", "--to", "2017-01-03")
    instance.larder("run")
    before = instance.marts()
    instance.larder("ingest", "--from", "2017-01-02", "--to", "2017-01-03")
    instance.larder("ingest", "merchandising", "loyalty", "campaigns", "--full")
    instance.larder("run")
    assert instance.marts() == before

    sold = "select {0} from marts.fct_basket_lines where {0} in (select {0} from marts.{1}) group by 1 order by 1 limit 3"
    households = [
        key for (key,) in instance.query(sold.format("household_id", "dim_households where has_demographics"))
    ]
    products = [
        key for (key,) in instance.query(sold.format("product_id", "dim_products where not is_unknown"))
    ]
    _delete(
        instance,
        ("loyalty.demographics", "household_id", households),
        ("loyalty.households", "household_id", households[:2]),
        ("merchandising.products", "product_id", products),
    )
    instance.larder("run")
    gone = "select {0} from marts.{1} where is_deleted order by 1"
    assert [key for (key,) in instance.query(gone.format("household_id", "dim_households"))] == households[:2]
    assert [key for (key,) in instance.query(gone.format("product_id", "dim_products"))] == products
    told = f"select count(*) from marts.dim_households where has_demographics and household_id in {tuple(households)}"
    assert instance.query(told) == [(0,)]
    after = instance.marts()
    assert {name: after[name] for name in after if name.startswith("fct_")} == {
        name: before[name] for name in before if name.startswith("fct_")
    }


def _delete(instance: Instance, *rows: tuple[str, str, list[int]]) -> None:
    port = urlsplit(connections(instance)["SOURCES__LOYALTY__CREDENTIALS"]).port
    password = json.loads((instance.data / "demo/secrets.json").read_text())["admin_password"]
    address = f"postgresql://postgres:{password}@127.0.0.1:{port}/retailer"
    with closing(psycopg2.connect(address)) as connection, connection, connection.cursor() as cursor:
        for table, key, keys in rows:
            cursor.execute(f"delete from {table} where {key} = any(%s)", (keys,))
