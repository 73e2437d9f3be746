"""The campaign API of a retailer whose year has come to 8 January."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import duckdb
import pytest
from conftest import Instance
from demo_instance import RESOURCES, Demo

from demo.year import data_folder

CLOCK = "2017-01-08"


@pytest.fixture(scope="module")
def demo(retailer: Instance) -> Demo:
    return Demo(retailer.data)


def real(sql: str) -> list[tuple[Any, ...]]:
    return duckdb.execute(sql.replace("@", str(data_folder()) + "/")).fetchall()


@pytest.mark.parametrize("token", ["", "wrong"])
def test_without_the_token_there_is_no_answer(demo: Demo, token: str) -> None:
    for path in (*RESOURCES, "summary"):
        answer = demo.get(f"/v1/{path}", token=token)
        assert answer.status == 401 and answer.headers["www-authenticate"] == "Bearer"
        assert answer.body["error"]["status"] == 401


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=5001",
        "limit=many",
        "limit=-1",
        "limit=" + "9" * 5000,
        "updated_since=yesterday",
        "after=1",
        "after=1.x",
        "after=" + "9" * 5000 + ".1",
        "updatedsince=2017-01-01",
    ],
)
def test_bad_parameters_are_named(demo: Demo, query: str) -> None:
    answer = demo.get(f"/v1/coupons?{query}")
    assert answer.status == 400
    assert query.partition("=")[0] in answer.body["error"]["message"]


def test_an_unknown_resource_is_not_found(demo: Demo) -> None:
    answer = demo.get("/v1/customers")
    assert answer.status == 404 and "campaign_households" in answer.body["error"]["message"]


def test_pages_join_to_all_records_in_order(demo: Demo) -> None:
    pages = list(demo.pages("/v1/coupons?limit=500"))
    assert [len(page) for page in pages[:-1]] == [500] * (len(pages) - 1) and len(pages) > 10
    records = [record for page in pages for record in page]
    order = [(record["updated_at"], record["id"]) for record in records]
    assert order == sorted(order) and len(set(order)) == len(order)
    assert records == demo.records("coupons") == demo.records("coupons", "")


def test_the_records_are_the_real_ones_until_the_clock(demo: Demo) -> None:
    started = "'@campaign_descriptions.parquet'"
    expected = {
        "campaigns": real(
            f"select campaign_id, campaign_type, start_date::date::text, end_date::date::text from {started} "
            f"where start_date <= date '{CLOCK}' order by all"
        ),
        "campaign_households": real(
            f"select campaign_id, household_id from '@campaigns.parquet' inner join {started} using (campaign_id) "
            f"where start_date <= date '{CLOCK}' order by all"
        ),
        "coupons": real(
            f"select coupon_upc, product_id, campaign_id from '@coupons.parquet' inner join {started} using (campaign_id) "
            f"where start_date <= date '{CLOCK}' order by all"
        ),
        "coupon_redemptions": real(
            "select household_id, coupon_upc, campaign_id, redemption_date::date::text from '@coupon_redemptions.parquet' "
            f"where redemption_date <= date '{CLOCK}' order by all"
        ),
    }
    for resource, rows in expected.items():
        records = demo.records(resource)
        values = [
            tuple(v for name, v in record.items() if name not in ("id", "updated_at")) for record in records
        ]
        assert sorted(values) == rows and rows
        assert all("2017-01-01" <= record["updated_at"][:10] <= CLOCK for record in records)


def test_updated_since_is_inclusive(demo: Demo) -> None:
    records = demo.records("coupons")
    middle = records[len(records) // 2]["updated_at"]
    assert demo.records("coupons", f"updated_since={middle}&limit=900") == [
        record for record in records if record["updated_at"] >= middle
    ]
    # The same moment, as dlt and others write it.
    same = middle.replace("Z", "%2B00:00")
    assert demo.records("coupons", f"updated_since={same}")[0]["updated_at"] == middle
    assert demo.records("coupons", "updated_since=2017-01-09") == []
    assert demo.get("/v1/coupons?updated_since=2017-01-09").body["next"] is None


def test_dlt_reads_it_with_nothing_declared_but_the_address(demo: Demo) -> None:
    from dlt.sources.helpers.rest_client import RESTClient
    from dlt.sources.helpers.rest_client.auth import BearerTokenAuth

    token: Any = demo.connections["SOURCES__CAMPAIGNS__TOKEN"]
    client = RESTClient(demo.connections["SOURCES__CAMPAIGNS__BASE_URL"], auth=BearerTokenAuth(token))
    found = [record for page in client.paginate("coupons", params={"limit": 50}) for record in page]
    assert found == demo.records("coupons")


def test_a_burst_is_slowed_down_and_nobody_is_locked_out(demo: Demo) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: demo.get("/v1/campaigns?limit=1", patience=False), range(300)))
    statuses = {answer.status for answer in answers}
    assert statuses == {200, 429}
    refused = [answer for answer in answers if answer.status == 429]
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
    assert all(answer.body["error"]["status"] == 429 for answer in refused)
    assert demo.get("/v1/campaigns").status == 200  # after Retry-After


def test_the_summary_counts_what_exists(demo: Demo) -> None:
    summary = demo.get("/v1/summary").body
    assert summary["clock"] == CLOCK
    assert summary["rows"] == {resource: len(demo.records(resource)) for resource in RESOURCES}
