"""What a source's contract accepts, no mart refuses: every odd but legal value at once, and all tests of a build pass."""

import csv
import gzip
import json
import re
import shutil
import threading
from contextlib import closing
from datetime import UTC, date, datetime
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from conftest import PROJECT, Instance, connections, copy_of
from nats.js import JetStreamContext

from demo.broker import Stream
from ingestion.contracts.contract import contract
from ingestion.validation import checks

MOST = 2**63 - 1
MONEY = ("sales_value", "retail_disc", "coupon_disc", "coupon_match_disc")


@pytest.mark.parametrize("column", ["age", "income", "home_ownership", "marital_status"])
def test_bands_are_those_of_the_mart(column: str) -> None:
    """A band that the CRM may deliver is one that dim_households may have, and whose order a seed knows."""
    accepted = set(contract("loyalty")["demographics"].by_name[column].allowed)
    [model] = yaml.safe_load((PROJECT / "models/marts/core/dim_households.yml").read_text())["models"]
    name = {"age": "age_band", "income": "income_band"}.get(column, column)
    [found] = [item for item in model["columns"] if item["name"] == name]
    [check] = [rule["expression"] for rule in found["constraints"] if rule["type"] == "check"]
    assert set(re.findall(r"'([^']+)'", check)) == {*accepted, "Unknown"}
    seed = PROJECT / f"seeds/{name}s.csv"
    if seed.exists():
        with seed.open() as lines:
            assert {row[name] for row in csv.DictReader(lines)} == accepted


@pytest.mark.parametrize("source", ["pos", "pos_stream"])
def test_no_line_is_earlier_than_the_first_week(source: str) -> None:
    first = yaml.safe_load((PROJECT / "dbt_project.yml").read_text())["vars"]["first_week_start"]
    earliest = contract(source)["transactions"].by_name["transaction_timestamp"].min
    assert isinstance(earliest, datetime)
    # A day later: it is that day in every time zone.
    assert (earliest - datetime.fromisoformat(first).replace(tzinfo=UTC)).days == 1


def test_a_placement_of_nowhere_is_refused() -> None:
    """Of a store that places nothing, agg_promotion_stores_weekly would count cases that are neither displayed nor mailed."""
    placements = contract("promotions")["placements"]
    rows = [
        {"product_id": 1, "store_id": 1, "week": 1, "display_location": display, "mailer_location": mailer}
        for display, mailer in (("0", "0"), ("0", "A"), ("7", "0"))
    ]
    table = checks.fit(pa.Table.from_pylist(rows), placements).table
    assert [found.rows.tolist() for found in checks.violations(table, placements, [0])] == [[0]]


def line(basket: int, product: int, day: str = "2016-12-28", **changes: Any) -> dict[str, Any]:
    return {
        "basket_id": basket,
        "product_id": product,
        "household_id": 1,
        "store_id": 2,
        "quantity": 1,
        **dict.fromkeys(MONEY, Decimal("0.00")),
        "sales_value": Decimal("1.99"),
        "week": 1,
        "transaction_timestamp": datetime.fromisoformat(f"{day}T17:00:00+00:00"),
        **changes,
    }


def odd_lines(basket: int, product: int) -> list[dict[str, Any]]:
    """Lines of the days before the real ones, which have no control totals. `basket` is one of the real days."""
    return [
        line(1, product),
        line(1, product + 1, quantity=999999, **dict.fromkeys(MONEY, Decimal(100000))),
        line(1, product + 2, quantity=0, sales_value=Decimal(0), week=2**31 - 1),
        line(2, product, quantity=1001, store_id=99_999_999, household_id=99_999_999),
        line(3, 99_999_999, quantity=5000),
        line(0, 0, household_id=0, store_id=1),
        line(MOST, MOST, household_id=MOST, store_id=MOST),
        # A till that prints one number on all receipts, and one that has begun its numbers again.
        line(7, product),
        line(7, product, "2016-12-29", store_id=3),
        line(7, product, "2016-12-30", household_id=2),
        line(7, product + 1, "2016-12-30", household_id=2),
        line(basket, product, "2016-12-29", household_id=2),
    ]


def deliver(landing: Path, lines: list[dict[str, Any]]) -> None:
    """The lines as files of the tills of group A; group B has sold nothing."""
    schema = pa.schema(
        [field for field in contract("pos")["transactions"].schema if field.name != "business_date"]
    )
    for day in ("2016-12-28", "2016-12-29", "2016-12-30", "2016-12-31"):
        folder = landing / f"business_date={day}"
        folder.mkdir()
        of_day = [row for row in lines if row["transaction_timestamp"].date() == date.fromisoformat(day)]
        pq.write_table(pa.Table.from_pylist(of_day, schema), folder / "sales_a.parquet")
        (folder / "sales_b.csv.gz").write_bytes(gzip.compress(",".join(schema.names).encode() + b"\n"))


def publish(env: dict[str, str], lines: list[dict[str, Any]]) -> None:
    """The lines as events, which no file has settled."""
    url = urlsplit(env["SOURCES__POS_STREAM__URL"])

    async def send(context: JetStreamContext) -> None:
        await context.add_stream(name="ODD", subjects=["odd"])
        for row in lines:
            event = {**row, "business_date": row["transaction_timestamp"].date()}
            await context.publish("odd", json.dumps(event, default=str).encode())

    Stream(url.port or 0, env["SOURCES__POS_STREAM__TOKEN"]).run(send)
    env["SOURCES__POS_STREAM__URL"] = url._replace(path="ODD").geturl()


def change_masters(env: dict[str, str], data: Path) -> None:
    """What the merchandiser and the CRM may write."""
    password = json.loads((data / "demo/secrets.json").read_text())["admin_password"]
    port = urlsplit(env["SOURCES__LOYALTY__CREDENTIALS"]).port
    address = f"postgresql://postgres:{password}@127.0.0.1:{port}/retailer"
    with closing(psycopg2.connect(address)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        for change in (
            "insert into merchandising.products values (0, -1, '', null, '[/b] ''\"%', repeat('x', 9999), null, '1970-01-01Z')",
            f"insert into merchandising.products values ({MOST}, null, null, null, null, null, null, '0001-01-01Z')",
            "update merchandising.products set updated_at = '2099-01-01Z' where product_id = 1004906",
            "update loyalty.demographics set updated_at = '2099-01-01Z' where household_id = (select min(household_id) from loyalty.demographics)",
            "delete from merchandising.stores where store_id % 7 = 0",
            f"insert into merchandising.stores values ({MOST}, 'B', now())",
            "insert into loyalty.households values (0, '', '', '', '', '', '0001-01-01', '1900-01-01', '1970-01-01Z')",
            f"insert into loyalty.households values ({MOST}, '', '', '', '', '', '9999-12-31', '9999-12-31', '9999-12-31 23:59:59Z')",
            "insert into loyalty.demographics values (0, null, null, null, null, null, null, null, '1970-01-01Z')",
        ):
            cursor.execute(change)


RECORDS: dict[str, list[dict[str, Any]]] = {
    "campaigns": [
        {"campaign_id": 101, "campaign_type": "Type A", "start_date": "1970-01-01", "end_date": "9999-12-31"},
        {"campaign_id": 102, "campaign_type": "Type B", "start_date": "9999-12-31", "end_date": "9999-12-31"},
        {"campaign_id": 103, "campaign_type": "Type C", "start_date": "0001-01-01", "end_date": "2016-12-31"},
        {
            "campaign_id": MOST,
            "campaign_type": "Type A",
            "start_date": "2017-01-02",
            "end_date": "2017-01-03",
        },
    ],
    "campaign_households": [
        {"id": 1, "campaign_id": 101, "household_id": 1},
        {"id": 2, "campaign_id": 103, "household_id": 1},
        {"id": 3, "campaign_id": MOST, "household_id": 99_999_998},
        {"id": 4, "campaign_id": 104, "household_id": 1},
        {"id": 0, "campaign_id": 0, "household_id": 0},
        # a pair under two ids
        {"id": 5, "campaign_id": 101, "household_id": 1},
    ],
    "coupons": [
        {"id": 1, "coupon_upc": 1, "product_id": 99_999_997, "campaign_id": 101},
        {"id": 2, "coupon_upc": MOST, "product_id": 1, "campaign_id": 105},
        {"id": 3, "coupon_upc": 0, "product_id": 0, "campaign_id": 0},
    ],
    "coupon_redemptions": [
        {"id": 1, "household_id": 1, "coupon_upc": 1, "campaign_id": 101, "redemption_date": "2017-01-02"},
        {"id": 2, "household_id": 1, "coupon_upc": 9, "campaign_id": 106, "redemption_date": "1970-01-01"},
        {
            "id": 3,
            "household_id": MOST - 1,
            "coupon_upc": 0,
            "campaign_id": MOST,
            "redemption_date": "2020-01-01",
        },
    ],
}


NAMED = {
    "lines_with_implausible_quantity": 3,
    "lines_with_used_number": 4,
    "lines_with_week_mismatch": 2,
    "stores_unknown": 3,
    "households_unknown": 4,
    "campaigns_unknown": 4,
    "redemptions_not_targeted": 2,
    "redemptions_not_offered": 2,
    "redemptions_out_of_campaign": 2,
    "coupon_products_unknown": 2,
}


class Campaigns(BaseHTTPRequestHandler):
    """An application whose campaigns are as odd as its contract lets them be."""

    def do_GET(self) -> None:
        name = urlsplit(self.path).path.rsplit("/", 1)[1]
        rows = [{"updated_at": "2020-01-01T12:00:00Z", **record} for record in RECORDS.get(name, [])]
        counts = {name: len(records) for name, records in RECORDS.items()}
        answer = {"rows": counts} if name == "summary" else {"data": rows, "next": None}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.mark.nightly
def test_all_odd_values_at_once_are_published(published: Instance, instance: Instance) -> None:
    """Every model and every test of a build; each fault is counted by its name."""
    copy_of(published, instance.data)
    shutil.copytree(published.data / "landing/pos", instance.data / "landing/pos")
    instance.larder("demo", "start", "--to", "2017-01-04")
    env = connections(instance)
    [(basket, product)] = instance.query("select max(basket_id), max(product_id) from marts.fct_basket_lines")
    deliver(instance.data / "landing/pos", odd_lines(basket, product))
    publish(env, [line(8, product, "2017-02-01"), *odd_lines(basket, product)])
    change_masters(env, instance.data)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Campaigns)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    env["SOURCES__CAMPAIGNS__BASE_URL"] = f"http://127.0.0.1:{server.server_port}/"
    instance.larder("ingest", "pos_stream", **env)
    instance.larder("ingest", "pos", "campaigns", "merchandising", "loyalty", "--full", "--force", **env)
    server.shutdown()
    assert json.loads(instance.larder("quarantine", "list", "--json").stdout) == []
    instance.larder("build")
    instance.larder("publish")
    faults = dict(
        instance.query("select fault_name, fault_rows from marts.agg_data_faults where fault_rows > 0")
    )
    assert {name: faults.get(name) for name in NAMED} == NAMED
    assert instance.query(
        "select count(*) from marts.fct_basket_lines where business_date > '2017-01-04'"
    ) == [(1,)]
